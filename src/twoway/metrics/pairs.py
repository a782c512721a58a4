"""Measures of pairs: a reconstruction against its original, one number per picture, and the mean with its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from twoway.errors import DataError
from twoway.metrics.bootstrap import LEVEL, mean_interval
from twoway.metrics.registry import PER_PICTURE
from twoway.metrics.sets import noise_of_reconstructions

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["PairMeasure", "PairScore", "check_pair", "mean_of_pairs", "measure_pairs", "score_pairs"]

PairMeasure = Callable[[Tensor, Tensor], Tensor]
"""From reconstructions and originals, both (B, C, H, W) in [-1, 1], to one number per picture, (B,)."""


@dataclass(frozen=True)
class PairScore:
    """Mean of a measure over pictures.

    Args:
        value: The mean.
        interval: Where it lies by the bootstrap over pictures, low and high.
        level: Share of such intervals that should hold the true mean.
        n_images: Pictures.
        seed: Of the bootstrap.
    """

    value: float
    interval: tuple[float, float]
    level: float
    n_images: int
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "interval": list(self.interval)}


def check_pair(x_rec: Tensor, x: Tensor) -> None:
    """See that pictures can be compared one by one.

    Raises:
        DataError: Other than two tensors (B, C, H, W) of equal shape.
    """
    if x_rec.shape != x.shape or x.ndim != 4 or not (x.is_floating_point() and x_rec.is_floating_point()):
        raise DataError(
            f"Reconstructions of shape {tuple(x_rec.shape)} and type {x_rec.dtype} cannot be compared with images "
            f"{tuple(x.shape)} of type {x.dtype}; expected two of equal shape (B, channels, height, width), float."
        )


@torch.inference_mode()
def measure_pairs(pairs: Iterable[tuple[Tensor, Tensor]], measure: PairMeasure) -> Tensor:
    """Number of each picture.

    Args:
        pairs: Batches of reconstructions and their originals, each (B, C, H, W) in [-1, 1].
        measure: Gives one number per picture.

    Returns:
        Shape (N,), float64, on the CPU, in the order of the pictures: what `paired_difference` takes of two models.

    Raises:
        DataError: No pictures.
    """
    parts = [measure(x_rec, x).cpu().double() for x_rec, x in pairs]
    if not parts:
        raise DataError("There are no pictures to compare with their reconstructions. Give at least one.")
    return torch.cat(parts)


def mean_of_pairs(values: Tensor, *, seed: int = 0) -> PairScore:
    """Mean and interval of the numbers that `measure_pairs` gives.

    Raises:
        DataError: No numbers, or some that are not finite.
    """
    interval = mean_interval(values, seed=seed)
    return PairScore(values.double().mean().item(), interval, LEVEL, len(values), seed)


def score_pairs(session: Session, measure: PairMeasure) -> dict[str, Any]:
    """Measure the reconstructions of a session, as they would be stored, rounded to the 256 steps of uint8.

    Returns:
        The mean as ``value``, its interval and what was measured as plain data; the numbers of the pictures beside it.
    """
    device = session.model.device
    values = measure_pairs(((x_rec.to(device), x.to(device)) for x_rec, x in session.pairs()), measure)
    facts = {"on": session.shown[0], "pixels": "uint8", **noise_of_reconstructions(session.model)}
    return {**mean_of_pairs(values).plain(), **facts, PER_PICTURE: values}
