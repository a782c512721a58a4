"""Seeded feature matrices that tests and the script of the golden figures make alike."""

from __future__ import annotations

import numpy as np

CASES = {
    # name: (seed, real, made, dim)
    "many": (1, 700, 600, 24),
    "few": (2, 40, 50, 64),
    "equal": (3, 300, 300, 32),
}


def feature_pair(name):
    """Real and made features, float32: not negative, correlated, of unlike scales, as those after a ReLU."""
    seed, n_real, n_made, dim = CASES[name]
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((dim, dim)) / np.sqrt(dim)
    scale = np.exp(rng.uniform(-1, 1, dim))
    real = np.maximum(rng.standard_normal((n_real, dim)) @ mix + 0.3, 0) * scale
    made = np.maximum(1.1 * rng.standard_normal((n_made, dim)) @ mix + 0.45, 0) * scale
    return real.astype(np.float32), made.astype(np.float32)


def logits(n=500, classes=12):
    """What a classifier might say, sorted by class, float32."""
    rng = np.random.default_rng(4)
    likely = np.sort(rng.integers(0, classes, n))
    values = rng.standard_normal((n, classes))
    values[np.arange(n), likely] += rng.uniform(0, 6, n)
    return values.astype(np.float32)
