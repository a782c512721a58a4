"""Single transforms, against numpy and hand calculations on tiny images."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from twoway.augment.colour import colour_map, recolour
from twoway.augment.geometry import jittered, rotation, scaling, thickened, warp
from twoway.augment.pixels import blank_square, flip, reflected, rotate90, translate

NO_SHIFT = torch.zeros(1, 2)


def tiny(height=3, width=4, batch=1, channels=2):
    return torch.arange(batch * channels * height * width, dtype=torch.float32).view(batch, channels, height, width)


def test_flip_and_quarter_turns_against_numpy():
    x = tiny(3, 3, batch=4)
    flipped = flip(x, torch.tensor([True, False, True, False]))
    turned = rotate90(x, torch.tensor([0, 1, 2, 3]))
    for i in range(4):
        np.testing.assert_array_equal(flipped[i], x.numpy()[i, :, :, ::-1] if i % 2 == 0 else x.numpy()[i])
        np.testing.assert_array_equal(turned[i], np.rot90(x.numpy()[i], i, axes=(1, 2)))


def test_images_that_are_not_square_take_half_turns():
    x = tiny(3, 4)
    np.testing.assert_array_equal(rotate90(x, torch.tensor([2]))[0], np.rot90(x.numpy()[0], 2, axes=(1, 2)))


def test_translation_against_numpy():
    x, right, down = tiny(5, 6, batch=3), torch.tensor([2, -1, 0]), torch.tensor([0, 3, -2])
    zero = translate(x, right, down, beyond="zero").numpy()
    mirrored = translate(x, right, down, beyond="reflect").numpy()
    for i in range(3):
        for beyond, got in (("constant", zero), ("reflect", mirrored)):
            padded = np.pad(x.numpy()[i], ((0, 0), (4, 4), (4, 4)), mode=beyond)
            row, column = 4 - down[i], 4 - right[i]
            np.testing.assert_array_equal(got[i], padded[:, row : row + 5, column : column + 6])


def test_reflection_of_indices_goes_on_for_ever():
    np.testing.assert_array_equal(reflected(torch.arange(-7, 9), 4), np.pad(np.arange(4), (7, 5), mode="reflect"))
    assert reflected(torch.tensor([-3, 0, 8]), 1).tolist() == [0, 0, 0]


def test_a_blank_square_by_hand():
    x = torch.ones(2, 1, 4, 4)
    got = blank_square(x, torch.tensor([2, 0]), torch.tensor([1, 3]))
    assert got[0, 0].tolist() == [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1]]
    assert got[1, 0].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]


def test_a_warp_by_nothing_is_exact(generator):
    x = torch.randn(3, 2, 5, 8, generator=generator)
    assert torch.equal(warp(x, torch.eye(2).expand(3, 2, 2), torch.zeros(3, 2)), x)


def test_a_warp_by_a_quarter_turn_is_numpys_turn(generator):
    x = torch.randn(1, 2, 6, 6, generator=generator)
    clockwise = warp(x, rotation(torch.tensor([-math.pi / 2])), NO_SHIFT)  # the inverse of a turn by +90 degrees
    np.testing.assert_allclose(clockwise[0], np.rot90(x.numpy()[0], -1, axes=(1, 2)), atol=1e-5)


def test_a_warp_by_pixels_and_by_half_of_one(generator):
    x = torch.randn(1, 2, 6, 5, generator=generator)
    whole = warp(x, torch.eye(2)[None], torch.tensor([[2.0, -1.0]]))
    torch.testing.assert_close(whole, translate(x, torch.tensor([2]), torch.tensor([-1]), beyond="reflect"))
    half = warp(x, torch.eye(2)[None], torch.tensor([[0.5, 0.0]]))
    torch.testing.assert_close(half[..., 1:], (x[..., 1:] + x[..., :-1]) / 2)


def test_a_warp_enlarges_about_the_centre():
    x = torch.arange(5.0).expand(1, 1, 5, 5)  # the ramp 0 1 2 3 4, enlarged twice along x: 1 1.5 2 2.5 3
    got = warp(x, scaling(torch.tensor([0.5]), torch.tensor([1.0])), NO_SHIFT)
    torch.testing.assert_close(got, torch.tensor([1, 1.5, 2, 2.5, 3]).expand(1, 1, 5, 5))


def test_warp_agrees_with_torchs_grid_sampling(generator):
    """Away from the border, where the two continue an image differently."""
    x = torch.randn(2, 3, 9, 9, generator=generator, dtype=torch.float64)
    inverse = rotation(torch.tensor([0.4, -1.1], dtype=torch.float64)) * 0.9
    grid = torch.nn.functional.affine_grid(
        torch.cat([inverse, torch.zeros(2, 2, 1, dtype=torch.float64)], 2), [2, 3, 9, 9], align_corners=True
    )
    theirs = torch.nn.functional.grid_sample(x, grid, padding_mode="reflection", align_corners=True)
    torch.testing.assert_close(warp(x, inverse, torch.zeros(2, 2, dtype=torch.float64)), theirs)


def colours(contrast=1.0, invert=False, hue=0.0, saturation=1.0):
    contrast, hue, saturation = (torch.tensor([float(value)]) for value in (contrast, hue, saturation))
    return colour_map(contrast, torch.tensor([invert]), hue, saturation)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (0.5, -0.25, 0.1)),
        ({"contrast": 2}, (1.0, -0.5, 0.2)),
        ({"hue": 2 * math.pi / 3}, (0.1, 0.5, -0.25)),  # a third of a turn: red's value goes to green
        ({"saturation": 0}, (0.35 / 3,) * 3),
        ({"saturation": 2}, (1 - 0.35 / 3, -0.5 - 0.35 / 3, 0.2 - 0.35 / 3)),
        ({"invert": True}, (0.5 - 0.7 / 3, -0.25 - 0.7 / 3, 0.1 - 0.7 / 3)),
    ],
)
def test_changes_of_colour_by_hand(settings, expected):
    x = torch.tensor([0.5, -0.25, 0.1]).view(1, 3, 1, 1)
    got = recolour(x, torch.zeros(1), colours(**settings)).flatten()
    torch.testing.assert_close(got, torch.tensor(expected), atol=1e-6, rtol=1e-5)


def test_brightness_comes_before_contrast():
    got = recolour(torch.full((1, 3, 1, 1), 0.5), torch.tensor([0.25]), colours(contrast=2))
    torch.testing.assert_close(got.flatten(), torch.full((3,), 1.5))


def test_grey_images_change_as_grey_colour_images_do():
    grey = torch.linspace(-1, 1, 6).view(1, 1, 2, 3)
    settings = colours(contrast=1.5, invert=True, hue=1.0, saturation=3.0)
    alone = recolour(grey, torch.tensor([0.2]), settings)
    torch.testing.assert_close(alone, -1.5 * (grey + 0.2))
    torch.testing.assert_close(recolour(grey.repeat(1, 3, 1, 1), torch.tensor([0.2]), settings)[:, :1], alone)


def test_thicker_and_thinner_strokes_by_hand():
    x = torch.full((3, 1, 5, 5), -1.0)
    x[:, :, :, 2] = 1.0  # a stroke one pixel wide
    thick, thin, kept = thickened(x, torch.tensor([0.5, -0.5, 0.0]))[:, 0]
    assert thick.tolist() == [[-1, 0, 1, 0, -1]] * 5
    assert thin.tolist() == [[-1, -1, 0, -1, -1]] * 5
    assert torch.equal(kept, x[2, 0])


def test_each_warp_alone_by_hand():
    none = {"shift": 0.0, "rotate": 0.0, "scale": 0.0}
    middle, most = torch.full((1, 7), 0.5), torch.ones(1, 7)
    x = torch.zeros(1, 1, 5, 5)
    x[..., 2] = 1.0  # an upright stroke
    everything = {"shift": 0.2, "rotate": 30.0, "scale": 0.5, "shear": 0.5, "thickness": 1.0}
    torch.testing.assert_close(jittered(x, middle, **everything), x)
    torch.testing.assert_close(jittered(x, most, **none), x)
    # slanted by 45 degrees it is a diagonal: what is above the centre goes left, what is below goes right
    wide = functional.pad(x, (4, 4))
    diagonal = functional.pad(torch.eye(5), (4, 4))
    torch.testing.assert_close(jittered(wide, most, **none, shear=1.0)[0, 0], diagonal)
    torch.testing.assert_close(jittered(wide, 0 * most, **none, shear=1.0)[0, 0], diagonal.flip(1))
    torch.testing.assert_close(jittered(x, most, **none | {"shift": 0.2}), x.roll(1, 3))
    torch.testing.assert_close(jittered(x, most, **none | {"rotate": 90.0}), x.transpose(2, 3), atol=1e-5, rtol=0)
    assert jittered(x, most, **none, thickness=1.0)[0, 0].tolist() == [[0, 1, 1, 1, 0]] * 5
