"""What every feature extractor is: a fixed function from images to a tuple of feature tensors, and its record."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ModelError

__all__ = ["FeatureExtractor", "FrozenConv", "feature_distance", "freeze"]


class FeatureExtractor(nn.Module, ABC):
    """A fixed function of images, differentiable with respect to them.

    Its weights are buffers, not parameters: nothing can train them, and a step that thaws or freezes all nets does
    not touch them. It is always in evaluation mode.

    Attributes:
        name: Registered name.
        layers: Name of each feature tensor, in the order of `forward`.
        version: Of the code; to be counted up whenever it gives other numbers for the same pictures and weights, so
            that none that were kept before are taken for them.
        sha256: First digits of the hash of the weights, or None where there are none.
        needs_fit: Whether the extractor must be fitted to pictures before it can be used.
        outputs: What each of the `logits` is of; empty where the extractor knows no classes, or not their names.
        exclusive: Whether the `logits` are of classes that exclude each other, not of attributes.
    """

    name: str
    layers: tuple[str, ...]
    version: int = 1
    sha256: str | None = None
    needs_fit: bool = False
    outputs: tuple[str, ...] = ()
    exclusive: bool = True

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features of images.

        Args:
            x: Images in [-1, 1], shape (B, C, H, W).

        Returns:
            One tensor (B, channels, height, width) per layer.
        """

    def pooled(self, x: Tensor) -> Tensor:
        """One vector per image, (B, dim), for distances between sets of images."""
        return self(x)[-1].mean((2, 3))

    def logits(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities of classes, or log-odds of attributes, where the extractor is a classifier.

        Args:
            x: Images in [-1, 1], shape (B, C, H, W).

        Returns:
            (B, classes or attributes).

        Raises:
            ModelError: The extractor knows no classes.
        """
        raise ModelError(
            f"The extractor '{self.name}' gives features, but knows no classes. Of the extractors, 'squeezenet' (1000 "
            f"classes of photographs), 'inception' (1008) and classifiers made by 'twoway metrics train-extractor' "
            f"classify; use one of these."
        )

    @property
    def title(self) -> str:
        """What numbers computed from these features are named after.

        Returns:
            What it is, ``@`` and six digits of the hash of the weights where there are any, and ``+key=value`` for
            every option that is not at its default: ``pyramid``, ``squeezenet@069e14``,
            ``squeezenet@069e14+least=128``.
        """
        digits = f"@{self.sha256[:6]}" if self.sha256 else ""
        options = (f"+{key}={_short(value)}" for key, value in self.changed().items())
        return f"{self.stem}{digits}{''.join(options)}"

    @property
    def stem(self) -> str:
        """First part of `title`: the registered name, unless an extractor says more."""
        return self.name

    def changed(self) -> dict[str, Any]:
        """Options of the constructor, as attributes of their names hold them, that are not at their defaults."""
        known = inspect.signature(type(self).__init__).parameters.values()
        options = (p for p in known if p.name not in ("self", "weights"))
        return {p.name: getattr(self, p.name) for p in options if getattr(self, p.name) != p.default}

    def describe(self) -> dict[str, Any]:
        """What a number computed from these features must be printed with.

        Returns:
            Plain data: name, version of the code, layers, the file of the weights and the start of its SHA-256 (None
            where there are none), and the settings that change the features.
        """
        return {
            "name": self.name,
            "version": self.version,
            "layers": list(self.layers),
            "weights": None,
            "sha256": self.sha256,
        }

    def train(self, mode: bool = True) -> FeatureExtractor:
        """Stay in evaluation mode."""
        return super().train(False)


class FrozenConv(nn.Module):
    """A convolution whose weight and bias are buffers, to be filled from a file.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel: Side of the square kernel.
        stride: Step between outputs.
        padding: Zeros added on every side.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.stride = stride
        self.padding = padding
        self.register_buffer("weight", torch.zeros(outputs, inputs, kernel, kernel))
        self.register_buffer("bias", torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H', W')."""
        return functional.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)


def freeze(net: nn.Module) -> None:
    """Turn the parameters of a net into buffers, which nothing can train or thaw; it computes what it did."""
    for module in net.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach())


def feature_distance(first: Sequence[Tensor], second: Sequence[Tensor], *, unit: bool = False) -> Tensor:
    """Distance of each pair of images in feature space: mean squared difference of each layer, summed over layers.

    Args:
        first: Features of one batch, as an extractor returns them, each (B, channels, height, width).
        second: Features of the other batch, same shapes.
        unit: Scale the channels at each position to unit length first, so that layers of any scale count alike;
            then it is the sum over channels, averaged over positions: LPIPS without its learned weights.

    Returns:
        Distances, shape (B,), none negative.

    References:
        Zhang et al., The Unreasonable Effectiveness of Deep Features, arXiv 1801.03924, eq. 1.
    """
    layers = []
    for a, b in zip(first, second, strict=True):
        squared = (_unit(a) - _unit(b)).square().sum(1) if unit else (a - b).square()
        layers.append(squared.flatten(1).mean(1))
    return torch.stack(layers).sum(0)


def _short(value: Any) -> str:
    """An option's value without the characters that lists of names are made of."""
    return "-".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _unit(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().sum(1, keepdim=True) + 1e-10)
