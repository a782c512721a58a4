"""Training of small classifiers whose hidden vectors serve as features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from twoway.augment.geometry import jittered
from twoway.augment.pixels import flip
from twoway.data import ImageData, to_float
from twoway.errors import ConfigError, DataError, TrainingError
from twoway.extractors.targets import Targets, choose_targets, held_out_rows
from twoway.features import FEATURES
from twoway.features.classifier_file import ClassifierRecord, check_name, write_classifier
from twoway.networks import ImageClassifier, NetSpec, build_net
from twoway.telling import Telling, silent

__all__ = ["ClassifierTraining", "TrainedClassifier", "train_classifier"]

_WARM = 0.05  # share of the training in which the learning rate rises


@dataclass(frozen=True)
class ClassifierTraining:
    """How a classifier is trained.

    Args:
        epochs: How often every picture is seen.
        batch: Pictures of a step.
        lr: Highest learning rate of Adam; it rises at first and falls along a cosine to zero.
        seed: Of weights, order, augmentation and of the choice of held-out pictures.
        shift: Largest shift of a picture, as a part of its side.
        rotate: Largest rotation in degrees.
        scale: Largest change of scale.
        mirror: Whether half of the pictures are mirrored, left and right.
        net: Registered name of a classifier; None takes ``lenet_classifier`` for grey pictures, and
            ``residual_classifier`` for colour.
        width: Channels of its finest maps.

    Raises:
        ConfigError: A value out of range.
    """

    epochs: int = 4
    batch: int = 128
    lr: float = 2e-3
    seed: int = 0
    shift: float = 0.08
    rotate: float = 8.0
    scale: float = 0.08
    mirror: bool = False
    net: str | None = None
    width: int = 16

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "lr", "width"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}, but must be positive and finite.")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}, but must be from 0 to {2**63 - 1}.")


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier and its record.

    Args:
        net: In evaluation mode.
        record: What it is, how it was trained, how often it is right.
    """

    net: ImageClassifier
    record: ClassifierRecord

    def save(self, path: Path) -> None:
        """Write one file, as the extractor ``classifier`` reads it.

        Raises:
            ModelError: It cannot be written; nothing half-written is left.
        """
        write_classifier(path, self.record, self.net.state_dict())


@dataclass(frozen=True)
class _Part:
    """Pictures, what is to be told of them, which of them count, and what they are called."""

    data: ImageData
    targets: Targets
    rows: Tensor
    name: str


def train_classifier(
    train: ImageData,
    test: ImageData | None = None,
    *,
    name: str | None = None,
    attributes: Sequence[str] | None = None,
    settings: ClassifierTraining | None = None,
    device: str | torch.device = "cpu",
    progress: Telling = silent,
) -> TrainedClassifier:
    """Train a classifier of a data set.

    On one device the same data, settings and number of threads give the same weights.

    Args:
        train: Pictures to learn from, with labels or attributes.
        test: Pictures on which it is tried in the end; None holds one in six of the training pictures out.
        name: What numbers will be named after; the name of the data set and ``-cnn`` where None.
        attributes: Names of attributes to learn, or ``["all"]``; None learns the classes.
        settings: How; the defaults where None.
        device: Where it is trained.
        progress: Told how many steps of how many are done.

    Returns:
        The net, on the CPU, and its record with the accuracy on held-out pictures.

    Raises:
        DataError: No labels, one class only, values that are not 0 and 1, test pictures of another shape, or too few.
        ConfigError: A name that cannot be had, an unknown attribute or net, pictures too small.
        TrainingError: The loss is not a finite number.
    """
    settings = settings or ClassifierTraining()
    name = name or f"{train.name}-{'cnn' if attributes is None else 'attributes'}"
    check_name(name, FEATURES)
    learnt, tried = _parts(train, test, attributes, settings)
    kind = settings.net or ("lenet_classifier" if train.shape[0] == 1 else "residual_classifier")
    args = {"image_shape": list(train.shape), "outputs": len(learnt.targets.names), "width": settings.width}
    spec = NetSpec.from_plain({"kind": kind, **args}, "net")
    net = build_net(spec)
    if not isinstance(net, ImageClassifier):
        raise ConfigError(f"The net is '{kind}', which is no classifier. Use lenet_classifier or residual_classifier.")
    generator = torch.Generator().manual_seed(settings.seed)
    net.reset(generator)
    net.to(device)
    _learn(net, learnt, settings, generator, progress)
    net.eval()
    accuracy = _accuracy(net, tried, settings.batch)
    record = ClassifierRecord(
        name, spec, learnt.targets.of, learnt.targets.names, _facts(train, learnt, settings), accuracy
    )
    return TrainedClassifier(net.cpu(), record)


def _parts(
    train: ImageData, test: ImageData | None, attributes: Sequence[str] | None, settings: ClassifierTraining
) -> tuple[_Part, _Part]:
    targets = choose_targets(train, attributes)
    if test is None or test is train:
        rows, held = held_out_rows(len(train), settings.seed)
        parts = _Part(train, targets, rows, "train"), _Part(train, targets, held, "one in six, held out")
    else:
        if test.shape != train.shape:
            raise DataError(
                f"The test pictures of {test.source} have the shape {test.shape}, but the training pictures "
                f"{train.shape}. Bring both to one size and colour (--size, --channels)."
            )
        parts = (
            _Part(train, targets, torch.arange(len(train)), "train"),
            _Part(test, choose_targets(test, attributes, like=targets), torch.arange(len(test)), "test"),
        )
    if len(parts[0].rows) < 2:
        raise DataError(f"A classifier needs several pictures to learn from, but {train.source} has {len(train)}.")
    return parts


def _learn(
    net: ImageClassifier,
    part: _Part,
    settings: ClassifierTraining,
    generator: torch.Generator,
    progress: Telling,
) -> None:
    batch = min(settings.batch, len(part.rows))
    per_epoch = len(part.rows) // batch
    total = settings.epochs * per_epoch
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.lr, fused=True)
    device = next(net.parameters()).device
    net.train()
    for step in range(total):
        if step % per_epoch == 0:
            order = part.rows[torch.randperm(len(part.rows), generator=generator)]
        rows = order[step % per_epoch * batch :][:batch]
        x = _varied(to_float(part.data.read(rows.numpy())), settings, generator).to(device)
        loss = _loss(net(x), part.targets, rows)
        if not bool(loss.isfinite()):
            raise TrainingError(
                f"The loss of the classifier is not a finite number after {step} steps. Use a smaller learning rate "
                f"than {settings.lr:g}."
            )
        for group in optimiser.param_groups:
            group["lr"] = settings.lr * _rate(step, total)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        progress("training a classifier", step + 1, total)


def _rate(step: int, total: int) -> float:
    """Factor on the learning rate: up in a straight line, then half a cosine down to zero."""
    warm = max(1, round(_WARM * total))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def _varied(x: Tensor, settings: ClassifierTraining, generator: torch.Generator) -> Tensor:
    uniform = torch.rand(len(x), 8, generator=generator)
    if settings.mirror:
        x = flip(x, uniform[:, 7] < 0.5)
    if max(settings.shift, settings.rotate, settings.scale) <= 0:
        return x
    return jittered(x, uniform[:, :7], shift=settings.shift, rotate=settings.rotate, scale=settings.scale)


def _loss(logits: Tensor, targets: Targets, rows: Tensor) -> Tensor:
    wanted = targets.values[rows].to(logits.device)
    if targets.of == "classes":
        return functional.cross_entropy(logits, wanted)
    return functional.binary_cross_entropy_with_logits(logits, wanted)


@torch.inference_mode()
def _accuracy(net: ImageClassifier, part: _Part, batch: int) -> dict[str, Any]:
    """Share of right answers: over all, for each class or attribute, and of who always says the commonest."""
    device = next(net.parameters()).device
    right = torch.cat(
        [
            part.targets.score(net(to_float(part.data.read(rows.numpy())).to(device)).cpu(), rows)
            for rows in part.rows.split(batch)
        ]
    ).double()
    wanted = part.targets.values[part.rows]
    each: dict[str, Any] = {}
    if part.targets.of == "classes":
        counts = torch.bincount(wanted, minlength=len(part.targets.names))
        hits = torch.bincount(wanted, right, minlength=len(counts))
        for name, hit, count in zip(part.targets.names, hits.tolist(), counts.tolist(), strict=True):
            each[name] = hit / count if count else None
        commonest = float(counts.max() / counts.sum())
    else:
        share = wanted.double().mean(0)
        usual = torch.maximum(share, 1 - share)
        for name, mean, often in zip(part.targets.names, right.mean(0).tolist(), usual.tolist(), strict=True):
            each[name] = {"accuracy": mean, "commonest": often}
        commonest = float(usual.mean())
    return {"mean": float(right.mean()), "commonest": commonest, "on": part.name, "count": len(right), "each": each}


def _facts(data: ImageData, part: _Part, settings: ClassifierTraining) -> dict[str, Any]:
    return {
        "data": data.name,
        "fingerprint": data.fingerprint(),
        "count": len(part.rows),
        "left_out": list(part.targets.left_out),
        "epochs": settings.epochs,
        "batch": settings.batch,
        "optimiser": f"Adam, learning rate {settings.lr:g}, cosine",
        "augmentation": {
            "shift": settings.shift,
            "rotate": settings.rotate,
            "scale": settings.scale,
            "mirror": settings.mirror,
        },
        "seed": settings.seed,
        "torch": torch.__version__,
    }
