"""Searches that stop early, leave neighbours alone, optimise noise, and can be watched."""

import math

import numpy as np
import pytest
import torch
from small import SHAPE, small_model

from twoway.errors import ConfigError, DataError, ModelError
from twoway.latents import EarlyStop, ProjectionSettings, project, projecting
from twoway.latents.noise_maps import (
    autocorrelation,
    first_maps,
    given_noise,
    load_noise,
    renormalise,
    save_noise,
)


def seeded(number):
    return torch.Generator().manual_seed(number)


def made(model, count, seed=3):
    return model.decode(model.map(model.draw_prior(count, generator=seeded(seed)))).detach()


@pytest.fixture(scope="module")
def styled():
    """A style generator of 16x16 pixels whose noise shows."""
    model = small_model("stylegan", (1, 16, 16))
    with torch.no_grad():
        for name, weight in model.nets["generator"].named_parameters():
            if name.endswith("strength"):
                weight.fill_(0.3)
    return model


@pytest.mark.parametrize("options", [{}, {"space": "z"}, {"w_noise": 0.1}, {"early_stop": EarlyStop(3, 0.05)}])
def test_what_is_found_does_not_depend_on_the_neighbours(options, model):
    x = made(model, 4)
    wild = torch.cat([x[:2], 1e4 * torch.randn(2, *SHAPE, generator=seeded(0))])
    a, b = (project(model, part, steps=20, generator=seeded(1), **options) for part in (x, wild))
    assert torch.equal(a.w[:2], b.w[:2])
    n = min(len(a.losses), len(b.losses))
    assert torch.equal(a.losses[:n, :2], b.losses[:n, :2])
    assert torch.equal(a.taken[:2], b.taken[:2])


def test_noise_maps_do_not_depend_on_the_neighbours(styled):
    x = made(styled, 2)
    a, b = (
        project(styled, part, steps=3, optimise_noise=True)
        for part in (x, torch.cat([x[:1], torch.ones(1, 1, 16, 16)]))
    )
    assert torch.equal(a.w[:1], b.w[:1])
    assert all(torch.equal(one[:1], other[:1]) for one, other in zip(a.noise, b.noise, strict=True))


def test_a_picture_that_cannot_gain_is_done_at_once(model):
    w = model.map(model.draw_prior(2, generator=seeded(1))).detach()
    x = model.decode(w).detach()
    x[1] = x[1].flip(-1)
    stop = EarlyStop(patience=30, target=1e-9)
    found = project(model, x, start=w, steps=30, lr=1e-3, early_stop=stop)
    assert found.taken.tolist() == [0, 30]
    assert found.losses.shape == (31, 2)
    assert (found.losses[:, 0] <= 1e-9).all()
    alone = project(model, x[:1], start=w[:1], steps=30, lr=1e-3, early_stop=stop)
    assert alone.losses.shape == (1, 1), "nothing is computed when all are done"
    assert torch.equal(alone.w, w[:1])


def test_patience_by_hand(model):
    """Gains add up: those of one per cent a step are one of five per cent in six steps."""
    x = made(model, 1)
    settings = {"steps": 60, "lr": 1e-3, "space": "w"}
    losses = project(model, x, **settings).losses[:, 0]
    for patience in (1, 3, 8):
        stop = EarlyStop(patience=patience, least=0.05)
        mark, since, expected = math.inf, 0, 60
        for step, loss in enumerate(losses.cummin(0).values.tolist()):
            mark, since = (loss, 0) if loss < 0.95 * mark else (mark, since + 1)
            if since >= patience:
                expected = step
                break
        assert project(model, x, early_stop=stop, **settings).taken.tolist() == [expected]


def test_a_target_ends_a_search(model):
    x = made(model, 3)
    free = project(model, x, steps=40)
    target = float(free.losses.min(0).values.max()) * 1.5
    found = project(model, x, steps=40, early_stop=EarlyStop(patience=1000, target=target))
    least = found.losses.min(0).values
    assert (least <= target).all()
    assert (found.taken < 40).all()
    assert len(found.losses) == found.taken.max() + 1
    for picture, taken in enumerate(found.taken.tolist()):
        assert (found.losses[:taken, picture] > target).all()
    split = project(model, x, steps=40, batch=1, early_stop=EarlyStop(patience=1000, target=target))
    assert split.losses.shape == found.losses.shape
    assert torch.equal(split.taken, found.taken)


def test_a_search_can_be_watched_and_stopped(model):
    x = made(model, 3)
    whole = project(model, x, steps=12)
    model.train()
    told = []
    with torch.no_grad():
        for step in projecting(model, x, ProjectionSettings(steps=12)):
            assert not torch.is_grad_enabled(), "what a caller has set is as it was between two steps"
            assert model.training
            assert all(weight.requires_grad for weight in model.parameters())
            told.append((step.step, step.steps))
            if step.step == 5:
                break
    assert told == [(n, 12) for n in range(6)]
    found = step.result()
    assert torch.equal(found.losses, whole.losses[:6])
    assert torch.equal(step.losses, whole.losses[:6].min(0).values)
    model.eval()
    torch.testing.assert_close(step.x_rec, model.decode(found.w))
    torch.testing.assert_close(found.x_rec, step.x_rec)
    last = list(projecting(model, x, ProjectionSettings(steps=12)))[-1].result()
    assert torch.equal(last.w, whole.w)
    with pytest.raises(ModelError, match="cannot be inverted"):
        projecting(model, x, ProjectionSettings(space="z"), start="encoder")  # at the call


def test_noise_maps_bring_pictures_nearer_and_stay_white(styled):
    x = torch.rand(2, 1, 16, 16, generator=seeded(2)) * 2 - 1
    start = styled.map(styled.draw_prior(2, generator=seeded(0)))
    without, free, found = (
        project(styled, x, start=start, steps=40, optimise_noise=noise, noise_weight=weight)
        for noise, weight in ((False, 0.0), (True, 0.0), (True, 1e5))
    )
    assert without.noise is None
    assert torch.equal(found.losses[0], without.losses[0]), "the search starts with the noise of the model"
    assert (free.losses.min(0).values < 0.9 * without.losses.min(0).values).all()
    assert (autocorrelation(found.noise) < 0.1 * autocorrelation(free.noise)).all()
    for one in found.noise:
        assert one.shape[:2] == (2, 1)
        torch.testing.assert_close(one.mean((2, 3)), torch.zeros(2, 1), atol=1e-5, rtol=0)
        torch.testing.assert_close(one.square().mean((2, 3)), torch.ones(2, 1))
    again = styled.decode(found.w, noise=given_noise(found.noise))
    torch.testing.assert_close(again, found.x_rec)
    torch.testing.assert_close((again - x).square().mean((1, 2, 3)), found.losses.min(0).values)
    split = project(styled, x, start=start, steps=3, optimise_noise=True, batch=1)
    assert [one.shape for one in split.noise] == [one.shape for one in found.noise]


@pytest.mark.parametrize("flavour", ["classic", "modern"])
def test_first_maps_are_those_that_the_model_uses(flavour):
    options = {} if flavour == "classic" else {"flavour": flavour}
    model = small_model("lia", (1, 16, 16), **options)
    w = model.map(model.draw_prior(2, generator=seeded(0)))
    maps = first_maps(model, 2)
    assert torch.equal(model.decode(w, noise=given_noise(maps)), model.decode(w))
    assert [tuple(one.shape) for one in maps][-1] == (2, 1, 16, 16)
    with pytest.raises(ModelError, match="asked for a noise map"):
        model.decode(w, noise=given_noise(maps[1:]))


def test_autocorrelation_by_hand():
    """Moved by a pixel a chessboard is its own opposite, stripes are themselves one way and the opposite the other."""
    rows, columns = np.indices((8, 8))
    boards = torch.stack([torch.from_numpy((-1.0) ** (rows + columns)), torch.from_numpy((-1.0) ** (rows // 2))])
    # the second: pairs of rows; down, half of the products are 1 and half -1; across, all are 1
    assert autocorrelation([boards.unsqueeze(1)]).tolist() == [2.0, 1.0]
    # at 16x16 the means of 2x2 pixels of a chessboard are 0, of a plane 1, doubled 2, whose squares are 4
    plane = torch.ones(1, 1, 16, 16)
    fine = torch.from_numpy((-1.0) ** np.add(*np.indices((16, 16)))).view(1, 1, 16, 16)
    assert autocorrelation([fine]).tolist() == [2.0]
    assert autocorrelation([plane]).tolist() == [2 * 1.0 + 2 * 4.0**2]
    maps = [torch.randn(3, 1, 8, 8, generator=seeded(0)) * 5 + 2]
    renormalise(maps)
    torch.testing.assert_close(maps[0].mean((1, 2, 3)), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(maps[0].var((1, 2, 3), correction=0), torch.ones(3))


def test_noise_maps_are_kept_in_a_file_that_knows_its_model(styled, tmp_path):
    maps = first_maps(styled, 2)
    save_noise(tmp_path / "noise.safetensors", maps, styled)
    again = load_noise(tmp_path / "noise.safetensors", styled)
    assert all(torch.equal(one, other) for one, other in zip(maps, again, strict=True))
    with pytest.raises(ModelError, match="does not hold noise maps for this model"):
        load_noise(tmp_path / "noise.safetensors", small_model("stylegan", (1, 16, 16), seed=5))
    (tmp_path / "noise.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="not a file of noise maps"):
        load_noise(tmp_path / "noise.safetensors", styled)


def test_the_mean_draws_codes_to_itself_and_noise_on_codes_fades(model):
    model.w_avg = model.map(model.draw_prior(500, generator=seeded(9))).mean(0).detach()
    x = made(model, 3)
    free, near = (project(model, x, steps=60, mean_weight=weight) for weight in (0.0, 10.0))
    distance = [(found.w - model.w_avg).square().mean() for found in (free, near)]
    assert distance[1] < 0.5 * distance[0]
    expected = (near.x_rec - x).square().mean((1, 2, 3)) + 10 * (near.w - model.w_avg).square().mean((1, 2))
    torch.testing.assert_close(near.losses.min(0).values, expected)
    a, b, other = (
        project(model, x, steps=20, w_noise=0.5, generator=seeded(seed), batch=batch)
        for seed, batch in ((0, 3), (0, 1), (1, 3))
    )
    torch.testing.assert_close(a.losses, b.losses, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(a.losses[1:], other.losses[1:])
    assert torch.equal(a.losses[0], free.losses[0]), "the start is judged without"
    # without noise at the end, losses are those of the codes
    torch.testing.assert_close((a.x_rec - x).square().mean((1, 2, 3)), a.losses[-5:].min(0).values)


def test_a_loss_that_stops_being_finite_ends_one_search_with_the_best_before(model):
    x = made(model, 2)
    w = model.map(model.draw_prior(2, generator=seeded(1))).detach()
    calls = []

    def bursting(images):
        """Features that are infinite for the second picture from the fourth look on (the first is at the original)."""
        calls.append(0)
        factor = torch.ones(2, 1, 1, 1)
        factor[1] = float("nan") if len(calls) > 4 else 1.0
        return (images * factor,)

    found = project(model, x, start=w, steps=25, features=bursting, feature_weight=1.0)
    calls.clear()
    clean = project(model, x, start=w, steps=25, features=lambda images: (images,), feature_weight=1.0)
    assert found.diverged.tolist() == [False, True]
    assert found.taken.tolist() == [25, 3]
    assert torch.equal(found.w[0], clean.w[0])
    assert torch.isfinite(found.w).all()
    assert torch.equal(found.losses[:3], clean.losses[:3])
    assert (found.losses[3:, 1] == clean.losses[:3, 1].min()).all()


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"mean_weight": -1.0}, ConfigError, "mean_weight is -1.0"),
        ({"w_noise": float("inf")}, ConfigError, "w_noise is inf"),
        ({"w_noise": 0.1, "space": "z"}, ConfigError, "not in 'z'"),
        ({"optimise_noise": True}, ModelError, "no noise in its layers"),
        ({"start": torch.full((1, 1, 6), float("nan"))}, ModelError, "not finite"),
    ],
)
def test_mistakes(options, error, says, model):
    with pytest.raises(error, match=says):
        project(model, torch.zeros(1, *SHAPE), **options)


@pytest.mark.parametrize("options", [{"patience": 0}, {"least": 1.0}, {"target": math.nan}, {"target": -1.0}])
def test_stops_that_cannot_be(options):
    ((name, value),) = options.items()
    with pytest.raises(ConfigError, match=f"{name} is {value}"):
        EarlyStop(**options)


def test_pictures_or_models_of_no_numbers(model):
    x = torch.zeros(3, *SHAPE)
    x[1, 0, 2, 2] = float("nan")
    with pytest.raises(DataError, match=r"1 of 3 pictures .* number 1, counted from 0"):
        project(model, x)
    with torch.no_grad():
        next(model.nets["generator"].parameters()).fill_(float("nan"))
    with pytest.raises(ModelError, match="are not finite numbers"):
        project(model, x[:1])
