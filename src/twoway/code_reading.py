"""From what an encoder says of interpretable codes to codes: drawn, most likely, or as expectations.

References:
    Jang, Gu, Poole, Categorical Reparameterization with Gumbel-Softmax, arXiv 1611.01144.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from twoway.networks import CodePosterior
from twoway.priors import CodeLayout

__all__ = ["CodeReading", "expected_codes", "likely_codes"]


@dataclass(frozen=True)
class CodeReading:
    """How codes are drawn from a posterior.

    Args:
        layout: Noise, discrete and continuous codes.
        temperature: Of the Gumbel softmax.
        hard: Whether classes are exactly one-hot, with the gradient of the soft draw.
        squash: Whether continuous codes of a uniform prior go through tanh.
    """

    layout: CodeLayout
    temperature: float
    hard: bool
    squash: bool

    def draw(self, posterior: CodePosterior, uniform: Tensor, normal: Tensor) -> Tensor:
        """Reparameterised draw of the codes, without the noise.

        Args:
            posterior: What the encoder says.
            uniform: Numbers in [0, 1), as many as logits, (B, classes).
            normal: Standard normals, as many as means, (B, continuous).

        Returns:
            Codes (B, classes + continuous).
        """
        gumbel = -(-uniform.clamp(1e-20, 1 - 1e-7).log()).log()
        soft = ((posterior.logits.log_softmax(1) + gumbel) / self.temperature).softmax(1)
        if self.hard:
            soft = _one_hot(soft) + (soft - soft.detach())
        continuous = posterior.mean + (0.5 * posterior.log_var).exp() * normal
        if self.squash and self.layout.uniform:
            continuous = torch.tanh(continuous)
        return torch.cat([soft, continuous], dim=1)


def likely_codes(posterior: CodePosterior) -> Tensor:
    """The most likely class, one-hot, and the means: (B, classes + continuous), as a generator was trained on."""
    return torch.cat([_one_hot(posterior.logits), posterior.mean], dim=1)


def expected_codes(posterior: CodePosterior) -> Tensor:
    """Chances of the classes and means of the continuous codes: (B, classes + continuous), for classifiers."""
    return torch.cat([posterior.logits.softmax(1), posterior.mean], dim=1)


def _one_hot(scores: Tensor) -> Tensor:
    if scores.shape[1] == 0:
        return scores
    return functional.one_hot(scores.argmax(1), scores.shape[1]).to(scores.dtype)
