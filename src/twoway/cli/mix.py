"""`twoway mix`: the coarse or fine styles of one picture on another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from twoway.cli.inputs import CELLS, Given, read_given, spare_given
from twoway.cli.options import DEVICE, MODEL, NOISE, TRUNC, Noise
from twoway.errors import ConfigError

__all__ = ["mix"]


def mix(
    model: str = MODEL,
    content: str = typer.Argument(help="Picture, folder or seeds such as 0,4-6: the columns.", show_default=False),
    style: str = typer.Argument(help="The same for what the layers are taken from: the rows.", show_default=False),
    layers: list[str] = typer.Option(
        ["coarse"], "--layers", help="coarse, middle, fine, or numbers such as 0-3,6; several times for one a row."
    ),
    out: Path = typer.Option(Path("mix.png"), "--out", "-o", help="A .png for a grid, or a folder for the pictures."),
    trunc: float = TRUNC,
    noise: Noise = NOISE,
    max_images: int = typer.Option(8, "--max-images", min=1, help="Use only the first so many pictures of a folder."),
    device: str = DEVICE,
) -> None:
    """Put some layers of the codes of STYLE into those of CONTENT; a grid has the originals in its margins.

    `twoway info` lists the layers of a model; one style with several --layers is taken once for each.

    Example: twoway mix latest 0-5 me.png --layers coarse --layers middle
    """
    import torch

    from twoway.cli.bars import working
    from twoway.data import to_uint8
    from twoway.grids import cross_grid, image_grid
    from twoway.latents.style_mixing import layers_of, span, style_grid
    from twoway.pipeline import Pipeline
    from twoway.saving import check_out, file_names, save_pictures
    from twoway.training.entry import model_of_run

    check_out(out)
    pipe = Pipeline(model_of_run(model, device=device))
    taken = [layers_of(pipe.model, one) for one in layers]
    with torch.inference_mode(), working("pictures"):
        across = read_given(pipe, content, "CONTENT", trunc=trunc, limit=max_images)
        down = read_given(pipe, style, "STYLE", trunc=trunc, limit=max_images)
        down, taken = _by_row(down, taken)
        if len(across.names) * len(down.names) > CELLS:
            raise ConfigError(
                f"{len(across.names)} contents with {len(down.names)} styles are more than {CELLS:,} pictures; give "
                "fewer seeds or a smaller --max-images."
            )
        grids = [
            style_grid(pipe.model, one, across.w, rows, noise=noise)
            for one, rows in zip(down.w.split(1), taken, strict=True)
        ]
        made = to_uint8(torch.cat(grids)).cpu()
    as_grid = out.suffix.lower() == ".png"
    several = len(layers) > 1
    called = [f"{b}-{span(rows)}" if several else b for b, rows in zip(down.names, taken, strict=True)]
    names = file_names([f"{a}-{b}" for b in called for a in across.names])
    for side in (across, down):
        spare_given(side, [out] if as_grid else [out / name for name in names])
    if as_grid:
        save_pictures([cross_grid(down.pictures, across.pictures, made)], out.parent, [out.name])
    else:
        save_pictures([image_grid(one[None], 1, scale=1, padding=0) for one in made.flatten(0, 1)], out, names)
    told = "; ".join(map(span, taken)) if several else span(taken[0])
    many = "pictures" if len(names) > 1 else "picture"
    typer.echo(f"{len(names)} {many} in {out}: layers {told} of STYLE, all others of CONTENT")


def _by_row(styles: Given, taken: list[tuple[int, ...]]) -> tuple[Given, list[tuple[int, ...]]]:
    """A style and its layers for each row: one of either is repeated for all of the other."""
    count = len(styles.names)
    if count == 1 and len(taken) > 1:
        repeated = replace(
            styles,
            w=styles.w.repeat(len(taken), 1, 1),
            pictures=styles.pictures.repeat(len(taken), 1, 1, 1),
            names=styles.names * len(taken),
        )
        return repeated, taken
    if len(taken) not in (1, count):
        raise ConfigError(
            f"--layers is given {len(taken)} times, but there are {count} styles. Give it once for all rows, or once "
            "for each."
        )
    return styles, taken * count if len(taken) == 1 else taken
