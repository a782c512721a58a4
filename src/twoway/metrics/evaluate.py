"""Metrics by name: what the command line and reports compute on a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

from twoway.errors import ConfigError, DataError, closest
from twoway.metrics.code_consistency import evaluate_code_consistency
from twoway.metrics.inputs import Pictures, choose_rows, labels_of
from twoway.metrics.linear_svm import Solver
from twoway.metrics.reconstruction import ReconstructionResult, evaluate_reconstruction
from twoway.metrics.representation import (
    Classifier,
    Features,
    Setting,
    evaluate_representation,
    extract_features,
)
from twoway.model import TwoWayModel

__all__ = ["METRICS", "Metric", "evaluate", "find_metric"]


class _Session:
    """Model, data and what several metrics share: features and reconstructions are computed once."""

    def __init__(
        self,
        model: TwoWayModel,
        train: Pictures | None,
        test: Pictures | None,
        *,
        max_train: int | None,
        max_test: int | None,
        seed: int,
        batch: int,
        solver: Solver,
    ) -> None:
        # pictures that were trained on are no test: a nearest neighbour would find the picture itself
        self.model, self.train, self.test = model, train, None if test is train else test
        self.max_train, self.max_test = max_train, max_test
        self.seed, self.batch, self.solver = seed, batch, solver

    @property
    def shown(self) -> tuple[str, Pictures]:
        """The pictures that are reconstructed: the test pictures where there are any."""
        if self.test is not None:
            return "test", self.test
        if self.train is not None:
            return "train", self.train
        raise DataError("This measure needs pictures, and no data were given. Name a data set.")

    @cached_property
    def reconstruction(self) -> ReconstructionResult:
        return evaluate_reconstruction(self.model, self.shown[1], limit=self.max_test, batch=self.batch)

    @cached_property
    def labelled(self) -> list[tuple[Features, Any] | None]:
        """Features and labels of training and test pictures, no more of them than the limits allow."""
        if self.train is None:
            raise DataError("The measures knn and svm need training pictures with labels. Name the training data.")
        sets: list[tuple[Features, Any] | None] = []
        for data, limit in ((self.train, self.max_train), (self.test, self.max_test)):
            if data is None:
                sets.append(None)
                continue
            rows = choose_rows(len(data), limit if self.test is not None else None)
            labels = labels_of(data)[rows]
            sets.append((extract_features(self.model, data, rows=rows, batch=self.batch), labels))
        return sets

    def classify(
        self, classifier: Classifier, kinds: Sequence[Literal["short", "long"]] = ("short", "long")
    ) -> dict[str, Any]:
        train, test = self.labelled
        assert train is not None
        setting: Setting = "SW" if test is None else "DW"
        result = evaluate_representation(
            *train,
            *(test or (None, None)),
            settings=(setting,),
            kinds=kinds,
            classifiers=(classifier,),
            max_train=self.max_train,
            max_test=self.max_test,
            solver=self.solver,
        ).plain()
        return {**result.pop(setting), "setting": setting, "protocol": result["protocol"]}


@dataclass(frozen=True)
class Metric:
    """A registered metric.

    Args:
        name: What users type.
        summary: One sentence: what it is, its unit, which way is better.
        labels: Whether it needs labelled pictures.
        encoder: Whether it needs an encoder.
        compute: Returns the value and its settings as plain data.
        headline: Where in that data the one number stands that curves show.
        lower_is_better: Which way that number should go.
    """

    name: str
    summary: str
    labels: bool
    encoder: bool
    compute: Callable[[_Session], dict[str, Any]]
    headline: tuple[str, ...]
    lower_is_better: bool

    def number(self, result: Mapping[str, Any]) -> float:
        """The headline number of a result."""
        value: Any = result
        for key in self.headline:
            value = value[key]
        return float(value)


def _mse(session: _Session) -> dict[str, Any]:
    found = session.reconstruction
    return {"signed": found.mse_signed, "unit": found.mse_unit, "n_images": found.n_images, "on": session.shown[0]}


def _psnr(session: _Session) -> dict[str, Any]:
    found = session.reconstruction
    return {"db": found.psnr, "n_images": found.n_images, "on": session.shown[0]}


def _code_consistency(session: _Session) -> dict[str, Any]:
    data = session.shown[1] if session.model.recipe.prior is None else None
    return evaluate_code_consistency(
        session.model, data, n_codes=session.max_test or 10_000, seed=session.seed, batch=session.batch
    ).plain()


_CLASSIFIERS: tuple[tuple[Classifier, str], ...] = (("knn", "1NN"), ("svm", "linear SVM"))
_WIDTHS: tuple[tuple[str, str, tuple[Literal["short", "long"], ...]], ...] = (
    ("", " and of the hidden layer", ("short", "long")),
    ("-short", "", ("short",)),  # the hidden layer costs twenty times as much: curves during training do without it
)
_KNOWN = (
    Metric("mse", "mean squared pixel error of reconstructions", False, True, _mse, ("signed",), True),
    Metric("psnr", "peak signal-to-noise ratio of reconstructions in dB", False, True, _psnr, ("db",), False),
    Metric("code-consistency", "error of E(G(w)) over variance of w", False, True, _code_consistency, ("value",), True),
    *(
        Metric(
            f"{classifier}{ending}",
            f"{title} accuracy of codes{where}, per cent",
            True,
            True,
            partial(_Session.classify, classifier=classifier, kinds=kinds),
            ("short", "raw", classifier),
            False,
        )
        for classifier, title in _CLASSIFIERS
        for ending, where, kinds in _WIDTHS
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _KNOWN}


def find_metric(name: str) -> Metric:
    """Look a metric up by name.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in METRICS:
        raise ConfigError(f"There is no metric '{name}'{closest(name, METRICS)}.")
    return METRICS[name]


def evaluate(
    model: TwoWayModel,
    data_train: Pictures | None = None,
    data_test: Pictures | None = None,
    names: Sequence[str] | None = None,
    *,
    max_train: int | None = None,
    max_test: int | None = None,
    seed: int = 0,
    batch: int = 256,
    solver: Solver = "paper",
) -> dict[str, dict[str, Any]]:
    """Compute metrics of a model.

    Args:
        model: Measured in evaluation mode. Whether its weights are live or averaged is the caller's to say.
        data_train: Training pictures; needed, with labels, for ``knn`` and ``svm``.
        data_test: Test pictures. Without them reconstructions are of training pictures, and classifiers are tested on
            a held-out sixth of the training pictures (setting SW).
        names: Metrics, see `METRICS`; all that the data allow where None.
        max_train: At most so many training pictures.
        max_test: At most so many test pictures or codes.
        seed: Of prior draws.
        batch: Pictures at a time.
        solver: Of the SVM.

    Returns:
        For each name its headline number as ``value``, its figures and the settings they depend on, as plain data.

    Raises:
        ConfigError: An unknown metric.
        DataError: Pictures or labels that a metric needs are missing.
        ModelError: The model lacks a net that a metric needs.
    """
    if names is None:
        labelled = data_train is not None and getattr(data_train, "labels", None) is not None
        names = [name for name, metric in METRICS.items() if labelled or not metric.labels]
    for name in names:
        find_metric(name)
    session = _Session(
        model, data_train, data_test, max_train=max_train, max_test=max_test, seed=seed, batch=batch, solver=solver
    )
    results = {}
    for name in names:
        found = METRICS[name].compute(session)
        results[name] = {"value": METRICS[name].number(found), **found}
    return results
