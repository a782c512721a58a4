import math
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch

from twoway.data import Batches, check_data, open_data
from twoway.data.sprites import AREA, FULL, SMALL, SpriteGrid, render_factors
from twoway.errors import ConfigError, DataError


def drawn(*factors, size=64):
    return render_factors(np.array([factors]), size)[0, 0].astype(float) / 255


def moments(picture):
    """Mass, centre (x to the right, y downwards, in pixels) and direction of the longer axis, anticlockwise."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    mass = picture.sum()
    cx, cy = (picture * x).sum() / mass, (picture * y).sum() / mass
    u, v = x - cx, cy - y
    xx, yy, xy = ((picture * p).sum() for p in (u * u, v * v, u * v))
    return mass, cx, cy, 0.5 * math.atan2(2 * xy, xx - yy) % math.pi


def test_the_numbers_of_dsprites():
    assert FULL.sizes == (3, 6, 40, 32, 32)
    assert FULL.count == 737_280
    train, test = open_data("sprites"), open_data("sprites", split="test")
    assert (len(train), len(test), train.shape, train.name) == (727_280, 10_000, (1, 64, 64), "sprites")
    assert train.factor_names == ("shape", "scale", "orientation", "x", "y")
    assert train.factor_sizes == FULL.sizes
    assert np.array_equal(train.labels, train.factors[:, 0])


def test_the_splits_are_parts_of_the_whole_and_share_nothing():
    parts = [open_data("sprites-small", split=split, size=16) for split in ("train", "test", "all")]
    train, test, whole = ({tuple(row) for row in data.factors.tolist()} for data in parts)
    assert (len(train), len(test), len(whole)) == (5000, 760, 5760)
    assert train | test == whole
    assert torch.equal(
        parts[2].read([0, 4999, 5000, 5759]), torch.cat([parts[0].read([0, 4999]), parts[1].read([0, 759])])
    )
    full = [np.ravel_multi_index(open_data("sprites", split=p).factors.T, FULL.sizes) for p in ("train", "test")]
    assert np.array_equal(np.sort(np.concatenate(full)), np.arange(FULL.count))


def test_every_split_has_every_value_of_every_factor():
    for split in ("train", "test"):
        data = open_data("sprites", split=split)
        for column, size in enumerate(data.factor_sizes):
            share = np.bincount(data.factors[:, column], minlength=size) / len(data)
            assert np.abs(share * size - 1).max() < (0.01 if split == "train" else 0.25)


@pytest.mark.parametrize("shape", range(3))
def test_moving_moves_the_centre_of_mass_by_a_pixel_a_step(shape):
    for x, y in ((0, 31), (7, 12), (31, 0)):
        _, cx, cy, _ = moments(drawn(shape, 5, 3, x, y))
        assert cx == pytest.approx(16.5 + x, abs=0.05)
        assert cy == pytest.approx(16.5 + y, abs=0.05)


@pytest.mark.parametrize("shape", range(3))
def test_scale_scales_the_area(shape):
    for scale in range(6):
        mass = moments(drawn(shape, scale, 0, 16, 16))[0]
        assert mass == pytest.approx(AREA * 64**2 * (0.5 + 0.1 * scale) ** 2, rel=0.015)


def test_orientation_turns_the_ellipse_anticlockwise():
    for orientation in range(40):
        direction = moments(drawn(1, 5, orientation, 15, 15))[3]
        wanted = 2 * math.pi * orientation / 40 % math.pi
        assert abs((direction - wanted + math.pi / 2) % math.pi - math.pi / 2) < 0.01


def test_the_heart_is_upright_at_first_and_turns():
    upright = drawn(2, 5, 0, 0, 0, size=128)
    assert np.array_equal(upright[:, 1:65], upright[:, 64:0:-1])  # the centre lies between columns 32 and 33
    rows = np.flatnonzero(upright.max(1) > 0.5)
    assert upright[rows[0]].sum() > 3 * upright[rows[-1]].sum()  # two lobes above, one tip below
    tips = []
    for quarter in range(4):  # third moments point at the tip: below, right, above, left
        picture = drawn(2, 5, 10 * quarter, 15, 15)
        _, cx, cy, _ = moments(picture)
        y, x = np.mgrid[:64, :64] + 0.5
        third = (picture * (x - cx) ** 3).sum(), (picture * (cy - y) ** 3).sum()
        axis = int(abs(third[1]) > abs(third[0]))
        tips.append((axis, math.copysign(1, third[axis])))
    assert tips == [(1, -1), (0, 1), (1, 1), (0, -1)]


def test_all_orientations_of_the_heart_differ_and_the_square_has_ten():
    heart = render_factors(np.array([[2, 5, k, 9, 9] for k in range(40)]))
    assert len({picture.tobytes() for picture in heart}) == 40
    square = render_factors(np.array([[0, 5, k, 9, 9] for k in range(40)])).astype(int)
    assert np.abs(square[10:] - square[:-10]).max() <= 1
    assert all(np.abs(b - a).max() > 20 for a, b in pairwise(square[:10]))


@pytest.mark.parametrize("size", [16, 33, 64, 128])
def test_edges_are_smooth_and_nothing_is_cut_off(size):
    corners = [[s, 5, k, x, y] for s in range(3) for k in range(0, 40, 5) for x in (0, 31) for y in (0, 31)]
    pictures = render_factors(np.array(corners), size)[:, 0]
    between = ((pictures > 0) & (pictures < 255)).sum((1, 2))
    perimeter = 4 * math.sqrt(AREA) * size
    assert between.mean() > 0.5 * perimeter  # a pixel-wide band along the outline ...
    assert between.max() < 2.5 * perimeter  # ... and no blur
    assert pictures.max() == 255
    mass = pictures.sum((1, 2)) / 255 / size**2
    assert mass == pytest.approx(np.full(len(mass), AREA), rel=0.06 if size < 32 else 0.02)


def test_pictures_agree_with_counting_fine_points():
    """The same shapes by another formulation: share of 16x16 points in each pixel that satisfy the inequalities."""
    fine = (np.arange(64 * 16) + 0.5) / 16
    x, y = np.meshgrid(fine - 24.5, 30.5 - fine)
    angle = 2 * math.pi * 7 / 40
    u, v = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
    side = math.sqrt(AREA) * 64 * 0.9
    long, short = side * math.sqrt(1.6 / math.pi), side / math.sqrt(1.6 * math.pi)
    for shape, inside in enumerate(
        [(np.abs(u) < side / 2) & (np.abs(v) < side / 2), (u / long) ** 2 + (v / short) ** 2 < 1]
    ):
        counted = inside.reshape(64, 16, 64, 16).mean((1, 3))
        assert np.abs(counted - drawn(shape, 4, 7, 8, 14)).max() < 0.15
        assert np.abs(counted - drawn(shape, 4, 7, 8, 14)).sum() < 0.01 * counted.sum() + 2


def test_any_subset_equals_the_full_drawing():
    data = open_data("sprites-small", split="all", size=32, cache_mib=0)
    whole = data.read(range(len(data)))
    rows = np.random.default_rng(0).integers(0, len(data), 300)
    assert torch.equal(data.read(rows), whole[rows])
    assert torch.equal(data.read(rows[::-1].copy()), whole[rows[::-1].copy()])
    assert torch.equal(data.read([5]), whole[[5]])
    assert np.array_equal(render_factors(data.factors[rows], 32, SMALL), whole[rows].numpy())
    assert data.read([]).shape == (0, 1, 32, 32)


def test_the_small_set_lies_on_the_grid_of_the_large_one():
    coarse = render_factors(np.array([[1, 0, 3, 2, 5], [2, 2, 9, 0, 7]]), 64, SMALL)
    finer = SpriteGrid(scales=5, orientations=40, positions=24)  # three parts for one: the middle one has its centre
    assert np.array_equal(coarse, render_factors(np.array([[1, 0, 12, 7, 16], [2, 4, 36, 1, 22]]), 64, finer))


def test_kept_pictures_are_the_drawn_ones_and_a_copy_is_fresh():
    kept, drawn_again = open_data("sprites-small"), open_data("sprites-small", cache_mib=0)
    assert not kept.in_memory
    first = kept.read([3, 1, 3])
    assert torch.equal(first, drawn_again.read([3, 1, 3]))
    first.zero_()
    assert torch.equal(kept.read([3, 1, 3]), drawn_again.read([3, 1, 3]))
    kept.read(range(len(kept)))
    assert kept.in_memory
    assert not drawn_again.in_memory
    assert torch.equal(pickle.loads(pickle.dumps(kept)).read([7]), drawn_again.read([7]))


def test_the_fingerprint_names_the_content_and_draws_nothing(monkeypatch):
    def fail(*_):
        raise AssertionError("drawn")

    monkeypatch.setattr("twoway.data.sprites._draw", fail)
    made = {
        open_data("sprites", split=split, size=size, channels=channels).fingerprint()
        for split in ("train", "test", "all")
        for size in (32, 64)
        for channels in (1, 3)
    }
    assert len(made) == 12
    assert open_data("sprites", size=64).fingerprint() == open_data("sprites").fingerprint()


def test_the_held_out_pictures_never_change():
    # published numbers hang on them
    held_out = open_data("sprites", split="test").factors
    assert held_out[[0, 1, 5000, 9999]].tolist() == [
        [0, 0, 0, 0, 7],
        [0, 0, 0, 1, 5],
        [1, 2, 38, 14, 22],
        [2, 5, 39, 25, 6],
    ]


def test_sizes_channels_and_batches():
    data = open_data("sprites", size=32, channels=3)
    assert (data.name, data.shape) == ("sprites32", (3, 32, 32))
    picture = data.read([100])[0]
    assert torch.equal(picture[0], picture[2])
    assert torch.equal(picture[:1], open_data("sprites", size=32).read([100])[0])
    batches = Batches(data, 8, seed=0)
    assert torch.equal(batches.next(), data.read(batches.rows(0)))
    batches.close()


def test_labels_may_be_any_factor():
    data = open_data("sprites-small", label="orientation")
    assert np.array_equal(data.labels, data.factors[:, 2])


def test_other_data_know_no_factors():
    data = open_data("digits")
    assert (data.factors, data.factor_names, data.factor_sizes) == (None, (), ())
    assert "factors" not in data.describe()
    described = open_data("sprites-small").describe()
    assert described["factors"] == {"shape": 3, "scale": 3, "orientation": 10, "x": 8, "y": 8}


def test_check_looks_at_a_part_of_a_large_set():
    report = check_data("sprites-small")
    assert (report.total, report.usable, report.labels, report.shape) == (5760, 5760, 3, (1, 64, 64))
    assert report.trainable
    # of ten orientations the square shows five, the ellipse five, the heart ten
    assert sum(len(group) - 1 for group in report.duplicates) <= 3 * 8 * 8 * 10


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        (np.zeros((2, 4), int), r"shape \(2, 4\).*shape, scale, orientation, x, y"),
        (np.zeros(5, int), r"\(B, 5\)"),
        (np.zeros((1, 5)), "float64"),
        (np.array([[0, 6, 0, 0, 0]]), "factor scale is 6, but must be from 0 to 5"),
        (np.array([[0, 0, 0, -1, 0]]), "factor x is -1"),
    ],
)
def test_factors_that_cannot_be_drawn(factors, expected):
    with pytest.raises(DataError, match=expected):
        render_factors(factors)


def test_what_sprites_have_not():
    with pytest.raises(ConfigError, match=r"Nothing called 'colour'.*orientation, scale, shape, x, y"):
        open_data("sprites-small", label="colour")
    with pytest.raises(ConfigError, match="did you mean 'scale'"):
        open_data("sprites-small", label="scales")
    with pytest.raises(ConfigError, match="from 8 to 512"):
        open_data("sprites", size=4)
