"""Names of metrics: extractors in brackets, results named in full."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from small import SHAPE, small_model

from twoway.data import open_data, to_float
from twoway.errors import ConfigError, DataError
from twoway.features import FeatureSpec, build_features
from twoway.metrics import METRICS, evaluate, find_metric, read_metric, split_names
from twoway.metrics.session import Session


def test_extractors_stand_in_brackets():
    found, spec = read_metric("fid[pyramid]")
    assert (found.name, spec) == ("fid", FeatureSpec("pyramid"))
    assert read_metric("fid-rec")[1] is None
    assert find_metric("fid[pyramid]") is METRICS["fid"]
    assert read_metric("ppl-w[vgg]")[1] == FeatureSpec("vgg")
    assert read_metric("lpips[ alex ]")[1] == FeatureSpec("alex")
    assert read_metric("lpips[squeezenet+least=32]")[1] == FeatureSpec("squeezenet", options={"least": 32})
    assert split_names("fid[a,b],mse , ,psnr") == ["fid[a,b]", "mse", "psnr"]


def test_results_of_two_extractors_never_share_a_name():
    model = small_model("alae").eval()
    x = torch.rand(12, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1

    class Mean:
        title = "mean@123456"

        def pooled(self, x):
            return x.mean((2, 3))

        def describe(self):
            return {"name": "mean"}

    results = evaluate(model, None, x, ["fid", "fid[pyramid]", "mse"], features=Mean())
    assert list(results) == ["fid[mean@123456]", "fid[pyramid]", "mse"]
    assert [result["name"] for result in results.values()] == list(results)
    assert results["fid[mean@123456]"]["value"] != results["fid[pyramid]"]["value"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fiid", "did you mean 'fid'"),
        ("fid[pyramids]", "did you mean 'pyramid'"),
        ("fid[pyramid", "one extractor in brackets"),
        ("fid[]", "one extractor in brackets"),
        ("mse[pyramid]", "looks at no features"),
        ("fid[alex]", "no extractor 'alex'"),
        ("lpips[vgg@397923]", "leave '@397923' out"),
    ],
)
def test_names_that_cannot_be(name, message):
    with pytest.raises(ConfigError, match=message):
        read_metric(name)


def test_progress_is_told_of_each_measure_and_ends_also_where_one_fails(model):
    told = []
    evaluate(model, torch.zeros(4, *SHAPE), names=["mse", "psnr"], progress=lambda *facts: told.append(facts))
    assert told[0] == ("measures", 0, 2)
    assert ("mse", 0, 0) in told
    assert told.index(("mse", 1, 1)) < told.index(("measures", 1, 2)) < told.index(("psnr", 0, 0))
    assert told[-1] == ("measures", 2, 2)
    told.clear()
    with pytest.raises(DataError):
        evaluate(model, None, names=["mse"], progress=lambda *facts: told.append(facts))
    assert ("mse", 1, 1) in told


def test_features_of_real_pictures_are_computed_once(monkeypatch, tmp_path):
    """Components are fitted to the real pictures; features of a data set are kept on disk between evaluations."""
    monkeypatch.setenv("TWOWAY_CACHE", str(tmp_path / "kept"))
    data = open_data("digits")
    model = small_model("alae").eval()
    first = evaluate(model, data, None, ["fid[pca]", "fid[pyramid]"], max_test=90)
    (fitted, plain) = first
    assert re.fullmatch(r"fid\[pca\d+@[0-9a-f]{6}\]", fitted)
    assert plain == "fid[pyramid]"
    assert len(list((tmp_path / "kept").iterdir())) == 2
    with monkeypatch.context() as patched:
        patched.setattr(Session, "seen", lambda self, look, what, said: 1 / (what != "real") and kept(self, what))
        again = evaluate(model, data, None, ["fid[pyramid]"], max_test=90)
    assert again["fid[pyramid]"] == first["fid[pyramid]"]
    assert evaluate(model, data, None, ["fid[pyramid]"], max_test=80)["fid[pyramid]"]["n_real"] == 80
    assert len(list((tmp_path / "kept").iterdir())) == 3


def kept(session, what):
    extractor = build_features(FeatureSpec("pyramid"))
    return torch.cat([extractor.pooled(to_float(part)) for part in session.set_of(what).batches(64)])


def test_features_are_kept_by_what_was_read(monkeypatch, tmp_path):
    """Names and sizes of uncompressed files say nothing of their pixels; versions of an extractor differ."""
    monkeypatch.setenv("TWOWAY_CACHE", str(tmp_path / "kept"))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 8, 8), np.uint8)
    for folder, pictures in zip(("one", "other"), pixels, strict=True):
        (tmp_path / folder).mkdir()
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(tmp_path / folder / f"{number}.bmp")
    one, other = (open_data(tmp_path / folder, size=8) for folder in ("one", "other"))
    assert one.fingerprint() == other.fingerprint()
    extractor = build_features(FeatureSpec("pyramid"))
    for data, pictures in ((one, pixels[0]), (other, pixels[1])):
        for _ in range(2):  # computed, then taken from disk
            found = Session(small_model(), data, None).features_of(extractor, "real")
            expected = extractor.pooled(to_float(torch.from_numpy(pictures)[:, None]))
            torch.testing.assert_close(found, expected)
    assert len(list((tmp_path / "kept").iterdir())) == 2
    monkeypatch.setattr(type(extractor), "version", 2)
    Session(small_model(), one, None).features_of(extractor, "real")
    assert len(list((tmp_path / "kept").iterdir())) == 3
