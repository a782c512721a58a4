"""ALI: BiGAN's game on pairs with a stochastic encoder.

The code (IshmaelBelghazi/ALI) takes the gradients of the critic and of E and G at one point, before either moves, and
has a normal prior, Adam 1e-4 and batches of 100, all followed here. Its critic's dropout (0.2) and the start of the
generator's last bias at the log-odds of the mean image are left out, and its nets are the common ones, but for a
critic without batch norm: with it, real and made pairs are each normalised by themselves, and beside the encoder's
noise the game does not get under way (on the small test images it fails with it and works without).

References:
    Dumoulin et al., Adversarially Learned Inference, arXiv 1606.00704, algorithm 1.
"""

from __future__ import annotations

from dataclasses import replace

from twoway.methods.baselines import bigan
from twoway.methods.plain_nets import Nets, critic, encoder, told
from twoway.methods.registry import ImageShape, method, preset
from twoway.priors import Normal, Prior
from twoway.recipe import Optimiser, Phase, Recipe, Step, Weight

__all__ = ["ali"]


@method(
    "ali",
    paper="Dumoulin et al.: Adversarially Learned Inference (ICLR 2017, arXiv 1606.00704)",
    summary="BiGAN with an encoder that gives a distribution",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def ali(
    image_shape: ImageShape, *, latent: int = 50, hidden: int = 1024, nets: Nets = "mlp", classes: int = 0
) -> Recipe:
    """ALI: D on pairs (x, w ~ E(x)) and (G(z), z); G and E minimise the label-flipped loss together.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        classes: Number of classes that the nets are told, labels 0 to classes - 1; 0 for none.
    """
    pairs = bigan(image_shape, latent=latent, hidden=hidden, nets=nets, classes=classes)
    steps = (
        Step("deceive", ("generator", "encoder"), {"fool_critic_both": Weight(1.0)}),
        Step("discriminate", ("critic",), {"logistic_critic": Weight(1.0)}, reuse=("w", "x_fake", "w_real")),
    )
    slots = {
        **pairs.nets,
        "encoder": encoder(image_shape, latent, hidden, nets=nets, gaussian=True, classes=classes),
        "critic": critic(image_shape, hidden, beside=latent, nets=nets, batch_norm=False, classes=classes),
    }
    plain = replace(
        pairs,
        method="ali",
        nets=slots,
        prior=Prior((Normal(latent),)),
        labels=0,
        phases=(Phase("train", steps),),
        batch=100,
        optim=Optimiser(lr=1e-4, betas=(0.5, 0.999)),
    )
    return told(plain, classes)


preset("ali-mnist", "ali", data="mnist", kimg=6000, summary="ALI on MNIST, 100 epochs")
