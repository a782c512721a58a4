"""Pictures of any source as a folder of files with a table of what is known of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from twoway.data.base import ImageData
from twoway.errors import DataError
from twoway.telling import Telling, counted, silent

__all__ = ["write_folder"]

AT_ONCE = 64


def write_folder(
    parts: Sequence[ImageData], folder: Path, *, count: int | None = None, seed: int = 0, progress: Telling = silent
) -> dict[str, int]:
    """Write pictures as PNG files that `open_data` reads back, in a folder for each split.

    Beside them is ``attributes.csv`` where the pictures have attributes, else ``labels.csv`` where they have classes.
    Pictures that cannot be read are left out; afterwards `ImageData.skipped` of each part names them.

    Args:
        parts: The splits to write, such as train and test of one source; each goes to a folder of its name.
        folder: Made if it is not there.
        count: At most so many pictures of each split, chosen by chance before any is read; None takes all.
        seed: Of that choice.
        progress: Told how many are written.

    Returns:
        How many pictures of each split were written.

    Raises:
        DataError: The folder has something in it, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            f"{folder} is there already and not an empty folder; pictures of two sources should not mix. Give the "
            "name of a new folder."
        )
    table: list[list[str | int]] = []
    written: dict[str, int] = {}
    try:
        for data in parts:
            rows = np.sort(np.random.default_rng(seed).permutation(len(data))[:count])
            known, inside = _known(data), folder / data.split
            inside.mkdir(parents=True, exist_ok=True)
            written[data.split] = 0
            batches = [rows[start : start + AT_ONCE].tolist() for start in range(0, len(rows), AT_ONCE)]
            for batch in counted(batches, f"writing {data.split}", progress, len(batches)):
                for row, picture in zip(batch, data.read(batch), strict=True):
                    if data.name_of(row) in data.skipped:  # another picture stands in for it
                        continue
                    name = f"{row:06d}.png"
                    _as_pil(picture).save(inside / name)
                    table.append([f"{data.split}/{name}", *known[row].tolist()])
                    written[data.split] += 1
        _write_table(folder, parts[0], table)
    except OSError as error:
        raise DataError(f"Pictures cannot be written to {folder}: {error}. Choose another folder.") from error
    return written


def _as_pil(picture: Tensor) -> Image.Image:
    pixels = picture.permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _known(data: ImageData) -> np.ndarray:
    """Attributes (N, A), else classes (N, 1), else nothing (N, 0)."""
    if data.attributes is not None:
        return data.attributes
    return np.empty((len(data), 0), np.int64) if data.labels is None else data.labels[:, None]


def _write_table(folder: Path, data: ImageData, rows: Sequence[Sequence[str | int]]) -> None:
    names = data.attribute_names if data.attributes is not None else ("label",) if data.labels is not None else ()
    if names:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("file", *names), *rows])
        (folder / ("labels.csv" if names == ("label",) else "attributes.csv")).write_text(text.getvalue(), "utf-8")
