"""The table of a comparison: Markdown, JSON, and a page with the pictures."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twoway.compare.entries import Entry
from twoway.compare.plan import Comparison
from twoway.config import to_plain
from twoway.data import ImageData
from twoway.metrics import find_metric
from twoway.report_page import figure, page, paragraph, picture, section, table
from twoway.training.progress import duration
from twoway.training.runs import write_text

__all__ = ["spread", "write_table"]

NONE = "-"


@dataclass
class _Notes:
    """Numbered footnotes, each said once."""

    texts: list[str] = field(default_factory=list)

    def mark(self, text: str) -> str:
        """The mark of a note."""
        one_line = " ".join(text.split())
        if one_line not in self.texts:
            self.texts.append(one_line)
        return f"[{self.texts.index(one_line) + 1}]"


def spread(values: Sequence[float]) -> str:
    """The mean and, of several values, half their range, to four significant digits of the mean.

    Example:
        >>> spread([0.5]), spread([90.0, 92.0])
        ('0.5', '91 ± 1')
    """
    mean = statistics.fmean(values)
    return f"{mean:.4g}" if len(values) == 1 else f"{mean:.4g} ± {(max(values) - min(values)) / 2:.2g}"


def write_table(
    plan: Comparison,
    entries: Sequence[Entry],
    metrics: Sequence[str],
    pictures: tuple[ImageData, ImageData],
    out: Path,
) -> str:
    """Write ``table.md``, ``table.json`` and ``index.html``, as far as the comparison has come.

    Args:
        plan: What is compared.
        entries: What is known by now.
        metrics: Columns of the table.
        pictures: Training and held-out pictures.
        out: Folder.

    Returns:
        The Markdown.
    """
    notes = _Notes()
    head = ["method", "trials", "kimg", "training", *(_titled(name, entries) for name in metrics)]
    rows = [_row(plan, entry, metrics, notes) for entry in entries]
    settings = [_settings(entry) for entry in entries if not entry.skipped]
    first = _introduction(plan, pictures)
    measures = [f"{_titled(name, entries)}: {find_metric(name).summary}" for name in metrics]
    title = f"Comparison on {plan.data}"
    text = "\n".join(
        [
            f"# {title}",
            "",
            first,
            "",
            *_markdown(head, rows),
            "",
            *(f"[{number}] {note}\n" for number, note in enumerate(notes.texts, 1)),
            "Measures: " + "; ".join(measures) + ".",
            "",
            *_markdown(SETTINGS, settings),
            "",
            *(f"![{e.name}](pictures/{e.picture.name})\n" for e in entries if e.picture is not None),
        ]
    )
    text = text.rstrip() + "\n"
    write_text(out / "table.md", text)
    plain: dict[str, Any] = {
        "plan": to_plain(plan),
        "metrics": list(metrics),
        "spread": "half the range",
        "methods": [entry.plain() for entry in entries],
    }
    write_text(out / "table.json", json.dumps(plain, indent=2))
    shown = [figure(picture(e.picture, e.name), f"{e.name}: {_caption(e)}") for e in entries if e.picture is not None]
    write_text(
        out / "index.html",
        page(
            title,
            [
                f"<h1>{title}</h1>",
                paragraph(first),
                table(head, rows),
                *(paragraph(f"[{number}] {note}", faint=True) for number, note in enumerate(notes.texts, 1)),
                section("Measures", *(paragraph(text) for text in measures)),
                section("Settings", table(SETTINGS, settings)),
                section("Pictures", *shown),
            ],
        ),
    )
    return text


SETTINGS = ("method", "options given", "code", "batch", "parameters", "data / latent / reciprocity")


def _introduction(plan: Comparison, pictures: tuple[ImageData, ImageData]) -> str:
    train, test = pictures
    channels, height, width = train.shape
    if plan.kimg is not None:
        budget = f"Equal images: {plan.kimg:g} thousand per training."
    else:
        assert plan.seconds is not None, "a comparison has a budget"
        budget = (
            f"Equal time: {duration(plan.seconds)} of training each; how many images that is was measured once per "
            "method on this machine and then fixed, so the time it took may differ."
        )
    held_out = "the same pictures, for there is no test split" if test is train else f"{len(test)} test pictures"
    limit = "" if plan.max_images is None else f", at most {plan.max_images} of each split"
    several = (
        f" Mean ± half the range of {plan.trials} trials, seeds {plan.seed} to {plan.seed + plan.trials - 1}."
        if plan.trials > 1
        else f" One trial, seed {plan.seed}."
    )
    return (
        f"{len(train)} training pictures, {channels} x {height} x {width}; measured on {held_out}{limit}, averaged "
        f"weights. {budget}{several}"
    )


def _titled(metric: str, entries: Sequence[Entry]) -> str:
    """A measure under its full name, which says what features it looks at, and which way is better."""
    names = dict.fromkeys(str(t.numbers[metric]["name"]) for e in entries for t in e.trials if metric in t.numbers)
    return f"{' '.join(names) or metric} {'↓' if find_metric(metric).lower_is_better else '↑'}"


def _row(plan: Comparison, entry: Entry, metrics: Sequence[str], notes: _Notes) -> list[str]:
    if entry.skipped:
        return [entry.name, f"left out {notes.mark(entry.skipped)}", *[NONE] * (2 + len(metrics))]
    done = f"{len(entry.trials)}" + (f" of {plan.trials}" if len(entry.trials) < plan.trials else "")
    for seed, why in entry.failures.items():
        done += f", seed {seed} failed {notes.mark(why)}"
    images = f"{entry.trials[0].images / 1000:.4g}" if entry.trials else NONE
    took = duration(statistics.fmean(t.seconds for t in entry.trials)) if entry.trials else NONE
    return [entry.name, done, images, took, *(_cell(entry, name, notes) for name in metrics)]


def _cell(entry: Entry, metric: str, notes: _Notes) -> str:
    values = entry.values(metric)
    if values:
        return spread(values)
    why = entry.why_not(metric)
    return NONE if why is None else f"{NONE} {notes.mark(why)}"


def _settings(entry: Entry) -> list[str]:
    options = ", ".join(f"{key}={value}" for key, value in entry.options.items()) or "none"
    layers, width = entry.code
    parameters = ", ".join(f"{slot} {count:,}" for slot, count in entry.parameters.items())
    return [entry.name, options, f"{layers} x {width}", f"{entry.batch}", parameters, "; ".join(entry.cells)]


def _caption(entry: Entry) -> str:
    parts = []
    if "encoder" in entry.parameters:
        parts.append("pictures above their reconstructions")
    if entry.sampled:
        parts.append("samples")
    return ", then ".join(parts)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
