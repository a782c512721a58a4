"""The linear machines that tell codes with something from codes without."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from twoway.errors import ConfigError, DataError, closest

__all__ = ["AS_PUBLISHED", "BY_DEFAULT", "FittedBy", "Fitting", "fit_machine", "gap", "judged"]

FittedBy: TypeAlias = Literal["logistic", "svm", "means", "effects"]
Array: TypeAlias = "np.ndarray[Any, Any]"


@dataclass(frozen=True)
class Fitting:
    """How codes with something are told from those without.

    The normal of a machine that separates as well as it can leans towards directions that codes hardly vary along:
    steps of some deviations along it change little, and long ones leave the codes that there are. A machine whose
    coefficients are held short leans towards directions that codes do vary along. Hence the default, logistic
    regression with short coefficients.

    Args:
        classifier: ``logistic`` regression, ``svm`` (linear, squared hinge; as ALAE where `c` is 1), or ``means``: from
            the mean of those without to the mean of those with, which looks at no covariance; or ``effects``, which is
            no machine but least squares of the codes on all attributes at once, see
            `twoway.latents.direction_effects.fit_effect`.
        c: Weight of the errors against the length of the coefficients. None is 1 for ``svm``, and for ``logistic`` what
            shortens alike however many codes there are and however large: 5 / (N variance).
        balanced: Whether errors of both kinds weigh the same in sum, however rare one is; for ``effects`` only in the
            choice of the threshold.
        seed: Of what is held out by chance.

    Raises:
        ConfigError: An unknown classifier, a weight that is not positive, or one for ``effects``.
    """

    classifier: FittedBy = "logistic"
    c: float | None = None
    balanced: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.classifier not in get_args(FittedBy):
            raise ConfigError(
                f"The classifier is '{self.classifier}'{closest(str(self.classifier), get_args(FittedBy))}."
            )
        if self.c is not None and not (math.isfinite(self.c) and self.c > 0):
            raise ConfigError(f"c, the weight of errors, is {self.c}, but must be positive and finite.")
        if self.c is not None and self.classifier == "effects":
            raise ConfigError("Effects are found by least squares, which has no weight of errors; leave c (--c) out.")

    def weight(self, points: Array) -> float:
        """The weight of the errors for points (N, dim)."""
        if self.c is not None:
            return self.c
        if self.classifier == "svm":
            return 1.0
        return _SHORT / max(len(points) * float(points.var(0).mean()), 1e-12)


_SHORT = 5.0
BY_DEFAULT = Fitting()
AS_PUBLISHED = Fitting("svm", 1.0, balanced=False)
"""ALAE's machine, and InterFaceGAN's but for the square of its hinge."""


def fit_machine(points: Array, labels: Array, fitting: Fitting) -> tuple[Array, float, bool]:
    """Fit a linear machine.

    Args:
        points: Shape (N, dim), float64.
        labels: Whether each has it, (N,), both kinds there.
        fitting: Which machine, how.

    Returns:
        Coefficients (dim,), the constant, and whether the solver came to an end.

    Raises:
        ConfigError: The fitting is of ``effects``.
        DataError: The points of both kinds are alike.
    """
    if fitting.classifier == "effects":
        raise ConfigError(
            "Effects are learnt from 1 and 0 of several attributes at once, not from scores or one attribute; use "
            "logistic, svm or means (--classifier)."
        )
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    if fitting.classifier == "means":
        without, with_ = (points[labels == kind].mean(0) for kind in (False, True))
        coefficients = with_ - without
        if not coefficients.any():
            raise DataError("The codes with and without it have the same mean, so there is no direction between them.")
        return coefficients, -float(coefficients @ (with_ + without) / 2), True
    weights = "balanced" if fitting.balanced else None
    machine: Any
    if fitting.classifier == "svm":
        machine = LinearSVC(
            C=fitting.weight(points), dual=False, max_iter=10_000, class_weight=weights, random_state=fitting.seed
        )
    else:
        machine = LogisticRegression(C=fitting.weight(points), max_iter=2_000, class_weight=weights)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        machine.fit(points, labels)
    converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
    coefficients = machine.coef_[0].astype(np.float64)
    if not (np.isfinite(coefficients).all() and coefficients.any()):
        raise DataError("The codes with and without it are alike, so there is no direction between them.")
    return coefficients, float(machine.intercept_[0]), converged


def judged(said: Array, truth: Array) -> dict[str, Any]:
    """Counts and accuracies; None for what cannot be told of one kind only."""
    total, count = len(truth), int(truth.sum())
    right = said == truth
    both = 0 < count < total
    return {
        "count": total,
        "with": count,
        "accuracy": float(right.mean()) if total else None,
        "balanced_accuracy": float(right[truth].mean() + right[~truth].mean()) / 2 if both else None,
        "majority": max(count, total - count) / total if total else None,
    }


def gap(along: Array, labels: Array) -> float:
    """Distance between the means of both kinds, in standard deviations of all."""
    return float((along[labels].mean() - along[~labels].mean()) / max(float(along.std()), 1e-300))
