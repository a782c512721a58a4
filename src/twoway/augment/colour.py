"""Changes of colour as one affine map of RGB per image: brightness, contrast, inversion, hue, saturation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["colour_map", "recolour"]


def colour_map(contrast: Tensor, invert: Tensor, hue: Tensor, saturation: Tensor) -> Tensor:
    """Linear part of the colour transforms, applied in the order of the arguments.

    Args:
        contrast: Factors on all channels, (B,).
        invert: Whether brightness is exchanged for darkness and hues are kept, bool (B,).
        hue: Angles about the grey axis, in radians, (B,).
        saturation: Factors on the distance from the grey axis, (B,).

    Returns:
        Matrices (B, 3, 3) for columns of (red, green, blue).

    References:
        Karras et al., arXiv 2006.06676, appendix B (colour transformations).
    """
    like = contrast
    eye = torch.eye(3, dtype=like.dtype, device=like.device)
    grey = torch.full((3, 3), 1 / 3, dtype=like.dtype, device=like.device)  # projection on the grey axis
    third = 1 / math.sqrt(3)
    turn = torch.tensor([[0, -third, third], [third, 0, -third], [-third, third, 0]]).to(eye)
    cos, sin = _matrices(hue.cos()), _matrices(hue.sin())
    inversion = eye - 2 * grey * _matrices(invert.to(like.dtype))
    rotation = cos * eye + sin * turn + (1 - cos) * grey
    saturated = grey + _matrices(saturation) * (eye - grey)
    return saturated @ rotation @ inversion * _matrices(contrast)


def recolour(x: Tensor, brightness: Tensor, linear: Tensor) -> Tensor:
    """Add to all channels, then map the colours linearly.

    Args:
        x: Images in [-1, 1], (B, C, H, W). Where C is not 3, each channel is treated as a grey image: only
            brightness, contrast and inversion show.
        brightness: Added to each image, (B,).
        linear: Matrices (B, 3, 3), from `colour_map`.
    """
    brighter = x + brightness.view(-1, 1, 1, 1)
    if x.shape[1] != 3:  # every map of `colour_map` keeps the grey axis, so a row's sum is what happens to grey
        return brighter * linear[:, 0].sum(1).view(-1, 1, 1, 1)
    return (linear @ brighter.flatten(2)).view_as(x)


def _matrices(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1)
