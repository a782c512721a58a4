"""How good codes are as features: ALAE's Table 2, with the controls the paper lacks.

Short features are the latent code E(x), long ones the encoder's last hidden layer. Both are classified by the nearest
neighbour and by a linear SVM, raw as published and standardised with the training mean and deviation, in two settings:

- DW: the official training and test pictures.
- SW: the training pictures alone, shuffled by Python's ``random.seed(0)``; the first 5/6 train and the rest test
  (50,000 and 10,000 for MNIST).

Raw pixels and an untrained encoder are the controls: on MNIST random hidden features already give 96.4 % by the
nearest neighbour, so a figure says something only beside theirs.

References:
    Pidhorskyi et al., Adversarial Latent Autoencoders, arXiv 2004.04467, section 5.1 and Table 2; protocol of the code
    behind it, branch ``mnist_ref`` of podgorskiy/ALAE, ``eval`` in Z_GAN.py.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from twoway.errors import ConfigError, DataError
from twoway.metrics.inputs import Pictures, encoder_batches, float_batches
from twoway.metrics.linear_svm import Solver, linear_svm
from twoway.metrics.modes import measuring
from twoway.metrics.nearest_neighbour import one_nn_accuracy
from twoway.metrics.registry import metric
from twoway.model import TwoWayModel, build_model
from twoway.recipe import Recipe

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = [
    "Features",
    "Representation",
    "Score",
    "evaluate_representation",
    "extract_features",
    "shuffled_split",
    "standardise",
    "untrained_model",
]

Array = np.ndarray[Any, Any]
Setting = Literal["DW", "SW"]
Scaling = Literal["raw", "standardised"]
Classifier = Literal["knn", "svm"]


class Features(NamedTuple):
    """Features of the same pictures, float32: short (N, w layers x dim) and long (N, hidden)."""

    short: Array
    long: Array


@dataclass(frozen=True)
class Score:
    """One cell group of the table.

    Args:
        setting: ``DW`` or ``SW``.
        features: ``short`` or ``long``.
        scaling: ``raw`` as published, or ``standardised``.
        knn: 1NN accuracy in per cent, where it was asked for.
        svm: Linear SVM accuracy in per cent, where it was asked for.
        svm_converged: Whether its solver converged.
        n_train: Training pictures.
        n_test: Test pictures.
        dim: Width of the features.
    """

    setting: Setting
    features: Literal["short", "long"]
    scaling: Scaling
    knn: float | None
    svm: float | None
    svm_converged: bool | None
    n_train: int
    n_test: int
    dim: int


@dataclass(frozen=True)
class Representation:
    """The table of one model.

    Args:
        scores: Its rows.
        protocol: Settings that the figures depend on: solver, C, limits.
    """

    scores: tuple[Score, ...]
    protocol: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Nested: setting, features, scaling, then the figures; the protocol beside them."""
        table: dict[str, Any] = {}
        for score in self.scores:
            cell = asdict(score)
            place = table.setdefault(cell.pop("setting"), {}).setdefault(cell.pop("features"), {})
            place[cell.pop("scaling")] = {k: v for k, v in cell.items() if v is not None}
        return {**table, "protocol": dict(self.protocol)}


@torch.inference_mode()
def extract_features(
    model: TwoWayModel | None, data: Pictures, *, rows: Array | None = None, batch: int = 512
) -> Features:
    """Short and long features of pictures.

    Args:
        model: Encodes, in evaluation mode meanwhile. None stands for raw pixels in [0, 1], short and long alike.
        data: Pictures.
        rows: Numbers of the pictures wanted; all where None.
        batch: Pictures at a time.

    Returns:
        Arrays of one row per picture.

    Raises:
        ModelError: The model has no encoder with hidden features, or takes other pictures.
        DataError: No pictures.
    """
    if model is None:
        cpu = torch.device("cpu")
        parts = [((x + 1) / 2).flatten(1).numpy() for x in float_batches(data, batch=batch, device=cpu, rows=rows)]
        pixels = np.concatenate(parts)
        return Features(pixels, pixels)
    with measuring(model):
        short, long = [], []
        for x, labels in encoder_batches(model, data, batch=batch, rows=rows):
            w, hidden = model.encode_features(x, labels)
            short.append(w.float().cpu().numpy())
            long.append(hidden.float().cpu().numpy())
    return Features(np.concatenate(short), np.concatenate(long))


def untrained_model(recipe: Recipe, *, seed: int = 0) -> TwoWayModel:
    """The control: the same nets with fresh weights, in evaluation mode."""
    return build_model(recipe, generator=torch.Generator().manual_seed(seed)).eval()


def shuffled_split(count: int) -> tuple[Array, Array]:
    """The SW split of `count` pictures: numbers of the training and of the test pictures.

    Example:
        >>> train, test = shuffled_split(60000)
        >>> len(train), len(test)
        (50000, 10000)
    """
    order = list(range(count))
    random.Random(0).shuffle(order)  # the stream of random.seed(0), without touching the global one
    cut = count * 5 // 6
    return np.array(order[:cut], dtype=np.int64), np.array(order[cut:], dtype=np.int64)


def standardise(train: Array, test: Array) -> tuple[Array, Array]:
    """Shift and scale features (N, dim) to zero mean and unit deviation over the training set; float32.

    A feature that never changes in training stays at its distance from the training value, unscaled.
    """
    mean = train.mean(0, dtype=np.float64)
    deviation = train.std(0, dtype=np.float64)
    deviation[deviation < 1e-12] = 1.0
    scaled = [((part - mean) / deviation).astype(np.float32) for part in (train, test)]
    return scaled[0], scaled[1]


def evaluate_representation(
    train: Features,
    train_labels: Any,
    test: Features | None = None,
    test_labels: Any = None,
    *,
    settings: Sequence[Setting] = ("DW", "SW"),
    kinds: Sequence[Literal["short", "long"]] = ("short", "long"),
    scalings: Sequence[Scaling] = ("raw", "standardised"),
    classifiers: Sequence[Classifier] = ("knn", "svm"),
    max_train: int | None = None,
    max_test: int | None = None,
    solver: Solver = "paper",
    c: float = 0.02,
    max_iter: int = 5000,
) -> Representation:
    """Classify features by nearest neighbour and linear SVM.

    Args:
        train: Features of the training pictures.
        train_labels: Shape (N,).
        test: Features of the test pictures; needed for DW only.
        test_labels: Shape (M,).
        settings: ``DW``, ``SW`` or both.
        kinds: Which features.
        scalings: Raw, standardised or both.
        classifiers: ``knn``, ``svm`` or both.
        max_train: At most so many training pictures in each setting, for a quick look; taken from the shuffled order.
        max_test: The same for test pictures.
        solver: Of the SVM, see `twoway.metrics.linear_svm`.
        c: Weight of the SVM's errors.
        max_iter: Bound on the SVM's iterations.

    Returns:
        A score for every setting, kind of features and scaling. Limits and solver are in its protocol.

    Raises:
        DataError: DW without test pictures, or too few pictures to split.
        ConfigError: An unknown setting, kind, scaling or classifier, or a limit below 1.
    """
    for what, given, known in (
        ("setting", settings, ("DW", "SW")),
        ("kind of features", kinds, ("short", "long")),
        ("scaling", scalings, ("raw", "standardised")),
        ("classifier", classifiers, ("knn", "svm")),
    ):
        for name in given:
            if name not in known:
                raise ConfigError(f"There is no {what} '{name}'; known are {', '.join(known)}.")
    scores = []
    for setting in settings:
        split = _split(setting, train, train_labels, test, test_labels, max_train, max_test)
        for kind in kinds:
            for scaling in scalings:
                a, b = getattr(split.train, kind), getattr(split.test, kind)
                if scaling == "standardised":
                    a, b = standardise(a, b)
                knn = svm = None
                if "knn" in classifiers:
                    knn = one_nn_accuracy(a, split.train_labels, b, split.test_labels)
                if "svm" in classifiers:
                    svm = linear_svm(a, split.train_labels, b, split.test_labels, c=c, max_iter=max_iter, solver=solver)
                scores.append(
                    Score(
                        setting=setting,
                        features=kind,
                        scaling=scaling,
                        knn=knn,
                        svm=svm.accuracy if svm else None,
                        svm_converged=svm.converged if svm else None,
                        n_train=len(a),
                        n_test=len(b),
                        dim=a.shape[1],
                    )
                )
    protocol: dict[str, Any] = {"max_train": max_train, "max_test": max_test}
    if "svm" in classifiers:
        protocol.update(solver=solver, c=c, max_iter=max_iter)
    return Representation(tuple(scores), protocol)


def _classified(session: Session, classifier: Classifier, kinds: Sequence[Literal["short", "long"]]) -> dict[str, Any]:
    """Accuracies of a classifier on the features of an evaluation, with the protocol."""
    train, test = session.labelled
    assert train is not None
    setting: Setting = "SW" if test is None else "DW"
    result = evaluate_representation(
        *train,
        *(test or (None, None)),
        settings=(setting,),
        kinds=kinds,
        classifiers=(classifier,),
        max_train=session.max_train,
        max_test=session.max_test,
        solver=session.solver,
    ).plain()
    return {**result.pop(setting), "setting": setting, "protocol": result["protocol"]}


_CLASSIFIERS: tuple[tuple[Classifier, str], ...] = (("knn", "1NN"), ("svm", "linear SVM"))
_WIDTHS: tuple[tuple[str, str, tuple[Literal["short", "long"], ...]], ...] = (
    ("", " and of the hidden layer", ("short", "long")),
    ("-short", "", ("short",)),  # the hidden layer costs twenty times as much: curves during training do without it
)
for _classifier, _title in _CLASSIFIERS:
    for _ending, _where, _kinds in _WIDTHS:
        metric(
            f"{_classifier}{_ending}",
            f"{_title} accuracy of codes{_where}, per cent",
            headline=("short", "raw", _classifier),
            lower_is_better=False,
            labels=True,
            encoder=True,
            default=_ending == "-short",
        )(partial(_classified, classifier=_classifier, kinds=_kinds))


class _Split(NamedTuple):
    train: Features
    train_labels: Array
    test: Features
    test_labels: Array


def _split(
    setting: Setting,
    train: Features,
    train_labels: Any,
    test: Features | None,
    test_labels: Any,
    max_train: int | None,
    max_test: int | None,
) -> _Split:
    for limit in (max_train, max_test):
        if limit is not None and limit < 1:
            raise ConfigError(f"The limit on the number of pictures is {limit}, but must be at least 1.")
    y = np.asarray(train_labels)
    if setting == "DW":
        if test is None or test_labels is None:
            raise DataError(
                "The setting DW needs labelled test pictures, and there are none. Give test data, or use SW."
            )
        y_test = np.asarray(test_labels)
        first, second = _limited(len(y), max_train), _limited(len(y_test), max_test)
        held, held_labels = test, y_test
    else:
        first, second = shuffled_split(len(y))
        first, second = first[:max_train], second[:max_test]
        held, held_labels = train, y
    if not len(first) or not len(second):
        raise DataError(f"{len(y)} pictures are too few to train and test a classifier on. Use more.")
    return _Split(
        Features(*(part[first] for part in train)),
        y[first],
        Features(*(part[second] for part in held)),
        held_labels[second],
    )


def _limited(count: int, limit: int | None) -> Array:
    if limit is None or limit >= count:
        return np.arange(count)
    order = list(range(count))
    random.Random(0).shuffle(order)
    return np.array(order[:limit], dtype=np.int64)
