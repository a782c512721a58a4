"""Pictures whose generating factors are known: codes beside factors, and draws in which one factor is held fixed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from twoway.errors import ConfigError, DataError, ModelError
from twoway.metrics.codes_of import CodesKind, encode_codes
from twoway.metrics.inputs import Pictures, choose_rows
from twoway.model import TwoWayModel

__all__ = [
    "POOL",
    "FactorPool",
    "FixedFactor",
    "Halves",
    "check_codes",
    "factor_pool",
    "factor_samples",
    "halves",
]

Array = np.ndarray[Any, Any]

POOL = 20_000
"""Pictures that are encoded once, and from which all draws are made, where no other number is given."""


@dataclass(frozen=True)
class FactorPool:
    """Codes of pictures with known factors.

    The published definitions render fresh pictures for every draw, about a million of them. Here pictures are encoded
    once, and draws are made among them with replacement: the same thing where all pictures of the set are in the pool,
    and where they are not an approximation that lets a code of pure noise seem a little better than chance.

    Args:
        codes: (N, D), float32.
        factors: Indices of the factors' values, (N, K), int64; only factors that vary.
        names: Of those factors.
        kind: What the codes are.
        total: Pictures of the set the pool was chosen from.
        on: Which pictures: ``test`` or ``train``.
    """

    codes: Array
    factors: Array
    names: tuple[str, ...]
    kind: CodesKind
    total: int
    on: str

    def by_name(self, values: Iterable[float]) -> dict[str, float]:
        """Figures, one per factor, under the names of the factors."""
        return dict(zip(self.names, values, strict=True))

    def plain(self) -> dict[str, Any]:
        """What was measured, as plain data."""
        return {
            "codes": self.kind,
            "dim": self.codes.shape[1],
            "factors": list(self.names),
            "pool": len(self.codes),
            "pool_of": self.total,
            "on": self.on,
        }


def factor_pool(
    model: TwoWayModel, data: Pictures, *, on: str = "test", limit: int | None = None, batch: int = 256
) -> FactorPool:
    """Encode pictures with known factors.

    Args:
        model: Encodes, in evaluation mode meanwhile.
        data: A data set with ``factors``.
        on: What to call those pictures.
        limit: At most so many pictures, a fixed random choice; `POOL` where None.
        batch: Pictures at a time.

    Raises:
        DataError: The factors are not known, do not fit the pictures, or fewer than two of them vary.
        ModelError: The model has no encoder.
    """
    given = getattr(data, "factors", None)
    if given is None:
        raise DataError(
            "This measure needs pictures whose generating factors are known, and these data have none. Use a built-in "
            "set that we draw ourselves, sprites or avatars, or a set that gives 'factors', or leave the measure out."
        )
    factors = np.asarray(given)
    if factors.ndim != 2 or len(factors) != len(data):
        raise DataError(
            f"There are {len(data)} pictures, but factors of shape {factors.shape}; expected one row per picture and "
            "one column per factor."
        )
    rows = choose_rows(len(data), POOL if limit is None else limit)
    factors = factors[rows].astype(np.int64)
    varies = [k for k in range(factors.shape[1]) if len(np.unique(factors[:, k])) > 1]
    known = tuple(getattr(data, "factor_names", ()))
    if len(known) != factors.shape[1]:
        known = tuple(f"factor {k}" for k in range(factors.shape[1]))
    if len(varies) < 2:
        raise DataError(
            f"Of the {factors.shape[1]} factors of these pictures {len(varies)} take more than one value; telling "
            "factors apart needs at least two. Use a larger part of the data."
        )
    codes = encode_codes(model, data, rows=rows, batch=batch)
    names = tuple(str(known[k]) for k in varies)
    return FactorPool(codes.values, factors[:, varies], names, codes.kind, len(data), on)


def check_codes(codes: Any, factors: Any) -> tuple[Array, Array]:
    """Codes (N, D) as they are and factors (N, K) as int64, checked to fit each other.

    Raises:
        DataError: Shapes that do not fit, fewer than two factors, or a factor that takes one value only.
        ModelError: Codes that are not finite.
    """
    r, v = np.asarray(codes), np.asarray(factors)
    if r.ndim != 2 or v.ndim != 2 or len(r) != len(v) or r.shape[1] < 1 or v.shape[1] < 2:
        raise DataError(
            f"Got codes of shape {r.shape} and factors of shape {v.shape}; expected (N, D) and (N, K) with K at least "
            "2, one row per picture."
        )
    alone = [k for k in range(v.shape[1]) if len(v) and v[:, k].min() == v[:, k].max()]
    if alone or not len(v):
        raise DataError(
            f"The factors in columns {alone} take one value only, so nothing can be said of them. Leave those columns "
            "out." if len(v) else "There are no pictures to measure on. Give at least a few hundred."
        )  # fmt: skip
    if not np.isfinite(r).all():
        raise ModelError("Codes hold values that are not finite; the encoder has diverged. Use an earlier checkpoint.")
    return r, v.astype(np.int64)


class Halves(NamedTuple):
    """Rows to learn from and other rows to test on."""

    train: Array
    test: Array


def halves(count: int, n_train: int, n_test: int, *, seed: int) -> Halves:
    """Disjoint random rows; two thirds and one third of them where there are too few.

    Args:
        count: Rows there are.
        n_train: Rows wanted for learning.
        n_test: Rows wanted for testing.
        seed: Of the choice.

    Raises:
        ConfigError: Numbers below 1.
        DataError: Fewer than three rows.

    Example:
        >>> [len(part) for part in halves(20000, 10000, 5000, seed=0)]
        [10000, 5000]
        >>> [len(part) for part in halves(300, 10000, 5000, seed=0)]
        [200, 100]
    """
    if min(n_train, n_test) < 1:
        raise ConfigError(f"{n_train} training and {n_test} test codes were asked for; both must be at least 1.")
    if count < 3:
        raise DataError(f"{count} pictures are too few to learn from some and test on others. Use more.")
    order = np.random.default_rng(seed).permutation(count)
    if count < n_train + n_test:
        n_train = count * 2 // 3
        n_test = count - n_train
    return Halves(order[:n_train], order[n_train : n_train + n_test])


class FixedFactor:
    """Draws of pictures that share the value of one factor.

    Values are drawn uniformly, then pictures uniformly and with replacement among those that have the value. A value
    that a single picture has is left out: copies of one picture agree in everything.

    Args:
        factors: (N, K), int64.

    Raises:
        DataError: No value of a factor is shared by two pictures.
    """

    def __init__(self, factors: Array) -> None:
        self.order = np.argsort(factors.T, axis=1, kind="stable")
        starts, counts = [], []
        for k in range(factors.shape[1]):
            _, start, count = np.unique(factors[self.order[k], k], return_index=True, return_counts=True)
            shared = count > 1
            if not shared.any():
                raise DataError(
                    f"No two of {len(factors)} pictures share the value of factor {k} (counted from 0), so it cannot "
                    "be held fixed. Use more pictures, or leave the factor out."
                )
            starts.append(start[shared])
            counts.append(count[shared])
        self.values = np.array([len(start) for start in starts])
        wide = int(self.values.max())
        self.starts = np.stack([np.pad(start, (0, wide - len(start))) for start in starts])
        self.counts = np.stack([np.pad(count, (0, wide - len(count))) for count in counts])

    def same_value(self, factor: Array, size: int, rng: np.random.Generator) -> Array:
        """Rows (V, size), each line with one value of its factor, drawn for the line.

        Args:
            factor: Which factor is held fixed in each of V lines.
            size: Pictures a line.
            rng: Source of the draws.
        """
        return self._rows(factor, rng.random((len(factor), 1)), rng.random((len(factor), size)))

    def pairs(self, factor: Array, size: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Rows (V, size) twice: pairs that share the value of their line's factor, drawn for each pair."""
        value, first, second = rng.random((3, len(factor), size))
        return self._rows(factor, value, first), self._rows(factor, value, second)

    def _rows(self, factor: Array, value: Array, place: Array) -> Array:
        k = factor[:, None]
        chosen = (value * self.values[k]).astype(np.int64)
        return self.order[k, self.starts[k, chosen] + (place * self.counts[k, chosen]).astype(np.int64)]


def factor_samples(n_factors: int, count: int, rng: np.random.Generator, *, at_once: int = 256) -> Iterator[Array]:
    """Factors to hold fixed in `count` draws, at random, in pieces small enough to gather codes for."""
    factors = rng.integers(n_factors, size=count)
    for start in range(0, count, at_once):
        yield factors[start : start + at_once]
