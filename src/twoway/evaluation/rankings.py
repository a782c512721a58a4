"""Whether extractors agree: the order of the models by the same measure of different features.

A distance of features sees what its extractor sees. Where two extractors put the models in different orders, neither
order is the answer, and a reader should know. An order within chance is none, and is said to be so.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

from twoway.evaluation.measuring import Row
from twoway.evaluation.verdicts import Verdict

__all__ = ["rankings"]


def rankings(rows: Sequence[Row], verdicts: Sequence[Verdict], names: Sequence[str]) -> list[str]:
    """Say of every measure that was taken with several extractors whether they rank the models alike.

    Args:
        rows: What was measured; only models that have a value by every extractor are ranked, and one extractor counts
            once.
        verdicts: Of the rows.
        names: Of the models.

    Returns:
        A sentence for each such measure; none where a measure was taken with one extractor, of one model, or has no
        better way.
    """
    groups: dict[str, dict[str, tuple[Row, Verdict]]] = {}
    for row, verdict in zip(rows, verdicts, strict=True):
        if (row.metric.features or row.metric.distances) and row.metric.judged:
            groups.setdefault(row.metric.name, {})[row.name] = (row, verdict)
    found = []
    for name, by_title in groups.items():
        group = list(by_title.values())
        ranked = [n for n in range(len(names)) if all(row.cells[n].value is not None for row, _ in group)]
        if len(group) > 1 and len(ranked) > 1:
            found.append(_sentence(name, group, ranked, names))
    return found


def _sentence(name: str, group: Sequence[tuple[Row, Verdict]], ranked: Sequence[int], names: Sequence[str]) -> str:
    orders: dict[tuple[int, ...], list[str]] = {}
    for row, _ in group:
        orders.setdefault(_order(row, ranked), []).append(row.name.partition("[")[2].removesuffix("]"))
    if len(orders) == 1:
        order = next(iter(orders))
        sure = all(_told_apart(verdict, a, b) for _, verdict in group for a, b in pairwise(order))
        doubt = "" if sure else "; not all of that order is beyond chance"
        return f"{name}: all {len(group)} extractors rank {_listed(order, names)}, best first{doubt}."
    parts = []
    for order, extractors in orders.items():
        verb = "ranks" if len(extractors) == 1 else "rank"
        parts.append(f"{' and '.join(extractors)} {verb} {_listed(order, names)}")
    said = f"{'; '.join(parts)}; best first."
    if _contradict(group, ranked):
        return f"{name}: the extractors disagree. {said} What they look at decides, so look too."
    return f"{name}: the extractors give different orders, but do not contradict each other beyond chance. {said}"


def _order(row: Row, ranked: Sequence[int]) -> tuple[int, ...]:
    sign = 1 if row.metric.lower_is_better else -1
    return tuple(sorted(ranked, key=lambda n: sign * (row.cells[n].value or 0.0)))


def _told_apart(verdict: Verdict, a: int, b: int) -> bool:
    return verdict.differences[min(a, b), max(a, b)].decided


def _contradict(group: Sequence[tuple[Row, Verdict]], ranked: Sequence[int]) -> bool:
    """Whether one extractor calls a model better beyond chance, and another calls it worse beyond chance."""
    for pair in combinations(ranked, 2):
        told = {verdict.differences[pair].mean > 0 for _, verdict in group if _told_apart(verdict, *pair)}
        if len(told) == 2:
            return True
    return False


def _listed(order: Sequence[int], names: Sequence[str]) -> str:
    return ", ".join(names[n] for n in order)
