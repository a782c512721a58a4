import math

import pytest
import torch
from small import SHAPE, small_model

from twoway.errors import ConfigError, ModelError
from twoway.latents import interpolate, lerp, slerp
from twoway.latents.interpolation import bilinear, decode_points, joined, legs, ordered_pairs, path_of


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


def test_a_path_may_be_straight_in_z_and_round_in_w(model, generator):
    a, b = torch.randn(2, 1, 6, generator=generator).unbind(0)
    frames = interpolate(model, a, b, 3, space="z", path="linear")
    torch.testing.assert_close(frames[1], model.decode(model.map((a + b) / 2)))
    a, b = a[:, None], b[:, None]
    frames = interpolate(model, a, b, 3, path="spherical")
    torch.testing.assert_close(frames[1], model.decode(slerp(a, b, 3)[1]))
    with pytest.raises(ConfigError, match="'linear' or 'spherical'"):
        interpolate(model, a, b, 3, path="round")


def test_prior_codes_of_pictures_come_from_phi():
    """Linear in z by LIA's own rule: decode(map((phi(w1) + phi(w2)) / 2))."""
    lia = small_model("lia", (1, 16, 16))
    x, y = torch.rand(2, 1, 1, 16, 16, generator=torch.Generator().manual_seed(1)).unbind(0)
    z = (lia.unmap(lia.encode(x)) + lia.unmap(lia.encode(y))) / 2
    frames = interpolate(lia, x, y, 3, space="z", path="linear")
    torch.testing.assert_close(frames[1], lia.decode(lia.map(z)), rtol=1e-4, atol=1e-4)


def test_eased_walks_start_and_end_slowly():
    points = lerp(torch.zeros(1), torch.ones(1), 5, ease="smooth").flatten()
    torch.testing.assert_close(points, torch.tensor([0, 0.15625, 0.5, 0.84375, 1.0]))
    with pytest.raises(ConfigError, match="'none' or 'smooth'"):
        lerp(torch.zeros(1), torch.ones(1), 5, ease="fast")


def test_tours_meet_every_key_once():
    keys = torch.tensor([[0.0], [4.0], [2.0]])
    walked = legs(keys, 3)
    assert walked.squeeze(-1).tolist() == [[0, 2, 4], [4, 3, 2]]
    assert joined(walked).flatten().tolist() == [0, 2, 4, 3, 2]
    round_trip = legs(keys, 3, closed=True)
    assert joined(round_trip, closed=True).flatten().tolist() == [0, 2, 4, 3, 2, 1]
    assert legs(keys[:2], 2, closed=True).squeeze(-1).tolist() == [[0, 4], [4, 0]]
    with pytest.raises(ConfigError, match="Give two or more"):
        legs(keys[:1], 3)


def test_a_grid_weighs_its_corners_bilinearly(generator):
    corners = torch.randn(4, 2, 3, generator=generator)
    grid = bilinear(corners, 3, 5)
    assert grid.shape == (3, 5, 2, 3)
    for r, v in enumerate((0, 0.5, 1)):
        for c, u in enumerate((0, 0.25, 0.5, 0.75, 1)):
            weights = [(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v]
            torch.testing.assert_close(grid[r, c], sum(w * x for w, x in zip(weights, corners, strict=True)))
    for place, corner in zip(((0, 0), (0, -1), (-1, 0), (-1, -1)), corners, strict=True):
        assert torch.equal(grid[place], corner)
    with pytest.raises(ConfigError, match="between four pictures"):
        bilinear(corners[:3], 3)


def test_a_spherical_grid_of_unit_codes_stays_on_the_sphere():
    corners = torch.nn.functional.normalize(torch.randn(4, 5, generator=torch.Generator().manual_seed(2)), dim=1)
    grid = bilinear(corners, 4, path="spherical")
    torch.testing.assert_close(grid.norm(dim=-1), torch.ones(4, 4))
    torch.testing.assert_close(grid[0], slerp(corners[0], corners[1], 4))


@torch.no_grad()
def test_points_are_decoded_wherever_they_lie(model, generator):
    points = torch.randn(3, 17, 1, 6, generator=generator)
    images = decode_points(model, points)
    assert images.shape == (3, 17, *SHAPE)
    torch.testing.assert_close(images[2, 5], model.decode(points[2, 5][None])[0])
    z = torch.randn(2, 6, generator=generator)
    torch.testing.assert_close(decode_points(model, z, space="z"), model.decode(model.map(z)))


def test_ordered_pairs_and_default_paths():
    assert len(ordered_pairs(5)) == len(set(ordered_pairs(5))) == 20
    assert (path_of("w"), path_of("z"), path_of("z", "linear")) == ("linear", "spherical", "linear")
    with pytest.raises(ConfigError, match="must be 'w' or 'z'"):
        path_of("x")
