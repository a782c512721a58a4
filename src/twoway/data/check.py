"""`check_data`: read every picture once and say what is wrong, without stopping at the first fault."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twoway.data.arrays import ArrayImages
from twoway.data.attributes import read_attributes
from twoway.data.base import ImageData, tolerated
from twoway.data.builtin import PRESETS
from twoway.data.decode import Header, choose_shape, decode, read_header, reason_of
from twoway.data.files import WORKERS, inspect, sample_rows
from twoway.data.idx import find_idx_folder
from twoway.data.layout import arrange, read_labels
from twoway.data.opening import existing, file_source, open_data
from twoway.data.rendered import RenderedImages
from twoway.data.sources import FileSource
from twoway.errors import DataError
from twoway.telling import Telling, silent

__all__ = ["CheckReport", "check_data"]

CHUNK = 1024
"""Pictures of an array that are read at a time."""
MOST_DRAWN = 20_000
"""Pictures of a drawn data set that are looked at; every one is drawn by the same rules."""
SHOWN = 10


@dataclass(frozen=True)
class CheckReport:
    """What was found in a data set.

    Attributes:
        source: What was checked: a built-in name or an absolute path.
        total: Number of pictures, unusable ones included.
        usable: Number of pictures that can be read.
        unusable: File name to reason.
        sizes: ``"64x48"`` (width x height as stored) to how many, the most frequent first; usable pictures only.
        modes: Pillow's mode (``L`` grey, ``RGB`` colour, ``P`` palette ...) to how many, the most frequent first.
        duplicates: Groups of names of files with the same bytes.
        labels: How many classes there are, or None without labels.
        single: How many of the classes have one picture only.
        attributes: Names of known factors and attributes.
        shape: ``(channels, height, width)`` that training would use, or None where nothing can be used.
        shape_rule: Why this shape.
        trainable: Whether training would run.
        verdict: What would happen in training, in a sentence.
    """

    source: str
    total: int
    usable: int
    unusable: dict[str, str]
    sizes: dict[str, int]
    modes: dict[str, int]
    duplicates: tuple[tuple[str, ...], ...]
    labels: int | None
    single: int
    attributes: tuple[str, ...]
    shape: tuple[int, int, int] | None
    shape_rule: str
    trainable: bool
    verdict: str

    def __str__(self) -> str:
        lines = [
            f"Data:      {self.source}",
            f"Pictures:  {self.total}, {self.usable} usable, {len(self.unusable)} unusable",
            f"Sizes:     {_top(self.sizes)}",
            f"Modes:     {_top(self.modes)}",
            f"Labels:    {'none' if self.labels is None else f'{self.labels} classes'}"
            + (f", {self.single} of them with one picture only" if self.single else ""),
        ]
        if self.attributes:
            more = f" and {len(self.attributes) - SHOWN} more" if len(self.attributes) > SHOWN else ""
            lines.append(f"Known:     {', '.join(self.attributes[:SHOWN])}{more}")
        if self.shape is not None:
            channels, height, width = self.shape
            lines.append(
                f"Training:  {width}x{height}, {channels} channel{'s' if channels > 1 else ''} ({self.shape_rule})"
            )
        extra = sum(len(group) - 1 for group in self.duplicates)
        lines.append(f"Repeated:  {extra} pictures are byte for byte copies of others" if extra else "Repeated:  none")
        lines += [
            f"  {_printable(' = '.join(group[:5]))}{' ...' * (len(group) > 5)}" for group in self.duplicates[:SHOWN]
        ]
        if len(self.duplicates) > SHOWN:
            lines.append(f"  and {len(self.duplicates) - SHOWN} more groups")
        if self.unusable:
            lines.append("Unusable:")
            lines += [f"  {_printable(name)}: {reason}" for name, reason in self.unusable.items()]
        return "\n".join([*lines, f"Verdict:   {self.verdict}"])


def check_data(spec: str | Path, *, progress: Telling = silent) -> CheckReport:
    """Read everything and report.

    Args:
        spec: As `open_data` takes it.
        progress: Told how many pictures have been read, about once per hundred.

    Returns:
        The report; also where nothing at all can be used.

    Raises:
        DataError: Nothing is there, or the container (ZIP, IDX, .npz) cannot be opened.
    """
    if isinstance(spec, str) and spec in PRESETS:
        return _check_numbered(open_data(spec, split="all"), progress)
    path = existing(spec)
    if path.suffix.lower() == ".npz" or (path.is_dir() and find_idx_folder(path) is not None):
        return _check_numbered(open_data(path, split="all"), progress)
    return _check_files(file_source(path), progress)


def _check_numbered(data: ImageData, progress: Telling) -> CheckReport:
    total = len(data)
    looked_at = range(total)
    if isinstance(data, RenderedImages) and total > MOST_DRAWN:
        looked_at = range(0, total, math.ceil(total / MOST_DRAWN))
    groups: dict[bytes, list[str]] = defaultdict(list)
    for start in range(0, len(looked_at), CHUNK):
        numbers = looked_at[start : start + CHUNK]
        for number, picture in zip(numbers, data.read(numbers).numpy(), strict=True):
            groups[hashlib.sha256(picture.tobytes()).digest()].append(f"picture {number}")
        progress("reading", start + len(numbers), len(looked_at))
    verdict = _verdict(total, {}, None)
    if isinstance(data, RenderedImages):
        verdict = f"trains: its pictures are drawn when they are read; {len(looked_at):,} of them were looked at."
    if isinstance(data, ArrayImages):
        native, why = data.native, data.rules()["chosen"]
    else:
        native, why = Header(data.shape[2], data.shape[1], "L" if data.shape[0] == 1 else "RGB"), "its own size"
    return CheckReport(
        source=data.source,
        total=total,
        usable=total,
        unusable={},
        sizes={f"{native.width}x{native.height}": total},
        modes={native.mode: total},
        duplicates=_repeated(groups),
        labels=None if data.labels is None else len(set(data.labels.tolist())),
        single=_single(data.labels),
        attributes=(*data.factor_names, *(name for name in data.attribute_names if name not in data.factor_names)),
        shape=data.shape,
        shape_rule=why,
        trainable=verdict.startswith("trains"),
        verdict=verdict,
    )


def _check_files(source: FileSource, progress: Telling) -> CheckReport:
    total = len(source.names) + len(source.rejected)
    sizes: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    groups: dict[bytes, list[str]] = defaultdict(list)
    unusable = dict(source.rejected)
    for done, (name, found) in enumerate(_read_all(source), start=1):
        if isinstance(found, str):
            unusable[name] = found
        else:
            header, digest = found
            sizes[f"{header.width}x{header.height}"] += 1
            modes[header.mode] += 1
            groups[digest].append(name)
        if done % 100 == 0 or done == len(source.names):
            progress("reading", done, len(source.names))
    labels, single, names, problem = _labels(source)
    shape, why = _training_shape(source)
    verdict = _verdict(total, unusable, problem)
    return CheckReport(
        source=source.where,
        total=total,
        usable=total - len(unusable),
        unusable=dict(sorted(unusable.items())),
        sizes=dict(sizes.most_common()),
        modes=dict(modes.most_common()),
        duplicates=_repeated(groups),
        labels=labels,
        single=single,
        attributes=names,
        shape=shape,
        shape_rule=why,
        trainable=verdict.startswith("trains"),
        verdict=verdict,
    )


def _read_all(source: FileSource) -> Iterator[tuple[str, tuple[Header, bytes] | str]]:
    # In pieces, because map() hands out all its work at once and would keep every result.
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(source.names), CHUNK):
            numbers = range(start, min(start + CHUNK, len(source.names)))
            for number, found in zip(numbers, pool.map(lambda n: _read_one(source, n), numbers), strict=True):
                yield source.names[number], found


def _read_one(source: FileSource, number: int) -> tuple[Header, bytes] | str:
    try:
        with source.open(number) as stream:
            header = read_header(stream)
            stream.seek(0)
            decode(stream, (3, 8, 8), "stretch")  # decodes every pixel; the small size saves time
            stream.seek(0)
            digest = hashlib.sha256()
            while piece := stream.read(2**20):
                digest.update(piece)
            return header, digest.digest()
    except Exception as error:  # as in reading for training: any failure is the file's reason
        return reason_of(error)


def _training_shape(source: FileSource) -> tuple[tuple[int, int, int] | None, str]:
    rows = arrange(source.names).splits["train"]
    found = [inspect(source, rows[row]) for row in sample_rows(len(rows))]
    headers = [header for header in found if isinstance(header, Header)]
    return choose_shape(headers) if headers else (None, "nothing can be used")


def _labels(source: FileSource) -> tuple[int | None, int, tuple[str, ...], str | None]:
    """Numbers of classes and of those with one picture, names of attributes, and what is wrong with either."""
    layout = arrange(source.names)
    try:
        labels, table = read_labels(source, layout), read_attributes(source, layout)
    except DataError as error:
        return None, 0, (), str(error)
    classes = None if labels is None else len(set(labels.tolist()))
    return classes, _single(labels), () if table is None else table.names, None


def _single(labels: np.ndarray | None) -> int:
    return 0 if labels is None else int((np.unique(labels, return_counts=True)[1] == 1).sum())


def _repeated(groups: dict[bytes, list[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted(tuple(group) for group in groups.values() if len(group) > 1))


def _verdict(total: int, unusable: dict[str, str], problem: str | None) -> str:
    usable = total - len(unusable)
    if total == 0:
        return "does not train: there are no pictures (png, jpg, jpeg, webp, bmp, tif, tiff, gif, ppm)."
    if usable == 0:
        return f"does not train: none of the {total} pictures can be used."
    if len(unusable) > tolerated(total):
        return (
            f"does not train: {len(unusable)} of {total} pictures cannot be used, more than the {tolerated(total)} "
            "that are worked round (5 %); mend or remove them."
        )
    if usable < 2:
        return "does not train: training needs at least 2 pictures."
    if problem is not None:
        return f"does not train: {problem}"
    if unusable:
        return f"trains: {len(unusable)} of {total} pictures cannot be used; the next usable one stands in for each."
    return "trains: every picture can be used."


def _top(counts: dict[str, int]) -> str:
    shown = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:SHOWN]) or "none"
    return f"{shown} and {len(counts) - SHOWN} more" if len(counts) > SHOWN else shown


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
