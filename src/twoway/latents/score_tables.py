"""Tables of what is known of pictures: attributes or scores in a CSV, matched by the names of files."""

from __future__ import annotations

import csv
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twoway.errors import ConfigError, DataError, closest

__all__ = ["ScoreTable", "read_score_table", "write_score_table"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ScoreTable:
    """Numbers known of pictures by name.

    Args:
        files: Names of the N pictures.
        names: What is known, K names.
        values: float64, (N, K); NaN where nothing is known.
        where: Where it comes from, for messages.
    """

    files: tuple[str, ...]
    names: tuple[str, ...]
    values: Array
    where: str

    def column(self, name: str, files: Sequence[str]) -> Array:
        """Numbers (len(files),) of pictures, NaN where the table has no row.

        Pictures are found by their whole name, else by what follows the last ``/`` where that is unique.

        Raises:
            ConfigError: There is no such column; names the closest one.
            DataError: The table knows none of the pictures.
        """
        if name not in self.names:
            raise ConfigError(f"{self.where} has no column '{name}'{closest(name, self.names)}.")
        column = self.values[:, self.names.index(name)]
        rows = {file: row for row, file in enumerate(self.files)}
        often = Counter(_last(file) for file in self.files)
        short = {_last(file): row for file, row in rows.items() if often[_last(file)] == 1}
        wanted = Counter(_last(file) for file in files)
        found = [rows.get(f, short.get(_last(f)) if wanted[_last(f)] == 1 else None) for f in files]
        if not any(row is not None for row in found):
            raise DataError(
                f"{self.where} has a row for none of the {len(files)} pictures: it names files such as "
                f"{self.files[0]!r}, the pictures are called {files[0]!r}. Use the table of these pictures."
            )
        return np.array([math.nan if row is None else column[row] for row in found])


def _last(file: str) -> str:
    return file.rsplit("/", 1)[-1]


def read_score_table(path: str | os.PathLike[str]) -> ScoreTable:
    """Read a CSV of attributes or scores: a heading, the file in the first column, a number in every other.

    An empty cell or ``nan`` is unknown. Columns that know only -1 and 1, as CelebA's, get 0 for -1.

    Raises:
        DataError: It cannot be read; with line and what was expected.
    """
    where = str(path)
    try:
        with Path(path).expanduser().open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{where} cannot be read as a table ({error}); a CSV with a heading is expected, whose first column is "
            "the file and every other an attribute or a score."
        ) from error
    if len(rows) < 2 or len(rows[0][1]) < 2:
        raise DataError(f"{where} is too short for a table: a heading with at least two columns and rows are expected.")
    names = tuple(name.strip() for name in rows[0][1][1:])
    if len(set(names)) < len(names) or not all(names):
        raise DataError(f"The heading of {where} has a column without a name, or two of one name. Name each.")
    files, values = [], np.full((len(rows) - 1, len(names)), np.nan)
    for place, (line, row) in enumerate(rows[1:]):
        if len(row) != len(names) + 1:
            raise DataError(f"{where}, line {line}, has {len(row)} columns; {len(names) + 1} are expected. Mend it.")
        files.append(row[0].strip())
        for column, cell in enumerate(row[1:]):
            try:
                values[place, column] = float(cell) if cell.strip() else math.nan
            except ValueError:
                raise DataError(
                    f"{where}, line {line}, has {cell.strip()!r} for '{names[column]}' of {files[-1]}; expected a "
                    "number, or nothing where it is not known."
                ) from None
    twice = [file for file, count in Counter(files).items() if count > 1]
    if twice:
        raise DataError(f"{where} has more than one row for {twice[0]}. Remove the wrong one.")
    for column in values.T:
        if set(np.unique(column[~np.isnan(column)]).tolist()) == {-1.0, 1.0}:
            column[column == -1] = 0
    return ScoreTable(tuple(files), names, values, where)


def write_score_table(path: Path, table: ScoreTable) -> None:
    """Write what `read_score_table` reads.

    Raises:
        DataError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", *table.names])
            writer.writerows(
                [name, *(f"{value:.6g}" for value in row)] for name, row in zip(table.files, table.values, strict=True)
            )
    except OSError as error:
        raise DataError(f"The scores cannot be written to {path}: {error}. Choose another place.") from error
