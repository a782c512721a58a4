"""Folders and files that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_folder", "write_whole"]


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new empty folder that takes the place of another one when the block ends without an error.

    Args:
        target: Where it ends up. What was there is removed then, and stays as it was after an error.

    Yields:
        The folder to write to, beside the target.

    Raises:
        OSError: The place cannot be written to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        new = scratch / "new"
        new.mkdir()
        yield new
        if target.exists():
            target.rename(scratch / "old")
        try:
            new.rename(target)
        except OSError:
            if (scratch / "old").exists():
                (scratch / "old").rename(target)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_whole(target: Path, blob: bytes) -> None:
    """Write a file beside its place, on the disk to the last byte, and then rename it.

    Args:
        target: Where it ends up; what was there is replaced, and stays as it was after an error.
        blob: What it holds.

    Raises:
        OSError: The place cannot be written to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(prefix=f".{target.name}-", dir=target.parent, delete=False) as file:
            scratch = Path(file.name)
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        scratch.replace(target)
    finally:
        if scratch is not None:
            scratch.unlink(missing_ok=True)
