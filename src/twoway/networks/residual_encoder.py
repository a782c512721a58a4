"""LIA's encoder: a residual network with batch norm that gives one code per image, or one code per style layer.

References:
    Zhu et al., LIA: Latently Invertible Autoencoder with Adversarial Learning, arXiv 1906.08090, section 4.2 and code.
"""

from __future__ import annotations

import itertools
import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.networks.convolutions import Conv, halved
from twoway.networks.growing import levels_of
from twoway.networks.layers import BatchNorm, Linear
from twoway.networks.mlp import Gaussian
from twoway.networks.registry import network

__all__ = ["ResidualEncoder"]

SLOPE = 0.2
INIT_STD = 0.02


class NormedConv(nn.Module):
    """Convolution, batch norm with an offset but no scale, leaky rectifier. Weights start as N(0, 0.02^2)."""

    def __init__(self, inputs: int, outputs: int, size: int, *, bias: bool) -> None:
        super().__init__()
        gain = INIT_STD * math.sqrt(inputs * size * size)
        self.conv = Conv(inputs, outputs, size, gain=gain, bias=bias, equalised=False)
        self.norm = BatchNorm(outputs, scale=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.norm(self.conv(x)), SLOPE)


class ResidualBlock(nn.Module):
    """2x2 averages, then two convolutions beside a shortcut, which is the identity where the channels stay.

    The first convolution keeps the smaller number of channels; nothing follows the sum.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        within = min(inputs, outputs)
        self.shortcut = nn.Identity() if inputs == outputs else NormedConv(inputs, outputs, 1, bias=False)
        self.conv1 = NormedConv(inputs, within, 3, bias=True)
        self.conv2 = NormedConv(within, outputs, 3, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        x = halved(x)
        return self.shortcut(x) + self.conv2(self.conv1(x))


class AnchoredHead(nn.Module):
    """Codes as deviations from the mean code: w = w_mean + w_std * (weight features + bias).

    Until `anchor` is called, the mean is 0 and the deviation 1. Fresh codes lie within about half a deviation of the
    mean.

    Args:
        inputs: Width of the features.
        dim: Width of a code.
    """

    w_mean: Tensor
    w_std: Tensor

    def __init__(self, inputs: int, dim: int) -> None:
        super().__init__()
        self.linear = Linear(inputs, dim, gain=0.25)
        self.register_buffer("w_mean", torch.zeros(dim))
        self.register_buffer("w_std", torch.ones(dim))

    def forward(self, features: Tensor) -> Tensor:
        return self.w_mean + self.w_std * self.linear(features)


class NormedHead(nn.Module):
    """The head of LIA's code: a linear map without bias, then batch norm that has no scale.

    Codes of a training batch hence have unit variance in every entry, whatever that of the mapping's codes is.
    """

    def __init__(self, inputs: int, dim: int) -> None:
        super().__init__()
        # their run-time factor 1 / sqrt(inputs) on N(0, 0.02^2), stored as it acts
        self.linear = Linear(inputs, dim, gain=INIT_STD, lr_mul=1 / INIT_STD, bias=False)
        self.norm = BatchNorm(dim, scale=False)

    def forward(self, features: Tensor) -> Tensor:
        return self.norm(self.linear(features))


@network("residual_encoder")
class ResidualEncoder(nn.Module):
    """E: image to one latent code, to one code per style layer, or to a Gaussian over codes.

    A 3x3 convolution at full resolution, then averages and a residual block per halving down to 4x4, then a linear
    head. All batch norms have an offset but no scale, momentum 0.1 (TensorFlow counts it as 0.9) and take their moments
    over all processes, where LIA's code takes those of each GPU alone.

    LIA's code has the head ``batch_norm``. Its codes have unit variance in every entry and those of a trained mapping
    do not, hence the default: codes are deviations from the mean code of the mapping, in units of its standard
    deviations (see `anchor`).

    With `w_layers` above 1 the first layer of w is the base code and the others are the base plus offsets that start
    at zero; `release` decides how many layers may have one.

    Args:
        image_shape: Channels, height, width; square, the side 4 times a power of two.
        w_dim: Width of a code.
        base: Maps at full resolution; every halving doubles them.
        maximum: The most maps there are.
        head: ``anchored``, or ``batch_norm`` as in LIA's code.
        w_layers: Codes per image.
        gaussian: Whether the net gives a mean and a log variance (which starts at 0) instead of a code.

    Raises:
        ConfigError: Images that are not square, or distributions of per-layer codes.

    References:
        Tov et al., Designing an Encoder for StyleGAN Image Manipulation (e4e), arXiv 2102.02766, section 4.1 (a base
        code and offsets that are released one by one).
    """

    released: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        w_dim: int,
        base: int = 64,
        maximum: int = 1024,
        head: Literal["anchored", "batch_norm"] = "anchored",
        w_layers: int = 1,
        gaussian: bool = False,
    ) -> None:
        super().__init__()
        if image_shape[1] != image_shape[2]:
            raise ConfigError(f"The residual encoder takes square images, but image_shape is {list(image_shape)}.")
        if gaussian and w_layers > 1:
            raise ConfigError(
                f"An encoder that gives a distribution gives that of one code, but w_layers is {w_layers}. Set "
                "gaussian to false or w_layers to 1."
            )
        halvings = levels_of(image_shape[1]) - 1
        channels = [min(base * 2**i, maximum) for i in range(halvings + 1)]
        width = channels[-1] * 16
        self.w_layers = w_layers
        self.stem = NormedConv(image_shape[0], channels[0], 3, bias=False)
        self.blocks = nn.Sequential(*[ResidualBlock(a, b) for a, b in itertools.pairwise(channels)])
        self.head: AnchoredHead | NormedHead = (AnchoredHead if head == "anchored" else NormedHead)(width, w_dim)
        self.log_var = Linear(width, w_dim, gain=1.0, zero=True) if gaussian else None
        self.offsets: Linear | None = None
        if w_layers > 1:
            self.offsets = Linear(width, (w_layers - 1) * w_dim, gain=1.0, zero=True)
            self.register_buffer("released", torch.tensor(w_layers))

    @property
    def can_anchor(self) -> bool:
        """Whether the head is one that `anchor` can set."""
        return isinstance(self.head, AnchoredHead)

    def anchor(self, mean: Tensor, std: Tensor) -> None:
        """Tell the head where the latent codes of the trained mapping lie.

        Args:
            mean: Mean code, (dim,) or (1, dim).
            std: Standard deviation of every entry, of the same shape.

        Raises:
            ValueError: The head is not anchored.
        """
        if not isinstance(self.head, AnchoredHead):
            raise ValueError("only the head 'anchored' has an anchor")
        with torch.no_grad():
            self.head.w_mean.copy_(mean.reshape(-1))
            self.head.w_std.copy_(std.reshape(-1))

    def release(self, layers: int) -> None:
        """Let only the first so many layers of w differ from the base code; from 1 (a single code) to `w_layers`.

        Raises:
            ValueError: There are not so many layers.
        """
        if not 1 <= layers <= self.w_layers:
            raise ValueError(f"{layers} of {self.w_layers} layers cannot be released")
        if self.offsets is not None:
            self.released.fill_(layers)

    def features(self, x: Tensor) -> Tensor:
        """The last maps, flattened channel by channel: (B, 16 maps) from images (B, C, H, W) in [-1, 1]."""
        maps = self.stem(x.contiguous(memory_format=torch.channels_last))
        return self.blocks(maps).contiguous().flatten(1)

    def code(self, features: Tensor) -> Tensor | Gaussian:
        """Latent codes (B, w_layers, w_dim), or the distribution of one, from what `features` gives."""
        w = self.head(features).unsqueeze(1)
        if self.log_var is not None:
            return Gaussian(w, self.log_var(features).unsqueeze(1))
        if self.offsets is None:
            return w
        offsets = self.offsets(features).unflatten(1, (self.w_layers - 1, -1))
        if isinstance(self.head, AnchoredHead):
            offsets = self.head.w_std * offsets
        free = torch.arange(1, self.w_layers, device=w.device) < self.released
        return torch.cat([w, w + offsets * free[:, None]], dim=1)

    def forward(self, x: Tensor) -> Tensor | Gaussian:
        """Map images (B, C, H, W) in [-1, 1] to latent codes (B, w_layers, w_dim) or to a `Gaussian` over one."""
        return self.code(self.features(x))
