"""Measures of two-way models, one file each: pure functions over tensors and arrays, and a registry by name."""

from twoway.metrics.evaluate import METRICS, Metric, evaluate
from twoway.metrics.table import results_table

__all__ = ["METRICS", "Metric", "evaluate", "results_table"]
