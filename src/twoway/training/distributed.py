"""Several processes under torchrun: gradients averaged by hand once per optimiser step, ranks compared by hash.

Plain collectives instead of a wrapper around the nets: frozen nets, nets used through other methods than ``forward``
and parameters without a gradient all work, which a data-parallel wrapper forbids.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from twoway.errors import ConfigError, TrainingError

__all__ = ["World", "joined_world"]


@dataclass(frozen=True)
class World:
    """This process's place among the processes of a training.

    Args:
        rank: Number of this process; 0 writes files and talks.
        size: Number of processes.
        local_rank: Number of this process on its machine, which picks its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def rows(self, batch: int) -> slice:
        """This process's rows of a global batch.

        Raises:
            ConfigError: The batch does not divide evenly.
        """
        if batch % self.size:
            raise ConfigError(
                f"A batch of {batch} cannot be shared evenly by {self.size} processes; choose --batch as a multiple of "
                f"{self.size}."
            )
        share = batch // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over all processes; one transfer for all of them."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([t.detach().reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""
        if self.size == 1:
            return flag
        value = torch.tensor([float(flag)])
        dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return bool(value.item())

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            dist.barrier()

    def assert_equal(self, tensors: Iterable[Tensor], what: str) -> None:
        """Compare tensors across processes by hash.

        Raises:
            TrainingError: They differ, so the processes no longer train the same model.
        """
        if self.size == 1:
            return
        digest = hashlib.sha256()
        for tensor in tensors:
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        digests: list[str | None] = [None] * self.size
        dist.all_gather_object(digests, digest.hexdigest())
        if len(set(digests)) > 1:
            raise TrainingError(
                f"The processes no longer agree on the {what} (hashes {', '.join(str(d)[:8] for d in digests)}). The "
                "checkpoint was not written; resume from the last one, and please report the recipe that did this."
            )


@contextmanager
def joined_world(device: str) -> Iterator[World]:
    """Join the processes that torchrun started, or stand alone; leaves the group at the end.

    Args:
        device: Kind of device; chooses nccl for tensors on ``cuda``; those on the CPU go by gloo.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    cuda = device.startswith("cuda")
    if cuda:
        torch.cuda.set_device(local)
    # flags and hashes travel as CPU tensors on every machine
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    try:
        yield World(dist.get_rank(), size, local)
    finally:
        dist.destroy_process_group()
