"""Fréchet distance between the features of two sets of pictures, each taken as one Gaussian.

With the features of Inception v3 this is the FID. Features are named in every result, because figures of two feature
nets, or of different numbers of pictures, cannot be compared: the distance is biased upwards by about 1/n.

References:
    Heusel et al., GANs Trained by a Two Time-Scale Update Rule, arXiv 1706.08500, equation 6.
    Dowson and Landau, The Fréchet Distance between Multivariate Normal Distributions, 1982.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from twoway.data.pixels import to_float
from twoway.errors import DataError, ModelError
from twoway.features import FeatureSpec
from twoway.features.squeezenet import WEIGHTS_FILE
from twoway.features.weights import find_weights
from twoway.metrics.registry import Made, PooledFeatures, metric

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = [
    "Moments",
    "default_features",
    "feature_moments",
    "frechet_distance",
    "pooled_features",
]


class Moments(NamedTuple):
    """Mean (dim,) and unbiased covariance (dim, dim) of features, float64."""

    mean: Tensor
    covariance: Tensor


def default_features() -> FeatureSpec:
    """SqueezeNet where the folder that ``TWOWAY_WEIGHTS`` names holds its weights, otherwise the pyramid."""
    try:
        find_weights(None, WEIGHTS_FILE, "squeezenet")
    except ModelError:
        return FeatureSpec("pyramid")
    return FeatureSpec("squeezenet")


@torch.inference_mode()
def pooled_features(features: PooledFeatures, pictures: Tensor, *, batch: int = 256) -> Tensor:
    """Features of pictures.

    Args:
        features: Computes them, on its own device where it is a module.
        pictures: uint8, shape (N, C, H, W).
        batch: Pictures at a time.

    Returns:
        Shape (N, dim), float64, on the CPU.
    """
    device = _device_of(features)
    parts = [features.pooled(to_float(part.to(device))) for part in pictures.split(batch)]
    return torch.cat([part.cpu().double() for part in parts])


def feature_moments(features: Tensor) -> Moments:
    """Mean and covariance of features (N, dim).

    Raises:
        DataError: Fewer than two pictures, which have no covariance.
    """
    if len(features) < 2:
        raise DataError(
            f"The Fréchet distance compares covariances and needs at least 2 pictures, but got {len(features)}. Give "
            "more pictures; several times as many as there are features make a steady figure."
        )
    values = features.double()
    mean = values.mean(0)
    centred = values - mean
    return Moments(mean, centred.T @ centred / (len(values) - 1))


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Fréchet distance of two Gaussians: |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)).

    The trace of the root is the sum of the roots of the eigenvalues of the symmetric S_a^(1/2) S_b S_a^(1/2), which
    stays real where covariances are singular, as they are with fewer pictures than features.

    Args:
        a: Moments of one set.
        b: Moments of the other, as wide.

    Returns:
        0 for equal moments, up to rounding; never negative.

    Example:
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> frechet_distance(Moments(0 * one, one[None]), Moments(3 * one, 4 * one[None]))  # 3^2 + (2 - 1)^2
        10.0
    """
    # features that never vary in one of the sets add nothing to the overlap, and rows of zeros make solvers stumble
    varies = (a.covariance.diagonal() > 0) & (b.covariance.diagonal() > 0)
    values, vectors = _eigh(a.covariance.double()[varies][:, varies])
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    overlap = _eigh(root @ b.covariance.double()[varies][:, varies] @ root)[0].clamp_min(0).sqrt().sum()
    traces = a.covariance.trace() + b.covariance.trace()
    distance = (a.mean - b.mean).square().sum() + traces - 2 * overlap
    return max(0.0, distance.item())


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of a symmetric matrix, float64.

    The fast divide-and-conquer solver gives up on some matrices with many equal eigenvalues, as covariances of fewer
    pictures than features have; the plain QR iteration takes longer and finds them.
    """
    symmetric = (matrix + matrix.T) / 2
    try:
        return torch.linalg.eigh(symmetric)
    except torch.linalg.LinAlgError:
        from scipy.linalg import eigh  # comes with scikit-learn

        values, vectors = eigh(symmetric.cpu().numpy(), driver="ev")
        return torch.from_numpy(values).to(matrix.device), torch.from_numpy(vectors).to(matrix.device)


def _device_of(features: PooledFeatures) -> torch.device:
    if isinstance(features, torch.nn.Module):
        for tensor in (*features.parameters(), *features.buffers()):
            return tensor.device
    return torch.device("cpu")


@metric(
    "fid",
    "Fréchet distance of features of {of} from those of pictures",
    headline="distance",
    lower_is_better=True,
    of=("samples", "reconstructions"),
    features=True,
)
def _measure(session: Session, extractor: PooledFeatures, of: Made) -> dict[str, Any]:
    real, made = (feature_moments(session.features_of(extractor, what)) for what in ("real", of))
    facts = {**session.facts_of(of), "features": extractor.describe(), "dim": len(made.mean)}
    return {"distance": frechet_distance(real, made), **facts}
