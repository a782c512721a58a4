"""LIA's table on toy pictures: every row is trained or optimised, measured and written, and found again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from toys import toy_images

from twoway.errors import ConfigError
from twoway.methods import PRESETS, preset
from twoway.reproduce.command import Asked, reproduce
from twoway.reproduce.lia_table3 import ROWS, Table3

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
    own = Table3(preset="tiny", images=16, steps=2)
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
    assert rows["lia"]["flow-roundtrip"] < 1e-4
    assert "flow-roundtrip" not in rows["stylegan"]
    assert "| *lia, published* | *19.26* | *12.16* | *11.79* |" in table
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


def test_the_cpu_budget_asks_for_pictures(tmp_path):
    with pytest.raises(ConfigError, match=r"'lia-table3' at the budget 'cpu' needs pictures.*--data"):
        made(Asked("cpu", out=tmp_path))
