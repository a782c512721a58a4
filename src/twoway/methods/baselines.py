"""The other rows of ALAE's Table 2 on the same MLPs: autoencoders, VAE, BiGAN and the latent regressors.

With `classes` all nets are told the class of each picture, as in Sohn et al. (conditional VAE, NIPS 2015) and Mirza and
Osindero (arXiv 1411.1784); made pictures are of the classes of the real ones in the same batch.

References:
    AE, BiGAN, LR, JLR: Donahue, Krähenbühl, Darrell, Adversarial Feature Learning, arXiv 1605.09782 (section 4.1 for
    the regressors), and its code jeffdonahue/bigan for widths, batch norm and schedule.
    VAE: Kingma and Welling, Auto-Encoding Variational Bayes, arXiv 1312.6114.
"""

from __future__ import annotations

from typing import Literal

from twoway.methods.plain_nets import Nets, critic, encoder, generator, told
from twoway.methods.registry import ImageShape, method, preset
from twoway.networks import NetSpec
from twoway.priors import Normal, Prior, Uniform
from twoway.recipe import Averaging, Optimiser, Phase, Recipe, Schedule, Step, Weight

__all__ = ["ae", "bigan", "jlr", "lr", "vae"]

BIGAN_PAPER = "Donahue, Krähenbühl, Darrell: Adversarial Feature Learning (ICLR 2017, arXiv 1605.09782)"


def _bigan_optimiser() -> Optimiser:
    """Adam 2e-4, beta1 0.5, decay 2.5e-5; constant for the first half, then down to a hundredth."""
    return Optimiser(lr=2e-4, betas=(0.5, 0.999), weight_decay=2.5e-5, schedule=Schedule("linear", start=0.5, end=0.01))


def _recipe(
    name: str,
    image_shape: ImageShape,
    nets: dict[str, NetSpec],
    steps: tuple[Step, ...],
    prior: Prior | None,
    critic_sees: Literal["image", "pair"] = "image",
) -> Recipe:
    return Recipe(
        method=name,
        image_shape=image_shape,
        prior=prior,
        nets=nets,
        critic_sees=critic_sees,
        phases=(Phase("train", steps),),
        batch=128,
        optim=_bigan_optimiser(),
        averaging=Averaging(halflife_kimg=10.0),
    )


@method(
    "ae",
    paper=BIGAN_PAPER,
    summary="Plain autoencoder: reconstruct pixels, no prior",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def ae(
    image_shape: ImageShape,
    *,
    norm: Literal["l1", "l2"] = "l2",
    latent: int = 50,
    hidden: int = 1024,
    nets: Nets = "mlp",
    classes: int = 0,
) -> Recipe:
    """Autoencoder.

    Args:
        image_shape: Channels, height, width.
        norm: Absolute or squared error of the pixels.
        latent: Width of w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        classes: Number of classes that the nets are told, labels 0 to classes - 1; 0 for none.
    """
    slots = {
        "generator": generator(image_shape, latent, hidden, nets=nets, classes=classes),
        "encoder": encoder(image_shape, latent, hidden, nets=nets, classes=classes),
    }
    steps = (Step("reconstruct", ("encoder", "generator"), {f"pixel_{norm}": Weight(1.0)}),)
    return told(_recipe("ae", image_shape, slots, steps, prior=None), classes)


@method(
    "vae",
    paper="Kingma, Welling: Auto-Encoding Variational Bayes (ICLR 2014, arXiv 1312.6114)",
    summary="Gaussian encoder, Bernoulli pixels, divergence from N(0, I)",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def vae(
    image_shape: ImageShape, *, latent: int = 50, hidden: int = 1024, nets: Nets = "mlp", classes: int = 0
) -> Recipe:
    """Variational autoencoder; pixel terms are summed over pixels and averaged over the batch.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        classes: Number of classes that the nets are told, labels 0 to classes - 1; 0 for none.
    """
    slots = {
        "generator": generator(image_shape, latent, hidden, nets=nets, classes=classes),
        "encoder": encoder(image_shape, latent, hidden, nets=nets, gaussian=True, classes=classes),
    }
    steps = (Step("infer", ("encoder", "generator"), {"bernoulli_nll": Weight(1.0), "kl_to_normal": Weight(1.0)}),)
    return told(_recipe("vae", image_shape, slots, steps, Prior((Normal(latent),))), classes)


@method(
    "bigan",
    paper=BIGAN_PAPER,
    summary="Adversarial game on pairs (x, E(x)) against (G(z), z)",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def bigan(
    image_shape: ImageShape, *, latent: int = 50, hidden: int = 1024, nets: Nets = "mlp", classes: int = 0
) -> Recipe:
    """BiGAN: D on pairs; G and E minimise the label-flipped loss together.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        classes: Number of classes that the nets are told, labels 0 to classes - 1; 0 for none.
    """
    slots = {
        "generator": generator(image_shape, latent, hidden, nets=nets, classes=classes),
        "encoder": encoder(image_shape, latent, hidden, nets=nets, classes=classes),
        "critic": critic(image_shape, hidden, beside=latent, nets=nets, classes=classes),
    }
    steps = (
        Step("discriminate", ("critic",), {"logistic_critic": Weight(1.0)}),
        Step("deceive", ("generator", "encoder"), {"fool_critic_both": Weight(1.0)}),
    )
    return told(_recipe("bigan", image_shape, slots, steps, Prior((Uniform(latent),)), critic_sees="pair"), classes)


@method(
    "lr",
    paper=BIGAN_PAPER,
    summary="GAN, and an encoder that regresses z from G(z) without touching G",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def lr(
    image_shape: ImageShape, *, latent: int = 50, hidden: int = 1024, nets: Nets = "mlp", classes: int = 0
) -> Recipe:
    """Latent regressor: the regression never reaches the generator.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        classes: Number of classes that the nets are told, labels 0 to classes - 1; 0 for none.
    """
    return _regressor("lr", image_shape, latent, hidden, nets, classes, generator_share=0.0)


@method(
    "jlr",
    paper=BIGAN_PAPER,
    summary="Latent regressor whose regression also trains G, with weight 0.25",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def jlr(
    image_shape: ImageShape, *, latent: int = 50, hidden: int = 1024, nets: Nets = "mlp", classes: int = 0
) -> Recipe:
    """Joint latent regressor: weight 1 for E and 0.25 for G (weight 1 degenerates, say its authors).

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        classes: Number of classes that the nets are told, labels 0 to classes - 1; 0 for none.
    """
    return _regressor("jlr", image_shape, latent, hidden, nets, classes, generator_share=0.25)


def _regressor(
    name: str,
    image_shape: ImageShape,
    latent: int,
    hidden: int,
    nets: Nets,
    classes: int,
    *,
    generator_share: float,
) -> Recipe:
    slots = {
        "generator": generator(image_shape, latent, hidden, nets=nets, classes=classes),
        "encoder": encoder(image_shape, latent, hidden, nets=nets, classes=classes),
        "critic": critic(image_shape, hidden, nets=nets, classes=classes),
    }
    steps = (
        Step("discriminate", ("critic",), {"logistic_critic": Weight(1.0)}),
        Step(
            "generate",
            ("generator", "encoder"),
            {
                "fool_critic": Weight(1.0, nets={"encoder": 0.0}),
                "latent_regression": Weight(1.0, nets={"generator": generator_share}),
            },
        ),
    )
    return told(_recipe(name, image_shape, slots, steps, Prior((Uniform(latent),))), classes)


for _name in ("vae", "bigan", "lr", "jlr"):
    preset(f"{_name}-mnist", _name, data="mnist", kimg=24000, summary=f"{_name} on MNIST, 400 epochs")
for _norm in ("l1", "l2"):
    preset(
        f"ae-{_norm}-mnist", "ae", data="mnist", kimg=24000, summary=f"ae ({_norm}) on MNIST", options={"norm": _norm}
    )
