"""Small models in all moments of their training, for the tests of what every method must keep to."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import torch
from toys import SIDE, toy_images
from watched import Watched, watched_runner

from twoway.data import to_float
from twoway.model import TwoWayModel, build_model
from twoway.recipe import Recipe
from twoway.training.distributed import World
from twoway.training.ema import EMA
from twoway.training.stages import enter_phase, grow, real_images
from twoway.training.streams import Streams, seeded
from twoway.training.timeline import Moment, Timeline


def named(flavour: tuple[str, dict[str, Any]]) -> str:
    """A method and its options in the name of a test."""
    name, options = flavour
    return "-".join([name, *map(str, options.values())])


@contextlib.contextmanager
def in_double_precision() -> Iterator[None]:
    """Make weights, images and draws float64, so that sums in another order differ by next to nothing."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def start(recipe: Recipe, seed: int = 0) -> tuple[TwoWayModel, Watched]:
    model = build_model(recipe, generator=seeded(seed, "weights")).train()
    runner, _ = watched_runner(model, Streams(seed, World(), model.device))
    return model, runner


def batch(count: int = 32, seed: int = 0, side: int = SIDE) -> torch.Tensor:
    x = to_float(torch.from_numpy(toy_images(count, seed))[:, None])
    return x.repeat_interleave(side // SIDE, 2).repeat_interleave(side // SIDE, 3)


def labels_of(recipe: Recipe, count: int) -> torch.Tensor | None:
    """The kinds of the bars of a batch, for nets that are told them."""
    return torch.arange(count) % recipe.labels if recipe.labels else None


def moments(recipe: Recipe) -> Iterator[Moment]:
    """One moment of every phase and resolution, and one in the middle of every fading."""
    timeline = Timeline(recipe, 100.0)
    for segment in timeline.segments:
        if segment.fading:
            faded = timeline.at(segment.start + segment.fading // 2)
            assert 0.4 < faded.blend < 0.6
            yield faded
        yield timeline.at(segment.start + segment.fading)


def training(recipe: Recipe, seed: int = 0) -> Iterator[tuple[TwoWayModel, Watched, Moment, torch.Tensor]]:
    """The same model in all moments of its training, with the real images it sees there."""
    model, runner = start(recipe, seed)
    for before, moment in itertools.pairwise([None, *moments(recipe)]):
        if before is None or moment.segment.phase is not before.segment.phase:
            random, averaged = seeded(0, "anchor"), EMA(model).model
            pictures = batch(64, side=recipe.image_shape[1]).to(torch.get_default_dtype())
            enter_phase(moment.segment.phase, model, averaged, random, lambda count, x=pictures: x[:count])
        grow(model, moment)
        runner.phase = moment.segment.phase
        runner.labels = labels_of(recipe, 16)
        x = batch(16, side=recipe.image_shape[1]).to(torch.get_default_dtype())
        yield model, runner, moment, real_images(x, moment)
