"""VAEs whose encoder is the critic: IntroVAE, and Soft-IntroVAE with a smooth loss in place of the hinge.

References:
    Huang, Li, He, Sun, Tan, IntroVAE: Introspective Variational Autoencoders for Photographic Image Synthesis, arXiv
    1807.06358, and its code hhb072/IntroVAE.
    Daniel, Tamar, Soft-IntroVAE: Analyzing and Improving the Introspective Variational Autoencoder, arXiv 2012.13253,
    and its code taldatech/soft-intro-vae-pytorch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from twoway.methods.plain_nets import Nets, encoder, generator
from twoway.methods.registry import ImageShape, method, preset
from twoway.priors import Normal, Prior
from twoway.recipe import Averaging, Optimiser, Phase, Recipe, Step, Weight

__all__ = ["introvae", "soft_introvae"]

# `gaussian_nll` is half the squared error of pixels in [-1, 1]; published weights are for all of it in [0, 1]
UNIT_PIXELS = 0.5


@method(
    "introvae",
    paper="Huang, Li, He, Sun, Tan: IntroVAE (NeurIPS 2018, arXiv 1807.06358)",
    summary="VAE whose encoder is the critic: a small divergence for real images, a large one for made ones",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def introvae(
    image_shape: ImageShape,
    *,
    latent: int = 50,
    hidden: int = 1024,
    nets: Nets = "mlp",
    margin: float = 30.0,
    alpha: float = 0.25,
    alpha_generator: float = 0.5,
    beta: float = 1.0,
) -> Recipe:
    """IntroVAE.

    The published code leaves the gradient of the reconstruction from E's step in G's buffers, so that G's step uses it
    too; here the term stands in both steps, which is the same on the same codes. It clips the mean divergence of a
    batch at the margin, here each image's is clipped, as in the paper. At 256 pixels it takes 512 dimensions, margin
    120, beta 0.05.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        margin: Divergence in nats up to which E pushes that of made images; above what real images have in a VAE.
        alpha: Weight of each of the two hinges in E.
        alpha_generator: Weight of each of the two divergences in G.
        beta: Weight of the squared error, for pixels in [0, 1], summed over the image.
    """
    reconstruct = {"gaussian_nll": Weight(UNIT_PIXELS * beta)}
    hinge = Weight(alpha, options={"margin": margin})
    return _recipe(
        "introvae",
        image_shape,
        (latent, hidden, nets),
        encode={**reconstruct, "kl_to_normal": Weight(1.0), "kl_hinge_rec": hinge, "kl_hinge_fake": hinge},
        generate={**reconstruct, "kl_rec": Weight(alpha_generator), "kl_fake": Weight(alpha_generator)},
    )


@method(
    "soft-introvae",
    paper="Daniel, Tamar: Soft-IntroVAE (CVPR 2021, arXiv 2012.13253)",
    summary="IntroVAE with the exponential of the evidence bound of made images in place of the hinge",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def soft_introvae(
    image_shape: ImageShape,
    *,
    latent: int = 50,
    hidden: int = 1024,
    nets: Nets = "mlp",
    beta_rec: float = 1.0,
    beta_kl: float = 1.0,
    beta_neg: float = 256.0,
) -> Recipe:
    """Soft-IntroVAE; everything is divided by the number of pixel values.

    Left out: G's error on pictures encoded and decoded again, which has the weight 1e-8 in the published code, and the
    fall of the learning rate after 350 epochs.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        beta_rec: Weight of the squared error, for pixels in [0, 1].
        beta_kl: Weight of the divergence of real images in E, and of made ones in G.
        beta_neg: Weight of the divergence of made images in E; 256 up to 32 pixels, 1024 at 256 pixels.
    """
    scale = 1 / math.prod(image_shape)
    reconstruct = {"gaussian_nll": Weight(UNIT_PIXELS * beta_rec * scale)}
    unlikely = Weight(0.25, options={"beta_rec": beta_rec, "beta_neg": beta_neg})
    divergence = Weight(0.5 * beta_kl * scale)
    return _recipe(
        "soft-introvae",
        image_shape,
        (latent, hidden, nets),
        encode={
            **reconstruct,
            "kl_to_normal": Weight(beta_kl * scale),
            "exp_elbo_rec": unlikely,
            "exp_elbo_fake": unlikely,
        },
        generate={**reconstruct, "kl_rec": divergence, "kl_fake": divergence},
    )


def _recipe(
    name: str,
    image_shape: ImageShape,
    sizes: tuple[int, int, Nets],
    *,
    encode: Mapping[str, Weight],
    generate: Mapping[str, Weight],
) -> Recipe:
    """E's step, then G's on the same prior codes and the same draws from E's posterior."""
    latent, hidden, nets = sizes
    steps = (
        Step("encode", ("encoder",), encode),
        Step("generate", ("generator",), generate, reuse=("z", "w_real")),
    )
    return Recipe(
        method=name,
        image_shape=image_shape,
        prior=Prior((Normal(latent),)),
        nets={
            "generator": generator(image_shape, latent, hidden, nets=nets),
            "encoder": encoder(image_shape, latent, hidden, nets=nets, gaussian=True),
        },
        phases=(Phase("train", steps),),
        batch=128,
        optim=Optimiser(lr=2e-4, betas=(0.9, 0.999)),
        averaging=Averaging(halflife_kimg=10.0),
    )


for _name in ("introvae", "soft-introvae"):
    preset(f"{_name}-mnist", _name, data="mnist", kimg=24000, summary=f"{_name} on MNIST, 400 epochs")
