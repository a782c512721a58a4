"""`twoway traverse`: what each code of a model, or each direction, does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from twoway.cli.direction_places import PLACES, find_directions
from twoway.cli.inputs import CELLS, read_several, spare_given
from twoway.cli.interpolate import FPS, SCALE
from twoway.cli.options import DEVICE, MODEL, TRUNC, read_range
from twoway.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from twoway.animations import Playback
    from twoway.latents.traversal import Traversal

__all__ = ["traverse"]


def traverse(
    model: str = MODEL,
    pictures: list[str] = typer.Argument(None, help="With --direction: pictures, folders or seeds, a row each."),
    direction: list[str] = typer.Option([], "--direction", help="Name of a direction to go along; several times."),
    directions: Path | None = typer.Option(None, "--directions", help=f"File of the directions; {PLACES}"),
    reach: str = typer.Option("-3:3", "--range", help="How far along a direction, from:to. LIA goes from -5 to 5."),
    mode: Literal["relative", "absolute", "alae"] = typer.Option(
        "relative", "--mode", help="relative moves codes, absolute puts them at a distance, alae is its demo's rule."
    ),
    unit: Literal["deviation", "length"] = typer.Option(
        "deviation", "--unit", help="--range counts standard deviations along the direction, or length."
    ),
    layers: str | None = typer.Option(None, "--layers", help="With --direction: coarse, middle, fine, or 0-3,6."),
    rows: int = typer.Option(5, "--rows", min=1, help="Draws of everything else: the rows of each grid."),
    columns: int = typer.Option(9, "--columns", "--steps", min=2, max=240, help="Values: the columns."),
    limit: int = typer.Option(20, "--max-codes", min=1, help="Only the first so many codes."),
    seed: int = typer.Option(0, "--seed", min=0, help="Of the draws."),
    out: Path = typer.Option(
        Path("traversals"), "--out", "-o", help="Folder for one grid per code; of one direction also a .png or .gif."
    ),
    fps: float = FPS,
    scale: int | None = SCALE,
    trunc: float = TRUNC,
    max_images: int = typer.Option(8, "--max-images", min=1, help="Use only the first so many pictures of a folder."),
    device: str = DEVICE,
) -> None:
    """Move one thing at a time and see what changes: classes, continuous codes, numbers of the prior, directions.

    Example: twoway traverse latest me.png 0-3 --direction Smiling --range -3:3 --steps 7 -o smiling.webp
    """
    import torch

    from twoway.animations import Playback
    from twoway.cli.bars import working
    from twoway.latents.directions import choose_directions, load_directions
    from twoway.latents.style_mixing import layers_of
    from twoway.latents.traversal import along_direction, traversals
    from twoway.pipeline import Pipeline
    from twoway.training.entry import model_of_run

    single = out.suffix.lower() if not out.is_dir() else ""
    _check_choices(out, single, pictures, direction, layers)
    playback = Playback(fps, there_and_back=True, scale=scale)
    values = read_range(reach, columns, "--range")
    pipe = Pipeline(model_of_run(model, device=device))
    if not direction:
        draws = torch.Generator().manual_seed(seed)
        with working() as progress:
            found = traversals(pipe.model, rows=rows, columns=columns, limit=limit, generator=draws, progress=progress)
    else:
        place = find_directions(model, pipe.model, directions, must=True)
        chosen = choose_directions(load_directions(place, pipe.model), direction)
        acted = None if layers is None else layers_of(pipe.model, layers)
        with torch.inference_mode(), working("pictures"):
            asked = pictures or [f"{seed}-{seed + rows - 1}"]
            given = read_several(pipe, asked, "The pictures", trunc=trunc, limit=max_images)
            if len(given.names) * columns > CELLS:
                raise ConfigError(f"That would be more than {CELLS:,} pictures. Give fewer, or fewer --steps.")
            spare_given(given, [out])
            found = [
                along_direction(pipe.model, given.w, one, values, mode=mode, unit=unit, layers=acted) for one in chosen
            ]
    for number, code in enumerate(found):
        name = f"{number:03d}-{re.sub(r'[^a-z0-9]+', '-', code.name.lower())}.png"
        _write(code, out if single else out / name, playback)
    told = ", ".join(code.name for code in found)
    typer.echo(f"{len(found)} grid{'s' if len(found) > 1 else ''} in {out}: {told}")


def _check_choices(
    out: Path, single: str, pictures: list[str] | None, direction: list[str], layers: str | None
) -> None:
    from twoway.saving import check_walk

    if not direction:
        if out.exists() and not out.is_dir():
            raise CheckpointError(f"--out is {out}, which is a file; the grids go to a folder. Choose another --out.")
        if pictures or layers:
            raise ConfigError(
                "Pictures and --layers are for --direction; without one the codes of draws are moved. Name a direction."
            )
    check_walk(out)
    if single and len(direction) != 1:
        raise CheckpointError(
            f"--out is {out}, one file, but there is a grid for each of several codes or directions. Give the name of "
            "a folder."
        )


def _write(code: Traversal, place: Path, playback: Playback) -> None:
    """Write a grid, or a moving column of all rows."""
    from dataclasses import replace

    from twoway.animations import is_animation, save_animation
    from twoway.data import to_uint8
    from twoway.grids import image_grid, save_png_atomic

    pixels = to_uint8(code.images).cpu()
    if is_animation(place):
        across = min(len(pixels), 8)
        padding = 2 if len(pixels) > 1 else 0
        frames = [
            image_grid(pixels[:, t], across, scale=playback.scale, padding=padding) for t in range(pixels.shape[1])
        ]
        save_animation(frames, place, replace(playback, scale=1))
    else:
        save_png_atomic(image_grid(pixels.flatten(0, 1), pixels.shape[1], scale=playback.scale), place)
