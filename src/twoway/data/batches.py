"""Endless seeded epochs of batches whose one number, the position, is all that resuming needs."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from twoway.data.base import ImageData
from twoway.errors import ConfigError, DataError

__all__ = ["Batches", "permutation"]


class Batches:
    """Batches of pictures for ever.

    Epoch e visits the pictures in a random order that is a function of the seed and e alone; what does not fill a
    whole batch at its end is dropped, as in ALAE. Each rank takes its slice of the same global batch, so two processes
    on halves see what one process sees.

    Reading ahead happens in one background thread, and only while pictures have to be decoded.

    Args:
        data: The pictures.
        batch: Size of the global batch, over all ranks.
        seed: Of the order, from 0.
        rank: Of this process.
        world: Number of processes.
        series: Number of the series of epochs, from 0; another series has other orders.
        prefetch: How many batches are read ahead; 0 reads none ahead.

    Attributes:
        position: Number of global batches delivered so far.

    Raises:
        DataError: More pictures in a batch than in the data.
        ConfigError: A batch that cannot be shared out evenly, or a setting out of range.
    """

    def __init__(
        self,
        data: ImageData,
        batch: int,
        *,
        seed: int,
        rank: int = 0,
        world: int = 1,
        series: int = 0,
        prefetch: int = 2,
    ) -> None:
        if batch < 1 or seed < 0 or prefetch < 0 or not 0 <= rank < world:
            raise ConfigError(
                f"Batches of {batch} pictures, seed {seed}, rank {rank} of {world}, {prefetch} read ahead cannot be: "
                "the batch must be from 1, seed and prefetch from 0, and the rank from 0 to world - 1."
            )
        if batch % world:
            raise ConfigError(
                f"A batch of {batch} pictures cannot be shared evenly by {world} processes; choose a multiple of "
                f"{world}."
            )
        if batch > len(data):
            raise DataError(
                f"A batch of {batch} pictures is more than the {len(data)} in {data.source} (split '{data.split}'); "
                f"choose a batch of at most {len(data)}, or more data."
            )
        self.position = 0
        self.batches_per_epoch = len(data) // batch
        self._data, self._batch, self._seed, self._prefetch = data, batch, seed, prefetch
        self._series = series
        self._slice = slice(rank * (batch // world), (rank + 1) * (batch // world))
        self._order: tuple[int, torch.Tensor] = (-1, torch.empty(0))
        self._ahead: deque[Future[torch.Tensor]] = deque()
        self._thread: ThreadPoolExecutor | None = None

    def next(self) -> torch.Tensor:
        """Return this rank's rows of the next global batch and move on by one.

        Returns:
            uint8 of shape (batch / world, C, H, W).

        Raises:
            DataError: From reading, also where it happened ahead of time; `position` stays, and a further call tries
                again.
        """
        self._read_ahead()
        if not self._ahead:
            pictures = self._load(self.position)
        else:  # also when everything has come into memory meanwhile: results must come in order
            try:
                pictures = self._ahead.popleft().result()
            except BaseException:
                self._drop()  # the batches behind the lost one would otherwise be delivered in its place
                raise
        self.position += 1
        self._read_ahead()  # now, so that the thread works while the caller computes
        return pictures

    def rows(self, position: int) -> torch.Tensor:
        """Return the picture numbers of this rank in a global batch.

        Args:
            position: Of the batch, from 0.

        Returns:
            int64 of shape (batch / world,).
        """
        epoch, number = divmod(position, self.batches_per_epoch)
        known, order = self._order
        if known != epoch:
            order = permutation(len(self._data), self._seed, epoch, self._series)
            self._order = (epoch, order)  # in one assignment: the thread that reads ahead does the same
        return order[number * self._batch : (number + 1) * self._batch][self._slice]

    def seek(self, position: int) -> None:
        """Go to a position; what follows is what an uninterrupted run delivers from there.

        Args:
            position: Number of global batches delivered, from 0.
        """
        if position < 0:
            raise ConfigError(f"Batches cannot be continued from position {position}; positions count from 0.")
        self._drop()
        self.position = position

    def close(self) -> None:
        """Stop reading ahead and end the thread. A further `next` starts it again."""
        self._drop()
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)
            self._thread = None

    def _load(self, position: int) -> torch.Tensor:
        return self._data.read(self.rows(position))

    def _read_ahead(self) -> None:
        if self._prefetch == 0 or self._data.in_memory:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="twoway-batches")
        while len(self._ahead) < self._prefetch:
            self._ahead.append(self._thread.submit(self._load, self.position + len(self._ahead)))

    def _drop(self) -> None:
        for future in self._ahead:
            future.cancel()
        self._ahead.clear()


def permutation(count: int, seed: int, epoch: int, series: int = 0) -> torch.Tensor:
    """Return the order of an epoch: a function of seed, epoch and series, int64 of shape (count,)."""
    # SeedSequence mixes the two so that seed 1 epoch 2 and seed 2 epoch 1 have nothing in common.
    mixed = int(
        np.random.SeedSequence([seed, epoch, series] if series else [seed, epoch]).generate_state(1, np.uint64)[0]
        >> np.uint64(1)
    )
    return torch.randperm(count, generator=torch.Generator().manual_seed(mixed))
