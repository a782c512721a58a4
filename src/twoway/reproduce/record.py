"""How a table came about: date, commit, machine, seeds, command. Written with every artefact."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import torch

import twoway

__all__ = ["Record", "commit_of_package", "machine"]


@dataclass(frozen=True)
class Record:
    """How a table came about.

    Args:
        command: The command line that makes it again.
        budget: Name of the budget.
        data: The pictures, in words.
        seeds: One per trial.
        date: UTC, ISO 8601.
        package: Version and commit of twoway.
        machine: Cores, device, system.
        torch_version: Version of torch.
        seconds: What this call took by the clock on the wall; earlier, interrupted calls are not in it.
    """

    command: str
    budget: str
    data: str
    seeds: tuple[int, ...]
    date: str
    package: str
    machine: str
    torch_version: str
    seconds: float

    @classmethod
    def make(
        cls, *, command: str, budget: str, data: str, seeds: tuple[int, ...], device: torch.device, seconds: float
    ) -> Record:
        """The record of a call that ends now, on this machine."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        package = f"twoway {twoway.__version__}, {commit_of_package()}"
        return cls(command, budget, data, seeds, now, package, machine(device), torch.__version__, round(seconds, 1))

    def markdown(self) -> str:
        """A list for the end of the page."""
        lines = [
            f"* date: {self.date}",
            f"* package: {self.package}; torch {self.torch_version}",
            f"* machine: {self.machine}",
            f"* budget: {self.budget}; seeds: {', '.join(map(str, self.seeds))}",
            f"* data: {self.data}",
            f"* seconds of the last call: {self.seconds:g}",
            f"* again: `{self.command}`",
        ]
        return "\n".join(lines)


def machine(device: torch.device) -> str:
    """Cores, threads, device and system of this machine, without its name."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    cores, threads = os.cpu_count(), torch.get_num_threads()
    return (
        f"{cores} cores ({threads} thread{'s' if threads > 1 else ''} of torch), device {name}, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


@functools.cache
def commit_of_package() -> str:
    """The commit of a source checkout, and whether files differ from it; ``no commit known`` of an installed one."""
    here = Path(twoway.__file__).parent
    commit = _git(here, "log", "-1", "--format=%h")
    # a package installed below somebody's repository is not of that repository
    if not commit or not _git(here, "ls-files", "__init__.py"):
        return "no commit known"
    changed = _git(here, "status", "--porcelain", "--untracked-files=no", ".")
    return f"commit {commit}" + (" with local changes" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
