"""How straight paths between codes are in feature space: the length of the path of features over its chord.

1 is a straight line. Paths that leave what a model makes well, or pass by other kinds of pictures, are longer than
their chord; so are paths of pictures that flicker. More points on a path make it no shorter.

References:
    Zhu et al., LIA: Latently Invertible Autoencoder with Adversarial Learning, arXiv 1906.08090, Fig. 1: one path in
    z and one in w with 100 points each; the ratio puts a number to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from twoway.errors import ConfigError, DataError, ModelError
from twoway.metrics.bootstrap import LEVEL, mean_interval
from twoway.metrics.inputs import Pictures, encoder_batches
from twoway.metrics.latent_paths import (
    DrawnNoise,
    Ends,
    NoiseKind,
    Space,
    draw_ends,
    how_many,
    noise_for,
    noise_said,
    point_between,
    row_stream,
)
from twoway.metrics.modes import measuring
from twoway.metrics.registry import PooledFeatures, metric
from twoway.model import TwoWayModel

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["Straightness", "evaluate_straightness", "length_over_chord"]


@dataclass(frozen=True)
class Straightness:
    """Lengths of paths over their chords.

    Args:
        value: Mean over the paths; 1 is straight.
        interval: Where it lies for such paths, by bootstrap.
        level: Chance of the interval.
        median: Of the same.
        largest: Of the same.
        space: Where the paths are: ``z`` or ``w``.
        ends: Whether ends were drawn from the ``prior`` or are codes of ``pictures``.
        n_paths: How many.
        without_chord: Paths left out, whose ends have the same features.
        steps: Points on each path, both ends included.
        noise: In the layers of the generator; the same all along a path.
        features: What looks at the pictures.
        seed: Of the ends.
    """

    value: float
    interval: tuple[float, float]
    level: float
    median: float
    largest: float
    space: Space
    ends: Literal["prior", "pictures"]
    n_paths: int
    without_chord: int
    steps: int
    noise: str
    features: dict[str, Any]
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "interval": list(self.interval)}


def length_over_chord(features: Tensor) -> Tensor:
    """Length of each path over the distance of its ends.

    Args:
        features: Of the points of each path in order, (paths, points, dim), at least 2 points.

    Returns:
        Shape (paths,), float64, at least 1; NaN where both ends are alike.

    Example:
        >>> corner = torch.tensor([[[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]])
        >>> length_over_chord(corner).tolist()
        [1.4]
    """
    points = features.double()
    length = points.diff(dim=1).norm(dim=2).sum(1)
    chord = (points[:, -1] - points[:, 0]).norm(dim=1)
    return torch.where(chord > 0, length / chord, torch.nan)


def evaluate_straightness(
    model: TwoWayModel,
    features: PooledFeatures,
    data: Pictures | None = None,
    *,
    space: Space = "w",
    n_paths: int = 100,
    steps: int = 50,
    noise: NoiseKind = "random",
    seed: int = 0,
    batch: int = 64,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Straightness:
    """Measure paths between codes; those in z and in w join the same pairs.

    Args:
        model: Measured in evaluation mode, without truncation.
        features: What looks at the pictures.
        data: Pictures whose codes are the ends, through the inverse mapping for ``z``; drawn from the prior where None.
        space: ``z``: great circles, lengths of codes interpolated; ``w``: straight lines.
        n_paths: How many.
        steps: Points on each, both ends included.
        noise: In the layers of a style generator.
        seed: Of the ends.
        batch: Paths at a time.
        tell: Told how many paths are done, of how many.

    Raises:
        ConfigError: A setting that cannot work.
        DataError: Fewer than two pictures.
        ModelError: No prior, no mapping for ``w`` or none that can be inverted, or pictures that are all alike or
            not finite.
    """
    if n_paths < 1 or steps < 3 or batch < 1:
        raise ConfigError(
            f"Straightness of {n_paths} paths of {steps} points, {batch} at a time; expected at least 1 path, 3 points "
            "and batches of at least 1."
        )
    found = []
    with measuring(model):
        pairs = None if data is None else _pairs(len(data), n_paths, seed)
        n_paths = n_paths if pairs is None else len(pairs)
        for start in range(0, n_paths, batch):
            rows = range(start, min(start + batch, n_paths))
            if data is None or pairs is None:
                ends = draw_ends(model, rows, space=space, seed=seed)
            else:
                ends = _encoded_ends(model, data, pairs[start : start + batch], rows, space, seed)
            along = _features_along(model, features, ends, space, steps, noise)
            wrong = int((~along.isfinite().flatten(1).all(1)).sum())
            if wrong:  # or they would pass for paths without a chord
                raise ModelError(
                    f"{wrong} of {len(along)} paths in {space} pass by pictures whose features are not finite: the "
                    "model has diverged. Use an earlier checkpoint."
                )
            found.append(length_over_chord(along))
            tell(rows.stop, n_paths)
    ratios = torch.cat(found).numpy()
    told = ratios[np.isfinite(ratios)]
    if not len(told):
        raise ModelError(
            "No path has ends of different features: the model makes one picture from all codes. Use a later or an "
            "earlier checkpoint."
        )
    return Straightness(
        value=float(told.mean()),
        interval=mean_interval(torch.from_numpy(told), seed=seed),
        level=LEVEL,
        median=float(np.median(told)),
        largest=float(told.max()),
        space=space,
        ends="prior" if data is None else "pictures",
        n_paths=n_paths,
        without_chord=n_paths - len(told),
        steps=steps,
        noise=noise_said(model, noise),
        features=features.describe(),
        seed=seed,
    )


def _features_along(
    model: TwoWayModel, features: PooledFeatures, ends: Ends, space: Space, steps: int, noise: NoiseKind
) -> Tensor:
    """Features (paths, steps, dim), float64, on the CPU."""
    maps = noise_for(model, noise, ends.streams)
    parts: list[Tensor] = []
    for t in torch.linspace(0, 1, steps, dtype=torch.float64).tolist():
        if isinstance(maps, DrawnNoise) and parts:
            maps.rewind()
        point = point_between(model, ends, torch.full((len(ends.a),), t, device=model.device).double(), space=space)
        images = model.decode(point if space == "w" else model.map(point), noise=maps)
        parts.append(features.pooled(images).double().cpu())
    return torch.stack(parts, dim=1)


def _pairs(total: int, n_paths: int, seed: int) -> np.ndarray[Any, Any]:
    if total < 2:
        raise DataError("Paths between pictures need at least two of them.")
    order = np.random.default_rng(seed).permutation(total)
    n = min(n_paths, total // 2)
    return order[: 2 * n].reshape(n, 2)


def _encoded_ends(
    model: TwoWayModel, data: Pictures, pairs: np.ndarray[Any, Any], rows: range, space: Space, seed: int
) -> Ends:
    batches = encoder_batches(model, data, batch=2 * len(pairs), rows=pairs.reshape(-1))
    w = torch.cat([model.encode(x, labels) for x, labels in batches])
    codes = w if space == "w" else model.unmap(w)
    a, b = codes[::2], codes[1::2]
    if model.recipe.labels:
        b = torch.cat([b[..., : -model.recipe.labels], a[..., -model.recipe.labels :]], dim=-1)
    return Ends(a.double(), b.double(), tuple(row_stream(seed, row) for row in rows))


def _register(space: Space) -> None:
    @metric(
        f"straightness-{space}",
        f"length over chord of paths in {space}, seen in features",
        headline="value",
        lower_is_better=True,
        features=True,
        prior=True,
        mapping=space == "w",
    )
    def _measure(session: Session, extractor: PooledFeatures) -> dict[str, Any]:
        return evaluate_straightness(
            session.model,
            extractor,
            space=space,
            n_paths=how_many(session, 100),
            noise=session.sampling.noise,
            seed=session.seed,
            batch=session.batch,
            tell=lambda done, total: session.progress(f"paths in {space}", done, total),
        ).plain()


_register("z")
_register("w")
