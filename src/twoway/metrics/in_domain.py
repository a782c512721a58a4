"""Whether the prior codes of pictures are distributed as the prior: {phi(f(x))} against N(0, I).

Where pictures have codes that the prior does not draw, what was learned about draws of the prior says little about
pictures: edits and interpolations leave the model's domain. Needs an invertible mapping and a normal prior.

References:
    Zhu et al., LIA: Latently Invertible Autoencoder with Adversarial Learning, arXiv 1906.08090, section 3; its
    encoder is meant to give such codes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from twoway.errors import ModelError
from twoway.latents.in_domain import can_score, score_prior_codes
from twoway.metrics.frechet import Moments, feature_moments, frechet_distance
from twoway.metrics.inputs import Pictures, choose_rows, encoder_batches
from twoway.metrics.modes import measuring
from twoway.metrics.registry import metric
from twoway.model import TwoWayModel

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["InDomainResult", "compare_with_normal", "evaluate_in_domain"]


@dataclass(frozen=True)
class InDomainResult:
    """Prior codes of pictures beside N(0, I).

    Args:
        frechet: Squared Fréchet distance of their mean and covariance from 0 and I; 0 is best.
        floor: The same of as many draws of the prior: what the number of pictures alone makes of it.
        norm2_per_dim: Mean of |z|^2 / d; 1 for the prior.
        mean_norm: Length of the mean code; 0 for the prior.
        variance: Of a number of the code, mean over the numbers; 1 for the prior.
        excess_kurtosis: Likewise; 0 for the prior, above it where some pictures lie far out.
        unlikely: Share of pictures whose |z|^2 is further out than that of 99 draws in 100; 0.01 for the prior.
        n_pictures: How many.
        dim: Width d of a code.
        floor_seed: Of the draws behind `floor`; nothing else depends on chance.
    """

    frechet: float
    floor: float
    norm2_per_dim: float
    mean_norm: float
    variance: float
    excess_kurtosis: float
    unlikely: float
    n_pictures: int
    dim: int
    floor_seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return asdict(self)


def compare_with_normal(z: Tensor, *, seed: int = 0) -> InDomainResult:
    """Compare codes with N(0, I).

    Args:
        z: Shape (N, d), N at least 2.
        seed: Of the draws that show what N draws of the prior would give.

    Raises:
        DataError: Fewer than two codes.
        ModelError: Codes that are not finite.
    """
    if not torch.isfinite(z).all():
        raise ModelError("Pictures have prior codes that are not finite. Use an earlier checkpoint.")
    n, d = z.shape
    codes = z.double().cpu()
    moments = feature_moments(codes)
    normal = Moments(torch.zeros(d, dtype=torch.float64), torch.eye(d, dtype=torch.float64))
    draws = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    centred = codes - moments.mean
    second, fourth = centred.square().mean(0), centred.pow(4).mean(0)
    varies = second > 0
    kurtosis = fourth[varies] / second[varies].square() - 3
    scores = score_prior_codes(codes.numpy())
    return InDomainResult(
        frechet=frechet_distance(moments, normal),
        floor=frechet_distance(feature_moments(draws), normal),
        norm2_per_dim=float(scores.z_norm2_per_dim.mean()),
        mean_norm=moments.mean.norm().item(),
        variance=moments.covariance.diagonal().mean().item(),
        excess_kurtosis=kurtosis.mean().item(),
        unlikely=float(np.mean(scores.log10_tail < -2)),
        n_pictures=n,
        dim=d,
        floor_seed=seed,
    )


def evaluate_in_domain(
    model: TwoWayModel, data: Pictures, *, limit: int | None = None, seed: int = 0, batch: int = 256
) -> InDomainResult:
    """Compare the prior codes of pictures with the prior.

    Args:
        model: Encodes and unmaps, in evaluation mode.
        data: Pictures, labelled where the model is told classes.
        limit: At most so many pictures, a fixed random choice.
        seed: Of the draws behind `InDomainResult.floor`.
        batch: Pictures at a time.

    Raises:
        DataError: Fewer than two pictures.
        ModelError: No encoder of whole codes, a prior that is not normal, or a mapping that cannot be inverted.
    """
    rows = choose_rows(len(data), limit)
    with measuring(model):
        parts = [model.unmap(model.encode(x, y)) for x, y in encoder_batches(model, data, batch=batch, rows=rows)]
    if not can_score(model):
        raise ModelError(
            f"The prior codes of pictures are compared with normal draws, but the prior of this {model.recipe.method} "
            f"model is {model.recipe.prior}. Use a model with a normal prior."
        )
    return compare_with_normal(torch.cat(parts), seed=seed)


@metric(
    "in-domain",
    "Fréchet distance of the prior codes of pictures from the prior",
    headline="frechet",
    lower_is_better=True,
    encoder=True,
    prior=True,
)
def _measure(session: Session) -> dict[str, Any]:
    on, data = session.shown
    limit = session.max_test or 5_000
    found = evaluate_in_domain(session.model, data, limit=limit, seed=session.seed, batch=session.batch)
    return {**found.plain(), "on": on}
