"""Images per second that the style nets of ALAE encode and generate, ours beside the official arithmetic, as JSON.

    python benchmarks/style_inference.py [--sizes 32 64] [--batch 32] [--threads N] [--turns 5]

The nets are those for 128 pixels with the widths of the official celeba configuration, working at each of --sizes.
Ours are timed in float32 and with products rounded to bfloat16, which changes nothing on CPUs without matrix units for
it. The contenders take turns of one batch. The official code is not shipped: see official_style_alae.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from machine import describe_machine
from official_style_alae import LATENT, LEVELS, OfficialStyleIteration
from torch import Tensor

from twoway.methods import make_recipe
from twoway.model import build_model
from twoway.training.allocator import keep_freed_memory
from twoway.training.steps import matmul_precision
from twoway.training.streams import seeded

PUBLISHED = "official code, two shared 2.5 GHz cores: 35 images/s at 32 pixels, 15 at 64, either way"


def contenders(size: int, batch: int) -> dict[str, Callable[[], Tensor]]:
    """Functions that encode or generate one batch."""
    model = build_model(make_recipe("style-alae", (3, 128, 128)), generator=seeded(0, "weights")).eval()
    encoder, generator = model.nets["encoder"], model.nets["generator"]
    for net in (encoder, generator):
        net.grow_to(size.bit_length() - 3)
    official = OfficialStyleIteration(size)
    official.nets.eval()
    x = torch.rand(batch, 3, size, size) * 2 - 1
    w = torch.randn(batch, 1, LATENT)
    rows = w.repeat(1, 2 * LEVELS, 1)

    def rounded(call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        def run() -> Tensor:
            with matmul_precision("bfloat16"):
                return call()

        return run

    return {
        "encode/float32": lambda: encoder(x),
        "encode/bfloat16": rounded(lambda: encoder(x)),
        "encode/official": lambda: official.encoder(x),
        "generate/float32": lambda: generator(w),
        "generate/bfloat16": rounded(lambda: generator(w)),
        "generate/official": lambda: official.generator(rows),
    }


@torch.no_grad()
def measured(size: int, batch: int, turns: int) -> dict[str, dict[str, float]]:
    """Images per second of each contender, median and best over turns; one turn before warms up."""
    calls = contenders(size, batch)
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(turns + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if turn:
                rates[name].append(batch / (time.perf_counter() - began))
    return {name: {"median": round(statistics.median(r), 1), "best": round(max(r), 1)} for name, r in rates.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64], choices=(8, 16, 32, 64))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="all cores by default")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine = describe_machine()
    keep_freed_memory()  # for all contenders: they share the process
    result = {
        "machine": machine,
        "settings": vars(options),
        "images_per_second": {str(size): measured(size, options.batch, options.turns) for size in options.sizes},
        "published_for_the_official_code": PUBLISHED,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
