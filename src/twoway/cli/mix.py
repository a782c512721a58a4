"""`twoway mix`: the coarse or fine styles of one picture on another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from twoway.cli.options import DEVICE, MODEL, NOISE, TRUNC, Noise, read_seeds, tell_skipped
from twoway.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from twoway.data import ImageData
    from twoway.pipeline import Pipeline

__all__ = ["mix"]

CELLS = 2_500


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
    from twoway.saving import check_out, file_names, save_pictures, spare_originals
    from twoway.training.entry import model_of_run

    check_out(out)
    pipe = Pipeline(model_of_run(model, device=device))
    rows = layers_of(pipe.model, layers)
    with torch.inference_mode(), working("pictures"):
        across = _read_side(pipe, content, "CONTENT", trunc, max_images)
        down = _read_side(pipe, style, "STYLE", trunc, max_images)
        if len(across.names) * len(down.names) > CELLS:
            raise ConfigError(
                f"{len(across.names)} contents with {len(down.names)} styles are more than {CELLS:,} pictures; give "
                "fewer seeds or a smaller --max-images."
            )
        made = to_uint8(style_grid(pipe.model, down.w, across.w, rows, noise=noise)).cpu()
    as_grid = out.suffix.lower() == ".png"
    names = file_names([f"{a}-{b}" for b in down.names for a in across.names])
    for side in (across, down):
        if side.data is not None:
            targets = [out] if as_grid else [out / name for name in names]
            spare_originals(side.data, range(min(max_images, len(side.data))), targets)
    if as_grid:
        save_pictures([cross_grid(down.pictures, across.pictures, made)], out.parent, [out.name])
    else:
        save_pictures([image_grid(one[None], 1, scale=1, padding=0) for one in made.flatten(0, 1)], out, names)
    many = "pictures" if len(names) > 1 else "picture"
    typer.echo(f"{len(names)} {many} in {out}: layers {span(rows)} of STYLE, all others of CONTENT")


@dataclass(frozen=True)
class _Side:
    """What goes along one side of the grid: codes (N, layers, dim), pictures (N, C, H, W) as uint8, their names."""

    w: Tensor
    pictures: Tensor
    names: list[str]
    data: ImageData | None = None


def _read_side(pipe: Pipeline, given: str, what: str, trunc: float, limit: int) -> _Side:
    """Codes of seeds, or of the first pictures of whatever holds pictures."""
    import torch

    from twoway.data import to_float, to_uint8
    from twoway.latents.codes import readable_rows
    from twoway.pipeline import BATCH
    from twoway.training.config import DataConfig
    from twoway.training.entry import data_for_model

    if re.fullmatch(r"[\d,\s-]+", given):
        seeds = read_seeds(given, what)
        if len(seeds) > CELLS:
            raise ConfigError(f"{what} {given!r} asks for more than {CELLS:,} pictures; give fewer seeds.")
        w = pipe.codes_of(seeds, truncation=trunc)
        return _Side(w, to_uint8(pipe.decode(w, output_type="pt")).cpu(), [f"seed{n:06d}" for n in seeds])
    data = data_for_model(pipe.model, DataConfig.make(given)).open("all", minimum=1)
    count = min(limit, len(data))
    pictures = data.read(range(count))
    rows = readable_rows(data, count)
    tell_skipped(data.skipped)
    pictures = pictures[rows]
    w = torch.cat([pipe.model.encode(to_float(part).to(pipe.model.device)) for part in pictures.split(BATCH)])
    return _Side(w, pictures, [str(Path(data.name_of(i)).with_suffix("")) for i in rows], data)
