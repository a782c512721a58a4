"""Grids of pictures, and writing them so that no reader ever sees half a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["cross_grid", "image_grid", "pair_grid", "save_png_atomic"]

WIDTH = 900  # pixels a grid may be wide before small pictures are enlarged less
GAP = 128  # mid grey: parts black digits and white skies alike, on a dark page and on a light one


def image_grid(images: Tensor, columns: int, *, scale: int | None = None, padding: int = 2) -> Image.Image:
    """Lay pictures out row by row.

    Args:
        images: Pictures, uint8, shape (N, C, H, W) with C 1 or 3 and N at least 1.
        columns: Pictures in a row; fewer pictures than that make a narrower grid.
        scale: Integer factor of enlargement, without smoothing; None picks one that makes a full row of small
            pictures about 500 to 900 pixels wide and leaves large ones as they are.
        padding: Grey pixels between the pictures and around them.

    Returns:
        A grey or RGB picture.

    Example:
        >>> image_grid(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), columns=3, scale=1, padding=1).size
        (28, 19)
    """
    pixels = _pixels(images)
    scale = _scale(pixels, columns, padding) if scale is None else scale
    rows = [pixels[start : start + columns] for start in range(0, len(pixels), columns)]
    return _paint(rows, [padding] * len(rows), scale, padding)


def pair_grid(
    originals: Tensor, reconstructions: Tensor, columns: int, *, scale: int | None = None, padding: int = 2
) -> Image.Image:
    """Lay originals out with each reconstruction right below its original, in blocks of two rows.

    Args:
        originals: Pictures, uint8, shape (N, C, H, W) with C 1 or 3 and N at least 1.
        reconstructions: As many, of the same shape.
        columns: Pairs in a block.
        scale: As in `image_grid`.
        padding: Grey pixels between the pictures; blocks lie four times as far apart.

    Returns:
        A grey or RGB picture.
    """
    assert originals.shape == reconstructions.shape, "every picture needs its reconstruction"
    above, below = _pixels(originals), _pixels(reconstructions)
    scale = _scale(above, columns, padding) if scale is None else scale
    rows, gaps = [], []
    for start in range(0, len(above), columns):
        rows += [above[start : start + columns], below[start : start + columns]]
        gaps += [4 * padding if start else padding, padding]
    return _paint(rows, gaps, scale, padding)


def cross_grid(
    left: Tensor, top: Tensor, crossed: Tensor, *, scale: int | None = None, padding: int = 2
) -> Image.Image:
    """Lay out what comes of every picture on the left with every picture above, with both in the margins.

    Args:
        left: Pictures of the rows, uint8, shape (R, C, H, W) with C 1 or 3.
        top: Pictures of the columns, shape (S, C, H, W).
        crossed: What comes of them, shape (R, S, C, H, W).
        scale: As in `image_grid`.
        padding: Grey pixels between the pictures; the corner where the margins meet is grey too.

    Returns:
        A grey or RGB picture.

    Example:
        >>> pictures = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
        >>> cross_grid(pictures, pictures[:1], pictures[:, None], scale=1, padding=1).size
        (19, 28)
    """
    assert crossed.shape == (len(left), len(top), *left.shape[1:]), "one picture for each of left with each of above"
    corner = torch.full_like(top[:1], GAP)
    rows = [torch.cat([corner, top]), *(torch.cat([one[None], row]) for one, row in zip(left, crossed, strict=True))]
    return image_grid(torch.cat(rows), len(top) + 1, scale=scale, padding=padding)


def save_png_atomic(image: Image.Image, path: Path) -> None:
    """Write a PNG under a temporary name and rename it, making its folder where there is none.

    Args:
        image: The picture.
        path: Where it ends up; an older file is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".writing-{path.name}")
    try:
        image.save(temporary, format="PNG")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _pixels(images: Tensor) -> np.ndarray:
    """Pictures as an array (N, H, W, C)."""
    assert images.dtype == torch.uint8, "pictures are uint8"
    assert images.ndim == 4, "pictures are (N, C, H, W)"
    assert len(images) > 0, "a grid needs at least one picture"
    assert images.shape[1] in (1, 3), "pictures are grey or RGB"
    return images.detach().cpu().permute(0, 2, 3, 1).numpy()


def _scale(pixels: np.ndarray, columns: int, padding: int) -> int:
    """The largest factor with which a full row stays within `WIDTH`, at least 1."""
    return max(1, (WIDTH - padding * (columns + 1)) // (columns * pixels.shape[2]))


def _paint(rows: list[np.ndarray], gaps: list[int], scale: int, padding: int) -> Image.Image:
    """Put rows of pictures (n, H, W, C) below each other, each after its gap."""
    height, width, channels = (scale * rows[0].shape[1], scale * rows[0].shape[2], rows[0].shape[3])
    size = (sum(gaps) + len(rows) * height + padding, len(rows[0]) * (width + padding) + padding, channels)
    canvas = np.full(size, GAP, dtype=np.uint8)
    top = 0
    for row, gap in zip(rows, gaps, strict=True):
        top += gap
        for number, picture in enumerate(row):
            left = padding + number * (width + padding)
            canvas[top : top + height, left : left + width] = picture.repeat(scale, axis=0).repeat(scale, axis=1)
        top += height
    return Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)
