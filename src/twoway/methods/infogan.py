"""InfoGAN: codes that a head of the critic must read off made images.

References:
    Chen et al., InfoGAN, NeurIPS 2016, arXiv 1606.03657, appendix C.1, and its code openai/InfoGAN.
"""

from __future__ import annotations

from twoway.methods.code_nets import code_generator, code_prior
from twoway.methods.plain_nets import Nets, critic
from twoway.methods.registry import ImageShape, method, preset
from twoway.networks import NetSpec
from twoway.recipe import Averaging, CodeSampling, NetOptimiser, Optimiser, Phase, Recipe, Step, Weight

__all__ = ["infogan"]


@method(
    "infogan",
    paper="Chen, Duan, Houthooft, Schulman, Sutskever, Abbeel: InfoGAN (NeurIPS 2016, arXiv 1606.03657)",
    summary="GAN on noise, a class and continuous codes, which a head of the critic must name",
    verified="trained on MNIST and sprites (docs/results/infovaegan.md)",
)
def infogan(
    image_shape: ImageShape,
    *,
    latent: int = 62,
    classes: int = 10,
    continuous: int = 2,
    hidden: int = 1024,
    nets: Nets = "conv",
) -> Recipe:
    """InfoGAN, as its code trains it: Q is a hidden layer and heads on the critic's features.

    The information term trains the critic's trunk and Q in the critic's step and the generator in its own, weight 1;
    deviations of continuous codes are fixed at 1. It has no way to reconstruct a real image: the noise is not inferred.

    Args:
        image_shape: Channels, height, width.
        latent: Width of the noise.
        classes: Number of classes of the discrete code; 0 for none.
        continuous: Number of continuous codes; 0 for none.
        hidden: Width of the hidden layers; feature maps follow it.
        nets: Strided convolutions, or MLPs.
    """
    prior = code_prior(latent, classes, continuous, normal=False)
    information = {
        **({"class_nll": Weight(1.0)} if classes else {}),
        **({"continuous_nll": Weight(1.0, options={"unit_variance": True})} if continuous else {}),
    }
    steps = (
        Step(
            "discriminate",
            ("critic", "encoder"),
            {"logistic_critic": Weight(1.0, nets={"encoder": 0.0}), **information},
        ),
        Step("generate", ("generator",), {"fool_critic": Weight(1.0), **information}),
    )
    heads = {"inputs": hidden, "discrete": classes, "continuous": continuous, "hidden": max(hidden // 8, 4)}
    return Recipe(
        method="infogan",
        image_shape=image_shape,
        prior=prior,
        nets={
            "generator": code_generator(image_shape, prior.dim, hidden, nets),
            "encoder": NetSpec("critic_code_encoder", heads),
            "critic": critic(image_shape, hidden, nets=nets),
        },
        encodes="code",
        code_sampling=CodeSampling(),
        phases=(Phase("train", steps),),
        batch=128,
        optim=Optimiser(lr=2e-4, betas=(0.5, 0.999), nets={"generator": NetOptimiser(lr=1e-3)}),
        averaging=Averaging(halflife_kimg=20.0, rampup=0.05),
    )


preset("infogan-mnist", "infogan", data="mnist", kimg=640, summary="InfoGAN on MNIST, 5,000 iterations as published")
preset(
    "infogan-sprites",
    "infogan",
    data="sprites",
    size=64,
    kimg=1475,
    options={"latent": 32, "classes": 3, "continuous": 6, "hidden": 512},
    summary="InfoGAN on sprites",
)
