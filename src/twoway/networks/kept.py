"""What follows from a weight alone, kept for as long as the weight stays as it is.

At one image at a time a convolution costs little more than bringing its kernel into the shape and order that it is
computed in. Where weights do not learn, that need be done once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Kept"]


@dataclass(frozen=True)
class _Held:
    """A result, and what the weight was when it was worked out."""

    source: Tensor  # shares the memory of the weight, so that no other weight can come to lie there
    key: tuple[Hashable, ...]
    result: Tensor


class Kept:
    """Room for one result in a layer; copies and pickles of the layer have an empty one of their own.

    The result is worked out anew when the weight was changed in place, replaced, or brought to another type, device or
    order in memory. Changes that torch does not count go unnoticed: those through ``weight.data`` or a numpy view, and
    the steps of fused optimisers. Training is safe from them, since nothing is kept where weights learn.

    Example:
        >>> kept, weight = Kept(), nn.Parameter(torch.ones(2))
        >>> with torch.no_grad():
        ...     first = kept.of(weight, torch.neg)
        ...     first is kept.of(weight, torch.neg), first is kept.of(weight.mul_(2), torch.neg)
        (True, False)
    """

    def __init__(self) -> None:
        self._held: _Held | None = None

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        return Kept, ()

    def drop(self) -> None:
        """Forget what is kept."""
        self._held = None

    def of(self, weight: Tensor, make: Callable[[Tensor], Tensor], variant: Hashable = None) -> Tensor:
        """``make(weight)``, from before where possible.

        Args:
            weight: What the result depends on. Where it learns and gradients are on, or where it stands for something
                else (exports, compilation, `torch.func`), nothing is kept.
            make: Works it out.
            variant: What else the result depends on.
        """
        if not _lasts(weight):
            self.drop()
            return make(weight)
        key = (weight._version, weight.data_ptr(), weight.dtype, weight.device, weight.stride(), variant)
        held = self._held  # one reading: another thread may put its own there meanwhile
        if held is None or held.key != key:
            # kept beyond an inference mode, so not one of its tensors
            with torch.inference_mode(False), torch.no_grad():
                source = weight.detach()
                held = self._held = _Held(source, key, make(source))
        return held.result


def _lasts(weight: Tensor) -> bool:
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or (torch.is_grad_enabled() and weight.requires_grad):
        return False
    return type(weight) is nn.Parameter and not weight.is_inference()
