"""The report of a run: one page that holds everything, for the person who trained and whoever they send it to."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import yaml

from twoway.published import ALAE_TABLE2, ALAE_TABLE2_CELLS
from twoway.report_curves import changes, curves, series
from twoway.report_page import code, details, figure, page, paragraph, picture, section, strip, table, thumbnail
from twoway.training.progress import duration, printable

__all__ = ["write_report"]

TIMELINE = 12  # older pictures of a kind that are shown, evenly chosen

# the norm of the two AE rows is not certain, so the page does not name it
ROW_NAMES = {
    "ae-l1": "AE, first row",
    "ae-l2": "AE, second row",
    "lr": "LR",
    "jlr": "JLR",
    "bigan": "BiGAN",
    "alae": "ALAE",
}
SETTINGS = {
    "DW": "DW: trained on the training pictures, tested on the test pictures (MNIST: of other writers).",
    "SW": "SW: within the training pictures, shuffled: trained on five sixths, tested on the rest.",
}
TITLES = {
    "generated": ("Samples", "New pictures: codes drawn from the prior, decoded by the averaged generator."),
    "style-mix": (
        "Mixed styles",
        "Samples above and on the left; each picture between them has its coarse layers (4x4 and 8x8 pixels) from the "
        "left and all others from above. The noise is the same in all.",
    ),
    "classes": (
        "Samples by class",
        "New pictures: one column for each value of the discrete code, one row for each draw of everything else.",
    ),
    "traversals": (
        "What each code does",
        "Each continuous code in turn goes from low to high values in two rows of pictures; all else stays.",
    ),
    "interpolation": (
        "Walk through the latent space",
        "Each row goes in equal steps from the code of one picture to the code of another.",
    ),
}
USE = """import torch, twoway
model = twoway.load({model!r})
x = model.sample(16, generator=torch.Generator().manual_seed(0))  # new pictures in [-1, 1], {shape}
"""
WHOLE = """w = model.encode(x)                                               # their codes
again = model.decode(w)                                           # pictures from codes
print(x.shape, w.shape, (again - x).abs().mean())"""
READ = """codes = model.encode_code(x)                                      # what can be read off them
print(codes.logits.argmax(1), codes.mean)                         # classes, continuous codes"""


@dataclass(frozen=True)
class _Run:
    """What could be read of a run folder; whatever is missing or damaged is empty."""

    path: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    records: Sequence[Mapping[str, Any]] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def setting(self, *keys: str) -> Any:
        """A value of the configuration, None where it is not there."""
        value: Any = self.config
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def last(self, name: str) -> Any:
        """The newest value of a statistic, None where there is none."""
        return next((record[name] for record in reversed(self.records) if name in record), None)

    def moment(self, kimg: float) -> str:
        """Phase and resolution after so many thousand images, as far as the run has several of them."""
        numbered = [record for record in self.records if _is_number(record.get("kimg"))]
        # names of pictures have whole images, so half of one is no difference
        reached = next((record for record in numbered if record["kimg"] >= kimg - 0.0005), None)
        if reached is None:
            return ""
        shape = self.setting("recipe", "image_shape")
        whole = shape[1] if isinstance(shape, list) and len(shape) == 3 else None
        found = []
        for key, wording, otherwise in (("phase", "phase {}", None), ("resolution", "{0}x{0} pixels", whole)):
            value = reached.get(key, otherwise)
            if value is not None and len({record.get(key, otherwise) for record in numbered}) > 1:
                found.append(wording.format(printable(str(value))))
        return ", ".join(found)

    def text(self, name: str) -> str:
        """A small text file of the run."""
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run folder, from whatever the folder holds.

    The page asks for nothing outside itself and can be sent as one file. Parts for which the run has no data are
    left out.

    Args:
        run: Run folder.

    Returns:
        Path of the page.
    """
    found = _Run(run, _mapping(_read(run / "config.yaml")), _records(run), _mapping(_read(run / "metrics.json")))
    marks = changes(found.records)
    drawings = [figure(curves(title, lines, marks)) for title, lines in series(found.records).items()]
    body = [
        f"<header>\n<h1>{_escaped(run.resolve().name)}</h1>",
        paragraph(_story(found)),
        "</header>",
        _warnings(found),
        *_pictures(found),
        _accuracies(found),
        section("Other measures", _measures(found)),
        section("Curves", f'<div class="curves">{"".join(drawings)}</div>' if drawings else ""),
        _use(found),
        section(
            "How it was made",
            code(found.text("command.txt")),
            details("Versions and machine", code(found.text("machine.txt"))),
            details("All settings, resolved", code(found.text("config.yaml"))),
        ),
    ]
    path = run / "report.html"
    half = path.with_name(f".writing-{path.name}")
    half.write_text(page(run.resolve().name, body), encoding="utf-8", errors="replace")
    half.replace(path)
    return path


def _story(run: _Run) -> str:
    """What was trained on what, for how long."""
    method, preset, source = run.setting("recipe", "method"), run.setting("preset"), run.setting("data", "source")
    text = str(method) if method else "A model"
    if preset and preset != method:
        text += f" (preset {preset})"
    text += f" trained on {source}" if source else " trained"
    shape = run.setting("recipe", "image_shape")
    if isinstance(shape, list) and len(shape) == 3:
        text += f", {shape[1]} by {shape[2]} pixels in {'colour' if shape[0] == 3 else 'grey'}"
    kimg, seconds, speed = run.last("kimg"), run.last("seconds"), run.last("images_per_s")
    if _is_number(kimg):
        text += f", for {kimg:,.4g} thousand images"
    if _is_number(run.last("iteration")) and run.setting("recipe", "batch"):
        text += f" ({run.last('iteration'):,} iterations of {run.setting('recipe', 'batch')})"
    if _is_number(seconds):
        text += f" in {duration(seconds)}"
    if _is_number(speed):
        text += f", {speed:,.0f} images per second"
    return text + "."


def _warnings(run: _Run) -> str:
    """What a reader should know before believing the rest."""
    kimg, budget = run.last("kimg"), run.setting("training", "kimg")
    found = []
    if not run.records:
        found.append("There are no statistics: the run had not come to its first tick when this page was written.")
    elif _is_number(kimg) and _is_number(budget) and kimg < 0.999 * budget - 0.5:
        found.append(f"The run is not finished: {kimg:.4g} of {budget:.4g} thousand images.")
    if run.last("nonfinite"):
        found.append(f"Iterations in which a loss or gradient was not finite: {run.last('nonfinite')}; see log.txt.")
    if run.last("skipped_files"):
        found.append(f"Files that could not be read and were skipped: {run.last('skipped_files')}; log.txt names them.")
    if not found:
        return ""
    points = "".join(f"<li>{_escaped(text)}</li>" for text in found)
    return f'<div class="warning" role="note"><ul>{points}</ul></div>'


def _pictures(run: _Run) -> Iterator[str]:
    """Originals beside reconstructions first, then samples, the walk, everything else, and how it came about."""
    kinds = _kinds(run.path / "samples")
    first = [
        kind
        for kind in ("reconstructed", "generated", "classes", "traversals", "style-mix", "interpolation")
        if kind in kinds
    ]
    for kind in [*first, *sorted(set(kinds) - set(first))]:
        kimg, path = kinds[kind][-1]
        title, caption = TITLES.get(kind, (kind.replace("-", " ").replace("_", " ").capitalize(), ""))
        if kind == "reconstructed":
            title, caption = (
                "Originals and their reconstructions",
                "In each pair of rows: " + ("originals above, and below them what the model makes of their codes."),
            )
        when = f" {_when('After ', kimg, run)}." if kimg is not None else ""
        yield section(printable(title), figure(picture(path, printable(title)), printable(caption + when).strip()))
    older = {kind: [entry for entry in kinds[kind] if entry[0] is not None] for kind in kinds}
    strips = []
    for kind, entries in older.items():
        step = max(1.0, (len(entries) - 1) / (TIMELINE - 1))
        shown = [entries[round(i * step)] for i in range(min(TIMELINE, len(entries)))]
        figures = [figure(thumbnail(path, f"{kind} after {kimg:.4g}"), _when("", kimg, run)) for kimg, path in shown]
        strips.append(paragraph(printable(kind).capitalize()) + strip(figures) if len(entries) > 1 else "")
    pieces = "\n".join(piece for piece in strips if piece)
    yield f"<section>{details('How the pictures changed during training', pieces)}</section>" if pieces else ""


def _when(before: str, kimg: float | None, run: _Run) -> str:
    """After how many images a picture was drawn, with its phase and resolution."""
    if kimg is None:
        return ""
    moment = run.moment(kimg)
    return f"{before}{kimg:.4g} thousand images" + (f" ({moment})" if moment else "")


def _kinds(folder: Path) -> dict[str, list[tuple[float | None, Path]]]:
    """Readable pictures by kind, in order; those named ``<number of images>-<kind>.png`` with their kimg."""
    kinds: dict[str, list[tuple[float | None, Path]]] = {}
    for path in sorted(folder.glob("*.png")) if folder.is_dir() else []:
        named = re.fullmatch(r"(\d+)-(.+)", path.stem)
        if path.name.startswith(".") or not picture(path, ""):
            continue
        kimg, kind = (int(named[1]) / 1000, named[2]) if named else (None, path.stem)
        kinds.setdefault(kind, []).append((kimg, path))
    return {kind: sorted(entries, key=lambda e: (e[0] is not None, e[0] or 0)) for kind, entries in kinds.items()}


def _accuracies(run: _Run) -> str:
    """What classifiers make of the codes, beside the published figures where those are of the same data."""
    entry = run.metrics.get("representation")
    entry = entry.get("value", entry) if isinstance(entry, Mapping) else None
    measured = entry.get("rows") if isinstance(entry, Mapping) else None
    rows = [row for row in measured if isinstance(row, Mapping)] if isinstance(measured, list) else []
    if not rows:
        return ""
    columns = {"1nn": "1NN", "svm": "linear SVM", "svm_standardised": "SVM, standardised"}
    columns = {key: name for key, name in columns.items() if any(key in row for row in rows)}
    is_mnist = Path(str(run.setting("data", "source") or "")).name.lower() == "mnist"
    pieces = []
    for setting in dict.fromkeys(str(row.get("setting", "")) for row in rows):
        cells = [
            [str(row.get("features", "")), str(row.get("width") or "–"), *(_percent(row.get(key)) for key in columns)]
            for row in rows
            if str(row.get("setting", "")) == setting
        ]
        ours = len(cells)
        for row_name, figures_of in ALAE_TABLE2.items() if is_mnist else ():
            figures = {
                k: pair for (k, where), pair in zip(ALAE_TABLE2_CELLS, figures_of, strict=True) if where == setting
            }
            for number, width in enumerate(("short", "long") if figures else ()):
                shown = {key: pair[number] for key, pair in figures.items()}
                label = f"published: {ROW_NAMES[row_name]}"
                cells.append([label, width, *(_percent(shown.get(key)) for key in columns)])
        head = ["features", "width", *columns.values()]
        pieces.append(table(head, cells, SETTINGS.get(setting, setting), quoted=range(ours, len(cells))))
    paper = '<a href="https://arxiv.org/abs/2004.04467" rel="noreferrer">ALAE, Table 2</a>'
    counts = {(row.get("n_train"), row.get("n_test")) for row in rows if "n_train" in row}
    taken = "".join(f" Measured with {a} training and {b} test pictures." for a, b in sorted(counts))
    note = f"<p class=faint>Rows in italics were not measured here: they are published figures for MNIST ({paper}).</p>"
    explained = paragraph(
        "Test accuracy in per cent. Short features are the code, long ones the encoder's last hidden layer; compare "
        "them with raw pixels and an untrained encoder, which know nothing of the training." + taken,
        faint=True,
    )
    return section("What the codes know: classification accuracy", explained, *pieces, note if is_mnist else "")


def _measures(run: _Run) -> str:
    rows = []
    for name, entry in run.metrics.items():
        if name == "representation":
            continue
        value, settings = entry, ""
        if isinstance(entry, Mapping) and "value" in entry:
            value = entry["value"]
            given = entry.get("settings", {k: v for k, v in entry.items() if k not in ("value", "settings")})
            settings = ", ".join(f"{k} {_figure(v)}" for k, v in given.items()) if isinstance(given, Mapping) else ""
        rows += [[".".join((name, *path)), _figure(leaf), settings] for path, leaf in _leaves(value)]
    return table(["measure", "value", "settings"], rows)


def _use(run: _Run) -> str:
    if not (run.path / "model").is_dir():
        return ""
    shape = run.setting("recipe", "image_shape")
    shown = f"(16, {', '.join(map(str, shape))})" if isinstance(shape, list) else "(16, C, H, W)"
    hint = paragraph(
        "From the folder that holds this run; the weights are the moving average of the training.", faint=True
    )
    use = USE + (READ if run.setting("recipe", "encodes") == "code" else WHOLE)
    return section("Use the model", code(use.format(model=f"{run.path.resolve().name}/model", shape=shown)), hint)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    else:
        yield path, value


def _read(path: Path) -> Any:
    """Contents of a YAML or JSON file, None where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _records(run: Path) -> list[Mapping[str, Any]]:
    """Lines of ``stats.jsonl`` without those that a crash cut off."""
    records = []
    try:
        lines = (run / "stats.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            records.append(_mapping(json.loads(line)))
        except ValueError:
            continue
    return [record for record in records if record]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _percent(value: Any) -> str:
    return f"{value:.2f}" if _is_number(value) else "–"


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _escaped(text: str) -> str:
    return escape(printable(text))
