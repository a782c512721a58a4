"""Curves of a metric over the images seen, of one or more runs, as a picture and a CSV file.

python benchmarks/draw_curves.py runs/00000-faithful runs/00001-modern --metric svm-short --out curves.png
"""

from __future__ import annotations

import argparse
import csv
from itertools import cycle
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from twoway.training.stats import read_stats


def main() -> None:
    """Read the runs' statistics, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--metric", default="svm-short")
    parser.add_argument("--out", type=Path, default=Path("curves.png"))
    parser.add_argument("--level", type=float, help="draw a horizontal line, such as a published figure")
    options = parser.parse_args()
    rows = []
    figure, axes = plt.subplots(figsize=(7, 4))
    for run, style in zip(options.runs, cycle(["-o", "--s", ":^", "-.d"]), strict=False):
        records = [r for r in read_stats(run / "stats.jsonl") if f"metric/{options.metric}" in r]
        kimg, values = [r["kimg"] for r in records], [r[f"metric/{options.metric}"] for r in records]
        axes.plot(kimg, values, style, label=run.name, markersize=4)
        rows += [
            (run.name, r["kimg"], round(r["seconds"]), *(r.get(f"metric/{m}") for m in _metrics(records)))
            for r in records
        ]
    if options.level is not None:
        axes.axhline(options.level, color="grey", linewidth=1, label=f"published {options.level:g}")
    axes.set_xlabel("thousand images")
    axes.set_ylabel(options.metric)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(options.out, dpi=110)
    with options.out.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "kimg", "training seconds", *_metrics(records)])
        writer.writerows(rows)


def _metrics(records: list[dict[str, float]]) -> list[str]:
    return [key.removeprefix("metric/") for key in records[0] if key.startswith("metric/")] if records else []


if __name__ == "__main__":
    main()
