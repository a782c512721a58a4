"""Writing what an artefact hands over: ``table.md`` and ``table.json``, each whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twoway.config import to_plain
from twoway.errors import CheckpointError
from twoway.reproduce.record import Record
from twoway.reproduce.registry import Artefact
from twoway.reproduce.result import Result
from twoway.training.runs import write_text

__all__ = ["Page", "check_writable", "write_page"]


@dataclass(frozen=True)
class Page:
    """What is written about an artefact.

    Args:
        artefact: Which.
        result: What it handed over.
        record: How it came about.
        settings: Budget and settings as plain data.
        pictures: Names of the pictures in the same folder.
        runs: Folders of the trainings that were used.
        notes: What the machinery adds to the notes of the result.
        finished: Whether all rows are there.
    """

    artefact: Artefact
    result: Result
    record: Record
    settings: dict[str, Any]
    pictures: Sequence[str]
    runs: Sequence[str]
    notes: Sequence[str]
    finished: bool

    def markdown(self) -> str:
        """The page in Markdown."""
        result, artefact = self.result, self.artefact
        parts = [f"# {artefact.name}: {artefact.paper}", artefact.summary]
        if not self.finished:
            parts.append("**Not finished: an interrupted call or one that is still at work.**")
        if result.about:
            parts.append(result.about)
        parts += [table.markdown() for table in result.tables]
        if any(row.published for table in result.tables for row in table.rows):
            parts.append(f"Figures in italics are published ({self.published}), not measured here.")
        if result.findings:
            parts += ["## Measured against published", _list(result.findings)]
        notes = [*result.notes, *self.notes]
        if notes:
            parts += ["## What differs from the paper", _list(notes)]
        if self.pictures:
            parts += ["## Pictures", "\n\n".join(f"![{Path(name).stem}]({name})" for name in self.pictures)]
        parts += ["## How it was made", self.record.markdown()]
        return "\n\n".join(parts) + "\n"

    @property
    def published(self) -> str:
        """Where published figures are quoted from."""
        return self.result.published or self.artefact.paper

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "artefact": self.artefact.name,
            "paper": self.artefact.paper,
            "finished": self.finished,
            "about": self.result.about,
            "published": self.published,
            "tables": [table.plain() for table in self.result.tables],
            "findings": list(self.result.findings),
            "differs": [*self.result.notes, *self.notes],
            "facts": to_plain(self.result.facts),
            "pictures": list(self.pictures),
            "runs": list(self.runs),
            "settings": self.settings,
            "record": to_plain(self.record),
        }


def write_page(page: Page, out: Path) -> str:
    """Write ``table.md`` and ``table.json``.

    Args:
        page: What to write.
        out: Folder.

    Returns:
        The Markdown.

    Raises:
        CheckpointError: They cannot be written.
    """
    text = page.markdown()
    plain = json.dumps(page.plain(), indent=2, default=float, ensure_ascii=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "table.json", plain)
        write_text(out / "table.md", text)
    except OSError as error:
        raise CheckpointError(f"The table cannot be written to {out}: {error}. Choose another --out.") from error
    return text


def check_writable(folder: Path, flag: str) -> None:
    """Make a folder, and see that files can be written there before anything is trained.

    Raises:
        CheckpointError: They cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / ".writable", "")
        (folder / ".writable").unlink()
    except OSError as error:
        raise CheckpointError(f"Nothing can be written to {folder}: {error}. Choose another {flag}.") from error


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"* {sentence}" for sentence in dict.fromkeys(sentences))
