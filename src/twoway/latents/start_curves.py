"""Searches from several starts, compared step by step.

References:
    Zhu et al., arXiv 1906.08090, section 6.3 and figure 11.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from twoway.errors import ConfigError

__all__ = ["ahead", "marks", "mean_curve"]


def mean_curve(losses: Tensor) -> Tensor:
    """Mean over pictures of the least loss so far, (steps + 1,), of losses (steps + 1, B) as a search gives them."""
    return losses.cummin(0).values.mean(1)


def marks(steps: int) -> list[int]:
    """Steps at which curves are told in a table: the start, 1, 3, 10, 30, ..., the end.

    Example:
        >>> marks(100)
        [0, 1, 3, 10, 30, 100]
        >>> marks(45)
        [0, 1, 3, 10, 30, 45]
    """
    known = [factor * 10**power for power in range(len(str(steps))) for factor in (1, 3)]
    return sorted({0, steps, *(mark for mark in known if mark < steps)})


def ahead(curves: Mapping[str, Tensor], first: str, second: str) -> float:
    """Part of the steps, from 0 to 1, after which one start's curve (steps + 1,) is below another's.

    Raises:
        ConfigError: Curves of different lengths.
    """
    one, other = curves[first], curves[second]
    if one.shape != other.shape:
        raise ConfigError(
            f"The searches from '{first}' and '{second}' took {len(one) - 1} and {len(other) - 1} steps; curves are "
            "compared step by step. Search with the same number of steps, without an early stop."
        )
    return float((one < other).to(torch.float32).mean())
