"""A style generator with weight demodulation and summed colours: StyleGAN2's, for training at full resolution at once.

The styles scale what enters a convolution and its outputs are brought back to unit deviation, which is the same as
modulating and demodulating the weights of each image but needs one ordinary convolution for the whole batch.

References:
    Karras et al., Analyzing and Improving the Image Quality of StyleGAN, arXiv 1912.04958, sections 2.2 and 4 and
    appendix B. Karras et al., Training GANs with Limited Data, arXiv 2006.06676, appendix (styles divided by their
    largest, for half precision).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.networks.convolutions import Conv, blur
from twoway.networks.growing import levels_of
from twoway.networks.layers import Linear
from twoway.networks.registry import network
from twoway.networks.style_blocks import Constant, Noise, Noisy, check_channels, side_of
from twoway.networks.style_generator import rows_of

__all__ = ["SkipGenerator"]


class Scales(Linear):
    """Code to one factor per map; starts around one."""

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw the weight anew and set the bias to one."""
        super().reset(generator)
        assert self.bias is not None
        with torch.no_grad():
            self.bias.fill_(1.0)


class Layer(nn.Module):
    """Modulated convolution, demodulation, noise, bias, leaky rectifier."""

    EPS = 1e-8

    def __init__(self, inputs: int, outputs: int, w_dim: int, level: int, *, scale: Literal["same", "up"]) -> None:
        super().__init__()
        self.scales = Scales(w_dim, inputs, gain=1.0)
        self.conv = Conv(inputs, outputs, scale=scale, gain=1.0)
        self.noisy = Noisy(outputs, level, shared=True)

    def forward(self, x: Tensor, w: Tensor, noise: Noise) -> Tensor:
        """Map (B or 1, inputs, H, W) with codes (B, w_dim) to (B, outputs, H', W')."""
        scales = self.scales(w).float()
        # demodulation undoes a common factor, so the largest may be one: half precision then never overflows
        scales = scales / scales.abs().amax(dim=1, keepdim=True).clamp_min(self.EPS)
        x = self.conv(x * scales.to(x.dtype)[..., None, None])
        if self.conv.scale == "up":
            x = blur(x)
        x = x * self._demodulation(scales).to(x.dtype)[..., None, None]
        return self.noisy(x, w.shape[0], noise) * math.sqrt(2.0)

    def _demodulation(self, scales: Tensor) -> Tensor:
        """Inverse norm of every output's modulated weights, (B, outputs), in float32 whatever the maps are in."""
        energy = self.conv.weight.float().square().sum((2, 3))
        # not a matrix product, which autocast would round
        return torch.rsqrt((scales.square()[:, None] * energy).sum(2) + self.EPS)


class Colours(nn.Module):
    """Modulated 1x1 convolution to colours, not demodulated."""

    def __init__(self, inputs: int, colours: int, w_dim: int) -> None:
        super().__init__()
        self.scales = Scales(w_dim, inputs, gain=1.0)
        self.conv = Conv(inputs, colours, size=1, gain=1.0, bias=True)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map (B, inputs, H, W) with codes (B, w_dim) to (B, colours, H, W)."""
        return self.conv(x * self.scales(w).to(x.dtype)[..., None, None])


class Level(nn.Module):
    """One resolution: a doubling layer (but at 4x4), a layer, and its part of the colours."""

    def __init__(self, inputs: int, channels: int, colours: int, w_dim: int, level: int) -> None:
        super().__init__()
        self.up = Layer(inputs, channels, w_dim, level, scale="up") if level else None
        self.same = Layer(channels, channels, w_dim, level, scale="same")
        self.colours = Colours(channels, colours, w_dim)

    def forward(self, x: Tensor, w: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Features and colours from coarser features and the rows of codes, (B, 2 or 3, w_dim), in order of use."""
        rows = list(w.unbind(1))
        if self.up is not None:
            x = self.up(x, rows.pop(0), noise)
        x = self.same(x, rows[0], noise)
        return x, self.colours(x, rows[1])


@network("skip_generator")
class SkipGenerator(nn.Module):
    """G: a code for all layers, or one per layer, to an image, by summed colours of all resolutions.

    The colours of a level take the same row of the code as the first convolution of the next, so that there are two
    rows per level, as in StyleGAN2. Enlarged colours are interpolated bilinearly.

    Args:
        image_shape: Channels, height, width; height and width are 4 times a power of two.
        w_dim: Width of the latent code.
        channels: Feature maps of each level, 4x4 first.

    Attributes:
        w_layers: Rows of a code with one row per layer: two per level.
    """

    def __init__(self, image_shape: tuple[int, int, int], w_dim: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels_of(side_of(image_shape))
        check_channels(channels, self.levels)
        self.w_layers = 2 * self.levels
        self.constant = Constant(channels[0], start="normal")
        self.blocks = nn.ModuleList(
            Level(channels[max(i - 1, 0)], maps, image_shape[0], w_dim, level=i) for i, maps in enumerate(channels)
        )

    def forward(self, w: Tensor, noise: Noise = "fixed") -> Tensor:
        """Make images.

        Args:
            w: Codes (B, 1, w_dim), one for all layers, or (B, w_layers, w_dim).
            noise: Where the noise comes from; the default gives the same image for the same code every time.

        Returns:
            Images (B, C, H, W), around [-1, 1].
        """
        w = rows_of(w, self.w_layers)
        x, image = self.constant(), None
        for i, block in enumerate(self.blocks):
            x, colours = block(x, w[:, max(2 * i - 1, 0) : 2 * i + 2], noise)
            if image is not None:
                colours = colours + functional.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
            image = colours
        assert image is not None
        return image.contiguous()
