"""What `twoway project` does for one start, and what it writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import typer
from torch import Tensor

from twoway.data import ImageData, to_float, to_uint8
from twoway.errors import CheckpointError
from twoway.features import FeatureSpec
from twoway.latents.codes import Codes, readable_rows, save_codes
from twoway.latents.noise_maps import save_noise
from twoway.latents.pivotal_tuning import Tuning, tune_generator
from twoway.latents.projection import Projection, ProjectionSettings, Start
from twoway.latents.projection import project as search_codes
from twoway.latents.start_curves import ahead, marks, mean_curve
from twoway.latents.tuning_files import Precision, save_delta
from twoway.model import TwoWayModel
from twoway.saving import save_again
from twoway.telling import Telling
from twoway.training.runs import write_text

__all__ = ["Found", "search", "tell_starts", "tune_to"]


@dataclass(frozen=True)
class Found:
    """A finished search.

    Args:
        projection: What it found.
        rows: Which pictures of the data it was for.
        originals: Those, uint8 (N, C, H, W).
        names: What they are called.
    """

    projection: Projection
    rows: list[int]
    originals: Tensor
    names: tuple[str, ...]


def search(
    model: TwoWayModel,
    pictures: ImageData,
    count: int,
    settings: ProjectionSettings,
    start: Start,
    seed: int,
    out: Path,
    progress: Telling,
) -> Found:
    """Search for the codes of the first pictures, and write codes, pictures and losses to a folder."""
    originals = pictures.read(range(count))
    rows = readable_rows(pictures, count)
    originals = originals[rows]
    options = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    found = search_codes(
        model, to_float(originals), start=start, generator=torch.Generator().manual_seed(seed), progress=progress,
        **options,
    )  # fmt: skip
    names = tuple(pictures.name_of(i) for i in rows)
    labels = None if pictures.labels is None else pictures.labels[rows]
    z = None if found.z is None else found.z.cpu().numpy()
    again = to_uint8(found.x_rec).cpu()
    save_again(pictures, rows, originals, again, out / "pictures")
    save_again(pictures, rows, originals, again, out / "comparison.png")
    save_codes(out / "codes.npz", Codes(found.w.cpu().numpy(), names, labels, model.fingerprint(), z=z))
    if found.noise is not None:
        save_noise(out / "noise.safetensors", found.noise, model)
    said = {**_plain(settings), "start": start, "seed": seed, "model": model.fingerprint()}
    losses = dict(zip(names, found.losses.T.tolist(), strict=True))
    taken = dict(zip(names, found.taken.tolist(), strict=True))
    _write(out / "losses.json", {"settings": said, "losses": losses, "steps": taken})
    least, first = found.losses.min(0).values.mean().item(), found.losses[0].mean().item()
    error = (found.x_rec.cpu() - to_float(originals)).square().mean().item()
    steps = f"{settings.steps} steps"
    if settings.early_stop is not None:
        steps = f"{found.taken.float().mean().item():.0f} of {settings.steps} steps on average"
    typer.echo(f"{len(rows)} pictures in {out}; mean loss from {first:.4f} to {least:.4f}")
    typer.echo(f"mean squared error {error:.4f} for pixels in [-1, 1] (space {settings.space}, start {start}, {steps})")
    if found.diverged.any():
        which = [name for name, bad in zip(names, found.diverged.tolist(), strict=True) if bad]
        typer.echo(
            f"The losses of {len(which)} of {len(names)} pictures stopped being finite ({', '.join(which[:5])}); their "
            "best codes of before were kept. A smaller --lr helps.",
            err=True,
        )
    return Found(found, rows, originals, names)


def tell_starts(found: Mapping[str, Found], settings: ProjectionSettings, model: TwoWayModel, out: Path) -> None:
    """Print and draw how searches from several starts went: mean over pictures of the least loss so far."""
    from twoway.plots import line_plot, save_plot

    losses = {start: one.projection.losses.cpu() for start, one in found.items()}
    curves = {start: mean_curve(each) for start, each in losses.items()}
    at = marks(settings.steps)
    table = {start: {str(step): curve[step].item() for step in at} for start, curve in curves.items()}
    width = max(map(len, curves))
    typer.echo("mean over pictures of the least loss after so many steps:")
    typer.echo("  ".join(["start".ljust(width), *(f"{step:>8}" for step in at)]))
    for start, cells in table.items():
        typer.echo("  ".join([start.ljust(width), *(f"{value:8.4f}" for value in cells.values())]))
    order = [start for start in ("encoder", "mean", "random") if start in curves]
    parts = {}
    for one, other in pairwise(order):
        part = parts[f"{one} below {other}"] = ahead(curves, one, other)
        said = "at every step" if part == 1 else f"after {100 * part:.0f} % of the steps"
        typer.echo(f"{one} is below {other} {said}" if part else f"{one} is never below {other}")
    facts = {**_plain(settings), "model": model.fingerprint(), "pictures": len(next(iter(found.values())).names)}
    _write(out / "starts.json", {"settings": facts, "curves": {k: v.tolist() for k, v in curves.items()}, **parts})
    lines = {start: [(float(i), value) for i, value in enumerate(curve.tolist())] for start, curve in curves.items()}
    save_plot(line_plot(lines, x="step", y="least loss so far", log="y", title="Searches by start"), out / "starts.png")


def tune_to(
    model: TwoWayModel,
    pictures: ImageData,
    found: Found,
    tuning: Tuning,
    precision: Precision,
    seed: int,
    out: Path,
    progress: Telling,
) -> None:
    """Tune a copy of the generator to what was found, and write what has changed and what it makes."""
    tuned = tune_generator(
        model, to_float(found.originals), found.projection.w, tuning,
        generator=torch.Generator().manual_seed(seed), progress=progress,
    )  # fmt: skip
    facts = {"settings": {**_plain(tuning), "seed": seed}}
    path = out / "tuned.safetensors"
    delta = save_delta(path, tuned, model, precision=precision, names=found.names, facts=facts)
    save_again(pictures, found.rows, found.originals, to_uint8(tuned.x_rec).cpu(), out / "tuned.png")
    before, after = tuned.losses.mean(1).tolist()
    _write(out / "tuning.json", {**facts, "losses": tuned.losses.T.tolist(), "history": tuned.history})
    typer.echo(
        f"tuned in {tuned.steps} steps: mean loss from {before:.4f} to {after:.4f}; {path} has "
        f"{path.stat().st_size / 2**20:.1f} MiB, and {precision} costs a mean squared error of "
        f"{delta.facts['rounding']:.1e}"
    )
    if tuned.diverged:
        typer.echo(
            "Tuning ended because its loss stopped being finite; the weights are the best before. A smaller --tune-lr "
            "helps.",
            err=True,
        )


def _plain(settings: ProjectionSettings | Tuning) -> dict[str, Any]:
    """Settings as plain data; of features only which."""
    kind = settings.features.kind if isinstance(settings.features, FeatureSpec) else None
    return {**asdict(replace(settings, features=None, feature_weight=0.0)), "features": kind,
            "feature_weight": settings.feature_weight}  # fmt: skip


def _write(path: Path, plain: Mapping[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(plain))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error}. Choose another --out.") from error
