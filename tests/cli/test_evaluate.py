"""`twoway evaluate` and the flags of `train` that measure."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from shell import TINY, contents, fine, refused
from small import small_model

from twoway.training.checkpoint import latest_checkpoint
from twoway.training.stats import read_stats


@pytest.fixture
def two(tmp_path):
    """Two saved models."""
    for name, seed in (("first", 1), ("second", 2)):
        small_model("alae", seed=seed).save(tmp_path / "models" / name)
    return [tmp_path / "models" / name for name in ("first", "second")]


def test_several_models_are_compared_in_one_table(two, bars, tmp_path):
    place = tmp_path / "deep" / "out.json"
    out = fine("evaluate", *two, "--data", bars, "--metrics", "mse,fid[pyramid],knn-short", "--repeats", "2",
               "--max-images", "40", "--truncation", "0.7", "-o", place, "--page", tmp_path / "out.html")  # fmt: skip
    stored = json.loads(place.read_text())
    assert list(stored["metrics"]) == ["mse", "fid[pyramid]", "knn-short"]
    assert [one["name"] for one in stored["models"]] == ["first", "second"]
    assert [one["fingerprint"] for one in stored["models"]] == [
        small_model("alae", seed=seed).fingerprint() for seed in (1, 2)
    ]
    assert stored["data"][0]["train"]["count"] == 128
    assert stored["data"][0]["train"]["fingerprint"]
    assert stored["settings"]["sampling"] == {"truncation": 0.7}
    assert any(line.startswith("twoway ") for line in stored["machine"])
    sets = stored["metrics"]["fid[pyramid]"]
    assert len(sets["models"]["first"]["values_by_seed"]) == 2
    for entry in stored["metrics"].values():
        verdict = entry["verdict"]
        values = {name: one["value"] for name, one in entry["models"].items()}
        for value in values.values():
            assert f"{value:.5g}" in out
        if verdict["decided"]:
            better = min if entry["lower_is_better"] else max
            assert verdict["best"] == [better(values, key=values.get)]
            assert f"{values[verdict['best'][0]]:.5g}*" in out
    said = " ".join(out.split())
    for line in stored["conclusion"]:
        assert line in said
    assert "truncation 0.7" in said
    assert "(1)" in said, "40 pictures are few for the features"
    assert all(len(line) <= 120 for line in out.splitlines() if not line.startswith("Written"))
    page = (tmp_path / "out.html").read_text()
    assert page.count('<img class="small"') == 3, "samples of both, reconstructions of both together"
    assert "first" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert not list(tmp_path.rglob(".writing*"))


def test_models_that_lack_a_net_are_told_apart_from_those_measured(two, bars, tmp_path):
    small_model("pggan").save(tmp_path / "gan")
    out = fine("evaluate", two[0], tmp_path / "gan", "--data", bars, "--metrics", "mse", "--max-images", "20")
    assert "- (1)" in out
    assert "Not compared" in out
    refused("evaluate", tmp_path / "gan", "--data", bars, "--metrics", "mse", names=("encoder",))
    page = tmp_path / "gan.html"
    fine("evaluate", tmp_path / "gan", "--data", bars, "--metrics", "fid[pyramid]", "--page", page)
    assert "Reconstructions" not in page.read_text()


def test_live_weights_of_a_run(alae_run):
    live = fine("evaluate", alae_run, "--metrics", "mse", "--live")
    averaged = fine("evaluate", alae_run, "--metrics", "mse")
    assert "weights live" in live
    assert "weights EMA" in averaged
    assert live.split("fingerprint")[1].split(",")[0] != averaged.split("fingerprint")[1].split(",")[0]
    refused("evaluate", alae_run / "model", "--live", "--metrics", "mse", names=("--live", "no run folder"))


def test_nothing_is_written_where_something_is_wrong(two, bars, tmp_path):
    out = ("-o", tmp_path / "new" / "out.json", "--page", tmp_path / "new" / "out.html")
    unlabelled = tmp_path / "plain.npz"
    np.savez(unlabelled, images=np.zeros((9, 8, 8), np.uint8))
    fake = tmp_path / "fake.safetensors"
    fake.write_text("no weights")
    (tmp_path / "empty").mkdir()
    small_model("alae", image_shape=(1, 12, 12)).save(tmp_path / "large")
    before = contents(tmp_path)
    base = ("evaluate", *two, "--data", bars)
    refused(*base, "--metrics", "mze", *out, names=("'mze'", "did you mean 'mse'"))
    refused(*base, "--metrics", "fid[pyramids]", *out, names=("pyramids",))
    refused(*base, "--metrics", f"fid[{fake}]", *out, names=("fake.safetensors",))
    refused(*base, "--features", "squeezenet", "--feature-weights", fake, "--metrics", "fid", *out, names=(str(fake),))
    refused(*base, "--truncation", "nan", *out, names=("nan",))
    refused(*base, "--mixing", "2", *out, names=("2",))
    refused("evaluate", *two, "--data", unlabelled, "--metrics", "knn-short", *out, names=("label", "knn-short"))
    refused("evaluate", *two, "--data", tmp_path / "empty", *out, names=("empty", "no pictures"))
    refused("evaluate", *two, *out, names=("--data",))
    refused("evaluate", two[0], tmp_path / "large", "--data", bars, "--metrics", "swd", *out,
            names=("8x8", "12x12", "large"))  # fmt: skip
    refused(*base, "-o", fake / "out.json", names=(str(fake), "--out"))
    refused(*base, "--page", tmp_path / "empty", names=("empty", "folder", "--page"))
    assert contents(tmp_path) == before
    assert not (tmp_path / "new").exists()


def test_a_training_measures_as_often_as_told(bars, tmp_path):
    fine("train", "alae", "--data", bars, "--outdir", tmp_path, "--desc", "told", *TINY,
         "--eval-every", "0.064", "--metrics", "fid[pyramid],mse")  # fmt: skip
    run = tmp_path / "00000-told"
    records = [record for record in read_stats(run / "stats.jsonl") if "metric/fid[pyramid]" in record]
    assert len(records) >= 3
    assert all("metric/mse" in record for record in records)
    best = min(records, key=lambda record: record["metric/fid[pyramid]"])
    checkpoint, _ = latest_checkpoint(run / "checkpoints")
    assert checkpoint.state["best"] == [best["iteration"], best["metric/fid[pyramid]"]]
    assert "fid[pyramid]" in (run / "report.html").read_text()


def test_the_cheap_set_and_flags_that_cannot_be(bars, tmp_path):
    base = ("train", "alae", "--data", bars, "--outdir", tmp_path / "runs", *TINY)
    plan = fine(*base, "--eval-every", "0.1", "-n")
    assert "eval_kimg: 0.1" in plan
    assert re.search(r"metrics:\s*- mse\s*- fid\[pyramid\]", plan)
    refused(*base, "--eval-every", "0", names=("--eval-every is 0",))
    refused(*base, "--metrics", "mze", names=("did you mean 'mse'",))
    refused(*base, "--metrics", "mse", "--set", "training.metrics=[mse]", names=("--metrics", "training.metrics"))
    refused(*base, "--metrics", "fid[vgg16]", names=("vgg16",))
    assert not (tmp_path / "runs").exists()
