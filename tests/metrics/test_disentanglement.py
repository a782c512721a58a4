"""Disentanglement on planted codes: the factors themselves, noise, mixtures, and small cases by hand."""

import math
from functools import cache

import numpy as np
import pytest
from planted import identity_code, planted_factors, random_code, rotated_code

from twoway.errors import ConfigError, DataError, ModelError
from twoway.metrics.beta_vae_score import beta_vae_score
from twoway.metrics.dci import completeness, dci, disentanglement
from twoway.metrics.factor_vae_score import factor_vae_score
from twoway.metrics.known_factors import FixedFactor, halves
from twoway.metrics.modularity import explicitness, modularity, modularity_of
from twoway.metrics.mutual_information_gap import binned, information, information_table, mutual_information_gap
from twoway.metrics.sap import sap

FACTORS = planted_factors()
VOTES = {"train_votes": 2000, "test_votes": 1000}
EXAMPLES = {"n_train": 1000, "n_test": 500}
GRID = np.stack(np.meshgrid([0, 1], [0, 1], indexing="ij"), axis=-1).reshape(-1, 2).repeat(50, axis=0)

CODES = {"identity": identity_code(FACTORS), "rotated": rotated_code(FACTORS), "noise": random_code()}
SCORES = {
    "factor-vae": lambda r, v: factor_vae_score(r, v, **VOTES).score,
    "beta-vae": lambda r, v: beta_vae_score(r, v, **EXAMPLES).score,
    "mig": lambda r, v: mutual_information_gap(r, v).score,
    "sap": lambda r, v: sap(r, v, continuous=True).score,
    "modularity": lambda r, v: modularity(r, v).score,
}


@cache
def trees(code):
    return dci(CODES[code], FACTORS, n_train=600, n_test=300)


@pytest.mark.parametrize("name", SCORES)
def test_the_factors_themselves_score_one(name):
    assert SCORES[name](CODES["identity"], FACTORS) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("name", "chance"), {"factor-vae": 1 / 3, "beta-vae": 1 / 3, "mig": 0.0, "sap": 0.0}.items())
def test_noise_scores_as_chance(name, chance):
    assert SCORES[name](CODES["noise"], FACTORS) == pytest.approx(chance, abs=0.06)


def test_a_rotation_of_two_codes():
    """Two of three factors are shared by two codes: what is left is the third."""
    turned = CODES["rotated"]
    # the vote for either of the two is a coin's
    assert SCORES["factor-vae"](turned, FACTORS) == pytest.approx(1 / 3 + 2 / 3 * 1 / 2, abs=0.04)
    assert SCORES["mig"](turned, FACTORS) == pytest.approx(1 / 3, abs=0.03)
    assert SCORES["sap"](turned, FACTORS) == pytest.approx(1 / 3, abs=0.03)
    assert SCORES["modularity"](turned, FACTORS) < 0.9
    assert SCORES["beta-vae"](turned, FACTORS) < 0.99


def test_trees_on_the_factors_a_rotation_and_noise():
    known, turned, noise = trees("identity"), trees("rotated"), trees("noise")
    assert known.disentanglement == pytest.approx(1.0, abs=0.001)
    assert known.completeness == pytest.approx(1.0, abs=0.001)
    assert known.informativeness == 1.0
    assert turned.disentanglement < 0.7
    assert turned.completeness < 0.7
    assert turned.informativeness > 0.9
    assert noise.disentanglement == pytest.approx(0.0, abs=0.03)
    assert noise.completeness == pytest.approx(0.0, abs=0.03)
    assert noise.informativeness == pytest.approx((1 / 3 + 1 / 4 + 1 / 5) / 3, abs=0.06)


def test_explicitness_does_not_mind_a_rotation():
    binary = planted_factors(2000, (2, 2, 2))
    straight, turned = identity_code(binary), rotated_code(binary)
    assert explicitness(straight, binary).score == pytest.approx(1.0)
    assert explicitness(turned, binary).score == pytest.approx(1.0)
    assert explicitness(random_code(2000), binary).score == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", SCORES)
def test_the_order_of_codes_does_not_matter(name):
    mixed = np.c_[CODES["rotated"][:, :2], CODES["identity"][:, 1:], random_code(dim=1)]
    shuffled = mixed[:, [3, 0, 4, 2, 1]]
    loose = 0.005 if name == "beta-vae" else 1e-9  # an iterative solver
    assert SCORES[name](shuffled, FACTORS) == pytest.approx(SCORES[name](mixed, FACTORS), abs=loose)


def test_the_order_of_codes_does_not_matter_to_trees():
    found = dci(CODES["rotated"][:, [2, 0, 1]], FACTORS, n_train=600, n_test=300)
    assert found.disentanglement == pytest.approx(trees("rotated").disentanglement, abs=0.02)


def test_dead_codes_do_not_vote_and_leave_the_others_their_numbers():
    alive = identity_code(FACTORS)
    dead = 0.01 * random_code(dim=2)
    among = np.c_[dead[:, :1], alive[:, :2], dead[:, 1:], alive[:, 2:]]
    found = factor_vae_score(among, FACTORS, **VOTES)
    assert (found.score, found.active, found.dim, found.chance) == (1.0, 3, 5, pytest.approx(1 / 3))
    # counted among all codes, dead ones would win every vote: their variance is next to nothing
    assert factor_vae_score(among, FACTORS, **VOTES, min_std=0.0).active == 5
    nothing = factor_vae_score(dead, FACTORS, **VOTES)
    assert (nothing.score, nothing.active) == (0.0, 0)


def test_votes_by_a_code_that_knows_one_factor_of_three():
    """One live code is put down for all factors, and is right for one in three: chance."""
    found = factor_vae_score(identity_code(FACTORS)[:, :1], FACTORS, **VOTES)
    assert found.score == pytest.approx(1 / 3, abs=0.05)
    # two of three factors known: the third goes to either code, which is never right for it
    found = factor_vae_score(identity_code(FACTORS)[:, :2], FACTORS, **VOTES)
    assert found.score == pytest.approx(2 / 3, abs=0.05)


def test_variance_is_relative_to_the_variance_over_all():
    """A code of a hundredth of the range would win every vote by absolute variance."""
    scaled = identity_code(FACTORS) * [1.0, 100.0, 0.1]
    assert factor_vae_score(scaled, FACTORS, **VOTES).score == 1.0


def test_draws_hold_their_factor_and_take_values_alike():
    rng = np.random.default_rng(0)
    factors = np.c_[np.r_[np.zeros(900, int), np.full(99, 7), 9], rng.integers(4, size=1000)]
    draws = FixedFactor(factors)
    rows = draws.same_value(np.array([0, 1] * 500), 16, rng)
    assert rows.shape == (1000, 16)
    first, second = factors[rows[0::2], 0], factors[rows[1::2], 1]
    assert (first == first[:, :1]).all()
    assert (second == second[:, :1]).all()
    # nine pictures of ten have the value 0, yet values are drawn alike; the value of a single picture is left out
    assert np.mean(first[:, 0] == 7) == pytest.approx(0.5, abs=0.1)
    assert not (first == 9).any()
    a, b = draws.pairs(np.zeros(50, int), 16, rng)
    assert (factors[a, 0] == factors[b, 0]).all()
    assert len({tuple(line) for line in factors[a, 0]}) > 1
    assert (a != b).any()
    with pytest.raises(DataError, match="factor 1"):
        FixedFactor(np.c_[np.zeros(4, int), np.arange(4)])


def test_information_by_hand():
    # joint counts [[2, 0], [1, 1]] of four
    a, b = np.array([0, 0, 1, 1]), np.array([3, 3, 3, 8])
    by_hand = 0.5 * math.log(4 / 3) + 0.25 * math.log(2 / 3) + 0.25 * math.log(2)
    assert information(a, b) == pytest.approx(by_hand)
    assert information(b, a) == pytest.approx(by_hand)
    assert information(b, b) == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert information(a, np.zeros(4, int)) == 0.0


def test_bins_are_of_equal_width():
    assert binned(np.array([0.0, 0.49, 0.5, 3.9, 4.0]), 8).tolist() == [0, 0, 1, 7, 7]
    assert binned(np.full(3, 2.5), 20).tolist() == [0, 0, 0]
    values = np.random.default_rng(0).normal(size=500)
    edges = np.histogram_bin_edges(values, 20)
    assert np.bincount(binned(values, 20), minlength=20).tolist() == np.histogram(values, edges)[0].tolist()


def test_gap_by_hand():
    a, b = GRID.T.astype(float)
    constant = np.zeros(len(a))
    assert mutual_information_gap(np.c_[a, b], GRID).per_factor == pytest.approx((1.0, 1.0))
    assert mutual_information_gap(np.c_[a, constant], GRID).per_factor == pytest.approx((1.0, 0.0))
    assert mutual_information_gap(np.c_[a, -a, b], GRID).per_factor == pytest.approx((0.0, 1.0))  # told twice: no gap
    assert mutual_information_gap(a[:, None], GRID).score == pytest.approx(0.5)
    # 2a + b tells both in full; with a beside it the gap of a is gone
    assert mutual_information_gap(np.c_[2 * a + b, a], GRID).per_factor == pytest.approx((0.0, 1.0))
    assert information_table(np.c_[2 * a + b, a], GRID, bins=20) == pytest.approx(
        np.log(2) * np.array([[1, 1], [1, 0]])
    )


def test_more_values_than_bins_cap_the_gap():
    factors = (
        np.stack(np.meshgrid(np.arange(40), np.arange(10), indexing="ij"), axis=-1).reshape(-1, 2).repeat(3, axis=0)
    )
    found = mutual_information_gap(factors.astype(float), factors)
    assert found.per_factor == pytest.approx((math.log(20) / math.log(40), 1.0))


def test_modularity_by_hand():
    # squares 4, 1, 1: the others' share is 2 of 4 * 2
    assert modularity_of(np.array([[2.0, 1.0, 1.0]])) == pytest.approx([0.75])
    a, b = GRID.T.astype(float)
    assert modularity(np.c_[a, b, np.zeros(len(a)), 2 * a + b], GRID).per_code == pytest.approx((1.0, 1.0, 0.0, 0.0))


def test_dci_by_hand():
    importance = [[0.5, 0.5], [1.0, 0.0]]
    assert disentanglement(importance) == pytest.approx(0.5)
    first = 1 + (1 / 3) * math.log2(1 / 3) + (2 / 3) * math.log2(2 / 3)
    assert completeness(importance) == pytest.approx((1.5 * first + 0.5 * 1.0) / 2)
    assert disentanglement(np.zeros((3, 2))) == 0.0
    # weights: the code with little importance counts little
    assert disentanglement([[0.1, 0.1], [0.8, 0.0]]) == pytest.approx(0.8)


def test_a_code_told_twice_is_disentangled_but_not_complete():
    factors = planted_factors(600, (3, 3))
    told = identity_code(factors)
    rng = np.random.default_rng(0)
    doubled = np.c_[told, told] + 0.3 * rng.normal(size=(600, 4))
    found = dci(doubled, factors)
    assert found.disentanglement > 0.8
    assert found.completeness < found.disentanglement - 0.2


def test_boosting_on_the_same_planted_codes():
    factors = planted_factors(400, (2, 3))
    found = dci(identity_code(factors), factors, trees="boosting")
    assert (found.trees, found.disentanglement, found.informativeness) == ("boosting", pytest.approx(1, abs=1e-3), 1.0)


def test_predictability_by_hand():
    factors = planted_factors(4000, (2, 2))
    found = sap(identity_code(factors), factors)
    # the right code says all, the other is as good as a coin
    assert found.best == (1.0, 1.0)
    assert found.score == pytest.approx(0.5, abs=0.05)
    assert sap(np.c_[factors, factors], factors).score == 0.0
    assert sap(random_code(4000), factors).score == pytest.approx(0.0, abs=0.03)
    assert sap(np.c_[factors[:, :1] * -3.0, np.zeros(4000)], factors, continuous=True).per_factor[0] == pytest.approx(1)


def test_results_are_plain_and_repeat():
    r, v = rotated_code(FACTORS), FACTORS
    for score in (factor_vae_score, mutual_information_gap, modularity, sap):
        assert score(r, v) == score(r, v)
    assert factor_vae_score(r, v, **VOTES, seed=1) != factor_vae_score(r, v, **VOTES)
    facts = factor_vae_score(r, v, **VOTES).plain()
    assert {
        "train_votes": 2000,
        "test_votes": 1000,
        "batch": 64,
        "min_std": 0.05,
        "n_variance": 3000,
    }.items() <= facts.items()


def test_halves_do_not_meet():
    train, test = halves(100, 60, 20, seed=0)
    assert (len(train), len(test), len({*train, *test})) == (60, 20, 80)
    assert sorted([*halves(10, 10, 5, seed=0).train, *halves(10, 10, 5, seed=0).test]) == list(range(10))
    with pytest.raises(DataError, match="too few"):
        halves(2, 10, 5, seed=0)


def test_mistakes():
    code = identity_code(FACTORS)
    with pytest.raises(DataError, match="K at least 2"):
        mutual_information_gap(code, FACTORS[:, :1])
    with pytest.raises(DataError, match="one row per picture"):
        sap(code[:-1], FACTORS)
    with pytest.raises(DataError, match=r"columns \[1\] take one value"):
        modularity(code, FACTORS * [1, 0, 1])
    with pytest.raises(ModelError, match="not finite"):
        beta_vae_score(np.where(code > 1, np.nan, code), FACTORS)
    with pytest.raises(ModelError, match="one number wide"):
        sap(code[:, :1], FACTORS)
    with pytest.raises(ConfigError, match="'forest' or 'boosting'"):
        dci(code, FACTORS, trees="oak")
    with pytest.raises(ConfigError, match="batches of 1"):
        factor_vae_score(code, FACTORS, batch=1)
    with pytest.raises(ConfigError, match="2 bins"):
        mutual_information_gap(code, FACTORS, bins=1)
