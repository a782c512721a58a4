"""Directions from what is known of pictures: normals of linear machines that tell codes apart.

From labels as ALAE finds them, from scores as InterFaceGAN does. ALAE's vectors keep the length of the machine's
coefficients, InterFaceGAN's are of unit length.

References:
    Pidhorskyi et al., ALAE, arXiv 2004.04467, section 5, and its official code (``principal_directions``: LinearSVC
    with C = 1 on the codes of all samples). Shen et al., InterFaceGAN, arXiv 1907.10786, section 4.1, and its official
    ``train_boundary`` (extremes, 70 : 30, the middle).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from twoway.errors import ConfigError, DataError, closest
from twoway.latents.conditional_directions import orthogonal_to
from twoway.latents.direction_effects import fit_effect
from twoway.latents.direction_examples import Examples
from twoway.latents.direction_machines import AS_PUBLISHED, BY_DEFAULT, Fitting, fit_machine, gap, judged
from twoway.latents.direction_points import HELD, check_kinds, direction_along, known_points, one_in_six, points_of
from twoway.latents.directions import Direction, measured_on
from twoway.model import TwoWayModel
from twoway.telling import Telling, silent

__all__ = ["conditioned", "fit_direction", "fit_directions", "fit_scored_direction"]

Array: TypeAlias = "np.ndarray[Any, Any]"
_TRAIN_SHARE = 0.7  # of the extremes, as InterFaceGAN shares them out


def fit_directions(
    model: TwoWayModel,
    names: Sequence[str],
    examples: Examples,
    *,
    held_out: Examples | None = None,
    scored: bool = False,
    share: float = 0.02,
    fitting: Fitting | None = None,
    layers: Sequence[int] | None = None,
    conditional_on: Sequence[str] = (),
    given: Mapping[str, Direction] | None = None,
    beside: Sequence[str] | None = None,
    progress: Telling = silent,
) -> dict[str, Direction]:
    """Find several directions from the same codes, each orthogonal to some others where that is asked for.

    Args:
        model: Whose codes they are.
        names: What is to grow along them.
        examples: Codes and what is known of them.
        held_out: Others to be tested on; see `fit_direction`.
        scored: Whether what is known are scores, see `fit_scored_direction`, and not 1 and 0.
        share: Of scores at either end.
        fitting: How; None is the default of `fit_direction` or of `fit_scored_direction`.
        layers: See `fit_direction`.
        conditional_on: Names of what is not to change; each direction is made orthogonal to theirs, not to its own.
        given: Directions that conditions may name besides those found here.
        beside: What is held still where the fitting is of ``effects``; None is all else that is known of the examples.
        progress: Told which direction is found.

    Raises:
        ConfigError: A condition that is neither given nor known of the examples, or that leaves nothing; something to
            be held still by another fitting than of ``effects``.
        DataError: See `fit_direction`, `fit_scored_direction` and `twoway.latents.direction_effects.fit_effect`.
    """
    how = fitting or (AS_PUBLISHED if scored else BY_DEFAULT)
    jointly = how.classifier == "effects" and not scored  # scores are refused further on
    if beside is not None and not jointly:
        raise ConfigError(
            f"{', '.join(beside)} cannot be held still (--beside) by {how.classifier}; only effects of 1 and 0 are "
            "fitted beside others (--classifier effects). Others are made orthogonal (--conditional-on)."
        )
    there = {**(given or {}), **dict.fromkeys(examples.known)}
    for name in conditional_on:
        if name not in there:
            raise ConfigError(
                f"The condition '{name}' is neither a direction nor known of the codes{closest(name, there)}."
            )
    plain: dict[str, Direction] = {}
    wanted = [*names, *(name for name in conditional_on if name not in names and examples.known.get(name) is not None)]
    for number, name in enumerate(wanted):
        progress("finding directions", number, len(wanted))
        if scored:
            plain[name] = fit_scored_direction(
                model, name, examples.w, examples.known[name], share=share, fitting=how, layers=layers,
                facts=examples.about,
            )  # fmt: skip
            continue
        test = None if held_out is None else (held_out.w, held_out.known[name])
        if jointly:
            plain[name] = fit_effect(
                model, name, examples.w, examples.known, beside=beside, held_out=test, fitting=how, layers=layers,
                facts=examples.about,
            )  # fmt: skip
        else:
            plain[name] = fit_direction(
                model, name, examples.w, examples.known[name], held_out=test, fitting=how, layers=layers,
                facts=examples.about,
            )  # fmt: skip
    progress("finding directions", len(wanted), len(wanted))
    known = {**(given or {}), **plain}
    return {
        name: conditioned(plain[name], [known[other] for other in conditional_on if other != name], examples.w)
        for name in names
    }


def fit_direction(
    model: TwoWayModel,
    name: str,
    w: Tensor,
    has: Array,
    *,
    held_out: tuple[Tensor, Array] | None = None,
    fitting: Fitting = BY_DEFAULT,
    layers: Sequence[int] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Direction:
    """Find the direction along which something grows, from codes of which it is known whether they have it.

    Args:
        model: Whose codes they are.
        name: What grows.
        w: Codes (N, layers, dim), or their means over the layers that count, (N, 1, dim).
        has: 1 where it is there, 0 where not, NaN where nobody knows: (N,). Unknown ones are left out.
        held_out: Codes and what is known of them, to be tested on; None holds out one in six of each kind.
        fitting: How.
        layers: Rows that are looked at, in the mean, and that the direction acts on; None is all.
        facts: Plain data to keep with it, as the pictures that were used.

    Returns:
        The direction with the raw coefficients as vector. Its facts tell ``train`` and ``held_out``: counts, accuracy,
        balanced accuracy and that of always saying the commoner; ``gap``, the distance between the means of both kinds
        in deviations, on what was trained on.

    Raises:
        DataError: Other values than 0 and 1, codes that are not finite, or fewer than two of a kind.
    """
    points, labels = known_points(model, w, has, layers, name)
    if held_out is None:
        held = one_in_six(labels, fitting.seed)
        test, truth, on = points[held], labels[held], f"one in {HELD}, by chance"
        points, labels = points[~held], labels[~held]
    else:
        test, truth = known_points(model, *held_out, layers, name, least=0)
        on = "held-out pictures"
    check_kinds(labels, name)
    coefficients, offset, converged = fit_machine(points, labels, fitting)
    said = judged(points @ coefficients + offset > 0, labels)
    tested = {**judged(test @ coefficients + offset > 0, truth), "on": on}
    known = {
        **(facts or {}),
        **dataclasses.asdict(fitting),
        "c": fitting.weight(points),
        "converged": converged,
        "length": float(np.linalg.norm(coefficients)),
        "train": said,
        "held_out": tested,
        "gap": gap(points @ coefficients, labels),
    }
    return direction_along(model, name, coefficients, offset, points, layers, "labels", known)


def fit_scored_direction(
    model: TwoWayModel,
    name: str,
    w: Tensor,
    scores: Array,
    *,
    share: float = 0.02,
    fitting: Fitting = AS_PUBLISHED,
    layers: Sequence[int] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Direction:
    """Find the direction along which a score grows, as InterFaceGAN does: from the codes of the extreme scores.

    Only the order of the scores matters. Of the highest and of the lowest a share is taken, 70 % of each to learn from
    and the others to test on; then the unused middle is classified, by which side of the mean of the highest and the
    lowest score it is on.

    Args:
        model: Whose codes they are.
        name: What grows.
        w: Codes (N, layers, dim), or their means over the layers that count, (N, 1, dim).
        scores: Any real numbers (N,); those that are not finite are left out.
        share: Taken at either end: a share of all up to 1, a number of codes above; at most half.
        fitting: How.
        layers: See `fit_direction`.
        facts: See `fit_direction`.

    Returns:
        The direction with a unit vector. Its facts tell ``train``, ``held_out`` (the other 30 % of the extremes) and
        ``middle``, None where nothing was left in between.

    Raises:
        ConfigError: A share that is not positive.
        DataError: Too few scores, or too many equal ones for a high and a low end.
    """
    scores = np.asarray(scores, np.float64)
    if not share > 0:
        raise ConfigError(f"The share of scores to take at either end is {share}, but must be positive.")
    usable = np.isfinite(scores) if scores.ndim == 1 and len(scores) == len(w) else None
    if usable is None:
        raise DataError(f"There are scores of shape {scores.shape} for {len(w)} codes of '{name}'; expected one each.")
    points = points_of(model, w, layers)[usable]
    scores, dropped = scores[usable], int((~usable).sum())
    chosen = min(int(len(scores) * share) if share <= 1 else int(share), len(scores) // 2)
    training = int(chosen * _TRAIN_SHARE)
    if training < 1 or chosen - training < 1:
        raise DataError(
            f"Of '{name}' there are {len(scores)} finite scores ({dropped} others), and {chosen} of them at either end "
            "are too few to learn from and to test on. Score more pictures, or take a larger share."
        )
    order = np.argsort(-scores, kind="stable")
    high, low = order[:chosen], order[-chosen:]
    if not scores[high[-1]] > scores[low[0]]:
        raise DataError(
            f"The scores of '{name}' have no {chosen} high and {chosen} low ones: too many of them are "
            f"{scores[high[-1]]:g}. Take a smaller share, or scores of finer steps."
        )
    middle = order[chosen:-chosen]
    rng = np.random.default_rng(fitting.seed)
    high, low = rng.permutation(high), rng.permutation(low)
    learn, test = (np.concatenate([high[part], low[part]]) for part in (slice(training), slice(training, None)))
    top = np.zeros(len(scores), bool)
    top[high] = True
    coefficients, offset, converged = fit_machine(points[learn], top[learn], fitting)
    length = float(np.linalg.norm(coefficients))
    side = points @ coefficients + offset > 0
    threshold = float(scores.max() + scores.min()) / 2
    known = {
        **(facts or {}),
        **dataclasses.asdict(fitting),
        "c": fitting.weight(points[learn]),
        "converged": converged,
        "length": length,
        "share": share,
        "taken": chosen,
        "dropped": dropped,
        "train": judged(side[learn], top[learn]),
        "held_out": {**judged(side[test], top[test]), "on": "30 % of the extremes"},
        "middle": judged(side[middle], scores[middle] >= threshold) if len(middle) else None,
        "threshold": threshold,
    }
    return direction_along(model, name, coefficients / length, offset / length, points, layers, "scores", known)


def conditioned(direction: Direction, conditions: Sequence[Direction], w: Tensor) -> Direction:
    """`orthogonal_to`, with the deviation measured on codes (N, layers, dim), or on their means (N, 1, dim).

    What the facts say of accuracies stays that of the direction without conditions.

    Raises:
        ConfigError: Nothing of the direction is left, or a condition differs between layers and there are only means.
        ModelError: Directions of several models.
    """
    if not conditions:
        return direction
    tall = [one.name for one in (direction, *conditions) if len(one.vector) > 1]
    if w.shape[1] == 1 and tall:
        raise ConfigError(
            f"The direction '{tall[0]}' differs between layers, but of the codes only means over layers are at hand. "
            "Encode the pictures first (twoway encode MODEL DATA -o codes.npz) and give --codes instead of --data, or "
            "leave the condition out."
        )
    found = orthogonal_to(direction, conditions)
    if w.shape[1] == 1 and len(found.vector) == 1:  # means over the rows that count
        return dataclasses.replace(measured_on(dataclasses.replace(found, layers=None), w), layers=found.layers)
    return measured_on(found, w)
