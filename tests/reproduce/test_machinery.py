"""What every table and figure stands on: cells, kept values, runs found by what they are, pages, commands."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from toys import toy_images

from twoway.errors import CheckpointError, ConfigError, TrainingError
from twoway.reproduce import BUDGETS, Budget, Column, Joined, Result, Role, Row, Table, Trials, artefact, setting
from twoway.reproduce import runs as room
from twoway.reproduce.command import Asked, command_line, reproduce
from twoway.reproduce.keeping import keep_tensors, keep_values
from twoway.reproduce.registry import ARTEFACTS, find_artefact, load_artefacts, settings_of
from twoway.reproduce.runs import find_like, same_training, trained_run
from twoway.training.config import DataConfig, make_config
from twoway.training.entry import model_of_run, resume_run, start_run

TINY = {"hidden": 8, "latent": 4}


def never(*arguments, **options):
    raise AssertionError("called again")


def test_a_table_shows_means_spreads_pairs_and_published_rows():
    columns = [Column("fid", "FID", better="lower"), Column("both", digits=1)]
    rows = [
        Row("ours", {"fid": Trials([1, 2, 6]), "both": Joined({"short": 0.25, "long": None})}, {"fid": 2.5}),
        Row("quoted", published={"fid": 7.0}),
        Row("odd", {"fid": math.nan, "both": "a | b"}),
    ]
    assert Table(columns, rows).markdown().splitlines() == [
        "| row | FID ↓ | both |",
        "| --- | --- | --- |",
        "| ours | 3.00 ± 2.50 | 0.2 / - |",
        "| *ours, published* | *2.50* | - |",
        "| *quoted, published* | *7.00* | - |",
        "| odd | nan | a \\| b |",
    ]
    first = Table(columns, rows).plain()["rows"][0]
    assert first["measured"]["fid"] == {"mean": 3.0, "spread": 2.5, "trials": [1.0, 2.0, 6.0]}
    assert first["published"] == {"fid": 2.5}


def test_values_are_kept_by_their_protocol(tmp_path):
    path = tmp_path / "a, b/c.json"
    assert keep_values(path, {"n": 1}, lambda: {"x": (1, 2.5)}) == {"x": [1, 2.5]}
    assert keep_values(path, {"n": 1}, never) == {"x": [1, 2.5]}
    assert keep_values(path, {"n": 2}, lambda: 3) == 3
    path.write_text("{")
    assert keep_values(path, {"n": 2}, lambda: 4) == 4
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="--out"):
        keep_values(tmp_path / "file" / "x.json", {}, lambda: 1)


def test_tensors_are_kept_by_their_protocol(tmp_path):
    path = tmp_path / "codes.safetensors"
    kept = keep_tensors(path, {"n": 1}, lambda: {"w": torch.arange(6).view(2, 3).T})
    again = keep_tensors(path, {"n": 1}, never)
    assert torch.equal(kept["w"], torch.tensor([[0, 3], [1, 4], [2, 5]]))
    assert torch.equal(again["w"], kept["w"])
    assert keep_tensors(path, {"n": 2}, lambda: {"w": torch.ones(1)})["w"].item() == 1


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with toy pictures."""
    path = tmp_path_factory.mktemp("machinery")
    np.savez(path / "bars.npz", images=toy_images(64))
    return path


def config_of(place, *, seed=0, kimg=0.2, size=8, options=None):
    data = DataConfig.make(str(place / "bars.npz"), size=size)
    given = {**TINY, **(options or {})}
    config, _ = make_config("ae", data=data, options=given, kimg=kimg, seed=seed, device="cpu", batch=32)
    return config


@pytest.fixture(scope="module")
def run(place):
    """A run as `twoway train` makes one, under a name of its own, its size found out."""
    config = config_of(place, size=None).changed({"training.tick_kimg": 0.05, "training.keep": 1})
    made = start_run(config, config.data.open(), outdir=place / "runs", description="whatever", final_metrics=())
    return made.run


def found(place, **changes):
    config = config_of(place, **changes)
    return find_like(config, place / "runs", pictures=config.data.open)


def test_a_run_is_found_by_what_it_is(place, run, monkeypatch):
    (place / "runs" / "00000-spoilt").mkdir(exist_ok=True)
    (place / "runs" / "00000-spoilt" / "config.yaml").write_text("preset: x\nrecipe:\n  method: ae\n  colour: red\n")
    assert found(place).run == run
    assert found(place).finished
    monkeypatch.setattr(room, "start_run", never)
    monkeypatch.setattr(room, "resume_run", never)
    config = config_of(place)
    assert trained_run(config, config.data.open, place / "runs", "other", say=never) == run


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"kimg": 0.3}, {"options": {"latent": 5}}, {"options": {"norm": "l1"}}]
)
def test_another_training_is_not_found(place, run, changes):
    assert found(place, **changes) is None


def test_pictures_that_have_changed_are_others(place, run, tmp_path):
    config = config_of(place)
    other = tmp_path / "bars.npz"
    np.savez(other, images=255 - toy_images(64))
    assert find_like(config, place / "runs", pictures=DataConfig.make(str(other), size=8).open) is None


def test_a_run_that_started_from_other_weights_is_another(place, run, tmp_path):
    config = config_of(place)
    start_run(config, config.data.open(), outdir=tmp_path, init_from=str(run), final_metrics=())
    (made,) = tmp_path.iterdir()
    command = made / "command.txt"
    assert find_like(config, tmp_path) is not None  # called from here, not by the command line
    command.write_text(f"twoway train ae --init-from {run}\n")
    assert find_like(config, tmp_path) is None


def test_a_longer_budget_afterwards_is_another_plan(place, run):
    longer = config_of(place, kimg=0.4)
    lengthened = config_of(place).with_kimg(0.4)  # its phases were shared out for 0.2
    assert longer.iterations == lengthened.iterations
    two = replace(longer.recipe, phases=(longer.recipe.phases[0], replace(longer.recipe.phases[0], name="more")))
    assert same_training(replace(longer, recipe=two), replace(longer, recipe=two))
    assert not same_training(replace(longer, recipe=two), replace(lengthened, recipe=two))


def test_a_run_that_is_at_work_elsewhere_is_left_alone(place, run, tmp_path):
    config = config_of(place, kimg=0.4)
    stopped = tmp_path / "00000-it"
    stopped.mkdir()
    (stopped / "config.yaml").write_text(config.to_text())
    (stopped / "log.txt").write_text("")
    holder = "import sys; f = open(sys.argv[1], 'a'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(stopped / "log.txt")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"open\n"
        if not room._open_elsewhere(stopped / "log.txt"):
            pytest.skip("this system does not say which files are open")
        with pytest.raises(TrainingError, match="another process is at work"):
            trained_run(config, config.data.open, tmp_path, "it", say=lambda line: None)
        other.stdin.close()
    said: list[str] = []
    assert trained_run(config, config.data.open, tmp_path, "it", final_metrics=(), say=said.append) == stopped
    assert said == ["continuing it"]


def test_runs_for_another_generator_are_others(place):
    data = DataConfig.make(str(place / "bars.npz"), size=8)
    options = {"flavour": "modern", "latent": 8, "start": 4, "maximum": 8}
    models = []
    for seed in (0, 1):
        config, pictures = make_config(
            "stylegan", data=data, options=options, kimg=0.1, seed=seed, device="cpu", batch=32
        )
        made = start_run(config, pictures, outdir=place / f"gan{seed}", final_metrics=())
        models.append(model_of_run(str(made.run)))
    config, _ = make_config("vaegan-z", data=data, options=options, kimg=0.1, device="cpu", generator=models[0].recipe)
    out = place / "second"
    run = trained_run(config, data.open, out, "it", generator=models[0], final_metrics=(), say=lambda line: None)
    assert find_like(config, out, generator=models[0]).run == run
    assert find_like(config, out, generator=models[1]) is None


@dataclass(frozen=True)
class Own:
    """Settings of the toy artefact."""

    strength: float = setting(0.5, "How strong.")
    kinds: tuple[str, ...] = setting(("a",), "Which kinds.", flag="--kind")
    most: int | None = setting(None, "How many.")


@pytest.fixture
def toy(place):
    """An artefact of one training, measured and drawn."""

    @artefact(
        "toy-table1",
        paper="Toys, table 1",
        summary="The error of pixels of a tiny autoencoder.",
        budgets=dict.fromkeys(
            BUDGETS,
            Budget(
                str(place / "bars.npz"), 8, {"small": Role("ae", TINY, batch=32)}, kimg=0.2, images=16, takes="a moment"
            ),
        ),
        rows=("small", "none"),
        settings=Own,
    )
    def build(study):
        from matplotlib.figure import Figure

        study.pictures()
        rows = []
        if "small" in study.rows:
            made = study.trained("small")
            rows.append(
                Row("small", {"size": study.keep("size", lambda: sum(made.model.w_shape), of=made)}, {"size": 1.0})
            )
        study.so_far(Result([Table([Column("size")], rows)]))
        assert not json.loads((study.out / "table.json").read_text())["finished"]
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1])
        study.save_figure("line", figure)
        return Result([Table([Column("size")], rows)], notes=["Toys are small."], facts={"own": study.chosen(Own)})

    yield build
    del ARTEFACTS["toy-table1"]


def test_an_artefact_is_trained_measured_drawn_and_written(toy, place, run, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "start_run", never)  # the run of `twoway train` is the training
    asked = Asked("smoke", out=tmp_path, runs=place / "runs", settings=Own(strength=2.0), device="cpu")
    made = reproduce("toy-table1", asked, say=lambda line: None)
    assert (tmp_path / "table.md").read_text() == made.text
    for part in (
        "| small | 5.00 |\n| *small, published* | *1.00* |",
        "Figures in italics are published (Toys, table 1), not measured here.",
        "* Toys are small.\n* bars has no held-out pictures: measured on those that were trained on.",
        "![line](line.png)",
        "* budget: smoke (a moment); seeds: 0",
    ):
        assert part in made.text, part
    stored = json.loads((tmp_path / "table.json").read_text())
    assert stored["finished"]
    assert stored["runs"] == [run.name]
    assert stored["settings"]["images"] == 16
    assert stored["facts"]["own"]["strength"] == 2.0
    assert set(stored["record"]) >= {"date", "package", "machine", "torch_version", "command", "seeds"}
    assert shlex.split(stored["record"]["command"])[-2:] == ["--strength", "2"]
    assert {p.name for p in tmp_path.iterdir()} == {"table.md", "table.json", "line.png", "line.svg", "measured"}
    again = (tmp_path / "line.svg").read_bytes()
    reproduce("toy-table1", asked, say=lambda line: None)
    assert (tmp_path / "line.svg").read_bytes() == again


def test_the_command_says_what_was_asked_for(toy, tmp_path):
    asked = Asked("paper", data="my pictures", size=8, trials=3, rows=("small",), kimg=2.5, out=tmp_path)
    words = shlex.split(command_line("toy-table1", replace(asked, settings=Own(kinds=("a", "b"), most=3))))
    assert words == [
        "twoway", "reproduce", "toy-table1", "--budget", "paper", "--data", "my pictures", "--size", "8", "--seed", "0",
        "--trials", "3", "--rows", "small", "--kimg", "2.5", "--out", str(tmp_path), "--kind", "a,b", "--most", "3",
    ]  # fmt: skip


def test_settings_become_options(toy):
    assert [(one.flag, one.kind, one.default) for one in settings_of(Own)] == [
        ("--strength", float, 0.5),
        ("--kind", tuple, ("a",)),
        ("--most", int, None),
    ]


def test_what_cannot_work_is_refused_before_anything_is_written(toy, tmp_path):
    for asked, match in (
        (Asked("cpi"), "did you mean 'cpu'"),
        (Asked(rows=("smal",)), "did you mean 'small'"),
        (Asked(trials=0), "--trials is 0"),
        (Asked(kimg=-1.0), "--kimg is -1"),
    ):
        with pytest.raises(ConfigError, match=match):
            reproduce("toy-table1", replace(asked, out=tmp_path / "x"), say=never)
    with pytest.raises(ConfigError, match="did you mean 'toy-table1'"):
        find_artefact("toy-tabel1")
    with pytest.raises(ConfigError, match="no use for --kimg"):
        reproduce("alae-table1", Asked(kimg=1.0, out=tmp_path / "x"))
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="--out"):
        reproduce("toy-table1", Asked(out=tmp_path / "file" / "x"), say=never)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_every_artefact_has_all_budgets_and_says_how_long_they_take():
    for one in load_artefacts().values():
        assert set(one.budgets) == set(BUDGETS)
        assert all(budget.takes for budget in one.budgets.values()), one.name
        assert one.budgets["smoke"].data is not None or "data" in one.without, one.name


def test_a_resumed_run_is_still_the_same(run):
    assert resume_run(run, final_metrics=()).run == run
