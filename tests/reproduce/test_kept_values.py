"""Kept values: what makes them stale, when and with what they were measured, and what pages say of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from toys import toy_images

from twoway.errors import ConfigError
from twoway.features import FeatureSpec
from twoway.reproduce import BUDGETS, Budget, Column, Result, Row, Table, artefact, setting
from twoway.reproduce.command import Asked, reproduce
from twoway.reproduce.identity import weights_identity
from twoway.reproduce.registry import ARTEFACTS
from twoway.reproduce.study import Trained
from twoway.training.config import DataConfig, make_config


@dataclass(frozen=True)
class Own:
    """Settings of the toy artefact."""

    judge: str | None = setting(None, "A file.")


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """An artefact without trainings, whose value is how often it was measured; its pictures are ``bars.npz``."""
    monkeypatch.delenv("TWOWAY_WEIGHTS", raising=False)
    np.savez(tmp_path / "bars.npz", images=toy_images(16))
    counted: list[int] = []

    def compute():
        counted.append(1)
        return len(counted)

    @artefact(
        "toy-table9",
        paper="Toys, table 9",
        summary="How often it was measured.",
        budgets=dict.fromkeys(BUDGETS, Budget(str(tmp_path / "bars.npz"), 8, takes="a moment")),
        settings=Own,
    )
    def build(study):
        rows = [Row("times", {"n": float(study.keep("times", compute))}, {"n": 1.0}, published_name="theirs")]
        study.keep_tensors("tensor", lambda: {"x": torch.ones(1)})
        return Result([Table([Column("n")], rows)], about="About it.", published="a book, page 3")

    yield tmp_path
    del ARTEFACTS["toy-table9"]


def times(place, **asked):
    asked = Asked("smoke", out=place / "out", runs=place / "runs", device="cpu", **asked)
    told: list[tuple[str, int, int]] = []
    made = reproduce("toy-table9", asked, say=lambda line: None, progress=lambda *what: told.append(what))
    value = made.result.tables[0].rows[0].measured["n"]
    return value, made.text, told


def test_pictures_that_change_in_place_are_measured_again(toy):
    assert times(toy)[0] == times(toy)[0] == 1
    np.savez(toy / "bars.npz", images=255 - toy_images(16))
    assert times(toy)[0] == 2


def test_labels_that_change_in_place_are_measured_again(toy):
    for number, labels in enumerate((np.arange(16) % 2, np.arange(16) % 4), 1):
        np.savez(toy / "bars.npz", images=toy_images(16), labels=labels)
        assert times(toy)[0] == times(toy)[0] == number


def squeezenet_shapes():
    """Shapes of its weights by name: a convolution, and fire modules of a squeezing and two expanding ones."""
    shapes, inputs = {"features.0": (64, 3, 3, 3)}, 64
    for number, s in zip((3, 4, 6, 7, 9, 10, 11, 12), (16, 16, 32, 32, 48, 48, 64, 64), strict=True):
        shapes[f"features.{number}.squeeze"] = (s, inputs, 1, 1)
        shapes[f"features.{number}.expand1x1"] = (4 * s, s, 1, 1)
        shapes[f"features.{number}.expand3x3"] = (4 * s, s, 3, 3)
        inputs = 8 * s
    both = {f"{name}.weight": shape for name, shape in shapes.items()}
    return both | {f"{name}.bias": shape[:1] for name, shape in shapes.items()}


def test_weights_of_an_extractor_that_change_in_place_are_measured_again(toy):
    file = toy / "own.npz"
    for number, seed in enumerate((1, 2), 1):
        draw = np.random.default_rng(seed)
        np.savez(
            file, **{name: draw.normal(size=shape).astype(np.float32) for name, shape in squeezenet_shapes().items()}
        )
        assert times(toy, features=FeatureSpec("squeezenet", str(file)))[0] == number


def test_a_file_named_by_a_setting_that_changes_in_place_is_measured_again(toy):
    for number, content in enumerate(("a", "b"), 1):
        (toy / "judge").write_text(content)
        assert times(toy, settings=Own(str(toy / "judge")))[0] == number


def test_a_training_is_another_with_other_final_weights_or_pictures(toy):
    data = DataConfig.make(str(toy / "bars.npz"), size=8)
    config, _ = make_config("ae", data=data, options={"hidden": 8, "latent": 4}, kimg=0.2, device="cpu", batch=16)

    def fingerprint(data, ema, optimizer):
        made = Trained(toy, config)
        state = {"data": data, "sha256": {"ema.safetensors": ema, "optimizer.safetensors": optimizer}}
        made.__dict__["state"] = state  # in place of a checkpoint's
        return made.fingerprint()

    first = fingerprint("a", "b", "c")
    assert first == fingerprint("a", "b", "other")
    assert len({first, fingerprint("other", "b", "c"), fingerprint("a", "other", "c")}) == 3
    assert weights_identity({"data": "a", "sha256": {}})["data"] == "a"


def test_a_page_says_when_and_with_what_its_values_were_measured(toy):
    _, text, _ = times(toy)
    assert text.count("* measured: ") == 1
    assert "* measured: 2 kept values, " in text
    path = toy / "out" / "measured" / "times.json"
    kept = json.loads(path.read_text())
    assert kept["made"]["date"].startswith("20")
    kept["made"] |= {"date": "2001-02-03T04:05:06+00:00", "package": "twoway 0, commit abc"}
    path.write_text(json.dumps(kept))
    value, text, _ = times(toy)
    assert value == 1
    assert "* measured: 1 kept value, 2001-02-03T04:05:06+00:00, twoway 0, commit abc, torch " in text
    assert text.count("* measured: ") == 2
    record = json.loads((toy / "out" / "table.json").read_text())["record"]
    assert record["measured"]["times"]["package"] == "twoway 0, commit abc"
    assert record["date"] > record["measured"]["times"]["date"]
    del kept["made"]
    path.write_text(json.dumps(kept))  # of whom nobody knows when it was measured
    assert times(toy)[0] == 2


def test_the_json_says_what_is_published_and_where(toy):
    times(toy)
    stored = json.loads((toy / "out" / "table.json").read_text())
    assert stored["about"] == "About it."
    assert stored["published"] == "a book, page 3"
    (row,) = stored["tables"][0]["rows"]
    assert (row["published"], row["published_name"]) == ({"n": 1.0}, "theirs")


def test_measuring_tells_how_far_it_has_come(toy):
    _, _, told = times(toy)
    assert told == [("times", 0, 0), ("times", 1, 1), ("tensor", 0, 0), ("tensor", 1, 1)]
    assert times(toy)[2] == []  # what is found again takes no time


ONE_TRAINING = (
    *("alae-fig5", "alae-fig6", "alae-fig7", "alae-fig8", "alae-fig9", "lia-fig1"),
    *(f"lia-fig{number}" for number in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
)
NO_FEATURES = (
    *("alae-fig3", "alae-fig6", "alae-fig9", "alae-table2", "infovaegan-mnist", "infovaegan-sprites"),
    *(f"lia-fig{number}" for number in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
)


@pytest.mark.parametrize(
    ("name", "option"), [*((n, "trials") for n in ONE_TRAINING), *((n, "features") for n in NO_FEATURES)]
)
def test_options_that_would_do_nothing_are_refused(tmp_path, name, option):
    value = {"trials": 2, "features": FeatureSpec("pyramid")}[option]
    with pytest.raises(ConfigError, match=f"no use for --{option}"):
        reproduce(name, Asked("smoke", out=tmp_path / "x", **{option: value}))
    assert not (tmp_path / "x").exists()
