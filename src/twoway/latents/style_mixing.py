"""Style mixing: some layers of a code from one picture, the others from another.

References:
    Karras et al., A Style-Based Generator Architecture for GANs, arXiv 1812.04948, section 3.1 and figure 3 (coarse,
    middle and fine styles by resolution). ALAE, arXiv 2004.04467, section 5, and LIA, arXiv 1906.08090, section 6,
    mix the codes of real pictures in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from twoway.errors import ConfigError, ModelError, closest
from twoway.model import TwoWayModel
from twoway.networks import Growing

__all__ = ["GROUPS", "layer_groups", "layers_of", "mix_codes", "resolution_of", "span", "style_grid"]

GROUPS = {"coarse": (4, 8), "middle": (16, 32), "fine": (64, 4096)}
"""Least and greatest resolution of each group of layers: pose and shape, features, colours and texture."""


def resolution_of(layer: int) -> int:
    """Height and width at which a row of a code works: two rows for each of 4, 8, 16, ... pixels."""
    return int(4 * 2 ** (layer // 2))


def layer_groups(model: TwoWayModel) -> dict[str, tuple[int, ...]]:
    """Rows of a latent code by group, two rows per resolution from 4x4 up; groups without any are left out.

    Only layers that work count: a model that was saved while it grew has none above its working resolution.

    Raises:
        ModelError: The generator takes one code for everything.

    Example:
        >>> from twoway.methods import make_recipe
        >>> from twoway.model import build_model
        >>> recipe = make_recipe("style-alae", (1, 16, 16), {"latent": 8, "start": 4, "maximum": 8})
        >>> layer_groups(build_model(recipe))
        {'coarse': (0, 1, 2, 3), 'middle': (4, 5)}
    """
    net: Any = model.nets["generator"]
    if not hasattr(net, "w_layers"):
        raise ModelError(
            f"The generator of this {model.recipe.method} model takes one code for the whole picture, so there are no "
            "styles of single layers to mix. Interpolate between the codes instead, or use a model with a style "
            "generator, such as style-alae, lia or stylegan."
        )
    working = 2 * (net.level + 1) if isinstance(net, Growing) else net.w_layers
    groups = {
        name: tuple(i for i in range(working) if least <= resolution_of(i) <= greatest)
        for name, (least, greatest) in GROUPS.items()
    }
    return {name: rows for name, rows in groups.items() if rows}


def layers_of(model: TwoWayModel, which: str) -> tuple[int, ...]:
    """Rows of a latent code that a word or a range means.

    Args:
        model: With a style generator.
        which: ``coarse`` (4x4 and 8x8), ``middle`` (16x16 and 32x32), ``fine`` (from 64x64 on), or numbers and ranges
            such as ``0-3,6``.

    Returns:
        Numbers of rows, ascending, each once.

    Raises:
        ConfigError: Neither a group nor numbers, or layers this model does not have.
        ModelError: The generator takes one code for everything.
    """
    groups = layer_groups(model)
    there = ", ".join(f"{name} {span(rows)}" for name, rows in groups.items())
    working = sum(map(len, groups.values()))
    word = which.strip().lower()
    if word in groups:
        return groups[word]
    side = f"{resolution_of(working - 1)}x{resolution_of(working - 1)}"
    grown = working == model.w_shape[0]
    state = f"makes pictures of {side}" if grown else f"stopped growing at {side} of {model.image_shape[1]}"
    has = f"This model {state} pixels and has the layers {there}"
    if word in GROUPS:
        raise ConfigError(
            f"layers is '{which}', the layers of {GROUPS[word][0]}x{GROUPS[word][0]} pixels and more. {has}; name some "
            "of those."
        )
    parts = [re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+))?\s*", part) for part in which.split(",")]
    if re.fullmatch(r"[a-z]+", word) or not all(parts):
        near = closest(word, GROUPS) if re.fullmatch(r"[a-z]+", word) else "."
        raise ConfigError(f"layers is '{which}', but must be coarse, middle, fine or numbers such as 0-3,6{near}")
    found: set[int] = set()
    for part in parts:
        assert part is not None
        first, last = int(part[1]), int(part[2] or part[1])
        if last < first:
            raise ConfigError(f"layers is '{which}', but the range {part[0].strip()} runs backwards. Write it as "
                              f"{last}-{first}.")  # fmt: skip
        if last >= working:
            raise ConfigError(f"layers is '{which}', but there is no layer {last}. {has}.")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def span(layers: Sequence[int]) -> str:
    """Numbers as `layers_of` reads them.

    Example:
        >>> span((0, 1, 2, 3, 6))
        '0-3,6'
    """
    runs: list[list[int]] = []
    for number in sorted(set(layers)):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def mix_codes(w_content: Tensor, w_style: Tensor, layers: Sequence[int]) -> Tensor:
    """Codes with the given layers of one code and all others of another.

    Args:
        w_content: Codes that give all other layers, shape (B, layers, dim).
        w_style: Codes that give the layers named, same shape or one for all: (1, layers, dim).
        layers: Rows taken from `w_style`; none leaves the content as it is.

    Returns:
        New codes, shape (B, layers, dim).

    Raises:
        ModelError: Codes that do not fit each other.
        ConfigError: Rows that the codes do not have.
    """
    fits = w_content.ndim == w_style.ndim == 3 and w_content.shape[1:] == w_style.shape[1:]
    if not fits or (len(w_content) != len(w_style) and 1 not in (len(w_content), len(w_style))):
        raise ModelError(
            f"Codes of shapes {tuple(w_content.shape)} and {tuple(w_style.shape)} cannot be mixed; give two of shape "
            "(B, layers, dim), or one code for all of the others."
        )
    wrong = [layer for layer in layers if not 0 <= layer < w_content.shape[1]]
    if wrong:
        raise ConfigError(f"There is no layer {wrong[0]} in codes of {w_content.shape[1]} layers, counted from 0.")
    styled = torch.zeros(w_content.shape[1], 1, dtype=torch.bool, device=w_content.device)
    styled[list(layers)] = True
    return torch.where(styled, w_style, w_content)


def style_grid(
    model: TwoWayModel,
    sources: Tensor,
    destinations: Tensor,
    layers: Sequence[int],
    *,
    noise: Literal["fixed", "off", "random"] = "fixed",
    generator: torch.Generator | None = None,
    batch: int = 32,
) -> Tensor:
    """Every destination with the styles of every source.

    Args:
        model: Decodes the codes.
        sources: Codes that give the layers named, one for each row, shape (R, layers, dim).
        destinations: Codes that give all other layers, one for each column, shape (C, layers, dim).
        layers: Rows of a code taken from the sources, see `layers_of`.
        noise: See `TwoWayModel.decode`.
        generator: Source of fresh noise, on the CPU.
        batch: Images at a time.

    Returns:
        Images in [-1, 1], shape (R, C, channels, height, width).

    Raises:
        ModelError: Codes that do not fit the model or each other.
        ConfigError: Rows that the codes do not have.
    """
    rows = [mix_codes(destinations, source.unsqueeze(0), layers) for source in sources]
    images = [model.decode(part, noise=noise, generator=generator) for part in torch.cat(rows).split(batch)]
    return torch.cat(images).unflatten(0, (len(sources), len(destinations)))
