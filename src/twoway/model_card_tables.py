"""The lists and tables of a model card: measured values with their settings, and the training in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twoway.recipe import Recipe, Step

__all__ = ["metric_rows", "plain", "training_lines"]


def metric_rows(metrics: Any, titles: Mapping[str, tuple[str, tuple[str, ...]]]) -> list[str]:
    """Markdown of measured values, full names and all settings; results that are tables become tables.

    Args:
        metrics: Name to result, as training and evaluation write them; anything else is printed as it is.
        titles: What the metrics are, and the path of the one number in their results, by name.
    """
    if not isinstance(metrics, Mapping):
        return [str(metrics)]
    lines = ["| metric | value | what it is, and how it was measured |", "|---|---|---|"]
    tables: list[str] = []
    for name, result in metrics.items():
        if isinstance(result, Mapping) and isinstance(result.get("rows"), list) and result["rows"]:
            tables += _table(str(name), result, titles.get(str(name), ("",))[0])
            continue
        what, path = titles.get(str(name).partition("[")[0], ("", ("value",)))
        number: Any = result
        for key in path:
            number = number.get(key) if isinstance(number, Mapping) else None
        settings = result if isinstance(result, Mapping) else {}
        if number is None:
            number = "" if isinstance(result, Mapping) else result
        rest = {k: v for k, v in settings.items() if not (len(path) == 1 and k == path[0]) and v != number}
        lines.append(f"| {_cell(name)} | {_cell(number)} | {'; '.join(p for p in (what, _cell(rest)) if p)} |")
    return (lines if len(lines) > 2 else []) + tables


def training_lines(recipe: Recipe) -> list[str]:
    """The training settings that matter most, one line each."""
    optim, averaging = recipe.optim, recipe.averaging
    lines = [
        f"- Batch {recipe.batch}; Adam, learning rate {plain(optim.lr)}, betas {plain(list(optim.betas))}"
        + "".join(f"; {slot} {plain(net.lr)}" for slot, net in optim.nets.items() if net.lr is not None),
        f"- Averaged weights: half-life {plain(averaging.halflife_kimg)} thousand images",
        f"- Augmentation: {recipe.augment.kind}{', mirrored' if recipe.mirror else ''}",
    ]
    whole = sum(phase.share for phase in recipe.phases)
    for phase in recipe.phases:
        part = f", {phase.share / whole:.0%} of the budget" if len(recipe.phases) > 1 else ""
        grown = f", from {phase.growth.levels[0].size} to {phase.growth.levels[-1].size} pixels" if phase.growth else ""
        lines.append(f"- Phase {phase.name}{part}{grown}: {'; '.join(_step(step) for step in phase.steps)}")
    return lines


def plain(value: Any) -> str:
    """Plain data as words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {plain(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(plain(v) for v in value) + "]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _step(step: Step) -> str:
    terms = ", ".join(
        f"{name} {plain(weight.value)}" + (f" every {weight.every} iterations" if weight.every > 1 else "")
        for name, weight in step.terms.items()
    )
    often = f", every {step.every} iterations" if step.every > 1 else ""
    return f"{step.name} ({' and '.join(step.train)}{often}: {terms})"


def _table(name: str, result: Mapping[str, Any], what: str) -> list[str]:
    columns = list(dict.fromkeys(key for row in result["rows"] for key in row))
    rest = {k: v for k, v in result.items() if k != "rows"}
    return [
        "",
        f"{name}{f', {what}' if what else ''}{f' ({plain(rest)})' if rest else ''}:",
        "",
        f"| {' | '.join(columns)} |",
        "|" + "---|" * len(columns),
        *(f"| {' | '.join(_cell(row.get(column, '')) for column in columns)} |" for row in result["rows"]),
    ]


def _cell(value: Any) -> str:
    return plain(value).replace("|", "\\|").replace("\n", " ")
