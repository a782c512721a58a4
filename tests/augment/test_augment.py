"""Augmentation of batches: identity, chance, determinism, derivatives of any order; settings; ADA's controller."""

import numpy as np
import pytest
import torch

from twoway.augment import AdaController, Augment, augment, choose_augment
from twoway.augment.settings import GROUPS
from twoway.errors import ConfigError

SINGLE = [(kind, name) for kind, groups in GROUPS.items() for names in groups.values() for name in names]


def draws(generator):
    return {
        "draw_uniform": lambda shape: torch.rand(shape, generator=generator),
        "draw_normal": lambda shape: torch.randn(shape, generator=generator),
    }


def scripted(uniform, normal=()):
    """Draw functions that return given numbers, one per image, call after call."""
    uniform, normal = iter(uniform), iter(normal)
    return {
        "draw_uniform": lambda shape: torch.tensor(next(uniform)).expand(shape),
        "draw_normal": lambda shape: torch.tensor(next(normal)).expand(shape),
    }


def images(generator, batch=6, channels=3, height=8, width=8):
    return torch.rand(batch, channels, height, width, generator=generator) * 2 - 1


@pytest.mark.parametrize("kind", ["none", "diffaugment", "ada"])
@pytest.mark.parametrize("p", [0.0, 1e-12])
def test_without_chance_images_stay_bit_for_bit(kind, p, generator):
    x = images(generator)
    got = augment(x, Augment(kind), p if kind != "none" else 1.0, **draws(generator))
    assert torch.equal(got, x)


@pytest.mark.parametrize(("kind", "name"), SINGLE)
def test_every_transform_changes_some_images_and_keeps_the_shape(kind, name, generator):
    for channels, height, width in ((3, 8, 8), (3, 8, 12)):
        x = images(generator, 16, channels, height, width)
        got = augment(x, Augment(kind, (name,)), 1.0, **draws(generator))
        assert got.shape == x.shape
        changed = (got != x).flatten(1).any(1)
        assert changed.sum() >= 4
        assert got.isfinite().all()


@pytest.mark.parametrize("kind", ["diffaugment", "ada"])
def test_each_transform_befalls_images_with_its_chance(kind, generator):
    x = images(generator, 2000, 3, 4, 4)
    name = "brightness"
    got = augment(x, Augment(kind, (name,)), 0.3, **draws(generator))
    share = (got != x).flatten(1).any(1).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.05)  # five standard deviations


def test_a_rotation_befalls_images_with_the_chance_of_one(generator):
    x = images(generator, 2000, 1, 4, 4)
    got = augment(x, Augment("ada", ("rotate",)), 0.3, **draws(generator))
    assert (got != x).flatten(1).any(1).float().mean().item() == pytest.approx(0.3, abs=0.05)


def test_flip_turn_and_translation_by_the_draws(generator):
    x = images(generator, 2)
    ada = {name: Augment("ada", (name,)) for name in ("flip", "rotate90", "translate")}
    # the first draw chooses (below p), the next ones are the parameters
    np.testing.assert_array_equal(augment(x, ada["flip"], 1.0, **scripted([0.1, 0.9])), x.numpy()[..., ::-1])
    np.testing.assert_array_equal(augment(x, ada["flip"], 1.0, **scripted([0.1, 0.4])), x)
    np.testing.assert_array_equal(
        augment(x, ada["rotate90"], 1.0, **scripted([0.1, 0.8])), np.rot90(x.numpy(), 3, axes=(2, 3))
    )
    # -1/8 + 0.95 / 4 = 0.1125 of 8 pixels to the right: 0.9, rounded 1; -1/8 of 8 downwards: 1 up
    moved = augment(x, ada["translate"], 1.0, **scripted([0.1, 0.95, 0.0])).numpy()
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    np.testing.assert_array_equal(moved, padded[:, :, 2:, :-2])


def test_diffaugments_colours_by_the_draws(generator):
    x = images(generator, 2)
    for name, uniform, expected in (
        ("brightness", 0.75, x + 0.25),
        ("saturation", 0.75, 1.5 * (x - x.mean(1, keepdim=True)) + x.mean(1, keepdim=True)),
        ("contrast", 0.25, 0.75 * (x - x.mean((1, 2, 3), True)) + x.mean((1, 2, 3), True)),
    ):
        got = augment(x, Augment("diffaugment", (name,)), **scripted([0.0, uniform]))
        torch.testing.assert_close(got, expected)


def test_scale_and_shift_by_the_draws():
    x = torch.arange(8.0).expand(1, 1, 8, 8)
    # twice as large: 0.2 * 5 = 1 octave; the ramp 0..7 about its centre 3.5 becomes half as steep
    got = augment(x, Augment("ada", ("scale",)), 1.0, **scripted([0.0], [5.0]))
    torch.testing.assert_close(got, (3.5 + (x - 3.5) / 2))
    # an eighth of 8 pixels times 1.5 to the right, none down
    got = augment(x, Augment("ada", ("shift",)), 1.0, **scripted([0.0], [1.5, 0.0]))
    torch.testing.assert_close(got[..., 2:], x[..., 2:] - 1.5)


@pytest.mark.parametrize("kind", ["diffaugment", "ada"])
def test_the_same_stream_gives_the_same_images(kind, generator):
    x = images(generator)
    once, again, otherwise = (
        augment(x, Augment(kind), 0.7, **draws(torch.Generator().manual_seed(seed))) for seed in (3, 3, 4)
    )
    assert torch.equal(once, again)
    assert not torch.equal(once, otherwise)


@pytest.mark.parametrize("kind", ["diffaugment", "ada"])
def test_halves_of_a_batch_with_their_rows_of_the_chance_make_the_whole(kind, generator):
    """Processes that draw for the whole batch and keep their rows see what one process sees."""
    x = images(generator)
    whole = augment(x, Augment(kind), 0.7, **draws(torch.Generator().manual_seed(5)))
    halves = []
    for rows in (slice(0, 3), slice(3, 6)):
        stream = torch.Generator().manual_seed(5)
        mine = {
            "draw_uniform": lambda shape, g=stream, r=rows: torch.rand(6, *shape[1:], generator=g)[r],
            "draw_normal": lambda shape, g=stream, r=rows: torch.randn(6, *shape[1:], generator=g)[r],
        }
        halves.append(augment(x[rows], Augment(kind), 0.7, **mine))
    torch.testing.assert_close(torch.cat(halves), whole)


@pytest.mark.parametrize(("kind", "name"), SINGLE)
def test_first_and_second_derivatives_are_right(kind, name, generator):
    """Against finite differences, with the square that a slope penalty takes of what is augmented."""
    x = images(generator, 2, 3, 4, 4).double().requires_grad_(True)

    def value(x):
        stream = torch.Generator().manual_seed(11)
        return augment(x, Augment(kind, (name,)), 1.0, **draws(stream)).square().sum((2, 3))

    assert torch.autograd.gradcheck(value, (x,), fast_mode=True)
    assert torch.autograd.gradgradcheck(value, (x,), fast_mode=True)


def test_a_slope_penalty_reaches_the_critic_through_all_of_ada(generator):
    x = images(generator).requires_grad_(True)
    weight = torch.randn(192, 16, generator=generator).requires_grad_(True)
    seen = augment(x, Augment("ada"), 0.9, **draws(generator))
    score = torch.tanh(seen.flatten(1) @ weight / 14).sum(1)
    (slope,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    (gradient,) = torch.autograd.grad(slope.square().sum(), weight)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_policies_name_groups_or_single_transforms():
    assert Augment("ada", ("blit", "hue")).transforms == {"flip", "rotate90", "translate", "hue"}
    assert Augment("diffaugment").transforms == {"brightness", "saturation", "contrast", "translation", "cutout"}
    assert Augment("diffaugment").first_p == 1.0
    assert Augment("ada").first_p == 0.0
    assert Augment("ada", p=0.25).first_p == 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "adda"}, "did you mean 'ada'"),
        ({"kind": "ada", "policy": ("cutout",)}, "'cutout', which 'ada' does not have"),
        ({"kind": "diffaugment", "policy": ("colou",)}, "did you mean 'colour'"),
        ({"p": 1.5}, "between 0 and 1"),
        ({"adjust_every": 0}, "at least 1"),
        ({"speed_kimg": 0.0}, "more than 0"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        Augment(**settings)


def test_small_data_sets_get_ada():
    assert choose_augment(29_999).kind == "ada"
    assert choose_augment(30_000).kind == "none"


def test_the_controller_in_closed_form():
    """An overfit critic (sign 1) raises p by the images of four iterations over 500,000, and a good one lowers it."""
    controller = AdaController(Augment("ada"))
    assert [controller.update(1.0, 1000) for _ in range(3)] == [0.0, 0.0, 0.0]
    for _ in range(41):
        controller.update(1.0, 1000)
    assert controller.p == pytest.approx(11 * 4000 / 500_000)
    for _ in range(8):
        controller.update(0.5, 1000)
    assert controller.p == pytest.approx(9 * 4000 / 500_000)


def test_the_controller_averages_over_images_and_stands_still_on_target():
    controller = AdaController(Augment("ada", p=0.5, target=0.5, adjust_every=2, speed_kimg=1.0))
    controller.update(1.0, 100)
    assert controller.update(0.0, 100) == 0.5
    controller.update(1.0, 300)
    assert controller.update(-1.0, 100) == 0.5  # (300 - 100) / 400 is 0.5 again
    controller.update(1.0, 301)
    assert controller.update(-1.0, 100) == pytest.approx(0.5 + 0.401)


def test_the_controller_stays_between_no_and_full_chance():
    controller = AdaController(Augment("ada", adjust_every=1, speed_kimg=1.0))
    assert controller.update(-1.0, 700) == 0.0
    assert controller.update(1.0, 700) == pytest.approx(0.7)
    assert controller.update(1.0, 700) == 1.0


def test_the_controller_continues_from_its_state():
    settings = Augment("ada", adjust_every=3, speed_kimg=2.0)
    straight, first = AdaController(settings), AdaController(settings)
    signs = [1.0, 0.2, 0.9, 0.7, 0.5, 0.8, 1.0, 1.0, 1.0]
    expected = [straight.update(sign, 64) for sign in signs]
    got = [first.update(sign, 64) for sign in signs[:4]]
    second = AdaController(settings)
    second.load(first.state())
    got += [second.update(sign, 64) for sign in signs[4:]]
    assert got == expected
    assert all(type(value) is float for value in first.state().values())
