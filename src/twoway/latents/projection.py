"""Codes of pictures by optimisation through the generator: slower than an encoder, and closer.

References:
    Zhu et al., Disentangled Inference for GANs with Latently Invertible Autoencoder, arXiv 1906.08090, sections 6.3
    (codes per layer from three starts, equation 13) and 6.4 (z against the latent code).
    Zhu et al., In-Domain GAN Inversion for Real Image Editing, arXiv 2004.00049, equation 5 (the encoder's term).
    Karras et al., Analyzing and Improving the Image Quality of StyleGAN, arXiv 1912.04958, appendix D (the schedule of
    the learning rate, noise on codes, noise maps).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from twoway.errors import ConfigError
from twoway.features import FeatureSpec, build_features
from twoway.latents.projection_run import Fixed, Run, first_codes, settled, spread_of_codes
from twoway.latents.projection_settings import (
    EarlyStop,
    FeatureNet,
    ProjectionSettings,
    Space,
    Start,
    check_pictures,
    check_start,
)
from twoway.model import TwoWayModel
from twoway.telling import Telling, silent

__all__ = [
    "EarlyStop",
    "Projection",
    "ProjectionSettings",
    "ProjectionStep",
    "Space",
    "Start",
    "project",
    "projecting",
]


@dataclass(frozen=True)
class Projection:
    """Codes that were found, and how.

    Args:
        w: Latent codes, shape (B, layers, dim).
        z: Prior codes (B, prior dim), where they were what was optimised.
        x_rec: Images of the codes, shape (B, C, H, W), as the net gives them, not clamped.
        losses: Loss of each image before each step and after the last, shape (steps + 1, B): the first row is that of
            the start. The codes are those of each image's least loss. Where all searches ended early there are fewer
            rows, and of an image whose search was over, the least loss is repeated.
        taken: Steps that each image was searched, int64 (B,).
        diverged: Whether a search ended because its loss was not finite, (B,); its best code is of before.
        noise: Noise maps (B, 1, H, W) of the layers, coarsest first, where they were optimised: the images are
            ``model.decode(w, noise=given_noise(noise))``, see `twoway.latents.noise_maps`.
    """

    w: Tensor
    z: Tensor | None
    x_rec: Tensor
    losses: Tensor
    taken: Tensor
    diverged: Tensor
    noise: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class ProjectionStep:
    """A search between two steps.

    Args:
        step: Steps taken; 0 is the start.
        steps: Steps to take at most.
        x_rec: Images of the best codes so far, (B, C, H, W), not clamped.
        losses: Least loss of each image so far, (B,).
        active: Which searches go on, (B,).
    """

    step: int
    steps: int
    x_rec: Tensor
    losses: Tensor
    active: Tensor
    _run: Run

    def result(self) -> Projection:
        """What has been found when this is called; to be called before the search goes on."""
        run = self._run
        w, z, noise, x_rec = run.result()
        return Projection(w, z, x_rec, torch.stack(run.losses), run.taken, run.diverged, noise)


def project(
    model: TwoWayModel,
    x: Tensor,
    *,
    space: Space = "w+",
    start: Start | Tensor = "mean",
    steps: int = 300,
    lr: float = 0.1,
    features: FeatureSpec | FeatureNet | None = None,
    feature_weight: float = 0.0,
    encoder_weight: float = 0.0,
    mean_weight: float = 0.0,
    w_noise: float = 0.0,
    optimise_noise: bool = False,
    noise_weight: float = 1e5,
    early_stop: EarlyStop | None = None,
    generator: torch.Generator | None = None,
    progress: Telling = silent,
    batch: int = 32,
) -> Projection:
    """Find the codes whose images are nearest to given ones, by Adam.

    The loss of an image is its mean squared pixel error for pixels in [-1, 1], plus weighted terms. Images do not
    influence each other. The learning rate rises for the first 5 % of the steps and falls along a cosine over the last
    quarter.

    Args:
        model: Decodes, in evaluation mode meanwhile; it is not changed.
        x: Images in [-1, 1], shape (B, C, H, W).
        space: ``w``: one code for all layers; ``w+``: one for each layer; ``z``: the prior code, through the mapping;
            ``noise``: what the encoder of interpretable codes leaves open, with the codes it reads kept fixed.
        start: ``mean``: the mean code, in z and noise zeros; ``encoder``: the code of the image; ``random``: a draw of
            the prior; or latent codes (B, layers, dim), one for each image, not for the space ``noise``. For ``z`` they
            go back through the mapping, so that searches in all spaces can start from the same pictures.
        steps: Steps of Adam; 0 gives the start.
        lr: Its learning rate at its highest.
        features: Which features, or what computes them: images (B, C, H, W) to a tuple of tensors. Their mean squared
            differences, summed over the tensors, make the second term.
        feature_weight: Weight of that term.
        encoder_weight: Weight of the mean squared difference between a code and the encoder's answer to its image,
            which keeps codes where the encoder knows them.
        mean_weight: Weight of the mean squared difference between a code and the mean code, which keeps codes where
            edits work.
        w_noise: Deviation of the noise that is added to codes in ``w`` and ``w+``, in root mean square distances of a
            code from the mean code; it falls to nothing in the first 75 % of the steps (StyleGAN2: 0.05). Meanwhile
            losses are of codes with noise, and no search stops early; the best code is one of those judged without.
        optimise_noise: Whether the noise maps in the layers of a style generator are searched for too, starting from
            the fixed ones of the model. After each step they are brought back to zero mean and unit deviation.
        noise_weight: Weight of their autocorrelation, which keeps the picture out of them; not part of the losses.
        early_stop: When the search for an image is over before all steps are taken; None takes all.
        generator: Source of the random start and of the noise on codes, on the CPU.
        progress: Told how many steps are done, over all batches.
        batch: Images at a time; does not change the result beyond rounding.

    Raises:
        ConfigError: An unknown space or start, numbers out of range, or a feature weight without features.
        DataError: No images, or values that are not finite.
        ModelError: The model lacks the encoder, prior, noise or inverse of the mapping that the settings need, takes
            other images, or makes pictures that are not finite.

    Example:
        >>> from twoway.methods import make_recipe
        >>> from twoway.model import build_model
        >>> model = build_model(make_recipe("alae-digits", (1, 8, 8)))
        >>> project(model, torch.zeros(2, 1, 8, 8), steps=3).losses.shape
        torch.Size([4, 2])
    """
    if batch < 1:
        raise ConfigError(f"batch is {batch}, but must be at least 1.")
    settings = ProjectionSettings(
        space=space, steps=steps, lr=lr, features=features, feature_weight=feature_weight,
        encoder_weight=encoder_weight, mean_weight=mean_weight, w_noise=w_noise, optimise_noise=optimise_noise,
        noise_weight=noise_weight, early_stop=early_stop,
    )  # fmt: skip
    runs = _runs(model, x, settings, start, generator, batch)
    total = math.ceil(len(x) / batch) * steps
    parts: list[Projection] = []
    for number, run in enumerate(runs):
        for step in _steps(run):
            if step.step:
                progress("steps", number * steps + step.step, total)
        if steps and step.step < steps:  # it ended early
            progress("steps", (number + 1) * steps, total)
        parts.append(step.result())
    return _joined(parts)


def projecting(
    model: TwoWayModel,
    x: Tensor,
    settings: ProjectionSettings | None = None,
    *,
    start: Start | Tensor = "mean",
    generator: torch.Generator | None = None,
) -> Iterator[ProjectionStep]:
    """`project`, step by step and as one batch: to show pictures meanwhile, or to stop when somebody has seen enough.

    Nothing of the model is held between two steps: it can be used for other things, or by others.

    Args:
        model: Decodes.
        x: Images in [-1, 1], shape (B, C, H, W).
        settings: How to search; all means the same as in `project`.
        start: Where to begin.
        generator: Source of the random start and of the noise on codes, on the CPU.

    Yields:
        The start, then what there is after each step. Whoever stops early calls `ProjectionStep.result` of the last.

    Raises:
        UserError: At the call, not at the first step; see `project`. Pictures of the model that are not finite are
            found at the first step.

    Example:
        >>> from twoway.methods import make_recipe
        >>> from twoway.model import build_model
        >>> model = build_model(make_recipe("alae-digits", (1, 8, 8)))
        >>> for step in projecting(model, torch.zeros(1, 1, 8, 8), ProjectionSettings(steps=100)):
        ...     if step.step == 2:
        ...         break
        >>> step.result().losses.shape
        torch.Size([3, 1])
    """
    (run,) = _runs(model, x, settings or ProjectionSettings(), start, generator, max(len(x), 1))
    return _steps(run)


def _runs(
    model: TwoWayModel,
    x: Tensor,
    settings: ProjectionSettings,
    start: Start | Tensor,
    generator: torch.Generator | None,
    batch: int,
) -> Iterator[Run]:
    """A search for each batch, made when it is its turn; what cannot work is said at once."""
    settings.check(model)
    check_start(model, len(x), settings.space, start)
    check_pictures(model, x)
    chosen = settings.features if settings.feature_weight else None
    net = build_features(chosen).to(model.device) if isinstance(chosen, FeatureSpec) else chosen
    with settled(model):
        images = x.detach().clone().to(model.device)
        first = first_codes(model, images, settings.space, start, generator, batch).clone()
        fixed = Fixed(model, settings, net, spread_of_codes(model) if settings.w_noise else 0.0)
    seeds = torch.zeros(len(x), dtype=torch.int64)
    if settings.w_noise:  # of its own for each picture, so that it does not matter which others there are
        seeds = torch.randint(2**62, (len(x),), generator=generator)

    def make() -> Iterator[Run]:
        for part, code, own in zip(images.split(batch), first.split(batch), seeds.split(batch), strict=True):
            with settled(model):
                run = Run(fixed, part, code, own)
            yield run

    return make()


def _steps(run: Run) -> Iterator[ProjectionStep]:
    while not run.over:
        run.advance()
        yield ProjectionStep(run.step, run.fixed.settings.steps, run.pictures, run.least, run.active, run)


def _joined(parts: Sequence[Projection]) -> Projection:
    rows = max(len(part.losses) for part in parts)
    losses = [torch.cat([p.losses, p.losses[-1:].expand(rows - len(p.losses), -1)]) for p in parts]
    z = [part.z for part in parts if part.z is not None]
    maps = [part.noise for part in parts if part.noise is not None]
    return Projection(
        torch.cat([part.w for part in parts]),
        torch.cat(z) if z else None,
        torch.cat([part.x_rec for part in parts]),
        torch.cat(losses, dim=1),
        torch.cat([part.taken for part in parts]),
        torch.cat([part.diverged for part in parts]),
        tuple(torch.cat(layer) for layer in zip(*maps, strict=True)) if maps else None,
    )
