"""InfoVAEGAN on faces: distances of samples and reconstructions, and what codes do.

References:
    Ye and Bors, InfoVAEGAN, ICIP 2021, arXiv 2107.04705 (CelebA), and the scripts of its code, which train on CelebA
    at 64 pixels with ten classes, ten continuous codes and a noise of 100 numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from twoway.data import to_float, to_uint8
from twoway.features import build_features
from twoway.grids import image_grid, pair_grid
from twoway.latents.traversal import traversals
from twoway.metrics import evaluate
from twoway.metrics.inputs import choose_rows
from twoway.reproduce.budget import Budget, Role
from twoway.reproduce.infovaegan_shared import LOST, PAPER, code_sheet, trainings
from twoway.reproduce.notes import budget_notes
from twoway.reproduce.registry import artefact
from twoway.reproduce.result import Column, Result, Row, Table, Trials
from twoway.reproduce.study import Study, Trained

__all__ = ["ROWS", "infovaegan_faces"]

ROWS = ("infovaegan", "infogan", "beta-vae")
KNOWN = ("factor-vae", "mig")
"""Measures of disentanglement, for pictures whose factors are known, as those of drawn faces are."""

CODES = {"latent": 100, "classes": 10, "continuous": 10}


def _roles(hidden: int, *, flavour: str = "modern") -> dict[str, Role]:
    sizes = {"nets": "conv", "hidden": hidden}
    return {
        "infovaegan": Role("infovaegan", {**CODES, **sizes, "flavour": flavour}),
        "infogan": Role("infogan", {**CODES, **sizes}),
        "beta-vae": Role("beta-vae", {"latent": 20, **sizes}),
    }


@artefact(
    "infovaegan-faces",
    paper=PAPER + ", CelebA",
    summary="Distances of samples and reconstructions of faces: InfoVAEGAN, InfoGAN, beta-VAE; and what codes do.",
    budgets={
        "smoke": Budget("avatars", 16, _roles(32), kimg=8, samples=200, images=200, shown=9, takes="two minutes"),
        "cpu": Budget(
            None, 32, _roles(256), kimg=200, samples=2_000, images=2_000, shown=9, takes="an hour of two cores"
        ),
        "paper": Budget(
            None,
            64,
            _roles(1_024, flavour="faithful"),
            kimg=4_052,
            samples=50_000,
            images=50_000,
            shown=9,
            takes="hours of a GPU",
        ),
    },
    rows=ROWS,
)
def infovaegan_faces(study: Study) -> Result:
    """Train every row, measure the distances of its samples and reconstructions, and draw both and its codes."""
    build_features(study.features)  # before the trainings: its weights may not be there
    found: dict[str, list[dict[str, Any]]] = {}
    made: dict[str, list[Trained]] = {}
    for trial, seed in enumerate(study.seeds):
        for row in study.rows:
            one = study.trained(row, trial=trial)
            made.setdefault(row, []).append(one)
            facts = study.keep(f"{row}, seed {seed}", lambda m=one: _measured(study, m), of=one)  # type: ignore[misc]
            found.setdefault(row, []).append(facts)
            if trial == 0:
                _draw(study, row, one)
            study.so_far(_result(study, found, made))
    return _result(study, found, made)


def _measured(study: Study, one: Trained) -> dict[str, Any]:
    train, test = study.pictures()
    names = ["fid", *(["fid-rec", "mse"] if one.model.reconstructs else [])]
    names += KNOWN if getattr(train, "factors", None) is not None else ()
    return evaluate(
        one.model,
        train,
        None if test is train else test,
        names,
        max_train=study.budget.images,
        max_test=study.budget.images,
        n_samples=study.budget.samples,
        features=study.features,
        progress=study.progress,
    )


def _draw(study: Study, row: str, one: Trained) -> None:
    """Samples, originals above their reconstructions, and a sheet of codes."""
    _, test = study.pictures()
    shown = study.budget.shown
    model = one.model
    with torch.inference_mode():
        samples = to_uint8(model.sample(4 * shown, generator=study.generator("samples"))).cpu()
        study.save_picture(f"samples-{row}", image_grid(samples, shown))
        if model.reconstructs:
            rows = choose_rows(len(test), 2 * shown)
            originals = test.read(rows.tolist())
            remade = to_uint8(model.reconstruct(to_float(originals).to(model.device))).cpu()
            study.save_picture(f"reconstructions-{row}", pair_grid(originals, remade, shown))
    moved = traversals(model, rows=1, columns=max(shown, 2), generator=study.generator("traversals"))
    study.save_picture(f"codes-{row}", image_grid(*code_sheet(moved)))


def _result(
    study: Study, found: Mapping[str, Sequence[Mapping[str, Any]]], made: Mapping[str, Sequence[Trained]]
) -> Result:
    train, test = study.pictures()
    names = list(dict.fromkeys(name for facts in found.values() for name in facts[0]))
    order = {"fid": 0, "fid-rec": 1, "mse": 2}
    names.sort(key=lambda name: order.get(name.split("[")[0], 3))
    columns = []
    for name in names:
        known = name in KNOWN
        columns.append(Column(name, digits=3 if known or name == "mse" else 1, better="higher" if known else "lower"))
    rows = []
    for row, facts in found.items():
        cells = {name: Trials([f[name]["value"] for f in facts]) for name in names if name in facts[0]}
        rows.append(Row(row, cells, facts={"trials": list(facts)}))
    held_out = "held-out" if test is not train else "TRAINING"
    table = Table(
        columns,
        rows,
        title="Distances",
        corner="method",
        text=f"Fréchet distances of samples (fid) and of reconstructions (fid-rec) from {held_out} pictures of "
        f"{train.name} at {train.shape[1]} pixels, at most {study.budget.images:,} of them; the brackets name the "
        "features. MSE of reconstructions, pixels in [-1, 1].",
    )
    return Result(
        tables=[table, trainings(made)],
        about="Pictures: samples; originals above their reconstructions; codes, a line each, moved from one end to the "
        "other (normal ones from -2 to 2) with all else as drawn. The first lines of InfoVAEGAN and InfoGAN are their "
        "classes.",
        notes=[
            LOST,
            "Which methods the paper compares by FID is not known to us; InfoGAN and a beta-VAE with the same nets "
            "stand here.",
            "InfoVAEGAN reconstructs by a second decoder of class and continuous codes, as two of the authors' scripts "
            "do; InfoGAN has no way back to pictures.",
            "Published FID is of Inception features and full-size samples; distances of other features, or of fewer "
            "pictures, compare rows of this table only.",
            *(["Scores of disentanglement are for these pictures' known factors; the paper has none for faces."]
              if any(name in KNOWN for name in names) else []),
            *budget_notes(study),
        ],
    )  # fmt: skip
