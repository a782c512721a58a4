"""What visitors of the studio may ask for: sizes of uploads, numbers of pictures and steps, sessions and their age."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from twoway.errors import ConfigError, DataError
from twoway.photos.opening import open_photo

__all__ = ["Limits", "Upload", "check_count", "check_seed", "check_upload", "upload_bytes"]

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
        favourites: Pictures a visitor may keep of each model.
        frames: Pictures on one way from a picture to another, and values of a code.
        steps: Steps of one projection.
        projections: Projections with one model at once.
        page_mib: Files of the page's server: uploads, and pictures that were shown. The oldest go first.

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
    page_mib: float = 2048

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ConfigError(f"{field.name} is {getattr(self, field.name)}, but must be above 0.")


def check_count(what: str, given: int, most: int, *, least: int = 1) -> int:
    """Numbers that visitors give, as whole numbers.

    Raises:
        ConfigError: Out of bounds.
    """
    if not (least <= given <= most and int(given) == given):  # never true of NaN
        raise ConfigError(f"{what} is {given}, but must be a whole number from {least} to {most}.")
    return int(given)


def check_seed(seed: int) -> int:
    """A seed as a whole number.

    Raises:
        ConfigError: Not one, or out of bounds.
    """
    return check_count("The seed", seed, 2**31 - 1, least=0)


def check_upload(upload: Upload, limits: Limits) -> Image.Image:
    """Open an uploaded picture, see `twoway.photos.opening.open_photo`: type by content, limits before decoding.

    Args:
        upload: Bytes of a picture file, or where it lies; the place is not told to the visitor.
        limits: Size and pixels allowed.

    Returns:
        The picture, upright, in RGB; `twoway.photos.opening.notes_of` tells what was done to it.

    Raises:
        DataError: Not a picture, a damaged one, or too large a one.
    """
    return open_photo(upload, max_megapixels=limits.megapixels, max_mib=limits.upload_mib, name="The uploaded file")


def upload_bytes(upload: Upload, limits: Limits) -> bytes:
    """The bytes of an upload, of a file too large the first so many: enough to be refused.

    Raises:
        DataError: There is no such file.
    """
    if isinstance(upload, bytes):
        return upload
    try:
        with Path(upload).open("rb") as stream:
            return stream.read(int(limits.upload_mib * 2**20) + 1)
    except (OSError, ValueError) as error:
        raise DataError("The uploaded file is not there any more. Upload it again.") from error
