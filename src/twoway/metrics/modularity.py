"""Modularity and explicitness: does each code tell of one factor only, and can factors be read off linearly?

References:
    Ridgeway and Mozer, Learning Deep Disentangled Embeddings with the F-Statistic Loss, arXiv 1802.05312, section 3.
    Locatello et al., arXiv 1811.12359, appendix B (20 bins, numbers of points).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twoway.metrics.known_factors import check_codes, halves
from twoway.metrics.logistic import fit_logistic
from twoway.metrics.mutual_information_gap import chosen, information_table
from twoway.metrics.representation import standardise

__all__ = ["Explicitness", "Modularity", "explicitness", "modularity", "modularity_of"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Modularity:
    """Modularity and how it was taken.

    Args:
        score: Mean over the codes, 0 to 1.
        per_code: Of each code; 0 for one that tells nothing of any factor.
        n: Pictures.
        bins: Of each code.
        seed: Of the choice of pictures.
    """

    score: float
    per_code: tuple[float, ...]
    n: int
    bins: int
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "per_code": list(self.per_code)}


@dataclass(frozen=True)
class Explicitness:
    """Explicitness and how it was taken.

    Args:
        score: Mean over the factors, 0.5 for chance and 1 for codes that tell all values apart linearly.
        per_factor: Of each factor.
        n_train: Pictures learnt from.
        n_test: Pictures tested on.
        converged: Whether all solvers reached their tolerance.
        seed: Of the split.
    """

    score: float
    per_factor: tuple[float, ...]
    n_train: int
    n_test: int
    converged: bool
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "per_factor": list(self.per_factor)}


def modularity(codes: Any, factors: Any, *, n: int = 10_000, bins: int = 20, seed: int = 0) -> Modularity:
    """Mean over the codes of 1 - (sum of squared information about other factors) / (squared largest times (K - 1)).

    It says nothing of how much a code tells. A code of pure noise tells a little of every factor, by the accident of
    few samples, and scores between 0 and 1: read it beside explicitness or the mutual information gap.

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
    scores = modularity_of(information_table(r, v, bins=bins))
    return Modularity(float(scores.mean()), tuple(map(float, scores)), len(r), bins, seed)


def modularity_of(table: Array) -> Array:
    """Modularity of each code, (D,), from the information it has of each factor, (D, K).

    Example:
        >>> modularity_of(np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
        array([1. , 0.5, 0. ])
    """
    squared = table**2
    largest = squared.max(1)
    tells = largest > 1e-24
    others = (squared.sum(1) - largest) / (np.where(tells, largest, 1.0) * (table.shape[1] - 1))
    return np.where(tells, 1 - others, 0.0)


def explicitness(
    codes: Any, factors: Any, *, n_train: int = 10_000, n_test: int = 5_000, seed: int = 0
) -> Explicitness:
    """Mean over factors and their values of the area under the ROC curve of a linear classifier.

    Codes are standardised by the training part; a value that all test pictures have, or none, is left out.

    Args:
        codes: (N, D).
        factors: Indices of the factors' values, (N, K), K at least 2.
        n_train: Pictures to learn from; two thirds where there are too few.
        n_test: Pictures to test on; the other third where there are too few.
        seed: Of the split.

    Raises:
        ConfigError: Numbers below 1.
        DataError: Codes and factors that do not fit, or too few.
        ModelError: Codes that are not finite.
    """
    from sklearn.metrics import roc_auc_score

    r, v = check_codes(codes, factors)
    train, test = halves(len(r), n_train, n_test, seed=seed)
    x, x_test = standardise(r[train], r[test])
    scores, converged = [], True
    for factor in v.T:
        classifier, good = fit_logistic(x, factor[train])
        converged = converged and good
        chances = classifier.predict_proba(x_test)
        areas = []
        for column, value in enumerate(classifier.classes_):
            has = factor[test] == value
            if has.any() and not has.all():
                areas.append(float(roc_auc_score(has, chances[:, column])))
        scores.append(float(np.mean(areas)) if areas else 0.5)
    return Explicitness(float(np.mean(scores)), tuple(scores), len(train), len(test), converged, seed)
