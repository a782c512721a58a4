"""`twoway evaluate`: metrics of one model on pictures, or of several models beside each other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from twoway.cli.options import DEVICE, FEATURE_WEIGHTS, FEATURES, Noise, feature_spec, finite

if TYPE_CHECKING:
    from twoway.evaluation import Outcome

__all__ = ["evaluate"]

Crop = Literal["none", "faces", "alae-celeba"]

WIDTH = 120
"""Of what is printed where there is no terminal."""


def evaluate(
    models: list[str] = typer.Argument(
        help="Run folders, their numbers or 'latest', model folders, or hub ids; several are compared.",
        show_default=False,
    ),
    data: str | None = typer.Option(None, "--data", help="Pictures; those of the runs by default."),
    metrics: str = typer.Option(
        "default",
        "--metrics",
        help="Names, separated by commas, with an extractor in brackets where wanted: mse,fid[squeezenet]. Or "
        "'default', or 'all' that apply but for knn and svm, whose short forms are quicker.",
    ),
    label: str | None = typer.Option(
        None, "--label", help="Attribute or known factor of the pictures to use as class."
    ),
    max_images: int | None = typer.Option(None, "--max-images", min=1, help="Use only so many pictures of each split."),
    samples: int | None = typer.Option(None, "--samples", min=2, help="Pictures to sample; as many as real ones."),
    truncation: float = typer.Option(
        1.0, "--truncation", "--trunc", callback=finite, help="Truncation psi of samples; 1 = none."
    ),
    noise: Noise = typer.Option("random", "--noise", help="Noise in the samples of a style generator."),
    mixing: float = typer.Option(0.0, "--mixing", help="Share of samples whose later layers take a second code."),
    crop: Crop = typer.Option("none", "--crop", help="Part of aligned faces that path lengths (ppl) compare."),
    seed: int = typer.Option(0, "--seed", min=0, help="Of all draws; repeats count up from it."),
    repeats: int | None = typer.Option(
        None, "--repeats", min=1, help="Seeds for what depends on draws; 3 for several models, 1 for one."
    ),
    batch: int = typer.Option(
        256, "--batch", min=1, help="Pictures at a time, fewer where they are large; changes no result."
    ),
    live: bool = typer.Option(False, "--live", help="Live weights of a run's newest checkpoint, not the average."),
    features: str | None = FEATURES,
    feature_weights: str | None = FEATURE_WEIGHTS,
    out: Path | None = typer.Option(None, "--out", "-o", help="Also write the results as JSON."),
    page: Path | None = typer.Option(None, "--page", help="Also write them as an HTML page with pictures."),
    device: str = DEVICE,
) -> None:
    """Measure a model, or say which of several is better at what, as far as it is more than chance.

    Example: twoway evaluate runs/00000-alae runs/00001-bigan --data my-pictures --metrics mse,fid --page better.html.
    """
    from twoway.cli.bars import working
    from twoway.evaluation import (
        Outcome,
        Plan,
        check_place,
        load_models,
        measure_models,
        open_pictures,
        outcome_json,
        outcome_page,
        write_outcome,
    )
    from twoway.metrics import Sampling, split_names

    plan = Plan(
        metrics=tuple(split_names(metrics)),
        max_images=max_images,
        samples=samples,
        seed=seed,
        repeats=repeats,
        batch=batch,
        features=feature_spec(features, feature_weights),
        sampling=Sampling(truncation, noise, mixing),
        crop=crop,
    )
    for place, flag in ((out, "--out"), (page, "--page")):
        if place is not None:
            check_place(place, flag)
    judged = load_models(models, live=live, device=device)
    shown = open_pictures(judged, data, label)
    with working() as progress:
        outcome = Outcome(judged, shown, plan, measure_models(judged, shown, plan, progress=progress))
        # both are made before either is written
        written = [
            (place, flag, make(outcome))
            for place, flag, make in ((out, "--out", outcome_json), (page, "--page", outcome_page))
            if place is not None
        ]
    _show(outcome)
    for place, flag, text in written:
        write_outcome(place, text, flag)
        typer.echo(f"Written to {place}")


def _show(outcome: Outcome) -> None:
    """Print the table, footnotes, how the numbers were taken, and the verdict last."""
    import textwrap

    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from twoway.training.progress import PatientConsole, is_no_terminal, printable

    compared = len(outcome.models) > 1
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", overflow="fold", no_wrap=not compared)
    table.add_column("better")
    for column in range(len(outcome.models)):
        table.add_column(Text(printable(outcome.title(column))), justify="right", overflow="fold", max_width=30)
    table.add_column("better beyond chance" if compared else "what it is", overflow="fold")
    for number, row in enumerate(outcome.rows):
        cells = []
        for column in range(len(outcome.models)):
            value, below = outcome.cell_text(number, column)
            cells.append(Text(f"{value}\n{below}" if below else value))
        last = outcome.verdict_text(number) if compared else row.metric.summary
        table.add_row(Text(row.name), row.metric.better, *cells, Text(printable(last)))
    console = PatientConsole(file=sys.stdout, width=WIDTH if is_no_terminal(sys.stdout) else None)
    console.print(table)

    def say(text: str, indent: str = "") -> None:
        lines = textwrap.wrap(
            printable(text), WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
        )
        typer.echo("\n".join(lines))

    for number, note in enumerate(outcome.footnotes, 1):
        say(f"({number}) {note}")
    typer.echo("How the numbers were taken")
    for line in outcome.facts():
        say(line, "  ")
    for number, row in enumerate(outcome.rows):
        say(f"{row.name}: {row.metric.summary}" if compared else row.name, "  ")
        for line in outcome.settings(number):
            say(line, "    ")
        if compared and outcome.verdicts[number].how:
            say(f"chance judged by {outcome.verdicts[number].how}", "    ")
    typer.echo()
    for line in outcome.cautions:
        say(line)
    for line in outcome.conclusion:
        say(line)
