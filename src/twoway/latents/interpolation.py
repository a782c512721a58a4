"""Paths between codes: straight lines and great circles, tours of several codes, grids between four.

Points along a path are evenly spaced, or eased for animations; the codes given are met exactly as they are.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from twoway.errors import ConfigError, ModelError
from twoway.model import TwoWayModel

__all__ = [
    "Ease",
    "Path",
    "Space",
    "bilinear",
    "decode_points",
    "interpolate",
    "joined",
    "legs",
    "lerp",
    "ordered_pairs",
    "path_of",
    "slerp",
]

Path: TypeAlias = Literal["linear", "spherical"]
Space: TypeAlias = Literal["w", "z"]
Ease: TypeAlias = Literal["none", "smooth"]
BATCH = 32


def lerp(a: Tensor, b: Tensor, steps: int, *, ease: Ease = "none") -> Tensor:
    """Points on the straight line from one code to another, evenly spaced unless eased.

    Args:
        a: First code or batch of codes, any shape.
        b: Last code, same shape.
        steps: Number of points, both ends included, at least 2.
        ease: ``smooth`` starts and ends slowly, at 3 t^2 - 2 t^3 instead of t.

    Returns:
        Shape (steps, ...); the first entry is `a` and the last is `b`, bit for bit.

    Raises:
        ConfigError: Fewer than 2 steps, or an unknown ease.
        ModelError: Codes of different shapes.

    Example:
        >>> lerp(torch.tensor([0.0]), torch.tensor([1.0]), 3).flatten().tolist()
        [0.0, 0.5, 1.0]
    """
    t = _positions(a, b, steps, ease)
    return _with_ends(a + t * (b - a), a, b)


def slerp(a: Tensor, b: Tensor, steps: int, *, ease: Ease = "none") -> Tensor:
    """Points evenly spaced in angle on the great circle from one code to another; lengths change evenly.

    Suits codes of a normal or spherical prior, whose mass lies near a sphere. The angle is taken along the last axis.
    Codes in the same or in opposite directions, or of length zero, have no great circle of their own: for them the
    path is the straight line.

    Args:
        a: First code or batch of codes, shape (..., dim).
        b: Last code, same shape.
        steps: Number of points, both ends included, at least 2.
        ease: See `lerp`.

    Returns:
        Shape (steps, ..., dim); the first entry is `a` and the last is `b`, bit for bit.

    Raises:
        ConfigError: Fewer than 2 steps, or an unknown ease.
        ModelError: Codes of different shapes.

    References:
        Shoemake, Animating Rotation with Quaternion Curves, SIGGRAPH 1985; White, Sampling Generative Networks,
        arXiv 1609.04468, section 2.1.
    """
    t = _positions(a, b, steps, ease)
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


def legs(keys: Tensor, steps: int, *, path: Path = "linear", closed: bool = False, ease: Ease = "none") -> Tensor:
    """The ways from each code to the next.

    Args:
        keys: Codes to be met in order, shape (K, ...), K at least 2.
        steps: Points of each leg, both ends included, at least 2.
        path: ``linear`` or ``spherical``.
        closed: Whether a last leg leads from the last code back to the first.
        ease: See `lerp`; each leg starts and ends slowly.

    Returns:
        Shape (K - 1, steps, ...), or (K, steps, ...) where closed.

    Raises:
        ConfigError: Fewer than 2 codes or steps, or an unknown path or ease.

    Example:
        >>> legs(torch.tensor([0.0, 2.0, 6.0]), 3).tolist()
        [[0.0, 1.0, 2.0], [2.0, 4.0, 6.0]]
    """
    if len(keys) < 2:
        raise ConfigError(f"A path leads from one picture to another, but {len(keys)} was given. Give two or more.")
    following = torch.cat([keys[1:], keys[:1]]) if closed else keys[1:]
    return _walker(path)(keys[: len(following)], following, steps, ease=ease).transpose(0, 1)


def joined(walked: Tensor, *, closed: bool = False) -> Tensor:
    """Legs one after the other, each code between them once, and the first not again at the end of a closed tour.

    Args:
        walked: What `legs` returned, or pictures of it, shape (L, steps, ...).
        closed: Whether the last leg ends where the first starts.

    Returns:
        Shape (L (steps - 1) + 1, ...), one less where closed.

    Example:
        >>> joined(legs(torch.tensor([0.0, 2.0, 6.0]), 3)).tolist()
        [0.0, 1.0, 2.0, 4.0, 6.0]
    """
    one_way = walked[:, :-1].flatten(0, 1)
    return one_way if closed else torch.cat([one_way, walked[-1, -1:]])


def bilinear(corners: Tensor, rows: int, columns: int | None = None, *, path: Path = "linear") -> Tensor:
    """A grid of codes between four.

    Args:
        corners: Codes at the top left, top right, bottom left and bottom right, shape (4, ...).
        rows: At least 2.
        columns: Likewise; as many as rows where None.
        path: ``linear`` weighs the corners bilinearly; ``spherical`` goes along great circles down the left and right
            edges, and then across.

    Returns:
        Shape (rows, columns, ...); the corners are met exactly.

    Raises:
        ConfigError: Not four corners, fewer than 2 rows or columns, or an unknown path.

    References:
        Pidhorskyi et al., ALAE, arXiv 2004.04467: its figure of interpolations has 7 rows and columns between four
        real pictures.
    """
    if len(corners) != 4:
        raise ConfigError(
            f"A grid lies between four pictures: top left, top right, bottom left, bottom right; got {len(corners)}."
        )
    walk = _walker(path)
    left, right = walk(corners[0], corners[2], rows), walk(corners[1], corners[3], rows)
    return walk(left, right, rows if columns is None else columns).transpose(0, 1)


def ordered_pairs(count: int) -> list[tuple[int, int]]:
    """Every pair of different numbers below `count`, in both orders, as LIA's interpolation of a folder takes them.

    Example:
        >>> ordered_pairs(3)
        [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    """
    return list(permutations(range(count), 2))


def path_of(space: Space, path: Path | None = None) -> Path:
    """The path asked for, or what suits a space: great circles in z, where the prior's mass lies near a sphere.

    LIA's own program goes straight in z too.

    Raises:
        ConfigError: An unknown space or path.
    """
    if space not in get_args(Space):
        raise ConfigError(f"The space to interpolate in is '{space}', but must be 'w' or 'z'.")
    _walker(path or "linear")
    return path or ("linear" if space == "w" else "spherical")


@torch.no_grad()
def decode_points(
    model: TwoWayModel, points: Tensor, *, space: Space = "w", noise: Literal["fixed", "off", "random"] = "fixed"
) -> Tensor:
    """Images of codes laid out in any way, a batch at a time.

    Args:
        model: Decodes, and maps from z.
        points: Codes, shape (..., layers, dim) in w, (..., prior dim) in z.
        space: ``w`` or ``z``.
        noise: See `TwoWayModel.decode`.

    Returns:
        Images in [-1, 1], shape (..., C, H, W).
    """
    lead = points.shape[: points.ndim - (2 if space == "w" else 1)]
    flat = points.reshape(-1, *points.shape[len(lead) :])
    images = [
        model.decode(part if space == "w" else model.map(part), noise=noise)
        for part in flat.to(model.device).split(BATCH)
    ]
    return torch.cat(images).unflatten(0, lead)


def interpolate(
    model: TwoWayModel,
    a: Tensor,
    b: Tensor,
    steps: int,
    *,
    space: Space = "w",
    path: Path | None = None,
    ease: Ease = "none",
) -> Tensor:
    """Images along the path from one code or image to another.

    Args:
        model: Encodes images and decodes the codes on the way.
        a: First ends: images (B, C, H, W) in [-1, 1], latent codes (B, layers, dim), or prior codes (B, prior dim) if
            `space` is ``z``.
        b: Last ends, likewise.
        steps: Images on each path, both ends included, at least 2.
        space: ``w`` goes through latent space; ``z`` through the prior's space, each point then mapped to w.
        path: ``linear`` or ``spherical``; where None straight in w, and along great circles in z.
        ease: See `lerp`.

    Returns:
        Images in [-1, 1], shape (steps, B, C, H, W).

    Raises:
        ConfigError: Fewer than 2 steps, or an unknown space, path or ease.
        ModelError: Ends that do not fit the model or each other, or images in z without an invertible mapping.
    """
    walk = _walker(path_of(space, path))
    if a.ndim == 4 and a.shape == b.shape:
        a, b = model.encode(a), model.encode(b)
        if space == "z":
            a, b = model.unmap(a), model.unmap(b)
    points = walk(a, b, steps, ease=ease)
    codes = points.flatten(0, 1)
    images = model.decode(codes if space == "w" else model.map(codes))
    return images.unflatten(0, points.shape[:2])


def _walker(path: str) -> Any:
    if path not in get_args(Path):
        raise ConfigError(f"The path is '{path}', but must be 'linear' or 'spherical'.")
    return lerp if path == "linear" else slerp


def _positions(a: Tensor, b: Tensor, steps: int, ease: str) -> Tensor:
    if steps < 2:
        raise ConfigError(f"An interpolation needs at least 2 steps, its two ends; got {steps}.")
    if a.shape != b.shape:
        raise ModelError(
            f"Codes of shapes {tuple(a.shape)} and {tuple(b.shape)} cannot be joined by a path; give two of one shape."
        )
    if ease not in get_args(Ease):
        raise ConfigError(f"ease is '{ease}', but must be 'none' or 'smooth'.")
    t = torch.linspace(0, 1, steps, dtype=a.dtype, device=a.device)
    t = t * t * (3 - 2 * t) if ease == "smooth" else t
    return t.reshape(steps, *[1] * a.ndim)


def _with_ends(path: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Rounding must not move the ends, which people compare with pictures they know."""
    return torch.cat([a.unsqueeze(0), path[1:-1], b.unsqueeze(0)])
