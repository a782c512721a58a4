"""Permutation-invariant nets of linear layers: the nets of ALAE's Table 2 and of BiGAN's MNIST experiment.

References:
    Pidhorskyi et al., Adversarial Latent Autoencoders, arXiv 2004.04467, section 5.1.
    Donahue et al., Adversarial Feature Learning, arXiv 1605.09782, section 4.2.
"""

from __future__ import annotations

import itertools
import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.networks.layers import BatchNorm, Linear, PixelNorm
from twoway.networks.registry import network

__all__ = ["Gaussian", "MLPCritic", "MLPEncoder", "MLPGenerator", "MLPMapping", "as_code", "linear_stack"]

PixelRange = Literal["unit", "signed"]


class Gaussian(NamedTuple):
    """A diagonal normal distribution over latent codes: mean and log variance, each (B, layers, dim)."""

    mean: Tensor
    log_var: Tensor


class LeakyLinear(nn.Module):
    """A linear layer, batch norm where asked for, and a leaky rectifier (slope 1 leaves the output linear)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        slope: float,
        gain: float = math.sqrt(2.0),
        lr_mul: float = 1.0,
        batch_norm: bool = False,
        equalised: bool = True,
    ) -> None:
        super().__init__()
        self.linear = Linear(inputs, outputs, gain=gain, lr_mul=lr_mul, equalised=equalised)
        self.norm = BatchNorm(outputs) if batch_norm else None
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        if self.norm is not None:
            x = self.norm(x)
        return x if self.slope == 1.0 else functional.leaky_relu(x, self.slope)


@network("mlp_mapping")
class MLPMapping(nn.Module):
    """F: prior code to latent code, equal widths, slow learning rate.

    Args:
        z_dim: Width of the prior code.
        w_dim: Width of the latent code.
        depth: Number of layers.
        slope: Slope of the leaky units.
        head_slope: Slope of the last one; 1 leaves the code linear, None means as the others.
        lr_mul: Factor on the learning rate.
        normalise: Whether the prior code is first scaled to unit root mean square.
    """

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        depth: int = 6,
        slope: float = 0.2,
        head_slope: float | None = None,
        lr_mul: float = 0.1,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.normalise = PixelNorm() if normalise else nn.Identity()
        widths = [z_dim] + [w_dim] * depth
        slopes = [slope] * (depth - 1) + [slope if head_slope is None else head_slope]
        self.layers = nn.Sequential(
            *[
                LeakyLinear(a, b, slope=s, lr_mul=lr_mul)
                for (a, b), s in zip(itertools.pairwise(widths), slopes, strict=True)
            ]
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map prior codes (B, z_dim) to latent codes (B, 1, w_dim)."""
        return self.layers(self.normalise(z)).unsqueeze(1)


@network("mlp_generator")
class MLPGenerator(nn.Module):
    """G: latent code to image.

    Args:
        w_dim: Width of the latent code.
        image_shape: Channels, height, width.
        hidden: Widths of the hidden layers.
        slope: Slope of their leaky units.
        output: What bounds the pixels: nothing, or a squashing function with the pixels' range.
        pixels: Range in which the layers see pixels: ``unit`` [0, 1] or ``signed`` [-1, 1]. The image that comes
            out is in [-1, 1] either way.
        batch_norm: Batch norm in the hidden layers.
        equalised: Equalised learning rate.
    """

    def __init__(
        self,
        w_dim: int,
        image_shape: tuple[int, int, int],
        hidden: tuple[int, ...] = (1024, 1024),
        slope: float = 0.2,
        output: Literal["linear", "squash"] = "linear",
        pixels: PixelRange = "signed",
        batch_norm: bool = False,
        equalised: bool = True,
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.squash = output == "squash"
        self.unit = pixels == "unit"
        self.hidden = linear_stack([w_dim, *hidden], slope=slope, batch_norm=batch_norm, equalised=equalised)
        self.head = Linear(hidden[-1], math.prod(image_shape), equalised=equalised, gain=_head_gain(equalised))

    def forward(self, w: Tensor) -> Tensor:
        """Map latent codes (B, 1, w_dim) to images (B, C, H, W)."""
        x = self.head(self.hidden(w.flatten(1)))
        if self.squash:
            x = torch.sigmoid(x) if self.unit else torch.tanh(x)
        if self.unit:
            x = x * 2 - 1
        return x.unflatten(1, self.image_shape)


@network("mlp_encoder")
class MLPEncoder(nn.Module):
    """E: image to latent code, or to a Gaussian over latent codes.

    Args:
        image_shape: Channels, height, width.
        w_dim: Width of the latent code.
        hidden: Widths of the hidden layers; the last one gives the "long" features of ALAE's Table 2.
        slope: Slope of the hidden leaky units.
        head_slope: Slope of the unit on the latent code itself; 1 leaves it linear.
        gaussian: Whether the net gives a mean and a log variance.
        pixels: Range in which the layers see pixels (see `MLPGenerator`); images come in [-1, 1] either way.
        batch_norm: Batch norm in the hidden layers.
        equalised: Equalised learning rate.
        sphere: Whether codes are brought to unit length.
        beside: Width of what is given beside the image, such as its one-hot label; 0 for nothing.

    Raises:
        ConfigError: A Gaussian on the sphere.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        w_dim: int,
        hidden: tuple[int, ...] = (1024, 1024),
        slope: float = 0.2,
        head_slope: float = 1.0,
        gaussian: bool = False,
        pixels: PixelRange = "signed",
        batch_norm: bool = False,
        equalised: bool = True,
        sphere: bool = False,
        beside: int = 0,
    ) -> None:
        super().__init__()
        if sphere and gaussian:
            raise ConfigError("An encoder gives codes on the sphere or a Gaussian, not both: set sphere or gaussian.")
        self.gaussian = gaussian
        self.sphere = sphere
        self.beside = beside
        self.unit = pixels == "unit"
        self.hidden = linear_stack(
            [math.prod(image_shape) + beside, *hidden], slope=slope, batch_norm=batch_norm, equalised=equalised
        )
        outputs = 2 * w_dim if gaussian else w_dim
        gain = math.sqrt(2.0) if head_slope != 1.0 else _head_gain(equalised)
        self.head = LeakyLinear(hidden[-1], outputs, slope=head_slope, gain=gain, equalised=equalised)

    def features(self, x: Tensor, *beside: Tensor) -> Tensor:
        """Last hidden layer, after its activation: (B, hidden[-1]) from images (B, C, H, W) in [-1, 1]."""
        x = x.flatten(1)
        return self.hidden(torch.cat([(x + 1) / 2 if self.unit else x, *beside], dim=1))

    def code(self, features: Tensor) -> Tensor | Gaussian:
        """Latent code (B, 1, w_dim), or its distribution, from what `features` gives."""
        return as_code(self.head(features).unsqueeze(1), gaussian=self.gaussian, sphere=self.sphere)

    def forward(self, x: Tensor, *beside: Tensor) -> Tensor | Gaussian:
        """Map images (B, C, H, W) in [-1, 1] to latent codes (B, 1, w_dim) or to a `Gaussian` over them."""
        return self.code(self.features(x, *beside))


@network("mlp_critic")
class MLPCritic(nn.Module):
    """D: a score for an image, a latent code, or a pair of both laid side by side.

    ALAE's own D is a stack of linear layers without activations, hence an affine function of w, of whose last
    layer only one output is used; ``slope=1`` with ``outputs=50``, or for the style nets ``outputs=2 * w_dim`` and
    ``score=w_dim``, give exactly that.

    Args:
        inputs: Width of everything the critic sees, flattened.
        hidden: Widths of the hidden layers.
        outputs: Width of the last layer.
        score: Number, from 0, of the output that is the score, None for the first; the others stand idle.
        slope: Slope of the hidden leaky units.
        lr_mul: Factor on the learning rate.
        batch_norm: Batch norm in the hidden layers but the first.
        equalised: Equalised learning rate.
    """

    def __init__(
        self,
        inputs: int,
        hidden: tuple[int, ...] = (1024, 1024),
        outputs: int = 1,
        slope: float = 0.2,
        lr_mul: float = 1.0,
        batch_norm: bool = False,
        equalised: bool = True,
        score: int | None = None,
    ) -> None:
        super().__init__()
        self.score = score or 0
        if not 0 <= self.score < outputs:
            raise ConfigError(f"score is {score}, but the critic's outputs are numbered from 0 to {outputs - 1}.")
        widths = [inputs, *hidden]
        self.hidden = nn.Sequential(
            *[
                LeakyLinear(a, b, slope=slope, lr_mul=lr_mul, batch_norm=batch_norm and i > 0, equalised=equalised)
                for i, (a, b) in enumerate(itertools.pairwise(widths))
            ]
        )
        # ALAE draws the last layer with the gain of the others; an ordinary scalar head starts at unit gain
        self.head = Linear(
            widths[-1], outputs, lr_mul=lr_mul, equalised=equalised, gain=math.sqrt(2.0) if outputs > 1 else 1.0
        )

    def features(self, *seen: Tensor) -> Tensor:
        """Last hidden layer (B, hidden[-1]) of what is seen, each part (B, ...)."""
        return self.hidden(torch.cat([part.flatten(1) for part in seen], dim=1))

    def forward(self, *seen: Tensor) -> Tensor:
        """Score what is seen, each part (B, ...): shape (B,)."""
        return self.head(self.features(*seen))[:, self.score]


def as_code(values: Tensor, *, gaussian: bool, sphere: bool) -> Tensor | Gaussian:
    """What a head gives (B, 1, width) as a code: itself, on the unit sphere, or means and log variances in halves."""
    if gaussian:
        return Gaussian(*values.chunk(2, dim=2))
    return functional.normalize(values, dim=2) if sphere else values


def _head_gain(equalised: bool) -> float:
    return math.sqrt(2.0) if equalised else 1.0


def linear_stack(widths: list[int], *, slope: float, batch_norm: bool, equalised: bool) -> nn.Sequential:
    """Hidden layers from one width to the next."""
    return nn.Sequential(
        *[
            LeakyLinear(a, b, slope=slope, batch_norm=batch_norm, equalised=equalised)
            for a, b in itertools.pairwise(widths)
        ]
    )
