"""The mapping network of LIA: an invertible network of coupling layers between prior codes and latent codes.

References:
    Zhu et al., LIA: Latently Invertible Autoencoder with Adversarial Learning, arXiv 1906.08090, eqs. 5 and 6.
    Dinh et al., NICE, arXiv 1410.8516 (additive coupling); Density Estimation Using Real NVP, arXiv 1605.08803
    (affine coupling).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from twoway.errors import ConfigError
from twoway.networks.layers import Linear
from twoway.networks.registry import network

__all__ = ["Coupling", "CouplingMapping", "Reversal", "Rotation"]


class Coupling(nn.Module):
    """Changes the second half of a code by what a small net makes of the first half, which it leaves alone.

    Let u = [a, b], and let the net make [m, r] of a. Forward is b' = b 2^t - m with t = tanh(r) / 2, so that a factor
    is between 0.71 and 1.41; the inverse is b = (b' + m) 2^-t. Additive coupling has no r, and t = 0. Wider bounds on
    the factors would cost the accuracy of the way back in single precision.

    Args:
        dim: Width of a code, even.
        hidden: Width of the net's hidden layer.
        affine: Whether the second half is scaled, not only shifted.
        shift_activation: Whether m, too, goes through the leaky rectifier.
        zero: Whether the net's last layer starts at zero, so that the coupling starts as the identity.
        slope: Slope of the leaky units.
        lr_mul: Factor on the learning rate.
    """

    def __init__(
        self, dim: int, hidden: int, *, affine: bool, shift_activation: bool, zero: bool, slope: float, lr_mul: float
    ) -> None:
        super().__init__()
        self.affine = affine
        self.slopes = (slope, slope if shift_activation else 1.0)
        self.first = Linear(dim // 2, hidden, lr_mul=lr_mul)
        self.second = Linear(hidden, dim if affine else dim // 2, lr_mul=lr_mul, zero=zero)

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Changed codes (B, dim) and the log of the factors on their second halves, (B, dim / 2)."""
        a, b = u.chunk(2, dim=1)
        shift, log_scale = self._shift_and_log_scale(a)
        return torch.cat([a, b * log_scale.exp() - shift if self.affine else b - shift], dim=1), log_scale

    def inverse(self, u: Tensor) -> Tensor:
        """Codes (B, dim) that `forward` changes into these."""
        a, b = u.chunk(2, dim=1)
        shift, log_scale = self._shift_and_log_scale(a)
        return torch.cat([a, (b + shift) * (-log_scale).exp() if self.affine else b + shift], dim=1)

    def _shift_and_log_scale(self, a: Tensor) -> tuple[Tensor, Tensor]:
        made = self.second(functional.leaky_relu(self.first(a), self.slopes[0]))
        shift, raw = made.chunk(2, dim=1) if self.affine else (made, torch.zeros_like(made))
        return functional.leaky_relu(shift, self.slopes[1]), 0.5 * math.log(2) * torch.tanh(raw)


class Reversal(nn.Module):
    """All entries of a code in reverse order: the halves change places. It is its own inverse."""

    def forward(self, u: Tensor) -> Tensor:
        """Reverse codes (B, dim)."""
        return u.flip(1)

    def inverse(self, u: Tensor) -> Tensor:
        """Reverse them again."""
        return u.flip(1)


class Rotation(nn.Module):
    """Reversal followed by a rotation that is exactly orthogonal for whatever numbers it is made of.

    The rotation is the Cayley transform (I + A)^-1 (I - A) of a skew-symmetric matrix A = S - S^T, where S is the
    strict lower triangle of `skew`. Stored in float32 and used in float64 it is orthogonal to float64's precision.

    Args:
        dim: Width of a code.
        learned: Whether the rotation is learnt, starting from none (A = 0); otherwise it is drawn once and kept.
        lr_mul: Factor on the learning rate.
    """

    skew: Tensor

    def __init__(self, dim: int, *, learned: bool, lr_mul: float) -> None:
        super().__init__()
        self.learned = learned
        self.std = 1.0 / math.sqrt(dim)
        self.lr_mul = lr_mul
        if learned:
            self.skew = nn.Parameter(torch.zeros(dim, dim))
        else:
            self.register_buffer("skew", torch.zeros(dim, dim))

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw a fixed rotation anew; a learnt one starts as none."""
        with torch.no_grad():
            self.skew.normal_(0.0, 0.0 if self.learned else self.std, generator=generator)

    def coefficients(self) -> dict[str, float]:
        """Learning-rate factor of what is learnt: that of a linear layer of this width."""
        return {"skew": self.std * self.lr_mul} if self.learned else {}

    def matrix(self) -> Tensor:
        """The orthogonal matrix (dim, dim), of determinant 1."""
        below = self.skew.tril(-1)
        skew = below - below.T
        eye = torch.eye(len(skew), dtype=skew.dtype, device=skew.device)
        return torch.linalg.solve(eye + skew, eye - skew)

    def forward(self, u: Tensor) -> Tensor:
        """Mix the entries of codes (B, dim)."""
        return u.flip(1) @ self.matrix()

    def inverse(self, u: Tensor) -> Tensor:
        """Codes (B, dim) that `forward` mixes into these."""
        return (u @ self.matrix().T).flip(1)


@network("coupling_mapping")
class CouplingMapping(nn.Module):
    """F with an inverse in closed form: prior code to latent code through coupling layers, and back.

    As in LIA's code, each of the steps 0, 1, ... first mixes the entries and then couples the halves on the way from
    latent code to prior code; the way from prior code to latent code undoes them, the last step first. The defaults are
    LIA's. There the shift passes through a leaky rectifier and is mostly positive, so that even fresh nets give latent
    codes whose mean is far from zero.

    Additive coupling keeps volumes, so that latent codes have exactly the entropy of prior codes; affine coupling does
    not, and `log_det` says by how much.

    Args:
        dim: Width of both codes, even.
        depth: Number of coupling steps; every two of them change every entry once.
        hidden: Width of the nets in the steps; None means `dim`.
        coupling: ``additive`` shifts one half of a code, ``affine`` also scales it by factors between 0.71 and 1.41.
        mixing: What comes between couplings: ``reverse`` is the reversed order of LIA, ``orthogonal`` follows it with a
            random rotation that is drawn once, ``learned`` with one that is learnt.
        shift_activation: Whether shifts pass through the leaky rectifier.
        zero_init: Whether the couplings start as the identity, so that a fresh F only mixes entries.
        slope: Slope of the leaky units.
        lr_mul: Factor on the learning rate.

    Raises:
        ConfigError: The width is odd.
    """

    def __init__(
        self,
        dim: int,
        depth: int = 4,
        hidden: int | None = None,
        coupling: Literal["additive", "affine"] = "additive",
        mixing: Literal["reverse", "orthogonal", "learned"] = "reverse",
        shift_activation: bool = True,
        zero_init: bool = False,
        slope: float = 0.2,
        lr_mul: float = 0.01,
    ) -> None:
        super().__init__()
        if dim % 2:
            raise ConfigError(
                f"A coupling mapping works on codes of even width, but dim is {dim}. Choose an even latent width."
            )
        self.couplings = nn.ModuleList(
            Coupling(
                dim,
                dim if hidden is None else hidden,
                affine=coupling == "affine",
                shift_activation=shift_activation,
                zero=zero_init,
                slope=slope,
                lr_mul=lr_mul,
            )
            for _ in range(depth)
        )
        self.mixings = nn.ModuleList(
            Reversal() if mixing == "reverse" else Rotation(dim, learned=mixing == "learned", lr_mul=lr_mul)
            for _ in range(depth)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map prior codes (B, dim) to latent codes (B, 1, dim)."""
        return self._to_w(z)[0].unsqueeze(1)

    def inverse(self, w: Tensor) -> Tensor:
        """Prior codes (B, dim) of latent codes (B, layers, dim).

        A prior code is a single code: where the layers of w differ, it is that of their mean.
        """
        u = w[:, 0] if w.shape[1] == 1 else w.mean(1)
        with _full_precision():
            for mixing, coupling in self._steps():
                u = coupling.inverse(mixing(u))
        return u

    def log_det(self, z: Tensor) -> Tensor:
        """Log of the absolute Jacobian determinant of the map from z to w at prior codes (B, dim): shape (B,).

        The density of latent codes follows from that of prior codes: log p(w) = log p(z) - log_det(z).
        """
        return self._to_w(z)[1]

    def _steps(self) -> list[tuple[Reversal | Rotation, Coupling]]:
        return cast(list[tuple[Reversal | Rotation, Coupling]], list(zip(self.mixings, self.couplings, strict=True)))

    def _to_w(self, z: Tensor) -> tuple[Tensor, Tensor]:
        u, log_det = z, z.new_zeros(z.shape[0])
        with _full_precision():
            for mixing, coupling in reversed(self._steps()):
                u, log_scale = coupling(u)
                u = mixing.inverse(u)
                log_det = log_det + log_scale.sum(1)
        return u, log_det


@contextmanager
def _full_precision() -> Iterator[None]:
    """Products that round their inputs would give back another code than the one that was mapped."""
    before = torch.get_float32_matmul_precision()
    if before == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
