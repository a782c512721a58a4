"""One training iteration: the steps of a phase, in order, on one batch."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from twoway.augment import AdaController, augment
from twoway.augment.geometry import jittered
from twoway.code_reading import CodeReading
from twoway.conditioning import one_hot, with_labels
from twoway.errors import ConfigError
from twoway.features import FeatureExtractor, build_features
from twoway.model import TwoWayModel
from twoway.quantities import Chance, Quantities
from twoway.recipe import InputJitter, Phase, Recipe, Step, Weight
from twoway.terms import find_term
from twoway.training.distributed import World
from twoway.training.optimisers import Optimisers
from twoway.training.streams import Streams

__all__ = ["StepRunner", "matmul_precision", "only_training"]


@contextmanager
def only_training(nets: Mapping[str, nn.Module], train: Sequence[str]) -> Iterator[None]:
    """Let only the named nets require a gradient: no other net can get one, by construction."""
    for slot, net in nets.items():
        net.requires_grad_(slot in train)
    try:
        yield
    finally:
        for net in nets.values():
            net.requires_grad_(True)


@contextmanager
def matmul_precision(kind: str) -> Iterator[None]:
    """Let float32 matrix products round their inputs to bfloat16 where the recipe says so, and restore at the end."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("medium" if kind == "bfloat16" else "highest")
    torch.backends.cudnn.allow_tf32 = kind == "bfloat16"  # what GPUs have for convolutions
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def reading_of(recipe: Recipe, progress: float) -> CodeReading | None:
    """How interpretable codes are drawn when this part of the budget is spent; None where there are none."""
    sampling = recipe.code_sampling
    if recipe.prior is None or sampling is None:
        return None
    return CodeReading(recipe.prior.layout(), sampling.at(progress), sampling.hard, sampling.squash)


class StepRunner:
    """Takes the steps of a recipe on a model.

    Args:
        model: Holds the nets, which are changed in place.
        optimisers: One per net.
        streams: Randomness of the steps.
        world: The processes.
    """

    def __init__(self, model: TwoWayModel, optimisers: Optimisers, streams: Streams, world: World) -> None:
        self.model = model
        self.nets: Mapping[str, nn.Module] = dict(model.nets.items())
        self.optimisers = optimisers
        self.streams = streams
        self.world = world
        self.progress = 0.0
        self.phase = model.recipe.phases[0]
        self.labels: Tensor | None = None
        self.ada = AdaController(model.recipe.augment)
        self._signs: list[float] = []
        self.features: FeatureExtractor | None = None
        if model.recipe.features is not None:
            self.features = build_features(model.recipe.features).to(model.device)

    def iterate(
        self, phase: Phase, x: Tensor, iteration: int, progress: float = 0.0, labels: Tensor | None = None
    ) -> dict[str, float]:
        """Take every step of a phase that is due.

        Args:
            phase: The steps.
            x: This process's real images in [-1, 1], shape (B, C, H, W).
            iteration: Number of the iteration, from 0; decides which steps and terms are due.
            progress: Part of the budget that is spent, for what changes over a training.
            labels: Classes of the images, (B,), where the nets are told any.

        Returns:
            Unweighted mean of each term over all processes as ``loss/<step>/<term>``, and ``nonfinite/<step>`` for a
            step that was not taken because a loss or gradient was not finite.
        """
        stats: dict[str, float] = {}
        self.progress = progress
        self.phase = phase
        self.labels = labels
        carried: dict[str, Any] = {}
        self._signs = []
        for step in phase.steps:
            if iteration % step.every == 0:
                stats.update(self.take(step, x, iteration, carried))
        if self._signs:
            self.ada.update(sum(self._signs) / len(self._signs), x.shape[0] * self.world.size)
            stats["augment/p"] = self.ada.p
        return stats

    def take(self, step: Step, x: Tensor, iteration: int, carried: dict[str, Any]) -> dict[str, float]:
        """Take one step of the phase in force; what it computed is left, detached, in `carried` for later steps."""
        due = {name: weight for name, weight in step.terms.items() if iteration % weight.every == 0}
        if not due:
            return {}
        parts = [{n: due[n] for n in part if n in due} for part in step.parts or (tuple(step.terms),)]
        gradients: dict[str, list[Tensor | None]] = {}
        losses: dict[str, Tensor] = {}
        with only_training(self.nets, step.train):
            q = self._quantities(step, x, due, carried)
            for part in [p for p in parts if p]:
                values = {name: find_term(name)(q, weight.options) for name, weight in part.items()}
                _add(gradients, self._gradients(step, part, values))
                losses |= {name: value.detach().reshape(1) for name, value in values.items()}
                if step.parts is not None:
                    values.clear()
                    q.forget_graphs()
        self.world.average([g for grads in gradients.values() for g in grads if g is not None] + list(losses.values()))
        numbers = torch.cat(list(losses.values())).tolist()  # one transfer from a GPU
        stats = {f"loss/{step.name}/{name}": number for name, number in zip(losses, numbers, strict=True)}
        computed = q.detached()
        if all(math.isfinite(value) for value in stats.values()) and _finite(gradients):
            self._update(step, gradients)
            self._track_mean_code(computed)
            self._track_sign(step, computed)
        else:
            stats[f"nonfinite/{step.name}"] = 1.0
        carried.update(computed)
        return stats

    def _quantities(self, step: Step, x: Tensor, due: Mapping[str, Weight], carried: Mapping[str, Any]) -> Quantities:
        missing = [name for name in step.reuse if name not in carried]
        if missing:
            raise ConfigError(f"Step '{step.name}' reuses '{missing[0]}', which no earlier step computes.")
        recipe = self.model.recipe
        augmented = recipe.augment.kind in ("diffaugment", "ada") and self.ada.p > 0

        def draw_z() -> Tensor:
            prior = recipe.code_prior
            if prior is None:
                raise ConfigError(f"Step '{step.name}' draws prior codes, but the recipe has no prior.")
            return self.streams.draw_prior(prior, x.shape[0] * self.world.size)

        return Quantities(
            self.nets,
            view=self.phase.critic_sees or recipe.critic_sees,
            x=x,
            chance=Chance(
                draw_z,
                self.streams.draw_normal,
                self.streams.draw_uniform,
                lambda layers: self.streams.draw_crossover(layers, step.style_mixing),
            ),
            given={name: carried[name] for name in step.reuse},
            leaves={name for term in due for name in find_term(term).differentiates},
            encodes=recipe.encodes,
            reading=reading_of(recipe, self.progress),
            noise=self.phase.noise,
            augment=self._augment if augmented else None,
            features=self.features,
            jitter=self._warp(recipe.input_jitter),
            views=self._warp(recipe.views),
            input_noise=recipe.input_noise.at(self.progress) if recipe.input_noise else 0.0,
            y=self._told(),
        )

    def _told(self) -> Tensor | None:
        """One-hot labels of the batch, where the nets are told them."""
        recipe = self.model.recipe
        if not recipe.labels:
            return None
        if self.labels is None:
            raise ConfigError(f"The nets of '{recipe.method}' are told labels, but there are none for these images.")
        return one_hot(self.labels, recipe.labels)

    def _augment(self, x: Tensor) -> Tensor:
        streams = self.streams
        return augment(
            x, self.model.recipe.augment, self.ada.p, draw_uniform=streams.draw_uniform, draw_normal=streams.draw_normal
        )

    def _warp(self, settings: InputJitter | None) -> Callable[[Tensor], Tensor] | None:
        if settings is None:
            return None
        amounts = dataclasses.asdict(settings)
        return lambda x: jittered(x, self.streams.draw_uniform((len(x), 7)), **amounts)

    def _gradients(
        self, step: Step, due: Mapping[str, Weight], values: Mapping[str, Tensor]
    ) -> dict[str, list[Tensor | None]]:
        """Gradients by net. Nets for which every term counts alike share one backward pass."""
        groups: dict[tuple[float, ...], list[str]] = defaultdict(list)
        for slot in step.train:
            groups[tuple(w.value * w.nets.get(slot, 1.0) for w in due.values())].append(slot)
        gradients: dict[str, list[Tensor | None]] = {}
        for number, (factors, slots) in enumerate(groups.items()):
            terms = [f * v for f, v in zip(factors, values.values(), strict=True) if f and v.requires_grad]
            parameters = [list(self.nets[slot].parameters()) for slot in slots]
            if not terms:
                gradients.update({slot: [None] * len(ps) for slot, ps in zip(slots, parameters, strict=True)})
                continue
            flat = torch.autograd.grad(
                torch.stack(terms).sum(),
                [p for ps in parameters for p in ps],
                retain_graph=number < len(groups) - 1,
                allow_unused=True,
            )
            rest = iter(flat)
            for slot, ps in zip(slots, parameters, strict=True):
                gradients[slot] = [next(rest) for _ in ps]
        return gradients

    def _update(self, step: Step, gradients: Mapping[str, Sequence[Tensor | None]]) -> None:
        for slot, grads in gradients.items():
            self._step_optimiser(slot, grads)
        for slot in step.ages:
            self._step_optimiser(slot, [torch.zeros_like(p) for p in self.nets[slot].parameters()])

    def _step_optimiser(self, slot: str, grads: Sequence[Tensor | None]) -> None:
        if slot not in self.optimisers.adams:
            return
        parameters = list(self.nets[slot].parameters())
        for parameter, grad in zip(parameters, grads, strict=True):
            # the fused Adam walks through memory and does not look at strides; convolutions return other ones
            parameter.grad = None if grad is None else _ordered_like(grad, parameter)
        self.optimisers.adams[slot].step()
        for parameter in parameters:
            parameter.grad = None

    def _track_mean_code(self, computed: Mapping[str, Any]) -> None:
        if "w" in computed:
            mean = with_labels(computed["w"], self._told()).mean(0)
            self.world.average([mean])
            self.model.w_avg.lerp_(mean.expand_as(self.model.w_avg), 1 - self.model.recipe.averaging.w_decay)

    def _track_sign(self, step: Step, computed: Mapping[str, Any]) -> None:
        """What ADA steers by: the mean sign of the scores of real images, before the critic's step."""
        if self.model.recipe.augment.kind == "ada" and "critic" in step.train and "score_real" in computed:
            sign = computed["score_real"].sign().mean().reshape(1)
            self.world.average([sign])
            self._signs.append(sign.item())


def _finite(gradients: Mapping[str, Sequence[Tensor | None]]) -> bool:
    present = [g for grads in gradients.values() for g in grads if g is not None]
    if not present:
        return True
    # the sum of the norms is finite only where every element is
    return bool(torch.stack(torch._foreach_norm(present)).sum().isfinite().item())


def _ordered_like(grad: Tensor, parameter: Tensor) -> Tensor:
    if grad.stride() == parameter.stride():
        return grad
    return torch.empty_like(parameter).copy_(grad)


def _add(total: dict[str, list[Tensor | None]], more: Mapping[str, list[Tensor | None]]) -> None:
    """Add gradients net by net, in place."""
    for slot, grads in more.items():
        before = total.get(slot, [None] * len(grads))
        total[slot] = [g if b is None else b if g is None else b + g for b, g in zip(before, grads, strict=True)]
