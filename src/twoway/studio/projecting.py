"""Projection in turns: a step at a time, so that other visitors get in between, and stopped at once when asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from twoway.latents.projection import ProjectionSettings, ProjectionStep, Space, Start, projecting
from twoway.studio.shared import Shared

__all__ = ["RATES", "project_in_turns"]

RATES = {"encoder": 0.02, "mean": 0.1, "random": 0.1}
"""Learning rates by start: a code that is near already is to be improved and not thrown about."""


def project_in_turns(
    shared: Shared,
    x: Tensor,
    *,
    steps: int,
    space: str,
    start: str,
    stop: threading.Event,
    generator: torch.Generator | None = None,
) -> Iterator[ProjectionStep]:
    """Find the code of one picture, see `twoway.latents.projection.projecting`; each step takes a turn at the model.

    Args:
        shared: The model.
        x: The picture, shape (1, C, H, W).
        steps: Steps of Adam.
        space: Where to search.
        start: From where.
        stop: Ends it when set.
        generator: Of a random start, on the CPU.
    """
    settings = ProjectionSettings(space=cast(Space, space), steps=steps, lr=RATES[start])
    with shared.turns.long():
        if stop.is_set():
            return
        search = projecting(shared.pipeline.model, x, settings, start=cast(Start, start), generator=generator)
    while True:
        with shared.turns.long():
            step = None if stop.is_set() else next(search, None)
        if step is None:
            return
        yield step
