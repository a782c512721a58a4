"""What the steps of every registered method must keep to, in every phase, at every resolution it is trained at."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from contract import in_double_precision, named, training
from test_contract import FLAVOURS, contract_recipe
from torch import Tensor
from toys import copied, same
from watched import Watched

from twoway.model import TwoWayModel
from twoway.networks import Growing
from twoway.recipe import Recipe, Step
from twoway.terms import find_term
from twoway.training.steps import only_training
from twoway.training.timeline import Moment

Gradients = dict[str, list[Tensor | None]]


@dataclass(frozen=True)
class Taken:
    """A step and what came of it: the gradients by net, and those of its weighted terms taken one by one."""

    step: Step
    stats: dict[str, float]
    unchanged: dict[str, bool]
    gradients: Gradients
    expected: Gradients
    same_draws: bool


@dataclass
class Pass:
    """All steps of a training, and its parameters by full name.

    `idle` are the colour layers of resolutions that were not in force at one time or another, `used` what was in
    force at some time, `reached` what got a gradient other than zero.
    """

    taken: list[Taken] = field(default_factory=list)
    everything: set[str] = field(default_factory=set)
    idle: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)


def of_terms(model: TwoWayModel, runner: Watched, step: Step, x: Tensor, given: dict) -> Gradients:
    """The gradient of every net a step trains, added up from gradients of single terms."""
    with only_training(model.nets, step.train):
        q = runner._quantities(step, x, step.terms, given)
        values = {name: find_term(name)(q, weight.options) for name, weight in step.terms.items()}
        owned = [(slot, p) for slot in step.train for p in model.nets[slot].parameters()]
        total = [torch.zeros_like(p) for _, p in owned]
        for term, weight in step.terms.items():
            grads = torch.autograd.grad(values[term], [p for _, p in owned], retain_graph=True, allow_unused=True)
            for number, ((slot, _), g) in enumerate(zip(owned, grads, strict=True)):
                if g is not None:
                    total[number] = total[number] + weight.value * weight.nets.get(slot, 1.0) * g
    return {s: [t for (slot, _), t in zip(owned, total, strict=True) if slot == s] for s in step.train}


def take_twice(model: TwoWayModel, runner: Watched, step: Step, x: Tensor, carried: dict) -> Taken:
    """Take a step, then go back to the weights and draws before it for the gradients of its single terms."""
    before = {slot: copied(net.state_dict()) for slot, net in model.nets.items()}
    draws, given = runner.streams.state(), dict(carried)
    runner.seen = {}
    stats = runner.take(step, x, 0, carried)
    after = {slot: copied(net.state_dict()) for slot, net in model.nets.items()}
    drawn = runner.streams.state()
    for slot, net in model.nets.items():
        net.load_state_dict(before[slot])
    runner.streams.load(draws)
    expected = of_terms(model, runner, step, x, given)
    same_draws = same(runner.streams.state(), drawn)
    for slot, net in model.nets.items():
        net.load_state_dict(after[slot])
    runner.streams.load(drawn)
    unchanged = {slot: same(before[slot], after[slot]) for slot in model.nets}
    return Taken(step, stats, unchanged, runner.seen, expected, same_draws)


def working(net: Growing, moment: Moment) -> set[int]:
    """Levels whose colour layers work."""
    return {net.level} | ({net.level - 1} if moment.blend < 1 else set())


def note_parameters(result: Pass, model: TwoWayModel, moment: Moment) -> None:
    """Which colour layers a moment leaves idle, and what it uses."""
    for slot, net in model.nets.items():
        parameters = [n for n, _ in net.named_parameters()]
        levels = working(net, moment) if isinstance(net, Growing) else set()
        colours = {n for n in parameters if n.split(".")[0] in ("from_rgb", "to_rgb")}
        now = {n for n in colours if int(n.split(".")[1]) in levels}
        result.everything |= {f"{slot}.{n}" for n in parameters}
        result.idle |= {f"{slot}.{n}" for n in colours - now}
        result.used |= {f"{slot}.{n}" for n in parameters if n not in colours - now}


def pass_through(recipe: Recipe) -> Pass:
    """Take every step once at every moment."""
    result = Pass()
    for model, runner, moment, x in training(recipe):
        note_parameters(result, model, moment)
        carried = {}
        for step in moment.segment.phase.steps:
            taken = take_twice(model, runner, step, x, carried)
            result.taken.append(taken)
            for slot, grads in taken.gradients.items():
                names = [n for n, _ in model.nets[slot].named_parameters()]
                result.reached |= {
                    f"{slot}.{n}" for n, g in zip(names, grads, strict=True) if g is not None and g.any()
                }
    return result


@pytest.fixture(scope="module", params=FLAVOURS, ids=named)
def training_pass(request):
    """One training of a method, step by step; the tests below look at it from several sides.

    Gradients through normalised maps that are nearly constant, as those of fresh nets are, would differ by 1e-4 of
    their size in single precision.
    """
    with in_double_precision():
        return pass_through(contract_recipe(*request.param))


def test_a_step_changes_the_nets_it_trains_and_no_other_bit(training_pass):
    for taken in training_pass.taken:
        assert not any(key.startswith("nonfinite") for key in taken.stats)
        for slot, unchanged in taken.unchanged.items():
            assert unchanged != (slot in taken.step.train), slot


def test_a_net_gets_the_gradient_of_its_own_terms_only(training_pass):
    """The gradient a net gets in a step equals that of its weighted terms taken one by one, with the same draws.

    What rounds to single precision by itself, as the modulation of the skip generator, sets the tolerance.
    """
    for taken in training_pass.taken:
        assert set(taken.gradients) == set(taken.step.train)
        for slot, expected in taken.expected.items():
            largest = max(float(e.abs().max()) for e in expected)
            for mine, theirs in zip(taken.gradients[slot], expected, strict=True):
                mine = torch.zeros_like(theirs) if mine is None else mine
                torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=2e-7 * max(largest, 1.0))
        assert taken.same_draws  # no more and no fewer


def test_every_trained_parameter_gets_a_gradient(training_pass):
    """All but the colour layers of resolutions at which this recipe never trains; those get none."""
    seen = training_pass
    assert seen.idle | seen.used == seen.everything
    assert not seen.reached & (seen.idle - seen.used)
    # batch norm takes away what a bias before it adds: its gradient is zero up to rounding
    taken_back = {n for n in seen.used if n.endswith(".bias") and n.rsplit(".", 2)[0] + ".norm.bias" in seen.used}
    assert not seen.used - seen.reached - taken_back
