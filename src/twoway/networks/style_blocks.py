"""Parts that the style nets share: channel rules, statistics of feature maps, constant input, noise, styles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.networks.growing import levels_of
from twoway.networks.layers import Linear
from twoway.networks.normalisation import noisy_rectified, restyled

__all__ = [
    "Constant",
    "Noise",
    "Noisy",
    "Style",
    "check_channels",
    "doubled",
    "side_of",
    "style_channels",
]

Noise = Callable[[tuple[int, ...]], Tensor] | Literal["fixed", "off", "density"]
"""Where noise comes from.

A function is called with the shape (B, 1, H, W) of each map, coarsest first, and returns standard normals of that shape
or of (1, 1, H, W) for one map for all images. ``fixed`` uses maps stored with the weights, ``off`` adds nothing,
``density`` adds a function of the features in place of noise (see `Noisy`).
"""

SLOPE = 0.2


def style_channels(size: int, start: int, maximum: int) -> tuple[int, ...]:
    """Feature maps per level, 4x4 first, by the rule of the official ALAE code: min(maximum, start * 2^(L - 1 - i)).

    Args:
        size: Height and width of the full images.
        start: Maps at the finest level.
        maximum: Most maps at any level.

    Example:
        >>> style_channels(32, 64, 256)
        (256, 256, 128, 64)
    """
    levels = levels_of(size)
    return tuple(min(maximum, start * 2 ** (levels - 1 - i)) for i in range(levels))


def side_of(image_shape: tuple[int, int, int]) -> int:
    """Height and width of square images.

    Raises:
        ConfigError: The images are not square.
    """
    _, height, width = image_shape
    if height != width:
        raise ConfigError(
            f"Style nets make square images, not {height} x {width} pixels. Crop the pictures to squares."
        )
    return height


def check_channels(channels: tuple[int, ...], levels: int) -> None:
    """See that there is one number of maps per level.

    Raises:
        ConfigError: There are more or fewer.
    """
    if len(channels) != levels:
        raise ConfigError(
            f"channels is {list(channels)}, but images of {4 * 2 ** (levels - 1)} pixels need {levels} numbers, one "
            "for each resolution from 4x4 up."
        )


def doubled(x: Tensor) -> Tensor:
    """Images or maps (B, C, H, W) at twice the resolution, every pixel four times."""
    return functional.interpolate(x, scale_factor=2, mode="nearest")


class Constant(nn.Module):
    """A learned input of 4x4, the same for every image; starts as ones, or as standard normals.

    Args:
        channels: Its maps.
        start: What `reset` fills it with.
    """

    def __init__(self, channels: int, *, start: Literal["ones", "normal"] = "ones") -> None:
        super().__init__()
        self.start = start
        self.value = nn.Parameter(torch.empty(1, channels, 4, 4))

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Back to ones, or to fresh normals."""
        with torch.no_grad():
            if self.start == "ones":
                self.value.fill_(1.0)
            else:
                self.value.normal_(generator=generator)

    def forward(self) -> Tensor:
        """The input, (1, channels, 4, 4)."""
        return self.value.contiguous(memory_format=torch.channels_last)


class Noisy(nn.Module):
    """Noise with a learned strength per map, then a bias per map, then the leaky rectifier.

    Where noise is ``density``, the features x grow by 0.8 s exp(-x^2 / (2 s^2)) / sqrt(2 pi) with s = sqrt(level + 1)
    instead. That is what the official ALAE code does where it is told to make images without noise; no paper mentions
    it.

    Args:
        channels: Feature maps.
        level: Of resolution 4 * 2^level.
        shared: Whether one strength serves all maps (StyleGAN2) instead of one for each (StyleGAN).

    Attributes:
        fixed: Map (1, 1, H, W) that is added where noise is ``fixed``. Drawn with the weights and never trained.
    """

    fixed: Tensor

    def __init__(self, channels: int, level: int, *, shared: bool = False) -> None:
        super().__init__()
        self.level = level
        self.strength = nn.Parameter(torch.zeros(1 if shared else channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        side = 4 * 2**level
        self.register_buffer("fixed", torch.zeros(1, 1, side, side))

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Zero strength and bias; draw the fixed map anew."""
        with torch.no_grad():
            self.strength.zero_()
            self.bias.zero_()
            self.fixed.normal_(generator=generator)

    def forward(self, x: Tensor, batch: int, noise: Noise) -> Tensor:
        """Map (B, channels, H, W) to the same shape; x may hold a single row that stands for the whole batch.

        Args:
            x: Features.
            batch: Number of images, which a noise function is asked for.
            noise: Where the noise comes from.
        """
        bias = self.bias.view(1, -1, 1, 1)
        if noise == "density":
            deviation = math.sqrt(self.level + 1)
            bell = torch.exp(x.square() * (-0.5 / deviation**2))
            x = x + bell * (0.8 * deviation / math.sqrt(2 * math.pi))
        if noise in ("density", "off"):
            return functional.leaky_relu_(x + bias, SLOPE)
        drawn = noise((batch, 1, *x.shape[2:])) if callable(noise) else self.fixed
        return noisy_rectified(x, drawn, self.strength, self.bias, SLOPE)


class Style(nn.Module):
    """Adaptive instance normalisation: every map gets zero mean and unit deviation, then scale and shift from the code.

    Args:
        channels: Feature maps.
        w_dim: Width of the code.

    References:
        Karras et al., A Style-Based Generator Architecture, arXiv 1812.04948, equation 1.
    """

    EPS = 1e-8

    def __init__(self, channels: int, w_dim: int) -> None:
        super().__init__()
        self.affine = Linear(w_dim, 2 * channels, gain=1.0)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Restyle (B or 1, channels, H, W) with codes (B, w_dim)."""
        scale, shift = self.affine(w)[..., None, None].chunk(2, dim=1)
        return restyled(x, scale, shift, self.EPS)
