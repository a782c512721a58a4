"""What a comparison knows of each method: its settings, its trainings, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Entry", "Trial"]


@dataclass(frozen=True)
class Trial:
    """A finished training and its figures.

    Args:
        seed: Of the training.
        run: Name of its run folder.
        images: Images it saw.
        seconds: Seconds of training, without measuring and drawing.
        numbers: Results by metric, each with its ``value``.
        missing: Why a metric has none.
    """

    seed: int
    run: str
    images: int
    seconds: float
    numbers: Mapping[str, Mapping[str, Any]]
    missing: Mapping[str, str]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "seed": self.seed,
            "run": self.run,
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "metrics": dict(self.numbers),
            "not_measured": dict(self.missing),
        }


@dataclass
class Entry:
    """A method of a comparison; grows while the comparison runs.

    Args:
        name: Method or preset.
        options: Options that were given to it.
        skipped: Why it cannot be trained on the pictures; empty where it can.
        cells: Its taxonomy.
        parameters: Numbers of parameters by net.
        code: Layers and width of its latent codes.
        sampled: Whether it has a prior to draw samples from.
        batch: Images per iteration.
        kimg: Budget of each training; None until it is settled.
        trials: Finished trainings.
        failures: Why trainings failed, by seed.
        picture: Reconstructions and samples of its first training.
    """

    name: str
    options: Mapping[str, Any]
    skipped: str = ""
    cells: tuple[str, str, str] = ("", "", "")
    parameters: Mapping[str, int] = field(default_factory=dict)
    code: tuple[int, int] = (0, 0)
    sampled: bool = False
    batch: int = 0
    kimg: float | None = None
    trials: list[Trial] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    picture: Path | None = None

    def values(self, metric: str) -> list[float]:
        """A metric's headline numbers over the trials that have one."""
        return [float(trial.numbers[metric]["value"]) for trial in self.trials if metric in trial.numbers]

    def why_not(self, metric: str) -> str | None:
        """Why the metric has no number, where a model refused it."""
        return next((trial.missing[metric] for trial in self.trials if metric in trial.missing), None)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "method": self.name,
            "options": dict(self.options),
            "left_out": self.skipped or None,
            "taxonomy": dict(zip(("data", "latent", "reciprocity"), self.cells, strict=True)),
            "parameters": dict(self.parameters),
            "code": list(self.code),
            "batch": self.batch,
            "kimg": self.kimg,
            "trials": [trial.plain() for trial in self.trials],
            "failures": {str(seed): why for seed, why in self.failures.items()},
            "picture": None if self.picture is None else self.picture.name,
        }
