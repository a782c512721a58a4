"""An encoder that grows: the critic of images with a code where its score is.

References:
    Heljakka, Solin, Kannala, Pioneer Networks: Progressively Growing Generative Autoencoder, arXiv 1807.03026.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from twoway.networks.image_critic import ImageCritic
from twoway.networks.layers import Linear
from twoway.networks.registry import network

__all__ = ["ProgressiveEncoder"]


@network("progressive_encoder")
class ProgressiveEncoder(ImageCritic):
    """E: image at the working resolution to a code. Every image by itself: there is no map of the batch's spread.

    Args:
        image_shape: Channels, height, width of the full images; square, the side 4 times a power of two.
        w_dim: Width of the code.
        channels: Maps at 4x4, 8x8, ..., as many entries as there are resolutions.
        sphere: Whether codes are brought to unit length.

    Raises:
        ConfigError: Images or channels that do not fit.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], w_dim: int, channels: tuple[int, ...], sphere: bool = True
    ) -> None:
        super().__init__(image_shape, channels, stddev_group=1)
        self.sphere = sphere
        self.head = Linear(channels[0], w_dim, gain=1.0)

    def code(self, features: Tensor) -> Tensor:
        """Codes (B, 1, w_dim) from what `features` gives."""
        w = self.head(features).unsqueeze(1)
        return functional.normalize(w, dim=2) if self.sphere else w

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, resolution, resolution) in [-1, 1] to codes (B, 1, w_dim)."""
        return self.code(self.features(x))
