"""Projection in turns: a step at a time, so that other visitors get in between, and stopped at once when asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from twoway.features import default_features
from twoway.latents.projection import ProjectionSettings, ProjectionStep, Space, Start, projecting
from twoway.studio.shared import Shared

__all__ = ["RATES", "project_in_turns", "search_settings"]

RATES = {"encoder": 0.02, "mean": 0.1, "random": 0.1}
"""Learning rates by start: a code that is near already is to be improved and not thrown about."""


def search_settings(*, steps: int, space: str, start: str, perceptual: float = 0.0) -> ProjectionSettings:
    """How a visitor's picture is searched for.

    Args:
        steps: Steps of Adam.
        space: Where to search.
        start: From where, which decides on the learning rate.
        perceptual: Weight of the distance of features beside that of the pixels.

    Raises:
        ConfigError: A weight that is negative or no number.
    """
    return ProjectionSettings(
        space=cast(Space, space),
        steps=steps,
        lr=RATES[start],
        features=default_features() if perceptual else None,
        feature_weight=perceptual,
    )


def project_in_turns(
    shared: Shared,
    x: Tensor,
    settings: ProjectionSettings,
    *,
    start: str | Tensor,
    stop: threading.Event,
    generator: torch.Generator | None = None,
) -> Iterator[ProjectionStep]:
    """Find the code of one picture, see `twoway.latents.projection.projecting`; each step takes a turn at the model.

    Args:
        shared: The model.
        x: The picture, shape (1, C, H, W).
        settings: How to search.
        start: From where, or from which code (1, layers, dim).
        stop: Ends it when set.
        generator: Of a random start, on the CPU.
    """
    with shared.turns.long():
        if stop.is_set():
            return
        search = projecting(
            shared.pipeline.model, x, settings, start=cast("Start | Tensor", start), generator=generator
        )
    while True:
        with shared.turns.long():
            step = None if stop.is_set() else next(search, None)
        if step is None:
            return
        yield step
