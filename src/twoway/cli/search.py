"""`twoway search`: the nearest neighbours of pictures among encoded ones."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from twoway.cli.inputs import read_given, spare_given
from twoway.cli.options import DEVICE, MODEL, tell_skipped
from twoway.errors import CheckpointError, UserError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from twoway.cli.inputs import Given
    from twoway.latents.codes import Codes
    from twoway.model import TwoWayModel

__all__ = ["search"]

ENDINGS = (".png", ".json", ".csv")


def search(
    model: str = MODEL,
    codes: Path = typer.Argument(help="File that `twoway encode` wrote.", show_default=False),
    asked: str = typer.Argument(help="Picture, folder or seeds such as 0,4-6.", show_default=False),
    count: int = typer.Option(8, "--neighbours", min=1, help="Neighbours of each picture."),
    space: Literal["w", "z", "codes", "features"] | None = typer.Option(
        None, "--space", help="w, z, codes read off the pictures, or features of the encoder; w where the file has it."
    ),
    distance: Literal["euclidean", "cosine"] = typer.Option("euclidean", "--distance", help="cosine forgets lengths."),
    out: list[Path] = typer.Option(
        [], "--out", "-o", help="A .png grid (the pictures asked for on the left), a .json or a .csv; several times."
    ),
    pictures: str | None = typer.Option(None, "--pictures", help="Where the encoded pictures are now, for the grid."),
    max_images: int = typer.Option(8, "--max-images", min=1, help="Use only the first so many pictures of a folder."),
    device: str = DEVICE,
) -> None:
    """Find the encoded pictures that are nearest to a picture, and say where it is unlike all of them.

    Example: twoway encode latest faces/ -o faces.npz, then twoway search latest faces.npz me.png -o like-me.png
    """
    import torch

    from twoway.cli.bars import working
    from twoway.data import to_float
    from twoway.latents.codes import load_codes
    from twoway.latents.familiarity import familiarity, unlike_training
    from twoway.latents.search import default_space, neighbours, picture_vectors, vectors
    from twoway.pipeline import Pipeline
    from twoway.saving import spare_files
    from twoway.training.entry import model_of_run

    for place in out:
        if place.suffix.lower() not in ENDINGS:
            raise CheckpointError(f"--out is {place}, but neighbours are written as {', '.join(ENDINGS)}.")
    pipe = Pipeline(model_of_run(model, device=device))
    known = load_codes(codes, pipe.model)
    encoded = Path(pictures or known.source or ".")
    spare_files([codes, encoded, *(encoded / name for name in known.names)], out)
    where = space or default_space(known)
    table = vectors(known, where)
    with torch.inference_mode(), working("pictures"):
        given = read_given(pipe, asked, "The picture", limit=max_images, encode=False)
        spare_given(given, out)
        x = to_float(given.pictures)
        found = neighbours(table, picture_vectors(pipe.model, x, where, labels=given.labels), count, distance=distance)
        usual = familiarity(pipe.model, known)
        warnings = [
            unlike_training(pipe.model, one, usual, labels=None if given.labels is None else given.labels[i : i + 1])
            for i, one in enumerate(x)
        ]
    rows = _rows(given.names, known, found.rows, found.distances, warnings)
    for place in out:
        if place.suffix.lower() == ".png":
            _draw(pipe.model, known, given, found.rows, pictures, place)
        else:
            _write(place, rows, {"model": known.fingerprint, "space": where, "distance": distance, "codes": str(codes)})
    _show(rows, where, distance, len(known.names))
    for place in out:
        typer.echo(f"Written to {place}")


def _rows(
    names: list[str], known: Codes, rows: np.ndarray, distances: np.ndarray, warnings: list[str | None]
) -> list[dict[str, Any]]:
    return [
        {
            "picture": name,
            "neighbours": [
                {"name": known.names[row], "distance": float(far)} for row, far in zip(near, how, strict=True)
            ],
            "warning": warning,
        }
        for name, near, how, warning in zip(names, rows, distances, warnings, strict=True)
    ]


def _show(rows: list[dict[str, Any]], space: str, distance: str, total: int) -> None:
    from twoway.training.progress import printable

    for row in rows:
        typer.echo(printable(f"{row['picture']}: nearest of {total}, {distance} distance in {space}"))
        for near in row["neighbours"]:
            typer.echo(printable(f"  {near['distance']:10.4g}  {near['name']}"))
        if row["warning"]:
            typer.echo(f"Warning: {printable(row['warning'])}", err=True)


def _write(place: Path, rows: list[dict[str, Any]], facts: dict[str, str]) -> None:
    from twoway.training.runs import write_text

    if place.suffix.lower() == ".json":
        text = json.dumps({**facts, "pictures": rows}, indent=2)
    else:
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["picture", "rank", "name", "distance"])
        for row in rows:
            for rank, near in enumerate(row["neighbours"], 1):
                writer.writerow([row["picture"], rank, near["name"], f"{near['distance']:.6g}"])
        text = table.getvalue()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, text)
    except OSError as error:
        raise CheckpointError(f"The neighbours cannot be written to {place}: {error}. Choose another --out.") from error


def _draw(model: TwoWayModel, known: Codes, given: Given, rows: np.ndarray, pictures: str | None, place: Path) -> None:
    """Write a row for each picture asked for, it first; says where the others cannot be found."""
    import torch

    from twoway.grids import image_grid
    from twoway.saving import save_pictures

    near = _find_pictures(model, known, rows, pictures)
    table = torch.cat([given.pictures[:, None], near], dim=1)
    save_pictures([image_grid(table.flatten(0, 1), table.shape[1])], place.parent, [place.name])


def _find_pictures(model: TwoWayModel, known: Codes, rows: np.ndarray, pictures: str | None) -> Tensor:
    """Encoded pictures by their names, uint8 (B, K, C, H, W)."""
    import torch

    from twoway.training.config import DataConfig
    from twoway.training.entry import data_for_model

    source = pictures or known.source
    if not source:
        raise CheckpointError("The file of codes does not say where its pictures are. Say so with --pictures.")
    try:
        split: Any = "all" if pictures else known.split
        data = data_for_model(model, DataConfig.make(source)).open(split, minimum=1)
    except UserError as error:
        raise CheckpointError(
            f"The encoded pictures cannot be opened for the grid: {error} Say with --pictures where they are now, or "
            "write a .csv or .json."
        ) from error
    numbers = {data.name_of(i): i for i in range(len(data))}
    missing = sorted({known.names[row] for row in rows.flat} - set(numbers))
    if missing:
        raise CheckpointError(
            f"The picture {missing[0]}{f' and {len(missing) - 1} more' if missing[1:] else ''} cannot be found in "
            f"{source} any more. Say with --pictures where the encoded pictures are now, or write a .csv or .json."
        )
    found = data.read([numbers[known.names[row]] for row in rows.flat])
    tell_skipped(data.skipped)
    return torch.as_tensor(found).unflatten(0, rows.shape)
