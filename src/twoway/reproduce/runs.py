"""Trainings that tables and figures need: found again by what they are, continued, or made.

A run is the one that is wanted if recipe, pictures, seed and budget are equal, whatever its folder is called and
whoever started it. So all tables of one paper share their trainings, and a run of `twoway train` counts too.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from twoway.data import ImageData
from twoway.errors import TrainingError, UserError
from twoway.model import TwoWayModel, build_model
from twoway.training.checkpoint import Checkpoint, latest_checkpoint
from twoway.training.config import DataConfig, RunConfig
from twoway.training.entry import resume_run, start_run

__all__ = ["Found", "Interrupted", "checkpoint_of", "find_like", "model_from", "same_training", "trained_run"]


class Interrupted(TrainingError):
    """A training that a signal stopped: call again to continue."""


@dataclass(frozen=True)
class Found:
    """A run that is the training that was asked for.

    Args:
        run: Its folder.
        iteration: Of its newest checkpoint; 0 where there is none yet.
        finished: Whether it has come to the end of its budget and written its model.
    """

    run: Path
    iteration: int
    finished: bool


def trained_run(
    config: RunConfig,
    pictures: Callable[[], ImageData],
    runs: Path,
    name: str,
    *,
    generator: TwoWayModel | None = None,
    final_metrics: tuple[str, ...] = ("mse",),
    say: Callable[[str], None],
) -> Path:
    """The run folder of a training, trained to its budget.

    Args:
        config: What to train.
        pictures: Opens its training pictures.
        runs: Folder of run folders, where a run that is this training is looked for; see `find_like`.
        name: What it is called in what is said, and the end of a new run folder's name.
        generator: Model whose generator the training starts from.
        final_metrics: Measures of the finished model; none leaves pictures and accuracies out of its report too.
        say: Told how it goes.

    Raises:
        Interrupted: By a signal; call again to continue.
        TrainingError: Another process is training it just now.
        UserError: Data, settings or the disk do not allow it.
    """
    found = find_like(config, runs, pictures=pictures, generator=generator)
    if found is not None and found.finished:
        return found.run
    if found is not None:
        if _open_elsewhere(found.run / "log.txt"):
            raise TrainingError(
                f"{name} is this training: {found.run}, which another process is at work on. Wait until it has "
                "finished and call again, or stop it (Ctrl-C there), or give another --runs to train one more."
            )
        say(f"continuing {name}")
        finished = resume_run(found.run, kimg=config.training.kimg, final_metrics=final_metrics)
    else:
        say(f"training {name}: {config.training.kimg:g} kimg")
        finished = start_run(
            config, pictures(), outdir=runs, description=name, generator=generator, final_metrics=final_metrics
        )
    if not finished.outcome.finished:
        raise Interrupted(f"Interrupted while training {name}; nothing is lost. Call again to continue.")
    return finished.run


def find_like(
    config: RunConfig,
    runs: Path,
    *,
    pictures: Callable[[], ImageData] | None = None,
    generator: TwoWayModel | None = None,
) -> Found | None:
    """The run among those of a folder that is a training: finished, or else the furthest.

    Runs that started from other weights (``--init-from``) are none, nor are runs whose pictures have changed since,
    and of those that started from a generator only the ones whose generator has the same weights count. Folders that
    cannot be read are passed over.

    Args:
        config: The training.
        runs: Folder of run folders.
        pictures: Opens the training pictures as they are now; None leaves that comparison out.
        generator: Model whose generator the training starts from.
    """
    best: Found | None = None
    for run in sorted(runs.glob("*")) if runs.is_dir() else []:
        known = _config_of(run, config.recipe.method)
        if known is None or not same_training(known, config) or _started_elsewhere(run):
            continue
        checkpoint, _ = latest_checkpoint(run / "checkpoints")
        if checkpoint is None and generator is not None:  # a run that has kept nothing has not kept the generator
            continue
        if checkpoint is not None and generator is not None and not _same_generator(checkpoint, generator):
            continue
        if checkpoint is not None and pictures is not None and checkpoint.state["data"] != pictures().fingerprint():
            continue
        iteration = 0 if checkpoint is None else int(checkpoint.state["iteration"])
        found = Found(run, iteration, iteration >= config.iterations and (run / "model").is_dir())
        if best is None or (found.finished, found.iteration) >= (best.finished, best.iteration):
            best = found
    return best


def same_training(one: RunConfig, other: RunConfig) -> bool:
    """Whether two settings are one training: recipe, pictures, seed, number of iterations and how they are shared out.

    Device, threads, and how often is measured, drawn and saved make no difference, nor does the name of the preset.
    """
    return (
        one.training.seed == other.training.seed
        and one.recipe == other.recipe
        and _same_pictures(one.data, other.data, told=one.recipe.labels > 0)
        and one.iterations == other.iterations
        and one.timeline.segments == other.timeline.segments
    )


def _same_pictures(one: DataConfig, other: DataConfig, *, told: bool) -> bool:
    """Their shape is part of the recipe, so that one that was found out and one that was asked for are the same."""
    return one.source == other.source and one.fit == other.fit and (not told or one.label == other.label)


def _config_of(run: Path, method: str) -> RunConfig | None:
    """Settings of a run of a method; None for others and for folders that hold no run."""
    path = run / "config.yaml"
    try:
        if f"\n  method: {method}\n" not in path.read_text(encoding="utf-8"):  # most are others: not worth parsing
            return None
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError, UserError):
        return None


@functools.lru_cache(maxsize=512)
def _read(path: Path, changed: int) -> RunConfig:
    return RunConfig.read(path)


def _started_elsewhere(run: Path) -> bool:
    """Whether its nets started from the weights of another model, which its settings do not say."""
    path = run / "command.txt"
    return path.is_file() and "--init-from" in path.read_text(encoding="utf-8", errors="replace")


def _same_generator(checkpoint: Checkpoint, generator: TwoWayModel) -> bool:
    """Whether the averages of a run hold the weights of a generator; later phases leave them as they are."""
    theirs = checkpoint.tensors["ema"]
    ours = {name: value for name, value in generator.state_dict().items() if name.startswith("nets.generator.")}
    return all(name in theirs and torch.equal(theirs[name].cpu(), value.cpu()) for name, value in ours.items())


def checkpoint_of(run: Path) -> Checkpoint:
    """The newest checkpoint of a finished run."""
    checkpoint, _ = latest_checkpoint(run / "checkpoints")
    assert checkpoint is not None, "a finished run has a checkpoint"
    return checkpoint


def model_from(checkpoint: Checkpoint, config: RunConfig, weights: str) -> TwoWayModel:
    """The model of a checkpoint, on the CPU.

    Args:
        checkpoint: Read back.
        config: Settings of its run.
        weights: ``ema`` for the averages, ``live`` for the weights that training ended with.
    """
    model = build_model(config.recipe).eval()
    model.load_state_dict(dict(checkpoint.tensors[weights]))
    return model


def _open_elsewhere(path: Path) -> bool:
    """Whether another process of this machine has a file open; where the system does not say, none has."""
    for link in _links(Path("/proc")):
        try:
            if link.samefile(path):
                return True
        except OSError:
            continue
    return False


def _links(processes: Path) -> Iterator[Path]:
    if not processes.is_dir():
        return
    for process in processes.iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                yield from (process / "fd").iterdir()
            except OSError:  # of another user, or gone
                continue
