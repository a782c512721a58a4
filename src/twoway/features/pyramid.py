"""Pixels and edges at several scales: features that need no weights and no training."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from twoway.errors import ConfigError, DataError
from twoway.features.base import FeatureExtractor
from twoway.features.registry import features

__all__ = ["Pyramid"]

_SMALLEST = 4  # side of the coarsest octave: below it an image has no edges left to speak of
_GRID = 4
_FLOOR = 0.01  # about one grey level of 256: less contrast than this counts as none


@features("pyramid")
class Pyramid(FeatureExtractor):
    """Multi-scale pixels and differences of neighbouring pixels, the same for every data set and machine.

    Octave k is the image averaged over blocks of 2^k pixels. Of each come the pixels and the differences of
    neighbours to the right, downwards and along both diagonals, (B, 5 C, H / 2^k, W / 2^k); beyond the border the
    image goes on with its border pixels. The features are linear in the image, so their distance is a squared error
    that weights coarse structure and edges more than plain pixels do. Octaves whose side would fall below 4 are left
    out, so a small image has the first few of the layers only.

    Args:
        octaves: Number of scales, the first being the image itself.
        edges: Factor on the differences, which are smaller than pixels by nature.
    """

    def __init__(self, *, octaves: int = 4, edges: float = 2.0) -> None:
        super().__init__()
        if octaves < 1:
            raise ConfigError(f"features.options.octaves is {octaves}, but must be at least 1.")
        self.octaves = octaves
        self.edges = edges
        self.layers = tuple(f"octave{k}" for k in range(octaves))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features of images in [-1, 1], (B, C, H, W) with sides of at least 4: one tensor (B, 5 C, h, w) per octave.

        Raises:
            DataError: Images with a side below 4.
        """
        return tuple(
            torch.cat([octave, *(self.edges * edge for edge in _differences(octave))], dim=1)
            for octave in self._octaves(x)
        )

    def pooled(self, x: Tensor) -> Tensor:
        """Vector of each image: its 4x4 thumbnail, and how strong edges of each scale and direction are, by quarter.

        The strength is log(0.01 + mean |difference|) over the channels and the pixels of a quarter of the image. The
        logarithm puts contrasts on the scale of the thumbnail's pixels.

        Returns:
            (B, 16 C + 16 octaves): 112 numbers for colour images of 32 pixels or more.
        """
        parts = [functional.adaptive_avg_pool2d(x, _GRID).flatten(1)]
        for octave in self._octaves(x):
            for edge in _differences(octave):
                strength = functional.adaptive_avg_pool2d(edge.abs().mean(1, keepdim=True), 2)
                parts.append((strength + _FLOOR).log().flatten(1))
        return torch.cat(parts, dim=1)

    def describe(self) -> dict[str, Any]:
        """Name, layers, no weights, and the settings."""
        return {**super().describe(), "octaves": self.octaves, "edges": self.edges}

    def _octaves(self, x: Tensor) -> list[Tensor]:
        if min(x.shape[-2:]) < _SMALLEST:
            raise DataError(
                f"The images are {x.shape[-1]}x{x.shape[-2]}, but the pyramid features need sides of at least "
                f"{_SMALLEST} pixels. Use larger images."
            )
        found = [x]
        while len(found) < self.octaves and min(found[-1].shape[-2:]) >= 2 * _SMALLEST:
            found.append(functional.avg_pool2d(found[-1], 2))
        return found


def _differences(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Neighbour minus pixel: right, down, along the falling and the rising diagonal (over sqrt 2); sizes as `x`."""
    padded = functional.pad(x, (0, 1, 0, 1), mode="replicate")
    here, right = padded[..., :-1, :-1], padded[..., :-1, 1:]
    below, across = padded[..., 1:, :-1], padded[..., 1:, 1:]
    return right - here, below - here, (across - here) / math.sqrt(2), (right - below) / math.sqrt(2)
