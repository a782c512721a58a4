"""Pictures of what each interpretable code or direction does: one thing moves, all else stays.

References:
    Chen et al., InfoGAN, arXiv 1606.03657, figure 2; Higgins et al., beta-VAE, ICLR 2017, figure 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from twoway.errors import ConfigError, ModelError, closest
from twoway.latents.directions import Direction, check_direction
from twoway.latents.editing import EditMode, EditUnit, edit_codes
from twoway.latents.interpolation import decode_points
from twoway.model import TwoWayModel
from twoway.priors import CodeLayout
from twoway.telling import Telling, silent

__all__ = ["Traversal", "along_direction", "class_samples", "traversal_names", "traversals"]

REACH = 2.0
"""How far a normal code is taken to both sides, in standard deviations; uniform codes go from end to end."""


@dataclass(frozen=True)
class Traversal:
    """One code taken through its values.

    Args:
        name: ``class``, ``code 3``, ``dimension 5`` of a latent code, or what a direction is called.
        values: The values taken, one per column.
        images: Pictures in [-1, 1], shape (rows, columns, C, H, W); a row keeps everything else.
    """

    name: str
    values: tuple[float, ...]
    images: Tensor


@torch.no_grad()
def class_samples(model: TwoWayModel, rows: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Made pictures by class: one column a class, one row a draw of everything else.

    Args:
        model: With a discrete code, or told classes.
        rows: Draws.
        generator: Of the draws, on the CPU.

    Returns:
        Images in [-1, 1], shape (rows, classes, C, H, W).

    Raises:
        ModelError: The method has no discrete code.
    """
    layout = _layout(model)
    if not layout.discrete:
        raise ModelError(f"This {model.recipe.method} model has no discrete code. Its codes are {model.recipe.prior}.")
    z = model.draw_prior(rows, generator=generator).repeat_interleave(layout.discrete, 0)
    classes = torch.eye(layout.discrete, device=z.device).repeat(rows, 1)
    z = torch.cat([z[:, : layout.noise], classes, z[:, layout.noise + layout.discrete :]], dim=1)
    return model.decode(model.map(z)).unflatten(0, (rows, layout.discrete))


@torch.no_grad()
def traversals(
    model: TwoWayModel,
    *,
    rows: int = 5,
    columns: int = 9,
    limit: int | None = None,
    only: Collection[str] | None = None,
    generator: torch.Generator | None = None,
    progress: Telling = silent,
) -> list[Traversal]:
    """Every code of a model, one after the other: classes, continuous codes, or the numbers of the prior code.

    Args:
        model: With a prior.
        rows: Draws of everything else, the same for all codes.
        columns: Values of each continuous code.
        limit: At most so many codes, the class counted as one; None for all.
        only: Names of the codes wanted, see `traversal_names`; None for all.
        generator: Of the draws, on the CPU.
        progress: Told how many numbers of the prior code are done.

    Raises:
        ModelError: The method has no prior, or one whose numbers cannot be moved one by one, as a sphere.
        ConfigError: Fewer than one row or two columns, or names of no codes.
    """
    if rows < 1 or columns < 2:
        raise ConfigError(f"Got {rows} rows and {columns} columns; a traversal needs at least 1 row and 2 columns.")
    z = model.draw_prior(rows, generator=generator)
    there = _movable(model)
    if only is not None:
        for name in only:
            if name not in {code.name for code in there}:
                raise ConfigError(f"There is no code '{name}' to move{closest(name, [code.name for code in there])}.")
        there = [code for code in there if code.name in only]
    found: list[Traversal] = []
    for done, code in enumerate(there[:limit]):
        progress("codes", done, len(there))
        values = code.values(columns).to(z.device)
        shown = tuple(map(float, range(len(values)))) if code.kind == "categorical" else tuple(values[:, 0].tolist())
        found.append(_moved(model, z, code.place, values, code.name, shown))
    progress("codes", len(there), len(there))
    return found


def traversal_names(model: TwoWayModel) -> tuple[str, ...]:
    """Names of the codes that `traversals` moves, in order; none without a prior whose numbers can be moved.

    Example:
        >>> from twoway.methods import make_recipe
        >>> from twoway.model import build_model
        >>> traversal_names(build_model(make_recipe("infovaegan", (1, 8, 8), {"classes": 3, "continuous": 2})))
        ('class', 'code 0', 'code 1')
    """
    try:
        return tuple(code.name for code in _movable(model))
    except ModelError:
        return ()


@dataclass(frozen=True)
class _Code:
    """A part of the prior code that is moved by itself."""

    name: str
    kind: str
    place: slice

    def values(self, columns: int) -> Tensor:
        """What it is moved to, (columns, width)."""
        if self.kind == "categorical":
            return torch.eye(self.place.stop - self.place.start)
        reach = REACH if self.kind == "normal" else 1.0
        return torch.linspace(-reach, reach, columns)[:, None]


def _movable(model: TwoWayModel) -> list[_Code]:
    """Parts of the prior code that mean something by themselves.

    Raises:
        ModelError: A prior whose numbers cannot be moved one by one.
    """
    prior = model.recipe.prior
    reads = model.recipe.encodes == "code"
    found: list[_Code] = []
    start = 0
    for place, block in enumerate(prior.blocks if prior is not None else ()):
        first, start = start, start + block.dim
        if reads and place == 0:
            continue  # noise means nothing by itself
        if block.kind == "categorical":
            if reads or model.recipe.labels:  # which of a mixture's parts is drawn, as VampPrior's, is no trait
                found.append(_Code("class", block.kind, slice(first, start)))
            continue
        if block.kind not in ("normal", "uniform"):
            raise ModelError(
                f"The prior of this {model.recipe.method} model is {prior}: its numbers cannot be moved one by one. "
                "Use twoway interpolate between two pictures instead."
            )
        for dim in range(first, start):
            name = f"code {dim - first}" if reads else f"dimension {dim}"
            found.append(_Code(name, block.kind, slice(dim, dim + 1)))
    return found


def along_direction(
    model: TwoWayModel,
    w: Tensor,
    direction: Direction,
    values: Sequence[float],
    *,
    mode: EditMode = "relative",
    unit: EditUnit = "deviation",
    layers: Sequence[int] | None = None,
) -> Traversal:
    """Pictures of codes taken along a direction.

    Args:
        model: That the direction was found for.
        w: Codes, one for each row, shape (B, layers, dim).
        direction: Where to.
        values: How far, one for each column.
        mode: See `twoway.latents.editing.edit_codes`; as the rest.
        unit: What the values count.
        layers: Rows of the codes that move.

    Raises:
        ConfigError: No values, or an edit that cannot be made.
        ModelError: A direction of another model.

    References:
        LIA's program takes 8 values from -5 to 5, relative and in units of length; the figure of ALAE 7 to both sides
        of each picture's own value.
    """
    if not values:
        raise ConfigError("A traversal needs at least one value.")
    check_direction(direction, model)
    moved = [
        edit_codes(w, [(direction, float(t))], mode=mode, unit=unit, layers=layers, w_avg=model.w_avg) for t in values
    ]
    return Traversal(direction.name, tuple(map(float, values)), decode_points(model, torch.stack(moved, dim=1)))


def _moved(
    model: TwoWayModel, z: Tensor, place: slice, draws: Tensor, name: str, values: tuple[float, ...]
) -> Traversal:
    """Pictures with a part of the prior codes replaced by each of some draws (columns, width)."""
    moved = z[:, None].repeat(1, len(draws), 1)
    moved[:, :, place] = draws
    images = torch.stack([model.decode(model.map(row)) for row in moved])
    return Traversal(name, values, images)


def _layout(model: TwoWayModel) -> CodeLayout:
    if model.recipe.labels and model.recipe.prior is not None:  # the class a conditional model is told comes last
        classes = model.recipe.labels
        return CodeLayout(noise=model.recipe.prior.dim - classes, discrete=classes, continuous=0, uniform=False)
    if model.recipe.encodes != "code" or model.recipe.prior is None:
        raise ModelError(
            f"A {model.recipe.method} model has no discrete code. Train a method that has one, such as infovaegan, "
            "or a conditional model."
        )
    return model.recipe.prior.layout()
