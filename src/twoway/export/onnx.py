"""Nets as ONNX files, each compared with torch before it is kept.

A folder holds a file per net and ``export.json``, which says what goes in and out, in which ranges, and how far the
files are from the model. Batches may be of any size. Nothing but onnxruntime and numpy is needed to run them:
``examples/onnx_reconstruct.py`` does.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import logging
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

import twoway
from twoway.errors import ConfigError, ModelError, closest
from twoway.export.parts import Part, Port, parts_of
from twoway.folders import whole_folder
from twoway.model import TwoWayModel
from twoway.telling import Telling, silent

__all__ = ["NETS", "OPSETS", "Exported", "export_onnx"]

NETS = ("encoder", "mapping", "unmap", "generator", "decoder")
OPSETS = range(18, 24)
"""Versions of ONNX's operators that can be asked for."""
BATCHES = (1, 2, 5)
TOLERANCE = 1e-4
INDEX_FILE = "export.json"
FORMAT = 1
NEEDED = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Exported:
    """What `export_onnx` wrote.

    Args:
        folder: Where.
        files: Names of the files by net.
        differences: Largest absolute difference from torch by net, over all batches and outputs.
        opset: Version of ONNX's operators.
    """

    folder: Path
    files: dict[str, str]
    differences: dict[str, float]
    opset: int


def export_onnx(
    model: TwoWayModel,
    folder: str | os.PathLike[str],
    *,
    nets: Sequence[str] | None = None,
    opset: int | None = None,
    noise: Literal["fixed", "off"] = "fixed",
    truncation: float = 1.0,
    progress: Telling = silent,
) -> Exported:
    """Write nets of a model as ONNX files, and what is to be known of them as ``export.json``.

    Every file is run by onnxruntime on batches of 1, 2 and 5 and compared with torch; if one number differs by more
    than 1e-4, nothing is left.

    Args:
        model: The model; float32 on any device.
        folder: Where; an older export is replaced.
        nets: Which of `NETS`; None takes all that the model has.
        opset: Version of ONNX's operators; None takes torch's own.
        noise: Noise in the layers of a style generator: the maps kept with the model, or none.
        truncation: Factor psi on the distance of latent codes from the mean code, as a part of the mapping. With 1 the
            mean code in ``export.json`` still allows any.
        progress: Is told of the nets.

    Raises:
        ConfigError: onnx and its relatives are missing, or settings that cannot be.
        ModelError: A net that the model does not have, one that does not export, a difference that is too large, or a
            place that is taken or cannot be written.
    """
    versions = _versions()
    _check_settings(opset, noise, truncation)
    target = Path(folder).expanduser()
    _check_free(target)
    parts = _chosen(model, nets, noise, truncation)
    differences: dict[str, float] = {}
    try:
        with whole_folder(target) as new, _exactly(), torch.no_grad():
            entries: dict[str, Any] = {}
            for done, part in enumerate(parts):
                progress("nets", done, len(parts))
                entries[part.name], found = _write(part, new / f"{part.name}.onnx", opset)
                differences[part.name] = max(entries[part.name]["differences"].values())
            progress("nets", len(parts), len(parts))
            index = _index(model, noise, truncation) | {"opset": found, "versions": versions, "nets": entries}
            (new / INDEX_FILE).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelError(f"The export cannot be written to '{target}': {error}. Choose another folder.") from error
    return Exported(target, {part.name: f"{part.name}.onnx" for part in parts}, differences, found)


def _write(part: Part, path: Path, opset: int | None) -> tuple[dict[str, Any], int]:
    """Write one file, compare it with torch, and return what is to be known of it."""
    batch = torch.export.Dim("batch")
    try:
        with _quiet():
            program = torch.onnx.export(
                part.net,
                part.examples(3, torch.Generator().manual_seed(0)),
                dynamo=True,
                input_names=[port.name for port in part.inputs],
                output_names=[port.name for port in part.outputs],
                dynamic_shapes=tuple({0: batch} for _ in part.inputs),
                opset_version=opset,
                external_data=False,
                verbose=False,
            )
            assert program is not None
            program.save(path)
    except Exception as error:  # whatever an exporter trips over
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise ModelError(
            f"The {part.name} does not export to ONNX ({type(error).__name__}: {first}). Leave it out with --nets, or "
            "try another --opset."
        ) from error
    found = int(program.model.opset_imports[""])
    if opset is not None and found != opset:
        raise ModelError(
            f"The {part.name} came out with opset {found} instead of {opset}: it uses operators that the older one "
            "does not have. Leave --opset out."
        )
    differences, seen = _compared(part, path)
    worst = max(differences.values())
    if not worst <= TOLERANCE:
        raise ModelError(
            f"The {part.name} as onnxruntime runs it differs from torch by {worst:.2g}, more than {TOLERANCE:g}, so "
            "nothing was left of the export. Leave it out with --nets, or try another --opset."
        )
    entry = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size": path.stat().st_size,
        "inputs": [_port(port, seen) for port in part.inputs],
        "outputs": [_port(port, seen) for port in part.outputs],
        "differences": {str(n): value for n, value in differences.items()},
        "tolerance": TOLERANCE,
    }
    return entry, found


def _compared(part: Part, path: Path) -> tuple[dict[int, float], dict[str, list[float]]]:
    """Largest absolute difference by batch, and the ranges of all that went in and came out."""
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        differences: dict[int, float] = {}
        seen: dict[str, list[float]] = {}
        for n in BATCHES:
            given = part.examples(n, torch.Generator().manual_seed(n))
            wanted = [tensor.numpy() for tensor in part.net(*given)]
            fed = {port.name: tensor.numpy() for port, tensor in zip(part.inputs, given, strict=True)}
            got = session.run([port.name for port in part.outputs], fed)
            for port, there, here in zip(part.outputs, wanted, got, strict=True):
                if there.shape != here.shape:
                    raise ValueError(f"{port.name} is {here.shape} instead of {there.shape}")
            # not a number counts as infinitely far
            gaps = [np.nan_to_num(np.abs(a - b), nan=np.inf).max() for a, b in zip(wanted, got, strict=True)]
            differences[n] = float(max(gaps))
            for name, array in [*fed.items(), *zip([port.name for port in part.outputs], wanted, strict=True)]:
                low, high = seen.get(name, [math.inf, -math.inf])
                seen[name] = [min(low, float(array.min())), max(high, float(array.max()))]
    except Exception as error:  # the runtime's own errors are of its own kinds
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise ModelError(
            f"onnxruntime does not run the exported {part.name} ({type(error).__name__}: {first}). Leave it out with "
            "--nets, or try another --opset."
        ) from error
    return differences, seen


def _index(model: TwoWayModel, noise: str, truncation: float) -> dict[str, Any]:
    """What is to be known of the model."""
    prior, recipe = model.recipe.prior, model.recipe
    w_avg = model.w_avg.cpu()
    rows = w_avg[:1] if torch.equal(w_avg, w_avg[:1].expand_as(w_avg)) else w_avg
    return {
        "format": FORMAT,
        "twoway": twoway.__version__,
        "fingerprint": model.fingerprint(),
        "method": recipe.method,
        "image_shape": list(model.image_shape),
        "pixels": [-1.0, 1.0],
        "w_shape": list(model.w_shape),
        "w_avg": [[round(v, 8) for v in row] for row in rows.tolist()],
        "prior": prior.plain() if prior else None,
        "prior_to_w": "mapping" if "mapping" in model.nets else "w is z, the same in all layers",
        "labels": recipe.labels,
        "noise": noise,
        "truncation": truncation,
    }


def _port(port: Port, seen: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "name": port.name,
        "shape": ["batch", *port.shape],
        "type": "float32",
        "about": port.about,
        "range when checked": seen[port.name],
    }


def _chosen(
    model: TwoWayModel, nets: Sequence[str] | None, noise: Literal["fixed", "off"], truncation: float
) -> list[Part]:
    names = NETS if nets is None else tuple(dict.fromkeys(nets))
    for name in names:
        if name not in NETS:
            raise ConfigError(f"There is no net '{name}' to export{closest(name, NETS)}.")
    parts = parts_of(model, noise=noise, truncation=truncation)
    missing = [name for name in names if name not in parts]
    if (nets is not None and missing) or not parts:
        why = " Its mapping cannot be inverted." if missing == ["unmap"] and "mapping" in parts else ""
        raise ModelError(
            f"A model of the method '{model.recipe.method}' has no {' and no '.join(missing)}.{why} What it has to "
            f"export: {', '.join(parts)}. Name only those with --nets, or leave it out for all of them."
        )
    return [parts[name] for name in names if name in parts]


def _check_settings(opset: int | None, noise: str, truncation: float) -> None:
    if opset is not None and opset not in OPSETS:
        raise ConfigError(
            f"opset is {opset}, but nets are exported with {OPSETS.start} to {OPSETS.stop - 1}. Leave it out for the "
            "one that is tested most; a program that knows only older ones needs a newer version."
        )
    if noise not in ("fixed", "off"):
        raise ConfigError(f"noise is '{noise}', but a file holds the model's own maps ('fixed') or none ('off').")
    if not math.isfinite(truncation):
        raise ConfigError(f"truncation is {truncation}, but must be a finite number such as 0.7.")


def _check_free(target: Path) -> None:
    if target.is_dir():
        if any(target.iterdir()) and not (target / INDEX_FILE).is_file():
            raise ModelError(
                f"'{target}' already holds files that are no export, which would be removed. Choose a new folder."
            )
    elif target.exists():
        raise ModelError(f"'{target}' is a file, but an export is a folder. Choose another name.")


def _versions() -> dict[str, str]:
    """Versions of what has a part in the files."""
    found = {"torch": torch.__version__, "twoway": twoway.__version__}
    missing = []
    for name in NEEDED:
        try:
            found[name] = str(importlib.import_module(name).__version__)
        except ImportError:
            missing.append(name)
    if missing:
        raise ConfigError(
            f"Export to ONNX needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed. Install it with: pip install 'twoway[onnx]' -c constraints.txt"
        )
    return found


@contextlib.contextmanager
def _exactly() -> Iterator[None]:
    """Products of full precision: some machines round what goes into them."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of operators it misses and of changes to come in torch, neither of which concerns a user."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
