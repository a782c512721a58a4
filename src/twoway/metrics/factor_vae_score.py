"""The FactorVAE score: does the code that varies least name the factor that was held fixed?

References:
    Kim and Mnih, Disentangling by Factorising, arXiv 1802.05983, section 4.
    Locatello et al., arXiv 1811.12359, appendix B (numbers of samples and votes, pruning).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twoway.errors import ConfigError
from twoway.metrics.known_factors import FixedFactor, check_codes, factor_samples

__all__ = ["FactorVaeScore", "factor_vae_score", "vote_table"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class FactorVaeScore:
    """The score and how it was taken.

    Args:
        score: Share of fresh votes whose code names their factor, 0 to 1.
        train_score: The same on the votes that the naming was learnt from.
        chance: What naming at random gives: one over the number of factors.
        active: Codes that vary enough to vote.
        dim: Codes there are.
        n_variance: Pictures that the variances were taken over.
        train_votes: Votes that the naming was learnt from.
        test_votes: Fresh votes.
        batch: Pictures a vote.
        min_std: Codes with a smaller standard deviation do not vote.
        seed: Of all draws.
    """

    score: float
    train_score: float
    chance: float
    active: int
    dim: int
    n_variance: int
    train_votes: int
    test_votes: int
    batch: int
    min_std: float
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return asdict(self)


def factor_vae_score(
    codes: Any,
    factors: Any,
    *,
    train_votes: int = 10_000,
    test_votes: int = 5_000,
    batch: int = 64,
    n_variance: int = 10_000,
    min_std: float = 0.05,
    seed: int = 0,
) -> FactorVaeScore:
    """Let codes vote on which factor was held fixed.

    A vote: a factor, one of its values and `batch` pictures with that value, all at random; the code whose variance
    among them is smallest, relative to its variance over all pictures, is put down for the factor. Each code then
    stands for the factor it was put down for most often, and the score is how often that is right in fresh votes.

    Args:
        codes: (N, D).
        factors: Indices of the factors' values, (N, K), K at least 2.
        train_votes: Votes to learn from.
        test_votes: Votes to score.
        batch: Pictures a vote.
        n_variance: At most so many pictures for the variances over all.
        min_std: Codes with a smaller standard deviation are dead and do not vote; where all are, the score is 0.
        seed: Of all draws.

    Raises:
        ConfigError: Numbers that cannot work.
        DataError: Codes and factors that do not fit, or a factor that no two pictures share.
        ModelError: Codes that are not finite.
    """
    if min(train_votes, test_votes) < 1 or batch < 2 or n_variance < 2:
        raise ConfigError(
            f"The FactorVAE score needs votes from 1 and batches from 2 pictures; got {train_votes} and {test_votes} "
            f"votes, batches of {batch} and {n_variance} pictures for the variances."
        )
    r, v = check_codes(codes, factors)
    rng = np.random.default_rng(seed)
    sample = r[rng.permutation(len(r))[:n_variance]]
    variance = sample.var(0, ddof=1, dtype=np.float64)
    # all later indices count active codes only, in the table and in the votes alike
    active = np.flatnonzero(np.sqrt(variance) >= min_std)
    score = train_score = 0.0
    if len(active):
        kept, scale = r[:, active], variance[active]
        draws = FixedFactor(v)
        train = vote_table(kept, scale, v.shape[1], draws, train_votes, batch, rng)
        test = vote_table(kept, scale, v.shape[1], draws, test_votes, batch, rng)
        named = train.argmax(1)
        lines = np.arange(len(active))
        score = float(test[lines, named].sum() / test_votes)
        train_score = float(train[lines, named].sum() / train_votes)
    return FactorVaeScore(
        score=score,
        train_score=train_score,
        chance=1 / v.shape[1],
        active=len(active),
        dim=r.shape[1],
        n_variance=len(sample),
        train_votes=train_votes,
        test_votes=test_votes,
        batch=batch,
        min_std=min_std,
        seed=seed,
    )


def vote_table(
    codes: Array, variance: Array, n_factors: int, draws: FixedFactor, votes: int, batch: int, rng: np.random.Generator
) -> Array:
    """How often each code was the least varying one while each factor was held fixed, (D, K), int64.

    Args:
        codes: (N, D), only such that vary.
        variance: Of each code over all pictures, (D,).
        n_factors: K.
        draws: Pictures with a factor held fixed.
        votes: How many.
        batch: Pictures a vote.
        rng: Source of the draws.
    """
    table = np.zeros((codes.shape[1], n_factors), dtype=np.int64)
    for factor in factor_samples(n_factors, votes, rng):
        group = codes[draws.same_value(factor, batch, rng)]
        least = (group.var(1, ddof=1, dtype=np.float64) / variance).argmin(1)
        np.add.at(table, (least, factor), 1)
    return table
