"""Transforms that move whole pixels or blank them: exact, and linear in the image.

Each takes one parameter per image. Being linear they can be differentiated any number of times.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = ["blank_square", "flip", "reflected", "rotate90", "translate"]


def flip(x: Tensor, which: Tensor) -> Tensor:
    """Mirror left and right those images (B, C, H, W) that `which`, bool (B,), says."""
    return torch.where(_rows(which), x.flip(3), x)


def rotate90(x: Tensor, turns: Tensor) -> Tensor:
    """Turn each image counter-clockwise by quarters.

    Args:
        x: Images, (B, C, H, W). One and three quarters leave images as they are that are not square.
        turns: Quarters 0..3, (B,).
    """
    result = torch.where(_rows(turns == 2), x.flip(2, 3), x)
    if x.shape[2] == x.shape[3]:
        for quarters in (1, 3):
            result = torch.where(_rows(turns == quarters), x.rot90(quarters, (2, 3)), result)
    return result


def translate(x: Tensor, right: Tensor, down: Tensor, *, beyond: Literal["reflect", "zero"]) -> Tensor:
    """Shift each image by whole pixels.

    Args:
        x: Images, (B, C, H, W).
        right: Pixels to the right, int64 (B,).
        down: Pixels downwards, int64 (B,).
        beyond: What comes in from outside: the image mirrored at its border pixels, or 0.
    """
    for axis, shift in ((2, down), (3, right)):
        size = x.shape[axis]
        source = torch.arange(size, device=x.device) - shift[:, None]
        index = reflected(source, size) if beyond == "reflect" else source.clamp(0, size - 1)
        shape = [len(x), 1, 1, 1]
        shape[axis] = size
        x = x.gather(axis, index.view(shape).expand(x.shape))
        if beyond == "zero":
            x = torch.where((source == index).view(shape), x, torch.zeros_like(x))
    return x


def blank_square(x: Tensor, centre_row: Tensor, centre_column: Tensor, *, part: float = 0.5) -> Tensor:
    """Set a rectangle of each image to 0, the middle grey.

    Args:
        x: Images, (B, C, H, W).
        centre_row: Row of its centre, int64 (B,); it may reach over the border.
        centre_column: Column of its centre, int64 (B,).
        part: Its sides, as a part of the image's.
    """
    inside = []
    for size, centre in ((x.shape[2], centre_row), (x.shape[3], centre_column)):
        length = int(size * part + 0.5)
        offset = torch.arange(size, device=x.device) - centre[:, None] + length // 2
        inside.append((offset >= 0) & (offset < length))
    blank = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return torch.where(blank, torch.zeros_like(x), x)


def reflected(index: Tensor, size: int) -> Tensor:
    """Indices on an axis that is mirrored at its first and last entry, without repeating them, back into 0..size-1."""
    if size == 1:
        return torch.zeros_like(index)
    return (size - 1) - (index.remainder(2 * size - 2) - (size - 1)).abs()


def _rows(which: Tensor) -> Tensor:
    return which.view(-1, 1, 1, 1)
