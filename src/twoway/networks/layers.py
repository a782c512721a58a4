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
        bias: Whether a bias is added.
        zero: Whether the weight starts at zero instead; its learning rate is the same.

    References:
        Karras et al., Progressive Growing of GANs, arXiv 1710.10196, section 4.1; the implicit form is that of
        the official ALAE code (``lreq.py``).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        gain: float = math.sqrt(2.0),
        lr_mul: float = 1.0,
        equalised: bool = True,
        bias: bool = True,
        zero: bool = False,
    ) -> None:
        super().__init__()
        self.std = gain / math.sqrt(inputs)
        self.lr_mul = lr_mul
        self.equalised = equalised
        self.zero = zero
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw the weight anew and zero the bias."""
        with torch.no_grad():
            self.weight.normal_(0.0, 0.0 if self.zero else self.std, generator=generator)
            if self.bias is not None:
                self.bias.zero_()

    def coefficients(self) -> dict[str, float]:
        """Learning-rate factor of each parameter."""
        weight = (self.std if self.equalised else 1.0) * self.lr_mul
        return {"weight": weight} if self.bias is None else {"weight": weight, "bias": self.lr_mul}

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
    """Batch normalisation of vectors (B, features) or maps (B, features, H, W) over the batches of all processes.

    Two processes on half batches give the same statistics and gradients as one process on the whole batch, which
    torch's own BatchNorm1d does not (its statistics are local) and SyncBatchNorm does on GPUs only.

    Args:
        features: Width of the input, or number of its maps.
        momentum: Weight of the new batch in the running statistics.
        eps: Added to the variance.
        scale: Whether a factor per feature is learnt besides the offset.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, *, momentum: float = 0.1, eps: float = 1e-5, scale: bool = True) -> None:
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(features)) if scale else None
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Back to the identity with unit statistics."""
        with torch.no_grad():
            if self.weight is not None:
                self.weight.fill_(1.0)
            self.bias.zero_()
            self.running_mean.zero_()
            self.running_var.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, features, ...); running statistics move only where the layer itself is being trained."""
        if not self.training:
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        world = dist.get_world_size() if dist.is_initialized() else 1
        if x.dim() > 2 and world == 1:
            return self._in_one_pass(x)
        axes = [0, *range(2, x.dim())]
        moments = torch.stack([x.mean(axes), x.square().mean(axes)])
        count = world * x.numel() // x.shape[1]
        if world > 1:
            moments = (dist_f.all_reduce(moments) if moments.requires_grad else _sum(moments)) / world
        mean = moments[0]
        variance = (moments[1] - mean.square()).clamp_min(0.0)
        with torch.no_grad():
            self._track(mean, variance * count / max(count - 1, 1))
        shape = (-1, *[1] * (x.dim() - 2))
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is None:
            return (x - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)
        return (x - mean.view(shape)) * scale.view(shape) * self.weight.view(shape) + self.bias.view(shape)

    def _in_one_pass(self, x: Tensor) -> Tensor:
        """The same for the maps of a single process, where the time goes."""
        statistics = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        y = functional.batch_norm(x, *statistics, self.weight, self.bias, training=True, momentum=1.0, eps=self.eps)
        self._track(*statistics)
        return y

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if self.bias.requires_grad:  # a net that is frozen in a step must come out of it unchanged
            for running, new in ((self.running_mean, mean), (self.running_var, variance)):
                # a step that overflows is not taken; it must not spoil the statistics either
                running.lerp_(torch.where(new.isfinite(), new, running), self.momentum)


def _sum(value: Tensor) -> Tensor:
    dist.all_reduce(value)
    return value
