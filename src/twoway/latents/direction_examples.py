"""What directions are found from: codes of pictures or samples, and what tables, data sets or classifiers say of them.

References:
    Pidhorskyi et al., ALAE, arXiv 2004.04467, official code (samples scored by a classifier, without truncation and
    with noise). Shen et al., InterFaceGAN, arXiv 1907.10786, section 4.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from twoway.conditioning import told_labels
from twoway.data import ImageData, to_float
from twoway.errors import ConfigError, ModelError, closest
from twoway.latents.codes import Codes, readable_rows
from twoway.latents.score_tables import ScoreTable
from twoway.model import TwoWayModel
from twoway.telling import Telling, silent

__all__ = [
    "CLASS",
    "Examples",
    "Scorer",
    "code_examples",
    "encode_means",
    "known_names",
    "known_of",
    "log_odds",
    "picture_examples",
    "score_samples",
]

CLASS = "class-"
"""Where pictures have classes, ``class-3`` is what those of class 3 have and no others."""
Array = np.ndarray[Any, Any]
_BLOCK = 64  # chance is drawn for so many codes at a time, so that the batch changes nothing


@dataclass(frozen=True)
class Examples:
    """Codes, and what is known of each by name.

    Args:
        w: Codes (N, layers, dim), or their means over the layers that count, (N, 1, dim).
        known: Name to numbers (N,): 1 and 0, or scores; NaN where nobody knows.
        about: Plain data: where they come from.
    """

    w: Tensor
    known: Mapping[str, Array]
    about: Mapping[str, Any]


class Scorer(Protocol):
    """A classifier whose outputs have names, as `twoway.features.classifier.ClassifierFeatures`."""

    outputs: tuple[str, ...]
    exclusive: bool

    @property
    def title(self) -> str:
        """What its numbers are named with."""

    def logits(self, x: Tensor) -> Tensor:
        """Unnormalised log chances (B, outputs) of images in [-1, 1], or log odds where outputs are attributes."""


def known_names(data: ImageData) -> tuple[str, ...]:
    """What may be learnt of pictures: attributes, known factors of two values, and ``class-0`` and so on."""
    two = tuple(name for name, size in zip(data.factor_names, data.factor_sizes, strict=True) if size == 2)
    classes = () if data.labels is None else tuple(f"{CLASS}{int(label)}" for label in np.unique(data.labels))
    return (*data.attribute_names, *two, *classes)


def known_of(data: ImageData, name: str) -> Array:
    """What is known of every picture under a name, float64 (N,); see `known_names`.

    Raises:
        ConfigError: Nothing of that name is known; names the closest.
    """
    if name in (*data.attribute_names, *data.factor_names):
        return data.column(name).astype(np.float64)
    known = known_names(data)
    if name in known and data.labels is not None:
        return (np.asarray(data.labels) == int(name.removeprefix(CLASS))).astype(np.float64)
    if known:
        raise ConfigError(f"Nothing called '{name}' is known of the pictures of {data.source}{closest(name, known)}.")
    raise ConfigError(
        f"Nothing is known of the pictures of {data.source} by name. Put a table attributes.csv beside them (first "
        "column: the file; then a column of 0 and 1 for each attribute, with a heading), or name one with --attributes."
    )


def picture_examples(
    model: TwoWayModel,
    data: ImageData,
    names: Sequence[str],
    *,
    table: ScoreTable | None = None,
    layers: Sequence[int] | None = None,
    limit: int | None = None,
    batch: int = 128,
    progress: Telling = silent,
) -> Examples:
    """Encode pictures of which something is known.

    Args:
        model: Encodes.
        data: Pictures of the model's shape.
        names: What is to be learnt of them.
        table: What is known of them; None takes what the data set knows, see `known_names`.
        layers: Rows of codes that count; None is all.
        limit: At most so many pictures, a choice by chance that is always the same.
        batch: Pictures at a time.
        progress: Told how many pictures are encoded.

    Raises:
        ConfigError: A name of which nothing is known.
        DataError: A table of other pictures.
        ModelError: The model has no encoder, or one that does not infer whole codes.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"The limit on the number of pictures is {limit}, but must be at least 1.")
    rows = np.arange(len(data))
    if limit is not None and limit < len(data):
        rows = np.sort(np.random.default_rng(0).permutation(len(data))[:limit])
    files = () if table is None else tuple(data.name_of(int(row)) for row in rows)
    known = {name: known_of(data, name)[rows] if table is None else table.column(name, files) for name in names}
    w, kept = encode_means(model, data, rows, layers=layers, batch=batch, progress=progress)
    still = np.isin(rows, kept)
    about = {"data": data.name, "split": data.split, "known_from": "the data set" if table is None else table.where}
    return Examples(w, {name: values[still] for name, values in known.items()}, about)


def code_examples(codes: Codes, names: Sequence[str], *, table: ScoreTable | None = None) -> Examples:
    """Codes from a file, as `twoway.latents.codes.load_codes` reads it, and what is known of their pictures.

    Args:
        codes: With whole codes.
        names: What is to be learnt of them.
        table: What is known of them; None takes their classes, ``class-3``.

    Raises:
        ConfigError: A name of which nothing is known.
        DataError: A table of other pictures.
        ModelError: The file has no whole codes.
    """
    if codes.w is None:
        raise ModelError(
            "The file of codes has no whole codes w, because the encoder of its model does not infer the noise. Find "
            "directions from samples of the model instead (twoway directions scores)."
        )
    if table is not None:
        known = {name: table.column(name, codes.names) for name in names}
    else:
        there = () if codes.labels is None else tuple(f"{CLASS}{int(label)}" for label in np.unique(codes.labels))
        for name in names:
            if name not in there:
                hint = closest(name, there) if there else ", but names and codes only."
                raise ConfigError(
                    f"The file of codes says nothing of '{name}'{hint} Give a table with --attributes or --scores."
                )
        known = {name: (np.asarray(codes.labels) == int(name.removeprefix(CLASS))).astype(float) for name in names}
    about = {"data": "a file of codes", "known_from": "classes of the codes" if table is None else table.where}
    return Examples(torch.from_numpy(codes.w), known, about)


@torch.inference_mode()
def encode_means(
    model: TwoWayModel,
    data: ImageData,
    rows: Array,
    *,
    layers: Sequence[int] | None = None,
    batch: int = 128,
    progress: Telling = silent,
) -> tuple[Tensor, Array]:
    """Codes of pictures in the mean over layers, which is all that a direction for all layers is found from.

    Args:
        model: Encodes.
        data: Pictures of the model's shape, labelled where the model is told classes.
        rows: Numbers of the pictures wanted.
        layers: Rows of codes that count; None is all.
        batch: Pictures at a time.
        progress: Told how many pictures are encoded.

    Returns:
        Codes (N, 1, dim) on the CPU, and the numbers of the N pictures, without those that could not be read.

    Raises:
        ModelError: The model has no encoder, or one that does not infer whole codes.
    """
    parts = []
    for start in range(0, len(rows), batch):
        progress("encoding", start, len(rows))
        part = rows[start : start + batch]
        x = to_float(data.read(part)).to(model.device)
        told = None if data.labels is None else np.asarray(data.labels)[part]
        w = model.encode(x, told_labels(told, model.recipe.labels, 0, len(part)))
        parts.append((w if layers is None else w[:, list(layers)]).mean(1, keepdim=True).cpu())
    progress("encoding", len(rows), len(rows))
    readable = set(readable_rows(data, len(data)))
    kept = np.array([row in readable for row in rows.tolist()], bool)
    return torch.cat(parts)[torch.from_numpy(kept)], rows[kept]


@torch.inference_mode()
def score_samples(
    model: TwoWayModel,
    scorer: Scorer,
    count: int = 10_000,
    *,
    noise: Literal["fixed", "off", "random"] = "random",
    seed: int = 0,
    batch: int = 128,
    progress: Telling = silent,
) -> tuple[Codes, ScoreTable]:
    """Make pictures from the prior, not truncated, and let a classifier score them, as ALAE and InterFaceGAN do.

    Args:
        model: Makes the pictures.
        scorer: Says what is in them.
        count: How many; ALAE takes 60,000, InterFaceGAN's authors advise 500,000.
        noise: In the layers of a style generator.
        seed: Of codes and noise.
        batch: Pictures at a time; it changes nothing.
        progress: Told how many are scored.

    Returns:
        Codes (count, 1 or layers, dim) called ``sample-000000`` and so on, and their log odds.

    Raises:
        ModelError: The method has no prior, or the classifier's outputs have no names.
        ConfigError: A count below 1.
    """
    if count < 1:
        raise ConfigError(f"{count} samples are to be scored; expected at least 1.")
    if not getattr(scorer, "outputs", ()):
        raise ModelError(
            f"'{getattr(scorer, 'title', scorer)}' is no classifier with named classes or attributes. Train one: "
            "twoway metrics train-extractor --data DIR --attributes all -o FILE."
        )
    batch = max(_BLOCK, batch // _BLOCK * _BLOCK)
    codes, odds = [], []
    for start in range(0, count, batch):
        progress("scoring samples", start, count)
        ws, xs = [], []
        for first in range(start, min(start + batch, count), _BLOCK):
            chance = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, first]).generate_state(1)[0]))
            w = model.map(model.draw_prior(_BLOCK, generator=chance))
            xs.append(model.decode(w, noise=noise, generator=chance)[: count - first])
            ws.append(w[: count - first])
        w = torch.cat(ws)
        alike = bool((w == w[:, :1]).all())
        codes.append((w[:, :1] if alike else w).cpu())
        odds.append(log_odds(scorer, torch.cat(xs)).cpu())
    progress("scoring samples", count, count)
    names = tuple(f"sample-{i:06d}" for i in range(count))
    table = ScoreTable(names, tuple(scorer.outputs), torch.cat(odds).numpy(), f"scores of {scorer.title}")
    return Codes(torch.cat(codes).numpy(), names, None, model.fingerprint()), table


def log_odds(scorer: Scorer, x: Tensor) -> Tensor:
    """Log odds (B, outputs), float64, of images in [-1, 1]: log p - log(1 - p) of each class or attribute."""
    logits = scorer.logits(x).double()
    if not scorer.exclusive:
        return logits
    others = logits.unsqueeze(1).expand(-1, logits.shape[1], -1)
    mine = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    return logits - others.masked_fill(mine, -torch.inf).logsumexp(2)
