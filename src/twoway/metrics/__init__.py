"""Measures of two-way models, one file each: pure functions over tensors and arrays, and a registry by name."""

from twoway.metrics.evaluate import METRICS, Metric, evaluate

__all__ = ["METRICS", "Metric", "evaluate"]
