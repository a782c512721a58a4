"""How drawings look: colours, dashes, markers and hatches that tell things apart on any screen and in grey print.

No drawing relies on colour: lines differ in dashes and markers, bars in hatches, points in shapes. Figures are objects
of matplotlib without pyplot, so nothing here has a state, opens a window or needs a display; matplotlib takes half a
second to import and is imported when something is drawn.

References:
    The hues are those of Okabe and Ito, Color Universal Design (2008), in an order in which neighbours differ in
    lightness too; Tufte, The Visual Display of Quantitative Information, on ink that says nothing.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from twoway.errors import ConfigError
from twoway.training.progress import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "DASHES", "HATCHES", "MARKERS", "WIDTH", "Log", "Look", "house_style", "look", "wants_log"]

WIDTH = 6.3
"""Inches: the text of an A4 page, 160 mm; half of it is a column."""
LINE, DOT = 1.3, 4.0
"""Width of lines and size of markers, points."""
INK, FAINT, GRID = "#1a1a1a", "#595959", "#d9d9d9"
COLOURS = ("#0072b2", "#e69f00", "#1a1a1a", "#56b4e9", "#d55e00", "#cc79a7", "#009e73", "#999999")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (10, 3)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "X", "P", "*", "<", ">", "p")
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "++++", "oo")
FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Arial Unicode MS", "Segoe UI Symbol")
"""Taken in this order for each letter, as far as they are installed; the first comes with matplotlib."""
SPREAD = 50.0
"""Positive values whose largest is so many times their smallest are drawn on a logarithmic axis where nobody chose."""

Log: TypeAlias = Literal["auto", "none", "x", "y", "both"]
"""Which axes are logarithmic; ``auto`` decides for y by the values and leaves x linear."""


@dataclass(frozen=True)
class Look:
    """What one line, bar or group of points looks like.

    Args:
        colour: As #rrggbb.
        dashes: Of a line, as matplotlib takes them.
        marker: Of points.
        hatch: Of a bar.
    """

    colour: str
    dashes: Any
    marker: str
    hatch: str


def look(number: int) -> Look:
    """The look of the n-th thing, from 0; dashes and marker together come again after 66, with other colours."""
    return Look(
        COLOURS[number % len(COLOURS)],
        DASHES[number % len(DASHES)],
        MARKERS[number % len(MARKERS)],
        HATCHES[number % len(HATCHES)],
    )


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Settings of matplotlib inside; drawings are made and saved under them."""
    from matplotlib import rc_context

    settings: Any = {
        "axes.axisbelow": True,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.6,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 9,
        "axes.unicode_minus": True,
        "font.family": list(_fonts()),
        "font.size": 8,
        "grid.color": GRID,
        "grid.linewidth": 0.4,
        "hatch.linewidth": 0.6,
        "legend.fontsize": 8,
        "legend.frameon": False,
        "legend.handlelength": 3.4,
        "svg.fonttype": "none",  # letters stay letters: they can be searched, and any sans-serif font shows them
        "svg.hashsalt": "twoway",
        "text.color": INK,
        "text.parse_math": False,  # a dollar sign in the name of a run is a dollar sign
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.minor.width": 0.4,
        "ytick.minor.width": 0.4,
    }
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a box stands for such a letter
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def dress(axes: Any, *, x: str, y: str, title: str = "", grid: Literal["both", "x", "y"] = "both") -> None:
    """Give axes their words and a thin grid."""
    axes.set_xlabel(printable(x))
    axes.set_ylabel(printable(y))
    if title:
        axes.set_title(printable(title))
    axes.grid(which="major", axis=grid)


def scale(axes: Any, log: Log, values: Sequence[float]) -> None:
    """Make axes logarithmic where asked for, and let a linear y axis begin at 0 where that costs little room."""
    from matplotlib.ticker import LogLocator, NullFormatter

    logarithmic = {"both": "xy", "x": "x", "y": "y", "none": "", "auto": "y" if wants_log(values) else ""}[log]
    for axis, chosen in (("x", axes.xaxis), ("y", axes.yaxis)):
        if axis in logarithmic:
            getattr(axes, f"set_{axis}scale")("log")
            low, high = getattr(axes, f"get_{axis}lim")()
            # less than two powers of ten would leave one label or none
            chosen.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 100 else (1.0,), numticks=6))
            chosen.set_major_formatter(plain_number)
            chosen.set_minor_formatter(NullFormatter())
    if "y" not in logarithmic and values:
        low, high = min(values), max(values)
        if low >= 0 and high > 0 and low < 0.5 * high:
            axes.set_ylim(bottom=0)


def wants_log(values: Sequence[float]) -> bool:
    """Whether values are better seen on a logarithmic axis.

    Example:
        >>> wants_log([0.01, 1.0]), wants_log([0.5, 1.0]), wants_log([-1.0, 100.0])
        (True, False, False)
    """
    return bool(values) and min(values) > 0 and max(values) / min(values) > SPREAD


def plain_number(value: float, _: Any = None) -> str:
    """A number as people write it, for an axis."""
    return f"{value:g}".replace("-", "−")


def checked_log(log: str) -> None:
    """Refuse a word that is no `Log`.

    Raises:
        ConfigError: It is none.
    """
    if log not in ("auto", "none", "x", "y", "both"):
        raise ConfigError(f"log is '{log}', but must be auto, none, x, y or both.")


def is_finite(value: Any) -> bool:
    """Whether something is a number that can be drawn."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@cache
def _fonts() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return (*(name for name in FONTS if name in there), "sans-serif")
