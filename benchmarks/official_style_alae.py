"""A re-creation of the official StyleALAE iteration, as a thing to be timed against.

The official code (podgorskiy/ALAE, HEAD, configs/celeba.yaml) is not shipped here. This is our own writing of what it
computes below 128 pixels, in the layout and order in which it does: contiguous maps, doubling by repetition before a
whole convolution, averaging after one, depthwise blur, R1 on every batch, reals and fakes of step I in one graph, F
twice for style mixing, gradients of D that step II throws away, an Adam and an average that visit parameters one by
one in Python, and a wait for every loss. All levels of the net for 128 pixels exist and are averaged; `size` says up to
which they work.
"""

from __future__ import annotations

import copy
import math
import random

import torch
from official_alae import Dense, LoopAdam, PixelNorm
from torch import Tensor, nn
from torch.nn import functional

LATENT, START, MAXIMUM, LEVELS = 256, 64, 256, 6
SLOPE = 0.2


def widths() -> list[int]:
    """Feature maps of the levels 4x4, 8x8, ..."""
    return [min(MAXIMUM, START * 2 ** (LEVELS - 1 - i)) for i in range(LEVELS)]


def parameter(value: Tensor, coefficient: float = 1.0) -> nn.Parameter:
    """A parameter with the factor on its learning rate."""
    result = nn.Parameter(value)
    result.coefficient = coefficient
    return result


class Kernel(nn.Module):
    """The weight of a convolution, and maybe its bias."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, gain: float = math.sqrt(2), bias: bool = False):
        super().__init__()
        std = gain / math.sqrt(inputs * size * size)
        self.weight = parameter(torch.randn(outputs, inputs, size, size) * std, std)
        self.bias = parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Plain convolution."""
        return functional.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)


class Blur(nn.Module):
    """Depthwise binomial filter."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", (row[:, None] * row / 16).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Filter (B, C, H, W)."""
        return functional.conv2d(x, self.kernel, padding=1, groups=x.shape[1])


def repeated(x: Tensor) -> Tensor:
    """Twice the height and width."""
    count, channels, height, width = x.shape
    x = x.view(count, channels, height, 1, width, 1).repeat(1, 1, 1, 2, 1, 2)
    return x.view(count, channels, 2 * height, 2 * width)


class Styled(nn.Module):
    """Noise, bias, leaky unit, instance norm, style."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.strength = parameter(torch.zeros(1, channels, 1, 1))
        self.bias = parameter(torch.zeros(1, channels, 1, 1))
        self.style = Dense(LATENT, 2 * channels, slope=1.0)
        self.norm = nn.InstanceNorm2d(channels, eps=1e-8)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(B, C, H, W) and codes (B, 256)."""
        x = torch.addcmul(x, self.strength, torch.randn(x.shape[0], 1, *x.shape[2:]))
        x = self.norm(functional.leaky_relu(x + self.bias, SLOPE))
        scale, shift = self.style(w).view(len(w), 2, -1, 1, 1).unbind(1)
        return x * (scale + 1) + shift


class Generator(nn.Module):
    """Codes per layer to pictures."""

    def __init__(self, working: int) -> None:
        super().__init__()
        self.working = working
        maps = widths()
        self.constant = parameter(torch.ones(1, maps[0], 4, 4))
        self.up = nn.ModuleList(Kernel(maps[max(i - 1, 0)], maps[i]) for i in range(LEVELS))
        self.conv = nn.ModuleList(Kernel(n, n) for n in maps)
        self.blur = nn.ModuleList(Blur(n) for n in maps)
        self.first = nn.ModuleList(Styled(n) for n in maps)
        self.second = nn.ModuleList(Styled(n) for n in maps)
        self.to_rgb = nn.ModuleList(Kernel(n, 3, size=1, gain=0.03, bias=True) for n in maps)

    def forward(self, w: Tensor) -> Tensor:
        """(B, 12, 256) to (B, 3, size, size)."""
        x = self.constant
        for i in range(self.working):
            x = self.blur[i](self.up[i](repeated(x))) if i else x.repeat(len(w), 1, 1, 1)
            x = self.first[i](x, w[:, 2 * i])
            x = self.second[i](self.conv[i](x), w[:, 2 * i + 1])
        return self.to_rgb[self.working - 1](x)


def statistics(x: Tensor) -> Tensor:
    """Means and deviations of maps."""
    mean = torch.mean(x, dim=[2, 3], keepdim=True)
    return torch.cat([mean, torch.sqrt(torch.mean((x - mean) ** 2, dim=[2, 3], keepdim=True))], dim=1).flatten(1)


class Encoder(nn.Module):
    """Pictures to codes."""

    def __init__(self, working: int) -> None:
        super().__init__()
        self.working = working
        maps = widths()
        ends = [maps[0], *maps[:-1]]
        self.from_rgb = nn.ModuleList(Kernel(3, n, size=1, bias=True) for n in maps)
        self.conv = nn.ModuleList(Kernel(n, n) for n in maps)
        self.down = nn.ModuleList(Kernel(a, b) for a, b in zip(maps, ends, strict=True))
        self.blur = nn.ModuleList(Blur(n) for n in maps)
        self.bias_1 = nn.ParameterList(parameter(torch.zeros(1, n, 1, 1)) for n in maps)
        self.bias_2 = nn.ParameterList(parameter(torch.zeros(1, n, 1, 1)) for n in ends)
        for bias in [*self.bias_1, *self.bias_2]:
            bias.coefficient = 1.0
        self.head_1 = nn.ModuleList(Dense(2 * n, LATENT, slope=1.0) for n in maps)
        self.head_2 = nn.ModuleList(Dense(2 * n, LATENT, slope=1.0) for n in ends)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, size, size) to (B, 256)."""
        x = functional.leaky_relu(functional.leaky_relu(self.from_rgb[self.working - 1](x), SLOPE), SLOPE)
        w = torch.zeros(())
        for i in reversed(range(self.working)):
            x = functional.leaky_relu(self.conv[i](x) + self.bias_1[i], SLOPE)
            w = w + self.head_1[i](statistics(x))
            x = self.blur[i](functional.instance_norm(x, eps=1e-5))
            x = functional.leaky_relu(functional.avg_pool2d(self.down[i](x), 2) + self.bias_2[i], SLOPE)
            w = w + self.head_2[i](statistics(x))
            # the output of the last block is normalised though nothing reads it
            x = functional.instance_norm(x, eps=1e-5)
        return w


class OfficialStyleIteration:
    """The nets and optimisers; the steps are methods, and `run` takes one iteration.

    Args:
        size: Height and width at which it works: 4, 8, ..., 64.
    """

    def __init__(self, size: int) -> None:
        working = size.bit_length() - 2
        self.mapping = nn.Sequential(PixelNorm(), *[Dense(LATENT, LATENT, lr_mul=0.1) for _ in range(8)])
        shape = [(LATENT, LATENT), (LATENT, LATENT), (LATENT, 2 * LATENT)]
        self.critic = nn.Sequential(*[Dense(a, b, slope=1.0, lr_mul=0.1) for a, b in shape])
        self.encoder, self.generator = Encoder(working), Generator(working)
        self.nets = nn.ModuleList([self.encoder, self.critic, self.generator, self.mapping])
        self.averaged = copy.deepcopy(self.nets)
        self.encoder_adam = LoopAdam([*self.encoder.parameters(), *self.critic.parameters()], lr=0.0015)
        self.decoder_adam = LoopAdam([*self.generator.parameters(), *self.mapping.parameters()], lr=0.0015)
        self.w_avg = torch.zeros(2 * LEVELS, LATENT)
        self.working = working

    def generate(self, count: int, *, mixing: bool) -> tuple[Tensor, Tensor]:
        """Codes for all layers (B, 12, 256) and pictures."""
        w = self.mapping(torch.randn(count, LATENT))[:, None].repeat(1, 2 * LEVELS, 1)
        with torch.no_grad():
            self.w_avg.lerp_(w.detach().mean(0), 0.005)
        styles = w
        if mixing and random.random() < 0.9:
            other = self.mapping(torch.randn(count, LATENT))[:, None].repeat(1, 2 * LEVELS, 1)
            crossover = random.randint(1, 2 * self.working)
            styles = torch.where(torch.arange(2 * LEVELS)[None, :, None] < crossover, w, other)
        return w, self.generator(styles)

    def score(self, x: Tensor) -> Tensor:
        """D(E(x)), (B,)."""
        return self.critic(self.encoder(x))[:, LATENT]

    def discriminate(self, x: Tensor) -> float:
        """Step I on real pictures (B, 3, size, size)."""
        self.encoder_adam.zero_grad()
        x = x.detach().requires_grad_(True)
        with torch.no_grad():
            _, fake = self.generate(len(x), mixing=True)
        score_fake, score_real = self.score(fake), self.score(x)
        loss = functional.softplus(score_fake) + functional.softplus(-score_real)
        (gradient,) = torch.autograd.grad(score_real.sum(), x, create_graph=True)
        loss = (loss + 5.0 * gradient.square().sum((1, 2, 3))).mean()
        loss.backward()
        value = loss.item()
        self.encoder_adam.step()
        return value

    def fool(self, x: Tensor) -> float:
        """Step II; of x only the number of pictures counts."""
        self.encoder.requires_grad_(False)
        self.decoder_adam.zero_grad()
        _, fake = self.generate(len(x), mixing=True)
        loss = functional.softplus(-self.score(fake)).mean()
        loss.backward()
        value = loss.item()
        self.decoder_adam.step()
        self.encoder.requires_grad_(True)
        return value

    def reciprocate(self, x: Tensor) -> float:
        """Step III; of x only the number of pictures counts."""
        self.encoder_adam.zero_grad()
        self.decoder_adam.zero_grad()
        w, fake = self.generate(len(x), mixing=False)
        loss = (self.encoder(fake) - w[:, 0].detach()).square().mean()
        loss.backward()
        value = loss.item()
        self.encoder_adam.step()
        self.decoder_adam.step()
        return value

    @torch.no_grad()
    def average(self, count: int) -> None:
        """Move the averaged nets after `count` more pictures."""
        keep = 0.5 ** (count / 10_000)
        for averaged, live in zip(self.averaged.parameters(), self.nets.parameters(), strict=True):
            averaged.lerp_(live, 1 - keep)

    def run(self, x: Tensor) -> tuple[float, float, float]:
        """One iteration on real pictures (B, 3, size, size); returns the three losses."""
        losses = self.discriminate(x), self.fool(x), self.reciprocate(x)
        self.average(len(x))
        return losses
