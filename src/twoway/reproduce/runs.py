"""Runs that a table needs: trained once, continued where they were interrupted, found again by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twoway.data import ImageData
from twoway.errors import ConfigError, TrainingError
from twoway.model import TwoWayModel
from twoway.training.checkpoint import latest_checkpoint
from twoway.training.config import RunConfig
from twoway.training.entry import resume_run, start_run

__all__ = ["trained_run"]


def trained_run(
    config: RunConfig,
    pictures: Callable[[], ImageData],
    runs: Path,
    name: str,
    *,
    generator: TwoWayModel | None = None,
    say: Callable[[str], None],
) -> Path:
    """The run folder of a training, trained to its budget.

    Args:
        config: What to train.
        pictures: Opens its training pictures.
        runs: Folder of run folders.
        name: End of the run folder's name, by which an earlier call's run is found.
        generator: Model whose generator the training starts from.
        say: Told how it goes.

    Raises:
        TrainingError: Interrupted by a signal; call again to continue.
        ConfigError: There is a run of that name with another recipe or other data.
        UserError: Data, settings or the disk do not allow it.
    """
    # a run of another budget is another training, not a longer or shorter part of this one
    found = [r for r in sorted(runs.glob(f"[0-9]*-{name}")) if (r / "config.yaml").is_file()]
    found = [r for r in found if RunConfig.read(r / "config.yaml").iterations == config.iterations]
    if found:
        known = RunConfig.read(found[-1] / "config.yaml")
        if known.recipe != config.recipe or known.data != config.data:
            raise ConfigError(
                f"{found[-1]} was trained with another recipe or on other data than asked for now. Give another --out."
            )
        checkpoint, _ = latest_checkpoint(found[-1] / "checkpoints")
        if checkpoint is not None and checkpoint.state["iteration"] >= config.iterations:
            return found[-1]
        say(f"continuing {name}")
        finished = resume_run(found[-1], kimg=config.training.kimg, final_metrics=("mse",))
    else:
        say(f"training {name}: {config.training.kimg:g} kimg")
        finished = start_run(
            config, pictures(), outdir=runs, description=name, generator=generator, final_metrics=("mse",)
        )
    if not finished.outcome.finished:
        raise TrainingError(f"Interrupted while training {name}; nothing is lost. Call again to continue.")
    return finished.run
