"""`twoway data list`, `check`, `info`, `show` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

from twoway.cli.faces import DETECTOR, LANDMARKS, TEMPLATE, FaceFinder
from twoway.cli.options import tell_skipped
from twoway.errors import CheckpointError, ConfigError

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
    tell_skipped({name: reason for part in parts for name, reason in part.skipped.items()})
    typer.echo(f"{' and '.join(f'{n} {name}' for name, n in written.items())} pictures in {folder}")


@app.command("align")
def align(
    photos: str = typer.Argument(help="A folder or ZIP of photos.", show_default=False),
    out: Path = typer.Option(..., "--out", "-o", help="A new folder for the crops."),
    size: int = typer.Option(..., "--size", help="Side of the crops in pixels."),
    template: str | None = TEMPLATE,
    landmarks: Path | None = LANDMARKS,
    detector: Path | None = DETECTOR,
    grey: bool = typer.Option(False, "--grey", help="Grey crops."),
) -> None:
    """Align faces for training: turn, scale and cut every photo so that eyes and mouth lie where a template says.

    Models trained on the folder know its template, so that twoway edit cuts photos alike.
    Example: twoway data align photos --landmarks points.csv --template ffhq --size 64 -o faces64
    """
    from twoway.cli.bars import working
    from twoway.photos.aligning import align_folder
    from twoway.photos.templates import read_template

    if template is None:
        raise ConfigError("Say where the eyes and the mouth shall lie: --template celeba, ffhq, or a .json file.")
    finder = FaceFinder(None, landmarks, detector, None)
    if landmarks is None and detector is None:
        raise ConfigError("Say where the faces are: --landmarks FILE with a row for each photo, or --detector FILE.")
    with working() as progress:
        done = align_folder(
            photos,
            out,
            size=size,
            template=read_template(template),
            find=finder.table or (lambda name, photo: finder.points(name, photo)[0]),
            channels=1 if grey else 3,
            progress=progress,
        )
    tell_skipped(done.skipped)
    typer.echo(f"{done.count} photos aligned in {out}, {size}x{size} pixels, template {template}")
    if done.tables:
        typer.echo(f"with {', '.join(done.tables)}")
    for table in done.left:
        typer.echo(f"{table} was not copied; only CSV tables are.", err=True)
