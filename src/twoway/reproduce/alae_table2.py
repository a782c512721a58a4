"""Table 2 of ALAE: accuracies of 1NN and a linear SVM on MNIST codes, for every row of the paper and controls.

Differences from the paper, as far as known: encoders are trained on all training pictures in both settings (whether
the paper trained on the 50,000 alone for SW is not stated); the paper's figures are of the live encoder, ours of the
live and of the averaged one; rows "vae" and "alae-modern" and the controls are not in the paper.

References:
    Pidhorskyi et al., arXiv 2004.04467, section 5.1 and Table 2.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twoway.errors import ConfigError, closest
from twoway.metrics import accuracy_rows
from twoway.metrics.representation import untrained_model
from twoway.model import TwoWayModel, build_model
from twoway.published import ALAE_TABLE2 as PUBLISHED
from twoway.published import ALAE_TABLE2_CELLS as CELLS
from twoway.reproduce.runs import trained_run
from twoway.training.checkpoint import latest_checkpoint
from twoway.training.config import DataConfig, RunConfig, make_config
from twoway.training.runs import write_text

__all__ = ["PUBLISHED", "ROWS", "Table2", "reproduce_table2"]

ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "ae-l1": ("ae", {"norm": "l1"}),
    "ae-l2": ("ae", {"norm": "l2"}),
    "vae": ("vae", {}),
    "lr": ("lr", {}),
    "jlr": ("jlr", {}),
    "bigan": ("bigan", {}),
    "alae": ("alae", {"flavour": "faithful"}),
    "alae-modern": ("alae", {"flavour": "modern"}),
}
"""Rows by name: method and its options."""

LIVE, AVERAGED = "live", "EMA"


@dataclass(frozen=True)
class Table2:
    """What to reproduce.

    Args:
        data: ``mnist``, a folder with the IDX files, or any labelled data set for a quick look.
        trials: Trainings per row.
        epochs: Passes over the training pictures per training.
        rows: Names of the rows; all where empty.
        settings: ``DW``, ``SW`` or both.
        seed: Of the first trial.
        max_images: Classify only so many pictures of each split; None for all.
    """

    data: str = "mnist"
    trials: int = 1
    epochs: float = 400.0
    rows: tuple[str, ...] = ()
    settings: tuple[str, ...] = ("DW",)
    seed: int = 0
    max_images: int | None = None

    def __post_init__(self) -> None:
        for row in self.rows:
            if row not in ROWS:
                raise ConfigError(f"Table 2 has no row '{row}'{closest(row, ROWS)}.")
        for setting in self.settings:
            if setting not in ("DW", "SW"):
                raise ConfigError(f"--settings names '{setting}', but a setting is DW or SW.")
        if not self.settings or self.epochs <= 0:
            raise ConfigError("Table 2 needs at least one setting and a positive number of epochs.")


def reproduce_table2(plan: Table2, out: Path, *, say: Callable[[str], None] = print) -> str:
    """Train and measure every row; what an earlier call has finished is kept.

    Args:
        plan: What to reproduce.
        out: Folder for run folders, ``table.md`` and ``table.json``.
        say: Told how it goes.

    Returns:
        The table as Markdown, measured beside published.

    Raises:
        TrainingError: Interrupted by a signal; call again to continue.
        UserError: Data, settings or the disk do not allow it.
    """
    source = DataConfig.make(plan.data)
    train, test = source.open_both()
    held_out = None if test is train else test
    results: list[dict[str, Any]] = _measured(
        out / "controls.json",
        plan,
        lambda: accuracy_rows(
            {"raw pixels": None, "untrained encoder": untrained_model(_config(plan, "alae", source, 0).recipe)},
            train,
            held_out,
            settings=plan.settings,  # type: ignore[arg-type]
            max_images=plan.max_images,
            say=say,
        ),
    )
    for trial in range(plan.trials):
        for row in plan.rows or ROWS:
            run = _trained(plan, row, trial, source, out / "runs", say)
            results += _measured(
                run / f"table2-{plan.epochs:g}-epochs.json",
                plan,
                lambda run=run, row=row: accuracy_rows(  # type: ignore[misc]
                    {f"{row} ({weights})": model for weights, model in _encoders(run).items()},
                    train,
                    held_out,
                    settings=plan.settings,  # type: ignore[arg-type]
                    max_images=plan.max_images,
                    say=say,
                ),
            )
            text = _write(
                plan, results, out, published=train.name == "mnist"
            )  # after every row: an interrupted table is a table of what is done
    return text


def _config(plan: Table2, row: str, source: DataConfig, trial: int) -> RunConfig:
    method, options = ROWS[row]
    config, _ = make_config(method, data=source, options=options, epochs=plan.epochs, seed=plan.seed + trial)
    return config


def _trained(plan: Table2, row: str, trial: int, source: DataConfig, runs: Path, say: Callable[[str], None]) -> Path:
    """The run folder of a row and trial, trained to its budget."""
    config = _config(plan, row, source, trial)
    return trained_run(config, source.open, runs, f"{row}-seed{plan.seed + trial}", say=say)


def _encoders(run: Path) -> dict[str, TwoWayModel]:
    """The live and the averaged model of a run's newest checkpoint."""
    recipe = RunConfig.read(run / "config.yaml").recipe
    checkpoint, _ = latest_checkpoint(run / "checkpoints")
    assert checkpoint is not None, "a finished run has a checkpoint"
    models = {}
    for label, name in ((LIVE, "live"), (AVERAGED, "ema")):
        model = build_model(recipe).eval()
        model.load_state_dict(dict(checkpoint.tensors[name]))
        models[label] = model
    return models


def _measured(path: Path, plan: Table2, measure: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows from a file that an earlier call with the same protocol left, or measured now."""
    protocol = {"settings": list(plan.settings), "max_images": plan.max_images, "data": plan.data}
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["protocol"] == protocol:
            return stored["rows"]
    rows = measure()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps({"protocol": protocol, "rows": rows}, indent=2))
    return rows


def _write(plan: Table2, results: Sequence[Mapping[str, Any]], out: Path, *, published: bool) -> str:
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for result in results:
        groups[result["features"]].append(result)
    cells = [cell for cell in CELLS if cell[1] in plan.settings]
    lines = [
        f"# ALAE, Table 2: accuracy on {plan.data}, per cent, short / long features",
        "",
        f"{plan.trials} trial(s) of {plan.epochs:g} epochs, data {plan.data}, seeds from {plan.seed}"
        + (f", classified on {plan.max_images} pictures of each split" if plan.max_images else "")
        + ". Measured: mean (± half the range where there are several trials); below each row the same with every "
        "feature standardised. "
        "Published: arXiv 2004.04467, average of five trials of the live encoder.",
        "",
        "| encoder | " + " | ".join(f"{classifier} {setting}" for classifier, setting in cells) + " |",
        "| --- | " + " | ".join("---" for _ in cells) + " |",
    ]
    for label, rows in groups.items():
        for name, ending in ((label, ""), ("standardised", "_standardised")):
            lines.append(f"| {name} | " + " | ".join(_cell(rows, *cell, ending) for cell in cells) + " |")
        row = label.split(" ")[0]
        if published and label.endswith(f"({AVERAGED})") and row in PUBLISHED:
            theirs = [PUBLISHED[row][CELLS.index(cell)] for cell in cells]
            lines.append(f"| *{row}, published* | " + " | ".join(f"*{a:.2f} / {b:.2f}*" for a, b in theirs) + " |")
    text = "\n".join(lines) + "\n"
    write_text(out / "table.md", text)
    write_text(
        out / "table.json",
        json.dumps(
            {
                "epochs": plan.epochs,
                "trials": plan.trials,
                "data": plan.data,
                "seed": plan.seed,
                "rows": list(results),
                "published": {
                    row: dict(zip([" ".join(c) for c in CELLS], v, strict=True)) for row, v in PUBLISHED.items()
                },
            },
            indent=2,
        ),
    )
    return text


def _cell(rows: Sequence[Mapping[str, Any]], classifier: str, setting: str, ending: str) -> str:
    """``short / long``; a cell that fits a terminal."""
    parts = []
    for width in ("short", "long"):
        chosen = [r for r in rows if r["setting"] == setting and r["width"] == width]
        parts.append(_spread([r[f"{classifier}{ending}"] for r in chosen]) if chosen else "-")
    return " / ".join(parts)


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ± {(max(values) - min(values)) / 2:.2f}"
