"""Curves of a run as drawings inside a page: in the page's own colours, each line with its own dashes."""

from __future__ import annotations

import io
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from twoway.plots.lines import thinned
from twoway.plots.style import DASHES, is_finite, wants_log
from twoway.training.progress import printable

__all__ = ["changes", "curves", "series"]

INK, FAINT = "#010203", "#040506"  # stand for the page's colours until the drawing is text
LINES = ("#0a0001", "#0a0002", "#0a0003", "#0a0004")

RESOLUTION = "Resolution, pixels"
CROWDED = 0.04  # part of a drawing's width within which a second label would lie on the first

Points = list[tuple[float, float]]


def series(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Points]]:
    """Sort the numbers of a run into drawings.

    Args:
        records: Lines of ``stats.jsonl``.

    Returns:
        Title to label to points (kimg, value): a drawing for the losses of each step, one for each metric, and one
        each for the resolution where it changes, augmentation, speed and memory.
    """
    drawings: dict[str, dict[str, Points]] = {}
    for record in records:
        kimg: Any = record.get("kimg")
        if not is_finite(kimg):
            continue
        for name, value in record.items():
            place = _place(name)
            if place is not None and is_finite(value):
                drawings.setdefault(place[0], {}).setdefault(place[1], []).append((float(kimg), float(value)))
    found = {title: {n: p for n, p in lines.items() if len(p) > 1} for title, lines in drawings.items()}
    sides = {value for _, value in found.get(RESOLUTION, {}).get(RESOLUTION, [])}
    if len(sides) < 2:
        found.pop(RESOLUTION, None)
    order = ["Losses", "Metric", "Resolution", "Augmentation", "Images", "Peak"]
    titles = sorted(
        (t for t in found if found[t]), key=lambda t: next(i for i, word in enumerate(order) if t.startswith(word))
    )
    return {title: found[title] for title in titles}


def changes(records: Sequence[Mapping[str, Any]]) -> list[tuple[float, str]]:
    """When another phase or resolution began: thousands of images by then, and what began.

    Args:
        records: Lines of ``stats.jsonl``.
    """
    found: list[tuple[float, str]] = []
    before: dict[str, Any] = {}
    last: Any = None
    for record in records:
        kimg = record.get("kimg")
        if not is_finite(kimg):
            continue
        now = {key: record.get(key) for key in ("phase", "resolution")}
        if last is not None and now != before:
            # without a resolution the nets work at their full one
            side = f"{now['resolution']} px" if now["resolution"] else ""
            found.append((last, str(now["phase"]) if now["phase"] != before["phase"] else side))
        before, last = now, float(kimg)  # type: ignore[arg-type]
    return [(at, printable(label)) for at, label in found if label]


def curves(title: str, lines: Mapping[str, Points], marks: Sequence[tuple[float, str]] = ()) -> str:
    """Draw curves over the thousands of images seen.

    Args:
        title: Above the drawing.
        lines: Label to points; of every curve at least two.
        marks: Where upright lines go, and what they say.

    Returns:
        SVG without outside references, its colours those of the page around it.
    """
    from matplotlib import rc_context  # matplotlib takes half a second to import
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    title, lines = printable(title), {printable(label): points for label, points in lines.items()}
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": title,
        "font.family": "sans-serif",
        "font.size": 9,
        "text.parse_math": False,
    }
    with rc_context(settings):
        drawing = Figure(figsize=(4.6, 2.6), layout="constrained")
        axes = drawing.add_subplot()
        for number, (label, points) in enumerate(lines.items()):
            x, y = zip(*thinned(points), strict=True)
            axes.plot(
                x,
                y,
                label=label,
                linewidth=1.4,
                color=LINES[number % len(LINES)],
                linestyle=DASHES[number % len(DASHES)],
            )
        _mark(axes, marks, max(x for points in lines.values() for x, _ in points))
        values = [value for points in lines.values() for _, value in points]
        if wants_log(values):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        elif min(values) >= 0 and max(values) > 0 and min(values) < 0.5 * max(values):
            axes.set_ylim(bottom=0)
        only = next(iter(lines))
        axes.set_title(
            title if len(lines) > 1 or only in title else f"{title}: {only}", color=INK, fontsize=10, loc="left"
        )
        axes.set_xlabel("thousand images", color=FAINT)
        axes.tick_params(which="both", colors=FAINT)
        axes.grid(which="major", color=FAINT, alpha=0.2, linewidth=0.6)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(FAINT)
        if len(lines) > 1:
            axes.legend(frameon=False, labelcolor=INK, fontsize=8, handlelength=3.2)
        content = io.StringIO()
        drawing.savefig(content, format="svg", transparent=True)
    return _for_page(content.getvalue(), title, lines)


def _mark(axes: Any, marks: Sequence[tuple[float, str]], end: float) -> None:
    """Draw upright lines with labels, those within the curves and not on top of each other."""
    start, _ = axes.get_xlim()
    labelled = -math.inf
    for at, label in marks:
        if not max(start, 0.0) < at < end:
            continue
        axes.axvline(at, color=FAINT, linewidth=0.7, linestyle=(0, (1, 2)), zorder=0)
        if at - labelled > CROWDED * (end - start):
            place = {"x": at, "y": 0.98, "transform": axes.get_xaxis_transform(), "rotation": 90}
            axes.text(s=f" {label}", color=FAINT, fontsize=7, ha="left", va="top", **place)
            labelled = at


def _for_page(svg: str, title: str, lines: Mapping[str, Points]) -> str:
    """Cut a drawing down to its svg element: no addresses, no names that a second drawing would repeat."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'(<svg[^>]*?)\s(?:width|height)="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?)\s(?:width|height)="[^"]*"', r"\1", svg)
    # every drawing is a document of its own to matplotlib, so equal names may mean different things in two of them
    key = f"d{zlib.crc32(title.encode(errors='replace')):x}-"
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{key}\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{key}\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}\1)", svg)
    svg = svg.replace(INK, "currentColor").replace(FAINT, "var(--faint)")
    for number, colour in enumerate(LINES, start=1):
        svg = svg.replace(colour, f"var(--c{number})")
    described = ", ".join(f"{label} ends at {points[-1][1]:.3g}" for label, points in lines.items())
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(described)}"', 1)


def _place(name: str) -> tuple[str, str] | None:
    """Title and label of a number of ``stats.jsonl``."""
    parts = name.split("/")
    if parts[0] == "loss" and len(parts) > 1:
        return f"Losses of the step {parts[1]}", "/".join(parts[2:]) or parts[1]
    if parts[0] == "metric" and len(parts) > 1:
        return f"Metric {'/'.join(parts[1:])}", "/".join(parts[1:])
    known = {
        "resolution": RESOLUTION,
        "augment/p": "Augmentation: chance p",
        "images_per_s": "Images per second",
        "peak_memory_mib": "Peak memory, MiB",
    }
    return (known[name], known[name]) if name in known else None
