"""Metrics by name: each file registers what the command line, reports and comparisons compute on a model.

A metric that looks at features may be asked for with an extractor in brackets, as ``fid[squeezenet]``; its results are
named in full, ``fid[squeezenet@069e14]``, so that numbers of two extractors never share a name. A metric that compares
pictures by a distance takes the published ones in brackets as well, as ``ppl-w[vgg]``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from torch import Tensor

from twoway.errors import ConfigError, closest
from twoway.features import FeatureSpec
from twoway.model import TwoWayModel

if TYPE_CHECKING:
    from twoway.metrics.lpips import ImageDistance
    from twoway.metrics.session import Session

__all__ = [
    "METRICS",
    "PER_PICTURE",
    "Made",
    "Metric",
    "PooledFeatures",
    "find_metric",
    "full_name",
    "metric",
    "read_metric",
    "split_names",
]

Made = Literal["samples", "reconstructions"]
"""What a model makes: pictures from its prior, or pictures encoded and decoded again."""

PER_PICTURE = "per_picture"
"""Key under which a metric may leave a tensor (N,), the numbers whose mean it is, one per picture in the order of the
pictures. It is no part of the result: comparisons of models take it, results are printed and written without it."""

METRICS: dict[str, Metric] = {}
_ENDINGS: dict[Made, str] = {"samples": "", "reconstructions": "-rec"}


class PooledFeatures(Protocol):
    """What turns pictures into vectors, and says what it is; every `twoway.features.FeatureExtractor` does."""

    @property
    def title(self) -> str:
        """What numbers computed from these features are named with, such as ``squeezenet@069e14``."""

    def pooled(self, x: Tensor) -> Tensor:
        """Features (B, dim) of images (B, C, H, W) in [-1, 1]."""

    def describe(self) -> dict[str, Any]:
        """Plain data: which features, of which weights."""


@dataclass(frozen=True)
class Metric:
    """A registered metric.

    Args:
        name: What users type.
        summary: What it is and its unit, in a few words.
        headline: Where in its result the one number stands that tables and curves show.
        lower_is_better: Which way that number should go.
        compute: Takes the session, and the extractor or the distance that it looks through; returns plain data.
        of: Which pictures of the model it judges as a set; None for measures of other things.
        features: Whether it looks at features.
        labels: Whether it needs labelled pictures.
        encoder: Whether it needs an encoder, or one whose codes the model can make pictures of.
        prior: Whether it needs codes to draw.
        mapping: Whether it needs a net between prior codes and latent codes, or one that can be inverted.
        default: Whether it is computed where no names are given; what takes minutes is not.
        judged: Whether one way is better without end, so that models can be told better by it.
        distances: Trunks of the published LPIPS that brackets may name beside extractors, the customary one first;
            none for metrics that compare no two pictures by a distance of choice.
    """

    name: str
    summary: str
    headline: tuple[str, ...]
    lower_is_better: bool
    compute: Callable[[Session, PooledFeatures | ImageDistance | None], dict[str, Any]]
    of: Made | None = None
    features: bool = False
    labels: bool = False
    encoder: bool | Literal["reconstructs"] = False
    prior: bool = False
    mapping: bool | Literal["invertible"] = False
    default: bool = False
    judged: bool = True
    distances: tuple[str, ...] = ()

    @property
    def better(self) -> str:
        """Which way is better, in a word."""
        return ("lower" if self.lower_is_better else "higher") if self.judged else "neither"

    def applies(self, model: TwoWayModel) -> bool:
        """Whether the model has the nets that it needs, and is not told the labels that the metric is about."""
        if (self.labels and model.recipe.labels) or (self.prior and model.recipe.prior is None):
            return False
        if self.mapping and ("mapping" not in model.nets or (self.mapping == "invertible" and not model.invertible)):
            return False
        return model.reconstructs if self.encoder == "reconstructs" else "encoder" in model.nets or not self.encoder

    def number(self, result: Mapping[str, Any]) -> float:
        """The headline number of a result."""
        value: Any = result
        for key in self.headline:
            value = value[key]
        return float(value)


def metric(
    name: str,
    summary: str,
    *,
    headline: str | Sequence[str],
    lower_is_better: bool,
    of: Sequence[Made] = (),
    features: bool = False,
    labels: bool = False,
    encoder: bool | Literal["reconstructs"] = False,
    prior: bool = False,
    mapping: bool | Literal["invertible"] = False,
    default: bool | Made = False,
    judged: bool = True,
    distances: Sequence[str] = (),
) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., dict[str, Any]]]:
    """Register a function of a session as a metric.

    The function takes the session, then the extractor where it looks at features, or the distance of pictures where
    there are any to choose, then what the model made where it judges sets; it returns plain data, with every setting
    that the number depends on.

    Args:
        name: What users type; ``-rec`` is added for reconstructions.
        summary: What it is and its unit, in a few words; ``{of}`` stands for what it judges.
        headline: Key, or path of keys, of the one number in the result.
        lower_is_better: Which way it should go.
        of: Sets that it judges, each under a name of its own; empty for measures of other things.
        features: Whether it looks at features.
        labels: Whether it needs labelled pictures.
        encoder: Whether it needs an encoder, or one whose codes the model can make pictures of.
        prior: Whether it needs codes to draw.
        mapping: Whether it needs a net between prior codes and latent codes, or one that can be inverted.
        default: Whether it is computed where no names are given, or for which of the sets.
        judged: Whether one way is better without end.
        distances: Trunks of the published LPIPS that may stand in the brackets, the customary one first. With
            `features` the extractor of the evaluation is taken where the brackets are left out.
    """
    keys = (headline,) if isinstance(headline, str) else tuple(headline)

    def register(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        for made in of or (None,):

            def compute(
                session: Session, looks: PooledFeatures | ImageDistance | None = None, made: Made | None = made
            ) -> dict[str, Any]:
                given = ((looks,) if features or distances else ()) + ((made,) if made else ())
                return function(session, *given)

            ending = _ENDINGS[made] if made else ""
            METRICS[name + ending] = Metric(
                name + ending,
                summary.replace("{of}", made or ""),
                keys,
                lower_is_better,
                compute,
                made,
                features,
                labels,
                "reconstructs" if made == "reconstructions" else encoder,
                prior or made == "samples",
                mapping,
                default if isinstance(default, bool) else made == default,
                judged,
                tuple(distances),
            )
        return function

    return register


def split_names(text: str) -> list[str]:
    """Split names at commas that stand outside brackets.

    Example:
        >>> split_names("fid[squeezenet], mse")
        ['fid[squeezenet]', 'mse']
    """
    return [name for part in re.split(r",(?![^\[]*\])", text) if (name := part.strip())]


def read_metric(text: str) -> tuple[Metric, FeatureSpec | None]:
    """The metric that a name stands for, and the extractor in its brackets; None where there are no brackets.

    A trunk of the published LPIPS is given as a spec of that kind, which `twoway.metrics.lpips.image_distance` takes.

    Raises:
        ConfigError: There is no such metric or extractor, or the metric looks at no features.
    """
    name, bracket, inside = text.partition("[")
    if name not in METRICS:
        raise ConfigError(f"There is no metric '{text}'{closest(name, METRICS)}.")
    known = METRICS[name]
    if not bracket:
        return known, None
    if not inside.endswith("]") or not inside[:-1].strip():
        raise ConfigError(
            f"The metric '{text}' should be written with one extractor in brackets, as {name}[squeezenet]."
        )
    if not known.features and not known.distances:
        raise ConfigError(f"The metric '{text}' names an extractor, but '{name}' looks at no features. Leave it out.")
    inside = inside[:-1].strip()
    return known, FeatureSpec(inside) if inside in known.distances else FeatureSpec.parse(inside)


def find_metric(name: str) -> Metric:
    """Look a metric up by name, with or without an extractor in brackets.

    Raises:
        ConfigError: There is none of that name.
    """
    return read_metric(name)[0]


def full_name(found: Metric, looks: PooledFeatures | ImageDistance | None) -> str:
    """What a result is called: the name, and the extractor in brackets where it looked at features."""
    return found.name if looks is None else f"{found.name}[{looks.title}]"
