"""Time and memory of one training iteration of StyleALAE, ours beside a re-creation of the official one, as JSON.

    python benchmarks/style_alae_iteration.py [--size 32] [--batch 32] [--threads N] [--iterations 6]
                                              [--preset both|faithful|modern]

The nets are those for 128 pixels with the widths of the official celeba configuration, working at --size. An iteration
is all steps and the moving average on one batch of random pictures, without data loading. Every contender lives in a
process of its own, which is where its peak memory comes from, and the processes take turns of one iteration, so that
none suffers more than another from what else the machine does. Ours sets malloc as `twoway train` does. Terms that are
rarely due are counted by running a whole cycle of iterations. The official code is not shipped: see
official_style_alae.py for what the re-creation does.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from machine import describe_machine
from official_style_alae import OfficialStyleIteration

from twoway.methods import make_recipe
from twoway.model import build_model
from twoway.networks import Growing
from twoway.recipe import Recipe
from twoway.training.allocator import keep_freed_memory
from twoway.training.distributed import World
from twoway.training.ema import EMA
from twoway.training.optimisers import Optimisers
from twoway.training.steps import StepRunner, matmul_precision
from twoway.training.streams import Streams, seeded

OFFICIAL = "official"
PUBLISHED = "official code at 32x32, batch 32, two 2.5 GHz cores shared with others: 22 s (18 to 24), 2.2 GiB"
Iteration = Callable[[int], dict[str, float]]


def our_recipe(flavour: str) -> Recipe:
    """The recipe for 128 pixels without its schedule; its nets are set to a lower level afterwards."""
    return make_recipe("style-alae", (3, 128, 128), {"flavour": flavour, "grow": False})


def cycle_of(recipe: Recipe) -> int:
    """Iterations after which everything in a recipe has come due."""
    steps = recipe.phases[0].steps
    return math.lcm(*[step.every for step in steps], *[w.every for step in steps for w in step.terms.values()])


def our_iteration(flavour: str, size: int, batch: int) -> Iteration:
    """A function that takes iteration number i and returns the seconds of each step."""
    recipe = our_recipe(flavour)
    model = build_model(recipe, generator=seeded(0, "weights")).train()
    for net in model.nets.values():
        if isinstance(net, Growing):
            net.grow_to(size.bit_length() - 3)
    world = World()
    optimisers = Optimisers(model.nets, recipe.optim)
    runner = StepRunner(model, optimisers, Streams(0, world, model.device), world)
    ema = EMA(model)
    x = torch.rand(batch, 3, size, size) * 2 - 1

    def iterate(i: int) -> dict[str, float]:
        seconds: dict[str, float] = {}
        carried: dict[str, Any] = {}
        with matmul_precision(recipe.matmul):
            for step in recipe.phases[0].steps:
                if i % step.every == 0:
                    began = time.perf_counter()
                    runner.take(step, x, i, carried)
                    seconds[step.name] = time.perf_counter() - began
        began = time.perf_counter()
        ema.update(batch, 0.0)
        seconds["average"] = time.perf_counter() - began
        return seconds

    return iterate


def official_iteration(size: int, batch: int) -> Iteration:
    """The same for the re-creation."""
    official = OfficialStyleIteration(size)
    x = torch.rand(batch, 3, size, size) * 2 - 1

    def iterate(i: int) -> dict[str, float]:
        seconds = {}
        for name, step in [
            ("discriminate", official.discriminate),
            ("generate", official.fool),
            ("reciprocate", official.reciprocate),
        ]:
            began = time.perf_counter()
            step(x)
            seconds[name] = time.perf_counter() - began
        began = time.perf_counter()
        official.average(batch)
        seconds["average"] = time.perf_counter() - began
        return seconds

    return iterate


def work(name: str, size: int, batch: int) -> None:
    """Be one contender: for every number read, take that iteration and print seconds and peak memory."""
    before = _peak_mib()
    if name == OFFICIAL:
        iterate = official_iteration(size, batch)
    else:
        keep_freed_memory()
        iterate = our_iteration(name, size, batch)
    for line in sys.stdin:
        began = time.process_time()
        seconds = iterate(int(line))
        cpu = time.process_time() - began
        said = {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": _peak_mib(), "before_mib": before}
        print(json.dumps(said), flush=True)


def _peak_mib() -> float:
    # Linux counts in KiB, macOS in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def take_turns(names: list[str], options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """What every contender says of each iteration; the first of each warms up and is left out of times."""
    said: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with ExitStack() as stack:
        workers = {}
        for name in names:
            command = [sys.executable, __file__, "--work", name, "--size", str(options.size)]
            command += ["--batch", str(options.batch), "--threads", str(options.threads)]
            pipe = subprocess.PIPE
            workers[name] = stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        for i in range(options.iterations + 1):
            for name, worker in workers.items():
                assert worker.stdin is not None
                assert worker.stdout is not None
                worker.stdin.write(f"{i}\n")
                worker.stdin.flush()
                said[name].append(json.loads(worker.stdout.readline()))
        for worker in workers.values():
            assert worker.stdin is not None
            worker.stdin.close()
    return said


def summary(name: str, said: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over iterations; for a recipe with rare terms, also the mean over whole cycles."""
    timed = said[1:]
    totals = [sum(entry["seconds"].values()) for entry in timed]
    steps = sorted({step for entry in timed for step in entry["seconds"]})
    cycle = 1 if name == OFFICIAL else cycle_of(our_recipe(name))
    whole = totals[: len(totals) // cycle * cycle]
    return {
        "seconds": {
            "median": round(statistics.median(totals), 3),
            "min": round(min(totals), 3),
            "mean_of_whole_cycles": round(statistics.mean(whole), 3) if whole else None,
            "cycle": cycle,
        },
        "cpu_seconds_median": round(statistics.median(entry["cpu_seconds"] for entry in timed), 3),
        "steps_median": {
            step: round(statistics.median(e["seconds"][step] for e in timed if step in e["seconds"]), 3)
            for step in steps
        },
        "peak_memory_mib": round(max(entry["peak_mib"] for entry in said)),
        "memory_before_nets_mib": round(said[0]["before_mib"]),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=32, choices=(8, 16, 32, 64))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="all cores by default")
    parser.add_argument("--iterations", type=int, default=8, help="of each contender, after one that warms up")
    parser.add_argument("--preset", choices=("both", "faithful", "modern"), default="both")
    parser.add_argument("--work", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.work:
        work(options.work, options.size, options.batch)
        return
    machine = describe_machine()
    ours = ["faithful", "modern"] if options.preset == "both" else [options.preset]
    said = take_turns([*ours, OFFICIAL], options)
    found = {name: summary(name, entries) for name, entries in said.items()}
    official = found[OFFICIAL]
    result = {
        "machine": machine,
        "settings": {key: value for key, value in vars(options).items() if key != "work"},
        "contenders": found,
        "official_over_ours": {
            name: {
                "medians": round(official["seconds"]["median"] / found[name]["seconds"]["median"], 2),
                "medians_of_cpu_seconds": round(official["cpu_seconds_median"] / found[name]["cpu_seconds_median"], 2),
                "minima": round(official["seconds"]["min"] / found[name]["seconds"]["min"], 2),
                "whole_cycles": round(
                    official["seconds"]["mean_of_whole_cycles"] / found[name]["seconds"]["mean_of_whole_cycles"], 2
                )
                if found[name]["seconds"]["mean_of_whole_cycles"]
                else None,
            }
            for name in ours
        },
        "our_share_of_official_memory": {
            name: round(found[name]["peak_memory_mib"] / official["peak_memory_mib"], 2) for name in ours
        },
        "published_for_the_official_code": PUBLISHED,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
