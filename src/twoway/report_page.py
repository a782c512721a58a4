"""The pieces of a page that needs nothing but itself: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from PIL import Image

__all__ = [
    "code",
    "details",
    "embedded",
    "figure",
    "page",
    "paragraph",
    "picture",
    "section",
    "strip",
    "table",
    "thumbnail",
]

STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfa; --ink: #1d2125; --faint: #5c656e; --line: #d5d9dc; --box: #f0f1ee;
  --warn: #fff3d6; --c1: #005a9c; --c2: #b34700; --c3: #1a7346; --c4: #8a3a8f; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181b; --ink: #e4e6e8; --faint: #9aa3ab; --line: #353b41;
  --box: #1f2428; --warn: #3d3113; --c1: #6db6f2; --c2: #f5a05c; --c3: #6fcf97; --c4: #d79bdc; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; max-width: 46rem; }
.faint, figcaption, caption { color: var(--faint); font-size: .9rem; }
figure { margin: .6rem 0; } figcaption { margin-top: .3rem; max-width: 46rem; }
img { display: block; max-width: 100%; height: auto; border-radius: 3px; } img.small { image-rendering: pixelated; }
.strip { display: flex; gap: .8rem; overflow-x: auto; padding-bottom: .6rem; }
.strip figure { flex: 0 0 min(20rem, 75vw); margin: 0; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 23rem), 1fr)); gap: 1rem; }
.curves figure { margin: 0; } .curves svg { width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; margin-bottom: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } caption { text-align: left; padding: .3rem 0; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } td.number, th.number { text-align: right; } td.number { white-space: nowrap; }
td:first-child { min-width: 9.5rem; }
tr.quoted { font-style: italic; color: var(--faint); }
pre { background: var(--box); padding: .8rem 1rem; border-radius: 4px; overflow-x: auto; font-size: .85rem;
  line-height: 1.45; margin: .5rem 0; }
pre, code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
details { border-top: 1px solid var(--line); padding: .5rem 0; } summary { cursor: pointer; }
.warning { background: var(--warn); border-left: 4px solid var(--c2); padding: .5rem 1rem; margin: 1rem 0; }
.warning ul { margin: .2rem 0; padding-left: 1.2rem; }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(title: str, body: Iterable[str]) -> str:
    """A whole page; its policy forbids every request, should a piece of it ever ask for one.

    Args:
        title: Plain text.
        body: Pieces of HTML.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(piece for piece in body if piece)
        + "\n</body>\n</html>\n"
    )


def section(title: str, *pieces: str) -> str:
    """A heading and what belongs under it; nothing at all where there is nothing."""
    inside = "\n".join(piece for piece in pieces if piece)
    return f"<section>\n<h2>{escape(title)}</h2>\n{inside}\n</section>" if inside else ""


def paragraph(text: str, *, faint: bool = False) -> str:
    """Plain text as a paragraph."""
    return f"<p{' class=faint' if faint else ''}>{escape(text)}</p>" if text else ""


def code(text: str) -> str:
    """Text as it is, in a box."""
    return f"<pre>{escape(text.rstrip())}</pre>" if text.strip() else ""


def details(summary: str, *pieces: str) -> str:
    """Pieces behind a line that opens them."""
    inside = "\n".join(piece for piece in pieces if piece)
    return f"<details>\n<summary>{escape(summary)}</summary>\n{inside}\n</details>" if inside else ""


def figure(inside: str, caption: str = "") -> str:
    """HTML with a plain caption under it."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{inside}{below}</figure>" if inside else ""


def strip(figures: Sequence[str]) -> str:
    """Figures side by side, to be pushed sideways."""
    return f'<div class="strip">{"".join(figures)}</div>' if figures else ""


def picture(path: Path, alt: str) -> str:
    """A picture within the page; empty where the file is no picture.

    Small ones are shown enlarged by a whole factor, their pixels kept square.
    """
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            (width, height), kind = image.size, image.format
            image.verify()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return ""
    if kind not in ("PNG", "JPEG", "WEBP"):
        return ""
    return embedded(content, (width, height), alt, f"image/{kind.lower()}")


def thumbnail(path: Path, alt: str, width: int = 480) -> str:
    """A smaller copy of a picture within the page; empty where the file is no picture."""
    try:
        with Image.open(path) as image:
            image.load()
            if image.width <= width:
                return picture(path, alt)
            # an integer step keeps the pixels of an enlarged grid even
            small = image.convert("RGB").reduce(max(1, image.width // width))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return ""
    content = io.BytesIO()
    small.save(content, "PNG", optimize=True)
    return embedded(content.getvalue(), small.size, alt)


def embedded(content: bytes, size: tuple[int, int], alt: str, kind: str = "image/png") -> str:
    """A picture within the page, from the content of its file.

    Args:
        content: The file.
        size: Width and height in pixels; small ones are shown enlarged by a whole factor.
        alt: Plain text.
        kind: Media type.
    """
    width, height = size
    factor = max(1, 640 // max(width, 1))
    small = ' class="small"' if width <= 1000 else ""
    return (
        f'<img{small} width="{width * factor}" height="{height * factor}" alt="{escape(alt)}" '
        f'src="data:{kind};base64,{base64.b64encode(content).decode()}">'
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", quoted: Iterable[int] = ()) -> str:
    """A table of plain text; columns of numbers are set to the right.

    Args:
        head: Names of the columns.
        rows: Cells, as many in each row.
        caption: Plain text.
        quoted: Numbers of the rows that come from elsewhere and look like it.
    """
    if not rows:
        return ""
    kinds = [' class="number"' if all(_is_number(row[i]) for row in rows) else "" for i in range(len(head))]
    there = set(quoted)
    lines = [
        f"<tr{' class=quoted' if n in there else ''}>"
        + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for n, row in enumerate(rows)
    ]
    top = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for kind, name in zip(kinds, head, strict=True))
    below = f"<caption>{escape(caption)}</caption>" if caption else ""
    body = "\n".join(lines)
    return f'<div class="wide"><table>{below}<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def _is_number(cell: str) -> bool:
    try:
        float(cell.rstrip("%"))
    except ValueError:
        return cell in ("", "–")
    return True
