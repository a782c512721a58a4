"""Learning rates over a phase, by hand."""

import math

import pytest
from toys import toy_recipe

from twoway.model import build_model
from twoway.recipe import Optimiser, Schedule
from twoway.training.optimisers import Optimisers, schedule_factor


def test_exponential_falls_by_equal_factors_in_equal_times():
    schedule = Schedule("exponential", end=0.41)
    factors = [schedule_factor(schedule, kimg, 12.0) for kimg in (0, 3, 6, 9, 12, 15)]
    assert factors == pytest.approx([1.0, 0.41**0.25, 0.41**0.5, 0.41**0.75, 0.41, 0.41])
    # LIA's encoder: 0.8 in each quarter of its training
    assert factors[1] == pytest.approx(0.8, abs=1e-3)


def test_exponential_after_a_start_and_with_warming_up():
    schedule = Schedule("exponential", start=0.5, end=0.01, warmup_kimg=2.0)
    assert [schedule_factor(schedule, kimg, 10.0) for kimg in (0, 1, 2, 5, 7.5, 10)] == pytest.approx(
        [0.0, 0.5, 1.0, 1.0, 0.1, 0.01]
    )


def test_linear_and_cosine():
    assert schedule_factor(Schedule("linear", end=0.2), 5.0, 10.0) == pytest.approx(0.6)
    cosine = [schedule_factor(Schedule("cosine", start=0.5, end=0.1), kimg, 8.0) for kimg in (4, 5, 8)]
    assert cosine == pytest.approx([1.0, 0.1 + 0.9 * (0.5 + 0.5 * math.cos(math.pi / 4)), 0.1])


def test_a_levels_factor_multiplies_the_schedule_and_equalised_rates():
    model = build_model(toy_recipe("style-alae"))
    optimisers = Optimisers(model.nets, Optimiser(lr=0.002, schedule=Schedule("linear", end=0.0)))
    before = {id(g["params"][0]): g["lr"] for adam in optimisers.adams.values() for g in adam.param_groups}
    assert len(set(before.values())) > 3  # equalised layers
    optimisers.set_progress(5.0, 10.0, factor=3.0)
    assert optimisers.lr == pytest.approx(0.002 * 1.5)
    for adam in optimisers.adams.values():
        for group in adam.param_groups:
            assert group["lr"] == pytest.approx(1.5 * before[id(group["params"][0])])
    optimisers.set_progress(10.0, 10.0)
    assert {g["lr"] for adam in optimisers.adams.values() for g in adam.param_groups} == {0.0}
