import math

import pytest
import torch
from small import SHAPE, small_model

from twoway.errors import ConfigError, ModelError
from twoway.latents import interpolate, lerp, slerp


@pytest.mark.parametrize("path", [lerp, slerp])
def test_ends_are_exact_and_steps_are_even(path, generator):
    a, b = torch.randn(2, 4, 3, 7, generator=generator).unbind(0)
    points = path(a, b, 6)
    assert points.shape == (6, 4, 3, 7)
    assert torch.equal(points[0], a)
    assert torch.equal(points[-1], b)
    assert torch.equal(path(a, b, 2), torch.stack([a, b]))


def test_lerp_by_hand():
    points = lerp(torch.tensor([0.0, 2.0]), torch.tensor([4.0, 2.0]), 5)
    torch.testing.assert_close(points, torch.tensor([[0.0, 2], [1, 2], [2, 2], [3, 2], [4, 2]]))


def test_slerp_turns_evenly_and_changes_length_evenly():
    points = slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0]), 4)
    angles = torch.atan2(points[:, 1], points[:, 0])
    torch.testing.assert_close(angles, torch.arange(4) * math.pi / 6)
    torch.testing.assert_close(points.norm(dim=1), torch.tensor([1.0, 5 / 3, 7 / 3, 3.0]))


@pytest.mark.parametrize(
    ("a", "b"),
    [((1.0, 0.0), (2.0, 0.0)), ((1.0, 0.0), (-1.0, 0.0)), ((0.0, 0.0), (1.0, 0.0)), ((0.0, 0.0), (0.0, 0.0))],
)
def test_slerp_without_a_great_circle_is_straight(a, b):
    a, b = torch.tensor(a), torch.tensor(b)
    torch.testing.assert_close(slerp(a, b, 5), lerp(a, b, 5))


def test_mistakes():
    with pytest.raises(ConfigError, match="at least 2 steps"):
        lerp(torch.zeros(1), torch.ones(1), 1)
    with pytest.raises(ModelError, match="one shape"):
        slerp(torch.zeros(1), torch.ones(2), 3)


def test_images_between_codes_and_between_images(model, generator):
    a, b = torch.randn(2, 3, 1, 6, generator=generator).unbind(0)
    frames = interpolate(model, a, b, 4)
    assert frames.shape == (4, 3, *SHAPE)
    torch.testing.assert_close(frames[0], model.decode(a))
    torch.testing.assert_close(frames[-1], model.decode(b))
    torch.testing.assert_close(frames[1, 1], model.decode(a + (b - a) / 3)[1])
    x, y = torch.rand(2, 2, *SHAPE, generator=generator).unbind(0)
    torch.testing.assert_close(interpolate(model, x, y, 3)[0], model.reconstruct(x))


def test_images_along_prior_codes(model, generator):
    a, b = torch.randn(2, 2, 6, generator=generator).unbind(0)
    frames = interpolate(model, a, b, 3, space="z")
    torch.testing.assert_close(frames[1], model.decode(model.map(slerp(a, b, 3)[1])))
    with pytest.raises(ConfigError, match="must be 'w' or 'z'"):
        interpolate(model, a, b, 3, space="x")
    x = torch.zeros(1, *SHAPE)
    with pytest.raises(ModelError, match="cannot be inverted"):
        interpolate(model, x, x, 3, space="z")
    assert interpolate(small_model("bigan"), x, x, 3, space="z").shape == (3, 1, *SHAPE)
