"""`twoway reproduce`: one verb per published table."""

from __future__ import annotations

from pathlib import Path

import typer

__all__ = ["app"]

app = typer.Typer(help="Regenerate published tables, measured beside published.", no_args_is_help=True)


@app.callback()
def _several() -> None:
    """Keep the table's name a part of the command while there is only one table."""


@app.command("alae-table2")
def alae_table2(
    data: str = typer.Option("mnist", "--data", help="mnist, a folder with the IDX files, or digits for a quick look."),
    trials: int = typer.Option(1, "--trials", min=1, help="Trainings per row; the paper averages five."),
    epochs: float = typer.Option(400.0, "--epochs", help="Passes over the training pictures per training."),
    rows: str = typer.Option("", "--rows", help="Only these rows, as alae,bigan; all by default."),
    settings: str = typer.Option(
        "DW", "--settings", help="DW (official test set), SW (split of the training set), or DW,SW."
    ),
    out: Path = typer.Option(Path("results/alae-table2"), "--out", "-o", help="Folder for runs, Markdown and JSON."),
    seed: int = typer.Option(0, "--seed", help="Seed of the first trial; the next ones count up."),
    max_images: int = typer.Option(0, "--max-images", help="Classify only so many pictures of each split; 0 = all."),
) -> None:
    """Table 2 of ALAE: MNIST accuracies of AE, VAE, LR, JLR, BiGAN and ALAE with controls. Interrupt and call again."""
    from rich.console import Console
    from rich.markdown import Markdown

    from twoway.reproduce.alae_table2 import Table2, reproduce_table2

    plan = Table2(
        data=data,
        trials=trials,
        epochs=epochs,
        rows=tuple(r.strip() for r in rows.split(",") if r.strip()),
        settings=tuple(s.strip().upper() for s in settings.split(",") if s.strip()),
        seed=seed,
        max_images=max_images or None,
    )
    text = reproduce_table2(plan, out, say=typer.echo)
    Console().print(Markdown(text))
    typer.echo(f"Written to {out}/table.md and {out}/table.json")
