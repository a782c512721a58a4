"""Runs that a table needs: trained once, continued where they were interrupted, found again by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from twoway.data import ImageData
from twoway.errors import ConfigError, TrainingError
from twoway.model import TwoWayModel
from twoway.training.checkpoint import latest_checkpoint
from twoway.training.config import RunConfig
from twoway.training.entry import resume_run, start_run

__all__ = ["Interrupted", "trained_run"]


class Interrupted(TrainingError):
    """A training that a signal stopped: call again to continue."""


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
        runs: Folder of run folders.
        name: End of the run folder's name, by which an earlier call's run is found.
        generator: Model whose generator the training starts from.
        final_metrics: Measures of the finished model; none leaves pictures and accuracies out of its report too.
        say: Told how it goes.

    Raises:
        Interrupted: By a signal; call again to continue.
        ConfigError: There is a run of that name with another recipe or other data.
        UserError: Data, settings or the disk do not allow it.
    """
    # a run of another budget is another training, not a longer or shorter part of this one
    there = sorted(runs.glob(f"[0-9]*-{name}"))
    # one name may be the end of another, as alae is of style-alae
    found = [r for r in there if re.fullmatch(r"\d+", r.name[: -len(name) - 1]) and (r / "config.yaml").is_file()]
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
        finished = resume_run(found[-1], kimg=config.training.kimg, final_metrics=final_metrics)
    else:
        say(f"training {name}: {config.training.kimg:g} kimg")
        finished = start_run(
            config, pictures(), outdir=runs, description=name, generator=generator, final_metrics=final_metrics
        )
    if not finished.outcome.finished:
        raise Interrupted(f"Interrupted while training {name}; nothing is lost. Call again to continue.")
    return finished.run
