"""Two processes on half batches end where one process on whole batches ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toys import toy_file


def run_training(method: str, data: Path, outdir: Path, processes: int) -> tuple[dict[str, torch.Tensor], str]:
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    arguments = [
        "-m", "twoway", "train", method, "--data", str(data), "--outdir", str(outdir), "--desc", "run", "--device",
        "cpu", "--batch", "32", "--kimg", "0.64", "--option", "hidden=32", "--option", "latent=6",
        "--set", "training.checkpoint_kimg=0.32",
    ]  # fmt: skip
    done = subprocess.run(
        launcher + arguments,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    folder = sorted((outdir / "00000-run" / "checkpoints").iterdir())[-1]
    tensors = load_file(folder / "live.safetensors")
    tensors.update({f"optimisers/{k}": v for k, v in load_file(folder / "optimisers.safetensors").items()})
    return tensors, done.stdout


@pytest.mark.parametrize("method", ["alae", "jlr"])
def test_two_processes_equal_one(method, tmp_path):
    """alae freezes nets in every step; jlr has batch norm and gradients that differ per net."""
    data = toy_file(tmp_path)
    one, _ = run_training(method, data, tmp_path / "one", 1)
    two, said = run_training(method, data, tmp_path / "two", 2)
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        # batch norm takes the bias before it away, so its gradient is rounding noise, which Adam scales up to whole
        # steps; the running mean contains it
        idle = name.endswith("norm.running_mean") or name.replace("linear.bias", "norm.weight") in one.keys() - {name}
        atol = 1e-3 if idle else 2e-5
        torch.testing.assert_close(two[name], tensor, rtol=2e-3, atol=atol, msg=lambda m, n=name: f"{n}: {m}")
    assert said.count("Report:") == 1  # only one of the processes talks
    assert len(list((tmp_path / "two").iterdir())) == 1


def test_a_batch_that_cannot_be_shared_is_refused():
    from twoway.errors import ConfigError
    from twoway.training.distributed import World

    with pytest.raises(ConfigError, match="multiple of 3"):
        World(rank=0, size=3).rows(32)
    assert World(rank=1, size=2).rows(32) == slice(16, 32)
