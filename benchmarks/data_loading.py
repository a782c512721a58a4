"""How many pictures per second `twoway.data.Batches` delivers, printed as JSON.

    python benchmarks/data_loading.py [--pictures 2000] [--batch 64] [--repeats 7]

Measured are 28x28 grey pictures in memory, and a folder and a ZIP of 64x64 colour PNG files (smooth pictures with some
noise, made afresh in a temporary folder): uncached (every batch is decoded), the first epoch of a cached data set
(decoded and kept), and later epochs of it. Given are medians over the repeats with the lowest and highest value; each
repeat delivers one epoch, the uncached ones after one epoch that warms the file cache of the system.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image

from twoway.data import Batches, ImageData, open_data


def write_pictures(root: Path, count: int) -> tuple[Path, Path, Path]:
    """Write the same pictures as a folder and a ZIP, and grey ones as .npz; return the three paths."""
    rng = np.random.default_rng(0)
    folder, archive, array = root / "folder", root / "archive.zip", root / "array.npz"
    folder.mkdir()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for number in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8)).resize(
                (64, 64), Image.Resampling.BICUBIC
            )
            noisy = np.asarray(coarse).astype(int) + rng.integers(-6, 7, (64, 64, 3))
            buffer = io.BytesIO()
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
            (folder / f"{number:06d}.png").write_bytes(buffer.getvalue())
            target.writestr(f"{number:06d}.png", buffer.getvalue())
    np.savez(array, images=rng.integers(0, 256, (count, 28, 28), np.uint8))
    return folder, archive, array


def epoch_rate(data: ImageData, batch: int, epoch: int) -> float:
    """Return pictures per second over one epoch of batches."""
    batches = Batches(data, batch, seed=0)
    batches.seek(epoch * batches.batches_per_epoch)
    started = time.perf_counter()
    for _ in range(batches.batches_per_epoch):
        batches.next()
    seconds = time.perf_counter() - started
    batches.close()
    return batches.batches_per_epoch * batch / seconds


def summary(rates: list[float]) -> dict[str, float]:
    """Return median, lowest and highest of some rates."""
    return {"median": round(statistics.median(rates)), "low": round(min(rates)), "high": round(max(rates))}


def measure(open_it: Callable[[int], ImageData], batch: int, repeats: int) -> dict[str, dict[str, float]]:
    """Return rates of files: uncached, first epoch with the cache, later epochs with the cache."""
    uncached = open_it(0)
    epoch_rate(uncached, batch, 0)
    first, later = [], []
    for repeat in range(repeats):
        data = open_it(4096)
        first.append(epoch_rate(data, batch, 0))
        data.read(range(len(data)))  # what the incomplete batch at the end of the epoch left out
        later.append(epoch_rate(data, batch, repeat + 1))
    return {
        "uncached": summary([epoch_rate(uncached, batch, repeat) for repeat in range(repeats)]),
        "first_epoch_cached": summary(first),
        "later_epochs_cached": summary(later),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder, archive, array = write_pictures(Path(root), options.pictures)
        opening = []
        for _ in range(options.repeats):
            started = time.perf_counter()
            open_data(folder)
            opening.append(1000 * (time.perf_counter() - started))
        memory = open_data(array)
        result = {
            "machine": {
                "platform": platform.platform(),
                "processor": platform.processor() or platform.machine(),
                "cores": os.cpu_count(),
                "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "torch_threads": torch.get_num_threads(),
                "pillow": PIL.__version__,
            },
            "settings": vars(options),
            "open_folder_ms": summary(opening),
            "images_per_second": {
                "memory_28x28": summary([epoch_rate(memory, options.batch, e) for e in range(options.repeats)]),
                "folder_64x64_png": measure(
                    lambda mib: open_data(folder, cache_mib=mib), options.batch, options.repeats
                ),
                "zip_64x64_png": measure(lambda mib: open_data(archive, cache_mib=mib), options.batch, options.repeats),
            },
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
