"""Statistics of a run: means over a tick, one JSON object a line, exact across a resume."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Stats", "read_stats"]


class Stats:
    """Collects numbers between ticks and appends a line per tick to ``stats.jsonl``.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def add(self, values: Mapping[str, float]) -> None:
        """Count one observation of each value; non-finite ones are left out of the mean."""
        for name, value in values.items():
            if math.isfinite(value):
                self.sums[name] = self.sums.get(name, 0.0) + value
                self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Mean of each value since the last tick."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}

    def write(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Append a line with the means and the given facts, and start a new tick."""
        line = {**record, **self.means()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.sums.clear()
        self.counts.clear()
        return line

    def state(self) -> dict[str, Any]:
        """What must be saved to continue exactly, the length of the file included."""
        size = self.path.stat().st_size if self.path.exists() else 0
        return {"sums": dict(self.sums), "counts": dict(self.counts), "bytes": size}

    def load(self, state: Mapping[str, Any] | None) -> None:
        """Continue from a saved state; lines written after it are cut off, as those steps are taken again."""
        self.sums = dict(state["sums"]) if state else {}
        self.counts = dict(state["counts"]) if state else {}
        if self.path.exists():
            with self.path.open("r+b") as file:
                file.truncate(state["bytes"] if state else 0)


def read_stats(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a ``stats.jsonl``; a last line that was cut off by a crash is left out."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records
