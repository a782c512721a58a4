"""Instance normalisation, and what comes before it in a style generator, with derivatives in few passes over memory.

Between convolutions a style net does little arithmetic on much memory, so what counts is how often the maps are read.
Left to autograd, the derivatives of a mean and a variance make some twenty passes; written out, they make six. All
of it works in the order in memory that the maps come in.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = ["instance_norm", "noisy_rectified", "restyled"]


def instance_norm(x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Bring every map to zero mean and unit deviation; differentiable twice.

    Args:
        x: Maps (B, C, H, W).
        eps: Added to the variance.

    Returns:
        (x - mean) / sqrt(variance + eps) of the same shape; mean and (biased) variance, each (B, C, 1, 1).
    """
    normal, mean, variance = _InstanceNorm.apply(x, eps)
    return normal, mean, variance


def restyled(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """Adaptive instance normalisation: zero mean and unit deviation, then times (1 + scale) plus shift.

    Args:
        x: Maps (B or 1, C, H, W); a single row stands for the whole batch.
        scale: What is added to a factor of one, (B, C, 1, 1).
        shift: Added last, (B, C, 1, 1).
        eps: Added to the variance.

    References:
        Karras et al., A Style-Based Generator Architecture, arXiv 1812.04948, equation 1.
    """
    if x.shape[0] != scale.shape[0]:
        normal, _, _ = instance_norm(x, eps)
        return torch.addcmul(shift, normal, scale + 1)
    return _Restyled.apply(x, scale, shift, eps)


def noisy_rectified(x: Tensor, noise: Tensor, strength: Tensor, bias: Tensor, slope: float) -> Tensor:
    """Leaky rectifier of maps with noise and a bias; differentiable twice, with respect to the noise too.

    Args:
        x: Maps (B, C, H, W), or a single row that stands for the whole batch.
        noise: One map per image, (B, 1, H, W), or (1, 1, H, W) for all.
        strength: Factor on the noise for each map, (C,) or (1,).
        bias: Added to each map, (C,).
        slope: Of the rectifier below zero; positive.
    """
    batch = max(x.shape[0], noise.shape[0])
    weights = torch.stack([strength.expand_as(bias), bias]).to(x.dtype)
    return _NoisyRectified.apply(
        x.expand(batch, -1, -1, -1), noise.expand(batch, -1, -1, -1).to(x.dtype), weights, slope
    )


def _mean(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance and x without its mean; two passes, several times faster than `torch.var_mean` on CPUs."""
    mean = _mean(x)
    centred = x - mean
    return mean, _mean(centred.square()), centred


class _InstanceNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance, centred = _moments(x)
        normal = centred.mul_(torch.rsqrt(variance + eps))
        ctx.save_for_backward(normal, variance)
        ctx.eps = eps
        return normal, mean, variance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        normal, variance = ctx.saved_tensors
        # both are outputs, so that what the second derivative sends to them comes through this node once more
        return _InstanceNormGradient.apply(*grads, normal, torch.rsqrt(variance + ctx.eps)), None


class _InstanceNormGradient(torch.autograd.Function):
    """Gradient with respect to x from those with respect to the normalised maps n, the mean and the variance v.

    With r = 1 / sqrt(v + eps) it is r (g - mean(g) - n mean(g n)) + g_mean / N + 2 n g_v / (r N).
    """

    @staticmethod
    def forward(ctx: Any, g: Tensor, g_mean: Tensor, g_variance: Tensor, normal: Tensor, r: Tensor) -> Tensor:
        n = normal.shape[2] * normal.shape[3]
        mean_g, mean_gn = _mean(g), _mean(g * normal)
        along = 2 * g_variance / (n * r) - r * mean_gn
        ctx.save_for_backward(g, g_variance, normal, r, mean_g, mean_gn, along)
        return torch.addcmul(g_mean / n - r * mean_g, g, r).addcmul_(normal, along)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, h: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        g, g_variance, normal, r, mean_g, mean_gn, along = ctx.saved_tensors
        n = normal.shape[2] * normal.shape[3]
        mean_h, mean_hn, mean_hg = _mean(h), _mean(h * normal), _mean(h * g)
        to_g = torch.addcmul(-r * mean_h, h, r).addcmul_(normal, -r * mean_hn)
        to_normal = (h * along).addcmul_(g, -r * mean_hn)
        to_r = n * (mean_hg - mean_h * mean_g - mean_hn * mean_gn) - 2 * mean_hn * g_variance / r.square()
        return to_g, mean_h, 2 * mean_hn / r, to_normal, to_r


class _Restyled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
        mean, variance, centred = _moments(x)
        r = torch.rsqrt(variance + eps)
        factor = r * (1 + scale)
        ctx.save_for_backward(x, mean, r, scale)
        ctx.eps = eps
        return torch.addcmul(shift, centred, factor, out=centred)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, mean, r, scale = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative is wanted: leave it to autograd
            variance = _mean((x - _mean(x)).square())
            mean, r = _mean(x), torch.rsqrt(variance + ctx.eps)
        n = x.shape[2] * x.shape[3]
        mean_g = _mean(g)
        mean_gn = r * (_mean(g * x) - mean * mean_g)
        factor = r * (1 + scale)
        along = -r * factor * mean_gn
        to_x = torch.addcmul(-factor * mean_g - along * mean, g, factor)
        to_x = torch.addcmul(to_x, x, along)
        return to_x, n * mean_gn, n * mean_g, None


class _NoisyRectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, noise: Tensor, weights: Tensor, slope: float) -> Tensor:
        # a product of two columns with two rows adds both in one pass over x
        rows = x.permute(0, 2, 3, 1).flatten(0, 2)
        y = functional.leaky_relu_(torch.addmm(rows, _with_ones(noise), weights), slope)
        y = y.view(x.shape[0], *x.shape[2:], -1).permute(0, 3, 1, 2)
        ctx.save_for_backward(y, noise, weights)
        ctx.slope = slope
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        y, noise, weights = ctx.saved_tensors
        _, to_noise, to_weights, _ = ctx.needs_input_grad
        g = torch.where(y > 0, g, g * ctx.slope) if torch.is_grad_enabled() else _rectified_back(g, y, ctx.slope)
        rows = g.permute(0, 2, 3, 1).flatten(0, 2)
        return (
            g,
            (rows @ weights[0].to(g.dtype)).view_as(noise) if to_noise else None,
            _with_ones(noise).t().to(g.dtype) @ rows if to_weights else None,
            None,
        )


def _with_ones(noise: Tensor) -> Tensor:
    """Columns of noise and of ones, (B * H * W, 2)."""
    return torch.stack([noise.flatten(), torch.ones_like(noise).flatten()], dim=1)


def _rectified_back(g: Tensor, y: Tensor, slope: float) -> Tensor:
    return torch.ops.aten.leaky_relu_backward(g, y, slope, True)
