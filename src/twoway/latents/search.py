"""Nearest neighbours of pictures among encoded ones.

References:
    Pidhorskyi et al., ALAE, arXiv 2004.04467, section 4.1: what lies near in the latent space of an autoencoder should
    look alike, which the distance of pixels does not promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from twoway.conditioning import Labels
from twoway.errors import ConfigError, DataError, ModelError
from twoway.latents.codes import Codes
from twoway.model import TwoWayModel

__all__ = ["SPACES", "Distance", "Neighbours", "Space", "default_space", "neighbours", "picture_vectors", "vectors"]

Space: TypeAlias = Literal["w", "z", "codes", "features"]
Distance: TypeAlias = Literal["euclidean", "cosine"]
SPACES: tuple[Space, ...] = get_args(Space)


@dataclass(frozen=True)
class Neighbours:
    """The nearest of N encoded pictures to each of B pictures, nearest first.

    Args:
        rows: Their numbers, int64, shape (B, K).
        distances: How far they are, float64, shape (B, K).
    """

    rows: np.ndarray
    distances: np.ndarray


def default_space(codes: Codes) -> Space:
    """``w`` where the file holds latent codes, else ``codes``: what can be read off a picture."""
    return "w" if codes.w is not None else "codes"


def vectors(codes: Codes, space: Space) -> np.ndarray:
    """What is compared of encoded pictures.

    Args:
        codes: The pictures.
        space: ``w`` latent codes, ``z`` prior codes, ``codes`` chances of classes and continuous codes, ``features``
            the encoder's last hidden layer.

    Returns:
        float32, shape (N, width).

    Raises:
        ConfigError: An unknown space, or one that the file does not hold.
    """
    if space not in SPACES:
        raise ConfigError(f"The space to search in is '{space}', but must be one of {', '.join(SPACES)}.")
    if space == "codes" and codes.chances is not None and codes.continuous is not None:
        found: np.ndarray | None = np.concatenate([codes.chances, codes.continuous], axis=1)
    else:
        found = {"w": codes.w, "z": codes.z, "features": codes.features}.get(space)
    if found is None:
        there: list[Space] = [s for s in SPACES if s != "codes" and getattr(codes, s) is not None]
        there += ["codes"] if codes.chances is not None else []
        help_ = " Encode the pictures with --features." if space == "features" else ""
        raise ConfigError(f"The file holds no '{space}' of the pictures; search in {' or '.join(there)}.{help_}")
    return np.ascontiguousarray(found.reshape(len(codes.names), -1), np.float32)


@torch.inference_mode()
def picture_vectors(model: TwoWayModel, x: Tensor, space: Space, *, labels: Labels | None = None) -> np.ndarray:
    """The same of images that are not encoded yet.

    Args:
        model: The model that made the codes.
        x: Images in [-1, 1], shape (B, C, H, W).
        space: See `vectors`.
        labels: Classes of the images, of a conditional model.

    Returns:
        float32, shape (B, width).

    Raises:
        ModelError: The model has no such vectors, or labels do not fit.
    """
    x = x.to(model.device)
    if space == "features":
        found = model.encode_features(x, labels)[1]
    elif space == "codes":
        found = model.represent(x, labels)
    else:
        w = model.encode(x, labels)
        found = model.unmap(w) if space == "z" else w
    return found.flatten(1).cpu().numpy()


def neighbours(known: np.ndarray, asked: np.ndarray, count: int = 8, *, distance: Distance = "euclidean") -> Neighbours:
    """Find the nearest known vectors, exactly.

    Args:
        known: Shape (N, width).
        asked: Shape (B, width).
        count: Neighbours of each; all N where there are fewer.
        distance: ``euclidean``, or ``cosine`` (1 less the cosine of the angle), which forgets lengths.

    Raises:
        ConfigError: Fewer than one neighbour, or an unknown distance.
        DataError: No known vectors, or some that are not finite.
        ModelError: Vectors of different widths.
    """
    from sklearn.neighbors import NearestNeighbors

    if count < 1:
        raise ConfigError(f"{count} neighbours were asked for, but there must be at least 1.")
    if distance not in get_args(Distance):
        raise ConfigError(f"distance is '{distance}', but must be 'euclidean' or 'cosine'.")
    if not len(known):
        raise DataError("The file holds no pictures to search among.")
    if known.shape[1] != asked.shape[1]:
        raise ModelError(f"Vectors of width {asked.shape[1]} cannot be compared with ones of {known.shape[1]}.")
    if not (np.isfinite(known).all() and np.isfinite(asked).all()):
        raise DataError("Some vectors are not finite, so nothing is nearest to them. Use another checkpoint.")
    # float64: of large and nearly equal vectors the square of a distance would be all rounding
    found = NearestNeighbors(metric=distance, algorithm="brute").fit(known.astype(np.float64))
    distances, rows = found.kneighbors(asked.astype(np.float64), min(count, len(known)))
    return Neighbours(rows, distances)
