"""Adversarial terms: the logistic game and its gradient penalty."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from twoway.terms.registry import term

__all__ = ["fool_critic", "fool_critic_both", "logistic_critic", "r1"]


@term()
def logistic_critic(score_real: Tensor, score_fake: Tensor) -> Tensor:
    """Critic's logistic loss: mean softplus(-D(real)) + softplus(D(fake)).

    Args:
        score_real: Scores of real examples, any sign, shape (B,).
        score_fake: Scores of fakes, shape (B,).

    Returns:
        A scalar; 2 ln 2 for a critic that always says 0.

    References:
        Goodfellow et al., Generative Adversarial Networks, arXiv 1406.2661, eq. 1; ALAE, algorithm 1, step I.
    """
    return functional.softplus(-score_real).mean() + functional.softplus(score_fake).mean()


@term()
def fool_critic(score_fake: Tensor) -> Tensor:
    """Non-saturating generator loss: mean softplus(-D(fake)).

    Args:
        score_fake: Scores of fakes, shape (B,).

    References:
        Goodfellow et al., section 3; ALAE, algorithm 1, step II.
    """
    return functional.softplus(-score_fake).mean()


@term()
def fool_critic_both(score_real: Tensor, score_fake: Tensor) -> Tensor:
    """Label-flipped loss of generator and encoder together: fakes should pass for real and reals for fakes.

    Args:
        score_real: Scores of (x, E(x)), shape (B,).
        score_fake: Scores of (G(z), z), shape (B,).

    References:
        Donahue et al., Adversarial Feature Learning, arXiv 1605.09782, section 3.4 ("inverse" objective).
    """
    return functional.softplus(-score_fake).mean() + functional.softplus(score_real).mean()


@term(differentiates=("x",))
def r1(score_real: Tensor, x: Tensor) -> Tensor:
    """Half the mean squared norm of the gradient of the score with respect to the real image.

    Weighted by gamma it is the usual gamma/2 * E ||grad_x D(x)||^2. The gradient is with respect to images in
    [-1, 1]; a published gamma for images in [0, 1] corresponds to 4 gamma here.

    Args:
        score_real: Scores of the real images, shape (B,), computed from `x`.
        x: Real images that require a gradient, shape (B, C, H, W).

    References:
        Mescheder et al., Which Training Methods for GANs do actually Converge?, arXiv 1801.04406, eq. 9.
    """
    (gradient,) = torch.autograd.grad(score_real.sum(), x, create_graph=True)
    return 0.5 * gradient.square().flatten(1).sum(1).mean()
