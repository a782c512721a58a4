"""Sliced Wasserstein distance between two sets of pictures, scale by scale; needs no feature net.

Small patches of every level of a Laplacian pyramid are compared: coarse levels judge layout, fine ones texture. A level
is normalised per channel for each set by itself, so a change of overall brightness or contrast is not seen; read the
figure beside one that sees it.

References:
    Karras et al., Progressive Growing of GANs, arXiv 1710.10196, section 5 and appendix H.
    Rabin et al., Wasserstein Barycenter and Its Application to Texture Mixing, SSVM 2011 (the distance by slices).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from twoway.errors import DataError
from twoway.metrics.registry import Made, metric

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["SlicedWasserstein", "laplacian_pyramid", "pyramid_down", "pyramid_up", "sliced_wasserstein"]

PATCH = 7
COARSEST = 16
_SLICES_AT_ONCE = 16


@dataclass(frozen=True)
class SlicedWasserstein:
    """Distance of two sets.

    Args:
        mean: Distance times 1000, mean over the levels; 0 for sets whose patches are distributed alike.
        levels: The same of each level, by its shorter side in pixels, fine to coarse.
        n_images: Pictures in each set. The publication takes 16,384.
        padded_to: Height and width after mirroring the borders; a power of two, at least 16.
        patches: Patches of each picture and level, 7 x 7 pixels.
        directions: Random directions patches were projected on.
        seed: Of patch positions and directions.
    """

    mean: float
    levels: dict[int, float]
    n_images: int
    padded_to: tuple[int, int]
    patches: int
    directions: int
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        fields = asdict(self)
        levels = {str(side): value for side, value in fields.pop("levels").items()}
        return {**fields, "padded_to": list(self.padded_to), "levels": levels}


def sliced_wasserstein(
    a: Tensor,
    b: Tensor,
    *,
    patches: int = 128,
    repeats: int = 4,
    directions: int = 128,
    seed: int = 0,
    batch: int = 256,
) -> SlicedWasserstein:
    """Compare two sets of pictures.

    Args:
        a: Pictures, uint8, shape (N, C, H, W).
        b: As many pictures of the same shape.
        patches: Patches of each picture and level.
        repeats: How often directions are drawn; only their product with `directions` matters.
        directions: Directions at each draw.
        seed: Of patch positions and directions.
        batch: Pictures at a time; does not change the result beyond rounding.

    Raises:
        DataError: Sets of different shapes or sizes, empty sets, or pictures that are not uint8.
    """
    if a.shape != b.shape or a.ndim != 4 or len(a) == 0 or not a.dtype == b.dtype == torch.uint8:
        raise DataError(
            f"Got sets of pictures of shapes {tuple(a.shape)} and {tuple(b.shape)} and types {a.dtype} and {b.dtype}, "
            "but expected two of equal shape (N, channels, height, width) with at least one picture, uint8."
        )
    height, width = (max(COARSEST, 2 ** math.ceil(math.log2(side))) for side in a.shape[-2:])
    count = int(math.log2(min(height, width) // COARSEST)) + 1
    levels = {}
    for level in range(count):
        # one level at a time: the patches of all of them would not fit where the pictures do
        generator = torch.Generator().manual_seed(seed * 1009 + level)
        sets = [_descriptors(x, level, (height, width), patches, batch, generator) for x in (a, b)]
        total = 0.0
        for slices in _directions(sets[0].shape[1], repeats * directions, generator):
            first, second = (np.sort((part @ slices).T.numpy(), axis=1) for part in sets)
            total += float(np.abs(first - second).mean(1, dtype=np.float64).sum())
        levels[min(height, width) >> level] = 1e3 * total / (repeats * directions)
    mean = sum(levels.values()) / len(levels)
    return SlicedWasserstein(mean, levels, len(a), (height, width), patches, repeats * directions, seed)


def laplacian_pyramid(x: Tensor, levels: int) -> list[Tensor]:
    """Bands of pictures, fine to coarse; the last is what remains after all finer bands were taken away.

    Args:
        x: Shape (B, C, H, W), float; H and W are divisible by 2^(levels - 1).
        levels: How many bands, at least 1.

    Returns:
        Band i has the shape (B, C, H / 2^i, W / 2^i). Enlarging the last and adding the next, again and again, gives
        `x` back.

    References:
        Burt and Adelson, The Laplacian Pyramid as a Compact Image Code, 1983.
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


def _blur(x: Tensor) -> Tensor:
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=x.dtype, device=x.device) / 16
    flat = functional.pad(x.flatten(0, 1).unsqueeze(1), (2, 2, 2, 2), mode="reflect")
    flat = functional.conv2d(flat, taps.view(1, 1, 1, 5))
    return functional.conv2d(flat, taps.view(1, 1, 5, 1)).squeeze(1).unflatten(0, x.shape[:2])


def _descriptors(
    x: Tensor, level: int, size: tuple[int, int], patches: int, batch: int, generator: torch.Generator
) -> Tensor:
    """Normalised patches of a level, shape (N patches, C 49)."""
    height, width = size[0] >> level, size[1] >> level
    bands = level + (1 if min(height, width) == COARSEST else 2)  # the coarsest level is what remains, not a difference
    places = (len(x), patches)
    top = torch.randint(height - PATCH + 1, places, generator=generator)
    left = torch.randint(width - PATCH + 1, places, generator=generator)
    parts = []
    rows, columns = _mirrored(x.shape[2], size[0]), _mirrored(x.shape[3], size[1])
    steps = torch.arange(PATCH)
    for start in range(0, len(x), batch):
        padded = x[start : start + batch].float()[:, :, rows][:, :, :, columns]
        band = laplacian_pyramid(padded, bands)[level]
        y = top[start : start + batch, :, None, None] + steps[:, None]
        z = left[start : start + batch, :, None, None] + steps
        picture = torch.arange(len(band))[:, None, None, None]
        parts.append(band.movedim(1, -1)[picture, y, z].flatten(0, 1))  # (patches, 7, 7, C)
    values = len(x) * patches * PATCH * PATCH
    mean = sum(part.sum((0, 1, 2), dtype=torch.float64) for part in parts) / values
    variance = sum((part - mean).square().sum((0, 1, 2)) for part in parts) / values
    deviation = torch.as_tensor(variance).sqrt().clamp_min(1e-12)
    return torch.cat([((part - mean) / deviation).float().flatten(1) for part in parts])


def _mirrored(side: int, wanted: int) -> Tensor:
    """Row or column numbers that extend a side evenly to both ends by mirroring, as often as it takes."""
    place = torch.arange(wanted) - (wanted - side) // 2
    if side == 1:
        return torch.zeros_like(place)
    place = place.remainder(2 * (side - 1))
    return torch.where(place < side, place, 2 * (side - 1) - place)


def _directions(dim: int, count: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Unit vectors in columns, a few at a time."""
    drawn = functional.normalize(torch.randn(dim, count, generator=generator), dim=0)
    yield from drawn.split(_SLICES_AT_ONCE, dim=1)


@metric(
    "swd",
    "sliced Wasserstein distance of {of} from pictures, times 1000",
    headline="mean",
    lower_is_better=True,
    of=("samples", "reconstructions"),
)
def _measure(session: Session, of: Made) -> dict[str, Any]:
    real, made = session.set_of("real").all(), session.set_of(of).all()
    return {**sliced_wasserstein(real, made, seed=session.seed, batch=session.batch).plain(), **session.facts_of(of)}
