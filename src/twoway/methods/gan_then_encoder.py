"""What two-stage methods share: a style-based GAN first, an encoder for its frozen generator second.

References:
    Zhu, Zhao, Zhang, Zhou, Disentangled Inference for GANs with Latently Invertible Autoencoder, arXiv 1906.08090,
    section 4, and its code (genforce/lia).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from twoway.augment import Augment
from twoway.methods.losses import Features, Game, Loss, adversarial, perceptual
from twoway.methods.registry import ImageShape
from twoway.networks import NetSpec
from twoway.networks.growing import sizes_of
from twoway.networks.style_blocks import style_channels
from twoway.priors import Normal, Prior
from twoway.recipe import Averaging, Growth, GrowthLevel, Optimiser, Phase, Recipe, Release, Schedule, Step, Weight

__all__ = ["Flavour", "two_stages"]

Flavour = Literal["faithful", "modern"]

STAGE_ONE_KIMG = 25_000.0
STAGE_TWO_KIMG = 12_000.0
STAGE_TWO_KIMG_256 = 14_000.0


def two_stages(
    method: str,
    image_shape: ImageShape,
    *,
    mapping: NetSpec,
    latent: int,
    start: int,
    maximum: int,
    flavour: Flavour,
    grow: bool,
    loss: Loss,
    features: Features,
    feature_weights: str | None,
    encoder: Mapping[str, Any] | None,
    encodes: Literal["w", "z"] = "w",
    extra: Mapping[str, Weight] | None = None,
) -> Recipe:
    """Recipe of a GAN with a given mapping, followed by an encoder.

    Faithful follows LIA's code: StyleGAN-1's generator with a tanh and its discriminator, grown from 8x8, 600 kimg of
    fading and 600 kimg at each size, R1 with gamma 10 in every iteration; then an encoder from scratch for 12,000
    kimg, or 14,000 from 256 pixels on.
    Modern trains at full size with weight demodulation, a residual discriminator and lazy R1 scaled to the image's
    size; the encoder has a higher, falling learning rate. With `grow` it keeps the growing nets and spends less on the
    last size, which shows more after a short training.

    Args:
        method: Name of the method.
        image_shape: Channels, height, width.
        mapping: F.
        latent: Width of z and w.
        start: Feature maps at the finest level.
        maximum: Most feature maps at any level.
        flavour: The published behaviour, or ours.
        grow: Whether the modern flavour goes from low to high resolution, as the faithful one always does.
        loss: The adversarial game of both stages.
        features: What the perceptual term of the second stage compares.
        feature_weights: File of their weights, where they have any.
        encoder: Arguments of the encoder, besides shape and width; None trains the GAN alone.
        encodes: What the encoder gives.
        extra: Further terms of the encoder.
    """
    channels = style_channels(image_shape[1], start, maximum)
    sizes = {"image_shape": image_shape, "channels": channels}
    faithful = flavour == "faithful"
    growing = faithful or grow
    nets = {
        "mapping": mapping,
        "generator": NetSpec("style_generator", {**sizes, "w_dim": latent, "rgb_gain": 1.0, "tanh": faithful})
        if growing
        else NetSpec("skip_generator", {**sizes, "w_dim": latent}),
        "critic": NetSpec("image_critic", sizes if growing else {**sizes, "residual": True, "growing": False}),
    }
    game = _game(loss, image_shape[1], faithful=faithful)
    phases = [_gan(image_shape[1], game, faithful=faithful, grow=grow)]
    spec, similar = perceptual(features, feature_weights)
    if encoder is not None:
        # LIA's E has 64 to 1024 maps whatever the size of the images
        widths = {"base": 64, "maximum": 2 * maximum} if faithful else {"base": start, "maximum": 2 * maximum}
        given = {"image_shape": image_shape, "w_dim": latent, **widths, **encoder}
        nets["encoder"] = NetSpec("residual_encoder", given)
        phase = _encoder(
            game,
            {"perceptual": similar, **(extra or {})},
            faithful=faithful,
            anchor=encodes == "w" and given.get("head", "anchored") == "anchored",
            w_plus=given.get("w_layers", 1) > 1,
        )
        if faithful and image_shape[1] >= 256:
            phase = replace(phase, share=STAGE_TWO_KIMG_256)
        phases.append(phase)
    return Recipe(
        method=method,
        image_shape=image_shape,
        prior=Prior((Normal(latent),)),
        nets=nets,
        phases=tuple(phases),
        batch=16 if faithful else 32,
        encodes=encodes,
        mirror=image_shape[0] == 3,
        augment=Augment() if faithful else Augment("auto"),
        features=spec,
        optim=Optimiser(lr=0.001 if faithful else 0.002, betas=(0.0, 0.99)),
        averaging=Averaging(halflife_kimg=10.0, rampup=0.0 if faithful else 0.05),
        matmul="float32" if faithful else "bfloat16",
    )


def _gan(size: int, game: Game, *, faithful: bool, grow: bool) -> Phase:
    """The first stage. Style mixing with chance 0.9."""
    steps = (
        Step("discriminate", ("critic",), game.critic, style_mixing=0.9, parts=game.parts),
        Step("generate", ("mapping", "generator"), {game.fool: Weight(1.0)}, style_mixing=0.9),
    )
    growth = _growth(size) if faithful else _short_growth(size) if grow else None
    return Phase("gan", steps, share=STAGE_ONE_KIMG, growth=growth)


def _game(loss: Loss, size: int, *, faithful: bool) -> Game:
    """Gamma 10 in every iteration; or in every 16th one that grows with the pixels: 0.05 at 32x32, 0.8 at 128x128."""
    if faithful:
        return adversarial(loss, gamma=10.0)
    return adversarial(loss, gamma=0.05 * (size / 32) ** 2, every=16)


def _growth(size: int) -> Growth | None:
    """LIA's schedule: from 8x8, 600 kimg at each size after 600 kimg of fading it in; the rest of 25,000 at the end."""
    sizes = sizes_of(size, first=8)
    if len(sizes) < 2:
        return None
    rates = {128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003}
    rest = STAGE_ONE_KIMG - 600.0 - 1200.0 * (len(sizes) - 2) - 600.0
    lengths = [(600.0, 0.0), *[(600.0, 600.0)] * (len(sizes) - 2), (rest, 600.0)]
    return Growth(
        tuple(
            GrowthLevel(size, stable=stable, fade=fade, lr=rates.get(size))
            for size, (stable, fade) in zip(sizes, lengths, strict=True)
        ),
        ease="linear",
    )


def _short_growth(size: int) -> Growth | None:
    """For small budgets: from 8x8, each size half as long as the last one."""
    sizes = sizes_of(size, first=8)
    if len(sizes) < 2:
        return None
    return Growth(
        tuple(GrowthLevel(s, stable=4.0 if s == size else 2.0, fade=0.0 if s == 8 else 1.0) for s in sizes),
        reset_optimisers=False,
    )


def _encoder(game: Game, extra: Mapping[str, Weight], *, faithful: bool, anchor: bool, w_plus: bool) -> Phase:
    """The second stage: E from scratch, G and F frozen at their averages with fixed noise, D fine-tuned."""
    terms = {
        "pixel_l2": Weight(1.0),
        game.fool: Weight(0.1),
        **({"offset_l2": Weight(2e-4)} if w_plus else {}),
        **extra,
    }
    steps = (
        Step("encode", ("encoder",), terms),
        Step("discriminate", ("critic",), game.critic, reuse=("x_rec",), parts=game.parts),
    )
    return Phase(
        "encoder",
        steps,
        share=STAGE_TWO_KIMG,
        batch=128 if faithful else None,
        # LIA: 0.8 in each quarter of the training
        optim=Optimiser(lr=1e-4, betas=(0.9, 0.99), schedule=Schedule("exponential", end=0.41))
        if faithful
        else Optimiser(lr=1e-3, betas=(0.9, 0.99), schedule=Schedule("cosine", end=0.02)),
        critic_sees="reconstruction",
        noise="fixed",
        from_average=("mapping", "generator"),
        anchor=("encoder",) if anchor else (),
        release=Release() if w_plus else None,
    )
