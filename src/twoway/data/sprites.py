"""White sprites on black with five known factors, drawn by formula: shape, scale, orientation, x and y.

In the manner of dSprites (Matthey et al. 2017): the same factors, numbers of values and size, but our own drawing.
Pictures are not the same ones, edges are smooth, and the three shapes have the same area at the same scale and turn
about their centre of mass, which the position places, so that no factor shows in another's statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from twoway.data.rendered import Drawing, check_factors, some_cells
from twoway.data.shapes import box, coverage, disc, ellipse

__all__ = ["FULL", "SMALL", "SpriteGrid", "render_factors", "sprites"]

VERSION = "sprites 1"
"""Part of the fingerprint; to be counted up when a pixel changes."""

SHAPES = ("square", "ellipse", "heart")
AREA = 0.34**2
"""Area of every shape at scale 1, as a share of the picture."""
SQUARE_HALF = math.sqrt(AREA) / 2
ELLIPSE_LONG, ELLIPSE_SHORT = math.sqrt(AREA * 1.6 / math.pi), math.sqrt(AREA / 1.6 / math.pi)
HEART_HALF = math.sqrt(AREA / (1 + math.pi / 4)) / 2
"""The heart is a square on its tip with half a disc on each upper side; this is half the side of that square."""
HEART_LIFT = HEART_HALF**3 * math.pi * (1 + 4 / (3 * math.pi)) * math.sqrt(0.5) / AREA
"""The heart's centre of mass lies above the middle of its square by this much."""
REACH = 0.244
"""No point of a shape at scale 1 is farther from its centre than this share of the side."""
SPAN = 0.5
"""The part of the side that the centres are spread over."""
CHUNK = 128
"""Pictures drawn at a time: their patches stay in the cache of the processor."""


@dataclass(frozen=True)
class SpriteGrid:
    """How finely the factors are divided.

    Args:
        scales: Values from 0.5 to 1, both included.
        orientations: Values from 0 to 2 pi, the end left out, anticlockwise; all distinct for the heart, while the
            ellipse looks the same after half a turn and the square after a quarter.
        positions: Values of x (to the right) and y (downwards); centres lie in the middle of equal parts of the
            central half of the picture. With 32 of them a step is one pixel at 64x64.
    """

    scales: int = 6
    orientations: int = 40
    positions: int = 32

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of values of shape, scale, orientation, x and y."""
        return (len(SHAPES), self.scales, self.orientations, self.positions, self.positions)

    @property
    def count(self) -> int:
        """Number of pictures."""
        return math.prod(self.sizes)

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Return scales, 0.5..1, of factor values."""
        return 0.5 + 0.5 * values / max(1, self.scales - 1)

    def angle(self, values: np.ndarray) -> np.ndarray:
        """Return angles in radians of factor values."""
        return values * (2 * math.pi / self.orientations)

    def centre(self, values: np.ndarray) -> np.ndarray:
        """Return centres as shares of the side, 0 to 1, of factor values of x or y."""
        return 0.5 + SPAN * ((values + 0.5) / self.positions - 0.5)


FULL = SpriteGrid()
"""737,280 pictures."""
SMALL = SpriteGrid(scales=3, orientations=10, positions=8)
"""5,760 pictures, for quick trials."""
NAMES = ("shape", "scale", "orientation", "x", "y")


def render_factors(factors: np.ndarray, size: int = 64, grid: SpriteGrid = FULL) -> np.ndarray:
    """Draw sprites. The same factors give the same picture, whatever else is drawn with it.

    Args:
        factors: Whole numbers of shape (B, 5): shape (square, ellipse, heart), scale, orientation, x, y; each from 0
            to the number of its values less 1.
        size: Side of the pictures in pixels.
        grid: How finely the factors are divided.

    Returns:
        uint8 of shape (B, 1, size, size), 0 outside and 255 inside.

    Raises:
        DataError: Factors of another shape or out of range.

    References:
        Matthey, Higgins, Hassabis, Lerchner: dSprites, 2017 (the factors and their ranges).
    """
    factors = check_factors(factors, NAMES, grid.sizes)
    pictures = np.zeros((len(factors), size, size), np.uint8)
    scale = (grid.scale(factors[:, 1]) * size).astype(np.float32)
    angle = grid.angle(factors[:, 2])
    # Rounded, because mathematical libraries differ in the last digit, and pictures should not.
    turn = np.stack([np.cos(angle), np.sin(angle)], 1).round(9).astype(np.float32)
    centre = grid.centre(factors[:, 3:5]) * size
    for shape in range(len(SHAPES)):
        rows = np.flatnonzero(factors[:, 0] == shape)
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            _draw(pictures, part, shape, scale[part], turn[part], centre[part])
    return pictures[:, None]


def _draw(
    pictures: np.ndarray, rows: np.ndarray, shape: int, scale: np.ndarray, turn: np.ndarray, centre: np.ndarray
) -> None:
    """Draw one shape into some of the pictures, looking only at the patch round its centre."""
    size = pictures.shape[-1]
    half = REACH * float(scale.max()) + 0.5
    side = min(size, math.ceil(2 * half) + 1)
    corner = np.clip(np.floor(centre - half).astype(np.int64), 0, size - side)
    pixels = corner[:, :, None] + np.arange(side)  # (B, 2, side): columns, rows
    offset = (pixels + 0.5 - centre[:, :, None]).astype(np.float32)
    across, up = offset[:, 0, None, :], -offset[:, 1, :, None]
    cos, sin = turn[:, 0, None, None], turn[:, 1, None, None]
    distance = _distance(shape, cos * across + sin * up, cos * up - sin * across, scale[:, None, None])
    values = (coverage(distance) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    pictures[rows[:, None, None], pixels[:, 1, :, None], pixels[:, 0, None, :]] = values


def _distance(shape: int, x: np.ndarray, y: np.ndarray, scale: np.ndarray) -> np.ndarray:
    if shape == 0:
        half = np.float32(SQUARE_HALF) * scale
        return box(x, y, half, half)
    if shape == 1:
        return ellipse(x, y, np.float32(ELLIPSE_LONG) * scale, np.float32(ELLIPSE_SHORT) * scale)
    half, lift = np.float32(HEART_HALF) * scale, np.float32(HEART_LIFT) * scale
    right, left = (
        (np.abs(x) + (y + lift)) * np.float32(math.sqrt(0.5)),
        ((y + lift) - np.abs(x)) * np.float32(math.sqrt(0.5)),
    )  # along the two upper sides; |x| because both halves are alike
    return np.minimum(box(right, left, half, half), disc(right - half, left, half))


def sprites(grid: SpriteGrid, held_out: int) -> Drawing:
    """Return sprites as something that `RenderedImages` can show.

    Args:
        grid: How finely the factors are divided.
        held_out: Number of pictures, chosen by chance once and for all, that are the test split.
    """
    return Drawing(
        version=VERSION,
        factor_names=NAMES,
        factor_sizes=grid.sizes,
        label="shape",
        channels=1,
        size=64,
        render=partial(render_factors, grid=grid),
        cells=partial(some_cells, grid.count, grid.count - held_out, held_out),
    )
