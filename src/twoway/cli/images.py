"""`twoway generate`, `encode`, `reconstruct`: from pictures and seeds to pictures and codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from twoway.cli.options import DEVICE, MODEL, NOISE, Noise, read_numbers, read_seeds, tell_skipped
from twoway.errors import ConfigError

if TYPE_CHECKING:
    from PIL import Image

Split = Literal["train", "test", "all"]

__all__ = ["encode", "generate", "reconstruct"]

SIZE_LIMIT = typer.Option(None, "--max-images", min=1, help="Use only the first so many pictures.")


def generate(
    model: str = MODEL,
    seeds: str = typer.Option("0-63", "--seeds", help="Seeds, one picture each, as 0,4-6."),
    out: Path = typer.Option(Path("generated"), "--out", "-o", help="Folder for the pictures, or a .png for one grid."),
    classes: str | None = typer.Option(
        None, "--class", help="Class, of a conditional model or a discrete code; several as 0-9 for a column each."
    ),
    trunc: str = typer.Option(
        "1", "--trunc", help="Truncation psi: distance of a code from the mean code; several as 1,0.5,0,-1 for columns."
    ),
    trunc_cutoff: int | None = typer.Option(
        None, "--trunc-cutoff", min=0, help="Only layers of the code before this one are truncated; all by default."
    ),
    noise: Noise = NOISE,
    device: str = DEVICE,
) -> None:
    """Make new pictures; a seed always gives the same one."""
    from twoway.cli.bars import working
    from twoway.pipeline import BATCH, Pipeline
    from twoway.saving import check_out, save_grid, save_pictures
    from twoway.training.entry import model_of_run

    numbers, psis = read_seeds(seeds), read_numbers(trunc, "--trunc")
    check_out(out)
    if trunc_cutoff is not None and psis == [1.0]:
        raise ConfigError("--trunc-cutoff says which layers are truncated, but --trunc is 1, so none is. Give --trunc.")
    pipe = Pipeline(model_of_run(model, device=device))
    wanted = None if classes is None else read_seeds(classes, "--class")
    names = [f"seed{n:06d}" for n in numbers]
    labels: list[int] | None = None
    if wanted is not None:  # a row for each seed
        labels = wanted * len(numbers)
        names = [f"{name}-class{label}" for name in names for label in wanted]
        numbers = [n for n in numbers for _ in wanted]
    if len(psis) > 1:
        if wanted is not None and len(wanted) > 1:
            raise ConfigError("--class and --trunc both name several columns. Give one class or one truncation.")
        names = [f"{name}-psi{psi:g}" for name in names for psi in psis]
    pictures: list[Image.Image] = []
    with working() as progress:
        for start in range(0, len(numbers), BATCH):
            progress("pictures", start, len(numbers))
            part = slice(start, start + BATCH)
            made = [
                pipe.generate(
                    seeds=numbers[part],
                    labels=labels and labels[part],
                    truncation=psi,
                    truncation_cutoff=trunc_cutoff,
                    noise=noise,
                )
                for psi in psis
            ]
            pictures += [one[i] for i in range(len(made[0])) for one in made]
        progress("pictures", len(numbers), len(numbers))
        if out.suffix.lower() == ".png":
            across = max(len(psis), len(wanted or []))
            save_grid(pictures, out, columns=across if across > 1 else None)
        else:
            save_pictures(pictures, out, [f"{name}.png" for name in names], progress=progress)
    typer.echo(f"{len(pictures)} pictures in {out}")


def encode(
    model: str = MODEL,
    data: str = typer.Argument(help="A picture, a folder, a ZIP, or a built-in set.", show_default=False),
    out: Path = typer.Option(Path("codes.npz"), "--out", "-o", help="File for the codes: .npz or .parquet."),
    errors: bool = typer.Option(
        True, "--errors/--no-errors", help="Decode again too, and keep the errors; search and edit warn by them."
    ),
    features: bool = typer.Option(False, "--features/--no-features", help="Keep the encoder's last hidden layer too."),
    split: Split = typer.Option("all", "--split", help="Part of the data set, where it has a split."),
    max_images: int | None = SIZE_LIMIT,
    device: str = DEVICE,
) -> None:
    """Write the latent codes of pictures, with their names and the model's fingerprint, to one .npz or .parquet file.

    Where the mapping is invertible the file holds the prior codes too, and how likely each is.
    """
    import numpy as np

    from twoway.cli.bars import working
    from twoway.latents.codes import check_codes_path, encode_data, save_codes
    from twoway.saving import spare_originals
    from twoway.training.config import DataConfig
    from twoway.training.entry import data_for_model, model_of_run

    check_codes_path(out)
    loaded = model_of_run(model, device=device)
    pictures = data_for_model(loaded, DataConfig.make(data)).open(split, minimum=1)
    spare_originals(pictures, (), [out])  # an .npz may hold pictures, too
    with working() as progress:
        codes = encode_data(loaded, pictures, limit=max_images, errors=errors, features=features, progress=progress)
    tell_skipped(pictures.skipped)
    save_codes(out, codes)
    if codes.w is None:
        typer.echo(f"codes of {len(codes.names)} pictures in {out} (model {codes.fingerprint})")
    else:
        shape = f"{codes.w.shape[1]} x {codes.w.shape[2]}"
        typer.echo(f"{len(codes.w)} codes of {shape} in {out} (model {codes.fingerprint})")
    if codes.chances is not None and codes.continuous is not None:
        typer.echo(
            f"read off each picture: chances of {codes.chances.shape[1]} classes, {codes.continuous.shape[1]} "
            "continuous codes" + ("" if codes.w is not None else "; not the noise, so there are no whole codes w")
        )
    if codes.in_domain is not None:
        odd = ", ".join(f"{codes.names[i]} ({codes.in_domain[i]:.1f})" for i in codes.in_domain.argsort()[:3])
        median = float(np.median(codes.in_domain))
        typer.echo(f"in-domain score, log10 of the tail probability of |z|^2: median {median:.2f}; least likely: {odd}")


def reconstruct(
    model: str = MODEL,
    data: str = typer.Argument(help="A picture, a folder, a ZIP, or a built-in set.", show_default=False),
    out: Path = typer.Option(Path("reconstructed"), "--out", "-o", help="Folder, or a .png for one grid."),
    split: Split = typer.Option("all", "--split", help="Part of the data set, where it has a split."),
    max_images: int | None = typer.Option(64, "--max-images", min=1, help="Use only the first so many pictures."),
    device: str = DEVICE,
) -> None:
    """Encode pictures and decode them again; a grid shows originals above reconstructions."""
    from twoway.cli.bars import working
    from twoway.saving import check_out, reconstruct_to
    from twoway.training.config import DataConfig
    from twoway.training.entry import data_for_model, model_of_run

    check_out(out)
    loaded = model_of_run(model, device=device)
    pictures = data_for_model(loaded, DataConfig.make(data)).open(split, minimum=1)
    with working() as progress:
        count, error = reconstruct_to(loaded, pictures, out, limit=max_images, progress=progress)
    tell_skipped(pictures.skipped)
    typer.echo(f"{count} reconstructions in {out}; mean squared error {error:.4f} for pixels in [-1, 1]")
