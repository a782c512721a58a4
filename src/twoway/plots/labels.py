"""What a line is: its name beside its end, with a piece of the line, or in a legend below where there are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twoway.plots.style import DOT, INK, LINE, Look
from twoway.training.progress import printable

__all__ = ["legend_below", "name_ends", "spread_out"]

MOST, LONGEST = 9, 30
"""Lines and letters up to which names stand beside the ends of lines."""
APART = 1.3  # heights of a line of text
SAMPLE = 26.0  # points of line before a name
GAP = 6.0


def name_ends(figure: Any, axes: Any, ends: Mapping[str, float], looks: Sequence[Look]) -> bool:
    """Write the names of lines on the right of axes, each at the height of its end or as near to it as there is room.

    Args:
        figure: The figure, complete but for the names.
        axes: Where the lines are.
        ends: Name to the y of the last point, in the order of the lines.
        looks: Of the lines.

    Returns:
        Whether they were written; not where they are too many or too long.
    """
    if not 1 < len(ends) <= MOST or max(map(len, ends)) > LONGEST:
        return False
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Affine2D, ScaledTranslation, blended_transform_factory

    # across in points from the right edge, up as a part of the height
    points = Affine2D().scale(1 / 72) + figure.dpi_scale_trans + ScaledTranslation(1, 0, axes.transAxes)
    beside = blended_transform_factory(points, axes.transAxes)
    texts = [
        axes.text(GAP + SAMPLE + 4, 0.5, printable(name), transform=beside, va="center", color=INK) for name in ends
    ]
    figure.draw_without_rendering()  # the names take their room before heights are known
    apart = APART * max(text.get_window_extent().height for text in texts) / axes.get_window_extent().height
    if apart * len(ends) > 1:
        for text in texts:
            text.remove()
        return False
    up = axes.transData + axes.transAxes.inverted()
    wanted = [min(max(float(up.transform((axes.get_xlim()[0], y))[1]), 0.0), 1.0) for y in ends.values()]
    for place, text, seen in zip(spread_out(wanted, apart), texts, looks, strict=True):
        text.set_y(place)
        axes.add_line(
            Line2D(
                [GAP, GAP + SAMPLE / 2, GAP + SAMPLE],
                [place] * 3,
                transform=beside,
                color=seen.colour,
                linestyle=seen.dashes,
                linewidth=LINE,
                marker=seen.marker,
                markersize=DOT,
                markevery=[1],
                clip_on=False,
            )
        )
    return True


def spread_out(wanted: Sequence[float], apart: float) -> list[float]:
    """Places as near to those wanted as may be, no two nearer than `apart`, all within 0 and 1 if they fit.

    Args:
        wanted: Places from 0 to 1.
        apart: Least distance of two.

    Example:
        >>> [round(y, 3) for y in spread_out([0.5, 0.5, 0.9], 0.1)]
        [0.45, 0.55, 0.9]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[list[int]] = []
    for i in order:
        groups.append([i])
        while len(groups) > 1 and _start(groups[-1], wanted, apart) < _end(groups[-2], wanted, apart) + apart - 1e-12:
            last = groups.pop()
            groups[-1] += last
    places = [0.0] * len(wanted)
    for group in groups:
        first = _start(group, wanted, apart)
        for number, i in enumerate(group):
            places[i] = first + number * apart
    return places


def _start(group: Sequence[int], wanted: Sequence[float], apart: float) -> float:
    """Where a row of neighbours begins: around the mean of what they want, inside 0 to 1."""
    length = (len(group) - 1) * apart
    mean = sum(wanted[i] for i in group) / len(group)
    return max(0.0, min(mean - length / 2, 1.0 - length))


def _end(group: Sequence[int], wanted: Sequence[float], apart: float) -> float:
    return _start(group, wanted, apart) + (len(group) - 1) * apart


def legend_below(figure: Any, handles: Sequence[Any], names: Sequence[str], width: float) -> None:
    """A legend under everything, in as many columns as there is room for.

    Args:
        figure: The figure.
        handles: Samples.
        names: What they are.
        width: Of the figure, inches.
    """
    letters = max(map(len, names)) + 9  # a sample is about as wide as nine letters
    columns = max(1, min(len(names), int(width * 72 / (4.6 * letters))))
    figure.legend(handles, [printable(name) for name in names], loc="outside lower left", ncols=columns)
