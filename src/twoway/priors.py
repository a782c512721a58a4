"""Priors over codes: ordered blocks that are sampled, split and scored together."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from twoway.errors import ConfigError, ModelError, closest

__all__ = ["BLOCKS", "Block", "Categorical", "CodeLayout", "Normal", "Prior", "Sphere", "Uniform"]


@dataclass(frozen=True)
class Block(ABC):
    """One independent part of a code.

    Args:
        dim: Width of the block, at least 1.
    """

    dim: int
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ConfigError(f"The prior block {self.kind}({self.dim}) must be at least 1 wide.")

    @abstractmethod
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw codes of shape (n, dim), float32, on the generator's device."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """Log density (mass for a categorical block) of codes (n, dim), shape (n,)."""


class Normal(Block):
    """Independent standard normals."""

    kind = "normal"

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:  # noqa: D102
        return torch.randn(n, self.dim, generator=generator, device=_device(generator))

    def log_prob(self, z: Tensor) -> Tensor:  # noqa: D102
        return -0.5 * (z.square().sum(1) + self.dim * math.log(2 * math.pi))


class Uniform(Block):
    """Independent uniforms on [-1, 1]."""

    kind = "uniform"

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:  # noqa: D102
        return torch.rand(n, self.dim, generator=generator, device=_device(generator)) * 2 - 1

    def log_prob(self, z: Tensor) -> Tensor:  # noqa: D102
        inside = (z.abs() <= 1).all(1)
        return torch.where(inside, -self.dim * math.log(2.0), -math.inf)


class Categorical(Block):
    """One of `dim` classes with equal chances, one-hot."""

    kind = "categorical"

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:  # noqa: D102
        index = torch.randint(self.dim, (n,), generator=generator, device=_device(generator))
        return torch.nn.functional.one_hot(index, self.dim).to(torch.get_default_dtype())

    def log_prob(self, z: Tensor) -> Tensor:  # noqa: D102
        one_hot = ((z == 0) | (z == 1)).all(1) & (z.sum(1) == 1)
        return torch.where(one_hot, -math.log(self.dim), -math.inf)


class Sphere(Block):
    """Uniform on the unit sphere; the density is with respect to the sphere's own area."""

    kind = "sphere"

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:  # noqa: D102
        return torch.nn.functional.normalize(torch.randn(n, self.dim, generator=generator, device=_device(generator)))

    def log_prob(self, z: Tensor) -> Tensor:  # noqa: D102
        log_area = math.log(2) + self.dim / 2 * math.log(math.pi) - math.lgamma(self.dim / 2)
        on_sphere = (z.norm(dim=1) - 1).abs() < 1e-4
        return torch.where(on_sphere, -log_area, -math.inf)


class CodeLayout(NamedTuple):
    """Which numbers of a prior code are noise and which are codes that can be read off an image, in this order.

    Args:
        noise: Width of the noise.
        discrete: Number of classes; 0 for no discrete code.
        continuous: Number of continuous codes; 0 for none.
        uniform: Whether those are uniform on [-1, 1] instead of normal.
    """

    noise: int
    discrete: int
    continuous: int
    uniform: bool


BLOCKS: dict[str, type[Block]] = {block.kind: block for block in (Normal, Uniform, Categorical, Sphere)}


@dataclass(frozen=True)
class Prior:
    """The distribution of the prior code z: blocks side by side, independent of each other.

    Args:
        blocks: The parts of the code, in order.

    Example:
        >>> prior = Prior((Normal(3), Categorical(10)))
        >>> prior.sample(5, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([5, 13])
        >>> str(prior)
        'normal(3) categorical(10)'
    """

    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ConfigError("A prior needs at least one block, such as normal(50).")

    @property
    def dim(self) -> int:
        """Width of a whole code."""
        return sum(block.dim for block in self.blocks)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw prior codes.

        Args:
            n: How many.
            generator: Source of randomness; its device is the codes' device.

        Returns:
            Codes z, float32, shape (n, dim).
        """
        return torch.cat([block.sample(n, generator=generator) for block in self.blocks], dim=1)

    def split(self, z: Tensor) -> tuple[Tensor, ...]:
        """Cut codes (n, dim) into the blocks' parts.

        Raises:
            ModelError: The codes do not have this prior's width.
        """
        if z.ndim != 2 or z.shape[1] != self.dim:
            raise ModelError(f"Codes of shape {tuple(z.shape)} do not fit the prior {self}, which is (n, {self.dim}).")
        return z.split([block.dim for block in self.blocks], dim=1)

    def layout(self) -> CodeLayout:
        """Noise, discrete and continuous codes of InfoGAN and its relatives.

        Raises:
            ConfigError: The blocks are not noise, then at most one categorical and at most one normal or uniform block.

        Example:
            >>> Prior((Uniform(62), Categorical(10), Normal(2))).layout()
            CodeLayout(noise=62, discrete=10, continuous=2, uniform=False)
        """
        kinds = [block.kind for block in self.blocks]
        plain = ("normal", "uniform")
        codes = kinds[1:]
        if codes[:1] == ["categorical"]:
            codes = codes[1:]
        if kinds[0] not in plain or len(kinds) < 2 or len(codes) > 1 or any(kind not in plain for kind in codes):
            raise ConfigError(
                f"The prior {self} cannot be read as noise and codes. It needs a normal or uniform block of noise, "
                "then a categorical block, a normal or uniform one, or both, as uniform(62) categorical(10) normal(2)."
            )
        return CodeLayout(
            noise=self.blocks[0].dim,
            discrete=self.blocks[1].dim if kinds[1] == "categorical" else 0,
            continuous=self.blocks[-1].dim if codes else 0,
            uniform=codes == ["uniform"],
        )

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density of codes (n, dim), shape (n,): the sum over the blocks."""
        return torch.stack([b.log_prob(part) for b, part in zip(self.blocks, self.split(z), strict=True)]).sum(0)

    def plain(self) -> list[str]:
        """Text form for configs: one ``kind(dim)`` a block."""
        return [f"{block.kind}({block.dim})" for block in self.blocks]

    @classmethod
    def from_plain(cls, value: Any, where: str = "prior") -> Prior:
        """Read the text form.

        Raises:
            ConfigError: Something that is not a list of ``kind(dim)``.
        """
        entries: Sequence[Any] = value.split() if isinstance(value, str) else value
        if not isinstance(entries, (list, tuple)):
            raise ConfigError(f"{where} is {value!r}, but must be a list of blocks such as normal(50).")
        blocks = []
        for entry in entries:
            match = re.fullmatch(r"\s*(\w+)\((\d+)\)\s*", str(entry))
            if not match:
                raise ConfigError(f"{where} holds {entry!r}, but a block is written like normal(50).")
            if match[1] not in BLOCKS:
                raise ConfigError(f"{where} holds the unknown block '{match[1]}'{closest(match[1], BLOCKS)}.")
            blocks.append(BLOCKS[match[1]](int(match[2])))
        return cls(tuple(blocks))

    def __str__(self) -> str:
        return " ".join(self.plain())


def _device(generator: torch.Generator | None) -> torch.device:
    return generator.device if generator is not None else torch.device("cpu")
