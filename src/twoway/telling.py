"""How long work says how far it has come: a callback that is silent unless somebody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

__all__ = ["Telling", "counted", "part_of", "silent", "underway"]

T = TypeVar("T")

Telling: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is in all; done when both are equal.

The command line passes `twoway.cli.bars.working`; libraries default to `silent`. A total of 0 means that nobody knows.
"""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


def counted(items: Iterable[T], what: str, progress: Telling, total: int) -> Iterator[T]:
    """Go through items and tell how many are done.

    Args:
        items: What is worked on, one after the other.
        what: Said of the work, as ``samples``.
        progress: Told before the first item and after each.
        total: How many items there are.

    Example:
        >>> for item in counted("ab", "letters", lambda *told: print(told), 2):
        ...     print(item)
        ('letters', 0, 2)
        a
        ('letters', 1, 2)
        b
        ('letters', 2, 2)
    """
    with underway(what, progress, total):
        for number, item in enumerate(items, 1):
            yield item
            if number < total:
                progress(what, number, total)


@contextmanager
def underway(what: str, progress: Telling, total: int = 0) -> Iterator[None]:
    """Tell that something begins, and that it has ended, also where it fails.

    Args:
        what: Said of the work.
        progress: Told.
        total: How much there is; 0 where nobody knows.
    """
    progress(what, 0, total)
    try:
        yield
    finally:
        progress(what, total or 1, total or 1)


def part_of(progress: Telling, before: str) -> Telling:
    """The same callback for a part of the work, whose name goes before what is said.

    Example:
        >>> part_of(lambda *told: print(told), "vae")("samples", 1, 2)
        ('vae: samples', 1, 2)
    """
    return lambda what, done, total: progress(f"{before}: {what}", done, total)
