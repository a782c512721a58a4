"""Time of one training iteration of ALAE on MLPs, ours beside a re-creation of the official one, printed as JSON.

    python benchmarks/alae_iteration.py [--iterations 80] [--batch 128] [--threads N]

An iteration is all steps and the moving average on one batch of random pictures, without data loading. The contenders
take turns of a few iterations, as many as the rarest term of any recipe needs to come due, and a turn's time is divided
by that number; medians and minima are over the turns. The setting of malloc that `twoway train` makes holds for the
whole process, so the re-creation profits from it too; --plain-allocator leaves it out. The official code is not
shipped: see official_alae.py for what the re-creation does. The time published for the official code itself was taken
on another day on two shared cores.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable

import torch
from machine import describe_machine
from official_alae import OUTER, OfficialIteration

from twoway.methods import make_recipe
from twoway.model import build_model
from twoway.recipe import Recipe
from twoway.training.allocator import keep_freed_memory
from twoway.training.distributed import World
from twoway.training.ema import EMA
from twoway.training.optimisers import Optimisers
from twoway.training.steps import StepRunner, matmul_precision
from twoway.training.streams import Streams, seeded

PRESETS = ("alae-mnist", "alae-mnist-modern")
OFFICIAL = "re-creation of the official iteration"
PUBLISHED = "official code, re-wired HEAD, torch 2.13, two shared 2.5 GHz cores: median 0.173 s, minimum 0.151 s"


def our_iteration(recipe: Recipe) -> Callable[[int], None]:
    """A function that takes iteration number i of a recipe, on random pictures."""
    model = build_model(recipe, generator=seeded(0, "weights")).train()
    world = World()
    optimisers = Optimisers(model.nets, recipe.optim)
    runner = StepRunner(model, optimisers, Streams(0, world, model.device), world)
    ema = EMA(model)
    x = torch.rand(recipe.batch, *recipe.image_shape) * 2 - 1

    def iterate(i: int) -> None:
        with matmul_precision(recipe.matmul):
            optimisers.set_progress(0.0, 1000.0)
            runner.iterate(recipe.phases[0], x, i)
            if (i + 1) % recipe.averaging.every == 0:
                ema.update(recipe.batch * recipe.averaging.every, 0.0)

    return iterate


def official_iteration(batch: int) -> Callable[[int], None]:
    """The same for the re-creation."""
    official = OfficialIteration()
    x = torch.rand(batch, 1, OUTER, OUTER) * 2 - 1

    def iterate(i: int) -> None:
        official.run(x)

    return iterate


def cycle_of(recipe: Recipe) -> int:
    """Iterations after which everything in a recipe has come due."""
    steps = recipe.phases[0].steps
    terms = [weight.every for step in steps for weight in step.terms.values()]
    return math.lcm(recipe.averaging.every, *[step.every for step in steps], *terms)


def take_turns(contenders: dict[str, Callable[[int], None]], cycle: int, turns: int) -> dict[str, list[float]]:
    """Seconds per iteration of each contender in each turn; one turn before that warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(turns + 1):
        for name, iterate in contenders.items():
            began = time.perf_counter()
            for i in range(cycle):
                iterate(turn * cycle + i)
            if turn > 0:
                seconds[name].append((time.perf_counter() - began) / cycle)
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=80, help="of each contender")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=None, help="all cores by default")
    parser.add_argument(
        "--plain-allocator", action="store_true", help="leave malloc as it is, where `twoway train` would set it"
    )
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    machine = describe_machine()
    kept = False if options.plain_allocator else keep_freed_memory()
    recipes = {name: make_recipe(name, (1, 28, 28)).changed({"batch": options.batch}) for name in PRESETS}
    contenders = {name: our_iteration(recipe) for name, recipe in recipes.items()}
    contenders[OFFICIAL] = official_iteration(options.batch)
    cycle = math.lcm(*[cycle_of(recipe) for recipe in recipes.values()])
    seconds = take_turns(contenders, cycle, max(options.iterations // cycle, 1))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    best = {name: min(values) for name, values in seconds.items()}
    result = {
        "machine": machine,
        "settings": {**vars(options), "iterations_per_turn": cycle, "freed_memory_is_kept": kept},
        "seconds_per_iteration": {
            name: {"median": round(median[name], 4), "min": round(best[name], 4)} for name in contenders
        },
        "official_over_ours": {
            name: {
                "of_medians": round(median[OFFICIAL] / median[name], 2),
                "of_minima": round(best[OFFICIAL] / best[name], 2),
            }
            for name in recipes
        },
        "published_for_the_official_code": PUBLISHED,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
