"""The tutorials do what they say: every block is run as a reader would, in a folder of its own."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from blocks import ROOT, Block, agrees, blocks_of

TUTORIALS = ROOT / "docs" / "tutorials"
FIRST = "train-on-a-folder"
GO_ON = ("edit-your-photo", "find-directions")
"""Tutorials that go on with the folder and the model of the first."""
ALONE = ("compare-methods", "write-your-own-method", "run-on-eight-gpus")
PAGES = [ROOT / "docs" / "getting-started.md", *sorted(TUTORIALS.glob("*.md"))]
MINUTES = 60


def run_page(path: Path, folder: Path) -> None:
    """Run the blocks of a page in order, and look at what they print where the page says it."""
    for number, block in enumerate(blocks_of(path)):
        if block.file:
            (folder / block.file).write_text(block.runs, encoding="utf-8")
        elif not block.why_not:
            printed = run_block(block, folder, number)
            assert agrees(block.prints, printed), f"{block.where} printed\n{printed}"


def run_block(block: Block, folder: Path, number: int) -> str:
    command = ["bash", "-euo", "pipefail", "-c", block.runs]
    if block.language == "python":
        script = folder / f"block_{number}.py"
        script.write_text(block.runs, encoding="utf-8")
        command = [sys.executable, str(script)]
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=60 * MINUTES, check=False
    )
    assert done.returncode == 0, f"{block.where} failed:\n{block.runs}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """What a reader has: `twoway`, `python` and `torchrun` on the path, of this package."""
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    command = tools / "twoway"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m twoway "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {
        "PATH": path,
        "PYTHONPATH": str(ROOT / "src"),
        "OMP_NUM_THREADS": "1",
        "TWOWAY_REPOSITORY": str(ROOT),
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder in which the first tutorial was followed to its end."""
    folder = tmp_path_factory.mktemp("tutorial")
    run_page(TUTORIALS / f"{FIRST}.md", folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(60 * MINUTES)
def test_train_on_a_folder(trained):
    assert (trained / "runs" / "00000-beta-vae-people32" / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.timeout(60 * MINUTES)
@pytest.mark.parametrize("name", GO_ON)
def test_tutorials_that_go_on(trained, name, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "folder")
    run_page(TUTORIALS / f"{name}.md", folder)


@pytest.mark.slow
@pytest.mark.timeout(60 * MINUTES)
@pytest.mark.parametrize("path", [ROOT / "docs" / "getting-started.md", *(TUTORIALS / f"{n}.md" for n in ALONE)])
def test_tutorials_that_begin_anew(path, tmp_path):
    run_page(path, tmp_path)


def test_every_tutorial_is_run():
    assert {p.stem for p in TUTORIALS.glob("*.md")} == {"index", FIRST, *GO_ON, *ALONE}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_blocks_are_understood(path):
    """Languages are known, Python is Python, and what is not run says why."""
    for block in blocks_of(path):
        assert block.language in ("sh", "python"), f"{block.where} is '{block.language}', neither sh nor python"
        if block.language == "python":
            ast.parse(block.text)


def test_shown_output_is_compared_loosely():
    assert agrees("mse 0.05\n... in people", "read\nmse  0.0712\n12 pictures in people\n")
    assert agrees("(5, 1, 8, 8)", "(5, 1, 8, 8)")
    assert not agrees("(5, 1, 8, 8)", "(5, 3, 8, 8)")
    assert not agrees("same pictures", "apart by 0.2")
    assert not agrees("one\ntwo", "one")
