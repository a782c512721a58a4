"""What every registered method must keep to, in every phase, at every resolution it is trained at."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from small import STYLE_METHODS
from toys import SIDE, copied, same, toy_images, toy_recipe

import twoway
from twoway.data import to_float
from twoway.methods import METHODS, PRESETS, make_recipe
from twoway.model import TwoWayModel, build_model
from twoway.networks import Growing
from twoway.recipe import Recipe
from twoway.terms import find_term
from twoway.training.distributed import World
from twoway.training.ema import EMA
from twoway.training.optimisers import Optimisers
from twoway.training.stages import enter_phase, grow, real_images
from twoway.training.steps import StepRunner, matmul_precision, only_training
from twoway.training.streams import Streams, seeded
from twoway.training.timeline import Moment, Timeline

MODERN = {"flavour": "modern"}
FLAVOURS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in METHODS),
    ("alae", MODERN),
    ("ae", {"norm": "l1"}),
    *((name, {**MODERN, "grow": grow}) for name in ("lia", "style-alae") for grow in (False, True)),
    ("stylegan", {**MODERN, "grow": True}),
    ("vaegan-z", MODERN),
    ("style-alae", {"grow": False}),
    ("lia", {"head": "batch_norm", "coupling": "affine", "in_domain": 0.1}),
]
every_method = pytest.mark.parametrize(
    ("name", "options"), FLAVOURS, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v.values()))
)


def contract_recipe(name: str, options: dict[str, Any]) -> Recipe:
    """A small recipe; two-stage methods grow from 8 pixels, so that theirs is for 16. Modern style nets augment."""
    growing = name in STYLE_METHODS and name != "style-alae" and options != MODERN and options.get("grow", True)
    recipe = toy_recipe(name, side=2 * SIDE if growing else SIDE, **options)
    if options.get("flavour") == "modern" and name in STYLE_METHODS:
        recipe = recipe.changed({"augment": {"kind": "ada", "p": 0.5}})
    return recipe


def start(recipe: Recipe, seed: int = 0) -> tuple[TwoWayModel, StepRunner]:
    model = build_model(recipe, generator=seeded(seed, "weights")).train()
    world = World()
    runner = Watched(model, Optimisers(model.nets, recipe.optim), Streams(seed, world, model.device), world)
    return model, runner


class Watched(StepRunner):
    """Keeps the gradients of the last step."""

    def _update(self, step, gradients):
        self.seen = dict(gradients)
        super()._update(step, gradients)


def batch(count: int = 32, seed: int = 0, side: int = SIDE) -> torch.Tensor:
    x = to_float(torch.from_numpy(toy_images(count, seed))[:, None])
    return x.repeat_interleave(side // SIDE, 2).repeat_interleave(side // SIDE, 3)


def moments(recipe: Recipe) -> Iterator[Moment]:
    """One moment of every phase and resolution, and one in the middle of every fading."""
    timeline = Timeline(recipe, 100.0)
    for segment in timeline.segments:
        if segment.fading:
            faded = timeline.at(segment.start + segment.fading // 2)
            assert 0.4 < faded.blend < 0.6
            yield faded
        yield timeline.at(segment.start + segment.fading)


def training(recipe: Recipe) -> Iterator[tuple[TwoWayModel, StepRunner, Moment, torch.Tensor]]:
    """The same model in all moments of its training, with the real images it sees there."""
    model, runner = start(recipe)
    for before, moment in itertools.pairwise([None, *moments(recipe)]):
        if before is None or moment.segment.phase is not before.segment.phase:
            enter_phase(moment.segment.phase, model, EMA(model).model, seeded(0, "anchor"))
        grow(model, moment)
        runner.phase = moment.segment.phase
        yield model, runner, moment, real_images(batch(16, side=recipe.image_shape[1]), moment)


def test_the_contract_meets_every_resolution_and_phase():
    segments = [m.segment for m in moments(contract_recipe("lia", {}))]
    assert [(s.phase.name, s.level and s.level.size) for s in segments] == [
        ("gan", 8),
        ("gan", 16),
        ("gan", 16),
        ("encoder", None),
    ]
    met = [m.segment.level.size for m in moments(contract_recipe("style-alae", {}))]
    assert met == [4, 8, 8]


@every_method
def test_a_step_changes_the_nets_it_trains_and_no_other_bit(name, options):
    for model, runner, moment, x in training(contract_recipe(name, options)):
        carried = {}
        for step in moment.segment.phase.steps:
            before = {slot: copied(net.state_dict()) for slot, net in model.nets.items()}
            stats = runner.take(step, x, 0, carried)
            assert not any(key.startswith("nonfinite") for key in stats)
            for slot, net in model.nets.items():
                unchanged = same(before[slot], net.state_dict())
                assert unchanged != (slot in step.train), slot


@every_method
def test_a_net_gets_the_gradient_of_its_own_terms_only(name, options):
    """The gradient a net gets in a step equals that of its weighted terms taken one by one, with the same draws."""
    for model, runner, moment, x in training(contract_recipe(name, options)):
        carried = {}
        for step in moment.segment.phase.steps:
            weights = {slot: copied(net.state_dict()) for slot, net in model.nets.items()}
            draws, given = runner.streams.state(), dict(carried)
            runner.take(step, x, 0, carried)
            after = runner.streams.state()
            assert set(runner.seen) == set(step.train)
            for slot, net in model.nets.items():
                net.load_state_dict(weights[slot])
            runner.streams.load(draws)
            with only_training(model.nets, step.train):
                q = runner._quantities(step, x, step.terms, given)
                values = {n: find_term(n)(q, w.options) for n, w in step.terms.items()}
                for slot in step.train:
                    parameters = list(model.nets[slot].parameters())
                    expected = [torch.zeros_like(p) for p in parameters]
                    for term, weight in step.terms.items():
                        factor = weight.value * weight.nets.get(slot, 1.0)
                        grads = torch.autograd.grad(values[term], parameters, retain_graph=True, allow_unused=True)
                        expected = [e if g is None else e + factor * g for e, g in zip(expected, grads, strict=True)]
                    largest = max(float(e.abs().max()) for e in expected)
                    for mine, theirs in zip(runner.seen[slot], expected, strict=True):
                        mine = torch.zeros_like(theirs) if mine is None else mine
                        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=2e-6 * max(largest, 1.0))
            assert same(runner.streams.state(), after)  # the same draws, no more and no fewer


def working(net: Growing, moment: Moment) -> set[int]:
    """Levels whose colour layers work."""
    return {net.level} | ({net.level - 1} if moment.blend < 1 else set())


@every_method
def test_every_trained_parameter_gets_a_gradient(name, options):
    """All but the colour layers of resolutions at which this recipe never trains; those get none."""
    recipe = contract_recipe(name, options)
    idle: set[str] = set()
    used: set[str] = set()
    reached: set[str] = set()
    for model, runner, moment, x in training(recipe):
        carried = {}
        for slot, net in model.nets.items():
            parameters = [n for n, _ in net.named_parameters()]
            levels = working(net, moment) if isinstance(net, Growing) else set()
            colours = {n for n in parameters if n.split(".")[0] in ("from_rgb", "to_rgb")}
            now = {n for n in colours if int(n.split(".")[1]) in levels}
            idle |= {f"{slot}.{n}" for n in colours - now}
            used |= {f"{slot}.{n}" for n in parameters if n not in colours - now}
        for step in moment.segment.phase.steps:
            runner.take(step, x, 0, carried)
            for slot, grads in runner.seen.items():
                names = [n for n, _ in model.nets[slot].named_parameters()]
                reached |= {f"{slot}.{n}" for n, g in zip(names, grads, strict=True) if g is not None and g.any()}
    everything = {f"{slot}.{n}" for slot, net in model.nets.items() for n, _ in net.named_parameters()}
    assert idle | used == everything
    assert not reached & (idle - used)
    # batch norm takes away what a bias before it adds: its gradient is zero up to rounding
    taken_back = {n for n in used if n.endswith(".bias") and n.rsplit(".", 2)[0] + ".norm.bias" in used}
    assert not used - reached - taken_back


@every_method
def test_save_and_load_give_the_same_model(name, options, tmp_path):
    """At every stage of training, half-grown models included."""
    recipe = contract_recipe(name, options)
    x = batch(8, side=recipe.image_shape[1])
    for number, (model, runner, moment, real) in enumerate(training(recipe)):
        runner.iterate(moment.segment.phase, real, 0)
        model.eval().save(tmp_path / str(number))
        loaded = twoway.load(tmp_path / str(number))
        assert same(model.state_dict(), loaded.state_dict())
        assert loaded.recipe == model.recipe
        assert loaded.fingerprint() == model.fingerprint()
        assert torch.equal(loaded.reconstruct(x), model.reconstruct(x))
        model.train()


@every_method
def test_a_seed_decides_everything(name, options):
    recipe = contract_recipe(name, options)

    def trained(seed: int) -> dict[str, torch.Tensor]:
        model, runner = start(recipe, seed)
        for number, phase in enumerate(recipe.phases):
            for i in range(2):
                runner.iterate(phase, batch(16, 2 * number + i, side=recipe.image_shape[1]), i)
        return model.state_dict()

    assert same(trained(1), trained(1))
    assert not same(trained(1), trained(2))


@every_method
def test_shapes_and_ranges(name, options):
    """In full size at every stage of training; a code per layer for style generators."""
    recipe = contract_recipe(name, options)
    shape = recipe.image_shape
    layers = 2 * (shape[1].bit_length() - 2) if name in STYLE_METHODS else 1
    for model, _, _, _ in training(recipe):
        model.eval()
        w = model.encode(batch(5, side=shape[1]))
        assert w.shape == (5, layers, 6)
        assert model.decode(w).shape == (5, *shape)
        if recipe.prior is not None:
            assert model.map(model.draw_prior(2)).shape == (2, layers, 6)
            made = model.sample(3, generator=torch.Generator().manual_seed(0))
            assert made.shape == (3, *shape)
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
ITERATIONS = {
    "ae": 200,
    "vae": 300,
    "lr": 500,
    "jlr": 500,
    "bigan": 500,
    "alae": 700,
    "alae-modern": 700,
    "beta-vae": 300,
    "info-vae": 300,
    "factor-vae": 300,
    "vamp-prior": 300,
    "aae": 400,
    "vae-gan": 400,
    "ali": 500,
    "veegan": 600,
}
# Squared pixel error of reconstructions; a method that learns nothing is near 0.7, the variance of the pixels.
RECONSTRUCTS = {
    "ae": 0.05,
    "vae": 0.05,
    "alae-modern": 0.1,
    "beta-vae": 0.05,
    "info-vae": 0.05,
    "factor-vae": 0.05,
    "vamp-prior": 0.05,
    "aae": 0.05,
    "ali": 0.1,
    "vae-gan": 0.05,
    "veegan": 0.1,
}
# Squared error of E(G(w)) over the variance of w; 1 is as good as always saying the mean.
RECIPROCATES = {"alae": 0.6, "alae-modern": 0.3, "lr": 0.9, "jlr": 0.85, "veegan": 0.6}
SAMPLES = (
    "vae",
    "bigan",
    "lr",
    "jlr",
    "alae",
    "alae-modern",
    "beta-vae",
    "info-vae",
    "factor-vae",
    "vamp-prior",
    "aae",
    "vae-gan",
    "ali",
    "veegan",
)


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


@pytest.mark.parametrize(
    ("name", "options"), [(n, o) for n, o in FLAVOURS if n not in STYLE_METHODS], ids=lambda v: str(v) if v else ""
)
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
