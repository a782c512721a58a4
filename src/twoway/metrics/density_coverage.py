"""Density and coverage: precision and recall with balls around the real pictures only.

Density counts how many balls a made picture lies in, so that a ball too large counts once and not for everything in it;
coverage asks which real pictures have a made one near. Two sets of one distribution have density 1 in expectation and a
coverage of about 1 - 2^-k where they are equally large. Made pictures that crowd where real ones are dense
have a density above 1, and so has a model that makes few kinds of them: no model is called better by its density. Read
it beside coverage.

References:
    Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, arXiv 2002.09797, equations 3 to 6.
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

__all__ = ["DensityCoverage", "density_coverage"]

TIE = 1 - 1e-9
"""A picture on the edge of a ball is outside, so that a set compared with itself has density 1."""


@dataclass(frozen=True)
class DensityCoverage:
    """Both figures.

    Args:
        density: Balls of real pictures that a made picture lies in, on average, over k; 1 for equal distributions,
            0 or more.
        coverage: Share of real pictures whose ball holds a made one, 0 to 1; higher is better.
        expected_coverage: What coverage is on average where made pictures are distributed as the real ones.
        k: Balls reach to this neighbour.
        n_real: Real pictures.
        n_made: Made pictures.
        dim: Numbers each picture is described by.
    """

    density: float
    coverage: float
    expected_coverage: float
    k: int
    n_real: int
    n_made: int
    dim: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return asdict(self)


@torch.inference_mode()
def density_coverage(real: Tensor, made: Tensor, *, k: int = 5, block: int = ROWS) -> DensityCoverage:
    """Compare two sets of features.

    A made picture equal to a real one is in its ball even where the ball has no extent, as with more than k copies of
    one picture.

    Args:
        real: Features of real pictures, (N, dim).
        made: Features of made pictures, (M, dim).
        k: Balls reach to this neighbour; 5 in the publication.
        block: Rows at a time, which bounds memory to some `block` x max(N, M) distances.

    Raises:
        ConfigError: k below 1.
        DataError: Features that are not finite, of different widths, or of no more than k real pictures, or no made
            pictures.
    """
    check_feature_sets("density and coverage", real, made, least=1)
    radii = ball_radii(real, k, block=block) * TIE
    inside, covered = 0, 0
    for rows, found in squared_distances(real, made, block=block):
        held = (found < radii[rows, None]) | (found == 0)
        inside += int(held.sum())
        covered += int(held.any(1).sum())
    return DensityCoverage(
        density=inside / (k * len(made)),
        coverage=covered / len(real),
        expected_coverage=_expected_coverage(len(real), len(made), k),
        k=k,
        n_real=len(real),
        n_made=len(made),
        dim=real.shape[1],
    )


def _expected_coverage(n_real: int, n_made: int, k: int) -> float:
    """Chance that a real picture's k nearest of all others, real and made, are not all real.

    Around a real picture the n_real - 1 others and the made ones come in random order of distance; none of the made
    ones is in the ball where the first k in that order are all real.
    """
    none = 1.0
    for i in range(k):
        none *= (n_real - 1 - i) / (n_real + n_made - 1 - i)
    return 1 - none


def _measure(session: Session, extractor: PooledFeatures, of: Made) -> dict[str, Any]:
    real, made = session.features_of(extractor, "real"), session.features_of(extractor, of)
    found = session.once(("density and coverage", extractor.title, of), lambda: density_coverage(real, made))
    return {**found.plain(), **session.facts_of(of), "features": extractor.describe()}


for _name, _summary, _judged in (
    ("density", "how densely pictures lie around {of}, by features, about 1 for equal sets", False),
    ("coverage", "share of pictures with some of the {of} nearby, by features, 0 to 1", True),
):
    metric(
        _name,
        _summary,
        headline=_name,
        lower_is_better=False,
        of=("samples", "reconstructions"),
        features=True,
        judged=_judged,
    )(_measure)
