"""Generators bent to given pictures, and the files that keep what was bent."""

import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from small import small_model

from twoway.errors import ConfigError, DataError, ModelError
from twoway.latents import Tuning, apply_delta, project, read_delta, save_delta, tune_generator, tuning
from twoway.latents.codes import Codes, load_codes, save_codes

SHAPE = (1, 8, 8)


def seeded(number):
    return torch.Generator().manual_seed(number)


@pytest.fixture(scope="module")
def styled():
    """With an input and noise that vary: of constant maps normalisation makes much of the least change."""
    model = small_model("lia", SHAPE)
    with torch.no_grad():
        model.nets["generator"].constant.value.normal_(generator=seeded(0))
        for name, weight in model.nets["generator"].named_parameters():
            if name.endswith("strength"):
                weight.fill_(0.3)
    return model


@pytest.fixture(scope="module")
def pivots(styled):
    """Pictures that the model cannot make, and codes for them."""
    x = torch.rand(3, *SHAPE, generator=seeded(4)) * 2 - 1
    return x, project(styled, x, space="w", steps=20).w


@pytest.fixture(scope="module")
def tuned(styled, pivots):
    return tune_generator(styled, *pivots, Tuning(steps=60, lr=0.01))


def error_of(model, x, w):
    return (model.decode(w) - x).square().mean((1, 2, 3)).detach()


def test_the_generator_makes_the_pictures_and_nothing_else_has_changed(styled, pivots, tuned):
    x, w = pivots
    before = {name: tensor.clone() for name, tensor in styled.state_dict().items()}
    again = tune_generator(styled, x, w, Tuning(steps=60, lr=0.01))
    torch.testing.assert_close(tuned.losses[0], error_of(styled, x, w))
    torch.testing.assert_close(tuned.losses[1], error_of(tuned.model, x, w))
    torch.testing.assert_close(tuned.x_rec, tuned.model.decode(w))
    assert (tuned.losses[1] < 0.9 * tuned.losses[0]).all()
    assert len(tuned.history) == 61
    after = tuned.model.state_dict()
    for name, tensor in styled.state_dict().items():
        assert torch.equal(tensor, before[name]), "the model that was given is not changed"
        assert torch.equal(after[name], again.model.state_dict()[name])
        if not name.startswith("nets.generator."):
            assert torch.equal(after[name], tensor), f"{name} is no part of the generator"
    assert all(weight.grad is None and weight.requires_grad for weight in styled.parameters())
    assert any(not torch.equal(after[name], before[name]) for name in before)


def test_only_chosen_layers_are_tuned(styled, pivots):
    found = tune_generator(styled, *pivots, Tuning(steps=5, lr=0.01, layers=("blocks.1", "to_rgb.1")))
    after = found.model.state_dict()
    changed = {name for name, tensor in styled.state_dict().items() if not torch.equal(tensor, after[name])}
    assert changed
    assert all(name.startswith(("nets.generator.blocks.1.", "nets.generator.to_rgb.1.")) for name in changed)
    with pytest.raises(ConfigError, match=r"no layer 'block\.1'.*did you mean 'blocks\.1'"):
        tune_generator(styled, *pivots, Tuning(layers=("block.1",)))


def test_the_first_step_of_adam_by_hand(styled, pivots):
    """The first step of Adam moves each weight by its learning rate against the sign of its gradient."""
    x, w = pivots
    net = styled.nets["generator"]
    found = next(step for step in tuning(styled, x, w, Tuning(steps=1, lr=0.01)) if step.step == 1)
    loss = (styled.decode(w) - x).square().mean()
    conv = net.blocks[1].conv
    gradients = torch.autograd.grad(loss, [conv.weight, net.to_rgb[1].bias])
    live = found._run.model.nets["generator"]
    torch.testing.assert_close(live.to_rgb[1].bias, net.to_rgb[1].bias - 0.01 * gradients[1].sign(), atol=1e-4, rtol=0)
    # weights are stored as they act, so the factor of their layer is on the learning rate
    big = gradients[0].abs() > 1e-5
    moved = (live.blocks[1].conv.weight - conv.weight)[big]
    torch.testing.assert_close(moved, -0.01 * conv.std * gradients[0][big].sign(), atol=1e-4, rtol=0.01)


def test_the_locality_term_by_hand_and_its_effect(styled, pivots):
    x, w = pivots
    settings = Tuning(steps=40, lr=0.02, locality=10.0, alpha=2.0)
    step = next(iter(tuning(styled, x, w, settings, generator=seeded(3))))
    run = step._run
    with torch.no_grad():  # bend it, or nothing has moved
        run.model.nets["generator"].to_rgb[1].bias += 0.25
    moved = run._moved(run.before)
    towards = styled.map(styled.draw_prior(3, generator=seeded(3))) - w
    there = w + 2.0 * towards / towards[:, :1].norm(dim=2, keepdim=True)
    expected = (run.model.decode(there) - styled.decode(there)).square().mean((1, 2, 3))
    torch.testing.assert_close(moved, expected)
    assert (moved > 1e-4).all()
    elsewhere = styled.map(styled.draw_prior(64, generator=seeded(8)))
    drift = []
    for locality in (0.0, 10.0):
        model = tune_generator(styled, x, w, replace(settings, locality=locality), generator=seeded(3)).model
        drift.append((model.decode(elsewhere) - styled.decode(elsewhere)).square().mean())
    assert drift[1] < 0.7 * drift[0]


def test_tuning_stops_at_its_target_and_when_somebody_has_seen_enough(styled, pivots):
    x, w = pivots
    settings = Tuning(steps=60, lr=0.01)
    whole = tune_generator(styled, x, w, settings)
    target = float(whole.losses.mean())
    told = []
    found = tune_generator(styled, x, w, replace(settings, target=target), progress=lambda *t: told.append(t))
    assert 0 < found.steps < 60
    assert (found.losses[1] <= target).all()
    assert told[-1] == ("tuning", 60, 60)
    for step in tuning(styled, x, w, settings):
        if step.step == 4:
            break
    assert torch.equal(step.result().losses[1], error_of(step.result().model, x, w))
    assert step.result().history == whole.history[:5]


def test_of_many_pivots_each_step_takes_the_next(styled, pivots):
    x, w = pivots
    found = tune_generator(styled, x, w, Tuning(steps=90, lr=0.01, batch=2))
    assert (found.losses[1] < 0.95 * found.losses[0]).all()


def test_a_loss_that_stops_being_finite_gives_the_weights_before(styled, pivots):
    x, w = pivots
    found = tune_generator(styled, x, w, Tuning(steps=30, lr=1e30))
    assert found.diverged
    assert torch.isfinite(found.losses).all()
    assert (found.losses[1] <= found.losses[0] + 1e-6).all()
    assert found.steps < 30


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_delta_gives_the_tuned_model_again(precision, styled, pivots, tuned, tmp_path):
    path = tmp_path / "tuned.safetensors"
    written = save_delta(path, tuned, styled, precision=precision, names=("a", "b", "c"), facts={"seed": 3})
    model = apply_delta(styled, path)
    read = read_delta(path)
    assert read.names == ("a", "b", "c")
    assert read.facts["seed"] == 3
    assert torch.equal(read.pivots, pivots[1])
    assert model.fingerprint() == written.tuned == written.applied(styled).fingerprint()
    difference = (model.decode(pivots[1]) - tuned.x_rec).square().mean().item()
    assert difference == pytest.approx(read.facts["rounding"], rel=1e-3, abs=1e-12)
    if precision == "float32":
        assert model.fingerprint() == tuned.model.fingerprint()
        assert difference == 0
    else:
        assert 0 < difference < 1e-3 * tuned.losses[1].mean()
        full = save_delta(tmp_path / "full.safetensors", tuned, styled, precision="float32")
        assert sum(t.numel() * t.element_size() for t in written.tensors.values()) * 2 == sum(
            t.numel() * t.element_size() for t in full.tensors.values()
        )
        # each rounded difference is within half a unit of the eleventh digit of the largest one
        for name, value in tuned.model.state_dict().items():
            largest = (value - styled.state_dict()[name]).abs().max()
            assert ((model.state_dict()[name] - value).abs() <= largest * 2**-11 + value.abs() * 2**-23).all()


def test_codes_of_the_base_fit_the_tuned_model_and_no_other_way_round(styled, pivots, tuned, tmp_path):
    base, own = tmp_path / "base.npz", tmp_path / "own.npz"
    w = pivots[1].numpy()
    save_codes(base, Codes(w, ("a", "b", "c"), None, styled.fingerprint()))
    save_codes(own, Codes(w, ("a", "b", "c"), None, tuned.model.fingerprint()))
    assert tuned.model.fingerprint() != styled.fingerprint()
    for path in (base, own):
        assert load_codes(path, tuned.model).names == ("a", "b", "c")
    with pytest.raises(ModelError, match="mean nothing to another model"):
        load_codes(own, styled)
    with pytest.raises(ModelError, match="mean nothing to another model"):
        load_codes(base, small_model("lia", SHAPE, seed=1))
    twice = tune_generator(tuned.model, *pivots, Tuning(steps=1)).model
    assert load_codes(base, twice)
    assert load_codes(own, twice)


def test_a_tuned_model_that_is_saved_whole_remembers_where_it_comes_from(styled, tuned, tmp_path):
    import twoway

    tuned.model.save(tmp_path / "model")
    again = twoway.load(tmp_path / "model")
    assert again.fingerprint() == tuned.model.fingerprint()
    assert again.accepts(styled.fingerprint())
    styled.save(tmp_path / "plain")
    assert "tuned_from" not in json.loads((tmp_path / "plain" / "config.json").read_text())


def test_deltas_that_cannot_be_applied(styled, tuned, tmp_path):
    path = tmp_path / "tuned.safetensors"
    save_delta(path, tuned, styled)
    with pytest.raises(ModelError, match=r"made for the model .* but this model is"):
        apply_delta(small_model("lia", SHAPE, seed=1), path)
    with pytest.raises(ModelError, match="made for the model"):
        apply_delta(tuned.model, path)
    with pytest.raises(ModelError, match="was tuned, but this one is"):
        save_delta(path, tuned, tuned.model)
    with pytest.raises(ModelError, match="There is no file"):
        apply_delta(styled, tmp_path / "missing")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="truncated"):
        apply_delta(styled, path)
    path.write_bytes(whole)
    spoiled = read_delta(path)
    next(iter(spoiled.tensors.values())).neg_()
    with pytest.raises(ModelError, match="changed or damaged"):
        spoiled.applied(styled)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="holds no changes"):
        read_delta(path)
    save_file({"a": torch.zeros(1)}, path, metadata={"delta": '{"a":' * 100_000})
    with pytest.raises(ModelError, match="holds no changes"):
        read_delta(path)
    path.write_bytes(whole)
    with safe_open(path, framework="pt") as stored:
        header = json.loads(stored.metadata()["delta"])
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata={"delta": json.dumps(header | {"format": 2})})
    with pytest.raises(ModelError, match="of format 2"):
        read_delta(path)
    save_file({**tensors, "nets.encoder.x": torch.zeros(1)}, path, metadata={"delta": json.dumps(header)})
    with pytest.raises(ModelError, match="does not have"):
        apply_delta(styled, path)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": -1}, "steps is -1"),
        ({"lr": 0.0}, "lr is 0.0"),
        ({"alpha": math.inf}, "alpha is inf"),
        ({"locality": -1.0}, "locality is -1.0"),
        ({"feature_weight": 1.0}, "no features"),
    ],
)
def test_settings_that_cannot_be(options, says):
    with pytest.raises(ConfigError, match=says):
        Tuning(**options)


def test_what_cannot_be_tuned(styled, pivots):
    x, w = pivots
    with pytest.raises(ModelError, match=r"pivots have the shape \(2, "):
        tuning(styled, x, w[:2])
    with pytest.raises(DataError, match="not finite"):
        tuning(styled, x, w * math.nan)
    with pytest.raises(DataError, match="not finite"):
        tuning(styled, x / 0, w)
    plain = small_model("ae")
    with pytest.raises(ModelError, match="no prior"):
        tuning(plain, x, plain.encode(x).detach(), Tuning(locality=0.1))
