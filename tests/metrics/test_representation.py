import random

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from small import small_model, small_recipe

from twoway.errors import ConfigError, DataError, ModelError
from twoway.features import FeatureSpec
from twoway.metrics import METRICS, accuracy_rows, evaluate
from twoway.metrics.linear_svm import linear_svm
from twoway.metrics.nearest_neighbour import one_nn_accuracy
from twoway.metrics.representation import (
    Features,
    evaluate_representation,
    extract_features,
    shuffled_split,
    standardise,
    untrained_model,
)


class Digits:
    """A data set as the data module gives it."""

    def __init__(self, rows):
        images, self.labels = load_digits(return_X_y=True)
        self.pictures = torch.from_numpy((images[rows] / 16 * 255).round().astype(np.uint8)).reshape(-1, 1, 8, 8)
        self.labels = self.labels[rows]

    def __len__(self):
        return len(self.pictures)

    def read(self, indices):
        return self.pictures[list(indices)]


TRAIN, TEST = Digits(slice(0, 600)), Digits(slice(600, 900))


def test_features_of_a_model_and_of_pixels(model):
    features = extract_features(model, TRAIN, batch=100)
    x = TRAIN.pictures.float() / 127.5 - 1
    short, long = model.encode_features(x)
    np.testing.assert_allclose(features.short, short.flatten(1).detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(features.long, long.detach().numpy(), rtol=1e-4, atol=1e-5)
    pixels = extract_features(None, TRAIN)
    assert pixels.short is pixels.long
    np.testing.assert_allclose(pixels.short, TRAIN.pictures.flatten(1).numpy() / 255, atol=1e-6)
    some = extract_features(model, TRAIN, rows=np.array([3, 5]))
    np.testing.assert_allclose(some.short, features.short[[3, 5]], rtol=1e-4, atol=1e-5)


def test_shuffled_split_is_pythons_shuffle():
    state = random.getstate()
    train, test = shuffled_split(12)
    assert random.getstate() == state
    random.seed(0)
    order = list(range(12))
    random.shuffle(order)
    random.setstate(state)
    assert [*train, *test] == order
    assert len(train) == 10


def test_standardise():
    rng = np.random.default_rng(0)
    train, test = rng.normal(3, 5, (100, 4)), rng.normal(3, 5, (20, 4))
    train[:, 2] = 7.0
    a, b = standardise(train, test)
    np.testing.assert_allclose(a.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(a.std(0)[[0, 1, 3]], 1, rtol=1e-5)
    np.testing.assert_allclose(b[:, 0], (test[:, 0] - train[:, 0].mean()) / train[:, 0].std(), rtol=1e-5)
    assert np.isfinite(b).all()


def test_the_table_is_made_of_its_parts():
    pixels, held = extract_features(None, TRAIN), extract_features(None, TEST)
    result = evaluate_representation(pixels, TRAIN.labels, held, TEST.labels, kinds=("short",))
    table = result.plain()
    assert [(s.setting, s.scaling) for s in result.scores] == [
        ("DW", "raw"), ("DW", "standardised"), ("SW", "raw"), ("SW", "standardised")
    ]  # fmt: skip
    raw = table["DW"]["short"]["raw"]
    assert raw["knn"] == one_nn_accuracy(pixels.short, TRAIN.labels, held.short, TEST.labels)
    assert raw["svm"] == linear_svm(pixels.short, TRAIN.labels, held.short, TEST.labels).accuracy
    scaled = standardise(pixels.short, held.short)
    assert (
        table["DW"]["short"]["standardised"]["svm"]
        == linear_svm(scaled[0], TRAIN.labels, scaled[1], TEST.labels).accuracy
    )
    first, second = shuffled_split(600)
    sw = table["SW"]["short"]["raw"]
    assert (sw["n_train"], sw["n_test"], sw["dim"]) == (500, 100, 64)
    assert sw["knn"] == one_nn_accuracy(
        pixels.short[first], TRAIN.labels[first], pixels.short[second], TRAIN.labels[second]
    )
    assert table["protocol"] == {"max_train": None, "max_test": None, "solver": "paper", "c": 0.02, "max_iter": 5000}


def test_limits_are_recorded():
    pixels = extract_features(None, TRAIN)
    result = evaluate_representation(
        pixels, TRAIN.labels, pixels, TRAIN.labels, classifiers=("knn",), max_train=200, max_test=50
    )
    assert {(s.n_train, s.n_test) for s in result.scores} == {(200, 50)}
    assert all(s.svm is None for s in result.scores)
    assert result.protocol == {"max_train": 200, "max_test": 50}


def test_mistakes():
    pixels = Features(np.zeros((10, 2)), np.zeros((10, 2)))
    labels = np.arange(10) % 2
    with pytest.raises(DataError, match="DW needs labelled test"):
        evaluate_representation(pixels, labels)
    with pytest.raises(ConfigError, match="no setting 'XX'"):
        evaluate_representation(pixels, labels, settings=("XX",))
    with pytest.raises(ConfigError, match="must be at least 1"):
        evaluate_representation(pixels, labels, settings=("SW",), max_train=0)
    with pytest.raises(DataError, match="too few"):
        evaluate_representation(Features(pixels.short[:1], pixels.long[:1]), labels[:1], settings=("SW",))


def test_controls_need_no_training():
    recipe = small_recipe()
    rows = accuracy_rows({"pixels": None, "untrained": untrained_model(recipe)}, TRAIN, TEST)
    assert rows[0]["1nn"] > 90
    assert [(r["features"], r["setting"], r["width"]) for r in rows] == [
        ("pixels", "DW", "long"), ("untrained", "DW", "short"), ("untrained", "DW", "long")
    ]  # fmt: skip
    assert untrained_model(recipe, seed=3).fingerprint() == untrained_model(recipe, seed=3).fingerprint()
    assert untrained_model(recipe, seed=3).fingerprint() != untrained_model(recipe, seed=4).fingerprint()


def test_registry_computes_every_default_metric_with_its_settings(model):
    results = evaluate(model, TRAIN, TEST, max_train=300, max_test=100, features=FeatureSpec("pyramid"))
    assert [name.split("[")[0] for name in results] == [name for name, metric in METRICS.items() if metric.default]
    assert set(results) == {"mse", "psnr", "code-consistency", "fid[pyramid]", "knn-short", "svm-short"}
    for name, result in results.items():
        assert isinstance(result["value"], float), name
    assert results["mse"]["n_images"] == 100
    assert results["mse"]["on"] == "test"
    assert results["mse"]["value"] == results["mse"]["signed"] == pytest.approx(4 * results["mse"]["unit"])
    assert results["knn-short"]["setting"] == "DW"
    assert results["knn-short"]["short"]["raw"]["n_train"] == 300
    assert results["svm-short"]["value"] == results["svm-short"]["short"]["raw"]["svm"]
    assert results["knn-short"]["protocol"]["max_test"] == 100


def test_rows_of_encoders_and_controls(model):
    rows = accuracy_rows({"pixels": None, "mine": model}, TRAIN, TEST, max_images=200)
    assert [(r["features"], r["width"]) for r in rows] == [("pixels", "long"), ("mine", "short"), ("mine", "long")]
    assert {r["n_train"] for r in rows} == {200}
    assert all(r["svm_converged"] is True for r in rows)
    assert [r["setting"] for r in accuracy_rows({"pixels": None}, TRAIN, None)] == ["SW"]


def test_registry_without_test_pictures_splits_the_training_pictures(model):
    for test in (None, TRAIN):
        results = evaluate(model, TRAIN, test, names=["knn"])
        assert results["knn"]["setting"] == "SW"
        assert results["knn"]["short"]["raw"]["n_test"] == 100


def test_registry_leaves_out_what_needs_labels_unless_asked(model):
    x = torch.zeros(4, 1, 8, 8)
    found = evaluate(model, x, x, features=FeatureSpec("pyramid"))
    assert set(found) == {"mse", "psnr", "code-consistency", "fid[pyramid]"}
    with pytest.raises(DataError, match="label for every picture"):
        evaluate(model, x, x, names=["knn"])
    with pytest.raises(DataError, match="no data were given"):
        evaluate(model, names=["mse"])
    with pytest.raises(ConfigError, match="did you mean 'knn'"):
        evaluate(model, x, names=["kn"])


def test_a_model_without_features_says_so():
    model = small_model("lr")
    model.nets["encoder"] = torch.nn.Flatten()
    with pytest.raises(ModelError, match="no hidden features"):
        extract_features(model, TRAIN)
