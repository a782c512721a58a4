"""Similarities are fitted in the sense of least squares, inverted exactly, and move pictures without loss."""

import numpy as np
import pytest
from PIL import Image

from twoway.errors import DataError
from twoway.photos.similarity import apply, compose, fit_similarity, inverse, scale_of, translation, warp, warped


def turned(angle, scale, shift):
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


def noise(width, height, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def smooth(width, height):
    y, x = np.mgrid[0:height, 0:width] + 0.5
    rgb = np.stack([127 + 100 * np.sin(x / 9), 127 + 100 * np.cos(y / 11), 127 + 60 * np.sin((x + y) / 13)], -1)
    return Image.fromarray(np.rint(rgb).astype(np.uint8))


@pytest.mark.parametrize("count", [2, 3, 7])
def test_a_known_similarity_is_found(count):
    truth = turned(2.5, 0.3, (40, -7))
    points = np.random.default_rng(1).normal(size=(count, 2)) * 20
    assert np.allclose(fit_similarity(points, apply(truth, points)), truth)


def test_the_fit_is_that_of_the_normal_equations():
    """With unknowns (a, b, tx, ty) the problem is linear: x' = a x - b y + tx, y' = b x + a y + ty."""
    rng = np.random.default_rng(2)
    p, q = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    rows = []
    for x, y in p:
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), q.ravel(), rcond=None)[0]
    assert np.allclose(fit_similarity(p, q), [[a, -b, tx], [b, a, ty]])


def test_points_never_mirror():
    p = np.array([(0.0, 0.0), (4.0, 0.0), (0.0, 2.0)])
    assert np.linalg.det(fit_similarity(p, p * (-1, 1))[:, :2]) > 0


def test_one_place_says_nothing():
    with pytest.raises(DataError, match="one place"):
        fit_similarity([(1, 1), (1, 1)], [(0, 0), (1, 0)])


def test_there_and_back():
    transform = turned(0.7, 1.9, (3, 4))
    assert np.allclose(compose(inverse(transform), transform), translation(0, 0))
    assert scale_of(transform) == pytest.approx(1.9)


def test_whole_pixels_are_a_crop():
    photo = noise(40, 30)
    assert np.array_equal(warp(photo, translation(-7, -5), (16, 12)), photo.crop((7, 5, 23, 17)))


@pytest.mark.parametrize("factor", [2, 3, 8, 12])
def test_whole_factors_are_the_mean(factor):
    photo = noise(12 * factor, 10 * factor)
    shrink = np.array([[1 / factor, 0, -2], [0, 1 / factor, -1]])
    made = warped(photo, shrink, (8, 6))
    blocks = np.asarray(photo, np.float64).reshape(10, factor, 12, factor, 3).mean((1, 3))[1:7, 2:10]
    # large factors average in two steps, the first of which gives whole numbers
    assert np.abs(made - blocks).max() < (0.51 if factor >= 4 else 1e-3)


def test_quarter_turns_are_exact():
    photo = noise(16, 16)
    quarter = np.array([[0.0, -1.0, 16.0], [1.0, 0.0, 0.0]])  # (x, y) to (16 - y, x): clockwise on the screen
    assert np.array_equal(warp(photo, quarter, (16, 16)), photo.transpose(Image.Transpose.ROTATE_270))


def test_fine_stripes_do_not_turn_into_false_patterns():
    """Stripes of one pixel are grey when shrunk, whatever the factor and the angle."""
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    for angle, scale in ((0.0, 1 / 6.3), (0.3, 1 / 9.7), (0.0, 1 / 4)):
        transform = compose(translation(16, 16), compose(turned(angle, scale, (0, 0)), translation(-200, -200)))
        made = warped(Image.fromarray(stripes), transform, (32, 32))
        assert np.abs(made - 127.5).max() < 16


@pytest.mark.parametrize(("scale", "off"), [(15, 0.05), (7.3, 0.1), (1.3, 0.4)])
@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_an_even_slope_stays_even_when_enlarged(scale, off, angle):
    """A pixel (i, j) of the ramp is 4 x + 2 y at its middle; so is the result at the place that it comes from."""
    y, x = np.mgrid[0:32, 0:32] + 0.5
    transform = compose(translation(60, 60), compose(turned(angle, scale, (0, 0)), translation(-16, -16)))
    made = warped((4 * x + 2 * y)[..., None].astype(np.float32), transform, (120, 120))[..., 0]
    y, x = np.mgrid[0:120, 0:120] + 0.5
    source = apply(inverse(transform), np.stack([x.ravel(), y.ravel()], 1))
    inner = (np.abs(source - 16) < 12).all(1)
    assert inner.sum() > 500
    assert np.abs(made.ravel() - source @ (4, 2))[inner].max() < off


def test_a_turned_picture_comes_back():
    photo = smooth(120, 100)
    transform = compose(translation(48, 48), compose(turned(0.4, 1.0, (0, 0)), translation(-60, -50)))
    there = warped(photo, transform, (96, 96))
    again = warped(there, inverse(transform), photo.size)
    inner = (slice(35, 65), slice(45, 75))
    assert np.abs(again[inner] - np.asarray(photo, float)[inner]).max() < 2


def test_outside_is_mirrored_and_further_out_blurred():
    photo = noise(64, 64)
    made = warped(photo, translation(40, 0), (64, 64))
    assert np.array_equal(made[:, 40:], np.asarray(photo, np.float32)[:, :24])
    near, far = made[:, 38:40], made[:, :10]
    mirrored = np.asarray(photo, np.float32)[:, [1, 0]]
    assert np.abs(near - mirrored).mean() < 30
    assert far.std() < 0.75 * made[:, 40:].std()


def test_a_crop_beside_the_picture_is_refused():
    with pytest.raises(DataError, match="outside its 20x10"):
        warped(noise(20, 10), translation(-20, 0), (8, 8))
