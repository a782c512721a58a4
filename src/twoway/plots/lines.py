"""Lines over an x axis, with bands of uncertainty: one drawing, or small multiples with common lines."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from twoway.errors import ConfigError
from twoway.plots.labels import legend_below, name_ends
from twoway.plots.style import (
    DOT,
    FAINT,
    LINE,
    WIDTH,
    Log,
    Look,
    checked_log,
    dress,
    house_style,
    is_finite,
    look,
    new_figure,
    scale,
)
from twoway.training.progress import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Band", "Points", "line_plot", "over_trials", "panels", "thinned"]

Points: TypeAlias = Sequence[tuple[float, float]]
"""(x, y), in the order of x; a y that is not finite leaves a gap."""
Band: TypeAlias = Sequence[tuple[float, float, float]]
"""(x, low, high), in the order of x."""

POINTS = 300
MARKED = 8  # markers on a line
LETTERS = 11.5  # of a title in an inch, with room for the numbers of the axis


def line_plot(
    series: Mapping[str, Points],
    *,
    x: str,
    y: str,
    title: str = "",
    log: Log = "auto",
    bands: Mapping[str, Band] | None = None,
    marks: Sequence[tuple[float, str]] = (),
    width: float = WIDTH,
    height: float = 2.9,
) -> Figure:
    """Draw lines, each with its own dashes and marker, named at their ends.

    Args:
        series: Name to points.
        x: What the x axis is, with its unit.
        y: What the y axis is.
        title: Above the drawing.
        log: Which axes are logarithmic.
        bands: Name of a line to the band around it, such as `over_trials` gives.
        marks: Where upright lines go, and what they say.
        width: Inches.
        height: Inches.

    Raises:
        ConfigError: Nothing that could be drawn, a band without a line, or an unknown `log`.
    """
    checked_log(log)
    drawn = _drawable(series, bands)
    with house_style():
        figure = new_figure(width, height)
        axes = figure.add_subplot()
        looks = {name: look(number) for number, name in enumerate(series)}
        handles = _lines(axes, drawn, bands or {}, looks)
        scale(axes, log, _heights(drawn, bands or {}))
        _mark(axes, marks)
        dress(axes, x=x, y=y, title=title)
        ends = {name: _last(points) for name, points in drawn.items()}
        if len(drawn) > 1 and not name_ends(figure, axes, ends, [looks[name] for name in drawn]):
            legend_below(figure, list(handles.values()), list(drawn), width)
    return figure


def panels(
    drawings: Mapping[str, Mapping[str, Points]],
    *,
    x: str,
    y: str = "",
    title: str = "",
    log: Log = "auto",
    bands: Mapping[str, Mapping[str, Band]] | None = None,
    columns: int = 3,
    share_y: bool = False,
    width: float = WIDTH,
) -> Figure:
    """Draw small multiples: a line that has one name has one look in all of them, and one legend serves all.

    Args:
        drawings: Title of each panel to its lines.
        x: What the x axes are, with their unit.
        y: What the y axes are, where all are the same.
        title: Above all.
        log: Which axes are logarithmic; ``auto`` decides for each panel, or for all where they share their y axis.
        bands: Title to the bands of its lines.
        columns: Panels in a row, at most.
        share_y: Whether all panels have the same y axis, so that heights can be compared.
        width: Inches.

    Raises:
        ConfigError: Nothing that could be drawn, a band without a line, or an unknown `log`.
    """
    checked_log(log)
    bands = bands or {}
    if not drawings or columns < 1:
        raise ConfigError("There is nothing to draw: give at least one panel, and at least one column.")
    drawn = {name: _drawable(lines, bands.get(name)) for name, lines in drawings.items()}
    names = list(dict.fromkeys(name for lines in drawings.values() for name in lines))
    looks = {name: look(number) for number, name in enumerate(names)}
    down = math.ceil(len(drawn) / columns)
    across = math.ceil(len(drawn) / down)  # four panels are two and two, not three and one
    each = [_heights(lines, bands.get(panel, {})) for panel, lines in drawn.items()]
    everything = [value for values in each for value in values]
    with house_style():
        figure = new_figure(width, 0.45 + down * max(1.25, min(2.4, 0.72 * width / across)))
        grid = figure.subplots(down, across, squeeze=False, sharey=share_y)
        handles: dict[str, Any] = {}
        for number, (axes, (panel, lines)) in enumerate(zip(grid.flat, drawn.items(), strict=False)):
            handles |= _lines(axes, lines, bands.get(panel, {}), looks, small=across > 1)
            scale(axes, log, everything if share_y else each[number])
            lowest = number + across >= len(drawn)
            words = textwrap.fill(panel, max(12, int(LETTERS * width / across)), break_on_hyphens=False)
            dress(axes, x=x if lowest else "", y=y if number % across == 0 else "", title=words)
        for axes in list(grid.flat)[len(drawn) :]:
            axes.set_visible(False)
        if title:
            figure.suptitle(printable(title), x=0.01, ha="left", fontsize=10)
        names = [name for name in names if name in handles]
        if len(names) > 1:
            legend_below(figure, [handles[name] for name in names], names, width)
    return figure


def over_trials(trials: Sequence[Points]) -> tuple[list[tuple[float, float]], list[tuple[float, float, float]]]:
    """The mean of several curves and the band from the lowest to the highest, at the x that all of them have.

    Args:
        trials: Curves of the same thing, as of several seeds.

    Raises:
        ConfigError: No curves, or none with a common x.

    Example:
        >>> over_trials([[(1, 2.0), (2, 4.0)], [(1, 4.0), (3, 5.0)]])
        ([(1, 3.0)], [(1, 2.0, 4.0)])
    """
    curves = [{at: value for at, value in points if is_finite(value)} for points in trials]
    common = sorted(set.intersection(*map(set, curves))) if curves else []
    if not common:
        raise ConfigError(f"The {len(curves)} curves of these trials have no x in common, so there is no mean of them.")
    found = {at: [curve[at] for curve in curves] for at in common}
    mean = [(at, statistics.fmean(values)) for at, values in found.items()]
    return mean, [(at, min(values), max(values)) for at, values in found.items()]


def thinned(points: Points, most: int = POINTS) -> list[tuple[float, float]]:
    """At most so many points, each the mean of its neighbours."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / most)
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in p) / len(p), sum(y for _, y in p) / len(p)) for p in parts]


def _drawable(series: Mapping[str, Points], bands: Mapping[str, Band] | None) -> dict[str, list[tuple[float, float]]]:
    """Lines that have points; what is not finite is a gap."""
    for name in bands or {}:
        if name not in series:
            raise ConfigError(f"There is a band around '{name}', but no line of that name: {', '.join(series)}.")
    found = {
        name: [(float(at), float(value) if is_finite(value) else math.nan) for at, value in points if is_finite(at)]
        for name, points in series.items()
    }
    found = {name: points for name, points in found.items() if any(is_finite(value) for _, value in points)}
    if not found:
        raise ConfigError("There is nothing to draw: no line has a point with finite numbers.")
    return found


def _lines(
    axes: Any,
    series: Mapping[str, Points],
    bands: Mapping[str, Band],
    looks: Mapping[str, Look],
    *,
    small: bool = False,
) -> dict[str, Any]:
    """Draw lines with their bands below them; their handles for a legend."""
    handles = {}
    marked = MARKED // 2 if small else MARKED
    for number, (name, points) in enumerate(series.items()):
        seen = looks[name]
        if name in bands:
            at, low, high = zip(*bands[name], strict=True)
            axes.fill_between(at, low, high, color=seen.colour, alpha=0.18, linewidth=0, zorder=1.5)
            for edge in (low, high):  # a shade alone is lost in print
                axes.plot(at, edge, color=seen.colour, linewidth=0.4, alpha=0.7, zorder=1.6)
        shown = thinned(points)
        x, y = zip(*shown, strict=True)
        every = max(1, math.ceil(len(shown) / marked))
        few = len(shown) <= 2 * marked
        (handles[name],) = axes.plot(
            x,
            y,
            color=seen.colour,
            linestyle=seen.dashes,
            linewidth=LINE,
            marker=seen.marker,
            markersize=DOT * (0.85 if small else 1),
            # not all lines have their markers at the same places
            markevery=1 if few else ((2 * number + 1) * every // (2 * max(len(series), 1)), every),
        )
    return handles


def _heights(series: Mapping[str, Points], bands: Mapping[str, Band]) -> list[float]:
    values = [y for points in series.values() for _, y in points if is_finite(y)]
    return values + [y for name in series for _, *edges in bands.get(name, ()) for y in edges if is_finite(y)]


def _last(points: Points) -> float:
    return next(y for _, y in reversed(points) if is_finite(y))


def _mark(axes: Any, marks: Sequence[tuple[float, str]]) -> None:
    """Upright lines with words, those within the drawing."""
    start, end = axes.get_xlim()
    for at, label in marks:
        if start < at < end:
            axes.axvline(at, color=FAINT, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0.5)
            place = {"x": at, "y": 0.98, "transform": axes.get_xaxis_transform(), "rotation": 90}
            axes.text(s=f" {printable(label)}", color=FAINT, fontsize=7, ha="left", va="top", **place)
    axes.set_xlim(start, end)
