"""A critic of images that can grow: StyleGAN's discriminator, or the residual one of StyleGAN2.

References:
    Karras et al., A Style-Based Generator Architecture for GANs, arXiv 1812.04948 (the discriminator of its code);
    Progressive Growing of GANs, arXiv 1710.10196, sections 2 and 3 (growing, the spread within a batch).
    Karras et al., Analyzing and Improving the Image Quality of StyleGAN, arXiv 1912.04958, section 4.1 (residual).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.networks.convolutions import Conv, blur, halved
from twoway.networks.growing import Growing
from twoway.networks.layers import Linear
from twoway.networks.registry import network

__all__ = ["ImageCritic", "batch_spread"]

SLOPE = 0.2


class HalvingBlock(nn.Module):
    """Two 3x3 convolutions, the second of which halves the resolution; beside them a 1x1 shortcut where residual."""

    def __init__(self, inputs: int, outputs: int, *, residual: bool) -> None:
        super().__init__()
        self.conv1 = Conv(inputs, inputs, bias=True)
        self.conv2 = Conv(inputs, outputs, scale="down", bias=True)
        self.shortcut = Conv(inputs, outputs, 1, gain=1.0) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        y = functional.leaky_relu(self.conv1(x), SLOPE)
        y = functional.leaky_relu(self.conv2(blur(y)), SLOPE)
        if self.shortcut is None:
            return y
        # variances add up in the sum
        return (self.shortcut(halved(blur(x))) + y) * math.sqrt(0.5)


@network("image_critic")
class ImageCritic(Growing):
    """D: a score for an image at the working resolution.

    Per resolution a 3x3 convolution and one that blurs and halves; at 4x4 a map that says how much the batch varies,
    a 3x3 convolution and two linear layers. Equalised learning rates.

    Args:
        image_shape: Channels, height, width of the full images; square, the side 4 times a power of two.
        channels: Maps at 4x4, 8x8, ..., as many entries as there are resolutions.
        stddev_group: Images whose spread is measured together; 1 leaves the map of the spread away.
        residual: Whether blocks have shortcuts, as in StyleGAN2.
        growing: Whether every resolution has layers that read images, or only the finest one.

    Raises:
        ConfigError: Images or channels that do not fit.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        channels: tuple[int, ...],
        stddev_group: int = 4,
        residual: bool = False,
        growing: bool = True,
    ) -> None:
        if image_shape[1] != image_shape[2]:
            raise ConfigError(f"The image critic takes square images, but image_shape is {list(image_shape)}.")
        super().__init__(image_shape[1])
        if len(channels) != self.levels:
            raise ConfigError(
                f"channels of the image critic has {len(channels)} entries, but images of {image_shape[1]} pixels need "
                f"{self.levels}: one for each resolution 4, 8, ..., {image_shape[1]}."
            )
        self.group = stddev_group
        levels = range(self.levels) if growing else [self.levels - 1]
        self.from_rgb = nn.ModuleDict(
            {str(level): Conv(image_shape[0], channels[level], 1, bias=True) for level in levels}
        )
        self.blocks = nn.ModuleList(
            HalvingBlock(channels[level], channels[level - 1], residual=residual) for level in range(1, self.levels)
        )
        self.last_conv = Conv(channels[0] + (stddev_group > 1), channels[0], bias=True)
        self.hidden = Linear(channels[0] * 16, channels[0])
        self.head = Linear(channels[0], 1, gain=1.0)

    def grow_to(self, level: int, blend: float = 1.0) -> None:
        """Let the levels up to this one work, the last of them faded in by `blend`.

        Raises:
            ValueError: There is no such level, or the net was not built to grow.
        """
        needed = (level,) if blend == 1 or level == 0 else (level, level - 1)
        if any(str(number) not in self.from_rgb for number in needed):
            raise ValueError(f"level {level} with blend {blend} cannot be: this critic reads full images only")
        super().grow_to(level, blend)

    def features(self, x: Tensor) -> Tensor:
        """Last hidden layer (B, channels[0]) of images (B, C, H, W) in [-1, 1] of the working resolution.

        The spread within a batch is that of the rows given here: under several processes, of each process's own.
        """
        maps = self._read(x, self.level)
        for level in range(self.level, 0, -1):
            maps = self.blocks[level - 1](maps)
            if level == self.level and self.blend < 1:
                maps = torch.lerp(self._read(halved(x), level - 1), maps, self.blend)
        if self.group > 1:
            maps = torch.cat([maps, batch_spread(maps, self.group)], dim=1)
        maps = functional.leaky_relu(self.last_conv(maps), SLOPE)
        return functional.leaky_relu(self.hidden(maps.contiguous().flatten(1)), SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """Score images (B, C, H, W) in [-1, 1] of the working resolution: shape (B,)."""
        return self.head(self.features(x))[:, 0]

    def _read(self, x: Tensor, level: int) -> Tensor:
        # convolutions of small batches are about twice as fast on CPUs where channels come last
        x = x.contiguous(memory_format=torch.channels_last)
        maps = functional.leaky_relu(self.from_rgb[str(level)](x), SLOPE)
        return maps.contiguous(memory_format=torch.channels_last)


def batch_spread(maps: Tensor, group: int) -> Tensor:
    """How much the images of a batch differ: their standard deviation within groups, averaged over all map entries.

    The batch is dealt out to ceil(B / group) groups in turn, so that groups are of `group` images or one less where
    that does not divide the batch; rows of the same group get the same number.

    Args:
        maps: Feature maps, (B, C, H, W).
        group: Images per group.

    Returns:
        One more map, (B, 1, H, W).
    """
    batch = len(maps)
    groups = math.ceil(batch / group)
    rows = math.ceil(batch / groups)
    padded = functional.pad(maps, (0, 0, 0, 0, 0, 0, 0, rows * groups - batch)).unflatten(0, (rows, groups))
    present = (torch.arange(rows * groups, device=maps.device) < batch).view(rows, groups, 1, 1, 1).to(maps.dtype)
    count = present.sum(0)
    deviations = (padded - padded.sum(0) / count) * present
    spread = (deviations.square().sum(0) / count + 1e-8).sqrt().flatten(1).mean(1)
    return spread.repeat(rows)[:batch].view(-1, 1, 1, 1).expand(-1, 1, *maps.shape[2:])
