"""FactorVAE: a VAE whose codes are pressed to be independent, by a critic that knows them from permuted ones.

The critic's logit estimates log q(w) / prod_j q(w_j), and its mean over the batch is the total correlation, which the
encoder minimises with weight gamma. The critic learns from the codes that the encoder's step has drawn, without their
graph: its loss cannot reach the encoder, the mistake of several implementations.

Where paper and code (google-research/disentanglement_lib) differ, this follows the code: codes are permuted within
the batch, where the paper permutes those of a second one, and both updates use the same forward pass. The code's
critic has two outputs and takes their difference; one output, the difference itself, is the same family of functions.
Its six layers are `hidden` wide (1000 in the paper). Over several processes each permutes its own rows.
Where the other nets are told classes, the critic is not: it compares codes of all classes together.

References:
    Kim and Mnih, Disentangling by Factorising, arXiv 1802.05983, eq. 2 and 3, algorithms 1 and 2, appendix.
"""

from __future__ import annotations

from dataclasses import replace

from twoway.methods.baselines import vae
from twoway.methods.plain_nets import Nets, latent_critic
from twoway.methods.registry import ImageShape, method, preset
from twoway.methods.vae_family import SPRITES
from twoway.recipe import NetOptimiser, Phase, Recipe, Step, Weight

__all__ = ["factor_vae"]


@method(
    "factor-vae",
    paper="Kim, Mnih: Disentangling by Factorising (arXiv 1802.05983)",
    summary="VAE and a critic of its codes, which estimates how far their numbers are from independent",
    verified="trained on sprites (docs/results/infovaegan.md)",
)
def factor_vae(
    image_shape: ImageShape,
    *,
    gamma: float = 10.0,
    latent: int = 50,
    hidden: int = 1024,
    nets: Nets = "mlp",
    classes: int = 0,
) -> Recipe:
    """FactorVAE: nll + KL + gamma times the total correlation.

    Args:
        image_shape: Channels, height, width.
        gamma: Weight of the total correlation; published are 10 to 100.
        latent: Width of z and w.
        hidden: Width of the hidden layers, the critic's included.
        nets: MLPs, or convolutions; the critic is an MLP either way.
        classes: Number of classes that the nets are told, labels 0 to classes - 1; 0 for none.
    """
    plain = vae(image_shape, latent=latent, hidden=hidden, nets=nets, classes=classes)
    steps = (
        Step(
            "infer",
            ("encoder", "generator"),
            {"bernoulli_nll": Weight(1.0), "kl_to_normal": Weight(1.0), "total_correlation": Weight(gamma)},
        ),
        Step("discriminate", ("critic",), {"logistic_critic": Weight(1.0)}, reuse=("w_real",)),
    )
    return replace(
        plain,
        method="factor-vae",
        nets={**plain.nets, "critic": latent_critic(latent, hidden, depth=6)},
        critic_sees="permuted",
        phases=(Phase("train", steps),),
        optim=replace(plain.optim, nets={"critic": NetOptimiser(lr=1e-4, betas=(0.5, 0.9), weight_decay=0.0)}),
    )


preset("factor-vae-mnist", "factor-vae", data="mnist", kimg=6000, summary="FactorVAE on MNIST, 100 epochs")
preset(
    "factor-vae-sprites",
    "factor-vae",
    data="sprites",
    size=64,
    kimg=2000,
    summary="FactorVAE on sprites, with the rates of disentanglement_lib",
    options={"latent": 10, "nets": "conv", "gamma": 35.0},
    changes=SPRITES,
)
