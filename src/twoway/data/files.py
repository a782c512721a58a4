"""Pictures that lie in files: decoded when asked for, kept in memory where they fit, broken ones worked round."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from twoway.data.alignment import read_template_facts
from twoway.data.attributes import read_attributes
from twoway.data.base import Fit, ImageData, Indices, Split, as_rows, listing, sized_name, tolerated
from twoway.data.decode import Header, choose_shape, decode, read_header, reason_of
from twoway.data.layout import arrange, read_labels
from twoway.data.sources import FileSource
from twoway.errors import DataError, NoSplitError

__all__ = ["FileImages", "inspect", "sample_rows"]

INSPECTED = 256
"""How many headers decide size and channels; evenly spaced over the data set."""
WORKERS = max(1, min(8, os.cpu_count() or 1))


class FileImages(ImageData):
    """The pictures of a folder or ZIP.

    Opening reads at most 256 headers and decodes nothing. A picture that turns out to be unusable is named in
    `skipped`, and its number stands from then on for the next usable picture (after the last comes the first), which
    depends on nothing but the files. Labels are not moved: they stay those of the broken file. More unusable files
    than `tolerated` end the reading with a list.

    Args:
        source: Where the files are.
        name: Short name; the size is added where it does not end with it.
        split: Which part; ``test`` needs the split folders of `layout`.
        size: Side of the pictures, or None for the rule of `choose_shape`.
        channels: 1, 3 or None for the rule of `choose_shape`.
        fit: How pictures are brought to size.
        cache_mib: Decoded pictures are kept where all of them need at most this much memory.

    Raises:
        NoSplitError: No test part.
        DataError: No pictures, none of the inspected ones usable, or a table of labels or attributes that is wrong.
    """

    def __init__(
        self,
        source: FileSource,
        *,
        name: str,
        split: Split = "train",
        size: int | None = None,
        channels: int | None = None,
        fit: Fit = "crop",
        cache_mib: int = 512,
    ) -> None:
        self._files, self.source, self.split, self.fit = source, source.where, split, fit
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._pool_pid = -1
        self._rows = _split_rows(source, split)
        self.skipped = dict(source.rejected)
        layout = arrange(source.names)
        labels, table = read_labels(source, layout), read_attributes(source, layout)
        self.labels = None if labels is None else labels[list(self._rows)]
        self._template = read_template_facts(source, layout.wrapper)
        if table is not None:
            self.attribute_names, self.attributes = table.names, table.values[list(self._rows)]
        self._broken: set[int] = set()
        headers = self._inspect()
        self.shape, self._why = choose_shape(headers, size, channels)
        self.name = sized_name(name, self.shape[1])
        self._keeps = len(self) * int(np.prod(self.shape)) <= cache_mib * 2**20
        self._forget()

    def _forget(self) -> None:
        self._cache = np.empty((len(self) if self._keeps else 0, *self.shape), np.uint8)
        self._filled = np.zeros(len(self._cache), bool)

    def _inspect(self) -> list[Header]:
        headers: list[Header] = []
        for row in sample_rows(len(self)):
            header = inspect(self._files, self._rows[row])
            if isinstance(header, Header):
                headers.append(header)
            else:
                self._mark(row, header)
        if not headers:
            raise DataError(
                f"None of the {len(self.skipped)} pictures looked at in {self.source} can be used: "
                f"{listing(self.skipped)}. Name a folder or ZIP of whole pictures; `twoway data check` explains every "
                "file."
            )
        return headers

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def in_memory(self) -> bool:
        """Whether every picture has been decoded and kept."""
        return self._keeps and bool(self._filled.all())

    def read(self, indices: Indices) -> torch.Tensor:
        """Return pictures, uint8 of shape (B, C, H, W); see `ImageData.read`."""
        rows = as_rows(indices, len(self))
        self._stop_if_too_many()
        if not self._keeps:
            pictures = np.empty((len(rows), *self.shape), np.uint8)
            self._decode_all(rows.tolist(), pictures)
            return torch.from_numpy(pictures)
        wanted = np.unique(rows)
        missing = wanted[~self._filled[wanted]]
        if len(missing):
            fresh = np.empty((len(missing), *self.shape), np.uint8)
            self._decode_all(missing.tolist(), fresh)
            self._cache[missing] = fresh
            self._filled[missing] = True  # after the pixels: another thread may be reading
        return torch.from_numpy(self._cache[rows])

    def labels_of(self, indices: Indices) -> np.ndarray:
        """Return labels; those of the pictures that stand in for broken ones, see `ImageData.labels_of`."""
        rows = [self._standing_for(row) for row in as_rows(indices, len(self)).tolist()]
        return super().labels_of(rows)

    def _standing_for(self, row: int) -> int:
        for step in range(len(self)):
            if (row + step) % len(self) not in self._broken:
                return (row + step) % len(self)
        return row

    def _decode_all(self, rows: Sequence[int], out: np.ndarray) -> None:
        parts = min(WORKERS, len(rows) // 4)  # a thread for fewer than four pictures costs more than it saves
        if parts < 2:
            self._decode_some(rows, out)
        else:
            bounds = np.linspace(0, len(rows), parts + 1).astype(int).tolist()
            spans = [(rows[a:b], out[a:b]) for a, b in pairwise(bounds)]
            list(self._workers().map(lambda span: self._decode_some(*span), spans))
        self._stop_if_too_many()

    def _decode_some(self, rows: Sequence[int], out: np.ndarray) -> None:
        for row, place in zip(rows, out, strict=True):
            place[...] = self._usable_from(row)

    def _usable_from(self, row: int) -> np.ndarray:
        for step in range(len(self)):
            candidate = (row + step) % len(self)
            if candidate in self._broken:
                continue
            try:
                with self._files.open(self._rows[candidate]) as stream:
                    return decode(stream, self.shape, self.fit)
            except Exception as error:  # Unusable, or whatever opening a damaged or vanished file raises
                self._mark(candidate, reason_of(error))
                self._stop_if_too_many()
        raise DataError(f"Not one picture in {self.source} can be read: {listing(self.skipped)}.")

    def _mark(self, row: int, reason: str) -> None:
        with self._lock:
            self._broken.add(row)
            self.skipped[self._files.names[self._rows[row]]] = reason

    def _stop_if_too_many(self) -> None:
        total = len(self) + len(self._files.rejected)
        if len(self.skipped) > tolerated(total):
            with self._lock:
                found = dict(self.skipped)
            raise DataError(
                f"{len(found)} of {total} pictures in {self.source} cannot be used, more than the {tolerated(total)} "
                f"that are worked round (5 %): {listing(found)}. Run `twoway data check {self.source}` for the whole "
                "list, then mend or remove those files."
            )

    def _workers(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._pool_pid != os.getpid():  # the threads of a parent process are not ours
                self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="twoway-decode")
                self._pool_pid = os.getpid()
            return self._pool

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("_pool", "_pool_pid", "_lock", "_cache", "_filled")  # the copy decodes again
        return {key: value for key, value in self.__dict__.items() if key not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pool, self._pool_pid, self._lock = None, -1, threading.Lock()
        self._forget()

    def name_of(self, index: int) -> str:
        """Return the file of picture `index`, relative to the folder or ZIP."""
        return self._files.names[self._rows[index]]

    def fingerprint(self) -> str:
        """Return a hash of names, sizes in bytes, shape and fit.

        Contents are not read: a file replaced by another of the same name and length is not noticed.
        """
        digest = hashlib.sha256(f"{self.shape} {self.fit}".encode())
        for number in self._rows:
            line = f"{self._files.names[number]}\0{self._files.nbytes(number)}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:16]

    def rules(self) -> dict[str, Any]:
        """Return how the pictures are brought to their shape, and how many files cannot be used so far."""
        known = {} if self._template is None else {"template": self._template}
        return {
            "chosen": self._why,
            "fit": self.fit,
            "kept in memory": self._keeps,
            "skipped": len(self.skipped),
            **known,
        }


def sample_rows(count: int) -> Iterator[int]:
    """Return at most 256 evenly spaced numbers of 0..count-1, the first one included."""
    step = max(1.0, count / INSPECTED)
    return iter(sorted({int(k * step) for k in range(min(count, INSPECTED))}))


def inspect(source: FileSource, number: int) -> Header | str:
    """Return the header of a file, or the reason why it cannot be used."""
    try:
        with source.peek(number) as stream:
            return read_header(stream)
    except Exception as error:  # as for decoding
        return reason_of(error)


def _split_rows(source: FileSource, split: Split) -> tuple[int, ...]:
    if not source.names:
        refused = f" {len(source.rejected)} are refused: {listing(source.rejected)}." if source.rejected else ""
        raise DataError(
            f"There are no pictures in {source.where} or below it (png, jpg, jpeg, webp, bmp, tif, tiff, gif and ppm "
            f"count; {source.others} other files are there).{refused} Name a folder or ZIP of pictures."
        )
    rows = arrange(source.names).splits[split]
    if not rows:
        refused_rows = arrange([*source.names, *source.rejected]).splits[split]
        if refused_rows:
            raise DataError(
                f"None of the {len(refused_rows)} pictures of split '{split}' in {source.where} can be used: "
                f"{listing(source.rejected)}. Put whole pictures there, or remove them all to go without that split."
            )
        raise NoSplitError(
            f"{source.where} has no test part: for split 'test' its pictures must lie in folders named train and test "
            "(or val). Use split 'all' or 'train', which here both mean every picture, or name another folder."
        )
    return rows
