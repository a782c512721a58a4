"""What verbs take codes of: a picture, whatever holds pictures, or seeds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from twoway.cli.options import read_seeds, tell_skipped
from twoway.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor

    from twoway.data import ImageData
    from twoway.pipeline import Pipeline

__all__ = ["CELLS", "Given", "read_given", "read_several", "spare_given"]

CELLS = 2_500
"""Pictures that a grid may be made of."""


@dataclass(frozen=True)
class Given:
    """Pictures that a user named, with their codes.

    Args:
        w: Codes (N, layers, dim).
        pictures: uint8, shape (N, C, H, W): the originals, or what is made of seeds.
        names: What they are called.
        z: Prior codes (N, prior dim) of seeds that are not truncated; of others the model has to unmap w.
        sources: Data sets that were read, with the numbers of the pictures.
        labels: Their classes, for a conditional model.
    """

    w: Tensor
    pictures: Tensor
    names: list[str]
    z: Tensor | None = None
    sources: list[tuple[ImageData, list[int]]] = field(default_factory=list)
    labels: np.ndarray | None = None


def read_given(
    pipe: Pipeline, given: str, what: str, *, trunc: float = 1.0, limit: int | None = None, encode: bool = True
) -> Given:
    """Codes of seeds such as ``0,4-6``, or of the first pictures of a file, folder, ZIP or built-in set.

    Args:
        pipe: Encodes.
        given: What the user wrote.
        what: Where, for messages.
        trunc: Truncation of seeds.
        limit: Pictures of a folder, at most.
        encode: False for pictures alone, of models that infer no whole codes; w is then empty.

    Raises:
        ConfigError: Too many seeds.
        DataError: Nothing there, or nothing that can be read.
        ModelError: No encoder for pictures, or no prior for seeds.
    """
    import torch

    from twoway.conditioning import told_labels
    from twoway.data import to_float, to_uint8
    from twoway.data.base import listing
    from twoway.latents.codes import readable_rows
    from twoway.pipeline import BATCH
    from twoway.training.config import DataConfig
    from twoway.training.entry import data_for_model

    model = pipe.model
    if re.fullmatch(r"[\d,\s-]+", given):
        seeds = read_seeds(given, what)
        if len(seeds) > CELLS:
            raise ConfigError(f"{what} {given!r} asks for more than {CELLS:,} pictures; give fewer seeds.")
        z = [model.draw_prior(1, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        w = pipe.codes_of(seeds, truncation=trunc)
        made = to_uint8(pipe.decode(w, output_type="pt")).cpu()
        classes = model.recipe.labels
        labels = w[:, 0, -classes:].argmax(1).cpu().numpy() if classes else None
        return Given(w, made, [f"seed{n:06d}" for n in seeds], torch.cat(z) if trunc == 1.0 else None, labels=labels)
    data = data_for_model(model, DataConfig.make(given)).open("all", minimum=1)
    count = len(data) if limit is None else min(limit, len(data))
    pictures = data.read(range(count))
    rows = readable_rows(data, count)
    if not rows:
        raise DataError(f"{what} {given!r} has no picture that can be read: {listing(data.skipped)}.")
    tell_skipped(data.skipped)
    pictures = pictures[rows]
    labels = told_labels(data.labels, model.recipe.labels, 0, count)
    labels = None if labels is None else labels[rows]
    codes = [torch.empty(0, *model.w_shape)]
    for start in range(0, len(rows) if encode else 0, BATCH):
        x = to_float(pictures[start : start + BATCH]).to(model.device)
        codes.append(model.encode(x, None if labels is None else labels[start : start + BATCH]).cpu())
    names = [str(Path(data.name_of(i)).with_suffix("")) for i in rows]
    return Given(torch.cat(codes).to(model.device), pictures, names, None, [(data, rows)], labels)


def read_several(
    pipe: Pipeline, given: Sequence[str], what: str, *, trunc: float = 1.0, limit: int | None = None
) -> Given:
    """The same of several entries, one after the other; `limit` holds for each."""
    import torch

    parts = [read_given(pipe, one, what, trunc=trunc, limit=limit) for one in given]
    if len(parts) == 1:
        return parts[0]
    z = [pipe.model.unmap(part.w) if part.z is None else part.z for part in parts] if _mixed_z(pipe, parts) else []
    return Given(
        torch.cat([part.w for part in parts]),
        torch.cat([part.pictures for part in parts]),
        [name for part in parts for name in part.names],
        torch.cat(z) if z else None,
        [source for part in parts for source in part.sources],
    )


def _mixed_z(pipe: Pipeline, parts: Sequence[Given]) -> bool:
    """Whether all entries have prior codes, known or unmapped."""
    return any(part.z is not None for part in parts) and all(
        part.z is not None or pipe.model.invertible for part in parts
    )


def spare_given(given: Given, targets: Sequence[Path | None]) -> None:
    """Refuse to replace pictures that were read.

    Raises:
        CheckpointError: One of the files to be written is one of them.
    """
    from twoway.saving import spare_originals

    for data, rows in given.sources:
        spare_originals(data, rows, targets)
