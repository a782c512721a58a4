"""Sheets that show a photo before and after, and what the model saw and made."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

__all__ = ["side_by_side"]

WIDTH = 1024  # pixels a sheet is wide
GAP = 8
GREY = (128, 128, 128)


def side_by_side(before: Image.Image, after: Image.Image, below: Sequence[Image.Image] = ()) -> Image.Image:
    """Two photos of one size beside each other, and smaller pictures of one size in a row below.

    Args:
        before: On the left; reduced where it is large, enlarged where it is small.
        after: On the right, of the same size.
        below: Pictures of the row below, each as wide as the others.

    Returns:
        An RGB picture 1024 pixels wide.

    Example:
        >>> photo = Image.new("RGB", (500, 250))
        >>> side_by_side(photo, photo).size
        (1024, 266)
    """
    assert before.size == after.size, "two photos of one size"
    rows: list[list[Image.Image]] = [[before, after], *([list(below)] if below else [])]
    scaled = [_to_width(row) for row in rows]
    height = sum(row[0].height + GAP for row in scaled) + GAP
    sheet = Image.new("RGB", (WIDTH, height), GREY)
    top = GAP
    for row in scaled:
        left = (WIDTH - len(row) * (row[0].width + GAP) + GAP) // 2
        for picture in row:
            sheet.paste(picture, (left, top))
            left += picture.width + GAP
        top += row[0].height + GAP
    return sheet


def _to_width(row: Sequence[Image.Image]) -> list[Image.Image]:
    """Pictures at the size at which a row of them fills the sheet, and is not much higher than wide."""
    width = (WIDTH - GAP * (len(row) + 1)) // len(row)
    height = round(width * row[0].height / row[0].width)
    if height > WIDTH:
        width, height = max(1, width * WIDTH // height), WIDTH
    # pixels of tiny pictures stay squares, so that it shows what the model drew
    enlarged = width >= 2 * row[0].width
    way = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
    return [picture.convert("RGB").resize((width, max(1, height)), way) for picture in row]
