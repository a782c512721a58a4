import numpy as np
import pytest
import torch

from twoway.errors import DataError
from twoway.metrics.nearest_neighbour import nearest_neighbours, one_nn_accuracy


def brute(train, test):
    a, b = np.asarray(test, np.float64), np.asarray(train, np.float64)
    return np.array([np.argmin(((b - row) ** 2).sum(1)) for row in a])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_equals_brute_force_in_float64(scale, offset):
    rng = np.random.default_rng(0)
    train = (rng.normal(size=(700, 33)) * scale + offset).astype(np.float32)
    test = (rng.normal(size=(150, 33)) * scale + offset).astype(np.float32)
    assert np.array_equal(nearest_neighbours(train, test), brute(train, test))


def test_does_not_depend_on_the_memory_allowed_or_the_precision_of_training():
    rng = np.random.default_rng(1)
    train, test = rng.normal(size=(50_000, 8)).astype(np.float32), rng.normal(size=(9, 8)).astype(np.float32)
    whole = nearest_neighbours(train, test)
    torch.set_float32_matmul_precision("medium")
    try:
        assert np.array_equal(nearest_neighbours(train, test, memory_mib=1), whole)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert np.array_equal(whole, brute(train, test))


def test_equals_sklearn():
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(2)
    train, test = rng.normal(size=(400, 20)), rng.normal(size=(100, 20))
    labels, test_labels = rng.integers(0, 5, 400), rng.integers(0, 5, 100)
    theirs = KNeighborsClassifier(1, algorithm="brute").fit(train, labels).score(test, test_labels)
    assert one_nn_accuracy(train, labels, test, test_labels) == pytest.approx(100 * theirs)


def test_ties_go_to_the_first():
    train = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    assert nearest_neighbours(train, np.eye(3, dtype=np.float32)).tolist() == [0, 4, 8]
    assert nearest_neighbours(np.zeros((500, 2)), np.ones((3, 2))).tolist() == [0, 0, 0]  # a dead encoder
    assert nearest_neighbours(np.array([[1.0], [-1.0]]), np.array([[0.0]])).tolist() == [0]


def test_nearly_equal_points_far_from_the_origin():
    rng = np.random.default_rng(3)
    train = (1e3 + 1e-3 * rng.normal(size=(5000, 4))).astype(np.float32)
    test = (1e3 + 1e-3 * rng.normal(size=(40, 4))).astype(np.float32)
    assert np.array_equal(nearest_neighbours(train, test), brute(train, test))


def test_mistakes():
    with pytest.raises(DataError, match="need features of shapes"):
        nearest_neighbours(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(DataError, match="need features of shapes"):
        nearest_neighbours(np.zeros((0, 2)), np.zeros((3, 2)))
    with pytest.raises(DataError, match="not finite"):
        nearest_neighbours(np.full((3, 2), np.nan), np.zeros((3, 2)))
    assert nearest_neighbours(np.zeros((3, 2)), np.zeros((0, 2))).shape == (0,)


@pytest.mark.slow
def test_mnist_pixels(mnist):
    """Known answer: 1NN on raw pixels in [0, 1] has 3.09 % error (also on the MNIST web page)."""
    assert one_nn_accuracy(*mnist) == pytest.approx(96.91, abs=0.005)
