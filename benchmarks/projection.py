"""Time of a search for codes beside that of the bare generator, forward and backward, as JSON.

    python benchmarks/projection.py [--size 64] [--batch 8] [--steps 100] [--threads 1] [--turns 5]
        [--start N --maximum N --latent N]

The generator is that of the `lia` preset with fresh weights; --start, --maximum and --latent make it narrower. The bare
contender decodes and differentiates the mean square of the pictures with respect to the codes, once for each step,
with frozen weights and nothing else. Contenders take turns; the ratio is the median over turns of the ratio within a
turn, by the clock and by the processor's time of this process, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from machine import describe_machine
from torch import Tensor

from twoway.features import build_features, default_features
from twoway.latents import EarlyStop, project
from twoway.methods import make_recipe
from twoway.model import TwoWayModel, build_model
from twoway.training.allocator import keep_freed_memory
from twoway.training.streams import seeded

BARE = "bare"


def bare(model: TwoWayModel, w: Tensor, steps: int) -> None:
    """The generator forward and backward, to the codes, so many times."""
    code = w.clone().requires_grad_()
    for _ in range(steps):
        torch.autograd.grad(model.decode(code).square().mean(), code)


def contenders(options: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """What takes turns."""
    changes = {name: getattr(options, name) for name in ("start", "maximum", "latent") if getattr(options, name)}
    shape = (3, options.size, options.size)
    model = build_model(make_recipe("lia", shape, changes), generator=seeded(0, "weights")).eval()
    frozen = model.requires_grad_(False)
    x = torch.rand(options.batch, *shape, generator=seeded(1, "pictures")) * 2 - 1
    w, steps = model.w_avg.repeat(options.batch, 1, 1), options.steps
    features = build_features(default_features())
    calls: dict[str, Callable[[], object]] = {
        BARE: lambda: bare(frozen, w, steps),
        "w+": lambda: project(model, x, steps=steps),
        "w": lambda: project(model, x, space="w", steps=steps),
        "z": lambda: project(model, x, space="z", steps=steps),
        "w+ and noise maps": lambda: project(model, x, steps=steps, optimise_noise=True),
        "w+, told to stop early": lambda: project(model, x, steps=steps, early_stop=EarlyStop(patience=steps + 1)),
        f"w+ with {features.title}": lambda: project(model, x, steps=steps, features=features, feature_weight=1.0),
        "w+ with the encoder's term": lambda: project(model, x, steps=steps, encoder_weight=1.0),
    }
    return {name: call for name, call in calls.items() if options.all or name in (BARE, "w+", "w+ and noise maps")}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--start", type=int, help="feature maps at the finest level")
    parser.add_argument("--maximum", type=int, help="most feature maps at any level")
    parser.add_argument("--latent", type=int, help="width of the codes")
    parser.add_argument("--all", action="store_true", help="more kinds of search")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine = describe_machine()
    keep_freed_memory()
    calls = contenders(options)
    clocks = {"clock": time.perf_counter, "processor": time.process_time}
    seconds: dict[str, dict[str, list[float]]] = {clock: {name: [] for name in calls} for clock in clocks}
    for turn in range(options.turns + 1):  # the first warms up
        for name, call in calls.items():
            began = {clock: now() for clock, now in clocks.items()}
            call()
            for clock, now in clocks.items() if turn else ():
                seconds[clock][name].append(now() - began[clock])
    print(
        json.dumps(
            {"machine": machine, "settings": vars(options), **{c: table(s) for c, s in seconds.items()}}, indent=1
        )
    )


def table(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Medians of the seconds of each contender, and of its ratio to the bare one in the same turn."""
    return {
        name: {
            "seconds": round(statistics.median(taken), 3),
            "ratio": round(statistics.median(a / b for a, b in zip(taken, seconds[BARE], strict=True)), 3),
        }
        for name, taken in seconds.items()
    }


if __name__ == "__main__":
    main()
