"""Figures 5 to 8 of ALAE: reconstructions and generations of faces and bedrooms.

Our copy of the paper has neither the pictures nor their captions; what the figures show follows the text and the
scripts of the code that draw them.

References:
    Pidhorskyi et al., arXiv 2004.04467, section 7.2, Figures 5 to 8; make_figures/ of the code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from twoway.features import build_features
from twoway.grids import image_grid
from twoway.metrics import evaluate
from twoway.reproduce.alae_style import budgets, sampled, style_notes
from twoway.reproduce.pictures import at_once, held_out, reconstructed
from twoway.reproduce.registry import artefact
from twoway.reproduce.result import Column, Result, Row, Table, Trials
from twoway.reproduce.study import Study, Trained

__all__ = ["alae_fig5", "alae_fig6", "alae_fig7", "alae_fig8", "collage"]

COMPARED = ("style-alae", "balanced-pioneer", "pioneer")
SIZES = (0, 0, 0, 1, 1, 2)
"""Halvings of the pictures in each column of the collage of generations."""

COLLAGE_ROWS = 6
LARGEST = 192
"""Pixels that small pictures are enlarged to at most."""

TRUNCATION, CUTOFF = 0.7, 8
PAIRS = 3
"""Pairs of original and reconstruction beside each other."""

LOST = "What the figure shows follows the text and the authors' scripts; our copy has neither picture nor caption."


def collage(pictures: Tensor, rows: int = COLLAGE_ROWS, sizes: Sequence[int] = SIZES) -> Image.Image:
    """Columns of pictures of falling size without gaps.

    Args:
        pictures: uint8, shape (N, C, H, W), square, of which N = rows * sum(2 ** size) are drawn; small ones are
            enlarged by whole factors, large ones halved by averaging.
        rows: Rows of pictures of full size.
        sizes: Halvings of each column.

    Example:
        >>> collage(torch.zeros(15, 3, 64, 64, dtype=torch.uint8), 3, (0, 1, 1)).size
        (256, 384)
    """
    need = rows * sum(2**size for size in sizes)
    assert len(pictures) >= need, f"the collage needs {need} pictures"
    scale = 1
    while 2 * scale * pictures.shape[-1] <= LARGEST:
        scale *= 2
    side = scale * pictures.shape[-1]
    canvas = Image.new("RGB" if pictures.shape[1] == 3 else "L", (sum(side >> size for size in sizes), side * rows))
    left = at = 0
    for size in sizes:
        small = side >> size
        for row in range(rows << size):
            pixels = pictures[at].permute(1, 2, 0).numpy()
            one = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
            kind = Image.Resampling.NEAREST if small >= pictures.shape[-1] else Image.Resampling.BOX
            canvas.paste(one.resize((small, small), kind), (left, row * small))
            at += 1
        left += small
    return canvas


@artefact(
    "alae-fig5",
    paper="ALAE (arXiv 2004.04467), figure 5",
    summary="Reconstructions of faces that were not trained on, by StyleALAE.",
    budgets=budgets(
        "ffhq", {"images": 64, "shown": 24}, {"images": 1_000, "shown": 24}, {"images": 10_000, "shown": 24}
    ),
    without=("trials",),
)
def alae_fig5(study: Study) -> Result:
    """Draw originals with their reconstructions to the right of them, three pairs in a row."""
    build_features(study.features)  # before the trainings: its weights may not be there
    made = study.trained("style-alae")
    pictures = held_out(study, study.budget.shown)
    pairs = torch.stack([pictures, reconstructed(made.model, pictures)], 1).flatten(0, 1)
    study.save_picture("reconstructions", image_grid(pairs, 2 * PAIRS))
    return Result(
        tables=(_errors(study, {"style-alae": made}),),
        about=f"Pairs of an original and, right of it, its reconstruction; {_place(study)}.",
        notes=[LOST, "The errors are not in the paper.", *style_notes(study)],
    )


@artefact(
    "alae-fig6",
    paper="ALAE (arXiv 2004.04467), figure 6",
    summary="Generations of StyleALAE in three sizes, drawn and not chosen.",
    budgets=budgets("ffhq", {}, {}, {}),
    without=("trials", "features"),
)
def alae_fig6(study: Study) -> Result:
    """Draw the collage of the authors' script, truncated as there, and beside it one that is not truncated."""
    model = study.trained("style-alae").model
    need = COLLAGE_ROWS * sum(2**size for size in SIZES)
    for name, truncation in (("generations", TRUNCATION), ("generations-not-truncated", 1.0)):
        pictures = sampled(model, need, seed=study.seed, truncation=truncation, cutoff=CUTOFF)
        study.save_picture(name, collage(pictures))
    train, _ = study.pictures()
    return Result(
        about=f"{need} generations after a training on {train.name}, {train.shape[1]} pixels: with truncation "
        f"{TRUNCATION} of the first {CUTOFF} layers, as the authors' script draws them, and without.",
        notes=[LOST, "The text does not say that the figure is truncated; the script does so.", *style_notes(study)],
    )


@artefact(
    "alae-fig7",
    paper="ALAE (arXiv 2004.04467), figure 7",
    summary="Generations and reconstructions of bedrooms by StyleALAE.",
    budgets=budgets("bedroom", {"images": 64, "shown": 6}, {"images": 1_000, "shown": 8}, {"images": 300, "shown": 8}),
    without=("trials",),
)
def alae_fig7(study: Study) -> Result:
    """Draw a row of generations, a row of originals, and their reconstructions below."""
    build_features(study.features)  # before the trainings: its weights may not be there
    made = study.trained("style-alae")
    shown = study.budget.shown
    pictures = held_out(study, shown)
    generated = sampled(made.model, shown, seed=study.seed, truncation=TRUNCATION, cutoff=CUTOFF)
    study.save_picture(
        "bedrooms", image_grid(torch.cat([generated, pictures, reconstructed(made.model, pictures)]), len(pictures))
    )
    train, _ = study.pictures()
    return Result(
        tables=(_errors(study, {"style-alae": made}),),
        about=f"First row: generations, truncation {TRUNCATION}. Second row: originals; third row: their "
        f"reconstructions; {_place(study)}.",
        notes=[LOST, f"Drawn of {train.name}; the paper's are bedrooms. Errors are ours.", *style_notes(study)],
    )


@artefact(
    "alae-fig8",
    paper="ALAE (arXiv 2004.04467), figure 8",
    summary="Reconstructions of CelebA-HQ faces that were not trained on: StyleALAE, Balanced PIONEER, PIONEER.",
    budgets=budgets(
        "celeba-hq",
        {"images": 64, "shown": 8},
        {"images": 1_000, "shown": 10},
        {"images": 3_000, "shown": 8},
        trainings=len(COMPARED),
    ),
    rows=COMPARED,
    without=("trials",),
)
def alae_fig8(study: Study) -> Result:
    """Draw originals, and below them what each method makes of them."""
    build_features(study.features)  # before the trainings: its weights may not be there
    pictures = held_out(study, study.budget.shown)
    models = {row: study.trained(row) for row in study.rows}
    strips = [pictures, *(reconstructed(made.model, pictures) for made in models.values())]
    study.save_picture("comparison", image_grid(torch.cat(strips), len(pictures)))
    return Result(
        tables=(_errors(study, models),),
        about=f"Rows: originals, {', '.join(study.rows)}; {_place(study)}.",
        notes=[
            LOST,
            "The text says 'two other approaches'; that they are Balanced PIONEER and PIONEER is what table 3 "
            "suggests. The errors are not in the paper.",
            *style_notes(study),
        ],
    )


def _errors(study: Study, models: dict[str, Trained]) -> Table:
    """Pixel errors and, where there are features, what distances of reconstructions say."""
    rows, title = [], "lpips"
    for row, made in models.items():
        found = study.keep(f"errors, {row}", partial(_compared, study, made), of=made)
        title = found.pop("title")
        rows.append(Row(row, {name: Trials([value]) for name, value in found.items()}))
    columns = [
        Column("mse", "MSE, pixels in [-1, 1]", digits=4, better="lower"),
        Column("psnr", "PSNR, dB", better="higher"),
        Column("lpips", title, digits=4, better="lower"),
    ]
    return Table(columns, rows, corner="method", text=f"Errors of at most {study.budget.images} {_kind(study)}.")


def _compared(study: Study, made: Trained) -> dict[str, Any]:
    train, test = study.pictures()
    limit, names = study.budget.images, ["mse", "psnr", "lpips"]
    measured = evaluate(
        made.model,
        train,
        test,
        names,
        max_test=limit,
        batch=at_once(made.model),
        features=study.features,
        progress=study.progress,
    )
    found = dict(zip(names, measured.values(), strict=True))  # the last one is named after what it looks at
    return {**{name: one["value"] for name, one in found.items()}, "title": found["lpips"]["name"]}


def _kind(study: Study) -> str:
    train, test = study.pictures()
    return "held-out pictures" if test is not train else "TRAINING pictures"


def _place(study: Study) -> str:
    train, _ = study.pictures()
    return f"{_kind(study)} of {train.name}, {train.shape[1]} pixels"
