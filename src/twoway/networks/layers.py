"""Layers shared by the nets: equalised linear maps, pixel norm, batch norm that spans processes."""

from __future__ import annotations

import math

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as dist_f
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BatchNorm", "Linear", "PixelNorm", "lr_coefficients"]


class Linear(nn.Module):
    """Linear map whose learning-rate equalisation lives in the optimiser.

    Weights are drawn from N(0, (gain / sqrt(inputs))^2) and stored as they act; the factor by which ProGAN-style
    layers would scale them at run time becomes a factor on their learning rate instead (see `lr_coefficients`).

    Args:
        inputs: Width of the input.
        outputs: Width of the output.
        gain: Scale of the initial weights; sqrt(2) suits leaky units.
        lr_mul: Extra factor on the learning rate of weight and bias.
        equalised: Whether the learning rate of the weight follows the initial scale.

    References:
        Karras et al., Progressive Growing of GANs, arXiv 1710.10196, section 4.1; the implicit form is that of
        the official ALAE code (``lreq.py``).
    """

    def __init__(
        self, inputs: int, outputs: int, *, gain: float = math.sqrt(2.0), lr_mul: float = 1.0, equalised: bool = True
    ) -> None:
        super().__init__()
        self.std = gain / math.sqrt(inputs)
        self.lr_mul = lr_mul
        self.equalised = equalised
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw the weight anew and zero the bias."""
        with torch.no_grad():
            self.weight.normal_(0.0, self.std, generator=generator)
            self.bias.zero_()

    def coefficients(self) -> dict[str, float]:
        """Learning-rate factor of each parameter."""
        return {"weight": (self.std if self.equalised else 1.0) * self.lr_mul, "bias": self.lr_mul}

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs)."""
        return functional.linear(x, self.weight, self.bias)


def lr_coefficients(net: nn.Module) -> dict[str, float]:
    """Learning-rate factor of every parameter of a net, by its dotted name; 1 where no layer says otherwise."""
    result = {name: 1.0 for name, _ in net.named_parameters()}
    for prefix, module in net.named_modules():
        if hasattr(module, "coefficients"):
            for name, value in module.coefficients().items():
                result[f"{prefix}.{name}" if prefix else name] = value
    return result


class PixelNorm(nn.Module):
    """Scale each code to unit root mean square: z / sqrt(mean(z^2) + 1e-8)."""

    def forward(self, z: Tensor) -> Tensor:
        """Normalise (B, dim) along its last axis."""
        return z * torch.rsqrt(z.square().mean(dim=-1, keepdim=True) + 1e-8)


class BatchNorm(nn.Module):
    """Batch normalisation of (B, features) over the batches of all processes.

    Two processes on half batches give the same statistics and gradients as one process on the whole batch, which
    torch's own BatchNorm1d does not (its statistics are local) and SyncBatchNorm does on GPUs only.

    Args:
        features: Width of the input.
        momentum: Weight of the new batch in the running statistics.
        eps: Added to the variance.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Back to the identity with unit statistics."""
        with torch.no_grad():
            self.weight.fill_(1.0)
            self.bias.zero_()
            self.running_mean.zero_()
            self.running_var.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, features); running statistics move only where the layer itself is being trained."""
        if not self.training:
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        moments = torch.stack([x.mean(0), x.square().mean(0)])
        count = x.shape[0]
        if dist.is_initialized() and dist.get_world_size() > 1:
            world = dist.get_world_size()
            moments = (dist_f.all_reduce(moments) if moments.requires_grad else _sum(moments)) / world
            count *= world
        mean = moments[0]
        variance = (moments[1] - mean.square()).clamp_min(0.0)
        if self.weight.requires_grad:  # a net that is frozen in a step must come out of it unchanged
            with torch.no_grad():
                unbiased = variance * count / max(count - 1, 1)
                for running, new in ((self.running_mean, mean), (self.running_var, unbiased)):
                    # a step that overflows is not taken; it must not spoil the statistics either
                    running.lerp_(torch.where(new.isfinite(), new, running), self.momentum)
        return (x - mean) * torch.rsqrt(variance + self.eps) * self.weight + self.bias


def _sum(value: Tensor) -> Tensor:
    dist.all_reduce(value)
    return value
