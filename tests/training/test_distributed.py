"""Two processes on half batches end where one process on whole batches ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import train_together
from safetensors.torch import load_file
from toys import toy_images

from twoway.model import build_model
from twoway.training.config import DataConfig, RunConfig, make_config
from twoway.training.entry import start_run
from twoway.training.streams import seeded


def newest(run: Path) -> dict[str, torch.Tensor]:
    """Weights and optimisers of the last checkpoint."""
    folder = sorted((run / "checkpoints").iterdir())[-1]
    optimisers = load_file(folder / "optimisers.safetensors")
    return load_file(folder / "live.safetensors") | {f"optimisers/{k}": v for k, v in optimisers.items()}


def by_torchrun(config: RunConfig, data: Path, outdir: Path) -> Path:
    """The same training by the command line, in two processes of the launcher."""
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "twoway",
         "train", config.preset, "--data", str(data), "--outdir", str(outdir), "--desc", "run", "--device", "cpu",
         "--batch", "32", "--kimg", "0.32", "--option", "hidden=32", "--option", "latent=6",
         "--set", "training.checkpoint_kimg=0.16", *(f"--set=training.{k}=0" for k in ("eval_kimg", "sample_kimg"))],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.count("Report:") == 1  # only one of the processes talks
    return outdir / "00000-run"


@pytest.mark.parametrize("method", ["alae", "jlr"])
def test_two_processes_equal_one(method, tmp_path):
    """alae freezes nets in every step; jlr has batch norm and gradients that differ per net."""
    data = tmp_path / "bars.npz"
    np.savez(data, images=toy_images(256))  # without labels, which would have classifiers trained at the end
    config, pictures = make_config(
        method, data=DataConfig.make(str(data)), options={"hidden": 32, "latent": 6}, kimg=0.32, batch=32, device="cpu",
        overrides={"training.checkpoint_kimg": 0.16, "training.eval_kimg": 0, "training.sample_kimg": 0},
    )  # fmt: skip
    first = start_run(config, pictures, outdir=tmp_path / "one", description="run", final_metrics=()).run
    if method == "alae":
        second = by_torchrun(config, data, tmp_path / "two")
    else:
        second = train_together(config, tmp_path / "two")
    assert (first / "config.yaml").read_text() == (second / "config.yaml").read_text()
    one, two = newest(first), newest(second)
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        # batch norm takes the bias before it away, so its gradient is rounding noise, which Adam scales up to whole
        # steps; the running mean contains it
        idle = name.endswith("norm.running_mean") or name.replace("linear.bias", "norm.weight") in one.keys() - {name}
        atol = 1e-3 if idle else 2e-5
        torch.testing.assert_close(two[name], tensor, rtol=2e-3, atol=atol, msg=lambda m, n=name: f"{n}: {m}")
    assert len(list((tmp_path / "two").iterdir())) == 1


STYLE = {"latent": 6, "start": 4, "maximum": 8, "flavour": "modern", "grow": True}
STYLE_CHANGES = {
    # rounding would differ between the sums of a batch and of its halves
    "matmul": "float32",
    # Adam makes whole steps of gradients that are zero but for rounding; with this eps it is gradient descent
    "optim.eps": 1.0,
    "optim.lr": 0.01,
    "averaging.halflife_kimg": 0.02,
    "training.checkpoint_kimg": 0.16,
}
LIA_CHANGES = {
    "nets.critic.stddev_group": 1,
    "phases.encoder.optim.eps": 1.0,
    "phases.gan.share": 2.0,
    "phases.encoder.share": 1.0,
}


@pytest.mark.parametrize(
    ("method", "options", "changes", "segments"),
    [
        ("style-alae", {**STYLE, "depth": 2, "last_level_epochs": 6.0}, STYLE_CHANGES, [4, 8]),
        ("lia", STYLE, {**STYLE_CHANGES, **LIA_CHANGES}, [8, 16, None]),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_two_processes_equal_one_across_growth_and_phases(method, options, changes, segments, tmp_path):
    """With noise, style mixing, a running ADA, mirrored pictures and batch norm.

    The critic of images measures how much a batch varies within each process's own rows, so that its groups are others
    when a batch is shared out; it works without that map here (groups of 1).
    """
    side = 8 if method == "style-alae" else 16
    images = np.repeat(np.repeat(toy_images(64), side // 8, 1), side // 8, 2)
    data = tmp_path / "bars.npz"
    np.savez(data, images=np.repeat(images[..., None], 3, 3))
    changes = {**changes, "augment": {"kind": "ada", "p": 0.4, "adjust_every": 1, "speed_kimg": 1.0}}
    config, pictures = make_config(
        method, data=DataConfig.make(str(data)), options=options, overrides=changes, kimg=0.16, batch=16, device="cpu"
    )
    assert [s.level and s.level.size for s in config.timeline.segments] == segments
    assert config.recipe.mirror
    fresh = build_model(config.recipe, generator=seeded(0, "weights"))
    with torch.no_grad():  # fresh maps at 4x4 are constant, and their normalisation would make rounding large
        for name, parameter in fresh.nets["generator"].named_parameters():
            if name.endswith(("constant.value", "noisy.strength")):
                parameter.normal_(generator=seeded(0, name))
    start = str(fresh.save(tmp_path / "start"))
    one = start_run(config, pictures, outdir=tmp_path / "one", description="run", init_from=start, final_metrics=()).run
    two = train_together(config, tmp_path / "two", init_from=start)
    assert (one / "config.yaml").read_text() == (two / "config.yaml").read_text()
    folders = [sorted((run / "checkpoints").iterdir())[-1] for run in (one, two)]
    ada = [json.loads((folder / "state.json").read_text())["augment"]["p"] for folder in folders]
    assert ada[0] == pytest.approx(ada[1])
    assert ada[0] != 0.4
    before = fresh.state_dict()
    for kind in ("live", "ema"):
        expected, got = (load_file(folder / f"{kind}.safetensors") for folder in folders)
        assert expected.keys() == got.keys()
        for slot in config.recipe.nets:
            names = [k for k in expected if k.startswith(f"nets.{slot}.")]
            moved = {k: float((expected[k] - before[k]).abs().max()) for k in names}
            assert max(moved.values()) > 5e-6
            for k in names:
                wrong = float((got[k] - expected[k]).abs().max())
                assert wrong <= 1e-3 * moved[k] + 1e-7, f"{kind}: {k} is off by {wrong} after moving by {moved[k]}"


def test_a_batch_that_cannot_be_shared_is_refused():
    from twoway.errors import ConfigError
    from twoway.training.distributed import World

    with pytest.raises(ConfigError, match="multiple of 3"):
        World(rank=0, size=3).rows(32)
    assert World(rank=1, size=2).rows(32) == slice(16, 32)
