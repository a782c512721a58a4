"""Directions that nobody has to label: principal components of codes, and closed-form factorisation of style weights.

References:
    Härkönen et al., GANSpace: Discovering Interpretable GAN Controls, arXiv 2004.02546, section 2.1 (PCA of w). Shen
    and Zhou, Closed-Form Factorization of Latent Semantics in GANs (SeFa), arXiv 2007.06600, section 3.2, equation 6.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from twoway.errors import ConfigError, DataError, ModelError
from twoway.latents.directions import Direction, measured_on
from twoway.model import TwoWayModel
from twoway.networks.growing import Growing
from twoway.networks.skip_generator import SkipGenerator
from twoway.networks.style_generator import StyleGenerator

__all__ = ["factorised_directions", "principal_directions", "sampled_codes", "style_weights"]

_BLOCK = 64  # chance is drawn for so many codes at a time, so that the batch changes nothing


@torch.inference_mode()
def sampled_codes(model: TwoWayModel, count: int = 10_000, *, seed: int = 0) -> Tensor:
    """Latent codes of the prior, in the mean over their layers: (count, 1, dim), on the CPU.

    Raises:
        ModelError: The method has no prior.
    """
    parts = []
    for start in range(0, count, _BLOCK):
        chance = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, start]).generate_state(1)[0]))
        w = model.map(model.draw_prior(_BLOCK, generator=chance))
        parts.append(w[: count - start].mean(1, keepdim=True).cpu())
    return torch.cat(parts)


def principal_directions(
    model: TwoWayModel,
    w: Tensor,
    count: int = 10,
    *,
    layers: Sequence[int] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> list[Direction]:
    """Directions along which codes vary most, widest first: ``pca1``, ``pca2``, ...

    The sign is that which makes the largest entry positive; positions are counted from the mean of the codes.

    Args:
        model: Whose codes they are.
        w: Codes (N, layers, dim) of samples or pictures, or their means over layers (N, 1, dim).
        count: How many.
        layers: Rows that are looked at, in the mean, and that the directions act on; None is all.
        facts: Plain data to keep with them, as the pictures that were used.

    Returns:
        Directions with unit vectors; their facts tell the ``share`` of the variance.

    Raises:
        ConfigError: More directions than codes vary in.
        DataError: Codes that are not finite, or fewer than two.
    """
    rows = w if w.shape[1] == 1 or layers is None else w[:, list(layers)]
    points = rows[..., : w.shape[2] - model.recipe.labels].double().mean(1)
    if len(points) < 2 or not points.isfinite().all():
        raise DataError(f"Principal components of {len(points)} codes: at least two are needed, all of them finite.")
    mean = points.mean(0)
    centred = points - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    values, vectors = values.flip(0).clamp_min(0), vectors.flip(1).T
    there = int((values > 1e-12 * values.sum()).sum())
    _check_count(count, there, f"the {len(points)} codes vary in")
    kept = {**(facts or {}), "codes": len(points)}
    fingerprint = model.fingerprint()
    return [
        Direction(
            f"pca{i + 1}", _padded(vector, model), fingerprint, "pca", -float(mean @ vector), float(values[i].sqrt()),
            _sorted(layers), {**kept, "share": float(values[i] / values.sum())},
        )
        for i, vector in enumerate(_signed(vectors[:count]))
    ]  # fmt: skip


def factorised_directions(
    model: TwoWayModel,
    count: int = 10,
    *,
    layers: Sequence[int] | None = None,
    normalise: bool = False,
    w: Tensor | None = None,
) -> list[Direction]:
    """Directions along which the styles change most, whatever the codes: ``factor1``, ``factor2``, ...

    Eigenvectors of A^T A with the largest eigenvalues, A being the weights of the affine maps from a code to the styles
    of the layers chosen, one above the other. Weights are stored as they act (their equalisation lies in the
    optimiser), so no factor is needed.

    Args:
        model: With a style generator.
        count: How many.
        layers: Rows of a code whose styles are looked at, and that the directions act on; None is all.
        normalise: Whether every row of A is brought to unit length first, as the official code does and the paper does
            not.
        w: Codes on which the deviations are measured; None draws 2,000 from the prior, and without a prior a deviation
            is 1.

    Returns:
        Directions with unit vectors; their facts tell the ``eigenvalue`` and its ``share`` of all.

    Raises:
        ModelError: The generator has no styles, or no such layers.
        ConfigError: More directions than a code is wide.
    """
    weights = style_weights(model)
    chosen = sorted(set(range(len(weights)) if layers is None else layers))
    wrong = [row for row in chosen if not 0 <= row < len(weights)]
    if wrong or not chosen:
        raise ModelError(
            f"Styles of the layer {wrong[0] if wrong else '(none)'} are to be factorised, but the working layers of "
            f"this model are 0 to {len(weights) - 1}."
        )
    a = torch.cat([weight for row in chosen for weight in weights[row]]).double().cpu()
    a = a[:, : a.shape[1] - model.recipe.labels]
    if normalise:
        a = a / a.norm(dim=1, keepdim=True).clamp_min(1e-12)
    _check_count(count, a.shape[1], "a code is wide")
    values, vectors = torch.linalg.eigh(a.T @ a)
    values, vectors = values.flip(0).clamp_min(0), vectors.flip(1).T
    acts_on = None if layers is None else tuple(chosen)
    if w is None and model.recipe.prior is not None:
        w = sampled_codes(model, 2_000)
    fingerprint, found = model.fingerprint(), []
    for i, vector in enumerate(_signed(vectors[:count])):
        facts = {"eigenvalue": float(values[i]), "share": float(values[i] / values.sum()), "normalised": normalise}
        one = Direction(f"factor{i + 1}", _padded(vector, model), fingerprint, "factorised", layers=None, facts=facts)
        if w is not None:
            means = w if acts_on is None or w.shape[1] == 1 else w[:, list(acts_on)]
            one = measured_on(one, means)
        found.append(dataclasses.replace(one, layers=acts_on))
    return found


def style_weights(model: TwoWayModel) -> list[list[Tensor]]:
    """Weights (styles, dim) of the affine maps that each working row of a code feeds.

    Raises:
        ModelError: The generator has no styles.
    """
    net: nn.Module = model.nets["generator"]
    for kind, read in _READERS.items():
        if isinstance(net, kind):
            rows = read(net)
            working = 2 * (net.level + 1) if isinstance(net, Growing) else len(rows)
            return [[weight.detach() for weight in row] for row in rows[:working]]
    raise ModelError(
        f"The generator of this {model.recipe.method} model has no styles, so there are no style weights to factorise. "
        "Take principal components of its codes instead (twoway directions pca), or a model with a style generator, "
        "such as style-alae, lia or stylegan."
    )


def _of_styles(net: Any) -> list[list[Tensor]]:
    return [[half.style.affine.weight] for block in net.blocks for half in (block.first, block.second)]


def _of_scales(net: Any) -> list[list[Tensor]]:
    """The colours of a level share their row with the first convolution of the next one."""
    rows: list[list[Tensor]] = [[] for _ in range(net.w_layers)]
    for level, block in enumerate(net.blocks):
        if block.up is not None:
            rows[2 * level - 1].append(block.up.scales.weight)
        rows[2 * level].append(block.same.scales.weight)
        rows[2 * level + 1].append(block.colours.scales.weight)
    return rows


_READERS: dict[type[nn.Module], Callable[[Any], list[list[Tensor]]]] = {
    StyleGenerator: _of_styles,
    SkipGenerator: _of_scales,
}


def _check_count(count: int, there: int, what: str) -> None:
    if not 1 <= count <= there:
        raise ConfigError(
            f"{count} directions are asked for, but there must be 1 to {there}: {what} so many dimensions."
        )


def _signed(vectors: Tensor) -> Tensor:
    return vectors * vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()


def _padded(vector: Tensor, model: TwoWayModel) -> Tensor:
    """As a row (1, dim) that leaves classes alone which the model is told."""
    row = torch.zeros(1, model.w_shape[1])
    row[0, : len(vector)] = vector.float()
    return row


def _sorted(layers: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if layers is None else tuple(sorted(set(layers)))
