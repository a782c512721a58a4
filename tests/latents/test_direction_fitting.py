"""Directions from labels and scores: planted ones are found, accuracies are counted right, bad input is named."""

import dataclasses

import numpy as np
import pytest
import torch
from small import small_model

from twoway.errors import ConfigError, DataError
from twoway.latents.direction_fitting import conditioned, fit_direction, fit_scored_direction
from twoway.latents.direction_machines import Fitting, fit_machine
from twoway.latents.directions import load_directions, save_directions


@pytest.fixture(scope="module")
def styled():
    """Four rows of six."""
    return small_model("style-alae")


def planted(count=600, layers=4, seed=0, noise=0.0):
    """Codes whose mean over rows has 3 times a hidden number along a known normal, and that number."""
    generator = torch.Generator().manual_seed(seed)
    normal = torch.tensor([2.0, -1.0, 0.0, 0.0, 2.0, 0.0]) / 3
    hidden = torch.randn(count, generator=generator)
    rest = torch.randn(count, 1, 6, generator=generator)
    rest = rest - (rest @ normal)[..., None] * normal
    wobble = torch.randn(count, layers, 6, generator=generator)
    w = rest + 3 * hidden[:, None, None] * normal + wobble - wobble.mean(1, keepdim=True) + noise
    return w, hidden.numpy(), normal


@pytest.mark.parametrize("classifier", ["svm", "logistic", "means"])
@pytest.mark.parametrize("balanced", [False, True])
def test_a_planted_direction_is_found_from_labels(styled, classifier, balanced):
    w, hidden, normal = planted()
    has = (hidden > 0.8).astype(float)
    test, other, _ = planted(200, seed=1)
    fitting = Fitting(classifier, balanced=balanced)
    found = fit_direction(styled, "big", w, has, held_out=(test, other > 0.8), fitting=fitting)
    assert float(found.normal[0] @ normal) > 0.97
    assert found.vector.shape == (1, 6)
    assert found.fingerprint == styled.fingerprint()
    assert found.facts["length"] == pytest.approx(float(found.vector.norm()), rel=1e-5)
    assert found.deviation == pytest.approx(float(found.position(w).std(correction=0)), rel=1e-4)
    said = found.position(test).numpy() > 0
    truth = other > 0.8
    held = found.facts["held_out"]
    assert held["count"] == 200
    assert held["with"] == truth.sum()
    assert held["accuracy"] == pytest.approx((said == truth).mean(), abs=0.006)
    assert held["majority"] == pytest.approx(1 - truth.mean())
    sides = (said[truth].mean() + (~said[~truth]).mean()) / 2
    assert held["balanced_accuracy"] == pytest.approx(sides, abs=0.02)
    assert held["balanced_accuracy"] > 0.8


def test_coefficients_are_sklearns_own(styled):
    """ALAE's: LinearSVC, C = 1, primal, on raw codes of all the pictures given."""
    from sklearn.svm import LinearSVC

    w, hidden, _ = planted(300)
    has = hidden + np.random.default_rng(0).normal(size=300) > 0
    found = fit_direction(styled, "big", w, has, held_out=(w, has), fitting=Fitting("svm", balanced=False))
    machine = LinearSVC(C=1.0, dual=False, max_iter=10_000).fit(w.mean(1).double().numpy(), has)
    assert found.vector[0].numpy() == pytest.approx(machine.coef_[0], rel=1e-3, abs=1e-4)
    assert found.intercept == pytest.approx(machine.intercept_[0] / np.linalg.norm(machine.coef_), rel=1e-3, abs=1e-4)
    assert found.facts["train"]["accuracy"] == pytest.approx(machine.score(w.mean(1).double().numpy(), has))


def test_means_by_hand(styled):
    w = torch.zeros(4, 1, 6)
    w[:, 0, 0] = torch.tensor([0.0, 2.0, 4.0, 6.0])
    found = fit_direction(styled, "x", w, np.array([0, 0, 1, 1]), fitting=Fitting("means"))
    assert found.vector[0].tolist() == [4.0, 0, 0, 0, 0, 0]
    assert found.intercept == pytest.approx(-3.0)
    assert found.deviation == pytest.approx(np.std([0, 2, 4, 6]))
    assert found.facts["gap"] == pytest.approx(4 / np.std([0, 2, 4, 6]))
    assert found.facts["held_out"]["accuracy"] is None  # there is no sixth part of two


def test_only_the_rows_named_count(styled):
    w, hidden, normal = planted(400)
    w[:, 2:] = 0
    w[:, :2] -= w[:, :2].mean(1, keepdim=True)
    w[:, 1] += 3 * torch.from_numpy(hidden)[:, None] * normal
    found = fit_direction(styled, "big", w, hidden > 0, layers=(1,))
    assert found.layers == (1,)
    assert float(found.normal[0] @ normal) > 0.9
    again = fit_direction(styled, "big", w[:, [1]], hidden > 0, layers=(1,))
    assert torch.equal(found.vector, again.vector)


def test_unknown_ones_are_left_out_and_classes_told_are_untouched():
    model = small_model("vae", classes=3)
    w, hidden, _ = planted(120, layers=1)
    w = torch.cat([w, torch.eye(3).repeat(40, 1)[:, None]], 2)
    has = (hidden > 0).astype(float)
    has[::3] = np.nan
    found = fit_direction(model, "big", w, has)
    assert found.facts["train"]["count"] + found.facts["held_out"]["count"] == 80
    assert found.vector.shape == (1, 9)
    assert not found.vector[0, 6:].any()


def test_what_interfacegan_counts(styled):
    """500 codes, a tenth at either end: 35 and 15 of each, 400 in the middle, judged by the middle of the extremes."""
    w, hidden, normal = planted(505)
    scores = np.exp(hidden)  # only the order matters for what is learnt
    scores[:5] = [np.nan, np.inf, -np.inf, np.nan, np.nan]
    found = fit_scored_direction(styled, "big", w, scores, share=0.1)
    assert float(found.vector[0] @ normal) > 0.98
    assert float(found.vector.norm()) == pytest.approx(1.0, abs=1e-6)
    facts = found.facts
    assert (facts["taken"], facts["dropped"]) == (50, 5)
    assert (facts["train"]["count"], facts["train"]["with"]) == (70, 35)
    assert (facts["held_out"]["count"], facts["held_out"]["with"]) == (30, 15)
    assert facts["held_out"]["accuracy"] == 1.0
    kept = scores[5:]
    middle = np.sort(kept)[50:-50]
    assert facts["threshold"] == pytest.approx((kept.max() + kept.min()) / 2)
    assert facts["middle"]["count"] == 400
    assert facts["middle"]["with"] == (middle >= facts["threshold"]).sum()
    inner = np.isin(kept, middle)
    said = found.position(w[5:]).numpy()[inner] > 0
    assert facts["middle"]["accuracy"] == pytest.approx((said == (kept[inner] >= facts["threshold"])).mean(), abs=0.006)
    same = fit_scored_direction(styled, "big", w, hidden, share=50)
    assert same.facts["taken"] == 50


def test_half_is_the_most(styled):
    w, hidden, _ = planted(40)
    found = fit_scored_direction(styled, "big", w, hidden, share=1.0)
    assert found.facts["taken"] == 20
    assert found.facts["middle"] is None


def test_conditions_are_measured_anew(styled, tmp_path):
    w, hidden, _ = planted(300)
    big = fit_direction(styled, "big", w, hidden > 0)
    other = fit_direction(styled, "other", w, w.mean(1)[:, 0].numpy() > 0, layers=None)
    found = conditioned(big, [other], w)
    assert abs(float((found.vector * other.normal).sum())) < 1e-5
    assert found.deviation == pytest.approx(float(found.position(w).std(correction=0)), rel=1e-4)
    means = conditioned(dataclasses.replace(big, layers=(2,)), [other], w.mean(1, keepdim=True))
    assert means.deviation == pytest.approx(found.deviation, rel=1e-4)
    assert means.layers == (2,)
    assert conditioned(big, [], w) is big
    tall = dataclasses.replace(other, vector=other.vector.repeat(4, 1))
    assert conditioned(big, [tall], w).vector.shape == (4, 6)
    with pytest.raises(ConfigError, match=r"'other' differs between layers.*--codes"):
        conditioned(big, [tall], w.mean(1, keepdim=True))
    saved = load_directions(save_directions(tmp_path / "d.safetensors", [big, found][:1]), styled)
    assert saved["big"].facts == big.facts


@pytest.mark.parametrize(
    ("has", "message"),
    [
        (np.ones(30), "'big' there are 30 with and 0 without"),
        (np.r_[1.0, np.zeros(29)], "1 with and 29 without"),
        (np.linspace(0, 2, 30), "scores: give them as such"),
        (np.full(30, np.nan), "0 with and 0 without"),
        (np.zeros(29), r"shape \(29,\)"),
    ],
)
def test_labels_that_cannot_be_learnt(styled, has, message):
    with pytest.raises(DataError, match=message):
        fit_direction(styled, "big", planted(30)[0], has)


@pytest.mark.parametrize(
    ("scores", "share", "message"),
    [
        (np.arange(30.0), 0.02, "0 of them at either end"),
        (np.full(30, np.nan), 0.5, r"0 finite scores \(30 others\)"),
        (np.r_[1.0, 1.0, np.zeros(28)], 0.3, "no 9 high and 9 low ones"),
        (np.arange(29.0), 0.5, "one each"),
    ],
)
def test_scores_that_cannot_be_learnt(styled, scores, share, message):
    with pytest.raises(DataError, match=message):
        fit_scored_direction(styled, "big", planted(30)[0], scores, share=share)


def test_settings_that_cannot_be(styled):
    with pytest.raises(ConfigError, match="did you mean 'logistic'"):
        Fitting("logistics")
    with pytest.raises(ConfigError, match="positive"):
        Fitting(c=0.0)
    with pytest.raises(ConfigError, match="positive"):
        fit_scored_direction(styled, "big", planted(30)[0], np.arange(30.0), share=0)
    w = planted(30)[0]
    w[3, 0, 0] = torch.nan
    with pytest.raises(DataError, match="not finite"):
        fit_direction(styled, "big", w, np.arange(30) % 2)


def test_short_coefficients_lean_to_where_codes_vary_however_large_and_many_they_are():
    """Two coordinates tell both kinds apart; the one of a tenth of the size alone does so without error."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=400)
    labels = hidden > 0
    points = np.stack([hidden + 0.7 * rng.normal(size=400), 0.1 * hidden], 1)
    sharp = fit_machine(points, labels, Fitting("svm"))[0]
    short = fit_machine(points, labels, Fitting())[0]
    assert abs(short[1] / short[0]) < 0.5 < 2 < abs(sharp[1] / sharp[0])
    for other in (10 * points, np.concatenate([points, points])):
        again = fit_machine(other, np.resize(labels, len(other)), Fitting())[0]
        assert again / np.linalg.norm(again) == pytest.approx(short / np.linalg.norm(short), abs=1e-2)
