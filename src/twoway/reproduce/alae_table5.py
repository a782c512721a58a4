"""Table 5 of ALAE: distances of generations and perceptual path length on CelebA-HQ at 256 pixels.

Our copy of the text names the table and says that it reports FID and PPL, but has lost its figures and its rows; they
are therefore not quoted. The rows are the methods that the text and Figure 8 compare on this data set. The published
PPL is that of full paths, as far as the code tells.

References:
    Pidhorskyi et al., arXiv 2004.04467, section 7.2 and Table 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from twoway.features import build_features
from twoway.metrics.latent_paths import Space
from twoway.metrics.path_length import Distance
from twoway.reproduce.alae_style import budgets, style_notes
from twoway.reproduce.alae_table3 import distances
from twoway.reproduce.alae_table4 import path_length
from twoway.reproduce.path_options import PathOptions, path_distance
from twoway.reproduce.registry import artefact
from twoway.reproduce.result import Column, Result, Row, Table, Trials
from twoway.reproduce.study import Study, Trained

__all__ = ["ROWS", "alae_table5"]

ROWS: dict[str, Space] = {"pggan": "z", "pioneer": "z", "balanced-pioneer": "z", "style-alae": "w"}
"""Methods, and the space of the paths in each."""


@artefact(
    "alae-table5",
    paper="ALAE (arXiv 2004.04467), table 5",
    summary="Fréchet distance of generations and perceptual path length on CelebA-HQ: ProGAN, PIONEER, StyleALAE.",
    budgets=budgets(
        "celeba-hq",
        {"samples": 64, "images": 64, "pairs": 32},
        {"samples": 2_000, "images": 2_000, "pairs": 2_000},
        {"samples": 50_000, "images": 50_000, "pairs": 50_000},
        trainings=len(ROWS),
    ),
    rows=tuple(ROWS),
)
def alae_table5(study: Study) -> Result:
    """Train the rows, measure distances and steps along paths of codes."""
    build_features(study.features)  # before the trainings: its weights may not be there
    looks = path_distance(study, PathOptions())
    found: dict[str, list[dict[str, Any]]] = {row: [] for row in study.rows}
    for row in study.rows:
        for trial, seed in enumerate(study.seeds):
            made = study.trained(row, trial=trial)
            facts = study.keep(f"{row}, seed {seed}", partial(_facts, study, made, row, seed, looks), of=made)
            found[row].append(facts)
            study.so_far(_result(study, found))
    return _result(study, found)


def _facts(study: Study, made: Trained, row: str, seed: int, looks: Distance) -> dict[str, Any]:
    length = path_length(study, made, ROWS[row], "full", seed, PathOptions(), looks)
    return {**distances(study, made, seed), "ppl": length}


def _result(study: Study, found: Mapping[str, list[dict[str, Any]]]) -> Result:
    train, _ = study.pictures()
    columns = {"generations": "of generations", "ppl": "full", "held-out": "of reconstructions, held out"}
    titles = {key: one["name"] for facts in found.values() for fact in facts for key, one in fact.items()}
    measured: dict[str, dict[str, Trials]] = {}
    rows = []
    for row, facts in found.items():
        if facts:
            measured[row] = {key: Trials([f[key]["value"] for f in facts]) for key in columns if key in facts[0]}
            rows.append(Row(f"{row} ({ROWS[row]})", measured[row], facts={"trials": facts}))
    heads = [Column(key, f"{titles.get(key, key)} {head}", better="lower") for key, head in columns.items()]
    return Result(
        tables=(Table(heads, rows, corner="method (space of the paths)"),),
        about=f"Trained on {train.name}, {train.shape[1]} pixels; {study.budget.samples} generations against at most "
        f"{study.budget.images} training pictures; {study.budget.pairs} pairs, steps of 1e-4.",
        notes=[
            "No published figures stand here: our copy of the paper has lost those of table 5.",
            "GLOW, which the section cites for the split of the data, is not among our methods.",
            "The text says that 27,000 pictures were trained on and 3,000 held out; by the author's own word and the "
            "code it was 29,000 and 1,000. Reconstructions are a column of ours.",
            "Distances and lengths are by the features that the columns are named with, and compare rows of this "
            "table only.",
            *style_notes(study),
        ],
    )
