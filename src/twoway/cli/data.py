"""`twoway data check` and `twoway data info`."""

from __future__ import annotations

import typer

__all__ = ["app"]

app = typer.Typer(help="Look at pictures before training on them.", no_args_is_help=True)
PATH = typer.Argument(help="A folder, a ZIP, an .npz, an IDX folder, or a built-in set.", show_default=False)


@app.command("check")
def check(path: str = PATH) -> None:
    """Read every picture and list each one that cannot be used, with the reason; exit code 1 if there are any."""
    from twoway.cli.bars import counting_bar
    from twoway.data import check_data

    with counting_bar("reading") as progress:
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

    from twoway.training.config import DataConfig

    pictures = DataConfig.make(path, size=size, channels=channels).open(minimum=1)
    typer.echo(yaml.safe_dump(pictures.describe(), sort_keys=False, allow_unicode=True).rstrip())
