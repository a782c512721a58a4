"""What the models of every registered method must keep to, in every phase, at every resolution it is trained at."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from contract import batch, labels_of, named, training
from small import STYLE_METHODS
from test_contract import FLAVOURS, contract_recipe
from torch import Tensor
from toys import copied, same

import twoway
from twoway.model import TwoWayModel
from twoway.recipe import Recipe
from twoway.training.streams import seeded

State = dict[str, Tensor]


@dataclass(frozen=True)
class Stage:
    """A model at a moment of its training: what it is, what it does, and what a file makes of it."""

    state: State
    fingerprint: str
    represented: Tensor | None
    rebuilt: Tensor | None
    codes: Tensor
    decoded: Tensor
    mapped: Tensor | None
    samples: tuple[Tensor, ...]
    loaded: TwoWayModel


@dataclass(frozen=True)
class Trained:
    """All stages of a training."""

    recipe: Recipe
    stages: list[Stage]


def look(model: TwoWayModel, folder) -> Stage:
    """Use a model in all ways it has, and save and load it."""
    x, told = batch(5, side=model.recipe.image_shape[1]), labels_of(model.recipe, 5)
    model.eval()
    codes = model.encode(x, told) if "encoder" in model.nets and model.infers_noise else model.map(model.draw_prior(5))
    drawn = model.recipe.prior is not None
    stage = Stage(
        state=copied(model.state_dict()),
        fingerprint=model.fingerprint(),
        represented=model.represent(x, told) if "encoder" in model.nets else None,
        rebuilt=model.reconstruct(x, told) if model.reconstructs else None,
        codes=codes,
        decoded=model.decode(codes),
        mapped=model.map(model.draw_prior(2)) if drawn else None,
        samples=tuple(model.sample(3, generator=seeded(0, "samples")) for _ in range(2 * drawn)),
        loaded=twoway.load(model.save(folder)),
    )
    model.train()
    return stage


def states(recipe: Recipe, seed: int):
    """The models of a training, after two iterations at every moment."""
    for model, runner, moment, x in training(recipe, seed):
        for i in range(2):
            stats = runner.iterate(moment.segment.phase, x, i, labels=labels_of(recipe, len(x)))
            assert not any(key.startswith("nonfinite") for key in stats)
        yield model


@pytest.fixture(scope="module", params=FLAVOURS, ids=named)
def trained(request, tmp_path_factory):
    """One training of a method; the tests below look at its stages from several sides."""
    recipe = contract_recipe(*request.param)
    folder = tmp_path_factory.mktemp("models")
    return Trained(recipe, [look(m, folder / str(n)) for n, m in enumerate(states(recipe, seed=1))])


def test_save_and_load_give_the_same_model(trained):
    """At every stage of training, half-grown models included."""
    for stage in trained.stages:
        x, told = batch(5, side=trained.recipe.image_shape[1]), labels_of(trained.recipe, 5)
        assert same(stage.state, stage.loaded.state_dict())
        assert stage.loaded.recipe == trained.recipe
        assert stage.loaded.fingerprint() == stage.fingerprint
        if stage.represented is not None:
            assert torch.equal(stage.loaded.represent(x, told), stage.represented)
        assert torch.equal(stage.loaded.eval().decode(stage.codes), stage.decoded)
        if stage.rebuilt is not None:
            assert torch.equal(stage.loaded.reconstruct(x, told), stage.rebuilt)


def test_a_seed_decides_everything(trained):
    """At every stage of training, whether or not anybody looks at the model in between."""
    for stage, model in zip(trained.stages, states(trained.recipe, seed=1), strict=True):
        assert same(stage.state, model.state_dict())
    other = next(states(trained.recipe, seed=2))
    assert not same(trained.stages[0].state, other.state_dict())


def test_shapes_and_ranges(trained):
    """In full size at every stage of training; a code per layer for style generators."""
    recipe = trained.recipe
    shape = recipe.image_shape
    width = recipe.prior.dim if recipe.encodes == "code" else 6 + recipe.labels
    layers = 2 * (shape[1].bit_length() - 2) if recipe.method in STYLE_METHODS else 1
    for stage in trained.stages:
        assert stage.codes.shape == (5, layers, width)
        assert stage.decoded.shape == (5, *shape)
        assert stage.represented is None or stage.represented.shape[0] == 5
        if stage.rebuilt is not None:
            assert stage.rebuilt.shape == (5, *shape)
        if recipe.prior is not None:
            assert stage.mapped.shape == (2, layers, width)
            made, again = stage.samples
            assert made.shape == (3, *shape)
            assert torch.equal(made, again)
