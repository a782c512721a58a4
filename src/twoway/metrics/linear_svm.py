"""Accuracy of a linear support vector machine on features: how far classes lie apart by planes.

The published protocol is scikit-learn's ``LinearSVC(C=0.02, max_iter=5000)`` on raw features, with the defaults of
2019: squared hinge, one class against the rest, the dual problem, tolerance 1e-4. C acts on raw features, so the
figure depends on their scale; the standardised figure of `twoway.metrics.representation` does not.

Dual and primal are one problem solved from two sides and end at the same machine. Measured on the 60,000 MNIST
digits, on one shared core (CPU seconds of the fit; both reach their tolerance; accuracies on the 10,000 test digits):

================================================  =======  =======  =======  =======
features                                          dual     s        primal   s
================================================  =======  =======  =======  =======
784 pixels in [0, 1]                              91.77 %  13       91.76 %  19
50 short features of an untrained encoder         73.58 %  2        73.58 %  4
1024 long features of an untrained encoder        95.65 %  48       95.65 %  89
the same, standardised                            95.76 %  157
================================================  =======  =======  =======  =======

(On 10,000 of the standardised digits: dual 13 s, primal 28 s, both 93.36 %.) The dual is the published solver and the
faster one, hence the default; the primal is there for features on which the dual does not converge, which is reported.

References:
    Pidhorskyi et al., arXiv 2004.04467, Table 2 and branch ``mnist_ref`` of podgorskiy/ALAE (Z_GAN.py, ``eval``).
    Fan et al., LIBLINEAR, JMLR 9 (2008).
"""

from __future__ import annotations

import time
import warnings
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from twoway.data.attributes import require_classes
from twoway.errors import ConfigError, DataError

__all__ = ["SvmResult", "linear_svm"]

Solver = Literal["paper", "primal"]


@dataclass(frozen=True)
class SvmResult:
    """A fitted and tested machine.

    Args:
        accuracy: On the test examples, per cent.
        train_accuracy: On the training examples, per cent.
        converged: Whether the solver reached its tolerance for every class; if not, the accuracy is a lower bound in
            spirit only.
        iterations: Most iterations taken by a class.
        solver: ``paper`` (dual) or ``primal``.
        c: Weight of the errors.
        n_train: Training examples.
        n_test: Test examples.
        seconds: Time of the fit.
        notes: Warnings of the solver, in its words.
    """

    accuracy: float
    train_accuracy: float
    converged: bool
    iterations: int
    solver: str
    c: float
    n_train: int
    n_test: int
    seconds: float
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "notes": list(self.notes)}


def linear_svm(
    train: Any,
    train_labels: Any,
    test: Any,
    test_labels: Any,
    *,
    c: float = 0.02,
    max_iter: int = 5000,
    solver: Solver = "paper",
    seed: int = 0,
) -> SvmResult:
    """Fit on training features, test on test features.

    Args:
        train: Training features, shape (N, dim).
        train_labels: Shape (N,), at least two classes.
        test: Test features, shape (M, dim).
        test_labels: Shape (M,).
        c: Weight of the errors; 0.02 in the paper.
        max_iter: Bound on the solver's iterations; 5000 in the paper.
        solver: ``paper`` solves the dual problem to the tolerance 1e-4; ``primal`` the primal one to 1e-3.
        seed: Of the order in which the dual solver visits examples.

    Raises:
        DataError: Fewer than two classes, a class with a single training example, shapes that do not fit, or features
            that are not finite.
        ConfigError: An unknown solver.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    if solver not in ("paper", "primal"):
        raise ConfigError(f"The SVM solver is '{solver}', but must be 'paper' (dual) or 'primal'.")
    x, y, x_test, y_test = (np.asarray(v) for v in (train, train_labels, test, test_labels))
    _check(x, y, x_test, y_test)
    dual = solver == "paper"
    machine = LinearSVC(C=c, max_iter=max_iter, dual=dual, tol=1e-4 if dual else 1e-3, random_state=seed)
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        machine.fit(x, y)
    seconds = time.perf_counter() - start
    return SvmResult(
        accuracy=100.0 * float(machine.score(x_test, y_test)),
        train_accuracy=100.0 * float(machine.score(x, y)),
        converged=not any(issubclass(w.category, ConvergenceWarning) for w in caught),
        iterations=int(np.max(machine.n_iter_)),
        solver=solver,
        c=c,
        n_train=len(x),
        n_test=len(x_test),
        seconds=seconds,
        notes=tuple(str(w.message) for w in caught),
    )


def _check(x: np.ndarray[Any, Any], y: Any, x_test: np.ndarray[Any, Any], y_test: Any) -> None:
    if (
        x.ndim != 2
        or x_test.ndim != 2
        or x.shape[1] != x_test.shape[1]
        or len(x) != len(y)
        or len(x_test) != len(y_test)
    ):
        raise DataError(
            f"The SVM needs features (N, dim) and one label each; got training {x.shape} with {len(y)} labels, test "
            f"{x_test.shape} with {len(y_test)} labels."
        )
    require_classes(y, "the training pictures", what="The SVM")
    if not (np.isfinite(x).all() and np.isfinite(x_test).all()):
        raise DataError(
            "Features hold values that are not finite; the encoder has diverged. Use an earlier checkpoint."
        )
