"""`twoway metrics`: the list, a classifier trained and used, the cache emptied, and what is refused."""

import numpy as np
import pytest
import torch
from shell import contents, fine, refused

from twoway.features import FeatureSpec, build_features, cache
from twoway.metrics import METRICS


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Bright and dark pictures, an .npz file."""
    generator = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = (generator.integers(0, 90, (120, 10, 10)) + 150 * labels[:, None, None]).astype(np.uint8)
    path = tmp_path_factory.mktemp("labelled") / "light.npz"
    np.savez(path, images=images, labels=labels)
    return path


def test_the_list_says_what_each_metric_is():
    lines = fine("metrics", "list").splitlines()
    shown = {line.split()[0]: line for line in lines if line and not line.startswith(("Metrics", "fid["))}
    assert set(shown) == set(METRICS)
    for name, metric in METRICS.items():
        assert metric.summary in shown[name]
        assert shown[name].split()[1] == metric.better
        assert shown[name].endswith("by default") == metric.default
        assert ("features" in shown[name].split("needs")[-1]) == metric.features


def test_a_classifier_is_trained_and_used(labelled, tmp_path):
    out = tmp_path / "new" / "light.safetensors"
    said = fine("metrics", "train-extractor", "--data", labelled, "-o", out, "--width", 2, "--device", "cpu")
    extractor = build_features(FeatureSpec.parse(str(out)))
    assert extractor.title.startswith("light-cnn@")
    assert f"{extractor.title} written to" in said
    assert f"{100 * extractor.record.accuracy['mean']:.2f} % right on 20 pictures" in said
    assert extractor.pooled(torch.zeros(2, 1, 10, 10)).shape == (2, 128)
    assert [path.name for path in out.parent.iterdir()] == ["light.safetensors"]


def test_what_cannot_be_trained_leaves_nothing(labelled, tmp_path):
    images = np.zeros((9, 10, 10), np.uint8)
    np.savez(tmp_path / "plain.npz", images=images)
    np.savez(tmp_path / "one.npz", images=images, labels=np.ones(9, int))
    before = contents(tmp_path)
    train = ("metrics", "train-extractor", "--data")
    out = ("-o", tmp_path / "new" / "c.safetensors")
    refused(*train, tmp_path / "plain.npz", *out, names=("labels", "plain.npz"))
    refused(*train, tmp_path / "one.npz", *out, names=("two classes", "one.npz"))
    refused(*train, labelled, "-o", tmp_path / "c.pth", names=("c.pth", ".safetensors"))
    refused(*train, labelled, "-o", tmp_path / "one.npz" / "c.safetensors", names=("one.npz", "cannot be written"))
    refused(*train, labelled, *out, "--attributes", "Smiling", names=("attributes.csv",))
    refused(*train, labelled, *out, "--attributes", " , ", names=("--attributes is empty",))
    refused(*train, labelled, *out, "--attributes", "all", "--label", "x", names=("exclude each other",))
    refused(*train, labelled, *out, "--name", "pyramid", names=("another extractor's",))
    refused(*train, labelled, *out, "--net", "lenet", names=("lenet_classifier",))
    assert contents(tmp_path) == before
    assert not (tmp_path / "new").exists()


def test_the_cache_is_emptied(tmp_path, monkeypatch):
    monkeypatch.setenv("TWOWAY_CACHE", str(tmp_path))
    cache.cached({"n": 1}, lambda: torch.zeros(3, 2))
    assert fine("metrics", "clear-cache").startswith("1 files")
    assert list(tmp_path.iterdir()) == []
