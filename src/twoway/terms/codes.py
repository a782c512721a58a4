"""Terms on interpretable codes: the information bound of InfoGAN, and InfoVAEGAN's likelihood of generated images.

References:
    Chen et al., InfoGAN, arXiv 1606.03657, eq. 4-5: I(u; G(z, u)) >= E[log q(u | x)] + H(u), and H(u) is constant.
    Ye and Bors, InfoVAEGAN, arXiv 2107.04705, and its code dtuzi123/InfoVAEGAN.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from twoway.networks import CodePosterior
from twoway.terms.latent import normal_divergences
from twoway.terms.registry import term

__all__ = [
    "again_l2",
    "class_nll",
    "continuous_l2",
    "continuous_nll",
    "decoder_l2",
    "kl_classes",
    "kl_continuous",
    "noise_l2",
    "view_contrast",
    "view_information",
]


@term(role="latent_reciprocity")
def class_nll(posterior_fake: CodePosterior, u: Tensor) -> Tensor:
    """Cross-entropy of the class that made an image under what the encoder says of the image, in nats.

    Args:
        posterior_fake: What E says of generated images.
        u: Codes they were generated from, one-hot classes first, (B, classes + continuous).
    """
    classes = posterior_fake.logits.shape[1]
    return -(u[:, :classes] * posterior_fake.logits.log_softmax(1)).sum(1).mean()


@term(role="latent_reciprocity")
def continuous_nll(posterior_fake: CodePosterior, u: Tensor, *, unit_variance: bool = False) -> Tensor:
    """Negative log-likelihood of the continuous codes that made an image: summed over codes, averaged over the batch.

    The constant log(2 pi) / 2 per code is left out.

    Args:
        posterior_fake: What E says of generated images.
        u: Codes they were generated from, continuous codes last.
        unit_variance: Whether the deviations the encoder gives are left aside and 1 stands in their place, as in
            InfoGAN's MNIST experiment; then half the squared error.
    """
    mean, log_var = posterior_fake.mean, posterior_fake.log_var
    error = (u[:, u.shape[1] - mean.shape[1] :] - mean).square()
    if unit_variance:
        return 0.5 * error.sum() / len(u)
    return 0.5 * (error * (-log_var).exp() + log_var).sum() / len(u)


@term(role="latent_reciprocity")
def continuous_l2(u_fake: Tensor, u: Tensor, posterior_fake: CodePosterior) -> Tensor:
    """Squared error of continuous codes *drawn* from what the encoder says: summed over codes, averaged over the batch.

    The information term of InfoVAEGAN's code, with factor 1 instead of a half and the draw in place of the mean.

    Args:
        u_fake: Codes drawn from what E says of generated images.
        u: Codes they were generated from.
        posterior_fake: Says how many of the codes are continuous.
    """
    continuous = posterior_fake.mean.shape[1]
    return (u_fake - u)[:, u.shape[1] - continuous :].square().sum() / len(u)


@term(role="data_similarity")
def again_l2(x_again: Tensor, x_fake: Tensor, *, variance: float = 1.0) -> Tensor:
    """Negative log-likelihood of a generated image given codes inferred from it, with the same noise.

    Squared error over twice the variance, summed over pixels, averaged over the batch; the image is held fixed. With
    `kl_continuous` and `kl_classes` it bounds the likelihood of the generator's own images: no real image enters.

    Args:
        x_again: G(noise, u_fake), shape (B, C, H, W).
        x_fake: G(noise, u).
        variance: Of the pixels, on the [-1, 1] scale; InfoVAEGAN's code has 1/2.
    """
    return (x_again - x_fake.detach()).square().sum() / (2 * variance * len(x_fake))


@term(role="latent_divergence")
def kl_continuous(posterior_fake: CodePosterior) -> Tensor:
    """Divergence of the continuous codes' posterior from N(0, I): summed over codes, averaged over the batch, nats."""
    return normal_divergences(posterior_fake.mean, posterior_fake.log_var).sum() / len(posterior_fake.mean)


@term(role="latent_divergence")
def kl_classes(posterior_fake: CodePosterior) -> Tensor:
    """Divergence of the class posterior from the uniform distribution, log K - entropy, batch mean, in nats."""
    log_chances = posterior_fake.logits.log_softmax(1)
    negentropy = (log_chances.exp() * log_chances).sum(1).mean()
    return negentropy + math.log(max(posterior_fake.logits.shape[1], 1))


@term(role="latent_reciprocity")
def noise_l2(posterior_fake: CodePosterior, noise: Tensor) -> Tensor:
    """Mean squared error of the noise that the encoder estimates from a generated image, mean over its numbers too.

    Args:
        posterior_fake: What E says of generated images; with estimates of the noise.
        noise: The noise they were generated from, (B, noise).
    """
    return functional.mse_loss(posterior_fake.noise, noise)


@term(role="data_similarity")
def decoder_l2(x_decoded: Tensor, x: Tensor) -> Tensor:
    """Half the squared error of what the second decoder makes of codes of real images: summed over pixels, batch mean.

    Args:
        x_decoded: Images that the decoder makes of the codes alone, shape (B, C, H, W).
        x: Real images.
    """
    return 0.5 * (x_decoded - x).square().sum() / len(x)


@term(role="regulariser")
def view_contrast(features_view: Tensor, features_other_view: Tensor, *, temperature: float = 0.2) -> Tensor:
    """Cross-entropy of finding an image's other view among all views of the batch, in nats.

    Two views are as close as the cosine of their features, divided by the temperature; each view looks for its partner
    among all others. Several processes see each their own rows.

    Args:
        features_view: The encoder's hidden features of one view of each image, (B, hidden).
        features_other_view: The same for another view.
        temperature: Small ones let only the closest views count.

    References:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, arXiv 2002.05709, eq. 1
        (there on a projection of the features, here on themselves).
    """
    z = functional.normalize(torch.cat([features_view, features_other_view]), dim=1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    closeness = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    partner = torch.arange(len(z), device=z.device).roll(len(z) // 2)
    return functional.cross_entropy(closeness, partner)


@term(role="regulariser")
def view_information(posterior_view: CodePosterior, posterior_other_view: CodePosterior) -> Tensor:
    """Minus the mutual information of the classes of two views of each real image, in nats.

    At least -log K: where every image is certain of its class, both views agree and all classes are as frequent.
    Several processes see each their own rows.

    Args:
        posterior_view: What E says of one view of each image.
        posterior_other_view: The same for another view.

    References:
        Ji, Henriques, Vedaldi, Invariant Information Clustering, arXiv 1807.06653, eq. 2-3.
    """
    a, b = posterior_view.logits.softmax(1), posterior_other_view.logits.softmax(1)
    joint = a.T @ b / len(a)
    joint = ((joint + joint.T) / 2).clamp_min(1e-12)
    margin = joint.sum(1).log()
    return -(joint * (joint.log() - margin[:, None] - margin[None, :])).sum()
