"""The photo as it is clicked on: enlarged where it is small, with the points so far drawn on it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

__all__ = ["PROMPTS", "board", "enlargement"]

LEAST = 384
"""Longest side, in pixels, that a photo is shown with at least; points on a smaller one would be coarse."""
PROMPTS = ("the eye on the left", "the eye on the right", "the middle of the mouth")
INK, PAPER = (0, 90, 156), (255, 255, 255)


def enlargement(photo: Image.Image) -> int:
    """By how much a photo is enlarged.

    Example:
        >>> enlargement(Image.new("RGB", (32, 24))), enlargement(Image.new("RGB", (640, 480)))
        (12, 1)
    """
    return max(1, LEAST // max(photo.size))


def board(
    photo: Image.Image,
    points: Sequence[tuple[float, float]] = (),
    outline: Sequence[tuple[float, float]] | None = None,
) -> Image.Image:
    """The photo, at least `LEAST` pixels long, with a ring around each point and what the model sees in a frame.

    Args:
        photo: The photo.
        points: In its pixels, x to the right, y down.
        outline: Corners of what the model sees; None for no frame.
    """
    by = enlargement(photo)
    shown = photo.convert("RGB").resize((photo.width * by, photo.height * by), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(shown)
    radius = max(shown.size) / 55
    if outline is not None and not _is_all(photo, outline):
        corners = [(x * by, y * by) for x, y in outline]
        for colour, width in ((PAPER, 4), (INK, 2)):
            draw.line([*corners, *corners[:2]], fill=colour, width=width, joint="curve")
    for x, y in points:
        x, y = x * by, y * by
        for colour, r, width in ((PAPER, radius + 1.5, 5), (INK, radius, 2)):
            draw.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=width)
        draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=INK)
    return shown


def _is_all(photo: Image.Image, outline: Sequence[tuple[float, float]]) -> bool:
    """Whether corners are those of the photo itself, to a pixel or two."""
    far = max(photo.size) / 50
    whole = [(0, 0), (photo.width, 0), (photo.width, photo.height), (0, photo.height)]
    return len(outline) == 4 and all(
        abs(x - u) <= far and abs(y - v) <= far for (x, y), (u, v) in zip(outline, whole, strict=True)
    )
