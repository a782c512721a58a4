"""Laplacian pyramids of pictures: bands of detail, fine to coarse, that add up to the picture.

Sums of shifted pictures take the place of convolutions: no sum depends on what else is in the batch, and for single
channels they are faster.

References:
    Burt and Adelson, The Laplacian Pyramid as a Compact Image Code, 1983.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["laplacian_pyramid", "mirrored", "pyramid_down", "pyramid_up"]

_TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def laplacian_pyramid(x: Tensor, levels: int) -> list[Tensor]:
    """Bands of pictures, fine to coarse; the last is what remains after all finer bands were taken away.

    Args:
        x: Shape (B, C, H, W), float; H and W are divisible by 2^(levels - 1).
        levels: How many bands, at least 1.

    Returns:
        Band i has the shape (B, C, H / 2^i, W / 2^i). Enlarging the last and adding the next, again and again, gives
        `x` back.
    """
    bands = []
    for _ in range(levels - 1):
        coarse = pyramid_down(x)
        bands.append(x - pyramid_up(coarse))
        x = coarse
    return [*bands, x]


def pyramid_down(x: Tensor) -> Tensor:
    """Half the size: binomial blur with mirrored borders, then every second pixel of (B, C, H, W)."""
    return _blur(x)[:, :, ::2, ::2]


def pyramid_up(x: Tensor) -> Tensor:
    """Twice the size: zeros between the pixels of (B, C, H, W), then the same blur, which keeps the brightness."""
    spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    spread[:, :, ::2, ::2] = x
    return 4 * _blur(spread)


def mirrored(side: int, wanted: int) -> Tensor:
    """Row or column numbers that extend a side evenly to both ends by mirroring, as often as it takes.

    Example:
        >>> mirrored(3, 8).tolist()
        [2, 1, 0, 1, 2, 1, 0, 1]
    """
    place = torch.arange(wanted) - (wanted - side) // 2
    if side == 1:
        return torch.zeros_like(place)
    place = place.remainder(2 * (side - 1))
    return torch.where(place < side, place, 2 * (side - 1) - place)


def _blur(x: Tensor) -> Tensor:
    padded = functional.pad(x, (2, 2, 2, 2), mode="reflect")
    for dim in (-1, -2):
        places = padded.shape[dim] - 4
        total = padded.narrow(dim, 0, places) * _TAPS[0]
        for start, tap in enumerate(_TAPS[1:], 1):
            total.add_(padded.narrow(dim, start, places), alpha=tap)
        padded = total
    return padded
