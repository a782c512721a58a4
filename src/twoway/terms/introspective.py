"""Terms of VAEs whose encoder is the critic: it gives real images a small divergence and made ones a large one.

In the encoder's step reconstructions are held: what the encoder learns from them as fakes must not go back through the
reconstruction into the very encoder that made it.

References:
    Huang, Li, He, Sun, Tan, IntroVAE, arXiv 1807.06358.
    Daniel, Tamar, Soft-IntroVAE, arXiv 2012.13253.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from twoway.networks.mlp import Gaussian
from twoway.terms.latent import normal_divergences
from twoway.terms.registry import term

__all__ = ["exp_elbo_fake", "exp_elbo_rec", "kl_fake", "kl_hinge_fake", "kl_hinge_rec", "kl_rec"]


def _divergence(posterior: Gaussian) -> Tensor:
    """From N(0, I), in nats, per image: (B,)."""
    return normal_divergences(*posterior).flatten(1).sum(1)


@term(role="critic")
def kl_hinge_rec(posterior_rec_held: Gaussian, *, margin: float = 30.0) -> Tensor:
    """Encoder's side of IntroVAE's game on reconstructions: [margin - KL(E(x_rec))]+, averaged over images.

    The hinge is taken image by image, as the paper has it; the published code takes that of the batch's mean.

    Args:
        posterior_rec_held: E of the reconstructions as given pictures.
        margin: Divergence in nats that is enough.

    References:
        Huang et al., arXiv 1807.06358, eq. 11.
    """
    return functional.relu(margin - _divergence(posterior_rec_held)).mean()


@term(role="critic")
def kl_hinge_fake(posterior_fake: Gaussian, *, margin: float = 30.0) -> Tensor:
    """Encoder's side of IntroVAE's game on samples: [margin - KL(E(x_fake))]+, averaged over images.

    For steps that train the encoder alone; the generator's side is `kl_fake`.

    Args:
        posterior_fake: E of generated images.
        margin: Divergence in nats that is enough.

    References:
        Huang et al., arXiv 1807.06358, eq. 11.
    """
    return functional.relu(margin - _divergence(posterior_fake)).mean()


@term(role="fool")
def kl_rec(posterior_rec: Gaussian) -> Tensor:
    """Generator's side on reconstructions: divergence of E(x_rec) from N(0, I), in nats, averaged over the batch.

    References:
        Huang et al., arXiv 1807.06358, eq. 12; Daniel and Tamar, arXiv 2012.13253, eq. 4.
    """
    return _divergence(posterior_rec).mean()


@term(role="fool")
def kl_fake(posterior_fake: Gaussian) -> Tensor:
    """Generator's side on samples: divergence of E(x_fake) from N(0, I), in nats, averaged over the batch.

    References:
        Huang et al., arXiv 1807.06358, eq. 12; Daniel and Tamar, arXiv 2012.13253, eq. 4.
    """
    return _divergence(posterior_fake).mean()


@term(role="critic")
def exp_elbo_rec(
    x_rec: Tensor, x_rec_again: Tensor, posterior_rec_held: Gaussian, *, beta_rec: float = 1.0, beta_neg: float = 256.0
) -> Tensor:
    """Encoder's side of Soft-IntroVAE on reconstructions: mean exp(2 ELBO) of pictures that should be unlikely.

    ELBO = -(beta_rec |x - x'|^2 + beta_neg KL) / pixels, with the squared error of pixels in [0, 1] summed over the
    image, as in the published code. There the target of that error carries a gradient into the encoder; here it is
    held, as the paper has it.

    Args:
        x_rec: Reconstructions in [-1, 1], (B, C, H, W); a fixed target.
        x_rec_again: G of a code drawn from E(x_rec), same shape.
        posterior_rec_held: E of the reconstructions as given pictures.
        beta_rec: Weight of the error.
        beta_neg: Weight of the divergence; larger for larger images, because of the division by their pixels.

    References:
        Daniel and Tamar, arXiv 2012.13253, eq. 4 and 5, with alpha = 2; code taldatech/soft-intro-vae-pytorch.
    """
    return _exp_elbo(x_rec, x_rec_again, posterior_rec_held, beta_rec, beta_neg)


@term(role="critic")
def exp_elbo_fake(
    x_fake: Tensor, x_fake_again: Tensor, posterior_fake: Gaussian, *, beta_rec: float = 1.0, beta_neg: float = 256.0
) -> Tensor:
    """Encoder's side of Soft-IntroVAE on samples; see `exp_elbo_rec`. For steps that train the encoder alone.

    Args:
        x_fake: Generated images in [-1, 1], (B, C, H, W); a fixed target.
        x_fake_again: G of a code drawn from E(x_fake), same shape.
        posterior_fake: E of the generated images.
        beta_rec: Weight of the error.
        beta_neg: Weight of the divergence.
    """
    return _exp_elbo(x_fake, x_fake_again, posterior_fake, beta_rec, beta_neg)


def _exp_elbo(x: Tensor, again: Tensor, posterior: Gaussian, beta_rec: float, beta_neg: float) -> Tensor:
    error = ((again - x.detach()) / 2).square().flatten(1).sum(1)
    return (-2 / x[0].numel() * (beta_rec * error + beta_neg * _divergence(posterior))).exp().mean()
