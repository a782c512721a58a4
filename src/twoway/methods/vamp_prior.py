"""VampPrior: a VAE whose prior is the mean of what its own encoder says of learnt pseudo-inputs.

The divergence has no closed form and is taken from one draw an image. A prior code names a pseudo-input and brings
noise; the mapping, which holds the pseudo-inputs, draws from the encoder's distribution for it.

This is the paper's plain VAE (one layer of codes, not the hierarchical one) on the common nets, without their batch
norm in the encoder: pseudo-inputs and images would be normalised by each other's statistics. The code's gated layers
of 300 units, its bounds on the log variance and its warm-up of the divergence over 100 epochs are left out.
Pseudo-inputs start near 0.05 in [0, 1], as in the code, whose command line says -0.05 but is overruled for MNIST: below
0 the hard clip would stop every gradient. Rate and batch are the code's (jmtomczak/vae_vampprior: Adam 5e-4, 100
images).

References:
    Tomczak and Welling, VAE with a VampPrior, arXiv 1705.07120, eq. 9.
"""

from __future__ import annotations

from dataclasses import replace

from twoway.methods.baselines import vae
from twoway.methods.plain_nets import Nets, encoder
from twoway.methods.registry import ImageShape, method, preset
from twoway.networks import NetSpec
from twoway.priors import Categorical, Normal, Prior
from twoway.recipe import Optimiser, Phase, Recipe, Step, Weight

__all__ = ["vamp_prior"]


@method(
    "vamp-prior",
    paper="Tomczak, Welling: VAE with a VampPrior (AISTATS 2018, arXiv 1705.07120)",
    summary="VAE whose prior is a mixture of its encoder's codes of learnt pseudo-inputs",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def vamp_prior(
    image_shape: ImageShape,
    *,
    pseudo_inputs: int = 500,
    latent: int = 50,
    hidden: int = 1024,
    nets: Nets = "mlp",
) -> Recipe:
    """VampPrior: nll + log q(w|x) - log mean_k q(w|u_k); E, G and the pseudo-inputs u learn together.

    Args:
        image_shape: Channels, height, width.
        pseudo_inputs: How many.
        latent: Width of w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
    """
    plain = vae(image_shape, latent=latent, hidden=hidden, nets=nets)
    slots = {
        "mapping": NetSpec("pseudo_inputs", {"image_shape": image_shape, "count": pseudo_inputs}),
        **plain.nets,
        "encoder": encoder(image_shape, latent, hidden, nets=nets, gaussian=True, batch_norm=False),
    }
    terms = {"bernoulli_nll": Weight(1.0), "kl_to_mixture": Weight(1.0)}
    return replace(
        plain,
        method="vamp-prior",
        nets=slots,
        prior=Prior((Categorical(pseudo_inputs), Normal(latent))),
        phases=(Phase("train", (Step("infer", ("encoder", "generator", "mapping"), terms),)),),
        batch=100,
        optim=Optimiser(lr=5e-4, betas=(0.9, 0.999)),
    )


preset(
    "vamp-prior-mnist",
    "vamp-prior",
    data="mnist",
    kimg=6000,
    summary="VampPrior on MNIST, 100 epochs; 40 numbers a code as published",
    options={"latent": 40},
)
