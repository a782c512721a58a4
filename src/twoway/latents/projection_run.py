"""One search for the codes of a batch of pictures, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from twoway.code_reading import likely_codes
from twoway.conditioning import carried_labels
from twoway.errors import ModelError
from twoway.features import feature_distance
from twoway.latents.noise_maps import autocorrelation, first_maps, given_noise, renormalise
from twoway.latents.projection_settings import FeatureNet, ProjectionSettings, Space, Start
from twoway.model import TwoWayModel

__all__ = ["Fixed", "Run", "first_codes", "settled", "spread_of_codes"]

SAMPLES = 1_000
"""Codes of the prior that the spread is measured on."""
SELDOM = 10
"""Steps between two questions whether all losses have stopped being finite."""


@contextmanager
def settled(model: TwoWayModel) -> Iterator[None]:
    """Gradients are on, and the model evaluates and gets none; afterwards everything is as it was."""
    training = [module for module in model.modules() if module.training]
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    # a caller's inference mode would make codes that no gradient reaches
    with torch.inference_mode(False), torch.enable_grad():
        try:
            for module in training:
                module.training = False
            for weight in learning:
                weight.requires_grad_(False)
            yield
        finally:
            for weight in learning:
                weight.requires_grad_(True)
            for module in training:
                module.training = True


@dataclass(frozen=True)
class Fixed:
    """What all searches of a call have in common.

    Args:
        model: Decodes.
        settings: How to search.
        features: What computes features, where they count.
        spread: Root mean square distance of a code from the mean, where noise is added to codes.
    """

    model: TwoWayModel
    settings: ProjectionSettings
    features: FeatureNet | None
    spread: float


class Run:
    """A search, stopped between two steps.

    A picture whose search is over is still computed with the others, but what is kept of it does not change any more.

    Args:
        fixed: How to search.
        x: Images (B, C, H, W), on the model's device.
        first: Where the search begins, shape of the space's codes (B, ...).
        seeds: One number per picture for the noise that is added to codes, on the CPU.

    Attributes:
        step: Steps taken.
        losses: A row (B,) for each step so far: the loss, or the least one of a picture whose search is over.
        least: Least loss of each picture so far, (B,).
        pictures: Images of the best codes (B, C, H, W), with the noise that was added to them, if any.
        taken: Steps that each picture was searched, int64 (B,).
        active: Whether the search of each picture goes on, (B,).
        diverged: Whether it ended because a loss was not finite, (B,).
    """

    def __init__(self, fixed: Fixed, x: Tensor, first: Tensor, seeds: Tensor) -> None:
        self.fixed, self.x = fixed, x
        settings, model = fixed.settings, fixed.model
        self.code = first.detach().clone().requires_grad_()
        with torch.no_grad():
            self.known = likely_codes(model.encode_code(x)) if settings.space == "noise" else None
            self.wanted: Sequence[Tensor] = fixed.features(x) if fixed.features else ()
        self.maps = [one.requires_grad_() for one in first_maps(model, len(x))] if settings.optimise_noise else []
        self.adam = torch.optim.Adam([self.code, *self.maps], lr=settings.lr)
        self.draws = [torch.Generator().manual_seed(int(seed)) for seed in seeds] if settings.w_noise else []
        self.best = [one.detach().clone() for one in (self.code, *self.maps)]
        self.pictures = torch.zeros_like(x)
        self.least = torch.full((len(x),), math.inf, device=x.device)
        self.mark = self.least  # what the next gain is counted from
        self.waited = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        self.taken = torch.zeros_like(self.waited)
        self.active = torch.ones(len(x), dtype=torch.bool, device=x.device)
        self.diverged = ~self.active
        self.losses: list[Tensor] = []
        self.step = 0
        self._noisy = False  # whether the codes were last judged with noise

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""
        if len(self.losses) > self.fixed.settings.steps:
            return True
        # asking another device makes the processor wait for it: seldom where only losses that are not finite end it
        ask = self.losses and (self.fixed.settings.early_stop is not None or self.step % SELDOM == 0)
        return bool(ask) and not bool(self.active.any())

    def advance(self) -> None:
        """Judge the codes, and unless that was the last time take a step."""
        settings = self.fixed.settings
        part = (len(self.losses) - 1 + 0.5) / max(settings.steps, 1)
        noise = settings.w_noise * max(0.0, 1 - part / 0.75) ** 2 if self.losses else 0.0
        with settled(self.fixed.model):
            if self.losses:
                self._step(part)
            x_rec, loss = self._judged(noise)
        self._note(loss.detach(), x_rec.detach(), noisy=noise > 0)
        if len(self.losses) == 1 and not bool(torch.isfinite(loss).all()):
            raise ModelError(
                "The pictures that the search starts from, or their losses, are not finite numbers. Start from another "
                "code, and look at a picture or two of the model (twoway generate)."
            )
        self._loss = loss

    def _step(self, part: float) -> None:
        """One step of Adam on codes and maps, `part` of the way from 0 to 1."""
        self.adam.param_groups[0]["lr"] = self.fixed.settings.lr * _ramp(part)
        variables = [self.code, *self.maps]
        total = self._loss.sum()
        if self.maps:
            total = total + self.fixed.settings.noise_weight * autocorrelation(self.maps).sum()
        # of these alone: nothing is added to the nets' own gradients
        for variable, gradient in zip(variables, torch.autograd.grad(total, variables), strict=True):
            variable.grad = gradient
        self.adam.step()
        renormalise(self.maps)
        self.step += 1

    def _judged(self, noise: float) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) of the codes, and the loss of each, (B,)."""
        model, settings = self.fixed.model, self.fixed.settings
        code: Tensor = self.code
        if noise:
            drawn = torch.stack([torch.randn(code.shape[1:], generator=draw) for draw in self.draws])
            code = code + noise * self.fixed.spread * drawn.to(code.device)
        w = self._latent(code)
        x_rec = model.decode(w, noise=given_noise(self.maps)) if self.maps else model.decode(w)
        loss = _squared(x_rec, self.x)
        if self.fixed.features:
            loss = loss + settings.feature_weight * feature_distance(self.fixed.features(x_rec), self.wanted)
        if settings.encoder_weight:
            told = carried_labels(w, model.recipe.labels)
            loss = loss + settings.encoder_weight * _squared(model.represent(x_rec, told), model.inferred(w))
        if settings.mean_weight:
            loss = loss + settings.mean_weight * _squared(w, model.w_avg)
        return x_rec, loss

    @torch.no_grad()
    def _note(self, loss: Tensor, x_rec: Tensor, *, noisy: bool) -> None:
        """Keep what is best, and see whose search is over; without a word to the processor from another device."""
        self.taken = torch.where(self.active, self.step, self.taken)
        finite = torch.isfinite(loss)
        self.diverged = self.diverged | (self.active & ~finite)
        # a loss with noise says little about the code without: until there is none, the newest code counts as the best
        better = self.active & finite & ((loss < self.least) | noisy | self._noisy)
        self.least = torch.where(better, loss, self.least)
        self.best = [_chosen(better, new, old) for new, old in zip((self.code, *self.maps), self.best, strict=True)]
        self.pictures = _chosen(better, x_rec, self.pictures)
        self.losses.append(torch.where(self.active & finite, loss, self.least))
        self.active = self.active & finite
        stop = self.fixed.settings.early_stop
        if stop is not None:
            gained = (self.least < self.mark * (1 - stop.least)) | noisy | self._noisy
            self.mark = torch.where(gained, self.least, self.mark)
            self.waited = torch.where(gained, 0, self.waited + 1)
            done = (self.waited >= stop.patience) | (self.least <= stop.target)
            self.active = self.active & (~done | noisy)
        self._noisy = noisy

    def _latent(self, code: Tensor) -> Tensor:
        """Latent codes (B, layers, dim) of what is optimised, and of interpretable codes where it is noise alone."""
        if self.known is not None:
            return torch.cat([code, self.known], dim=1).unsqueeze(1)
        model = self.fixed.model
        return model.map(code) if self.fixed.settings.space == "z" else code.expand(-1, *model.w_shape)

    @torch.no_grad()
    def result(self) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...] | None, Tensor]:
        """Best latent codes (B, layers, dim), prior codes and maps where they were optimised, and their images."""
        model = self.fixed.model
        with settled(model), torch.no_grad():
            code, *maps = self.best
            w = self._latent(code).clone()
            x_rec = model.decode(w, noise=given_noise(maps)) if maps else model.decode(w)
        return w, code if self.fixed.settings.space == "z" else None, tuple(maps) or None, x_rec


@torch.no_grad()
def first_codes(
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
    return w.mean(1, keepdim=True) if space == "w" else w.clone()


@torch.no_grad()
def spread_of_codes(model: TwoWayModel) -> float:
    """Root mean square distance of the rows of latent codes of the prior from the mean code.

    References:
        Karras et al., arXiv 1912.04958, appendix D (its sigma_w).
    """
    z = model.draw_prior(SAMPLES, generator=torch.Generator().manual_seed(0))
    return float((model.map(z) - model.w_avg).square().sum(2).mean().sqrt())


def _squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().flatten(1).mean(1)


def _chosen(which: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Rows of the one where `which` (B,), otherwise of the other."""
    return torch.where(which.view(-1, *[1] * (new.ndim - 1)), new.detach(), old)


def _ramp(t: float) -> float:
    """Factor on the learning rate at a part t of the way, from 0 to 1."""
    return min(1.0, t / 0.05) * (0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / 0.25)))
