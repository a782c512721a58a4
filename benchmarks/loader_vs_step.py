"""How much faster batches are delivered than the training step consumes them, printed as JSON.

    python benchmarks/loader_vs_step.py [--rounds 5] [--pictures 2000]

Grey 28x28 pictures in memory against an iteration of `alae-mnist-modern` (whose batches are pairs of neighbours; the
table of neighbours is made up), and a folder and a ZIP of 64x64 colour PNG files, decoded anew for every batch and
cached, against an iteration of `alae` on 64x64x3. Loader and step take turns, both with everything up to the tensor in
[-1, 1] and from there to the moving average; given are medians per batch in milliseconds and their ratio. The loader
works ahead in a thread while a training computes; here it is timed alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from alae_iteration import cycle_of, our_iteration
from data_loading import write_pictures
from machine import describe_machine

from twoway.data import Batches, ImageData, PairedBatches, open_data, to_float
from twoway.methods import make_recipe
from twoway.recipe import Recipe
from twoway.training.allocator import keep_freed_memory


def batches_of(data: ImageData, recipe: Recipe) -> Batches:
    """What a training of this recipe would read."""
    if recipe.neighbours is None:
        return Batches(data, recipe.batch, seed=0)
    nearest = torch.randint(len(data), (len(data), recipe.neighbours.k), generator=torch.Generator().manual_seed(0))
    return PairedBatches(data, recipe.batch, nearest=nearest.int(), walk=recipe.neighbours.walk, seed=0)


def compare(sources: dict[str, ImageData], recipe: Recipe, rounds: int) -> dict[str, object]:
    """Median milliseconds per batch of the step and of each source, and how many times faster the source is."""
    iterate, cycle = our_iteration(recipe), cycle_of(recipe)
    loaders = {name: batches_of(data, recipe) for name, data in sources.items()}
    milliseconds: dict[str, list[float]] = {"step": [], **{name: [] for name in loaders}}
    for turn in range(rounds + 1):
        began = time.perf_counter()
        for i in range(cycle):
            iterate(turn * cycle + i)
        took = {"step": (time.perf_counter() - began) / cycle}
        for name, loader in loaders.items():
            began = time.perf_counter()
            for _ in range(loader.batches_per_epoch):
                to_float(loader.next())
            took[name] = (time.perf_counter() - began) / loader.batches_per_epoch
        if turn > 0:
            for name, seconds in took.items():
                milliseconds[name].append(1000 * seconds)
    for loader in loaders.values():
        loader.close()
    median = {name: statistics.median(values) for name, values in milliseconds.items()}
    return {
        "batch": recipe.batch,
        "step_ms": round(median["step"], 2),
        "loader_ms": {name: round(median[name], 3) for name in loaders},
        "step_over_loader": {name: round(median["step"] / median[name], 1) for name in loaders},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=None, help="all cores by default")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    machine = describe_machine()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as root:
        folder, archive, array = write_pictures(Path(root), options.pictures)
        files = {
            f"{kind}, {how}": open_data(path, cache_mib=mib)
            for kind, path in (("folder", folder), ("zip", archive))
            for how, mib in (("decoded anew", 0), ("cached", 4096))
        }
        for data in files.values():
            data.read(range(len(data)))  # fills the cache, where there is one, and the system's file cache
        result = {
            "machine": machine,
            "settings": vars(options),
            "alae-mnist-modern, 28x28 in memory": compare(
                {"memory": open_data(array)}, make_recipe("alae-mnist-modern", (1, 28, 28)), options.rounds
            ),
            "alae, 64x64 colour PNG": compare(files, make_recipe("alae", (3, 64, 64)), options.rounds),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
