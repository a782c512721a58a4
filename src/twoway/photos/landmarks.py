"""Points of faces as people write them: on the command line, in CSV, JSON, and in CelebA's own list."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from twoway.errors import DataError
from twoway.photos.points import FacePoints, make_points

__all__ = ["Landmarks", "parse_points", "read_landmarks"]

FILES = ("file", "filename", "name", "image", "imageid", "picture", "photo", "path")
PARTS = ("lefteye", "righteye", "nose", "mouth", "leftmouth", "rightmouth")
COLUMNS = (
    "file,left_eye_x,left_eye_y,right_eye_x,right_eye_y and then mouth_x,mouth_y or left_mouth_x,...,right_mouth_y"
)
LONGEST = 64 * 2**20  # bytes; CelebA's list has 15 million


def parse_points(text: str) -> FacePoints:
    """Points from text: pairs ``x,y`` with spaces between them, in pixels of the upright photo.

    Raises:
        DataError: Text that is no list of pairs, or points of no possible face; see `make_points`.

    Example:
        >>> parse_points("120,200 180,200 150,270").mouth
        (150.0, 270.0)
    """
    pairs = [part.split(",") for part in re.split(r"[\s;]+", text.strip()) if part]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise DataError(
            f"The points '{text}' must be pairs x,y with spaces between them, such as '120,200 180,200 150,270' for "
            "left eye, right eye and mouth."
        )
    return make_points(pairs, where=f"The points '{text}'")  # type: ignore[arg-type]  # text of numbers


@dataclass(frozen=True)
class Landmarks:
    """Points of the faces in many pictures.

    Args:
        where: The file they are from.
        rows: Points by the file name that the rows give; checked when they are asked for.
    """

    where: str
    rows: Mapping[str, Sequence[Sequence[float]]]

    def of(self, picture: str | os.PathLike[str], *, by_name: bool = True) -> FacePoints:
        """Points of a picture, found by its path as written in the file, or by its file name.

        Args:
            picture: Its path.
            by_name: Whether the file name without folders will do; not where several pictures have it.

        Raises:
            DataError: There is no row for it, or it holds points of no possible face.
        """
        path = PurePath(picture)
        for key in (path.as_posix(), path.name) if by_name else (path.as_posix(),):
            if key in self.rows:
                return make_points(self.rows[key], where=f"{self.where}: the points of '{key}'")
        if not by_name and path.name in self.rows:
            raise DataError(
                f"{self.where} has a row '{path.name}', but several pictures are called so. Name each with its folder, "
                f"as '{path.as_posix()}'."
            )
        some = ", ".join(list(self.rows)[:3])
        raise DataError(
            f"{self.where} has no points for '{path.name}'; it names {len(self.rows):,} pictures ({some}, ...). Add a "
            "row, or give the points with --points."
        )


def read_landmarks(path: str | os.PathLike[str]) -> Landmarks:
    """Read points of many pictures.

    Known are CSV with a heading (``file,left_eye_x,left_eye_y,right_eye_x,...``, mouth as ``mouth_x`` or
    ``left_mouth_x`` and ``right_mouth_x``; CelebA's ``lefteye_x`` ... as well), CelebA's
    ``list_landmarks_align_celeba.txt``, and JSON: ``{"a.jpg": [[x, y], ...], ...}`` or
    ``{"a.jpg": {"left_eye": [x, y], ...}, ...}``.

    Raises:
        DataError: No such file, or something else in it; with the line and what was expected.
    """
    file = Path(path).expanduser()
    where = f"The landmarks file '{file}'"
    try:
        if file.stat().st_size > LONGEST:
            raise DataError(f"{where} is longer than {LONGEST // 2**20} MiB. Give one with points of pictures only.")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{where} cannot be read: {error}. Give a .csv, .txt or .json file.") from error
    if text.lstrip().startswith(("{", "[")):
        return Landmarks(where, _from_json(text, where))
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].strip().isdigit():  # CelebA: number of rows, names without one for the file
        heading, rows = ["file", *lines[1].split()], (line.split() for line in lines[2:])
        return Landmarks(where, _from_table(heading, enumerate(rows, start=3), where))
    reader = csv.reader(io.StringIO(text))
    try:
        heading = next(reader, [])
        return Landmarks(where, _from_table(heading, enumerate(reader, start=2), where))
    except csv.Error as error:
        raise DataError(f"{where} is no table of values with commas between them: {error}.") from error


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _from_table(heading: list[str], rows: Iterator[tuple[int, list[str]]], where: str) -> dict[str, list[list[float]]]:
    columns = {_plain(name): number for number, name in enumerate(heading)}
    file = next((columns[name] for name in FILES if name in columns), None)
    places = {
        part: (columns[part + "x"], columns[part + "y"]) for part in PARTS if {part + "x", part + "y"} <= set(columns)
    }
    if file is None or not {"lefteye", "righteye"} <= set(places):
        raise DataError(
            f"{where} has the heading '{','.join(heading)[:200]}', but expected are the columns {COLUMNS} (or CelebA's "
            "lefteye_x, ...)."
        )
    chosen = _chosen(places)
    found: dict[str, list[list[float]]] = {}
    for line, row in rows:
        if not row:
            continue
        try:
            found[row[file].strip()] = [[float(row[place]) for place in places[part]] for part in chosen]
        except (ValueError, IndexError) as error:
            raise DataError(
                f"{where}, line {line}, has something that is no number or too few columns: '{','.join(row)[:100]}'."
            ) from error
    if not found:
        raise DataError(f"{where} has a heading and no rows. Expected is one row for each picture.")
    return found


def _from_json(text: str, where: str) -> dict[str, list[list[float]]]:
    try:
        plain: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no valid JSON: {error}.") from error
    expected = 'expected is {"photo.jpg": [[x, y], [x, y], [x, y]], ...}, or {"left_eye": [x, y], ...} for each photo'
    if not isinstance(plain, Mapping) or not plain:
        raise DataError(f"{where} holds no table of pictures; {expected}.")
    found: dict[str, list[list[float]]] = {}
    for name, value in plain.items():
        given: Any = value
        if isinstance(value, Mapping):
            known = {_plain(str(part)): point for part, point in value.items()}
            given = [known[part] for part in _chosen(known)] if {"lefteye", "righteye"} <= set(known) else None
        try:
            found[str(name)] = [[float(x), float(y)] for x, y in given]
        except (TypeError, ValueError) as error:
            raise DataError(f"{where} says {str(value)[:100]} of '{name}'; {expected}.") from error
    return found


def _chosen(there: Mapping[str, Any]) -> tuple[str, ...]:
    """Which points to take: corners of the mouth before its middle, and never the nose."""
    eyes = ("lefteye", "righteye")
    if {"leftmouth", "rightmouth"} <= set(there):
        return (*eyes, "leftmouth", "rightmouth")
    return (*eyes, "mouth") if "mouth" in there else eyes
