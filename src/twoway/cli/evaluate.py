"""`twoway evaluate`: metrics of a model on pictures."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from twoway.cli.options import DEVICE, MODEL

__all__ = ["evaluate"]


def evaluate(
    model: str = MODEL,
    data: str | None = typer.Option(None, "--data", help="Pictures; those of the run by default."),
    metrics: str = typer.Option("mse,psnr,code-consistency", "--metrics", help="Names, separated by commas."),
    max_images: int | None = typer.Option(None, "--max-images", help="Use only so many pictures of each split."),
    out: Path | None = typer.Option(None, "--out", "-o", help="Also write the results as JSON."),
    device: str = DEVICE,
) -> None:
    """Measure a model; every number is printed with how it was taken."""
    from rich.console import Console
    from rich.table import Table

    from twoway.metrics import METRICS
    from twoway.metrics import evaluate as measure
    from twoway.training.config import DataConfig
    from twoway.training.entry import data_for_model, data_of_run, model_of_run
    from twoway.training.runs import write_text

    loaded = model_of_run(model, device=device)
    source = data_for_model(loaded, data_of_run(model) if data is None else DataConfig.make(data))
    train, test = source.open_both()
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    results = measure(loaded, train, test, names, max_train=max_images, max_test=max_images)
    table = Table("metric", "value", "what", "how", box=None)
    for name, result in results.items():
        table.add_row(name, f"{result['value']:.5g}", METRICS[name].summary, json.dumps(result))
    Console().print(table)
    if out is not None:
        write_text(out, json.dumps(results, indent=2))
