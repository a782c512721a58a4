"""Files that the page's server leaves: uploads, and copies of what visitors were shown."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

__all__ = ["SETTLED", "clear_leftovers"]

SETTLED = 60.0
"""Seconds after which a file or a folder is not just being made or sent."""


def clear_leftovers(folder: Path, *, older: float, most: float, now: float | None = None) -> int:
    """Remove files that are old, or the oldest of too many, and folders that hold nothing.

    Args:
        folder: Where they lie, in folders of their own; it stays. It may not be there.
        older: Seconds that files may lie.
        most: Bytes that all together may have.
        now: Seconds since the epoch; for tests.

    Returns:
        How many files were removed.
    """
    now = time.time() if now is None else now
    found: list[tuple[float, int, Path]] = []
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            with contextlib.suppress(OSError):  # gone meanwhile
                facts = path.lstat()
                found.append((facts.st_ctime, facts.st_size, path))
    total, removed = sum(size for _, size, _ in found), 0
    for since, size, path in sorted(found):
        if now - since <= older and total <= most:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            removed += 1
        total -= size
    for place, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):  # not empty
            if Path(place) != folder and now - Path(place).lstat().st_ctime > SETTLED:
                Path(place).rmdir()
    return removed
