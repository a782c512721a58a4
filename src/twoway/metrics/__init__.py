"""Measures of two-way models, one file each: pure functions over tensors and arrays, and a registry by name."""

from twoway.metrics.evaluate import METRICS, Metric, evaluate, find_metric
from twoway.metrics.table import accuracy_rows

__all__ = ["METRICS", "Metric", "accuracy_rows", "evaluate", "find_metric"]
