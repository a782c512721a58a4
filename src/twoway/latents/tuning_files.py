"""What tuning has changed of a generator, as a small file beside the model that it belongs to.

A file of ``float32`` holds the changed tensors as they are. One of ``float16`` holds differences, each tensor divided
by its largest change so that the small numbers of half precision are not needed: half as large, and what it costs is
measured on the pivots when it is written. Either gives the same weights on every machine, bit for bit, which the
fingerprint of the tuned model in the file proves when it is applied.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from twoway.errors import CheckpointError, ConfigError, ModelError
from twoway.latents.pivotal_tuning import Tuned
from twoway.model import TwoWayModel

__all__ = ["Delta", "Precision", "apply_delta", "read_delta", "save_delta"]

Precision = Literal["float16", "float32"]
FORMAT = 1
KIND = "twoway tuned generator"
PIVOTS = "pivots"
PREFIX = "nets.generator."


@dataclass(frozen=True)
class Delta:
    """A file of changes, read.

    Args:
        base: Fingerprint of the model that was tuned.
        tuned: Fingerprint of the tuned model.
        precision: ``float32`` for changed tensors, ``float16`` for differences.
        tensors: By their names in the model's state.
        scales: What the differences were divided by, by name.
        pivots: Codes that the generator was tuned at, (N, layers, dim).
        names: What their pictures are called.
        facts: Settings, losses before and after, and the mean squared difference of the pivots' pictures that the
            precision costs (``rounding``).
    """

    base: str
    tuned: str
    precision: Precision
    tensors: Mapping[str, Tensor]
    scales: Mapping[str, float]
    pivots: Tensor
    names: tuple[str, ...]
    facts: Mapping[str, Any]

    def applied(self, model: TwoWayModel) -> TwoWayModel:
        """`apply_delta` for a file that has been read."""
        if model.fingerprint() != self.base:
            raise ModelError(
                f"The delta was made for the model {self.base}, but this model is {model.fingerprint()}; differences "
                "of weights mean nothing to another model. Apply it to its own, or tune this one: twoway project "
                "--tune."
            )
        tuned = copy.deepcopy(model)
        state = tuned.state_dict()
        for name, tensor in self.tensors.items():
            if name not in state or state[name].shape != tensor.shape or not name.startswith(PREFIX):
                raise ModelError(
                    f"The delta changes '{name}' {tuple(tensor.shape)}, which the generator of this model does not "
                    "have. Get an unaltered copy of the file."
                )
            state[name].copy_(_changed(state[name], tensor, self.scales.get(name)))
        tuned.tuned_from = (*model.tuned_from, self.base)
        if tuned.fingerprint() != self.tuned:
            raise ModelError(
                f"The delta gives the model {tuned.fingerprint()}, but says it gives {self.tuned}: it was changed or "
                "damaged after it was written. Get an unaltered copy of the file."
            )
        return tuned


def save_delta(
    path: Path,
    tuned: Tuned,
    model: TwoWayModel,
    *,
    precision: Precision = "float16",
    names: tuple[str, ...] = (),
    facts: Mapping[str, Any] | None = None,
) -> Delta:
    """Write what tuning has changed, under a temporary name first.

    Args:
        path: File to write, ``.safetensors``.
        tuned: What `twoway.latents.tune_generator` gave.
        model: The model that was tuned.
        precision: Of what is stored.
        names: What the pivots' pictures are called.
        facts: Settings, as plain data, to be kept.

    Returns:
        The delta as it was written; `Delta.applied` is the model that everyone will have of it.

    Raises:
        CheckpointError: The file cannot be written.
        ConfigError: An unknown precision.
        ModelError: Another model than the one that was tuned.
    """
    if precision not in ("float16", "float32"):
        raise ConfigError(f"The precision is '{precision}', but must be float16 or float32.")
    if model.fingerprint() != tuned.base:
        raise ModelError(f"The model {tuned.base} was tuned, but this one is {model.fingerprint()}. Give that one.")
    before, after = model.state_dict(), tuned.model.state_dict()
    changed = {name: value for name, value in after.items() if not torch.equal(value, before[name])}
    tensors: dict[str, Tensor] = {}
    scales: dict[str, float] = {}
    result = copy.deepcopy(model)
    state = result.state_dict()
    for name, value in changed.items():
        if precision == "float16":
            difference = (value - before[name]).cpu()
            scales[name] = float(difference.abs().max())
            tensors[name] = (difference / scales[name]).half().contiguous()
        else:
            tensors[name] = value.detach().cpu().contiguous().clone()
        state[name].copy_(_changed(before[name], tensors[name], scales.get(name)))
    told = {
        "losses": tuned.losses.mean(1).tolist(),
        "steps": tuned.steps,
        "rounding": _rounding(result, tuned),
        **(facts or {}),
    }
    delta = Delta(tuned.base, result.fingerprint(), precision, tensors, scales, tuned.w.cpu(), names, told)
    _write(path, delta)
    return delta


def read_delta(path: Path) -> Delta:
    """Read a file of changes.

    Raises:
        ModelError: There is no such file, or it is another one, damaged, or of another version.
    """
    if not path.is_file():
        raise ModelError(f"There is no file '{path}'. Expected what twoway project --tune writes: tuned.safetensors.")
    try:
        with safe_open(path, framework="pt") as stored:
            header = (stored.metadata() or {}).get("delta")
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"'{path}' is not a readable safetensors file ({error}): it is truncated, or of another kind. Get an "
            "unaltered copy, or tune again."
        ) from error
    try:
        plain = json.loads(header or "")
        if plain["kind"] != KIND or plain["format"] != FORMAT:
            raise ModelError(
                f"'{path}' is a {plain['kind']} of format {plain['format']}, but this twoway reads a {KIND} of format "
                f"{FORMAT}. Tune again."
            )
        pivots = tensors.pop(PIVOTS)
        return Delta(
            str(plain["base"]), str(plain["tuned"]), plain["precision"], tensors,
            {str(name): float(scale) for name, scale in plain["scales"].items()}, pivots, tuple(plain["names"]),
            plain["facts"],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"'{path}' holds no changes of a generator as twoway project --tune writes them. Give its "
            "tuned.safetensors."
        ) from error


def apply_delta(model: TwoWayModel, path: Path) -> TwoWayModel:
    """A tuned copy of a model, which accepts codes and directions of the model as its own.

    Codes that the tuned model makes carry its own fingerprint: they are codes of a model that the base is not.

    Args:
        model: The model that was tuned; it is not changed.
        path: What `save_delta` wrote.

    Raises:
        ModelError: The file cannot be read, or belongs to another model.
    """
    return read_delta(path).applied(model)


def _changed(before: Tensor, stored: Tensor, scale: float | None) -> Tensor:
    """Weights of a delta; in double precision and one operation at a time, so that all processors agree."""
    if scale is None:
        return stored.to(before.device)
    difference = stored.numpy().astype(np.float64) * scale
    values = before.detach().cpu().numpy().astype(np.float64) + difference
    return torch.from_numpy(values.astype(np.float32)).to(before.device)


@torch.no_grad()
def _rounding(result: TwoWayModel, tuned: Tuned) -> float:
    """Mean squared difference of the pivots' pictures between the file and the model it was made of."""
    parts = tuned.w.split(8)
    made = torch.cat([result.decode(part) for part in parts])
    return float((made - tuned.x_rec).square().mean())


def _write(path: Path, delta: Delta) -> None:
    plain = {
        "kind": KIND, "format": FORMAT, "base": delta.base, "tuned": delta.tuned, "precision": delta.precision,
        "scales": delta.scales, "names": delta.names, "facts": delta.facts,
    }  # fmt: skip
    contents = save({**delta.tensors, PIVOTS: delta.pivots.contiguous()}, metadata={"delta": json.dumps(plain)})
    temporary = path.with_name(f".writing-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(contents)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(
            f"The tuned weights cannot be written to {path}: {error}. Choose another --out."
        ) from error
