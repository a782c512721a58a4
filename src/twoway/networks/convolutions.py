"""Convolutions with an equalised learning rate that also change the resolution, and the blur that goes with them.

Enlarging is nearest-neighbour doubling followed by a 3x3 convolution, shrinking a 3x3 convolution followed by 2x2
averaging. Both are linear, so each is computed as one strided 4x4 convolution: 16 instead of 36 multiplications per
low-resolution pixel and pair of channels, and the same numbers up to rounding.

Maps leave a convolution in channels-last order whatever they came in, and what follows keeps it.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from twoway.networks.kept import Kept

__all__ = ["Conv", "blur", "convolve", "halved", "rounds_products", "widened_kernel"]

FEW_PIXELS = 64
"""Pixels of a batch up to which the time of a doubling convolution goes into its kernel: one image of 8x8."""
LARGE_KERNEL = 2**18
"""Numbers in a kernel from which this is so."""


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
        self._kept = Kept()

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
        """Map (B, inputs, H, W) to (B, outputs, H', W').

        On CPUs with bfloat16 matrix units, and where float32 products may round their inputs to bfloat16
        (`torch.set_float32_matmul_precision("medium")`), they do; the result of kernels above 1x1 is rounded too.
        """
        if self.weight.shape[-1] == 1:
            # torch has no fast convolution for the three channels of an image
            rows = x.permute(0, 2, 3, 1)
            return functional.linear(rows, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)
        x = x.contiguous(memory_format=torch.channels_last)
        if self.training:
            self._kept.drop()
            kernel = self._widened(self.weight)
        else:
            rounded = rounds_products(x)
            kernel = self._kept.of(self.weight, self._rounded if rounded else self._ordered, variant=rounded)
        return convolve(x, kernel, self.bias, stride=1 if self.scale == "same" else 2, transposed=self.scale == "up")

    def _widened(self, weight: Tensor) -> Tensor:
        if self.scale == "up":
            return widened_kernel(weight.transpose(0, 1), mirrored=True)
        return weight if self.scale == "same" else widened_kernel(weight, factor=0.25)

    def _ordered(self, weight: Tensor) -> Tensor:
        """The kernel in the order that the convolution wants it in, which else it brings it into itself."""
        return self._widened(weight).contiguous(memory_format=torch.channels_last)

    def _rounded(self, weight: Tensor) -> Tensor:
        return self._widened(weight).to(torch.bfloat16, memory_format=torch.channels_last)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: int, transposed: bool = False) -> Tensor:
    """Convolution with zero padding that keeps the size, or halves or doubles it with stride 2.

    Args:
        x: Maps (B, C, H, W); even sides where they are halved.
        weight: Kernel (outputs, inputs, k, k) of the convolution; of its adjoint where `transposed`, which maps outputs
            to inputs.
        bias: One number per channel that goes out.
        stride: 1 or 2; with an even kernel 2.
        transposed: Whether the adjoint is wanted, which doubles the size with stride 2.
    """
    if not rounds_products(x):
        return _convolve(x, weight, bias, stride, transposed)
    y = _convolve(x.bfloat16(), weight.to(torch.bfloat16, memory_format=torch.channels_last), None, stride, transposed)
    return y.to(x.dtype) if bias is None else y + bias.view(1, -1, 1, 1)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, transposed: bool) -> Tensor:
    if not transposed:
        return _Convolution.apply(x, weight, bias, stride)
    y = _Transposed.apply(x, weight, stride)
    return y if bias is None else y + bias.view(1, -1, 1, 1)


class _Convolution(torch.autograd.Function):
    """Convolution that halves the resolution where the stride is 2.

    With `_Transposed` and `_Products` it makes three bilinear maps whose derivatives are each other. Left to torch, the
    second derivative, which R1 needs, is a convolution with kernels as large as the maps.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return functional.conv2d(x, weight, bias, stride, (weight.shape[-1] - 1) // 2)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        to_x, to_weight, to_bias, _ = ctx.needs_input_grad
        return (
            _Transposed.apply(g, weight, ctx.stride) if to_x else None,
            _Products.apply(x, g, weight.shape[-1], ctx.stride) if to_weight else None,
            g.sum((0, 2, 3)) if to_bias else None,
            None,
        )


class _Transposed(torch.autograd.Function):
    """The adjoint of a convolution with weight (outputs, inputs, k, k): maps of its outputs to maps of its inputs."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(g, weight)
        ctx.stride = stride
        if stride == 2 and weight.shape[-1] == 4 and _costs_by_kernel(g, weight):
            return _doubled_by_product(g, weight)
        # an odd kernel with stride 2 comes from one of two sizes; the even one is meant
        rest = (stride - 1) * (weight.shape[-1] % 2)
        return functional.conv_transpose2d(g, weight, None, stride, (weight.shape[-1] - 1) // 2, rest)

    @staticmethod
    def backward(ctx: Any, h: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        g, weight = ctx.saved_tensors
        to_g, to_weight, _ = ctx.needs_input_grad
        return (
            _Convolution.apply(h, weight, None, ctx.stride) if to_g else None,
            _Products.apply(h, g, weight.shape[-1], ctx.stride) if to_weight else None,
            None,
        )


def _costs_by_kernel(g: Tensor, weight: Tensor) -> bool:
    """Whether few pixels meet a large kernel; where a program is recorded, that is not known yet."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or g.device.type != "cpu" or g.dtype != torch.float32:
        return False
    large = weight.numel() >= LARGE_KERNEL and weight.is_contiguous(memory_format=torch.channels_last)
    return large and g.shape[0] * g.shape[2] * g.shape[3] <= FEW_PIXELS


def _doubled_by_product(g: Tensor, weight: Tensor) -> Tensor:
    """The 4x4 transposed convolution with stride 2 as one matrix product, which takes the kernel as it lies there.

    Every pixel makes a tile of 4x4 outputs; tiles start two outputs apart, so that four of them overlap.
    """
    rows, (b, _, h, w) = g.permute(0, 2, 3, 1).flatten(0, 2), g.shape
    tiles = (rows @ weight.permute(0, 2, 3, 1).flatten(1)).view(b, h, w, 2, 2, 2, 2, -1)
    y = g.new_zeros(b, h + 1, 2, w + 1, 2, weight.shape[1])
    for i in (0, 1):
        for j in (0, 1):
            y[:, i : i + h, :, j : j + w] += tiles[:, :, :, i, :, j].transpose(2, 3)
    inside = y.view(b, 2 * h + 2, 2 * w + 2, -1)[:, 1:-1, 1:-1].permute(0, 3, 1, 2)
    return inside.contiguous(memory_format=torch.channels_last)


class _Products(torch.autograd.Function):
    """The gradient of a convolution with respect to its weight: products of its inputs and the outputs' gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, g: Tensor, size: int, stride: int) -> Tensor:
        ctx.save_for_backward(x, g)
        ctx.stride = stride
        shape = (g.shape[1], x.shape[1], size, size)
        return conv2d_weight(x, shape, g, stride, (size - 1) // 2)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, g = ctx.saved_tensors
        to_x, to_g, _, _ = ctx.needs_input_grad
        return (
            _Transposed.apply(g, v, ctx.stride) if to_x else None,
            _Convolution.apply(x, v, None, ctx.stride) if to_g else None,
            None,
            None,
        )


def rounds_products(x: Tensor) -> bool:
    """Whether products of a float32 tensor may and should round their inputs to bfloat16: a CPU that gains by it."""
    allowed = x.dtype == torch.float32 and x.device.type == "cpu" and torch.get_float32_matmul_precision() == "medium"
    return allowed and _has_bfloat16_units()


@cache
def _has_bfloat16_units() -> bool:
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def widened_kernel(weight: Tensor, *, factor: float = 1.0, mirrored: bool = False) -> Tensor:
    """The 3x3 kernel convolved with a 2x2 square, (outputs, inputs, 4, 4), in channels-last order.

    Args:
        weight: The kernel, (outputs, inputs, 3, 3).
        factor: Value of each element of the square.
        mirrored: Whether the result is turned by half a turn, as a transposed convolution wants it.
    """
    # as one thin matrix product: with pad and pool this costs more than the convolution that follows
    line = torch.eye(4, 3, dtype=weight.dtype, device=weight.device)
    line = line + line.roll(1, dims=0)
    if mirrored:
        line = line.flip(0)
    wide = (torch.kron(line, line) * factor) @ weight.permute(0, 2, 3, 1).flatten(1, 2)
    return wide.unflatten(1, (4, 4)).permute(0, 3, 1, 2)


class _Blur(torch.autograd.Function):
    """The blur is its own adjoint, so its backward pass is itself, to any order; nothing need be kept for it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        row = 2 - (torch.arange(3, dtype=x.dtype, device=x.device) - 1).abs()  # 1, 2, 1, made where it is used
        kernel = (row[:, None] * row / 16).expand(x.shape[1], 1, 3, 3)
        return functional.conv2d(x, kernel, padding=1, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return blur(grad)


def blur(x: Tensor) -> Tensor:
    """Binomial low-pass [1, 2, 1] x [1, 2, 1] / 16 on every channel of (B, C, H, W), zeros beyond the border.

    References:
        Zhang, Making Convolutional Networks Shift-Invariant Again, arXiv 1904.11486; as in StyleGAN and ALAE.
    """
    return _Blur.apply(x)


def halved(x: Tensor) -> Tensor:
    """Images or maps (B, C, H, W) at half the resolution, 2x2 averages."""
    return functional.avg_pool2d(x, 2)
