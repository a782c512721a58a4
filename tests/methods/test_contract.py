"""What every registered method must keep to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from toys import SIDE, copied, same, toy_images, toy_recipe

import twoway
from twoway.data import to_float
from twoway.methods import METHODS, PRESETS, make_recipe
from twoway.model import TwoWayModel, build_model
from twoway.recipe import Recipe
from twoway.terms import find_term
from twoway.training.distributed import World
from twoway.training.ema import EMA
from twoway.training.optimisers import Optimisers
from twoway.training.steps import StepRunner, matmul_precision, only_training
from twoway.training.streams import Streams, seeded

FLAVOURS = [(name, {}) for name in METHODS] + [("alae", {"flavour": "modern"}), ("ae", {"norm": "l1"})]
every_method = pytest.mark.parametrize(("name", "options"), FLAVOURS, ids=lambda v: str(v) if v else "")


def start(recipe: Recipe, seed: int = 0) -> tuple[TwoWayModel, StepRunner]:
    model = build_model(recipe, generator=seeded(seed, "weights")).train()
    world = World()
    runner = StepRunner(model, Optimisers(model.nets, recipe.optim), Streams(seed, world, model.device), world)
    return model, runner


def batch(count: int = 32, seed: int = 0) -> torch.Tensor:
    return to_float(torch.from_numpy(toy_images(count, seed))[:, None])


@every_method
def test_a_step_changes_the_nets_it_trains_and_no_other_bit(name, options):
    recipe = toy_recipe(name, **options)
    model, runner = start(recipe)
    for phase in recipe.phases:
        runner.phase = phase
        carried = {}
        for step in phase.steps:
            before = {slot: copied(net.state_dict()) for slot, net in model.nets.items()}
            stats = runner.take(step, batch(), 0, carried)
            assert not any(key.startswith("nonfinite") for key in stats)
            for slot, net in model.nets.items():
                unchanged = same(before[slot], net.state_dict())
                assert unchanged != (slot in step.train), f"{step.name}: {slot}"


@every_method
def test_a_net_gets_the_gradient_of_its_own_terms_only(name, options):
    """The gradient a net gets in a step equals that of its weighted terms taken one by one."""
    recipe = toy_recipe(name, **options)
    model, runner = start(recipe)
    for phase, step in [(p, s) for p in recipe.phases for s in p.steps]:
        runner.phase = phase
        state = runner.streams.state()
        with only_training(model.nets, step.train):
            q = runner._quantities(step, batch(), step.terms, {})
            values = {n: find_term(n)(q, w.options) for n, w in step.terms.items()}
            got = runner._gradients(step, step.terms, values)
        runner.streams.load(state)
        with only_training(model.nets, step.train):
            q = runner._quantities(step, batch(), step.terms, {})
            values = {n: find_term(n)(q, w.options) for n, w in step.terms.items()}
            for slot in step.train:
                parameters = list(model.nets[slot].parameters())
                expected = [torch.zeros_like(p) for p in parameters]
                for term, weight in step.terms.items():
                    factor = weight.value * weight.nets.get(slot, 1.0)
                    grads = torch.autograd.grad(values[term], parameters, retain_graph=True, allow_unused=True)
                    expected = [e if g is None else e + factor * g for e, g in zip(expected, grads, strict=True)]
                for mine, theirs in zip(got[slot], expected, strict=True):
                    torch.testing.assert_close(torch.zeros_like(theirs) if mine is None else mine, theirs)


@every_method
def test_every_trained_parameter_gets_a_gradient(name, options):
    recipe = toy_recipe(name, **options)
    model, runner = start(recipe)
    missing = {f"{slot}.{n}" for slot, net in model.nets.items() for n, _ in net.named_parameters()}
    for phase, step in [(p, s) for p in recipe.phases for s in p.steps]:
        runner.phase = phase
        with only_training(model.nets, step.train):
            q = runner._quantities(step, batch(), step.terms, {})
            values = {n: find_term(n)(q, w.options) for n, w in step.terms.items()}
            for slot, grads in runner._gradients(step, step.terms, values).items():
                names = [n for n, _ in model.nets[slot].named_parameters()]
                missing -= {f"{slot}.{n}" for n, g in zip(names, grads, strict=True) if g is not None and g.any()}
    # batch norm takes away what a bias before it adds: its gradient is zero up to rounding
    assert not {n for n in missing if not n.endswith("linear.bias")}


@every_method
def test_save_and_load_give_the_same_model(name, options, tmp_path):
    model, runner = start(toy_recipe(name, **options))
    runner.iterate(model.recipe.phases[0], batch(), 0)
    model.eval().save(tmp_path / "model")
    loaded = twoway.load(tmp_path / "model")
    assert same(model.state_dict(), loaded.state_dict())
    assert loaded.recipe == model.recipe
    assert loaded.fingerprint() == model.fingerprint()
    assert torch.equal(loaded.reconstruct(batch(8)), model.reconstruct(batch(8)))


@every_method
def test_a_seed_decides_everything(name, options):
    def trained(seed: int) -> dict[str, torch.Tensor]:
        model, runner = start(toy_recipe(name, **options), seed)
        for i in range(3):
            runner.iterate(model.recipe.phases[0], batch(32, i), i)
        return model.state_dict()

    assert same(trained(1), trained(1))
    assert not same(trained(1), trained(2))


@every_method
def test_shapes_and_ranges(name, options):
    model = build_model(toy_recipe(name, **options), generator=seeded(0, "weights")).eval()
    w = model.encode(batch(5))
    assert w.shape == (5, 1, 6)
    assert model.decode(w).shape == (5, 1, SIDE, SIDE)
    if model.recipe.prior is not None:
        made = model.sample(3, generator=torch.Generator().manual_seed(0))
        assert made.shape == (3, 1, SIDE, SIDE)
        again = model.sample(3, generator=torch.Generator().manual_seed(0))
        assert torch.equal(made, again)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_prints_as_text_that_reads_back(name):
    recipe = make_recipe(name, (1, 32, 32))
    assert Recipe.from_text(recipe.to_text()) == recipe


# What it takes to learn the toy set in seconds. ALAE's gradient penalty and weights are set for pictures of 784 pixels;
# on 64 pixels its critic would be too weak to teach anybody anything in time.
TOGETHER = "phases.train.steps.together.terms"
LEARNING = {
    "alae": {"optim.lr": 0.005, "phases.train.steps.discriminate.terms.r1": 4.0},
    "alae-modern": {
        "optim.lr": 0.007,
        f"{TOGETHER}.r1.value": 2.0,
        f"{TOGETHER}.latent_reciprocity": 2.0,
        f"{TOGETHER}.spectral_contrast": 0.1,
        "input_noise.start": 0.1,
        "input_noise.end": 0.0,
    },
}
ITERATIONS = {"ae": 200, "vae": 300, "lr": 500, "jlr": 500, "bigan": 500, "alae": 700, "alae-modern": 700}
# Squared pixel error of reconstructions; a method that learns nothing is near 0.7, the variance of the pixels.
RECONSTRUCTS = {"ae": 0.05, "vae": 0.05, "alae-modern": 0.1}
# Squared error of E(G(w)) over the variance of w; 1 is as good as always saying the mean.
RECIPROCATES = {"alae": 0.6, "alae-modern": 0.3, "lr": 0.9, "jlr": 0.85}
SAMPLES = ("vae", "bigan", "lr", "jlr", "alae", "alae-modern")


def trained_on_toys(name: str, options: dict[str, Any], x: torch.Tensor) -> TwoWayModel:
    """The average of a model that has seen some hundreds of batches; pairs, where wanted, are of a kind."""
    kind = "-".join([name, *(v for v in options.values() if v == "modern")])
    recipe = make_recipe(name, (1, SIDE, SIDE), {"latent": 16, "hidden": 128, **options}).changed(
        {
            "batch": 32,
            "optim.lr": 0.002,
            "optim.schedule.kind": "constant",
            "averaging.halflife_kimg": 1.0,
            **LEARNING.get(kind, {}),
        }
    )
    model, runner = start(recipe)
    ema = EMA(model)
    order = torch.Generator().manual_seed(0)
    iterations = ITERATIONS[kind]
    with matmul_precision(recipe.matmul):
        for i in range(iterations):
            chosen = torch.randint(len(x), (32,), generator=order)
            if recipe.neighbours is not None:  # every fourth picture is of the same kind
                chosen[16:] = (chosen[:16] + 4 * torch.randint(len(x) // 4, (16,), generator=order)) % len(x)
            runner.iterate(recipe.phases[0], x[chosen], i, i / iterations)
            ema.update(32, i * 0.032)
    return ema.model


@every_method
def test_it_learns_on_a_toy_set(name, options):
    """Reconstructions, reciprocity and samples are good, each for the methods that train it."""
    x = batch(256)
    model = trained_on_toys(name, options, x)
    kind = "-".join([name, *(v for v in options.values() if v == "modern")])
    with torch.no_grad():
        if kind in RECONSTRUCTS:
            assert (model.reconstruct(x) - x).square().mean() < RECONSTRUCTS[kind]
        if kind in RECIPROCATES:
            w = model.map(model.recipe.prior.sample(200, generator=seeded(0, "codes")))
            error = (model.encode(model.decode(w)) - w).square().mean() / w.var(0).mean()
            assert error < RECIPROCATES[kind]
        if kind in SAMPLES:
            made = model.sample(200, generator=seeded(0, "samples")).flatten(1)
            real = x.flatten(1)
            # a sample is much nearer to some picture than the mean of all is, and all four kinds of bars come up
            far = torch.cdist(real.mean(0, keepdim=True), real).min()
            assert torch.cdist(made, real).min(1).values.mean() < 0.6 * far
            bars = torch.stack([real[k::4].mean(0) for k in range(4)])
            assert torch.cdist(made, bars).argmin(1).bincount(minlength=4).min() > 0
