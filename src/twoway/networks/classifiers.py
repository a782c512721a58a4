"""Small image classifiers whose hidden vector serves as features: one of the LeNet type, one with shortcuts."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.networks.convolutions import Conv
from twoway.networks.layers import BatchNorm, Linear
from twoway.networks.registry import network, reset_net

__all__ = ["ImageClassifier", "LeNet", "ResidualClassifier"]

_COARSEST = 4  # maps are halved down to this side
_LARGEST = 4096  # channels or numbers that a description of a net may ask for


class ImageClassifier(nn.Module, ABC):
    """Image to feature maps of several resolutions, to a vector, to one number per class or attribute.

    Args:
        image_shape: Channels, height, width; sides of at least 8.
        outputs: How many classes or attributes.
        width: Channels of the finest maps; every halving of the sides doubles them, up to eight times as many.
        hidden: Length of the vector.

    Attributes:
        image_shape: As given.
        layers: Name of each feature map, from fine to coarse.

    Raises:
        ConfigError: Images too small to be halved, or a width, length or number of outputs out of range.
    """

    hidden: nn.Module

    def __init__(self, image_shape: tuple[int, int, int], outputs: int, width: int, hidden: int) -> None:
        super().__init__()
        for name, value in (("outputs", outputs), ("width", width), ("hidden", hidden)):
            if not 1 <= value <= _LARGEST:
                raise ConfigError(f"The classifier's {name} is {value}, but must be from 1 to {_LARGEST}.")
        if not 1 <= image_shape[0] <= _LARGEST or min(image_shape[1:]) < 2 * _COARSEST:
            raise ConfigError(
                f"A classifier of images of shape {tuple(image_shape)} cannot be made: sides of at least "
                f"{2 * _COARSEST} pixels are needed. Use larger images, or scale them up (--size)."
            )
        self.image_shape = image_shape
        halvings = 1
        while min(image_shape[1:]) >> (halvings + 1) >= _COARSEST - 1:  # 7 pixels still make 3
            halvings += 1
        self.widths = [width * 2 ** min(level, 3) for level in range(halvings + 1)]
        self.layers = tuple(f"level{level}" for level in range(1, halvings + 1))
        self.head = Linear(hidden, outputs, gain=1.0, equalised=False)

    @abstractmethod
    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of images in [-1, 1] of the shape given, one (B, channels, height, width) for each layer."""

    @abstractmethod
    def vector(self, x: Tensor) -> Tensor:
        """Hidden vectors (B, hidden), none negative, of images in [-1, 1] of the shape given."""

    def forward(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities (B, outputs) of images in [-1, 1] of the shape given."""
        return self.head(self.vector(x))

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights anew."""
        reset_net(self, generator)


@network("lenet_classifier")
class LeNet(ImageClassifier):
    """Convolution, max pooling, batch norm and rectifier, again at each resolution; then a dense layer.

    Args:
        image_shape: Channels, height, width; sides of at least 8.
        outputs: How many classes or attributes.
        width: Channels of the finest maps.
        hidden: Length of the vector.

    References:
        LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998, for the type.
    """

    def __init__(self, image_shape: tuple[int, int, int], outputs: int, width: int = 16, hidden: int = 128) -> None:
        super().__init__(image_shape, outputs, width, hidden)
        widths = [image_shape[0], *self.widths[:-1]]
        self.convolutions = nn.ModuleList(_Normed(a, b, pooled=True) for a, b in itertools.pairwise(widths))
        sides = [side >> len(self.layers) for side in image_shape[1:]]
        self.hidden = Linear(widths[-1] * sides[0] * sides[1], hidden, equalised=False, bias=False)
        self.norm = BatchNorm(hidden)

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of each resolution."""
        found = []
        for layer in self.convolutions:
            x = functional.relu(layer(x))
            found.append(x)
        return tuple(found)

    def vector(self, x: Tensor) -> Tensor:
        """What the dense layer makes of the coarsest maps."""
        return functional.relu(self.norm(self.hidden(self.maps(x)[-1].flatten(1))))


@network("residual_classifier")
class ResidualClassifier(ImageClassifier):
    """A convolution, then blocks of two with a shortcut, each of which halves the sides; mean; a dense layer.

    Args:
        image_shape: Channels, height, width; sides of at least 8.
        outputs: How many classes or attributes.
        width: Channels of the finest maps.
        hidden: Length of the vector.

    References:
        He et al., Deep Residual Learning for Image Recognition, arXiv 1512.03385, for the type.
    """

    def __init__(self, image_shape: tuple[int, int, int], outputs: int, width: int = 16, hidden: int = 128) -> None:
        super().__init__(image_shape, outputs, width, hidden)
        self.first = _Normed(image_shape[0], self.widths[0])
        self.blocks = nn.ModuleList(_Block(a, b) for a, b in itertools.pairwise(self.widths))
        self.hidden = Linear(self.widths[-1], hidden, equalised=False, bias=False)
        self.norm = BatchNorm(hidden)

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps behind each block."""
        x = functional.relu(self.first(x))
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return tuple(found)

    def vector(self, x: Tensor) -> Tensor:
        """What the dense layer makes of the mean of the coarsest maps."""
        return functional.relu(self.norm(self.hidden(self.maps(x)[-1].mean((2, 3)))))


class _Normed(nn.Module):
    """A convolution, the largest of 2x2 where asked for, and batch norm."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, *, pooled: bool = False) -> None:
        super().__init__()
        self.pooled = pooled
        self.convolution = Conv(inputs, outputs, size, equalised=False)
        self.norm = BatchNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W), or half as high and wide."""
        x = self.convolution(x)
        return self.norm(functional.max_pool2d(x, 2) if self.pooled else x)


class _Block(nn.Module):
    """Average over 2x2 pixels, then two convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = _Normed(inputs, outputs), _Normed(outputs, outputs)
        self.shortcut = _Normed(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / 2, W / 2)."""
        x = functional.avg_pool2d(x, 2)
        y = self.second(functional.relu(self.first(x)))
        return functional.relu(y + (x if self.shortcut is None else self.shortcut(x)))
