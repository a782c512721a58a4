"""What a classifier is to learn of a data set: its classes, or attributes that are there or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from twoway.data import ImageData, require_classes
from twoway.errors import DataError

__all__ = ["ALL", "Targets", "choose_targets", "held_out_rows"]

ALL = "all"
"""In place of names of attributes: every one that is yes for some pictures and no for others."""

_PART = 6  # one picture in six is held out where a data set has no test pictures


@dataclass(frozen=True)
class Targets:
    """What is to be told of each picture.

    Args:
        of: Whether one class of several is right, or each attribute may be there.
        names: Name of each class, or of each attribute.
        values: Number of the class, int64 (N,); or 1 and 0 for each attribute, float32 (N, A).
        left_out: Attributes that could not be learnt, with the reason.
    """

    of: Literal["classes", "attributes"]
    names: tuple[str, ...]
    values: torch.Tensor
    left_out: tuple[str, ...] = ()

    def score(self, logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Whether each answer is right: (B,) for classes, (B, A) for attributes."""
        if self.of == "classes":
            return logits.argmax(1) == self.values[rows]
        return (logits > 0) == (self.values[rows] > 0.5)


def choose_targets(data: ImageData, attributes: Sequence[str] | None = None, *, like: Targets | None = None) -> Targets:
    """Find out what is known of pictures.

    Args:
        data: The pictures.
        attributes: Names of attributes, or ``all``; None takes the classes.
        like: What was learnt; classes then keep their numbers. None for the pictures that are learnt from.

    Raises:
        DataError: There are no labels, only one class or one value, values other than 0 and 1, or a class that is not
            among those learnt.
        ConfigError: An attribute that is not known.
    """
    return _classes(data, like) if attributes is None else _attributes(data, attributes, like)


def held_out_rows(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers of the pictures to learn from and of those held out, one in six, drawn by chance; each rising."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held = max(1, count // _PART)
    return order[held:].sort().values, order[:held].sort().values


def _classes(data: ImageData, like: Targets | None) -> Targets:
    if data.labels is None:
        more = (
            f"They have attributes ({', '.join(data.attribute_names[:5])} ...): name some with --attributes, or 'all'."
            if data.attribute_names
            else "Put them into one folder for each class, add a table labels.csv or attributes.csv, or use other data."
        )
        raise DataError(f"A classifier learns from labels, but the pictures of {data.source} have none. {more}")
    labels = np.asarray(data.labels)
    if like is None:
        require_classes(labels, data.source, least=3, what="A classifier")
        known = np.unique(labels)
    else:
        known = np.array([int(name) for name in like.names])
        strange = np.setdiff1d(labels, known)
        if len(strange):
            raise DataError(
                f"Test pictures of {data.source} are of class {strange[0]}, of which there are no training pictures. "
                f"Remove them, or add training pictures of that class."
            )
    numbers = torch.from_numpy(np.searchsorted(known, labels))
    return Targets("classes", tuple(str(int(label)) for label in known), numbers)


def _attributes(data: ImageData, wanted: Sequence[str], like: Targets | None) -> Targets:
    if data.attributes is None or not data.attribute_names:
        raise DataError(
            f"Nothing is known of the pictures of {data.source} by name. Put a table attributes.csv beside them (first "
            f"column: the file; then a column of 0 and 1 for each attribute, with a heading), or learn classes "
            f"(leave --attributes out)."
        )
    every = list(wanted) == [ALL]
    names = like.names if like else data.attribute_names if every else tuple(dict.fromkeys(wanted))
    kept, columns, left_out = [], [], []
    for name in names:
        values = np.unique(column := data.column(name))
        if set(values.tolist()) == {0, 1} or (like is not None and set(values.tolist()) <= {0, 1}):
            kept.append(name)
            columns.append(column)
            continue
        odd = f"is {values[0]} for all pictures" if len(values) == 1 else f"has the values {values[:5].tolist()}"
        if not every:
            raise DataError(
                f"The attribute '{name}' of {data.source} {odd}; to be learnt it must be 1 for some of the pictures "
                f"and 0 for the others. Leave it out of --attributes."
            )
        left_out.append(f"{name} ({odd})")
    if not kept:
        raise DataError(
            f"None of the attributes of {data.source} can be learnt: {'; '.join(left_out[:5])}. Each must be 1 for "
            f"some of the pictures and 0 for the others."
        )
    return Targets("attributes", tuple(kept), torch.from_numpy(np.stack(columns, 1)).float(), tuple(left_out))
