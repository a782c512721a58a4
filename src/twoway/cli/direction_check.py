"""`twoway directions check`: what edits along directions change, judged by a classifier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from twoway.cli.options import DEVICE, FEATURE_WEIGHTS, FEATURES, MODEL, feature_spec, tell_skipped
from twoway.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from twoway.data import ImageData
    from twoway.latents.directions import Direction
    from twoway.metrics.edit_matrix import EditMatrix
    from twoway.model import TwoWayModel

__all__ = ["check"]

Mode = Literal["relative", "absolute", "alae"]
_MOST = 40  # columns of the heat map


def check(
    model: str = MODEL,
    directions: Path = typer.Argument(help="File of directions, .safetensors.", show_default=False),
    data: str = typer.Option(..., "--data", help="Pictures to edit; the held-out ones where the set has any."),
    classifier: Path = typer.Option(..., "--classifier", help="File of twoway metrics train-extractor."),
    name: list[str] | None = typer.Option(None, "--name", help="Direction to check; several times; all by default."),
    strength: float = typer.Option(2.0, "--strength", help="How far, in deviations of codes; both ways."),
    mode: Mode = typer.Option("relative", "--mode", help="relative (LIA), absolute (InterFaceGAN) or alae."),
    layers: str | None = typer.Option(None, "--layers", help="Layers to move: coarse, middle, fine or 0-3,6."),
    features: str | None = FEATURES,
    feature_weights: str | None = FEATURE_WEIGHTS,
    max_images: int = typer.Option(500, "--max-images", min=2, help="Use at most so many pictures."),
    out: Path = typer.Option(Path("edit-check"), "--out", "-o", help="Folder for effects.json and drawings."),
    device: str = DEVICE,
) -> None:
    """Edit held-out pictures both ways along directions, and see what a classifier says and how far they go.

    The folder gets effects.json (with what is needed to do it again), effects.png (what each direction does to each
    attribute) and pictures.png.
    """
    from twoway import __version__
    from twoway.cli.bars import working
    from twoway.cli.direction_inputs import open_pictures
    from twoway.features import FeatureSpec, build_features
    from twoway.latents.directions import choose_directions, load_directions
    from twoway.latents.style_mixing import layers_of
    from twoway.metrics.edit_matrix import evaluate_edit_matrix
    from twoway.metrics.inputs import CHOICE_SEED
    from twoway.metrics.lpips import image_distance
    from twoway.plots import save_plot
    from twoway.training.entry import model_of_run

    if out.exists() and not out.is_dir():
        raise CheckpointError(f"--out is {out}, which is a file; numbers and drawings go to a folder.")
    scorer: Any = build_features(FeatureSpec("classifier", str(classifier)))
    distance = image_distance(build_features(feature_spec(features, feature_weights)))
    loaded = model_of_run(model, device=device)
    known = load_directions(directions, loaded)
    chosen = choose_directions(known, name or list(known))
    rows = None if layers is None else layers_of(loaded, layers)
    train, test = open_pictures(loaded, data)
    pictures = test or train
    with working() as progress:
        found = evaluate_edit_matrix(
            loaded, pictures, chosen, scorer.to(loaded.device), distance.to(loaded.device), strength=strength,
            mode=mode, layers=rows, limit=max_images,
            tell=lambda done, total: progress("editing", done, total),
        )  # fmt: skip
        tell_skipped(pictures.skipped)
        strips = _strips(loaded, pictures, chosen, strength, mode, rows)
    about = {
        "twoway": __version__,
        "model": loaded.fingerprint(),
        "data": pictures.name,
        "split": pictures.split,
        "data_fingerprint": pictures.fingerprint(),
        "data_count": len(pictures),
        "max_images": max_images,
        "seed": CHOICE_SEED,  # of the pictures chosen; nothing else is left to chance
        "strength": strength,
        "layers": None if rows is None else list(rows),
        "direction_digests": {one.name: one.digest for one in chosen},
    }
    _write(out / "effects.json", {**about, **found.plain()})
    save_plot(_drawn(found), out / "effects.png")
    save_plot(strips, out / "pictures.png")
    _tell(found, out)


def _strips(
    model: TwoWayModel,
    data: ImageData,
    directions: Sequence[Direction],
    strength: float,
    mode: Mode,
    rows: Sequence[int] | None,
) -> Figure:
    """The first pictures, their reconstructions, and both edits along each direction."""
    import numpy as np
    import torch

    from twoway.conditioning import told_labels
    from twoway.data import to_float, to_uint8
    from twoway.latents.editing import edit_codes
    from twoway.reproduce.strips import picture_rows

    count = min(8, len(data))
    x = data.read(range(count))
    told = None if data.labels is None else np.asarray(data.labels)
    with torch.inference_mode():
        w = model.encode(to_float(x).to(model.device), told_labels(told, model.recipe.labels, 0, count))
        strips = {"original": x, "reconstruction": to_uint8(model.decode(w)).cpu()}
        for one in directions[:12]:
            for sign, t in (("−", -strength), ("+", strength)):
                moved = edit_codes(w, [(one, t)], mode=mode, layers=rows, w_avg=model.w_avg)
                strips[f"{one.name} {sign}"] = to_uint8(model.decode(moved)).cpu()
    return picture_rows(strips)


def _drawn(found: EditMatrix) -> Figure:
    """Effects on the outputs that directions are named after; on all of them where none is."""
    from twoway.plots import heat_map

    own = [column for column in found.own if column is not None]
    columns = list(dict.fromkeys(own)) or list(range(min(_MOST, len(found.outputs))))
    return heat_map(
        [[line[k] for k in columns] for line in found.effect],
        found.directions,
        [found.outputs[k] for k in columns],
        x=f"what {found.classifier} sees",
        y="direction",
        digits=2,
        title=f"effect of {found.up.t:g} deviations, in deviations of log odds",
        framed=[(d, columns.index(k)) for d, k in enumerate(found.own) if k in columns],
    )


def _write(path: Path, plain: Any) -> None:
    from twoway.training.runs import write_text

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False))
    except OSError as error:
        raise ConfigError(f"The numbers cannot be written to {path}: {error}. Choose another --out.") from error


def _tell(found: EditMatrix, out: Path) -> None:
    """A line for each direction."""
    heads = ("direction", "own effect", "flips", "others (rms)", "largest other", "", "identity", "pixels")
    lines = [heads]
    for one in found.summary():
        lines.append((
            one["direction"], _signed(one["own"]), "-" if one["flips"] is None else f"{100 * one['flips']:.0f} %",
            "-" if one["others"] is None else f"{one['others']:.2f}", one["largest_other"] or "-",
            _signed(one["largest"]), f"{one['identity']:.4f}", f"{one['pixels']:.4f}",
        ))  # fmt: skip
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    for line in lines:
        typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    typer.echo(
        f"{found.n_images} pictures moved by {found.up.t:g} deviations both ways; effects in deviations of the log "
        f"odds of {found.classifier}; identity: {found.distance} from the reconstruction (reconstruction to original "
        f"{found.reconstruction:.4f}, two different pictures {found.strangers:.4f})"
    )
    typer.echo(f"effects.json, effects.png and pictures.png in {out}")


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"
