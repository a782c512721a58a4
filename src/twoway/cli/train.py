"""`twoway train` and `twoway resume`."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from twoway.cli.options import OUTDIR, read_overrides
from twoway.errors import ConfigError

if TYPE_CHECKING:
    from twoway.training.entry import FinishedRun

__all__ = ["close_run", "resume", "train"]


def train(
    preset: str = typer.Argument(help="A preset or method; `twoway methods` lists them.", show_default=False),
    data: str | None = typer.Option(None, "--data", help="digits, mnist, or a folder, ZIP, .npz or IDX folder."),
    outdir: Path = OUTDIR,
    size: int | None = typer.Option(None, "--size", help="Side of the pictures in pixels; found out by default."),
    channels: int | None = typer.Option(None, "--channels", help="1 grey, 3 colour; found out by default."),
    fit: str = typer.Option("crop", "--fit", help="Pictures that are not square: crop, pad or stretch."),
    label: str | None = typer.Option(None, "--label", help="Attribute or known factor of --data to use as class."),
    kimg: float | None = typer.Option(None, "--kimg", help="Budget in thousands of images."),
    epochs: float | None = typer.Option(None, "--epochs", help="Budget in passes over the data, instead of --kimg."),
    batch: int | None = typer.Option(None, "--batch", help="Images per iteration, over all processes."),
    seed: int = typer.Option(0, "--seed", help="Seed of weights, order and all other chance."),
    device: str = typer.Option("auto", "--device", help="auto, cpu, cuda, cuda:1 or mps."),
    conditional: bool = typer.Option(
        False, "--conditional", help="Tell the nets the class of every picture; for methods with the option classes."
    ),
    option: list[str] | None = typer.Option(None, "--option", help="Option of the method, as latent=16."),
    overrides: list[str] | None = typer.Option(
        None, "--set", help="Any key of the resolved settings, as optim.lr=0.001."
    ),
    eval_every: float | None = typer.Option(
        None, "--eval-every", help="Measure every so many thousand images; a tenth of the budget by default."
    ),
    metrics: str | None = typer.Option(
        None,
        "--metrics",
        help="What to measure, as mse,fid[pyramid]; the best checkpoint is kept by the first of them.",
    ),
    desc: str | None = typer.Option(None, "--desc", help="End of the run folder's name."),
    init_from: str | None = typer.Option(
        None, "--init-from", help="Start from the weights of a model or run (fine-tune)."
    ),
    generator: str | None = typer.Option(
        None,
        "--generator",
        help="A trained model or run: train only the later phases, such as lia's encoder, for its generator.",
    ),
    dry_run: bool = typer.Option(False, "--dry-run", "-n", help="Print the resolved run and its size; train nothing."),
) -> None:
    """Train a method on pictures; writes a numbered run folder with a report.

    Examples: twoway train alae-mnist-modern --data mnist, or twoway train alae --data my-pictures --size 32.
    """
    from twoway.training.config import DataConfig, make_config
    from twoway.training.entry import describe_plan, model_of_run, start_run

    if kimg is not None and epochs is not None:
        raise ConfigError("Give --kimg or --epochs, not both: each of them is the whole budget.")
    if data is None and (size is not None or channels is not None or fit != "crop" or label is not None):
        raise ConfigError("--size, --channels, --fit and --label say how to read --data, which is not given.")
    changes = {**read_overrides(overrides or []), **_measuring(eval_every, metrics, overrides or [])}
    made = None if generator is None else model_of_run(generator)
    source = None if data is None else DataConfig.make(data, size=size, channels=channels, fit=fit, label=label)
    config, pictures = make_config(
        preset,
        data=source,
        options=read_overrides(option or []),
        overrides=changes,
        kimg=kimg,
        epochs=epochs,
        seed=seed,
        device=device,
        batch=batch,
        generator=None if made is None else made.recipe,
        conditional=conditional,
    )
    if dry_run:
        import yaml

        plan = describe_plan(config, pictures)
        typer.echo(config.to_text() + "---\n" + yaml.safe_dump({"plan": plan}, sort_keys=False))
        return
    close_run(start_run(config, pictures, outdir=outdir, description=desc, init_from=init_from, generator=made))


def _measuring(every: float | None, metrics: str | None, overrides: list[str]) -> dict[str, Any]:
    """Settings of the flags that say what is measured during training, and when."""
    from twoway.metrics import find_metric, split_names
    from twoway.training.config import CHEAP_METRICS

    named = {entry.partition("=")[0].strip() for entry in overrides}
    for flag, value, key in (
        ("--eval-every", every, "training.eval_kimg"),
        ("--metrics", metrics, "training.metrics"),
    ):
        if value is not None and key in named:
            raise ConfigError(f"{flag} and --set {key} say the same; give one of them.")
    found: dict[str, Any] = {}
    if every is not None:
        if not 0 < every < math.inf:
            raise ConfigError(f"--eval-every is {every:g}, but must be a positive number of thousands of images.")
        found["training.eval_kimg"] = every
        if "training.metrics" not in named:
            found["training.metrics"] = list(CHEAP_METRICS)
    if metrics is not None:
        names = split_names(metrics)
        if not names:
            raise ConfigError("--metrics is empty; name some, as mse,fid[pyramid], or leave it out.")
        for name in names:
            find_metric(name)
        found["training.metrics"] = names
    return found


def resume(
    run: str = typer.Argument(help="A run folder, its number, or 'latest'.", show_default=False),
    outdir: Path = OUTDIR,
    kimg: float | None = typer.Option(None, "--kimg", help="A new whole budget, to go on after the old one."),
    device: str | None = typer.Option(None, "--device", help="Another device than before."),
) -> None:
    """Continue a run exactly where it stopped: N steps are k steps, a resume and N-k steps, bit for bit on CPU."""
    from twoway.training.entry import resume_run
    from twoway.training.runs import find_run

    close_run(resume_run(find_run(run, outdir), kimg=kimg, device=device))


def close_run(finished: FinishedRun) -> None:
    """Say where to look, or how to go on after a signal."""
    outcome, run = finished.outcome, finished.run
    if outcome.finished:
        if finished.report is not None:
            typer.echo(f"Report: {finished.report}\nModel:  {run / 'model'}  (twoway.load('{run / 'model'}'))")
        return
    if finished.report is not None:
        typer.echo(f"Stopped after iteration {outcome.iteration}; nothing is lost. Continue with: twoway resume {run}")
    sys.exit(128 + outcome.signal if outcome.signal else 0)
