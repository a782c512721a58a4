"""One call of an artefact: from what the user asked for to the page that is written."""

from __future__ import annotations

import dataclasses
import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twoway.config import to_plain
from twoway.errors import ConfigError, closest
from twoway.features import FeatureSpec, default_features
from twoway.reproduce.budget import BUDGETS, Budget, BudgetName
from twoway.reproduce.pages import Page, check_writable, write_page
from twoway.reproduce.record import Ledger, Record
from twoway.reproduce.registry import Artefact, find_artefact, settings_of
from twoway.reproduce.result import Result
from twoway.reproduce.study import Study
from twoway.telling import Telling, silent
from twoway.training.config import pick_device

__all__ = ["RUNS", "Asked", "Reproduced", "command_line", "reproduce"]

RUNS = Path("results/runs")
"""Folder of run folders that all artefacts share."""


@dataclass(frozen=True)
class Asked:
    """What the user asked for; None leaves a value to the budget.

    Args:
        budget: ``smoke``, ``cpu`` or ``paper``.
        data: Pictures, in the words of ``--data``.
        size: Their side in pixels.
        seed: Of the first trial.
        trials: Trainings per row.
        rows: Names of rows; all where empty.
        kimg: Thousands of images of every training.
        features: What distances of pictures look at; None takes SqueezeNet if its weights are found.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        out: Folder of the table; None takes ``results/NAME/BUDGET``.
        runs: Folder of run folders.
        settings: Options that only this artefact has, of the class that it registered; None takes their defaults.
    """

    budget: BudgetName = "cpu"
    data: str | None = None
    size: int | None = None
    seed: int = 0
    trials: int | None = None
    rows: tuple[str, ...] = ()
    kimg: float | None = None
    features: FeatureSpec | None = None
    device: str = "auto"
    out: Path | None = None
    runs: Path = RUNS
    settings: Any = None


@dataclass(frozen=True)
class Reproduced:
    """A finished artefact.

    Args:
        text: Its page in Markdown.
        out: Folder of ``table.md``, ``table.json`` and pictures.
        result: What it handed over.
    """

    text: str
    out: Path
    result: Result


def reproduce(
    name: str, asked: Asked | None = None, *, say: Callable[[str], None] = print, progress: Telling = silent
) -> Reproduced:
    """Make a published table or figure; what an earlier call has trained or measured is used.

    Args:
        name: Name of the artefact.
        asked: What is asked for.
        say: Told how it goes.
        progress: Told how far measuring has come; trainings show their own progress.

    Raises:
        Interrupted: By a signal; call again to continue.
        UserError: Data, settings or the disk do not allow it.

    Example:
        >>> reproduce("alae-table1", Asked("smoke", out=Path("somewhere"))).out  # doctest: +SKIP
        PosixPath('somewhere')
    """
    asked = asked or Asked()
    artefact = find_artefact(name)
    settings = artefact.settings() if asked.settings is None else asked.settings
    asked = replace(asked, settings=settings)
    budget = _budget(artefact, asked)
    for option in artefact.without:
        if getattr(asked, option) != getattr(Asked(), option):
            raise ConfigError(f"'{name}' has no use for --{option}; leave it out.")
    for row in asked.rows:
        if row not in artefact.rows:
            known = closest(row, artefact.rows) if artefact.rows else ": it has no rows to choose from"
            raise ConfigError(f"'{name}' has no row '{row}'{known}.")
    device = pick_device(asked.device)
    is_main = os.environ.get("RANK", "0") == "0"  # torchrun starts the others
    out = asked.out or Path("results") / name / asked.budget
    if is_main:
        check_writable(out, "--out")
    study = Study(
        artefact=artefact,
        budget_name=asked.budget,
        budget=budget,
        out=out,
        runs=asked.runs,
        seed=asked.seed,
        rows=asked.rows or artefact.rows,
        features=asked.features or default_features(),
        device=asked.device,
        say=say if is_main else lambda text: None,
        settings=settings,
        is_main=is_main,
        ledger=Ledger(device),
        progress=progress,
    )
    began = time.monotonic()

    def written(result: Result, *, finished: bool) -> str:
        page = _page(study, asked, result, time.monotonic() - began, finished=finished)
        return write_page(page, out) if is_main else page.markdown()

    study.write = lambda result: _quietly(written(result, finished=False))
    study.say(f"{name}: {artefact.paper}, budget {asked.budget}{f' ({budget.takes})' if budget.takes else ''}")
    result = artefact.build(study)
    return Reproduced(written(result, finished=True), out, result)


def command_line(name: str, asked: Asked) -> str:
    """The command that asks for the same."""
    words: list[Any] = ["twoway", "reproduce", name, "--budget", asked.budget]
    for flag, value in (
        ("--data", asked.data),
        ("--size", asked.size),
        ("--seed", asked.seed),
        ("--trials", asked.trials),
        ("--rows", ",".join(asked.rows) or None),
        ("--kimg", asked.kimg),
        ("--features", asked.features and asked.features.kind),
        ("--feature-weights", asked.features and asked.features.weights),
        ("--device", None if asked.device == "auto" else asked.device),
        ("--runs", None if asked.runs == RUNS else asked.runs),
        ("--out", asked.out),
    ):
        words += [] if value is None else [flag, value]
    if asked.settings is not None:
        for one in settings_of(type(asked.settings)):
            value = getattr(asked.settings, one.name)
            if value != one.default:
                words += [one.flag, ",".join(map(str, value)) if isinstance(value, tuple) else value]
    return shlex.join(f"{word:g}" if isinstance(word, float) else str(word) for word in words)


def _budget(artefact: Artefact, asked: Asked) -> Budget:
    if asked.budget not in BUDGETS:
        raise ConfigError(f"--budget is '{asked.budget}', which is none{closest(asked.budget, BUDGETS)}.")
    budget = artefact.budgets[asked.budget]
    if asked.kimg is not None:  # the user's word goes for every training
        roles = {name: replace(role, kimg=None) for name, role in budget.roles.items()}
        budget = replace(budget, roles=roles, kimg=asked.kimg, epochs=None)
    return replace(
        budget,
        data=budget.data if asked.data is None else asked.data,
        size=budget.size if asked.size is None else asked.size,
        trials=budget.trials if asked.trials is None else asked.trials,
    )


def _page(study: Study, asked: Asked, result: Result, seconds: float, *, finished: bool) -> Page:
    budget, name = study.budget, asked.budget
    record = Record.make(
        command=command_line(study.artefact.name, asked),
        budget=name + (f" ({budget.takes})" if budget.takes else ""),
        data="none" if budget.data is None else budget.data + (f" at {budget.size} pixels" if budget.size else ""),
        seeds=tuple(sorted(study.used_seeds)) or (study.seed,),
        ledger=study.ledger,
        seconds=seconds,
    )
    kind = {field.name: getattr(budget, field.name) for field in dataclasses.fields(budget)}
    settings = {"budget": name, **to_plain(kind), "features": to_plain(study.features), "own": to_plain(study.settings)}
    return Page(
        artefact=study.artefact,
        result=result,
        record=record,
        settings=settings,
        pictures=tuple(study.saved),
        runs=tuple(run.name for run in study.used),
        notes=tuple(study.noted),
        finished=finished,
    )


def _quietly(text: str) -> None:
    """What was written need not be shown."""
