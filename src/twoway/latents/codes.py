"""Latent codes of many pictures in one file that says whose they are."""

from __future__ import annotations

import contextlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from twoway.conditioning import told_labels
from twoway.data import ImageData, to_float
from twoway.errors import CheckpointError, ModelError
from twoway.latents.in_domain import can_score, score_prior_codes
from twoway.model import TwoWayModel
from twoway.telling import Telling, silent

__all__ = ["Codes", "encode_data", "load_codes", "readable_rows", "save_codes"]


OPTIONAL = ("w", "labels", "z", "in_domain", "chances", "continuous")
"""What a file of codes may hold besides names and fingerprint."""


@dataclass(frozen=True)
class Codes:
    """Latent codes of pictures.

    Args:
        w: Codes, float32, shape (N, layers, dim); None where the encoder does not infer all of a code.
        names: What each picture is called, length N.
        labels: Classes, int64, shape (N,), where the pictures have any.
        fingerprint: Of the model that made the codes; no other model can decode them.
        z: Prior codes, float32, shape (N, prior dim), where the mapping is invertible.
        chances: Chances of the classes, float32, shape (N, classes), of methods with a discrete code.
        continuous: Means of the continuous codes, float32, shape (N, continuous), likewise.
        in_domain: Decimal logarithm of how likely a prior code of that length is, shape (N,), where the prior is
            normal besides, see `twoway.latents.in_domain`.
    """

    w: np.ndarray | None
    names: tuple[str, ...]
    labels: np.ndarray | None
    fingerprint: str
    z: np.ndarray | None = None
    in_domain: np.ndarray | None = None
    chances: np.ndarray | None = None
    continuous: np.ndarray | None = None


def encode_data(
    model: TwoWayModel, data: ImageData, *, limit: int | None = None, batch: int = 256, progress: Telling = silent
) -> Codes:
    """Encode pictures in order; those that cannot be read are left out.

    Args:
        model: Encodes.
        data: Pictures of the model's shape.
        limit: Only the first so many.
        batch: Pictures at a time; does not change the result beyond rounding.
        progress: Told how many pictures are encoded.
    """
    count = len(data) if limit is None else min(limit, len(data))
    whole, reads = model.infers_noise, model.recipe.encodes == "code"
    codes: list[np.ndarray] = []
    read: list[np.ndarray] = []
    with torch.inference_mode():
        for start in range(0, count, batch):
            progress("encoding", start, count)
            x = to_float(data.read(range(start, min(start + batch, count)))).to(model.device)
            classes = told_labels(data.labels, model.recipe.labels, start, start + len(x))
            if whole or not reads:  # what has no encoder at all says so here
                codes.append(model.encode(x, classes).cpu().numpy())
            if reads:
                read.append(model.represent(x).cpu().numpy())
        progress("encoding", count, count)
    rows = readable_rows(data, count)
    labels = None if data.labels is None else np.asarray(data.labels)[rows]
    names = tuple(data.name_of(i) for i in rows)
    chances = continuous = None
    if reads and model.recipe.prior is not None:
        told = np.concatenate(read)[rows]
        chances, continuous = np.split(told, [model.recipe.prior.layout().discrete], axis=1)
    if not codes:
        return Codes(None, names, labels, model.fingerprint(), chances=chances, continuous=continuous)
    w = np.concatenate(codes)[rows]
    z = _prior_codes(model, w, batch) if model.invertible else None
    scores = score_prior_codes(z).log10_tail if z is not None and can_score(model) else None
    return Codes(w, names, labels, model.fingerprint(), z=z, in_domain=scores, chances=chances, continuous=continuous)


@torch.inference_mode()
def _prior_codes(model: TwoWayModel, w: np.ndarray, batch: int) -> np.ndarray:
    parts = torch.from_numpy(w).split(batch)
    return torch.cat([model.unmap(part.to(model.device)).cpu() for part in parts]).numpy()


def readable_rows(data: ImageData, count: int) -> list[int]:
    """Those of the first pictures that are themselves: after reading, others are known to stand in for broken ones."""
    return [i for i in range(count) if data.name_of(i) not in data.skipped]


def save_codes(path: Path, codes: Codes) -> None:
    """Write codes to an ``.npz`` without pickled objects, under a temporary name first.

    Raises:
        CheckpointError: The file cannot be written.
    """
    arrays = {"names": np.array(codes.names), "fingerprint": np.array(codes.fingerprint)}
    optional = {name: getattr(codes, name) for name in OPTIONAL}
    arrays.update({name: array for name, array in optional.items() if array is not None})
    temporary = path.with_name(f".writing-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise CheckpointError(
            f"The codes cannot be written to {path}: {error}. Choose another place with --out."
        ) from error


def load_codes(path: Path, model: TwoWayModel | None = None) -> Codes:
    """Read codes back.

    Args:
        path: File that `save_codes` wrote.
        model: The model that is to decode them, or was tuned from what made them; None does not check.

    Raises:
        ModelError: Not such a file, or codes of another model.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            codes = Codes(
                names=tuple(stored["names"].tolist()),
                fingerprint=str(stored["fingerprint"]),
                **{name: stored.get(name) for name in OPTIONAL},
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is not a file of codes as `twoway encode` writes them: {error}") from error
    if model is not None and not model.accepts(codes.fingerprint):
        raise ModelError(
            f"The codes in {path} were made by the model {codes.fingerprint}, but this model is {model.fingerprint()}; "
            "codes mean nothing to another model. Encode the pictures again with this one."
        )
    return codes
