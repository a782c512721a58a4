"""Photos as people have them, opened with care: by content, with limits before anything is decoded, upright, RGB."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from twoway.data.decode import FORMATS, MIN_SIDE, Unusable, flatten, reason_of, upright
from twoway.errors import DataError

__all__ = ["MEBIBYTES", "MEGAPIXELS", "notes_of", "open_photo"]

MEGAPIXELS = 64.0
MEBIBYTES = 128.0

# what people rename to .jpg or take for a picture, by the first bytes; answered before Pillow guesses
_OTHERS = (
    (b"PK\x03\x04", "a ZIP file (or a document packed as one), whatever its name says"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip file"),
    (b"7z\xbc\xaf", "a 7-Zip file"),
    (b"Rar!", "a RAR file"),
    (b"%!PS", "a PostScript document"),
)
_PHONES = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heif", b"avif", b"avis")


def open_photo(
    source: str | os.PathLike[str] | bytes,
    *,
    max_megapixels: float = MEGAPIXELS,
    max_mib: float = MEBIBYTES,
    name: str | None = None,
) -> Image.Image:
    """Open one photo: its first frame, turned upright, in RGB.

    The type is told by the content and never by the name. Length and number of pixels are checked before a pixel is
    decoded. Transparent parts are put on white; 16-bit grey is reduced to 8 bits; CMYK is converted.

    Args:
        source: A path, or the bytes of a file.
        max_megapixels: Most pixels, in millions.
        max_mib: Longest file, in MiB.
        name: What to call it in messages; the path by default.

    Returns:
        A PIL image in mode RGB without EXIF, whose orientation is applied. `notes_of` tells what was done to it;
        ``info["icc_profile"]`` keeps the colour profile where the pixels still are what it describes.

    Raises:
        DataError: No such file, something else than a picture of a known format, a damaged one, or one too large.

    Example:
        >>> stream = io.BytesIO()
        >>> Image.new("L", (6, 4)).save(stream, "PNG")
        >>> photo = open_photo(stream.getvalue())
        >>> photo.mode, photo.size
        ('RGB', (6, 4))
    """
    if isinstance(source, bytes):
        called = name or "The picture"
        _check_length(len(source), max_mib, called)
        return _read(io.BytesIO(source), called, max_megapixels)
    path = Path(source).expanduser()
    called = name or f"'{path}'"
    try:
        if path.is_dir():
            raise DataError(f"{called} is a folder, but one picture is expected. Give the path of a picture file.")
        with path.open("rb") as stream:
            _check_length(os.fstat(stream.fileno()).st_size, max_mib, called)
            return _read(stream, called, max_megapixels)
    except FileNotFoundError as error:
        raise DataError(f"There is no file {called}. Check the path of the photo.") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in a path
        raise DataError(f"{called} cannot be opened: {error}. Check the path and that you may read it.") from error


def notes_of(photo: Image.Image) -> tuple[str, ...]:
    """What `open_photo` did to a photo that its owner should know, in sentences; none for most photos."""
    return tuple(photo.info.get("notes", ()))


def _check_length(length: int, max_mib: float, called: str) -> None:
    if length == 0:
        raise DataError(f"{called} is empty. Give a picture file such as a JPEG or PNG.")
    if length > max_mib * 2**20:
        raise DataError(
            f"{called} has {length / 2**20:.1f} MiB, but at most {max_mib:g} MiB are read. Save it smaller, as a JPEG "
            "for example."
        )


def _read(stream: BinaryIO, called: str, max_megapixels: float) -> Image.Image:
    _refuse_others(stream.read(512), called)
    stream.seek(0)
    try:
        with Image.open(stream, formats=FORMATS) as image:
            width, height = image.size
            if min(width, height) < MIN_SIDE:
                raise Unusable(f"is {width}x{height}, but each side must have at least {MIN_SIDE} pixels")
            if width * height > max_megapixels * 1e6:
                raise Unusable(_too_large(f"{width}x{height}, {width * height / 1e6:.1f} megapixels", max_megapixels))
            # a phone's JPEG may hold a second picture, such as a depth map, which is no animation
            animated = image.format != "MPO" and bool(getattr(image, "is_animated", False))
            notes = ["Only the first frame of the animation is used."] if animated else []
            raw = upright(image)
            profile = image.info.get("icc_profile") if image.mode == "RGB" else None
        if raw.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in raw.info:
            notes.append("Transparent parts are put on white.")
        photo = flatten(raw).convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{called} {_too_large('more pixels than can be safe', max_megapixels)}. {_DO}") from error
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them trip over
        raise DataError(f"{called} {reason_of(error)}. {_DO}") from error
    photo.info = {"notes": tuple(notes), **({"icc_profile": profile} if profile else {})}
    return photo


_DO = "Give a whole picture file, such as a JPEG or PNG of an ordinary size."


def _too_large(what: str, limit: float) -> str:
    return f"has {what}, but at most {limit:g} megapixels are decoded"


def _refuse_others(head: bytes, called: str) -> None:
    """Name what is taken for a picture and is none, and pictures that only other programs read."""
    kind = next((words for magic, words in _OTHERS if head.startswith(magic)), None)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        kind = "an SVG drawing, which is a program text and not pixels"
    elif text.startswith((b"<?xml", b"<!doctype", b"<html")):
        kind = "a page of text (XML or HTML)"
    elif head[4:8] == b"ftyp":
        is_photo = any(brand in head[8:32] for brand in _PHONES)
        kind = "a HEIC or AVIF photo, which cannot be read here" if is_photo else "a video"
    if kind is not None:
        raise DataError(f"{called} is {kind}. Give a JPEG, PNG or WebP picture, or save it as one first.")
