"""VEEGAN: a GAN on pairs whose encoder learns to give the noise back, so that no mode of the data is lost.

The critic estimates the log ratio of pairs (G(z), z) to pairs (x, E(x)) by logistic regression. G minimises that
ratio itself, unbounded, plus the squared error of the noise; E minimises the squared error, and nothing else: the
ratio is taken on made pairs only, on which E has no say, and of real images it learns only through what G makes of
the critic. This follows algorithm 1 and the authors' project page (akashgit/VEEGAN), with gradients taken at one point
but for E(x), which the critic sees from the encoder just updated. The squared error is a mean over the noise's
numbers: a sum drowns the ratio at the start. In both the critic's sign is the
other way round: there made pairs score high.

References:
    Srivastava et al., VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning, arXiv 1705.07761,
    section 3 and algorithm 1.
"""

from __future__ import annotations

from dataclasses import replace

from twoway.methods.baselines import bigan
from twoway.methods.plain_nets import Nets
from twoway.methods.registry import ImageShape, method, preset
from twoway.priors import Normal, Prior
from twoway.recipe import Phase, Recipe, Step, Weight

__all__ = ["veegan"]


@method(
    "veegan",
    paper="Srivastava et al.: VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning "
    "(NIPS 2017, arXiv 1705.07761)",
    summary="Critic of pairs whose log ratio G minimises, with an encoder that gives the noise back",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def veegan(
    image_shape: ImageShape, *, weight: float = 1.0, latent: int = 50, hidden: int = 1024, nets: Nets = "mlp"
) -> Recipe:
    """VEEGAN.

    Args:
        image_shape: Channels, height, width.
        weight: Weight of the squared error of the noise, a mean over its numbers, beside the log ratio.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
    """
    pairs = bigan(image_shape, latent=latent, hidden=hidden, nets=nets)
    steps = (
        Step(
            "generate",
            ("generator", "encoder"),
            {"wasserstein_fool": Weight(1.0), "latent_regression": Weight(weight)},
        ),
        Step("discriminate", ("critic",), {"logistic_critic": Weight(1.0)}, reuse=("w", "x_fake")),
    )
    return replace(pairs, method="veegan", prior=Prior((Normal(latent),)), phases=(Phase("train", steps),))


preset("veegan-mnist", "veegan", data="mnist", kimg=6000, summary="VEEGAN on MNIST, 100 epochs")
