"""Edits by hand: LIA's, InterFaceGAN's and ALAE's."""

import math

import pytest
import torch
from small import small_model

from twoway.errors import ConfigError, ModelError
from twoway.latents.directions import Direction
from twoway.latents.editing import edit_codes, read_moves


def direction(vector, name="d", **rest):
    return Direction(name, torch.tensor(vector), "0" * 16, "given", **rest)


def codes(count, layers, dim, seed=9):
    return torch.randn(count, layers, dim, generator=torch.Generator().manual_seed(seed))


W = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [1.0, -1.0]]])
RAW = direction([[3.0, 4.0]], "raw", deviation=0.5)
AXIS = direction([[0.0, 2.0]], "axis", intercept=1.0)


def test_relative_by_hand():
    """2 deviations of 0.5 along (0.6, 0.8), all rows alike."""
    assert torch.allclose(edit_codes(W, [(RAW, 2.0)]), W + torch.tensor([0.6, 0.8]))
    assert torch.allclose(edit_codes(W, [(RAW, 2.0)], unit="length"), W + torch.tensor([1.2, 1.6]))
    both = edit_codes(W, [(RAW, 2.0), (AXIS, -3.0)])
    assert torch.allclose(both, W + torch.tensor([0.6, 0.8 - 3.0]))
    assert edit_codes(W, []) is W


def test_rows_that_move():
    moved = edit_codes(W, [(RAW, 2.0)], layers=[1])
    assert torch.equal(moved[:, 0], W[:, 0])
    assert torch.allclose(moved[:, 1], W[:, 1] + torch.tensor([0.6, 0.8]))
    own = direction([[3.0, 4.0]], deviation=0.5, layers=(1,))
    assert torch.equal(edit_codes(W, [(own, 2.0)]), moved)
    assert torch.equal(edit_codes(W, [(own, 2.0)], layers=[0])[:, 1], W[:, 1])
    per_row = direction([[3.0, 0.0], [0.0, 4.0]])
    assert torch.allclose(edit_codes(W, [(per_row, 5.0)]) - W, torch.tensor([[3.0, 0.0], [0.0, 4.0]]))


def test_absolute_by_hand():
    """The second coordinate, whose position is y + 1, comes to stand at 3 on average over the rows, so at y = 2."""
    moved = edit_codes(W, [(AXIS, 3.0)], mode="absolute")
    assert torch.allclose(moved[..., 1], torch.tensor([[1.0, 3.0], [2.5, 1.5]]))
    assert torch.equal(moved[..., 0], W[..., 0])


def test_absolute_agrees_with_interfacegan_on_single_codes():
    """w + (t - w n) n, its own formula for codes of one layer and boundaries through the origin."""
    w, d = codes(7, 1, 5), direction(codes(1, 1, 5, 3)[0].tolist())
    n = d.vector[0] / d.vector[0].norm()
    expected = w[:, 0] + (1.5 - w[:, 0] @ n)[:, None] * n
    assert torch.allclose(edit_codes(w, [(d, 1.5)], mode="absolute")[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("layers", [None, [0, 2]])
def test_absolute_puts_all_at_their_distances_at_once(layers):
    w = codes(6, 3, 5)
    one = direction(codes(1, 1, 5, 1)[0].tolist(), "one", intercept=0.4, deviation=2.0)
    two = direction(codes(1, 1, 5, 2)[0].tolist(), "two", layers=(1, 2))
    all_rows = direction(codes(1, 3, 5, 3)[0].tolist(), "rows", intercept=-0.2)
    moved = edit_codes(w, [(one, 1.0), (two, -2.0), (all_rows, 0.5)], mode="absolute", layers=layers)
    assert one.position(moved, layers).tolist() == pytest.approx([2.0] * 6, abs=1e-4)
    assert two.position(moved, layers).tolist() == pytest.approx([-2.0] * 6, abs=1e-4)
    assert all_rows.position(moved, layers).tolist() == pytest.approx([0.5] * 6, abs=1e-4)
    again = edit_codes(moved, [(one, 1.0), (two, -2.0), (all_rows, 0.5)], mode="absolute", layers=layers)
    assert torch.allclose(again, moved, atol=1e-4)


def test_alae_as_its_demo():
    """The demo in its own words on one code for all rows: take values off, add new ones, keep rows from 16 on."""
    w = codes(4, 1, 5).expand(-1, 18, -1)
    mean, d1, d2 = codes(1, 1, 5, 1)[0, 0], codes(1, 1, 5, 2)[0, 0], codes(1, 1, 5, 3)[0, 0]
    for row in range(4):
        centred = w[row, 0] - mean
        v1, v2 = centred @ d1, centred @ d2
        base = centred - v1 * d1 - v2 * d2
        edited = base + 0.7 * d1 - 1.2 * d2 + mean
        moves = [(direction([d1.tolist()], "d1", deviation=9.0), 0.7), (direction([d2.tolist()], "d2"), -1.2)]
        found = edit_codes(w[row : row + 1], moves, mode="alae", w_avg=mean)
        assert torch.allclose(found[0, :16], edited.expand(16, -1), atol=1e-5)
        assert torch.equal(found[0, 16:], w[row, 16:])
        asked = edit_codes(w[row : row + 1], moves, mode="alae", w_avg=mean, layers=range(18))
        assert torch.allclose(asked[0], edited.expand(18, -1), atol=1e-5)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"mode": "relativ"}, ConfigError, "did you mean 'relative'"),
        ({"unit": "lenght"}, ConfigError, "did you mean 'length'"),
        ({"mode": "alae"}, ConfigError, "give w_avg"),
        ({"layers": [2]}, ModelError, "layer 2, but the codes have 2"),
        ({"moves": [(RAW, math.nan)]}, ConfigError, "finite"),
        ({"moves": [(RAW, 1.0), (direction([[6.0, 8.0]], "twin"), 1.0)], "mode": "absolute"}, ConfigError, "raw, twin"),
        (
            {"moves": [(direction([[0.0, 0.0], [1.0, 0.0]]), 1.0)], "mode": "absolute", "layers": [0]},
            ConfigError, "does not act",
        ),
        ({"moves": [(direction([[1.0, 1.0, 1.0]]), 1.0)]}, ModelError, "3 wide"),
        ({"moves": [(direction([[1.0, 1.0]] * 3), 1.0)]}, ModelError, "3 layers"),
    ],
)  # fmt: skip
def test_edits_that_cannot_be(given, kind, message):
    moves = given.pop("moves", [(RAW, 1.0)])
    with pytest.raises(kind, match=message):
        edit_codes(W, moves, **given)


def test_texts_of_edits():
    model = small_model("style-alae", (1, 32, 32))
    known = {name: direction([[1.0] * 6], name) for name in ("Smiling", "wearing hat")}
    found = read_moves(["Smiling=2", " wearing hat = -1.5@coarse", "Smiling=1e-1@0-1,6"], known, model)
    assert [(one.name, t, one.layers) for one, t in found] == [
        ("Smiling", 2.0, None),
        ("wearing hat", -1.5, (0, 1, 2, 3)),
        ("Smiling", 0.1, (0, 1, 6)),
    ]
    assert found[0][0] is known["Smiling"]
    found = read_moves({"Smiling@middle": 3, "wearing hat": -1.0}, known, model)
    assert [(one.name, t, one.layers) for one, t in found] == [
        ("Smiling", 3.0, (4, 5, 6, 7)),
        ("wearing hat", -1.0, None),
    ]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("Smiling", ConfigError, "a direction and a number"),
        ("Smiling=", ConfigError, "a direction and a number"),
        ("Smiling=two", ConfigError, "a direction and a number"),
        ("Smiling=nan", ConfigError, "a direction and a number"),
        ("=2", ConfigError, "a direction and a number"),
        ("smiling=2", ConfigError, "no direction 'smiling'; did you mean 'Smiling'"),
        ("Smiling=2@cose", ConfigError, "did you mean 'coarse'"),
        ("Smiling=2@9", ConfigError, "no layer 9"),
    ],
)
def test_texts_of_edits_that_cannot_be(text, kind, message):
    known = {"Smiling": direction([[1.0] * 6], "Smiling")}
    with pytest.raises(kind, match=message):
        read_moves([text], known, small_model("style-alae", (1, 16, 16)))
    with pytest.raises(ConfigError, match="twice"):
        read_moves(["Smiling=2", "Smiling=1"], known, small_model("alae"))
    layers = small_model("style-alae", (1, 16, 16))
    count = layers.w_shape[0]
    with pytest.raises(ConfigError, match="twice"):  # the same layers, written out
        read_moves(["Smiling=2", f"Smiling=1@0-{count - 1}"], known, layers)
    assert len(read_moves(["Smiling=2", f"Smiling=1@0-{count - 2}"], known, layers)) == 2
    with pytest.raises(ModelError, match="one code for the whole picture"):
        read_moves(["Smiling=2@coarse"], known, small_model("alae"))
