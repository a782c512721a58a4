"""Sliced Wasserstein distance between two sets of pictures, scale by scale; needs no feature net.

Small patches of every level of a Laplacian pyramid are compared: coarse levels judge layout, fine ones texture. A level
is normalised per channel for each set by itself, so a change of overall brightness or contrast is not seen; read the
figure beside one that sees it, as the mean squared error or a distance of features.

References:
    Karras et al., Progressive Growing of GANs, arXiv 1710.10196, section 5 and appendix H.
    Rabin et al., Wasserstein Barycenter and Its Application to Texture Mixing, SSVM 2011 (the distance by slices).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from twoway.errors import DataError
from twoway.metrics.laplacian import laplacian_pyramid, mirrored
from twoway.metrics.registry import Made, metric
from twoway.metrics.sets import InMemory, PictureSet

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["SlicedWasserstein", "noise_floor", "sliced_wasserstein"]

PATCH = 7
COARSEST = 16
_VALUES_AT_ONCE = 1 << 23
"""Numbers handled at a time beside the patches of a level: 32 MiB of them, whatever the size of pictures and sets."""


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
    a: Tensor | PictureSet,
    b: Tensor | PictureSet,
    *,
    patches: int = 128,
    repeats: int = 4,
    directions: int = 128,
    seed: int = 0,
    batch: int = 256,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SlicedWasserstein:
    """Compare two sets of pictures.

    Sets are gone through once for each level, and only the patches of one level are held: 75 KB per colour picture of
    either set, 2.5 GB for two sets of the published 16,384. Chance comes, for each level, from one stream with the
    seed 1009 seed + level: for each picture of `a`, then of `b`, the top ends of its patches and the left ends, then
    the directions.

    Args:
        a: Pictures, uint8, shape (N, C, H, W), or a set of them.
        b: As many pictures of the same shape.
        patches: Patches of each picture and level.
        repeats: How often directions are drawn; only their product with `directions` matters.
        directions: Directions at each draw.
        seed: Of patch positions and directions.
        batch: Pictures at a time; does not change the result.
        progress: Told how much is done, and how much there is.

    Raises:
        DataError: Sets of different shapes or sizes, empty sets, or pictures that are not uint8.
    """
    first, second = _two_sets(a, b)
    height, width = (max(COARSEST, 2 ** math.ceil(math.log2(side))) for side in first.shape[1:])
    count = int(math.log2(min(height, width) // COARSEST)) + 1
    slices = repeats * directions
    done, total = 0, count * (2 * len(first) + slices)

    def advance(by: int) -> None:
        nonlocal done
        done += by
        progress(done, total)

    levels = {}
    for level in range(count):
        # one level at a time: the patches of all of them would not fit where the pictures do
        generator = torch.Generator().manual_seed(seed * 1009 + level)
        sets = [_descriptors(x, level, (height, width), patches, batch, generator, advance) for x in (first, second)]
        distance = 0.0
        for few in _directions(sets[0].shape[1], slices, _VALUES_AT_ONCE // len(sets[0]), generator):
            sorted_ = [np.sort((few.T @ part.T).numpy(), axis=1) for part in sets]
            distance += float(np.abs(sorted_[0] - sorted_[1]).mean(1, dtype=np.float64).sum())
            advance(few.shape[1])
        levels[min(height, width) >> level] = 1e3 * distance / slices
    mean = sum(levels.values()) / count
    return SlicedWasserstein(mean, levels, len(first), (height, width), patches, slices, seed)


def noise_floor(
    reals: Tensor | PictureSet, *, patches: int = 128, directions: int = 128, seed: int = 0, batch: int = 256
) -> SlicedWasserstein | None:
    """Distance of two halves of one set, every other picture: what pictures of one kind have by chance alone.

    A distance of made pictures near it says that this measure cannot tell them from real ones. Halves hold fewer
    pictures than the set, so the floor of whole sets is a little lower.

    Args:
        reals: Pictures, uint8, shape (N, C, H, W), or a set of them.
        patches: Patches of each picture and level.
        directions: Directions in all; the floor needs no more than a quarter of those of a measurement.
        seed: Of patch positions and directions.
        batch: Pictures at a time.

    Returns:
        The distance; None for a single picture.

    Raises:
        DataError: No pictures, or pictures that are not uint8.
    """
    both = _two_sets(reals, reals)[0]
    half = len(both) // 2
    if half == 0:
        return None
    halves = [_Chosen(both, start + 2 * np.arange(half)) for start in (0, 1)]
    return sliced_wasserstein(*halves, patches=patches, repeats=1, directions=directions, seed=seed, batch=batch)


class _Chosen(PictureSet):
    """Some pictures of a set, in its order; rows ascend."""

    def __init__(self, source: PictureSet, rows: np.ndarray[Any, Any]) -> None:
        self.source, self.rows, self.shape = source, rows, source.shape

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, batch: int = 256) -> Iterator[Tensor]:
        start = 0
        for part in self.source.batches(batch):
            low, high = np.searchsorted(self.rows, [start, start + len(part)])
            if high > low:
                yield part[torch.from_numpy(self.rows[low:high] - start)]
            start += len(part)


def _two_sets(a: Tensor | PictureSet, b: Tensor | PictureSet) -> tuple[PictureSet, PictureSet]:
    shapes = [tuple(x.shape) if isinstance(x, Tensor) else (len(x), *x.shape) for x in (a, b)]
    kinds = [x.dtype if isinstance(x, Tensor) else torch.uint8 for x in (a, b)]
    if shapes[0] != shapes[1] or len(shapes[0]) != 4 or 0 in shapes[0] or kinds != [torch.uint8, torch.uint8]:
        raise DataError(
            f"Got sets of pictures of shapes {shapes[0]} and {shapes[1]} and types {kinds[0]} and {kinds[1]}, "
            "but expected two of equal shape (N, channels, height, width) with at least one picture, uint8."
        )
    first, second = (InMemory(x) if isinstance(x, Tensor) else x for x in (a, b))
    return first, second


def _descriptors(
    pictures: PictureSet,
    level: int,
    size: tuple[int, int],
    patches: int,
    batch: int,
    generator: torch.Generator,
    advance: Callable[[int], None],
) -> Tensor:
    """Normalised patches of a level, shape (N patches, 49 C)."""
    height, width = size[0] >> level, size[1] >> level
    bands = level + (1 if min(height, width) == COARSEST else 2)  # the coarsest level is what remains, not a difference
    channels = pictures.shape[0]
    rows, columns = (mirrored(side, wanted) for side, wanted in zip(pictures.shape[1:], size, strict=True))
    steps = torch.arange(PATCH)
    at_once = max(1, _VALUES_AT_ONCE // (channels * size[0] * size[1]))
    found = torch.empty(len(pictures), patches, PATCH, PATCH, channels)
    start = 0
    for read in pictures.batches(batch):
        for part in read.split(at_once):
            band = laplacian_pyramid(part.float()[:, :, rows][:, :, :, columns], bands)[level].movedim(1, -1)
            for picture, target in zip(band, found[start:], strict=False):
                # drawn for each picture by itself, so that batches do not matter
                top = torch.randint(height - PATCH + 1, (patches,), generator=generator)
                left = torch.randint(width - PATCH + 1, (patches,), generator=generator)
                target.copy_(picture[top[:, None, None] + steps[:, None], left[:, None, None] + steps])
            start += len(part)
            advance(len(part))
    _normalise(found.view(-1, channels))
    return found.view(-1, PATCH * PATCH * channels)


def _normalise(values: Tensor) -> None:
    """Give each column of (values, channels) the mean 0 and the deviation 1, in place."""
    parts = values.split(_VALUES_AT_ONCE // values.shape[1])
    mean = torch.stack([part.sum(0, dtype=torch.float64) for part in parts]).sum(0) / len(values)
    variance = torch.stack([(part - mean).square_().sum(0) for part in parts]).sum(0) / len(values)
    deviation = variance.sqrt().clamp_min(1e-12)
    for part in parts:
        part.sub_(mean).div_(deviation)


def _directions(dim: int, count: int, at_once: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Unit vectors in columns, a few at a time."""
    drawn = functional.normalize(torch.randn(dim, count, generator=generator), dim=0)
    yield from drawn.split(min(16, max(1, at_once)), dim=1)


@metric(
    "swd",
    "sliced Wasserstein distance of {of} from pictures, times 1000",
    headline="mean",
    lower_is_better=True,
    of=("samples", "reconstructions"),
)
def _measure(session: Session, of: Made) -> dict[str, Any]:
    sets = [session.set_of("real"), session.set_of(of)]
    fewer = min(map(len, sets))
    # sets must be equally large; real pictures are often sorted, so those that are left out are spread evenly
    real, made = (x if len(x) == fewer else _Chosen(x, np.arange(fewer) * len(x) // fewer) for x in sets)
    found = sliced_wasserstein(
        real,
        made,
        seed=session.seed,
        batch=session.batch,
        progress=lambda done, total: session.progress(f"swd of {of}", done, total),
    )
    floor = noise_floor(real, seed=session.seed, batch=session.batch)
    told = None if floor is None else {key: floor.plain()[key] for key in ("mean", "levels", "n_images", "directions")}
    return {**found.plain(), "noise_floor": told, **session.facts_of(of)}
