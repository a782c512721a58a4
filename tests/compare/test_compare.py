"""A tiny comparison: trained once, measured alike, written, interrupted, continued; what cannot be is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from toys import toy_file, toy_images

from twoway.compare import Comparison, budget, compare, read_duration, run
from twoway.compare.budget import Speed
from twoway.compare.table import spread
from twoway.errors import CheckpointError, ConfigError, DataError, TrainingError
from twoway.methods import METHODS, PRESETS, method
from twoway.reproduce import runs
from twoway.reproduce.runs import Interrupted
from twoway.training.loop import Outcome, Trainer

TINY = {"hidden": 16, "latent": 4}


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    return str(toy_file(tmp_path_factory.mktemp("bars"), 64))


@pytest.fixture(scope="module")
def plan(bars):
    return Comparison(
        ("ae", "vae", "style-alae"),
        bars,
        kimg=0.1,
        trials=2,
        seed=3,
        metrics=("mse", "swd", "knn-short"),
        max_images=20,
        options=TINY,
        batch=32,
        device="cpu",
    )


@pytest.fixture(scope="module")
def table(plan, tmp_path_factory):
    """A finished table: its folder, its text, and what was said. An odd size leaves the style nets out."""
    folder = tmp_path_factory.mktemp("compare")
    np.savez(folder / "bars.npz", images=toy_images(64)[:, :6, :6], labels=np.arange(64) % 4)
    said: list[str] = []
    small = replace(plan, data=str(folder / "bars.npz"))
    return small, folder / "out", compare(small, folder / "out", say=said.append), said


def rows(text):
    lines = [line for line in text.splitlines() if re.match(r"\| (ae|vae|style-alae) \|", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def never(*arguments, **options):
    raise AssertionError("done again")


def test_means_and_spreads_of_the_trials(table):
    plan, out, text, _ = table
    assert (out / "table.md").read_text() == text
    stored = json.loads((out / "table.json").read_text())
    assert "Mean ± half the range of 2 trials, seeds 3 to 4." in text
    assert [entry["method"] for entry in stored["methods"]] == list(plan.methods)
    for entry, cells in zip(stored["methods"][:2], rows(text), strict=False):
        assert [trial["seed"] for trial in entry["trials"]] == [3, 4]
        values = [trial["metrics"]["mse"]["value"] for trial in entry["trials"]]
        assert values[0] != values[1]
        assert cells[:3] == [entry["method"], "2", "0.096"]
        mean, half = map(float, cells[4].split(" ± "))
        assert mean == pytest.approx(sum(values) / 2, rel=1e-3)
        assert half == pytest.approx(abs(values[0] - values[1]) / 2, rel=0.06)
        for trial in entry["trials"]:
            assert trial["images"] == 96
            assert trial["metrics"]["knn-short"]["protocol"]["max_train"] == 20


def test_what_a_method_cannot_do_has_a_reason_below(table):
    text = table[2]
    ae, vae, style = rows(text)[:3]
    assert ae[5].startswith("- [")
    note = re.search(r"\[\d\]", ae[5])[0]
    assert f"\n{note} A model of the method 'ae' has no prior" in text
    assert "±" in vae[5]
    assert style[1].startswith("left out [")
    note = re.search(r"\[\d\]", style[1])[0]
    assert re.search(rf"\n{re.escape(note)} .*power of two", text)


def test_options_go_to_the_methods_that_have_them(table):
    settings = {cells[0]: cells for cells in rows(table[2])[3:]}
    assert settings["ae"][1] == "nets=mlp, hidden=16, latent=4"
    assert settings["vae"][2:4] == ["1 x 4", "32"]
    assert settings["vae"][5] == "similarity; imposed / divergence; data"
    assert "style-alae" not in settings


def test_a_picture_of_each_method_and_a_page_that_needs_nothing_else(table):
    out = table[1]
    for name, rows_shown in (("ae", 2), ("vae", 5)):
        with Image.open(out / "pictures" / f"{name}.png") as picture:
            assert picture.height / picture.width == pytest.approx(rows_shown / 12, rel=0.05)
    page = (out / "index.html").read_text()
    assert page.count('src="data:image/png;base64,') == 2
    assert "http" not in page.replace("http-equiv", "")
    assert "left out" in page


def test_a_second_call_trains_and_measures_nothing_again(table, monkeypatch):
    plan, out, text, said = table
    assert len([line for line in said if line.startswith("training")]) == 4
    for module, name in ((runs, "start_run"), (runs, "resume_run"), (run, "evaluate")):
        monkeypatch.setattr(module, name, never)
    assert compare(plan, out, say=lambda line: None) == text


def test_another_metric_is_measured_without_training(table, monkeypatch):
    plan, out, _, _ = table
    for name in ("start_run", "resume_run"):
        monkeypatch.setattr(runs, name, never)
    asked = []
    measure = run.evaluate
    monkeypatch.setattr(run, "evaluate", lambda *a, **k: asked.append(list(a[3])) or measure(*a, **k))
    text = compare(replace(plan, methods=("vae",), metrics=("mse", "psnr")), out, say=lambda line: None)
    assert asked == [["psnr"], ["psnr"]]
    assert "psnr ↑" in text


def test_an_interrupted_comparison_is_a_table_of_what_is_done_and_continues(plan, tmp_path, monkeypatch):
    whole = Trainer.train
    calls = []

    def interrupted(self, progress, *, stop_after=None):
        calls.append(self.run.name)
        if len(calls) == 1:
            return whole(self, progress, stop_after=stop_after)
        outcome = whole(self, progress, stop_after=1)
        return Outcome(outcome.finished, outcome.iteration, signal=2)

    plan = replace(plan, methods=("ae", "vae"), trials=1, metrics=("mse",))
    monkeypatch.setattr(Trainer, "train", interrupted)
    with pytest.raises(Interrupted, match="Interrupted while training vae-seed3"):
        compare(plan, tmp_path, say=lambda line: None)
    half = (tmp_path / "table.md").read_text()
    assert [cells[1] for cells in rows(half)[:2]] == ["1", "0 of 1"]
    monkeypatch.setattr(Trainer, "train", whole)
    monkeypatch.setattr(runs, "start_run", never)
    said: list[str] = []
    text = compare(plan, tmp_path, say=said.append)
    assert "continuing vae-seed3" in said
    assert rows(text)[0] == rows(half)[0]
    assert rows(text)[1][1] == "1"
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_a_training_that_fails_does_not_stop_the_others(plan, tmp_path, monkeypatch):
    started = runs.start_run

    def fails(config, pictures, **options):
        if config.preset == "ae":
            raise TrainingError("The losses were not finite.")
        return started(config, pictures, **options)

    monkeypatch.setattr(runs, "start_run", fails)
    text = compare(replace(plan, methods=("ae", "vae"), trials=1, metrics=("mse",)), tmp_path, say=lambda line: None)
    assert rows(text)[0][1] == "0 of 1, seed 3 failed [1]"
    assert "[1] The losses were not finite." in text
    assert rows(text)[1][1] == "1"


def test_equal_time_is_measured_once_and_kept(plan, tmp_path, monkeypatch):
    asked = []

    def measured(config, pictures, seconds, clock):
        asked.append((config.preset, seconds))
        return Speed(images=64, seconds=0.5 if config.preset == "ae" else 1.0)

    monkeypatch.setattr(budget, "measure_speed", measured)
    plan = replace(plan, methods=("ae", "vae"), kimg=None, seconds=1.0, trials=2, metrics=("mse",))
    text = compare(plan, tmp_path, say=lambda line: None)
    assert asked == [("ae", 0.05), ("vae", 0.05)]
    assert [cells[2] for cells in rows(text)[:2]] == ["0.128", "0.064"]
    monkeypatch.setattr(budget, "measure_speed", never)
    monkeypatch.setattr(runs, "start_run", never)
    assert compare(plan, tmp_path, say=lambda line: None) == text
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"plan\.json.*Delete it"):
        compare(plan, tmp_path, say=lambda line: None)


def test_speed_is_that_of_the_images_trained_on(plan, monkeypatch):
    slow = Trainer.train
    asked = []

    def timed(self, progress, *, stop_after=None):
        outcome = slow(self, progress, stop_after=stop_after)
        asked.append(self.timeline.iterations)
        self.seconds = 0.01 * outcome.iteration
        assert not list(self.run.rglob("*.png"))
        return outcome

    monkeypatch.setattr(Trainer, "train", timed)
    source = plan.source()
    config, pictures = run._config(plan, "ae", source, kimg=1.0, seed=0)
    found = budget.measure_speed(config, pictures, 0.1)
    assert found.seconds >= 0.1
    assert found.per_second == pytest.approx(3200)
    assert asked[0] < asked[-1]


def test_one_name_may_be_the_end_of_another(plan, tmp_path):
    @method("small-ae", paper="none", summary="an autoencoder of another width")
    def small_ae(image_shape):
        return METHODS["ae"].build(image_shape, hidden=8, latent=2)

    try:
        both = replace(plan, methods=("small-ae", "ae"), trials=1, metrics=("mse",))
        compare(both, tmp_path, say=lambda line: None)
    finally:
        del METHODS["small-ae"], PRESETS["small-ae"]
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_spread():
    assert spread([0.123456]) == "0.1235"
    assert spread([1.0, 2.0, 6.0]) == "3 ± 2.5"


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("20m", 1200), ("20 min", 1200), ("1.5h", 5400)])
def test_durations(text, seconds):
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m20", "20x", "0m", "-5m", "1h30", "nan", "inf s"])
def test_durations_that_are_none(text):
    with pytest.raises(ConfigError, match="--budget"):
        read_duration(text)


def test_plans_that_cannot_be(plan, bars, tmp_path):
    for change, message in (
        ({"methods": ()}, "at least one method"),
        ({"methods": ("vea",)}, "no method or preset 'vea'; did you mean 'vae'"),
        ({"seconds": 3.0}, "one budget"),
        ({"kimg": None}, "one budget"),
        ({"kimg": 0.0}, "positive"),
        ({"trials": 0}, "--trials is 0"),
        ({"metrics": ("mze",)}, "did you mean 'mse'"),
        ({"options": {"hiden": 3}}, "did you mean 'hidden'"),
        ({"max_images": 1}, "--max-images is 1"),
    ):
        with pytest.raises(ConfigError, match=re.escape(message)):
            replace(plan, **change)
    assert replace(plan, methods=("vae", "ae", "vae")).methods == ("vae", "ae")


def test_pictures_that_cannot_be(plan, tmp_path):
    np.savez(tmp_path / "plain.npz", images=toy_images(64))
    unlabelled = replace(plan, data=str(tmp_path / "plain.npz"))
    with pytest.raises(DataError, match=r"'knn-short'.*label"):
        compare(unlabelled, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert replace(unlabelled, metrics=()).measures(unlabelled.source().open()) == (
        "mse", "code-consistency", "swd", "fid"
    )  # fmt: skip
    odd = replace(plan, methods=("style-alae",), options={})
    np.savez(tmp_path / "odd.npz", images=toy_images(64)[:, :6, :6], labels=np.arange(64) % 4)
    with pytest.raises(ConfigError, match=r"No method can be trained on .*odd\.npz.*power of two"):
        compare(replace(odd, data=str(tmp_path / "odd.npz")), tmp_path / "out", say=lambda line: None)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="--out"):
        compare(plan, tmp_path / "file" / "out")
