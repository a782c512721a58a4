"""In-domain score: whether the prior code of a picture is one that the prior would draw.

For a code z of d independent standard normals |z|^2 follows the chi-squared distribution with d degrees of freedom. An
invertible mapping gives every picture the prior code F^-1(E(x)); a |z|^2 far out in either tail says that the model
would never make such a picture, so its reconstruction and its edits deserve less trust. A likely |z|^2 proves nothing:
the length is one number of the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twoway.errors import ModelError
from twoway.model import TwoWayModel
from twoway.priors import Normal

__all__ = ["InDomain", "can_score", "in_domain", "score_prior_codes"]


@dataclass(frozen=True)
class InDomain:
    """Scores of N pictures.

    Args:
        z_norm2_per_dim: |z|^2 / d, shape (N,); 1 on average for draws of the prior.
        log10_tail: Two-sided tail probability of |z|^2, as its decimal logarithm, shape (N,): 0 at the median, -2
            where one draw in a hundred is as far out; finite however far.
        percentile: Share of draws with a smaller |z|^2, per cent, shape (N,).
        dim: Degrees of freedom d.
    """

    z_norm2_per_dim: np.ndarray
    log10_tail: np.ndarray
    percentile: np.ndarray
    dim: int

    def plain(self) -> dict[str, Any]:
        """Names and values, lists of plain numbers."""
        return {
            "z_norm2_per_dim": self.z_norm2_per_dim.tolist(),
            "log10_tail": self.log10_tail.tolist(),
            "percentile": self.percentile.tolist(),
            "dim": self.dim,
        }


def can_score(model: TwoWayModel) -> bool:
    """Whether pictures have prior codes, of a normal prior."""
    prior = model.recipe.prior
    normal = prior is not None and all(isinstance(block, Normal) for block in prior.blocks)
    return normal and model.invertible and model.infers_noise


@torch.no_grad()
def in_domain(model: TwoWayModel, x: Tensor) -> InDomain:
    """Score pictures by their prior codes.

    Args:
        model: Encodes and unmaps, in the mode it is in.
        x: Images in [-1, 1], shape (B, C, H, W).

    Raises:
        ModelError: No encoder, a prior that is not normal, or a mapping that cannot be inverted.
    """
    z = model.unmap(model.encode(x))
    if not can_score(model):
        raise ModelError(
            f"The in-domain score compares the length of a prior code with that of normal draws, but the prior of this "
            f"{model.recipe.method} model is {model.recipe.prior}. Use a model with a normal prior."
        )
    return score_prior_codes(z.cpu().numpy())


def score_prior_codes(z: np.ndarray) -> InDomain:
    """Score prior codes.

    Args:
        z: Codes of a standard normal prior, shape (N, d).

    Example:
        >>> found = score_prior_codes(np.array([[1.0, 1.0], [20.0, 0.0]]))
        >>> found.z_norm2_per_dim.tolist(), found.log10_tail.round(3).tolist()
        ([1.0, 200.0], [-0.133, -86.558])
    """
    with np.errstate(over="ignore"):  # an infinite length is counted as a very large one
        norm2 = np.square(z.astype(np.float64)).sum(1)
    log_lower, log_upper = _log_chi_squared(norm2, z.shape[1])
    tail = np.minimum(0.0, np.log(2) + np.minimum(log_lower, log_upper)) / np.log(10)
    return InDomain(norm2 / z.shape[1], tail, 100 * np.exp(log_lower), z.shape[1])


def _log_chi_squared(norm2: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the chances of less and of more, exact in both tails; NaN stays NaN.

    The smaller of the two is summed directly, the series below the mean and the continued fraction above, without its
    exponential factor; the larger is its complement. References: Press et al., Numerical Recipes, 3rd ed., section 6.2.
    """
    a = dim / 2
    # a code of zeros, or one beyond float64, would have the logarithm of 0
    x = np.clip(norm2 / 2, 1e-300, 1e300)
    log_gamma = torch.lgamma(torch.tensor(a, dtype=torch.float64)).item()
    factor = a * np.log(x) - x - log_gamma
    below = x < a + 1
    smaller = factor + np.log(
        np.where(below, _series(a, np.where(below, x, a)), _fraction(a, np.where(below, a + 1, x)))
    )
    smaller = np.minimum(smaller, -1e-300)
    larger = np.log(-np.expm1(smaller))
    return np.where(below, smaller, larger), np.where(below, larger, smaller)


def _series(a: float, x: np.ndarray) -> np.ndarray:
    """Sum of x^n / (a (a + 1) ... (a + n)), for x below a + 1."""
    term = np.full_like(x, 1 / a)
    total = term.copy()
    n = a
    while np.any(term > 1e-16 * total):
        n += 1
        term = term * x / n
        total = total + term
    return total


def _fraction(a: float, x: np.ndarray) -> np.ndarray:
    """1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - ...))) by Lentz's method, for x above a."""
    b = x + 1 - a
    c = np.full_like(x, 1e300)
    d = 1 / b
    total = d.copy()
    n = 0
    change = np.full_like(x, 2.0)
    while np.any(np.abs(change - 1) > 1e-15) and n < 10_000:
        n += 1
        step = -n * (n - a)
        b = b + 2
        d = 1 / (step * d + b)
        c = b + step / c
        change = c * d
        total = total * change
    return total
