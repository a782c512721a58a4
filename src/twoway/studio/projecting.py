"""Projection in turns: a step at a time, so that other visitors get in between, and stopped at once when asked."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from twoway.latents.projection import Projection, Space, Start, project
from twoway.studio.shared import Shared

__all__ = ["Stopped", "Turn", "project_in_turns"]


class Stopped(Exception):
    """Raised inside a projection that is no longer wanted."""


@dataclass(frozen=True)
class Turn:
    """A step of a projection; the last has the result."""

    step: int
    found: Projection | None = None


def project_in_turns(
    shared: Shared,
    x: Tensor,
    *,
    steps: int,
    space: str,
    start: str,
    stop: threading.Event,
    generator: torch.Generator | None = None,
) -> Iterator[Turn]:
    """Find the code of one picture, see `twoway.latents.projection.project`.

    Args:
        shared: The model.
        x: The picture, shape (1, C, H, W).
        steps: Steps of Adam.
        space: Where to search.
        start: From where.
        stop: Ends it when set; the iterator then ends without a result, as it does when it is closed.
        generator: Of a random start, on the CPU.
    """
    told: queue.Queue[Turn | BaseException] = queue.Queue()
    gone = threading.Event()
    turn = shared.turns.long

    def work() -> None:
        held = turn()
        held.__enter__()

        def tell(what: str, done: int, total: int) -> None:
            nonlocal held
            held.__exit__(None, None, None)
            told.put(Turn(done))
            try:
                if stop.is_set() or gone.is_set():
                    raise Stopped
            finally:
                held = turn()
                held.__enter__()

        try:
            found = project(
                shared.pipeline.model,
                x,
                space=cast(Space, space),
                start=cast(Start, start),
                steps=steps,
                generator=generator,
                progress=tell,
            )
            told.put(Turn(steps, found))
        except BaseException as error:
            told.put(error)
        finally:
            held.__exit__(None, None, None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            came = told.get()
            if isinstance(came, Stopped):
                return
            if isinstance(came, BaseException):
                raise came
            yield came
            if came.found is not None:
                return
    finally:
        gone.set()
