"""Verdicts against hand calculations, a published interval, and how often they name a winner among equals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from twoway.errors import DataError
from twoway.evaluation import Cell, Row, judge, sentences
from twoway.evaluation.rankings import rankings
from twoway.evaluation.verdicts import cell_interval, compare_cells, spread_of
from twoway.metrics import METRICS
from twoway.metrics.kid import kernel_distance


def cell(value=0.0, **known):
    extra = {key: known.pop(key) for key in ("seeds", "parts", "per_picture") if key in known}
    return Cell(result={"value": value, **known}, **extra)


def row(*cells, metric="mse"):
    return Row(metric, METRICS[metric], cells)


def known(value):
    """A cell whose value chance changes by next to nothing."""
    return cell(value, seeds=(value, value + 1e-9))


def ranked(rows, names):
    return rankings(rows, [judge(one) for one in rows], names)


def test_means_over_the_same_pictures_are_compared_picture_by_picture():
    hard = torch.linspace(0, 100, 50, dtype=torch.float64)  # far apart, but a is lower by 1 or 2 on each of them
    a, b = hard, hard + 1 + torch.arange(50) % 2
    found = compare_cells(cell(50.0, per_picture=a), cell(51.5, per_picture=b))
    assert found.decided
    assert found.mean == -1.5
    low, high = found.interval
    assert -1.7 < low < -1.5 < high < -1.3
    shuffled = b[torch.randperm(50, generator=torch.Generator().manual_seed(0))]
    assert not compare_cells(cell(50.0, per_picture=a), cell(51.5, per_picture=shuffled)).decided


def test_accuracies_have_wilsons_interval():
    # nothing right of ten: from 0 to z^2 / (n + z^2)
    low, high = cell_interval({"value": 0.0, "n_test": 10}, labels=True)
    assert low == 0
    assert high == pytest.approx(100 * 3.841459 / 13.841459, rel=1e-5)
    assert cell_interval({"value": 50.0, "short": {"raw": {"n_test": 4}}}, labels=True) == pytest.approx(
        (15.0036, 84.9964), rel=1e-4
    )
    assert cell_interval({"value": 50.0, "n_test": 4}) is None


def test_accuracies_are_compared_by_newcombes_interval():
    """56 of 70 against 48 of 80: the published interval of the difference, Newcombe 1998, table II, method 10."""
    a, b = cell(80.0, n_test=70), cell(60.0, n_test=80)
    found = compare_cells(a, b, labels=True)
    assert found.interval == pytest.approx((5.24, 33.39), abs=0.01)
    assert found.decided
    assert not compare_cells(cell(80.0, n_test=7), cell(60.0, n_test=8), labels=True).decided


def test_seeds_are_compared_by_students_test():
    # both deviate by 1; t of 4 degrees of freedom 2.776, times the root of 2/3
    a = cell(1.0, seeds=(1.0, 2.0, 3.0))
    apart = compare_cells(a, cell(4.0, seeds=(4.0, 5.0, 6.0)))
    assert apart.margin == pytest.approx(2.7764451 * (2 / 3) ** 0.5, rel=1e-6)
    assert apart.mean == -3
    assert apart.decided
    assert not compare_cells(a, cell(3.0, seeds=(3.0, 4.0, 5.0))).decided
    same = compare_cells(cell(1.0, seeds=(1.0, 1.0)), cell(2.0, seeds=(2.0, 2.0)))
    assert not same.decided, "seeds that change nothing say nothing of chance"
    assert spread_of(a) == "sd 1 of 3 seeds"


def test_parts_are_compared_in_pairs():
    parts = (10.0, 20.0, 30.0, 40.0)  # differences 1, 1, 2, 2: deviation 0.57735, t of 3 degrees of freedom 3.182
    a, b = cell(26.5, parts=(11.0, 21.0, 32.0, 42.0)), cell(25.0, parts=parts)
    found = compare_cells(a, b)
    assert found.margin == pytest.approx(3.1824463 * 0.5773503 / 2, rel=1e-6)
    assert found.decided
    assert not compare_cells(cell(24.0, parts=a.parts), b).decided, "the whole points the other way"
    assert not compare_cells(cell(25.5, parts=a.parts), b).decided, "the whole differs by less than chance"


def test_a_spread_over_overlapping_subsets_decides_nothing():
    a, b = cell(5.0, sd=0.001, subsets=100), cell(600.0, sd=0.001, subsets=100)
    found = compare_cells(a, b)
    assert not found.decided
    assert found.margin is None
    assert spread_of(a) == "sd 0.001 of 100 subsets"
    apart = [cell(v, sd=50.0, subsets=100, seeds=(v, v + 0.1, v - 0.1)) for v in (5.0, 6.0)]
    assert compare_cells(*apart).decided, "seeds decide, whatever the subsets say"


def test_kernel_distances_of_equal_models_are_told_apart_once_in_twenty_times():
    """Three samplings of each, from one distribution, against the same pictures; subsets overlap."""
    generator = torch.Generator().manual_seed(0)
    wrong, trials = 0, 150
    for _ in range(trials):
        real = torch.randn(30, 3, generator=generator)
        seeds = [
            [
                kernel_distance(real, torch.randn(30, 3, generator=generator), subsets=5, size=20, seed=seed).value
                for seed in range(3)
            ]
            for _ in range(2)
        ]
        wrong += compare_cells(*(cell(sum(one) / 3, seeds=tuple(one), sd=1e-9, subsets=5) for one in seeds)).decided
    assert wrong <= 15, wrong  # 7.5 expected; nineteen of twenty times within 5.3 of it


def test_density_has_no_better_way():
    collapsed, fine = cell(3.0, seeds=(3.0, 3.01)), cell(1.0, seeds=(1.0, 1.01))
    found = judge(row(collapsed, fine, metric="density"))
    assert not found.decided
    assert found.best == ()
    assert sentences([found], ["a", "b"]) == ["Not judged, because neither more nor less of it is better: density."]
    assert METRICS["density"].better == METRICS["density-rec"].better == "neither"
    assert judge(row(collapsed, fine, metric="coverage")).best == (0,)


def test_what_was_measured_once_decides_nothing():
    found = compare_cells(cell(1.0), cell(1e9))
    assert not found.decided
    assert "--repeats" in found.how


@pytest.mark.parametrize("kind", ["seeds", "parts"])
def test_equal_models_are_told_apart_once_in_twenty_times(kind):
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        a, b = rng.normal(size=(2, 3))
        wrong += compare_cells(cell(a.mean(), **{kind: tuple(a)}), cell(b.mean(), **{kind: tuple(b)})).decided
    assert 8 <= wrong <= 36, wrong  # 20 expected; nineteen of twenty times within 8.5 of it


def test_the_better_way_is_that_of_the_measure():
    low, high = cell(1.0, seeds=(1.0, 1.1)), cell(9.0, seeds=(9.0, 9.1))
    assert judge(row(low, high, metric="fid")).best == (0,)
    assert judge(row(low, high, metric="precision")).best == (1,)


def test_verdicts_in_words_of_two_models():
    a, b = cell(1.0, seeds=(1.0, 1.1)), cell(9.0, seeds=(9.0, 9.1))
    wins = [judge(Row(name, METRICS["fid"], cells)) for name, cells in (("x", (a, b)), ("y", (b, a)), ("z", (a, a)))]
    lost = judge(Row("w", METRICS["fid"], (a, Cell(reason="no encoder"))))
    assert lost.missing == (1,)
    assert not lost.decided
    assert sentences([*wins, lost], ["first", "second"]) == [
        "first is better at x.",
        "second is better at y.",
        "Undecided: z.",
        "Not compared, for lack of two models that can be measured: w.",
    ]
    with pytest.raises(DataError, match="at least two models"):
        sentences(wins, ["first"])


def test_verdicts_in_words_of_three_models():
    a, near, far = (cell(v, seeds=(v, v + 1.0)) for v in (1.0, 1.5, 30.0))
    verdicts = [judge(row(*cells, metric="fid")) for cells in ((a, far, near), (far, a, far), (a, a, a))]
    assert [v.best for v in verdicts] == [(0, 2), (1,), (0, 1, 2)]
    assert sentences(verdicts, ["p", "q", "r"]) == [
        "q is best at fid.",
        "Undecided between p and r, the best by value: fid.",
        "Undecided: fid.",
    ]


def test_extractors_that_disagree_are_named():
    names = ["a", "b", "c"]

    def by(extractor, *values, metric="fid"):
        return Row(f"{metric}[{extractor}]", METRICS[metric], tuple(known(value) for value in values))

    alike = [by("one@1", 1.0, 2.0, 3.0), by("two@2", 10.0, 30.0, 90.0)]
    assert ranked(alike, names) == ["fid: all 2 extractors rank a, b, c, best first."]
    (said,) = ranked([*alike, by("three@3", 2.0, 1.0, 3.0)], names)
    assert "disagree" in said
    assert "one@1 and two@2 rank a, b, c; three@3 ranks b, a, c" in said
    # more is better, and a model without a value by one of them is left out
    higher = [by("one@1", 0.1, 0.9, 0.5, metric="recall"), by("two@2", 0.2, 0.8, 0.4, metric="recall")]
    assert ranked(higher, names) == ["recall: all 2 extractors rank b, c, a, best first."]
    missing = Row("fid[two@2]", METRICS["fid"], (known(5.0), Cell(reason="no"), known(1.0)))
    assert "one@1 ranks a, c; two@2 ranks c, a" in ranked([alike[0], missing], names)[0]
    assert ranked([alike[0], row(known(1.0), known(2.0), known(3.0))], names) == []
    assert ranked(alike, names[:1]) == []
    assert ranked([alike[0], alike[0]], names) == [], "one extractor that was named twice agrees with itself"
    dense = [by(one, 1.0, 2.0, 3.0, metric="density") for one in ("one@1", "two@2")]
    assert ranked(dense, names) == []


def test_an_order_within_chance_is_said_to_be_one():
    def by(extractor, *values):
        return Row(f"fid[{extractor}]", METRICS["fid"], tuple(cell(v, seeds=(v - 0.3, v, v + 0.3)) for v in values))

    sure, close = by("one@1", 1.0, 9.0, 20.0), by("two@2", 1.0, 1.1, 20.0)
    assert ranked([sure, close], "abc") == [
        "fid: all 2 extractors rank a, b, c, best first; not all of that order is beyond chance."
    ]
    (said,) = ranked([sure, by("three@3", 1.1, 1.0, 20.0)], "abc")
    assert "disagree" not in said
    assert "do not contradict each other beyond chance" in said
    assert "three@3 ranks b, a, c" in said
    assert "the extractors disagree" in ranked([sure, by("four@4", 9.0, 1.0, 20.0)], "abc")[0]
