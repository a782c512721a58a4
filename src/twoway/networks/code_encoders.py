"""What an encoder says of interpretable codes: which class, which continuous values, and perhaps which noise.

References:
    Chen et al., InfoGAN, arXiv 1606.03657, section 5 and appendix C (the auxiliary distribution Q).
    Ye and Bors, InfoVAEGAN, arXiv 2107.04705, and its code dtuzi123/InfoVAEGAN (the heads of the encoder).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.networks.dcgan import Trunk
from twoway.networks.layers import BatchNorm, Linear
from twoway.networks.mlp import linear_stack
from twoway.networks.registry import network

__all__ = ["CodeHeads", "CodePosterior", "ConvCodeEncoder", "CriticCodeEncoder", "MLPCodeEncoder"]

Scale = Literal["exp", "softplus"]


class CodePosterior(NamedTuple):
    """A distribution over codes: a categorical, independent normals, and a point estimate of the noise.

    Parts that an encoder does not speak of are zero wide.

    Args:
        logits: Unnormalised log chances of the classes, (B, classes).
        mean: Means of the continuous codes, (B, continuous).
        log_var: Their log variances, (B, continuous).
        noise: Estimate of the noise that the generator was given, (B, noise).
    """

    logits: Tensor
    mean: Tensor
    log_var: Tensor
    noise: Tensor


class CodeHeads(nn.Module):
    """Linear heads on hidden features.

    Args:
        inputs: Width of the features.
        discrete: Number of classes; 0 for no discrete code.
        continuous: Number of continuous codes.
        noise: Width of the noise that is estimated too; 0 for none.
        scale: What makes a deviation of the head's output: ``exp``, which starts near 1, or ``softplus``, which starts
            near 0.69 as in InfoVAEGAN's code.
    """

    def __init__(self, inputs: int, discrete: int, continuous: int, noise: int = 0, scale: Scale = "exp") -> None:
        super().__init__()
        self.widths = (discrete, continuous, continuous, noise)
        self.softplus = scale == "softplus"
        self.linear = Linear(inputs, sum(self.widths), gain=0.1, equalised=False)

    @torch.no_grad()
    def set_classes(self, weight: Tensor, bias: Tensor) -> None:
        """Set the head of the classes: logits are ``features @ weight.T + bias``.

        Args:
            weight: Shape (classes, inputs).
            bias: Shape (classes,).
        """
        assert self.linear.bias is not None
        self.linear.weight[: self.widths[0]] = weight
        self.linear.bias[: self.widths[0]] = bias

    def forward(self, features: Tensor) -> CodePosterior:
        """Map features (B, inputs) to a distribution over codes."""
        logits, mean, scale, noise = self.linear(features).split(self.widths, dim=1)
        # a deviation that reached 0 would have no logarithm
        log_var = 2 * (functional.softplus(scale) + 1e-6).log() if self.softplus else 2 * scale
        return CodePosterior(logits, mean, log_var, noise)


class CodeEncoder(nn.Module, ABC):
    """What the encoders of codes share: heads on hidden features."""

    heads: CodeHeads

    @abstractmethod
    def features(self, seen: Tensor) -> Tensor:
        """Last hidden layer, (B, hidden)."""

    def code(self, features: Tensor) -> CodePosterior:
        """Distribution over codes from what `features` gives."""
        return self.heads(features)

    def forward(self, seen: Tensor) -> CodePosterior:
        """Map what is seen to a distribution over codes."""
        return self.code(self.features(seen))


@network("mlp_code_encoder")
class MLPCodeEncoder(CodeEncoder):
    """E: image to a distribution over discrete and continuous codes, by linear layers.

    Args:
        image_shape: Channels, height, width.
        discrete: Number of classes; 0 for none.
        continuous: Number of continuous codes; 0 for none.
        noise: Width of the noise that is estimated too; 0 for none.
        hidden: Widths of the hidden layers.
        batch_norm: Batch norm in the hidden layers.
        scale: What makes a deviation of the head's output (see `CodeHeads`).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        discrete: int = 0,
        continuous: int = 0,
        noise: int = 0,
        hidden: tuple[int, ...] = (1024, 1024),
        batch_norm: bool = False,
        scale: Scale = "exp",
    ) -> None:
        super().__init__()
        widths = [math.prod(image_shape), *hidden]
        self.hidden = linear_stack(widths, slope=0.2, batch_norm=batch_norm, equalised=False)
        self.heads = CodeHeads(hidden[-1], discrete, continuous, noise, scale)

    def features(self, seen: Tensor) -> Tensor:
        """Last hidden layer (B, hidden) of images (B, C, H, W) in [-1, 1]."""
        return self.hidden(seen.flatten(1))


@network("conv_code_encoder")
class ConvCodeEncoder(CodeEncoder):
    """E of InfoVAEGAN: image to a distribution over discrete and continuous codes, by strided convolutions.

    Args:
        image_shape: Channels, height, width.
        discrete: Number of classes; 0 for none.
        continuous: Number of continuous codes; 0 for none.
        noise: Width of the noise that is estimated too; 0 for none.
        maps: Feature maps from fine to coarse.
        hidden: Width of the last hidden layer.
        kernel: Side of the kernels, 4 or odd.
        batch_norm: Batch norm in all hidden layers but the first.
        scale: What makes a deviation of the head's output (see `CodeHeads`).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        discrete: int = 0,
        continuous: int = 0,
        noise: int = 0,
        maps: tuple[int, ...] = (64, 128),
        hidden: int = 1024,
        kernel: int = 4,
        batch_norm: bool = False,
        scale: Scale = "exp",
    ) -> None:
        super().__init__()
        self.trunk = Trunk(image_shape, maps, hidden, kernel, batch_norm=batch_norm)
        self.heads = CodeHeads(hidden, discrete, continuous, noise, scale)

    def features(self, seen: Tensor) -> Tensor:
        """Last hidden layer (B, hidden) of images (B, C, H, W) in [-1, 1]."""
        return self.trunk(seen)


@network("critic_code_encoder")
class CriticCodeEncoder(CodeEncoder):
    """InfoGAN's Q: a hidden layer and heads on the critic's features, which it reads instead of images.

    Args:
        inputs: Width of the critic's features.
        discrete: Number of classes; 0 for none.
        continuous: Number of continuous codes; 0 for none.
        hidden: Width of the hidden layer.
        scale: See `CodeHeads`.
    """

    reads_critic = True

    def __init__(
        self, inputs: int, discrete: int = 0, continuous: int = 0, hidden: int = 128, scale: Scale = "exp"
    ) -> None:
        super().__init__()
        self.linear = Linear(inputs, hidden, equalised=False)
        self.norm = BatchNorm(hidden)
        self.heads = CodeHeads(hidden, discrete, continuous, scale=scale)

    def features(self, seen: Tensor) -> Tensor:
        """Hidden layer (B, hidden) of the critic's features (B, inputs)."""
        return functional.leaky_relu(self.norm(self.linear(seen)), 0.1)
