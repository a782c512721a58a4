"""`twoway project`: the codes of pictures by optimisation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from twoway.cli.options import DEVICE, FEATURE_WEIGHTS, FEATURES, MODEL, feature_spec, tell_skipped
from twoway.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from twoway.latents.projection import Projection

__all__ = ["project"]

Space = Literal["w", "w+", "z", "noise"]
Start = Literal["mean", "encoder", "random"]
Split = Literal["train", "test", "all"]


def project(
    model: str = MODEL,
    data: str = typer.Argument(help="A picture, a folder, a ZIP, or a built-in set.", show_default=False),
    space: Space = typer.Option(
        "w+", "--space", help="w one code for all layers, w+ one for each, z the prior code, noise beside read codes."
    ),
    start: Start = typer.Option("mean", "--start", help="Where the search starts: mean code, encoder or random."),
    steps: int = typer.Option(300, "--steps", min=0, help="Steps of Adam."),
    lr: float = typer.Option(0.1, "--lr", help="Learning rate at its highest."),
    perceptual: float = typer.Option(0.0, "--perceptual", help="Weight of the distance of features beside the pixels."),
    features: str | None = FEATURES,
    feature_weights: str | None = FEATURE_WEIGHTS,
    encoder_weight: float = typer.Option(0.0, "--encoder-weight", help="Weight of (E(G(w)) - w)^2 beside the pixels."),
    seed: int = typer.Option(0, "--seed", help="Of a random start."),
    out: Path = typer.Option(Path("projected"), "--out", "-o", help="Folder for codes, pictures and losses."),
    split: Split = typer.Option("all", "--split", help="Part of the data set, where it has a split."),
    max_images: int | None = typer.Option(64, "--max-images", min=1, help="Use only the first so many pictures."),
    device: str = DEVICE,
) -> None:
    """Find the codes whose pictures are nearest to given ones, by optimisation; slower than encode, and closer.

    The folder gets codes.npz, comparison.png (originals above), pictures/ and losses.json.
    """
    import torch

    from twoway.cli.bars import working
    from twoway.data import to_float, to_uint8
    from twoway.latents.codes import Codes, readable_rows, save_codes
    from twoway.latents.projection import project as search
    from twoway.saving import save_again
    from twoway.training.config import DataConfig
    from twoway.training.entry import data_for_model, model_of_run

    if out.exists() and not out.is_dir():
        raise CheckpointError(f"--out is {out}, which is a file; codes, pictures and losses go to a folder.")
    if not perceptual and (features or feature_weights):
        raise ConfigError("Features are named, but --perceptual is 0, so they would not count. Give it a weight.")
    spec = feature_spec(features, feature_weights) if perceptual else None
    loaded = model_of_run(model, device=device)
    pictures = data_for_model(loaded, DataConfig.make(data)).open(split, minimum=1)
    count = len(pictures) if max_images is None else min(max_images, len(pictures))
    originals = pictures.read(range(count))
    rows = readable_rows(pictures, count)
    originals = originals[rows]
    with working() as progress:
        found = search(
            loaded,
            to_float(originals),
            space=space,
            start=start,
            steps=steps,
            lr=lr,
            features=spec,
            feature_weight=perceptual,
            encoder_weight=encoder_weight,
            generator=torch.Generator().manual_seed(seed),
            progress=progress,
        )
    tell_skipped(pictures.skipped)
    again = to_uint8(found.x_rec).cpu()
    names = tuple(pictures.name_of(i) for i in rows)
    labels = None if pictures.labels is None else pictures.labels[rows]
    z = None if found.z is None else found.z.cpu().numpy()
    save_again(pictures, rows, originals, again, out / "pictures")
    save_again(pictures, rows, originals, again, out / "comparison.png")
    save_codes(out / "codes.npz", Codes(found.w.cpu().numpy(), names, labels, loaded.fingerprint(), z=z))
    settings: dict[str, Any] = {"space": space, "start": start, "steps": steps, "lr": lr}
    settings |= {"perceptual": perceptual, "features": spec and spec.kind, "encoder_weight": encoder_weight}
    settings |= {"seed": seed, "model": loaded.fingerprint()}
    _write_losses(out / "losses.json", settings, names, found)
    least, first = found.losses.min(0).values.mean().item(), found.losses[0].mean().item()
    error = (found.x_rec.cpu() - to_float(originals)).square().mean().item()
    typer.echo(f"{len(rows)} pictures in {out}; mean loss from {first:.4f} to {least:.4f}")
    typer.echo(f"mean squared error {error:.4f} for pixels in [-1, 1] (space {space}, start {start}, {steps} steps)")


def _write_losses(path: Path, settings: dict[str, Any], names: tuple[str, ...], found: Projection) -> None:
    from twoway.training.runs import write_text

    losses = dict(zip(names, found.losses.T.tolist(), strict=True))
    try:
        write_text(path, json.dumps({"settings": settings, "losses": losses}))
    except OSError as error:
        raise CheckpointError(f"The losses cannot be written to {path}: {error}. Choose another --out.") from error
