"""An edited crop back into its photo: softly at the border, and bit for bit the same outside."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twoway.errors import ConfigError, closest
from twoway.photos.framing import Frame
from twoway.photos.similarity import Transform, apply, compose, inverse, scale_of, translation, warped

__all__ = ["MaskShape", "Pasting", "paste_back", "soft_mask"]

Pasting: TypeAlias = Literal["difference", "replace", "none"]
MaskShape: TypeAlias = Literal["ellipse", "square"]

SQUARINGS: dict[MaskShape, int] = {"ellipse": 1, "square": 3}  # |x|^p + |y|^p = 1 with p = 2 and 8
BAND = 1_000_000  # pixels worked on at a time, so that a large photo needs little memory
FEATHER = 0.3  # part of the way from the middle to the border of the crop over which the mask falls off


def paste_back(
    frame: Frame,
    edited: Image.Image,
    *,
    reconstruction: Image.Image | None = None,
    mode: Pasting = "difference",
    shape: MaskShape = "square",
    feather: float = FEATHER,
) -> Image.Image:
    """The photo with the edit in it.

    Args:
        frame: The crop that was edited, and where it lies.
        edited: The new crop, of the same size.
        reconstruction: What the model made of the crop without the edit, for ``difference``.
        mode: ``difference`` adds to the photo what the edit changed, edited minus reconstruction, so that everything
            the model cannot draw stays; ``replace`` puts the edited crop in its place; ``none`` leaves the photo alone.
            Without a reconstruction ``difference`` compares with the crop itself.
        shape: Of the mask: ``ellipse`` or a rounded ``square``.
        feather: Part of the way from the middle of the crop to its border over which the mask falls from 1 to 0.

    Returns:
        A picture of the photo's size. Where the mask is 0 no bit differs from the photo.

    Raises:
        ConfigError: Another mode or shape, a feather out of range, or a picture of another size.
    """
    if mode not in get_args(Pasting):
        raise ConfigError(f"The mode of pasting is '{mode}'{closest(mode, get_args(Pasting))}.")
    for name, picture in (("edited crop", edited), ("reconstruction", reconstruction)):
        if picture is not None and picture.size != frame.crop.size:
            raise ConfigError(f"The {name} has the size {picture.size}, but the crop has {frame.crop.size}.")
    pasted = frame.photo.copy()
    region = _region(frame)
    if mode == "none" or region is None:
        return pasted
    before = frame.crop if reconstruction is None else reconstruction
    source = _numbers(edited) if mode == "replace" else _numbers(edited) - _numbers(before)
    left, top, right, bottom = region
    rows = max(16, BAND // (right - left))
    for start in range(top, bottom, rows):
        band = (left, start, right, min(bottom, start + rows))
        _paste_band(
            pasted, frame, source, band, mode == "replace", soft_mask(frame, band, shape=shape, feather=feather)
        )
    pasted.info = dict(frame.photo.info)
    return pasted


def _paste_band(
    pasted: Image.Image,
    frame: Frame,
    source: NDArray[np.float32],
    band: tuple[int, int, int, int],
    replace: bool,
    mask: NDArray[np.float32],
) -> None:
    """Put a crop, or a change of it, into some rows of the photo."""
    if not mask.any():  # also where the crop, which may be turned, does not reach
        return
    into = compose(translation(-band[0], -band[1]), inverse(frame.transform))
    new = warped(source, into, (band[2] - band[0], band[3] - band[1]))
    old = np.asarray(frame.photo.crop(band), np.float32)
    mixed = old + mask[..., None] * (new - old if replace else new)
    pasted.paste(Image.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8)), band[:2])


def soft_mask(
    frame: Frame, region: tuple[int, int, int, int], *, shape: MaskShape = "square", feather: float = FEATHER
) -> NDArray[np.float32]:
    """How much of each pixel of a part of the photo comes from the crop, from 0 to 1.

    A superellipse in the crop, falling smoothly (3 t^2 - 2 t^3) from 1 inside to 0 at its outline, which touches the
    crop's border. A side of the crop beyond which there is nothing of the photo needs no transition and gets none.

    Args:
        frame: Where the crop lies.
        region: Left, top, right and bottom of the part, in pixels of the photo.
        shape: ``ellipse``, or a rounded ``square``.
        feather: See `paste_back`.

    Returns:
        Shape (bottom - top, right - left).

    Raises:
        ConfigError: Another shape, or a feather that is not above 0 and at most 1.
    """
    if shape not in SQUARINGS:
        raise ConfigError(f"The shape of the mask is '{shape}'{closest(shape, SQUARINGS)}.")
    if not 0 < feather <= 1:
        raise ConfigError(f"The feather of the mask is {feather}, but must be above 0 and at most 1, such as 0.3.")
    left, top, right, bottom = region
    x, y = np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5
    unit = _to_square(frame)
    width, height = frame.photo.size
    # half a pixel of the photo: what is further out than the photo reaches needs no transition
    slack = 1.0 / min(frame.crop.size) * scale_of(frame.transform)
    limits = apply(unit, [(0, 0), (width, 0), (width, height), (0, height)])
    total = np.zeros((bottom - top, right - left), np.float32)
    for axis in (0, 1):
        across, down = unit[axis, 0] * x + unit[axis, 2], unit[axis, 1] * y
        place = across.astype(np.float32)[None, :] + down.astype(np.float32)[:, None]
        if limits[:, axis].min() >= -1 - slack:
            np.maximum(place, 0, out=place)
        if limits[:, axis].max() <= 1 + slack:
            np.minimum(place, 0, out=place)
        for _ in range(SQUARINGS[shape]):
            np.square(place, out=place)
        total += place
    distance = total
    for _ in range(SQUARINGS[shape]):
        np.sqrt(distance, out=distance)
    t = np.clip((1 - distance) / feather, 0, 1)
    return t * t * (3 - 2 * t)


def _to_square(frame: Frame) -> Transform:
    """From photo to the crop as the square from -1 to 1."""
    width, height = frame.crop.size
    return compose(np.array([[2.0 / width, 0.0, -1.0], [0.0, 2.0 / height, -1.0]]), frame.transform)


def _region(frame: Frame) -> tuple[int, int, int, int] | None:
    """Pixels of the photo that the crop reaches; None where it reaches none."""
    outline = np.array(frame.outline)
    low, high = np.floor(outline.min(0)), np.ceil(outline.max(0))
    left, top = (int(max(0, edge)) for edge in low)
    right, bottom = int(min(frame.photo.width, high[0])), int(min(frame.photo.height, high[1]))
    return (left, top, right, bottom) if left < right and top < bottom else None


def _numbers(picture: Image.Image) -> NDArray[np.float32]:
    return np.asarray(picture.convert("RGB"), np.float32)
