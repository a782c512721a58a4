"""Codes of pictures by optimisation through the generator: slower than an encoder, and closer.

References:
    Zhu et al., Disentangled Inference for GANs with Latently Invertible Autoencoder, arXiv 1906.08090, sections 6.3
    (codes per layer from three starts, equation 13) and 6.4 (z against the latent code).
    Zhu et al., In-Domain GAN Inversion for Real Image Editing, arXiv 2004.00049, equation 5 (the encoder's term).
    Karras et al., Analyzing and Improving the Image Quality of StyleGAN, arXiv 1912.04958, appendix D (the schedule of
    the learning rate).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from twoway.code_reading import likely_codes
from twoway.conditioning import carried_labels
from twoway.errors import ConfigError, DataError, ModelError, closest
from twoway.features import FeatureSpec, build_features, feature_distance
from twoway.model import TwoWayModel
from twoway.priors import Categorical
from twoway.telling import Telling, silent

__all__ = ["Projection", "Space", "Start", "project"]

Space = Literal["w", "w+", "z", "noise"]
Start = Literal["mean", "encoder", "random"]
FeatureNet = Callable[[Tensor], Sequence[Tensor]]


@dataclass(frozen=True)
class Projection:
    """Codes that were found, and how.

    Args:
        w: Latent codes, shape (B, layers, dim).
        z: Prior codes (B, prior dim), where they were what was optimised.
        x_rec: Images of the codes, shape (B, C, H, W), as the net gives them, not clamped.
        losses: Loss of each image before each step and after the last, shape (steps + 1, B): the first row is that of
            the start. The codes are those of each image's least loss.
    """

    w: Tensor
    z: Tensor | None
    x_rec: Tensor
    losses: Tensor


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
        generator: Source of the random start, on the CPU.
        progress: Told how many steps are done, over all batches.
        batch: Images at a time; does not change the result beyond rounding.

    Raises:
        ConfigError: An unknown space or start, numbers out of range, or a feature weight without features.
        DataError: No images.
        ModelError: The model lacks the encoder, prior or inverse of the mapping that space or start need, or takes
            other images.

    Example:
        >>> from twoway.methods import make_recipe
        >>> from twoway.model import build_model
        >>> model = build_model(make_recipe("alae-digits", (1, 8, 8)))
        >>> project(model, torch.zeros(2, 1, 8, 8), steps=3).losses.shape
        torch.Size([4, 2])
    """
    _check(model, len(x), space, start, steps, lr, features, feature_weight, encoder_weight, batch)
    if len(x) == 0:
        raise DataError("There are no pictures to find codes of. Give at least one.")
    net = build_features(features).to(model.device) if isinstance(features, FeatureSpec) else features
    search = _Search(model, space, steps, lr, net, feature_weight, encoder_weight)
    total = math.ceil(len(x) / batch) * steps
    parts: list[Projection] = []
    was_training = model.training
    model.eval()
    try:
        # a caller's inference mode would make codes that no gradient reaches
        with torch.inference_mode(False), torch.enable_grad():
            images = x.detach().clone().to(model.device)
            first = _start(model, images, space, start, generator, batch)
            for number, (part, code) in enumerate(zip(images.split(batch), first.split(batch), strict=True)):
                parts.append(search.run(part, code, progress, number * steps, total))
    finally:
        model.train(was_training)
    z = [part.z for part in parts if part.z is not None]
    return Projection(
        torch.cat([part.w for part in parts]),
        torch.cat(z) if z else None,
        torch.cat([part.x_rec for part in parts]),
        torch.cat([part.losses for part in parts], dim=1),
    )


@dataclass(frozen=True)
class _Search:
    """A way to search, for any batch."""

    model: TwoWayModel
    space: Space
    steps: int
    lr: float
    features: FeatureNet | None
    feature_weight: float
    encoder_weight: float

    def run(self, x: Tensor, first: Tensor, progress: Telling, done: int, total: int) -> Projection:
        """Search from a start, shape of the space's codes (B, ...); keep each image's best code."""
        code = first.detach().clone().requires_grad_()
        codes = likely_codes(self.model.encode_code(x)).detach() if self.space == "noise" else None
        adam = torch.optim.Adam([code], lr=self.lr)
        wanted = self.features(x) if self.features is not None and self.feature_weight else ()
        best, least = code.detach().clone(), torch.full((len(x),), math.inf, device=x.device)
        rows = []
        for step in range(self.steps + 1):
            loss = self._loss(self._latent(code, codes), x, wanted)
            rows.append(loss.detach())
            better = rows[-1] < least  # never true of NaN
            least = torch.where(better, rows[-1], least)
            best = torch.where(better.view(-1, *[1] * (code.ndim - 1)), code.detach(), best)
            if step < self.steps:
                adam.param_groups[0]["lr"] = self.lr * _ramp((step + 0.5) / self.steps)
                # of the code alone: the nets' own gradients stay as they were
                (code.grad,) = torch.autograd.grad(loss.sum(), code)
                adam.step()
                progress("steps", done + step + 1, total)
        with torch.no_grad():
            w = self._latent(best, codes).clone()
            return Projection(w, best if self.space == "z" else None, self.model.decode(w), torch.stack(rows))

    def _latent(self, code: Tensor, codes: Tensor | None) -> Tensor:
        """Latent codes (B, layers, dim) of what is optimised, and of interpretable codes where it is noise alone."""
        if codes is not None:
            return torch.cat([code, codes], dim=1).unsqueeze(1)
        return self.model.map(code) if self.space == "z" else code.expand(-1, *self.model.w_shape)

    def _loss(self, w: Tensor, x: Tensor, wanted: Sequence[Tensor]) -> Tensor:
        """Loss of each image, shape (B,), for its latent code."""
        x_rec = self.model.decode(w)
        loss = _squared(x_rec, x)
        if self.features is not None and self.feature_weight:
            loss = loss + self.feature_weight * feature_distance(self.features(x_rec), wanted)
        if self.encoder_weight:
            told = carried_labels(w, self.model.recipe.labels)
            loss = loss + self.encoder_weight * _squared(self.model.represent(x_rec, told), self.model.inferred(w))
        return loss


def _squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().flatten(1).mean(1)


def _ramp(t: float) -> float:
    """Factor on the learning rate at a part t of the way, from 0 to 1."""
    return min(1.0, t / 0.05) * (0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / 0.25)))


@torch.no_grad()
def _start(
    model: TwoWayModel, x: Tensor, space: Space, start: Start | Tensor, generator: torch.Generator | None, batch: int
) -> Tensor:
    """First codes: (B, prior dim) in z, (B, 1, dim) in w, (B, layers, dim) in w+, (B, noise) in noise."""
    if isinstance(start, Tensor):
        w = start.detach().to(x.device)
        if space == "z":
            return torch.cat([model.unmap(part) for part in w.split(batch)])
        return w.mean(1, keepdim=True) if space == "w" else w
    if space == "noise":
        assert model.recipe.prior is not None, "a model with interpretable codes has a prior"
        width = model.recipe.prior.layout().noise
        if start == "mean":
            return x.new_zeros(len(x), width)
        if start == "random":
            return model.draw_prior(len(x), generator=generator)[:, :width]
        return torch.cat([model.encode(part)[:, 0, :width] for part in x.split(batch)])
    if start == "mean":
        if space == "z":
            assert model.recipe.prior is not None
            return x.new_zeros(len(x), model.recipe.prior.dim)
        w = model.w_avg.expand(len(x), -1, -1)
    elif start == "random":
        z = model.draw_prior(len(x), generator=generator)
        if space == "z":
            return z
        w = torch.cat([model.map(part) for part in z.split(batch)])
    else:
        w = torch.cat([model.encode(part) for part in x.split(batch)])
        if space == "z":
            return torch.cat([model.unmap(part) for part in w.split(batch)])
    return w.mean(1, keepdim=True) if space == "w" else w


def _check(
    model: TwoWayModel,
    count: int,
    space: str,
    start: str | Tensor,
    steps: int,
    lr: float,
    features: FeatureSpec | FeatureNet | None,
    feature_weight: float,
    encoder_weight: float,
    batch: int,
) -> None:
    if isinstance(start, Tensor):
        _check_codes(model, count, space, start)
        start = "mean"
    for what, given, known in (("space", space, Space), ("start", start, Start)):
        if given not in get_args(known):
            raise ConfigError(f"There is no {what} '{given}' to project in{closest(given, get_args(known))}.")
    for name, value, least in (("steps", steps, 0), ("batch", batch, 1)):
        if value < least:
            raise ConfigError(f"{name} is {value}, but must be at least {least}.")
    if not (lr > 0 and math.isfinite(lr)):
        raise ConfigError(f"lr is {lr}, but must be a positive number such as 0.1.")
    for name, weight in (("feature_weight", feature_weight), ("encoder_weight", encoder_weight)):
        if not (weight >= 0 and math.isfinite(weight)):
            raise ConfigError(f"{name} is {weight}, but must be a number of at least 0.")
    if feature_weight and features is None:
        raise ConfigError(f"feature_weight is {feature_weight}, but no features were given. Say which.")
    recipe = model.recipe
    if recipe.labels:
        raise ModelError(
            f"This {recipe.method} model is told the class of each picture, which a search by small steps would blur. "
            "Use encode with labels instead, or a model that was trained without --conditional."
        )
    if "encoder" not in model.nets and (start == "encoder" or encoder_weight):
        raise ModelError(
            f"This {recipe.method} model has no encoder, which the start 'encoder' and an encoder_weight need. Start "
            "from 'mean' or 'random', with an encoder_weight of 0."
        )
    if space == "noise" and recipe.encodes != "code":
        raise ModelError(
            f"A {recipe.method} model has no noise beside interpretable codes to search in. Use the space 'w', 'w+' or "
            "'z'."
        )
    if start == "encoder" and "encoder" in model.nets and not model.infers_noise:
        raise ModelError(
            f"The encoder of this {recipe.method} model does not infer the noise, so it gives no start. Start from "
            "'mean' or 'random', in the space 'noise' with the codes that it does infer."
        )
    if recipe.prior is None and (start == "random" or space == "z"):
        raise ModelError(
            f"This {recipe.method} model has no prior, which the start 'random' and the space 'z' need. Use the space "
            "'w' or 'w+', and start from 'mean' or 'encoder'."
        )
    if space == "z":
        if recipe.prior is not None and any(isinstance(block, Categorical) for block in recipe.prior.blocks):
            raise ModelError(
                f"The prior of this model is {recipe.prior}: classes cannot be found by small steps. Use the space 'w'."
            )
        if start == "encoder" and not model.invertible:
            raise ModelError(
                f"The mapping of this {recipe.method} model cannot be inverted, so the encoder gives no start in z. "
                "Start from 'mean' or 'random', or use the space 'w'."
            )


def _check_codes(model: TwoWayModel, count: int, space: str, codes: Tensor) -> None:
    if space == "noise" or tuple(codes.shape) != (count, *model.w_shape):
        raise ModelError(
            f"The start has the shape {tuple(codes.shape)} in the space '{space}', but must be latent codes of shape "
            f"{(count, *model.w_shape)}, one for each picture, in the spaces 'w', 'w+' or 'z'."
        )
    if space == "z" and not model.invertible:
        raise ModelError(
            f"The mapping of this {model.recipe.method} model cannot be inverted, so latent codes give no start in z. "
            "Start from 'mean' or 'random', or use the space 'w'."
        )
