"""Speed of the studio's sessions at the server, without browser: upload to reconstruction, slider to picture.

Medians of wall-clock times, with the processor time of the calling thread beside them, which on a busy machine with one
thread says more. The model has fresh weights of a preset: its speed is that of a trained one.

    python benchmarks/studio_session.py --threads 1
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import threading
import time
from collections.abc import Callable

import numpy as np
import torch
from machine import describe_machine
from PIL import Image

from twoway.latents.directions import Direction
from twoway.methods import make_recipe
from twoway.model import build_model
from twoway.pipeline import Pipeline
from twoway.studio import Limits, Session, Studio

TARGETS = {"open": 500.0, "edit": 150.0}
"""Milliseconds, on one or two cores, for a 64x64 model."""


def jpeg(side: int, seed: int) -> bytes:
    """A photo of smooth noise, as a camera's file."""
    rough = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(rough).resize((side, side), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def open_studio(preset: str, size: int) -> Studio:
    """A studio with one model of a preset and two directions."""
    model = build_model(make_recipe(preset, (3, size, size)), generator=torch.Generator().manual_seed(0))
    draws = torch.Generator().manual_seed(1)
    fingerprint, width = model.fingerprint(), model.w_shape[1]
    directions = {
        name: Direction(name, torch.randn(1, width, generator=draws), fingerprint, "given") for name in ("a", "b")
    }
    return Studio({"m": Pipeline(model)}, directions={"m": directions}, limits=Limits(steps=10**6), by_samples=False)


def timed(act: Callable[[int], object], turns: int) -> dict[str, float]:
    """Milliseconds of a call: medians and the worst; one call before warms up."""
    wall, processor = [], []
    for turn in range(turns + 1):
        began, before = time.perf_counter(), time.thread_time()
        act(turn)
        if turn:
            wall.append(1000 * (time.perf_counter() - began))
            processor.append(1000 * (time.thread_time() - before))
    return {
        "median_ms": round(statistics.median(wall), 1),
        "worst_ms": round(max(wall), 1),
        "median_cpu_ms": round(statistics.median(processor), 1),
    }


def while_projecting(studio: Studio, session: Session, turns: int) -> dict[str, float]:
    """Edits while another visitor projects all the time."""
    with studio.open_session() as other:
        other.open_seed(0)

        def project() -> None:
            for _ in other.project(10**6):
                pass

        thread = threading.Thread(target=project)
        thread.start()
        try:
            return timed(lambda turn: session.edit({"a": 0.1 * (turn + 1)}), turns)
        finally:
            other.cancel()
            thread.join()


def crowd(studio: Studio, visitors: int, edits: int) -> dict[str, float]:
    """Edits of many visitors at once: until each has its picture, and how many were answered."""
    sessions = [studio.open_session() for _ in range(visitors)]
    for number, session in enumerate(sessions):
        session.open_seed(number)
    answers: list[float] = []

    def visit(session: Session) -> None:
        for turn in range(edits):
            began = time.perf_counter()
            session.edit({"a": 0.1 * (turn + 1)})
            answers.append(1000 * (time.perf_counter() - began))

    threads = [threading.Thread(target=visit, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for session in sessions:
        session.close()
    return {"asked": visitors * edits, "answered": len(answers), "median_ms": round(statistics.median(answers), 1)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="lia-64")
    parser.add_argument("--size", type=int, default=64, help="of the model's pictures")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="all cores by default")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--side", type=int, default=1024, help="of the uploaded photo, pixels")
    parser.add_argument("--visitors", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine = describe_machine()
    photos = [jpeg(options.side, seed) for seed in range(options.turns + 1)]
    with open_studio(options.preset, options.size) as studio, studio.open_session() as session:
        found = {
            "open": timed(lambda turn: session.open(photos[turn]), options.turns),
            "edit": timed(lambda turn: session.edit({"a": 0.1 * (turn + 1), "b": -0.1}), options.turns),
            "in_frame": timed(lambda turn: session.in_frame(), options.turns),
            "mix_with_a_seed": timed(lambda turn: session.mix(1, "coarse"), options.turns),
            "edit_while_another_projects": while_projecting(studio, session, options.turns),
        }
        together = crowd(studio, options.visitors, 3)
    print(
        json.dumps(
            {
                "machine": machine,
                "settings": vars(options),
                "targets_median_ms": TARGETS,
                "found": found,
                "visitors_at_once": together,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
