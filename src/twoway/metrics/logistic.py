"""Logistic regression for the measures that read something off codes linearly."""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["fit_logistic"]


def fit_logistic(x: Any, y: Any, *, c: float = 1.0, max_iter: int = 1000) -> tuple[Any, bool]:
    """Fit scikit-learn's multinomial logistic regression.

    Args:
        x: Features (N, dim).
        y: Classes (N,); where all are the same, that class is always answered.
        c: Inverse weight of the squared weights.
        max_iter: Bound on the solver's iterations.

    Returns:
        The classifier, and whether its solver converged.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(set(y.tolist())) == 1:
        return DummyClassifier().fit(x, y), True
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier = LogisticRegression(C=c, max_iter=max_iter).fit(x, y)
    return classifier, not any(issubclass(w.category, ConvergenceWarning) for w in caught)
