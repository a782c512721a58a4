"""Time of `twoway --help` as a fresh process, printed as JSON.

python benchmarks/cli_start.py [--runs 15]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    commands = {"twoway --help": ["-m", "twoway", "--help"], "python alone": ["-c", "pass"]}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(options.runs + 1):  # the first fills the file cache
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            if run > 0:
                seconds[name].append(time.perf_counter() - began)
    result = {
        "machine": {"platform": platform.platform(), "cores": os.cpu_count(), "load_before": load},
        "seconds": {
            name: {"min": round(min(values), 3), "median": round(statistics.median(values), 3)}
            for name, values in seconds.items()
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
