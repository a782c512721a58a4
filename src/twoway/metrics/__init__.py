"""Measures of two-way models, one file each: pure functions over tensors and arrays, and a registry by name."""

from twoway.metrics import (  # noqa: F401  (they register themselves, in the order in which they are listed)
    code_consistency,
    code_scores,
    density_coverage,
    edit_consistency,
    flow_roundtrip,
    frechet,
    in_domain,
    inception_score,
    jacobian,
    kid,
    lpips,
    path_length,
    precision_recall,
    reconstruction,
    representation,
    separability,
    sliced_wasserstein,
    ssim,
    straightness,
)
from twoway.metrics.evaluate import default_metrics, evaluate
from twoway.metrics.registry import METRICS, Metric, find_metric, read_metric, split_names
from twoway.metrics.sets import Sampling
from twoway.metrics.table import accuracy_rows

__all__ = [
    "METRICS",
    "Metric",
    "Sampling",
    "accuracy_rows",
    "default_metrics",
    "evaluate",
    "find_metric",
    "read_metric",
    "split_names",
]
