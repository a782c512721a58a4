"""The outcome of an evaluation: cells, footnotes and settings in words, and the files that it is written to."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from twoway.config import to_plain
from twoway.data.base import listing
from twoway.errors import CheckpointError
from twoway.evaluation.measuring import Cell, Plan, Row
from twoway.evaluation.models import Judged, Shown
from twoway.evaluation.rankings import rankings
from twoway.evaluation.verdicts import Verdict, cell_interval, judge, sentences, spread_of
from twoway.training.runs import machine_text, write_text

__all__ = ["BETTER", "Outcome", "check_place", "outcome_json", "write_outcome"]

BETTER = "*"
"""Marks what is better beyond chance; readable without colour."""

FORMAT = 1


@dataclass(frozen=True)
class Outcome:
    """Everything an evaluation found.

    Args:
        models: The models.
        shown: Pictures of each.
        plan: What was measured, and how.
        rows: What came out.
    """

    models: Sequence[Judged]
    shown: Sequence[Shown]
    plan: Plan
    rows: Sequence[Row]

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One per measure; none of a single model."""
        return [judge(row) for row in self.rows] if len(self.models) > 1 else []

    @property
    def conclusion(self) -> list[str]:
        """The verdict in sentences, and whether extractors agree; empty for a single model."""
        if len(self.models) < 2:
            return []
        names = [one.name for one in self.models]
        return [*sentences(self.verdicts, names), *rankings(self.rows, self.verdicts, names)]

    @property
    def cautions(self) -> list[str]:
        """What the numbers do not say."""
        lines = []
        if any(shown.test is None for shown in self.shown):
            lines.append(
                "The data set has no test pictures, so these are the training pictures: models that were trained on "
                "them have seen them."
            )
        first = self.shown[0].test or self.shown[0].train
        if first.skipped:
            lines.append(f"Pictures that cannot be used, so that others stand in for them: {listing(first.skipped)}.")
        if len(self.models) > 1:
            lines.append(
                "Each measure is judged alone at 95 %, so of twenty measures of equal models about one would name a "
                "winner. The chance is that of pictures and of drawing samples; what another training of the same "
                "method would give is not known."
            )
        return lines

    @cached_property
    def footnotes(self) -> list[str]:
        """Warnings and reasons, in the order in which cells refer to them."""
        notes = (note for row in self.rows for cell in row.cells for note in _notes(cell))
        return list(dict.fromkeys(notes))

    def cell_text(self, row: int, column: int) -> tuple[str, str]:
        """A cell: the number with its marks, and what is known of how far it could have come out otherwise."""
        cell = self.rows[row].cells[column]
        marks = "".join(f" ({self.footnotes.index(note) + 1})" for note in _notes(cell))
        if cell.value is None:
            return f"-{marks}", ""
        assert cell.result is not None
        better = BETTER if self.verdicts and self.verdicts[row].decided and self.verdicts[row].best == (column,) else ""
        interval = cell_interval(cell.result, labels=self.rows[row].metric.labels)
        below = f"{interval[0]:.4g} to {interval[1]:.4g}" if interval else spread_of(cell)
        return f"{cell.value:.5g}{better}{marks}", below

    def verdict_text(self, row: int) -> str:
        """What a measure says, in a word or two; empty for a single model."""
        if not self.verdicts:
            return ""
        verdict = self.verdicts[row]
        if not verdict.differences:
            return "-"
        letters = ", ".join(self.letter(number) for number in verdict.best)
        all_ = len(verdict.best) == len(self.models) - len(verdict.missing)
        return letters if verdict.decided else "undecided" if all_ else f"undecided: {letters}"

    @staticmethod
    def letter(column: int) -> str:
        """A model in a crowded table.

        Example:
            >>> Outcome.letter(0), Outcome.letter(27)
            ('A', 'B2')
        """
        return chr(ord("A") + column % 26) + (str(column // 26 + 1) if column >= 26 else "")

    def title(self, column: int) -> str:
        """Heading of a model's column: its letter, where there are several, and its name."""
        name = self.models[column].name
        return f"{self.letter(column)}: {name}" if len(self.models) > 1 else name

    def facts(self) -> list[str]:
        """A line each on the models, the pictures and the samples."""
        lines = []
        for number, one in enumerate(self.models):
            channels, height, width = one.model.image_shape
            lines.append(
                f"{self.title(number)}: {one.model.recipe.method}, {height}x{width}x{channels}, weights {one.weights}, "
                f"fingerprint {one.model.fingerprint()}, from {one.source}"
            )
        first = self.shown[0]
        data = first.test or first.train
        part = "test pictures" if first.test is not None else "training pictures, no test pictures"
        limit = f", at most {self.plan.max_images} of each split" if self.plan.max_images else ""
        lines.append(f"pictures: {data.source}, {len(data)} {part}{limit}")
        times = self.plan.times(self.models)
        seeds = f"seed {self.plan.seed}" if times == 1 else f"seeds {self.plan.seed} to {self.plan.seed + times - 1}"
        lines.append(
            "samples: "
            + ", ".join(f"{key} {value}" for key, value in self._sampling().items())
            + (f", {self.plan.samples} of them" if self.plan.samples else "")
            + f", {seeds}"
        )
        return lines

    def settings(self, row: int) -> list[str]:
        """How a number was taken: what is equal for all models, a line a group."""
        found = [dict(_flat(cell.result)) for cell in self.rows[row].cells if cell.result is not None]
        if not found:
            return []
        skipped = ("name", "value", "warning", "interval")
        shared = {
            key: value
            for key, value in found[0].items()
            if key not in skipped and all(key in other and other[key] == value for other in found)
        }
        groups: dict[str, list[str]] = {}
        for path, value in shared.items():
            group, _, key = path.rpartition(" ")
            groups.setdefault(group, []).append(f"{key} {value:.5g}" if isinstance(value, float) else f"{key} {value}")
        return [f"{group + ': ' if group else ''}{', '.join(facts)}" for group, facts in groups.items()]

    def plain(self) -> dict[str, Any]:
        """All of it as plain data: numbers that are not finite become None."""
        metrics = {}
        for number, row in enumerate(self.rows):
            verdict = self.verdicts[number] if self.verdicts else None
            metrics[row.name] = {
                "summary": row.metric.summary,
                "lower_is_better": row.metric.lower_is_better,
                "judged": row.metric.judged,
                "models": {one.name: _cell(cell) for one, cell in zip(self.models, row.cells, strict=True)},
                **({} if verdict is None else {"verdict": self._verdict(verdict)}),
            }
        facts = {
            "format": FORMAT,
            "machine": machine_text().splitlines(),
            "device": str(self.models[0].model.device),
            "models": [one.plain() for one in self.models],
            "data": _by_shape(self.shown),
            "settings": {
                "metrics": list(self.plan.metrics),
                "max_images": self.plan.max_images,
                "samples": self.plan.samples,
                "seed": self.plan.seed,
                "repeats": self.plan.times(self.models),
                "batch": self.plan.batch,
                "features": to_plain(self.plan.features),
                "sampling": self._sampling(),
            },
            "metrics": metrics,
            "conclusion": self.conclusion,
            "cautions": self.cautions,
        }
        return _finite(facts)

    def _sampling(self) -> dict[str, Any]:
        """Choices of sampling that any of the models has."""
        return {key: value for one in self.models for key, value in self.plan.sampling.plain(one.model).items()}

    def _verdict(self, verdict: Verdict) -> dict[str, Any]:
        names = [one.name for one in self.models]
        return {
            "decided": verdict.decided,
            "best": [names[number] for number in verdict.best],
            "differences": [
                {"of": [names[a], names[b]], **found.plain()} for (a, b), found in verdict.differences.items()
            ],
        }


def check_place(path: Path, flag: str) -> None:
    """See that a file can be written, before hours are spent on what it shall hold; nothing is made.

    Raises:
        CheckpointError: It cannot.
    """
    above = next((parent for parent in (path.absolute().parent, *path.absolute().parents) if parent.exists()), None)
    why = ""
    if path.is_dir():
        why = "it is a folder"
    elif above is None or not above.is_dir():
        why = f"{above} is no folder"
    elif not _writable(above):
        why = f"{above} may not be written to"
    if why:
        raise CheckpointError(f"The results cannot be written to {path}: {why}. Choose another {flag}.")


def write_outcome(path: Path, text: str, flag: str) -> None:
    """Write a file that appears complete or not at all.

    Raises:
        CheckpointError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        path.with_name(f".writing-{path.name}").unlink(missing_ok=True)
        raise CheckpointError(f"The results cannot be written to {path}: {error}. Choose another {flag}.") from error


def outcome_json(outcome: Outcome) -> str:
    """The outcome as JSON."""
    return json.dumps(outcome.plain(), indent=2, allow_nan=False)


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _notes(cell: Cell) -> Iterator[str]:
    if cell.reason:
        yield cell.reason
    warning = (cell.result or {}).get("warning")
    if isinstance(warning, str):
        yield warning


def _cell(cell: Cell) -> dict[str, Any]:
    if cell.result is None:
        return {"value": None, "reason": cell.reason}
    found: dict[str, Any] = {**cell.result, "value": cell.value}
    if cell.seeds:
        found |= {"values_by_seed": list(cell.seeds)}
    if cell.parts:
        found |= {"values_by_part": list(cell.parts)}
    return found


def _by_shape(shown: Sequence[Shown]) -> list[dict[str, Any]]:
    known = {one.train.shape: one for one in shown}
    return [one.plain() for one in known.values()]


def _flat(node: Mapping[str, Any] | None, above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in (node or {}).items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key} ")
        else:
            yield f"{above}{key}", value


def _finite(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _finite(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_finite(value) for value in node]
    if isinstance(node, float) and not math.isfinite(node):
        return None
    return node
