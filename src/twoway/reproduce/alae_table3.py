"""Table 3 of ALAE: Fréchet distances of generations and of reconstructions.

Paper and code differ. The text says that what is reconstructed are test pictures; the code reconstructs training
pictures, and compares both generations and reconstructions with training pictures. Here the distance of generations is
from training pictures, and reconstructions have a column for each reading. As in the code, samples are mixed in style
with the chance of the training, not truncated, and drawn with noise; the code's random flips of the real pictures and
its scaling to uint8 by 127 are left out.

References:
    Pidhorskyi et al., arXiv 2004.04467, section 7.2 and Table 3; metrics/fid.py and metrics/fid_rec.py of the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from twoway.features import build_features
from twoway.metrics import evaluate
from twoway.metrics.sets import Sampling
from twoway.published import ALAE_TABLE3 as PUBLISHED
from twoway.reproduce.alae_style import SETS, budgets, chosen_set, mean_of, mixing_of, set_roles, style_notes
from twoway.reproduce.notes import as_published, beyond_smoke
from twoway.reproduce.pictures import at_once
from twoway.reproduce.registry import artefact, setting
from twoway.reproduce.result import Column, Result, Row, Table, Trials, Value
from twoway.reproduce.study import Study, Trained

__all__ = ["ROWS", "Table3", "alae_table3"]

ROWS = ("stylegan", "pggan", "introvae", "pioneer", "balanced-pioneer", "style-alae")
PAPER_SET = "ffhq"
KINDS = {
    "generations": "FID of generations",
    "held-out": "FID of reconstructions, held out",
    "training": "FID of reconstructions, training",
}
"""What distances are of: keys and heads of columns."""


@dataclass(frozen=True)
class Table3:
    """What only this table can be asked for.

    Args:
        set: Which of the paper's data sets the budget paper is trained for.
    """

    set: str = setting(PAPER_SET, f"Data set of the budget paper: {', '.join(list(SETS)[:2])}.")

    def __post_init__(self) -> None:
        chosen_set(self.set)


@artefact(
    "alae-table3",
    paper="ALAE (arXiv 2004.04467), table 3",
    summary="Fréchet distances of generations and reconstructions: StyleGAN, ProGAN, IntroVAE, PIONEER, StyleALAE.",
    budgets=budgets(
        PAPER_SET,
        {"samples": 64, "images": 64},
        {"samples": 2_000, "images": 2_000},
        {"samples": 50_000, "images": 50_000},
        trainings=len(ROWS),
    ),
    rows=ROWS,
    settings=Table3,
)
def alae_table3(study: Study) -> Result:
    """Train the rows, sample and reconstruct, and measure the distances."""
    build_features(study.features)  # before the trainings: its weights may not be there
    for_set(study, study.chosen(Table3).set)
    found: dict[str, list[dict[str, Any]]] = {row: [] for row in study.rows}
    for row in study.rows:
        for trial, seed in enumerate(study.seeds):
            made = study.trained(row, trial=trial)
            facts = study.keep(f"{row}, seed {seed}", partial(distances, study, made, seed), of=made)
            found[row].append(facts)
            study.so_far(_result(study, found))
    return _result(study, found)


def for_set(study: Study, name: str) -> None:
    """Take the published trainings for another data set than the budget's, at the budget paper."""
    if study.budget_name == "paper":
        roles = set_roles(name)
        kimg = None if any(role.kimg for role in study.budget.roles.values()) else study.budget.kimg
        if kimg is not None:  # the user's word goes for every training
            roles = {key: replace(role, kimg=None) for key, role in roles.items()}
        study.replace_roles(roles)
        if study.budget.size == SETS[PAPER_SET].size:  # not the user's word
            study.budget = replace(study.budget, size=SETS[name].size)


def distances(study: Study, made: Trained, seed: int) -> dict[str, Any]:
    """Fréchet distances of a model by the keys of `KINDS`, as far as it can make such pictures."""
    train, test = study.pictures()
    model = made.model
    mixing = mixing_of(made.config.recipe)

    def measured(data: Any, names: list[str]) -> dict[str, dict[str, Any]]:
        return evaluate(
            model,
            data,
            None,
            names,
            max_test=study.budget.images,
            n_samples=study.budget.samples,
            seed=seed,
            batch=at_once(model),
            features=study.features,
            progress=study.progress,
            sampling=Sampling(mixing=mixing),
        )

    names = ["fid", "fid-rec"] if model.reconstructs else ["fid"]
    found = dict(zip(("generations", "training"), measured(train, names).values(), strict=False))
    if model.reconstructs and test is not train:
        found |= dict(zip(("held-out",), measured(test, ["fid-rec"]).values(), strict=True))
    return found


def _result(study: Study, found: Mapping[str, list[dict[str, Any]]]) -> Result:
    train, test = study.pictures()
    columns = [Column(key, head, better="lower") for key, head in KINDS.items()]
    columns.append(Column("features", "features of the FID"))
    measured: dict[str, dict[str, Trials]] = {}
    rows: list[Row] = []
    for row, facts in found.items():
        if facts:
            measured[row] = {key: Trials([f[key]["value"] for f in facts]) for key in KINDS if key in facts[0]}
            rows.append(Row(row, {**measured[row], "features": bracketed(facts)}, facts={"trials": facts}))
            for name, one in SETS.items():
                if row in PUBLISHED.get(name, {}):
                    theirs: dict[str, Value] = dict(zip(KINDS, PUBLISHED[name][row], strict=False))
                    theirs["features"] = "Inception"
                    rows.append(Row(row, {}, theirs, published_name=f"{row} on {one.title}, published"))
    return Result(
        tables=(Table(columns, rows, corner="method"),),
        about=f"Pictures of {train.name}, {train.shape[1]} pixels: {study.budget.samples} generations against at most "
        f"{study.budget.images} of {len(train)} training pictures; reconstructions of at most {study.budget.images} "
        f"of {len(test)} held-out pictures against those pictures, and of training pictures against those.",
        findings=beyond_smoke(study, findings(measured)),
        notes=[
            "Published distances are of 50,000 pictures on Inception features; ours are on those of the last column "
            "and compare rows of the same features only.",
            "The text says that test pictures are reconstructed, the code takes training pictures: a column for each. "
            "The code compares reconstructions with up to 50,000 training pictures, flipped at random.",
            "Samples are mixed in style with the chance of the training (0.9 where there is any, as in the code), "
            "not truncated, with fresh noise. The code draws one crossing for each batch, this one for each picture.",
            "Published figures of StyleGAN, ProGAN, IntroVAE and PIONEER are quoted by the paper from others, as far "
            "as our copy of its text tells; IntroVAE is of plain convolutions here, not of its residual nets.",
            "The reconstructions of others than StyleALAE are not in the paper.",
            *style_notes(study),
        ],
        published="arXiv 2004.04467, table 3: FFHQ at 1024 and LSUN Bedroom at 256 pixels, FID on Inception features",
    )


def bracketed(facts: Sequence[Mapping[str, Any]]) -> str:
    """What the measured values of a row look at, out of their full name, such as ``fid[pyramid]``."""
    name: str = next(iter(facts[0].values()))["name"]
    return name.partition("[")[2][:-1]


def findings(measured: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How distances by row and column agree with the orders that the paper reports."""
    ours = mean_of(measured, "style-alae", "generations")
    return [
        *as_published(
            "generations of StyleGAN are nearer to pictures than StyleALAE's",
            mean_of(measured, "stylegan", "generations"),
            ours,
        ),
        *as_published(
            "on FFHQ generations are nearer than reconstructions (on bedrooms the other way round)",
            ours,
            mean_of(measured, "style-alae", "held-out"),
        ),
        *as_published(
            "on bedrooms StyleALAE's generations are nearer than PIONEER's",
            ours,
            mean_of(measured, "pioneer", "generations"),
        ),
    ]
