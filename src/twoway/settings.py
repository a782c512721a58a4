"""Parts of a recipe that are settings: optimiser, averages, growth schedule, neighbours, noise."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from twoway.errors import ConfigError

__all__ = [
    "Averaging",
    "CodeSampling",
    "Growth",
    "GrowthLevel",
    "InputJitter",
    "InputNoise",
    "Neighbours",
    "NetOptimiser",
    "Optimiser",
    "Release",
    "Schedule",
]


@dataclass(frozen=True)
class NetOptimiser:
    """What one net's optimiser does differently; None keeps the common setting."""

    lr: float | None = None
    betas: tuple[float, float] | None = None
    weight_decay: float | None = None


@dataclass(frozen=True)
class Schedule:
    """Learning rate over the course of a phase of training.

    Args:
        kind: ``constant``; a ``linear`` or ``cosine`` descent; ``exponential`` decay.
        start: Part of the budget after which the descent begins.
        end: Factor on the learning rate when the budget is spent.
        warmup_kimg: Thousands of images over which the rate rises linearly from zero.
    """

    kind: Literal["constant", "linear", "cosine", "exponential"] = "constant"
    start: float = 0.0
    end: float = 0.0
    warmup_kimg: float = 0.0


@dataclass(frozen=True)
class Optimiser:
    """Adam, one instance per net, shared by all the steps that train the net.

    Args:
        lr: Learning rate; equalised layers multiply it by their own factor.
        betas: Decay of the first and second moment.
        eps: Added to the root of the second moment.
        weight_decay: L2 penalty, added to the gradient of every parameter (not AdamW's decoupled decay).
        schedule: Learning rate over the training.
        nets: Exceptions by slot.
    """

    lr: float = 0.002
    betas: tuple[float, float] = (0.0, 0.99)
    eps: float = 1e-8
    weight_decay: float = 0.0
    schedule: Schedule = Schedule()
    nets: Mapping[str, NetOptimiser] = field(default_factory=dict)


@dataclass(frozen=True)
class Averaging:
    """Moving averages kept beside the trained nets.

    Args:
        halflife_kimg: Thousands of images after which an old weight counts half in the averaged nets.
        rampup: The half-life is at most this part of the images seen so far; 0 means no ramp-up.
        w_decay: Per-step decay of the mean latent code, which truncation pulls towards.
        every: The averaged nets are brought up to date in every so many iterations.
    """

    halflife_kimg: float = 10.0
    rampup: float = 0.0
    w_decay: float = 0.995
    every: int = 1


@dataclass(frozen=True)
class Neighbours:
    """Batches of pairs of pictures that look alike (see `twoway.data.neighbours`).

    Args:
        k: Nearest pictures of each that count as alike.
        walk: The partner is the end of a random walk of one to so many steps from picture to near picture.
    """

    k: int = 10
    walk: int = 1

    def __post_init__(self) -> None:
        if self.k < 1 or self.walk < 1:
            raise ConfigError(f"neighbours has k = {self.k} and walk = {self.walk}; both must be at least 1.")


@dataclass(frozen=True)
class InputNoise:
    """Normal noise on every image that the encoder sees in training, real and generated alike ("instance noise").

    Args:
        start: Its standard deviation at the start, for images in [-1, 1].
        end: The same at the end; in between it falls linearly.
        until: Part of the budget after which it stays at the end's value.

    References:
        Sønderby et al., Amortised MAP Inference for Image Super-resolution, arXiv 1610.04490, section 3.1.
    """

    start: float
    end: float
    until: float = 1.0

    def __post_init__(self) -> None:
        if self.start < 0 or self.end < 0 or not 0 < self.until <= 1:
            raise ConfigError("input_noise needs start and end from 0, and until above 0 and at most 1.")

    def at(self, progress: float) -> float:
        """Standard deviation when this part of the budget is spent."""
        return self.start + (self.end - self.start) * min(progress / self.until, 1.0)


@dataclass(frozen=True)
class InputJitter:
    """Small random warps of images that the encoder sees in training.

    Of every image, real and generated alike (`Recipe.input_jitter`): where the encoder learns from generated images, it
    then reads what survives a warp: visible traits, and not patterns between pixels in which a generator can hide a
    code. Or of the two views of a real image that are compared (`Recipe.views`): what the warps change is no trait by
    which the encoder tells pictures apart.

    Args:
        shift: Largest shift along each axis, as a part of the side.
        rotate: Largest rotation, in degrees.
        scale: Largest change of scale: factors from 1 / (1 + scale) to 1 + scale, one for each axis.
        shear: Largest slant: how far a row moves to the side for each row away from the centre.
        thickness: Largest share of the brightest (or of the darkest) of the nine pixels around a pixel in it: bright
            strokes become thicker or thinner.
    """

    shift: float = 0.1
    rotate: float = 15.0
    scale: float = 0.15
    shear: float = 0.0
    thickness: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.shift <= 0.5 and 0 <= self.rotate <= 180):
            raise ConfigError("Warps (input_jitter, views) need shift from 0 to 0.5, rotate from 0 to 180.")
        if not (0 <= self.scale <= 1 and 0 <= self.shear <= 1 and 0 <= self.thickness <= 1):
            raise ConfigError("Warps (input_jitter, views) need scale, shear and thickness from 0 to 1.")


@dataclass(frozen=True)
class CodeSampling:
    """How codes are drawn from what an encoder says of them.

    Args:
        temperature: Of the Gumbel softmax that draws the class, at the start.
        end: The same at the end; in between it falls linearly.
        hard: Whether the class drawn is exactly one-hot, its gradient that of the soft draw (straight through). Soft
            draws tell a critic at once whether a code came from the prior.
        squash: Whether continuous codes of a uniform prior go through tanh, into the prior's range.

    References:
        Jang, Gu, Poole, Categorical Reparameterization with Gumbel-Softmax, arXiv 1611.01144, sections 2.1 and 2.2.
    """

    temperature: float = 0.67
    end: float = 0.3
    hard: bool = True
    squash: bool = True

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and self.end > 0):
            raise ConfigError("code_sampling needs temperatures above 0, at the start and at the end.")

    def at(self, progress: float) -> float:
        """Temperature when this part of the budget is spent."""
        return self.temperature + (self.end - self.temperature) * min(progress, 1.0)


@dataclass(frozen=True)
class GrowthLevel:
    """One resolution of a training from low to high resolution.

    Args:
        size: Height and width of the images.
        stable: Length of the training at this resolution, relative to the other lengths of the schedule.
        fade: Length over which the level is faded in before that, in the same units.
        batch: Images per iteration; None takes the phase's.
        lr: Learning rate in place of the optimiser's; None keeps that.
    """

    size: int
    stable: float
    fade: float = 0.0
    batch: int | None = None
    lr: float | None = None


@dataclass(frozen=True)
class Growth:
    """Training from low to high resolution.

    The lengths are relative: the phase's budget is shared out by them, so a growth schedule fits any budget.

    Args:
        levels: Resolutions, each twice the one before; the last is that of the images.
        ease: How the share of a new level rises: ``linear``, or along half a ``cosine`` as in ALAE.
        reset_optimisers: Whether the optimisers forget their moments when a level begins, as in ALAE and LIA.

    References:
        Karras et al., Progressive Growing of GANs, arXiv 1710.10196, section 2.
    """

    levels: tuple[GrowthLevel, ...]
    ease: Literal["linear", "cosine"] = "cosine"
    reset_optimisers: bool = True

    def __post_init__(self) -> None:
        sizes = [level.size for level in self.levels]
        doubled = bool(sizes) and sizes[0] >= 4 and all(b == 2 * a for a, b in itertools.pairwise(sizes))
        if not doubled or any(v.stable < 0 or v.fade < 0 or v.stable + v.fade == 0 for v in self.levels):
            raise ConfigError(
                f"growth has levels of sizes {sizes}; it needs at least one, from 4 on, each twice the one before, "
                "with lengths from 0 of which one is positive."
            )
        if any(v.batch is not None and v.batch < 1 for v in self.levels):
            raise ConfigError("A growth level's batch must be at least 1.")

    def blend(self, part: float) -> float:
        """Share of a new level when this part of its fading is over.

        Example:
            >>> round(Growth((GrowthLevel(4, 1.0),)).blend(0.5), 3)
            0.5
        """
        if part >= 1.0:
            return 1.0
        return part if self.ease == "linear" else 0.5 - 0.5 * math.cos(math.pi * part)


@dataclass(frozen=True)
class Release:
    """Layers of a per-layer code that get an offset of their own one after the other.

    Args:
        start: Part of the phase after which the second layer is released.
        end: Part of the phase after which all are.

    References:
        Tov et al., Designing an Encoder for StyleGAN Image Manipulation, arXiv 2102.02766, section 4.1.
    """

    start: float = 0.1
    end: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end <= 1:
            raise ConfigError(f"release goes from {self.start} to {self.end}; it needs 0 <= start <= end <= 1.")

    def layers(self, progress: float, layers: int) -> int:
        """How many layers may differ from the base when this part of the phase is over, from 1 to `layers`.

        Example:
            >>> [Release(0.0, 0.5).layers(p, 5) for p in (0.0, 0.25, 0.5)]
            [1, 3, 5]
        """
        if progress >= self.end:
            return layers
        if progress < self.start:
            return 1
        return 1 + int((layers - 1) * (progress - self.start) / (self.end - self.start))
