"""Nets that are trained from low to high resolution: which level works, and how far it is faded in."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from twoway.errors import ConfigError

__all__ = ["Growing", "levels_of", "sizes_of"]


class Growing(nn.Module):
    """A net with one level per resolution 4, 8, 16, ..., of which the first `level` + 1 work.

    The state is part of the state dict, so that a model saved in the middle of growing works as it did then.

    Args:
        size: Height and width of the full images: 4 times a power of two.

    Attributes:
        level: Number of the finest working level; level l is of resolution 4 * 2^l.
        blend: How far that level is faded in: 1 is all of it, 0 the level below alone.

    References:
        Karras et al., Progressive Growing of GANs, arXiv 1710.10196, section 2.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.levels = levels_of(size)
        self.level = self.levels - 1
        self.blend = 1.0

    @property
    def resolution(self) -> int:
        """Height and width of the images at the working level."""
        return 4 * 2**self.level

    def grow_to(self, level: int, blend: float = 1.0) -> None:
        """Let the levels up to this one work, the last of them faded in by `blend`.

        Raises:
            ValueError: There is no such level, or the blend is not in [0, 1].
        """
        if not 0 <= level < self.levels or not 0 <= blend <= 1:
            raise ValueError(f"level {level} of {self.levels} with blend {blend} cannot be")
        self.level = level
        self.blend = blend if level else 1.0

    def get_extra_state(self) -> Tensor:
        """Level and blend, as a tensor, because model files hold nothing else."""
        return torch.tensor([self.level, self.blend], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Back to a saved level and blend."""
        level, blend = state.tolist()
        self.grow_to(int(level), blend)


def levels_of(size: int) -> int:
    """Number of levels from 4x4 to size x size.

    Raises:
        ConfigError: The size is not 4 times a power of two.

    Example:
        >>> levels_of(4), levels_of(64)
        (1, 5)
    """
    levels = round(math.log2(size / 4)) + 1 if size >= 4 else 0
    if levels < 1 or 4 * 2 ** (levels - 1) != size:
        below = max(4, 2 ** math.floor(math.log2(max(size, 1))))
        near = f"--size {below}" + (f" or --size {2 * below}, the nearest ones" if size > below else "")
        raise ConfigError(
            f"Style nets make images of 4, 8, 16, 32, ... pixels (4 times a power of two), not {size}. Bring the "
            f"pictures to such a size: {near}."
        )
    return levels


def sizes_of(size: int, first: int = 4) -> list[int]:
    """Resolutions of the levels of nets for images of this size, from the first one on; empty where it is larger.

    Raises:
        ConfigError: The size is not 4 times a power of two.

    Example:
        >>> sizes_of(32), sizes_of(32, first=16)
        ([4, 8, 16, 32], [16, 32])
    """
    return [side for level in range(levels_of(size)) if (side := 4 * 2**level) >= first]
