"""Table 4 of ALAE: perceptual path length in z and in w.

The published rows of StyleGAN are quoted by the paper from StyleGAN's own tables: the row in z is a traditional
generator, not a style-based one, and stands here beside ProGAN's. The published distance is LPIPS on VGG16.

References:
    Pidhorskyi et al., arXiv 2004.04467, section 7.2 and Table 4; metrics/ppl.py of the code.
    Karras et al., arXiv 1812.04948, section 4.1 and Table 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from twoway.metrics.latent_paths import Space
from twoway.metrics.path_length import Distance, StepPlace, evaluate_path_length
from twoway.published import ALAE_TABLE4 as PUBLISHED
from twoway.reproduce.alae_style import budgets, mean_of, style_notes
from twoway.reproduce.notes import as_published, beyond_smoke
from twoway.reproduce.path_options import PathOptions, path_crop, path_distance
from twoway.reproduce.pictures import at_once
from twoway.reproduce.registry import artefact
from twoway.reproduce.result import Column, Result, Row, Table, Trials, Value
from twoway.reproduce.study import Study, Trained

__all__ = ["ROWS", "alae_table4", "path_length"]

ROWS: dict[str, tuple[str, Space]] = {
    "traditional-z": ("pggan", "z"),
    "stylegan-z": ("stylegan", "z"),
    "stylegan-no-mixing-w": ("stylegan-no-mixing", "w"),
    "stylegan-w": ("stylegan", "w"),
    "style-alae-z": ("style-alae", "z"),
    "style-alae-w": ("style-alae", "w"),
}
"""Training and space of each row."""

SAMPLINGS: tuple[StepPlace, ...] = ("full", "end")


@artefact(
    "alae-table4",
    paper="ALAE (arXiv 2004.04467), table 4",
    summary="Perceptual path length in z and w: a traditional generator, StyleGAN with and without mixing, StyleALAE.",
    budgets=budgets("ffhq", {"pairs": 32}, {"pairs": 2_000}, {"pairs": 50_000}, trainings=4),
    rows=tuple(ROWS),
    settings=PathOptions,
)
def alae_table4(study: Study) -> Result:
    """Train what the rows need and measure steps along paths of codes."""
    options = study.chosen(PathOptions)
    looks = path_distance(study, options)  # before the trainings: its weights may not be there
    found: dict[str, list[dict[str, Any]]] = {row: [] for row in study.rows}
    for row in study.rows:
        role, space = ROWS[row]
        for trial, seed in enumerate(study.seeds):
            made = study.trained(role, trial=trial)
            facts: dict[str, Any] = {}
            for sampling in SAMPLINGS:
                facts[sampling] = study.keep(
                    f"{row}, {sampling}, seed {seed}",
                    partial(path_length, study, made, space, sampling, seed, options, looks),
                    of=made,
                )
            found[row].append(facts)
            study.so_far(_result(study, found))
    return _result(study, found)


def path_length(
    study: Study,
    made: Trained,
    space: Space,
    sampling: StepPlace,
    seed: int,
    options: PathOptions,
    looks: Distance,
) -> dict[str, Any]:
    """Perceptual path length of a model as plain data, with its full name as ``name``.

    Args:
        study: Says how many pairs.
        made: The training.
        space: ``z`` or ``w``.
        sampling: ``full`` or ``end``.
        seed: Of the pairs.
        options: What part of the pictures is compared.
        looks: What compares them.
    """
    model = made.model
    found = evaluate_path_length(
        model,
        looks,
        space=space,
        sampling=sampling,
        n_pairs=study.budget.pairs,
        crop=path_crop(study, options),
        seed=seed,
        batch=max(2, at_once(model) // 4),
    )
    return {"name": f"ppl[{looks.title}]", **found.plain()}


def _result(study: Study, found: Mapping[str, list[dict[str, Any]]]) -> Result:
    train, _ = study.pictures()
    one = next((facts[0]["full"] for facts in found.values() if facts), {"name": "ppl", "crop": "-"})
    columns = [Column(key, f"path length, {key}", digits=1, better="lower") for key in SAMPLINGS]
    columns.append(Column("distance", "distance of pictures"))
    measured: dict[str, dict[str, Trials]] = {}
    rows = []
    for row, facts in found.items():
        if facts:
            measured[row] = {key: Trials([f[key]["value"] for f in facts]) for key in SAMPLINGS}
            theirs: dict[str, Value] = {}
            if row in PUBLISHED:
                theirs = {**dict(zip(SAMPLINGS, PUBLISHED[row], strict=True)), "distance": "LPIPS of VGG16"}
            looks = facts[0]["full"]["name"].removeprefix("ppl[")[:-1]
            rows.append(Row(row, {**measured[row], "distance": looks}, theirs, {"trials": facts}))
    return Result(
        tables=(Table(columns, rows, corner="method and space"),),
        about=f"Trained on {train.name}, {train.shape[1]} pixels; {study.budget.pairs} pairs, steps of 1e-4, the "
        f"extreme hundredths left out, crop '{one['crop']}'. Great circles in z, straight lines in w; full: steps "
        "anywhere on a path, end: at its first end.",
        findings=beyond_smoke(study, findings(measured)),
        notes=[
            "Published lengths are of 50,000 (StyleGAN: 100,000) pairs by LPIPS on VGG16; ours are by what the last "
            "column says, and compare rows of the same distance only; --distance vgg takes the published one.",
            "The published row in z of StyleGAN is of a traditional generator; here that is ProGAN (traditional-z). "
            "The row stylegan-z, a style-based generator in z, is not in the paper.",
            "Noise is drawn for each pair and is the same at both of its ends; the code has one map for each batch. "
            "The spaces of the published rows follow the sentences of the text, since our copy of it has lost them.",
            "StyleGAN's published row with mixing mixes half of the images in training; ours mixes nine tenths.",
            *style_notes(study),
        ],
        published="arXiv 2004.04467, table 4, FFHQ at 1024 pixels, LPIPS on VGG16",
    )


def findings(measured: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How lengths by row and column agree with the orders that the paper reports."""
    ours = mean_of(measured, "style-alae-w", "full")
    return [
        *as_published("StyleALAE's w is smoother than its z", ours, mean_of(measured, "style-alae-z", "full")),
        *as_published("StyleALAE's w is smoother than StyleGAN's", ours, mean_of(measured, "stylegan-w", "full")),
        *as_published(
            "StyleGAN's w is smoother than the z of a traditional generator",
            mean_of(measured, "stylegan-w", "full"),
            mean_of(measured, "traditional-z", "full"),
        ),
        *as_published(
            "StyleGAN without style mixing is smoother than with it",
            mean_of(measured, "stylegan-no-mixing-w", "full"),
            mean_of(measured, "stylegan-w", "full"),
        ),
    ]
