"""Affine warps of images, bilinear, differentiable any number of times with respect to the image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from twoway.augment.pixels import reflected

__all__ = ["jittered", "rotation", "scaling", "warp"]


def rotation(angle: Tensor) -> Tensor:
    """Matrices (B, 2, 2) that turn (x right, y down) clockwise on the screen by angles (B,) in radians."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def scaling(right: Tensor, down: Tensor) -> Tensor:
    """Matrices (B, 2, 2) that scale by factors (B,) along each axis."""
    return torch.diag_embed(torch.stack([right, down], -1))


def jittered(x: Tensor, uniform: Tensor, *, shift: float, rotate: float, scale: float) -> Tensor:
    """Shift, turn and stretch each image a little.

    Args:
        x: Images, (B, C, H, W).
        uniform: Numbers in [0, 1), (B, 5), for two shifts, the rotation and two factors; 0.5 does nothing.
        shift: Largest shift, as a part of the side.
        rotate: Largest rotation, in degrees.
        scale: Largest change of scale.
    """
    u = uniform * 2 - 1
    side = u.new_tensor([x.shape[3], x.shape[2]])
    factors = (1 + scale) ** u[:, 3:]
    inverse = scaling(*(1 / factors).unbind(1)) @ rotation(-u[:, 2] * math.radians(rotate))
    return warp(x, inverse, u[:, :2] * shift * side)


def warp(x: Tensor, inverse: Tensor, shift: Tensor) -> Tensor:
    """Move the content of each image by y = A x + t about the image's centre.

    Pixels are read between their neighbours bilinearly; outside, the image is mirrored at its border pixels. A
    weighted sum of gathered pixels, it is linear in the image; torch's own grid sampling has no second derivative in
    all the versions supported here.

    Args:
        x: Images, (B, C, H, W).
        inverse: A^-1, (B, 2, 2), acting on (x right, y down).
        shift: t in pixels (right, down), (B, 2).

    Returns:
        Images of the same shape; those with A = I and t = 0 are returned exactly.
    """
    batch, channels, height, width = x.shape
    down = torch.arange(height, device=x.device, dtype=x.dtype) - (height - 1) / 2
    right = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
    target = torch.stack([right.expand(height, width), down[:, None].expand(height, width)], -1).view(1, -1, 2)
    source = (target - shift[:, None]) @ inverse.transpose(1, 2)
    column, row = source[..., 0] + (width - 1) / 2, source[..., 1] + (height - 1) / 2
    first_column, first_row = column.floor(), row.floor()
    to_right, to_below = column - first_column, row - first_row
    columns = [reflected(first_column.long() + k, width) for k in (0, 1)]
    rows = [reflected(first_row.long() + k, height) for k in (0, 1)]
    flat = x.flatten(2)
    result = torch.zeros_like(flat)
    for r, weight_r in enumerate((1 - to_below, to_below)):
        for c, weight_c in enumerate((1 - to_right, to_right)):
            index = (rows[r] * width + columns[c])[:, None].expand(batch, channels, -1)
            result = result + (weight_r * weight_c)[:, None] * flat.gather(2, index)
    return result.view_as(x)
