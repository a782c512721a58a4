"""Pictures in a NumPy .npz file: ``images`` uint8 (N, H, W) or (N, H, W, C), and optional ``labels`` (N,)."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from twoway.errors import DataError

__all__ = ["load_npz"]

_EXPECTED = "`images` uint8 of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3)"


def load_npz(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Read a .npz file of pictures; nothing pickled is ever loaded.

    Returns:
        uint8 pictures of shape (N, H, W) or (N, H, W, C), and int64 labels of shape (N,) or None.

    Raises:
        DataError: Damaged, or without the arrays that are expected.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if "images" not in names:
                raise DataError(
                    f"{path} holds {', '.join(sorted(names)[:12]) or 'nothing'}; {_EXPECTED} is expected, with "
                    "optional `labels`. Save the pictures with numpy.savez(path, images=...), or name a folder of "
                    "pictures."
                )
            images = _array(archive, "images", path)
            labels = _array(archive, "labels", path) if "labels" in names else None
    except DataError:
        raise
    except Exception as error:  # zipfile and numpy raise whatever a damaged file makes them trip over
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error}). It is cut off, damaged or not a .npz file; copy "
            "or write it again."
        ) from error
    _check_images(images, path)
    if labels is not None:
        labels = _check_labels(labels, len(images), path)
    return images, labels


def _array(archive: zipfile.ZipFile, name: str, path: Path) -> np.ndarray:
    entry = archive.getinfo(name + ".npy")
    with archive.open(entry) as stream:
        shape, dtype = _header(stream)  # type: ignore[arg-type]
        there = entry.file_size - stream.tell()
    if dtype.hasobject:
        raise DataError(f"`{name}` in {path} holds pickled objects, which are never loaded; {_EXPECTED} is expected.")
    if math.prod(shape) * dtype.itemsize > there:
        raise DataError(
            f"`{name}` in {path} claims the shape {shape} of {dtype}, more than the {there:,} bytes it has. "
            "The file is damaged; write it again."
        )
    with archive.open(entry) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _header(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype


def _check_images(images: np.ndarray, path: Path) -> None:
    shape = images.shape
    if images.dtype != np.uint8:
        raise DataError(
            f"`images` in {path} is {images.dtype}; {_EXPECTED} is expected. Scale the values to 0..255 and save them "
            "with .astype(numpy.uint8)."
        )
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3):
        raise DataError(
            f"`images` in {path} has the shape {shape}, which looks like (N, C, H, W); {_EXPECTED} is expected. Save "
            "images.transpose(0, 2, 3, 1)."
        )
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)) or 0 in shape:
        raise DataError(f"`images` in {path} has the shape {shape}; {_EXPECTED} is expected, with N from 1.")


def _check_labels(labels: np.ndarray, count: int, path: Path) -> np.ndarray:
    if labels.shape != (count,) or labels.dtype.kind not in "iub":
        raise DataError(
            f"`labels` in {path} is {labels.dtype} of shape {labels.shape}; one whole number for each of the {count} "
            f"pictures is expected, shape ({count},). Save it so, or leave it out."
        )
    return labels.astype(np.int64)
