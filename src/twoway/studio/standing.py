"""Where a picture stands along directions, in what sliders count, for each rule of edits."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from twoway.latents.directions import Direction
from twoway.latents.editing import ALAE_LAYERS, EditMode

__all__ = ["amount", "standing"]


def amount(direction: Direction, value: float, mode: EditMode) -> float:
    """What `twoway.latents.editing.edit_codes` is given for a slider that counts standard deviations of codes.

    ALAE's rule counts vectors of the length that they have; the others count deviations themselves.
    """
    return value * _unit(direction) if mode == "alae" else value


def standing(
    direction: Direction, w: Tensor, mode: EditMode, w_avg: Tensor, layers: Sequence[int] | None = None
) -> float:
    """The value of a slider with which an edit along this direction alone leaves a picture as it is.

    Args:
        direction: Of the slider.
        w: Code of the picture, (1, layers, dim).
        mode: Rule of the edit: 0 for ``relative``; for ``absolute`` the signed distance from the hyperplane; for
            ``alae`` what the code has along the direction beyond the mean code. All in standard deviations.
        w_avg: Mean code, (dim,) or (layers, dim).
        layers: Rows that count; None leaves it to the direction and the rule.
    """
    if mode == "relative":
        return 0.0
    if mode == "absolute":
        return direction.position(w, layers).item() / direction.deviation
    rows = direction.rows(w.shape[1], layers)
    if layers is None and direction.layers is None:
        rows = tuple(row for row in rows if row < ALAE_LAYERS)
    along = ((w - w_avg.to(w)) * direction.vector.to(w)).sum(2)[0, list(rows)]
    return (along.mean() if len(direction.vector) == 1 else along.sum()).item() / _unit(direction)


def _unit(direction: Direction) -> float:
    """One standard deviation of codes in ALAE's t."""
    return direction.vector.norm().item() * direction.deviation
