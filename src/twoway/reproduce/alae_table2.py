"""Table 2 of ALAE: accuracies of 1NN and a linear SVM on MNIST codes, for every row of the paper and controls.

Differences from the paper, as far as known: encoders are trained on all training pictures in both settings (whether
the paper trained on the 50,000 alone for SW is not stated); the paper's figures are of the live encoder, ours of the
live and of the averaged one; rows "vae" and "alae-modern" and the controls are not in the paper.

References:
    Pidhorskyi et al., arXiv 2004.04467, section 5.1 and Table 2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twoway.errors import ConfigError
from twoway.metrics import accuracy_rows
from twoway.metrics.representation import untrained_model
from twoway.model import TwoWayModel
from twoway.published import ALAE_TABLE2 as PUBLISHED
from twoway.published import ALAE_TABLE2_CELLS as CELLS
from twoway.reproduce.budget import Budget, Role
from twoway.reproduce.registry import artefact, setting
from twoway.reproduce.result import Column, Joined, Result, Row, Table, Trials
from twoway.reproduce.study import Study

__all__ = ["PUBLISHED", "ROLES", "Table2", "alae_table2"]

ROLES: dict[str, Role] = {
    "ae-l1": Role("ae", {"norm": "l1"}),
    "ae-l2": Role("ae", {"norm": "l2"}),
    "vae": Role("vae"),
    "lr": Role("lr"),
    "jlr": Role("jlr"),
    "bigan": Role("bigan"),
    "alae": Role("alae", {"flavour": "faithful"}),
    "alae-modern": Role("alae", {"flavour": "modern"}),
}
"""Rows by name: method and its options."""

LIVE, AVERAGED = "live", "EMA"
WIDTHS = ("short", "long")


@dataclass(frozen=True)
class Table2:
    """What only this table can be asked for.

    Args:
        epochs: Passes over the training pictures per training; None takes the budget's.
        settings: ``DW``, ``SW`` or both.
        max_images: Classify only so many pictures of each split; 0 takes the budget's, which may be all.
    """

    epochs: float | None = setting(None, "Passes over the training pictures per training; the budget's by default.")
    settings: tuple[str, ...] = setting(("DW",), "DW (official test set), SW (split of the training set), or DW,SW.")
    max_images: int = setting(0, "Classify only so many pictures of each split; 0 = as the budget says.")

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", tuple(name.upper() for name in self.settings))
        for name in self.settings:
            if name not in ("DW", "SW"):
                raise ConfigError(f"--settings names '{name}', but a setting is DW or SW.")
        if not self.settings or (self.epochs is not None and self.epochs <= 0):
            raise ConfigError("Table 2 needs at least one setting and a positive number of epochs.")
        if self.max_images < 0:
            raise ConfigError(f"--max-images is {self.max_images}, but must not be negative.")


@artefact(
    "alae-table2",
    paper="ALAE (arXiv 2004.04467), table 2",
    summary="MNIST accuracies of 1NN and a linear SVM on the codes of AE, VAE, LR, JLR, BiGAN and ALAE, with controls.",
    budgets={
        "smoke": Budget(data="digits", roles=ROLES, epochs=2, images=200, takes="a minute"),
        "cpu": Budget(data="mnist", roles=ROLES, epochs=5, images=10_000, takes="half an hour of two cores"),
        "paper": Budget(data="mnist", roles=ROLES, epochs=400, trials=5, takes="days"),
    },
    rows=tuple(ROLES),
    settings=Table2,
    without=("features",),
)
def alae_table2(study: Study) -> Result:
    """Train every row and classify its codes, live and averaged, beside raw pixels and an untrained encoder."""
    own = study.chosen(Table2)
    epochs = own.epochs
    untrained = untrained_model(study.config("alae", epochs=epochs).recipe)
    results: list[dict[str, Any]] = study.keep(
        "controls", lambda: _classified(study, {"raw pixels": None, "untrained encoder": untrained})
    )
    result = _result(study, results)
    for trial, seed in enumerate(study.seeds):
        for row in study.rows:
            made = study.trained(row, trial=trial, epochs=epochs)
            encoders = {f"{row} ({LIVE})": made.live, f"{row} ({AVERAGED})": made.model}
            results += study.keep(f"{row}, seed {seed}", lambda e=encoders: _classified(study, e), of=made)  # type: ignore[misc]
            result = _result(study, results)
            study.so_far(result)
    return result


def _classified(study: Study, encoders: Mapping[str, TwoWayModel | None]) -> list[dict[str, Any]]:
    train, test = study.pictures()
    return accuracy_rows(
        encoders,
        train,
        None if test is train else test,
        settings=study.chosen(Table2).settings,  # type: ignore[arg-type]
        max_images=_limit(study),
        say=study.say,
    )


def _limit(study: Study) -> int | None:
    return study.chosen(Table2).max_images or study.budget.images or None


def _result(study: Study, results: Sequence[Mapping[str, Any]]) -> Result:
    train, _ = study.pictures()
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for result in results:
        groups[result["features"]].append(result)
    cells = [cell for cell in CELLS if cell[1] in study.chosen(Table2).settings]
    rows: list[Row] = []
    for label, found in groups.items():
        for name, ending in ((label, ""), ("standardised", "_standardised")):
            measured = {_key(cell): _cell(found, *cell, ending) for cell in cells}
            row = label.split(" ")[0]
            published: dict[str, Joined] = {}
            if train.name == "mnist" and not ending and label.endswith(f"({LIVE})") and row in PUBLISHED:
                theirs = {cell: PUBLISHED[row][CELLS.index(cell)] for cell in cells}
                published = {_key(c): Joined(dict(zip(WIDTHS, both, strict=True))) for c, both in theirs.items()}
            rows.append(Row(name, measured, published, published_name=f"{row}, published"))
    epochs = study.chosen(Table2).epochs or study.budget.epochs
    budget = f"{epochs:g} epochs" if study.budget.kimg is None or study.chosen(Table2).epochs else ""
    limit = _limit(study)
    return Result(
        tables=(Table([Column(_key(cell)) for cell in cells], rows, corner="encoder"),),
        about=f"Accuracy on {train.name}, per cent, short / long features. "
        f"{study.trials} trial(s) of {budget or f'{study.budget.kimg:g} kimg'}, seeds from {study.seed}"
        + (f", classified on {limit} pictures of each split" if limit else "")
        + ". Mean (± half the range where there are several trials); below each row the same with every feature "
        "standardised.",
        notes=[
            "Encoders are trained on all training pictures in both settings; whether the paper trained on the 50,000 "
            "alone for SW is not stated.",
            "The paper's figures are of the live encoder, mean of five trials; ours of the live and the averaged one.",
            "The rows vae and alae-modern and the controls are not in the paper.",
        ],
        facts={"epochs": epochs, "accuracies": list(results)},
        published="arXiv 2004.04467, table 2, MNIST, average of five trials of the live encoder",
    )


def _key(cell: tuple[str, str]) -> str:
    return " ".join(cell)


def _cell(rows: Sequence[Mapping[str, Any]], classifier: str, setting: str, ending: str) -> Joined:
    """``short / long``; a cell that fits a terminal."""
    parts: dict[str, Trials | None] = {}
    for width in WIDTHS:
        found = [r[f"{classifier}{ending}"] for r in rows if r["setting"] == setting and r["width"] == width]
        parts[width] = Trials(found) if found else None
    return Joined(parts)
