"""Factors and codes with known answers."""

import numpy as np


def planted_factors(n=3000, sizes=(3, 4, 5), seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(size, size=n) for size in sizes], axis=1)


def identity_code(factors):
    """Each factor in one number of unit variance, in another order."""
    return ((factors - factors.mean(0)) / factors.std(0))[:, ::-1].copy()


def rotated_code(factors):
    """The same with the first two numbers turned by 45 degrees: each holds half of two factors."""
    code = identity_code(factors)
    code[:, :2] = code[:, :2] @ (np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2))
    return code


def random_code(n=3000, dim=3, seed=2):
    return np.random.default_rng(seed).normal(size=(n, dim))
