import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC

from twoway.errors import ConfigError, DataError
from twoway.metrics.linear_svm import linear_svm


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    return x[:1200], y[:1200], x[1200:], y[1200:]


def test_is_the_published_classifier(digits):
    x, y, x_test, y_test = digits
    theirs = LinearSVC(C=0.02, max_iter=5000, dual=True, random_state=0).fit(x, y)
    result = linear_svm(*digits)
    assert result.accuracy == pytest.approx(100 * theirs.score(x_test, y_test))
    assert result.train_accuracy == pytest.approx(100 * theirs.score(x, y))
    assert result.converged
    assert (result.n_train, result.n_test, result.solver, result.c) == (1200, 597, "paper", 0.02)


def test_both_solvers_agree(digits):
    assert linear_svm(*digits, solver="primal").accuracy == pytest.approx(linear_svm(*digits).accuracy, abs=0.4)


def test_a_solver_that_gives_up_is_reported_and_not_printed(digits, recwarn):
    result = linear_svm(*digits, c=100.0, max_iter=2)
    assert not result.converged
    assert any("converge" in note for note in result.notes)
    assert len(recwarn) == 0
    assert result.plain()["converged"] is False


def test_mistakes(digits):
    x, y, x_test, y_test = digits
    with pytest.raises(ConfigError, match="but must be 'paper'"):
        linear_svm(*digits, solver="fast")
    with pytest.raises(DataError, match="two classes"):
        linear_svm(x, np.zeros_like(y), x_test, y_test)
    with pytest.raises(DataError, match=r"at least 2 pictures of every class.*1 of 3 classes have fewer: 2 \(1\)"):
        linear_svm(x, np.where(np.arange(len(y)) == 7, 2, y % 2), x_test, y_test)
    with pytest.raises(DataError, match="one label each"):
        linear_svm(x, y[:-1], x_test, y_test)
    with pytest.raises(DataError, match="not finite"):
        linear_svm(x * np.float32(np.nan), y, x_test, y_test)


@pytest.mark.slow
def test_mnist_pixels(mnist):
    assert linear_svm(*mnist, solver="primal").accuracy == pytest.approx(91.76, abs=0.02)
    assert linear_svm(*mnist).accuracy == pytest.approx(91.77, abs=0.03)
