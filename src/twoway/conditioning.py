"""Labels that nets are told: one-hot beside the code for a generator, beside the image for an encoder and a critic.

References:
    Sohn, Lee, Yan, Learning Structured Output Representation using Deep Conditional Generative Models, NIPS 2015.
    Mirza and Osindero, Conditional Generative Adversarial Nets, arXiv 1411.1784, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from twoway.errors import ConfigError, DataError, ModelError

__all__ = [
    "Labels",
    "carried_labels",
    "class_count",
    "lonely_classes",
    "one_hot",
    "read_labels",
    "told_labels",
    "with_labels",
]

Labels: TypeAlias = "Tensor | Sequence[int] | np.ndarray[Any, Any] | int"
"""A class for each image, whole numbers (B,), or one for all of them."""

LISTED = 8


def read_labels(
    labels: Labels | None, classes: int, count: int, *, method: str, device: torch.device | None = None
) -> Tensor | None:
    """Labels as a model's nets take them.

    Args:
        labels: What the caller gave.
        classes: Number of the model's classes; 0 for a model that is told none.
        count: Images or codes they are for.
        method: Name of the model's method, for messages.
        device: Where the labels go.

    Returns:
        One-hot labels (count, classes); None for a model that is told none.

    Raises:
        ModelError: Labels are missing, needless, not one per image, or no classes of the model.
    """
    if labels is None:
        if not classes:
            return None
        raise ModelError(
            f"This {method} model was trained on pictures with their class, so it has to be told the class of each "
            f"picture here too. Give labels=, one of 0 to {classes - 1} for each picture or one for all; on the "
            "command line, a labelled data set (one folder per class, or a .npz with 'labels')."
        )
    if not classes:
        raise ModelError(
            f"Labels were given to a {method} model that knows no classes. Leave them out, or train a conditional "
            "model: twoway train ... --conditional."
        )
    given = torch.as_tensor(labels)
    if given.is_floating_point() or given.dtype == torch.bool or given.ndim > 1:
        raise ModelError(
            f"Got labels of type {given.dtype} and shape {tuple(given.shape)}; expected whole numbers, shape "
            f"({count},), or one for all."
        )
    if given.ndim == 0:
        given = given.expand(count)
    if len(given) != count:
        raise ModelError(f"Got {len(given)} labels for {count} pictures. Give one for each, or one for all.")
    if count and (int(given.min()) < 0 or int(given.max()) >= classes):
        wrong = given[(given < 0) | (given >= classes)][0]
        raise ModelError(
            f"There is no class {int(wrong)}: this {method} model was trained with the classes 0 to {classes - 1}."
        )
    return one_hot(given, classes).to(device)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels (B,) from 0 to classes - 1 as rows of zeros with a single one, (B, classes), of the default type.

    Example:
        >>> one_hot(torch.tensor([2, 0]), 3).tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    return functional.one_hot(labels.long(), classes).to(torch.get_default_dtype())


def with_labels(w: Tensor, y: Tensor | None) -> Tensor:
    """Latent codes (B, layers, dim) with one-hot labels (B, classes) behind them in every layer; None adds none."""
    return w if y is None else torch.cat([w, y[:, None].expand(-1, w.shape[1], -1).to(w.dtype)], dim=2)


def carried_labels(w: Tensor, classes: int) -> Tensor | None:
    """Classes (B,) that latent codes (B, layers, dim) carry behind them; None where there are no classes."""
    return w[:, 0, -classes:].argmax(1) if classes else None


def told_labels(
    labels: np.ndarray[Any, Any] | None, classes: int, start: int, stop: int
) -> np.ndarray[Any, Any] | None:
    """Labels of pictures `start` to `stop - 1` of a data set; None where a model is told none, or none are known."""
    return labels[start:stop] if classes and labels is not None else None


def class_count(labels: np.ndarray[Any, Any] | None, source: str) -> int:
    """Number of classes of a data set, whose labels count from 0.

    Args:
        labels: Of the pictures, (N,), or None.
        source: Name of the data set, for messages.

    Raises:
        DataError: There are no labels, or fewer than two classes.
    """
    known = _known(labels, source)
    classes = int(known.max()) + 1
    if classes < 2:
        raise DataError(
            f"A conditional model needs at least two classes, but all pictures of {source} are of the class "
            f"{int(known.max())}. Use data with more classes, or leave --conditional out."
        )
    return classes


def lonely_classes(labels: np.ndarray[Any, Any] | None, classes: int, source: str) -> list[int]:
    """Classes with a single picture, once the labels of a data set are found to fit a conditional recipe.

    Args:
        labels: Of the pictures, (N,), or None.
        classes: Number of classes that the recipe has.
        source: Name of the data set, for messages.

    Raises:
        DataError: There are no labels.
        ConfigError: Labels that are no classes of the recipe, or classes without any picture.
    """
    known = _known(labels, source)
    found, counts = np.unique(known, return_counts=True)
    outside = [int(c) for c in found if not 0 <= c < classes]
    if outside:
        raise ConfigError(
            f"The pictures of {source} have labels that are no classes of the recipe: {_listed(outside)}, but the "
            f"recipe has the classes 0 to {classes - 1}. Use --conditional, which counts the classes of the data, or "
            "number the classes from 0."
        )
    missing = sorted(set(range(classes)) - set(found.tolist()))
    if missing:
        raise ConfigError(
            f"Of {len(missing)} of the recipe's {classes} classes {source} has no picture: {_listed(missing)}. A model "
            "cannot learn what they look like, and would be asked for them. Add pictures of them, give fewer classes "
            "(--option classes=...), or number the classes from 0 without gaps."
        )
    return [int(c) for c, n in zip(found, counts, strict=True) if n == 1]


def _known(labels: np.ndarray[Any, Any] | None, source: str) -> np.ndarray[Any, Any]:
    if labels is None or not len(labels):
        raise DataError(
            f"A conditional model is told the class of every picture, and {source} has none. Use a labelled set (one "
            "folder per class, or a .npz with 'labels'; --label takes an attribute or known factor for the class), or "
            "train without classes."
        )
    return np.asarray(labels)


def _listed(classes: list[int]) -> str:
    return ", ".join(map(str, classes[:LISTED])) + (" ..." if len(classes) > LISTED else "")
