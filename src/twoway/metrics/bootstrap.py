"""How far a mean over pictures could have come out otherwise: percentile bootstrap intervals.

They say how steady a figure is for these pictures and this model; what another training run would give they do not say.

References:
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from twoway.errors import ConfigError, DataError

__all__ = ["LEVEL", "PairedDifference", "mean_interval", "paired_difference"]

LEVEL = 0.95
"""Share of intervals that should hold the true mean, wherever one is told."""

_AT_ONCE = 1 << 21
"""Values drawn at a time: 32 MiB of numbers and what they pick, however many pictures and draws there are."""


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two measurements of the same pictures.

    Args:
        mean: Mean of a - b over the pictures.
        interval: Where that mean lies, low and high.
        level: Share of such intervals that should hold the true mean.
        excludes_zero: Whether all of the interval lies on one side of 0: the two differ beyond the choice of pictures.
        n: Pictures.
        draws: Times the pictures were drawn anew.
        seed: Of the draws.
    """

    mean: float
    interval: tuple[float, float]
    level: float
    excludes_zero: bool
    n: int
    draws: int
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "interval": list(self.interval)}


def mean_interval(values: Tensor, *, level: float = LEVEL, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of the mean of independent values.

    As many values are drawn from them with replacement, again and again; the interval leaves out equal shares of the
    lowest and of the highest means.

    Args:
        values: One number per picture, shape (N,). A single one has an interval without width, which means nothing.
        level: Share of the means that lie inside, between 0 and 1.
        draws: How often to draw.
        seed: Of the draws.

    Returns:
        Low and high end.

    Raises:
        ConfigError: A level that is no share, or no draws.
        DataError: No values, more than one dimension, or values that are not finite.

    Example:
        >>> mean_interval(torch.ones(5))
        (1.0, 1.0)
    """
    if not 0 < level < 1 or draws < 1:
        raise ConfigError(
            f"The interval has the level {level:g} and {draws} draws, but the level must lie between 0 and 1, as 0.95, "
            "and there must be at least one draw."
        )
    if values.ndim != 1 or len(values) == 0 or not torch.isfinite(values).all():
        raise DataError(
            f"An interval of a mean needs at least one finite number per picture, shape (N,), but got shape "
            f"{tuple(values.shape)}" + (", with numbers that are not finite." if values.numel() else ".")
        )
    known = values.detach().cpu().double()
    generator = torch.Generator().manual_seed(seed)
    step = max(1, _AT_ONCE // len(known))
    means = []
    for start in range(0, draws, step):
        rows = torch.randint(len(known), (min(step, draws - start), len(known)), generator=generator)
        means.append(known[rows].mean(1))
    tail = (1 - level) / 2
    low, high = torch.quantile(torch.cat(means), torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return low, high


def paired_difference(
    a: Tensor, b: Tensor, *, level: float = LEVEL, draws: int = 2000, seed: int = 0
) -> PairedDifference:
    """Mean of a - b over pictures that both were measured on, and whether it could be 0.

    Two models are compared more sharply this way than by the intervals of each: pictures that are hard for one are
    hard for the other.

    Args:
        a: One number per picture, shape (N,).
        b: The other model's numbers of the same pictures in the same order.
        level: Of the interval.
        draws: How often to draw.
        seed: Of the draws.

    Raises:
        ConfigError: A level that is no share, or no draws.
        DataError: Different numbers of pictures, none, or values that are not finite.

    Example:
        >>> paired_difference(torch.tensor([3.0, 5.0]), torch.tensor([1.0, 3.0])).excludes_zero
        True
    """
    if a.shape != b.shape:
        raise DataError(
            f"Two models are compared on the same pictures, but there are numbers of shape {tuple(a.shape)} and "
            f"{tuple(b.shape)}. Measure both on the same data with the same limits."
        )
    differences = a.detach().cpu().double() - b.detach().cpu().double()
    low, high = mean_interval(differences, level=level, draws=draws, seed=seed)
    mean = differences.mean().item()
    return PairedDifference(mean, (low, high), level, low > 0 or high < 0, len(differences), draws, seed)
