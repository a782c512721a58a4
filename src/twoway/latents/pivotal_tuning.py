"""Pivotal tuning: the generator itself is bent a little until it makes given pictures from given codes.

A code that was found by projection into ``w`` can be edited well but is seldom the picture; the tuned generator makes
the picture of that code, the pivot, and does nearly what it did elsewhere. What has changed is stored as a small file
(`twoway.latents.tuning_files`).

References:
    Roich et al., Pivotal Tuning for Latent-based Editing of Real Images, arXiv 2106.05744, sections 3.2 and 3.3.
"""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from twoway.errors import ConfigError, DataError, ModelError, closest
from twoway.features import FeatureSpec, build_features, feature_distance
from twoway.latents.projection_settings import FeatureNet, check_pictures
from twoway.model import TwoWayModel
from twoway.networks.layers import lr_coefficients
from twoway.telling import Telling, silent

__all__ = ["Tuned", "Tuning", "TuningStep", "check_tuning", "tune_generator", "tuning"]


@dataclass(frozen=True)
class Tuning:
    """How a generator is tuned.

    Args:
        steps: Steps of Adam at most (the paper's code: 350).
        lr: Its learning rate, times each layer's own factor as in training.
        features: Which features, or what computes them: images (B, C, H, W) to a tuple of tensors.
        feature_weight: Weight of their distance beside the mean squared pixel error.
        target: Tuning is over when the loss of every picture is no more than this.
        locality: Weight of the locality regulariser, which keeps pictures between and beyond the pivots what they were;
            0 leaves it out (the paper's code: 0.1).
        alpha: How far from a pivot, in units of w, the regulariser looks, on the way to codes of the prior.
        layers: Beginnings of names of the generator's parameters that are tuned, such as ``blocks.3``; empty for all.
        batch: Pivots in a step; each step takes the next ones in turn.
    """

    steps: int = 350
    lr: float = 3e-4
    features: FeatureSpec | FeatureNet | None = None
    feature_weight: float = 0.0
    target: float = 0.0
    locality: float = 0.0
    alpha: float = 30.0
    layers: tuple[str, ...] = ()
    batch: int = 8

    def __post_init__(self) -> None:
        for name, least in (("steps", 0), ("batch", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}, but must be at least {least}.")
        for name in ("feature_weight", "target", "locality"):
            if not (getattr(self, name) >= 0 and math.isfinite(getattr(self, name))):
                raise ConfigError(f"{name} is {getattr(self, name)}, but must be a number of at least 0.")
        for name in ("lr", "alpha"):
            if not (getattr(self, name) > 0 and math.isfinite(getattr(self, name))):
                raise ConfigError(f"{name} is {getattr(self, name)}, but must be a positive number.")
        if self.feature_weight and self.features is None:
            raise ConfigError(f"feature_weight is {self.feature_weight}, but no features were given. Say which.")


@dataclass(frozen=True)
class Tuned:
    """A tuned model, and how it came about.

    Args:
        model: A copy with a tuned generator; all else is as it was, bit for bit. It accepts codes and directions of
            the model that it comes from.
        base: Fingerprint of that model.
        w: The pivots, (N, layers, dim).
        x_rec: Their images (N, C, H, W), not clamped.
        losses: Loss of each pivot before tuning and after, (2, N).
        history: Mean loss of the pivots of each step.
        steps: Steps taken.
        diverged: Whether tuning ended because a loss was not finite; then the weights are those of the best step.
    """

    model: TwoWayModel
    base: str
    w: Tensor
    x_rec: Tensor
    losses: Tensor
    history: tuple[float, ...]
    steps: int
    diverged: bool


@dataclass(frozen=True)
class TuningStep:
    """Tuning between two steps.

    Args:
        step: Steps taken.
        steps: Steps to take at most.
        x_rec: Images of the pivots of this step before it was taken, (B, C, H, W).
        loss: Their mean loss.
    """

    step: int
    steps: int
    x_rec: Tensor
    loss: float
    _run: _Run = field(repr=False)

    def result(self) -> Tuned:
        """What tuning has come to when this is called; to be called before it goes on."""
        return self._run.result()


def tune_generator(
    model: TwoWayModel,
    x: Tensor,
    w: Tensor,
    settings: Tuning | None = None,
    *,
    generator: torch.Generator | None = None,
    progress: Telling = silent,
) -> Tuned:
    """Tune the generator of a copy of a model until it makes pictures from their codes.

    Args:
        model: Is not changed.
        x: Images in [-1, 1], (N, C, H, W).
        w: Their codes, the pivots, (N, layers, dim); those of `twoway.latents.project` in the space ``w``, say.
        settings: How to tune.
        generator: Source of the codes that the locality regulariser looks towards, on the CPU.
        progress: Told how many steps are done.

    Raises:
        ConfigError: Layers that the generator does not have.
        DataError: No pictures, or values that are not finite.
        ModelError: Codes or pictures do not fit, or the model lacks the prior that the regulariser needs.
    """
    for step in tuning(model, x, w, settings, generator=generator):
        progress("tuning", step.step, max(step.steps, 1))
    if step.step < step.steps:  # it ended early
        progress("tuning", step.steps, step.steps)
    return step.result()


def tuning(
    model: TwoWayModel,
    x: Tensor,
    w: Tensor,
    settings: Tuning | None = None,
    *,
    generator: torch.Generator | None = None,
) -> Iterator[TuningStep]:
    """`tune_generator`, step by step: to show pictures meanwhile, or to stop when somebody has seen enough.

    Yields:
        What there is before the first step, and after each; `TuningStep.result` gives the tuned model.

    Raises:
        UserError: At the call; see `tune_generator`.
    """
    settings = settings or Tuning()
    check_pictures(model, x)
    wanted = (len(x), *model.w_shape)
    if tuple(w.shape) != wanted:
        raise ModelError(
            f"The pivots have the shape {tuple(w.shape)}, but must be latent codes of shape {wanted}, one for each "
            "picture."
        )
    if not torch.isfinite(w).all():
        raise DataError("The pivots hold values that are not finite. Search for the codes again, with a smaller lr.")
    check_tuning(model, settings)
    return _steps(_Run(model, x, w, settings, generator))


def check_tuning(model: TwoWayModel, settings: Tuning) -> None:
    """Refuse settings that a model cannot be tuned with; before a long search for its pivots, say.

    Raises:
        ConfigError: Layers that the generator does not have.
        ModelError: The model lacks the prior that the locality regulariser needs.
    """
    if settings.locality and model.recipe.prior is None:
        raise ModelError(
            f"This {model.recipe.method} model has no prior, towards whose codes the locality regulariser looks. Tune "
            "with a locality of 0."
        )
    tuned_parameters(model.nets["generator"], settings.layers)


def _steps(run: _Run) -> Iterator[TuningStep]:
    while True:
        x_rec, loss = run.judge()
        yield TuningStep(run.step, run.settings.steps, x_rec, loss, run)
        if run.over:
            return
        run.advance()


class _Run:
    """Tuning, stopped between two steps."""

    def __init__(
        self, model: TwoWayModel, x: Tensor, w: Tensor, settings: Tuning, generator: torch.Generator | None
    ) -> None:
        self.settings, self.draws = settings, generator
        self.base = model.fingerprint()
        self.lineage = (*model.tuned_from, self.base)
        with torch.inference_mode(False):
            self.model = copy.deepcopy(model).eval().requires_grad_(False)
            self.x, self.w = (one.detach().clone().to(model.device) for one in (x, w))
            net = self.model.nets["generator"]
            chosen = tuned_parameters(net, settings.layers)
            for weight in chosen.values():
                weight.requires_grad_(True)
            before = copy.deepcopy(self.model).requires_grad_(False) if settings.locality else None
        self.before = before
        spec = settings.features if settings.feature_weight else None
        self.features = build_features(spec).to(model.device) if isinstance(spec, FeatureSpec) else spec
        self.adam = _adam(net, chosen, settings.lr)
        self.weights = list(chosen.values())
        self.first = self._of_all()[1]
        self.best = [weight.detach().clone() for weight in self.weights]
        self.least = math.inf
        self.latest = self.first.clone()
        self.history: list[float] = []
        self.step = 0
        self.diverged = not bool(torch.isfinite(self.first).all())
        if self.diverged:
            raise ModelError(
                "The pictures that the model makes of the pivots, or their losses, are not finite numbers, so there is "
                "nothing to tune from. Search for other codes."
            )

    @property
    def over(self) -> bool:
        settled = settled_at(self.latest, self.settings.target)
        return self.step >= self.settings.steps or self.diverged or settled

    def judge(self) -> tuple[Tensor, float]:
        """Images of the pivots whose turn it is, and their mean loss; keeps the weights if the best so far."""
        count, size = len(self.x), min(self.settings.batch, len(self.x))
        self.rows = torch.arange(self.step * size, (self.step + 1) * size, device=self.x.device) % count
        with torch.inference_mode(False), torch.enable_grad():
            x_rec, self.loss = self._losses(self.rows)
        losses = self.loss.detach()
        mean = float(losses.mean())
        self.history.append(mean)
        if not math.isfinite(mean):
            self.diverged = True
            return x_rec.detach(), mean
        self.latest[self.rows] = losses
        # of several batches the latest loss of each pivot, which are of neighbouring steps
        if float(self.latest.mean()) < self.least:
            self.least = float(self.latest.mean())
            self.best = [weight.detach().clone() for weight in self.weights]
        return x_rec.detach(), mean

    def advance(self) -> None:
        """One step of Adam."""
        with torch.inference_mode(False), torch.enable_grad():
            total = self.loss.mean()
            if self.before is not None:
                total = total + self.settings.locality * self._moved(self.before).mean()
            gradients = torch.autograd.grad(total, self.weights, allow_unused=True)
            for weight, gradient in zip(self.weights, gradients, strict=True):
                weight.grad = gradient
            self.adam.step()
            self.adam.zero_grad(set_to_none=True)
        self.step += 1

    def _losses(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        x_rec = self.model.decode(self.w[rows])
        return x_rec, self._distance(x_rec, self.x[rows])

    def _distance(self, x_rec: Tensor, x: Tensor) -> Tensor:
        loss = (x_rec - x).square().flatten(1).mean(1)
        if self.features is not None:
            loss = loss + self.settings.feature_weight * feature_distance(self.features(x_rec), self.features(x))
        return loss

    def _moved(self, before: TwoWayModel) -> Tensor:
        """How much pictures at the distance alpha from the pivots have changed, (B,).

        References:
            Roich et al., arXiv 2106.05744, equations 4 and 5.
        """
        with torch.no_grad():
            pivots = self.w[self.rows]
            towards = before.map(before.draw_prior(len(pivots), generator=self.draws)) - pivots
            length = towards.flatten(1).norm(dim=1).clamp_min(1e-12) / math.sqrt(towards.shape[1])
            there = pivots + self.settings.alpha * towards / length[:, None, None]
            was = before.decode(there)
        return self._distance(self.model.decode(there), was)

    @torch.no_grad()
    def _of_all(self) -> tuple[Tensor, Tensor]:
        """Images and losses of all pivots."""
        parts = torch.arange(len(self.x), device=self.x.device).split(self.settings.batch)
        images, losses = zip(*(self._losses(rows) for rows in parts), strict=True)
        return torch.cat(images), torch.cat(losses)

    @torch.no_grad()
    def result(self) -> Tuned:
        """The model with the best weights so far."""
        now = [weight.detach().clone() for weight in self.weights]
        _fill(self.weights, self.best)
        x_rec, losses = self._of_all()
        tuned = copy.deepcopy(self.model).requires_grad_(True)
        _fill(self.weights, now)
        tuned.tuned_from = self.lineage
        return Tuned(
            tuned, self.base, self.w, x_rec, torch.stack([self.first, losses]), tuple(self.history), self.step,
            self.diverged,
        )  # fmt: skip


def tuned_parameters(net: nn.Module, layers: Sequence[str]) -> dict[str, nn.Parameter]:
    """Parameters by name whose names begin with one of the names given; all where none are given.

    Raises:
        ConfigError: A name that nothing begins with.
    """
    known = dict(net.named_parameters())
    for layer in layers:
        if not any(_within(name, layer) for name in known):
            tops = {".".join(name.split(".")[:2]) for name in known}
            raise ConfigError(f"The generator has no layer '{layer}' to tune{closest(layer, tops)}.")
    return {name: p for name, p in known.items() if not layers or any(_within(name, layer) for layer in layers)}


def settled_at(losses: Tensor, target: float) -> bool:
    """Whether the loss of every picture is no more than the target."""
    return target > 0 and bool((losses <= target).all())


def _within(name: str, layer: str) -> bool:
    return name == layer or name.startswith(f"{layer}.")


def _adam(net: nn.Module, chosen: dict[str, nn.Parameter], lr: float) -> torch.optim.Adam:
    """Adam with each parameter's own factor on the learning rate: weights of style nets are stored as they act."""
    factors = lr_coefficients(net)
    groups: dict[float, list[nn.Parameter]] = defaultdict(list)
    for name, weight in chosen.items():
        groups[factors[name]].append(weight)
    return torch.optim.Adam([{"params": weights, "lr": lr * factor} for factor, weights in groups.items()], lr=lr)


@torch.no_grad()
def _fill(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.copy_(value)
