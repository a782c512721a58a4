"""Curves of trainings out of their statistics: one drawing for each number, one line for each run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from twoway.errors import CheckpointError, ConfigError, closest
from twoway.plots.lines import Points, line_plot, panels
from twoway.plots.style import Log, is_finite
from twoway.training.stats import read_stats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Over", "curves_of_runs", "found_numbers", "named_runs"]

Over: TypeAlias = Literal["kimg", "seconds", "iteration"]
AXES = {"kimg": "thousand images", "seconds": "seconds of training", "iteration": "iterations"}
MOST = 12
"""Panels drawn where nobody chose any."""


def curves_of_runs(
    runs: Sequence[Path], names: Sequence[str] = (), *, over: Over = "kimg", log: Log = "auto"
) -> Figure:
    """Draw numbers of one or several trainings.

    Args:
        runs: Run folders; each is a line, named after its folder.
        names: Numbers of ``stats.jsonl``, as ``metric/mse``, or any end or beginning of such names, as ``mse`` or
            ``loss``; where empty the losses and metrics that the runs have, or of several runs those they share.
        over: What the x axis is.
        log: Which axes are logarithmic.

    Raises:
        CheckpointError: A run without statistics.
        ConfigError: No run has such a number, or none of those asked for was written more than once.
    """
    curves = {label: found_numbers(run, over) for label, run in named_runs(runs).items()}
    known = list(dict.fromkeys(name for found in curves.values() for name in found))
    if names:
        wanted = list(dict.fromkeys(name for asked in names for name in _matching(asked, known, runs)))
    else:
        wanted = [name for name in known if name.startswith(("loss/", "metric/"))]
        if len(runs) > 1:
            wanted = [name for name in wanted if sum(name in found for found in curves.values()) > 1] or wanted
        wanted = sorted(wanted, key=lambda name: not name.startswith("metric/"))[:MOST] or known[:MOST]
    # a run without a number keeps its place, so that it looks and stands the same in all drawings
    drawings: dict[str, dict[str, Points]] = {
        name: {label: _curve(found.get(name, ())) for label, found in curves.items()} for name in wanted
    }
    drawings = {name: lines for name, lines in drawings.items() if any(lines.values())}
    if not drawings:
        folders = ", ".join(str(run) for run in runs)
        asked = f"'{', '.join(names)}' was" if names else "statistics were"
        raise ConfigError(
            f"There is nothing to draw: in {folders} {asked} written fewer than twice. Train for more ticks "
            "(training.tick_kimg), or choose another number with --metric."
        )
    if len(drawings) == 1:
        ((name, lines),) = drawings.items()
        shown = [label for label, points in lines.items() if points]
        title = f"{_title(name)} of {shown[0]}" if len(shown) == 1 else ""
        return line_plot(lines, x=AXES[over], y=_title(name), title=title, log=log)
    title = next(iter(curves)) if len(curves) == 1 else ""
    return panels({_title(name): lines for name, lines in drawings.items()}, x=AXES[over], title=title, log=log)


def found_numbers(run: Path, over: Over = "kimg") -> dict[str, list[tuple[float, float]]]:
    """Every number of a run's statistics over one of them; numbers that are not finite are gaps.

    Args:
        run: Run folder.
        over: What the numbers are over.

    Raises:
        CheckpointError: The folder has no statistics, or they cannot be read.
        ConfigError: `over` is none of those.
    """
    if over not in AXES:
        raise ConfigError(f"There is no x axis '{over}'{closest(over, AXES)}.")
    path = run / "stats.jsonl"
    try:
        records = read_stats(path)
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{run} has no statistics to draw: {path.name} cannot be read ({error}). It is written while training; "
            "give a run folder that has trained for a while."
        ) from error
    found: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        at = record.get(over) if isinstance(record, Mapping) else None
        if is_finite(at):
            for name, value in record.items():
                if name not in AXES and isinstance(value, (int, float)) and not isinstance(value, bool):
                    found.setdefault(name, []).append((float(at), float(value)))  # type: ignore[arg-type]
    if not found:
        raise CheckpointError(
            f"{run} has no statistics to draw yet: {path.name} is written at every tick (training.tick_kimg). Give a "
            "run that has trained for longer."
        )
    return found


def named_runs(runs: Sequence[Path]) -> dict[str, Path]:
    """A label for each run folder: its name, with as much of the path above as tells them apart; each only once."""
    places = list(dict.fromkeys(run.resolve() for run in runs))
    for depth in range(1, max((len(place.parts) for place in places), default=0) + 1):
        labels = ["/".join(place.parts[-depth:]) for place in places]
        if len(set(labels)) == len(labels):
            return dict(zip(labels, places, strict=True))
    return {str(place): place for place in places}


def _matching(asked: str, known: Sequence[str], runs: Iterable[Path]) -> list[str]:
    """Names that are the one asked for, or end or begin with its parts; an extractor in brackets may be left out."""
    forms = {name: {name, re.sub(r"\[.*\]$", "", name)} for name in known}
    for fits in (
        lambda name: asked in forms[name],
        lambda name: any(f"/{form}".endswith(f"/{asked}") for form in forms[name]),
        lambda name: name.startswith(f"{asked.rstrip('/')}/"),
    ):
        found = [name for name in known if fits(name)]
        if found:
            return found
    folders = ", ".join(run.name for run in runs)
    raise ConfigError(f"There is no number '{asked}' in the statistics of {folders}{_near(asked, known)}.")


def _near(asked: str, known: Sequence[str]) -> str:
    """The nearest name, judged by whole names and by their last parts."""
    last = {re.sub(r"\[.*\]$", "", name).rsplit("/", 1)[-1]: name for name in known}
    help_ = closest(asked, known)
    if help_.startswith(";"):
        return help_
    short = closest(asked, last)
    return f"{short.split('?')[0]}?{help_.removeprefix('.')}" if short.startswith(";") else help_


def _title(name: str) -> str:
    """``loss/critic/real`` as people say it."""
    kind, _, rest = name.partition("/")
    if kind == "loss" and rest:
        return f"loss {rest.replace('/', ': ')}"
    if kind == "metric" and rest:
        return rest
    return {"images_per_s": "images per second", "peak_memory_mib": "peak memory, MiB"}.get(name, name)


def _curve(points: Points) -> Points:
    """The points, or none where fewer than two can be drawn."""
    return points if sum(math.isfinite(value) for _, value in points) > 1 else ()
