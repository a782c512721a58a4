"""What the names of picture files say: which split they belong to, and their class labels.

Rules:

- A folder that everything lies in is looked through (a ZIP of ``faces/...`` is the same as a ZIP of ``...``).
- Where the first-level folders are nothing but ``train`` and ``test`` or ``val``, they are the splits.
  Without them there is no test part, and ``train`` is everything.
- Labels come from ``dataset.json`` (``{"labels": [["a/1.png", 3], ...]}``, as StyleGAN's tools write it), else from
  ``labels.csv`` (two columns: file, label; the first line is a heading; with more columns it is a table of
  `attributes`), else from the first-level folders where every picture lies in one and there are at least two.
- Tables name a picture by its path in the folder; leaving out the folder around everything or that of the split does
  no harm where the rest is unique.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from twoway.data.base import Split
from twoway.data.sources import FileSource
from twoway.errors import DataError

__all__ = ["Layout", "arrange", "matched", "read_labels", "refuse_strangers"]

T = TypeVar("T")

_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation")  # the first of these that is there is the test split


@dataclass(frozen=True)
class Layout:
    """The names of a source, taken apart.

    Attributes:
        wrapper: Leading folders that everything lies in, ``""`` or ``"faces/"``.
        names: File names without the wrapper.
        inner: File names without the wrapper and the folder of their split.
        splits: Per split the numbers of its files; without split folders ``test`` is empty.
    """

    wrapper: str
    names: tuple[str, ...]
    inner: tuple[str, ...]
    splits: dict[Split, tuple[int, ...]]


def arrange(names: Sequence[str]) -> Layout:
    """Take file names apart by the rules of this module.

    Example:
        >>> layout = arrange(["faces/train/a.png", "faces/train/b.png", "faces/val/c.png"])
        >>> layout.wrapper, layout.splits["test"], layout.inner
        ('faces/', (2,), ('a.png', 'b.png', 'c.png'))
    """
    wrapper, short = "", list(names)
    while short and all("/" in name for name in short) and len({name.split("/", 1)[0] for name in short}) == 1:
        wrapper += short[0].split("/", 1)[0] + "/"
        short = [name.split("/", 1)[1] for name in short]
    everything = tuple(range(len(short)))
    tops = [name.split("/", 1)[0].lower() if "/" in name else "" for name in short]
    found = set(tops)
    test = next((folder for folder in _TEST if folder in found), None)
    if test is None or not found & set(_TRAIN) or not found <= {*_TRAIN, *_TEST}:
        return Layout(wrapper, tuple(short), tuple(short), {"train": everything, "test": (), "all": everything})
    splits: dict[Split, tuple[int, ...]] = {
        "train": tuple(i for i, top in enumerate(tops) if top in _TRAIN),
        "test": tuple(i for i, top in enumerate(tops) if top == test),
        "all": everything,
    }
    return Layout(wrapper, tuple(short), tuple(name.split("/", 1)[1] for name in short), splits)


def read_labels(source: FileSource, layout: Layout) -> np.ndarray | None:
    """Return the class labels of all files of a source.

    Returns:
        int64 of shape (all files,), or None where there are none.

    Raises:
        DataError: A label table that cannot be read or does not cover every picture.
    """
    for table in ("dataset.json", "labels.csv"):
        for name in dict.fromkeys((layout.wrapper + table, table)):
            text = source.text(name)
            if text is None:
                continue
            where = f"{name} in {source.where}"
            labels = _from_json(text, where) if table == "dataset.json" else _from_csv(text, where, source, layout)
            if labels is not None:
                return _numbers(matched(labels, source.names, layout, where, "label"))
    folders = [name.split("/", 1)[0] if "/" in name else None for name in layout.inner]
    classes = sorted({folder for folder in folders if folder is not None})
    if None in folders or len(classes) < 2:
        return None
    numbers = {folder: number for number, folder in enumerate(classes)}
    return np.array([numbers[folder] for folder in folders if folder is not None], np.int64)


def _from_json(text: str, where: str) -> dict[str, str] | None:
    try:
        table = json.loads(text)
        rows = table["labels"]
        if rows is None:  # StyleGAN's tools write this for data without labels
            return None
        return {str(name): str(label) for name, label in rows}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f'{where} is not a label table ({type(error).__name__}: {error}); {{"labels": [["name.png", 3], ...]}} is '
            "expected. Mend it, or rename it to train without labels."
        ) from error


def _from_csv(text: str, where: str, source: FileSource, layout: Layout) -> dict[str, str] | None:
    reader = csv.reader(io.StringIO(text))
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{where} is not a table of commas and lines ({error}). Mend it or rename it.") from error
    if rows and len(rows[0][1]) > 2:
        return None  # a table of attributes
    lines: dict[str, int] = {}
    for number, row in rows[1:]:
        if len(row) != 2:
            raise DataError(
                f"{where}, line {number}, has {len(row)} column{'s' if len(row) > 1 else ''}; two are expected: file, "
                "label. Mend it, or rename it to train without labels."
            )
        if row[0] in lines:
            raise DataError(
                f"{where}, line {number}, is a second row for {row[0]}, after line {lines[row[0]]}; one for each "
                "picture is expected. Remove the wrong one."
            )
        lines[row[0]] = number
    refuse_strangers(lines, source, layout, where)
    return {row[0]: row[1].strip() for _, row in rows[1:]}


def refuse_strangers(lines: Mapping[str, int], source: FileSource, layout: Layout, where: str) -> None:
    """Refuse a table with rows for files that are not there: pictures were lost or renamed, or it is another table.

    Args:
        lines: File names in the table and their lines.
        source: The pictures.
        layout: Their names, taken apart.
        where: The table, for the message.

    Raises:
        DataError: Naming the first such row.
    """
    refused = {name.removeprefix(layout.wrapper) for name in source.rejected}
    known = {*layout.names, *source.names, *layout.inner, *source.rejected, *refused}
    strangers = [name for name in lines if name not in known]
    if strangers:
        raise DataError(
            f"{where}, line {lines[strangers[0]]}, is about {strangers[0]!r}, but there is no such picture"
            f"{f' (nor for {len(strangers) - 1} more rows)' if len(strangers) > 1 else ''}; names like "
            f"{layout.names[0]!r} are expected. Correct the name, bring the picture back, or remove the row."
        )


def matched(table: Mapping[str, T], names: Sequence[str], layout: Layout, where: str, what: str) -> list[T]:
    """Return what a table says of every picture, in their order.

    Args:
        table: File name to whatever the table holds.
        names: File names of the pictures.
        layout: The same, taken apart.
        where: The table, for the message.
        what: What it holds, for the message.

    Raises:
        DataError: There are pictures without a row.
    """
    often = Counter(layout.inner)
    found = []
    for full, short, inner in zip(names, layout.names, layout.inner, strict=True):
        keys = (short, full, inner) if often[inner] == 1 else (short, full)
        found.append(next((table[key] for key in keys if key in table), None))
    values = [value for value in found if value is not None]
    if len(values) < len(found):
        lacking = names[found.index(None)]
        some = next(iter(table), None)
        seen = "The table has no rows" if some is None else f"The first row of the table is for {some!r}"
        raise DataError(
            f"{where} has no {what} for {len(found) - len(values)} of {len(found)} pictures, the first of them "
            f"{lacking}. {seen}. Every picture needs one line; mend the table, or rename it to go on without it."
        )
    return values


def _numbers(values: list[str]) -> np.ndarray:
    try:
        return np.array([int(value) for value in values], np.int64)
    except (ValueError, OverflowError):  # class names: numbered in the order of the alphabet
        numbers = {value: number for number, value in enumerate(sorted(set(values)))}
        return np.array([numbers[value] for value in values], np.int64)
