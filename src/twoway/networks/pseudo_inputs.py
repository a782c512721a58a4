"""Pseudo-inputs: images that are learnt, and whose codes are the prior of the codes of real ones.

Reference:
    Tomczak and Welling, VAE with a VampPrior, arXiv 1705.07120, section 2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from twoway.errors import ConfigError
from twoway.networks.mlp import Gaussian
from twoway.networks.registry import network

__all__ = ["PseudoInputs"]


class Pixels(nn.Module):
    """A table of learnt pixels (rows, pixels), on the scale [0, 1] but not bounded to it."""

    def __init__(self, rows: int, pixels: int, mean: float, std: float) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.weight = nn.Parameter(torch.empty(rows, pixels))

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw every pixel anew."""
        with torch.no_grad():
            self.weight.normal_(self.mean, self.std, generator=generator)


@network("pseudo_inputs")
class PseudoInputs(nn.Module):
    """F: the number of a pseudo-input and noise to a draw from the encoder's distribution for it.

    It owns the images only; the encoder, which it is given whenever it maps, belongs to its own slot.

    Args:
        image_shape: Channels, height, width.
        count: How many pseudo-inputs.
        mean: Mean of the initial pixels, on the scale [0, 1].
        std: Their standard deviation.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], count: int = 500, mean: float = 0.05, std: float = 0.01
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.count = count
        self.pixels = Pixels(count, math.prod(image_shape), mean, std)

    def images(self) -> Tensor:
        """The pseudo-inputs in [-1, 1], (count, C, H, W): clipped hard, so that a clipped pixel stays put."""
        return (self.pixels.weight.clamp(0.0, 1.0) * 2 - 1).unflatten(1, self.image_shape)

    def forward(self, z: Tensor, encoder: nn.Module) -> Tensor:
        """Map prior codes to latent codes (B, 1, w_dim).

        Args:
            z: ``categorical(count) normal(w_dim)``, shape (B, count + w_dim): which pseudo-input, and noise.
            encoder: E, which must give a `Gaussian`.

        Raises:
            ConfigError: The encoder gives one code an image, or the prior does not fit.
        """
        posterior = encoder(self.images())
        if not isinstance(posterior, Gaussian):
            raise ConfigError("Pseudo-inputs need an encoder that gives a distribution: set nets.encoder.gaussian.")
        mean, log_var = (part.flatten(1) for part in posterior)
        if z.shape[1] != self.count + mean.shape[1]:
            raise ConfigError(
                f"Prior codes are {z.shape[1]} wide, but {self.count} pseudo-inputs and codes {mean.shape[1]} wide "
                f"need the prior categorical({self.count}) normal({mean.shape[1]})."
            )
        chosen, noise = z.split([self.count, mean.shape[1]], dim=1)
        return (chosen @ mean + (0.5 * (chosen @ log_var)).exp() * noise).unsqueeze(1)
