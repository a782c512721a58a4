"""A training process killed at any moment loses nothing but the steps since its last checkpoint."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_resume import lines, newest
from toys import same, toy_file

ITERATIONS = 1500


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "twoway", *arguments]


def start(*arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def train_arguments(data: Path, outdir: Path) -> list[str]:
    return [
        "train", "ae", "--data", str(data), "--outdir", str(outdir), "--desc", "killed", "--device", "cpu",
        "--batch", "32", "--kimg", str(ITERATIONS * 32 / 1000), "--option", "hidden=64",
        # checkpoints so often that many kills fall into the writing of one
        "--set", "training.checkpoint_kimg=0.16", "--set", "training.eval_kimg=0", "--set", "training.sample_kimg=0",
    ]  # fmt: skip


def wait_for(condition, process: subprocess.Popen, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            pytest.fail(f"training ended by itself:\n{process.communicate()[0]}")
        assert time.monotonic() < deadline, "training did not get going"
        time.sleep(0.005)


def done(run: Path) -> int:
    numbers = [int(p.name) for p in (run / "checkpoints").glob("[0-9]*")]
    return max(numbers, default=0)


def kill_and_resume(tmp_path: Path, kills: int, seed: int) -> None:
    data = toy_file(tmp_path)
    whole = start(*train_arguments(data, tmp_path / "whole"))
    text, _ = whole.communicate(timeout=280)
    assert whole.returncode == 0, text
    chance = random.Random(seed)
    run = tmp_path / "runs" / "00000-killed"
    process = start(*train_arguments(data, tmp_path / "runs"))
    during_write = 0
    for _ in range(kills):
        before = done(run)
        target = before + chance.randint(5, max(6, (ITERATIONS - before) // (kills + 1)))
        wait_for(lambda goal=target: done(run) >= goal, process)
        time.sleep(chance.random() * 0.03)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        during_write += any((run / "checkpoints").glob(".writing-*"))
        reached = done(run)
        assert reached >= before
        process = start("resume", str(run))
    text, _ = process.communicate(timeout=280)
    assert process.returncode == 0, text
    original = tmp_path / "whole" / "00000-killed"
    for name, tensors in newest(original).items():
        assert same(tensors, newest(run)[name]), name
    assert lines(original) == lines(run)
    print(f"{during_write} of {kills} kills fell into the writing of a checkpoint")


def test_five_kills_change_nothing(tmp_path):
    kill_and_resume(tmp_path, kills=5, seed=0)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_thirty_kills_change_nothing(tmp_path):
    kill_and_resume(tmp_path, kills=30, seed=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_says_how_to_continue(number, tmp_path):
    process = start(*train_arguments(toy_file(tmp_path), tmp_path / "runs"))
    run = tmp_path / "runs" / "00000-killed"
    wait_for(lambda: done(run) >= 10, process)
    process.send_signal(number)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert f"twoway resume {run}" in " ".join(text.split())
    assert "Traceback" not in text
    stopped = done(run)
    assert (run / "model" / "model.safetensors").is_file()
    process = start("resume", str(run), "--kimg", str((stopped + 20) * 32 / 1000))
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 0, text
    assert done(run) == stopped + 20
