"""Starting and continuing runs: what the command line and Python callers use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import torch
import torch.distributed as dist

from twoway.data import ImageData
from twoway.errors import CheckpointError, ConfigError, ModelError
from twoway.latents.tuning_files import apply_delta
from twoway.metrics import accuracy_rows
from twoway.metrics.representation import untrained_model
from twoway.model import TwoWayModel
from twoway.report import write_report
from twoway.storage import load_model, save_model
from twoway.training.allocator import keep_freed_memory
from twoway.training.config import DataConfig, RunConfig, make_config, pick_device
from twoway.training.distributed import World, joined_world
from twoway.training.loop import Outcome, Trainer
from twoway.training.progress import Progress
from twoway.training.runs import create_run, model_folder, run_or_path, split_delta, write_text

__all__ = [
    "FinishedRun",
    "data_for_model",
    "data_of_run",
    "describe_plan",
    "model_of_run",
    "resume_run",
    "start_run",
    "train",
]

FINAL_METRICS = ("mse", "psnr", "code-consistency")
TABLE_LIMIT = 2_000  # a quick look that stays under 1 GiB; `twoway reproduce` classifies all pictures


@dataclass(frozen=True)
class FinishedRun:
    """What a call of `start_run` or `resume_run` left behind.

    Args:
        run: The run folder.
        outcome: How training ended.
        report: Path of the report page; None in the other processes of a training.
    """

    run: Path
    outcome: Outcome
    report: Path | None


def start_run(
    config: RunConfig,
    data: ImageData,
    *,
    outdir: Path = Path("runs"),
    description: str | None = None,
    init_from: str | None = None,
    generator: TwoWayModel | None = None,
    final_metrics: tuple[str, ...] = FINAL_METRICS,
) -> FinishedRun:
    """Train a recipe from the start in a new run folder.

    Args:
        config: Resolved settings, see `twoway.training.config.make_config`.
        data: Opened training pictures.
        outdir: Holds the run folders.
        description: End of the run folder's name; preset and data set by default.
        init_from: Model folder, hub id or run whose weights the nets start from.
        generator: Model whose generator a recipe made by `Recipe.for_generator` starts from.
        final_metrics: Metrics of the finished model.

    Raises:
        UserError: Settings, pictures or the disk do not allow it.
    """
    device = pick_device(config.training.device)
    start = None if init_from is None else model_of_run(init_from)
    with joined_world(device.type) as world:
        # the trainer is made first in a throw-away place: what cannot work should leave no folder behind
        Trainer(Path(), config, data, world=world, init_from=start, generator=generator)
        data.read(range(min(config.recipe.batch, len(data))))  # too many broken pictures are said here too
        run = create_run(outdir, config, description or f"{config.preset}-{data.name}") if world.is_main else Path()
        run = _told_by_main(run, world)
        trainer = Trainer(run, config, data, world=world, init_from=start, generator=generator)
        return _train(trainer, final_metrics)


def train(
    preset: str,
    data: str | Path | DataConfig | None = None,
    *,
    size: int | None = None,
    kimg: float | None = None,
    options: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    outdir: str | Path = "runs",
) -> FinishedRun:
    """Train a preset or method on pictures, as `twoway train` does: settings first, then `start_run`.

    Args:
        preset: A preset or method, one of your own included.
        data: Name of a built-in set or a path, or where from and how it is brought to one size; None takes the
            preset's.
        size: Side of the pictures in pixels; None takes the preset's or finds one.
        kimg: Budget in thousands of images; None takes the preset's.
        options: Options of the method.
        changes: Dotted keys of the resolved settings, such as ``{"optim.lr": 0.001}``.
        seed: Of weights, order and all other chance.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        outdir: Holds the run folders.

    Returns:
        Where the run is and how it ended; ``twoway.load(finished.run / "model")`` is the model.

    Raises:
        ConfigError: A size beside data that say their own, or settings that do not fit each other.
        UserError: Settings, pictures or the disk do not allow it.
    """
    if size is not None and (data is None or isinstance(data, DataConfig)):
        raise ConfigError("size says how to read data, which must be a name or a path then.")
    source = data if data is None or isinstance(data, DataConfig) else DataConfig.make(str(data), size=size)
    config, pictures = make_config(
        preset, data=source, options=options, overrides=changes, kimg=kimg, seed=seed, device=device
    )
    return start_run(config, pictures, outdir=Path(outdir))


def resume_run(
    run: Path, *, kimg: float | None = None, device: str | None = None, final_metrics: tuple[str, ...] = FINAL_METRICS
) -> FinishedRun:
    """Continue a run exactly where its newest checkpoint stands.

    Args:
        run: Run folder.
        kimg: A new budget; None keeps the old one.
        device: Another device; None keeps the old one.
        final_metrics: Metrics of the finished model.

    Raises:
        CheckpointError: The run cannot be continued.
        UserError: Settings, pictures or the disk do not allow it.
    """
    config = RunConfig.read(run / "config.yaml")
    changes = {"training.kimg": kimg, "training.device": device}
    config = config.changed({k: v for k, v in changes.items() if v is not None})
    with joined_world(pick_device(config.training.device).type) as world:
        trainer = Trainer(run, config, config.data.open(), world=world, resume=True)
        if trainer.iteration > config.iterations:
            raise CheckpointError(
                f"{run} is already at {trainer.kimg:g} kimg, more than the {config.training.kimg:g} kimg asked for. "
                "Give a larger --kimg to go on, or start a new run."
            )
        if world.is_main:
            write_text(run / "config.yaml", config.to_text())
        return _train(trainer, final_metrics)


def _train(trainer: Trainer, final_metrics: tuple[str, ...]) -> FinishedRun:
    run, main = trainer.run, trainer.world.is_main
    keep_freed_memory()
    if trainer.config.training.threads:
        torch.set_num_threads(trainer.config.training.threads)
    with (
        _log_of(run if main else None) as log,
        Progress(trainer.config.training.kimg, log=log, silent=not main) as progress,
    ):
        if trainer.iteration and main:
            if trainer.iteration >= trainer.config.iterations:
                progress.note(f"{run} has its {trainer.config.training.kimg:g} kimg already; a larger --kimg goes on")
            else:
                progress.note(f"continuing {run} from iteration {trainer.iteration} ({trainer.kimg:.1f} kimg)")
        elif main:
            progress.note(f"training in {run}")
        outcome = trainer.train(progress)
        if main:
            progress.note("measuring and writing the report" if outcome.finished else "stopping: writing the model")
            report = _finish(trainer, final_metrics if outcome.finished else (), progress.note)
    return FinishedRun(run, outcome, report if main else None)


def _finish(trainer: Trainer, names: tuple[str, ...], say: Callable[[str], None]) -> Path:
    model, run, snapshots = trainer.ema.model, trainer.run, trainer.snapshots
    facts = {"preset": trainer.config.preset, "data": trainer.data.describe(), "kimg": trainer.kimg, "weights": "EMA"}
    metrics: dict[str, Any] = {}
    if names:
        snapshots.draw(model, trainer.kimg)
        snapshots.mix(model)
        snapshots.traverse(model)
        encodes = snapshots.encodes(model, trainer.kimg)
        if encodes:
            snapshots.walk(model)
        metrics = dict(snapshots.results(model, names, trainer.kimg))
        for note in snapshots.new_notes():
            say(note)
        if encodes and trainer.data.labels is not None and not model.recipe.labels:
            metrics["representation"] = {"rows": _accuracies(trainer), "max_images": TABLE_LIMIT}
        write_text(run / "metrics.json", json.dumps(metrics, indent=2))
    save_model(model, run / "model", card={**facts, "metrics": metrics})
    return write_report(run)


def _accuracies(trainer: Trainer) -> list[dict[str, Any]]:
    """ALAE's Table 2 protocol on the averaged encoder, beside raw pixels and an untrained encoder."""
    encoders = {
        "raw pixels": None,
        "untrained encoder": untrained_model(trainer.recipe),
        "trained encoder (EMA)": trainer.ema.model,
    }
    return accuracy_rows(encoders, trainer.data, trainer.snapshots.test, max_images=TABLE_LIMIT)


def model_of_run(name: str, *, device: str = "cpu") -> TwoWayModel:
    """Load the model of a run folder, a model folder or a hub id, tuned where the name is ``MODEL+FILE``.

    Raises:
        ModelError: There is none, or it cannot be loaded, or the file's weights are not for it.
        DeviceError: The device is not there.
    """
    base, delta = split_delta(name)
    model = load_model(model_folder(base), device=str(pick_device(device)))
    return model if delta is None else apply_delta(model, delta).eval()


def data_of_run(name: str) -> DataConfig:
    """The pictures a run was trained on.

    Raises:
        ConfigError: The model is not in a run folder, so nobody knows its pictures.
    """
    path = run_or_path(split_delta(name)[0]) / "config.yaml"
    if not path.is_file():
        raise ConfigError(f"'{name}' is no run folder, so its pictures are not known; say which with --data.")
    return RunConfig.read(path).data


def data_for_model(model: TwoWayModel, data: DataConfig) -> DataConfig:
    """The same pictures, brought to the shape a model takes.

    Raises:
        ModelError: The model's pictures are not square.
    """
    channels, height, width = model.image_shape
    if height != width:
        raise ModelError(f"This model takes pictures of {height} x {width} pixels; only square ones can be prepared.")
    return replace(data, size=height, channels=1 if channels == 1 else 3)


def describe_plan(config: RunConfig, data: ImageData) -> dict[str, Any]:
    """Sizes of a run that was resolved but not started: pictures, iterations, parameters, memory of the weights."""
    trainer = Trainer(Path(), config, data)
    parameters = {slot: sum(p.numel() for p in net.parameters()) for slot, net in trainer.model.nets.items()}
    return {
        "data": data.describe(),
        "iterations": config.iterations,
        "epochs": round(config.training.kimg * 1000 / len(data), 2),
        "parameters": parameters,
        # weights, their average, gradient, and Adam's two moments, float32
        "weights_mib": round(sum(parameters.values()) * 4 * 5 / 2**20, 1),
        "device": str(trainer.device),
    }


def _told_by_main(run: Path, world: World) -> Path:
    if world.size == 1:
        return run
    told: list[str | None] = [str(run)]
    dist.broadcast_object_list(told, src=0)
    return Path(str(told[0]))


@contextmanager
def _log_of(run: Path | None) -> Iterator[TextIO | None]:
    if run is None:
        yield None
        return
    with (run / "log.txt").open("a", encoding="utf-8", errors="backslashreplace") as file:
        yield file
