"""Latent codes of many pictures in one file that says whose they are."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from twoway.conditioning import told_labels
from twoway.data import ImageData, to_float
from twoway.data.base import listing
from twoway.errors import CheckpointError, DataError, ModelError
from twoway.latents.in_domain import can_score, score_prior_codes
from twoway.model import TwoWayModel
from twoway.telling import Telling, silent

__all__ = ["Codes", "check_codes_path", "encode_data", "load_codes", "readable_rows", "save_codes"]


OPTIONAL = ("w", "labels", "z", "in_domain", "chances", "continuous", "errors", "features")
"""Arrays that a file of codes may hold besides names and fingerprint."""
TEXTS = ("names", "fingerprint", "source", "split")
ENDINGS = (".npz", ".parquet")


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
        errors: Mean squared error of each reconstruction, float32, shape (N,), pixels in [-1, 1], where asked for.
        features: Last hidden layer of the encoder, float32, shape (N, width), where it was asked for.
        source: Where the pictures were: a path or a built-in name; empty where nobody said.
        split: Part of the data set.
    """

    w: np.ndarray | None
    names: tuple[str, ...]
    labels: np.ndarray | None
    fingerprint: str
    z: np.ndarray | None = None
    in_domain: np.ndarray | None = None
    chances: np.ndarray | None = None
    continuous: np.ndarray | None = None
    errors: np.ndarray | None = None
    features: np.ndarray | None = None
    source: str = ""
    split: str = "all"


def encode_data(
    model: TwoWayModel,
    data: ImageData,
    *,
    limit: int | None = None,
    batch: int = 256,
    errors: bool = False,
    features: bool = False,
    progress: Telling = silent,
) -> Codes:
    """Encode pictures in order; those that cannot be read are left out.

    Args:
        model: Encodes.
        data: Pictures of the model's shape.
        limit: Only the first so many.
        batch: Pictures at a time; does not change the result beyond rounding.
        errors: Decode them again too and keep the errors, where the model has whole codes.
        features: Keep the encoder's last hidden layer too.
        progress: Told how many pictures are encoded.

    Raises:
        DataError: None of the pictures can be read.
        ModelError: There is no encoder, or one without hidden features where they are asked for.
    """
    count = len(data) if limit is None else min(limit, len(data))
    whole, reads = model.infers_noise, model.recipe.encodes == "code"
    parts: dict[str, list[Tensor]] = {"w": [], "read": [], "errors": [], "features": []}
    with torch.inference_mode():
        for start in range(0, count, batch):
            progress("encoding", start, count)
            x = to_float(data.read(range(start, min(start + batch, count)))).to(model.device)
            classes = told_labels(data.labels, model.recipe.labels, start, start + len(x))
            if whole or not reads:  # what has no encoder at all says so here
                parts["w"].append(w := model.encode(x, classes))
                if errors:
                    parts["errors"].append((model.decode(w) - x).square().flatten(1).mean(1))
            if reads:
                parts["read"].append(model.represent(x))
            if features:
                parts["features"].append(model.encode_features(x, classes)[1])
        progress("encoding", count, count)
    rows = readable_rows(data, count)
    if not rows:
        raise DataError(f"None of the {count} pictures of {data.source} can be read: {listing(data.skipped)}.")
    found = {name: torch.cat([one.cpu() for one in some]).numpy()[rows] for name, some in parts.items() if some}
    if "read" in found and model.recipe.prior is not None:
        discrete = model.recipe.prior.layout().discrete
        found["chances"], found["continuous"] = np.split(found["read"], [discrete], axis=1)
    found.pop("read", None)
    if "w" in found and model.invertible:
        found["z"] = _prior_codes(model, found["w"], batch)
        if can_score(model):
            found["in_domain"] = score_prior_codes(found["z"]).log10_tail
    return Codes(
        found.pop("w", None),
        tuple(data.name_of(i) for i in rows),
        None if data.labels is None else np.asarray(data.labels)[rows],
        model.fingerprint(),
        source=str(data.source),
        split=data.split,
        **found,
    )


@torch.inference_mode()
def _prior_codes(model: TwoWayModel, w: np.ndarray, batch: int) -> np.ndarray:
    parts = torch.from_numpy(w).split(batch)
    return torch.cat([model.unmap(part.to(model.device)).cpu() for part in parts]).numpy()


def readable_rows(data: ImageData, count: int) -> list[int]:
    """Those of the first pictures that are themselves: after reading, others are known to stand in for broken ones."""
    return [i for i in range(count) if data.name_of(i) not in data.skipped]


def save_codes(path: Path, codes: Codes) -> None:
    """Write codes to an ``.npz`` without pickled objects, or a ``.parquet``, under a temporary name first.

    Raises:
        CheckpointError: Another ending, or a file that cannot be written.
        ConfigError: A ``.parquet`` without pyarrow.
    """
    check_codes_path(path)
    ending = path.suffix.lower()
    temporary = path.with_name(f".writing-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if ending == ".parquet":
            from twoway.latents.parquet import write_parquet

            write_parquet(temporary, codes)
        else:
            arrays = {name: np.array(getattr(codes, name)) for name in TEXTS[: 4 if codes.source else 2]}
            optional = {name: getattr(codes, name) for name in OPTIONAL}
            arrays.update({name: array for name, array in optional.items() if array is not None})
            with temporary.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise CheckpointError(
            f"The codes cannot be written to {path}: {error}. Choose another place with --out."
        ) from error


def check_codes_path(path: Path) -> None:
    """Refuse a file that codes cannot be written to, before they are made.

    Raises:
        CheckpointError: Another ending.
        ConfigError: A ``.parquet`` without pyarrow.
    """
    if path.suffix.lower() not in ENDINGS:
        raise CheckpointError(f"Codes are written as {' or '.join(ENDINGS)}, not as '{path.suffix}' ({path}).")
    if path.suffix.lower() == ".parquet":
        from twoway.latents.parquet import needs_pyarrow

        needs_pyarrow(path)


def load_codes(path: Path, model: TwoWayModel | None = None) -> Codes:
    """Read codes back, whichever of the endings the file has.

    Args:
        path: File that `save_codes` wrote.
        model: The model that is to decode them, or was tuned from what made them; None does not check.

    Raises:
        ModelError: Not such a file, or codes of another model.
        ConfigError: A ``.parquet`` without pyarrow.
    """
    try:
        if path.suffix.lower() == ".parquet":
            from twoway.latents.parquet import needs_pyarrow, read_parquet

            needs_pyarrow(path)
            codes = Codes(**read_parquet(path))
        else:
            with np.load(path, allow_pickle=False) as stored:
                codes = Codes(
                    names=tuple(stored["names"].tolist()),
                    fingerprint=str(stored["fingerprint"]),
                    source=str(stored.get("source", "")),
                    split=str(stored.get("split", "all")),
                    **{name: stored.get(name) for name in OPTIONAL},
                )
        _check_lengths(codes)
    except (
        OSError, EOFError, ValueError, KeyError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error
    ) as error:  # fmt: skip
        raise ModelError(f"{path} is not a file of codes as `twoway encode` writes them: {error}") from error
    if model is not None and not model.accepts(codes.fingerprint):
        raise ModelError(
            f"The codes in {path} were made by the model {codes.fingerprint}, but this model is {model.fingerprint()}; "
            "codes mean nothing to another model. Encode the pictures again with this one."
        )
    return codes


def _check_lengths(codes: Codes) -> None:
    for name in OPTIONAL:
        array = getattr(codes, name)
        if array is not None and (array.ndim == 0 or len(array) != len(codes.names)):
            raise ValueError(f"{name} of shape {array.shape} for {len(codes.names)} names")
