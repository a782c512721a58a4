"""Directions along which other things stay as they are.

References:
    Shen et al., Interpreting the Latent Space of GANs for Semantic Face Editing (InterFaceGAN), arXiv 1907.10786,
    section 3.3 (conditional manipulation).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from twoway.errors import ConfigError, ModelError
from twoway.latents.directions import Direction

__all__ = ["orthogonal_to"]

_DEPENDENT = 1e-4
"""A direction of which conditions leave a shorter part than this, of a length of 1, lies in what they span."""


def orthogonal_to(direction: Direction, conditions: Sequence[Direction]) -> Direction:
    """The part of a direction along which other things stay, to first order, as they are.

    n' = n - sum a_k c_k with Gram matrix G a = (<n, c_k>), G = (<c_j, c_k>), of unit normals, scaled to unit length.
    The intercept follows in the same way, so that the new position is that combination of the old ones; the deviation
    is kept, and `measured_on` measures it anew. Where one of the vectors differs between rows, only the rows that both
    the direction and a condition act on count: what the result does to conditions is nothing in sum over these, and
    so no longer nothing when it is told to act on other rows (as ``Smiling=1@coarse``).

    Args:
        direction: What is to grow.
        conditions: What is not to change; any number, dependent ones too.

    Raises:
        ModelError: Directions of several models or shapes.
        ConfigError: Nothing of the direction is left.

    References:
        Shen et al., arXiv 1907.10786, section 3.3; the solve for any number of conditions is that of LIA's tools.
    """
    if not conditions:
        return direction
    same = {one.fingerprint for one in (direction, *conditions)}
    rows = max(len(one.vector) for one in (direction, *conditions))
    shapes = {tuple(one.vector.shape) for one in (direction, *conditions)}
    if len(same) > 1 or not shapes <= {(1, direction.vector.shape[1]), (rows, direction.vector.shape[1])}:
        raise ModelError(
            f"The directions {', '.join(one.name for one in (direction, *conditions))} belong to {len(same)} models or "
            "have different shapes. Take directions of one model."
        )
    acting = set(direction.rows(rows)) if rows > 1 else {0}
    shared = [sorted(acting & set(one.rows(rows))) if rows > 1 else [0] for one in (direction, *conditions)]
    # a condition that acts on other rows than the direction stays as it is anyway
    used = [(one, on) for one, on in zip((direction, *conditions), shared, strict=True) if on]
    normals = [_on_rows(one.normal, rows, on) for one, on in used]
    lengths = [normal.norm() for normal in normals]
    n, *others = (normal / length if length > 0 else normal for normal, length in zip(normals, lengths, strict=True))
    c = torch.stack(others) if others else n.new_zeros(0, len(n))
    # positions in units of the normals at unit length: a mean over rows of a vector for all rows, a sum of others
    factors = [
        math.sqrt(len(on)) if len(one.vector) == 1 else 1 / max(float(length), _DEPENDENT)
        for (one, on), length in zip(used, lengths, strict=True)
    ]
    a = torch.linalg.pinv(c @ c.T, rtol=1e-9, hermitian=True) @ (c @ n)
    left = n - a @ c
    length = float(left.norm())
    if length < _DEPENDENT:
        raise ConfigError(
            f"Nothing of the direction '{direction.name}' is left: it lies in what "
            f"{', '.join(one.name for one in conditions)} span. Leave one of the conditions out."
        )
    offsets = [factor * one.intercept for factor, (one, _) in zip(factors, used, strict=True)]
    offset = (offsets[0] - sum(x * y for x, y in zip(a.tolist(), offsets[1:], strict=True))) / length
    facts = {**direction.facts, "orthogonal_to": [one.name for one in conditions], "left": length}
    return dataclasses.replace(
        direction,
        vector=(left / length).float().reshape(rows, -1),
        intercept=offset,
        deviation=factors[0] * direction.deviation,
        facts=facts,
    )


def _on_rows(normal: Tensor, count: int, rows: Sequence[int]) -> Tensor:
    """A normal (1 or count, dim) on some rows and 0 on the others, flat, float64."""
    found = torch.zeros(count, normal.shape[1], dtype=torch.float64)
    found[list(rows)] = normal.expand(count, -1)[list(rows)].double().cpu()
    return found.flatten()
