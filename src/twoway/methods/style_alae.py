"""StyleALAE: ALAE with a style generator and an encoder that reads the styles back.

Where paper and code differ, this follows the code: D is affine, the reciprocity step trains F too, R1 is taken with
respect to the real image. Channels, schedules, batches and learning rates are those of the official configurations.

References:
    Pidhorskyi, Adjeroh, Doretto, Adversarial Latent Autoencoders, CVPR 2020, arXiv 2004.04467, section 4; the code
    podgorskiy/ALAE, commit 42bcf2e.
"""

from __future__ import annotations

from typing import Any

from twoway.augment import Augment
from twoway.errors import ConfigError
from twoway.methods.gan_then_encoder import Flavour
from twoway.methods.losses import Features, adversarial, perceptual
from twoway.methods.registry import ImageShape, method, preset
from twoway.networks import NetSpec
from twoway.networks.growing import sizes_of
from twoway.networks.style_blocks import style_channels
from twoway.priors import Normal, Prior
from twoway.recipe import Averaging, Growth, GrowthLevel, Optimiser, Phase, Recipe, Schedule, Step, Weight

__all__ = ["style_alae"]


@method(
    "style-alae",
    paper="Pidhorskyi, Adjeroh, Doretto: Adversarial Latent Autoencoders (CVPR 2020, arXiv 2004.04467)",
    summary="ALAE with a style generator and a style encoder: photographs",
    verified="losses and gradients equal the official code's to 1e-5, losses of two iterations to 1e-4; modern trained "
    "on cats at 32x32, 255,000 images, one seed (docs/results/style-systems.md)",
)
def style_alae(
    image_shape: ImageShape,
    *,
    latent: int = 256,
    start: int = 64,
    maximum: int = 256,
    depth: int = 8,
    flavour: Flavour = "faithful",
    grow: bool = True,
    epochs_per_level: float = 6.0,
    last_level_epochs: float = 50.0,
    batches: tuple[int, ...] = (128, 128, 128, 64, 32, 16),
    rates: tuple[float, ...] = (0.0015,),
    features: Features = "pyramid",
    feature_weights: str | None = None,
) -> Recipe:
    """StyleALAE.

    Faithful: three steps an iteration, style mixing in the first two, R1 with gamma 10 in every iteration, growing.
    Modern: the two steps of the generator share one forward pass, the critic reuses its fakes, R1 is lazy and weaker,
    the std of the style statistics has an epsilon, and real images are reconstructed in pixels and pyramid features,
    which is no part of ALAE.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        start: Feature maps at the finest level.
        maximum: Most feature maps at any level.
        depth: Layers of F.
        flavour: The published behaviour, or ours.
        grow: Whether training goes from low to high resolution.
        epochs_per_level: Length of each level, half of it fading in; relative to the other lengths.
        last_level_epochs: Length of the last level.
        batches: Images per iteration at 4, 8, 16, ... pixels; the last counts for all that follow.
        rates: Learning rates likewise.
        features: What the perceptual term of the modern flavour compares.
        feature_weights: File of their weights, where they have any.
    """
    if not batches or not rates:
        raise ConfigError("The options batches and rates need at least one number each, that of 4x4 pixels.")
    channels = style_channels(image_shape[1], start, maximum)
    sizes = {"image_shape": image_shape, "w_dim": latent, "channels": channels}
    faithful = flavour == "faithful"
    nets = {
        "mapping": NetSpec("mlp_mapping", {"z_dim": latent, "w_dim": latent, "depth": depth}),
        "generator": NetSpec("style_generator", sizes),
        "encoder": NetSpec(
            "style_encoder", {**sizes, "bottom": min(maximum, 2 * channels[0]), "eps_std": 0.0 if faithful else 1e-8}
        ),
        "critic": _critic(latent),
    }
    spec, similar = perceptual(features, feature_weights)
    schedule = Schedule() if faithful else Schedule("cosine", start=0.5, end=0.1)
    growth = _growth(image_shape[1], epochs_per_level, last_level_epochs, batches, rates) if grow else None
    return Recipe(
        method="style-alae",
        image_shape=image_shape,
        prior=Prior((Normal(latent),)),
        nets=nets,
        critic_sees="encoded",
        phases=(
            Phase("train", _faithful_steps() if faithful else _modern_steps(image_shape[1], similar), growth=growth),
        ),
        batch=_item(batches, len(channels) - 1),
        mirror=image_shape[0] == 3,
        augment=Augment() if faithful else Augment("auto"),
        features=None if faithful else spec,
        optim=Optimiser(lr=rates[0], betas=(0.0, 0.99), schedule=schedule),
        averaging=Averaging(halflife_kimg=10.0, rampup=0.0 if faithful else 0.05),
        matmul="float32" if faithful else "bfloat16",
    )


def _critic(latent: int) -> NetSpec:
    """D, an affine function of w: of the last layer's outputs only number `latent` is the score."""
    args: dict[str, Any] = {
        "inputs": latent,
        "hidden": (latent, latent),
        "outputs": 2 * latent,
        "score": latent,
        "slope": 1.0,
        "lr_mul": 0.1,
    }
    return NetSpec("mlp_critic", args)


def _faithful_steps() -> tuple[Step, ...]:
    game = adversarial("logistic", gamma=10.0)
    return (
        Step(
            "discriminate",
            ("encoder", "critic"),
            game.critic,
            style_mixing=0.9,
            parts=game.parts,
        ),
        Step("generate", ("mapping", "generator"), {game.fool: Weight(1.0)}, style_mixing=0.9),
        Step("reciprocate", ("encoder", "generator", "mapping"), {"latent_reciprocity": Weight(1.0)}, ages=("critic",)),
    )


def _modern_steps(size: int, similar: Weight) -> tuple[Step, ...]:
    game = adversarial("logistic", gamma=10.0 * min(size / 64, 1.0) ** 2, every=8)
    return (
        Step(
            "generate",
            ("mapping", "generator", "encoder"),
            {game.fool: Weight(1.0, nets={"encoder": 0.0}), "latent_reciprocity": Weight(1.0)},
        ),
        Step("reconstruct", ("encoder", "generator"), {"pixel_l2": Weight(1.0), "perceptual": similar}, every=2),
        Step(
            "discriminate",
            ("encoder", "critic"),
            game.critic,
            reuse=("x_fake",),
            parts=game.parts,
        ),
    )


def _growth(size: int, per_level: float, last: float, batches: tuple[int, ...], rates: tuple[float, ...]) -> Growth:
    """The official schedule: half of each level's epochs fade it in; 4x4 has nothing to be faded in from."""
    levels = []
    for i, side in enumerate(sizes_of(size)):
        whole = max(last, per_level) if side == size else per_level
        fade = per_level / 2 if i else 0.0
        levels.append(GrowthLevel(side, stable=whole - fade, fade=fade, batch=_item(batches, i), lr=_item(rates, i)))
    return Growth(tuple(levels))


def _item(values: tuple[Any, ...], index: int) -> Any:
    return values[min(index, len(values) - 1)]


FFHQ_BATCHES = (512, 256, 128, 64, 32, 32, 32, 32, 32)
FFHQ_RATES = (0.0015,) * 6 + (0.002, 0.003, 0.003)
preset(
    "style-alae-ffhq1024",
    "style-alae",
    size=1024,
    kimg=18_000,
    options={
        "latent": 512,
        "start": 16,
        "maximum": 512,
        "epochs_per_level": 16.0,
        "last_level_epochs": 172.0,
        "batches": FFHQ_BATCHES,
        "rates": FFHQ_RATES,
    },
    summary="StyleALAE on FFHQ as published (eight GPUs)",
)
preset(
    "style-alae-celebahq256",
    "style-alae",
    size=256,
    kimg=8_120,
    options={
        "latent": 512,
        "start": 64,
        "maximum": 512,
        "epochs_per_level": 30.0,
        "last_level_epochs": 100.0,
        "batches": (512, 256, 128, 64, 32, 32, 32),
    },
    summary="StyleALAE on CelebA-HQ at 256 pixels as published",
)
preset(
    "style-alae-bedroom256",
    "style-alae",
    size=256,
    kimg=84_925,
    options={
        "latent": 512,
        "start": 32,
        "maximum": 512,
        "epochs_per_level": 2.0,
        "last_level_epochs": 100.0,
        "batches": (512, 256, 128, 64, 32, 32, 32),
        "rates": (0.0015,) * 6 + (0.002,),
    },
    summary="StyleALAE on LSUN bedrooms as published",
)
preset(
    "style-alae-128",
    "style-alae",
    size=128,
    kimg=14_610,
    summary="StyleALAE at 128 pixels: the published CelebA settings",
)
preset(
    "style-alae-64",
    "style-alae",
    size=64,
    kimg=4_000,
    options={"flavour": "modern"},
    summary="StyleALAE at 64 pixels, ours",
)
preset(
    "style-alae-32",
    "style-alae",
    size=32,
    kimg=3_000,
    options={"flavour": "modern"},
    summary="StyleALAE at 32 pixels, ours",
)
preset(
    "style-alae-mnist32",
    "style-alae",
    size=32,
    fit="pad",
    data="mnist",
    kimg=3_600,
    options={
        "latent": 32,
        "depth": 4,
        "epochs_per_level": 10.0,
        "last_level_epochs": 30.0,
        "batches": (128, 128, 128, 64),
    },
    summary="StyleALAE on MNIST at 32 pixels: the official configuration",
)
preset(
    "style-alae-32-cpu",
    "style-alae",
    size=32,
    kimg=500,
    options={
        "flavour": "modern",
        "latent": 128,
        "start": 16,
        "maximum": 128,
        "epochs_per_level": 12.0,  # small budgets show more when the cheap sizes get a larger part of them
        "batches": (64, 64, 32),
        "rates": (0.002,),
    },
    summary="StyleALAE at 32 pixels, small enough for two cores, one to two hours",
)
