"""`twoway demo`: from nothing to a report in about a minute."""

from __future__ import annotations

from pathlib import Path

import typer

from twoway.cli.options import OUTDIR

__all__ = ["demo"]


def demo(
    outdir: Path = OUTDIR,
    kimg: float = typer.Option(None, "--kimg", help="Budget in thousands of images; the preset's own by default."),
    seed: int = typer.Option(0, "--seed", help="Seed of everything."),
) -> None:
    """Train ALAE on the handwritten digits that come with scikit-learn, and write a report. Needs no download."""
    from twoway.cli.train import close_run
    from twoway.training.config import make_config
    from twoway.training.entry import start_run

    small = {"training.threads": 1}  # for nets this small a second thread only waits for the first
    config, pictures = make_config("alae-digits", kimg=kimg, seed=seed, device="cpu", overrides=small)
    typer.echo(f"Training ALAE on {len(pictures)} handwritten digits of 8x8 pixels, {config.training.kimg:g} kimg.")
    finished = start_run(config, pictures, outdir=outdir, description="demo-alae-digits")
    close_run(finished)
    if finished.outcome.finished:
        typer.echo(f"Open {finished.report} in a browser. More digits: twoway generate {finished.run} --seeds 0-63")
