"""`twoway traverse`: what each code of a model does."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from twoway.cli.options import DEVICE, MODEL
from twoway.errors import CheckpointError

__all__ = ["traverse"]


def traverse(
    model: str = MODEL,
    rows: int = typer.Option(5, "--rows", min=1, help="Draws of everything else: the rows of each grid."),
    columns: int = typer.Option(9, "--columns", min=2, help="Values of each continuous code: the columns."),
    limit: int = typer.Option(20, "--max-codes", min=1, help="Only the first so many codes."),
    seed: int = typer.Option(0, "--seed", help="Of the draws."),
    out: Path = typer.Option(Path("traversals"), "--out", "-o", help="Folder for one grid per code."),
    device: str = DEVICE,
) -> None:
    """Move one code at a time and see what changes: classes, continuous codes, or the numbers of the prior code."""
    import torch

    from twoway.cli.bars import working
    from twoway.data import to_uint8
    from twoway.grids import image_grid, save_png_atomic
    from twoway.latents.traversal import traversals
    from twoway.training.entry import model_of_run

    if out.exists() and not out.is_dir():
        raise CheckpointError(f"--out is {out}, which is a file; the grids go to a folder. Choose another --out.")
    loaded = model_of_run(model, device=device)
    draws = torch.Generator().manual_seed(seed)
    with working() as progress:
        found = traversals(loaded, rows=rows, columns=columns, limit=limit, generator=draws, progress=progress)
    for number, code in enumerate(found):
        name = f"{number:03d}-{re.sub(r'[^a-z0-9]+', '-', code.name)}.png"
        save_png_atomic(image_grid(to_uint8(code.images.flatten(0, 1)).cpu(), code.images.shape[1]), out / name)
    typer.echo(f"{len(found)} grids in {out}: {', '.join(code.name for code in found)}")
