"""Measured values that an interrupted command finds again: files that say by which protocol they were measured."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from torch import Tensor

from twoway.config import to_plain
from twoway.errors import CheckpointError
from twoway.reproduce.record import Ledger, Made
from twoway.training.checkpoint import save_tensors
from twoway.training.runs import write_text

__all__ = ["keep_tensors", "keep_values"]

T = TypeVar("T")

POLL_S = 1.0
"""Seconds between two looks for what another process measures."""


def keep_values(
    path: Path,
    protocol: Mapping[str, Any],
    compute: Callable[[], T],
    *,
    mine: bool = True,
    ledger: Ledger | None = None,
) -> T:
    """Values from a file, or computed and written to it.

    Args:
        path: A JSON file; its name is made safe.
        protocol: All that the values depend on; a file with another protocol is replaced.
        compute: Returns what JSON can hold.
        mine: Whether this process computes; others wait until one has.
        ledger: Told when, with what and where the values were measured, which stands beside them in the file.

    Returns:
        The values as JSON gives them back, so that a first call and a later one return the same.
    """
    path, wanted, ledger = _safe(path), _plain(protocol), ledger or Ledger()
    while True:
        kept = _read_note(path, "values")
        made = None if kept is None or kept["protocol"] != wanted else Made.read(kept["made"])
        if kept is not None and made is not None:
            ledger.take(path.stem, made)
            return kept["values"]
        if mine:
            break
        time.sleep(POLL_S)
    values, made = _plain(compute()), ledger.now()
    with _writing(path):
        write_text(path, json.dumps({"protocol": wanted, "made": asdict(made), "values": values}, indent=2))
    ledger.take(path.stem, made)
    return values


def keep_tensors(
    path: Path,
    protocol: Mapping[str, Any],
    compute: Callable[[], Mapping[str, Tensor]],
    *,
    mine: bool = True,
    ledger: Ledger | None = None,
) -> dict[str, Tensor]:
    """`keep_values` for tensors by name, in a safetensors file."""
    path, wanted, ledger = _safe(path), _plain(protocol), ledger or Ledger()
    while True:
        note = _read_note(path.with_suffix(".json"))
        made = None if note is None or note["protocol"] != wanted else Made.read(note["made"])
        kept = None if made is None else _read_tensors(path)
        if kept is not None and made is not None:
            ledger.take(path.stem, made)
            return kept
        if mine:
            break
        time.sleep(POLL_S)
    tensors = {name: value.detach().cpu().contiguous() for name, value in compute().items()}
    made = ledger.now()
    with _writing(path):
        beside = path.with_suffix(".json")
        beside.unlink(missing_ok=True)  # tensors without their note are none: the note is written last
        save_tensors(path, tensors)
        write_text(beside, json.dumps({"protocol": wanted, "made": asdict(made)}, indent=2))
    ledger.take(path.stem, made)
    return tensors


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise CheckpointError(
            f"What was measured cannot be kept in {path}: {error}. Make room, or choose another --out."
        ) from error


def _safe(path: Path) -> Path:
    return path.with_name(re.sub(r"[^\w.,=-]+", "-", path.name))


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(to_plain(value), default=float))


def _read_note(path: Path, *more: str) -> dict[str, Any] | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return kept if {"protocol", "made", *more} <= set(kept) else None
    except (OSError, ValueError, TypeError):
        return None


def _read_tensors(path: Path) -> dict[str, Tensor] | None:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dictionary)
    except (OSError, SafetensorError):
        return None
