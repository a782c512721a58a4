"""Table 2 of ALAE, tiny: written, kept, continued."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from twoway.errors import ConfigError, TrainingError
from twoway.reproduce import alae_table2, runs
from twoway.reproduce.alae_table2 import PUBLISHED, Table2
from twoway.reproduce.budget import Budget
from twoway.reproduce.command import Asked, reproduce
from twoway.training.loop import Outcome, Trainer

ASKED = Asked("smoke", data="digits", rows=("ae-l2", "alae"), settings=Table2(epochs=0.2, max_images=60))


def made(out, *, say=lambda line: None, **changes):
    """The page of the table, without how it was made."""
    asked = replace(ASKED, out=out, runs=out / "runs", **changes)
    return reproduce("alae-table2", asked, say=say).text.split("## How")[0]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A finished table: its folder, its text, and what was said."""
    out = tmp_path_factory.mktemp("table2")
    said: list[str] = []
    text = made(out, say=said.append)
    return out, text, said


def test_written_as_markdown_and_json(table):
    out, text, said = table
    assert (out / "table.md").read_text().startswith(text)
    stored = json.loads((out / "table.json").read_text())
    assert stored["finished"]
    accuracies = stored["facts"]["accuracies"]
    labels = {row["features"] for row in accuracies}
    assert labels == {
        "raw pixels", "untrained encoder", "ae-l2 (live)", "ae-l2 (EMA)", "alae (live)", "alae (EMA)"
    }  # fmt: skip
    for label in labels:
        assert f"| {label} |" in text
    found = next(r for r in accuracies if r["features"] == "alae (EMA)" and r["width"] == "short")
    assert f"| alae (EMA) | {found['1nn']:.2f} / " in text
    assert f"{found['1nn_standardised']:.2f} / " in text
    assert len([line for line in said if line.startswith("training")]) == 2


def test_rows_fit_a_terminal(table):
    assert all(len(line) <= 80 for line in table[1].splitlines() if line.startswith("|"))


def test_published_figures_stand_beside_mnist_only(table):
    assert "published*" not in table[1]
    assert "italics" not in table[1]
    assert PUBLISHED["alae"][3] == (94.23, 98.64)  # ALAE's headline: SVM on MNIST's test set


def test_a_second_call_trains_and_measures_nothing_again(table, monkeypatch):
    out, text, _ = table

    def never(*arguments, **options):
        raise AssertionError("called again")

    for module, name in ((runs, "start_run"), (runs, "resume_run"), (alae_table2, "accuracy_rows")):
        monkeypatch.setattr(module, name, never)
    assert made(out) == text


def test_another_budget_is_another_training(table, monkeypatch):
    out = table[0]
    asked = []

    def started(config, pictures, **options):
        asked.append(config.training.kimg)
        raise TrainingError("enough seen")

    monkeypatch.setattr(runs, "start_run", started)
    with pytest.raises(TrainingError, match="enough seen"):
        made(out, settings=Table2(epochs=0.1, max_images=60))
    assert asked == [pytest.approx(0.15)]


def test_an_interrupted_table_continues_to_the_same_numbers(table, tmp_path, monkeypatch):
    whole = Trainer.train

    def interrupted(self, progress, *, stop_after=None):
        outcome = whole(self, progress, stop_after=1)
        return Outcome(outcome.finished, outcome.iteration, signal=2)

    monkeypatch.setattr(Trainer, "train", interrupted)
    with pytest.raises(TrainingError, match="Interrupted while training ae-l2-seed0"):
        made(tmp_path, rows=("ae-l2",))
    monkeypatch.setattr(Trainer, "train", whole)
    said: list[str] = []
    text = made(tmp_path, rows=("ae-l2",), say=said.append)
    assert "continuing ae-l2-seed0" in said
    assert len(list((tmp_path / "runs").iterdir())) == 1
    rows = [line for line in table[1].splitlines() if line.startswith("| ae-l2")]
    assert rows
    assert rows == [line for line in text.splitlines() if line.startswith("| ae-l2")]


def test_a_row_setting_or_budget_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no row 'alea'; did you mean 'alae'"):
        made(tmp_path, rows=("alea",))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="'XW'"):
        Table2(settings=("XW",))
    with pytest.raises(ConfigError, match="positive"):
        Table2(epochs=0)


def test_published_figures_stand_under_the_live_encoder():
    """They are of the live encoder, on its codes as they are."""
    train = SimpleNamespace(name="mnist")
    study = SimpleNamespace(
        pictures=lambda: (train, train),
        chosen=lambda kind: Table2(),
        budget=Budget(epochs=10),
        trials=1,
        seed=0,
    )
    accuracies = {"1nn": 90.0, "1nn_standardised": 91.0, "svm": 92.0, "svm_standardised": 93.0}
    results = [{"features": f"alae ({which})", "setting": "DW", "width": width, **accuracies}
               for which in ("live", "EMA") for width in ("short", "long")]  # fmt: skip
    (found,) = alae_table2._result(study, results).tables
    quoted = {
        (number, row.name): row.published["1nn DW"].parts for number, row in enumerate(found.rows) if row.published
    }
    assert quoted == {(0, "alae (live)"): dict(zip(("short", "long"), PUBLISHED["alae"][2], strict=True))}
