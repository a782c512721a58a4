"""`twoway arithmetic`: sums and differences of the codes of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from twoway.cli.inputs import Given, read_given, spare_given
from twoway.cli.options import DEVICE, MODEL, NOISE, TRUNC, Noise
from twoway.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from twoway.pipeline import Pipeline

__all__ = ["arithmetic"]


def arithmetic(
    model: str = MODEL,
    plus: list[str] = typer.Option(
        [], "--plus", help="A picture, a folder or seeds (their mean counts) to add; several times for several."
    ),
    minus: list[str] = typer.Option([], "--minus", help="The same to take away."),
    out: Path = typer.Option(Path("sum.png"), "--out", "-o", help="A .png: what was added, taken away, and the sum."),
    alone: bool = typer.Option(False, "--alone", help="Write the picture of the sum alone."),
    codes: Path | None = typer.Option(None, "--codes", help="Write the code of the sum too: .npz or .parquet."),
    direction: Path | None = typer.Option(
        None,
        "--direction",
        help="Write the way from the mean of --minus to that of --plus too: a .safetensors "
        "file; directions that it has of other names are kept.",
    ),
    name: str = typer.Option("difference", "--name", help="What that direction is called."),
    trunc: float = TRUNC,
    noise: Noise = NOISE,
    max_images: int = typer.Option(1000, "--max-images", min=1, help="Use only the first so many of a folder."),
    device: str = DEVICE,
) -> None:
    """Add and subtract codes: A - B + C is --plus A --minus B --plus C. Folders and seeds count by their mean.

    Example: twoway arithmetic latest --plus smiling/ --minus neutral/ --plus me.png -o me-smiling.png
    """
    import numpy as np
    import torch

    from twoway.cli.bars import working
    from twoway.data import to_uint8
    from twoway.errors import CheckpointError
    from twoway.grids import image_grid
    from twoway.latents.arithmetic import add_codes, mean_code, mean_difference
    from twoway.latents.codes import Codes, check_codes_path, save_codes
    from twoway.latents.directions import check_directions_path, kept_directions, save_directions
    from twoway.pipeline import Pipeline
    from twoway.saving import save_pictures
    from twoway.training.entry import model_of_run

    if not plus:
        raise ConfigError("Nothing is added. Name what is with --plus: a picture, a folder or seeds.")
    if out.suffix.lower() != ".png":
        raise CheckpointError(f"--out is {out}, but a sum is written as a .png.")
    if codes is not None:
        check_codes_path(codes)
    if direction is not None:
        if not minus:
            raise ConfigError("--direction leads from what --minus names to what --plus names; give --minus too.")
        check_directions_path(direction)
    pipe = Pipeline(model_of_run(model, device=device))
    kept = {} if direction is None else kept_directions(direction, pipe.model)
    with torch.inference_mode(), working("pictures"):
        added, taken = (
            [read_given(pipe, one, flag, trunc=trunc, limit=max_images) for one in entries]
            for flag, entries in (("--plus", plus), ("--minus", minus))
        )
        for given in (*added, *taken):
            spare_given(given, [out, codes, direction])
        parts = [mean_code(given.w) for given in (*added, *taken)]
        total = add_codes(pipe.model, parts[: len(added)], parts[len(added) :])
        made = to_uint8(pipe.decode(total, noise=noise, output_type="pt")).cpu()
        shown = [_shown(pipe, given) for given in (*added, *taken)]
    if direction is not None:
        ends = [torch.cat([given.w for given in side]) for side in (added, taken)]
        save_directions(direction, {**kept, name: mean_difference(pipe.model, ends[0], ends[1], name)})
    picture = (
        image_grid(made, 1, scale=1, padding=0) if alone else image_grid(torch.cat([*shown, made]), len(shown) + 1)
    )
    save_pictures([picture], out.parent, [out.name])
    if codes is not None:
        save_codes(codes, Codes(total.cpu().numpy().astype(np.float32), (_formula(added, taken),), None,
                                pipe.model.fingerprint()))  # fmt: skip
    typer.echo(f"{_formula(added, taken)} in {out}")
    if direction is not None:
        typer.echo(f"direction '{name}' in {direction}")


def _shown(pipe: Pipeline, given: Given) -> Tensor:
    """The one picture given, or that of the mean code of several, uint8 (1, C, H, W)."""
    from twoway.data import to_uint8
    from twoway.latents.arithmetic import mean_code

    if len(given.names) == 1:
        return given.pictures
    return to_uint8(pipe.decode(mean_code(given.w), output_type="pt")).cpu()


def _formula(added: list[Given], taken: list[Given]) -> str:
    def called(given: Given) -> str:
        return given.names[0] if len(given.names) == 1 else f"mean of {len(given.names)} ({given.names[0]}, ...)"

    return " + ".join(map(called, added)) + "".join(f" - {called(given)}" for given in taken)
