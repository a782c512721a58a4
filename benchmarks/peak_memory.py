"""Peak resident memory of `twoway train` in a process of its own, on random pictures of MNIST's size, as JSON.

    python benchmarks/peak_memory.py [--preset alae-mnist] [--iterations 300] [--pictures 60000] [--labels]

"training" is the peak that the run itself wrote down in its last line of statistics; "whole_process" includes the
metrics and the report at the end. With --labels the report also classifies codes, as after a training on MNIST.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from machine import describe_machine

from twoway.methods import make_recipe


def write_pictures(path: Path, count: int, *, with_labels: bool) -> None:
    """Noisy pictures around ten patterns, 28x28 grey."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 10
    patterns = rng.integers(0, 160, (10, 28, 28), np.uint8)
    images = patterns[labels] + rng.integers(0, 96, (count, 28, 28), np.uint8)
    np.savez(path, images=images, **({"labels": labels} if with_labels else {}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="alae-mnist")
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--pictures", type=int, default=60_000)
    parser.add_argument("--labels", action="store_true")
    options = parser.parse_args()
    machine = describe_machine()
    kimg = options.iterations * make_recipe(options.preset, (1, 28, 28)).batch / 1000
    with tempfile.TemporaryDirectory() as root:
        pictures, runs = Path(root) / "pictures.npz", Path(root) / "runs"
        write_pictures(pictures, options.pictures, with_labels=options.labels)
        command = ["train", options.preset, "--data", str(pictures), "--outdir", str(runs), "--kimg", str(kimg)]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # memory hardly depends on it; time on a busy machine does
        subprocess.run(
            [sys.executable, "-m", "twoway", *command], check=True, stdout=subprocess.DEVNULL, env=one_thread
        )
        # of the one child there was; Linux counts in KiB, macOS in bytes
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        lines = next(runs.glob("*/stats.jsonl")).read_text(encoding="utf-8").splitlines()
        training = json.loads(lines[-1])["peak_memory_mib"]
    result = {
        "machine": machine,
        "settings": vars(options),
        "peak_memory_mib": {"training": round(training), "whole_process": round(peak)},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
