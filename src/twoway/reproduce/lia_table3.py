"""LIA's Table 3 on pictures at hand: ways back to codes of real pictures, compared on generators of equal budget.

The paper compares LIA with a variational encoder through z, with optimisation and with ALI on FFHQ; it shows, without
figures, that its encoder fails for a StyleGAN whose mapping is not invertible. Here that claim has a row of its own:
the same recipe with an MLP for a mapping. Distances are on named features instead of Inception's, so they compare rows
of one table only.

References:
    Zhu et al., arXiv 1906.08090, section 5.2, figure 3 and table 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from twoway.data import to_float, to_uint8
from twoway.errors import ConfigError
from twoway.features import build_features
from twoway.grids import image_grid
from twoway.latents import project
from twoway.latents.in_domain import can_score, in_domain
from twoway.metrics import evaluate
from twoway.metrics.frechet import feature_moments, frechet_distance, pooled_features
from twoway.metrics.inputs import choose_rows
from twoway.metrics.sliced_wasserstein import sliced_wasserstein
from twoway.model import TwoWayModel
from twoway.published import LIA_TABLE3
from twoway.reproduce.budget import Budget, Role
from twoway.reproduce.registry import artefact, setting
from twoway.reproduce.result import Column, Result, Row, Table, Trials
from twoway.reproduce.study import Study, Trained

__all__ = ["ROWS", "Table3", "lia_table3"]

ROWS = ("lia", "stylegan", "vaegan-z", "optimisation-z", "optimisation-w")
NEEDS = {
    "lia": {"lia", "optimisation-z", "optimisation-w"},
    "stylegan": {"stylegan", "vaegan-z"},
    "vaegan-z": {"vaegan-z"},
}
"""Trainings, and the rows that need them."""


@dataclass(frozen=True)
class Table3:
    """What only this table can be asked for.

    Args:
        preset: Ending of other presets than the budget's: ``32-cpu`` takes ``lia-32-cpu`` and ``stylegan-32-cpu``.
        images: Held-out pictures at most; 0 takes the budget's.
        steps: Steps of the optimisation; 0 takes the budget's.
    """

    preset: str | None = setting(None, "Ending of other presets than the budget's, as 32-cpu of lia-32-cpu.")
    images: int = setting(0, "Held-out pictures at most; the budget's by default.")
    steps: int = setting(0, "Steps of the optimisation; the budget's by default.")

    def __post_init__(self) -> None:
        if self.images < 0 or self.images == 1 or self.steps < 0:
            raise ConfigError("The table needs at least 2 pictures and at least 1 step.")


def _roles(ending: str) -> dict[str, Role]:
    return {row: Role(f"{row}-{ending}") for row in NEEDS}


TINY = {"latent": 16, "start": 8, "maximum": 16}
SMOKE = {row: Role(row, {"flavour": "modern", **TINY}) for row in NEEDS}
PAPER = {
    "lia": Role("lia-128"),
    "stylegan": Role("stylegan", {"start": 128}),
    "vaegan-z": Role("vaegan-z", {"start": 128}),
}


@artefact(
    "lia-table3",
    paper="LIA (arXiv 1906.08090), table 3",
    summary="Reconstruction of real pictures: LIA, StyleGAN with an encoder, VAE/GAN through z, optimisation.",
    budgets={
        "smoke": Budget("avatars", 16, SMOKE, kimg=0.5, images=32, steps=10, shown=12, takes="a minute"),
        "cpu": Budget(None, 32, _roles("32-cpu"), kimg=240, images=400, steps=300, shown=12, takes="an hour or two"),
        "paper": Budget(None, 128, PAPER, kimg=37_000, images=5_000, steps=1_000, shown=12, takes="days of a GPU"),
    },
    rows=ROWS,
    settings=Table3,
)
def lia_table3(study: Study) -> Result:
    """Train what the rows need, reconstruct held-out pictures by each, and measure them."""
    own = study.chosen(Table3)
    if own.preset is not None:
        study.use(_roles(own.preset))
    _, test = study.pictures()
    shown = test.read([int(i) for i in choose_rows(len(test), own.images or study.budget.images)])
    found: dict[str, list[dict[str, Any]]] = {row: [] for row in study.rows}
    strips: dict[str, Tensor] = {}
    for trial in range(study.trials):
        models: dict[str, Trained] = {}
        for role, users in NEEDS.items():
            if set(study.rows) & users:
                generator = models["stylegan"] if role == "vaegan-z" else None
                models[role] = study.trained(role, trial=trial, generator=generator)
        for row in study.rows:
            made, facts = _measured(study, row, models, shown, study.seeds[trial])
            found[row].append(facts)
            strips.setdefault(row, made)
            study.so_far(_result(study, found, len(shown)))
    columns = min(study.budget.shown, len(shown))
    strip = torch.cat([pictures[:columns] for pictures in (shown, *strips.values())])
    study.save_picture("comparison", image_grid(strip, columns))
    return _result(study, found, len(shown))


def _measured(
    study: Study, row: str, models: Mapping[str, Trained], shown: Tensor, seed: int
) -> tuple[Tensor, dict[str, Any]]:
    """Reconstructions as uint8, and what is known of them and of the row."""
    made_by = models["lia" if row.startswith("optimisation") else row]
    name = f"{row}, seed {seed}"
    made = study.keep_tensors(
        f"reconstructions, {name}", lambda: {"pictures": _reconstructed(study, row, made_by.model, shown)}, of=made_by
    )["pictures"]
    return made, study.keep(name, lambda: _facts(study, row, made_by.model, made, shown), of=made_by)


def _reconstructed(study: Study, row: str, model: TwoWayModel, shown: Tensor) -> Tensor:
    x = to_float(shown).to(model.device)
    if row.startswith("optimisation"):
        space: Literal["z", "w"] = "z" if row.endswith("z") else "w"
        return to_uint8(project(model, x, space=space, start="mean", steps=_steps(study)).x_rec)
    with torch.inference_mode():
        return to_uint8(torch.cat([model.reconstruct(part) for part in x.split(128)]))


def _facts(study: Study, row: str, model: TwoWayModel, made: Tensor, shown: Tensor) -> dict[str, Any]:
    features = build_features(study.features)
    moments = [feature_moments(pooled_features(features, pictures)) for pictures in (made, shown)]
    error = (to_float(made) - to_float(shown)).square().mean().item()
    facts: dict[str, Any] = {
        "mse": error,
        "mse_unit_1e3": error / 4 * 1000,
        "swd": sliced_wasserstein(made, shown).mean,
        "frechet": frechet_distance(*moments),
        "features": features.describe(),
    }
    if row.startswith("optimisation"):
        return {**facts, "steps": _steps(study), "start": "mean"}
    if can_score(model):
        with torch.inference_mode():
            tail = in_domain(model, to_float(shown).to(model.device)).log10_tail
        facts["in_domain_median"] = float(np.median(tail))
    names = ["code-consistency", *(["flow-roundtrip"] if model.invertible else [])]
    measured = evaluate(model, None, None, names, max_test=1000)
    return {**facts, **{name: result["value"] for name, result in measured.items()}}


def _steps(study: Study) -> int:
    return study.chosen(Table3).steps or study.budget.steps


def _result(study: Study, found: Mapping[str, list[dict[str, Any]]], count: int) -> Result:
    train, test = study.pictures()
    held_out = "held-out" if test is not train else "TRAINING"
    columns = {
        "frechet": Column("frechet", "Fréchet", better="lower"),
        "swd": Column("swd", "SWD", better="lower"),
        "mse_unit_1e3": Column("mse_unit_1e3", "MSE", better="lower"),
        "code-consistency": Column("code-consistency", "code consistency", digits=3, better="lower"),
    }
    rows = []
    for row, facts in found.items():
        if facts:
            measured = {key: Trials([f[key] for f in facts]) for key in columns if key in facts[0]}
            theirs = LIA_TABLE3.get(row.split("-")[0] if row.startswith("optim") else row, ())
            rows.append(Row(row, measured, dict(zip(columns, theirs, strict=False)), {"trials": facts}))
    features = next((facts[0]["features"]["name"] for facts in found.values() if facts), "no")
    return Result(
        tables=(Table(list(columns.values()), rows),),
        about=f"{count} {held_out} pictures of {train.name}, {train.shape[1]} pixels; optimisation: {_steps(study)} "
        "steps from the mean on LIA's generator. MSE x 1e-3 for pixels in [0, 1]; SWD x 1e3; Fréchet distance on "
        f"{features} features.",
        notes=[
            f"Distances of features are on {features} features instead of Inception's: they compare rows of this table "
            "only.",
            "The row stylegan is in the paper's figure 3 only: the same recipe with a mapping that is no flow.",
            "ALI is left out.",
            "Published MSE is read as x 1e-3 for pixels in [0, 1]; the paper states no scale.",
        ],
        published="arXiv 1906.08090, table 3, FFHQ at 128 pixels, FID on Inception features; not comparable with ours",
    )
