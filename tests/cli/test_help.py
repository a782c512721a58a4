"""Help: at once, without torch, and for every command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer
from shell import fine
from typer.main import get_command

from twoway.cli.main import app

PROGRAM = """
import os, sys
from twoway.cli.main import run
sys.argv = ["twoway", {arguments}]
try:
    run()
except SystemExit as stop:
    assert not stop.code, stop.code
heavy = [name for name in ("torch", "sklearn", "matplotlib", "PIL", "scipy") if name in sys.modules]
print(heavy, os.times().user, file=sys.stderr)
"""


def user_seconds(arguments: str) -> tuple[str, float]:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(arguments=arguments)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    heavy, seconds = found.stderr.strip().splitlines()[-1].rsplit(" ", 1)
    assert "Usage" in found.stdout
    return heavy, float(seconds)


def test_help_is_quick_and_loads_nothing_heavy():
    tries = [user_seconds("'--help'") for _ in range(3)]
    assert tries[0][0] == "[]"
    assert min(seconds for _, seconds in tries) < 0.5


@pytest.mark.parametrize("verb", ["train", "generate", "evaluate"])
def test_help_of_a_verb_loads_nothing_heavy(verb):
    assert user_seconds(f"'{verb}', '--help'")[0] == "[]"


def commands(command, path=()):
    children = getattr(command, "commands", {})
    return [found for name, child in children.items() for found in commands(child, (*path, name))] or [(path, command)]


ALL = commands(get_command(app))


def test_every_verb_is_there():
    verbs = {" ".join(path) for path, _ in ALL}
    assert verbs >= {
        "train", "resume", "generate", "encode", "reconstruct", "interpolate", "mix", "project", "evaluate", "info",
        "methods", "compare", "plot", "demo", "data check", "data info", "import alae", "import lia",
        "reproduce alae-table1", "reproduce alae-table2",
        "reproduce lia-table3", "reproduce learning",
    }  # fmt: skip


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_command_and_option_has_a_help_text(path, command):
    assert command.help
    assert len(command.help) > 20
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{path}: {parameter.name} has no help"
    assert command.help.split()[0] in fine(*path, "--help")


def test_version():
    import twoway

    assert fine("--version").strip() == f"twoway {twoway.__version__}"
    assert isinstance(app, typer.Typer)
