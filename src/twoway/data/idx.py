"""IDX files, the format of MNIST and its relatives: magic number, big-endian sizes, then bytes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from twoway.data.base import Split
from twoway.errors import DataError, NoSplitError

__all__ = ["find_idx_folder", "load_idx", "read_idx"]

MAX_SIDE = 4096
MAX_BYTES = 4 * 2**30
_PREFIXES: dict[str, tuple[str, ...]] = {"train": ("train",), "test": ("t10k", "test")}


def find_idx_folder(folder: Path) -> Path | None:
    """Return the folder that holds IDX pictures: this one, ``raw`` or ``MNIST/raw`` below it, or None."""
    for candidate in (folder, folder / "raw", folder / "MNIST" / "raw"):
        if any(_find(candidate, split, "images", 3) for split in _PREFIXES):
            return candidate
    return None


def _find(folder: Path, split: str, what: str, axes: int) -> Path | None:
    for prefix in _PREFIXES[split]:
        for joint in ("-", "."):  # some unpackers write train-images.idx3-ubyte
            for end in ("", ".gz"):
                path = folder / f"{prefix}-{what}{joint}idx{axes}-ubyte{end}"
                if path.is_file():
                    return path
    return None


def load_idx(folder: Path, split: Split) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the pictures and labels of a split.

    Args:
        folder: What `find_idx_folder` returned.
        split: ``all`` is train followed by test, as far as they are there.

    Returns:
        uint8 pictures of shape (N, H, W), and uint8 labels of shape (N,) or None where there is no label file.

    Raises:
        NoSplitError: There are no pictures of the split.
        DataError: A file that is damaged, or of another count than its partner.
    """
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for part in _PREFIXES if split == "all" else (split,):
        path = _find(folder, part, "images", 3)
        if path is None and split == "all":
            continue
        if path is None:
            raise NoSplitError(
                f"{folder} has no {_PREFIXES[part][0]}-images-idx3-ubyte or .gz, which split '{split}' needs. Put it "
                "there, or choose another split."
            )
        images.append(read_idx(path, 3))
        label_path = _find(folder, part, "labels", 1)
        if label_path is not None:
            labels.append(read_idx(label_path, 1))
            if len(labels[-1]) != len(images[-1]):
                raise DataError(
                    f"{path} holds {len(images[-1])} pictures, but {label_path} holds {len(labels[-1])} labels; they "
                    "do not belong together. Download both again, or remove the label file to go without labels."
                )
    if len({array.shape[1:] for array in images}) > 1:
        raise DataError(
            f"The train and test pictures in {folder} have different sizes: "
            f"{' and '.join(f'{a.shape[2]}x{a.shape[1]}' for a in images)}. Open them one split at a time."
        )
    complete = len(labels) == len(images)
    return np.concatenate(images), np.concatenate(labels) if complete else None


def read_idx(path: Path, axes: int) -> np.ndarray:
    """Read one IDX file of bytes, plain or gzip. Its header is believed only as far as the bytes bear it out.

    Args:
        path: The file.
        axes: 3 for pictures, 1 for labels.

    Returns:
        uint8 array with that many axes.

    Raises:
        DataError: Not such a file, sizes that make no sense, or fewer or more bytes than the header says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return _parse(stream, path, axes)  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error}). The file is damaged or cut off; download it "
            "again."
        ) from error


def _parse(stream: BinaryIO, path: Path, axes: int) -> np.ndarray:
    header = stream.read(4 + 4 * axes)
    magic = struct.unpack(">I", header[:4])[0] if len(header) >= 4 else None
    expected = 0x0800 + axes
    if magic != expected or len(header) < 4 + 4 * axes:
        found = "nothing" if magic is None else f"{magic:#010x}"
        raise DataError(
            f"{path} does not begin like an IDX file of {'pictures' if axes == 3 else 'labels'}: {found} instead of "
            f"{expected:#010x}, or cut off in its header. It is another kind of file, or damaged; download it again."
        )
    shape = struct.unpack(f">{axes}I", header[4:])
    total = math.prod(shape)
    if min(shape) < 1 or max(shape[1:], default=1) > MAX_SIDE or total > MAX_BYTES:
        raise DataError(
            f"{path} claims the sizes {shape}; counts from 1, sides up to {MAX_SIDE} and {MAX_BYTES:,} bytes in all "
            "are accepted. The file is damaged; download it again."
        )
    content = _read_at_most(stream, total + 1)
    if len(content) != total:
        there = "more" if len(content) > total else f"only {len(content):,}"
        raise DataError(
            f"{path} should hold {total:,} bytes after its header {shape}, but there are {there}. The file is cut off "
            "or damaged; download it again."
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_at_most(stream: BinaryIO, limit: int) -> bytearray:
    # In pieces: one read(limit) would set aside `limit` bytes on the word of a header that may be a lie.
    content = bytearray()
    while len(content) < limit:
        piece = stream.read(min(2**20, limit - len(content)))
        if not piece:
            break
        content += piece
    return content
