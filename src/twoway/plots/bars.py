"""Bars in groups, hatched, with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from twoway.errors import ConfigError
from twoway.plots.labels import legend_below
from twoway.plots.style import FAINT, INK, WIDTH, dress, house_style, is_finite, look, new_figure, plain_number, scale
from twoway.training.progress import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["bar_plot"]

ROOM = 0.8  # part of the width that the bars of a group take
LONG = 12  # letters of a group's name up to which names of many groups stand upright


def bar_plot(
    bars: Mapping[str, Sequence[float | None]],
    groups: Sequence[str],
    *,
    y: str,
    title: str = "",
    errors: Mapping[str, Sequence[float | tuple[float, float] | None]] | None = None,
    log: Literal["none", "y"] = "none",
    numbers: bool = False,
    width: float = WIDTH,
    height: float = 2.7,
) -> Figure:
    """Draw bars beside each other in groups.

    Args:
        bars: Name of a kind of bar to its height in each group; None where there is none.
        groups: Names of the groups, in their order.
        y: What the y axis is, with its unit.
        title: Above the drawing.
        errors: Kind of bar to the uncertainty in each group: half of it, the interval (low, high), or None.
        log: Whether the y axis is logarithmic; bars then have no natural bottom, so think twice.
        numbers: Whether each bar says its height.
        width: Inches.
        height: Inches.

    Raises:
        ConfigError: Nothing to draw, lists that do not have one number for each group, or an interval that does not
            hold its bar.
    """
    errors = errors or {}
    _check(bars, groups, errors)
    with house_style():
        figure = new_figure(width, height)
        axes = figure.add_subplot()
        each = ROOM / len(bars)
        everything: list[float] = []
        most = max(abs(float(h)) for heights in bars.values() for h in heights if h is not None and is_finite(h))
        digits = min(6, max(0, 2 - math.floor(math.log10(most)))) if most else 0  # three of the largest
        handles = []
        for number, (name, heights) in enumerate(bars.items()):
            seen = look(number)
            there = [(g, float(h)) for g, h in enumerate(heights) if h is not None and is_finite(h)]
            at = [g + (number - (len(bars) - 1) / 2) * each for g, _ in there]
            tops = [h for _, h in there]
            drawn = axes.bar(
                at,
                tops,
                0.92 * each,
                # hatches are read on a light ground, and the darkest colour would hide its own
                color=_lightened(seen.colour),
                edgecolor=INK,
                linewidth=0.5,
                hatch=seen.hatch,
            )
            handles.append(drawn)
            everything += tops
            ends = [_interval(h, errors[name][g]) if name in errors else None for g, h in there]
            for place, top, end in zip(at, tops, ends, strict=True):
                if end is not None:
                    below, above = [[top - end[0]], [end[1] - top]]
                    axes.errorbar(place, top, [below, above], color=INK, linewidth=0.9, capsize=2.2, capthick=0.9)
                    everything += end
                if numbers:
                    high = top if end is None else max(end)
                    offset: Any = {"textcoords": "offset points", "xytext": (0, 2), "ha": "center", "va": "bottom"}
                    axes.annotate(
                        f"{top:.{digits}f}".replace("-", "−"), (place, max(high, 0.0)), fontsize=6.5, **offset
                    )
        scale(axes, log, everything)
        dress(axes, x="", y=y, title=title, grid="y")
        tilted = len(groups) * max(map(len, groups)) > 12 * width
        axes.set_xticks(range(len(groups)), [printable(group) for group in groups])
        if tilted:
            axes.tick_params(axis="x", labelrotation=35)
            for text in axes.get_xticklabels():
                text.set_horizontalalignment("right")
                text.set_rotation_mode("anchor")
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.6, len(groups) - 0.4)
        if min(everything) < 0:
            axes.axhline(0, color=FAINT, linewidth=0.6)
        if log == "none":
            axes.yaxis.set_major_formatter(plain_number)
        if len(bars) > 1:
            legend_below(figure, handles, list(bars), width)
    return figure


def _lightened(colour: str) -> tuple[float, float, float]:
    """The colour mixed with white, half and half."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return (0.45 + 0.55 * red, 0.45 + 0.55 * green, 0.45 + 0.55 * blue)


def _interval(top: float, error: float | tuple[float, float] | None) -> tuple[float, float] | None:
    if error is None:
        return None
    return error if isinstance(error, tuple) else (top - error, top + error)


def _check(
    bars: Mapping[str, Sequence[float | None]],
    groups: Sequence[str],
    errors: Mapping[str, Sequence[float | tuple[float, float] | None]],
) -> None:
    if not groups or not any(h is not None and is_finite(h) for heights in bars.values() for h in heights):
        raise ConfigError("There is nothing to draw: no bar has a finite height.")
    for name, values in [*bars.items(), *errors.items()]:
        if name not in bars:
            raise ConfigError(f"There are uncertainties of '{name}', but no bars of that name: {', '.join(bars)}.")
        if len(values) != len(groups):
            raise ConfigError(f"'{name}' has {len(values)} numbers for {len(groups)} groups; give one for each.")
    for name, found in errors.items():
        for top, error, group in zip(bars[name], found, groups, strict=True):
            ends = None if top is None else _interval(top, error)
            if ends is not None and top is not None and not ends[0] <= top <= ends[1]:
                raise ConfigError(
                    f"The interval {ends[0]:g} to {ends[1]:g} of '{name}' in {group} does not hold its bar, {top:g}."
                )
