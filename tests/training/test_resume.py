"""N iterations are k, a resume and N - k, bit for bit; a run that is not the same is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toys import same, toy_file, toy_recipe

from twoway.errors import CheckpointError, TrainingError
from twoway.methods import METHODS
from twoway.training.config import DataConfig, RunConfig, TrainingConfig
from twoway.training.loop import Trainer
from twoway.training.progress import Progress
from twoway.training.runs import create_run

TIMING = ("seconds", "images_per_s", "peak_memory_mib")


def config_of(method: str, folder: Path, *, iterations: int = 12, **changes) -> RunConfig:
    recipe = toy_recipe(method, **changes.pop("options", {}))
    kimg = iterations * recipe.batch / 1000
    training = TrainingConfig(
        kimg=kimg, device="cpu", tick_kimg=0.096, sample_kimg=0.128, checkpoint_kimg=0.16, eval_kimg=0.128, **changes
    )
    return RunConfig(method, recipe, DataConfig(str(toy_file(folder))), training)


def trainer_of(config: RunConfig, run: Path, **options) -> Trainer:
    return Trainer(run, config, config.data.open(), **options)


def go(trainer: Trainer, stop_after: int | None = None):
    with Progress(trainer.config.training.kimg, silent=True) as progress:
        return trainer.train(progress, stop_after=stop_after)


def newest(run: Path) -> dict[str, dict[str, torch.Tensor]]:
    folder = sorted((run / "checkpoints").iterdir())[-1]
    return {path.stem: load_file(path) for path in folder.glob("*.safetensors")}


def lines(run: Path) -> list[dict]:
    records = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return [{k: v for k, v in r.items() if k not in TIMING} for r in records]


@pytest.mark.parametrize(
    ("method", "options"),
    [*((name, {}) for name in METHODS), ("jlr", {"classes": 4})],
    ids=lambda v: str(v) if v else "",
)
@pytest.mark.parametrize("stop", [1, 7])
def test_resume_is_exact(method, options, stop, tmp_path):
    config = config_of(method, tmp_path, options=options)
    whole = create_run(tmp_path / "runs", config, "whole")
    assert go(trainer_of(config, whole)).finished
    parts = create_run(tmp_path / "runs", config, "parts")
    assert not go(trainer_of(config, parts), stop_after=stop).finished
    resumed = trainer_of(config, parts, resume=True)
    assert resumed.iteration == stop
    assert go(resumed).finished
    expected, got = newest(whole), newest(parts)
    assert expected.keys() == got.keys() == {"live", "ema", "optimisers", "streams"}
    for name in expected:
        assert same(expected[name], got[name]), name
    assert lines(whole) == lines(parts)
    assert (whole / "samples").exists()
    for picture in (whole / "samples").iterdir():
        assert picture.read_bytes() == (parts / "samples" / picture.name).read_bytes()


def test_statistics_after_the_checkpoint_are_taken_again(tmp_path):
    config = config_of("ae", tmp_path)
    whole = create_run(tmp_path / "runs", config, "whole")
    go(trainer_of(config, whole))
    crashed = create_run(tmp_path / "runs", config, "crashed")
    go(trainer_of(config, crashed), stop_after=5)
    with (crashed / "stats.jsonl").open("a") as file:
        file.write('{"iteration": 6, "kimg"')  # a line that a crash cut off
    go(trainer_of(config, crashed, resume=True))
    assert lines(whole) == lines(crashed)


def test_a_longer_budget_goes_on(tmp_path):
    config = config_of("ae", tmp_path, iterations=4)
    run = create_run(tmp_path / "runs", config, "run")
    assert go(trainer_of(config, run)).finished
    longer = config.with_kimg(8 * 32 / 1000)
    assert go(trainer_of(longer, run, resume=True)).iteration == 8


def test_a_damaged_checkpoint_is_passed_over(tmp_path):
    config = config_of("ae", tmp_path)
    run = create_run(tmp_path / "runs", config, "run")
    go(trainer_of(config, run), stop_after=7)
    newest_folder = sorted((run / "checkpoints").iterdir())[-1]
    data = bytearray((newest_folder / "live.safetensors").read_bytes())
    data[-1] ^= 1
    (newest_folder / "live.safetensors").write_bytes(data)
    trainer = trainer_of(config, run, resume=True)
    assert trainer.iteration == 5
    assert "damaged" in trainer.snapshots.notes[0]


def test_changed_nets_are_refused(tmp_path):
    config = config_of("ae", tmp_path)
    run = create_run(tmp_path / "runs", config, "run")
    go(trainer_of(config, run), stop_after=6)
    changed = config.changed({"nets.encoder.hidden": [16, 16], "nets.generator.hidden": [16, 16]})
    with pytest.raises(CheckpointError, match=r"(?s)--init-from.*hidden"):
        trainer_of(changed, run, resume=True)


def test_other_pictures_are_refused(tmp_path):
    config = config_of("ae", tmp_path)
    run = create_run(tmp_path / "runs", config, "run")
    go(trainer_of(config, run), stop_after=6)
    toy_file(tmp_path, count=200)
    with pytest.raises(CheckpointError, match="pictures"):
        trainer_of(config, run, resume=True)


def test_non_finite_losses_are_counted_and_stop_training(tmp_path):
    config = config_of("ae", tmp_path, max_nonfinite=3)
    run = create_run(tmp_path / "runs", config, "run")
    trainer = trainer_of(config, run)
    go(trainer, stop_after=5)
    trainer = trainer_of(config, run, resume=True)
    with torch.no_grad():
        next(trainer.model.nets["generator"].parameters()).fill_(float("nan"))
    before = {k: v.clone() for k, v in trainer.model.nets["encoder"].state_dict().items() if "running" not in k}
    with pytest.raises(TrainingError, match=r"3 iterations in a row.*00000005"):
        go(trainer)
    assert trainer.nonfinite == 3
    after = trainer.model.nets["encoder"].state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)  # poisoned steps were not taken


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    import errno

    from twoway.training import checkpoint

    config = config_of("ae", tmp_path)
    run = create_run(tmp_path / "runs", config, "run")
    go(trainer_of(config, run), stop_after=5)
    good = newest(run)
    calls = []

    def full(tensors, path):
        calls.append(path)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(b"half")

    monkeypatch.setattr(checkpoint, "save_file", full)
    trainer = trainer_of(config, run, resume=True)
    with pytest.raises(CheckpointError, match="disk is full"):
        go(trainer)
    monkeypatch.undo()
    assert all(same(good[name], newest(run)[name]) for name in good)
    assert not list((run / "checkpoints").glob(".writing-*"))
    assert trainer_of(config, run, resume=True).iteration == 5


def test_the_last_checkpoints_and_the_best_are_kept(tmp_path):
    config = config_of("ae", tmp_path, iterations=40, keep=2)
    config = replace(config, training=replace(config.training, eval_kimg=0.32))
    run = create_run(tmp_path / "runs", config, "run")
    trainer = trainer_of(config, run)
    go(trainer)
    numbers = {int(p.name) for p in (run / "checkpoints").iterdir()}
    assert numbers >= {35, 40, trainer.best[0]}
    assert len(numbers) <= 3
