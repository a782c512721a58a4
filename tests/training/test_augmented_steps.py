"""Augmentation in the steps of a training: who sees what, how its strength moves and what it costs."""

from __future__ import annotations

import pytest
import torch
from toys import copied, same, toy_images, toy_recipe

from twoway.data import to_float
from twoway.model import build_model
from twoway.training.distributed import World
from twoway.training.optimisers import Optimisers
from twoway.training.steps import StepRunner
from twoway.training.streams import Streams, seeded


def runner_of(method, augment, **options):
    recipe = toy_recipe(method, **options).changed({"augment": augment})
    model = build_model(recipe, generator=seeded(0, "weights")).train()
    world = World()
    return StepRunner(model, Optimisers(model.nets, recipe.optim), Streams(0, world, model.device), world)


def images(count=16, seed=0):
    return to_float(torch.from_numpy(toy_images(count, seed))[:, None])


def seen_by(net):
    """The inputs a net gets from now on."""
    inputs = []
    net.register_forward_pre_hook(lambda module, arguments: inputs.append(arguments[0].detach().clone()))
    return inputs


def ada(p, **more):
    return {"kind": "ada", "p": p, "adjust_every": 1, "speed_kimg": 1.0, **more}


def test_without_augmentation_the_critic_of_codes_costs_no_second_pass():
    """ALAE's critic sees codes: with p = 0 they are the codes that the encoder's own terms use."""
    passes = {}
    for name, augment in (("none", {"kind": "none"}), ("zero", ada(0.0, target=1.0)), ("half", ada(0.5))):
        runner = runner_of("style-alae", augment, flavour="modern", grow=False)
        inputs = seen_by(runner.nets["encoder"])
        runner.take(runner.phase.steps[0], images(), 0, {})
        passes[name] = len(inputs)
    assert passes == {"none": 1, "zero": 1, "half": 2}


def test_zero_and_none_are_the_same_bit_for_bit_and_draw_the_same():
    states = []
    for augment in ({"kind": "none"}, ada(0.0, speed_kimg=1e9)):
        runner = runner_of("style-alae", augment, flavour="modern", grow=False)
        for i in range(2):
            runner.iterate(runner.phase, images(16, i), i)
        states.append((copied(runner.model.state_dict()), runner.streams.state()))
    assert same(states[0][0], states[1][0])
    assert same(states[0][1], states[1][1])


def test_the_critic_of_images_sees_augmented_reals_and_fakes():
    runner = runner_of("lia", ada(1.0, policy=["brightness"]), flavour="modern")
    x = images()
    inputs = seen_by(runner.nets["critic"])
    runner.take(runner.phase.steps[0], x, 0, {})
    _, real = inputs  # fakes come first
    shift = (real - x).flatten(1)
    # brightness adds one number to all pixels of a picture
    torch.testing.assert_close(shift, shift[:, :1].expand_as(shift), rtol=0.0, atol=1e-5)
    assert shift[:, 0].unique().numel() == len(x)


def test_r1_is_on_the_image_before_its_augmentation():
    """A picture that is turned around has the same slope; one that is scaled by brightness is only shifted."""
    values = {}
    for name, policy in (("none", None), ("shifted", ["brightness"])):
        runner = runner_of("lia", {"kind": "none"} if policy is None else ada(1.0, policy=policy), flavour="modern")
        step = runner.phase.steps[0]
        q = runner._quantities(step, images(), step.terms, {})
        assert q["x"].requires_grad
        assert (q["x_seen"] is q["x"]) == (policy is None)
        (slope,) = torch.autograd.grad(q["x_seen"].sum(), q["x"])
        values[name] = slope
    assert torch.equal(values["none"], values["shifted"])
    assert torch.equal(values["none"], torch.ones_like(values["none"]))


@pytest.mark.parametrize(("bias", "direction"), [(100.0, 1), (-100.0, -1)])
def test_its_chance_follows_the_sign_of_the_critics_scores(bias, direction):
    """A critic sure of all reals is augmented more, one that takes them for fakes less; by images over speed."""
    runner = runner_of("lia", ada(0.5), flavour="modern")
    with torch.no_grad():
        runner.nets["critic"].head.bias.fill_(bias)
    for i in range(3):
        stats = runner.iterate(runner.phase, images(), i)
        assert stats["augment/p"] == pytest.approx(0.5 + direction * 0.016 * (i + 1))
    assert runner.ada.p == stats["augment/p"]


def test_its_chance_stays_between_0_and_1_and_starts_at_the_recipes():
    runner = runner_of("lia", ada(0.99), flavour="modern")
    with torch.no_grad():
        runner.nets["critic"].head.bias.fill_(100.0)
    assert [runner.iterate(runner.phase, images(), i)["augment/p"] for i in range(2)] == [1.0, 1.0]


def test_nothing_is_reported_of_what_does_not_adapt():
    for augment in ({"kind": "none"}, {"kind": "diffaugment"}):
        runner = runner_of("lia", augment, flavour="modern")
        assert "augment/p" not in runner.iterate(runner.phase, images(), 0)


def test_the_encoder_phase_augments_what_its_critic_sees_but_not_what_is_reconstructed():
    runner = runner_of("lia", ada(1.0, policy=["brightness"]), flavour="modern")
    phase = runner.model.recipe.phases[1]
    runner.phase = phase
    encoded, judged = seen_by(runner.nets["encoder"]), seen_by(runner.nets["critic"])
    x, carried = images(), {}
    runner.take(phase.steps[0], x, 0, carried)
    assert len(encoded) == 1
    assert torch.equal(encoded[0], x)
    (fake,) = judged
    shift = (fake - carried["x_rec"]).flatten(1)
    torch.testing.assert_close(shift, shift[:, :1].expand_as(shift), rtol=0.0, atol=1e-5)
    assert shift.abs().min() > 0
