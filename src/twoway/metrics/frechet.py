"""Fréchet distance between the features of two sets of pictures, each taken as one Gaussian.

With the features of Inception v3 this is the FID. Features are named in every result, because figures of two feature
nets, or of different numbers of pictures, cannot be compared: the distance is biased upwards by about 1/n.

References:
    Heusel et al., GANs Trained by a Two Time-Scale Update Rule, arXiv 1706.08500, equation 6.
    Dowson and Landau, The Fréchet Distance between Multivariate Normal Distributions, 1982.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from twoway.errors import DataError
from twoway.metrics.feature_sets import BLOCK, check_features
from twoway.metrics.registry import Made, PooledFeatures, metric

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = [
    "Fid",
    "Moments",
    "feature_moments",
    "fid",
    "frechet_distance",
]


class Moments(NamedTuple):
    """Mean (dim,) and unbiased covariance (dim, dim) of features, float64, and of how many pictures where known."""

    mean: Tensor
    covariance: Tensor
    n: int | None = None


@dataclass(frozen=True)
class Fid:
    """The distance and what it is made of.

    Args:
        value: Squared Fréchet distance; lower is better, 0 for equal means and covariances.
        means: Its part due to the means alone: their squared distance. The rest is due to the covariances.
        n_real: Real pictures.
        n_made: Made pictures.
        dim: Numbers each picture is described by.
        warning: Why not to trust the figure, where there is a reason.
    """

    value: float
    means: float
    n_real: int | None
    n_made: int | None
    dim: int
    warning: str | None = None

    def plain(self) -> dict[str, Any]:
        """Names and values; the warning only where there is one."""
        facts = asdict(self)
        if self.warning is None:
            del facts["warning"]
        return facts


@torch.inference_mode()
def feature_moments(features: Tensor | Iterable[Tensor], *, which: str = "given") -> Moments:
    """Mean and covariance of features, summed in float64 a block of rows at a time.

    Args:
        features: One row a picture, (N, dim), or batches of such rows in any sizes; how they are divided does not
            change the result.
        which: What the pictures are, for messages: ``real``, ``made``.

    Raises:
        DataError: Fewer than two pictures, which have no covariance, values that are not finite, or batches of
            different widths.
    """
    from scipy.linalg import blas

    count = 0
    for values in _blocks(features, which):
        if count == 0:
            # sums of squares around zero would lose the digits of what varies little around a large mean
            shift = values.mean(0)
            total, squares = np.zeros(values.shape[1]), np.zeros((values.shape[1],) * 2, order="F")
        elif values.shape[1] != len(shift):
            raise DataError(
                f"Batches of features of the {which} pictures are {len(shift)} and {values.shape[1]} wide, but all "
                "must come from one extractor. Compute them with the same one."
            )
        values = values - shift
        total += values.sum(0)
        squares = blas.dsyrk(1.0, values.T, beta=1.0, c=squares, overwrite_c=1)  # the upper triangle
        count += len(values)
    if count < 2:
        raise DataError(
            f"The Fréchet distance compares covariances and needs at least 2 pictures, but got {count} {which} ones. "
            "Give more pictures; several times as many as there are features make a steady figure."
        )
    offset = torch.from_numpy(total / count)
    half = torch.from_numpy(squares.T).addr_(offset, offset, alpha=-count).div_(count - 1).tril_()
    return Moments(torch.from_numpy(shift) + offset, half + half.tril(-1).T, count)


def fid(real: Moments | Tensor, made: Moments | Tensor) -> Fid:
    """Fréchet distance of two sets with its parts, and a warning where there are too few pictures.

    Args:
        real: Features of real pictures, (N, dim), or their moments.
        made: Features of made pictures, (M, dim), or their moments.

    Raises:
        DataError: Features that are not finite, of different widths, or of fewer than two pictures.
    """
    a, b = (
        part if isinstance(part, Moments) else feature_moments(part, which=which)
        for part, which in ((real, "real"), (made, "made"))
    )
    value = frechet_distance(a, b)
    means = float((a.mean - b.mean).square().sum())
    return Fid(value, means, a.n, b.n, len(a.mean), _warning(a, b))


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Fréchet distance of two Gaussians: |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)).

    The trace of the root is the sum of the roots of the eigenvalues of the symmetric U S_b U^T, where S_a = U^T U. It
    stays real where covariances are singular, as they are with fewer pictures than features; U then has as many rows
    as S_a has independent ones.

    Args:
        a: Moments of one set.
        b: Moments of the other, as wide.

    Returns:
        0 for equal moments, up to rounding; never negative.

    Raises:
        DataError: Different widths, or moments that are not finite.

    Example:
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> frechet_distance(Moments(0 * one, one[None]), Moments(3 * one, 4 * one[None]))  # 3^2 + (2 - 1)^2
        10.0
    """
    if a.mean.shape != b.mean.shape:
        raise DataError(
            f"The Fréchet distance compares features of one extractor, but those of one set have {len(a.mean)} numbers "
            f"each and those of the other {len(b.mean)}. Compute both with the same extractor."
        )
    if not all(part.sum().isfinite() for part in (a.mean, a.covariance, b.mean, b.covariance)):
        raise DataError(
            "Means or covariances of features are NaN or infinite, so there is no Fréchet distance between the sets. "
            "Look for features that are not finite, or so large that their squares overflow."
        )
    first, second = a.covariance.double().cpu(), b.covariance.double().cpu()
    overlap = _eigenvalues(_shared(first, second)).clamp_min(0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum().cpu() + first.trace() + second.trace() - 2 * overlap
    return max(0.0, distance.item())


def _blocks(features: Tensor | Iterable[Tensor], which: str) -> Iterator[np.ndarray[Any, Any]]:
    """The rows in float64, as many at a time whatever the batches, so that sums are made in one order."""
    waiting: list[Tensor] = []
    seen = 0
    for batch in (features,) if isinstance(features, Tensor) else features:
        check_features(batch, which, first=seen)
        seen += len(batch)
        waiting.append(batch)
        if sum(map(len, waiting)) < BLOCK or any(part.shape[1] != batch.shape[1] for part in waiting):
            continue
        *whole, rest = (waiting[0] if len(waiting) == 1 else torch.cat(waiting)).split(BLOCK)
        if len(rest) == BLOCK:
            whole, rest = [*whole, rest], rest[:0]
        yield from (part.cpu().double().numpy() for part in whole)
        waiting = [rest]
    yield from (part.cpu().double().numpy() for part in waiting if len(part))


def _warning(a: Moments, b: Moments) -> str | None:
    counts = [part.n for part in (a, b) if part.n is not None]
    dim = len(a.mean)
    if not counts or min(counts) > dim:
        return None
    return (
        f"{min(counts)} pictures are too few for {dim} features: the covariance is singular and the distance biased "
        f"upwards. Compare it only with figures of as many pictures, or give more than {dim}, better ten times as many."
    )


def _shared(a: Tensor, b: Tensor) -> Tensor:
    """U b U^T, where U^T U is a: a symmetric matrix with the non-zero eigenvalues of a b."""
    from scipy.linalg import lapack

    factor, order, rank, info = lapack.dpstrf(a.numpy())  # pivoted, so that it ends where nothing but rounding is left
    assert info >= 0
    root = torch.from_numpy(factor)[:rank].triu()
    permuted = torch.from_numpy(order.astype(np.int64) - 1)
    return root @ b[permuted][:, permuted] @ root.T


def _eigenvalues(matrix: Tensor) -> Tensor:
    """Eigenvalues of a symmetric matrix, float64."""
    symmetric = (matrix + matrix.T) / 2
    try:
        return torch.linalg.eigvalsh(symmetric)
    except torch.linalg.LinAlgError:  # a fast solver may give up on many equal eigenvalues; plain QR finds them
        from scipy.linalg import eigh

        return torch.from_numpy(eigh(symmetric.numpy(), driver="ev", eigvals_only=True))


@metric(
    "fid",
    "Fréchet distance of features of {of} from those of pictures",
    headline="value",
    lower_is_better=True,
    of=("samples", "reconstructions"),
    features=True,
    default="samples",
)
def _measure(session: Session, extractor: PooledFeatures, of: Made) -> dict[str, Any]:
    real, made = (
        session.once(("moments", extractor.title, what), partial(_moments, session, extractor, what))
        for what in ("real", of)
    )
    return {**fid(real, made).plain(), **session.facts_of(of), "features": extractor.describe()}


def _moments(session: Session, extractor: PooledFeatures, what: Made | Literal["real"]) -> Moments:
    return feature_moments(session.features_of(extractor, what), which=what)
