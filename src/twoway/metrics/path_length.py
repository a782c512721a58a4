"""Perceptual path length: how fast pictures change along paths between codes, in z and in w.

E[d(g(p(t)), g(p(t + eps))) / eps^2] with a distance d of pictures that grows with the square of small changes. The
distance is part of the figure: with LPIPS on VGG16 it is StyleGAN's, with any other one it compares models measured
with that one and no published figures.

References:
    Karras et al., A Style-Based Generator Architecture, arXiv 1812.04948, section 4.1; the crop, the pooling and the
    discarded percentiles are those of the authors' code.
    Pidhorskyi et al., ALAE, arXiv 2004.04467, Tables 4 and 5 (the crop of CelebA at 128 pixels: their code).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from twoway.errors import ConfigError, ModelError
from twoway.metrics.bootstrap import LEVEL, mean_interval
from twoway.metrics.latent_paths import (
    DrawnNoise,
    NoiseKind,
    Space,
    draw_ends,
    how_many,
    noise_for,
    noise_said,
    normalises_input,
    point_between,
)
from twoway.metrics.modes import measuring
from twoway.metrics.registry import metric
from twoway.model import TwoWayModel

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = [
    "PUBLISHED_PAIRS",
    "Crop",
    "Distance",
    "PathLength",
    "StepPlace",
    "crop_and_pool",
    "evaluate_path_length",
    "interval_within",
    "mean_within",
    "path_length_values",
]

Crop = Literal["none", "faces", "alae-celeba"]
StepPlace = Literal["full", "end"]
"""Where on a path a step is taken: anywhere, or at its first end."""

PUBLISHED_PAIRS = 100_000
"""Pairs behind StyleGAN's figures; ALAE's come from half as many."""

_LARGEST = 256


class Distance(Protocol):
    """A distance of pictures, squared for small changes, that says what it is."""

    title: str

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (B,) of images (B, C, H, W), around [-1, 1]."""

    def describe(self) -> dict[str, Any]:
        """Plain data: which distance, of which weights."""


@dataclass(frozen=True)
class PathLength:
    """A perceptual path length.

    Args:
        value: Mean over the pairs that were kept; lower is smoother.
        interval: Where it lies for such pairs, by bootstrap.
        level: Chance of the interval.
        space: Where the paths are: ``z`` or ``w``.
        sampling: ``full`` anywhere on the paths, ``end`` at their first ends.
        n_pairs: Pairs drawn. The publication takes 100,000.
        kept: Pairs left when the extremes were discarded.
        discarded: Per cent of the pairs beyond which each extreme is discarded.
        epsilon: Length of a step, as a part of the path.
        path: How the paths run.
        input_normalised: Whether the mapping scales z to unit length itself; None without a mapping.
        crop: What part of the pictures was compared.
        compared: Height and width of what was compared.
        noise: In the layers of the generator; ``random`` is new for each pair and the same at both ends of it.
        truncation: Of the codes; always 1, none.
        distance: What compared the pictures.
        seed: Of the pairs.
    """

    value: float
    interval: tuple[float, float]
    level: float
    space: Space
    sampling: StepPlace
    n_pairs: int
    kept: int
    discarded: float
    epsilon: float
    path: str
    input_normalised: bool | None
    crop: Crop
    compared: tuple[int, int]
    noise: str
    truncation: float
    distance: dict[str, Any]
    seed: int

    def plain(self) -> dict[str, Any]:
        """Names and values."""
        return {**asdict(self), "compared": list(self.compared), "interval": list(self.interval)}


def crop_and_pool(x: Tensor, crop: Crop = "none") -> Tensor:
    """The part of pictures that is compared, averaged over blocks to at most 256 pixels.

    With c an eighth of the side, ``faces`` takes rows 3c to 7c and columns 2c to 6c, which in aligned faces leaves the
    background out. ``alae-celeba`` takes a square of the same centre, larger by 2 / 1.641: CelebA at 128 pixels is cut
    wider than the faces that StyleGAN was measured on.

    Args:
        x: Images, (B, C, H, W); square where they are cropped.
        crop: Which part.

    Raises:
        ConfigError: An unknown crop, or pictures that are not square or have less than 8 pixels a side.
    """
    height, width = x.shape[-2:]
    if crop not in ("none", "faces", "alae-celeba"):
        raise ConfigError(f"The crop is '{crop}', but must be 'none', 'faces' or 'alae-celeba'.")
    if crop != "none" and (height != width or height < 8):
        raise ConfigError(
            f"The crop '{crop}' is for square pictures of aligned faces of at least 8 pixels a side, but these are "
            f"{width}x{height}. Use the crop 'none'."
        )
    if crop == "faces":
        c = height // 8
        x = x[..., 3 * c : 7 * c, 2 * c : 6 * c]
    elif crop == "alae-celeba":
        side = int(0.5 * 2 / 1.641 * height)
        top, left = int(0.625 * height) - side // 2, int(0.5 * width) - side // 2
        x = x[..., top : top + side, left : left + side]
    factor = -(-max(x.shape[-2:]) // _LARGEST)
    return functional.avg_pool2d(x, factor) if factor > 1 else x


def mean_within(values: np.ndarray[Any, Any], discarded: float = 1.0) -> tuple[float, int]:
    """Mean without the extremes, and how many values it is of.

    Discarded are values below the first percentile, taken at the next value below it, and above the 99th, at the next
    value above; the percentiles themselves stay.

    Args:
        values: Shape (N,).
        discarded: Per cent on either side; 0 keeps all.

    Example:
        >>> mean_within(np.array([*range(1, 1000), 1e9]))
        (500.5, 982)
    """
    low, high = _bounds(values, discarded)
    kept = values[(values >= low) & (values <= high)]
    return float(kept.mean()), len(kept)


def interval_within(values: np.ndarray[Any, Any], discarded: float = 1.0, *, seed: int = 0) -> tuple[float, float]:
    """Where `mean_within` could have come out for other pairs, with a chance of 95 per cent.

    The extremes that are discarded move the mean as if they lay at the bounds, so the interval is that of the mean of
    all values pulled in to the bounds, moved to the mean of those within and widened by the share of these.

    Args:
        values: Of independent pairs, shape (N,).
        discarded: Per cent on either side.
        seed: Of the bootstrap.

    References:
        Tukey and McLaughlin, Less Vulnerable Confidence and Significance Procedures for Location, Sankhya A 25 (1963).
    """
    mean, _ = mean_within(values, discarded)
    pulled = np.clip(values, *_bounds(values, discarded))
    low, high = mean_interval(torch.from_numpy(pulled), seed=seed)
    centre, share = pulled.mean(), 1 - discarded / 50
    return float(mean + (low - centre) / share), float(mean + (high - centre) / share)


def _bounds(values: np.ndarray[Any, Any], discarded: float) -> tuple[float, float]:
    low = np.percentile(values, discarded, method="lower")
    return float(low), float(np.percentile(values, 100 - discarded, method="higher"))


@torch.inference_mode()
def path_length_values(
    model: TwoWayModel,
    distance: Distance,
    *,
    space: Space,
    sampling: StepPlace,
    n_pairs: int,
    epsilon: float = 1e-4,
    crop: Crop = "none",
    noise: NoiseKind = "random",
    seed: int = 0,
    batch: int = 32,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray[Any, Any]:
    """Distance over eps^2 of each pair; arguments see `evaluate_path_length`.

    Returns:
        Shape (n_pairs,), float64. A pair is the same whatever the batch and the number of pairs, up to rounding.
    """
    found = []
    for start in range(0, n_pairs, batch):
        ends = draw_ends(model, range(start, min(start + batch, n_pairs)), space=space, seed=seed)
        # drawn for both samplings, so that their pairs have the same noise
        t = torch.stack([torch.rand((), generator=stream, dtype=torch.float64) for stream in ends.streams])
        t = (t if sampling == "full" else torch.zeros_like(t)).to(model.device)
        maps = noise_for(model, noise, ends.streams)
        images: list[Tensor] = []
        for place in (t, t + epsilon):
            point = point_between(model, ends, place, space=space)
            if isinstance(maps, DrawnNoise) and images:
                maps.rewind()
            w = point if space == "w" else model.map(point)
            images.append(crop_and_pool(model.decode(w, noise=maps), crop))
        found.append((distance(*images).double() / epsilon**2).cpu().numpy())
        tell(start + len(t), n_pairs)
    return np.concatenate(found)


def evaluate_path_length(
    model: TwoWayModel,
    distance: Distance,
    *,
    space: Space = "w",
    sampling: StepPlace = "full",
    n_pairs: int = 2_000,
    epsilon: float = 1e-4,
    crop: Crop = "none",
    noise: NoiseKind = "random",
    discarded: float = 1.0,
    seed: int = 0,
    batch: int = 32,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> PathLength:
    """Measure steps on paths between codes of the prior, in float32 and never rounded to what a picture file stores.

    Args:
        model: Measured in evaluation mode, without truncation.
        distance: Of pictures; squared for small changes, or the figure depends on `epsilon`.
        space: ``z``: great circles, lengths of codes interpolated, so that mappings that do not normalise their input
            get codes that the prior draws; ``w``: straight lines between mapped codes.
        sampling: ``full``: steps from anywhere on the paths; ``end``: from their first ends, where every picture is
            one that the model samples.
        n_pairs: How many paths; 100,000 in the publication, of which 2,000 are enough for two digits.
        epsilon: Length of a step.
        crop: ``faces`` as published for aligned faces, see `crop_and_pool`.
        noise: In the layers of a style generator.
        discarded: Per cent of the steps left out on either side.
        seed: Of the pairs.
        batch: Pairs at a time.
        tell: Told how many pairs are done, of how many.

    Raises:
        ConfigError: A setting that cannot work.
        ModelError: No prior, for ``w`` no mapping, or distances that are not finite.
    """
    if n_pairs < 1 or batch < 1:
        raise ConfigError(f"A path length of {n_pairs} pairs, {batch} at a time; both must be at least 1.")
    if not epsilon > 0 or not 0 <= discarded < 50:
        raise ConfigError(
            f"A path length with steps of {epsilon} and {discarded} per cent discarded on either side; the step must "
            "be above 0 (1e-4 in the publication) and the share at least 0 and below 50."
        )
    if sampling not in ("full", "end"):
        raise ConfigError(f"The sampling of a path is '{sampling}', but must be 'full' or 'end'.")
    with measuring(model):
        values = path_length_values(
            model,
            distance,
            space=space,
            sampling=sampling,
            n_pairs=n_pairs,
            epsilon=epsilon,
            crop=crop,
            noise=noise,
            seed=seed,
            batch=batch,
            tell=tell,
        )
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise ModelError(
            f"{wrong} of {n_pairs} steps of the path length in {space} have no finite distance: the model makes "
            "pictures that are not finite. Use an earlier checkpoint."
        )
    value, kept = mean_within(values, discarded)
    compared = crop_and_pool(torch.empty(1, *model.image_shape, device="meta"), crop).shape[-2:]
    return PathLength(
        value=value,
        interval=interval_within(values, discarded, seed=seed),
        level=LEVEL,
        space=space,
        sampling=sampling,
        n_pairs=n_pairs,
        kept=kept,
        discarded=discarded,
        epsilon=epsilon,
        path="straight" if space == "w" else "great circle, lengths interpolated",
        input_normalised=normalises_input(model),
        crop=crop,
        compared=(compared[0], compared[1]),
        noise=noise_said(model, noise),
        truncation=1.0,
        distance=distance.describe(),
        seed=seed,
    )


def _register(space: Space, sampling: StepPlace) -> None:
    ending = "" if sampling == "full" else "-end"
    place = "paths" if sampling == "full" else "the ends of paths"

    @metric(
        f"ppl-{space}{ending}",
        f"perceptual length of {place} in {space}",
        headline="value",
        lower_is_better=True,
        features=True,
        prior=True,
        mapping=space == "w",
        distances=("vgg", "alex", "squeeze"),
    )
    def _measure(session: Session, distance: Distance) -> dict[str, Any]:
        found = evaluate_path_length(
            session.model,
            distance,
            space=space,
            sampling=sampling,
            n_pairs=how_many(session, 2_000),
            crop=session.crop,
            noise=session.sampling.noise,
            seed=session.seed,
            batch=session.batch,
            tell=lambda done, total: session.progress(f"steps in {space}", done, total),
        )
        # heads are weights of the distance that the extractor's own name does not know of
        return {"name": f"ppl-{space}{ending}[{distance.title.partition('[')[2]}", **found.plain()}


_register("z", "full")
_register("w", "full")
_register("z", "end")
_register("w", "end")
