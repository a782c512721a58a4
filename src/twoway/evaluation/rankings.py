"""Whether extractors agree: the order of the models by the same measure of different features.

A distance of features sees what its extractor sees. Where two extractors put the models in different orders, neither
order is the answer, and a reader should know.
"""

from __future__ import annotations

from collections.abc import Sequence

from twoway.evaluation.measuring import Row

__all__ = ["rankings"]


def rankings(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Say of every measure that was taken with several extractors whether they rank the models alike.

    Args:
        rows: What was measured; only models that have a value by every extractor are ranked.
        names: Of the models.

    Returns:
        A sentence for each such measure; none where a measure was taken with one extractor, or of one model.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.metric.features:
            groups.setdefault(row.metric.name, []).append(row)
    found = []
    for name, group in groups.items():
        ranked = [n for n in range(len(names)) if all(row.cells[n].value is not None for row in group)]
        if len(group) > 1 and len(ranked) > 1:
            found.append(_sentence(name, group, ranked, names))
    return found


def _sentence(name: str, group: Sequence[Row], ranked: Sequence[int], names: Sequence[str]) -> str:
    orders: dict[tuple[int, ...], list[str]] = {}
    for row in group:
        sign = 1 if row.metric.lower_is_better else -1
        order = tuple(sorted(ranked, key=lambda n, row=row: sign * (row.cells[n].value or 0.0)))  # type: ignore[misc]
        orders.setdefault(order, []).append(row.name.partition("[")[2].removesuffix("]"))
    if len(orders) == 1:
        order = next(iter(orders))
        return f"{name}: all {len(group)} extractors rank {_listed(order, names)}, best first."
    parts = []
    for order, extractors in orders.items():
        verb = "ranks" if len(extractors) == 1 else "rank"
        parts.append(f"{' and '.join(extractors)} {verb} {_listed(order, names)}")
    return f"{name}: the extractors disagree. {'; '.join(parts)}; best first. What they look at decides, so look too."


def _listed(order: Sequence[int], names: Sequence[str]) -> str:
    return ", ".join(names[n] for n in order)
