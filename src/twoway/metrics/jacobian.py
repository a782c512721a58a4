"""How fast pixels change with a code: the mean length of a finite difference, which needs no feature net.

E ||g(y + eps v) - g(y)|| / eps with random unit directions v. Unlike a path length it depends on the scale of the code,
so the result says besides how far codes lie from their mean; times that it is the change of the pixels over a typical
distance, which can be compared between models of pictures of one size.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from twoway.errors import ConfigError, ModelError
from twoway.metrics.bootstrap import LEVEL, mean_interval
from twoway.metrics.latent_paths import (
    DrawnNoise,
    NoiseKind,
    Space,
    draw_ends,
    how_many,
    moving_columns,
    noise_for,
    noise_said,
)
from twoway.metrics.modes import measuring
from twoway.metrics.registry import metric
from twoway.model import TwoWayModel

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["JacobianResult", "evaluate_jacobian"]


@dataclass(frozen=True)
class JacobianResult:
    """Mean length of the change of pictures.

    Args:
        value: Euclidean length over all pixels, in [-1, 1], of the change per unit of the code, mean over codes.
        interval: Where it lies for such codes, by bootstrap.
        level: Chance of the interval.
        per_spread: `value` times `spread`.
        spread: Root mean square distance of codes from their mean, in the numbers that were moved.
        space: Whose codes: ``z`` or ``w``.
        n_codes: How many codes, each with one direction.
        epsilon: Length of the step.
        noise: In the layers of the generator, the same before and after the step.
        seed: Of codes and directions.
    """

    value: float
    interval: tuple[float, float]
    level: float
    per_spread: float
    spread: float
    space: Space
    n_codes: int
    epsilon: float
    noise: str
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "interval": list(self.interval)}


def evaluate_jacobian(
    model: TwoWayModel,
    *,
    space: Space = "w",
    n_codes: int = 2_000,
    epsilon: float = 1e-3,
    noise: NoiseKind = "random",
    seed: int = 0,
    batch: int = 32,
) -> JacobianResult:
    """Take a small step from codes of the prior, in all layers of a latent code alike.

    Args:
        model: Measured in evaluation mode, without truncation.
        space: ``z`` or ``w``.
        n_codes: How many codes.
        epsilon: Length of the step, in units of the code.
        noise: In the layers of a style generator.
        seed: Of codes and directions.
        batch: Codes at a time.

    Raises:
        ConfigError: A setting that cannot work.
        ModelError: No prior, for ``w`` no mapping, in z nothing that can change a little, or pictures that are not
            finite.
    """
    if n_codes < 2 or batch < 1 or not epsilon > 0:
        raise ConfigError(
            f"Changes of {n_codes} codes, {batch} at a time, by {epsilon}; expected at least 2 codes, batches of at "
            "least 1 and a step above 0."
        )
    lengths, codes = [], []
    with measuring(model):
        for start in range(0, n_codes, batch):
            ends = draw_ends(model, range(start, min(start + batch, n_codes)), space=space, seed=seed)
            moves = moving_columns(model, space)
            if not moves.any():
                raise ModelError(f"No number of the prior {model.recipe.prior} can change a little. Measure w instead.")
            drawn = torch.stack([torch.randn(len(moves), generator=s, dtype=torch.float64) for s in ends.streams])
            step = epsilon * functional.normalize(drawn * moves, dim=1).to(model.device)
            maps = noise_for(model, noise, ends.streams)
            before = _pictures(model, ends.a, space, maps)
            if isinstance(maps, DrawnNoise):
                maps.rewind()
            after = _pictures(model, ends.a + (step if space == "z" else step[:, None]), space, maps)
            lengths.append((after - before).double().flatten(1).norm(dim=1).cpu() / epsilon)
            codes.append((ends.a if space == "z" else ends.a[:, 0])[:, moves.to(model.device)].cpu())
    values = torch.cat(lengths).numpy()
    if not np.isfinite(values).all():
        raise ModelError("The model makes pictures that are not finite. Use an earlier checkpoint.")
    every = torch.cat(codes)
    spread = (every - every.mean(0)).square().sum(1).mean().sqrt().item()
    value = float(values.mean())
    return JacobianResult(
        value=value,
        interval=mean_interval(torch.from_numpy(values), seed=seed),
        level=LEVEL,
        per_spread=value * spread,
        spread=spread,
        space=space,
        n_codes=n_codes,
        epsilon=epsilon,
        noise=noise_said(model, noise),
        seed=seed,
    )


def _pictures(model: TwoWayModel, codes: Tensor, space: Space, noise: Any) -> Tensor:
    codes = codes.to(model.w_avg.dtype)
    return model.decode(codes if space == "w" else model.map(codes), noise=noise)


def _register(space: Space) -> None:
    @metric(
        f"jacobian-{space}",
        f"mean change of pixels per unit of {space}, in a random direction",
        headline="value",
        lower_is_better=True,
        prior=True,
        mapping=space == "w",
    )
    def _measure(session: Session) -> dict[str, Any]:
        n, noise = how_many(session, 2_000), session.sampling.noise
        return evaluate_jacobian(
            session.model, space=space, n_codes=n, noise=noise, seed=session.seed, batch=session.batch
        ).plain()


_register("z")
_register("w")
