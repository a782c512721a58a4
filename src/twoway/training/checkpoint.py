"""Checkpoints: all that is needed to continue bit for bit, written so that no crash can spoil an older one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from twoway.errors import CheckpointError

__all__ = [
    "Checkpoint",
    "disk_trouble",
    "latest_checkpoint",
    "prune_checkpoints",
    "read_checkpoint",
    "save_tensors",
    "write_checkpoint",
]

STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read back.

    Args:
        path: Its folder.
        tensors: Tensors by file name (without ending) and key.
        state: Plain data.
    """

    path: Path
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


@contextlib.contextmanager
def disk_trouble(what: str, folder: Path) -> Iterator[None]:
    """Turn a full or failing disk into one clear sentence about what is safe.

    Raises:
        CheckpointError: Writing failed.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        why = "the disk is full" if full else str(error)
        raise CheckpointError(
            f"Writing {what} in {folder} failed: {why}. Checkpoints written before are intact; make room or mend the "
            f"folder, then continue with `twoway resume`."
        ) from error


def write_checkpoint(
    folder: Path, iteration: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> Path:
    """Write a checkpoint under a temporary name and rename it when every byte is on disk.

    Args:
        folder: The run's ``checkpoints`` folder.
        iteration: Names the checkpoint.
        tensors: Tensors by file name (without ending) and key.
        state: Plain data; hashes of the tensor files are added.

    Returns:
        The checkpoint's folder.

    Raises:
        CheckpointError: The disk is full or cannot be written; older checkpoints are untouched.
    """
    final = folder / f"{iteration:08d}"
    temporary = folder / f".writing-{iteration:08d}"
    with disk_trouble(f"checkpoint {final.name}", folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            hashes = {}
            for name, entries in tensors.items():
                path = temporary / f"{name}.safetensors"
                save_file({key: value.detach().cpu().contiguous() for key, value in entries.items()}, path)
                hashes[path.name] = _sha256(path)
                _sync(path)
            (temporary / STATE).write_text(json.dumps({**state, "sha256": hashes}), encoding="utf-8")
            _sync(temporary / STATE)
            if final.exists():
                shutil.rmtree(final)
            temporary.rename(final)
            _sync(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return final


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write one file of tensors under a temporary name and rename it.

    Raises:
        CheckpointError: The disk is full or cannot be written.
    """
    temporary = path.with_name(f".writing-{path.name}")
    with disk_trouble(path.name, path.parent):
        save_file(dict(tensors), temporary)
        _sync(temporary)
        temporary.replace(path)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and compare the hashes of its files.

    Raises:
        CheckpointError: A file is missing or damaged.
    """
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        tensors = {}
        for name, digest in state["sha256"].items():
            if _sha256(path / name) != digest:
                raise CheckpointError(
                    f"The checkpoint {path} is damaged: {name} does not have the hash it was written with."
                )
            tensors[Path(name).stem] = load_file(path / name)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read: {error}") from error
    return Checkpoint(path, tensors, state)


def latest_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole.

    Args:
        folder: The run's ``checkpoints`` folder.

    Returns:
        The checkpoint, None where none was written yet, and a message for each damaged one that was passed over.

    Raises:
        CheckpointError: There are checkpoints, but none is whole.
    """
    problems: list[str] = []
    for leftover in folder.glob(".writing-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    paths = sorted((p for p in folder.glob("[0-9]*") if p.is_dir()), reverse=True)
    for path in paths:
        try:
            return read_checkpoint(path), problems
        except CheckpointError as error:
            problems.append(str(error))
    if problems:
        raise CheckpointError(
            f"None of the {len(paths)} checkpoints in {folder} can be used. {problems[0]} Start again with "
            "`twoway train`; the model folder of the run, if there is one, can be used with --init-from."
        )
    return None, problems


def prune_checkpoints(folder: Path, keep: int, best: int | None) -> None:
    """Delete all checkpoints but the newest `keep` and the best one."""
    paths = sorted((p for p in folder.glob("[0-9]*") if p.is_dir()), reverse=True)
    for path in paths[keep:]:
        if best is None or int(path.name) != best:
            shutil.rmtree(path, ignore_errors=True)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows cannot open folders
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
