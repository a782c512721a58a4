"""Separated attribute predictability (SAP): how much better the best code predicts a factor than the second best.

References:
    Kumar, Sattigeri, Balakrishnan, Variational Inference of Disentangled Latent Concepts from Unlabeled Observations,
    arXiv 1711.00848, section 3. Locatello et al., arXiv 1811.12359, appendix B (the SVM's settings, numbers of points).
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twoway.errors import ModelError
from twoway.metrics.known_factors import check_codes, halves

__all__ = ["Sap", "sap"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sap:
    """The score and how it was taken.

    Args:
        score: Mean over the factors, 0 to 1.
        per_factor: The gap of each factor.
        best: What the best code predicts of each factor, 0 to 1.
        n_train: Pictures learnt from.
        n_test: Pictures tested on.
        converged: Whether all solvers reached their tolerance.
        seed: Of the split.
        c: Weight of the SVM's errors; None where factors are continuous.
    """

    score: float
    per_factor: tuple[float, ...]
    best: tuple[float, ...]
    n_train: int
    n_test: int
    converged: bool
    seed: int
    c: float | None

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "per_factor": list(self.per_factor), "best": list(self.best)}


def sap(
    codes: Any,
    factors: Any,
    *,
    continuous: bool = False,
    n_train: int = 10_000,
    n_test: int = 5_000,
    c: float = 0.01,
    seed: int = 0,
) -> Sap:
    """Predict each factor from each code alone.

    The prediction is scored by the test accuracy of a linear SVM with balanced class weights, or for continuous factors
    by the squared correlation. Two planes cut a line into few intervals: a perfect code of a factor with many values
    scores far below 1, and figures compare only among models on the same factors.

    Args:
        codes: (N, D), D at least 2.
        factors: Indices of the factors' values, (N, K), K at least 2.
        continuous: Whether factors count as numbers instead of classes.
        n_train: Pictures to learn from; two thirds where there are too few.
        n_test: Pictures to test on; the other third where there are too few.
        c: Weight of the SVM's errors.
        seed: Of the split.

    Raises:
        ConfigError: Numbers below 1.
        DataError: Codes and factors that do not fit, or too few.
        ModelError: Codes that are not finite, or one number wide.
    """
    r, v = check_codes(codes, factors)
    if r.shape[1] < 2:
        raise ModelError("The codes are one number wide, so there is no second best; SAP needs two. Use factor-vae.")
    train, test = halves(len(r), n_train, n_test, seed=seed)
    converged = True
    table = np.zeros((r.shape[1], v.shape[1]))
    for j in range(r.shape[1]):
        for k in range(v.shape[1]):
            if continuous:
                table[j, k] = _squared_correlation(r[train, j], v[train, k])
            else:
                table[j, k], good = _accuracy(r[train, j], v[train, k], r[test, j], v[test, k], c, seed)
                converged = converged and good
    ranked = np.sort(table, axis=0)
    gaps = ranked[-1] - ranked[-2]
    return Sap(
        score=float(gaps.mean()),
        per_factor=tuple(map(float, gaps)),
        best=tuple(map(float, ranked[-1])),
        n_train=len(train),
        n_test=len(test),
        converged=converged,
        seed=seed,
        c=None if continuous else c,
    )


def _squared_correlation(a: Array, b: Array) -> float:
    x, y = a.astype(np.float64), b.astype(np.float64)
    if x.var() < 1e-12 or y.var() < 1e-12:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def _accuracy(x: Array, y: Array, x_test: Array, y_test: Array, c: float, seed: int) -> tuple[float, bool]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    if len(np.unique(y)) < 2:
        return float((y_test == y[0]).mean()), True
    # the primal problem has the same solution as the dual one and two unknowns a class
    machine = LinearSVC(C=c, class_weight="balanced", dual=False, random_state=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        machine.fit(x[:, None].astype(np.float64), y)
    good = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
    return float(machine.score(x_test[:, None].astype(np.float64), y_test)), good
