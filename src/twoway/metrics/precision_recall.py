"""Improved precision and recall: how much of what is made looks real, and how much of what is real is made.

Each set is taken as the union of balls around its pictures' features, each ball reaching to the k-th nearest other
picture of the set. One outlier makes a large ball; density and coverage are less easily misled by it. Both figures
depend on the number of pictures and on the features, so compare only equal ones.

References:
    Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative Models, arXiv 1904.06991,
    equations 1 to 3 and appendix A (k = 3).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from twoway.metrics.feature_sets import ROWS, ball_radii, check_feature_sets, squared_distances
from twoway.metrics.registry import Made, PooledFeatures, metric

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["PrecisionRecall", "precision_recall"]

TIE = 1 + 1e-9
"""A neighbour on the edge of a ball is inside; distances computed in two ways differ by rounding."""


@dataclass(frozen=True)
class PrecisionRecall:
    """Shares of both sets.

    Args:
        precision: Share of made pictures inside a ball of the real set, 0 to 1; higher is better.
        recall: Share of real pictures inside a ball of the made set, 0 to 1; higher is better.
        f_score: Harmonic mean of the two; 0 where both are.
        k: Balls reach to this neighbour.
        n_real: Real pictures.
        n_made: Made pictures.
        dim: Numbers each picture is described by.
    """

    precision: float
    recall: float
    f_score: float
    k: int
    n_real: int
    n_made: int
    dim: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return asdict(self)


@torch.inference_mode()
def precision_recall(real: Tensor, made: Tensor, *, k: int = 3, block: int = ROWS) -> PrecisionRecall:
    """Compare two sets of features.

    Args:
        real: Features of real pictures, (N, dim).
        made: Features of made pictures, (M, dim).
        k: Balls reach to this neighbour; 3 in the publication.
        block: Rows at a time, which bounds memory to some `block` x max(N, M) distances.

    Raises:
        ConfigError: k below 1.
        DataError: Features that are not finite, of different widths, or of no more than k pictures.
    """
    check_feature_sets("precision and recall", real, made, least=k + 1)
    around_real = ball_radii(real, k, block=block) * TIE
    around_made = ball_radii(made, k, block=block) * TIE
    covered = 0
    looks_real = torch.zeros(len(made), dtype=torch.bool)
    for rows, found in squared_distances(real, made, block=block):
        covered += int((found <= around_made).any(1).sum())
        looks_real |= (found <= around_real[rows, None]).any(0)
    precision, recall = float(looks_real.double().mean()), covered / len(real)
    both = precision + recall
    return PrecisionRecall(
        precision=precision,
        recall=recall,
        f_score=2 * precision * recall / both if both else 0.0,
        k=k,
        n_real=len(real),
        n_made=len(made),
        dim=real.shape[1],
    )


def _measure(session: Session, extractor: PooledFeatures, of: Made) -> dict[str, Any]:
    real, made = session.features_of(extractor, "real"), session.features_of(extractor, of)
    found = session.once(("precision and recall", extractor.title, of), lambda: precision_recall(real, made))
    return {**found.plain(), **session.facts_of(of), "features": extractor.describe()}


for _name, _summary in (
    ("precision", "share of {of} near some picture, by features, 0 to 1"),
    ("recall", "share of pictures near some of the {of}, by features, 0 to 1"),
):
    metric(
        _name,
        _summary,
        headline=_name,
        lower_is_better=False,
        of=("samples", "reconstructions"),
        features=True,
    )(_measure)
