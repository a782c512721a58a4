"""`twoway interpolate`: the pictures between pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from twoway.cli.inputs import CELLS, Given, read_several, spare_given
from twoway.cli.options import DEVICE, MODEL, NOISE, TRUNC, Noise
from twoway.errors import ConfigError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from twoway.animations import Playback
    from twoway.latents.interpolation import Ease
    from twoway.pipeline import Pipeline

__all__ = ["FPS", "SCALE", "interpolate"]

FPS = typer.Option(8.0, "--fps", help="Frames per second of an animation.")
SCALE = typer.Option(None, "--scale", min=1, max=64, help="Enlarge by a whole factor, without smoothing.")


def interpolate(
    model: str = MODEL,
    keys: list[str] = typer.Argument(help="Pictures, folders or seeds: two or more.", show_default=False),
    out: Path = typer.Option(
        Path("interpolation.png"), "--out", "-o", help="A .png strip, a .gif, .webp or .apng animation, or a folder."
    ),
    steps: int = typer.Option(9, "--steps", min=2, max=240, help="Pictures from one key to the next, with both."),
    space: Literal["w", "z"] = typer.Option("w", "--space", help="w latent codes, or z prior codes."),
    path: Literal["linear", "spherical"] | None = typer.Option(
        None, "--path", help="linear or spherical; in w linear and in z spherical by default. LIA is linear in z."
    ),
    closed: bool = typer.Option(False, "--closed", help="Go on from the last key to the first."),
    pairs: bool = typer.Option(False, "--pairs", help="A row for every ordered pair of keys, as LIA does."),
    grid: int | None = typer.Option(None, "--grid", min=2, max=50, help="A grid of so many rows between four keys."),
    ease: Literal["none", "smooth"] = typer.Option("none", "--ease", help="smooth starts and ends each way slowly."),
    fps: float = FPS,
    loop: bool = typer.Option(True, "--loop/--once", help="Whether an animation starts again."),
    there_and_back: bool | None = typer.Option(
        None, "--there-and-back/--one-way", help="Whether an animation returns; it does, unless the tour is closed."
    ),
    scale: int | None = SCALE,
    trunc: float = TRUNC,
    noise: Noise = NOISE,
    max_images: int = typer.Option(8, "--max-images", min=1, help="Use only the first so many pictures of a folder."),
    device: str = DEVICE,
) -> None:
    """Walk between the codes of pictures or seeds: a strip, an animation, a tour of many, or a grid between four.

    Example: twoway interpolate latest me.png you.png 7 -o walk.webp --closed --ease smooth
    """
    import torch

    from twoway.animations import Playback, is_animation
    from twoway.cli.bars import working
    from twoway.latents.interpolation import bilinear, decode_points, legs, ordered_pairs, path_of
    from twoway.pipeline import Pipeline
    from twoway.saving import check_walk
    from twoway.training.entry import model_of_run

    _check_choices(out, closed=closed, pairs=pairs, grid=grid, ease=ease)
    check_walk(out)
    back = is_animation(out) and not closed if there_and_back is None else there_and_back
    playback = Playback(fps, loop=loop, there_and_back=back, scale=scale)
    way = path_of(space, path)
    pipe = Pipeline(model_of_run(model, device=device))
    with torch.inference_mode(), working("pictures"):
        given = read_several(pipe, keys, "KEYS", trunc=trunc, limit=max_images)
        spare_given(given, [out])
        points = _points(pipe, given, space)
        if grid is not None:
            _needs_four(given)
            between = bilinear(points, grid, path=way)
        elif pairs:
            chosen = ordered_pairs(_at_least_two(given))
            _check_size(len(chosen) * steps)
            between = torch.cat([legs(points[list(pair)], steps, path=way, ease=ease) for pair in chosen])
        else:
            _check_size((_at_least_two(given) - (not closed)) * steps)
            between = legs(points, steps, path=way, closed=closed, ease=ease)
        images = decode_points(pipe.model, between, space=space, noise=noise)
    count = _write(images, out, playback, given.names, closed=closed, pairs=pairs, grid=grid is not None)
    told = ", ".join(given.names[:4]) + (", ..." if len(given.names) > 4 else "")
    typer.echo(f"{count} pictures between {told} in {out} ({way} in {space})")


def _check_choices(out: Path, *, closed: bool, pairs: bool, grid: int | None, ease: Ease) -> None:
    from twoway.animations import is_animation

    chosen = [flag for flag, given in (("--closed", closed), ("--pairs", pairs), ("--grid", grid is not None)) if given]
    if len(chosen) > 1:
        raise ConfigError(f"{' and '.join(chosen)} cannot go together: a tour, all pairs or a grid. Choose one.")
    if grid is not None and is_animation(out):
        raise ConfigError(f"A grid between four pictures does not move. Write it as a .png instead of {out}.")
    if grid is not None and ease != "none":
        raise ConfigError("--ease is for ways from one picture to the next; leave it out with --grid.")


def _points(pipe: Pipeline, given: Given, space: str) -> Tensor:
    """Codes in the space of the walk."""
    if space == "w":
        return given.w
    return given.z if given.z is not None else pipe.model.unmap(given.w)


def _at_least_two(given: Given) -> int:
    if len(given.names) < 2:
        raise ConfigError(
            f"A walk leads from one picture to another, but only {given.names[0]} was given. Name another picture or "
            "seed, or a folder of several."
        )
    return len(given.names)


def _needs_four(given: Given) -> None:
    if len(given.names) != 4:
        raise ConfigError(
            f"--grid lies between four pictures: top left, top right, bottom left and bottom right; got "
            f"{len(given.names)}. Name four pictures or seeds."
        )


def _check_size(count: int) -> None:
    if count > CELLS:
        raise ConfigError(
            f"That would be {count:,} pictures, more than {CELLS:,}. Give fewer keys or --steps, or a smaller "
            "--max-images."
        )


def _write(
    images: Tensor, out: Path, playback: Playback, names: list[str], *, closed: bool, pairs: bool, grid: bool
) -> int:
    """Write pictures (rows, columns, C, H, W) in [-1, 1]; returns how many."""
    from twoway.animations import is_animation
    from twoway.data import to_uint8
    from twoway.grids import image_grid
    from twoway.latents.interpolation import joined, ordered_pairs
    from twoway.saving import file_names, save_pictures, save_walk

    pixels = to_uint8(images).cpu()

    def single(one: Tensor) -> Image.Image:
        return image_grid(one[None], 1, scale=1, padding=0)

    rows = [[single(one) for one in row] for row in pixels]
    if not (pairs or grid):
        frames = [single(one) for one in joined(pixels, closed=closed)]
        return save_walk(frames, out, rows=rows, playback=playback)
    if is_animation(out):  # all pairs at once, each frame a grid
        columns = len(names) - 1
        frames = [image_grid(pixels[:, t], columns, scale=playback.scale or 2) for t in range(pixels.shape[1])]
        return save_walk(frames, out, playback=replace(playback, scale=1))
    if out.suffix.lower() == ".png" and not out.is_dir():
        save_pictures([image_grid(pixels.flatten(0, 1), pixels.shape[1], scale=playback.scale)], out.parent, [out.name])
        return pixels.shape[0] * pixels.shape[1]
    if pairs:
        files = file_names([f"{names[a]}-{names[b]}" for a, b in ordered_pairs(len(names))])
        strips = [image_grid(row, len(row), scale=playback.scale) for row in pixels]
        save_pictures(strips, out, files)
        return pixels.shape[0] * pixels.shape[1]
    places = [f"row{r:02d}-column{c:02d}.png" for r in range(pixels.shape[0]) for c in range(pixels.shape[1])]
    save_pictures([picture for row in rows for picture in row], out, places)
    return len(places)
