"""The style encoder of ALAE: each block hands the mean and deviation of its maps to the code.

Where paper and official code differ, this follows the code: the code also counts the deviation sqrt(mean((x - m)^2))
without an epsilon, whose gradient is not a number on a constant map; `eps_std` mends that. The layer that reads colours
is rectified twice, so that its slope below zero is 0.04. The last block goes from 4x4 to 2x2 and gives nothing but its
statistics.

References:
    Pidhorskyi et al., Adversarial Latent Autoencoders, arXiv 2004.04467, section 4 and equation 9.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.networks.convolutions import Conv, blur, halved
from twoway.networks.growing import Growing
from twoway.networks.layers import Linear
from twoway.networks.normalisation import instance_norm
from twoway.networks.registry import network
from twoway.networks.style_blocks import SLOPE, check_channels, side_of

__all__ = ["StyleEncoder"]


class Offset(Linear):
    """A linear map that starts at zero and learns as one that did not."""

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Zero weight and bias."""
        assert self.bias is not None
        with torch.no_grad():
            self.weight.zero_()
            self.bias.zero_()


class Block(nn.Module):
    """One level: two convolutions, the second halving; each gives statistics before it is normalised."""

    EPS = 1e-5

    def __init__(self, channels: int, outputs: int, *, eps_std: float) -> None:
        super().__init__()
        self.eps_std = eps_std
        self.conv = Conv(channels, channels, bias=True)
        self.down = Conv(channels, outputs, scale="down", bias=True)

    def forward(self, x: Tensor, *, last: bool) -> tuple[Tensor | None, list[Tensor]]:
        """Features at half the resolution (None for the last block) and the statistics of both convolutions."""
        x, first = self._normalise(functional.leaky_relu_(self.conv(x), SLOPE))
        x, second = self._normalise(functional.leaky_relu_(self.down(blur(x)), SLOPE))
        return None if last else x, [first, second]

    def _normalise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x, mean, variance = instance_norm(x, self.EPS)
        return x, torch.cat([mean, torch.sqrt(variance + self.eps_std)], dim=1).flatten(1)


@network("style_encoder")
class StyleEncoder(Growing):
    """E: image to a code, the sum of linear maps of the statistics of its feature maps.

    Args:
        image_shape: Channels, height, width; height and width are 4 times a power of two.
        w_dim: Width of the latent code.
        channels: Feature maps with which each level begins, 4x4 first, as in the generator; a level ends with those of
            the next coarser one.
        bottom: Feature maps with which the 4x4 level ends; None is as many as it begins with. The official rule is
            min(maximum, 2 * channels[0]).
        eps_std: Added to the variance under the root of the deviation; 0 is the official behaviour.
        w_layers: 1 for one code per image; two per level for a code per layer of the generator, which is the single
            code plus offsets that start at zero. The two rows of a level get theirs from the statistics of that level.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        w_dim: int,
        channels: tuple[int, ...],
        bottom: int | None = None,
        eps_std: float = 1e-8,
        w_layers: int = 1,
    ) -> None:
        super().__init__(side_of(image_shape))
        check_channels(channels, self.levels)
        if w_layers not in (1, 2 * self.levels):
            raise ConfigError(
                f"w_layers is {w_layers}, but an encoder of {self.levels} levels gives 1 code per image or "
                f"{2 * self.levels}, two per level."
            )
        self.w_layers = w_layers
        ends = [channels[0] if bottom is None else bottom, *channels[:-1]]
        self.widths = [(2 * a, 2 * b) for a, b in zip(channels, ends, strict=True)]
        self.from_rgb = nn.ModuleList(Conv(image_shape[0], maps, size=1, bias=True) for maps in channels)
        self.blocks = nn.ModuleList(Block(a, b, eps_std=eps_std) for a, b in zip(channels, ends, strict=True))
        self.heads = nn.ModuleList(nn.ModuleList(Linear(width, w_dim) for width in pair) for pair in self.widths)
        offsets = (Offset(sum(pair), 2 * w_dim) for pair in self.widths) if w_layers > 1 else ()
        self.offsets = nn.ModuleList(offsets)

    def features(self, x: Tensor) -> Tensor:
        """Statistics of all working blocks side by side, finest first, from images at the working resolution.

        Args:
            x: Images (B, C, resolution, resolution) in [-1, 1].

        Returns:
            Means and deviations, (B, features).

        Raises:
            ValueError: Images of another size.
        """
        if x.shape[2:] != (self.resolution, self.resolution):
            raise ValueError(f"images of {tuple(x.shape[2:])} pixels were given to an encoder at {self.resolution}")
        x = x.contiguous(memory_format=torch.channels_last)
        small = halved(x) if self.blend < 1 else None
        maps: Tensor | None = self._read(x, self.level)
        statistics: list[Tensor] = []
        for level in range(self.level, -1, -1):
            maps, found = self.blocks[level](maps, last=level == 0)
            statistics += found
            if small is not None and maps is not None:
                maps, small = torch.lerp(self._read(small, level - 1), maps, self.blend), None
        return torch.cat(statistics, dim=1)

    def code(self, features: Tensor) -> Tensor:
        """Codes (B, w_layers, w_dim) from what `features` gives at the same level."""
        working = range(self.level, -1, -1)
        parts = features.split([sum(self.widths[level]) for level in working], dim=1)
        w, offsets = features.new_zeros(()), []
        for level, part in zip(working, parts, strict=True):
            share = self.blend if level == self.level else 1.0
            first, second = part.split(self.widths[level], dim=1)
            head: Any = self.heads[level]
            w = w + (head[0](first) + head[1](second)) * share
            if self.w_layers > 1:
                offsets.append(self.offsets[level](part).unflatten(1, (2, -1)) * share)
        if self.w_layers == 1:
            return w.unsqueeze(1)
        rows = torch.cat(offsets[::-1], dim=1)
        return w.unsqueeze(1) + functional.pad(rows, (0, 0, 0, self.w_layers - rows.shape[1]))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, resolution, resolution) in [-1, 1] to codes (B, w_layers, w_dim)."""
        return self.code(self.features(x))

    def _read(self, x: Tensor, level: int) -> Tensor:
        return functional.leaky_relu(self.from_rgb[level](x), SLOPE**2)
