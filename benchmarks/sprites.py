"""How many pictures per second the built-in drawings are made at, on one core, printed as JSON.

    OMP_NUM_THREADS=1 python benchmarks/sprites.py [--pictures 4096] [--repeats 7]

Each repeat draws pictures of random factors in batches of 64, as training does, without keeping any. Seconds are those
of the processor, so that other work on the machine counts little. Given are medians
over the repeats with the lowest and highest value.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
import torch
from machine import describe_machine

from twoway.data import ImageData, open_data

BATCH = 64


def rate(data: ImageData, rows: np.ndarray) -> float:
    """Return pictures per second of reading some rows in batches, by the time of the processor that it took."""
    started = time.process_time()
    for start in range(0, len(rows), BATCH):
        data.read(rows[start : start + BATCH])
    return len(rows) / (time.process_time() - started)


def measure(name: str, size: int, pictures: int, repeats: int) -> dict[str, float]:
    """Return median, lowest and highest rate of a built-in data set at a size."""
    data = open_data(name, size=size, cache_mib=0)
    rows = np.random.default_rng(0).integers(0, len(data), pictures)
    data.read(rows[:BATCH])
    rates = [rate(data, rows) for _ in range(repeats)]
    return {"median": round(statistics.median(rates)), "low": round(min(rates)), "high": round(max(rates))}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    result = {
        "what": "pictures drawn per second on one core, batches of 64",
        "machine": describe_machine(),
        "pictures": options.pictures,
        "repeats": options.repeats,
    }
    for name, sizes in {"sprites": (32, 64, 128), "avatars": (32, 64, 128)}.items():
        result[name] = {f"{size}x{size}": measure(name, size, options.pictures, options.repeats) for size in sizes}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
