"""The beta-VAE score: can a linear classifier name the factor that pairs of pictures share, by how their codes differ?

References:
    Higgins et al., beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework, ICLR 2017,
    section 3. Locatello et al., arXiv 1811.12359, appendix B (numbers of examples, logistic regression).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twoway.errors import ConfigError
from twoway.metrics.known_factors import FixedFactor, check_codes, factor_samples
from twoway.metrics.logistic import fit_logistic

__all__ = ["BetaVaeScore", "beta_vae_score"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class BetaVaeScore:
    """The score and how it was taken.

    Args:
        score: Accuracy on fresh examples, 0 to 1.
        train_score: Accuracy on the examples learnt from.
        chance: One over the number of factors.
        n_train: Examples learnt from.
        n_test: Fresh examples.
        batch: Pairs an example.
        converged: Whether the classifier's solver reached its tolerance.
        seed: Of all draws.
    """

    score: float
    train_score: float
    chance: float
    n_train: int
    n_test: int
    batch: int
    converged: bool
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return asdict(self)


def beta_vae_score(
    codes: Any, factors: Any, *, n_train: int = 10_000, n_test: int = 5_000, batch: int = 64, seed: int = 0
) -> BetaVaeScore:
    """Name the shared factor from differences of codes.

    An example: a factor at random, `batch` pairs of pictures that share its value, and the mean of |r - r'| over the
    pairs, one number per code.

    Args:
        codes: (N, D).
        factors: Indices of the factors' values, (N, K), K at least 2.
        n_train: Examples to learn from.
        n_test: Examples to score.
        batch: Pairs an example.
        seed: Of all draws.

    Raises:
        ConfigError: Numbers below 1.
        DataError: Codes and factors that do not fit, or a factor that no two pictures share.
        ModelError: Codes that are not finite.
    """
    if min(n_train, n_test, batch) < 1:
        raise ConfigError(
            f"The beta-VAE score needs examples and pairs from 1; got {n_train} and {n_test} examples of {batch} pairs."
        )
    r, v = check_codes(codes, factors)
    rng = np.random.default_rng(seed)
    draws = FixedFactor(v)
    x, y = _examples(r, v.shape[1], draws, n_train, batch, rng)
    x_test, y_test = _examples(r, v.shape[1], draws, n_test, batch, rng)
    classifier, converged = fit_logistic(x, y)
    return BetaVaeScore(
        score=float(classifier.score(x_test, y_test)),
        train_score=float(classifier.score(x, y)),
        chance=1 / v.shape[1],
        n_train=n_train,
        n_test=n_test,
        batch=batch,
        converged=converged,
        seed=seed,
    )


def _examples(
    codes: Array, n_factors: int, draws: FixedFactor, count: int, batch: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    found, named = [], []
    for factor in factor_samples(n_factors, count, rng):
        first, second = draws.pairs(factor, batch, rng)
        found.append(np.abs(codes[first] - codes[second]).mean(1, dtype=np.float64))
        named.append(factor)
    return np.concatenate(found), np.concatenate(named)
