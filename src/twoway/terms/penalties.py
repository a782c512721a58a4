"""Penalties that keep a critic well behaved: bounds on its slope at reals, fakes or in between, and on its drift.

A term here differentiates the critic with respect to images, so those images must require a gradient before their
scores are computed; `Term.differentiates` says which.
"""

from __future__ import annotations

import torch
from torch import Tensor

from twoway.terms.registry import term

__all__ = ["epsilon_drift", "gradient_penalty", "pair_gradient_penalty", "r1", "r2"]


def _slopes(score: Tensor, x: Tensor) -> Tensor:
    """Gradient of each image's score with respect to that image, (B, C * H * W), itself differentiable."""
    (gradient,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    return gradient.flatten(1)


@term(differentiates=("x",), role="penalty")
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
    return 0.5 * _slopes(score_real, x).square().sum(1).mean()


@term(differentiates=("fake",), role="penalty")
def r2(score_fake: Tensor, fake: Tensor) -> Tensor:
    """Half the mean squared norm of the gradient of the score with respect to the generated image: `r1` on fakes.

    Args:
        score_fake: Scores of the generated images, shape (B,), computed from `fake`.
        fake: Generated images in [-1, 1] that require a gradient, shape (B, C, H, W).

    References:
        Mescheder et al., arXiv 1801.04406, eq. 10.
    """
    return 0.5 * _slopes(score_fake, fake).square().sum(1).mean()


@term(differentiates=("x_mixed",), role="penalty")
def gradient_penalty(score_mixed: Tensor, x_mixed: Tensor, *, target: float = 1.0) -> Tensor:
    """Mean squared deviation of the norm of the score's gradient from a target, between reals and fakes.

    Published as 10 times this with target 1, or, for ProGAN on CIFAR-10, with target 750 and the weight
    10 / 750^2.

    Args:
        score_mixed: Scores of the mixed images, shape (B,), computed from `x_mixed`.
        x_mixed: Images t x + (1 - t) x_fake with one t from U(0, 1) an image, which require a gradient, shape
            (B, C, H, W).
        target: The norm wanted of every image's gradient, per unit of images in [-1, 1].

    References:
        Gulrajani et al., Improved Training of Wasserstein GANs, arXiv 1704.00028, eq. 3; the
        target 750: Karras et al., Progressive Growing of GANs, arXiv 1710.10196.
    """
    # vector_norm has gradient 0 where the slope vanishes; a square root of a sum of squares would give NaN there
    return (torch.linalg.vector_norm(_slopes(score_mixed, x_mixed), dim=1) - target).square().mean()


@term(differentiates=("x_mixed", "u_mixed"), role="penalty")
def pair_gradient_penalty(score_mixed: Tensor, x_mixed: Tensor, u_mixed: Tensor, *, target: float = 1.0) -> Tensor:
    """`gradient_penalty` of a critic of images with codes: the slope is taken with respect to both together.

    With respect to the image alone nothing bounds what the critic makes of the code.

    Args:
        score_mixed: Scores of the mixed pairs, shape (B,).
        x_mixed: Mixed images that require a gradient, shape (B, C, H, W).
        u_mixed: Codes mixed in the same proportion, which require a gradient, shape (B, width).
        target: The norm wanted of every pair's gradient.
    """
    slopes = torch.autograd.grad(score_mixed.sum(), (x_mixed, u_mixed), create_graph=True)
    both = torch.cat([slope.flatten(1) for slope in slopes], dim=1)
    return (torch.linalg.vector_norm(both, dim=1) - target).square().mean()


@term(role="penalty")
def epsilon_drift(score_real: Tensor) -> Tensor:
    """Mean squared score of reals; with a small weight (0.001) it keeps a Wasserstein critic's scores near zero.

    Args:
        score_real: Scores of real examples, shape (B,).

    References:
        Karras et al., Progressive Growing of GANs, arXiv 1710.10196, appendix A.1.
    """
    return score_real.square().mean()
