"""The learning table: which measures suit a recipe, what the rule asks, and rows that are found again."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from small import small_recipe

from twoway.errors import ConfigError
from twoway.methods import METHODS
from twoway.reproduce.command import Asked, reproduce
from twoway.reproduce.learning import ROWS, Learning, Time
from twoway.reproduce.learning_table import Learned, suiting


@pytest.mark.parametrize(
    ("method", "measures"),
    [
        ("ae", ("mse",)),
        ("vae", ("mse", "fid")),
        ("lr", ("code-consistency", "fid")),
        ("bigan", ("fid-rec", "fid")),
        ("age", ("mse", "code-consistency", "fid")),
        ("pggan", ("fid",)),
        ("infogan", ("code-consistency", "fid", "unsupervised-accuracy")),
        ("vamp-prior", ("mse", "fid")),
    ],
)
def test_measures_follow_from_the_recipe(method, measures):
    assert suiting(small_recipe(method)) == measures


def test_rows_are_all_methods_and_their_flavours():
    assert {method for method, _ in ROWS.values()} == set(METHODS)
    assert ROWS["alae-modern"][1]["flavour"] == "modern"
    assert "infovaegan-modern" not in ROWS  # what it is without options
    assert ROWS["infovaegan-wgan-gp"] == ("infovaegan", {"flavour": "wgan-gp"})


RULE = ("mse", "code-consistency", "fid", "unsupervised-accuracy")
BEFORE = {"mse": 0.9, "code-consistency": 2.0, "fid": 40.0, "unsupervised-accuracy": 20.0}
AFTER = {"mse": 0.2, "code-consistency": 0.5, "fid": 36.0, "unsupervised-accuracy": 22.0}
GOOD = Learned("vae", 8, ("", "", ""), RULE, BEFORE, AFTER, {"mse": 0.3, "code-consistency": 1.0})


def test_ten_per_cent_of_each_measure_is_enough():
    assert GOOD.learned
    assert GOOD.verdict == "yes"


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("mse", 0.31),  # a third of the untrained error, and worse than the mean picture
        ("code-consistency", 1.1),
        ("fid", 36.1),
        ("unsupervised-accuracy", 21.9),
        ("mse", math.nan),
    ],
)
def test_less_of_any_is_not(measure, value):
    short = replace(GOOD, after={**AFTER, measure: value})
    assert short.short_of == [measure]
    assert not short.learned


def test_a_failed_training_has_learned_nothing_and_other_measures_do_not_count():
    assert not replace(GOOD, after={}, failure="not finite").learned
    assert replace(GOOD, rule=("mse",), after={"mse": 0.2, "fid": 99.0}).learned


def test_an_unknown_row_names_the_nearest_one():
    with pytest.raises(ConfigError, match="vae-gan"):
        Learning(rows=("vae-gam",))


def test_a_table_is_found_again(tmp_path):
    asked = Asked("smoke", rows=("vae",), out=tmp_path, runs=tmp_path / "runs", settings=Time(seconds=0.05))
    text = reproduce("learning", asked, say=lambda line: None).text
    (table,) = json.loads((tmp_path / "table.json").read_text())["tables"]
    (row,) = [row["facts"] for row in table["rows"]]
    assert set(row["before"]) == set(row["after"]) == {"mse", "fid"}
    assert f"| vae | 8 | data | {row['before']['mse']:.3g} → " in text
    said: list[str] = []
    again = reproduce("learning", asked, say=said.append).text
    assert again.split("## How")[0] == text.split("## How")[0]
    assert not [line for line in said if line.startswith(("training", "continuing"))]
