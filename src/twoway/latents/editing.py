"""Edits: codes moved along directions, by LIA's, InterFaceGAN's and ALAE's rules.

References:
    Zhu et al., LIA, arXiv 1906.08090, section 6.1 (relative). Shen et al., InterFaceGAN, arXiv 1907.10786, section 3.3
    (absolute). Pidhorskyi et al., ALAE, arXiv 2004.04467, section 5, and the official interactive demo (alae).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from twoway.errors import ConfigError, ModelError, closest
from twoway.latents.directions import Direction, choose_directions
from twoway.latents.style_mixing import layers_of
from twoway.model import TwoWayModel

__all__ = ["ALAE_LAYERS", "EditMode", "EditUnit", "Moves", "edit_codes", "read_moves"]

EditMode: TypeAlias = Literal["relative", "absolute", "alae"]
EditUnit: TypeAlias = Literal["deviation", "length"]
Moves: TypeAlias = Sequence[tuple[Direction, float]]
"""Directions, and how far to go along each."""

ALAE_LAYERS = 16
"""ALAE's demo edits the layers before this one, those up to 512x512 pixels."""


def edit_codes(
    w: Tensor,
    moves: Moves,
    *,
    mode: EditMode = "relative",
    unit: EditUnit = "deviation",
    layers: Sequence[int] | None = None,
    w_avg: Tensor | None = None,
) -> Tensor:
    """Move codes along directions.

    ``relative`` is LIA's: every code moves by t, w + sum t n with unit normals n. ``absolute`` is InterFaceGAN's: every
    code moves to the signed distance t from the hyperplane, wherever it was; with several directions to all distances
    at once, which takes a solve with their Gram matrix. ``alae`` is ALAE's: what w - w_avg has along the vectors is
    replaced, ``w - sum <w - w_avg, d> d + sum t d``, with all products taken first and vectors d of the length that
    they have; those of several directions are treated one by one, as they are there, orthogonal or not.

    Args:
        w: Codes (B, layers, dim).
        moves: Directions, and t of each.
        mode: Whose rule.
        unit: What t counts: standard deviations of codes along the direction, or units of length of w. ALAE's t
            counts vectors, whatever is said here.
        layers: Rows to move; None leaves it to each direction, and to ALAE's rule, that rows from 16 on stay.
        w_avg: Mean code, (dim,) or (layers, dim), which only ``alae`` needs.

    Returns:
        New codes (B, layers, dim).

    Raises:
        ConfigError: An unknown mode or unit, a t that is not finite, no mean code for ``alae``, or absolute distances
            along directions that depend on each other.
        ModelError: Directions that do not fit the codes.
    """
    for word, value, known in (("mode", mode, get_args(EditMode)), ("unit", unit, get_args(EditUnit))):
        if value not in known:
            raise ConfigError(f"The {word} of the edit is '{value}'{closest(value, known)}")
    _check_moves(w, moves)
    if not moves:
        return w
    return _RULES[mode](w, moves, unit, layers, w_avg)


def read_moves(
    texts: Iterable[str] | Mapping[str, float], directions: Mapping[str, Direction], model: TwoWayModel
) -> list[tuple[Direction, float]]:
    """Read what a user writes for edits: ``Smiling=2``, ``Smiling=2@coarse`` or ``Smiling=-1.5@0-3,6``.

    Args:
        texts: One text for each edit; or a mapping from names, with or without ``@layers``, to numbers.
        directions: Those that there are, by name.
        model: Says which layers there are, see `twoway.latents.style_mixing.layers_of`.

    Returns:
        Moves for `edit_codes`; a direction that layers were named for acts on those.

    Raises:
        ConfigError: A text without a number, a direction or layers that are not there, or a direction twice on the
            same layers.
        ModelError: Layers of a model that takes one code for the whole picture.
    """
    parts = [_taken_apart(one) for one in (texts.items() if isinstance(texts, Mapping) else texts)]
    moves: list[tuple[Direction, float]] = []
    for (name, t, layers), direction in zip(parts, choose_directions(directions, [p[0] for p in parts]), strict=True):
        if layers is not None:
            direction = dataclasses.replace(direction, layers=layers_of(model, layers))
        same = [one for one, _ in moves if one.name == name]
        if any(one.rows(model.w_shape[0]) == direction.rows(model.w_shape[0]) for one in same):
            raise ConfigError(f"The edit names '{name}' twice. Give the direction once, or on different layers.")
        moves.append((direction, t))
    return moves


def _taken_apart(given: str | tuple[str, float]) -> tuple[str, float, str | None]:
    """Name, number and layers of an edit."""
    if isinstance(given, str):
        name, equals, rest = given.partition("=")
        number, at, layers = rest.partition("@")
    else:
        name, at, layers = given[0].partition("@")
        equals, number = "=", str(given[1])
    try:
        t = float(number)
    except ValueError:
        t = math.nan
    if not equals or not name.strip() or not math.isfinite(t):
        shown = given if isinstance(given, str) else f"{given[0]}={given[1]}"
        raise ConfigError(
            f"The edit is '{shown}', but must be a direction and a number, and may name layers: Smiling=2, "
            "Smiling=-1.5, Smiling=2@coarse or Smiling=2@0-3."
        )
    return name.strip(), t, layers if at else None


def _relative(w: Tensor, moves: Moves, unit: EditUnit, layers: Sequence[int] | None, _: Tensor | None) -> Tensor:
    shifts, steps, _rows = _shifts(w, moves, unit, layers)
    return w + torch.einsum("k,kld->ld", steps, shifts)


def _absolute(w: Tensor, moves: Moves, unit: EditUnit, layers: Sequence[int] | None, _: Tensor | None) -> Tensor:
    shifts, steps, rows = _shifts(w, moves, unit, layers)
    means = torch.tensor([len(r) if len(d.vector) == 1 else 1 for (d, _t), r in zip(moves, rows, strict=True)]).to(w)
    # how far the position along each direction goes when codes are shifted along each other one
    gram = torch.einsum("kld,jld->kj", shifts, shifts) / means[:, None]
    if not float(torch.linalg.cond(gram.double())) < 1e6:  # not a number for zeros
        names = ", ".join(direction.name for direction, _t in moves)
        raise ConfigError(
            f"Codes cannot be put at any distances from the hyperplanes of {names}: their directions depend on each "
            "other, or one does not act on the layers named. Leave one out, or use the mode 'relative'."
        )
    now = torch.stack([direction.position(w, r) for (direction, _t), r in zip(moves, rows, strict=True)], dim=1)
    amounts = torch.linalg.solve(gram.double(), (steps - now).double().T).to(w)
    return w + torch.einsum("kb,kld->bld", amounts, shifts)


def _like_alae(w: Tensor, moves: Moves, _: EditUnit, layers: Sequence[int] | None, w_avg: Tensor | None) -> Tensor:
    if w_avg is None:
        raise ConfigError("ALAE's edits are relative to the mean code: give w_avg, or use the mode 'relative'.")
    around = w - w_avg.to(w)
    moved = w
    for direction, t in moves:
        chosen = direction.rows(w.shape[1], layers)
        if layers is None and direction.layers is None:
            chosen = tuple(row for row in chosen if row < ALAE_LAYERS)
        along = (around * direction.vector.to(w)).sum(2)[:, list(chosen)]
        value = along.mean(1) if len(direction.vector) == 1 else along.sum(1)
        moved = moved + (t - value)[:, None, None] * _on_rows(direction.vector, chosen, w)
    return moved


_RULES: dict[EditMode, Callable[[Tensor, Moves, EditUnit, Sequence[int] | None, Tensor | None], Tensor]] = {
    "relative": _relative,
    "absolute": _absolute,
    "alae": _like_alae,
}


def _shifts(
    w: Tensor, moves: Moves, unit: EditUnit, layers: Sequence[int] | None
) -> tuple[Tensor, Tensor, list[tuple[int, ...]]]:
    """Unit shifts (K, layers, dim), how far to go (K,), and the rows that each acts on."""
    rows = [direction.rows(w.shape[1], layers) for direction, _ in moves]
    shifts = [_on_rows(direction.normal, chosen, w) for (direction, _), chosen in zip(moves, rows, strict=True)]
    steps = [t * (direction.deviation if unit == "deviation" else 1.0) for direction, t in moves]
    return torch.stack(shifts), torch.tensor(steps).to(w), rows


def _on_rows(vector: Tensor, rows: Sequence[int], w: Tensor) -> Tensor:
    """Shift (layers, dim) that acts on some rows only."""
    shift = torch.zeros(w.shape[1:], dtype=w.dtype, device=w.device)
    shift[list(rows)] = vector.to(w).expand(w.shape[1], -1)[list(rows)]
    return shift


def _check_moves(w: Tensor, moves: Moves) -> None:
    if w.ndim != 3:
        raise ModelError(f"Got codes of shape {tuple(w.shape)} to edit; expected (B, layers, dim).")
    for direction, t in moves:
        if direction.vector.shape[1] != w.shape[2]:
            raise ModelError(
                f"The direction '{direction.name}' is {direction.vector.shape[1]} wide, the codes are {w.shape[2]} "
                "wide. Use codes of the model that it was found for."
            )
        if not math.isfinite(t):
            raise ConfigError(f"The edit moves by {t} along '{direction.name}'; expected a finite number.")
