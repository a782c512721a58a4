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
from statistics import fmean
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from twoway.data import to_float, to_uint8
from twoway.errors import ConfigError
from twoway.features import FeatureExtractor, build_features
from twoway.latents import project
from twoway.latents.in_domain import can_score, in_domain
from twoway.metrics import METRICS, evaluate
from twoway.metrics.frechet import feature_moments, frechet_distance
from twoway.metrics.sets import InMemory, vectors_of
from twoway.metrics.sliced_wasserstein import sliced_wasserstein
from twoway.model import TwoWayModel
from twoway.published import LIA_TABLE3
from twoway.reproduce.budget import Budget, Role
from twoway.reproduce.lia_runs import STYLED, lia_budgets, trained_for
from twoway.reproduce.notes import as_published, beyond_smoke, budget_notes
from twoway.reproduce.pictures import held_out, reconstructed, unit_mse
from twoway.reproduce.registry import artefact, setting
from twoway.reproduce.result import Column, Result, Row, Table, Trials, Value
from twoway.reproduce.strips import picture_rows
from twoway.reproduce.study import Study, Trained
from twoway.telling import Telling, silent

__all__ = ["ROWS", "SEARCHED", "LiaTable3", "findings", "lia_table3", "reconstruct_row", "trained_row"]

ROWS = ("lia", "stylegan", "vaegan-z", "ali", "optimisation-z", "optimisation-w")
SEARCHED = "optimisation-"
COLUMNS = (
    Column("fid", "FID", better="lower"),
    Column("swd", "SWD", better="lower"),
    Column("mse_unit_1e3", "MSE", better="lower"),
    Column("code-consistency", "code consistency", digits=3, better="lower"),
    Column("features", "features of the FID"),
)
MEASURES = {"fid": "FID", "swd": "SWD", "mse_unit_1e3": "MSE"}
"""Columns of the published table, in its order."""
IN_PAPER = {"lia": "lia", "vaegan-z": "vaegan-z", "ali": "ali", "optimisation-z": "optimisation"}
"""Rows that the published table has, and what `twoway.published.LIA_TABLE3` calls them: its search is in z."""


@dataclass(frozen=True)
class LiaTable3:
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


@artefact(
    "lia-table3",
    paper="LIA (arXiv 1906.08090), table 3",
    summary="Reconstruction of real pictures: LIA, StyleGAN with an encoder, VAE/GAN through z, ALI, optimisation.",
    budgets=lia_budgets(
        Budget(images=32, steps=10, shown=12, takes="two minutes"),
        Budget(images=400, steps=300, shown=12, takes="an hour of two cores for each training"),
        Budget(images=5_000, steps=1_000, shown=12, takes="days of a GPU"),
    ),
    rows=ROWS,
    settings=LiaTable3,
)
def lia_table3(study: Study) -> Result:
    """Train what the rows need, reconstruct held-out pictures by each, and measure them."""
    own = study.chosen(LiaTable3)
    if own.preset is not None:
        roles = {role: Role(f"{role}-{own.preset}") for role in STYLED}
        study.replace_roles(roles)
        for role in roles:
            study.config(role)  # a preset that there is not is found out before the trainings
    features = build_features(study.features)  # before the trainings: its weights may not be there
    shown = held_out(study, own.images or study.budget.images)
    found: dict[str, list[dict[str, Any]]] = {row: [] for row in study.rows}
    strips: dict[str, Tensor] = {}
    for trial, seed in enumerate(study.seeds):
        for row in study.rows:
            made, facts = _measured(study, row, trained_row(study, row, trial), shown, features, seed)
            found[row].append(facts)
            strips.setdefault(row, made)
            study.so_far(_result(study, found, len(shown)))
    columns = min(study.budget.shown, len(shown))
    rows = {name: pictures[:columns] for name, pictures in {"original": shown, **strips}.items()}
    study.save_figure("comparison", picture_rows(rows))
    return _result(study, found, len(shown))


def trained_row(study: Study, row: str, trial: int = 0) -> Trained:
    """The training behind a row: searches are on LIA's generator."""
    role = "lia" if row.startswith(SEARCHED) else row
    return trained_for(study, (role,), trial)[role]


def reconstruct_row(
    row: str, model: TwoWayModel, pictures: Tensor, *, steps: int, progress: Telling = silent
) -> Tensor:
    """Reconstructions of a row, uint8 as the pictures are.

    Args:
        row: One of `ROWS`, or another method with an encoder.
        model: Of `trained_row`.
        pictures: uint8, (N, C, H, W).
        steps: Of a search, from the mean code.
        progress: Told how far a search has come.
    """
    if not row.startswith(SEARCHED):
        return reconstructed(model, pictures)
    space: Literal["z", "w"] = "z" if row.endswith("z") else "w"
    x = to_float(pictures).to(model.device)
    return to_uint8(project(model, x, space=space, start="mean", steps=steps, progress=progress).x_rec).cpu()


def _measured(
    study: Study, row: str, made_by: Trained, shown: Tensor, features: FeatureExtractor, seed: int
) -> tuple[Tensor, dict[str, Any]]:
    """Reconstructions as uint8, and what is known of them and of the row."""
    name, steps = f"{row}, seed {seed}", _steps(study)
    made = study.keep_tensors(
        f"reconstructions, {name}",
        lambda: {"pictures": reconstruct_row(row, made_by.model, shown, steps=steps, progress=study.progress)},
        of=made_by,
    )["pictures"]
    return made, study.keep(name, lambda: _facts(study, row, made_by.model, made, shown, features), of=made_by)


def _facts(
    study: Study, row: str, model: TwoWayModel, made: Tensor, shown: Tensor, features: FeatureExtractor
) -> dict[str, Any]:
    features = features.to(model.device)
    vectors = [vectors_of(features.pooled, InMemory(part), device=model.device) for part in (made, shown)]
    moments = [feature_moments(part) for part in vectors]
    error = (to_float(made) - to_float(shown)).square().mean().item()
    facts: dict[str, Any] = {
        "mse": error,
        "mse_unit_1e3": unit_mse(made, shown),
        "swd": sliced_wasserstein(made, shown).mean,
        "fid": frechet_distance(*moments),
        "features": {"title": features.title, **features.describe()},
    }
    if row.startswith(SEARCHED):
        return {**facts, "steps": _steps(study), "start": "mean"}
    if can_score(model):
        with torch.inference_mode():
            tail = in_domain(model, to_float(shown).to(model.device)).log10_tail
        facts["in_domain_median"] = float(np.median(tail))
    names = ["code-consistency", *(["flow-roundtrip"] if METRICS["flow-roundtrip"].applies(model) else [])]
    measured = evaluate(model, None, None, names, max_test=1000, progress=study.progress)
    return {**facts, **{name: result["value"] for name, result in measured.items()}}


def _steps(study: Study) -> int:
    return study.chosen(LiaTable3).steps or study.budget.steps


def _result(study: Study, found: Mapping[str, list[dict[str, Any]]], count: int) -> Result:
    train, test = study.pictures()
    which = "held-out" if test is not train else "TRAINING"
    title = next((facts[0]["features"]["title"] for facts in found.values() if facts), "features")
    rows = []
    for row, facts in found.items():
        if facts:
            numbers = [*MEASURES, "code-consistency"]
            measured: dict[str, Value] = {key: Trials([f[key] for f in facts]) for key in numbers if key in facts[0]}
            measured["features"] = facts[0]["features"]["title"]
            published: dict[str, Value] = {}
            if row in IN_PAPER:
                figures = zip(MEASURES, LIA_TABLE3[IN_PAPER[row]], strict=True)
                published = {**dict(figures), "features": "Inception"}
            rows.append(Row(row, measured, published, {"trials": facts}))
    return Result(
        tables=(Table(list(COLUMNS), rows),),
        about=f"{count} {which} pictures of {train.name}, {train.shape[1]} pixels; optimisation: {_steps(study)} "
        "steps from the mean on LIA's generator. MSE x 1e-3 for pixels in [0, 1]; SWD x 1e3. All are of "
        "reconstructions and their originals.",
        findings=beyond_smoke(study, findings(found)),
        notes=[
            f"FID is on {title}, the published one on Inception: it compares rows of the same features only.",
            "The row stylegan is in the paper's figure 3 only: the same recipe with a mapping that is no flow.",
            "ALI has plain convolutions and sees as many images as the others, fewer than it was published for; its "
            "learning rate is 4e-4 instead of 1e-4 (as published at the budget paper).",
            "The paper's search is in z by gradient descent on features; here Adam searches in z and in w on pixels.",
            "Published MSE is read as x 1e-3 for pixels in [0, 1]; the paper states no scale.",
            *budget_notes(study),
        ],
        published="arXiv 1906.08090, table 3, FFHQ at 128 pixels, FID on Inception features; not comparable with ours",
    )


def findings(found: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """Whether LIA's encoder is ahead of each row of the published table as it is there, measure by measure.

    The row stylegan is in figure 3 alone, which has no numbers, and has a sentence of its own; searches in w are not in
    the paper.
    """
    means = {row: {k: fmean(f[k] for f in facts) for k in MEASURES} for row, facts in found.items() if facts}
    ours = means.get("lia")
    if ours is None:
        return []
    said = []
    for row, theirs in means.items():
        if row == "lia" or row not in IN_PAPER:
            continue
        published = dict(zip(MEASURES, zip(LIA_TABLE3["lia"], LIA_TABLE3[IN_PAPER[row]], strict=True), strict=True))
        same = [n for k, n in MEASURES.items() if (ours[k] < theirs[k]) == (published[k][0] < published[k][1])]
        contrary = [name for name in MEASURES.values() if name not in same]
        said.append(
            f"LIA against {row}: the order of the paper in {', '.join(same) or 'nothing'}"
            + (f"; CONTRARY to the paper in {', '.join(contrary)}." if contrary else ".")
        )
    return said + as_published(
        "an encoder fails for a StyleGAN, whose mapping is not invertible (figure 3, without figures; here by MSE)",
        ours["mse_unit_1e3"],
        means["stylegan"]["mse_unit_1e3"] if "stylegan" in means else None,
    )
