"""The processes of one training without a launcher: children of a server that has imported everything once."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path

from twoway.training.config import RunConfig
from twoway.training.entry import start_run


def train_together(config: RunConfig, outdir: Path, *, size: int = 2, init_from: str | None = None) -> Path:
    """Train in several processes that find each other as those of torchrun do; returns the run folder."""
    kind = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(kind)
    context.set_forkserver_preload(["processes"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    members = [context.Process(target=_member, args=(config, outdir, n, size, port, init_from)) for n in range(size)]
    for member in members:
        member.start()
    for member in members:
        member.join(280)
        if member.exitcode is None:
            member.kill()
            member.join()
    assert [member.exitcode for member in members] == [0] * size
    return outdir / "00000-run"


def _member(config: RunConfig, outdir: Path, rank: int, size: int, port: int, init_from: str | None) -> None:
    import torch

    torch.set_num_threads(1)
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    start_run(config, config.data.open(), outdir=outdir, description="run", init_from=init_from, final_metrics=())
