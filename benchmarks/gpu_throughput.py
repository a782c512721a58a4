"""Images per second of StyleALAE's training on a GPU, and the share of the card's measured rate, as JSON.

    python benchmarks/gpu_throughput.py [--sizes 64 128 256] [--batch 32] [--iterations 20]

Per resolution and number format: training images per second of the modern recipe, the rate of the convolutions'
multiplications and additions, its share of what a large matrix product reaches on the same card in the same format, and
peak memory. Formats: fp32, tf32 (products round their inputs to 10 bits), bf16 (autocast). Where there is no CUDA
device the result says so and nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from machine import describe_machine
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from twoway.methods import make_recipe
from twoway.model import build_model
from twoway.training.distributed import World
from twoway.training.optimisers import Optimisers
from twoway.training.steps import StepRunner
from twoway.training.streams import Streams, seeded

FORMATS = ("fp32", "tf32", "bf16")
WIDTHS = {64: (64, 256), 128: (64, 256), 256: (64, 512)}


@contextmanager
def number_format(kind: str) -> Iterator[None]:
    """Let products on the GPU be computed in one of `FORMATS`, and restore at the end."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = kind != "fp32"
    try:
        with torch.autocast("cuda", torch.bfloat16, enabled=kind == "bf16"):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def seconds_of(work: Any, repeats: int) -> float:
    """Seconds of one call, over `repeats` calls after three that warm up."""
    for i in range(3):
        work(i)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for i in range(repeats):
        work(i)
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


def matmul_rate(kind: str, side: int = 8192) -> float:
    """Multiplications and additions per second of a square matrix product."""
    a, b = (torch.randn(side, side, device="cuda") for _ in range(2))
    if kind == "bf16":
        a, b = a.bfloat16(), b.bfloat16()
    with number_format(kind):
        return 2 * side**3 / seconds_of(lambda i: a @ b, 10)


def trained(size: int, kind: str, options: argparse.Namespace, rate: float) -> dict[str, Any]:
    """One row of the result."""
    start, maximum = WIDTHS.get(size, (64, 256))
    widths = {"start": start, "maximum": maximum, "flavour": "modern", "grow": False}
    recipe = make_recipe("style-alae", (3, size, size), widths)
    model = build_model(recipe, generator=seeded(0, "weights")).cuda().train()
    world = World()
    runner = StepRunner(model, Optimisers(model.nets, recipe.optim), Streams(0, world, model.device), world)
    x = torch.rand(options.batch, *recipe.image_shape, device="cuda") * 2 - 1
    torch.cuda.reset_peak_memory_stats()
    with number_format(kind):
        with FlopCounterMode(nn.Module(), display=False) as counter:
            for i in range(8):  # every rare term comes due once
                runner.iterate(recipe.phases[0], x, i)
        seconds = seconds_of(lambda i: runner.iterate(recipe.phases[0], x, i), options.iterations)
    speed = counter.get_total_flops() / 8 / seconds
    return {
        "size": size,
        "format": kind,
        "batch": options.batch,
        "images_per_second": round(options.batch / seconds, 1),
        "teraflops": round(speed / 1e12, 2),
        "share_of_matmul_rate": round(speed / rate, 3),
        "peak_memory_mib": round(torch.cuda.max_memory_allocated() / 2**20),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--iterations", type=int, default=24, help="a multiple of 8, the period of lazy R1")
    options = parser.parse_args()
    result: dict[str, Any] = {"machine": describe_machine(), "settings": vars(options)}
    if not torch.cuda.is_available():
        print(json.dumps(result | {"result": "not run: no CUDA device"}, indent=2))
        return
    rates = {kind: matmul_rate(kind) for kind in FORMATS}
    result |= {
        "device": torch.cuda.get_device_name(),
        "matmul_teraflops": {kind: round(rate / 1e12, 1) for kind, rate in rates.items()},
        "result": [trained(size, kind, options, rates[kind]) for size in options.sizes for kind in FORMATS],
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
