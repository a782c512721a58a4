"""Sentences that pages have in common: what a budget is short of, and how a published order compares."""

from __future__ import annotations

from collections.abc import Sequence

from twoway.reproduce.budget import Budget
from twoway.reproduce.study import Study

__all__ = ["SMOKE", "as_published", "beyond_smoke", "budget_notes"]

SMOKE = "The budget smoke proves that the command works; its figures and pictures mean nothing."


def budget_notes(study: Study) -> list[str]:
    """What a study is short of, in sizes and lengths as they are, not as the budget has them."""
    given, paper = study.budget, study.artefact.budgets["paper"]
    if study.budget_name == "smoke":
        return [SMOKE]
    if study.budget_name == "paper":
        changed = (given.kimg, given.epochs) != (paper.kimg, paper.epochs)
        return [f"Trainings of {_length(given)}, as asked; the budget paper has {_length(paper)}."] if changed else []
    side = given.size or study.pictures()[0].shape[1]
    theirs = f"{paper.size} pixels and {_length(paper)}" if paper.size else _length(paper)
    return [f"Pictures of {side} pixels and trainings of {_length(given)}; the budget paper has {theirs}."]


def _length(budget: Budget) -> str:
    """Images or epochs of each training, in words."""
    if budget.kimg is None and budget.epochs is not None:
        return f"{budget.epochs:g} epochs"
    whole = {role.kimg or budget.kimg for role in budget.roles.values()} or {budget.kimg}
    found = sorted({kimg for kimg in whole if kimg is not None})
    if not found:
        return "the lengths of its presets"
    return f"{found[0]:,g} kimg" if len(found) == 1 else f"{found[0]:,g} to {found[-1]:,g} kimg"


def as_published(claim: str, lower: float | None, higher: float | None) -> list[str]:
    """A sentence about a published order of two numbers, where both were measured."""
    if lower is None or higher is None:
        return []
    verdict = "the same" if lower < higher else "the other way round" if lower > higher else "no difference"
    return [f"Published: {claim}. Measured: {lower:.4g} against {higher:.4g}, {verdict}."]


def beyond_smoke(study: Study, findings: Sequence[str]) -> list[str]:
    """Findings, but none of the budget smoke, where an order of two numbers means nothing."""
    return [] if study.budget_name == "smoke" else list(findings)
