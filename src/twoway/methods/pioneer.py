"""PIONEER: AGE on nets that grow; and Balanced PIONEER, whose encoder stops once it leads by a margin.

Terms, weights (those of the codes, a tenth of the papers'), steps, learning rates, batches and lengths follow
heljakka/pioneer and AaltoVision/balanced-pioneer. What differs: E has equalised learning rates in place of spectral
norm, blurs before it halves and ends in linear layers; G rectifies before the pixel norm; E is shown the images of the
step, not some of an older pool as well; the weight of pixels does not rise by half where fading ends.

References:
    Heljakka, Solin, Kannala, Pioneer Networks: Progressively Growing Generative Autoencoder, arXiv 1807.03026.
    Heljakka, Solin, Kannala, Towards Photographic Image Manipulation with Balanced Growing of Generative Autoencoders,
    arXiv 1904.06145.
"""

from __future__ import annotations

from collections.abc import Mapping

from twoway.methods.age import generator_steps
from twoway.methods.pggan import BATCHES, growth_from_4
from twoway.methods.registry import ImageShape, method, preset
from twoway.networks import NetSpec
from twoway.networks.style_blocks import style_channels
from twoway.priors import Prior, Sphere
from twoway.recipe import Averaging, Optimiser, Phase, Recipe, Step, Weight

__all__ = ["balanced_pioneer", "pioneer"]

BALANCED_BATCHES = (128, 128, 128, 64, 32, 32, 32, 4, 1)
HALF_STAGE = 1200.0


@method(
    "pioneer",
    paper="Heljakka, Solin, Kannala: Pioneer Networks (ACCV 2018, arXiv 1807.03026)",
    summary="AGE on nets that grow from 4x4: encoder and generator play on the sphere of codes, no critic",
    verified="learns pictures of the 8x8 digits, not codes (docs/results/learning.md)",
)
def pioneer(
    image_shape: ImageShape,
    *,
    latent: int = 512,
    start: int = 64,
    maximum: int = 512,
    pixels: float = 1.0,
    codes: float = 100.0,
    kl: float = 0.1,
    updates: int = 2,
    batches: tuple[int, ...] = BATCHES,
    rates: tuple[float, ...] = (0.001,),
) -> Recipe:
    """PIONEER: 2,400 kimg a size, half of it fading in; the last size as long again.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        start: Feature maps at the finest level; 16384 / size, up to `maximum`, in the published nets.
        maximum: Most feature maps at any level.
        pixels: Weight of the mean absolute error of pixels, in E.
        codes: Weight of the cosine distance of codes, in G, as published: of the mean product of coordinates, that is
            divided by `latent`.
        kl: Weight of the fitted divergences, in E and G.
        updates: Steps of G for each step of E.
        batches: Images per iteration at 4, 8, 16, ... pixels; the last counts for all that follow.
        rates: Learning rates likewise.
    """
    target = {"variance": 1 / latent}
    play = {"fitted_kl_real": Weight(kl, options=target), "fitted_kl_fake": Weight(-kl, options=target)}
    return _recipe(
        "pioneer", image_shape, (latent, start, maximum), (pixels, codes, kl), play, updates, (batches, rates), 0.99
    )


@method(
    "balanced-pioneer",
    paper="Heljakka, Solin, Kannala: Towards Photographic Image Manipulation with Balanced Growing of Generative "
    "Autoencoders (WACV 2020, arXiv 1904.06145)",
    summary="PIONEER whose encoder learns no more from the game once it leads by a margin",
    verified="learns pictures of the 8x8 digits, not codes (docs/results/learning.md)",
)
def balanced_pioneer(
    image_shape: ImageShape,
    *,
    latent: int = 512,
    start: int = 64,
    maximum: int = 512,
    margin: float = 0.2,
    pixels: float = 1.0,
    codes: float = 100.0,
    kl: float = 0.1,
    updates: int = 1,
    batches: tuple[int, ...] = BALANCED_BATCHES,
    rates: tuple[float, ...] = (0.0005, 0.0005, 0.0005, 0.0005, 0.001),
) -> Recipe:
    """Balanced PIONEER.

    The published code sets the margin by hand for each stretch of training: for CelebA-HQ 0.5 up to 32 pixels, none for
    the first half of 64, then 0.2, and 0.4 at 256 pixels (there divided by ten, as the weights are); here one margin
    holds throughout. The spectral norm that the published generator has is left out.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        start: Feature maps at the finest level; 16384 / size, up to `maximum`, in the published nets.
        maximum: Most feature maps at any level.
        margin: Lead of E beyond which it learns no more from the game, in nats per dimension.
        pixels: Weight of the mean absolute error of pixels, in E.
        codes: Weight of the cosine distance of codes, in G, in the published unit (see `pioneer`).
        kl: Weight of the fitted divergences, in E and G.
        updates: Steps of G for each step of E: 1 is the code's advice for new trainings, 2 was the published models'.
        batches: Images per iteration at 4, 8, 16, ... pixels; the last counts for all that follow.
        rates: Learning rates likewise; those of CelebA-HQ.
    """
    play = {"balanced_kl": Weight(kl, options={"margin": margin, "variance": 1 / latent})}
    sizes, weights = (latent, start, maximum), (pixels, codes, kl)
    return _recipe("balanced-pioneer", image_shape, sizes, weights, play, updates, (batches, rates), 0.9)


def _recipe(
    name: str,
    image_shape: ImageShape,
    sizes: tuple[int, int, int],
    weights: tuple[float, float, float],
    play: Mapping[str, Weight],
    updates: int,
    schedule: tuple[tuple[int, ...], tuple[float, ...]],
    beta2: float,
) -> Recipe:
    """E's step, whose game differs, and the steps of G, which are AGE's."""
    (latent, start, maximum), (pixels, codes, kl), (batches, rates) = sizes, weights, schedule
    nets = {
        "image_shape": image_shape,
        "w_dim": latent,
        "channels": style_channels(image_shape[1], start, maximum),
    }
    divergence = Weight(kl, options={"variance": 1 / latent})
    steps = (
        Step("encode", ("encoder",), {**play, "pixel_l1": Weight(pixels)}),
        *generator_steps(updates, kl=divergence, codes=codes / latent),
    )
    growth = growth_from_4(
        image_shape[1],
        first=2 * HALF_STAGE,
        stable=HALF_STAGE,
        fade=HALF_STAGE,
        last=3 * HALF_STAGE,
        batches=batches,
        rates=rates,
    )
    return Recipe(
        method=name,
        image_shape=image_shape,
        prior=Prior((Sphere(latent),)),
        nets={
            "generator": NetSpec("progressive_generator", nets),
            "encoder": NetSpec("progressive_encoder", nets),
        },
        phases=(Phase("train", steps, growth=growth),),
        batch=growth.levels[-1].batch or BATCHES[0],
        mirror=image_shape[0] == 3,
        optim=Optimiser(lr=rates[0], betas=(0.0, beta2)),
        averaging=Averaging(halflife_kimg=10.0),
    )


for _name in ("pioneer", "balanced-pioneer"):
    preset(f"{_name}-32", _name, size=32, kimg=12_000, options={"start": 512}, summary=f"{_name} at 32 pixels")
    preset(f"{_name}-64", _name, size=64, kimg=14_400, options={"start": 256}, summary=f"{_name} at 64 pixels")
    preset(
        f"{_name}-32-cpu",
        _name,
        size=32,
        kimg=600,
        options={"latent": 128, "start": 16, "maximum": 128, "batches": (64, 64, 32), "rates": (0.002,)},
        summary=f"{_name} at 32 pixels, small enough for two cores",
    )
