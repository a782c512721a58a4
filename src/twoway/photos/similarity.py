"""Similarity transforms in the plane: fitted to points, inverted, and applied to pictures.

Coordinates are continuous: x to the right, y down, and the pixel in column i covers x from i to i + 1. A transform is a
2x3 float64 array ``[A | t]`` with ``p' = A p + t``.

References:
    Umeyama, Least-Squares Estimation of Transformation Parameters Between Two Point Patterns, IEEE Transactions on
    Pattern Analysis and Machine Intelligence 13(4), 1991, equations 40 to 43.
    Karras et al., A Style-Based Generator Architecture for GANs, arXiv 1812.04948, appendix A (mirrored and blurred
    surroundings where a crop reaches out of its photo).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twoway.errors import DataError

__all__ = ["Transform", "apply", "compose", "fit_similarity", "inverse", "scale_of", "translation", "warp", "warped"]

Transform: TypeAlias = NDArray[np.float64]

MARGIN = 4  # pixels that a bicubic filter may look beyond an outline, with room to spare
BLUR = 0.02  # standard deviation of the blur outside the photo, in sides of the crop
FADE = 0.1  # way outside over which the blur sets in, in sides of the crop


def fit_similarity(source: Sequence[Sequence[float]], target: Sequence[Sequence[float]]) -> Transform:
    """The rotation, uniform scaling and shift that bring points nearest to others, in the sense of least squares.

    Args:
        source: At least two points (x, y), not all the same.
        target: Where they should go, as many.

    Returns:
        The transform, shape (2, 3). It never mirrors.

    Raises:
        DataError: All points are the same.

    Example:
        >>> fit_similarity([(0, 0), (1, 0)], [(5, 5), (5, 7)]).round(6).tolist()
        [[0.0, -2.0, 5.0], [2.0, 0.0, 5.0]]
    """
    p, q = np.asarray(source, np.float64), np.asarray(target, np.float64)
    assert p.shape == q.shape, "as many points to go to as come from"
    assert p.ndim == 2, "points are rows"
    assert p.shape[1] == 2, "points are (x, y)"
    middle, goal = p.mean(0), q.mean(0)
    spread = np.square(p - middle).sum()
    if not spread > 1e-12:
        raise DataError("All points lie in one place, so they do not say how a picture is turned. Give different ones.")
    u, lengths, vt = np.linalg.svd((q - goal).T @ (p - middle))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(sign) @ vt
    matrix = (lengths * sign).sum() / spread * rotation
    return np.column_stack([matrix, goal - matrix @ middle])


def inverse(transform: Transform) -> Transform:
    """The transform that goes back."""
    matrix = np.linalg.inv(transform[:, :2])
    return np.column_stack([matrix, -matrix @ transform[:, 2]])


def compose(second: Transform, first: Transform) -> Transform:
    """One transform that does `first` and then `second`."""
    return np.column_stack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]])


def translation(x: float, y: float) -> Transform:
    """The shift by (x, y)."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def apply(transform: Transform, points: Sequence[Sequence[float]] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (N, 2) where a transform brings them."""
    return np.asarray(points, np.float64) @ transform[:, :2].T + transform[:, 2]


def scale_of(transform: Transform) -> float:
    """Length after over length before; of a stretching transform the geometric mean over directions."""
    return math.sqrt(abs(float(np.linalg.det(transform[:, :2]))))


def warp(picture: Image.Image, transform: Transform, size: tuple[int, int]) -> Image.Image:
    """What a picture (mode L or RGB) looks like after a transform; see `warped`, whose values it rounds."""
    values = np.clip(np.rint(warped(picture, transform, size)), 0, 255).astype(np.uint8)
    return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)


def warped(
    picture: Image.Image | NDArray[np.float32], transform: Transform, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Resample a picture by a transform.

    Enlarging and moving are bicubic, and an even slope that is enlarged stays even. A transform that shrinks takes the
    mean over what each new pixel covers, so that nothing fine turns into false patterns: shifts by whole pixels and
    shrinking by whole factors are exact. What lies outside the picture is mirrored and, further out, blurred.

    Args:
        picture: Mode L or RGB, or numbers (H, W, C).
        transform: From the picture to the result.
        size: Width and height of the result.

    Returns:
        Numbers (height, width, C), not rounded, which bicubic overshoot may carry a little out of range.

    Raises:
        DataError: The result would lie wholly outside the picture.
    """
    width, height = (picture.width, picture.height) if isinstance(picture, Image.Image) else picture.shape[1::-1]
    back = inverse(transform)
    shrink = scale_of(back)  # old pixels along a new one
    outline = apply(back, [(0, 0), (size[0], 0), (size[0], size[1]), (0, size[1])])
    coarse = max(
        1, int(shrink / 2 + 1e-9)
    )  # whole factor that is averaged away first, where only the part needed is at hand
    reach = MARGIN * max(1.0, shrink)
    low = np.floor(outline.min(0) - reach)
    # blocks of averaged pixels begin at the corner of the result, wherever that is inside
    low += np.mod(np.floor(outline[0]) - low, coarse)
    high = np.ceil(outline.max(0) + reach)
    if outline.max(0).min() <= 0 or outline[:, 0].min() >= width or outline[:, 1].min() >= height:
        raise DataError(
            f"The part of the picture that was asked for lies wholly outside its {width}x{height} pixels. Check the "
            "points."
        )
    left, top = (int(max(0, edge)) for edge in low)
    right, bottom = int(min(width, high[0])), int(min(height, high[1]))
    part = _part(picture, (left, top, right, bottom), coarse)
    pads = [
        (math.ceil(max(0.0, -low[axis]) / coarse), math.ceil(max(0.0, high[axis] - limit) / coarse))
        for axis, limit in ((0, width), (1, height))
    ]
    part = _surround(part, pads[0], pads[1], side=math.sqrt(size[0] * size[1]) * shrink / coarse)
    # from the new picture, drawn `fine` times as large, to the padded part
    fine = max(1, math.ceil(shrink / coarse - 1e-9))
    drawn = compose(back, np.array([[1.0 / fine, 0.0, 0.0], [0.0, 1.0 / fine, 0.0]]))
    there = np.array([[1.0 / coarse, 0.0, pads[0][0] - left / coarse], [0.0, 1.0 / coarse, pads[1][0] - top / coarse]])
    # Pillow's bicubic transform (a = -1) makes steps of a slope, its bicubic resizing (a = -0.5) does not
    grown = max(1, math.ceil(1 / shrink - 1e-9))
    drawn = compose(np.array([[grown, 0.0, 0.0], [0.0, grown, 0.0]]), compose(there, drawn))
    large = (size[0] * fine, size[1] * fine)
    channels = []
    for channel in range(part.shape[2]):
        image = Image.fromarray(np.ascontiguousarray(part[..., channel]))
        if grown > 1:
            image = image.resize((image.width * grown, image.height * grown), Image.Resampling.BICUBIC)
        made = image.transform(large, Image.Transform.AFFINE, tuple(drawn.ravel()), Image.Resampling.BICUBIC)
        channels.append(np.asarray(made.reduce(fine) if fine > 1 else made, np.float32))
    return np.stack(channels, axis=2)


def _part(
    picture: Image.Image | NDArray[np.float32], box: tuple[int, int, int, int], coarse: int
) -> NDArray[np.float32]:
    """A part of a picture as numbers (H, W, C), with blocks of pixels averaged."""
    left, top, right, bottom = box
    if isinstance(picture, Image.Image):
        part = picture.crop(box)
        return np.atleast_3d(np.asarray(part.reduce(coarse) if coarse > 1 else part, np.float32))
    numbers = picture[top:bottom, left:right].astype(np.float32)
    if coarse == 1:
        return numbers
    planes = [Image.fromarray(np.ascontiguousarray(plane)).reduce(coarse) for plane in np.moveaxis(numbers, 2, 0)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _surround(
    part: NDArray[np.float32], across: tuple[int, int], down: tuple[int, int], *, side: float
) -> NDArray[np.float32]:
    """Mirror a picture beyond its edges, and blur what is added more and more with the distance."""
    if not any((*across, *down)):
        return part
    from scipy.ndimage import gaussian_filter

    padded = np.pad(part, (down, across, (0, 0)), mode="symmetric")
    far = np.maximum(_outside(part.shape[0], down)[:, None], _outside(part.shape[1], across)[None, :])
    weight = np.clip(far / (FADE * side), 0, 1)[..., None].astype(np.float32)
    blurred = gaussian_filter(padded, (BLUR * side, BLUR * side, 0))
    return np.where(weight > 0, padded + weight * (blurred - padded), padded)


def _outside(length: int, pads: tuple[int, int]) -> NDArray[np.float64]:
    """How far each place along a padded axis lies outside, in pixels."""
    place = np.arange(-pads[0], length + pads[1])
    return np.maximum(np.maximum(-place, place - (length - 1)), 0).astype(np.float64)
