"""Exact resume where something changes: resolutions, batches, phases, augmentation, mirrored pictures, budgets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_resume import go, lines, newest, trainer_of
from toys import SIDE, same, toy_images

from twoway.augment import Augment
from twoway.methods import make_recipe
from twoway.recipe import Recipe
from twoway.training.config import DataConfig, RunConfig, TrainingConfig
from twoway.training.runs import create_run
from twoway.training.timeline import Timeline

ADA = Augment("ada", p=0.3, adjust_every=2, speed_kimg=2.0)


def style_alae() -> Recipe:
    """Two resolutions with batches of their own; momentless Adam that forgets at the change."""
    options = {"latent": 6, "start": 4, "maximum": 8, "depth": 2, "batches": (16, 8), "rates": (0.0015, 0.003)}
    recipe = make_recipe("style-alae", (1, SIDE, SIDE), {**options, "last_level_epochs": 6.0})
    return replace(recipe, mirror=True, augment=ADA)


def lia() -> Recipe:
    """Two resolutions, then the encoder with other settings and another batch."""
    recipe = make_recipe("lia", (1, 2 * SIDE, 2 * SIDE), {"latent": 6, "start": 4, "maximum": 8})
    shares = {"phases.gan.share": 1.0, "phases.encoder.share": 1.0, "phases.encoder.batch": 8}
    lengths = {"phases.gan.growth.levels": [{"size": 8, "stable": 1.0}, {"size": 16, "stable": 0.5, "fade": 0.5}]}
    return replace(recipe.changed({**shares, **lengths}), mirror=True, augment=ADA)


def lia_keeping() -> Recipe:
    """The modern flavour: its optimisers keep their moments when the resolution changes."""
    options = {"latent": 6, "start": 4, "maximum": 8, "flavour": "modern", "grow": True}
    recipe = make_recipe("lia", (1, 2 * SIDE, 2 * SIDE), options).with_batch(16)
    shares = {"phases.gan.share": 2.0, "phases.encoder.share": 1.0, "optim.betas": [0.5, 0.99]}
    return replace(recipe.changed(shares), mirror=True, augment=ADA)


def infovaegan() -> Recipe:
    """Contrast of views, then heads set by clusters of pictures, and three steps with several draws of every kind."""
    options = {"latent": 6, "classes": 4, "continuous": 2, "hidden": 32, "nets": "mlp", "views": True}
    return replace(make_recipe("infovaegan", (1, SIDE, SIDE), options).with_batch(16), mirror=True, augment=ADA)


RECIPES = {
    "style-alae": (style_alae, 0.192),
    "lia": (lia, 0.256),
    "lia-keeping": (lia_keeping, 0.24),
    "infovaegan": (infovaegan, 0.24),
}


def config_of(recipe: Recipe, kimg: float, folder: Path, **changes) -> RunConfig:
    images = toy_images(96).repeat(recipe.image_shape[1] // SIDE, 1).repeat(recipe.image_shape[2] // SIDE, 2)
    np.savez(folder / "bars.npz", images=images)
    training = TrainingConfig(kimg=kimg, plan_kimg=kimg, device="cpu", tick_kimg=0.032, sample_kimg=0.064, keep=100)
    return RunConfig(recipe.method, recipe, DataConfig(str(folder / "bars.npz")), replace(training, **changes))


def boundaries(config: RunConfig) -> list[int]:
    return [segment.start for segment in config.timeline.segments[1:]]


def states(run: Path) -> dict[str, object]:
    newest_folder = sorted((run / "checkpoints").iterdir())[-1]
    state = json.loads((newest_folder / "state.json").read_text())
    return {k: state[k] for k in ("iteration", "segment", "augment", "nonfinite")}


def assert_same_runs(one: Path, other: Path) -> None:
    expected, got = newest(one), newest(other)
    assert expected.keys() == got.keys() == {"live", "ema", "optimisers", "streams"}
    for name in expected:
        assert same(expected[name], got[name]), name
    assert lines(one) == lines(other)
    assert states(one) == states(other)
    assert {p.name for p in (one / "samples").iterdir()} == {p.name for p in (other / "samples").iterdir()}
    for picture in (one / "samples").iterdir():
        assert picture.read_bytes() == (other / "samples" / picture.name).read_bytes()


@pytest.mark.parametrize("name", RECIPES)
def test_resume_is_exact_before_at_and_after_every_change(name, tmp_path):
    """One run without a stop, and one that stops around every boundary and in the middle of every fading."""
    make, kimg = RECIPES[name]
    config = config_of(make(), kimg, tmp_path)
    whole = create_run(tmp_path / "runs", config, "whole")
    assert go(trainer_of(config, whole)).finished
    changes = boundaries(config)
    assert len(changes) == len(config.timeline.segments) - 1 >= 1
    stops = {b + d for b in changes for d in (-1, 0, 1)}
    stops |= {s.start + s.fading // 2 for s in config.timeline.segments if s.fading}
    stops = sorted(s for s in stops if 0 < s < config.iterations)
    assert len(stops) >= 3
    parts = create_run(tmp_path / "runs", config, "parts")
    for number, stop in enumerate(stops):
        trainer = trainer_of(config, parts, resume=number > 0)
        assert trainer.iteration == (stops[number - 1] if number else 0)
        assert not go(trainer, stop_after=stop).finished
    assert go(trainer_of(config, parts, resume=True)).finished
    assert_same_runs(whole, parts)
    assert states(whole)["augment"]["p"] != ADA.p  # the controller was at work
    assert {line["phase"] for line in lines(whole)} == {p.name for p in config.recipe.phases}
    sizes = {s.level.size for s in config.timeline.segments if s.level}
    assert {line.get("resolution") for line in lines(whole)} >= sizes


def test_a_larger_budget_extends_the_last_segment_only(tmp_path):
    """A finished run that is given more is, bit for bit, the run that had more but was shared out by the old budget."""
    recipe = style_alae()
    short = config_of(recipe, 0.192, tmp_path)
    long = short.with_kimg(0.256)
    assert short.iterations < long.iterations
    assert [s.start for s in short.timeline.segments] == [s.start for s in long.timeline.segments]
    whole = create_run(tmp_path / "runs", long, "whole")
    assert go(trainer_of(long, whole)).finished
    parts = create_run(tmp_path / "runs", short, "parts")
    assert go(trainer_of(short, parts)).finished
    resumed = trainer_of(long, parts, resume=True)
    assert resumed.iteration == short.iterations
    assert go(resumed).finished
    expected, got = newest(whole), newest(parts)
    for name in expected:
        assert same(expected[name], got[name]), name
    # without the plan the levels would be shared out anew
    assert boundaries(config_of(recipe, 0.256, tmp_path)) != boundaries(long)


def test_optimisers_forget_or_keep_their_moments_as_the_recipe_says(tmp_path):
    """After the first iteration at a new resolution the second moment of a forgetful Adam has seen one gradient."""
    for name, forgets in (("lia", True), ("lia-keeping", False)):
        make, kimg = RECIPES[name]
        config = config_of(make(), kimg, tmp_path)
        change = boundaries(config)[0]
        run = create_run(tmp_path / "runs", config, name)
        go(trainer_of(config, run), stop_after=change + 1)
        critic = {
            int(v) for k, v in newest(run)["optimisers"].items() if k.startswith("critic/") and k.endswith("step")
        }
        assert max(critic) == (1 if forgets else change + 1), name


def test_a_phase_starts_with_the_averaged_generator_and_leaves_it_alone(tmp_path):
    make, kimg = RECIPES["lia"]
    config = config_of(make(), kimg, tmp_path)
    change = boundaries(config)[-1]
    run = create_run(tmp_path / "runs", config, "run")
    go(trainer_of(config, run), stop_after=change)
    before = newest(run)
    frozen = [k for k in before["ema"] if k.startswith(("nets.mapping.", "nets.generator.")) and "_extra" not in k]
    assert any(not torch.equal(before["live"][k], before["ema"][k]) for k in frozen)
    assert go(trainer_of(config, run, resume=True)).finished
    after = newest(run)
    for k in frozen:
        assert torch.equal(after["live"][k], before["ema"][k]), k
        assert torch.equal(after["ema"][k], before["ema"][k]), k
    assert not torch.equal(after["live"]["nets.encoder.head.w_mean"], torch.zeros(6))
    assert not [k for k in after["optimisers"] if k.startswith(("generator/", "mapping/"))]


def test_pictures_are_mirrored_by_a_stream_of_their_own(tmp_path):
    recipe = replace(style_alae(), mirror=True)
    config = config_of(recipe, 0.192, tmp_path)
    mirrored = trainer_of(config, create_run(tmp_path / "runs", config, "mirrored"))
    other = replace(config, recipe=replace(recipe, mirror=False))
    plain = trainer_of(other, create_run(tmp_path / "runs", other, "plain"))
    last = mirrored.timeline.at(config.iterations - 1)
    flipped = 0
    for _ in range(6):
        a, b = mirrored._next_images(last), plain._next_images(last)
        for x, y in zip(a, b, strict=True):
            assert torch.equal(x, y) or torch.equal(x, y.flip(2))
            flipped += not torch.equal(x, y)
    assert 24 < flipped < 72  # of 96
    changed = {k for k, v in mirrored.streams.state().items() if not torch.equal(v, plain.streams.state()[k])}
    assert changed == {"mirror"}


def test_small_batches_at_every_resolution():
    recipe = style_alae().with_batch(4)
    assert {s.batch for s in Timeline(recipe, 0.192).segments} == {4}
