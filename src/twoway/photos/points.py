"""Where the eyes and the mouth of a face lie in a picture, and whether that can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from twoway.errors import DataError

__all__ = ["FacePoints", "Point", "check_points", "make_points"]

Point: TypeAlias = tuple[float, float]

NAMES = {
    2: ("the left eye", "the right eye"),
    3: ("the left eye", "the right eye", "the mouth"),
    4: ("the left eye", "the right eye", "the left corner of the mouth", "the right corner of the mouth"),
}
ORDER = (
    "left eye, right eye, then the middle of the mouth or its left and right corner, where left is the left of the "
    "picture"
)
APART = 2.0  # least distance of the eyes, in pixels


@dataclass(frozen=True)
class FacePoints:
    """Points of one face, in pixels of the picture, x to the right and y down; left is the left of the picture.

    Args:
        left_eye: Middle of the eye on the left.
        right_eye: Of the other.
        mouth: Its middle; None where nobody said, and then the eyes alone decide.
        corners: Left and right corner of the mouth, where they are known.
    """

    left_eye: Point
    right_eye: Point
    mouth: Point | None = None
    corners: tuple[Point, Point] | None = None

    @property
    def listed(self) -> tuple[Point, ...]:
        """The points in their usual order: two, three, or four with the corners of the mouth."""
        eyes = (self.left_eye, self.right_eye)
        return (*eyes, *self.corners) if self.corners else (*eyes, self.mouth) if self.mouth else eyes


def make_points(
    points: FacePoints | Sequence[Sequence[float]], *, where: str = "The points", apart: float = APART
) -> FacePoints:
    """Points from a list of pairs.

    Args:
        points: Two (eyes), three (eyes, mouth), four (eyes, corners of the mouth) or five (eyes, nose, corners of the
            mouth, as CelebA and detectors order them; the nose is not used).
        where: What to call them in messages.
        apart: Least distance of the eyes, in the unit of the points.

    Raises:
        DataError: Another number, something that is no pair of numbers, or points of no possible face.

    Example:
        >>> make_points([(10, 10), (30, 10), (15, 30), (25, 30)]).mouth
        (20.0, 30.0)
    """
    if isinstance(points, FacePoints):
        return points
    try:
        pairs = [(float(x), float(y)) for x, y in points]
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} must be pairs of numbers x,y in the order {ORDER}.") from error
    if not all(math.isfinite(value) for pair in pairs for value in pair):
        raise DataError(f"{where} hold something that is no finite number. Give pixels of the picture.")
    if len(pairs) == 5:
        del pairs[2]
    if len(pairs) not in NAMES:
        raise DataError(f"{where} are {len(pairs)} in number, but 2 to 5 are expected: {ORDER}.")
    found = FacePoints(pairs[0], pairs[1])
    if len(pairs) == 3:
        found = FacePoints(pairs[0], pairs[1], pairs[2])
    if len(pairs) == 4:
        left, right = pairs[2], pairs[3]
        found = FacePoints(pairs[0], pairs[1], ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2), (left, right))
    _check_face(found, where, apart)
    return found


def check_points(points: FacePoints, size: tuple[int, int], *, where: str = "The points") -> FacePoints:
    """Refuse points outside a picture.

    Args:
        points: The points, given back.
        size: Width and height of the picture.
        where: What to call them in messages.

    Raises:
        DataError: With the point, and the size.
    """
    for name, (x, y) in zip(NAMES[len(points.listed)], points.listed, strict=True):
        if not (0 <= x <= size[0] and 0 <= y <= size[1]):
            raise DataError(
                f"{where} put {name} at {x:g},{y:g}, outside the picture, which is {size[0]} pixels wide and {size[1]} "
                "high. Points are pixels of the upright picture, from its top left corner."
            )
    return points


def _check_face(points: FacePoints, where: str, apart: float) -> None:
    (x0, y0), (x1, y1) = points.left_eye, points.right_eye
    across = (x1 - x0, y1 - y0)
    distance = math.hypot(*across)
    if distance < apart:
        raise DataError(f"{where} put both eyes in one place ({x0:g},{y0:g} and {x1:g},{y1:g}). The order is {ORDER}.")
    if points.mouth is None:
        if across[0] <= 0:
            raise DataError(
                f"{where} have the right eye left of the left eye; they seem exchanged. The order is {ORDER}."
            )
        return
    down = (points.mouth[0] - (x0 + x1) / 2, points.mouth[1] - (y0 + y1) / 2)
    # positive where the mouth lies on the side where it does in a face, however the face is turned
    below = (across[0] * down[1] - across[1] * down[0]) / distance
    if abs(below) < 0.1 * distance:
        raise DataError(f"{where} put the mouth on the line through the eyes. The order is {ORDER}.")
    if below < 0:
        raise DataError(f"{where} have the mouth above the eyes: the eyes seem exchanged. The order is {ORDER}.")
    if points.corners:
        (ax, ay), (bx, by) = points.corners
        if (bx - ax) * across[0] + (by - ay) * across[1] < 0:
            raise DataError(f"{where} seem to have the corners of the mouth exchanged. The order is {ORDER}.")
