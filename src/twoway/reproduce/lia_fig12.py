"""LIA's Figure 12: how steady the encoder's gradients are, for LIA and for the variational encoder through z.

Both second stages are trained for a short stretch on the generators that the other tables use, with a probe at the
encoder's optimiser that sees each gradient before it is used; training itself knows nothing of it.

References:
    Zhu et al., arXiv 1906.08090, section 6.5 and figure 12.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twoway.errors import ConfigError
from twoway.plots import panels
from twoway.reproduce.budget import Budget
from twoway.reproduce.lia_runs import lia_budgets, trained_for
from twoway.reproduce.notes import beyond_smoke, budget_notes
from twoway.reproduce.registry import artefact, setting
from twoway.reproduce.result import Column, Result, Row, Table
from twoway.reproduce.runs import Interrupted
from twoway.reproduce.study import Study, Trained
from twoway.training.loop import Trainer
from twoway.training.progress import Progress

__all__ = ["Fig12", "Probe", "lia_fig12", "relative_spread"]

ROWS = {"lia": "LIA", "vaegan-z": "VAE via z"}
GENERATORS = {"lia": "lia", "vaegan-z": "stylegan"}
"""Which training's generator each encoder is trained for."""
PLACES = ("first layer", "a quarter in", "middle", "three quarters in", "last layer")
"""Layers drawn, evenly spaced."""
QUIET = {f"training.{name}": 0.0 for name in ("sample_kimg", "eval_kimg", "checkpoint_kimg")}


@dataclass(frozen=True)
class Fig12:
    """What only this figure can be asked for.

    Args:
        window: Iterations over which the drawn curves are averaged and volatility is measured.
    """

    window: int = setting(20, "Iterations over which volatility is measured.")

    def __post_init__(self) -> None:
        if self.window < 2:
            raise ConfigError(f"--window is {self.window}, but must be at least 2.")


class Probe(Progress):
    """Sees the gradients of a net at each step of its optimiser, and the losses.

    Args:
        trainer: Not yet begun.
        slot: The net.

    Attributes:
        layers: Names of the net's weights that are matrices or kernels.
        norms: Of each layer's gradient, an entry per step.
        turns: Cosine between each layer's gradient and the one before, an entry per step but the first.
        losses: Mean squared pixel error, an entry per iteration.
    """

    def __init__(self, trainer: Trainer, slot: str) -> None:
        super().__init__(trainer.config.training.kimg, silent=True)
        weights = {name: p for name, p in trainer.model.nets[slot].named_parameters() if p.ndim > 1}
        self.layers = tuple(weights)
        self.norms: list[list[float]] = []
        self.turns: list[list[float]] = []
        self.losses: list[float] = []
        self._weights = list(weights.values())
        self._before: list[Tensor] | None = None
        trainer.optimisers.adams[slot].register_step_pre_hook(self._see)

    def update(self, kimg: float, images_per_s: float, stats: Mapping[str, float]) -> None:
        """Take note of an iteration's losses."""
        self.losses += [value for name, value in stats.items() if name.endswith("/pixel_l2")]

    def _see(self, optimiser: Any, arguments: Any, options: Any) -> None:
        now = [torch.zeros_like(p) if p.grad is None else p.grad.detach().clone() for p in self._weights]
        self.norms.append([g.norm().item() for g in now])
        if self._before is not None:
            pairs = zip(now, self._before, strict=True)
            self.turns.append([torch.cosine_similarity(a.flatten(), b.flatten(), dim=0).item() for a, b in pairs])
        self._before = now


def relative_spread(norms: np.ndarray[Any, Any], window: int) -> np.ndarray[Any, Any]:
    """Standard deviation over mean of each column (steps, layers), within windows, then averaged over them.

    Slow changes over a training are no volatility, so they are left out.

    Example:
        >>> relative_spread(np.array([[1.0], [3.0], [10.0], [30.0]]), 2).tolist()
        [0.5]
    """
    window = min(window, len(norms))
    parts = norms[: len(norms) // window * window].reshape(-1, window, norms.shape[1])
    return np.asarray((parts.std(1) / np.maximum(parts.mean(1), 1e-30)).mean(0))


@artefact(
    "lia-fig12",
    paper="LIA (arXiv 1906.08090), figure 12",
    summary="Gradients of the encoder, layer by layer, in LIA's second stage and in a variational one through z.",
    budgets=lia_budgets(
        Budget(steps=30, takes="two minutes"),
        Budget(steps=400, takes="an hour of two cores for each training"),
        Budget(steps=20_000, takes="days of a GPU with the trainings"),
    ),
    rows=tuple(ROWS),
    settings=Fig12,
    without=("trials", "features"),
)
def lia_fig12(study: Study) -> Result:
    """Train both encoders for a stretch, and draw norms of gradients and losses over the iterations."""
    window = min(study.chosen(Fig12).window, study.budget.steps)
    seen: dict[str, dict[str, Any]] = {}
    for row in study.rows:
        generator = trained_for(study, (GENERATORS[row],))[GENERATORS[row]]
        seen[row] = study.keep(f"gradients, {row}", lambda r=row, g=generator: _probed(study, r, g), of=generator)  # type: ignore[misc]
    rows = []
    drawn: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row, found in seen.items():
        norms, turns = np.array(found["norms"]), np.array(found["turns"])
        spread = relative_spread(norms, window)
        level = norms.mean(0)
        cells = {
            "spread": float(spread.mean()),
            "highest": float(spread.max()),
            "across": float(np.log10(level.max() / max(level.min(), 1e-30))),
            "turn": float(turns.mean()),
            "first": fmean(found["losses"][:window]),
            "last": fmean(found["losses"][-window:]),
        }
        rows.append(Row(ROWS[row], cells, {}, {"layers": found["layers"], "spread": spread.tolist()}))
        some = np.linspace(0, len(found["layers"]) - 1, len(PLACES)).round().astype(int).tolist()
        drawn[ROWS[row]] = {place: _steps(norms[:, i].tolist()) for place, i in zip(PLACES, some, strict=True)}
    study.save_figure(
        "gradients", panels(drawn, x="iteration", y="norm of the gradient", log="y", columns=2, share_y=True)
    )
    losses = {"pixel error of the batch": {ROWS[row]: _steps(found["losses"]) for row, found in seen.items()}}
    study.save_figure("losses", panels(losses, x="iteration", y="mean squared error", log="y", columns=1))
    columns = [
        Column("spread", "relative spread", 3, "lower"), Column("highest", "of the worst layer", 3, "lower"),
        Column("across", "range over layers, powers of ten"), Column("turn", "cosine to the one before", 3, "higher"),
        Column("first", "first loss", 4), Column("last", "last loss", 4, "lower"),
    ]  # fmt: skip
    return Result(
        tables=(Table(columns, rows, corner="encoder"),),
        about=f"{study.budget.steps} iterations of the second stage on frozen generators. Relative spread: standard "
        f"deviation over mean of a layer's norm within {window} iterations, mean over windows and layers. Losses are "
        f"mean squared pixel errors, means of {window} iterations.",
        findings=beyond_smoke(study, _findings({row.name: row.measured for row in rows})),
        notes=[
            "The paper shows curves only; the numbers are ours. Its text does not say which layers.",
            "As in the paper the variational encoder is in front of a StyleGAN's MLP, LIA's of its own generator.",
            "The weight of the divergence is not stated in the paper; ours is 1e-4 per nat.",
            *budget_notes(study),
        ],
    )


def _probed(study: Study, row: str, generator: Trained) -> dict[str, Any]:
    """Train an encoder for as many iterations as the budget has steps, and see its gradients."""
    config = study.config(row, generator=generator)
    steps, batch = study.budget.steps, config.timeline.segments[0].batch
    # a second stage as long as those of the tables, so that learning rates are theirs, or as the stretch
    config = config.changed({**QUIET, "training.kimg": max(config.training.kimg, steps * batch / 1000)})
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(Path(folder), config, config.data.open(), generator=generator.model.cpu())
        probe = Probe(trainer, "encoder")
        if trainer.train(probe, stop_after=steps).iteration < steps:
            raise Interrupted("Interrupted while gradients were measured. Call again to begin this part anew.")
    return {"layers": probe.layers, "norms": probe.norms, "turns": probe.turns, "losses": probe.losses}


def _findings(measured: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if set(measured) != set(ROWS.values()):
        return []
    lia, vae = (measured[name] for name in ROWS.values())
    said = []
    for key, what, lower in (
        ("spread", "volatility of the gradients' norms", True),
        ("turn", "agreement of each gradient with the one before", False),
        ("last", "loss at the end", True),
    ):
        ahead = lia[key] < vae[key] if lower else lia[key] > vae[key]
        said.append(f"{what}: LIA {lia[key]:.3g}, VAE {vae[key]:.3g}; " + ("as published." if ahead else "CONTRARY."))
    return said


def _steps(values: Sequence[float]) -> list[tuple[float, float]]:
    return [(float(step), value) for step, value in enumerate(values)]
