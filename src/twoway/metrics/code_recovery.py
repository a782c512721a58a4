"""Whether codes can be read off the pictures made from them, and how much information that proves.

References:
    Chen et al., InfoGAN, arXiv 1606.03657, section 5: I(c; G(z, c)) >= H(c) + E log q(c | G(z, c)).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from twoway.errors import ConfigError, DataError, ModelError
from twoway.metrics.modes import measuring
from twoway.model import TwoWayModel

__all__ = ["CodeRecovery", "code_recovery", "evaluate_code_recovery"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class CodeRecovery:
    """What came back of the codes that pictures were made from.

    Args:
        nats: Lower bound on the information about all codes together: the bound of the class and, for each continuous
            code, the larger of its two.
        class_accuracy: Pictures whose most likely class is theirs, per cent; None without a categorical code.
        class_nats: Lower bound on the information about the class.
        class_limit: Its largest possible value, the entropy of the class.
        r2: Squared correlation (Pearson) of each continuous code and its mean; 0 where one of them never changes.
        mse: Mean squared error of each mean.
        continuous_nats: Lower bound on the information about each continuous code. It takes the encoder at its word:
            one that is too sure of itself, or too modest, proves less than its means would allow, and some methods
            never teach it.
        fitted_nats: The same with one deviation for all pictures in place of what the encoder says, the one that fits
            its errors best.
        n: Pictures.
        seed: Of the prior draws; None where they were given.
    """

    nats: float
    class_accuracy: float | None
    class_nats: float | None
    class_limit: float | None
    r2: tuple[float, ...]
    mse: tuple[float, ...]
    continuous_nats: tuple[float, ...]
    fitted_nats: tuple[float, ...]
    n: int
    seed: int | None = None

    def plain(self) -> dict[str, Any]:
        """Names and values, without what there was not."""
        facts = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {name: value for name, value in facts.items() if value is not None and value != []}


def code_recovery(
    logits: Any, classes: Any, mean: Any, log_var: Any, values: Any, *, uniform: bool, seed: int | None = None
) -> CodeRecovery:
    """Compare codes with what an encoder says of them.

    Args:
        logits: Unnormalised log chances of the classes, (N, K); K is 0 without a categorical code.
        classes: The classes, (N,), 0 to K - 1; not looked at where K is 0.
        mean: Means of the continuous codes, (N, c); c may be 0.
        log_var: Their log variances, (N, c).
        values: The continuous codes, (N, c).
        uniform: Whether those were drawn uniformly from [-1, 1] instead of from a standard normal.
        seed: Noted in the result.

    Raises:
        DataError: Shapes that do not fit, or nothing to compare.
        ModelError: What the encoder says is not finite.
    """
    said, mu, spread, drawn = (np.asarray(part, dtype=np.float64) for part in (logits, mean, log_var, values))
    n = len(said)
    if any(part.ndim != 2 or len(part) != n for part in (said, mu, spread, drawn)) or not (
        n and said.shape[1] + mu.shape[1] and mu.shape == spread.shape == drawn.shape
    ):
        raise DataError(
            f"Got logits {said.shape}, means {mu.shape}, log variances {spread.shape} and continuous codes "
            f"{drawn.shape}; expected (N, K) and three times (N, c), N at least 1 and K + c at least 1."
        )
    if not all(np.isfinite(part).all() for part in (said, mu, spread)):
        raise ModelError("What the encoder says of codes is not finite; it has diverged. Use an earlier checkpoint.")
    accuracy = class_nats = limit = None
    if said.shape[1]:
        k = np.asarray(classes)
        if k.shape != (n,) or k.min() < 0 or k.max() >= said.shape[1]:
            raise DataError(f"Got classes of shape {k.shape}; expected ({n},), from 0 to {said.shape[1] - 1}.")
        limit = math.log(said.shape[1])
        class_nats = limit + float(_log_softmax(said)[np.arange(n), k].mean())
        accuracy = 100.0 * float((said.argmax(1) == k).mean())
    error = (drawn - mu) ** 2
    entropy = math.log(2.0) if uniform else 0.5 * math.log(2 * math.pi * math.e)
    log_q = -0.5 * (math.log(2 * math.pi) + spread + error / np.exp(spread))
    continuous = tuple(map(float, entropy + log_q.mean(0)))
    mse = error.mean(0)
    fitted = tuple(map(float, entropy - 0.5 * (math.log(2 * math.pi * math.e) + np.log(np.maximum(mse, 1e-12)))))
    return CodeRecovery(
        nats=(class_nats or 0.0) + sum(map(max, continuous, fitted)),
        class_accuracy=accuracy,
        class_nats=class_nats,
        class_limit=limit,
        r2=tuple(_squared_correlation(a, b) for a, b in zip(mu.T, drawn.T, strict=True)),
        mse=tuple(map(float, mse)),
        continuous_nats=continuous,
        fitted_nats=fitted,
        n=n,
        seed=seed,
    )


@torch.inference_mode()
def evaluate_code_recovery(model: TwoWayModel, *, n: int = 10_000, seed: int = 0, batch: int = 256) -> CodeRecovery:
    """Make pictures from codes of the prior, and read the codes off them.

    Pictures are read as they are made, not rounded to 256 levels.

    Args:
        model: Measured in evaluation mode.
        n: Pictures.
        seed: Of the prior draws.
        batch: Pictures at a time.

    Raises:
        ConfigError: No pictures asked for.
        ModelError: The model does not infer codes.
    """
    if n < 1:
        raise ConfigError(f"n is {n}, but must be at least 1.")
    if model.recipe.encodes != "code" or model.recipe.prior is None:
        raise ModelError(
            f"This {model.recipe.method} model has no discrete or continuous codes that it reads off pictures. For "
            "latent codes use code-consistency, or train a method with interpretable codes, such as infovaegan or "
            "infogan."
        )
    layout = model.recipe.prior.layout()
    with measuring(model):
        z = model.draw_prior(n, generator=torch.Generator().manual_seed(seed))
        said = [model.encode_code(model.decode(model.map(part))) for part in z.split(batch)]
    logits, mean, log_var = (
        torch.cat([getattr(s, name) for s in said]).cpu() for name in ("logits", "mean", "log_var")
    )
    _, one_hot, values = z.cpu().split([layout.noise, layout.discrete, layout.continuous], dim=1)
    classes = one_hot.argmax(1) if layout.discrete else torch.zeros(n, dtype=torch.int64)
    return code_recovery(
        logits.double(), classes, mean.double(), log_var.double(), values.double(), uniform=layout.uniform, seed=seed
    )


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def _squared_correlation(a: Array, b: Array) -> float:
    if min(a.var(), b.var()) < 1e-12:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1] ** 2)
