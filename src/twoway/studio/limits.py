"""What visitors of the studio may ask for: sizes of uploads, numbers of pictures and steps, sessions and their age."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from twoway.data.decode import Unusable, flatten, read_header, reason_of
from twoway.errors import ConfigError, DataError

__all__ = ["Limits", "Upload", "check_count", "check_seed", "check_upload"]

Upload: TypeAlias = "bytes | str | os.PathLike[str]"
"""The bytes of a picture file, or where they lie; its name means nothing."""


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one visitor from taking everything.

    Args:
        upload_mib: Size of an uploaded file.
        megapixels: Pixels of an uploaded picture, millions.
        preview: Longest side of the photo that is shown, in pixels; points are clicked on that.
        sessions: Visitors at once.
        idle_minutes: Sessions that nobody used for so long are closed.
        samples: Pictures made at once.
        favourites: Pictures a visitor may keep.
        frames: Pictures on one way from a picture to another, and values of a code.
        steps: Steps of one projection.
        projections: Projections with one model at once.

    Raises:
        ConfigError: One of them is not above 0.
    """

    upload_mib: float = 20
    megapixels: float = 40
    preview: int = 1024
    sessions: int = 100
    idle_minutes: float = 30
    samples: int = 36
    favourites: int = 48
    frames: int = 48
    steps: int = 1000
    projections: int = 4

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ConfigError(f"{field.name} is {getattr(self, field.name)}, but must be above 0.")


def check_count(what: str, given: int, most: int, *, least: int = 1) -> int:
    """Numbers that visitors give, as whole numbers.

    Raises:
        ConfigError: Out of bounds.
    """
    if int(given) != given or not least <= given <= most:
        raise ConfigError(f"{what} is {given}, but must be a whole number from {least} to {most}.")
    return int(given)


def check_seed(seed: int) -> int:
    """A seed as a whole number.

    Raises:
        ConfigError: Not one, or out of bounds.
    """
    return check_count("The seed", seed, 2**31 - 1, least=0)


def check_upload(upload: Upload, limits: Limits) -> tuple[Image.Image, str | None]:
    """Decode an uploaded picture within limits: type by content, size and pixels before anything is decoded.

    Args:
        upload: Bytes of a picture file, or where it lies.
        limits: Size and pixels allowed.

    Returns:
        The picture, upright, in RGB or grey, and what the visitor should know of it (an animation's first frame), or
        None.

    Raises:
        DataError: Not a picture, or too large a one.
    """
    import io

    from PIL import ImageOps

    if not isinstance(upload, bytes):
        upload = Path(upload).read_bytes()
    if len(upload) > limits.upload_mib * 2**20:
        raise DataError(f"The file has {len(upload) / 2**20:.1f} MiB, but at most {limits.upload_mib:g} are taken.")
    try:
        header = read_header(io.BytesIO(upload))
        if header.width * header.height > limits.megapixels * 1e6:
            raise Unusable(f"has {header.width}x{header.height} pixels, more than {limits.megapixels:g} million")
        image = Image.open(io.BytesIO(upload))
        moving = getattr(image, "n_frames", 1) > 1
        image.load()
        picture = flatten(ImageOps.exif_transpose(image))
    except Exception as error:
        raise DataError(f"The file {reason_of(error)}. Upload a PNG or JPEG.") from error
    return picture, "The picture is an animation; its first frame is used." if moving else None
