"""Convolutions with an equalised learning rate that also change the resolution, and the blur that goes with them.

Enlarging is nearest-neighbour doubling followed by a 3x3 convolution, shrinking a 3x3 convolution followed by 2x2
averaging. Both are linear, so each is computed as one strided 4x4 convolution: 16 instead of 36 multiplications per
low-resolution pixel and pair of channels, and the same numbers up to rounding.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Conv", "blur", "halved", "widened_kernel"]


class Conv(nn.Module):
    """Convolution that keeps, doubles or halves height and width; zero padding at the border.

    Weights are drawn from N(0, (gain / sqrt(fan in))^2) and stored as they act; the equalisation of the learning rate
    lives in the optimiser (see `twoway.networks.layers.Linear`).

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        size: Side of the kernel, odd; 3 where the resolution changes.
        scale: ``same``; ``up`` doubles by nearest neighbour before the convolution; ``down`` averages 2x2 after it.
        gain: Scale of the initial weights.
        bias: Whether a bias is added.
        equalised: Whether the learning rate of the weight follows the initial scale.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int = 3,
        *,
        scale: Literal["same", "up", "down"] = "same",
        gain: float = math.sqrt(2.0),
        bias: bool = False,
        equalised: bool = True,
    ) -> None:
        super().__init__()
        self.std = gain / math.sqrt(inputs * size * size)
        self.scale = scale
        self.equalised = equalised
        self.weight = nn.Parameter(torch.empty(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw the weight anew and zero the bias."""
        with torch.no_grad():
            self.weight.normal_(0.0, self.std, generator=generator)
            if self.bias is not None:
                self.bias.zero_()

    def coefficients(self) -> dict[str, float]:
        """Learning-rate factor of the weight; 1 for the bias."""
        return {"weight": self.std if self.equalised else 1.0}

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H', W')."""
        if self.scale == "up":
            kernel = widened_kernel(self.weight.flip(2, 3)).transpose(0, 1)
            return functional.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)
        if self.scale == "down":
            return functional.conv2d(x, widened_kernel(self.weight) * 0.25, self.bias, stride=2, padding=1)
        return functional.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)


def widened_kernel(weight: Tensor) -> Tensor:
    """The 3x3 kernel convolved with a 2x2 square of ones: (outputs, inputs, 4, 4)."""
    return functional.avg_pool2d(functional.pad(weight, (1, 1, 1, 1)), 2, stride=1, divisor_override=1)


def blur(x: Tensor) -> Tensor:
    """Binomial low-pass [1, 2, 1] x [1, 2, 1] / 16 on every channel of (B, C, H, W), zeros beyond the border.

    References:
        Zhang, Making Convolutional Networks Shift-Invariant Again, arXiv 1904.11486; as in StyleGAN and ALAE.
    """
    blurred: Tensor = Blur.apply(x)
    return blurred


class Blur(torch.autograd.Function):
    """The blur as a function that is its own adjoint, because its kernel is symmetric.

    Without this, second derivatives through a convolution with one kernel per channel are computed channel by channel.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        row = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype, device=x.device)
        kernel = (row[:, None] * row / 16).expand(x.shape[1], 1, 3, 3)
        return functional.conv2d(x, kernel, padding=1, groups=x.shape[1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return blur(gradient)


def halved(x: Tensor) -> Tensor:
    """Images or maps (B, C, H, W) at half the resolution, 2x2 averages."""
    return functional.avg_pool2d(x, 2)
