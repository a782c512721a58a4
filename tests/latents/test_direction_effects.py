"""Effects of several attributes at once: true ones where means mix them, by hand; thresholds; what is left out."""

import numpy as np
import pytest
import torch
from small import small_model

from twoway.errors import ConfigError, DataError
from twoway.latents.direction_effects import best_cut, fit_effect, joint_effects
from twoway.latents.direction_examples import Examples
from twoway.latents.direction_fitting import fit_direction, fit_directions
from twoway.latents.direction_machines import Fitting


@pytest.fixture(scope="module")
def styled():
    """Four rows of six."""
    return small_model("style-alae")


@pytest.fixture(scope="module")
def together():
    """Of 8, 3 have A and B, 1 A alone, 1 B alone: codes of ones, + 4 on the first axis for A, + 2 on the next for B."""
    a, b = np.array([1, 1, 1, 0, 0, 0, 1, 0.0]), np.array([1, 1, 1, 0, 0, 0, 0, 1.0])
    w = torch.ones(8, 4, 6)
    w[:, :, 0] += 4 * torch.from_numpy(a).float()[:, None]
    w[:, :, 1] += 2 * torch.from_numpy(b).float()[:, None]
    return w, {"A": a, "B": b}


def test_means_mix_what_comes_together_and_effects_do_not(styled, together):
    """Of the 4 with A 3 have B, of the 4 without 1: the difference of means has 2 (3/4 - 1/4) = 1 of B's axis."""
    w, known = together
    mixed = fit_direction(styled, "A", w, known["A"], held_out=(w, known["A"]), fitting=Fitting("means"))
    assert mixed.vector[0].tolist() == pytest.approx([4, 1, 0, 0, 0, 0])
    for name, true in (("A", [4, 0, 0, 0, 0, 0]), ("B", [0, 2, 0, 0, 0, 0])):
        found = fit_effect(styled, name, w, known, held_out=(w, known[name]))
        assert found.vector[0].tolist() == pytest.approx(true, abs=2e-3)
        assert found.deviation == pytest.approx(max(true) / 2, rel=1e-3)
        assert found.facts["alone"] == pytest.approx(1 - 0.5**2)  # their correlation is a half
        assert found.facts["held"] == ["B" if name == "A" else "A"]
        assert found.facts["train"]["accuracy"] == 1.0
        assert found.facts["held_out"] == {**found.facts["train"], "on": "held-out pictures"}
        assert found.facts["held_out"]["majority"] == 0.5
        assert found.position(w).tolist() == pytest.approx(max(true) * (known[name] - 0.5), abs=5e-3)


def test_nothing_beside_it_is_the_difference_of_means(styled, together):
    w, known = together
    found = fit_effect(styled, "A", w, known, beside=["A"], held_out=(w, known["A"]))
    assert found.vector[0].tolist() == pytest.approx([4, 1, 0, 0, 0, 0], rel=1e-3)
    assert (found.facts["held"], found.facts["alone"]) == ([], 1.0)


def test_the_same_column_twice_halves_the_effect():
    a = np.array([0, 0, 1, 1.0])
    points = np.array([[0.0], [0.0], [6.0], [6.0]])
    assert joint_effects(points, np.stack([a, a], 1)) == pytest.approx(np.array([[3.0], [3.0]]), rel=1e-3)
    assert joint_effects(points, np.stack([a, 1 - a], 1)) == pytest.approx(np.array([[3.0], [-3.0]]), rel=1e-3)


def test_effects_are_those_of_ordinary_least_squares():
    """With a column of ones, as numpy solves it."""
    rng = np.random.default_rng(0)
    attributes = (rng.normal(size=(500, 3)) + rng.normal(size=(500, 1)) > 0.5).astype(float)
    points = attributes @ rng.normal(size=(3, 5)) + rng.normal(size=(500, 5))
    solved = np.linalg.lstsq(np.c_[np.ones(500), attributes], points, rcond=None)[0][1:]
    assert joint_effects(points, attributes, ridge=0.0) == pytest.approx(solved, abs=1e-9)
    assert joint_effects(points, attributes) == pytest.approx(solved, abs=1e-3)


@pytest.mark.parametrize("balanced", [False, True])
def test_the_best_cut_is_that_of_trying_all(balanced):
    rng = np.random.default_rng(1)
    for _ in range(20):
        along = rng.integers(0, 6, 12).astype(float)  # with ties
        labels = np.r_[True, False, rng.random(10) < 0.2]

        def right(cut, along=along, labels=labels):
            said = along > cut
            if balanced:
                return (said[labels].mean() + (~said[~labels]).mean()) / 2
            return (said == labels).mean()

        best = max(right(cut) for cut in np.arange(-0.5, 6.5))
        assert right(best_cut(along, labels, balanced)) == pytest.approx(best)
    assert best_cut(np.array([1.0, 3.0]), np.array([False, True])) == 2.0


def test_unknown_rows_and_useless_columns_are_left_out(styled, together):
    w, known = together
    w, names = w.repeat(6, 1, 1), ("A", "B")
    known = {name: np.tile(known[name], 6) for name in names}
    known["B"][::7] = np.nan
    known |= {"all": np.ones(48), "score": np.linspace(0, 3, 48), "nobody knows": np.full(48, np.nan)}
    examples = Examples(w, known, {"data": "planted"})
    found = fit_directions(styled, names, examples, fitting=Fitting("effects"), conditional_on=("B",))
    facts = found["A"].facts
    assert facts["held"] == ["B"]
    assert facts["dropped"] == 7
    assert facts["train"]["count"] + facts["held_out"]["count"] == 41
    assert facts["data"] == "planted"
    assert facts["orthogonal_to"] == ["B"]
    assert found["A"].normal[0].tolist() == pytest.approx([1, 0, 0, 0, 0, 0], abs=2e-3)


@pytest.mark.parametrize(
    ("beside", "message", "error"),
    [
        (["all"], "'all' there are 20 with and 0 without", DataError),
        (["score"], "'score' has the value 0.5", DataError),
        (["never"], "no picture of which all of A, never", DataError),
        (["Bb"], "'Bb' is known of the codes", ConfigError),
        ([f"more {k}" for k in range(20)], "20 pictures to learn the effects of 21 attributes", DataError),
    ],
)
def test_what_cannot_be_held_still(styled, together, beside, message, error):
    w, known = together[0].repeat(3, 1, 1), {name: np.tile(one, 3) for name, one in together[1].items()}
    known |= {"all": np.ones(24), "score": np.full(24, 0.5), "never": np.full(24, np.nan)}
    rng = np.random.default_rng(0)
    known |= {f"more {k}": rng.permutation(np.arange(24) % 2).astype(float) for k in range(20)}
    with pytest.raises(error, match=message):
        fit_effect(styled, "A", w, known, beside=beside)


def test_what_effects_are_not(styled, together):
    w, known = together
    with pytest.raises(ConfigError, match="--c"):
        Fitting("effects", 1.0)
    examples = Examples(w, known, {})
    with pytest.raises(ConfigError, match="not from scores"):
        fit_directions(styled, ["A"], examples, scored=True, share=4, fitting=Fitting("effects"))
    with pytest.raises(ConfigError, match="B cannot be held still"):
        fit_directions(styled, ["A"], examples, beside=["B"])
    still = torch.ones(8, 4, 6)
    with pytest.raises(DataError, match="no effect"):
        fit_effect(styled, "A", still, known)
