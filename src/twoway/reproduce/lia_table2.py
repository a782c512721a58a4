"""LIA's Table 2: how smooth and how separable the prior's space z is, and the latent space (our w, the paper's y).

Path lengths in z follow great circles with the lengths of codes interpolated. The official script brings interpolated
codes to length 1, which changes nothing for StyleGAN, whose mapping normalises its input, but puts LIA's codes where
its prior draws none.

References:
    Zhu et al., arXiv 1906.08090, section 2.3 and table 2; Karras et al., arXiv 1812.04948, section 4 (both measures).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from twoway.metrics.latent_paths import Space
from twoway.metrics.lpips import ImageDistance
from twoway.metrics.path_length import evaluate_path_length
from twoway.metrics.separability import draw_labelled_codes, evaluate_separability
from twoway.published import LIA_TABLE2
from twoway.reproduce.budget import Budget
from twoway.reproduce.lia_runs import classifier_of, lia_budgets, trained_for
from twoway.reproduce.notes import beyond_smoke, budget_notes
from twoway.reproduce.path_options import PathOptions, path_crop, path_distance
from twoway.reproduce.registry import artefact, setting
from twoway.reproduce.result import Column, Result, Row, Table, Trials, Value
from twoway.reproduce.study import Study, Trained

__all__ = ["LiaTable2", "findings", "lia_table2"]

ROWS = ("stylegan", "lia")
SPACES: tuple[Space, ...] = ("z", "w")
COLUMNS = (
    Column("full", "path length, full", better="lower"),
    Column("end", "path length, end", better="lower"),
    Column("separability", better="lower"),
    Column("distance", "distance of pictures"),
)
PUBLISHED_DISTANCE = "LPIPS of VGG16"
MEASURES = {"full": "path length (full)", "end": "path length (end)", "separability": "separability"}
"""Columns that hold figures, and their names in sentences."""


@dataclass(frozen=True)
class LiaTable2(PathOptions):
    """What only this table can be asked for, besides how pictures on a path are compared.

    Args:
        classifier: File of a classifier; None trains one on what is known of the pictures.
    """

    classifier: str | None = setting(None, "Classifier for separability, of twoway metrics train-extractor.")


@artefact(
    "lia-table2",
    paper="LIA (arXiv 1906.08090), table 2",
    summary="Perceptual path length and linear separability of z and of the latent space, of a StyleGAN and of LIA.",
    budgets=lia_budgets(
        Budget(pairs=32, samples=400, takes="two minutes"),
        Budget(pairs=2_000, samples=20_000, takes="an hour of two cores for each training"),
        Budget(pairs=100_000, samples=200_000, takes="days of a GPU with the trainings"),
    ),
    rows=ROWS,
    settings=LiaTable2,
)
def lia_table2(study: Study) -> Result:
    """Train both generators, and measure paths and planes in z and in w."""
    own = study.chosen(LiaTable2)
    distance = path_distance(study, own)
    if own.classifier is not None:
        classifier_of(study, own.classifier)  # one that cannot be read is found out before the trainings
    found: dict[str, list[dict[str, Any]]] = {f"{row}, {space}": [] for row in study.rows for space in SPACES}
    for trial, seed in enumerate(study.seeds):
        for row in study.rows:
            made = trained_for(study, (row,), trial)[row]
            facts = study.keep(f"{row}, seed {seed}", partial(_facts, study, made, distance, seed), of=made)
            for space in SPACES:
                found[f"{row}, {space}"].append(facts[space])
            study.so_far(_result(study, found))
    return _result(study, found)


def _facts(study: Study, made: Trained, distance: ImageDistance, seed: int) -> dict[str, dict[str, Any]]:
    """Every figure of both spaces, with all settings."""
    model, crop = made.model, path_crop(study, study.chosen(LiaTable2))
    facts: dict[str, dict[str, Any]] = {}
    for space in SPACES:
        lengths = {
            sampling: evaluate_path_length(
                model, distance, space=space, sampling=sampling, n_pairs=study.budget.pairs, crop=crop, seed=seed
            ).plain()
            for sampling in ("full", "end")
        }
        facts[space] = {name: length["value"] for name, length in lengths.items()} | {"settings": lengths}
        facts[space]["distance"] = distance.title
    classifier = classifier_of(study, study.chosen(LiaTable2).classifier)
    if classifier is None:
        return facts
    classifier.to(model.device)
    options: dict[str, Any] = {
        "sorts": classifier.record.of,
        "n_codes": study.budget.samples,
        "seed": seed,
    }
    drawn = draw_labelled_codes(model, classifier, **options)
    for space in SPACES:
        planes = evaluate_separability(model, classifier, space=space, drawn=drawn, **options)
        facts[space] |= {"separability": planes["value"], "planes": planes}
    return facts


def _result(study: Study, found: Mapping[str, list[dict[str, Any]]]) -> Result:
    rows = []
    for name, facts in found.items():
        if facts:
            cells: dict[str, Value] = {key: Trials([f[key] for f in facts]) for key in MEASURES if key in facts[0]}
            cells["distance"] = facts[0]["distance"]
            rows.append(Row(name, cells, {}, {"trials": facts}))
    for space in SPACES:
        theirs: dict[str, Value] = {
            **dict(zip(MEASURES, LIA_TABLE2[space], strict=True)),
            "distance": PUBLISHED_DISTANCE,
        }
        name = f"{'y' if space == 'w' else 'z'}, published"
        rows.append(Row(f"paper, {space}", {}, theirs, published_name=name))
    some = next((facts[0] for facts in found.values() if facts), {})
    planes = some.get("planes")
    notes = [
        "The paper does not name the model of its table; its section is about StyleGAN. Here both are measured.",
        f"Pictures are compared by the distance of its column, crop '{path_crop(study, study.chosen(LiaTable2))}'; "
        "published is LPIPS on VGG16, of cropped faces, which the budget paper takes. Lengths compare rows of one "
        "distance only.",
        "Paths in z are great circles with the lengths of codes interpolated. The official script brings codes to "
        "length 1; LIA's mapping does not normalise its input, so that would measure it where its prior draws none.",
        f"{study.budget.pairs:,} pairs and {study.budget.samples:,} codes; StyleGAN's protocol: 100,000 and 200,000.",
    ]
    if planes:
        notes.append(
            f"Separability is of {planes['attributes']} attributes as a classifier of these pictures sees them "
            f"({planes['classifier']['title']}, {100 * planes['classifier']['accuracy']:.1f} % right on held-out "
            "pictures), not of 40 networks trained on CelebA-HQ."
        )
    elif some:
        notes.append("No attributes or classes of these pictures are known, so there is no separability.")
    notes += budget_notes(study)
    return Result(
        tables=(Table(list(COLUMNS), rows, corner="model, space"),),
        about="Lower is smoother and better separated; w is the paper's y.",
        notes=notes,
        findings=beyond_smoke(study, findings(found)),
        published="arXiv 1906.08090, table 2, FFHQ at 128 pixels; not comparable in size",
    )


def findings(found: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """Whether w beats z as published, for each model and measure."""
    said = []
    for row in dict.fromkeys(name.split(",")[0] for name in found):
        z, w = (found[f"{row}, {space}"] for space in SPACES)
        for key, name in MEASURES.items():
            if not z or key not in z[0]:
                continue
            ours = [sum(f[key] for f in facts) / len(facts) for facts in (z, w)]
            theirs = [LIA_TABLE2[space][list(MEASURES).index(key)] for space in SPACES]
            verdict = "as published" if ours[1] < ours[0] else "CONTRARY to the paper"
            said.append(
                f"{row}, {name}: w is {ours[1] / ours[0]:.2f} of z (published {theirs[1] / theirs[0]:.2f}); {verdict}."
            )
    return said
