"""Terms in data space: how far a reconstruction is from its image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from twoway.terms.registry import term

__all__ = ["bernoulli_nll", "critic_similarity", "gaussian_nll", "perceptual", "pixel_l1", "pixel_l2"]


@term(role="data_similarity")
def pixel_l1(x_rec: Tensor, x: Tensor) -> Tensor:
    """Mean absolute difference over all pixels, images in [-1, 1], shape (B, C, H, W)."""
    return (x_rec - x).abs().mean()


@term(role="data_similarity")
def pixel_l2(x_rec: Tensor, x: Tensor) -> Tensor:
    """Mean squared difference over all pixels, images in [-1, 1], shape (B, C, H, W)."""
    return (x_rec - x).square().mean()


@term(role="data_similarity")
def bernoulli_nll(x_rec: Tensor, x: Tensor) -> Tensor:
    """Cross-entropy of pixels taken as chances in [0, 1]: summed over pixels, averaged over the batch, in nats.

    Args:
        x_rec: Reconstructions in [-1, 1], shape (B, C, H, W); read as the chance (x_rec + 1) / 2 of a white pixel.
        x: Images in [-1, 1].

    References:
        Kingma and Welling, Auto-Encoding Variational Bayes, arXiv 1312.6114, appendix C.1.
    """
    # squashed reconstructions reach 0 and 1 in float32; torch clamps the logarithm at -100 there
    chance, target = (x_rec + 1) / 2, (x + 1) / 2
    return functional.binary_cross_entropy(chance, target, reduction="sum") / x.shape[0]


@term(role="data_similarity")
def gaussian_nll(x_rec: Tensor, x: Tensor, *, sigma: float = 1.0) -> Tensor:
    """Squared error over 2 sigma^2, summed over pixels, averaged over the batch (constants left out).

    Args:
        x_rec: Reconstructions, shape (B, C, H, W).
        x: Images in [-1, 1].
        sigma: Standard deviation of the pixel noise, on the [-1, 1] scale.
    """
    return (x_rec - x).square().sum() / (2 * sigma**2 * x.shape[0])


@term(role="learned_similarity")
def critic_similarity(critic_features_rec: Tensor, critic_features_real: Tensor) -> Tensor:
    """Half the squared distance in a critic's hidden layer: summed over the layer, averaged over the batch.

    The negative log-likelihood of the image's features under a normal of unit variance around those of the
    reconstruction, without its constant.

    Args:
        critic_features_rec: Hidden layer for the reconstructions, shape (B, n).
        critic_features_real: Hidden layer for the images, same shape.

    References:
        Larsen et al., Autoencoding beyond pixels using a learned similarity metric, arXiv 1512.09300, section 2.3.
    """
    return 0.5 * (critic_features_rec - critic_features_real).square().sum() / critic_features_rec.shape[0]


@term(role="data_similarity")
def perceptual(features_rec: Sequence[Tensor], features_real: Sequence[Tensor]) -> Tensor:
    """Distance in the space of a feature extractor: mean squared difference of each layer, summed over the layers.

    LIA weights one layer, VGG16's conv4_3 on pixels of 0..255, by 5e-5, next to `pixel_l2` with weight 1. That weight
    belongs to the scale of those features and means nothing for others.

    Args:
        features_rec: Features of the reconstructions, one tensor (B, ...) per layer.
        features_real: Features of the images, same shapes.

    References:
        Zhu et al., LIA, arXiv 1906.08090, eq. 11-12; the mean over all elements of a layer is that of the
        official code.
    """
    layers = zip(features_rec, features_real, strict=True)
    return torch.stack([(rec - real).square().mean() for rec, real in layers]).sum()
