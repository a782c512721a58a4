"""Strided convolutional nets in the manner of DCGAN: encoder, generator and critic for small pictures of any even size.

References:
    Radford, Metz, Chintala, arXiv 1511.06434. With two levels and 1024 hidden units they are InfoGAN's nets for MNIST
    (arXiv 1606.03657, appendix C.1); with four levels those of
    dtuzi123/InfoVAEGAN for 64x64.
"""

from __future__ import annotations

import itertools
import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.networks.convolutions import convolve
from twoway.networks.layers import BatchNorm, Linear
from twoway.networks.mlp import Gaussian, as_code
from twoway.networks.registry import network

__all__ = ["ConvCritic", "ConvEncoder", "ConvGenerator", "Trunk"]

SLOPE = 0.2


class Strided(nn.Module):
    """Convolution with stride 1 or 2, or its transpose.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        size: Side of the kernel; 4 or an odd number where the resolution changes, odd elsewhere.
        stride: 2 halves height and width, or doubles them where `transposed`.
        transposed: Whether resolution goes up.
        bias: Whether a bias is added; batch norm takes it back.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, *, stride: int = 2, transposed: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        self.stride, self.transposed = stride, transposed
        self.std = math.sqrt(2.0 / (inputs * size * size / (stride * stride if transposed else 1)))
        shape = (inputs, outputs) if transposed else (outputs, inputs)
        self.weight = nn.Parameter(torch.empty(*shape, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw the weight anew and zero the bias."""
        with torch.no_grad():
            self.weight.normal_(0.0, self.std, generator=generator)
            if self.bias is not None:
                self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H', W')."""
        x = x.contiguous(memory_format=torch.channels_last)
        return convolve(x, self.weight, self.bias, stride=self.stride, transposed=self.transposed)


class Block(nn.Module):
    """A layer, batch norm where asked for, and a rectifier."""

    def __init__(self, layer: nn.Module, features: int, *, batch_norm: bool, slope: float) -> None:
        super().__init__()
        self.layer = layer
        self.norm = BatchNorm(features) if batch_norm else None
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        return functional.leaky_relu(x if self.norm is None else self.norm(x), self.slope)


class Trunk(nn.Module):
    """Image to hidden features: convolutions that halve the resolution, then a linear layer.

    Args:
        image_shape: Channels, height, width.
        maps: Feature maps of the convolutions, each of which halves height and width.
        hidden: Width of the linear layer.
        kernel: Side of the kernels.
        batch_norm: Batch norm in all layers but the first.
        beside: Width of a code that joins the flattened maps.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        maps: tuple[int, ...],
        hidden: int,
        kernel: int,
        *,
        batch_norm: bool,
        beside: int = 0,
    ) -> None:
        super().__init__()
        height, width = smallest(image_shape, len(maps))
        widths = [image_shape[0], *maps]
        self.convolutions = nn.Sequential(
            *[
                Block(
                    Strided(a, b, kernel, bias=not (batch_norm and i)), b, batch_norm=batch_norm and i > 0, slope=SLOPE
                )
                for i, (a, b) in enumerate(itertools.pairwise(widths))
            ]
        )
        flat = widths[-1] * height * width + beside
        self.hidden = Block(
            Linear(flat, hidden, equalised=False, bias=not batch_norm), hidden, batch_norm=batch_norm, slope=SLOPE
        )

    def forward(self, x: Tensor, *beside: Tensor) -> Tensor:
        """Hidden features (B, hidden) of images (B, C, H, W) and codes (B, ...) beside them."""
        maps = self.convolutions(x).flatten(1)
        return self.hidden(torch.cat([maps, *(code.flatten(1) for code in beside)], dim=1))


@network("conv_encoder")
class ConvEncoder(nn.Module):
    """E: image to latent code, or to a Gaussian over latent codes.

    Args:
        image_shape: Channels, height, width; height and width can be halved as often as there are maps.
        w_dim: Width of the latent code.
        maps: Feature maps from fine to coarse.
        hidden: Width of the last hidden layer, whose values are the encoder's features.
        gaussian: Whether the net gives a mean and a log variance.
        kernel: Side of the kernels, 4 or odd.
        batch_norm: Batch norm in all hidden layers but the first.
        sphere: Whether codes are brought to unit length.
        beside: Width of what is given beside the image, such as its one-hot label; 0 for nothing.

    Raises:
        ConfigError: More levels than the size of the images allows, or a Gaussian on the sphere.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        w_dim: int,
        maps: tuple[int, ...] = (64, 128),
        hidden: int = 1024,
        gaussian: bool = False,
        kernel: int = 4,
        batch_norm: bool = True,
        sphere: bool = False,
        beside: int = 0,
    ) -> None:
        super().__init__()
        if sphere and gaussian:
            raise ConfigError("An encoder gives codes on the sphere or a Gaussian, not both: set sphere or gaussian.")
        self.gaussian = gaussian
        self.sphere = sphere
        self.beside = beside
        self.trunk = Trunk(image_shape, maps, hidden, kernel, batch_norm=batch_norm, beside=beside)
        self.head = Linear(hidden, 2 * w_dim if gaussian else w_dim, gain=1.0, equalised=False)

    def features(self, x: Tensor, *beside: Tensor) -> Tensor:
        """Last hidden layer (B, hidden) of images (B, C, H, W) in [-1, 1]."""
        return self.trunk(x, *beside)

    def code(self, features: Tensor) -> Tensor | Gaussian:
        """Latent code (B, 1, w_dim), or its distribution, from what `features` gives."""
        return as_code(self.head(features).unsqueeze(1), gaussian=self.gaussian, sphere=self.sphere)

    def forward(self, x: Tensor, *beside: Tensor) -> Tensor | Gaussian:
        """Map images (B, C, H, W) in [-1, 1] to latent codes (B, 1, w_dim) or to a `Gaussian` over them."""
        return self.code(self.features(x, *beside))


@network("conv_critic")
class ConvCritic(nn.Module):
    """D: a score for an image, or for an image and a code beside it.

    Args:
        image_shape: Channels, height, width.
        beside: Width of the code beside the image; 0 for none.
        maps: Feature maps from fine to coarse.
        hidden: Width of the last hidden layer.
        kernel: Side of the kernels, 4 or odd.
        batch_norm: Batch norm in all hidden layers but the first.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        beside: int = 0,
        maps: tuple[int, ...] = (64, 128),
        hidden: int = 1024,
        kernel: int = 4,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(image_shape, maps, hidden, kernel, batch_norm=batch_norm, beside=beside)
        self.head = Linear(hidden, 1, gain=1.0, equalised=False)

    def features(self, *seen: Tensor) -> Tensor:
        """Last hidden layer (B, hidden) of what is seen."""
        return self.trunk(*seen)

    def forward(self, *seen: Tensor) -> Tensor:
        """Score images (B, C, H, W), each with its code (B, ...) where there is one: shape (B,)."""
        return self.head(self.features(*seen))[:, 0]


@network("conv_generator")
class ConvGenerator(nn.Module):
    """G: code to image through transposed convolutions.

    Args:
        w_dim: Width of the code.
        image_shape: Channels, height, width.
        maps: Feature maps from coarse to fine: those the linear layers end in, then those of each doubling but the
            last, which makes the image; with `refine` those of every doubling.
        hidden: Width of a first linear layer; 0 for none.
        kernel: Side of the kernels, 4 or odd.
        refine: Whether a convolution at the same resolution follows each doubling, the last of which makes the image.
        output: What bounds the pixels: ``squash`` (a logistic function brought to [-1, 1]), ``tanh``, or nothing.
        batch_norm: Batch norm in all hidden layers.

    Raises:
        ConfigError: More levels than the size of the images allows.
    """

    def __init__(
        self,
        w_dim: int,
        image_shape: tuple[int, int, int],
        maps: tuple[int, ...] = (128, 64),
        hidden: int = 0,
        kernel: int = 4,
        refine: bool = False,
        output: Literal["squash", "tanh", "linear"] = "squash",
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        self.output = output
        doublings = len(maps) - refine
        self.start = (maps[0], *smallest(image_shape, doublings))
        widths = [w_dim, *([hidden] if hidden else []), math.prod(self.start)]
        self.linear = nn.Sequential(
            *[
                Block(Linear(a, b, equalised=False, bias=not batch_norm), b, batch_norm=batch_norm, slope=0.0)
                for a, b in itertools.pairwise(widths)
            ]
        )
        blocks: list[nn.Module] = []
        for i, (a, b) in enumerate(itertools.pairwise(maps)):
            up = Strided(a, b, kernel, transposed=True, bias=not batch_norm)
            blocks.append(Block(up, b, batch_norm=batch_norm, slope=0.0))
            if refine and i < doublings - 1:
                same = Strided(b, b, 3, stride=1, bias=not batch_norm)
                blocks.append(Block(same, b, batch_norm=batch_norm, slope=0.0))
        self.blocks = nn.Sequential(*blocks)
        last = Strided(
            maps[-1], image_shape[0], 3 if refine else kernel, stride=1 if refine else 2, transposed=not refine
        )
        last.std *= 0.5  # pixels start near grey, where no squashing function is flat
        self.head = last

    def forward(self, w: Tensor) -> Tensor:
        """Map codes (B, 1, w_dim) to images (B, C, H, W)."""
        x = self.linear(w.flatten(1)).unflatten(1, self.start)
        x = self.head(self.blocks(x))
        if self.output == "linear":
            return x
        return torch.tanh(x / 2 if self.output == "squash" else x)


def smallest(image_shape: tuple[int, int, int], halvings: int) -> tuple[int, int]:
    """Height and width after so many halvings.

    Raises:
        ConfigError: A side that cannot be halved so often.
    """
    _, height, width = image_shape
    if halvings < 1 or height % 2**halvings or width % 2**halvings:
        raise ConfigError(
            f"Images of {height} x {width} pixels cannot be halved {halvings} times. Give fewer 'maps', one for each "
            "halving, or bring the pictures to another --size, such as 32 or 64."
        )
    return height // 2**halvings, width // 2**halvings
