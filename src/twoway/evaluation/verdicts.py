"""Which model is better at what, as far as the difference is larger than chance.

Every measure is judged alone, at the level of 95 per cent, by what is known of its chance:

- means over pictures by a bootstrap of the differences on the same pictures;
- accuracies by intervals over the test pictures, taken as independent, which errs on the side of caution;
- sets of samples by Student's test over sampling seeds; sets of reconstructions by its paired form over disjoint parts
  of the pictures.

The deviation of a kernel distance over its subsets decides nothing: subsets overlap and all hold the same samples, so
it grows with small subsets and says nothing of other samples. Where nothing of this is known, nothing is decided.
Measures are not added up: there is no overall winner.

References:
    Wilson, Probable Inference, JASA 1927 (interval of a share). Newcombe, Statistics in Medicine 17, 1998, method 10
    (difference of two numbers with an interval each).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

from twoway.errors import DataError
from twoway.evaluation.measuring import Cell, Row
from twoway.metrics.bootstrap import LEVEL, paired_difference

__all__ = ["Difference", "Verdict", "cell_interval", "compare_cells", "judge", "sentences", "spread_of"]

_NORMAL = 1.959963984540054


@dataclass(frozen=True)
class Difference:
    """Two models by one measure.

    Args:
        mean: Value of the first less that of the second.
        margin: How far such a difference may come from chance; None where nothing is known or an interval is given.
        interval: Where the difference lies, where that is known.
        decided: Whether it is larger than chance.
        how: What chance is judged by.
    """

    mean: float
    margin: float | None
    interval: tuple[float, float] | None
    decided: bool
    how: str

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "level": LEVEL}


@dataclass(frozen=True)
class Verdict:
    """What one measure says of all models.

    Args:
        metric: Its full name.
        best: Numbers of the models that may be the best: the one of the best value, and those not told from it.
        missing: Numbers of the models that could not be measured.
        differences: By numbers of two models.
        judged: Whether the measure has a better way at all.
    """

    metric: str
    best: tuple[int, ...]
    missing: tuple[int, ...]
    differences: Mapping[tuple[int, int], Difference]
    judged: bool = True

    @property
    def how(self) -> str:
        """What chance was judged by."""
        return next((one.how for one in self.differences.values()), "")

    @property
    def decided(self) -> bool:
        """Whether one model is better than all others measured."""
        return len(self.best) == 1 and bool(self.differences)


def judge(row: Row) -> Verdict:
    """Compare all models by one measure."""
    values = {number: cell.value for number, cell in enumerate(row.cells)}
    there = {number: value for number, value in values.items() if value is not None}
    missing = tuple(number for number, value in values.items() if value is None)
    if not row.metric.judged:
        return Verdict(row.name, (), missing, {}, judged=False)
    differences = {
        (a, b): compare_cells(row.cells[a], row.cells[b], labels=row.metric.labels) for a, b in combinations(there, 2)
    }
    best: tuple[int, ...] = ()
    if there:
        first = (min if row.metric.lower_is_better else max)(there, key=lambda number: there[number])
        best = tuple(
            number
            for number in there
            if number == first or not differences[min(number, first), max(number, first)].decided
        )
    return Verdict(row.name, best, missing, differences)


def compare_cells(a: Cell, b: Cell, *, labels: bool = False) -> Difference:
    """Whether two models differ by one measure.

    Args:
        a: A model's cell, measured.
        b: Another model's.
        labels: Whether the measure is an accuracy in per cent over test pictures.
    """
    one, other = a.value, b.value
    assert one is not None
    assert other is not None
    mean = one - other
    if a.per_picture is not None and b.per_picture is not None and a.per_picture.shape == b.per_picture.shape:
        found = paired_difference(a.per_picture, b.per_picture)
        how = f"bootstrap of the differences on the same {found.n} pictures"
        return Difference(mean, None, found.interval, found.excludes_zero, how)
    sides = [cell_interval(cell.result or {}, labels=labels) for cell in (a, b)]
    if sides[0] is not None and sides[1] is not None:
        (low_a, high_a), (low_b, high_b) = sides[0], sides[1]
        low = mean - math.hypot(one - low_a, high_b - other)
        high = mean + math.hypot(high_a - one, other - low_b)
        return Difference(mean, None, (low, high), low > 0 or high < 0, "intervals of both, taken as independent")
    if len(a.parts) == len(b.parts) > 1:
        return _by_parts(mean, a.parts, b.parts)
    if len(a.seeds) > 1 and len(b.seeds) > 1:
        return _by_seeds(mean, a.seeds, b.seeds)
    return Difference(mean, None, None, False, "measured once, so nothing is known of chance; more with --repeats")


def _over_subsets(cell: Cell) -> float | None:
    """Deviation over the subsets that a number is a mean over."""
    sd = (cell.result or {}).get("sd")
    return sd if isinstance(sd, float) and "subsets" in (cell.result or {}) else None


def _by_parts(mean: float, a: Sequence[float], b: Sequence[float]) -> Difference:
    """Student's paired test: the same parts of the pictures, reconstructed by both."""
    apart = [one - other for one, other in zip(a, b, strict=True)]
    margin = _student(len(apart) - 1) * stdev(apart) / math.sqrt(len(apart))
    # parts are smaller than the whole, which shifts some distances: both must point the same way
    decided = min(abs(fmean(apart)), abs(mean)) > margin and fmean(apart) * mean > 0
    return Difference(mean, margin, None, decided, f"{len(apart)} disjoint parts of the pictures")


def _by_seeds(mean: float, a: Sequence[float], b: Sequence[float]) -> Difference:
    """Student's test of two samples with one spread."""
    free = len(a) + len(b) - 2
    inside = sum((len(one) - 1) * stdev(one) ** 2 for one in (a, b)) / free
    how = f"{min(len(a), len(b))} sampling seeds"
    if inside == 0 and mean != 0:
        return Difference(mean, None, None, False, f"{how}, which change nothing, so nothing is known of chance")
    margin = _student(free) * math.sqrt(inside * (1 / len(a) + 1 / len(b)))
    return Difference(mean, margin, None, abs(mean) > margin, how)


def _student(free: int) -> float:
    """How many deviations Student's distribution stays within, at the level."""
    from scipy.special import stdtrit

    return float(stdtrit(free, (1 + LEVEL) / 2))


def cell_interval(result: Mapping[str, Any], *, labels: bool = False) -> tuple[float, float] | None:
    """Where a number lies by the choice of pictures: given by the measure, or Wilson's interval of an accuracy.

    Args:
        result: Of a measure.
        labels: Whether it is an accuracy in per cent over test pictures.
    """
    given = result.get("interval")
    if given is not None:
        return float(given[0]), float(given[1])
    n = _tested(result) if labels else None
    if n is None or not 0 <= result["value"] <= 100:
        return None
    share, z2 = result["value"] / 100, _NORMAL**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _NORMAL / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # nothing is better than all or worse than none, whatever the rounding
    return 100 * min(max(middle - half, 0.0), share), 100 * max(min(middle + half, 1.0), share)


def _tested(node: Any) -> int | None:
    """Number of test pictures, wherever it stands in a result."""
    if not isinstance(node, Mapping):
        return None
    if isinstance(node.get("n_test"), int):
        return int(node["n_test"])
    return next((n for inner in node.values() if (n := _tested(inner)) is not None), None)


def spread_of(cell: Cell) -> str:
    """What follows a value in words: its interval or its spread; empty where neither is known."""
    if len(cell.seeds) > 1:
        return f"sd {_two_digits(stdev(cell.seeds))} of {len(cell.seeds)} seeds"
    sd = _over_subsets(cell)
    return "" if sd is None else f"sd {_two_digits(sd)} of {(cell.result or {})['subsets']} subsets"


def _two_digits(number: float) -> str:
    return f"{float(f'{number:.2g}'):g}"


def sentences(verdicts: Sequence[Verdict], names: Sequence[str]) -> list[str]:
    """What the measures say together, without adding them up.

    Args:
        verdicts: Of several models.
        names: Of the models.

    Raises:
        DataError: Fewer than two models, of which none is better.
    """
    if len(names) < 2:
        raise DataError("A verdict needs at least two models, but got one. Name another model to compare with.")
    word = "better" if len(names) == 2 else "best"
    lines = []
    for number, name in enumerate(names):
        at = [v.metric for v in verdicts if v.decided and v.best == (number,)]
        if at:
            lines.append(f"{name} is {word} at {', '.join(at)}.")
    open_: dict[tuple[int, ...], list[str]] = {}
    for verdict in verdicts:
        if len(verdict.best) > 1:
            open_.setdefault(verdict.best, []).append(verdict.metric)
    for best, at in open_.items():
        between = "" if len(best) == len(names) else f" between {_listed([names[n] for n in best])}, the best by value"
        lines.append(f"Undecided{between}: {', '.join(at)}.")
    alone = [v.metric for v in verdicts if v.judged and not v.differences]
    if alone:
        lines.append(f"Not compared, for lack of two models that can be measured: {', '.join(alone)}.")
    neither = [v.metric for v in verdicts if not v.judged]
    if neither:
        lines.append(f"Not judged, because neither more nor less of it is better: {', '.join(neither)}.")
    return lines


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
