"""Whether codes come back: E(G(w)) against w, relative to how much codes vary."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from twoway.conditioning import carried_labels
from twoway.errors import ConfigError
from twoway.metrics.inputs import Pictures, choose_rows, encoder_batches
from twoway.metrics.modes import measuring
from twoway.metrics.registry import metric
from twoway.model import TwoWayModel

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["CodeConsistencyResult", "code_consistency", "evaluate_code_consistency"]


@dataclass(frozen=True)
class CodeConsistencyResult:
    """Consistency of codes.

    Args:
        value: Squared error over variance: 0 is perfect, 1 as bad as always answering the mean code.
        codes: Whether the codes were drawn from the prior or are those of images.
        n_codes: How many.
        seed: Of the draws, where there were any.
    """

    value: float
    codes: Literal["prior", "encoded"]
    n_codes: int
    seed: int | None

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return asdict(self)


class _Returned:
    """Error and spread of codes, summed batch by batch in float64; no code is held.

    Deviations are taken from the first code, so that the digits of codes that vary little around a large mean stay.
    """

    def __init__(self) -> None:
        self.count = 0

    def take(self, w_again: Tensor, w: Tensor) -> None:
        """Add codes that came back and those sent, both (B, ...)."""
        sent, back = w.double(), w_again.double()
        if self.count == 0:
            self.first = sent[0].clone()
            self.error = self.squares = sent.new_zeros(())
            self.total = torch.zeros_like(self.first)
        away = sent - self.first
        self.error = self.error + (back - sent).square().sum()
        self.squares = self.squares + away.square().sum()
        self.total = self.total + away.sum(0)
        self.count += len(sent)

    @property
    def value(self) -> float:
        """Squared error over variance; NaN where all codes are the same."""
        spread = (self.squares - self.total.square().sum() / self.count).item()
        return self.error.item() / spread if spread > 0 else math.nan


def code_consistency(w_again: Tensor, w: Tensor) -> float:
    """Sum of squared differences over the sum of squared deviations of w from its mean.

    Args:
        w_again: Codes that came back, E(G(w)), shape (N, ...).
        w: Codes sent, same shape.

    Returns:
        0 for a perfect round trip; NaN where all codes are the same, which has no scale.
    """
    found = _Returned()
    found.take(w_again, w)
    return found.value


@torch.inference_mode()
def evaluate_code_consistency(
    model: TwoWayModel, data: Pictures | None = None, *, n_codes: int = 10_000, seed: int = 0, batch: int = 256
) -> CodeConsistencyResult:
    """Send codes through G and E.

    Args:
        model: Measured in evaluation mode.
        data: Images whose codes are used where the method has no prior.
        n_codes: How many codes, or at most how many images.
        seed: Of the prior draws.
        batch: Codes at a time.

    Raises:
        ConfigError: A method without a prior and no images, or no codes asked for.
        ModelError: The model has no encoder.
    """
    if n_codes < 1:
        raise ConfigError(f"n_codes is {n_codes}, but must be at least 1.")
    with measuring(model):
        if model.recipe.prior is not None:
            z = model.draw_prior(n_codes, generator=torch.Generator().manual_seed(seed))
            codes = (model.map(part) for part in z.split(batch))
        elif data is not None:
            rows = choose_rows(len(data), n_codes)
            codes = (model.encode(x, labels) for x, labels in encoder_batches(model, data, batch=batch, rows=rows))
        else:
            raise ConfigError(
                f"The method '{model.recipe.method}' has no prior to draw codes from; give images whose codes to use."
            )
        found = _Returned()
        for w in codes:
            again = model.represent(model.decode(w), carried_labels(w, model.recipe.labels))
            found.take(again, model.inferred(w))
    drawn = model.recipe.prior is not None
    return CodeConsistencyResult(found.value, "prior" if drawn else "encoded", found.count, seed if drawn else None)


@metric(
    "code-consistency",
    "error of E(G(w)) over the variance of w",
    headline="value",
    lower_is_better=True,
    encoder=True,
    default=True,
)
def _measure(session: Session) -> dict[str, Any]:
    data = session.shown[1] if session.model.recipe.prior is None else None
    n = session.max_test or 10_000
    return evaluate_code_consistency(session.model, data, n_codes=n, seed=session.seed, batch=session.batch).plain()
