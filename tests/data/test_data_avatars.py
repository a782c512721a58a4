import itertools

import numpy as np
import pytest
import torch

from twoway.data import open_data
from twoway.data.avatars import BACKGROUNDS, FACTORS, HAIRS, SHIRTS, SKINS, render_avatars
from twoway.errors import ConfigError, DataError

PLAIN = dict.fromkeys(FACTORS, 0) | {"turn": 2}


def drawn(size=64, **changes):
    return render_avatars(np.array([list((PLAIN | changes).values())]), size)[0].astype(int)


def test_counts_shapes_and_splits():
    train, test, whole = (open_data("avatars", split=split, size=32) for split in ("train", "test", "all"))
    assert (len(train), len(test), len(whole)) == (20_000, 2_000, 22_000)
    assert (train.name, train.shape, open_data("avatars").name) == ("avatars32", (3, 32, 32), "avatars")
    assert train.factor_names == tuple(FACTORS)
    assert np.array_equal(whole.factors, np.concatenate([train.factors, test.factors]))
    assert len({tuple(row) for row in whole.factors.tolist()}) == 22_000
    assert torch.equal(whole.read([3, 20_003]), torch.cat([train.read([3]), test.read([3])]))


def test_factors_are_uniform_and_independent_up_to_chance():
    factors = open_data("avatars").factors
    for column, size in enumerate(FACTORS.values()):
        share = np.bincount(factors[:, column], minlength=size) / len(factors)
        assert len(share) == size
        assert np.abs(share - 1 / size).max() < 5 * np.sqrt(1 / size / 20_000)  # five standard errors
    correlation = np.corrcoef(factors.T) - np.eye(len(FACTORS))
    assert np.abs(correlation).max() < 5 / np.sqrt(20_000)


def test_every_value_of_every_factor_changes_the_picture():
    for name, count in FACTORS.items():
        others = [
            {"glasses": glasses, "hat": hat, "hair_style": style}
            for glasses, hat, style in itertools.product(range(2), range(3), range(4))
        ]
        wanted = [PLAIN | other | {name: value} for other in others for value in range(count)]
        pictures = render_avatars(np.array([list(row.values()) for row in wanted]), 32)
        for start in range(0, len(pictures), count):  # nothing hides a factor completely
            assert len({picture.tobytes() for picture in pictures[start : start + count]}) == count, wanted[start]


@pytest.mark.parametrize(
    ("factor", "palette", "x", "y"),
    [
        ("background", BACKGROUNDS, 2, 2),
        ("skin", SKINS, 64, 86),
        ("hair_colour", HAIRS, 64, 34),
        ("shirt", SHIRTS, 34, 120),
    ],
)
def test_colours_are_where_they_belong(factor, palette, x, y):
    for value, colour in enumerate(palette.values()):
        assert drawn(128, **{factor: value})[:, y, x].tolist() == list(colour)


def test_factors_change_what_they_are_about_and_nothing_else():
    def rows_and_columns(factor, value):
        changed = np.argwhere(np.any(drawn(64) != drawn(64, **{factor: value}), axis=0)) / 64
        return *changed.min(0), *changed.max(0)

    top, left, bottom, right = rows_and_columns("mouth", 2)
    assert (top > 0.53, bottom < 0.7, left > 0.3, right < 0.7) == (True,) * 4
    top, _, bottom, _ = rows_and_columns("eye_size", 2)
    assert (top > 0.4, bottom < 0.55) == (True, True)
    assert rows_and_columns("hat", 1)[2] < 0.4
    assert rows_and_columns("shirt", 1)[0] > 0.75
    top, _, bottom, _ = rows_and_columns("glasses", 1)
    assert (top > 0.38, bottom < 0.57) == (True, True)


def test_turning_moves_the_face_sideways():
    centres = []
    for turn in range(5):
        changed = np.any(drawn(64, turn=turn) != drawn(64, turn=turn, mouth=2), axis=0)
        centres.append(np.argwhere(changed)[:, 1].mean())
    assert np.all(np.diff(centres) > 2)
    assert centres[0] + centres[4] == pytest.approx(63, abs=1)  # to both sides alike


def test_any_subset_equals_the_full_drawing():
    data = open_data("avatars", split="test", size=32, cache_mib=0)
    whole = data.read(range(150))
    rows = np.random.default_rng(0).integers(0, 150, 40)
    assert torch.equal(data.read(rows), whole[rows])
    assert torch.equal(data.read([77]), whole[[77]])
    assert np.array_equal(render_avatars(data.factors[rows], 32), whole[rows].numpy())


def test_a_larger_drawing_is_the_same_picture():
    small, large = drawn(32, hair_style=2, turn=3), drawn(128, hair_style=2, turn=3)
    reduced = large.reshape(3, 32, 4, 32, 4).mean((2, 4))
    assert np.abs(reduced - small).mean() < 4
    assert np.abs(large - drawn(128)).mean() > 8  # the measure does see a difference


def test_labels_and_attributes():
    data = open_data("avatars", split="test", size=16)
    names = list(data.factor_names)
    assert np.array_equal(data.labels, data.factors[:, names.index("hair_colour")])
    assert data.attributes.shape == (2000, len(data.attribute_names))
    assert set(np.unique(data.attributes)) == {0, 1}
    smiling = data.attributes[:, data.attribute_names.index("Smiling")]
    assert np.array_equal(smiling, (data.factors[:, names.index("mouth")] > 0).astype(int))
    assert np.array_equal(open_data("avatars", split="test", label="Smiling").labels, smiling)
    assert np.array_equal(open_data("avatars", split="test", label="hat").labels, data.factors[:, names.index("hat")])


def test_grey_is_the_mean_of_the_colours():
    grey, colour = (open_data("avatars", split="test", size=16, channels=c).read([5])[0].numpy() for c in (1, 3))
    assert np.abs(grey[0] - colour.astype(float).mean(0)).max() <= 0.5


def test_what_avatars_have_not():
    with pytest.raises(ConfigError, match="did you mean 'glasses'"):
        open_data("avatars", label="glases")
    with pytest.raises(DataError, match="factor hat is 3, but must be from 0 to 2"):
        drawn(hat=3)
