"""Pictures that are drawn when they are read, from factors that are known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from twoway.data.base import ImageData, Indices, Split, as_rows, sized_name
from twoway.errors import ConfigError, DataError

__all__ = ["Drawing", "RenderedImages", "check_factors", "some_cells"]

SIZES = (8, 512)
CHUNK = 512
"""Pictures drawn at a time."""


@dataclass(frozen=True)
class Drawing:
    """A family of pictures, one for every combination of factor values.

    Combinations have numbers, called cells: the last factor counts fastest, as in `numpy.unravel_index`.

    Args:
        version: Names the drawing in fingerprints; another version draws other pixels.
        factor_names: Names of the K factors.
        factor_sizes: How many values each has.
        label: Name of the factor that is the class label unless another is asked for.
        channels: Of the pictures.
        size: Side of the pictures unless another is asked for.
        render: From factor values (B, K) and ``size`` to uint8 of shape (B, channels, size, size).
        cells: The cells of the training pictures and of the test pictures.
        attributes: Yes-or-no attributes: name to a factor and those of its values that mean yes.
    """

    version: str
    factor_names: tuple[str, ...]
    factor_sizes: tuple[int, ...]
    label: str
    channels: int
    size: int
    render: Callable[[np.ndarray, int], np.ndarray]
    cells: Callable[[], tuple[np.ndarray, np.ndarray]]
    attributes: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)


class RenderedImages(ImageData):
    """The pictures of a `Drawing`.

    Nothing is drawn before it is read. What is read is kept where all pictures together need at most `cache_mib`;
    otherwise each is drawn again.

    Args:
        drawing: What to draw.
        name: Its name; the size is added where it is not the drawing's own.
        split: ``all`` is train followed by test.
        size: Side of the pictures, or None for the drawing's own.
        channels: 1, 3 or None for the drawing's own. A colour drawing as grey takes the mean of its channels.
        cache_mib: See above.

    Raises:
        ConfigError: A size that cannot be drawn.
    """

    def __init__(
        self,
        drawing: Drawing,
        *,
        name: str,
        split: Split = "train",
        size: int | None = None,
        channels: int | None = None,
        cache_mib: int = 512,
    ) -> None:
        size = drawing.size if size is None else size
        if not SIZES[0] <= size <= SIZES[1]:
            raise ConfigError(
                f"size is {size}, but '{name}' can be drawn from {SIZES[0]} to {SIZES[1]} pixels; {drawing.size} is "
                "its own size."
            )
        self.drawing, self.split, self.source = drawing, split, name
        self.shape = (drawing.channels if channels is None else channels, size, size)
        self.name = name if size == drawing.size else sized_name(name, size)
        self.skipped = {}
        self.factor_names, self.factor_sizes = drawing.factor_names, drawing.factor_sizes
        self.attribute_names = tuple(drawing.attributes)
        train, test = drawing.cells()
        self._cells = {"train": train, "test": test, "all": np.concatenate([train, test])}[split]
        self.labels = self.column(drawing.label)
        self._keeps = len(self) * int(np.prod(self.shape)) <= cache_mib * 2**20
        self._forget()

    def _forget(self) -> None:
        self._cache = np.empty((len(self) if self._keeps else 0, *self.shape), np.uint8)
        self._filled = np.zeros(len(self._cache), bool)

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def in_memory(self) -> bool:
        """Whether every picture has been drawn and kept."""
        return self._keeps and bool(self._filled.all())

    @cached_property
    def factors(self) -> np.ndarray:  # type: ignore[override]
        """Factor values, int64 of shape (N, K), each from 0 to the size of its factor less 1."""
        return np.stack(np.unravel_index(self._cells, self.factor_sizes), axis=1)

    @cached_property
    def attributes(self) -> np.ndarray | None:  # type: ignore[override]
        """Yes (1) or no (0), int64 of shape (N, A), or None where the drawing has no attributes."""
        if not self.attribute_names:
            return None
        return np.stack([self.column(name) for name in self.attribute_names], axis=1)

    def column(self, name: str) -> np.ndarray:
        """Return a factor or attribute of every picture, int64 of shape (N,); see `ImageData.column`."""
        if name in self.drawing.attributes:
            factor, values = self.drawing.attributes[name]
            return np.isin(self.column(factor), values).astype(np.int64)
        if name in self.factor_names:  # without making the table of all of them
            return np.unravel_index(self._cells, self.factor_sizes)[self.factor_names.index(name)].astype(np.int64)
        return super().column(name)

    def read(self, indices: Indices) -> torch.Tensor:
        """Return pictures, uint8 of shape (B, C, H, W); see `ImageData.read`."""
        rows = as_rows(indices, len(self))
        if not self._keeps:
            return torch.from_numpy(self._draw(rows))
        wanted = np.unique(rows)
        missing = wanted[~self._filled[wanted]]
        if len(missing):
            self._cache[missing] = self._draw(missing)
            self._filled[missing] = True  # after the pixels: another thread may be reading
        return torch.from_numpy(self._cache[rows])

    def _draw(self, rows: np.ndarray) -> np.ndarray:
        pictures = np.empty((len(rows), *self.shape), np.uint8)
        for start in range(0, len(rows), CHUNK):
            cells = self._cells[rows[start : start + CHUNK]]
            drawn = self.drawing.render(np.stack(np.unravel_index(cells, self.factor_sizes), axis=1), self.shape[1])
            if self.shape[0] == 1 and self.drawing.channels == 3:
                drawn = ((drawn.sum(1, dtype=np.uint16, keepdims=True) + 1) // 3).astype(np.uint8)
            pictures[start : start + CHUNK] = drawn  # grey is repeated where colour was asked for
        return pictures

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_cache", "_filled")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def fingerprint(self) -> str:
        """Return a hash of the drawing's version, the shape and the cells; nothing is drawn for it."""
        digest = hashlib.sha256(f"{self.drawing.version} {self.shape} {self.factor_sizes}".encode())
        digest.update(self._cells.astype("<i8").tobytes())
        return digest.hexdigest()[:16]

    def rules(self) -> dict[str, Any]:
        """Return how the pictures come about."""
        return {"drawn": self.drawing.version, "kept in memory": self._keeps}


def some_cells(count: int, train: int, test: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose disjoint cells by chance, the same ones in every run and with every version of NumPy.

    Args:
        count: Number of cells, at least train + test.
        train: How many to train on.
        test: How many to hold out.

    Returns:
        Two int64 arrays of shapes (train,) and (test,), each in ascending order.
    """
    order = np.random.RandomState(0).permutation(count)  # its streams are frozen
    return np.sort(order[test : test + train]).astype(np.int64), np.sort(order[:test]).astype(np.int64)


def check_factors(factors: np.ndarray, names: tuple[str, ...], sizes: tuple[int, ...]) -> np.ndarray:
    """Return factor values as int64 of shape (B, K).

    Raises:
        DataError: They are not whole numbers of that shape in the ranges of their factors.
    """
    values = np.asarray(factors)
    if values.ndim != 2 or values.shape[1] != len(names) or values.dtype.kind not in "iu":
        raise DataError(
            f"Factors of shape {values.shape} and type {values.dtype} cannot be drawn; whole numbers of shape "
            f"(B, {len(names)}) are expected: {', '.join(names)}."
        )
    for column, (name, size) in enumerate(zip(names, sizes, strict=True)):
        wrong = values[(values[:, column] < 0) | (values[:, column] >= size), column]
        if len(wrong):
            raise DataError(f"The factor {name} is {wrong[0]}, but must be from 0 to {size - 1}.")
    return values.astype(np.int64)
