"""Codes that come back: closed forms of the bound on information."""

import math

import numpy as np
import pytest

from twoway.errors import DataError, ModelError
from twoway.metrics.code_recovery import code_recovery

RNG = np.random.default_rng(0)
NONE = np.zeros((1000, 0))


def test_classes_told_in_full_or_not_at_all():
    classes = np.arange(1000) % 10
    told = code_recovery(50.0 * np.eye(10)[classes], classes, NONE, NONE, NONE, uniform=True)
    assert told.class_accuracy == 100.0
    assert told.nats == told.class_nats == pytest.approx(math.log(10))
    assert told.class_limit == pytest.approx(math.log(10))
    silent = code_recovery(np.full((1000, 10), 7.0), classes, NONE, NONE, NONE, uniform=True)
    assert silent.class_nats == pytest.approx(0.0)
    assert silent.class_accuracy == 10.0
    assert "r2" not in silent.plain()


def test_a_noisy_channel():
    """Right in 9 of 10 cases and honest about it: log 2 - H(0.1)."""
    classes = np.arange(1000) % 2
    guess = np.where(np.arange(1000) < 100, 1 - classes, classes)
    logits = np.log(np.where(np.eye(2)[guess] > 0, 0.9, 0.1))
    found = code_recovery(logits, classes, NONE, NONE, NONE, uniform=True)
    assert found.class_accuracy == 90.0
    assert found.class_nats == pytest.approx(math.log(2) + 0.9 * math.log(0.9) + 0.1 * math.log(0.1))


def test_a_gaussian_channel():
    """s normal, seen with noise of variance v: the exact posterior proves all there is, log(1 + 1/v) / 2."""
    s = RNG.normal(size=(200_000, 2))
    v = np.array([0.1, 1.0])
    seen = s + np.sqrt(v) * RNG.normal(size=s.shape)
    mean, var = seen / (1 + v), np.broadcast_to(v / (1 + v), s.shape)
    none = np.zeros((len(s), 0))
    found = code_recovery(none, None, mean, np.log(var), s, uniform=False)
    truth = 0.5 * np.log(1 + 1 / v)
    assert found.continuous_nats == pytest.approx(truth, abs=0.01)
    assert found.nats == pytest.approx(truth.sum(), abs=0.02)
    assert found.r2 == pytest.approx(1 / (1 + v), abs=0.01)
    assert found.mse == pytest.approx(v / (1 + v), abs=0.01)
    assert "class_nats" not in found.plain()
    assert found.fitted_nats == pytest.approx(truth, abs=0.01)  # the exact posterior has one variance for all
    for wrong in (-1.0, 1.0):  # any other variance proves less, by (e^-d + d - 1) / 2 for a log variance off by d
        other = code_recovery(none, None, mean, np.log(var) + wrong, s, uniform=False)
        loss = 0.5 * (math.exp(-wrong) + wrong - 1)
        assert other.continuous_nats == pytest.approx(truth - loss, abs=0.02)
        assert other.fitted_nats == found.fitted_nats
        assert other.nats == pytest.approx(truth.sum(), abs=0.02)


def test_uniform_codes():
    s = np.linspace(-1, 1, 20001)[:, None]
    none = np.zeros((len(s), 0))
    found = code_recovery(none, None, 0 * s, 0 * s + math.log(1 / 3), s, uniform=True)
    # H = log 2; the best normal has the variance 1/3
    assert found.nats == pytest.approx(math.log(2) - 0.5 * math.log(2 * math.pi * math.e / 3), abs=1e-3)
    assert found.r2 == (0.0,)
    turned = code_recovery(none, None, -s, 0 * s, s, uniform=True)
    assert turned.r2 == pytest.approx((1.0,))  # the sign is the encoder's to choose
    assert turned.mse == pytest.approx((4 / 3,), rel=1e-3)


def test_parts_add_up():
    classes = np.arange(1000) % 3
    s = RNG.uniform(-1, 1, size=(1000, 2))
    logits, mean, log_var = RNG.normal(size=(1000, 3)), 0.9 * s, np.full((1000, 2), -2.0)
    found = code_recovery(logits, classes, mean, log_var, s, uniform=True)
    assert found.nats == pytest.approx(found.class_nats + sum(map(max, found.continuous_nats, found.fitted_nats)))
    alone = code_recovery(logits, classes, NONE, NONE, NONE, uniform=True)
    assert alone.class_nats == found.class_nats


def test_mistakes():
    s = np.zeros((4, 1))
    with pytest.raises(DataError, match="three times"):
        code_recovery(np.zeros((4, 0)), None, s, s, np.zeros((4, 2)), uniform=True)
    with pytest.raises(DataError, match="K \\+ c at least 1"):
        code_recovery(np.zeros((4, 0)), None, *[np.zeros((4, 0))] * 3, uniform=True)
    with pytest.raises(DataError, match="from 0 to 1"):
        code_recovery(np.zeros((4, 2)), np.array([0, 1, 2, 0]), s, s, s, uniform=True)
    with pytest.raises(ModelError, match="not finite"):
        code_recovery(np.zeros((4, 0)), None, s + np.nan, s, s, uniform=True)
