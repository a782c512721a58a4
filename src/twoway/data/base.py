"""What every source of pictures is to the rest of the package: a numbered list of uint8 pictures of one shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import torch

from twoway.errors import ConfigError, closest

__all__ = ["Fit", "ImageData", "Indices", "Split", "as_rows", "listing", "sized_name", "tolerated"]

Split = Literal["train", "test", "all"]
Fit = Literal["crop", "pad", "stretch"]
Indices = Sequence[int] | np.ndarray | torch.Tensor

LISTED = 20
"""How many files a message names before it only counts the rest."""


class ImageData(ABC):
    """Pictures with numbers 0..N-1, all of one shape, as uint8 until a batch is turned into floats.

    Attributes:
        name: Short name for run folders: ``digits``, ``mnist``, ``faces64``.
        source: What was asked for: a built-in name or an absolute path.
        split: ``train``, ``test`` or ``all``.
        shape: ``(channels, height, width)`` of what `read` returns.
        labels: int64 of shape (N,), or None where there are none.
        skipped: File name to reason, for the unusable files met so far.
        factors: What the pictures were made from, where that is known: int64 of shape (N, K), each value from 0 to the
            size of its factor less 1; else None.
        factor_names: Names of the K factors.
        factor_sizes: How many values each factor has.
        attributes: What is known of each picture by name, int64 of shape (N, A), mostly 1 for yes and 0 for no; or
            None.
        attribute_names: Names of the A attributes.
    """

    name: str
    source: str
    split: Split
    shape: tuple[int, int, int]
    labels: np.ndarray | None
    skipped: dict[str, str]
    factors: np.ndarray | None = None
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()
    attributes: np.ndarray | None = None
    attribute_names: tuple[str, ...] = ()

    @abstractmethod
    def __len__(self) -> int:
        """Return N, the number of pictures, unreadable ones that have not been met yet included."""

    @property
    @abstractmethod
    def in_memory(self) -> bool:
        """Whether every `read` from now on is a copy from memory, so that reading ahead is useless."""

    @abstractmethod
    def read(self, indices: Indices) -> torch.Tensor:
        """Return pictures; the same number always gives the same picture.

        Args:
            indices: B whole numbers in 0..N-1, in any order, repeats allowed.

        Returns:
            uint8 of shape (B, C, H, W), a fresh tensor.

        Raises:
            DataError: More pictures cannot be read than training should hide.
            IndexError: A number outside 0..N-1.
        """

    def labels_of(self, indices: Indices) -> np.ndarray:
        """Return the labels of pictures as `read` gave them, int64 (B,); of what stands in for broken ones too.

        Args:
            indices: As for `read`, which must have been called with them before.
        """
        assert self.labels is not None, "asked for only where there are labels"
        return self.labels[as_rows(indices, len(self))]

    def name_of(self, index: int) -> str:
        """Return what picture `index` is called: its file, or its number where there is no file."""
        return f"{index:06d}"

    def column(self, name: str) -> np.ndarray:
        """Return what is known of every picture under a name: a factor, or else an attribute.

        Returns:
            int64 of shape (N,).

        Raises:
            ConfigError: Nothing of that name is known.
        """
        for names, values in ((self.factor_names, self.factors), (self.attribute_names, self.attributes)):
            if name in names and values is not None:
                return values[:, names.index(name)]
        known = [*self.factor_names, *self.attribute_names]
        if not known:
            raise ConfigError(
                f"Nothing called '{name}' is known of the pictures of {self.source}, nor anything else but classes. "
                "Put a table attributes.csv beside the pictures (first column: the file; then a column of 0 and 1 for "
                "each attribute, with a heading), or leave the label out."
            )
        raise ConfigError(f"Nothing called '{name}' is known of the pictures of {self.source}{closest(name, known)}.")

    @abstractmethod
    def fingerprint(self) -> str:
        """Return 16 hex digits that name the content `read` returns; the same in every run and on every machine."""

    @abstractmethod
    def rules(self) -> dict[str, Any]:
        """Return, as plain data, how pictures are brought to `shape`."""

    def describe(self) -> dict[str, Any]:
        """Return plain data for run reports: where the pictures come from and what was done to them."""
        known: dict[str, Any] = {}
        if self.factor_names:
            known["factors"] = dict(zip(self.factor_names, self.factor_sizes, strict=True))
        if self.attribute_names:
            known["attributes"] = list(self.attribute_names)
        return {
            "name": self.name,
            "source": self.source,
            "split": self.split,
            "count": len(self),
            "shape": list(self.shape),
            "labels": self.labels is not None,
            **known,
            "rules": self.rules(),
            "fingerprint": self.fingerprint(),
        }


def as_rows(indices: Indices, count: int) -> np.ndarray:
    """Return indices as an int64 array of shape (B,), every one checked to be in 0..count-1.

    Arrays, because rows are copied with NumPy: torch's index_select wakes all its threads for each batch, and on a
    busy machine waiting for them took ten times as long as the copy.
    """
    rows = np.asarray(indices, dtype=np.int64).reshape(-1)
    if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= count):
        raise IndexError(
            f"picture numbers {int(rows.min())}..{int(rows.max())} asked for, but there are 0..{count - 1}"
        )
    return rows


def sized_name(name: str, size: int) -> str:
    """Return a name that ends with the size.

    Example:
        >>> sized_name("faces", 64), sized_name("faces64", 64), sized_name("cars96x72", 64)
        ('faces64', 'faces64', 'cars96x72-64')
    """
    if name.endswith(str(size)):
        return name
    return f"{name}-{size}" if name[-1:].isdigit() else f"{name}{size}"


def tolerated(total: int) -> int:
    """Return how many unusable pictures training works round: 5 % of the total, and always one.

    Example:
        >>> tolerated(10), tolerated(1000)
        (1, 50)
    """
    return max(1, total // 20)


def listing(reasons: dict[str, str] | Iterable[tuple[str, str]]) -> str:
    """Return ``name (reason); name (reason); ... and 7 more``, sorted, of at most 20 files."""
    pairs = sorted(dict(reasons).items())
    shown = "; ".join(f"{name} ({reason})" for name, reason in pairs[:LISTED])
    # A file name may hold bytes that are not UTF-8; they must not break the printing of the message.
    shown = shown.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"{shown}; and {len(pairs) - LISTED} more" if len(pairs) > LISTED else shown
