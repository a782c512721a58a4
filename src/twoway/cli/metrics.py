"""`twoway metrics list`, `train-extractor` and `clear-cache`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from twoway.cli.options import DEVICE
from twoway.errors import ConfigError

if TYPE_CHECKING:
    from twoway.metrics.registry import Metric

__all__ = ["app"]

app = typer.Typer(help="What can be measured, and with which features.", no_args_is_help=True)

SHOWN = 12


@app.command("list")
def list_() -> None:
    """List every metric: its name, which way is better, what it is, what it needs, whether it is a default."""
    from twoway.metrics import METRICS

    width = max(map(len, METRICS))
    for name, metric in METRICS.items():
        asked = "; by default" if metric.default else ""
        typer.echo(f"{name:<{width}}  {metric.better:<7}  {metric.summary}; needs {_needs(metric)}{asked}")
    typer.echo(
        "\nMetrics that look at features can be asked for with an extractor, as fid[squeezenet], fid[pca] or "
        "fid[mnist-cnn.safetensors]."
    )


def _needs(metric: Metric) -> str:
    needs = [
        word
        for word, needed in (
            ("a prior", metric.prior),
            ("an encoder whose codes can be decoded", metric.encoder == "reconstructs"),
            ("an encoder", metric.encoder is True),
            ("labels", metric.labels),
            ("features", metric.features),
        )
        if needed
    ]
    return ", ".join(needs) or "nothing more"


@app.command("train-extractor")
def train_extractor(
    data: str = typer.Option(..., "--data", help="Labelled pictures: a folder, ZIP, IDX folder or built-in set."),
    attributes: str | None = typer.Option(
        None, "--attributes", help="Learn these attributes, separated by commas, or 'all', instead of classes."
    ),
    label: str | None = typer.Option(None, "--label", help="Attribute or known factor to use as class."),
    name: str | None = typer.Option(
        None, "--name", help="What numbers are named after; the data set and -cnn or -attributes by default."
    ),
    out: Path | None = typer.Option(None, "--out", "-o", help="The .safetensors file to write; NAME.safetensors."),
    epochs: int = typer.Option(4, "--epochs", min=1, help="How often every picture is seen."),
    size: int | None = typer.Option(None, "--size", help="Side of the pictures in pixels; found out by default."),
    channels: int | None = typer.Option(None, "--channels", help="1 grey, 3 colour; found out by default."),
    mirror: bool = typer.Option(False, "--mirror/--no-mirror", help="Also learn from mirrored pictures."),
    net: str | None = typer.Option(
        None, "--net", help="lenet_classifier (default for grey) or residual_classifier (default for colour)."
    ),
    width: int = typer.Option(16, "--width", min=1, help="Channels of the net's finest maps."),
    seed: int = typer.Option(0, "--seed", min=0, help="Of weights, order and augmentation."),
    device: str = DEVICE,
) -> None:
    """Train a small classifier on labelled pictures, whose features metrics can look at."""
    from twoway.cli.bars import working
    from twoway.extractors import ClassifierTraining, train_classifier
    from twoway.features import FeatureSpec, build_features
    from twoway.features.classifier_file import check_writable
    from twoway.training.config import DataConfig, pick_device

    if attributes is not None and label is not None:
        raise ConfigError("--attributes and --label exclude each other: learn several attributes, or one as class.")
    wanted = None if attributes is None else [word for part in attributes.split(",") if (word := part.strip())]
    if wanted == []:
        raise ConfigError("--attributes is empty; name some, separated by commas, or 'all'.")
    settings = ClassifierTraining(epochs=epochs, mirror=mirror, net=net, width=width, seed=seed)
    train, test = DataConfig.make(data, size=size, channels=channels, label=label).open_both()
    name = name or f"{train.name}-{'cnn' if wanted is None else 'attributes'}"
    out = out or Path(f"{name}.safetensors")
    check_writable(out)
    with working() as progress:
        trained = train_classifier(
            train,
            None if test is train else test,
            name=name,
            attributes=wanted,
            settings=settings,
            device=pick_device(device),
            progress=progress,
        )
    trained.save(out)
    title = build_features(FeatureSpec("classifier", str(out))).title
    _tell(trained.record.accuracy, trained.record.of, trained.record.training)
    typer.echo(f"{title} written to {out}; use it as fid[{out}].")


def _tell(accuracy: Mapping[str, Any], of: str, training: Mapping[str, Any]) -> None:
    """Accuracy over all, and what is told worst."""
    for reason in training["left_out"]:
        typer.echo(f"Left out: {reason}")
    typer.echo(
        f"{100 * accuracy['mean']:.2f} % right on {accuracy['count']} pictures ({accuracy['on']}); always saying the "
        f"commonest would be {100 * accuracy['commonest']:.2f} %."
    )
    each = {key: value["accuracy"] if isinstance(value, Mapping) else value for key, value in accuracy["each"].items()}
    worst = sorted((value, key) for key, value in each.items() if value is not None)
    shown = ", ".join(f"{key} {100 * value:.1f} %" for value, key in worst[:SHOWN])
    typer.echo(f"By {'class' if of == 'classes' else 'attribute'}, the worst first: {shown}")


@app.command("clear-cache")
def clear_cache() -> None:
    """Remove the features of real pictures that were kept on disk."""
    from twoway.features.cache import cache_folder
    from twoway.features.cache import clear_cache as clear

    count, size = clear()
    typer.echo(f"{count} files, {size / 2**20:.1f} MiB, removed from {cache_folder() or 'nowhere: the cache is off'}.")
