"""`twoway data list`, `check`, `info`, `show` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

from twoway.errors import CheckpointError

__all__ = ["app"]

app = typer.Typer(help="Look at pictures before training on them.", no_args_is_help=True)
PATH = typer.Argument(help="A folder, a ZIP, an .npz, an IDX folder, or a built-in set.", show_default=False)


@app.command("list")
def list_() -> None:
    """List the data sets that go by a name."""
    from twoway.data import PRESETS

    for name, summary in PRESETS.items():
        typer.echo(f"{name:<14} {summary}")


@app.command("check")
def check(path: str = PATH) -> None:
    """Read every picture and list each one that cannot be used, with the reason; exit code 1 if there are any."""
    from twoway.cli.bars import working
    from twoway.data import check_data

    with working() as progress:
        report = check_data(path, progress=progress)
    typer.echo(str(report))
    if report.unusable:
        raise typer.Exit(1)


@app.command("info")
def info(
    path: str = PATH,
    size: int | None = typer.Option(None, "--size", help="Side of the pictures in pixels; found out by default."),
    channels: int | None = typer.Option(None, "--channels", help="1 grey, 3 colour; found out by default."),
) -> None:
    """Say what a data set is and how training would see it."""
    import yaml

    from twoway.cli.bars import working
    from twoway.training.config import DataConfig

    with working("opening"):
        pictures = DataConfig.make(path, size=size, channels=channels).open(minimum=1)
    typer.echo(yaml.safe_dump(pictures.describe(), sort_keys=False, allow_unicode=True).rstrip())


@app.command("show")
def show(
    path: str = PATH,
    out: Path = typer.Option(Path("data.png"), "--out", "-o", help="The .png to write."),
    count: int = typer.Option(64, "--count", min=1, max=4096, help="How many pictures."),
    columns: int = typer.Option(0, "--columns", min=0, help="Pictures in a row; 0 makes about a square."),
    size: int | None = typer.Option(None, "--size", help="Side of the pictures in pixels; found out by default."),
    seed: int = typer.Option(0, "--seed", min=0, help="Of the choice of pictures."),
) -> None:
    """Write a grid of pictures chosen by chance, as training would see them."""
    import math

    import numpy as np

    from twoway.cli.bars import working
    from twoway.grids import image_grid
    from twoway.saving import save_pictures, spare_originals
    from twoway.training.config import DataConfig

    if out.suffix.lower() != ".png":
        raise CheckpointError(f"--out is {out}, but a grid is written as .png. Give a name that ends with .png.")
    with working("opening"):
        pictures = DataConfig.make(path, size=size).open(minimum=1)
    rows = np.random.default_rng(seed).permutation(len(pictures))[:count]
    spare_originals(pictures, rows.tolist(), [out])
    with working("reading"):
        grid = image_grid(pictures.read(rows), columns or math.ceil(math.sqrt(len(rows))))
    save_pictures([grid], out.parent, [out.name])
    typer.echo(f"{len(rows)} of {len(pictures)} pictures in {out}")


@app.command("export")
def export(
    path: str = PATH,
    folder: Path = typer.Argument(help="The folder to write, which must not be there yet.", show_default=False),
    count: int | None = typer.Option(None, "--count", min=1, help="At most so many pictures of each split."),
    split: Literal["train", "test", "all"] = typer.Option("all", "--split", help="What to write."),
    size: int | None = typer.Option(None, "--size", help="Side of the pictures in pixels; found out by default."),
    seed: int = typer.Option(0, "--seed", min=0, help="Of the choice of pictures."),
) -> None:
    """Write pictures as a folder of PNG files, with attributes.csv or labels.csv where something is known of them."""
    from twoway.cli.bars import working
    from twoway.data import write_folder
    from twoway.training.config import DataConfig

    source = DataConfig.make(path, size=size)
    with working("opening"):
        test = None if split == "train" else source.open("test", minimum=1) if split == "test" else source.open_test()
        train = None if split == "test" else source.open("train", minimum=1)
    parts = [part for part in (train, test) if part is not None]
    with working("writing") as progress:
        written = write_folder(parts, folder, count=count, seed=seed, progress=progress)
    typer.echo(f"{' and '.join(f'{n} {name}' for name, n in written.items())} pictures in {folder}")
