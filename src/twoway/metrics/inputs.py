"""What metrics are computed on: pictures in order, read in batches, with labels where needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from twoway.data.pixels import to_float
from twoway.errors import ConfigError, DataError
from twoway.model import TwoWayModel

__all__ = [
    "CHOICE_SEED",
    "Pictures",
    "ReadsPictures",
    "choose_rows",
    "encoder_batches",
    "float_batches",
    "labels_of",
]


class ReadsPictures(Protocol):
    """A data set as `twoway.data.open_data` gives it, as far as metrics use it."""

    labels: np.ndarray[Any, Any] | None

    def __len__(self) -> int:
        """How many pictures there are."""

    def read(self, indices: Sequence[int]) -> Tensor:
        """Pictures, uint8, shape (B, C, H, W)."""


CHOICE_SEED = 0
"""Of the pictures that `choose_rows` takes."""
Pictures: TypeAlias = ReadsPictures | Tensor
"""A data set, or a tensor (N, C, H, W): uint8, or float in [-1, 1]."""


def choose_rows(total: int, limit: int | None) -> np.ndarray[Any, Any]:
    """Numbers of the pictures that count: all in their order, or a fixed random choice of `limit`.

    The choice is random because data sets are often sorted by class, and fixed so that two models see the same.

    Raises:
        ConfigError: A limit below 1.
    """
    if limit is None or limit >= total:
        return np.arange(total)
    if limit < 1:
        raise ConfigError(f"The limit on the number of pictures is {limit}, but must be at least 1.")
    return np.sort(np.random.default_rng(CHOICE_SEED).permutation(total)[:limit])


def float_batches(
    data: Pictures, *, batch: int, device: torch.device, rows: np.ndarray[Any, Any] | None = None
) -> Iterator[Tensor]:
    """Pictures as models take them.

    Args:
        data: A data set or a tensor.
        batch: Pictures per batch.
        device: Where the batches go.
        rows: Numbers of the pictures wanted; all where None.

    Yields:
        Images in [-1, 1], float32, shape (B, C, H, W).

    Raises:
        DataError: No pictures, or a tensor of another type or shape.
    """
    wanted = np.arange(len(data)) if rows is None else rows
    if len(wanted) == 0:
        raise DataError("There are no pictures to measure on. Give a data set with at least one.")
    for start in range(0, len(wanted), batch):
        part = wanted[start : start + batch]
        pictures = data[torch.from_numpy(part)] if isinstance(data, Tensor) else data.read(part.tolist())
        if pictures.ndim != 4 or not (pictures.dtype == torch.uint8 or pictures.is_floating_point()):
            raise DataError(
                f"Got pictures of shape {tuple(pictures.shape)} and type {pictures.dtype}, but expected "
                "(N, channels, height, width), uint8 or float in [-1, 1]."
            )
        pictures = pictures.to(device)
        yield to_float(pictures) if pictures.dtype == torch.uint8 else pictures.float()


def encoder_batches(
    model: TwoWayModel, data: Pictures, *, batch: int, rows: np.ndarray[Any, Any] | None = None
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Pictures as a model's encoder takes them, on its device.

    Args:
        model: Whose encoder.
        data: A data set, labelled where the model is conditional, or a tensor.
        batch: Pictures per batch.
        rows: Numbers of the pictures wanted; all where None.

    Yields:
        Images in [-1, 1], float32, shape (B, C, H, W), and their labels (B,) for a conditional model, else None.

    Raises:
        DataError: No pictures, a tensor of another type or shape, or no labels for a conditional model.
    """
    labels: Tensor | None = None
    if model.recipe.labels:
        known = labels_of(data, what="A conditional model")
        labels = torch.from_numpy(known if rows is None else known[rows])
    done = 0
    for x in float_batches(data, batch=batch, device=model.device, rows=rows):
        yield x, None if labels is None else labels[done : done + len(x)]
        done += len(x)


def labels_of(data: Pictures, labels: Any = None, *, what: str = "This measure") -> np.ndarray[Any, Any]:
    """Labels (N,) of a data set, as integers.

    Args:
        data: Where they come from, unless given.
        labels: Labels given beside a tensor of pictures.
        what: Who needs them, at the beginning of a sentence.

    Raises:
        DataError: There are none, or not one per picture.
    """
    found = labels if labels is not None else getattr(data, "labels", None)
    if found is None:
        raise DataError(
            f"{what} needs a label for every picture, and the data have none. Use a labelled set (one folder per "
            "class, or a .npz with 'labels')"
            + (", or leave the measures knn and svm out." if what == "This measure" else ".")
        )
    array = np.asarray(found)
    if array.shape != (len(data),):
        raise DataError(f"There are {len(data)} pictures, but labels of shape {array.shape}; expected one per picture.")
    return array
