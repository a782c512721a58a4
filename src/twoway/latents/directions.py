"""Directions in latent space, and files of them that say whose they are.

References:
    Shen et al., Interpreting the Latent Space of GANs for Semantic Face Editing (InterFaceGAN), arXiv 1907.10786,
    sections 3.1 (hyperplanes) and 3.3 (conditional manipulation).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from twoway.errors import ConfigError, ModelError, closest
from twoway.folders import write_whole
from twoway.model import TwoWayModel

__all__ = [
    "Direction",
    "DirectionKind",
    "check_direction",
    "check_directions_path",
    "choose_directions",
    "kept_directions",
    "load_directions",
    "measured_on",
    "save_directions",
]

DirectionKind: TypeAlias = Literal["labels", "scores", "pca", "factorised", "given"]
FORMAT = 1
_KEY = "twoway_directions"


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction along which something in the pictures of one model changes.

    Args:
        name: What grows along it, as ``Smiling``.
        vector: float32, (1, dim), one shift for all layers, or (layers, dim). Of any length: edits go along the unit
            vector, but for ALAE's, which are in units of this one.
        fingerprint: Of the model; no other model can use it.
        kind: How it was found.
        intercept: Position of codes at the origin, see `position`.
        deviation: Standard deviation of positions over the codes that it was found on.
        layers: Rows of a code that it acts on unless told otherwise; None is all of them.
        facts: Plain data, as accuracies, counts, data and seed.

    Raises:
        ConfigError: A name, vector or number that no direction can have.
    """

    name: str
    vector: Tensor
    fingerprint: str
    kind: DirectionKind
    intercept: float = 0.0
    deviation: float = 1.0
    layers: tuple[int, ...] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_name(self.name)
        v = self.vector
        if v.ndim != 2 or v.dtype != torch.float32 or not v.isfinite().all() or not v.any():
            raise ConfigError(
                f"The vector of the direction '{self.name}' is of shape {tuple(v.shape)} and type {v.dtype}; expected "
                "finite float32 numbers, not all zero, of shape (1, dim) or (layers, dim)."
            )
        if self.kind not in get_args(DirectionKind):
            raise ConfigError(
                f"The direction '{self.name}' is of the kind '{self.kind}'{closest(self.kind, get_args(DirectionKind))}"
            )
        if not (math.isfinite(self.deviation) and self.deviation > 0 and math.isfinite(self.intercept)):
            raise ConfigError(
                f"The direction '{self.name}' has the deviation {self.deviation} and the intercept {self.intercept}; "
                "expected finite numbers, the deviation above 0."
            )
        if self.layers is not None and (not self.layers or min(self.layers) < 0):
            raise ConfigError(
                f"The direction '{self.name}' acts on the layers {self.layers}; expected at least one, from 0 on."
            )

    @property
    def normal(self) -> Tensor:
        """The vector at unit length (over all its rows together)."""
        return self.vector / self.vector.norm()

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change with the vector and everything else that edits along it depend on."""
        told = (self.fingerprint, tuple(self.vector.shape), self.intercept, self.deviation, self.layers)
        return hashlib.sha256(repr(told).encode() + self.vector.detach().cpu().numpy().tobytes()).hexdigest()[:16]

    def rows(self, count: int, layers: Sequence[int] | None = None) -> tuple[int, ...]:
        """Rows of codes with `count` rows that it acts on: those asked for, else its own, else all.

        Raises:
            ModelError: The codes have no such rows, or other rows than the vector.
        """
        if len(self.vector) not in (1, count):
            raise ModelError(
                f"The direction '{self.name}' has {len(self.vector)} layers, the codes have {count}. Use codes of the "
                "model that it was found for."
            )
        chosen = layers if layers is not None else self.layers if self.layers is not None else range(count)
        wrong = [row for row in chosen if not 0 <= row < count]
        if wrong:
            raise ModelError(
                f"The direction '{self.name}' was asked to act on layer {wrong[0]}, but the codes have {count} layers, "
                "counted from 0."
            )
        return tuple(sorted(set(chosen)))

    def position(self, w: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        """Signed distance of codes from the hyperplane: <w, n> + intercept, with the unit normal n.

        Args:
            w: Codes (B, layers, dim).
            layers: Rows that count; None takes those that it acts on.

        Returns:
            (B,); the mean over the rows for a vector (1, dim), the sum for one of (layers, dim).
        """
        along = (w * self.normal.to(w)).sum(2)[:, list(self.rows(w.shape[1], layers))]
        return (along.mean(1) if len(self.vector) == 1 else along.sum(1)) + self.intercept


def _check_name(name: str) -> None:
    if not name or name != name.strip() or not name.isprintable() or any(sign in name for sign in "=@,"):
        raise ConfigError(
            f"A direction is to be called {name!r}, but names are read from texts such as Smiling=2@0-3: expected "
            "printable characters without '=', '@' and ',', and no blanks at the ends. Choose another name."
        )


def check_direction(direction: Direction, model: TwoWayModel, fingerprint: str | None = None) -> None:
    """Refuse a direction that was found for another model.

    Args:
        direction: What is to be used.
        model: With which model; one that it was tuned from counts as the same.
        fingerprint: Of the model, where it is known already: it takes a pass over all weights.

    Raises:
        ModelError: It is another model's.
    """
    fingerprint = fingerprint or model.fingerprint()
    if direction.fingerprint not in (fingerprint, *model.tuned_from):
        raise ModelError(
            f"The direction '{direction.name}' was found for the model {direction.fingerprint}, but this model is "
            f"{fingerprint}; directions mean nothing to another model. Find it anew: twoway directions fit."
        )


def choose_directions(known: Mapping[str, Direction], names: Iterable[str]) -> list[Direction]:
    """Directions of those names.

    Raises:
        ConfigError: There is none of a name; names the closest one.
    """
    names = list(names)
    for name in names:
        if name not in known:
            raise ConfigError(f"There is no direction '{name}'{closest(name, known)}")
    return [known[name] for name in names]


def save_directions(path: str | os.PathLike[str], directions: Mapping[str, Direction] | Iterable[Direction]) -> Path:
    """Write directions of one model to one safetensors file, which appears complete or not at all.

    Args:
        path: A file name that ends with ``.safetensors``; replaced where it exists and holds directions.
        directions: At least one, of distinct names.

    Raises:
        ModelError: None, two of a name, of several models, a file of another kind, or one that cannot be written.
    """
    target = check_directions_path(path)
    given = list(directions.values() if isinstance(directions, Mapping) else directions)
    names = [direction.name for direction in given]
    if not given or len(set(names)) < len(names) or len({direction.fingerprint for direction in given}) > 1:
        raise ModelError(
            f"The directions for {target} are called {', '.join(names) or 'nothing'} and belong to "
            f"{len({direction.fingerprint for direction in given})} models; a file holds at least one direction, each "
            "of another name, all of one model."
        )
    kept_directions(target)
    plain = [
        {
            "name": one.name, "kind": one.kind, "intercept": one.intercept, "deviation": one.deviation,
            "layers": None if one.layers is None else list(one.layers), "facts": dict(one.facts),
        }
        for one in given
    ]  # fmt: skip
    header = {"format": FORMAT, "fingerprint": given[0].fingerprint, "directions": plain}
    tensors = {one.name: one.vector.detach().cpu().contiguous().clone() for one in given}
    try:
        write_whole(target, save(tensors, metadata={_KEY: json.dumps(header, ensure_ascii=False, allow_nan=False)}))
    except OSError as error:
        raise ModelError(
            f"The directions cannot be written to '{target}': {error}. Choose a place you may write to."
        ) from error
    return target


def check_directions_path(path: str | os.PathLike[str]) -> Path:
    """A path to write directions to.

    Raises:
        ModelError: Its name does not end with ``.safetensors``, or it is a folder.
    """
    target = Path(path).expanduser()
    if target.suffix != ".safetensors" or target.is_dir():
        raise ModelError(
            f"Directions are to be written to '{target}', but expected the name of a file that ends with .safetensors."
        )
    return target


def kept_directions(path: str | os.PathLike[str], model: TwoWayModel | None = None) -> dict[str, Direction]:
    """Directions of a file that is to be written, which may have some already; none where there is no such file.

    Args:
        path: As for `save_directions`.
        model: The model whose directions are to be written; None does not check.

    Raises:
        ModelError: Another kind of file, as weights, which is not to be replaced, or another model's directions.
    """
    target = check_directions_path(path)
    if not target.exists():
        return {}
    try:
        found = load_directions(target, model)
    except ModelError as error:
        raise ModelError(
            f"'{target}' is there already and is not replaced by directions: {error} Or choose another file."
        ) from error
    if model is not None and model.tuned_from and any(one.fingerprint in model.tuned_from for one in found.values()):
        raise ModelError(
            f"'{target}' holds directions of the model that this one was tuned from. Both can edit with them, but a "
            "file holds directions of one model: write those found for the tuned model to another file, with --out."
        )
    return found


def load_directions(path: str | os.PathLike[str], model: TwoWayModel | None = None) -> dict[str, Direction]:
    """Read directions back.

    Args:
        path: File that `save_directions` wrote.
        model: The model that is to use them; None does not check.

    Returns:
        Directions by name, in the order in which they were saved.

    Raises:
        ModelError: No such file, another kind of file, a damaged one, or directions of another model.
    """
    source = Path(path).expanduser()
    how = "Such files are written by `twoway directions fit`."
    if not source.is_file():
        raise ModelError(f"There is no file '{source}' to read directions from. {how}")
    try:
        with safe_open(source, framework="pt") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise ModelError(f"'{source}' is a safetensors file, but it holds no directions. {how}")
            header = json.loads(metadata[_KEY])
            if not isinstance(header, dict) or header.get("format") != FORMAT:
                raise ModelError(
                    f"'{source}' is of a format that this twoway does not know; it reads format {FORMAT}. Find the "
                    "directions anew, or use the version that wrote the file."
                )
            found = [_read(one, file.get_tensor(one["name"]), header["fingerprint"]) for one in header["directions"]]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError, ConfigError) as error:
        raise ModelError(
            f"'{source}' cannot be read as a file of directions ({error}): it is another kind of file, or "
            f"damaged. {how}"
        ) from error
    if model is not None and found:
        fingerprint = model.fingerprint()
        for one in found[:1]:  # a file is of one model
            if one.fingerprint not in (fingerprint, *model.tuned_from):
                raise ModelError(
                    f"The directions in {source} were found for the model {one.fingerprint}, but this model is "
                    f"{fingerprint}; directions mean nothing to another model. Find them anew: twoway directions fit."
                )
        for one in found:
            one.rows(model.w_shape[0])
            if one.vector.shape[1] != model.w_shape[1]:
                raise ModelError(
                    f"The direction '{one.name}' in {source} is {one.vector.shape[1]} wide, but codes of this model "
                    f"are {model.w_shape[1]} wide: the file was changed after writing. Find the directions anew."
                )
    return {one.name: one for one in found}


def _read(plain: Mapping[str, Any], vector: Tensor, fingerprint: str) -> Direction:
    layers = plain["layers"]
    return Direction(
        str(plain["name"]), vector, str(fingerprint), plain["kind"], float(plain["intercept"]),
        float(plain["deviation"]), None if layers is None else tuple(map(int, layers)), dict(plain["facts"]),
    )  # fmt: skip


def measured_on(direction: Direction, w: Tensor) -> Direction:
    """The direction with the deviation of its positions over codes (N, layers, dim), N at least 2.

    Raises:
        ConfigError: Codes that do not differ along it.
    """
    deviation = float(direction.position(w).double().std(correction=0)) if len(w) > 1 else 0.0
    if not deviation > 0:
        raise ConfigError(
            f"The {len(w)} codes do not differ along the direction '{direction.name}', so there is no deviation to "
            "count steps in. Give codes of different pictures."
        )
    return dataclasses.replace(direction, deviation=deviation)
