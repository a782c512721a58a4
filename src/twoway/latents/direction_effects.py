"""Directions from labels of many things at once: how codes change when one of them alone does.

Where attributes come together in the pictures, what tells those with one from those without is partly the other. A
linear model of the codes on all that is known, w = mean + sum_k a_k e_k + rest, has for each attribute the effect e_k
that is its own, the others held still.

References:
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, sections 3.2.3 and 3.2.4 (what a coefficient
    of a regression with several inputs and several outputs means) and 3.4.1 (ridge).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from twoway.errors import ConfigError, DataError, closest
from twoway.latents.direction_machines import Fitting, gap, judged
from twoway.latents.direction_points import (
    HELD,
    check_kinds,
    direction_along,
    known_points,
    one_in_six,
    points_of,
    truth_of,
)
from twoway.latents.directions import Direction
from twoway.model import TwoWayModel

__all__ = ["EFFECTS", "RIDGE", "best_cut", "fit_effect", "joint_effects"]

Array: TypeAlias = "np.ndarray[Any, Any]"
EFFECTS = Fitting("effects")
RIDGE = 1e-4
"""Added to the diagonal of the attributes' correlations. Independent attributes have effects shorter by a
ten-thousandth; two columns that differ in fewer than about one of ten thousand pictures share one effect, by halves
where they are the same."""


def joint_effects(points: Array, attributes: Array, ridge: float = RIDGE) -> Array:
    """Least squares of points on all attributes at once.

    Args:
        points: Shape (N, dim), float64.
        attributes: 1 and 0, (N, K), none of them the same for all.
        ridge: See `RIDGE`.

    Returns:
        Effects (K, dim): how the mean of the points changes from 0 to 1 of each attribute, the others held still.
    """
    spread = attributes.std(0)
    columns = (attributes - attributes.mean(0)) / spread
    correlations = columns.T @ columns / len(columns)
    slopes = np.linalg.solve(
        correlations + ridge * np.eye(len(correlations)), columns.T @ (points - points.mean(0)) / len(columns)
    )
    found: Array = slopes / spread[:, None]
    return found


def best_cut(along: Array, labels: Array, balanced: bool = True) -> float:
    """The threshold above which numbers are best taken for those with something.

    Args:
        along: Numbers (N,).
        labels: Whether each has it, both kinds there.
        balanced: Whether the mean accuracy of both kinds counts, else that of all.

    Returns:
        Half way between two numbers; beyond all of them where saying the same of all is best.
    """
    order = np.argsort(along, kind="stable")
    values, has = along[order], labels[order].astype(np.float64)
    with_, without = (has / has.sum(), (1 - has) / (1 - has).sum()) if balanced else (has, 1 - has)
    # right ones with the cut before each number, and after the last
    right = np.r_[0.0, np.cumsum(without)] + with_.sum() - np.r_[0.0, np.cumsum(with_)]
    beyond = max(float(values[-1] - values[0]), 1e-12)
    cuts = np.r_[values[0] - beyond, (values[1:] + values[:-1]) / 2, values[-1] + beyond]
    apart = np.r_[True, values[1:] > values[:-1], True]
    return float(cuts[np.argmax(np.where(apart, right, -1.0))])


def fit_effect(
    model: TwoWayModel,
    name: str,
    w: Tensor,
    known: Mapping[str, Array],
    *,
    beside: Sequence[str] | None = None,
    held_out: tuple[Tensor, Array] | None = None,
    fitting: Fitting = EFFECTS,
    layers: Sequence[int] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Direction:
    """Find how codes change when one attribute alone does, from codes of which several are known.

    Args:
        model: Whose codes they are.
        name: What grows.
        w: Codes (N, layers, dim), or their means over the layers that count, (N, 1, dim).
        known: Name to 1, 0 or NaN, (N,): `name` and what else is known.
        beside: What is held still; None is all else that is 1 for some and 0 for others, two of each at least. Codes
            of which one of them is unknown are left out.
        held_out: Codes and what is known of `name` of them, to be tested on; None holds out one in six of each kind.
        fitting: Seed, and whether the threshold is best for both kinds alike or for all.
        layers: See `twoway.latents.direction_fitting.fit_direction`.
        facts: Plain data to keep with it.

    Returns:
        The direction with the effect as vector; its hyperplane has the threshold along it that is best on what was
        trained on. Facts as of `fit_direction`; ``held`` are the names held still, ``alone`` the share of the
        attribute's variance that those do not explain, ``dropped`` counts codes left out as unknown.

    Raises:
        ConfigError: A name of which nothing is known.
        DataError: Fewer than two of a kind, other values than 0 and 1, fewer codes than attributes, or no effect.
    """
    others = _held_still(name, known, beside)
    attributes = np.stack([truth_of(known[one], len(w), one) for one in (name, *others)], 1)
    usable = ~np.isnan(attributes).any(1)
    if not usable.any() and others:
        raise DataError(
            f"There is no picture of which all of {name}, {', '.join(others)} are known. Name fewer to be held still "
            "(--beside)."
        )
    points, attributes = points_of(model, w, layers)[usable], attributes[usable]
    if held_out is None:
        held = one_in_six(attributes[:, 0] > 0.5, fitting.seed)
        test, truths, on = points[held], attributes[held, 0] > 0.5, f"one in {HELD}, by chance"
        points, attributes = points[~held], attributes[~held]
    else:
        test, truths = known_points(model, *held_out, layers, name, least=0)
        on = "held-out pictures"
    for one, column in zip((name, *others), attributes.T, strict=True):
        if beside is not None or one == name:
            check_kinds(column > 0.5, one)
    varied = np.minimum(attributes.sum(0), (1 - attributes).sum(0)) >= 2  # as `check_kinds` asks of those named
    others = [one for one, there in zip(others, varied[1:], strict=True) if there]
    attributes = attributes[:, varied]
    if len(points) < attributes.shape[1] + 2:
        raise DataError(
            f"There are {len(points)} pictures to learn the effects of {attributes.shape[1]} attributes from, but "
            "there must be more pictures than attributes. Use more pictures, or hold fewer attributes still (--beside)."
        )
    coefficients = joint_effects(points, attributes)[0]
    length = float(np.linalg.norm(coefficients))
    labels, along = attributes[:, 0] > 0.5, points @ coefficients
    if not (np.isfinite(length) and length > 0 and along.std() > 0):
        raise DataError(f"'{name}' has no effect on the codes, so there is no direction of it.")
    cut = best_cut(along, labels, fitting.balanced)
    about = {
        **(facts or {}),
        **dataclasses.asdict(fitting),
        "converged": True,
        "length": length,
        "train": judged(along > cut, labels),
        "held_out": {**judged(test @ coefficients > cut, truths), "on": on},
        "gap": gap(along, labels),
        "held": others,
        "alone": _alone(attributes),
        "ridge": RIDGE,
        "dropped": int((~usable).sum()),
    }
    return direction_along(model, name, coefficients, -cut, points, layers, "labels", about)


def _held_still(name: str, known: Mapping[str, Array], beside: Sequence[str] | None) -> list[str]:
    for one in (name, *(beside or ())):
        if one not in known:
            raise ConfigError(f"Nothing called '{one}' is known of the codes{closest(one, known)}.")
    if beside is not None:
        return [one for one in dict.fromkeys(beside) if one != name]
    values = {one: np.asarray(column, np.float64) for one, column in known.items() if one != name}
    return [one for one, column in values.items() if set(np.unique(column[~np.isnan(column)]).tolist()) == {0.0, 1.0}]


def _alone(attributes: Array) -> float:
    """Share of the variance of the first column that a linear model of the others leaves."""
    columns = attributes - attributes.mean(0)
    first, rest = columns[:, 0], columns[:, 1:]
    if not rest.shape[1]:
        return 1.0
    left = first - rest @ np.linalg.lstsq(rest, first, rcond=None)[0]
    return float(left.var() / first.var())
