"""The state in which models are measured: evaluation mode, no gradients, exact products, and then as before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from twoway.model import TwoWayModel

__all__ = ["evaluating", "exact_float32", "measuring"]


@contextmanager
def evaluating(model: TwoWayModel) -> Iterator[None]:
    """Put a model into evaluation mode, and back into the mode it was in."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Keep products of float32 from rounding their inputs, on CPUs (bfloat16) and on GPUs (TF32).

    Pictures a small step apart differ by no more than that rounding, and features that are kept must not depend on
    what the process that computed them had chosen.
    """
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


@contextmanager
def measuring(model: TwoWayModel) -> Iterator[None]:
    """Evaluation mode, no gradients, exact products."""
    with evaluating(model), exact_float32(), torch.inference_mode():
        yield
