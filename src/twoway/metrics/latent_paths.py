"""Paths through latent spaces for measures: their ends, their points, and the noise of the pictures along them.

Every pair of ends has a random stream of its own, so that neither the batch size nor the number of pairs changes a
pair. Points are computed in float64 and rounded once, to what the nets take: the ends of a small step then differ by
that step and not by the rounding of its place on the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from twoway.composition import is_style_generator
from twoway.errors import ConfigError, ModelError
from twoway.model import TwoWayModel
from twoway.networks.layers import PixelNorm
from twoway.priors import Categorical, Normal, Prior, Sphere, Uniform

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = [
    "DrawnNoise",
    "Ends",
    "NoiseKind",
    "Space",
    "check_space",
    "draw_ends",
    "has_mapping",
    "how_many",
    "moving_columns",
    "noise_for",
    "noise_said",
    "normalises_input",
    "point_between",
    "row_stream",
    "slerp_at",
]

Space = Literal["z", "w"]
NoiseKind = Literal["random", "fixed", "off"]


class Ends(NamedTuple):
    """Both ends of paths in one space, of the same class where the model is told classes.

    Args:
        a: First ends, float64: prior codes (B, prior dim) or latent codes (B, layers, dim).
        b: Last ends, same shape.
        streams: The random stream of each pair, (B,), from which its next numbers come.
    """

    a: Tensor
    b: Tensor
    streams: tuple[torch.Generator, ...]


class DrawnNoise:
    """Noise for the layers of a style generator, row by row from the pairs' own streams, that can be played again.

    Args:
        streams: One per picture of the batch.
        device: Where the maps go.
    """

    def __init__(self, streams: Sequence[torch.Generator], device: torch.device) -> None:
        self.streams = streams
        self.device = device
        self.maps: list[Tensor] = []
        self.played: int | None = None

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """The next map, (B, 1, H, W): a fresh one, or after `rewind` the one that came in its place before."""
        if self.played is None:
            rows = [torch.randn(shape[1:], generator=stream) for stream in self.streams]
            self.maps.append(torch.stack(rows).to(self.device))
            return self.maps[-1]
        self.played += 1
        return self.maps[self.played - 1]

    def rewind(self) -> None:
        """Give the same maps again from the first on."""
        self.played = 0


def how_many(session: Session, default: int) -> int:
    """Codes or pairs to draw: the default, or the number of samples, else the limit on codes, where that is smaller.

    Never more than the default: samples by the ten thousand for a Fréchet distance would be paths of fifty pictures
    each. The measures' own functions take any number.
    """
    return min(default, session.n_samples or session.max_test or default)


def row_stream(seed: int, row: int) -> torch.Generator:
    """A CPU generator for one pair of one seed, independent of those of other pairs and seeds."""
    state = np.random.SeedSequence([seed, row]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)


def has_mapping(model: TwoWayModel) -> bool:
    """Whether latent codes are other than prior codes."""
    return "mapping" in model.nets


def check_space(model: TwoWayModel, space: Space) -> None:
    """Refuse spaces that there are not, and w where it is z.

    Raises:
        ConfigError: Neither ``z`` nor ``w``.
        ModelError: ``w`` of a model without a mapping.
    """
    if space not in ("z", "w"):
        raise ConfigError(f"The space of codes is '{space}', but must be 'z' or 'w'.")
    if space == "w" and not has_mapping(model):
        raise ModelError(
            f"This {model.recipe.method} model has no mapping, so its latent codes w are its prior codes z. Measure "
            "them as z instead (ppl-z, jacobian-z, separability-z, straightness-z)."
        )


def normalises_input(model: TwoWayModel) -> bool | None:
    """Whether the mapping scales its input to unit length first, so that lengths of z mean nothing; None without one.

    Example: StyleGAN's mapping does; LIA's invertible one cannot.
    """
    if not has_mapping(model):
        return None
    return any(isinstance(module, PixelNorm) for module in model.nets["mapping"].modules())


@torch.no_grad()
def draw_ends(model: TwoWayModel, rows: range, *, space: Space, seed: int) -> Ends:
    """Draw pairs of codes from the prior, not truncated.

    Args:
        model: In evaluation mode.
        rows: Numbers of the pairs; a pair is the same in whatever range it is asked for.
        space: ``z``, or ``w``: the same prior codes, mapped.
        seed: Of the pairs.

    Raises:
        ModelError: The method has no prior, or, for ``w``, no mapping.
    """
    check_space(model, space)
    streams = tuple(row_stream(seed, row) for row in rows)
    pairs = torch.stack([model.draw_prior(2, generator=stream) for stream in streams])
    a, b = pairs.unbind(1)
    if model.recipe.labels:  # between two classes there are no pictures that the model was made for
        b = torch.cat([b[:, : -model.recipe.labels], a[:, -model.recipe.labels :]], dim=1)
    if space == "w":
        a, b = model.map(a.to(model.w_avg.dtype)), model.map(b.to(model.w_avg.dtype))
    return Ends(a.double(), b.double(), streams)


def point_between(model: TwoWayModel, ends: Ends, t: Tensor, *, space: Space) -> Tensor:
    """Points of the paths, as the nets take them.

    In w paths are straight. In z they go the way of the prior: normal blocks together along a great circle, lengths
    changing evenly; a block on a sphere along its own; uniform ones straight; classes stay those of the first end.

    Args:
        model: Whose prior says what the numbers of z are.
        ends: Of the paths.
        t: How far along, (B,), float64, 0 the first end and 1 the last.
        space: In which space the ends are.

    Returns:
        Of the model's type, float32, shape of the ends.
    """
    if space == "w":
        return torch.lerp(ends.a, ends.b, t.reshape(-1, 1, 1)).to(model.w_avg.dtype)
    prior = model.recipe.prior
    assert prior is not None  # or there would be no ends
    return _in_prior(prior, ends.a, ends.b, t).to(model.w_avg.dtype)


def slerp_at(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Points on great circles through two codes each, lengths changing evenly from one end's to the other's.

    StyleGAN's formula leaves vectors of unit length, which is right only where a mapping normalises its input: there
    the length changes nothing. Elsewhere codes of length 1 are none that a normal prior of many dimensions draws.

    Args:
        a: First ends, (B, dim).
        b: Last ends, (B, dim).
        t: How far along, (B,).

    References:
        Karras et al., A Style-Based Generator Architecture, arXiv 1812.04948, section 4.1 (with unit lengths); White,
        Sampling Generative Networks, arXiv 1609.04468, section 2.1.
    """
    t = t.unsqueeze(1)
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    tiny = torch.finfo(a.dtype).tiny
    unit_a, unit_b = a / length_a.clamp_min(tiny), b / length_b.clamp_min(tiny)
    cosine = (unit_a * unit_b).sum(1, keepdim=True).clamp(-1.0, 1.0)
    across = unit_b - cosine * unit_a
    across = across / across.norm(dim=1, keepdim=True).clamp_min(tiny)
    angle = t * torch.acos(cosine)
    return (unit_a * torch.cos(angle) + across * torch.sin(angle)) * torch.lerp(length_a, length_b, t)


def _in_prior(prior: Prior, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    out = a.clone()
    starts = np.cumsum([0, *(block.dim for block in prior.blocks)]).tolist()
    columns = [list(range(i, i + block.dim)) for i, block in zip(starts, prior.blocks, strict=False)]
    normal = [c for block, part in zip(prior.blocks, columns, strict=True) if isinstance(block, Normal) for c in part]
    circles = [normal] if normal else []
    for block, part in zip(prior.blocks, columns, strict=True):
        if isinstance(block, Sphere):
            circles.append(part)
        elif isinstance(block, Uniform):
            out[:, part] = torch.lerp(a[:, part], b[:, part], t.unsqueeze(1))
        elif not isinstance(block, (Normal, Categorical)):
            raise ConfigError(f"No path is defined for prior blocks of the kind {block.kind}; use a space of w.")
    for part in circles:
        out[:, part] = slerp_at(a[:, part], b[:, part], t)
    return out


def moving_columns(model: TwoWayModel, space: Space) -> Tensor:
    """Which numbers of a code can change a little, (dim,), bool: all but those that say a class."""
    prior = model.recipe.prior
    if prior is None or (space == "w" and has_mapping(model)):
        dim = model.w_shape[1]
        return torch.arange(dim) < dim - model.recipe.labels
    return torch.cat([torch.full((block.dim,), not isinstance(block, Categorical)) for block in prior.blocks])


def noise_for(
    model: TwoWayModel, kind: NoiseKind, streams: Sequence[torch.Generator]
) -> DrawnNoise | Literal["fixed", "off"]:
    """Noise for the pictures of a batch.

    Raises:
        ConfigError: An unknown kind.
    """
    if kind not in ("random", "fixed", "off"):
        raise ConfigError(f"The noise is '{kind}', but must be 'random', 'fixed' or 'off'.")
    return DrawnNoise(streams, model.device) if kind == "random" else kind


def noise_said(model: TwoWayModel, kind: NoiseKind) -> str:
    """The kind of noise for a result: ``none`` for a generator that takes none."""
    return str(kind) if is_style_generator(model.nets["generator"]) else "none"
