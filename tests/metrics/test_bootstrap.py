import math

import pytest
import torch

from twoway.errors import ConfigError, DataError
from twoway.metrics import bootstrap
from twoway.metrics.bootstrap import mean_interval, paired_difference
from twoway.metrics.pairs import mean_of_pairs, measure_pairs
from twoway.metrics.reconstruction import pixel_mse


def normal(n, seed=0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_width_is_that_of_the_central_limit_theorem():
    values = 3 + 2 * normal(4000)
    low, high = mean_interval(values)
    spread = values.std(correction=0).item() / math.sqrt(4000)
    assert low == pytest.approx(values.mean().item() - 1.96 * spread, abs=0.2 * spread)
    assert high == pytest.approx(values.mean().item() + 1.96 * spread, abs=0.2 * spread)
    narrow = mean_interval(values, level=0.5)
    assert narrow[1] - narrow[0] == pytest.approx(2 * 0.6745 * spread, rel=0.1)


def test_two_values_have_a_known_distribution():
    """Means of two draws from {0, 1}: 0, 1/2 and 1 with chances 1/4, 1/2 and 1/4."""
    values = torch.tensor([0.0, 1.0])
    assert mean_interval(values, level=0.6) == (0.0, 1.0)
    assert mean_interval(values, level=0.4) == (0.5, 0.5)


def test_it_holds_the_truth_as_often_as_it_says():
    hits = sum(low < 0 < high for low, high in (mean_interval(normal(40, s), draws=400) for s in range(200)))
    assert 170 <= hits <= 199  # 95 %, a little less for so few values


def test_the_seed_decides_and_memory_does_not():
    values = normal(3000)
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values) != mean_interval(values, seed=1)
    whole = mean_interval(values, draws=1)
    assert whole[0] == whole[1]


def test_draws_come_in_parts(monkeypatch):
    values = normal(50)
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 120)  # two draws at a time, and one at the end
    low, high = mean_interval(values, draws=2001)
    spread = values.std(correction=0).item() / math.sqrt(50)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_pairs_tell_apart_what_single_intervals_cannot():
    difficulty = 10 * normal(300)
    a, b = difficulty + 0.5 + 0.1 * normal(300, 1), difficulty
    found = paired_difference(a, b)
    assert found.excludes_zero
    assert found.interval[0] < found.mean < found.interval[1]
    assert found.mean == pytest.approx((a - b).mean().item())
    assert mean_interval(a)[0] < mean_interval(b)[1]  # each by itself is too wide
    other = paired_difference(b, a)
    assert (other.mean, other.excludes_zero) == (-found.mean, True)
    assert not paired_difference(a, a).excludes_zero
    assert not paired_difference(normal(300, 3), normal(300, 4)).excludes_zero
    plain = found.plain()
    assert (plain["n"], plain["draws"], plain["level"], plain["seed"]) == (300, 2000, 0.95, 0)
    assert plain["interval"] == list(found.interval)


def test_measures_of_pairs():
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.rand(10, 1, 4, 4, generator=draw) for _ in range(2))
    values = measure_pairs(zip(x.split(3), y.split(3), strict=True), pixel_mse)
    torch.testing.assert_close(values, pixel_mse(x, y).double())
    score = mean_of_pairs(values)
    assert score.value == pytest.approx((x - y).square().mean().item(), rel=1e-5)
    assert score.interval == mean_interval(values)
    assert score.plain()["interval"] == list(score.interval)
    assert score.n_images == 10
    with pytest.raises(DataError, match="no pictures"):
        measure_pairs([], pixel_mse)


def test_mistakes():
    values = normal(5)
    for level, draws in ((0, 10), (1, 10), (0.95, 0)):
        with pytest.raises(ConfigError, match="level must lie between"):
            mean_interval(values, level=level, draws=draws)
    for bad in (values[:0], values[None], torch.tensor([1.0, math.nan])):
        with pytest.raises(DataError, match="at least one finite number"):
            mean_interval(bad)
    with pytest.raises(DataError, match="same pictures"):
        paired_difference(values, values[:3])
