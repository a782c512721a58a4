"""LIA: a GAN whose mapping is invertible, then an encoder into its latent space.

Where paper and code differ, this follows the code: the logistic loss with R1 (the paper writes the Wasserstein form),
four couplings of two dense layers each ("8 layers" in the paper), a tanh on the image (not mentioned), and a batch of
128 over eight GPUs in the second stage.
"""

from __future__ import annotations

from typing import Any, Literal

from twoway.methods.gan_then_encoder import Flavour, two_stages
from twoway.methods.losses import Features, Loss
from twoway.methods.registry import ImageShape, method, preset
from twoway.networks import NetSpec
from twoway.networks.growing import levels_of
from twoway.recipe import Recipe, Weight

__all__ = ["lia"]

LIA_PAPER = (
    "Zhu, Zhao, Zhang, Zhou: Disentangled Inference for GANs with Latently Invertible Autoencoder "
    "(IJCV 2022, arXiv 1906.08090)"
)


@method(
    "lia",
    paper=LIA_PAPER,
    summary="GAN with an invertible mapping, then an encoder: real images get a code w and its prior code z",
    verified="nets equal our numpy reading of the official TensorFlow graphs to 1e-3; modern trained on cats at 32x32, "
    "505,000 images, one seed (docs/results/style-systems.md)",
)
def lia(
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
    coupling: Literal["additive", "affine"] = "additive",
    head: Literal["anchored", "batch_norm"] = "anchored",
    codes: Literal["w", "w+"] = "w",
    in_domain: float = 0.0,
) -> Recipe:
    """LIA in two phases: ``gan`` trains F, G and D, ``encoder`` trains E for the frozen G and fine-tunes D.

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
        coupling: Kind of couplings in F; LIA's are additive.
        head: ``batch_norm`` is LIA's; ``anchored`` starts codes at the mean and spread of F's.
        codes: One code per image, as LIA, or one per layer: a base and offsets that are released one by one.
        in_domain: Weight of a term that keeps the prior codes of encoded images likely under the prior; 0 in LIA.
    """
    mapping: dict[str, Any] = {"dim": latent, "coupling": coupling}
    if flavour == "modern":
        mapping |= {"shift_activation": False, "mixing": "orthogonal"}
    return two_stages(
        "lia",
        image_shape,
        mapping=NetSpec("coupling_mapping", mapping),
        latent=latent,
        start=start,
        maximum=maximum,
        flavour=flavour,
        grow=grow,
        loss=loss,
        features=features,
        feature_weights=feature_weights,
        encoder={"head": head, "w_layers": 1 if codes == "w" else 2 * levels_of(image_shape[1])},
        extra={"prior_likelihood": Weight(in_domain)} if in_domain else {},
    )


for _size, _start in ((32, 512), (64, 256), (128, 128), (256, 64)):
    preset(
        f"lia-{_size}",
        "lia",
        size=_size,
        kimg=39_000 if _size == 256 else 37_000,
        options={"start": _start, "head": "batch_norm"},
        summary=f"LIA at {_size} pixels as published, but for pyramid features (VGG16: --option features=vgg16)",
    )
CPU = {"flavour": "modern", "grow": True, "latent": 128, "start": 16, "maximum": 128}
preset("lia-32-cpu", "lia", size=32, kimg=600, options=CPU, summary="LIA small enough for two cores, one to two hours")
