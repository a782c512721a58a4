"""1NN accuracy: the label of the nearest training example, by exact Euclidean distance.

References:
    Pidhorskyi et al., arXiv 2004.04467, Table 2; Donahue et al., arXiv 1605.09782, Table 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twoway.errors import DataError

__all__ = ["nearest_neighbours", "one_nn_accuracy"]

CROWD = 64
"""Near ties per test example above which a block is redone in float64 instead of pair by pair."""


def one_nn_accuracy(train: Any, train_labels: Any, test: Any, test_labels: Any, *, memory_mib: int = 256) -> float:
    """Share of test examples whose nearest training example has their label, in per cent.

    Args:
        train: Training features, shape (N, dim).
        train_labels: Shape (N,).
        test: Test features, shape (M, dim).
        test_labels: Shape (M,).
        memory_mib: Bound on the table of distances held at once.

    Raises:
        DataError: Shapes that do not fit, nothing to compare, or features that are not finite.
    """
    nearest = nearest_neighbours(train, test, memory_mib=memory_mib)
    return 100.0 * float(np.mean(np.asarray(train_labels)[nearest] == np.asarray(test_labels)))


@torch.no_grad()
def nearest_neighbours(train: Any, test: Any, *, memory_mib: int = 256) -> np.ndarray[Any, Any]:
    """Number of the nearest training example of each test example; among equally near ones the first.

    Distances are screened in float32 with a bound on the rounding, and whatever could be nearest is compared in
    float64 from the differences themselves, so the answer is that of a direct computation in float64 at the speed of
    one matrix product in float32.

    Args:
        train: Training features, shape (N, dim), any floating type, tensor or array.
        test: Test features, shape (M, dim).
        memory_mib: Bound on the table of distances held at once.

    Returns:
        int64, shape (M,).

    Raises:
        DataError: Shapes that do not fit, nothing to compare, or features that are not finite.
    """
    a, b = torch.as_tensor(test), torch.as_tensor(train)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not len(b):
        raise DataError(
            f"Nearest neighbours need features of shapes (M, dim) and (N, dim) with N at least 1; got test "
            f"{tuple(a.shape)} and training {tuple(b.shape)}."
        )
    if not (a.isfinite().all() and b.isfinite().all()):
        raise DataError(
            "Features hold values that are not finite, so there is no nearest neighbour; the encoder has diverged. "
            "Use an earlier checkpoint."
        )
    # distances do not change with a shift, but the rounding of large common offsets would
    centre = b.mean(0, dtype=torch.float64)
    b32 = _shifted(b, centre)
    b_square = b32.square().sum(1)
    rows = max(1, (memory_mib << 20) // (3 * 4 * len(b)))
    with _full_precision():
        found = [_block(part, _shifted(part, centre), b, b32, b_square) for part in a.split(rows)]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _shifted(x: Tensor, centre: Tensor) -> Tensor:
    """Centred float32 copy, made in pieces so that no float64 copy of everything is held."""
    return torch.cat([(part.double() - centre).float() for part in x.split(4096)])


def _block(a: Tensor, a32: Tensor, b: Tensor, b32: Tensor, b_square: Tensor) -> np.ndarray[Any, Any]:
    a_square = a32.square().sum(1)
    distance = torch.addmm(b_square, a32, b32.T, alpha=-2.0)  # up to a constant per row
    # a dot product of length d is off by at most d * eps * |a| |b|; the squares and the shift add a little
    slack = 4 * (a.shape[1] + 8) * torch.finfo(torch.float32).eps * (a_square + b_square.max())
    near = distance <= (distance.amin(1) + slack).unsqueeze(1)
    if int(near.sum()) > CROWD * len(a):
        return _crowded(a, b)
    row, column = near.nonzero(as_tuple=True)  # by row, then by column, so that the first of equals comes first
    exact = torch.cat(
        [
            (a[i].double() - b[j].double()).square().sum(1)
            for i, j in zip(row.split(8192), column.split(8192), strict=True)
        ]
    )
    order = np.lexsort((column.cpu().numpy(), exact.cpu().numpy(), row.cpu().numpy()))
    sorted_rows = row.cpu().numpy()[order]
    first = np.searchsorted(sorted_rows, np.arange(len(a)))
    return column.cpu().numpy()[order][first]


def _crowded(a: Tensor, b: Tensor) -> np.ndarray[Any, Any]:
    """The same where features are so alike that float32 cannot tell many apart, such as those of a dead encoder."""
    best = torch.full((len(a),), torch.inf, dtype=torch.float64, device=a.device)
    index = torch.zeros(len(a), dtype=torch.int64, device=a.device)
    for start in range(0, len(b), 4096):
        # the form by a matrix product would bring the cancellation back
        distance = torch.cdist(
            a.double(), b[start : start + 4096].double(), compute_mode="donot_use_mm_for_euclid_dist"
        )
        value = distance.amin(1)
        first = (distance == value.unsqueeze(1)).int().argmax(1)
        better = value < best
        best = torch.where(better, value, best)
        index = torch.where(better, first + start, index)
    return index.cpu().numpy()


@contextmanager
def _full_precision() -> Iterator[None]:
    """Training may let float32 products round to bfloat16; the bound above does not allow for that."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
