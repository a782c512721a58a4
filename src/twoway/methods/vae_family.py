"""Autoencoders with a divergence of their own: beta-VAE and InfoVAE. The plain VAE is in `baselines`.

beta-VAE is the VAE with beta on its divergence. The paper's nets differ from data set to data set; those here are the
common ones, and the preset for sprites takes rates and batch from google-research/disentanglement_lib (Adam 1e-4, 64
images, beta from {1, 2, 4, 6, 8, 16}, 300,000 steps).

InfoVAE: paper and code differ. The paper's objective is nll + (1 - alpha) KL + (alpha + lambda - 1) D(q(w), p(w)),
which is followed here with nll and KL summed over the image and the code. The authors' tutorial code (MMD-VAE) is
alpha = 1, with pixels averaged instead of summed and the biased estimate of the discrepancy, whose diagonal never
vanishes; its kernel exp(-d^2 / dim^2) is almost flat for wide codes. Here the estimate is unbiased and the kernel as
wide as the prior. alpha=1 here is MMD-VAE but for that.

References:
    beta-VAE: Higgins et al., beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework,
    ICLR 2017, eq. 4.
    InfoVAE: Zhao, Song, Ermon, InfoVAE: Balancing Learning and Inference in Variational Autoencoders,
    arXiv 1706.02262, eq. 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from twoway.errors import ConfigError
from twoway.methods.baselines import vae
from twoway.methods.plain_nets import Nets
from twoway.methods.registry import ImageShape, method, preset
from twoway.recipe import Phase, Recipe, Step, Weight

__all__ = ["SPRITES", "beta_vae", "info_vae"]

SPRITES: Mapping[str, Any] = {
    "batch": 64,
    "optim.lr": 1e-4,
    "optim.betas": [0.9, 0.999],
    "optim.weight_decay": 0.0,
    "optim.schedule.kind": "constant",
}
"""Rates and batch of disentanglement_lib."""


@method(
    "beta-vae",
    paper="Higgins et al.: beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework (ICLR "
    "2017)",
    summary="VAE whose divergence from the prior counts beta times",
    verified="trained on sprites (docs/results/infovaegan.md)",
)
def beta_vae(
    image_shape: ImageShape,
    *,
    beta: float = 4.0,
    latent: int = 50,
    hidden: int = 1024,
    nets: Nets = "mlp",
    classes: int = 0,
) -> Recipe:
    """beta-VAE: Bernoulli likelihood of the pixels, beta times the divergence from N(0, I); beta 1 is the VAE.

    Args:
        image_shape: Channels, height, width.
        beta: Weight of the divergence, which is summed over the code as the likelihood is over the pixels.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        classes: Number of classes that the nets are told, labels 0 to classes - 1; 0 for none.
    """
    terms = {"bernoulli_nll": Weight(1.0), "kl_to_normal": Weight(beta)}
    return _vae_with("beta-vae", terms, vae(image_shape, latent=latent, hidden=hidden, nets=nets, classes=classes))


@method(
    "info-vae",
    paper="Zhao, Song, Ermon: InfoVAE: Balancing Learning and Inference in Variational Autoencoders (arXiv 1706.02262)",
    summary="VAE that matches the codes of all images to the prior by maximum mean discrepancy",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def info_vae(
    image_shape: ImageShape,
    *,
    alpha: float = 0.0,
    lambda_: float = 1000.0,
    kernel: Literal["rbf", "imq"] = "imq",
    latent: int = 50,
    hidden: int = 1024,
    nets: Nets = "mlp",
    classes: int = 0,
) -> Recipe:
    """InfoVAE with maximum mean discrepancy: nll + (1 - alpha) KL + (alpha + lambda - 1) MMD.

    The discrepancy is that of a batch, so it wants large ones; over several processes each sees its own rows.

    Args:
        image_shape: Channels, height, width.
        alpha: How much the information between image and code is favoured; 1 leaves the KL divergence out.
        lambda_: Weight of the divergence of all codes from the prior.
        kernel: Gaussian (``rbf``) or inverse multiquadric (``imq``), whose tails still pull codes that lie far out.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        classes: Number of classes that the nets are told, labels 0 to classes - 1; 0 for none.

    Raises:
        ConfigError: alpha above 1, or lambda below 1 - alpha, either of which rewards a divergence.
    """
    if alpha > 1 or alpha + lambda_ < 1:
        raise ConfigError(
            f"info-vae has alpha = {alpha:g} and lambda_ = {lambda_:g}, which makes a divergence from the prior pay. "
            "It needs alpha at most 1 and lambda_ at least 1 - alpha; usual are alpha=0, lambda_=1000."
        )
    terms = {
        "bernoulli_nll": Weight(1.0),
        "kl_to_normal": Weight(1.0 - alpha),
        "mmd": Weight(alpha + lambda_ - 1.0, options={"kernel": kernel}),
    }
    # a term of weight 0 would only be computed
    terms = {name: weight for name, weight in terms.items() if weight.value != 0}
    return _vae_with("info-vae", terms, vae(image_shape, latent=latent, hidden=hidden, nets=nets, classes=classes))


def _vae_with(name: str, terms: Mapping[str, Weight], plain: Recipe) -> Recipe:
    """The VAE under another name, with other terms."""
    step = Step("infer", ("encoder", "generator"), terms)
    return replace(plain, method=name, phases=(Phase("train", (step,)),))


preset("beta-vae-mnist", "beta-vae", data="mnist", kimg=6000, summary="beta-VAE on MNIST, 100 epochs")
preset("info-vae-mnist", "info-vae", data="mnist", kimg=6000, summary="InfoVAE on MNIST, 100 epochs")
preset(
    "beta-vae-sprites",
    "beta-vae",
    data="sprites",
    size=64,
    kimg=2000,
    summary="beta-VAE on sprites, with the rates of disentanglement_lib",
    options={"latent": 10, "nets": "conv"},
    changes=SPRITES,
)
