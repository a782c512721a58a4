"""LIA's Table 3 on pictures at hand: ways back to codes of real pictures, compared on generators of equal budget.

The paper compares LIA with a variational encoder through z, with optimisation and with ALI on FFHQ; it shows, without
figures, that its encoder fails for a StyleGAN whose mapping is not invertible. Here that claim has a row of its own:
the same recipe with an MLP for a mapping. Distances are on named features instead of Inception's, so they compare rows
of one table only.

References:
    Zhu et al., arXiv 1906.08090, section 5.2, figure 3 and table 3.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from twoway.data import ImageData, to_float, to_uint8
from twoway.errors import ConfigError, closest
from twoway.features import FeatureSpec, build_features
from twoway.grids import image_grid, save_png_atomic
from twoway.latents import project
from twoway.latents.in_domain import can_score, in_domain
from twoway.methods import find_preset
from twoway.metrics import evaluate
from twoway.metrics.frechet import default_features, feature_moments, frechet_distance, pooled_features
from twoway.metrics.inputs import choose_rows
from twoway.metrics.sliced_wasserstein import sliced_wasserstein
from twoway.model import TwoWayModel
from twoway.published import LIA_TABLE3
from twoway.reproduce.runs import trained_run
from twoway.training.config import DataConfig, make_config
from twoway.training.entry import model_of_run
from twoway.training.runs import write_text

__all__ = ["ROWS", "Table3", "reproduce_table3"]

ROWS = ("lia", "stylegan", "vaegan-z", "optimisation-z", "optimisation-w")
SHOWN = 12


@dataclass(frozen=True)
class Table3:
    """What to reproduce.

    Args:
        data: Pictures, in the words of ``--data``.
        size: Their side in pixels; None finds out.
        preset: Ending of the presets: ``32-cpu`` takes ``lia-32-cpu`` and ``stylegan-32-cpu``.
        kimg: Budget of both phases together.
        rows: Names of the rows; all where empty.
        images: Held-out pictures at most.
        steps: Steps of the optimisation.
        seed: Of the trainings.
    """

    data: str
    size: int | None = None
    preset: str = "32-cpu"
    kimg: float = 600.0
    rows: tuple[str, ...] = ()
    images: int = 400
    steps: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        for row in self.rows:
            if row not in ROWS:
                raise ConfigError(f"The table has no row '{row}'{closest(row, ROWS)}.")
        if self.kimg <= 0 or self.images < 2 or self.steps < 1:
            raise ConfigError("The table needs a positive budget, at least 2 pictures and at least 1 step.")


def reproduce_table3(plan: Table3, out: Path, *, say: Callable[[str], None] = print) -> str:
    """Train what the rows need and measure them; what an earlier call has finished is kept.

    Args:
        plan: What to reproduce.
        out: Folder for run folders, ``table.md``, ``table.json`` and ``comparison.png``.
        say: Told how it goes.

    Returns:
        The table as Markdown.

    Raises:
        TrainingError: Interrupted by a signal; call again to continue.
        UserError: Data, settings or the disk do not allow it.
    """
    rows = plan.rows or ROWS
    needs = {
        "lia": {"lia", "optimisation-z", "optimisation-w"},
        "stylegan": {"stylegan", "vaegan-z"},
        "vaegan-z": {"vaegan-z"},
    }
    wanted = [row for row, users in needs.items() if set(rows) & users]
    sizes = {find_preset(f"{row}-{plan.preset}").size for row in wanted}  # a preset that is not there is said at once
    source = DataConfig.make(plan.data, size=plan.size or sizes.pop())
    train, test = source.open_both()
    models: dict[str, TwoWayModel] = {}
    for row in wanted:
        models[row] = _model(plan, row, source, out / "runs", models.get("stylegan"), say)
    shown = test.read([int(i) for i in choose_rows(len(test), plan.images)])
    made: dict[str, Tensor] = {}
    results: dict[str, dict[str, Any]] = {}
    for row in rows:
        say(f"measuring {row}")
        made[row], facts = _reconstructed(plan, row, models, shown)
        results[row] = {**facts, **_distances(made[row], shown)}
    text = _table(plan, results, train, test, len(shown))
    write_text(out / "table.md", text)
    write_text(out / "table.json", json.dumps({"rows": results, "published": LIA_TABLE3}, indent=2))
    strips = [shown[:SHOWN], *[pictures[:SHOWN] for pictures in made.values()]]
    save_png_atomic(image_grid(torch.cat(strips), min(SHOWN, len(shown))), out / "comparison.png")
    return text


def _model(
    plan: Table3, row: str, source: DataConfig, runs: Path, stylegan: TwoWayModel | None, say: Callable[[str], None]
) -> TwoWayModel:
    """A trained model; the variational encoder works on the generator that stands behind the row 'stylegan'."""
    generator = stylegan if row == "vaegan-z" else None
    kimg = plan.kimg
    if generator is not None:  # the second phase alone, as long as those of the other rows
        phases = generator.recipe.phases
        kimg *= phases[-1].share / sum(phase.share for phase in phases)
    config, _ = make_config(
        f"{row}-{plan.preset}",
        data=source,
        kimg=kimg,
        seed=plan.seed,
        generator=None if generator is None else generator.recipe,
    )
    run = trained_run(config, source.open, runs, f"{row}-seed{plan.seed}", generator=generator, say=say)
    return model_of_run(str(run))


def _reconstructed(
    plan: Table3, row: str, models: Mapping[str, TwoWayModel], shown: Tensor
) -> tuple[Tensor, dict[str, Any]]:
    """Reconstructions as uint8, and what else is known of a row."""
    x = to_float(shown)
    if row.startswith("optimisation"):
        space: Literal["z", "w"] = "z" if row.endswith("z") else "w"
        found = project(models["lia"], x, space=space, start="mean", steps=plan.steps)
        return to_uint8(found.x_rec), {"steps": plan.steps, "start": "mean"}
    model = models[row]
    with torch.inference_mode():
        again = torch.cat([model.reconstruct(part) for part in x.split(128)])
        facts: dict[str, Any] = {}
        if can_score(model):
            facts["in_domain_median"] = float(np.median(in_domain(model, x).log10_tail))
    names = ["code-consistency", *(["flow-roundtrip"] if model.invertible else [])]
    measured = evaluate(model, None, None, names, max_test=1000)
    return to_uint8(again), {**facts, **{name: result["value"] for name, result in measured.items()}}


def _distances(made: Tensor, shown: Tensor) -> dict[str, Any]:
    spec: FeatureSpec = default_features()
    features = build_features(spec)
    moments = [feature_moments(pooled_features(features, pictures)) for pictures in (made, shown)]
    error = (to_float(made) - to_float(shown)).square().mean().item()
    return {
        "mse": error,
        "mse_unit_1e3": error / 4 * 1000,
        "swd": sliced_wasserstein(made, shown).mean,
        "frechet": frechet_distance(*moments),
        "features": features.describe(),
    }


def _table(
    plan: Table3, results: Mapping[str, Mapping[str, Any]], train: ImageData, test: ImageData, count: int
) -> str:
    held_out = "held-out" if test is not train else "TRAINING"
    features = next(iter(results.values()))["features"]["name"]
    lines = [
        "# LIA, Table 3: reconstruction of real pictures",
        "",
        f"{count} {held_out} pictures of {train.name}, {train.shape[1]} pixels; presets *-{plan.preset}, "
        f"{plan.kimg:g} kimg, seed {plan.seed}; optimisation: {plan.steps} steps from the mean on LIA's generator. MSE "
        f"x 1e-3 for pixels in [0, 1]; SWD x 1e3; Fréchet distance on {features} features. Less is better everywhere. "
        "Published: FFHQ at 128 pixels, FID on Inception features; not comparable across the two.",
        "",
        "| row | MSE | SWD | Fréchet | code consistency | published FID / SWD / MSE |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row, found in results.items():
        theirs = LIA_TABLE3.get(row.split("-")[0] if row.startswith("optim") else row)
        quoted = "-" if theirs is None else "*" + " / ".join(f"{v:.2f}" for v in theirs) + "*"
        consistency = f"{found['code-consistency']:.3f}" if "code-consistency" in found else "-"
        figures = " | ".join(f"{found[name]:.2f}" for name in ("mse_unit_1e3", "swd", "frechet"))
        lines.append(f"| {row} | {figures} | {consistency} | {quoted} |")
    return "\n".join(lines) + "\n"
