"""LIA's Figure 1: paths between two samples, straight in z and straight in the latent space (w, the paper's y).

The paper shows one pair on the plane of a t-SNE of VGG features. Here that is drawn for a typical pair, and the ratio
of path length to chord in feature space, over many pairs, puts a number to it. Two controls: great circles in z, along
which codes stay where the prior draws them, and cross-fades of pixels.

References:
    Zhu et al., arXiv 1906.08090, section 2.1 and figure 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from twoway.data import to_float, to_uint8
from twoway.features import build_features
from twoway.latents import lerp, slerp
from twoway.metrics.registry import PooledFeatures
from twoway.metrics.straightness import length_over_chord
from twoway.model import TwoWayModel
from twoway.plots import scatter_plot
from twoway.reproduce.budget import Budget
from twoway.reproduce.lia_runs import lia_budgets, trained_for
from twoway.reproduce.notes import beyond_smoke, budget_notes
from twoway.reproduce.registry import artefact
from twoway.reproduce.result import Column, Result, Row, Table, Trials
from twoway.reproduce.strips import picture_rows
from twoway.reproduce.study import Study, Trained

__all__ = ["lia_fig1", "path_pictures"]

ROWS = ("stylegan", "lia")
PATHS = {"z": "straight in z", "circle": "great circle in z", "w": "straight in w", "pixels": "cross-fade"}
POINTS = 100
"""Pictures on each path, as in the paper."""


@artefact(
    "lia-fig1",
    paper="LIA (arXiv 1906.08090), figure 1",
    summary="Paths of pictures between two samples, through z and through the latent space, seen in features.",
    budgets=lia_budgets(
        Budget(samples=200, pairs=4, steps=20, shown=10, takes="two minutes"),
        Budget(samples=2_000, pairs=100, steps=POINTS, shown=10, takes="an hour of two cores for each training"),
        Budget(samples=4_000, pairs=1_000, steps=POINTS, shown=10, takes="days of a GPU with the trainings"),
    ),
    rows=ROWS,
    without=("trials",),
)
def lia_fig1(study: Study) -> Result:
    """Measure paths, and draw a typical pair's: its pictures, and where they are among those of the model."""
    extractor = build_features(study.features)
    rows: list[Row] = []
    findings: list[str] = []
    for row in study.rows:
        made = trained_for(study, (row,))[row]
        features = extractor.to(made.model.device)
        ratios = study.keep(f"paths, {row}", lambda m=made, f=features: _ratios(study, m.model, f), of=made)  # type: ignore[misc]
        gain = np.log(np.array(ratios["z"]) / np.array(ratios["w"]))
        typical = int(np.argsort(gain)[len(gain) // 2])
        _draw(study, row, made, features, typical)
        cells = {key: Trials([float(np.mean(ratios[key]))]) for key in PATHS}
        rows.append(Row(row, cells, {}, {"ratios": ratios, "drawn": typical}))
        said = "as the paper says" if gain.mean() > 0 else "CONTRARY to the paper"
        findings.append(
            f"{row}: paths straight in w are shorter than paths straight in z for {100 * (gain > 0).mean():.0f} % of "
            f"{len(gain)} pairs, on average by a factor of {np.exp(gain.mean()):.2f}; {said}."
        )
    table = Table(
        [Column(key, title, digits=3) for key, title in PATHS.items()],
        rows,
        text="Length of a path over its chord in feature space, mean over pairs; 1 is straight.",
    )
    return Result(
        tables=(table,),
        about=f"{study.budget.pairs} pairs of codes of the prior, {study.budget.steps} pictures on each path, fixed "
        f"noise; features of {extractor.title}.",
        findings=beyond_smoke(study, findings),
        notes=[
            f"Features are the pooled ones of {extractor.title}; the paper's are VGG's, of which layer is not said.",
            f"The background are {study.budget.samples:,} samples (paper 4,000); the pair drawn is the one whose ratio "
            "between z and w is the median.",
            "Numbers, great circles and cross-fades are not in the paper, which draws one pair.",
            "t-SNE keeps neighbourhoods, not distances: how long a path looks there says less than the table.",
            *budget_notes(study),
        ],
    )


@torch.inference_mode()
def path_pictures(model: TwoWayModel, z: Tensor, kind: str, steps: int) -> Tensor:
    """Pictures (steps, C, H, W), in [-1, 1], along a path between two prior codes (2, dim); see `PATHS`."""
    if kind in ("z", "circle"):
        w = model.map((lerp if kind == "z" else slerp)(z[0], z[1], steps))
    else:
        w = model.map(z)
        if kind == "pixels":
            first, last = model.decode(w)
            return lerp(first, last, steps)
        w = lerp(w[0], w[1], steps)
    return torch.cat([model.decode(part) for part in w.split(100)])


def _pair(study: Study, model: TwoWayModel, number: int) -> Tensor:
    return model.draw_prior(2, generator=study.generator(f"pair {number}"))


@torch.inference_mode()
def _ratios(study: Study, model: TwoWayModel, features: PooledFeatures) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {kind: [] for kind in PATHS}
    for number in range(study.budget.pairs):
        z = _pair(study, model, number)
        for kind in PATHS:
            along = features.pooled(path_pictures(model, z, kind, study.budget.steps))
            found[kind] += length_over_chord(along[None]).tolist()
    return found


@torch.inference_mode()
def _draw(study: Study, row: str, made: Trained, features: PooledFeatures, number: int) -> None:
    """Pictures along both paths, and the plane with all of them."""
    model, z = made.model, _pair(study, made.model, number)
    along = {PATHS[kind]: path_pictures(model, z, kind, study.budget.steps) for kind in ("z", "w")}
    places = np.linspace(0, study.budget.steps - 1, study.budget.shown).round().astype(int).tolist()
    strips = {name: to_uint8(pictures[places]) for name, pictures in along.items()}
    study.save_figure(f"pictures-{row}", picture_rows(strips, title=f"Between two samples of {row}"))

    def compute() -> dict[str, Tensor]:
        draws = model.draw_prior(study.budget.samples, generator=study.generator("background"))
        seen = [features.pooled(model.decode(model.map(part))) for part in draws.split(100)]
        seen += [features.pooled(to_float(to_uint8(pictures))) for pictures in along.values()]
        return {"places": torch.from_numpy(_plane(torch.cat(seen).double().cpu().numpy(), study.seed))}

    plane: Any = study.keep_tensors(f"plane, {row}", compute, of=made)["places"].tolist()
    samples, paths = plane[: study.budget.samples], plane[study.budget.samples :]
    steps = study.budget.steps
    figure = scatter_plot(
        {"samples": samples},
        paths={f"path {name}": paths[i * steps : (i + 1) * steps] for i, name in enumerate(along)},
        numbers=False,
        title=f"{row}: t-SNE of features",
    )
    study.save_figure(f"plane-{row}", figure)


def _plane(vectors: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """Features (N, dim) on a plane, (N, 2): 50 principal components, then t-SNE."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    parts = min(50, *vectors.shape)
    vectors = PCA(parts, random_state=seed).fit_transform(vectors)
    made = TSNE(2, perplexity=min(30.0, len(vectors) / 4), init="pca", random_state=seed)
    return np.asarray(made.fit_transform(vectors), np.float64)
