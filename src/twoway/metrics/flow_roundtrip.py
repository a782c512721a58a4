"""Whether an invertible mapping is inverted: F^-1(F(z)) against z.

References:
    Zhu et al., Disentangled Inference for GANs with Latently Invertible Autoencoder, arXiv 1906.08090, section 3.1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from twoway.errors import ConfigError, ModelError
from twoway.metrics.latent_paths import has_mapping
from twoway.metrics.modes import measuring
from twoway.metrics.registry import metric
from twoway.model import TwoWayModel

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["FlowRoundtripResult", "evaluate_flow_roundtrip"]


@dataclass(frozen=True)
class FlowRoundtripResult:
    """Error of prior codes that were mapped to latent codes and back.

    Args:
        max_abs: Largest absolute error of any number of any code; below 1e-4 in float32 for a sound mapping.
        mean_abs: Mean absolute error.
        n_codes: How many codes were drawn from the prior.
        dtype: Of the codes.
        seed: Of the draws.
    """

    max_abs: float
    mean_abs: float
    n_codes: int
    dtype: str
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return asdict(self)


@torch.inference_mode()
def evaluate_flow_roundtrip(
    model: TwoWayModel, *, n_codes: int = 10_000, seed: int = 0, batch: int = 256
) -> FlowRoundtripResult:
    """Send prior codes through the mapping and back, float32.

    Args:
        model: Measured in evaluation mode.
        n_codes: How many codes.
        seed: Of the prior draws.
        batch: Codes at a time.

    Raises:
        ConfigError: No codes asked for.
        ModelError: The method has no prior or no mapping, or the mapping cannot be inverted.
    """
    if n_codes < 1:
        raise ConfigError(f"n_codes is {n_codes}, but must be at least 1.")
    if model.recipe.prior is not None and not has_mapping(model):  # 0 would be read as a sound inverse
        raise ModelError(
            f"This {model.recipe.method} model has no mapping, so its latent codes are its prior codes and there is no "
            "way there and back to measure. Leave flow-roundtrip out."
        )
    with measuring(model):
        z = model.draw_prior(n_codes, generator=torch.Generator().manual_seed(seed))
        errors = torch.cat([(model.unmap(model.map(part)) - part).abs() for part in z.split(batch)])
    name = str(z.dtype).removeprefix("torch.")
    return FlowRoundtripResult(errors.max().item(), errors.double().mean().item(), n_codes, name, seed)


@metric(
    "flow-roundtrip",
    "largest error of prior codes through the mapping and back",
    headline="max_abs",
    lower_is_better=True,
    prior=True,
    mapping="invertible",
)
def _measure(session: Session) -> dict[str, Any]:
    n = session.max_test or 10_000
    return evaluate_flow_roundtrip(session.model, n_codes=n, seed=session.seed, batch=session.batch).plain()
