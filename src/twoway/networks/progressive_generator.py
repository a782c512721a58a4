"""The generator of ProGAN: convolutions normalised pixel by pixel, grown level by level, no styles and no noise.

References:
    Karras, Aila, Laine, Lehtinen, Progressive Growing of GANs for Improved Quality, Stability, and Variation, arXiv
    1710.10196, sections 2 and 4, table 2; its code tkarras/progressive_growing_of_gans.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.networks.convolutions import Conv
from twoway.networks.growing import Growing
from twoway.networks.layers import Linear, PixelNorm
from twoway.networks.registry import network
from twoway.networks.style_blocks import check_channels, doubled, side_of

__all__ = ["ProgressiveGenerator"]

SLOPE = 0.2


class First(nn.Module):
    """Code to maps of 4x4: a linear map with a bias per map, then a 3x3 convolution."""

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        # a quarter of the usual gain, as in the official code
        self.linear = Linear(w_dim, channels * 16, gain=math.sqrt(2.0) / 4, bias=False)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.conv = Conv(channels, channels, bias=True)

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Zero the bias; the layers have their own."""
        with torch.no_grad():
            self.bias.zero_()

    def forward(self, w: Tensor) -> Tensor:
        x = self.linear(w).unflatten(1, (-1, 4, 4)) + self.bias.view(1, -1, 1, 1)
        return activated(self.conv(activated(x)))


class Doubling(nn.Module):
    """Two 3x3 convolutions, the first at twice the resolution it gets."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv1 = Conv(inputs, channels, scale="up", bias=True)
        self.conv2 = Conv(channels, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return activated(self.conv2(activated(self.conv1(x))))


@network("progressive_generator")
class ProgressiveGenerator(Growing):
    """G: code to image at the working resolution. Equalised learning rates.

    Args:
        image_shape: Channels, height, width; height and width are 4 times a power of two.
        w_dim: Width of the code, which is brought to unit root mean square first.
        channels: Feature maps of each level, 4x4 first (see `twoway.networks.style_blocks.style_channels`).

    Raises:
        ConfigError: Images or channels that do not fit.
    """

    def __init__(self, image_shape: tuple[int, int, int], w_dim: int, channels: tuple[int, ...]) -> None:
        super().__init__(side_of(image_shape))
        check_channels(channels, self.levels)
        self.normalise = PixelNorm()
        self.first = First(w_dim, channels[0])
        self.blocks = nn.ModuleList(Doubling(channels[i - 1], channels[i]) for i in range(1, self.levels))
        self.to_rgb = nn.ModuleList(Conv(maps, image_shape[0], size=1, gain=1.0, bias=True) for maps in channels)

    def forward(self, w: Tensor) -> Tensor:
        """Map codes (B, 1, w_dim) to images (B, C, resolution, resolution), around [-1, 1] but not bounded."""
        x = below = self.first(self.normalise(w.flatten(1)))
        for block in self.blocks[: self.level]:
            below, x = x, block(x)
        image = self.to_rgb[self.level](x)
        if self.blend < 1:
            image = torch.lerp(doubled(self.to_rgb[self.level - 1](below)), image, self.blend)
        return image.contiguous()


def activated(x: Tensor) -> Tensor:
    """Leaky rectifier, then every pixel of (B, C, H, W) brought to unit root mean square over its maps."""
    x = functional.leaky_relu(x, SLOPE)
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)
