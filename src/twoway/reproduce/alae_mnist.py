"""Figures 3 and 4 of ALAE: reconstructions of MNIST by BiGAN and ALAE, and traversals in z and in w.

The trainings are those of Table 2. What the figures show follows the text and the heads of their rows: our copy of the
paper has neither captions nor pictures. Figure 3 is there to show that BiGAN flips labels more often than ALAE, so the
flips are counted here; Figure 4 that paths in w are smoother than in z, so the smoothness is measured.

References:
    Pidhorskyi et al., arXiv 2004.04467, section 7.1, Figures 3 and 4.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from twoway.data import to_float, to_uint8
from twoway.features import build_features
from twoway.grids import image_grid, pair_grid
from twoway.latents.interpolation import lerp
from twoway.metrics import evaluate
from twoway.metrics.inputs import choose_rows, labels_of
from twoway.metrics.lpips import image_distance
from twoway.metrics.path_length import evaluate_path_length
from twoway.metrics.straightness import evaluate_straightness
from twoway.model import TwoWayModel
from twoway.reproduce.alae_style import mean_of
from twoway.reproduce.alae_table2 import ROLES
from twoway.reproduce.budget import Budget
from twoway.reproduce.notes import as_published, beyond_smoke, budget_notes
from twoway.reproduce.pictures import Judge, reconstructed
from twoway.reproduce.registry import artefact
from twoway.reproduce.result import Column, Result, Row, Table, Trials
from twoway.reproduce.study import Study, Trained

__all__ = ["MODELS", "STEPS", "alae_fig3", "alae_fig4", "traversal"]

MODELS = ("bigan", "alae")
STEPS = 10
"""Pictures on a path, as in the code."""

SPACES: tuple[Literal["z", "w"], ...] = ("z", "w")


@artefact(
    "alae-fig3",
    paper="ALAE (arXiv 2004.04467), figure 3",
    summary="Reconstructions of MNIST test digits by BiGAN and ALAE, and how often they become another digit.",
    budgets={
        "smoke": Budget("digits", roles=ROLES, epochs=2, images=100, shown=12, takes="seconds"),
        "cpu": Budget("mnist", roles=ROLES, epochs=5, images=2_000, shown=18, takes="ten minutes"),
        "paper": Budget("mnist", roles=ROLES, epochs=400, images=10_000, shown=18, takes="half a day"),
    },
    rows=MODELS,
    without=("features",),
)
def alae_fig3(study: Study) -> Result:
    """Reconstruct test pictures, in the order of the test set."""
    train, test = study.pictures()
    pictures = test.read(range(min(study.budget.shown, len(test))))
    strips = [pictures]
    measured: dict[str, dict[str, list[float]]] = {}
    for row in study.rows:
        for trial, seed in enumerate(study.seeds):
            made = study.trained(row, trial=trial)
            facts = study.keep(f"{row}, seed {seed}", partial(_reconstruction, study, made), of=made)
            for key, value in facts.items():
                measured.setdefault(row, {}).setdefault(key, []).append(value)
            if trial == 0:
                strips.append(reconstructed(made.model, pictures))
    study.save_picture("reconstructions", image_grid(torch.cat(strips), len(pictures)))
    trials = {row: {key: Trials(values) for key, values in facts.items()} for row, facts in measured.items()}
    rows = [Row(row, facts) for row, facts in trials.items()]
    if getattr(train, "labels", None) is not None:
        kept = study.keep("originals", lambda: _labels(study, None))
        rows.insert(0, Row("input", {"labels": kept}))
    columns = [
        Column("labels", "label kept, per cent", digits=1, better="higher"),
        Column("mse", "MSE, pixels in [-1, 1]", digits=4, better="lower"),
    ]
    return Result(
        tables=(Table(columns, rows, corner="method"),),
        about=f"Rows of the picture: the first {len(pictures)} "
        f"{'test' if test is not train else 'training'} pictures of {train.name}, then {', '.join(study.rows)}. The "
        f"label of a reconstruction is that of the nearest training picture by pixels; {study.budget.images} "
        "pictures at most.",
        findings=_agreeing(
            study,
            "BiGAN's reconstructions flip labels much more often than ALAE's (shown in pictures, without figures)",
            mean_of(trials, "bigan", "labels"),
            mean_of(trials, "alae", "labels"),
        ),
        notes=[
            "The paper shows pictures alone; the two columns are ours.",
            "Averaged weights, as in the paper's other figures; how long its BiGAN was trained is not stated.",
            *budget_notes(study),
        ],
    )


def _reconstruction(study: Study, made: Trained) -> dict[str, Any]:
    train, test = study.pictures()
    found = evaluate(made.model, train, test, ["mse"], max_test=study.budget.images, progress=study.progress)
    facts = {"mse": found["mse"]["value"]}
    if getattr(train, "labels", None) is not None:
        facts["labels"] = _labels(study, made.model)
    return facts


def _labels(study: Study, model: TwoWayModel | None) -> float:
    """Per cent of a model's reconstructions, or of the pictures themselves, that show what their label says."""
    train, test = study.pictures()
    rows = choose_rows(len(test), study.budget.images)
    pictures = test.read([int(row) for row in rows])
    made = pictures if model is None else reconstructed(model, pictures)
    return 100 * float((Judge(train, None)(made) == labels_of(test)[rows]).mean())


@torch.inference_mode()
def traversal(model: TwoWayModel, a: Tensor, b: Tensor, space: Literal["z", "w"]) -> Tensor:
    """Pictures on straight lines between prior codes, in z or between their latent codes in w.

    Args:
        model: Maps and decodes.
        a: First prior codes, (B, prior dim).
        b: Last prior codes.
        space: Where the lines are straight. Their ends are the same pictures in both spaces.

    Returns:
        uint8, shape (B, `STEPS`, C, H, W).
    """
    ends = (a, b) if space == "z" else (model.map(a), model.map(b))
    path = lerp(*ends, STEPS)
    codes = path.flatten(0, 1)
    images = model.decode(model.map(codes) if space == "z" else codes)
    return to_uint8(images).cpu().unflatten(0, path.shape[:2]).transpose(0, 1)


@artefact(
    "alae-fig4",
    paper="ALAE (arXiv 2004.04467), figure 4",
    summary="Traversals of MNIST between the same digits, straight in z and straight in w, with how smooth they are.",
    budgets={
        "smoke": Budget("digits", roles=ROLES, epochs=2, samples=20, pairs=20, shown=4, takes="seconds"),
        "cpu": Budget("mnist", roles=ROLES, epochs=5, samples=500, pairs=1_000, shown=5, takes="ten minutes"),
        "paper": Budget("mnist", roles=ROLES, epochs=400, samples=1_000, pairs=10_000, shown=5, takes="half a day"),
    },
)
def alae_fig4(study: Study) -> Result:
    """Draw pairs of prior codes and the paths between them in both spaces."""
    build_features(study.features)  # before the trainings: its weights may not be there
    measured: dict[str, dict[str, list[float]]] = {}
    title = "features"
    for trial, seed in enumerate(study.seeds):
        made = study.trained("alae", trial=trial)
        facts = study.keep(f"alae, seed {seed}", partial(_smoothness, study, made, seed), of=made)
        title = facts.pop("features")
        for key, value in facts.items():
            space, name = key.split(" ", 1)
            measured.setdefault(space, {}).setdefault(name, []).append(value)
        if trial == 0:
            _draw(study, made.model)
    train, _ = study.pictures()
    trials = {space: {key: Trials(values) for key, values in facts.items()} for space, facts in measured.items()}
    columns = [
        Column("step", "largest of 9 steps over their mean, pixels", better="lower"),
        Column("straightness", f"straightness[{title}]", better="lower"),
        Column("ppl", f"ppl[{title}]", digits=1, better="lower"),
    ]
    return Result(
        tables=(Table(columns, [Row(space, facts) for space, facts in trials.items()], corner="space"),),
        about=f"Blocks of two rows: {STEPS} steps of a straight line in z above, in w below, between the same two "
        f"drawn pictures, by ALAE trained on {train.name}. Measured on {study.budget.samples} paths "
        f"({study.budget.pairs} steps for ppl, there along great circles in z).",
        findings=_agreeing(
            study,
            "the path in w is smoother than that in z (shown in pictures, without figures)",
            mean_of(trials, "w", "step"),
            mean_of(trials, "z", "step"),
        ),
        notes=[
            "The ends are drawn from the prior, for the mapping has no inverse that would give the z of a real digit; "
            "how the paper chose its ends our copy does not tell.",
            "The paper shows one path in each space and measures nothing; the columns are ours: even paths have the "
            "ratio 1, straight ones the straightness 1.",
            *budget_notes(study),
        ],
    )


def _ends(study: Study, model: TwoWayModel, count: int, purpose: str) -> tuple[Tensor, Tensor]:
    z = model.draw_prior(2 * count, generator=study.generator(purpose))
    return z[:count], z[count:]


def _draw(study: Study, model: TwoWayModel) -> None:
    ends = _ends(study, model, study.budget.shown, "shown")
    above, below = (traversal(model, *ends, space).flatten(0, 1) for space in SPACES)
    study.save_picture("traversals", pair_grid(above, below, STEPS))


def _smoothness(study: Study, made: Trained, seed: int) -> dict[str, Any]:
    """Numbers by space and kind, as ``w ppl``, and the title of the features."""
    model = made.model
    features = build_features(study.features).to(model.device)
    distance = image_distance(features).to(model.device)
    found: dict[str, Any] = {"features": features.title}
    ends = _ends(study, model, study.budget.samples, f"paths {seed}")
    for space in SPACES:
        found[f"{space} step"] = _largest_step(traversal(model, *ends, space))
        straight = evaluate_straightness(model, features, space=space, n_paths=study.budget.samples, seed=seed)
        length = evaluate_path_length(model, distance, space=space, n_pairs=study.budget.pairs, seed=seed)
        found |= {f"{space} straightness": straight.value, f"{space} ppl": length.value}
    return found


def _largest_step(paths: Tensor) -> float:
    """Mean over paths (B, steps, C, H, W) of the largest step between pictures over the mean step."""
    steps = to_float(paths.flatten(0, 1)).unflatten(0, paths.shape[:2]).diff(dim=1).flatten(2).norm(dim=2)
    mean = steps.mean(1)
    ratio = torch.where(mean > 0, steps.amax(1) / mean.clamp_min(1e-12), torch.ones_like(mean))
    return ratio.mean().item()


def _agreeing(study: Study, claim: str, lower: float | None, higher: float | None) -> list[str]:
    return beyond_smoke(study, as_published(claim, lower, higher))
