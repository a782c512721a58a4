"""Turns at a model: whoever waits longest is next, quick work before long work, nobody forever."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Turns"]

PATIENCE = 4
"""Quick turns in a row after which one who waits with long work gets a turn."""


class Turns:
    """A lock for work that comes in turns.

    A plain lock goes to whoever asks first after it was freed, which is nearly always who has just freed it: a
    projection that frees it between its steps would let nobody in. Here it is handed to the next who waits.

    Example:
        >>> turns = Turns()
        >>> with turns.quick():
        ...     turns.busy
        True
        >>> turns.busy
        False
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._quick: deque[threading.Lock] = deque()
        self._long: deque[threading.Lock] = deque()
        self._held = False
        self._in_a_row = 0

    @property
    def busy(self) -> bool:
        """Whether somebody has the turn."""
        return self._held

    @property
    def waiting(self) -> int:
        """How many wait for it."""
        return len(self._quick) + len(self._long)

    @contextmanager
    def quick(self) -> Iterator[None]:
        """A turn for work of milliseconds that somebody watches."""
        self._take(self._quick)
        try:
            yield
        finally:
            self._hand_on()

    @contextmanager
    def long(self) -> Iterator[None]:
        """A turn for one part of work that takes many turns."""
        self._take(self._long)
        try:
            yield
        finally:
            self._hand_on()

    def _take(self, queue: deque[threading.Lock]) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            gate = threading.Lock()
            gate.acquire()
            queue.append(gate)
        gate.acquire()  # opened by who hands the turn on

    def _hand_on(self) -> None:
        with self._guard:
            quick = self._quick and (not self._long or self._in_a_row < PATIENCE)
            queue = self._quick if quick else self._long
            self._in_a_row = self._in_a_row + 1 if quick else 0
            if queue:
                queue.popleft().release()
            else:
                self._held = False
