"""How far the codes of a whole batch are from a prior: mixtures, kernels and total correlation."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from twoway.networks.mlp import Gaussian
from twoway.terms.registry import term

__all__ = ["kl_to_mixture", "mmd", "total_correlation"]

LOG_2_PI = math.log(2 * math.pi)


@term(role="latent_divergence")
def kl_to_mixture(w_real: Tensor, posterior: Gaussian, posterior_pseudo: Gaussian) -> Tensor:
    """Monte Carlo estimate, from one draw an image, of KL(E(x) || mean_k E(u_k)), in nats; it may be negative.

    Args:
        w_real: One draw from E(x) for each image, shape (B, 1, dim).
        posterior: E(x), mean and log variance (B, 1, dim).
        posterior_pseudo: E(u_k) of the pseudo-inputs, mean and log variance (K, 1, dim).

    References:
        Tomczak and Welling, VAE with a VampPrior, arXiv 1705.07120, eq. 9.
    """
    own = _log_density(w_real, posterior).squeeze(1)
    components = Gaussian(*(part.transpose(0, 1) for part in posterior_pseudo))
    among = _log_density(w_real, components)
    mixture = among.logsumexp(1) - math.log(among.shape[1])
    return (own - mixture).mean()


@term(role="latent_divergence")
def mmd(w_real: Tensor, w: Tensor, *, kernel: Literal["rbf", "imq"] = "imq", scale: float = 2.0) -> Tensor:
    """Unbiased estimate of the squared maximum mean discrepancy of the codes of images from those of the prior.

    The mean kernel among different codes of images, plus that among different codes of the prior, minus twice that
    between the two. Over several processes each compares its own rows, and the results are averaged.

    Args:
        w_real: Codes of images, shape (B, layers, dim), at least two.
        w: Codes of the prior, shape (B', layers, dim), at least two.
        kernel: ``rbf``: exp(-d^2 / s), or ``imq``, the inverse multiquadric: s / (s + d^2).
        scale: s over the width of a code. The mean squared distance of two codes from N(0, I) is twice that width,
            hence the default.

    Returns:
        A scalar; near 0, and as often below as above, where both are of one distribution.

    References:
        Gretton et al., A Kernel Two-Sample Test, JMLR 13 (2012), eq. 3; Zhao, Song, Ermon, InfoVAE, arXiv 1706.02262,
        section 3.2; the inverse multiquadric and its scale: Tolstikhin et al., Wasserstein Auto-Encoders,
        arXiv 1711.01558, section 4.
    """
    a, b = w_real.flatten(1), w.flatten(1)
    s = scale * a.shape[1]

    def similarity(p: Tensor, q: Tensor) -> Tensor:
        # products instead of pairs of differences: memory for B x B numbers, not B x B x dim
        squared = (p.square().sum(1)[:, None] + q.square().sum(1) - 2 * p @ q.T).clamp_min(0.0)
        return (-squared / s).exp() if kernel == "rbf" else s / (s + squared)

    def among(p: Tensor) -> Tensor:
        values = similarity(p, p)
        return (values.sum() - values.diagonal().sum()) / (len(p) * (len(p) - 1))

    return among(a) + among(b) - 2 * similarity(a, b).mean()


@term(role="latent_divergence")
def total_correlation(score_real: Tensor) -> Tensor:
    """Total correlation of the codes by the density ratio that a critic of permuted codes has learnt, in nats.

    Args:
        score_real: Logits of codes against codes whose dimensions were permuted over the batch, shape (B,): at the
            critic's optimum log q(w) - sum_j log q(w_j).

    References:
        Kim and Mnih, Disentangling by Factorising, arXiv 1802.05983, eq. 3.
    """
    return score_real.mean()


def _log_density(w: Tensor, normal: Gaussian) -> Tensor:
    """Log density of codes (B, 1, dim) under normals (B or 1, K, dim), shape (B, K)."""
    mean, log_var = normal
    return -0.5 * torch.sum((w - mean).square() * (-log_var).exp() + log_var + LOG_2_PI, dim=2)
