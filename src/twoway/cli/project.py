"""`twoway project`: the codes of pictures by optimisation, and a generator tuned to them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import typer

from twoway.cli.options import DEVICE, FEATURE_WEIGHTS, FEATURES, MODEL, feature_spec, tell_skipped
from twoway.errors import CheckpointError, ConfigError, closest

__all__ = ["project"]

Space = Literal["w", "w+", "z", "noise"]
STARTS = ("encoder", "mean", "random")
Split = Literal["train", "test", "all"]
Precision = Literal["float16", "float32"]
TUNING = "Tuning of the generator"
FILES = ("codes.npz", "comparison.png", "starts.png", "tuned.png", "tuned.safetensors")
"""What is written beside the folder of pictures and might be what is read."""


def project(
    model: str = MODEL,
    data: str = typer.Argument(help="A picture, a folder, a ZIP, or a built-in set.", show_default=False),
    space: Space = typer.Option(
        "w+", "--space", help="w one code for all layers, w+ one for each, z the prior code, noise beside read codes."
    ),
    start: str = typer.Option(
        "mean",
        "--start",
        help="Where the search starts: mean code, encoder or random; several, such as encoder,mean,random, are "
        "compared step by step, in a table and a drawing.",
    ),
    steps: int = typer.Option(300, "--steps", min=0, help="Steps of Adam."),
    lr: float = typer.Option(0.1, "--lr", help="Learning rate at its highest."),
    perceptual: float = typer.Option(0.0, "--perceptual", help="Weight of the distance of features beside the pixels."),
    features: str | None = FEATURES,
    feature_weights: str | None = FEATURE_WEIGHTS,
    encoder_weight: float = typer.Option(0.0, "--encoder-weight", help="Weight of (E(G(w)) - w)^2 beside the pixels."),
    mean_weight: float = typer.Option(0.0, "--mean-weight", help="Weight of (w - mean code)^2 beside the pixels."),
    w_noise: float = typer.Option(
        0.0, "--w-noise", help="Noise on codes that fades, in distances of a code from the mean; StyleGAN2 takes 0.05."
    ),
    optimise_noise: bool = typer.Option(
        False, "--optimise-noise", help="Search for the noise maps of a style generator too (noise.safetensors)."
    ),
    patience: int = typer.Option(
        0,
        "--early-stop",
        min=0,
        help="A picture is done when its loss has not fallen by 1 % in so many steps; 0 never.",
    ),
    target: float = typer.Option(0.0, "--target", help="A picture is done when its loss is no more than this."),
    seed: int = typer.Option(0, "--seed", help="Of all chance."),
    tune: int = typer.Option(
        0, "--tune", min=0, rich_help_panel=TUNING, help="Then tune the generator to the codes, so many steps."
    ),
    tune_lr: float = typer.Option(3e-4, "--tune-lr", rich_help_panel=TUNING, help="Learning rate of tuning."),
    tune_target: float = typer.Option(
        0.0, "--tune-target", rich_help_panel=TUNING, help="Tuning is over when no picture's loss is above this."
    ),
    locality: float = typer.Option(
        0.0,
        "--locality",
        rich_help_panel=TUNING,
        help="Weight of what keeps pictures of other codes; the paper's: 0.1.",
    ),
    tune_layers: str = typer.Option(
        "", "--tune-layers", rich_help_panel=TUNING, help="Only these layers, such as blocks.2,blocks.3."
    ),
    precision: Precision = typer.Option(
        "float16", "--delta-precision", rich_help_panel=TUNING, help="Of what tuned.safetensors holds."
    ),
    out: Path = typer.Option(Path("projected"), "--out", "-o", help="Folder for codes, pictures and losses."),
    split: Split = typer.Option("all", "--split", help="Part of the data set, where it has a split."),
    max_images: int | None = typer.Option(64, "--max-images", min=1, help="Use only the first so many pictures."),
    device: str = DEVICE,
) -> None:
    """Find the codes whose pictures are nearest to given ones, by optimisation; slower than encode, and closer.

    The folder gets codes.npz, comparison.png (originals above), pictures/ and losses.json. With several starts it gets
    a folder of these for each, starts.json, starts.png and starts.svg. With --tune it gets tuned.safetensors and
    tuned.png too: MODEL+tuned.safetensors is then a model for every verb, and takes the codes and directions of MODEL.
    """
    from twoway.cli.bars import working
    from twoway.cli.project_files import Found, search, tell_starts, tune_to
    from twoway.latents.pivotal_tuning import Tuning
    from twoway.latents.projection import EarlyStop, ProjectionSettings, Start
    from twoway.saving import spare_data_folder, spare_files
    from twoway.training.config import DataConfig
    from twoway.training.entry import data_for_model, model_of_run
    from twoway.training.runs import split_delta

    if out.exists() and not out.is_dir():
        raise CheckpointError(f"--out is {out}, which is a file; codes, pictures and losses go to a folder.")
    if not perceptual and (features or feature_weights):
        raise ConfigError("Features are named, but --perceptual is 0, so they would not count. Give it a weight.")
    starts = _starts(start)
    if len(starts) > 1 and (tune or patience or target):
        raise ConfigError(
            f"--start names {len(starts)} starts, which are compared step by step; --tune, --early-stop and --target "
            "go with one start."
        )
    spec = feature_spec(features, feature_weights) if perceptual else None
    stop = EarlyStop(patience or max(steps, 1), 0.01 if patience else 0.0, target) if patience or target else None
    settings = ProjectionSettings(
        space=space, steps=steps, lr=lr, features=spec, feature_weight=perceptual, encoder_weight=encoder_weight,
        mean_weight=mean_weight, w_noise=w_noise, optimise_noise=optimise_noise, early_stop=stop,
    )  # fmt: skip
    layers = tuple(name.strip() for name in tune_layers.split(",") if name.strip())
    tuning = Tuning(
        steps=tune, lr=tune_lr, features=spec, feature_weight=perceptual, target=tune_target, locality=locality,
        layers=layers,
    )  # fmt: skip
    loaded = model_of_run(model, device=device)
    pictures = data_for_model(loaded, DataConfig.make(data)).open(split, minimum=1)
    folders = {one: out / one if len(starts) > 1 else out for one in starts}
    for folder in folders.values():
        spare_data_folder(pictures, folder / "pictures")
    written = [folder / name for folder in (out, *folders.values()) for name in FILES]
    spare_files(
        [pictures.source, split_delta(model)[1]], written if tune else [p for p in written if p.stem != "tuned"]
    )
    count = len(pictures) if max_images is None else min(max_images, len(pictures))
    found: dict[str, Found] = {}
    with working() as progress:
        for one, folder in folders.items():
            found[one] = search(loaded, pictures, count, settings, cast(Start, one), seed, folder, progress)
    tell_skipped(pictures.skipped)
    if len(starts) > 1:
        tell_starts(found, settings, loaded, out)
    if tune:
        with working() as progress:
            tune_to(loaded, pictures, found[starts[0]], tuning, precision, seed, out, progress)
        typer.echo(f"the tuned model is {model}+{out / 'tuned.safetensors'}")


def _starts(text: str) -> tuple[str, ...]:
    """Read ``encoder,mean``.

    Raises:
        ConfigError: None, one twice, or an unknown one.
    """
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        if name not in STARTS:
            raise ConfigError(f"--start names '{name}', from which no search starts{closest(name, STARTS)}.")
    if not names or len(set(names)) < len(names):
        raise ConfigError(
            f"--start is {text!r}, but must name at least one start, and each once: mean, or encoder,mean."
        )
    return names
