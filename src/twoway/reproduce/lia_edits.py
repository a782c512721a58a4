"""Edits of real pictures through LIA's codes: attributes (figure 4) and styles (figure 5).

Directions are normals of linear machines that learn what is known of the training pictures from their codes, as
InterFaceGAN does with sampled codes and a classifier's scores.

References:
    Zhu et al., arXiv 1906.08090, section 6.1, figures 4 and 5; Shen et al., Interpreting the Latent Space of GANs for
    Semantic Face Editing, arXiv 1907.10786 (directions).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twoway.data import ImageData, to_float, to_uint8
from twoway.errors import ConfigError, DataError
from twoway.latents.direction_machines import Fitting, fit_machine, judged
from twoway.latents.directions import Direction
from twoway.latents.editing import edit_codes
from twoway.latents.style_mixing import layer_groups, resolution_of, style_grid
from twoway.metrics.inputs import choose_rows
from twoway.model import TwoWayModel
from twoway.reproduce.budget import Budget
from twoway.reproduce.lia_runs import classifier_of, lia_budgets, trained_for
from twoway.reproduce.notes import beyond_smoke, budget_notes
from twoway.reproduce.pictures import held_out, reconstructed
from twoway.reproduce.registry import artefact, setting
from twoway.reproduce.result import Column, Result, Row, Table
from twoway.reproduce.strips import picture_rows
from twoway.reproduce.study import Study

__all__ = ["Fig4", "direction_of", "lia_fig4", "lia_fig5"]

WANTED = ("Facing_Left", "Male", "Wearing_Hat", "Smiling", "Young", "Eyeglasses", "Wearing_Glasses")
"""Attributes nearest to the paper's pose, gender, expression and age, as data sets call them."""
MOST = 4
FITTING = Fitting("svm", 0.01)


@dataclass(frozen=True)
class Fig4:
    """What only this figure can be asked for.

    Args:
        attributes: Names of attributes; those nearest to the paper's where empty.
        strength: How far codes go: 1 from the mean of those without an attribute to the mean of those with it.
        classifier: File of a classifier that judges the edits; None trains one.
    """

    attributes: tuple[str, ...] = setting((), "Attributes to edit; those nearest to the paper's by default.")
    strength: float = setting(2.0, "How far codes go, 1 being the distance between with and without, along the normal.")
    classifier: str | None = setting(None, "Classifier that judges edits, of twoway metrics train-extractor.")

    def __post_init__(self) -> None:
        if not math.isfinite(self.strength):
            raise ConfigError(f"--strength is {self.strength}, but must be finite.")


def direction_of(model: TwoWayModel, name: str, codes: Tensor, has: np.ndarray[Any, Any]) -> Direction:
    """The normal of a linear machine that tells codes (N, dim) with an attribute from those without.

    Unlike in `twoway.latents.direction_fitting` the machine sees codes with all coordinates brought to one deviation,
    and it is judged on those that it was trained on.

    Returns:
        The direction, with a unit vector. Facts: ``distance`` along it between the means of codes with and without the
        attribute, ``balanced_accuracy``.

    Raises:
        DataError: All have it, or none.
    """
    _check_both(has)
    points = codes.double().numpy()
    spread = points.std(0) + 1e-9
    coefficients, offset, _ = fit_machine(points / spread, has, FITTING)
    normal = coefficients / spread
    length = np.linalg.norm(normal)
    normal /= length
    along = points @ normal
    facts = {
        "distance": float(along[has].mean() - along[~has].mean()),
        "balanced_accuracy": judged(points / spread @ coefficients + offset > 0, has)["balanced_accuracy"],
    }
    return Direction(
        name, torch.from_numpy(normal).float()[None], model.fingerprint(), "labels", offset / float(length),
        float(along.std()), None, facts,
    )  # fmt: skip


@artefact(
    "lia-fig4",
    paper="LIA (arXiv 1906.08090), figure 4",
    summary="Attributes of real pictures edited through LIA's codes.",
    budgets=lia_budgets(
        Budget(samples=300, images=32, shown=4, takes="two minutes"),
        Budget(samples=10_000, images=400, shown=8, takes="an hour of two cores for each training"),
        Budget(samples=65_000, images=5_000, shown=8, takes="days of a GPU with the training"),
    ),
    settings=Fig4,
    without=("trials", "features"),
)
def lia_fig4(study: Study) -> Result:
    """Learn directions, edit held-out pictures towards the other side, and ask a classifier what has changed."""
    own = study.chosen(Fig4)
    train, _ = study.pictures()
    if train.attributes is None:
        raise DataError(
            f"Nothing is known of the pictures of {train.source} by name, so there is nothing to edit. Put a table "
            "attributes.csv beside them, or take other pictures."
        )
    names = own.attributes or _nearest(train)
    rows_of_train = choose_rows(len(train), study.budget.samples)
    known = {name: train.column(name)[rows_of_train] > 0 for name in names}  # wrong names before the training
    for has in known.values():
        _check_both(has)
    if own.classifier is not None:
        classifier_of(study, own.classifier)
    made = trained_for(study, ("lia",))["lia"]
    model = made.model
    codes = study.keep_tensors("codes", lambda: {"w": _codes(model, train, rows_of_train)}, of=made)["w"]
    shown = held_out(study, study.budget.images)
    classifier = classifier_of(study, own.classifier)
    again = reconstructed(model, shown)
    count = study.budget.shown
    strips = {"original": shown[:count], "reconstruction": again[:count]}
    rows, findings = [], []
    for name in names:
        direction = direction_of(model, name, codes, known[name])
        edited, up = _edited(model, shown, direction, own.strength)
        strips[name] = edited[:count]
        cells: dict[str, Any] = {
            "balanced": 100 * direction.facts["balanced_accuracy"],
            "gap": direction.facts["distance"],
        }
        if classifier is not None and name in classifier.outputs:
            before, after = (_says(classifier, pictures) for pictures in (again, edited))
            place = classifier.outputs.index(name)
            wanted = (after[:, place] > 0) == up
            flipped = (before > 0) != (after > 0)
            others = torch.cat([flipped[:, :place], flipped[:, place + 1 :]], 1)
            cells |= {"wanted": 100 * wanted.float().mean().item(), "others": 100 * others.float().mean().item()}
            cells["before"] = 100 * ((before[:, place] > 0) == up).float().mean().item()
            findings.append(
                f"{name}: the classifier sees the wanted side in {cells['before']:.0f} % of reconstructions and "
                f"{cells['wanted']:.0f} % of edits; other attributes change in {cells['others']:.0f} % of cases."
            )
        rows.append(Row(name, cells))
    study.save_figure("edits", picture_rows(strips))
    columns = [
        Column("balanced", "codes on the right side, per cent", 1), Column("gap", "gap along the normal", 3),
        Column("before", "wanted side before, per cent", 1), Column("wanted", "after, per cent", 1, "higher"),
        Column("others", "others changed, per cent", 1, "lower"),
    ]  # fmt: skip
    return Result(
        tables=(Table(columns, rows, corner="attribute"),),
        about=f"Directions from the codes of {len(codes):,} training pictures; each of {len(shown)} held-out pictures "
        f"is taken to the other side of where its code is, by {own.strength:g} times the gap.",
        findings=beyond_smoke(study, findings),
        notes=[
            "The paper's directions are learnt from sampled codes with scores of a ResNet-50 trained on CelebA, which "
            "was never released; ours from codes of training pictures with what is known of them.",
            "Pose is edited only where the data know it. The paper's figure has no numbers.",
            *budget_notes(study),
        ],
    )


def _check_both(has: np.ndarray[Any, Any]) -> None:
    if has.all() or not has.any():
        raise DataError("A direction needs pictures with and without the attribute. Choose another with --attributes.")


def _nearest(train: ImageData) -> tuple[str, ...]:
    """The paper's attributes as far as they are known, else those that are nearest to half and half."""
    known = [name for name in WANTED if name in train.attribute_names]
    shares = {name: abs(float((train.column(name) > 0).mean()) - 0.5) for name in train.attribute_names}
    rest = sorted((name for name in shares if name not in known and shares[name] < 0.5), key=lambda name: shares[name])
    return tuple([*known, *rest][:MOST])


@torch.inference_mode()
def _codes(model: TwoWayModel, data: ImageData, rows: np.ndarray[Any, Any]) -> Tensor:
    """Codes (N, dim) of pictures, of the first layer."""
    parts = [data.read(part) for part in np.array_split(rows, max(1, len(rows) // 128))]
    return torch.cat([model.encode(to_float(part).to(model.device))[:, 0].cpu() for part in parts])


@torch.inference_mode()
def _edited(model: TwoWayModel, pictures: Tensor, direction: Direction, strength: float) -> tuple[Tensor, Tensor]:
    """Pictures edited, uint8, and whether each went up (N,): those on the lower half of the normal do."""
    w = torch.cat([model.encode(to_float(part).to(model.device)) for part in pictures.split(128)])
    along = direction.position(w).cpu()
    up = along < along.median()
    t = strength * direction.facts["distance"]
    higher, lower = (edit_codes(w, [(direction, sign * t)], unit="length") for sign in (1.0, -1.0))
    edited = torch.where(up.to(w.device)[:, None, None], higher, lower)
    return to_uint8(torch.cat([model.decode(part) for part in edited.split(128)])).cpu(), up


@torch.inference_mode()
def _says(classifier: Any, pictures: Tensor) -> Tensor:
    """Log odds of each attribute, (N, K)."""
    return torch.cat([classifier.logits(to_float(part)) for part in pictures.split(128)])


@artefact(
    "lia-fig5",
    paper="LIA (arXiv 1906.08090), figure 5",
    summary="Style mixing of real pictures: layers of one code in place of those of another.",
    budgets=lia_budgets(
        Budget(shown=3, takes="a minute"),
        Budget(shown=6, takes="an hour of two cores for each training"),
        Budget(shown=6, takes="days of a GPU with the training"),
    ),
    without=("trials", "features"),
)
def lia_fig5(study: Study) -> Result:
    """Draw sources on the left, destinations above, and what the source gives in between."""
    made = trained_for(study, ("lia",))["lia"]
    model = made.model
    groups = layer_groups(model)
    count = study.budget.shown
    pictures = held_out(study, count + 2 * len(groups))
    if len(pictures) < count + len(groups):
        raise ConfigError("There are too few held-out pictures for sources and destinations. Use more pictures.")
    destinations = pictures[:count]
    with torch.inference_mode():
        w = torch.cat([model.encode(to_float(part).to(model.device)) for part in pictures.split(64)])
        blank = torch.full_like(pictures[:1].float(), torch.nan)
        rows = {"destinations": torch.cat([blank, destinations.float()])}
        names = []
        for number, (name, layers) in enumerate(groups.items()):
            first, last = resolution_of(layers[0]), resolution_of(layers[-1])
            sides = f"{first}-{last}" if first < last else str(first)
            names.append(f"{name} ({sides} pixels)")
            at = [count + 2 * number + i for i in range(2) if count + 2 * number + i < len(pictures)]
            mixed = to_uint8(style_grid(model, w[at], w[:count], layers)).cpu()
            for i, row in zip(at, mixed, strict=True):
                rows[f"{name} {sides}, {i - count - 2 * number + 1}"] = torch.cat([pictures[i : i + 1], row]).float()
    study.save_figure("style-mixing", picture_rows(rows, heads=["source"]))
    lacking = [name for name in ("coarse", "middle", "fine") if name not in groups]
    return Result(
        about="First column: held-out pictures that give the styles named; first row: held-out pictures that give all "
        f"others. Groups: {', '.join(names)}.",
        notes=[
            *([f"At this size there are no {' and no '.join(lacking)} styles."] if lacking else []),
            "The official code has no script of this figure; groups are those of its caption.",
            *budget_notes(study),
        ],
    )
