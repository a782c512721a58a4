"""What LIA compares with on the same generator: StyleGAN with an encoder, and its variational variant through z.

References:
    Karras, Laine, Aila, A Style-Based Generator Architecture for Generative Adversarial Networks, arXiv 1812.04948.
    Zhu et al., arXiv 1906.08090, section 5.2 for the two baselines.
"""

from __future__ import annotations

from twoway.methods.gan_then_encoder import Flavour, two_stages
from twoway.methods.losses import Features, Loss
from twoway.methods.registry import ImageShape, method, preset
from twoway.networks import NetSpec
from twoway.recipe import Recipe, Weight

__all__ = ["stylegan", "vaegan_z"]


def _mapping(latent: int) -> NetSpec:
    """StyleGAN's eight dense layers behind a pixel norm."""
    return NetSpec("mlp_mapping", {"z_dim": latent, "w_dim": latent, "depth": 8, "lr_mul": 0.01})


@method(
    "stylegan",
    paper="Karras, Laine, Aila: A Style-Based Generator Architecture for GANs (CVPR 2019, arXiv 1812.04948)",
    summary="StyleGAN with its MLP mapping; with an encoder trained like LIA's it is LIA's key ablation",
    verified="nets as lia's; modern with an encoder trained on cats at 32x32, 505,000 images, one seed "
    "(docs/results/style-systems.md)",
)
def stylegan(
    image_shape: ImageShape,
    *,
    latent: int = 512,
    start: int = 64,
    maximum: int = 512,
    flavour: Flavour = "faithful",
    grow: bool = False,
    loss: Loss = "logistic",
    features: Features = "pyramid",
    feature_weights: str | None = None,
    encoder: bool = True,
) -> Recipe:
    """StyleGAN, and an encoder for it by LIA's second phase.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        start: Feature maps of G and D at the finest level; of E too in the modern flavour.
        maximum: Most feature maps at any level.
        flavour: The published behaviour, or ours.
        grow: Whether the modern flavour goes from low to high resolution, as the faithful one always does.
        loss: The adversarial game of both phases (see `twoway.methods.losses.adversarial`).
        features: What the perceptual term compares; VGG16 in LIA.
        feature_weights: File of their weights, where they have any.
        encoder: Whether there is a second phase, with an encoder.
    """
    return two_stages(
        "stylegan",
        image_shape,
        mapping=_mapping(latent),
        latent=latent,
        start=start,
        maximum=maximum,
        flavour=flavour,
        grow=grow,
        loss=loss,
        features=features,
        feature_weights=feature_weights,
        encoder={} if encoder else None,
    )


@method(
    "vaegan-z",
    paper="the variational baseline of Zhu et al. (arXiv 1906.08090), after Larsen et al. (arXiv 1512.09300)",
    summary="StyleGAN, then an encoder that gives a Gaussian over z: images pass through z on their way to w",
    verified="modern encoder trained on cats at 32x32, 65,000 images, one seed (docs/results/style-systems.md)",
)
def vaegan_z(
    image_shape: ImageShape,
    *,
    latent: int = 512,
    start: int = 64,
    maximum: int = 512,
    flavour: Flavour = "faithful",
    grow: bool = False,
    loss: Loss = "logistic",
    features: Features = "pyramid",
    feature_weights: str | None = None,
    kl: float = 1e-4,
) -> Recipe:
    """LIA's two stages with a variational encoder of z in front of a frozen MLP mapping.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        start: Feature maps of G and D at the finest level; of E too in the modern flavour.
        maximum: Most feature maps at any level.
        flavour: The published behaviour, or ours.
        grow: Whether the modern flavour goes from low to high resolution, as the faithful one always does.
        loss: The adversarial game of both phases (see `twoway.methods.losses.adversarial`).
        features: What the perceptual term compares; VGG16 in LIA.
        feature_weights: File of their weights, where they have any.
        kl: Weight of the divergence from the prior, in nats per image against a mean squared error per pixel. The
            paper does not state it.
    """
    return two_stages(
        "vaegan-z",
        image_shape,
        mapping=_mapping(latent),
        latent=latent,
        start=start,
        maximum=maximum,
        flavour=flavour,
        grow=grow,
        loss=loss,
        features=features,
        feature_weights=feature_weights,
        encoder={"gaussian": True},
        encodes="z",
        extra={"kl_to_normal": Weight(kl)},
    )


CPU = {"flavour": "modern", "grow": True, "latent": 128, "start": 16, "maximum": 128}
for _name in ("stylegan", "vaegan-z"):
    preset(f"{_name}-32-cpu", _name, size=32, kimg=600, options=CPU, summary=f"{_name} small enough for two cores")
