"""What the tables and figures of LIA share: trainings, held-out pictures, a classifier of the data, starts of searches.

All of them ask for the same trainings, so that those found in the folder of runs serve every one.

References:
    Zhu et al., LIA: Latently Invertible Autoencoder with Adversarial Learning, arXiv 1906.08090, section 6.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from twoway.errors import ConfigError
from twoway.extractors import ClassifierTraining, train_classifier
from twoway.features import FeatureSpec, build_features
from twoway.features.classifier import ClassifierFeatures
from twoway.model import TwoWayModel
from twoway.reproduce.budget import Budget, Role
from twoway.reproduce.keeping import POLL_S
from twoway.reproduce.study import Study, Trained
from twoway.training.config import pick_device

__all__ = [
    "STYLED",
    "classifier_file",
    "classifier_of",
    "classifier_training",
    "lia_budgets",
    "search_loss",
    "trained_for",
]

TINY: Mapping[str, Any] = {"flavour": "modern", "latent": 16, "start": 8, "maximum": 16}
STYLED = ("lia", "stylegan", "vaegan-z")
"""Two-stage methods on a style generator; the others have plain convolutions."""
FAST = {"ali": {"optim.lr": 4e-4}, "age": {"optim.lr": 4e-4}}
"""Rates of methods that were published for a hundred times as many pictures."""


def _plain(latent: int, hidden: int, *, published: bool = False) -> dict[str, Role]:
    options = {"nets": "conv", "latent": latent, "hidden": hidden}
    if published:
        return {name: Role(name, options) for name in FAST}
    return {name: Role(name, options, changes, batch=64) for name, changes in FAST.items()}


SMOKE = {**{name: Role(name, TINY) for name in STYLED}, **_plain(16, 64)}
CPU = {**{name: Role(f"{name}-32-cpu") for name in STYLED}, **_plain(128, 512)}
PAPER = {
    "lia": Role("lia-128", {"features": "vgg16"}),
    "stylegan": Role("stylegan", {"start": 128, "features": "vgg16"}),
    "vaegan-z": Role("vaegan-z", {"start": 128, "features": "vgg16"}),
    **_plain(256, 1024, published=True),
}


def lia_budgets(smoke: Budget, cpu: Budget, paper: Budget) -> dict[str, Budget]:
    """Budgets with the counts given, and the trainings, pictures and sizes that all of LIA's tables have in common."""

    def common(given: Budget, data: str | None, size: int, roles: Mapping[str, Role], kimg: float) -> Budget:
        counts = {name: getattr(given, name) for name in ("samples", "images", "pairs", "steps", "shown", "takes")}
        return Budget(data, size, roles, kimg=kimg, **counts)

    return {
        "smoke": common(smoke, "avatars", 16, SMOKE, 1),
        "cpu": common(cpu, "avatars", 32, CPU, 360),
        "paper": common(paper, None, 128, PAPER, 37_000),
    }


def trained_for(study: Study, roles: tuple[str, ...], trial: int = 0) -> dict[str, Trained]:
    """Trainings by role; the variational encoder is trained for the generator of the StyleGAN."""
    found: dict[str, Trained] = {}
    for role in roles:
        generator = None
        if role == "vaegan-z":
            generator = found.get("stylegan") or study.trained("stylegan", trial=trial)
        found[role] = study.trained(role, trial=trial, generator=generator)
    return found


def search_loss(model: TwoWayModel) -> tuple[FeatureSpec | None, float]:
    """Features and their weight in the loss that the encoder was trained with: the loss of equation 13."""
    for step in model.recipe.phases[-1].steps:
        if "perceptual" in step.terms:
            return model.recipe.features, step.terms["perceptual"].value
    return None, 0.0


def classifier_training(study: Study) -> ClassifierTraining:
    """How the classifier of the data is trained at a budget."""
    if study.budget_name == "smoke":
        return ClassifierTraining(epochs=1, width=8)
    return ClassifierTraining(epochs=3 if study.budget_name == "cpu" else 10, mirror=True)


def classifier_file(study: Study, settings: ClassifierTraining) -> Path:
    """Where the classifier of the pictures lies, beside the runs: its name holds all that it depends on."""
    train, _ = study.pictures()
    whole = train.fingerprint(), train.attribute_names, asdict(settings)
    number = hashlib.sha256(repr(whole).encode()).hexdigest()[:12]
    mirrored = "-mirrored" if settings.mirror else ""
    name = f"{train.name}-{train.shape[1]}-{settings.epochs}x{settings.width}-seed{settings.seed}{mirrored}-{number}"
    return study.runs / "classifiers" / f"{name}.safetensors"


def classifier_of(study: Study, file: str | None = None) -> ClassifierFeatures | None:
    """A classifier of what is known of the pictures: from a file, or trained on their attributes, else their classes.

    Args:
        study: Whose pictures.
        file: What ``twoway metrics train-extractor`` wrote; None trains one, which is kept beside the runs.

    Returns:
        None where nothing is known of the pictures.
    """
    if file is None:
        train, test = study.pictures()
        if train.attributes is None and (train.labels is None or len(np.unique(train.labels)) < 2):
            return None
        attributes = ("all",) if train.attributes is not None else None
        path = classifier_file(study, settings := classifier_training(study))
        while not path.is_file():  # it is there if another table has trained it
            if study.is_main:
                study.say("training a classifier of the pictures")
                others = None if test is train else test
                device = pick_device(study.device)
                made = train_classifier(
                    train, others, attributes=attributes, settings=settings, device=device, progress=study.progress
                )
                path.parent.mkdir(parents=True, exist_ok=True)
                made.save(path)
            else:
                time.sleep(POLL_S)
        file = str(path)
    found = build_features(FeatureSpec("classifier", weights=file))
    if not isinstance(found, ClassifierFeatures):
        raise ConfigError(f"{file} is no classifier.")
    return found
