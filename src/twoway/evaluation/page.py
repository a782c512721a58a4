"""The outcome of an evaluation as one page: the verdict, the table, and pictures of all models side by side."""

from __future__ import annotations

import io
from html import escape

import torch
from PIL import Image
from torch import Tensor

from twoway.data import ImageData, to_float, to_uint8
from twoway.evaluation.models import Judged
from twoway.evaluation.outcome import Outcome
from twoway.grids import image_grid, pair_grid
from twoway.metrics.inputs import choose_rows
from twoway.metrics.modes import evaluating
from twoway.metrics.sets import SampledSet
from twoway.report_page import code, details, embedded, figure, page, paragraph, section, strip, table

__all__ = ["outcome_page"]

COLUMNS, SAMPLES = 8, 48


def outcome_page(outcome: Outcome) -> str:
    """Write the page.

    Args:
        outcome: What was found.

    Returns:
        HTML that asks for nothing outside itself.
    """
    names = [one.name for one in outcome.models]
    title = f"{' against '.join(names)}" if len(names) > 1 else f"Evaluation of {names[0]}"
    return page(
        title,
        [
            f"<h1>{escape(title)}</h1>",
            *(paragraph(line) for line in outcome.conclusion),
            *(paragraph(line, faint=True) for line in outcome.cautions),
            section("Measures", _measures(outcome), _footnotes(outcome)),
            section("Samples", paragraph(_sampled(outcome), faint=True), strip(_samples(outcome))),
            section("Reconstructions", _reconstructions(outcome)),
            section("How the numbers were taken", _taken(outcome)),
        ],
    )


def _measures(outcome: Outcome) -> str:
    compared = len(outcome.models) > 1
    rows = []
    for number, row in enumerate(outcome.rows):
        cells = []
        for column in range(len(outcome.models)):
            value, below = outcome.cell_text(number, column)
            cells.append(f"{value}, {below}" if below else value)
        verdict = [outcome.verdict_text(number), outcome.verdicts[number].how] if compared else []
        rows.append([row.name, row.metric.summary, row.metric.better, *cells, *verdict])
    head = ["measure", "what it is", "better", *(outcome.title(number) for number in range(len(outcome.models)))]
    caption = "* is better beyond chance, at 95 %; a to b: 95 % interval." if compared else "a to b: 95 % interval."
    return table([*head, *(["who is better", "chance judged by"] if compared else [])], rows, caption)


def _footnotes(outcome: Outcome) -> str:
    return "\n".join(paragraph(f"({n}) {note}", faint=True) for n, note in enumerate(outcome.footnotes, 1))


def _taken(outcome: Outcome) -> str:
    lines = "\n".join(outcome.facts())
    settings = [
        f"{row.name}\n" + "\n".join(f"    {line}" for line in outcome.settings(number))
        for number, row in enumerate(outcome.rows)
    ]
    return code(lines) + details("Settings of every measure, equal for all models", code("\n".join(settings)))


def _sampled(outcome: Outcome) -> str:
    return f"{outcome.facts()[-1]}. Not chosen: the first {SAMPLES} of the first seed."


def _samples(outcome: Outcome) -> list[str]:
    figures = []
    for one in outcome.models:
        if one.model.recipe.prior is None:
            continue
        made = SampledSet(one.model, SAMPLES, seed=outcome.plan.seed, sampling=outcome.plan.sampling).all()
        figures.append(_figure(image_grid(made, COLUMNS), one.name))
    return figures


def _reconstructions(outcome: Outcome) -> str:
    able = [n for n, one in enumerate(outcome.models) if one.model.reconstructs]
    if not able:
        return ""
    shapes = {outcome.models[n].model.image_shape for n in able}
    pairs = []
    for number in able:
        shown = outcome.shown[number]
        pairs.append(_pair(outcome.models[number], shown.test or shown.train, outcome.plan.max_images))
    names = [outcome.models[n].name for n in able]
    if len(shapes) > 1:
        grids = (pair_grid(original, again, COLUMNS) for original, again in pairs)
        return strip([_figure(grid, f"{name}: originals above") for grid, name in zip(grids, names, strict=True)])
    originals = pairs[0][0]
    rows = []
    for start in range(0, len(originals), COLUMNS):
        part = slice(start, start + COLUMNS)
        rows += [originals[part], *(again[part] for _, again in pairs)]
    caption = f"In blocks of {len(names) + 1} rows, from above: the originals, {', '.join(names)}. Not chosen."
    return _figure(image_grid(torch.cat(rows), min(COLUMNS, len(originals))), caption)


def _pair(one: Judged, data: ImageData, limit: int | None) -> tuple[Tensor, Tensor]:
    """Pictures and their reconstructions, whole rows of them where there are enough."""
    rows = choose_rows(len(data), limit)
    count = 3 * COLUMNS if len(rows) >= 3 * COLUMNS else min(len(rows), COLUMNS)
    # spread over the set, because sets are often sorted by class
    rows = rows[torch.linspace(0, len(rows) - 1, count).long().numpy()]
    original = data.read(rows.tolist())
    labels = None
    if one.model.recipe.labels and data.labels is not None:
        labels = torch.from_numpy(data.labels[rows])
    with torch.inference_mode(), evaluating(one.model):
        again = one.model.reconstruct(to_float(original).to(one.model.device), labels)
    return original, to_uint8(again).cpu()


def _figure(drawn: Image.Image, caption: str) -> str:
    content = io.BytesIO()
    drawn.save(content, "PNG", optimize=True)
    return figure(embedded(content.getvalue(), drawn.size, caption), caption)
