"""Results of metrics as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from twoway.metrics.evaluate import METRICS

__all__ = ["results_table"]


def results_table(results: Mapping[str, Mapping[str, Any]]) -> Table:
    """A table with a row for each metric: its value, what it is, and how it was taken.

    Args:
        results: What `twoway.metrics.evaluate` returns.
    """
    table = Table(title=None)
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("what and how")
    for name, result in results.items():
        metric = METRICS.get(name)
        what = f"{metric.summary} ({'lower' if metric.lower_is_better else 'higher'} is better)" if metric else ""
        details = [f"{key} {value}" for key, value in _flat(result) if key != "value"]
        table.add_row(name, _text(result.get("value")), "\n".join([what, ", ".join(details)]))
    return table


def _flat(result: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in result.items():
        path = f"{prefix} {key}".strip()
        if isinstance(value, Mapping):
            yield from _flat(value, "" if key == "protocol" else path)
        elif value is not None:
            yield path, _text(value)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
