"""The style-based generator of StyleGAN as ALAE uses it, grown level by level.

Where paper and official code of ALAE differ, this follows the code (see `twoway.networks.style_blocks.Noisy` for what
that code does in place of noise). At the first input the code draws one noise map for the whole batch, because its
constant has no batch axis yet; here a noise function is asked for one map per image there too, and may answer with a
single one.

References:
    Karras et al., A Style-Based Generator Architecture for GANs, arXiv 1812.04948, section 2.
    Pidhorskyi et al., Adversarial Latent Autoencoders, arXiv 2004.04467, section 4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twoway.networks.convolutions import Conv, blur
from twoway.networks.growing import Growing
from twoway.networks.registry import network
from twoway.networks.style_blocks import Constant, Noise, Noisy, Style, check_channels, doubled, side_of

__all__ = ["StyleGenerator", "rows_of"]


class Half(nn.Module):
    """What follows a convolution: noise, bias, leaky rectifier, style."""

    def __init__(self, channels: int, w_dim: int, level: int) -> None:
        super().__init__()
        self.noisy = Noisy(channels, level)
        self.style = Style(channels, w_dim)

    def forward(self, x: Tensor, w: Tensor, noise: Noise) -> Tensor:
        return self.style(self.noisy(x, w.shape[0], noise), w)


class Block(nn.Module):
    """One level: doubling convolution and blur (but at 4x4), first half; convolution, second half."""

    def __init__(self, inputs: int, channels: int, w_dim: int, level: int) -> None:
        super().__init__()
        self.up = Conv(inputs, channels, scale="up") if level else None
        self.first = Half(channels, w_dim, level)
        self.conv = Conv(channels, channels)
        self.second = Half(channels, w_dim, level)

    def forward(self, x: Tensor, w: Tensor, noise: Noise) -> Tensor:
        """Map (B, inputs, H, W) to (B, channels, 2H, 2W) with two rows of codes (B, 2, w_dim)."""
        if self.up is not None:
            x = blur(self.up(x))
        x = self.first(x, w[:, 0], noise)
        return self.second(self.conv(x), w[:, 1], noise)


@network("style_generator")
class StyleGenerator(Growing):
    """G: a code for all layers, or one per layer, to an image.

    Args:
        image_shape: Channels, height, width; height and width are 4 times a power of two.
        w_dim: Width of the latent code.
        channels: Feature maps of each level, 4x4 first (see `twoway.networks.style_blocks.style_channels`).
        rgb_gain: Scale of the first weights of the layers that make colours, and of their learning rate: 0.03 in ALAE,
            1 in StyleGAN.
        tanh: Whether the image is squashed to [-1, 1], as in LIA.

    Attributes:
        w_layers: Rows of a code with one row per layer: two per level.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        w_dim: int,
        channels: tuple[int, ...],
        rgb_gain: float = 0.03,
        tanh: bool = False,
    ) -> None:
        super().__init__(side_of(image_shape))
        check_channels(channels, self.levels)
        self.w_layers = 2 * self.levels
        self.tanh = tanh
        self.constant = Constant(channels[0])
        self.blocks = nn.ModuleList(
            Block(channels[max(i - 1, 0)], maps, w_dim, level=i) for i, maps in enumerate(channels)
        )
        self.to_rgb = nn.ModuleList(Conv(maps, image_shape[0], size=1, gain=rgb_gain, bias=True) for maps in channels)

    def forward(self, w: Tensor, noise: Noise = "fixed") -> Tensor:
        """Make images at the working resolution.

        Args:
            w: Codes (B, 1, w_dim), one for all layers, or (B, w_layers, w_dim), of which the rows of working levels
                count.
            noise: Where the noise comes from; the default gives the same image for the same code every time.

        Returns:
            Images (B, C, resolution, resolution); around [-1, 1], within it only with `tanh`.
        """
        w = rows_of(w, self.w_layers)
        x = below = self.constant()
        for i in range(self.level + 1):
            below, x = x, self.blocks[i](x, w[:, 2 * i : 2 * i + 2], noise)
        image = self.to_rgb[self.level](x)
        if self.blend < 1:
            image = torch.lerp(doubled(self.to_rgb[self.level - 1](below)), image, self.blend)
        image = image.contiguous()
        return torch.tanh(image) if self.tanh else image


def rows_of(w: Tensor, layers: int) -> Tensor:
    """One code per layer, (B, layers, dim), of codes (B, 1, dim) or (B, layers, dim), without a copy.

    Raises:
        ValueError: Any other number of rows.
    """
    if w.shape[1] not in (1, layers):
        raise ValueError(f"codes with {w.shape[1]} rows were given to a generator that takes 1 or {layers}")
    return w.expand(-1, layers, -1)
