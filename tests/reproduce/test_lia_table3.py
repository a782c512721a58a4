"""LIA's table on toy pictures: every row is trained or optimised, measured and written, and found again."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from toys import toy_images

from twoway.errors import ConfigError, UserError
from twoway.features import FeatureSpec
from twoway.methods import PRESETS, preset
from twoway.reproduce.command import Asked, reproduce
from twoway.reproduce.lia_table3 import ROWS, LiaTable3, findings

TINY = {"flavour": "modern", "latent": 8, "start": 4, "maximum": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Toy pictures, and tiny presets for them."""
    path = tmp_path_factory.mktemp("table3")
    np.savez(path / "bars.npz", images=toy_images(64))
    for method in ("lia", "stylegan", "vaegan-z"):
        preset(f"{method}-tiny", method, kimg=0.2, options=TINY, summary="for a test")
    yield path
    for method in ("lia", "stylegan", "vaegan-z"):
        del PRESETS[f"{method}-tiny"]


@pytest.fixture(scope="module")
def asked(folder):
    own = LiaTable3(preset="tiny", images=16, steps=2)
    data, out = str(folder / "bars.npz"), folder / "out"
    return Asked("smoke", data=data, size=8, kimg=0.2, settings=own, out=out, runs=out / "runs")


def made(asked):
    """The page of the table, without how it was made."""
    return reproduce("lia-table3", asked, say=lambda text: None).text.split("## How")[0]


@pytest.fixture(scope="module")
def table(asked):
    return made(asked)


def test_every_row_is_measured(folder, table):
    (stored,) = json.loads((folder / "out" / "table.json").read_text())["tables"]
    rows = {row["name"]: row["facts"]["trials"][0] for row in stored["rows"]}
    assert tuple(rows) == ROWS
    for name, row in rows.items():
        assert row["mse"] > 0
        assert row["mse_unit_1e3"] == pytest.approx(row["mse"] * 250)
        assert row["swd"] > 0
        assert row["fid"] > 0
        assert row["features"]["name"] in ("pyramid", "squeezenet")
        assert f"| {name} | {row['fid']:.2f} | {row['swd']:.2f} | {row['mse_unit_1e3']:.2f} |" in table
        title = row["features"]["title"]
        assert re.search(rf"^\| {name} \|.*\| {re.escape(title)} \|$", table, re.MULTILINE)
    assert rows["lia"]["flow-roundtrip"] < 1e-4
    assert not any("flow-roundtrip" in rows[row] for row in ("stylegan", "ali"))  # no mapping, or none with an inverse
    assert "| *lia, published* | *19.26* | *12.16* | *11.79* | - | *Inception* |" in table
    assert table.count("*44.79*") == 1  # the published search is in z
    assert "*optimisation-z, published*" in table
    assert "## Measured against published" not in table  # at the budget smoke an order means nothing
    assert "![comparison](comparison.png)" in table
    assert "TRAINING pictures" in table
    assert (folder / "out" / "comparison.png").is_file()


def test_the_variational_encoder_works_on_the_generator_of_the_row_stylegan(folder, table):
    import torch

    from twoway.training.entry import model_of_run

    runs = {run.name.split("-", 1)[1]: run for run in (folder / "out" / "runs").iterdir()}
    models = {name: model_of_run(str(run)) for name, run in runs.items()}
    ours, theirs = (models[f"{name}-seed0"].nets["generator"].state_dict() for name in ("vaegan-z", "stylegan"))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_second_call_trains_and_measures_nothing_again(asked, table, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr("twoway.reproduce.runs.start_run", never)
    monkeypatch.setattr("twoway.reproduce.runs.resume_run", never)
    monkeypatch.setattr("twoway.reproduce.lia_table3.project", never)
    monkeypatch.setattr("twoway.reproduce.lia_table3.evaluate", never)
    assert made(asked) == table


def test_rows_that_there_are_not(asked):
    with pytest.raises(ConfigError, match=r"no row 'lea'.*lia"):
        made(replace(asked, rows=("lea",)))


def test_the_published_budget_asks_for_pictures(tmp_path):
    with pytest.raises(ConfigError, match=r"'lia-table3' at the budget 'paper' needs pictures.*--data"):
        made(Asked("paper", out=tmp_path / "out", runs=tmp_path / "runs", features=FeatureSpec("pyramid")))


def test_features_that_are_not_there_are_found_out_before_any_training(asked, tmp_path, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("trained")

    monkeypatch.setattr("twoway.reproduce.study.trained_run", never)
    spec = FeatureSpec("squeezenet", weights=str(tmp_path / "nothing.pth"))
    with pytest.raises(UserError, match=r"nothing\.pth"):
        made(replace(asked, features=spec, out=tmp_path / "out", runs=tmp_path / "runs"))


def test_presets_that_are_not_there_are_found_out_before_any_training(asked, tmp_path, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("trained")

    monkeypatch.setattr("twoway.reproduce.study.trained_run", never)
    with pytest.raises(ConfigError, match="tinny"):
        made(replace(asked, settings=LiaTable3(preset="tinny"), out=tmp_path / "out", runs=tmp_path / "runs"))


def facts(fid, swd, mse):
    return [{"fid": fid, "swd": swd, "mse_unit_1e3": mse}]


def test_verdicts_are_of_rows_that_the_paper_has():
    rows = {"lia": facts(2, 2, 2), "ali": facts(3, 1, 3), "optimisation-w": facts(1, 1, 1), "stylegan": facts(9, 9, 3)}
    ali, stylegan = findings(rows)
    assert ali == "LIA against ali: the order of the paper in FID, MSE; CONTRARY to the paper in SWD."
    assert stylegan.endswith("Measured: 2 against 3, the same.")
    assert "figure 3" in stylegan
    assert findings({"ali": facts(1, 1, 1)}) == []
