"""Tables of attributes beside the pictures: many things known of each picture by name, mostly yes or no.

Read are ``attributes.csv``, ``labels.csv`` with more than two columns, and CelebA's ``list_attr_celeba.txt`` and
``list_attr_celeba.csv``, in the folder (or ZIP) itself or in the folder that everything in it lies in:

- CSV: the first line is a heading, the first column the file, every other column an attribute with whole numbers.
- CelebA's text: a line with the number of rows, a line with the names, then rows of a file and a number for each name.

Where a table knows only -1 and 1, as CelebA's does, -1 becomes 0. Every picture needs a row. A CSV may have no row
for a file that is not there; CelebA's own lists may, so that they serve any part of the pictures.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from twoway.data.layout import Layout, matched, refuse_strangers
from twoway.data.sources import FileSource
from twoway.errors import DataError

__all__ = ["TABLES", "AttributeTable", "read_attributes", "require_classes"]

TABLES = ("attributes.csv", "labels.csv", "list_attr_celeba.csv", "list_attr_celeba.txt")
"""Names of attribute tables; the first that is there counts."""
SHOWN = 5


@dataclass(frozen=True)
class AttributeTable:
    """What is known of every file of a source.

    Attributes:
        names: Names of the A attributes.
        values: int64 of shape (all files, A).
    """

    names: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True)
class _Row:
    line: int
    file: str
    values: Sequence[str]


def read_attributes(source: FileSource, layout: Layout) -> AttributeTable | None:
    """Return the attributes of all files of a source, or None where there is no table.

    Raises:
        DataError: A table that cannot be read, or does not fit the pictures; with file, line and what was expected.
    """
    for table in TABLES:
        for name in dict.fromkeys((layout.wrapper + table, table)):
            text = source.text(name)
            if text is None:
                continue
            where = f"{name} in {source.where}"
            names, rows = _from_celeba(text, where) if table.endswith(".txt") else _from_csv(text, where)
            if table == "labels.csv" and len(names) < 2:
                continue  # class labels, which `layout` reads
            _check_names(names, where)
            return AttributeTable(names, _values(names, rows, source, layout, where, table))
    return None


def _from_csv(text: str, where: str) -> tuple[tuple[str, ...], Iterator[_Row]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    lines = _csv_lines(reader, where)
    heading = next(lines, None)
    if heading is None:
        raise DataError(f"{where} is empty; a heading and a row for every picture are expected. {_MEND}")
    return tuple(name.strip() for name in heading.values), lines


def _csv_lines(reader: Iterator[list[str]], where: str) -> Iterator[_Row]:
    line = 0
    try:
        for row in reader:
            line = reader.line_num  # type: ignore[attr-defined]
            if row:
                yield _Row(line, row[0].strip(), row[1:])
    except csv.Error as error:
        raise DataError(
            f"{where}, line {line + 1}, is not a line of values with commas between them ({error}). {_MEND}"
        ) from error


def _from_celeba(text: str, where: str) -> tuple[tuple[str, ...], Iterator[_Row]]:
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) < 2 or not lines[0].strip().isdigit():
        raise DataError(
            f"{where}, line 1, is not the number of rows; CelebA's list has that number in its first line, names of "
            f"attributes in its second and a file with its values in every other. {_MEND}"
        )
    if int(lines[0]) != len(lines) - 2:
        raise DataError(
            f"{where} announces {int(lines[0]):,} rows in line 1 and has {len(lines) - 2:,}; it was cut off or "
            "shortened. Copy it again, or correct line 1."
        )
    rows = (_Row(number, *_first(line)) for number, line in enumerate(lines[2:], start=3))
    return tuple(lines[1].split()), rows


def _first(line: str) -> tuple[str, list[str]]:
    file, *values = line.split() or [""]
    return file, values


_MEND = "Mend it, or rename it to go on without attributes."


def _check_names(names: tuple[str, ...], where: str) -> None:
    if not names:
        raise DataError(f"{where} has a heading without attributes; after the file, one column for each is expected.")
    blank = [number for number, name in enumerate(names, start=2) if not name]
    twice = sorted({name for name in names if names.count(name) > 1})
    if blank or twice:
        what = f"has no name for column {blank[0]}" if blank else f"names the attribute '{twice[0]}' twice"
        raise DataError(f"The heading of {where} {what}; every attribute needs a name of its own. {_MEND}")
    if all(_is_number(name) for name in names):
        raise DataError(
            f"{where}, line 1, holds numbers ({', '.join(names[:SHOWN])}); the first line must be a heading with the "
            "names of the attributes. Add one."
        )


def _is_number(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _values(
    names: tuple[str, ...], rows: Iterator[_Row], source: FileSource, layout: Layout, where: str, table: str
) -> np.ndarray:
    found: dict[str, _Row] = {}
    for row in rows:
        if len(row.values) != len(names):
            raise DataError(
                f"{where}, line {row.line}, has {len(row.values) + 1} columns; {len(names) + 1} are expected: the "
                f"file and {len(names)} attribute{'s' if len(names) > 1 else ''}. {_MEND}"
            )
        if row.file in found:
            raise DataError(
                f"{where}, line {row.line}, is a second row for {row.file}, after line {found[row.file].line}; one for "
                "each picture is expected. Remove the wrong one."
            )
        found[row.file] = row
    if table.endswith(".csv") and not table.startswith("list_attr"):
        refuse_strangers({file: row.line for file, row in found.items()}, source, layout, where)
    values = np.empty((len(source.names), len(names)), np.int64)
    for number, row in enumerate(matched(found, source.names, layout, where, "attributes")):
        values[number] = _numbers(row, names, where)
    if values.size and set(np.unique(values).tolist()) == {-1, 1}:
        values[values == -1] = 0
    return values


def _numbers(row: _Row, names: tuple[str, ...], where: str) -> np.ndarray:
    try:
        return np.array([int(value) for value in row.values], np.int64)
    except (ValueError, OverflowError):
        pass
    for name, value in zip(names, row.values, strict=True):
        if not _is_number(value) or abs(int(value)) >= 2**63:
            raise DataError(
                f"{where}, line {row.line}, has {value.strip()!r} for '{name}' of {row.file}; a whole number is "
                f"expected, 1 for yes and 0 (or -1) for no. {_MEND}"
            )
    raise AssertionError("one of the values is wrong")


def require_classes(labels: np.ndarray, where: str, *, least: int = 2, what: str = "This measure") -> None:
    """Refuse labels with which classes cannot be told apart.

    Args:
        labels: Whole numbers of shape (N,).
        where: What the labels are of, for the message.
        least: How many pictures every class must have.
        what: Who needs them, at the beginning of a sentence.

    Raises:
        DataError: There are fewer than two classes, or one with fewer than `least` pictures.
    """
    classes, counts = np.unique(np.asarray(labels), return_counts=True)
    if len(classes) < 2:
        raise DataError(
            f"{what} needs at least two classes, but the {len(labels)} labels of {where} are all "
            f"{classes.tolist()[0] if len(classes) else 'missing'}. Use data with more classes, or another label."
        )
    rare = [(int(c), int(n)) for c, n in zip(classes, counts, strict=True) if n < least]
    if rare:
        listed = ", ".join(f"{c} ({n})" for c, n in rare[:SHOWN]) + (" ..." if len(rare) > SHOWN else "")
        raise DataError(
            f"{what} needs at least {least} pictures of every class, but in {where} {len(rare)} of {len(classes)} "
            f"classes have fewer: {listed}. Add pictures of them, join or remove those classes, or use more of the "
            "data."
        )
