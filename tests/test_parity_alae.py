"""The faithful ALAE against numbers made with the official code (branch mnist_ref @ 6becd74, random weights).

`alae_mlp_weights.npz` holds the weights as integers (times 256, exact), `alae_mlp_paper_branch.npz` inputs, outputs,
losses, gradient norms and three iterations with the official optimiser. Images there are in [0, 1].
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from watched import watched_runner, weighted, without_ageing

from twoway.methods import make_recipe
from twoway.model import build_model
from twoway.training.distributed import World
from twoway.training.streams import Streams

FIXTURES = Path(__file__).parent / "fixtures"
SLOTS = {"E": "encoder", "G": "generator", "F": "mapping", "D": "critic"}
STEPS = {"I": "discriminate", "II": "generate", "III": "reciprocate"}


def our_name(net, name):
    """`fc_1.weight` of E is `hidden.0.linear.weight` here, and so on."""
    *path, kind = name.split(".")
    if net == "F":
        return f"layers.{path[1]}.linear.{kind}"
    number = int(path[1]) if net == "D" else int(path[0].removeprefix("fc_")) - 1
    if number < 2:
        return f"hidden.{number}.linear.{kind}"
    return f"head.linear.{kind}" if net == "E" else f"head.{kind}"


@pytest.fixture(scope="module")
def official():
    with np.load(FIXTURES / "alae_mlp_paper_branch.npz") as stored:
        return dict(stored)


@pytest.fixture
def model():
    model = build_model(make_recipe("alae-mnist", (1, 28, 28)))
    with np.load(FIXTURES / "alae_mlp_weights.npz") as stored:
        for net, slot in SLOTS.items():
            state = {
                our_name(net, name.removeprefix(f"{net}/")): torch.from_numpy(stored[name].astype(np.float32) / 256)
                for name in stored.files
                if name.startswith(f"{net}/")
            }
            model.nets[slot].load_state_dict(state)
        model.w_avg.copy_(torch.from_numpy(stored["w_avg"]))
    return model


def tensor(array):
    return torch.from_numpy(array)


def signed(x01):
    return tensor(x01) * 2 - 1


def close(ours, theirs, relative=1e-5):
    """Equal to a relative difference of the whole, as sums in another order allow no more for single numbers."""
    ours, theirs = ours.detach().double().flatten(), tensor(np.asarray(theirs)).double().flatten()
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= relative * theirs.abs().max(), (ours - theirs).abs().max()


def test_nets(model, official):
    z, x = tensor(official["z"]), signed(official["x"])
    w = model.map(z)
    close(w, official["F_w"])
    close((model.decode(w) + 1) / 2, official["G_image"])
    short, long = model.encode_features(x)
    close(short, official["E_w_short"])
    close(long, official["E_long"])
    close(model.nets["critic"](short), official["D_score"])
    close((model.reconstruct(x) + 1) / 2, official["reconstruction"])


class FixedDraws(Streams):
    """Gives the official run's prior codes instead of fresh ones."""

    def __init__(self):
        super().__init__(0, World(), torch.device("cpu"))
        self.waiting = []

    def draw_prior(self, prior, batch):
        z = tensor(self.waiting.pop(0))
        assert z.shape == (batch, prior.dim)
        return z


def runner(model, recipe=None):
    return watched_runner(model, FixedDraws(), recipe)


@pytest.mark.parametrize("number", ["I", "II", "III"])
def test_losses_and_gradients_of_each_step(model, official, number):
    run, steps = runner(model)
    run.still = True
    step, prefix = steps[STEPS[number]], f"step/{number}"
    run.streams.waiting = [official[f"{prefix}/randn/00"]]
    stats = run.take(step, signed(official["x"]), 0, {})
    assert weighted(step, stats) == pytest.approx(float(official[f"{prefix}/loss"]), rel=1e-5)
    if number == "I":
        assert stats["loss/discriminate/logistic_critic"] == pytest.approx(float(official[f"{prefix}/adv"]), rel=1e-5)
        assert 40 * stats["loss/discriminate/r1"] == pytest.approx(float(official[f"{prefix}/r1"]), rel=1e-5)
    for net, slot in SLOTS.items():
        theirs = {
            our_name(net, key.removeprefix(f"{prefix}/grad_norm/{net}/")): float(value)
            for key, value in official.items()
            if key.startswith(f"{prefix}/grad_norm/{net}/")
        }
        if slot not in step.train:
            continue  # in step II the official code computes D's gradient too, and throws it away
        names = [name for name, _ in model.nets[slot].named_parameters()]
        norms = {n: g.double().norm().item() for n, g in zip(names, run.seen[slot], strict=True) if g is not None}
        assert set(norms) == set(theirs)
        for name, norm in norms.items():
            assert norm == pytest.approx(theirs[name], rel=1e-5), name
        total = sum(norm**2 for norm in norms.values()) ** 0.5
        assert total == pytest.approx(float(official[f"{prefix}/grad_norm_total/{net}"]), rel=1e-5)
    close(model.w_avg, official[f"{prefix}/dlatent_avg_after"][:1])


@pytest.mark.parametrize("kind", ["legacy", "modern"])
def test_three_iterations_with_the_optimiser(model, official, kind):
    """Legacy is what the authors ran: D's second moment ages in step III. Modern is the same code under torch 2."""
    prefix = f"seq_{kind}_zero_grad"
    recipe = model.recipe if kind == "legacy" else without_ageing(model.recipe)
    assert [bool(step.ages) for step in recipe.phases[0].steps] == [False, False, kind == "legacy"]
    run, steps = runner(model, recipe)
    x = signed(official["x"])
    for iteration in range(3):
        run.streams.waiting = [official[f"{prefix}/it{iteration}/{n}/randn/00"] for n in STEPS]
        stats = run.iterate(recipe.phases[0], x, iteration)
        for number, name in STEPS.items():
            loss = float(official[f"{prefix}/it{iteration}/{number}/loss"])
            assert weighted(steps[name], stats) == pytest.approx(loss, rel=1e-4), (iteration, number)
    for net, slot in SLOTS.items():
        ours = dict(model.nets[slot].named_parameters())
        for key, (total, norm) in _finals(official, prefix, net):
            parameter = ours[our_name(net, key)].detach().double()
            assert parameter.norm().item() == pytest.approx(norm, rel=1e-5), (net, key)
            # a sum cancels: it is compared on the scale of what was summed
            assert parameter.sum().item() == pytest.approx(total, abs=1e-5 * parameter.abs().sum().item()), (net, key)
    close(model.w_avg, official[f"{prefix}/final/dlatent_avg"][:1])
    adam = run.optimisers.adams["critic"]
    first = adam.state[model.nets["critic"].hidden[0].linear.weight]
    assert int(first["step"]) == int(official[f"{prefix}/final/adam_steps/D0"])
    assert first["exp_avg_sq"].norm().item() == pytest.approx(
        float(official[f"{prefix}/final/adam_v_norm/D0"]), rel=1e-4
    )


def _finals(official, prefix, net):
    start = f"{prefix}/final/live/{net}/"
    for key, value in official.items():
        if key.startswith(start) and "bn_" not in key:  # batch norms the official nets own and never use
            yield key.removeprefix(start).removesuffix("/sum_norm"), value
