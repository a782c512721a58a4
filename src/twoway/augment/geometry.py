"""Warps of images. The affine ones are bilinear, differentiable any number of times with respect to the image."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from twoway.augment.pixels import reflected

__all__ = ["jittered", "rotation", "scaling", "thickened", "warp"]


def rotation(angle: Tensor) -> Tensor:
    """Matrices (B, 2, 2) that turn (x right, y down) clockwise on the screen by angles (B,) in radians."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def scaling(right: Tensor, down: Tensor) -> Tensor:
    """Matrices (B, 2, 2) that scale by factors (B,) along each axis."""
    return torch.diag_embed(torch.stack([right, down], -1))


def jittered(
    x: Tensor,
    uniform: Tensor,
    *,
    shift: float,
    rotate: float,
    scale: float,
    shear: float = 0.0,
    thickness: float = 0.0,
) -> Tensor:
    """Slant, stretch, turn and shift each image a little, then thicken or thin its bright strokes.

    Args:
        x: Images, (B, C, H, W).
        uniform: Numbers in [0, 1), (B, 7), for two shifts, the rotation, two factors, the slant and the thickness; 0.5
            does nothing.
        shift: Largest shift, as a part of the side.
        rotate: Largest rotation, in degrees.
        scale: Largest change of scale.
        shear: Largest shift to the side for each row away from the centre, in rows.
        thickness: Largest share of the brightest or darkest pixel nearby.
    """
    u = uniform * 2 - 1
    side = u.new_tensor([x.shape[3], x.shape[2]])
    factors = (1 + scale) ** u[:, 3:5]
    inverse = scaling(*(1 / factors).unbind(1)) @ rotation(-u[:, 2] * math.radians(rotate))
    if shear > 0:
        slant = torch.eye(2, dtype=u.dtype, device=u.device).repeat(len(u), 1, 1)
        slant[:, 0, 1] = -shear * u[:, 5]
        inverse = slant @ inverse
    warped = warp(x, inverse, u[:, :2] * shift * side)
    return warped if thickness == 0 else thickened(warped, thickness * u[:, 6])


def thickened(x: Tensor, amount: Tensor) -> Tensor:
    """Thicken bright strokes, or thin them.

    Args:
        x: Images, (B, C, H, W).
        amount: From -1 to 1, (B,): the share that the brightest of the nine pixels around a pixel has in it; where
            negative, the share of the darkest.
    """
    share = amount.view(-1, 1, 1, 1)
    brightest, darkest = functional.max_pool2d(x, 3, 1, 1), -functional.max_pool2d(-x, 3, 1, 1)
    return x + share.clamp_min(0) * (brightest - x) - share.clamp_max(0) * (darkest - x)


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
