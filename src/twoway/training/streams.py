"""Named random streams: each kind of chance has a generator of its own, saved with the checkpoint."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from twoway.priors import Prior
from twoway.training.distributed import World

__all__ = ["Streams", "seeded"]


def seeded(seed: int, name: str) -> torch.Generator:
    """A CPU generator for one purpose, independent of those for other purposes."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


class Streams:
    """The random streams of a training.

    Every process draws for the whole batch and keeps its own rows, so two processes on half batches see the chance
    that one process on the whole batch would see. Numbers are drawn on the CPU, so a seed means the same everywhere;
    but for normal noise, of which style generators need millions, on a GPU by the GPU itself.

    Args:
        seed: Seed of all streams.
        world: The processes.
        device: Where the numbers are wanted.
    """

    names = ("prior", "noise", "uniform", "mixing", "mirror")

    def __init__(self, seed: int, world: World, device: torch.device) -> None:
        self.world = world
        self.device = device
        self.generators = {name: seeded(seed, name) for name in self.names}
        if device.type == "cuda":
            self.generators["noise"] = torch.Generator(device).manual_seed(self.generators["noise"].initial_seed())

    def draw_prior(self, prior: Prior, batch: int) -> Tensor:
        """This process's rows of a batch of prior codes, (rows, dim)."""
        return self._mine(prior.sample(batch, generator=self.generators["prior"]), batch)

    def draw_normal(self, shape: tuple[int, ...]) -> Tensor:
        """This process's standard normals; the first axis of `shape` counts this process's rows."""
        batch = shape[0] * self.world.size
        generator = self.generators["noise"]
        return self._mine(torch.randn(batch, *shape[1:], generator=generator, device=generator.device), batch)

    def draw_uniform(self, shape: tuple[int, ...], name: str = "uniform") -> Tensor:
        """This process's uniform numbers in [0, 1); the first axis of `shape` counts this process's rows."""
        batch = shape[0] * self.world.size
        return self._mine(torch.rand(batch, *shape[1:], generator=self.generators[name]), batch)

    def draw_crossover(self, layers: int, chance: float) -> int | None:
        """With this chance a layer from 1 to `layers`, else None; the same in all processes."""
        if chance == 0:
            return None
        decision = torch.rand((), generator=self.generators["mixing"]).item()
        layer = torch.randint(1, layers + 1, (), generator=self.generators["mixing"]).item()
        return int(layer) if decision < chance else None

    def _mine(self, drawn: Tensor, batch: int) -> Tensor:
        return drawn[self.world.rows(batch)].to(self.device, non_blocking=True)

    def state(self) -> dict[str, Tensor]:
        """State of all generators, as byte tensors."""
        return {name: generator.get_state() for name, generator in self.generators.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Continue from a saved state; on another kind of device the noise in layers starts from its seed again."""
        for name, generator in self.generators.items():
            if name not in state:  # a stream that an older checkpoint does not know was never drawn from
                continue
            if state[name].numel() != generator.get_state().numel():
                # a generator of another kind of device: its numbers cannot go on, those of this kind start anew
                generator.manual_seed(generator.initial_seed())
                continue
            generator.set_state(state[name])
