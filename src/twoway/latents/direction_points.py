"""Codes as points, and what is known of them: checked, one part held out; and directions of coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from twoway.errors import DataError
from twoway.latents.directions import Direction
from twoway.model import TwoWayModel

__all__ = ["HELD", "check_kinds", "direction_along", "known_points", "one_in_six", "points_of", "truth_of"]

Array: TypeAlias = "np.ndarray[Any, Any]"
HELD = 6
"""One code in six of each kind is held out where nobody says which."""


def points_of(model: TwoWayModel, w: Tensor, layers: Sequence[int] | None) -> Array:
    """Means of codes over rows, without the classes that a model is told: (N, dim), float64."""
    rows = w if w.shape[1] == 1 or layers is None else w[:, list(layers)]
    points: Array = rows[..., : w.shape[2] - model.recipe.labels].double().mean(1).cpu().numpy()
    if not np.isfinite(points).all():
        raise DataError("Some of the codes are not finite; the encoder has diverged. Use an earlier checkpoint.")
    return points


def known_points(
    model: TwoWayModel, w: Tensor, has: Array, layers: Sequence[int] | None, name: str, least: int = 2
) -> tuple[Array, Array]:
    """Points (M, dim) and truth values (M,) of the codes of which it is known, at least `least` of each kind or 0."""
    has = truth_of(has, len(w), name)
    usable = ~np.isnan(has)
    labels = has[usable] > 0.5
    if least:
        check_kinds(labels, name)
    return points_of(model, w, layers)[usable], labels


def truth_of(has: Array, count: int, name: str) -> Array:
    """1, 0 and NaN of so many codes, float64; refuses other values and shapes.

    Raises:
        DataError: As said.
    """
    has = np.asarray(has, np.float64)
    if has.shape != (count,):
        raise DataError(f"There are {count} codes, but what is known of '{name}' has the shape {has.shape}.")
    odd = sorted(set(np.unique(has[~np.isnan(has)]).tolist()) - {0.0, 1.0})
    if odd:
        raise DataError(
            f"'{name}' has the value {odd[0]:g} for some of the pictures; expected 1 for those that have it and 0 for "
            "those that have not. Real numbers are scores: give them as such."
        )
    return has


def check_kinds(labels: Array, name: str) -> None:
    """Refuse truth values of fewer than two of a kind.

    Raises:
        DataError: As said.
    """
    count, total = int(labels.sum()), len(labels)
    if min(count, total - count) < 2:
        raise DataError(
            f"A direction is found from pictures with and without something, at least two of each to learn from, but "
            f"of '{name}' there are {count} with and {total - count} without. Use more pictures, or another attribute."
        )


def one_in_six(labels: Array, seed: int) -> Array:
    """Which are held out: one in six of each kind, where a kind has so many."""
    rng = np.random.default_rng(seed)
    held = np.zeros(len(labels), bool)
    for kind in (False, True):
        rows = np.flatnonzero(labels == kind)
        held[rng.permutation(rows)[: len(rows) // HELD]] = True
    return held


def direction_along(
    model: TwoWayModel,
    name: str,
    coefficients: Array,
    offset: float,
    points: Array,
    layers: Sequence[int] | None,
    kind: Literal["labels", "scores"],
    facts: Mapping[str, Any],
) -> Direction:
    """The direction with those coefficients of codes, and that constant, measured on points (N, dim)."""
    length = float(np.linalg.norm(coefficients))
    vector = torch.zeros(1, model.w_shape[1])
    vector[0, : len(coefficients)] = torch.from_numpy(coefficients).float()
    deviation = float((points @ coefficients).std()) / length
    acts_on = None if layers is None else tuple(sorted(set(layers)))
    return Direction(name, vector, model.fingerprint(), kind, offset / length, deviation, acts_on, facts)
