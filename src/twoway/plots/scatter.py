"""Points in a plane, such as features brought to two dimensions, and paths among them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from twoway.errors import ConfigError
from twoway.plots.labels import legend_below
from twoway.plots.lines import Points
from twoway.plots.style import DOT, INK, LINE, WIDTH, dress, house_style, is_finite, look, new_figure
from twoway.training.progress import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["scatter_plot"]

MANY = 400  # points of all groups from which they are drawn smaller
HOLLOW = ("^", "<", "p")  # shapes drawn as outlines, which grey print tells from filled ones
LARGER = {"*": 1.7, "X": 1.5, "P": 1.5, "D": 0.9, "^": 1.1, "v": 1.1, "<": 1.1, ">": 1.1}  # for areas that look alike
BESIDE = 18  # groups up to which the legend stands on the right


def scatter_plot(
    groups: Mapping[str, Points],
    *,
    x: str = "",
    y: str = "",
    title: str = "",
    paths: Mapping[str, Points] | None = None,
    numbers: bool = True,
    names: bool = False,
    width: float = 0.75 * WIDTH,
    height: float | None = None,
) -> Figure:
    """Draw groups of points, each with its shape, and paths through the plane from a filled dot to an arrow.

    Args:
        groups: Name to points; a point that is not finite is left out.
        x: What the x axis is.
        y: What the y axis is.
        title: Above the drawing.
        paths: Name to the points of a walk, in their order; drawn over the points.
        numbers: Whether the axes have numbers; coordinates of t-SNE mean nothing by themselves.
        names: Whether the name of each group stands in its middle; for short names of groups that lie apart.
        width: Inches.
        height: Inches; such that the drawing is about square where None.

    Raises:
        ConfigError: Nothing to draw, or a path of fewer than two points.
    """
    there = {name: _finite(points) for name, points in groups.items()}
    walks = {name: _finite(points) for name, points in (paths or {}).items()}
    if not any(there.values()) and not walks:
        raise ConfigError("There is nothing to draw: no group has a point with finite numbers.")
    for name, walk in walks.items():
        if len(walk) < 2:
            raise ConfigError(f"The path '{name}' has {len(walk)} points, but a path needs at least two.")
    count = sum(map(len, there.values()))
    size = DOT * (0.8 if count <= MANY else max(0.5, 0.8 * (MANY / count) ** 0.25))
    with house_style():
        figure = new_figure(width, 0.7 * width if height is None else height)
        axes = figure.add_subplot()
        handles: dict[str, Any] = {}
        for number, (name, points) in enumerate(there.items()):
            if points:
                handles[name] = _dots(axes, points, number, size)
            if points and names:
                _name(axes, name, points)
        for number, (name, walk) in enumerate(walks.items()):
            handles[name] = _walk(axes, walk, number)
        dress(axes, x=x, y=y, title=title)
        if not numbers:
            axes.tick_params(length=0, labelbottom=False, labelleft=False)
            axes.grid(visible=False)
        axes.set_aspect("equal", adjustable="datalim")
        if 1 < len(handles) <= BESIDE:
            labels = [printable(name) for name in handles]
            figure.legend(list(handles.values()), labels, loc="outside right upper", handlelength=2.6)
        elif len(handles) > 1:
            legend_below(figure, list(handles.values()), list(handles), width)
    return figure


def _dots(axes: Any, points: Points, number: int, size: float) -> Any:
    seen = look(number)
    across, up = zip(*points, strict=True)
    hollow = seen.marker in HOLLOW
    (handle,) = axes.plot(
        across,
        up,
        linestyle="none",
        marker=seen.marker,
        markersize=size * LARGER.get(seen.marker, 1.0),
        markerfacecolor="white" if hollow else seen.colour,
        markeredgecolor=seen.colour if hollow else "white",
        markeredgewidth=0.6 if hollow else 0.25,
    )
    return handle


def _name(axes: Any, name: str, points: Points) -> None:
    """The name of a group at the medians of its points, with a white edge."""
    from matplotlib.patheffects import withStroke

    middle = [statistics.median(values) for values in zip(*points, strict=True)]
    edge = [withStroke(linewidth=2.2, foreground="white")]
    axes.text(*middle, printable(name), ha="center", va="center", fontweight="bold", path_effects=edge, zorder=6)


def _walk(axes: Any, walk: Points, number: int) -> Any:
    """A line with a white edge, so that it stands out from the points, and an arrow at its end."""
    from matplotlib.patheffects import Normal, Stroke

    dashes = look(number).dashes
    across, up = zip(*walk, strict=True)
    axes.plot(across, up, color="white", linewidth=LINE + 1.8, zorder=3)
    (handle,) = axes.plot(across, up, color=INK, linestyle=dashes, linewidth=LINE, marker=".", markersize=3, zorder=4)
    axes.plot(across[:1], up[:1], marker="o", markersize=5, color=INK, markeredgecolor="white", zorder=5)
    edge = [Stroke(linewidth=2.6, foreground="white"), Normal()]
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": LINE, "shrinkA": 0, "shrinkB": 0, "path_effects": edge}
    axes.annotate("", walk[-1], walk[-2], arrowprops=arrow, zorder=5)
    return handle


def _finite(points: Points) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in points if is_finite(a) and is_finite(b)]
