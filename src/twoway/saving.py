"""Pictures to files: folders, grids, strips and animations."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from twoway.animations import ENDINGS, Playback, is_animation, played, save_animation
from twoway.conditioning import told_labels
from twoway.data import ImageData, to_float, to_uint8
from twoway.data.decode import EXTENSIONS
from twoway.errors import CheckpointError
from twoway.grids import image_grid, pair_grid, save_png_atomic
from twoway.latents.codes import readable_rows
from twoway.model import TwoWayModel
from twoway.telling import Telling, counted, silent

__all__ = [
    "check_out",
    "check_walk",
    "file_names",
    "reconstruct_to",
    "save_again",
    "save_grid",
    "save_pictures",
    "save_walk",
    "spare_data_folder",
    "spare_files",
    "spare_originals",
]

COLUMNS = 12


def check_out(out: Path) -> None:
    """Refuse what would become a folder with the name of a picture.

    Raises:
        CheckpointError: The name ends as a picture other than .png does.
    """
    if out.suffix.lower() in EXTENSIONS and out.suffix.lower() != ".png" and not out.is_dir():
        raise CheckpointError(f"--out is {out}, but a grid is written as .png. Give a .png, or the name of a folder.")


def save_pictures(
    pictures: Sequence[Image.Image], folder: Path, names: Sequence[str], *, progress: Telling = silent
) -> None:
    """Write pictures to a folder, one PNG each; `progress` is told how many.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for picture, name in counted(zip(pictures, names, strict=True), "writing", progress, len(pictures)):
            save_png_atomic(picture, folder / name)
    except OSError as error:
        raise CheckpointError(f"Pictures cannot be written to {folder}: {error}. Choose another --out.") from error


def save_grid(pictures: Sequence[Image.Image], path: Path, *, columns: int | None = None) -> None:
    """Write pictures of one size as a grid, about square where the number of columns is not given."""
    side = columns or min(COLUMNS, int(np.ceil(np.sqrt(len(pictures)))))
    save_pictures([image_grid(_stack(pictures), side)], path.parent, [path.name])


def save_walk(
    pictures: Sequence[Image.Image],
    path: Path,
    *,
    rows: Sequence[Sequence[Image.Image]] | None = None,
    playback: Playback | None = None,
    progress: Telling = silent,
) -> int:
    """Write a walk as its ending says: a strip, an animation, or a folder of frames where it has none.

    Args:
        pictures: The frames, in order.
        path: A .png for a strip; .gif, .webp or .apng for an animation; without an ending a folder.
        rows: The same walk leg by leg, for the rows of a strip; one row of all frames where None.
        playback: How an animation is played; of a strip and a folder only its scale counts.
        progress: Told how many frames of a folder are written.

    Returns:
        Pictures written: those in the strip, frames of one run of the animation, or files.

    Raises:
        CheckpointError: Another ending, or a place that cannot be written.
        ConfigError: An animation that its format does not hold.
    """
    check_walk(path)
    playback = playback or Playback()
    if is_animation(path):
        return save_animation(pictures, path, playback)
    if path.suffix.lower() == ".png" and not path.is_dir():
        strip = rows or [pictures]
        flat = [picture for row in strip for picture in row]
        save_pictures([image_grid(_stack(flat), len(strip[0]), scale=playback.scale)], path.parent, [path.name])
        return len(flat)
    shown = played(pictures, replace(playback, scale=playback.scale or 1))
    save_pictures(shown, path, [f"frame{number:04d}.png" for number in range(len(shown))], progress=progress)
    return len(shown)


def check_walk(path: Path) -> None:
    """Refuse an ending that a walk cannot be written with.

    Raises:
        CheckpointError: An ending that is not known.
    """
    if path.is_dir() or path.suffix.lower() in ("", ".png") or is_animation(path):
        return
    raise CheckpointError(
        f"--out is {path}, but pictures are not written as '{path.suffix}'. Give a .png for a strip or grid, "
        f"{', '.join(ENDINGS)} for an animation, or the name of a folder for single frames."
    )


def reconstruct_to(
    model: TwoWayModel, data: ImageData, out: Path, *, limit: int | None, batch: int = 256, progress: Telling = silent
) -> tuple[int, float]:
    """Reconstruct pictures into a folder, or into one grid with the originals where `out` ends in .png.

    Pictures that cannot be read are left out.

    Args:
        model: Encodes and decodes.
        data: Pictures of the model's shape.
        out: Folder or .png.
        limit: Only the first so many.
        batch: Pictures at a time.
        progress: Told how many pictures are reconstructed, and written.

    Returns:
        How many, and their mean squared error for pixels in [-1, 1].

    Raises:
        CheckpointError: A place that cannot be written, or where the originals are.
    """
    count = len(data) if limit is None else min(limit, len(data))
    originals, again, errors = [], [], []
    with torch.inference_mode():
        for start in range(0, count, batch):
            progress("reconstructing", start, count)
            originals.append(data.read(range(start, min(start + batch, count))))
            x = to_float(originals[-1]).to(model.device)
            told = told_labels(data.labels, model.recipe.labels, start, start + len(x))
            made = model.reconstruct(x, told)
            errors.append((made - x).square().flatten(1).mean(1).cpu())
            again.append(to_uint8(made).cpu())
        progress("reconstructing", count, count)
    rows = readable_rows(data, count)
    save_again(data, rows, torch.cat(originals)[rows], torch.cat(again)[rows], out, progress=progress)
    return len(rows), torch.cat(errors)[rows].mean().item()


def save_again(
    data: ImageData,
    rows: Sequence[int],
    before: torch.Tensor,
    after: torch.Tensor,
    out: Path,
    *,
    progress: Telling = silent,
) -> None:
    """Write what was made of pictures: a file each under their names, or one grid with the originals above.

    Args:
        data: Where the originals are from.
        rows: Their numbers.
        before: The originals, uint8, shape (N, C, H, W).
        after: What was made of them, same shape.
        out: Folder, or .png for a grid.
        progress: Told how many files are written.

    Raises:
        CheckpointError: A place that cannot be written, or where the originals are.
    """
    names = file_names([data.name_of(i) for i in rows])
    spare_originals(data, rows, [out] if out.suffix.lower() == ".png" else [out / name for name in names])
    if out.suffix.lower() == ".png":
        save_pictures([pair_grid(before, after, min(COLUMNS, len(rows)))], out.parent, [out.name])
    else:
        save_pictures([image_grid(a[None], 1, scale=1, padding=0) for a in after], out, names, progress=progress)


def file_names(pictures: Sequence[str]) -> list[str]:
    """A flat name that ends in .png for each picture; numbered where two would be the same."""
    names = [re.sub(r"[^\w.-]+", "_", Path(name).with_suffix("").as_posix()) for name in pictures]
    if len({name.lower() for name in names}) < len(names):
        names = [f"{number:06d}-{name}" for number, name in enumerate(names)]
    return [f"{name}.png" for name in names]


def spare_originals(data: ImageData, rows: Sequence[int], targets: Iterable[Path | None]) -> None:
    """Refuse to replace pictures that are read.

    Raises:
        CheckpointError: One of the files to be written is one of them.
    """
    source = Path(data.source)
    spare_files([source, *(source / data.name_of(row) for row in rows)], targets)


def spare_files(originals: Iterable[str | os.PathLike[str] | None], targets: Iterable[Path | None]) -> None:
    """Refuse to replace what a user gave.

    Args:
        originals: Files that are read; None, or what is no file, is left alone.
        targets: Files that will be written; None stands for one that was not asked for.

    Raises:
        CheckpointError: One of the files to be written is one of those that are read.
    """
    there = [target for target in targets if target is not None and target.exists()]
    if not there:  # nothing is replaced, so that the originals, which may be very many, need not be looked at
        return
    kept = {Path(one).resolve() for one in originals if one is not None}
    for target in there:
        if target.resolve() in kept:
            raise CheckpointError(f"{target} is one of the originals, which this would replace. Choose another --out.")


def spare_data_folder(data: ImageData, out: Path) -> None:
    """Refuse to write pictures into the folder that others are read from: they would be data the next time.

    Raises:
        CheckpointError: The folder to be written is that of the data, or inside it.
    """
    source = Path(data.source).resolve()
    if source.is_dir() and out.resolve().is_relative_to(source):
        raise CheckpointError(
            f"{out} lies in the folder {data.source} that pictures are read from, so that what is written there would "
            "be read, too, the next time. Choose an --out beside that folder."
        )


def _stack(pictures: Sequence[Image.Image]) -> torch.Tensor:
    arrays = [np.atleast_3d(np.asarray(picture)) for picture in pictures]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
