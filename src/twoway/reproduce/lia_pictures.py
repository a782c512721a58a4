"""LIA's pictures: reconstructions by every method (figure 3), of other pictures (6), and between real ones (7).

References:
    Zhu et al., arXiv 1906.08090, sections 6.1 and 6.2, figures 3, 6 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from twoway.data import to_float, to_uint8
from twoway.errors import DataError
from twoway.grids import pair_grid
from twoway.latents import lerp
from twoway.model import TwoWayModel
from twoway.reproduce.budget import Budget
from twoway.reproduce.lia_runs import lia_budgets, trained_for
from twoway.reproduce.lia_table3 import reconstruct_row, trained_row
from twoway.reproduce.notes import budget_notes
from twoway.reproduce.pictures import held_out, reconstructed, unit_mse
from twoway.reproduce.registry import artefact, setting
from twoway.reproduce.result import Column, Result, Row, Table
from twoway.reproduce.strips import picture_rows
from twoway.reproduce.study import Study
from twoway.training.config import DataConfig

__all__ = ["Fig6", "lia_fig3", "lia_fig6", "lia_fig7", "mse_column"]

COMPARED = {
    "lia": "LIA",
    "ali": "ALI",
    "age": "AGE",
    "optimisation-z": "MSE in z",
    "optimisation-w": "MSE in w",
    "vaegan-z": "VAE/GAN",
    "stylegan": "StyleGAN, encoder",
}
"""Rows in the order of the paper, and what they are called there."""


def mse_column() -> Column:
    """Mean squared errors as in table 3."""
    return Column("mse", "MSE x 1e-3, pixels in [0, 1]", better="lower")


@artefact(
    "lia-fig3",
    paper="LIA (arXiv 1906.08090), figure 3",
    summary="The same pictures reconstructed by LIA, ALI, AGE, optimisation, VAE/GAN and StyleGAN with an encoder.",
    budgets=lia_budgets(
        Budget(steps=10, shown=8, takes="two minutes"),
        Budget(steps=300, shown=8, takes="an hour of two cores for each training"),
        Budget(steps=1_000, shown=8, takes="days of a GPU with the trainings"),
    ),
    rows=tuple(COMPARED),
    without=("trials", "features"),
)
def lia_fig3(study: Study) -> Result:
    """Reconstruct the same held-out pictures by every method."""
    shown = held_out(study, study.budget.shown)
    rows, strips = [], {"original": shown}
    for row in study.rows:
        made_by = trained_row(study, row)
        made = study.keep_tensors(
            f"reconstructions, {row}",
            lambda r=row, m=made_by: {"pictures": reconstruct_row(r, m.model, shown, steps=study.budget.steps)},  # type: ignore[misc]
            of=made_by,
        )["pictures"]
        strips[COMPARED[row]] = made
        rows.append(Row(COMPARED[row], {"mse": unit_mse(made, shown)}))
        study.so_far(Result(tables=(Table([mse_column()], rows),)))
    study.save_figure("comparison", picture_rows(strips))
    train, _ = study.pictures()
    return Result(
        tables=(Table([mse_column()], rows),),
        about=f"{len(shown)} held-out pictures of {train.name}; {study.budget.steps} steps of search, from the mean.",
        notes=[
            "ALI and AGE have plain convolutions and see as many images as the others, fewer than they were published "
            "for.",
            "The paper searches in z by gradient descent on VGG features; here Adam searches in z and in w on pixels.",
            "The paper's figure has no numbers; lia-table3 has those of many pictures.",
            *budget_notes(study),
        ],
    )


@dataclass(frozen=True)
class Fig6:
    """What only this figure can be asked for.

    Args:
        sets: Pictures, in the words of ``--data``, instead of those of the study.
    """

    sets: tuple[str, ...] = setting((), "Pictures of several sets, one LIA each; those of --data alone by default.")


@artefact(
    "lia-fig6",
    paper="LIA (arXiv 1906.08090), figure 6",
    summary="Originals and their reconstructions by LIA, of as many sets of pictures as are named.",
    budgets=lia_budgets(
        Budget(shown=10, takes="a minute"),
        Budget(shown=10, takes="an hour of two cores for each training"),
        Budget(shown=10, takes="days of a GPU for each set"),
    ),
    settings=Fig6,
    without=("trials", "features"),
)
def lia_fig6(study: Study) -> Result:
    """Train LIA on every set, and draw held-out pictures above their reconstructions."""
    rows = []
    named = [DataConfig.make(name, size=study.budget.size) for name in study.chosen(Fig6).sets]
    for one in named:
        one.open_both()  # a set that is not there is found out before the trainings
    for source in named or (None,):
        made = study.trained("lia", source=source)
        _, test = made.config.data.open_both()
        shown = test.read(range(min(study.budget.shown, len(test))))
        again = reconstructed(made.model, shown)
        study.save_picture(f"reconstructions-{test.name}", pair_grid(shown, again, len(shown)))
        rows.append(Row(test.name, {"mse": unit_mse(again, shown)}))
    return Result(
        tables=(Table([mse_column()], rows),),
        about="First row: held-out originals; second row: their reconstructions by LIA.",
        notes=[
            "The paper's sets are LSUN cat, bedroom and car (name them with --sets), of 100,000 pictures each that a "
            "ranking chose; its lists were never published.",
            "The paper's figure has no numbers.",
            *budget_notes(study),
        ],
    )


@artefact(
    "lia-fig7",
    paper="LIA (arXiv 1906.08090), figure 7",
    summary="Interpolation between the codes of real pictures by LIA, straight in the latent space.",
    budgets=lia_budgets(
        Budget(steps=7, shown=4, takes="a minute"),
        Budget(steps=7, shown=6, takes="an hour of two cores for each training"),
        Budget(steps=7, shown=6, takes="days of a GPU with the training"),
    ),
    without=("trials", "features"),
)
def lia_fig7(study: Study) -> Result:
    """Draw rows of two real pictures with the pictures between their codes."""
    made = trained_for(study, ("lia",))["lia"]
    ends = held_out(study, 2 * study.budget.shown)
    if len(ends) < 2:
        raise DataError("An interpolation is between two held-out pictures, but there are fewer. Add some.")
    first, last = ends[::2][: len(ends) // 2], ends[1::2]
    between = _between(made.model, first, last, study.budget.steps)
    rows = {
        f"pair {i + 1}": torch.cat([first[i : i + 1], between[i], last[i : i + 1]]) for i in range(len(first))
    }  # fmt: skip
    steps = study.budget.steps
    heads = ["real", "encoded", *[f"{n / (steps - 1):.2f}" for n in range(1, steps - 1)], "encoded", "real"]
    study.save_figure("interpolation", picture_rows(rows, heads=heads))
    return Result(
        about=f"Each row: a held-out picture, its reconstruction, {steps - 2} pictures between the two codes, and the "
        "reconstruction of another held-out picture before it. Codes are joined by straight lines in the latent space.",
        notes=[
            "The paper interpolates between objects of LSUN.",
            *budget_notes(study),
        ],
    )


@torch.inference_mode()
def _between(model: TwoWayModel, first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Pictures (pairs, steps, C, H, W), uint8, on straight lines between the codes of real ones."""
    a, b = (model.encode(to_float(pictures).to(model.device)) for pictures in (first, last))
    return torch.stack([to_uint8(model.decode(w)).cpu() for w in lerp(a, b, steps).transpose(0, 1)])
