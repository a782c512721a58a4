"""Compute metrics of a model by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from twoway.features import FeatureSpec
from twoway.metrics.inputs import Pictures
from twoway.metrics.linear_svm import Solver
from twoway.metrics.path_length import Crop
from twoway.metrics.registry import METRICS, PER_PICTURE, Metric, PooledFeatures, full_name, read_metric
from twoway.metrics.session import Session
from twoway.metrics.sets import Sampling
from twoway.model import TwoWayModel
from twoway.telling import Telling, counted, silent, underway

__all__ = ["Measured", "default_metrics", "evaluate", "measure"]


def evaluate(
    model: TwoWayModel,
    data_train: Pictures | None = None,
    data_test: Pictures | None = None,
    names: Sequence[str] | None = None,
    *,
    max_train: int | None = None,
    max_test: int | None = None,
    n_samples: int | None = None,
    seed: int = 0,
    batch: int = 256,
    solver: Solver = "paper",
    features: FeatureSpec | PooledFeatures | None = None,
    sampling: Sampling | None = None,
    crop: Crop = "none",
    progress: Telling = silent,
) -> dict[str, dict[str, Any]]:
    """Compute metrics of a model.

    Args:
        model: Measured in evaluation mode. Whether its weights are live or averaged is the caller's to say.
        data_train: Training pictures; needed, with labels, for ``knn`` and ``svm``.
        data_test: Test pictures. Without them reconstructions are of training pictures, and classifiers are tested on
            a held-out sixth of the training pictures (setting SW).
        names: Metrics, see `twoway.metrics.METRICS`, with an extractor in brackets where wanted, as
            ``fid[squeezenet]``; all defaults that the data and the model's nets allow where None.
        max_train: At most so many training pictures.
        max_test: At most so many test pictures or codes. Sets that are compared as wholes (``swd``, ``fid``) hold at
            most 5,000 pictures where None.
        n_samples: Pictures sampled; as many as there are real ones where None.
        seed: Of prior draws.
        batch: Pictures at a time, fewer where they are large; changes no result beyond rounding.
        solver: Of the SVM.
        features: For metrics of features that name none; SqueezeNet where its weights are found, otherwise the
            pyramid, where None.
        sampling: Truncation, noise and mixing of samples; the published protocol where None: none, random, none.
        crop: What part of the pictures path lengths compare, see `twoway.metrics.path_length.crop_and_pool`.
        progress: Told what is being done, how much of it is done, and how much there is.

    Returns:
        For each metric, in the order of the names and named in full, its headline number as ``value``, its figures and
        the settings they depend on, as plain data.

    Raises:
        ConfigError: An unknown metric or extractor.
        DataError: Pictures or labels that a metric needs are missing.
        ModelError: The model lacks a net that a metric needs.
    """
    if names is None:
        names = default_metrics(model, data_train)
    asked = [read_metric(name) for name in names]
    session = Session(
        model,
        data_train,
        data_test,
        max_train=max_train,
        max_test=max_test,
        n_samples=n_samples,
        seed=seed,
        batch=batch,
        solver=solver,
        features=features,
        sampling=sampling,
        crop=crop,
        progress=progress,
    )
    measured = (measure(session, *one) for one in counted(asked, "measures", progress, len(asked)))
    return {one.name: one.result for one in measured}


@dataclass(frozen=True)
class Measured:
    """One metric of one model.

    Args:
        name: In full, with the extractor in brackets.
        result: Plain data, with ``name`` and ``value``.
        per_picture: The numbers whose mean it is, shape (N,); None where it is no mean over pictures.
    """

    name: str
    result: dict[str, Any]
    per_picture: Tensor | None


def measure(session: Session, found: Metric, spec: FeatureSpec | None = None) -> Measured:
    """Compute one metric.

    Args:
        session: Model, data and settings.
        found: The metric.
        spec: Extractor or distance that it shall look through; that of the session where None.

    Raises:
        UserError: Pictures, labels, nets or weights that it needs are missing.
    """
    with underway(found.name, session.progress):  # not every measure can say how far it is
        looks = session.looking(found, spec)
        result = dict(found.compute(session, looks))
    per_picture = result.pop(PER_PICTURE, None)
    name = result.get("name") or full_name(found, looks)  # some have several definitions, and say which
    return Measured(name, {"name": name, "value": found.number(result), **result}, per_picture)


def default_metrics(model: TwoWayModel, data: Pictures | None) -> list[str]:
    """Names of the metrics computed where none are given, as far as the model's nets and the data allow."""
    labelled = data is not None and getattr(data, "labels", None) is not None
    return [
        name
        for name, found in METRICS.items()
        if found.default and (labelled or not found.labels) and found.applies(model)
    ]
