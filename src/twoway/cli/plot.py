"""`twoway plot`: curves of trainings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import typer

from twoway.cli.options import OUTDIR

__all__ = ["plot"]

COMMA = re.compile(r",(?![^\[]*\])")  # not within the brackets of an extractor


def plot(
    runs: list[str] = typer.Argument(help="Run folders, their numbers, or 'latest'.", show_default=False),
    metric: list[str] | None = typer.Option(
        None, "--metric", "-m", help="A number of the statistics, as mse, metric/mse or loss; may be given again."
    ),
    out: Path = typer.Option(Path("curves.png"), "--out", "-o", help="The .png to write; an .svg goes beside it."),
    over: Literal["kimg", "seconds", "iteration"] = typer.Option(
        "kimg", "--over", help="What the x axis is: thousand images, seconds of training, or iterations."
    ),
    log: Literal["auto", "none", "x", "y", "both"] = typer.Option(
        "auto", "--log", help="Logarithmic axes; auto takes y where values span more than a factor of 50."
    ),
    outdir: Path = OUTDIR,
) -> None:
    """Draw losses and metrics of one or several trainings, a line a run, as PNG and SVG.

    Example: twoway plot 3 7 --metric mse -o mse.png
    """
    from twoway.cli.bars import working
    from twoway.plots.runs import curves_of_runs
    from twoway.plots.saving import save_plot, targets
    from twoway.training.runs import find_run

    png, svg = targets(out)
    folders = [find_run(name, outdir) for name in runs]
    names = [name.strip() for text in metric or () for name in COMMA.split(text) if name.strip()]
    with working("drawing"):
        save_plot(curves_of_runs(folders, names, over=over, log=log), out)
    many = "1 run" if len(folders) == 1 else f"{len(folders)} runs"
    typer.echo(f"Curves of {many} in {png} and {svg}")
