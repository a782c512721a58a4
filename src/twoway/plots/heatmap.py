"""Heat maps: a table of numbers, each in its cell, on a ground that says how large it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twoway.errors import ConfigError
from twoway.plots.style import INK, house_style, is_finite, new_figure
from twoway.training.progress import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["heat_map"]

_CELL = (0.52, 0.27)  # inches
_LETTER = 0.062  # width of one, inches
_LOW, _MIDDLE, _HIGH = "#e69f00", "#ffffff", "#0072b2"


def heat_map(
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    x: str = "",
    y: str = "",
    title: str = "",
    digits: int = 1,
    framed: Sequence[tuple[int, int]] = (),
) -> Figure:
    """Draw a table of numbers around 0.

    Args:
        values: R rows of C numbers.
        rows: Their names.
        columns: Names of the columns.
        x: What the columns are.
        y: What the rows are.
        title: Above.
        digits: Decimal places of the numbers in the cells.
        framed: Cells to put a frame around, (row, column).

    Returns:
        A figure for `twoway.plots.save_plot`.

    Raises:
        ConfigError: No numbers, some that are not finite, or names that are not as many.
    """
    if not rows or not columns or len(values) != len(rows) or any(len(line) != len(columns) for line in values):
        raise ConfigError(f"A heat map of {len(rows)} rows and {len(columns)} columns needs a number for each cell.")
    if not all(is_finite(value) for line in values for value in line):
        raise ConfigError("A heat map was given numbers that are not finite.")
    with house_style():
        from matplotlib.colors import LinearSegmentedColormap, Normalize
        from matplotlib.patches import Rectangle

        left, below = (_LETTER * max(map(len, names)) + 0.3 for names in (rows, columns))
        figure = new_figure(
            _CELL[0] * len(columns) + left + 0.3, _CELL[1] * len(rows) + below + (0.3 if title else 0.1)
        )
        axes = figure.add_subplot()
        most = max(abs(value) for line in values for value in line) or 1.0
        ground = LinearSegmentedColormap.from_list("around zero", [_LOW, _MIDDLE, _HIGH])
        axes.imshow(values, cmap=ground, norm=Normalize(-most, most), aspect="auto")
        for r, line in enumerate(values):
            for c, value in enumerate(line):
                text = f"{value:+.{digits}f}".replace("-", "−")
                dark = value > 0.6 * most  # blue is dark, amber is not
                axes.text(c, r, text, ha="center", va="center", fontsize=7, color="white" if dark else INK)
        for r, c in framed:
            axes.add_patch(Rectangle((c - 0.5, r - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.2))
        axes.set_xticks(range(len(columns)), [printable(name) for name in columns], rotation=90)
        axes.set_yticks(range(len(rows)), [printable(name) for name in rows])
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xlabel(printable(x))
        axes.set_ylabel(printable(y))
        if title:
            axes.set_title(printable(title))
    return figure
