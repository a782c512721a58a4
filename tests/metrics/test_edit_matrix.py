"""What edits change: by hand, and on a linear model of which everything is known."""

import dataclasses
import math

import pytest
import torch
from linear_toys import SquaredError, linear_model

from twoway.errors import ConfigError, DataError, ModelError
from twoway.latents.directions import Direction
from twoway.metrics.edit_matrix import effect_matrix, evaluate_edit_matrix, judge_edits, own_columns


class Reads:
    """Log odds that are coordinates of the code, read off the pixels of a linear model, some times as large."""

    title = "reads@0"
    exclusive = False

    def __init__(self, a, outputs=("x", "y", "3"), factor=0.5):
        self.inverse = torch.linalg.pinv(a).float()[:, : len(outputs)] * factor
        self.outputs = outputs

    def logits(self, x):
        return x.flatten(1) @ self.inverse


def test_own_columns():
    assert own_columns(("x", "class-3", "pca1", "y"), ("y", "3", "x")) == (2, 1, None, 0)


def test_effects_by_hand():
    """Two pictures, one direction, two outputs, of which one says the same of both pictures."""
    base = torch.tensor([[1.0, 5.0], [-1.0, 5.0]]).double()
    up = torch.tensor([[[3.0, 5.0], [1.0, 6.0]]]).double()
    down = torch.tensor([[[0.0, 5.0], [-2.0, 5.0]]]).double()
    assert effect_matrix(base, up, down).tolist() == [[(2 - -1) / 2 / 1.0, 0.0]]
    moved = judge_edits(2.0, base, up, torch.tensor([[0.1, 0.3]]), torch.tensor([[0.0, 1.0]]))
    assert moved.odds == ((2.0, 0.5),)
    assert moved.flips == ((0.5, 0.0),)

    def chance(x):
        return 1 / (1 + math.exp(-x))

    assert moved.chances[0][0] == pytest.approx((chance(3) - chance(1) + chance(1) - chance(-1)) / 2)
    assert moved.identity == pytest.approx((0.2,))
    assert moved.pixels == (0.5,)


@pytest.fixture(scope="module")
def linear():
    """Codes that are drawn small, so that no pixel is cut off; pictures of them."""
    model, _, a = linear_model()
    w = 0.1 * torch.randn(40, 6, generator=torch.Generator().manual_seed(5))
    return model, a, w, (w @ a.float()).unflatten(1, (1, 8, 8))


def directions(model, **rest):
    vectors = torch.tensor([[[2.0, 0, 0, 0, 0, 0]], [[3.0, 4.0, 0, 0, 0, 0]], [[0, 0, 0, 0, 1.0, 0]]])
    return [
        Direction(name, vector, model.fingerprint(), "given", deviation=0.1, **rest)
        for name, vector in zip(("x", "class-3", "pca1"), vectors, strict=True)
    ]


def test_of_a_linear_model(linear):
    """Moved by 0.3 along the first axis, the first log odds grow by 0.15, over half the deviation of the codes."""
    model, a, w, x = linear
    found = evaluate_edit_matrix(model, x, directions(model), Reads(a), SquaredError(), strength=3.0, batch=16)
    spread = w.std(0, correction=0)
    expected = torch.tensor([[1.0, 0, 0], [0.6, 0.8, 0], [0, 0, 0]]) * 0.3 / spread[:3]
    assert torch.allclose(torch.tensor(found.effect), expected, atol=1e-3)
    assert found.own == (0, 2, None)
    assert torch.allclose(torch.tensor(found.up.odds)[0], torch.tensor([0.15, 0, 0]), atol=1e-4)
    assert torch.allclose(torch.tensor(found.down.odds)[0], torch.tensor([-0.15, 0, 0]), atol=1e-4)
    before, after = w[:, 0] > 0, w[:, 0] + 0.3 > 0
    assert found.up.flips[0][0] == pytest.approx((before != after).double().mean().item())
    shift = 0.3 * (torch.tensor([0.6, 0.8, 0, 0, 0, 0]).double() @ a)
    assert found.up.identity[1] == pytest.approx(float(shift.square().sum()), rel=1e-3)
    assert found.up.pixels[1] == pytest.approx(float(shift.square().mean()), rel=1e-3)
    assert found.reconstruction == pytest.approx(0.0, abs=1e-6)
    parts = [x[i : i + 16] for i in (0, 16, 32)]
    apart = torch.cat([(p - p.roll(1, 0)).square().flatten(1).sum(1) for p in parts]).mean()
    assert found.strangers == pytest.approx(float(apart), rel=1e-3)
    summary = found.summary()
    assert summary[0]["own"] == pytest.approx(float(expected[0, 0]), abs=1e-3)
    assert summary[1]["largest_other"] == "x"
    assert summary[1]["others"] == pytest.approx(float(expected[1, 0]), abs=1e-3)  # y is no direction's
    assert summary[2]["own"] is None
    assert found.plain()["summary"] == summary


def test_absolute_edits_end_at_one_place(linear):
    """Then every picture says the same of the attribute: its log odds differ from half the distance by nothing."""
    model, a, w, x = linear
    found = evaluate_edit_matrix(
        model, x, directions(model)[:1], Reads(a), SquaredError(), strength=1.0, unit="length", mode="absolute"
    )
    assert found.up.odds[0][0] == pytest.approx(0.5 * (1.0 - w[:, 0].mean().item()), abs=1e-3)


def test_what_is_refused(linear):
    model, a, _, x = linear
    given = directions(model)
    with pytest.raises(ConfigError, match="positive number"):
        evaluate_edit_matrix(model, x, given, Reads(a), SquaredError(), strength=-1.0)
    with pytest.raises(ConfigError, match="0 directions"):
        evaluate_edit_matrix(model, x, [], Reads(a), SquaredError())
    with pytest.raises(DataError, match="at least two"):
        evaluate_edit_matrix(model, x[:1], given, Reads(a), SquaredError())
    one = torch.zeros_like(x[:8]) + x[:1]  # nobody can count in deviations of what is always the same
    with pytest.raises(DataError, match="the same of all 8 reconstructions about x, 3"):
        evaluate_edit_matrix(model, one, given, Reads(a), SquaredError())
    with pytest.raises(DataError, match="to reconstructions are not all finite"):
        evaluate_edit_matrix(model, x, given, Reads(a, factor=math.nan), SquaredError())
    far = [dataclasses.replace(given[0], deviation=1e38)]
    with pytest.raises(DataError, match=r"not all finite\. Use a smaller strength"):
        evaluate_edit_matrix(model, x, far, Reads(a), SquaredError(), strength=1e3)
    other, *_ = linear_model(seed=3)
    with pytest.raises(ModelError, match="another model"):
        evaluate_edit_matrix(other, x, given, Reads(a), SquaredError())
