"""The mutual information gap (MIG): how much more the best code tells of a factor than the second best.

References:
    Chen et al., Isolating Sources of Disentanglement in VAEs, arXiv 1802.04942, section 4.
    Locatello et al., arXiv 1811.12359, appendix B (10,000 points, 20 bins).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twoway.errors import ConfigError
from twoway.metrics.known_factors import check_codes

__all__ = ["MutualInformationGap", "binned", "chosen", "information", "information_table", "mutual_information_gap"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class MutualInformationGap:
    """The gap and how it was taken.

    Args:
        score: Mean over the factors, 0 to 1.
        per_factor: The gap of each factor.
        n: Pictures.
        bins: Of each code.
        seed: Of the choice of pictures.
    """

    score: float
    per_factor: tuple[float, ...]
    n: int
    bins: int
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "per_factor": list(self.per_factor)}


def mutual_information_gap(
    codes: Any, factors: Any, *, n: int = 10_000, bins: int = 20, seed: int = 0
) -> MutualInformationGap:
    """Mean over the factors of (largest - second largest information of a code) / entropy of the factor.

    A factor of more values than there are bins cannot be told in full: for 40 values of equal chances and 20 bins the
    gap is at most log 20 / log 40 = 0.81. A code of one number has no second; its information then counts as 0.

    Args:
        codes: (N, D).
        factors: Indices of the factors' values, (N, K), K at least 2.
        n: At most so many pictures.
        bins: Of each code, of equal width over the code's range.
        seed: Of the choice of pictures.

    Raises:
        ConfigError: Numbers that cannot work.
        DataError: Codes and factors that do not fit.
        ModelError: Codes that are not finite.
    """
    r, v = chosen(codes, factors, n, bins, seed)
    found = np.sort(information_table(r, v, bins=bins), axis=0)
    second = found[-2] if len(found) > 1 else np.zeros(v.shape[1])
    entropy = np.array([information(column, column) for column in v.T])
    gaps = (found[-1] - second) / entropy
    return MutualInformationGap(float(gaps.mean()), tuple(map(float, gaps)), len(r), bins, seed)


def chosen(codes: Any, factors: Any, n: int, bins: int, seed: int) -> tuple[Array, Array]:
    """At most `n` rows of codes and factors at random, checked.

    Raises:
        ConfigError: Fewer than two rows or bins asked for.
        DataError: Codes and factors that do not fit, before or after the choice.
        ModelError: Codes that are not finite.
    """
    if n < 2 or bins < 2:
        raise ConfigError(f"Mutual information needs at least 2 pictures and 2 bins; got {n} and {bins}.")
    r, v = check_codes(codes, factors)
    rows = np.random.default_rng(seed).permutation(len(r))[:n]
    return check_codes(r[rows], v[rows])


def binned(values: Array, bins: int) -> Array:
    """Which of `bins` bins of equal width, over the range of the values (N,), each value lies in, int64.

    Example:
        >>> binned(np.array([0.0, 0.9, 1.0, 2.0]), 2)
        array([0, 0, 1, 1])
    """
    wide = values.astype(np.float64)
    low, high = wide.min(), wide.max()
    if not high > low:
        return np.zeros(len(wide), dtype=np.int64)
    return np.minimum(((wide - low) / (high - low) * bins).astype(np.int64), bins - 1)


def information(a: Array, b: Array) -> float:
    """Mutual information in nats of two lists (N,) of whole numbers; of a list with itself, its entropy.

    It is that of the frequencies in the lists, which is a little above that of the chances behind them.

    Example:
        >>> round(information(np.array([0, 0, 1, 1]), np.array([5, 5, 7, 7])), 4)  # log 2
        0.6931
    """
    _, i = np.unique(a, return_inverse=True)
    _, j = np.unique(b, return_inverse=True)
    rows, columns = int(i.max()) + 1, int(j.max()) + 1
    joint = np.bincount(i * columns + j, minlength=rows * columns).reshape(rows, columns) / len(i)
    apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    seen = joint > 0
    return max(0.0, float((joint[seen] * np.log(joint[seen] / apart[seen])).sum()))


def information_table(codes: Array, factors: Array, *, bins: int) -> Array:
    """Mutual information in nats of each binned code and each factor, (D, K)."""
    cut = [binned(code, bins) for code in codes.T]
    return np.array([[information(code, factor) for factor in factors.T] for code in cut])
