"""One picture file to an array: what is accepted, how colours are flattened, how a picture is brought to size.

The rules, in order:

1. Unusable, with a reason: not a picture, cut off, more than 64 million pixels, a side under 2 pixels, an aspect over
   20 to 1, floating-point pixels.
2. The first frame of an animation; the EXIF orientation is applied.
3. 16-bit grey is divided by 257. Anything transparent is put on white. The rest is Pillow's conversion to L or RGB.
4. ``crop`` cuts the centre square; ``stretch`` takes everything; ``pad`` takes everything, reduces it until it fits,
   never enlarges it, and fills with black (28x28 MNIST padded to 32x32 keeps its pixels, as in ALAE).
5. Resampling: none where the size is right already, the mean (BOX) where both sides shrink by a whole factor,
   otherwise LANCZOS.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from statistics import median
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from twoway.data.base import Fit

__all__ = [
    "EXTENSIONS",
    "Header",
    "Unusable",
    "choose_shape",
    "decode",
    "fit_picture",
    "flatten",
    "read_header",
    "reason_of",
    "upright",
]

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")  # never Pillow's PostScript and other rare readers
MAX_PIXELS = 64_000_000
MAX_ASPECT = 20
MIN_SIDE = 2
SMALLEST, LARGEST = 8, 256
"""Bounds of a size chosen by the package; the user may ask for others."""

GREY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unusable(Exception):
    """One picture that cannot be used; the message is the reason, without the name."""


@dataclass(frozen=True)
class Header:
    """What is known of a picture before its pixels are decoded."""

    width: int
    height: int
    mode: str

    @property
    def grey(self) -> bool:
        """Whether the file stores grey values."""
        return self.mode in GREY_MODES


def reason_of(error: BaseException) -> str:
    """Return why a file is unusable, in words that are the same in every run (no addresses of objects)."""
    if isinstance(error, Unusable):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return f"is not a picture of a known format ({', '.join(FORMATS)})"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"has more than {MAX_PIXELS:,} pixels"
    if isinstance(error, (OSError, EOFError, SyntaxError, struct.error)) and "truncated" in str(error).lower():
        return f"is cut off: {error}"
    if isinstance(error, zipfile.BadZipFile):
        return f"is damaged inside the ZIP: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be opened: {error.strerror}"
    return f"cannot be decoded: {type(error).__name__}: {error}"


def _open(stream: BinaryIO) -> Image.Image:
    if not stream.read(1):
        raise Unusable("is empty")
    stream.seek(0)
    image = Image.open(stream, formats=FORMATS)
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise Unusable(f"is {width}x{height}, but each side must have at least {MIN_SIDE} pixels")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise Unusable(f"is {width}x{height}, but one side may be at most {MAX_ASPECT} times the other")
    if width * height > MAX_PIXELS:
        raise Unusable(f"has {width}x{height} pixels, more than {MAX_PIXELS:,}")
    return image


def read_header(stream: BinaryIO) -> Header:
    """Return size and mode of a picture without decoding it.

    Raises:
        Unusable: Not a picture, or one of a size that is refused.
    """
    try:
        image = _open(stream)
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them trip over
        raise Unusable(reason_of(error)) from error
    return Header(*image.size, image.mode)


def decode(stream: BinaryIO, shape: tuple[int, int, int], fit: Fit) -> np.ndarray:
    """Decode one picture and bring it to a shape.

    Args:
        stream: The file, at its start, seekable.
        shape: ``(channels, height, width)`` wanted.
        fit: How to bring it to height and width.

    Returns:
        uint8 of that shape.

    Raises:
        Unusable: With the reason.
    """
    try:
        image = flatten(upright(_open(stream)))
    except Exception as error:
        raise Unusable(reason_of(error)) from error
    return fit_picture(image, shape, fit)


def upright(image: Image.Image) -> Image.Image:
    """Decode a picture and turn it as its EXIF orientation says; a damaged one says nothing."""
    image.load()
    try:
        turn = _TURNS.get(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF says nothing about the pixels, which are fine
        turn = None
    return image if turn is None else image.transpose(turn)


def flatten(image: Image.Image) -> Image.Image:
    """Return the picture in mode L (stored grey, nothing transparent) or RGB, by rule 3 of this module."""
    mode = image.mode
    if mode == "I" or mode.startswith("I;16"):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray(((values.clip(0, 65535) + 128) // 257).astype(np.uint8))
    if mode == "F":
        raise Unusable("has floating-point pixels, whose range is unknown")
    if mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        if mode == "La":
            image = image.convert("LA")
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("L" if mode in ("1", "L") else "RGB")


def fit_picture(image: Image.Image, shape: tuple[int, int, int], fit: Fit) -> np.ndarray:
    """Bring a flattened picture to ``(channels, height, width)`` by rules 4 and 5 of this module.

    Returns:
        uint8 of shape ``(channels, height, width)``.
    """
    channels, height, width = shape
    image = image.convert("L" if channels == 1 else "RGB")
    if fit == "crop":
        image = _crop(image, width / height)
    if fit == "pad":
        scale = min(1.0, width / image.width, height / image.height)
        inside = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        frame = Image.new(image.mode, (width, height))
        frame.paste(_scale(image, inside), ((width - inside[0]) // 2, (height - inside[1]) // 2))
        image = frame
    pixels = np.asarray(_scale(image, (width, height)))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _crop(image: Image.Image, aspect: float) -> Image.Image:
    width = min(image.width, max(1, round(image.height * aspect)))
    height = min(image.height, max(1, round(image.width / aspect)))
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _scale(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    if image.width % size[0] == 0 and image.height % size[1] == 0:
        return image.reduce((image.width // size[0], image.height // size[1]))  # the exact mean; resize rounds twice
    return image.resize(size, Image.Resampling.LANCZOS)


def choose_shape(
    headers: list[Header], size: int | None = None, channels: int | None = None
) -> tuple[tuple[int, int, int], str]:
    """Choose the shape of a data set from the headers of (some of) its pictures.

    Args:
        headers: At least one.
        size: What the user asked for, or None.
        channels: What the user asked for, or None.

    Returns:
        ``(channels, size, size)`` and one sentence that says why.

    Example:
        >>> choose_shape([Header(100, 70, "RGB"), Header(90, 90, "L")])[0]
        (3, 64, 64)
    """
    sizes = {(h.width, h.height) for h in headers}
    if size is not None:
        why = f"size {size} as asked"
    elif len(sizes) == 1 and headers[0].width == headers[0].height:
        size, why = headers[0].width, "the size that every picture has"
    else:
        middle = int(median(min(h.width, h.height) for h in headers))
        size = min(LARGEST, max(SMALLEST, 1 << (middle.bit_length() - 1)))
        why = f"the largest power of two not above {middle} (median of the shorter sides), {SMALLEST} to {LARGEST}"
    if channels is not None:
        return (channels, size, size), f"{why}; {channels} channel{'s' if channels > 1 else ''} as asked"
    grey = all(h.grey for h in headers)
    return (
        1 if grey else 3,
        size,
        size,
    ), f"{why}; {'grey, as every' if grey else 'colour, as not every'} picture is grey"
