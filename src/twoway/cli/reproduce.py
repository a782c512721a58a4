"""`twoway reproduce`: one verb per published table."""

from __future__ import annotations

from pathlib import Path

import typer

__all__ = ["app"]

app = typer.Typer(help="Regenerate published tables, measured beside published.", no_args_is_help=True)


@app.command("alae-table1")
def alae_table1(
    out: Path | None = typer.Option(None, "--out", "-o", help="Folder for table.md; nothing is written without it."),
) -> None:
    """Table 1 of ALAE: how each method matches data and codes, derived from the recipes, beside the published rows."""
    from rich.console import Console
    from rich.markdown import Markdown

    from twoway.reproduce.alae_table1 import reproduce_table1

    Console().print(Markdown(reproduce_table1(out)))
    if out is not None:
        typer.echo(f"Written to {out}/table.md")


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


@app.command("lia-table3")
def lia_table3(
    data: str = typer.Option(..., "--data", help="A folder, ZIP or .npz of pictures, best with held-out ones."),
    size: int | None = typer.Option(None, "--size", help="Side of the pictures in pixels; found out by default."),
    preset: str = typer.Option("32-cpu", "--preset", help="Ending of the presets, as 32-cpu of lia-32-cpu."),
    kimg: float = typer.Option(600.0, "--kimg", help="Budget of each training in thousands of images."),
    rows: str = typer.Option("", "--rows", help="Only these rows, as lia,optimisation-w; all by default."),
    images: int = typer.Option(400, "--images", help="Held-out pictures at most."),
    steps: int = typer.Option(300, "--steps", help="Steps of the optimisation."),
    out: Path = typer.Option(Path("results/lia-table3"), "--out", "-o", help="Folder for runs, table and pictures."),
    seed: int = typer.Option(0, "--seed", help="Seed of the trainings."),
) -> None:
    """Table 3 of LIA: LIA, StyleGAN with an encoder, VAE/GAN through z, optimisation. Interrupt and call again."""
    from rich.console import Console
    from rich.markdown import Markdown

    from twoway.reproduce.lia_table3 import Table3, reproduce_table3

    chosen = tuple(r.strip() for r in rows.split(",") if r.strip())
    plan = Table3(data, size, preset, kimg, chosen, images, steps, seed)
    text = reproduce_table3(plan, out, say=typer.echo)
    Console().print(Markdown(text))
    typer.echo(f"Written to {out}/table.md, {out}/table.json and {out}/comparison.png")


@app.command("learning")
def learning(
    data: str = typer.Option("digits", "--data", help="Labelled pictures; digits are 8x8 and need no download."),
    seconds: float = typer.Option(120.0, "--seconds", help="Seconds of one processor per training."),
    rows: str = typer.Option("", "--rows", help="Only these rows, as vae,alae-modern; every method by default."),
    seed: int = typer.Option(0, "--seed", help="Seed of the trainings."),
    out: Path = typer.Option(Path("results/learning"), "--out", "-o", help="Folder for runs, Markdown and JSON."),
) -> None:
    """Whether every method learns: its own measures before and after a short training. Interrupt and call again."""
    from rich.console import Console
    from rich.markdown import Markdown

    from twoway.reproduce.learning import Learning, reproduce_learning

    plan = Learning(data, seconds, tuple(r.strip() for r in rows.split(",") if r.strip()), seed)
    text = reproduce_learning(plan, out, say=typer.echo)
    Console().print(Markdown(text))
    typer.echo(f"Written to {out}/table.md and {out}/table.json")
