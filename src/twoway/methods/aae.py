"""AAE: an autoencoder whose codes a critic compares with draws from a prior.

Three updates an iteration, as published: E and G reconstruct; the critic tells codes of the prior from those of
images; E alone confuses it. The encoder is deterministic, the first of the paper's three kinds and the one it uses
for most results. There is no code of the authors. The paper gives each update an optimiser of its own; here E's two
share one Adam, so the reconstruction is a mean over the pixels, whose gradient is of the confusion's size: `confusion`
shifts the balance.

References:
    Makhzani et al., Adversarial Autoencoders, arXiv 1511.05644, section 2.
"""

from __future__ import annotations

from dataclasses import replace

from twoway.methods.baselines import ae
from twoway.methods.plain_nets import Nets, latent_critic, told
from twoway.methods.registry import ImageShape, method, preset
from twoway.priors import Normal, Prior
from twoway.recipe import Phase, Recipe, Step, Weight

__all__ = ["aae"]


@method(
    "aae",
    paper="Makhzani, Shlens, Jaitly, Goodfellow, Frey: Adversarial Autoencoders (arXiv 1511.05644)",
    summary="Autoencoder whose codes are matched to a prior by a critic of codes",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def aae(
    image_shape: ImageShape,
    *,
    confusion: float = 1.0,
    latent: int = 50,
    hidden: int = 1024,
    nets: Nets = "mlp",
    classes: int = 0,
) -> Recipe:
    """Adversarial autoencoder with the prior N(0, I).

    Args:
        image_shape: Channels, height, width.
        confusion: Weight of the critic's opinion beside the mean squared error of the pixels, for the encoder.
        latent: Width of z and w.
        hidden: Width of the hidden layers, the critic's included.
        nets: MLPs, or convolutions; the critic is an MLP either way.
        classes: Number of classes that the nets are told, labels 0 to classes - 1; 0 for none.
    """
    plain = ae(image_shape, norm="l2", latent=latent, hidden=hidden, nets=nets, classes=classes)
    steps = (
        Step("reconstruct", ("encoder", "generator"), {"pixel_l2": Weight(1.0)}),
        Step("discriminate", ("critic",), {"logistic_critic": Weight(1.0)}),
        Step("confuse", ("encoder",), {"fool_critic": Weight(confusion)}),
    )
    made = replace(
        plain,
        method="aae",
        nets={**plain.nets, "critic": latent_critic(latent, hidden, classes=classes)},
        prior=Prior((Normal(latent),)),
        labels=0,
        critic_sees="latent",
        phases=(Phase("train", steps),),
    )
    return told(made, classes)


preset("aae-mnist", "aae", data="mnist", kimg=6000, summary="Adversarial autoencoder on MNIST, 100 epochs")
