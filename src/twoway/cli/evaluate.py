"""`twoway evaluate`: metrics of a model on pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from twoway.cli.options import DEVICE, FEATURE_WEIGHTS, FEATURES, MODEL, feature_spec
from twoway.errors import CheckpointError, ConfigError

__all__ = ["evaluate"]


def evaluate(
    model: str = MODEL,
    data: str | None = typer.Option(None, "--data", help="Pictures; those of the run by default."),
    label: str | None = typer.Option(
        None, "--label", help="Attribute or known factor of the pictures to use as class."
    ),
    metrics: str = typer.Option("mse,psnr,code-consistency", "--metrics", help="Names, separated by commas."),
    max_images: int | None = typer.Option(None, "--max-images", min=1, help="Use only so many pictures of each split."),
    features: str | None = FEATURES,
    feature_weights: str | None = FEATURE_WEIGHTS,
    out: Path | None = typer.Option(None, "--out", "-o", help="Also write the results as JSON."),
    device: str = DEVICE,
) -> None:
    """Measure a model; every number is printed with how it was taken."""
    from twoway.cli.bars import working
    from twoway.metrics import METRICS, find_metric, split_names
    from twoway.metrics import evaluate as measure
    from twoway.training.config import DataConfig
    from twoway.training.entry import data_for_model, data_of_run, model_of_run
    from twoway.training.runs import write_text

    names = split_names(metrics)
    if not names:
        raise ConfigError(f"--metrics is empty; name some of: {', '.join(METRICS)}.")
    for name in names:
        find_metric(name)
    spec = feature_spec(features, feature_weights)
    loaded = model_of_run(model, device=device)
    source = data_for_model(loaded, data_of_run(model) if data is None else DataConfig.make(data))
    train, test = (source if label is None else replace(source, label=label)).open_both()
    with working() as progress:
        results = measure(
            loaded,
            train,
            test,
            names,
            max_train=max_images,
            max_test=max_images,
            features=spec,
            progress=progress,
        )
    for name, result in results.items():
        typer.echo(f"{name:<17} {result['value']:<9.5g} {find_metric(name).summary}\n{_details(result)}")
    if out is not None:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            write_text(out, json.dumps(results, indent=2))
        except OSError as error:
            raise CheckpointError(f"The results cannot be written to {out}: {error}. Choose another --out.") from error
        typer.echo(f"Written to {out}")


def _details(result: Mapping[str, Any]) -> str:
    """How a number was taken, a line a group, indented."""
    groups: dict[str, list[str]] = {}
    for path, value in _flat(result):
        group, _, key = path.rpartition(" ")
        if path not in ("name", "value"):
            groups.setdefault(group, []).append(f"{key} {value:.5g}" if isinstance(value, float) else f"{key} {value}")
    return "\n".join(f"    {group + ': ' if group else ''}{', '.join(facts)}" for group, facts in groups.items())


def _flat(node: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key} ")
        else:
            yield f"{above}{key}", value
