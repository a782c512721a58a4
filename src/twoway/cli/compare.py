"""`twoway compare`: several methods on equal terms, one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from twoway.cli.options import DEVICE, read_overrides
from twoway.errors import ConfigError

__all__ = ["compare"]


def compare(
    methods: list[str] = typer.Argument(help="Methods or presets, as alae bigan vae.", show_default=False),
    data: str = typer.Option(..., "--data", help="digits, mnist, or a folder, ZIP, .npz or IDX folder."),
    budget: str | None = typer.Option(None, "--budget", help="Training time of each training, as 90s, 20m or 2h."),
    kimg: float | None = typer.Option(None, "--kimg", help="Or the images of each training, in thousands."),
    trials: int = typer.Option(1, "--trials", help="Trainings per method, with seeds that count up."),
    out: Path | None = typer.Option(None, "--out", "-o", help="Folder for it all; results/compare-DATA by default."),
    metrics: str = typer.Option("", "--metrics", help="Names, separated by commas; a choice for the data by default."),
    nets: str | None = typer.Option(None, "--nets", help="mlp or conv, for all methods that offer both."),
    option: list[str] | None = typer.Option(
        None, "--option", help="Option for all methods that have it, as latent=16."
    ),
    size: int | None = typer.Option(None, "--size", help="Side of the pictures in pixels; found out by default."),
    channels: int | None = typer.Option(None, "--channels", help="1 grey, 3 colour; found out by default."),
    fit: str = typer.Option("crop", "--fit", help="Pictures that are not square: crop, pad or stretch."),
    batch: int | None = typer.Option(None, "--batch", help="Images per iteration; each method's own by default."),
    seed: int = typer.Option(0, "--seed", help="Seed of the first trial."),
    max_images: int = typer.Option(5000, "--max-images", help="Measure on so many pictures of a split; 0 = all."),
    device: str = DEVICE,
) -> None:
    """Train methods on equal terms, measure them alike, write one table. Interrupt and call again.

    Example: twoway compare alae bigan vae --data mnist --budget 20m --trials 3.
    """
    from rich.console import Console
    from rich.markdown import Markdown

    from twoway.cli.bars import working
    from twoway.compare import Comparison, read_duration
    from twoway.compare import compare as run

    if kimg is not None and budget is not None:
        raise ConfigError("Give --kimg or --budget, not both: each of them is the whole budget of a training.")
    if nets not in (None, "mlp", "conv"):
        raise ConfigError(f"--nets is '{nets}', but must be mlp or conv.")
    options: dict[str, Any] = read_overrides(option or [])
    plan = Comparison(
        methods=tuple(name for part in methods for name in part.split(",") if name),
        data=data,
        kimg=kimg,
        seconds=None if budget is None else read_duration(budget),
        trials=trials,
        seed=seed,
        size=size,
        channels=channels,
        fit=fit,  # type: ignore[arg-type]
        metrics=tuple(name.strip() for name in metrics.split(",") if name.strip()),
        max_images=max_images or None,
        options=options if nets is None else {**options, "nets": nets},
        batch=batch,
        device=device,
    )
    place = out or Path("results") / f"compare-{Path(data).stem or 'data'}"
    with working() as progress:
        text = run(plan, place, say=typer.echo, progress=progress)
    Console().print(Markdown(text.split("\n![")[0]))
    typer.echo(f"Written to {place}/table.md, {place}/table.json and {place}/index.html")
