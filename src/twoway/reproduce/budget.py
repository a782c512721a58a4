"""Budgets of an artefact: what is trained for how long on what, and how much is measured. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from twoway.errors import ConfigError

__all__ = ["BUDGETS", "Budget", "BudgetName", "Role"]

BudgetName = Literal["smoke", "cpu", "paper"]

BUDGETS: tuple[BudgetName, ...] = ("smoke", "cpu", "paper")
"""Names of the budgets: minutes that prove the path; about an hour of two cores for each training; the published
protocol, as near to it as the page of the artefact says."""


@dataclass(frozen=True)
class Role:
    """A training that an artefact needs, such as the model of one row.

    Args:
        preset: Preset or method.
        options: Options of the method.
        changes: Dotted keys of the resolved settings that are set otherwise.
        kimg: Thousands of images; None takes the budget's.
        batch: Images per iteration; None takes the recipe's.
    """

    preset: str
    options: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    kimg: float | None = None
    batch: int | None = None


@dataclass(frozen=True)
class Budget:
    """One size of an artefact. Counts of 0 are counts that the artefact does not use.

    Args:
        data: Pictures, in the words of ``--data``; None makes the user name some.
        size: Side of the pictures in pixels; None keeps or finds one.
        roles: Trainings by the names that the artefact gives them; see `Role`.
        kimg: Thousands of images of every training that has no budget of its own; None leaves it to `epochs` or the
            presets.
        epochs: The same in passes over the training pictures, where `kimg` is None.
        trials: Trainings per row, each with the next seed.
        samples: Pictures made for measures of sets; also codes drawn for measures of codes.
        images: Held-out pictures that are reconstructed, encoded or classified; 0 for all.
        pairs: Pairs of neighbouring codes, as perceptual path length takes them.
        steps: Steps of optimisations.
        shown: Pictures in a row or column of a figure.
        takes: How long it takes, in words, such as "an hour of two cores".
    """

    data: str | None = None
    size: int | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    kimg: float | None = None
    epochs: float | None = None
    trials: int = 1
    samples: int = 0
    images: int = 0
    pairs: int = 0
    steps: int = 0
    shown: int = 0
    takes: str = ""

    def __post_init__(self) -> None:
        for name in ("kimg", "epochs"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"--{name} is {value:g}, but must be positive and finite.")
        if self.trials < 1:
            raise ConfigError(f"--trials is {self.trials}, but at least 1 training of each row is needed.")
        for name in ("samples", "images", "pairs", "steps", "shown"):
            if getattr(self, name) < 0:
                raise ConfigError(f"The budget's {name} are {getattr(self, name)}, but must not be negative.")
