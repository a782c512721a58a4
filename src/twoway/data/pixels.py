"""The range of pixels: uint8 0..255 outside, float32 [-1, 1] inside, one converter each way."""

from __future__ import annotations

import torch

__all__ = ["to_float", "to_uint8"]


def to_float(pictures: torch.Tensor) -> torch.Tensor:
    """Turn stored pictures into what networks take: ``x / 127.5 - 1``.

    Args:
        pictures: uint8, any shape, 0..255.

    Returns:
        float32 of the same shape and device, in [-1, 1].

    Example:
        >>> to_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
        [-1.0, 1.0]
    """
    return pictures.to(torch.float32).div_(127.5).sub_(1.0)


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Turn images of a network into bytes: ``clamp(round((x + 1) * 127.5), 0, 255)``.

    Args:
        images: Floating point, any shape; values outside [-1, 1] are clamped, and NaN, which has no brightness,
            becomes black (a cast of NaN to a byte would be undefined).

    Returns:
        uint8 of the same shape and device. ``to_uint8(to_float(p))`` is exactly ``p``.

    Example:
        >>> to_uint8(torch.tensor([-1.0, 0.0, 1.0, 7.0])).tolist()
        [0, 128, 255, 255]
    """
    scaled = images.detach().to(torch.float32).add(1.0).mul_(127.5).round_()
    return scaled.nan_to_num_(nan=0.0, posinf=255.0, neginf=0.0).clamp_(0.0, 255.0).to(torch.uint8)
