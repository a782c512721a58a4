"""Features of real pictures on disk, so that they are computed once: named after everything they depend on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

__all__ = ["FOLDER_VARIABLE", "LIMIT_GIB", "cache_folder", "cached", "clear_cache"]

FOLDER_VARIABLE = "TWOWAY_CACHE"
"""Environment variable that names the folder of kept features; ``off`` keeps none."""

LIMIT_GIB = 4.0
"""Size of the folder above which the features that were not asked for the longest are removed."""

_SUFFIX = ".features.safetensors"


def cache_folder() -> Path | None:
    """Folder of kept features: what ``TWOWAY_CACHE`` names, or ``~/.cache/twoway/features``; None where it is off."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return None if given == "off" else Path(given).expanduser()
    try:
        return Path.home() / ".cache" / "twoway" / "features"
    except RuntimeError:  # a user without a home
        return None


def cached(key: Mapping[str, Any], compute: Callable[[], Tensor]) -> Tensor:
    """Features from disk, or computed and kept.

    Several processes may ask for the same at once: each writes under a name of its own and renames. A file that was
    damaged, or belongs to another key, is computed anew. Where nothing can be kept, a warning says so, once, and the
    measurement goes on.

    Args:
        key: Everything that the features depend on, as plain data: a hash of the pixels of the pictures in their
            order, `FeatureExtractor.describe`, which holds the version of its code, and how products are rounded.
        compute: Computes them.

    Returns:
        The features, on the CPU, as `compute` gives them.
    """
    folder = cache_folder()
    if folder is None:
        return compute()
    text = json.dumps(key, sort_keys=True, default=_plain)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}{_SUFFIX}"
    found = _read(path, text)
    if found is not None:
        return found
    values = compute().detach().cpu().contiguous()
    try:
        _write(path, text, values)
        _make_room(folder, keep=path)
    except OSError as error:
        warnings.warn(
            f"Features cannot be kept in {folder} ({error}); they are computed every time. Set {FOLDER_VARIABLE} to a "
            f"folder that can be written, or to 'off'.",
            stacklevel=2,
        )
    return values


def clear_cache() -> tuple[int, int]:
    """Remove all kept features; nothing else that may lie in the folder is touched.

    Returns:
        How many files were removed, and their bytes.
    """
    folder = cache_folder()
    count = size = 0
    for path in folder.glob(f"*{_SUFFIX}") if folder is not None else ():
        try:
            bytes_ = path.stat().st_size
            path.unlink()
        except FileNotFoundError:  # another process was quicker
            continue
        count, size = count + 1, size + bytes_
    return count, size


def _read(path: Path, text: str) -> Tensor | None:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != text:
                return None
            values = file.get_tensor("features")
    except (OSError, SafetensorError, ValueError):
        return None
    if metadata.get("sha256") != _digest(values):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # it was asked for
    return values


def _write(path: Path, text: str, values: Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    os.close(handle)
    scratch = Path(name)
    try:
        save_file({"features": values}, scratch, metadata={"key": text, "sha256": _digest(values)})
        scratch.replace(path)
    except SafetensorError as error:  # what it calls a full disk
        raise OSError(str(error)) from error
    finally:
        scratch.unlink(missing_ok=True)


def _make_room(folder: Path, keep: Path) -> None:
    known = []
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            known.append((path.stat().st_mtime, path.stat().st_size, path))
        except FileNotFoundError:
            continue
    excess = sum(size for _, size, _ in known) - LIMIT_GIB * 2**30
    for _, size, path in sorted(known):
        if excess <= 0:
            break
        if path != keep:
            path.unlink(missing_ok=True)
            excess -= size


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.contiguous().view(torch.uint8).numpy().data).hexdigest()


def _plain(value: Any) -> Any:
    """What JSON does not know: arrays as lists, anything else as an error."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a key must be plain data, but holds {type(value).__name__}")
