"""Codes of single pictures by optimisation, from three starts: LIA's figures 8 to 11.

Figures 8, 9 and 11 are of codes per layer, figure 10 compares the prior's space z with the latent space (our w, the
paper's y).

References:
    Zhu et al., arXiv 1906.08090, sections 6.3 (equation 13) and 6.4; Abdal et al., Image2StyleGAN, arXiv 1904.03189
    (the average as a start).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

import twoway
from twoway.data import to_float, to_uint8
from twoway.errors import ConfigError
from twoway.latents import project
from twoway.model import TwoWayModel
from twoway.plots import line_plot, panels
from twoway.reproduce.budget import Budget
from twoway.reproduce.keeping import keep_tensors
from twoway.reproduce.lia_pictures import mse_column
from twoway.reproduce.lia_runs import lia_budgets, search_loss, trained_for
from twoway.reproduce.notes import beyond_smoke, budget_notes
from twoway.reproduce.pictures import held_out, unit_mse
from twoway.reproduce.registry import artefact, setting
from twoway.reproduce.result import Column, Result, Row, Table
from twoway.reproduce.strips import picture_rows
from twoway.reproduce.study import Study, Trained

__all__ = ["Search", "Searched", "lia_fig8", "lia_fig9", "lia_fig10", "lia_fig11", "search"]

STARTS = {"random": "random", "mean": "average", "encoder": "LIA's encoder"}
"""Starts from the slowest to the fastest, as the paper finds them, and their names there."""
SpaceOf = Literal["w+", "w", "z"]
DETAILS = {"eyes": (0.25, 0.15, 0.7), "mouth": (0.5, 0.25, 0.5)}
"""Upper edge, left edge and width of a detail, as parts of the side, for aligned faces; all are half the side high."""


@dataclass(frozen=True)
class Search:
    """What only these figures can be asked for.

    Args:
        lr: Learning rate of Adam at its highest; the paper does not state its own.
    """

    lr: float = setting(0.05, "Learning rate of Adam at its highest.")

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ConfigError(f"--lr is {self.lr}, but must be positive.")


@dataclass(frozen=True)
class Searched:
    """Searches for the codes of N pictures from one start.

    Args:
        start: Pictures of the first codes, uint8 (N, C, H, W).
        found: Pictures of the codes of least loss.
        losses: (steps + 1, N).
    """

    start: Tensor
    found: Tensor
    losses: Tensor


BUDGETS = lia_budgets(
    Budget(images=4, steps=12, shown=4, takes="a minute"),
    Budget(images=24, steps=300, shown=8, takes="an hour of two cores for each training"),
    Budget(images=64, steps=1_000, shown=8, takes="days of a GPU with the training"),
)


def search(study: Study, made: Trained, pictures: Tensor, space: SpaceOf, start: str) -> Searched:
    """Search in one space from one start, or find what an earlier call has found.

    In all spaces the first pictures are the same: a start in z is the prior code of the start in w. What is found is
    kept beside the training, so that the figures share it.
    """
    protocol = {
        "of": made.fingerprint(), "space": space, "start": start, "steps": study.budget.steps, "seed": study.seed,
        "lr": study.chosen(Search).lr, "pictures": hashlib.sha256(pictures.numpy().tobytes()).hexdigest(),
        "twoway": twoway.__version__,
    }  # fmt: skip

    def compute() -> dict[str, Tensor]:
        study.say(f"searching in {space} from {start}")
        model = made.model
        x = to_float(pictures).to(model.device)
        first = _first_codes(model, x, start, study.generator("random starts"))
        features, weight = search_loss(model)
        found = project(
            model, x, space=space, start=first, steps=study.budget.steps, lr=study.chosen(Search).lr,
            features=features, feature_weight=weight, progress=study.progress,
        )  # fmt: skip
        with torch.inference_mode():
            begun = torch.cat([model.decode(part) for part in first.split(32)])
        return {"start": to_uint8(begun), "found": to_uint8(found.x_rec), "losses": found.losses}

    number = hashlib.sha256(repr(protocol).encode()).hexdigest()[:8]
    path = made.run / "searches" / f"{space.replace('+', '-layered')}-from-{start}-{number}.safetensors"
    return Searched(**keep_tensors(path, protocol, compute, mine=study.is_main, ledger=study.ledger))


@torch.no_grad()
def _first_codes(model: TwoWayModel, x: Tensor, start: str, generator: torch.Generator) -> Tensor:
    """Latent codes (B, layers, dim)."""
    if start == "encoder":
        return torch.cat([model.encode(part) for part in x.split(32)])
    if start == "random":
        return model.map(model.draw_prior(len(x), generator=generator))
    return model.w_avg.expand(len(x), -1, -1).clone()


def _three(study: Study, space: SpaceOf = "w+") -> tuple[Tensor, dict[str, Searched]]:
    """Held-out pictures, and searches from all starts."""
    made = trained_for(study, ("lia",))["lia"]
    shown = held_out(study, study.budget.images)
    return shown, {start: search(study, made, shown, space, start) for start in STARTS}


def _about(study: Study, count: int, where: str) -> str:
    own = study.chosen(Search)
    return (
        f"{count} held-out pictures, {study.budget.steps} steps of Adam in {where} from three starts, learning rate "
        f"{own.lr:g} at its highest; the loss is the one that the encoder was trained with, without its critic."
    )


def _notes(study: Study) -> list[str]:
    return [
        "The paper states neither steps nor learning rate. Its loss is pixels and VGG features (conv4_3, weight 5e-5); "
        "ours is that of the training of the encoder (budget paper: VGG16).",
        *budget_notes(study),
    ]


def _order(values: Mapping[str, float]) -> str:
    """Whether the starts end in the order of the paper: encoder, average, random."""
    order = sorted(values, key=lambda start: values[start])
    said = ", ".join(f"{STARTS[start]} {values[start]:.4g}" for start in order)
    return f"{said}; " + ("as published." if order == list(STARTS)[::-1] else "CONTRARY to the order in the paper.")


def _final(found: Mapping[str, Searched]) -> dict[str, float]:
    return {start: one.losses.min(0).values.mean().item() for start, one in found.items()}


@artefact(
    "lia-fig8",
    paper="LIA (arXiv 1906.08090), figure 8",
    summary="Pictures of codes that were fine-tuned to one picture each, from three starts.",
    budgets=BUDGETS,
    settings=Search,
    without=("trials", "features"),
)
def lia_fig8(study: Study) -> Result:
    """Draw originals, and first and last pictures of the searches."""
    shown, found = _three(study)
    strips = {"original": shown}
    rows = []
    for start, one in found.items():
        strips |= {f"{STARTS[start]}: start": one.start, f"{STARTS[start]}: found": one.found}
        cells = {"begin": unit_mse(one.start, shown), "mse": unit_mse(one.found, shown)}
        rows.append(Row(STARTS[start], cells))
    study.save_figure("fine-tuned", picture_rows({k: v[: study.budget.shown] for k, v in strips.items()}))
    columns = [Column("begin", "MSE of the start", better="lower"), mse_column()]
    return Result(
        tables=(Table(columns, rows, corner="start"),),
        about=_about(study, len(shown), "codes per layer"),
        findings=beyond_smoke(study, [f"Final loss: {_order(_final(found))}"]),
        notes=["The paper's pictures are famous faces and paintings; ours are held-out pictures.", *_notes(study)],
    )


@artefact(
    "lia-fig9",
    paper="LIA (arXiv 1906.08090), figure 9",
    summary="Details of the pictures of figure 8, enlarged.",
    budgets=BUDGETS,
    settings=Search,
    without=("trials", "features"),
)
def lia_fig9(study: Study) -> Result:
    """Draw parts of the pictures, and their errors."""
    shown, found = _three(study)
    all_rows = {"original": shown} | {STARTS[start]: found[start].found for start in list(STARTS)[::-1]}
    rows = []
    for name, pictures in all_rows.items():
        cells = {part: unit_mse(_detail(pictures, part), _detail(shown, part)) for part in DETAILS}
        rows += [Row(name, cells)] if name != "original" else []
    for part in DETAILS:
        strips = {name: _detail(pictures, part)[: study.budget.shown] for name, pictures in all_rows.items()}
        study.save_figure(f"details-{part}", picture_rows(strips, title=part))
    table = Table([Column(part, f"MSE x 1e-3, {part}", better="lower") for part in DETAILS], rows, corner="start")
    return Result(
        tables=(table,),
        about=_about(study, len(shown), "codes per layer") + " Details are where eyes and mouth of aligned faces are.",
        notes=["The paper chose its details by hand and gives no numbers.", *_notes(study)],
    )


@artefact(
    "lia-fig11",
    paper="LIA (arXiv 1906.08090), figure 11",
    summary="Losses of the fine-tuning of codes to single pictures, from three starts.",
    budgets=BUDGETS,
    settings=Search,
    without=("trials", "features"),
)
def lia_fig11(study: Study) -> Result:
    """Draw the loss over the steps: mean over pictures, and the band that holds half of them."""
    shown, found = _three(study)
    lines = {STARTS[start]: _line(one.losses) for start, one in found.items()}
    bands = {STARTS[start]: _band(one.losses) for start, one in found.items()}
    study.save_figure(
        "losses",
        line_plot(lines, bands=bands, x="step", y="reconstruction loss", log="y", title="Fine-tuning"),
    )
    steps = study.budget.steps
    at = sorted({0, steps // 10, steps // 3, steps})
    columns = [Column(str(step), f"after {step}", digits=4, better="lower") for step in at]
    rows = [Row(STARTS[s], {str(i): one.losses[i].mean().item() for i in at}) for s, one in found.items()]
    findings = [f"Final loss: {_order(_final(found))}"]
    early = {start: one.losses[steps // 10].mean().item() for start, one in found.items()}
    findings.append(f"Loss after a tenth of the steps: {_order(early)}")
    return Result(
        tables=(Table(columns, rows, corner="start", text="Mean loss over pictures after so many steps."),),
        about=_about(study, len(shown), "codes per layer") + " The band holds the middle half of the pictures.",
        findings=beyond_smoke(study, findings),
        notes=["The paper's figure has curves without figures in the text.", *_notes(study)],
    )


@artefact(
    "lia-fig10",
    paper="LIA (arXiv 1906.08090), figure 10",
    summary="Fine-tuning of the prior code z against that of the latent code, from the same first pictures.",
    budgets=BUDGETS,
    settings=Search,
    without=("trials", "features"),
)
def lia_fig10(study: Study) -> Result:
    """Draw originals, first pictures, and what is found in w and in z, for each start; and the losses."""
    found: dict[str, dict[str, Searched]] = {}
    spaces: tuple[SpaceOf, ...] = ("w", "z")
    for space in spaces:
        shown, found[space] = _three(study, space)
    rows, findings = [], []
    count = study.budget.shown
    for start, name in STARTS.items():
        w, z = (found[space][start] for space in ("w", "z"))
        strips = {"original": shown, "start": w.start, "found in w (y)": w.found, "found in z": z.found}
        study.save_figure(
            f"from-{start}", picture_rows({k: v[:count] for k, v in strips.items()}, title=f"From {name}")
        )
        cells = {
            "start": unit_mse(w.start, shown), "w": unit_mse(w.found, shown), "z": unit_mse(z.found, shown),
            "loss_w": _final({"": w})[""], "loss_z": _final({"": z})[""],
        }  # fmt: skip
        rows.append(Row(name, cells))
        wins = (w.losses.min(0).values < z.losses.min(0).values).float().mean().item()
        findings.append(
            f"From {name}: w ends below z for {100 * wins:.0f} % of the pictures (loss {cells['loss_w']:.4f} against "
            f"{cells['loss_z']:.4f}); " + ("as published." if cells["loss_w"] < cells["loss_z"] else "CONTRARY.")
        )
    lines = {
        name: {("w (y)" if space == "w" else "z"): _line(found[space][start].losses) for space in ("w", "z")}
        for start, name in STARTS.items()
    }
    study.save_figure("losses", panels(lines, x="step", y="reconstruction loss", log="y", share_y=True))
    columns = [
        Column("start", "MSE of the start"), Column("w", "MSE in w", better="lower"),
        Column("z", "MSE in z", better="lower"), Column("loss_w", "loss in w", 4), Column("loss_z", "loss in z", 4),
    ]  # fmt: skip
    return Result(
        tables=(Table(columns, rows, corner="start", text="MSE x 1e-3 for pixels in [0, 1]."),),
        about=_about(study, len(shown), "w and in z") + " One code per picture, first in z mapped back from w.",
        findings=beyond_smoke(study, findings),
        notes=[
            "Whether the paper's codes are one per picture or one per layer is not said; here one, so that both spaces "
            "have as many numbers. Both have the same learning rate.",
            *_notes(study),
        ],
    )


def _detail(pictures: Tensor, part: str) -> Tensor:
    """A part of pictures (N, C, H, W); see `DETAILS`."""
    height, width = pictures.shape[-2:]
    upper, left, across = DETAILS[part]
    top, first = round(upper * height), round(left * width)
    return pictures[..., top : top + height // 2, first : first + round(across * width)]


def _line(losses: Tensor) -> list[tuple[float, float]]:
    return [(float(step), value) for step, value in enumerate(losses.mean(1).tolist())]


def _band(losses: Tensor) -> list[tuple[float, float, float]]:
    ends = losses.quantile(torch.tensor([0.25, 0.75]), dim=1)
    return [(float(step), low, high) for step, (low, high) in enumerate(ends.T.tolist())]
