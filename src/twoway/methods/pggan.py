"""ProGAN: a GAN that grows, with no way back; and what methods that grow on its generator share.

References:
    Karras, Aila, Laine, Lehtinen, Progressive Growing of GANs for Improved Quality, Stability, and Variation, arXiv
    1710.10196, and its code tkarras/progressive_growing_of_gans.
"""

from __future__ import annotations

from twoway.errors import ConfigError
from twoway.methods.losses import Loss, adversarial
from twoway.methods.registry import ImageShape, method, preset
from twoway.networks import NetSpec
from twoway.networks.growing import sizes_of
from twoway.networks.style_blocks import style_channels
from twoway.priors import Normal, Prior
from twoway.recipe import Averaging, Growth, GrowthLevel, Optimiser, Phase, Recipe, Step, Weight

__all__ = ["BATCHES", "growth_from_4", "pggan"]

BATCHES = (128, 128, 128, 64, 32, 16, 8, 4, 4)
"""Images per iteration at 4, 8, ..., 1024 pixels: those of the official code for one GPU (from memory)."""


@method(
    "pggan",
    paper="Karras, Aila, Laine, Lehtinen: Progressive Growing of GANs (ICLR 2018, arXiv 1710.10196)",
    summary="WGAN-GP grown from 4x4 with pixel norm; makes images and cannot encode any",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def pggan(
    image_shape: ImageShape,
    *,
    latent: int = 512,
    start: int = 64,
    maximum: int = 512,
    loss: Loss = "wgan-gp",
    stable: float = 600.0,
    fade: float = 600.0,
    last: float = 2400.0,
    batches: tuple[int, ...] = BATCHES,
    rates: tuple[float, ...] = (0.001,),
) -> Recipe:
    """ProGAN.

    There is no encoder: models sample, map and decode, and say so where they are asked to encode; `twoway project`
    finds codes by optimisation. D is the critic of the style systems, which blurs before it halves; ProGAN's own did
    not. Codes are brought to unit root mean square in G, as in the paper.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z.
        start: Feature maps of G and D at the finest level; 16384 / size, up to `maximum`, in the paper.
        maximum: Most feature maps at any level.
        loss: The adversarial game (see `twoway.methods.losses.adversarial`); with R1 its gamma is 10.
        stable: Length of the training at each size but the last, relative to the other lengths.
        fade: Length over which each size is faded in.
        last: Length of the training at the last size.
        batches: Images per iteration at 4, 8, 16, ... pixels; the last counts for all that follow.
        rates: Learning rates likewise; 0.0015 from 1024 pixels on in the official code.
    """
    sizes = {"image_shape": image_shape, "channels": style_channels(image_shape[1], start, maximum)}
    game = adversarial(loss, gamma=10.0)
    steps = (
        Step("discriminate", ("critic",), game.critic, parts=game.parts),
        Step("generate", ("generator",), {game.fool: Weight(1.0)}),
    )
    growth = growth_from_4(
        image_shape[1], first=stable, stable=stable, fade=fade, last=last, batches=batches, rates=rates
    )
    return Recipe(
        method="pggan",
        image_shape=image_shape,
        prior=Prior((Normal(latent),)),
        nets={
            "generator": NetSpec("progressive_generator", {**sizes, "w_dim": latent}),
            "critic": NetSpec("image_critic", sizes),
        },
        phases=(Phase("train", steps, growth=growth),),
        batch=growth.levels[-1].batch or BATCHES[0],
        mirror=image_shape[0] == 3,
        optim=Optimiser(lr=rates[0], betas=(0.0, 0.99)),
        # 0.999 an iteration halves in 693 of them: 11 kimg in batches of 16
        averaging=Averaging(halflife_kimg=10.0),
    )


def growth_from_4(
    size: int,
    *,
    first: float,
    stable: float,
    fade: float,
    last: float,
    batches: tuple[int, ...],
    rates: tuple[float, ...],
) -> Growth:
    """Every size from 4x4, each but the first faded in linearly; optimisers start afresh at each.

    Args:
        size: Of the full images.
        first: Length of 4x4, relative to the other lengths; of small images `last` counts there.
        stable: Length of each size between, after its fading.
        fade: Length of each fading.
        last: Length of the last size, after its fading.
        batches: Images per iteration, 4x4 first; the last counts for all that follow.
        rates: Learning rates likewise.

    Raises:
        ConfigError: No batch or no rate.
    """
    if not batches or not rates:
        raise ConfigError("The options batches and rates need at least one number each, that of 4x4 pixels.")
    levels = [
        GrowthLevel(
            side,
            stable=last if side == size else stable if i else first,
            fade=fade if i else 0.0,
            batch=batches[min(i, len(batches) - 1)],
            lr=rates[min(i, len(rates) - 1)],
        )
        for i, side in enumerate(sizes_of(size))
    ]
    return Growth(tuple(levels), ease="linear")


preset("pggan-32", "pggan", size=32, kimg=6000, options={"start": 512}, summary="ProGAN at 32 pixels, as published")
preset("pggan-64", "pggan", size=64, kimg=7200, options={"start": 256}, summary="ProGAN at 64 pixels, as published")
preset(
    "pggan-32-cpu",
    "pggan",
    size=32,
    kimg=600,
    options={"latent": 128, "start": 16, "maximum": 128, "batches": (64, 64, 32), "rates": (0.002,)},
    summary="ProGAN at 32 pixels, small enough for two cores",
)
