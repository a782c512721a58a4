"""From a photo to the crop that a model takes, with the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from PIL import ExifTags, Image, ImageOps

from twoway.data.decode import fit_picture, flatten
from twoway.errors import ConfigError, DataError, closest
from twoway.photos.points import FacePoints, check_points, make_points
from twoway.photos.similarity import Transform, inverse, warp
from twoway.photos.templates import Template, read_template

__all__ = ["Alignment", "Frame", "align"]

Alignment: TypeAlias = Literal["auto", "center", "none"]

ORIENTATION = ExifTags.Base.Orientation


@dataclass(frozen=True)
class Frame:
    """A crop of a photo, and where it lies.

    Args:
        crop: What the model takes, mode L or RGB, at the model's size.
        transform: From photo to crop, shape (2, 3), see `twoway.photos.similarity`.
        photo: The whole photo, upright, RGB.
        way: How the crop was found: ``points``, ``center`` or ``none``.
        points: Of the face, where they were given.
        template: Name of the template that says where they should lie in the crop.
    """

    crop: Image.Image
    transform: Transform
    photo: Image.Image
    way: Literal["points", "center", "none"]
    points: FacePoints | None = None
    template: str | None = None

    @property
    def outline(self) -> list[tuple[float, float]]:
        """Corners of the crop in the photo: top left, top right, bottom right, bottom left."""
        width, height = self.crop.size
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
        back = inverse(self.transform)
        return [(float(x), float(y)) for x, y in corners @ back[:, :2].T + back[:, 2]]


def align(
    photo: Image.Image,
    image_shape: tuple[int, int, int],
    *,
    points: FacePoints | Sequence[Sequence[float]] | None = None,
    template: Template | str | None = None,
    how: Alignment = "auto",
) -> Frame:
    """Cut out of a photo what a model takes.

    Args:
        photo: Turned upright where its EXIF data say how, and converted where it is of another mode than RGB, as
            `twoway.photos.opening.open_photo` does.
        image_shape: Channels (1 or 3), height and width of the model's images.
        points: Eyes and mouth, in pixels of the upright photo.
        template: Where they lie in the pictures that the model was trained on, or its name.
        how: ``auto``: by the points where there are any, otherwise the centre; ``center``: the largest centred part of
            the model's proportions; ``none``: the whole photo, which must have these proportions.

    Raises:
        ConfigError: Points without a template, or an unknown way.
        DataError: Points of no possible face or outside the photo, or a photo of other proportions for ``none``.

    Example:
        >>> align(Image.new("RGB", (60, 40)), (3, 8, 8)).transform.tolist()
        [[0.2, 0.0, -2.0], [0.0, 0.2, 0.0]]
    """
    if how not in get_args(Alignment):
        raise ConfigError(f"The alignment is '{how}'{closest(how, get_args(Alignment))}.")
    photo = _rgb(photo)
    channels, height, width = image_shape
    if how == "auto" and points is not None:
        if template is None:
            raise ConfigError(
                "There are points of the face, but nobody said where they lie in the pictures that the model was "
                "trained on. Name the template: celeba, ffhq or a .json file; or take the centre of the photo with "
                "align center."
            )
        rule = read_template(template) if isinstance(template, str) else template
        face = check_points(make_points(points), photo.size)
        transform = rule.transform(face, (width, height))
        crop = warp(photo.convert("L") if channels == 1 else photo, transform, (width, height))
        return Frame(crop, transform, photo, "points", face, rule.name)
    if how == "none" and abs(photo.width * height - photo.height * width) > max(photo.size) * max(width, height) // 50:
        raise DataError(
            f"The photo has {photo.width}x{photo.height} pixels and the model takes {width}x{height}: without "
            "alignment the photo must have the same proportions. Use align center, or crop it."
        )
    box = (photo.width, photo.height)
    if how != "none":  # as the training data are cropped, see `twoway.data.decode`
        wide = min(photo.width, max(1, round(photo.height * width / height)))
        box = (wide, min(photo.height, max(1, round(photo.width * height / width))))
    left, top = (photo.width - box[0]) // 2, (photo.height - box[1]) // 2
    x, y = width / box[0], height / box[1]
    pixels = fit_picture(photo.crop((left, top, left + box[0], top + box[1])), image_shape, "stretch")
    crop = Image.fromarray(pixels[0] if channels == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    transform = np.array([[x, 0.0, -left * x], [0.0, y, -top * y]])
    return Frame(crop, transform, photo, "none" if how == "none" else "center")


def _rgb(photo: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(photo) if photo.getexif().get(ORIENTATION, 1) != 1 else photo
    return upright if upright.mode == "RGB" else flatten(upright).convert("RGB")
