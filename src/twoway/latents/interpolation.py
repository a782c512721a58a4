"""Paths between codes: straight lines and great circles, with the ends exactly as given."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from twoway.errors import ConfigError, ModelError
from twoway.model import TwoWayModel

__all__ = ["interpolate", "lerp", "slerp"]


def lerp(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """Evenly spaced points on the straight line from one code to another.

    Args:
        a: First code or batch of codes, any shape.
        b: Last code, same shape.
        steps: Number of points, both ends included, at least 2.

    Returns:
        Shape (steps, ...); the first entry is `a` and the last is `b`, bit for bit.

    Raises:
        ConfigError: Fewer than 2 steps.
        ModelError: Codes of different shapes.

    Example:
        >>> lerp(torch.tensor([0.0]), torch.tensor([1.0]), 3).flatten().tolist()
        [0.0, 0.5, 1.0]
    """
    t = _positions(a, b, steps)
    return _with_ends(a + t * (b - a), a, b)


def slerp(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """Points evenly spaced in angle on the great circle from one code to another; lengths change evenly.

    Suits codes of a normal or spherical prior, whose mass lies near a sphere. The angle is taken along the last axis.
    Codes in the same or in opposite directions, or of length zero, have no great circle of their own: for them the
    path is the straight line.

    Args:
        a: First code or batch of codes, shape (..., dim).
        b: Last code, same shape.
        steps: Number of points, both ends included, at least 2.

    Returns:
        Shape (steps, ..., dim); the first entry is `a` and the last is `b`, bit for bit.

    Raises:
        ConfigError: Fewer than 2 steps.
        ModelError: Codes of different shapes.

    References:
        Shoemake, Animating Rotation with Quaternion Curves, SIGGRAPH 1985; White, Sampling Generative Networks,
        arXiv 1609.04468, section 2.1.
    """
    t = _positions(a, b, steps)
    length_a, length_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    tiny = torch.finfo(a.dtype).tiny
    cosine = (a * b).sum(-1, keepdim=True) / (length_a * length_b).clamp_min(tiny)
    angle = torch.acos(cosine.clamp(-1.0, 1.0))
    sine = torch.sin(angle)
    straight = (sine < 1e-4) | (length_a == 0) | (length_b == 0)
    sine = torch.where(straight, torch.ones_like(sine), sine)
    direction = torch.sin((1 - t) * angle) / sine * a / length_a.clamp_min(tiny) + torch.sin(
        t * angle
    ) / sine * b / length_b.clamp_min(tiny)
    path = torch.where(straight, a + t * (b - a), direction * (length_a + t * (length_b - length_a)))
    return _with_ends(path, a, b)


def interpolate(model: TwoWayModel, a: Tensor, b: Tensor, steps: int, *, space: Literal["w", "z"] = "w") -> Tensor:
    """Images along the path from one code to another.

    Args:
        model: Decodes the codes.
        a: First codes: latent codes (B, layers, dim), or prior codes (B, prior dim) for the space z.
        b: Last codes, same shape.
        steps: Images on each path, both ends included, at least 2.
        space: ``w`` goes straight through latent space; ``z`` along great circles of the prior's space, each point
            then mapped to w.

    Returns:
        Images in [-1, 1], shape (steps, B, C, H, W).

    Raises:
        ConfigError: Fewer than 2 steps, or an unknown space.
        ModelError: Codes that do not fit the model or each other.
    """
    if space not in ("w", "z"):
        raise ConfigError(f"The space to interpolate in is '{space}', but must be 'w' or 'z'.")
    path = lerp(a, b, steps) if space == "w" else slerp(a, b, steps)
    codes = path.flatten(0, 1)
    images = model.decode(codes if space == "w" else model.map(codes))
    return images.unflatten(0, path.shape[:2])


def _positions(a: Tensor, b: Tensor, steps: int) -> Tensor:
    if steps < 2:
        raise ConfigError(f"An interpolation needs at least 2 steps, its two ends; got {steps}.")
    if a.shape != b.shape:
        raise ModelError(
            f"Codes of shapes {tuple(a.shape)} and {tuple(b.shape)} cannot be joined by a path; give two of one shape."
        )
    return torch.linspace(0, 1, steps, dtype=a.dtype, device=a.device).reshape(steps, *[1] * a.ndim)


def _with_ends(path: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Rounding must not move the ends, which people compare with pictures they know."""
    return torch.cat([a.unsqueeze(0), path[1:-1], b.unsqueeze(0)])
