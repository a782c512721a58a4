"""A re-creation of the official ALAE iteration on MLPs, as a thing to be timed against.

The official code (podgorskiy/ALAE, HEAD, configs/mnist_fc.yaml, which does not run as it stands) is not shipped here.
This is our own writing of what it does in every iteration, including what it does for nothing: pictures of 32x32 that
E shrinks to 28x28 and G grows back by nearest neighbour, style mixing (F runs twice) that an MLP generator cannot show,
gradients of D that step II throws away, an Adam and an average that visit parameters one by one in Python, and a wait
for every loss.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

LATENT, HIDDEN, INNER, OUTER = 50, 1024, 28, 32


class Dense(nn.Module):
    """Linear layer and leaky unit; slope 1 leaves it linear."""

    def __init__(self, inputs: int, outputs: int, slope: float = 0.2, lr_mul: float = 1.0) -> None:
        super().__init__()
        std = math.sqrt(2.0 / inputs)
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * std)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.weight.coefficient, self.bias.coefficient = std * lr_mul, lr_mul
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs) to (B, outputs)."""
        x = functional.linear(x, self.weight, self.bias)
        return x if self.slope == 1.0 else functional.leaky_relu(x, self.slope)


class PixelNorm(nn.Module):
    """Unit root mean square."""

    def forward(self, z: Tensor) -> Tensor:
        """Normalise (B, dim)."""
        return z * torch.rsqrt(torch.mean(z**2, dim=1, keepdim=True) + 1e-8)


class Encoder(nn.Module):
    """32x32 picture to code."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(Dense(INNER**2, HIDDEN), Dense(HIDDEN, HIDDEN), Dense(HIDDEN, LATENT))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) to (B, 50)."""
        return self.layers(functional.interpolate(x, INNER).flatten(1))


class Generator(nn.Module):
    """Code to 32x32 picture."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(Dense(LATENT, HIDDEN), Dense(HIDDEN, HIDDEN), Dense(HIDDEN, INNER**2, slope=1.0))

    def forward(self, w: Tensor) -> Tensor:
        """(B, 50) to (B, 1, 32, 32)."""
        return functional.interpolate(self.layers(w).view(-1, 1, INNER, INNER), OUTER)


class LoopAdam:
    """Adam without first moment, one parameter after the other, each with its own coefficient."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float = 0.002, beta: float = 0.99) -> None:
        self.parameters = list(parameters)
        self.lr, self.beta = lr, beta
        self.moments: dict[nn.Parameter, Tensor] = {}
        self.counts: dict[nn.Parameter, int] = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for p in self.parameters:
            if p.grad is None:
                continue
            if p not in self.moments:
                self.moments[p], self.counts[p] = torch.zeros_like(p), 0
            self.counts[p] += 1
            moment = self.moments[p]
            moment.mul_(self.beta).addcmul_(p.grad, p.grad, value=1 - self.beta)
            size = self.lr * math.sqrt(1 - self.beta ** self.counts[p]) * p.coefficient
            p.addcdiv_(p.grad, moment.sqrt().add_(1e-8), value=-size)


class OfficialIteration:
    """The nets and optimisers; `run` takes one iteration: steps I, II, III and the average."""

    def __init__(self) -> None:
        slow = {"lr_mul": 0.1}
        self.mapping = nn.Sequential(PixelNorm(), *[Dense(LATENT, LATENT, **slow) for _ in range(6)])
        self.critic = nn.Sequential(*[Dense(LATENT, LATENT, slope=1.0, **slow) for _ in range(3)])
        self.encoder, self.generator = Encoder(), Generator()
        self.nets = nn.ModuleList([self.encoder, self.critic, self.generator, self.mapping])
        self.averaged = copy.deepcopy(self.nets)
        self.encoder_adam = LoopAdam([*self.encoder.parameters(), *self.critic.parameters()])
        self.decoder_adam = LoopAdam([*self.generator.parameters(), *self.mapping.parameters()])
        self.w_avg = torch.zeros(2, LATENT)

    def generate(self, count: int, *, mixing: bool) -> tuple[Tensor, Tensor]:
        """Codes for two layers (B, 2, 50), of which G reads the first, and pictures."""
        w = self.mapping(torch.randn(count, LATENT))[:, None].repeat(1, 2, 1)
        with torch.no_grad():
            self.w_avg.lerp_(w.detach().mean(0), 0.005)
            if mixing and random.random() < 0.9:
                other = self.mapping(torch.randn(count, LATENT))[:, None].repeat(1, 2, 1)
        if mixing:
            w = torch.where(torch.arange(2)[None, :, None] < 1, w, other if "other" in locals() else w)
        return w, self.generator(w[:, 0])

    def score(self, x: Tensor) -> Tensor:
        """D(E(x)), (B,)."""
        return self.critic(self.encoder(x))[:, 0]

    def run(self, x: Tensor) -> tuple[float, float, float]:
        """One iteration on real pictures (B, 1, 32, 32); returns the three losses."""
        count = len(x)
        # I
        self.encoder_adam.zero_grad()
        x = x.detach().requires_grad_(True)
        with torch.no_grad():
            _, fake = self.generate(count, mixing=True)
        score_fake, score_real = self.score(fake), self.score(x)
        first = functional.softplus(score_fake) + functional.softplus(-score_real)
        (gradient,) = torch.autograd.grad(score_real.sum(), x, create_graph=True)
        penalty = gradient.square().sum((1, 2, 3))
        first = (first + 5.0 * penalty).mean()
        first.backward()
        losses = [first.item()]
        self.encoder_adam.step()
        # II
        self.encoder.requires_grad_(False)
        self.decoder_adam.zero_grad()
        _, fake = self.generate(count, mixing=True)
        second = functional.softplus(-self.score(fake)).mean()
        second.backward()
        losses.append(second.item())
        self.decoder_adam.step()
        self.encoder.requires_grad_(True)
        # III
        self.encoder_adam.zero_grad()
        self.decoder_adam.zero_grad()
        w, fake = self.generate(count, mixing=False)
        third = (self.encoder(fake) - w[:, 0].detach()).square().mean()
        third.backward()
        losses.append(third.item())
        self.encoder_adam.step()
        self.decoder_adam.step()
        # average
        with torch.no_grad():
            keep = 0.5 ** (count / 10_000)
            for averaged, live in zip(self.averaged.parameters(), self.nets.parameters(), strict=True):
                averaged.lerp_(live, 1 - keep)
        return losses[0], losses[1], losses[2]
