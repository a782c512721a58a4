"""Moving average of a model's weights, with a half-life in thousands of images."""

from __future__ import annotations

import copy

import torch

from twoway.model import TwoWayModel
from twoway.recipe import Averaging

__all__ = ["EMA", "ema_decay"]


def ema_decay(settings: Averaging, images: int, kimg_seen: float) -> float:
    """Weight of the old average when `images` more have been seen: 0.5^(images / half-life).

    Example:
        >>> ema_decay(Averaging(halflife_kimg=10.0), images=10_000, kimg_seen=100.0)
        0.5
    """
    halflife = settings.halflife_kimg
    if settings.rampup > 0:
        halflife = min(halflife, kimg_seen * settings.rampup)
    return 0.5 ** (images / max(halflife * 1000, 1e-8))


class EMA:
    """An averaged copy of a model: parameters are averaged, buffers (statistics, the mean code) are copied.

    The copy starts equal to the live model; the official ALAE code starts it from other random weights.

    Args:
        model: The live model.
    """

    def __init__(self, model: TwoWayModel) -> None:
        self.live = model
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, images: int, kimg_seen: float) -> None:
        """Move towards the live weights after `images` more images."""
        decay = ema_decay(self.live.recipe.averaging, images, kimg_seen)
        torch._foreach_lerp_(list(self.model.parameters()), list(self.live.parameters()), 1 - decay)
        for averaged, live in zip(self.model.buffers(), self.live.buffers(), strict=True):
            averaged.copy_(live)
