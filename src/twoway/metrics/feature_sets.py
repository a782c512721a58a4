"""What every measure between two sets of feature vectors asks of them, and how their neighbours are found.

Features are float32 on the CPU, one row a picture; products of them are taken in float64, block by block, so that
neither a float64 copy of a set nor a table of all pairs has to fit in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from twoway.errors import ConfigError, DataError

__all__ = ["BLOCK", "ROWS", "ball_radii", "check_feature_sets", "check_features", "squared_distances"]

BLOCK = 1024
"""Rows that are brought to float64 at a time."""
ROWS = 512
"""Rows of distances to all of another set that are held at a time: 200 MB for 50,000 pictures."""


def check_features(features: Tensor, which: str, *, first: int = 0) -> None:
    """Refuse what is no matrix of finite numbers.

    Args:
        features: One row a picture, (N, dim).
        which: What the pictures are, for the message: ``real``, ``made``.
        first: Number of the first picture, where this is one batch of several.

    Raises:
        DataError: Another shape, no numbers, or values that are not finite.
    """
    if features.ndim != 2 or features.shape[1] < 1 or not features.is_floating_point():
        raise DataError(
            f"The features of the {which} pictures are {features.dtype} of shape {tuple(features.shape)}; expected "
            "floating-point numbers of shape (pictures, dim), one row a picture. Average them over positions first."
        )
    for start in range(0, len(features), BLOCK):
        finite = features[start : start + BLOCK].isfinite().all(1)
        if not finite.all():
            picture = first + start + int(finite.int().argmin())
            raise DataError(
                f"The features of the {which} pictures hold NaN or infinite values, first in picture {picture} "
                "(counted from 0), so the set cannot be measured. The model that made that picture, or the feature "
                "extractor, has diverged: look at the picture, and use an earlier checkpoint or another extractor."
            )


def check_feature_sets(metric: str, real: Tensor, made: Tensor, *, least: int) -> None:
    """Refuse sets that cannot be compared.

    Args:
        metric: Name for the message.
        real: Features of the one set, (N, dim).
        made: Features of the other, (M, dim).
        least: Pictures either set must have.

    Raises:
        DataError: What `check_features` refuses, different widths, or too few pictures.
    """
    check_features(real, "real")
    check_features(made, "made")
    if real.shape[1] != made.shape[1]:
        raise DataError(
            f"The {metric} compares features of one extractor, but those of the real pictures have {real.shape[1]} "
            f"numbers each and those of the made pictures {made.shape[1]}. Compute both with the same extractor."
        )
    if min(len(real), len(made)) < least:
        raise DataError(
            f"The {metric} needs at least {least} pictures in each set; got {len(real)} real and {len(made)} made "
            "ones. Give more pictures; with few of them the figure says little anyway."
        )


def squared_distances(a: Tensor, b: Tensor, *, block: int = ROWS) -> Iterator[tuple[slice, Tensor]]:
    """Squared Euclidean distances between the rows of two sets, a block of rows at a time.

    Distances that rounding cannot tell from zero (below 1e-12 of the largest squared length) are zero, so copies of a
    picture are at no distance whichever way the product is split.

    Args:
        a: (N, dim).
        b: (M, dim).
        block: Rows of `a` at a time; does not change the result beyond rounding.

    Yields:
        Which rows of `a`, and their distances to all of `b`, (rows, M), float64.
    """
    # distances do not change with a shift, but the rounding of large common offsets would
    centre = b.mean(0, dtype=torch.float64)
    columns = [slice(start, start + BLOCK) for start in range(0, len(b), BLOCK)]
    b_square = torch.cat([(b[part].double() - centre).square().sum(1) for part in columns])
    for start in range(0, len(a), block):
        rows = slice(start, start + block)
        part = a[rows].double() - centre
        square = part.square().sum(1)
        found = torch.empty(len(part), len(b), dtype=torch.float64)
        for other in columns:
            found[:, other] = torch.addmm(b_square[other], part, (b[other].double() - centre).T, alpha=-2)
        found += square[:, None]
        found[found <= 1e-12 * max(square.max(), b_square.max())] = 0
        yield rows, found


def ball_radii(features: Tensor, k: int, *, block: int = ROWS) -> Tensor:
    """Squared distance of every picture to its k-th nearest other picture of the same set.

    Args:
        features: (N, dim), N above k.
        k: Which neighbour; 1 is the nearest.
        block: Rows at a time.

    Returns:
        (N,), float64.

    Raises:
        ConfigError: k below 1.
        DataError: No more pictures than k.
    """
    if k < 1:
        raise ConfigError(f"k is {k}, but the nearest neighbour is number 1: give a k of at least 1.")
    if len(features) <= k:
        raise DataError(
            f"The distance to neighbour number {k} of each picture needs at least {k + 1} pictures, but there are "
            f"{len(features)}. Give more pictures or a smaller k."
        )
    radii = torch.empty(len(features), dtype=torch.float64)
    for rows, found in squared_distances(features, features, block=block):
        found[torch.arange(len(found)), torch.arange(len(features))[rows]] = torch.inf  # itself is no neighbour
        radii[rows] = found.kthvalue(k, dim=1).values
    return radii
