"""Measure models alike, metric by metric, with what is needed to tell a difference from chance.

Where chance comes in differs. Means over pictures keep a number per picture. Sets of samples are drawn and measured
anew with other seeds. Sets of reconstructions have no chance but the choice of pictures, so they are measured on
disjoint parts of the pictures as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from twoway.errors import ConfigError, DataError, ModelError, UserError
from twoway.evaluation.models import Judged, Shown
from twoway.features import FeatureSpec
from twoway.metrics import METRICS, Sampling, default_metrics, read_metric
from twoway.metrics.evaluate import measure
from twoway.metrics.path_length import Crop
from twoway.metrics.registry import Metric, full_name
from twoway.metrics.session import Session
from twoway.telling import Telling, part_of, silent

__all__ = ["PARTS", "Cell", "Plan", "Row", "check_sizes", "measure_models"]

PARTS = 4
"""Disjoint parts of the pictures that sets of reconstructions are measured on when models are compared."""

SLOW = ("knn", "svm")
"""Left out by ``all``: their short forms give the same headline without the hidden layer, twenty times as fast."""


@dataclass(frozen=True)
class Plan:
    """What to measure, and how; the same for every model.

    Args:
        metrics: Names, with extractors in brackets where wanted; ``all`` or ``default`` alone for what applies.
        max_images: At most so many pictures of each split.
        samples: Pictures sampled; as many as there are real ones where None.
        seed: Of all draws; repeats count up from it.
        repeats: How often what depends on draws is measured; None is 3 for several models and 1 for one.
        batch: Pictures at a time.
        features: For metrics of features that name none.
        sampling: Truncation, noise and mixing.
        crop: What part of the pictures path lengths compare.

    Raises:
        ConfigError: An unknown metric or extractor, or a number that cannot be.
    """

    metrics: tuple[str, ...] = ("default",)
    max_images: int | None = None
    samples: int | None = None
    seed: int = 0
    repeats: int | None = None
    batch: int = 256
    features: FeatureSpec | None = None
    sampling: Sampling = field(default_factory=Sampling)
    crop: Crop = "none"

    def __post_init__(self) -> None:
        if not self.metrics:
            raise ConfigError(f"--metrics is empty; name some of: all, default, {', '.join(METRICS)}.")
        if not self.chosen:
            for name in self.metrics:
                read_metric(name)
        for flag, value in (
            ("max-images", self.max_images),
            ("samples", self.samples),
            ("repeats", self.repeats),
            ("batch", self.batch),
        ):
            if value is not None and value < 1:
                raise ConfigError(f"--{flag} is {value}, but must be at least 1.")
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"--seed is {self.seed}, but must be from 0 to {2**31 - 1}.")

    @property
    def chosen(self) -> bool:
        """Whether the metrics are chosen by what applies, and not named by the user."""
        return self.metrics in (("all",), ("default",))

    def names(self, models: Sequence[Judged], shown: Sequence[Shown]) -> list[str]:
        """The metrics, where none are named: those that apply to any of the models and to the pictures."""
        if not self.chosen:
            return list(dict.fromkeys(self.metrics))
        train = shown[0].train
        if self.metrics == ("default",):
            wanted = {name for one in models for name in default_metrics(one.model, train)}
            return [name for name in METRICS if name in wanted]
        return [
            name
            for name, found in METRICS.items()
            if name not in SLOW
            and (train.labels is not None or not found.labels)
            and any(found.applies(one.model) for one in models)
        ]

    def times(self, models: Sequence[Judged]) -> int:
        """How often what depends on draws is measured."""
        return (3 if len(models) > 1 else 1) if self.repeats is None else self.repeats


@dataclass(frozen=True)
class Cell:
    """One metric of one model.

    Args:
        result: Its figures and settings, at the first seed; None where it could not be measured.
        reason: Why not.
        seeds: The headline at each seed, where it depends on one and was measured several times.
        parts: The headline on each of the disjoint parts of the pictures.
        per_picture: The numbers whose mean it is, (N,), where it is one.
    """

    result: Mapping[str, Any] | None = None
    reason: str = ""
    seeds: tuple[float, ...] = ()
    parts: tuple[float, ...] = ()
    per_picture: Tensor | None = None

    @property
    def value(self) -> float | None:
        """The headline; the mean over the seeds where there are several. None where there is none."""
        if self.seeds:
            return sum(self.seeds) / len(self.seeds)
        return None if self.result is None else float(self.result["value"])


@dataclass(frozen=True)
class Row:
    """One metric of all models.

    Args:
        name: In full, with the extractor in brackets.
        metric: What it is.
        cells: One per model.
    """

    name: str
    metric: Metric
    cells: tuple[Cell, ...]


def check_sizes(models: Sequence[Judged], names: Sequence[str]) -> None:
    """See that metrics which look at pictures are asked of models with pictures of one shape only.

    Raises:
        ConfigError: Models of different sizes or channels, and a metric whose numbers would not be comparable.
    """
    first = models[0]
    other = next((one for one in models if one.model.image_shape != first.model.image_shape), None)
    if other is None:
        return
    for name in names:
        found = read_metric(name)[0]
        if _looks(found):
            a, b = ("{1}x{2} pixels, {0} channel(s)".format(*one.model.image_shape) for one in (first, other))
            raise ConfigError(
                f"'{name}' looks at pictures, and {first.name} makes them with {a}, {other.name} with {b}: every model "
                "is measured at its own size, and numbers taken at different sizes cannot be compared. Train both at "
                "one size, evaluate them one by one, or leave the metric out."
            )


def measure_models(
    models: Sequence[Judged], shown: Sequence[Shown], plan: Plan, *, progress: Telling = silent
) -> list[Row]:
    """Measure all models.

    Args:
        models: The models.
        shown: The pictures of each, as `open_pictures` gives them.
        plan: What and how.
        progress: Told how it goes.

    Returns:
        A row per metric, in the order of the names; what stands for the same extractor under two names is measured
        once. Where metrics are chosen by what applies, those that no model
        allows are left out.

    Raises:
        ConfigError: Metrics that cannot be compared at different sizes.
        DataError: Labels that a named metric needs are missing.
        ModelError: Weights of an extractor that are not there, or nothing at all that can be measured.
        UserError: A named metric that cannot be measured, where there is only one model.
    """
    names = plan.names(models, shown)
    if plan.chosen and len({one.model.image_shape for one in models}) > 1:
        names = [name for name in names if not _looks(read_metric(name)[0])]
    check_sizes(models, names)
    for name in names:
        if read_metric(name)[0].labels and shown[0].train.labels is None:
            raise DataError(
                f"--metrics names '{name}', which needs a label for every picture, and {shown[0].train.source} has "
                "none. Use a labelled set (one folder per class, or a .npz with 'labels'), name one with --label, or "
                "leave it out."
            )
    strict = len(models) == 1 and not plan.chosen
    columns: list[dict[str, tuple[str, Cell]]] = []
    session: Session | None = None
    for one, pictures in zip(models, shown, strict=True):
        tell = part_of(progress, one.name) if len(models) > 1 else progress
        if session is not None and session.train is pictures.train:
            session = session.like(model=one.model)
            session.progress = tell
        else:
            session = _session(one, pictures, plan, tell)
            for metric, spec in map(read_metric, names):
                session.looking(metric, spec)  # weights that are not there are no fault of any model
            names = _distinct(session, names)
        columns.append(_column(session, names, plan.times(models), comparing=len(models) > 1, strict=strict))
    rows = []
    for name in names:
        found = [column[name] for column in columns]
        full = next((title for title, cell in found if cell.result is not None), name)
        cells = tuple(cell for _, cell in found)
        if not plan.chosen or any(cell.result is not None for cell in cells):
            rows.append(Row(full, read_metric(name)[0], cells))
    if not any(cell.result is not None for row in rows for cell in row.cells):
        reasons = (cell.reason for column in columns for _, cell in column.values())
        why = next(reasons, "Name metrics with --metrics to hear why not.")
        raise ModelError(
            f"Nothing can be measured of {', '.join(one.name for one in models)} on {shown[0].train.source}. {why}"
        )
    return rows


def _distinct(session: Session, names: Sequence[str]) -> list[str]:
    """The names without those that stand for a metric and an extractor or distance that another stands for."""
    first: dict[str, str] = {}
    for name in names:
        found, spec = read_metric(name)
        first.setdefault(full_name(found, session.looking(found, spec)), name)
    return list(first.values())


def _looks(found: Metric) -> bool:
    return bool(found.of or found.features or found.encoder == "reconstructs")


def _session(one: Judged, pictures: Shown, plan: Plan, progress: Telling) -> Session:
    return Session(
        one.model,
        pictures.train,
        pictures.test,
        max_train=plan.max_images,
        max_test=plan.max_images,
        n_samples=plan.samples,
        seed=plan.seed,
        batch=plan.batch,
        features=plan.features,
        sampling=plan.sampling,
        crop=plan.crop,
        progress=progress,
    )


def _column(
    session: Session, names: Sequence[str], times: int, *, comparing: bool, strict: bool
) -> dict[str, tuple[str, Cell]]:
    """All metrics of one model: by the name asked for, the full name and the cell."""
    cells: dict[str, tuple[str, Cell]] = {}
    # what this model has no nets for is said before hours are spent on the others
    for name in sorted(names, key=lambda name: read_metric(name)[0].applies(session.model)):
        found, spec = read_metric(name)
        try:
            taken = measure(session, found, spec)
        except UserError as error:
            if strict:
                raise
            cells[name] = (name, Cell(reason=str(error)))
            continue
        cells[name] = (taken.name, Cell(result=taken.result, per_picture=taken.per_picture))
    drawn = [name for name, (_, cell) in cells.items() if _depends_on_draws(name, cell)]
    again = [_values(session.like(seed=session.seed + number), drawn) for number in range(1, times if drawn else 1)]
    parted: list[dict[str, float]] = []
    if comparing:
        sets = [
            name
            for name, (_, cell) in cells.items()
            if cell.result is not None and read_metric(name)[0].of == "reconstructions"
        ]
        count = PARTS if sets and len(session.rows) >= 2 * PARTS else 0
        parted = [_values(session.like(part=(number, PARTS)), sets) for number in range(count)]
    for name, (full, cell) in cells.items():
        if name in drawn and again and all(name in values for values in again):
            assert cell.result is not None
            cell = replace(cell, seeds=(float(cell.result["value"]), *(values[name] for values in again)))
        if parted and all(name in values for values in parted):
            cell = replace(cell, parts=tuple(values[name] for values in parted))
        cells[name] = (full, cell)
    return cells


def _depends_on_draws(name: str, cell: Cell) -> bool:
    """Whether another seed would give another number that says more than another drawing of an interval."""
    if cell.result is None or cell.per_picture is not None or "interval" in cell.result:
        return False
    found = read_metric(name)[0]
    return found.of != "reconstructions" and not found.labels and cell.result.get("seed") is not None


def _values(session: Session, names: Sequence[str]) -> dict[str, float]:
    """Headlines of what can be measured."""
    found: dict[str, float] = {}
    for name in names:
        # a part may hold too few pictures for a metric: then nothing is known of its spread
        with suppress(UserError):
            found[name] = float(measure(session, *read_metric(name)).result["value"])
    return found
