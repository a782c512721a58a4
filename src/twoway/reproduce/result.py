"""What an artefact hands over: tables of measured beside published figures, notes and facts; and their Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twoway.config import to_plain

__all__ = ["Column", "Joined", "Result", "Row", "Table", "Trials", "Value"]


@dataclass(frozen=True)
class Trials:
    """A figure that was measured once per trial; shown as the mean, and half the range where there are several.

    Args:
        values: One per trial, at least one.
    """

    values: tuple[float, ...]

    def __init__(self, values: Sequence[float]) -> None:
        assert len(values) > 0, "a figure without a measurement is left out of the row"
        object.__setattr__(self, "values", tuple(float(value) for value in values))

    @property
    def mean(self) -> float:
        """Mean over the trials."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float:
        """Half the range over the trials."""
        return (max(self.values) - min(self.values)) / 2

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"mean": self.mean, "spread": self.spread, "trials": list(self.values)}


@dataclass(frozen=True)
class Joined:
    """Several values of one cell, as ``short / long``.

    Args:
        parts: Names and values; a part without a value is None.
    """

    parts: Mapping[str, float | Trials | str | None]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return dict(self.parts)


Value = float | str | Trials | Joined | None
"""What a cell may hold; None is shown as a dash."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        key: By which rows name it.
        title: Head of the column, with its unit; the key where empty.
        digits: Digits behind the point.
        better: ``lower`` or ``higher`` sets an arrow behind the title.
    """

    key: str
    title: str = ""
    digits: int = 2
    better: str = ""

    @property
    def head(self) -> str:
        """Title and arrow."""
        arrow = {"lower": " ↓", "higher": " ↑"}.get(self.better, "")
        return (self.title or self.key) + arrow


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        name: Its first cell.
        measured: Values by the key of their column; what is missing is a dash.
        published: Figures of the paper by the key of their column; shown in italics, as a row of their own below.
        facts: Whatever else was measured or set; in the JSON only.
        published_name: First cell of the published row; ``NAME, published`` where empty.
    """

    name: str
    measured: Mapping[str, Value] = field(default_factory=dict)
    published: Mapping[str, Value] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    published_name: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        columns: Its columns besides the first.
        rows: Its rows.
        title: A heading above it; none where empty.
        corner: Head of the first column.
        text: A paragraph above it: what the cells are and in which unit.
        after: A paragraph below it.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    title: str = ""
    corner: str = "row"
    text: str = ""
    after: str = ""

    def markdown(self) -> str:
        """The table in Markdown, published rows in italics below the measured ones."""
        lines = [f"## {self.title}", ""] if self.title else []
        lines += [self.text, ""] if self.text else []
        lines.append(_line([self.corner, *(column.head for column in self.columns)]))
        lines.append(_line(["---"] * (len(self.columns) + 1)))
        for row in self.rows:
            if row.measured or not row.published:
                lines.append(_line([row.name, *(_shown(row.measured.get(c.key), c.digits) for c in self.columns)]))
            if row.published:
                cells = [_shown(row.published.get(c.key), c.digits) for c in self.columns]
                name = _published_name(row)
                lines.append(_line([f"*{name}*", *(cell if cell == "-" else f"*{cell}*" for cell in cells)]))
        lines += ["", self.after] if self.after else []
        return "\n".join(lines)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "title": self.title,
            "columns": [{"key": c.key, "title": c.head} for c in self.columns],
            "rows": [
                {
                    "name": row.name,
                    "measured": to_plain(row.measured),
                    "published": to_plain(row.published),
                    **({"published_name": _published_name(row)} if row.published else {}),
                    **({"facts": to_plain(row.facts)} if row.facts else {}),
                }
                for row in self.rows
            ],
        }


@dataclass(frozen=True)
class Result:
    """What an artefact hands over. Pictures and figures are those that the study has saved.

    Args:
        tables: Tables; none for a figure.
        about: A paragraph about what was done.
        notes: What differs from the paper, a sentence each.
        findings: Where the measured figures agree with the paper and where they contradict it, a sentence each.
        facts: Anything else worth keeping; in the JSON only.
        published: Where the published figures are quoted from, such as "arXiv 1906.08090, table 3, FFHQ at 128 pixels".
    """

    tables: Sequence[Table] = ()
    about: str = ""
    notes: Sequence[str] = ()
    findings: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    published: str = ""


def _published_name(row: Row) -> str:
    return row.published_name or f"{row.name}, published"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shown(value: Value, digits: int) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, Joined):
        return " / ".join(_shown(part, digits) for part in value.parts.values())
    if isinstance(value, Trials):
        mean = _number(value.mean, digits)
        return mean if len(value.values) == 1 else f"{mean} ± {_number(value.spread, digits)}"
    return _number(value, digits)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else str(value)
