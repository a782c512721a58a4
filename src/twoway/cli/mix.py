"""`twoway mix`: the coarse or fine styles of one picture on another."""

from __future__ import annotations

from pathlib import Path

import typer

from twoway.cli.inputs import CELLS, read_given, spare_given
from twoway.cli.options import DEVICE, MODEL, NOISE, TRUNC, Noise
from twoway.errors import ConfigError

__all__ = ["mix"]


def mix(
    model: str = MODEL,
    content: str = typer.Argument(help="Picture, folder or seeds such as 0,4-6: the columns.", show_default=False),
    style: str = typer.Argument(help="The same for what the layers are taken from: the rows.", show_default=False),
    layers: str = typer.Option("coarse", "--layers", help="coarse, middle, fine, or numbers such as 0-3,6."),
    out: Path = typer.Option(Path("mix.png"), "--out", "-o", help="A .png for a grid, or a folder for the pictures."),
    trunc: float = TRUNC,
    noise: Noise = NOISE,
    max_images: int = typer.Option(8, "--max-images", min=1, help="Use only the first so many pictures of a folder."),
    device: str = DEVICE,
) -> None:
    """Put some layers of the codes of STYLE into those of CONTENT; a grid has the originals in its margins.

    `twoway info` lists the layers of a model. Example: twoway mix latest 0-5 faces/ --layers middle
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
    rows = layers_of(pipe.model, layers)
    with torch.inference_mode(), working("pictures"):
        across = read_given(pipe, content, "CONTENT", trunc=trunc, limit=max_images)
        down = read_given(pipe, style, "STYLE", trunc=trunc, limit=max_images)
        if len(across.names) * len(down.names) > CELLS:
            raise ConfigError(
                f"{len(across.names)} contents with {len(down.names)} styles are more than {CELLS:,} pictures; give "
                "fewer seeds or a smaller --max-images."
            )
        made = to_uint8(style_grid(pipe.model, down.w, across.w, rows, noise=noise)).cpu()
    as_grid = out.suffix.lower() == ".png"
    names = file_names([f"{a}-{b}" for b in down.names for a in across.names])
    for side in (across, down):
        spare_given(side, [out] if as_grid else [out / name for name in names])
    if as_grid:
        save_pictures([cross_grid(down.pictures, across.pictures, made)], out.parent, [out.name])
    else:
        save_pictures([image_grid(one[None], 1, scale=1, padding=0) for one in made.flatten(0, 1)], out, names)
    many = "pictures" if len(names) > 1 else "picture"
    typer.echo(f"{len(names)} {many} in {out}: layers {span(rows)} of STYLE, all others of CONTENT")
