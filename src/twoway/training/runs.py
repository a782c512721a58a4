"""Run folders: numbered, with the settings and the command that made them."""

from __future__ import annotations

import platform
import re
import shlex
import sys
from pathlib import Path

import torch

import twoway
from twoway.errors import CheckpointError
from twoway.training.config import RunConfig

__all__ = ["create_run", "find_run", "model_folder", "run_or_path", "split_delta", "write_text"]


def create_run(outdir: Path, config: RunConfig, description: str) -> Path:
    """Make the next numbered folder, such as ``runs/00007-alae-digits``.

    Args:
        outdir: Holds the runs.
        config: Written as ``config.yaml``.
        description: End of the folder's name.

    Raises:
        CheckpointError: The folder cannot be made.
    """
    name = re.sub(r"[^\w.-]+", "-", description).strip("-.") or "run"
    try:
        outdir.mkdir(parents=True, exist_ok=True)
        while True:
            numbers = [int(m[1]) for p in outdir.iterdir() if (m := re.match(r"(\d{5,})-", p.name))]
            run = outdir / f"{max(numbers, default=-1) + 1:05d}-{name}"
            try:
                run.mkdir()
                break
            except FileExistsError:  # another process took the number
                continue
        write_text(run / "config.yaml", config.to_text())
        write_text(run / "command.txt", shlex.join(["twoway", *sys.argv[1:]]) + "\n")
        write_text(run / "machine.txt", machine_text())
    except OSError as error:
        raise CheckpointError(
            f"A run folder cannot be made in {outdir}: {error}. Choose a folder you may write to with --outdir."
        ) from error
    return run


def machine_text() -> str:
    """Versions and machine, a line each."""
    return (
        f"twoway {twoway.__version__}\ntorch {torch.__version__}\npython {platform.python_version()}\n"
        f"{platform.platform()}\nthreads {torch.get_num_threads()}\n"
    )


def write_text(path: Path, text: str) -> None:
    """Write a small text file under a temporary name and rename it."""
    temporary = path.with_name(f".writing-{path.name}")
    temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # paths may hold any bytes
    temporary.replace(path)


def find_run(name: str, outdir: Path = Path("runs")) -> Path:
    """The run folder a user means: a path, a name or number inside `outdir`, or ``latest``.

    Raises:
        CheckpointError: There is no such run.
    """
    path = Path(name)
    if (path / "config.yaml").is_file():
        return path
    runs = sorted(p for p in outdir.glob("[0-9]*-*") if (p / "config.yaml").is_file()) if outdir.is_dir() else []
    if name == "latest" and runs:
        return runs[-1]
    for run in runs:
        if run.name == name or (name.isdigit() and int(run.name.split("-")[0]) == int(name)):
            return run
    there = f"{outdir} holds {', '.join(r.name for r in runs[-5:])}." if runs else f"There are no runs in {outdir}."
    raise CheckpointError(
        f"'{name}' is no run folder: a run folder holds config.yaml. {there} Give its path, its number, or 'latest'."
    )


def run_or_path(name: str) -> Path:
    """The path a user gave; the run folder where the name is ``latest`` or a run's number and no such path exists.

    Raises:
        CheckpointError: ``latest`` or a number, but no such run.
    """
    path = Path(name)
    return find_run(name) if (name == "latest" or name.isdigit()) and not path.exists() else path


def split_delta(name: str) -> tuple[str, Path | None]:
    """The model a user means, and the tuned weights that go on it where the name is ``MODEL+FILE``.

    A path that exists is always meant as it is.

    Example:
        >>> split_delta("latest+projected/tuned.safetensors")
        ('latest', PosixPath('projected/tuned.safetensors'))
        >>> split_delta("runs/my+model")
        ('runs/my+model', None)
    """
    if Path(name).exists():
        return name, None
    parts = name.split("+")
    splits = [("+".join(parts[:i]), Path("+".join(parts[i:]))) for i in range(1, len(parts))]
    for model, file in splits:
        if model and file.is_file():
            return model, file
    # a file that is not there, to be said so, rather than a model that is not there
    if splits and splits[-1][0] and name.endswith(".safetensors"):
        return splits[-1]
    return name, None


def model_folder(name: str) -> str:
    """The model a user means: a run folder's ``model``, or the name itself (a model folder or hub id).

    Raises:
        CheckpointError: A run that has no model yet.
    """
    path = run_or_path(name)
    if (path / "model").is_dir():
        return str(path / "model")
    if (path / "config.yaml").is_file():
        raise CheckpointError(
            f"The run {path} has no model yet: it is written when training stops. Let it finish, or interrupt it "
            f"(Ctrl-C), or continue it with `twoway resume {path}`."
        )
    return name
