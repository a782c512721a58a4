"""Batches of pairs: pictures, and for each of them one that looks alike, found without any label.

Closeness is the Euclidean distance of pixels, which does not care about the order of the pixels.
"""

from __future__ import annotations

import numpy as np
import torch

from twoway.data.base import ImageData
from twoway.data.batches import Batches, permutation
from twoway.errors import ConfigError, DataError
from twoway.telling import Telling, silent

__all__ = ["PairedBatches", "nearest_pictures"]

CHUNK = 256  # 256 rows of distances to 60,000 pictures are 60 MB


def nearest_pictures(data: ImageData, k: int, *, progress: Telling = silent) -> torch.Tensor:
    """Numbers of the nearest other pictures of every picture.

    Args:
        data: The pictures.
        k: How many.
        progress: Told how many pictures have their neighbours.

    Returns:
        int32 of shape (N, k), nearest first.

    Raises:
        DataError: Not more pictures than neighbours wanted.
    """
    count = len(data)
    if count <= k:
        raise DataError(
            f"{k} neighbours of each picture were asked for, but {data.source} holds only {count} pictures. Lower "
            "neighbours.k, or train without neighbours (neighbours: null)."
        )
    pixels = data.read(range(count)).flatten(1).float()
    squares = pixels.square().sum(1)
    nearest = torch.empty(count, k, dtype=torch.int32)
    for start in range(0, count, CHUNK):
        rows = slice(start, min(start + CHUNK, count))
        closeness = torch.addmm(-squares, pixels[rows], pixels.T, alpha=2.0)
        closeness[torch.arange(rows.stop - start), torch.arange(start, rows.stop)] = -torch.inf  # not itself
        nearest[rows] = closeness.topk(k, dim=1).indices.int()
        progress("neighbours", rows.stop, count)
    return nearest


class PairedBatches(Batches):
    """Batches whose first half are pictures in random order and whose second half are neighbours of these, in order.

    The neighbour is the end of a random walk of one to `walk` steps over the table of nearest pictures, a function of
    seed and position alone, so `seek` resumes exactly.

    Args:
        data: The pictures.
        batch: Size of the global batch, both halves together.
        nearest: Table of `nearest_pictures`.
        walk: Longest walk.
        seed: Of order and walks.
        rank: Of this process; each process gets whole pairs.
        world: Number of processes.
    """

    def __init__(
        self,
        data: ImageData,
        batch: int,
        *,
        nearest: torch.Tensor,
        walk: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        series: int = 0,
    ) -> None:
        super().__init__(data, batch, seed=seed, rank=rank, world=world, series=series)
        if batch % (2 * world):
            raise ConfigError(
                f"A batch of {batch} cannot be made of pairs for {world} processes; choose a multiple of {2 * world}."
            )
        if len(nearest) != len(data):
            raise DataError(f"The table of neighbours is for {len(nearest)} pictures, but there are {len(data)}.")
        self._nearest, self._walk = nearest, walk
        self._half = batch // 2
        self._share = slice(rank * self._half // world, (rank + 1) * self._half // world)
        self.batches_per_epoch = len(data) // self._half

    def rows(self, position: int) -> torch.Tensor:
        """Return the picture numbers of this rank: pictures, then the neighbour of each, int64, (batch / world,)."""
        epoch, number = divmod(position, self.batches_per_epoch)
        known, order = self._order
        if known != epoch:
            order = permutation(len(self._data), self._seed, epoch)
            self._order = (epoch, order)
        first = order[number * self._half : (number + 1) * self._half]
        chance = np.random.default_rng(np.random.SeedSequence([self._seed, position, 1]))
        lengths = torch.from_numpy(chance.integers(1, self._walk + 1, len(first)))
        choices = torch.from_numpy(chance.integers(0, self._nearest.shape[1], (self._walk, len(first))))
        second = first
        for step in range(self._walk):
            further = self._nearest[second, choices[step]].long()
            second = torch.where(lengths > step, further, second)
        return torch.cat([first[self._share], second[self._share]])
