"""How a table came about: date, commit, machine, seeds, command. Written with every artefact."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

import twoway

__all__ = ["Ledger", "Made", "Record", "commit_of_package", "machine", "measured_lines"]


@dataclass(frozen=True)
class Made:
    """When, with what and where something was measured.

    Args:
        date: UTC, ISO 8601.
        package: Version and commit of twoway.
        machine: Cores, device, system.
        torch_version: Version of torch.
    """

    date: str
    package: str
    machine: str
    torch_version: str

    @classmethod
    def read(cls, plain: Any) -> Made | None:
        """What was kept beside a value; None where it is no such thing."""
        names = {one.name for one in fields(cls)}
        if not isinstance(plain, Mapping) or set(plain) != names:
            return None
        return cls(**{name: str(plain[name]) for name in names})

    @property
    def place(self) -> tuple[str, str, str]:
        """Everything but the date."""
        return self.package, self.machine, self.torch_version


@dataclass
class Ledger:
    """Under what circumstances the values of a page came about: those of this call, and those of calls before it.

    Args:
        device: That this call measures on.
        entries: One for every kept value that was asked for, by its name.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    entries: dict[str, Made] = field(default_factory=dict)

    def __post_init__(self) -> None:
        commit_of_package()  # the code of this call is that of its beginning, whatever is checked out meanwhile

    def now(self) -> Made:
        """The circumstances of this call."""
        package = f"twoway {twoway.__version__}, {commit_of_package()}"
        date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return Made(date, package, machine(self.device), torch.__version__)

    def take(self, name: str, made: Made) -> None:
        """Take note of a value that the page stands on."""
        self.entries[name] = made


@dataclass(frozen=True)
class Record:
    """How a table came about.

    Args:
        command: The command line that makes it again.
        budget: Name of the budget.
        data: The pictures, in words.
        seeds: Of the trainings; where there are none, of all draws.
        date: When the page was written; UTC, ISO 8601.
        package: Version and commit of twoway that wrote it.
        machine: Cores, device, system of that call.
        torch_version: Version of torch of that call.
        seconds: What this call took by the clock on the wall; earlier, interrupted calls are not in it.
        measured: Where and when the kept values were measured, by their names.
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
    measured: Mapping[str, Made] = field(default_factory=dict)

    @classmethod
    def make(
        cls, *, command: str, budget: str, data: str, seeds: tuple[int, ...], ledger: Ledger, seconds: float
    ) -> Record:
        """The record of a call that ends now, on this machine."""
        now = asdict(ledger.now())
        kept = dict(ledger.entries)
        return cls(
            command=command, budget=budget, data=data, seeds=seeds, seconds=round(seconds, 1), measured=kept, **now
        )

    def markdown(self) -> str:
        """A list for the end of the page."""
        lines = [
            *(f"* measured: {line}" for line in measured_lines(self.measured)),
            f"* page written: {self.date}",
            f"* page written with: {self.package}; torch {self.torch_version}",
            f"* page written on: {self.machine}",
            f"* budget: {self.budget}; seeds: {', '.join(map(str, self.seeds))}",
            f"* data: {self.data}",
            f"* seconds of the last call: {self.seconds:g}",
            f"* again: `{self.command}`",
        ]
        return "\n".join(lines)


def measured_lines(measured: Mapping[str, Made]) -> list[str]:
    """A line for each commit and machine that kept values were measured with, with the first and the last date."""
    places = dict.fromkeys(made.place for made in measured.values())
    return [_line([made for made in measured.values() if made.place == place]) for place in places]


def _line(entries: Sequence[Made]) -> str:
    dates = sorted({made.date for made in entries})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    package, place, version = entries[0].place
    values = "value" if len(entries) == 1 else "values"
    return f"{len(entries)} kept {values}, {when}, {package}, torch {version}, on {place}"


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
