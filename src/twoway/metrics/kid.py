"""Kernel distance between the features of two sets of pictures (KID): squared maximum mean discrepancy, unbiased.

Unlike the Fréchet distance it supposes no Gaussians and has no bias, so it can be read with few pictures, where it may
come out slightly below zero. Its spread over subsets is that of the publication and no standard error: subsets
overlap, and how far other samples would move the distance is not in it.

References:
    Bińkowski et al., Demystifying MMD GANs, arXiv 1801.01401, section 4 (kernel, subsets of 1000).
    Gretton et al., A Kernel Two-Sample Test, 2012, equation 3 (the unbiased estimate).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from twoway.errors import ConfigError
from twoway.metrics.feature_sets import BLOCK, check_feature_sets
from twoway.metrics.registry import Made, PooledFeatures, metric

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["Kid", "kernel_distance", "subset_distances"]

_WORTH = 3
"""Tables of kernels a subset costs: within each set and between them."""


@dataclass(frozen=True)
class Kid:
    """The distance and how it was taken.

    Args:
        value: Mean over the subsets, times 1000; lower is better, 0 in expectation for equal distributions.
        sd: Standard deviation over the subsets, times 1000 (their sum of squares divided by their number). None where
            a subset is all there is of both sets, so that all subsets are the same.
        subsets: How many were averaged.
        size: Pictures of each set in a subset; 1000 where there are as many.
        n_real: Real pictures.
        n_made: Made pictures.
        dim: Numbers each picture is described by.
        seed: Of the subsets.
    """

    value: float
    sd: float | None
    subsets: int
    size: int
    n_real: int
    n_made: int
    dim: int
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return asdict(self)


@torch.inference_mode()
def kernel_distance(real: Tensor, made: Tensor, *, subsets: int = 100, size: int = 1000, seed: int = 0) -> Kid:
    """Compare two sets of features.

    Args:
        real: Features of real pictures, (N, dim).
        made: Features of made pictures, (M, dim).
        subsets: Random subsets the distance is averaged over.
        size: Pictures of each set in a subset, drawn without repetition; fewer where a set has fewer.
        seed: Of the subsets.

    Raises:
        ConfigError: No subsets, or subsets of fewer than two pictures.
        DataError: Features that are not finite, of different widths, or of fewer than two pictures.
    """
    if subsets < 1 or size < 2:
        raise ConfigError(
            f"The kernel distance was asked for {subsets} subsets of {size} pictures; it needs at least one subset, "
            "and at least two pictures in each."
        )
    check_feature_sets("kernel distance", real, made, least=2)
    size = min(size, len(real), len(made))
    whole = size == len(real) == len(made)
    generator = torch.Generator().manual_seed(seed)
    choices = [
        tuple(torch.randperm(len(part), generator=generator)[:size] for part in (real, made))
        for _ in range(1 if whole else subsets)
    ]
    found = 1e3 * subset_distances(real, made, choices)
    return Kid(
        value=float(found.mean()),
        sd=None if whole else float(found.std(correction=0)),
        subsets=len(choices),
        size=size,
        n_real=len(real),
        n_made=len(made),
        dim=real.shape[1],
        seed=seed,
    )


@torch.inference_mode()
def subset_distances(real: Tensor, made: Tensor, choices: Sequence[tuple[Tensor, ...]]) -> Tensor:
    """Unbiased squared discrepancy of each pair of subsets under the kernel (a.b / dim + 1)^3.

    Args:
        real: Features, (N, dim), finite.
        made: Features, (M, dim), finite.
        choices: For each subset the numbers of the pictures of `real` and those of `made`, all of one size m, at least
            2, none twice in a subset.

    Returns:
        (subsets,), float64, not multiplied by anything.
    """
    size = len(choices[0][0])
    entries = len(real) ** 2 + len(made) ** 2 + len(real) * len(made)
    if entries <= _WORTH * len(choices) * size**2:
        # subsets overlap so much that each kernel of the whole sets is better computed once
        picked = [_picked([choice[side] for choice in choices], len(part)) for side, part in enumerate((real, made))]
        within = [
            _sums(part, part, chosen, chosen) - _self_kernels(part) @ chosen
            for part, chosen in zip((real, made), picked, strict=True)
        ]
        between = _sums(real, made, *picked)
    else:
        sums = []
        for choice in choices:
            x, y = (part[chosen].double() for part, chosen in zip((real, made), choice, strict=True))
            alone = [_kernels(part, part).sum() - _self_kernels(part).sum() for part in (x, y)]
            sums.append(torch.stack([*alone, _kernels(x, y).sum()]))
        *within, between = torch.stack(sums, dim=1)
    return (within[0] + within[1]) / (size * (size - 1)) - 2 * between / size**2


def _kernels(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)


def _self_kernels(x: Tensor) -> Tensor:
    """Kernel of each row with itself, (N,)."""
    squares = torch.cat([part.double().square().sum(1) for part in x.split(BLOCK)])
    return (squares / x.shape[1] + 1) ** 3


def _picked(chosen: Sequence[Tensor], n: int) -> Tensor:
    """One column a subset, (n, subsets): 1 where it holds the row's picture."""
    picked = torch.zeros(n, len(chosen), dtype=torch.float64)
    for column, numbers in enumerate(chosen):
        picked[numbers, column] = 1
    return picked


def _sums(x: Tensor, y: Tensor, of_x: Tensor, of_y: Tensor) -> Tensor:
    """Sum of the kernels between what each subset holds of x and of y, (subsets,)."""
    total = torch.zeros(of_x.shape[1], dtype=torch.float64)
    for rows, picked in zip(x.split(BLOCK), of_x.split(BLOCK), strict=True):
        a = rows.double()
        for columns, others in zip(y.split(BLOCK), of_y.split(BLOCK), strict=True):
            total += (picked * (_kernels(a, columns.double()) @ others)).sum(0)
    return total


@metric(
    "kid",
    "kernel distance of features of {of} from those of pictures, times 1000",
    headline="value",
    lower_is_better=True,
    of=("samples", "reconstructions"),
    features=True,
)
def _measure(session: Session, extractor: PooledFeatures, of: Made) -> dict[str, Any]:
    real, made = session.features_of(extractor, "real"), session.features_of(extractor, of)
    found = kernel_distance(real, made, seed=session.seed)
    return {**found.plain(), **session.facts_of(of), "features": extractor.describe()}
