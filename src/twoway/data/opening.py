"""`open_data`: from what the user typed to pictures."""

from __future__ import annotations

import re
import typing
from pathlib import Path
from typing import Literal

from twoway.data.arrays import ArrayImages
from twoway.data.base import Fit, ImageData, Split
from twoway.data.builtin import DRAWINGS, PRESETS, load_preset
from twoway.data.decode import EXTENSIONS
from twoway.data.files import FileImages
from twoway.data.idx import find_idx_folder, load_idx
from twoway.data.npz import load_npz
from twoway.data.rendered import RenderedImages
from twoway.data.sources import FileSource, FolderSource, ZipSource
from twoway.errors import ConfigError, DataError, NoSplitError, closest

__all__ = ["file_source", "open_data"]

SIZES = (2, 4096)


def open_data(
    spec: str | Path,
    *,
    split: Split = "train",
    size: int | None = None,
    channels: Literal[1, 3] | None = None,
    fit: Fit = "crop",
    cache_mib: int = 512,
    minimum: int = 1,
    label: str | None = None,
) -> ImageData:
    """Open pictures, whatever they are kept in. Quick: of files only some headers are read.

    Args:
        spec: A name of `PRESETS` (``digits``, ``mnist``, ``sprites`` ...), or a path: a folder of pictures (searched to
            the bottom), one picture, a ZIP of pictures, a folder with IDX files (itself, its ``raw`` or
            ``MNIST/raw``), or a .npz file with ``images``.
            A built-in name wins over a folder of that name; write ``./digits`` for the folder.
        split: Without a split in the data, ``train`` and ``all`` are both everything and ``test`` is an error.
        size: Side of the square pictures wanted. None: the size that all have, else the largest power of two not above
            the median of the shorter sides, within 8..256.
        channels: 1 or 3. None: 1 where all pictures looked at are stored grey, else 3.
        fit: ``crop`` scales the shorter side and cuts the centre, ``pad`` shows everything on black and never enlarges,
            ``stretch`` distorts.
        cache_mib: Decoded files are kept in memory where all of them need at most this many MiB.
        minimum: How many pictures there must be; training passes 2.
        label: Name of the attribute or known factor that is to be the class label. None: what the data set has.

    Returns:
        The pictures, as uint8 of one shape.

    Raises:
        NoSplitError: A test split that the data do not have.
        DataError: Nothing there, nothing usable, or too few; the message says where and what to do.
        ConfigError: A size, split, fit or number of channels that does not exist, or a label that is not known.
    """
    _check_options(split, size, channels, fit)
    data = _open(spec, split, size, channels, fit, cache_mib)
    if len(data) < minimum:
        raise DataError(
            f"{data.source} holds {len(data)} picture{'s' if len(data) > 1 else ''} (split '{split}'), but at least "
            f"{minimum} are needed: training learns from differences. Name a folder, ZIP or data set with more."
        )
    if label is not None:
        data.labels = data.column(label)
    return data


def _open(
    spec: str | Path, split: Split, size: int | None, channels: int | None, fit: Fit, cache_mib: int
) -> ImageData:
    if isinstance(spec, str) and spec in DRAWINGS:
        return RenderedImages(
            DRAWINGS[spec](), name=spec, split=split, size=size, channels=channels, cache_mib=cache_mib
        )
    if isinstance(spec, str) and spec in PRESETS:
        images, labels = load_preset(spec, split)
        return ArrayImages(images, labels, name=spec, source=spec, split=split, size=size, channels=channels, fit=fit)
    path = existing(spec)
    idx = find_idx_folder(path) if path.is_dir() else None
    if idx is not None:
        images, labels = load_idx(idx, split)
    elif path.suffix.lower() == ".npz" and path.is_file():
        images, labels = load_npz(path)
        if split == "test":
            raise NoSplitError(
                f"{path} has no test part: a .npz file is one split. Use split 'all' or 'train', which here both mean "
                "every picture, or name a file of test pictures."
            )
    else:
        return FileImages(
            file_source(path), name=slug(path), split=split, size=size, channels=channels, fit=fit, cache_mib=cache_mib
        )
    where = str(path)
    return ArrayImages(
        images, labels, name=slug(idx or path), source=where, split=split, size=size, channels=channels, fit=fit
    )


def existing(spec: str | Path) -> Path:
    """Return the absolute path of something that is there.

    Raises:
        DataError: It is not; the message names what is nearest, be it a built-in name or a folder above.
    """
    path = Path(spec).expanduser().absolute()
    if not str(spec).strip():
        raise DataError(f"No data were named. Give a folder, a ZIP, or one of: {', '.join(PRESETS)}.")
    try:
        if path.exists():
            return path.resolve()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{str(spec)!r} cannot be a path ({error}). Give a folder, a ZIP or a built-in name."
        ) from error
    if len(Path(spec).parts) == 1 and not path.suffix:
        raise DataError(
            f"'{spec}' is neither a built-in data set nor a file or folder in {path.parent}"
            f"{closest(str(spec), PRESETS)}."
        )
    above = next((parent for parent in path.parents if parent.exists()), path.anchor)
    raise DataError(
        f"There is no file or folder {path}; the path exists as far as {above}. Correct it, or use a built-in data "
        f"set: {', '.join(PRESETS)}."
    )


def file_source(path: Path) -> FileSource:
    """Return the picture files of a folder, a ZIP or a single picture.

    Raises:
        DataError: A file of another kind, or a damaged ZIP.
    """
    if path.is_dir():
        return FolderSource(path)
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return ZipSource(path)
    if suffix in EXTENSIONS and path.is_file():
        return FolderSource(path)
    raise DataError(
        f"{path} is not something pictures can be read from. A folder, a .zip, a .npz, a folder of IDX files or one "
        f"picture ({', '.join(e[1:] for e in EXTENSIONS)}) is expected; unpack other archives first."
    )


def slug(path: Path) -> str:
    """Return a short name of a path for run folders.

    Example:
        >>> slug(Path("/data/My Faces.zip")), slug(Path("/data/MNIST/raw"))
        ('my-faces', 'mnist')
    """
    if path.name.lower() == "raw":
        path = path.parent
    stem = path.stem if path.suffix.lower() in (".zip", ".npz", *EXTENSIONS) else path.name
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40] or "images"


def _check_options(split: str, size: int | None, channels: int | None, fit: str) -> None:
    for what, value, kind in (("split", split, Split), ("fit", fit, Fit)):
        if value not in typing.get_args(kind):
            raise ConfigError(f"There is no {what} '{value}'{closest(str(value), typing.get_args(kind))}.")
    if channels not in (None, 1, 3):
        raise ConfigError(f"channels is {channels!r}, but must be 1 (grey) or 3 (colour), or left out.")
    if size is not None and not SIZES[0] <= size <= SIZES[1]:
        raise ConfigError(f"size is {size!r}, but must be from {SIZES[0]} to {SIZES[1]} pixels, or left out.")
