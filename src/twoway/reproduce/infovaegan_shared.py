"""What the artefacts of InfoVAEGAN share: ways back to pictures, sheets of codes, a judge of digits, and notes.

References:
    Ye and Bors, InfoVAEGAN, ICIP 2021, arXiv 2107.04705; its code dtuzi123/InfoVAEGAN.
    Chen et al., InfoGAN, arXiv 1606.03657, figure 2 (how codes are drawn).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from twoway.code_reading import likely_codes
from twoway.data import to_uint8
from twoway.grids import GAP
from twoway.latents import project
from twoway.latents.traversal import Traversal
from twoway.metrics.clustering import hungarian_map
from twoway.model import TwoWayModel
from twoway.reproduce.result import Column, Row, Table, Trials, Value
from twoway.reproduce.study import Trained

__all__ = [
    "LOST",
    "PAPER",
    "Way",
    "code_sheet",
    "drawn_by_class",
    "share_of_own_class",
    "trainings",
    "way_back",
    "ways_back",
]

PAPER = "InfoVAEGAN (arXiv 2107.04705)"

LOST = (
    "Neither the tables nor the figures of the paper were at hand, only its abstract, a summary of its claims and the "
    "authors' code: no figure of it is quoted, and what is measured follows those claims."
)

Way = Literal["encoder", "second decoder", "drawn noise", "found noise"]
"""How a picture becomes one again: whole codes by the encoder; interpretable codes through the second decoder; or these
codes and a noise, which is a draw as in the published code, or the one whose picture is nearest."""


def ways_back(model: TwoWayModel) -> tuple[Way, ...]:
    """The ways back that there are for a model, in the order in which they are drawn."""
    if model.recipe.encodes != "code":
        return ("encoder",)
    return (
        ("second decoder", "drawn noise", "found noise") if "decoder" in model.nets else ("drawn noise", "found noise")
    )


def way_back(model: TwoWayModel, x: Tensor, way: Way, *, steps: int, generator: torch.Generator) -> Tensor:
    """Reconstruct pictures.

    Args:
        model: In evaluation mode.
        x: Pictures in [-1, 1], shape (B, C, H, W), on its device.
        way: See `Way`.
        steps: Of the search for noise, from zeros.
        generator: Of the drawn noise, on the CPU.

    Returns:
        uint8, shape (B, C, H, W), on the CPU.
    """
    if way == "found noise":
        return to_uint8(project(model, x, space="noise", start="mean", steps=steps, batch=128).x_rec).cpu()
    with torch.inference_mode():
        if way != "drawn noise":
            return torch.cat([to_uint8(model.reconstruct(part)).cpu() for part in x.split(128)])
        assert model.recipe.prior is not None, "a model with interpretable codes has a prior"
        noise = model.draw_prior(len(x), generator=generator)[:, : model.recipe.prior.layout().noise]
        parts = zip(x.split(128), noise.split(128), strict=True)
        codes = [torch.cat([drawn, likely_codes(model.encode_code(part))], 1).unsqueeze(1) for part, drawn in parts]
        return torch.cat([to_uint8(model.decode(code)).cpu() for code in codes])


@torch.inference_mode()
def drawn_by_class(model: TwoWayModel, n: int, *, generator: torch.Generator) -> tuple[Tensor, np.ndarray]:
    """Samples of every class in turn: pictures (n, C, H, W) uint8 and their classes (n,)."""
    assert model.recipe.prior is not None, "a model with interpretable codes has a prior"
    classes = torch.arange(n) % model.recipe.prior.layout().discrete
    z = model.draw_prior(n, labels=classes, generator=generator)
    pictures = [to_uint8(model.decode(model.map(part))).cpu() for part in z.split(128)]
    return torch.cat(pictures), classes.numpy()


def share_of_own_class(made_as: np.ndarray, seen: np.ndarray) -> float:
    """Per cent of made pictures that show what their class shows, each class standing for one thing of its own.

    Args:
        made_as: Class each picture was made of, (N,).
        seen: What it shows, (N,).

    Example:
        >>> share_of_own_class(np.array([0, 0, 1, 1]), np.array([7, 7, 7, 3]))
        75.0
    """
    kinds, shown = np.unique(seen, return_inverse=True)
    table = np.zeros((int(made_as.max()) + 1, len(kinds)), dtype=np.int64)
    np.add.at(table, (made_as, shown), 1)
    own = hungarian_map(table)
    return 100.0 * float((own[made_as] == shown).mean())


def code_sheet(moved: Sequence[Traversal], row: int = 0) -> tuple[Tensor, int]:
    """One line of pictures per code, all from one draw; lines of few values end in grey.

    Args:
        moved: As `twoway.latents.traversals` gives them.
        row: Number of the draw.

    Returns:
        Pictures uint8 (lines * columns, C, H, W), and columns.
    """
    columns = max(len(one.values) for one in moved)
    lines = []
    for one in moved:
        line = to_uint8(one.images[row]).cpu()
        lines.append(torch.cat([line, torch.full_like(line[:1], GAP).repeat(columns - len(line), 1, 1, 1)]))
    return torch.cat(lines), columns


def trainings(found: Mapping[str, Sequence[Trained]]) -> Table:
    """What was trained: presets, seeds, images and minutes."""
    rows = []
    for row, made in found.items():
        cells: dict[str, Value] = {
            "preset": made[0].config.preset or made[0].config.recipe.method,
            "seeds": ", ".join(str(one.config.training.seed) for one in made),
            "kimg": Trials([one.kimg for one in made]),
            "minutes": Trials([one.seconds / 60 for one in made]),
        }
        rows.append(Row(row, cells))
    columns = [Column("preset"), Column("seeds"), Column("kimg", digits=1), Column("minutes", digits=1)]
    return Table(
        columns, rows, title="Trainings", text="Minutes by the clock, of whatever else the machine did meanwhile."
    )
