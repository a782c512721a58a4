"""Progress of verbs that take longer than a moment: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from twoway.training.progress import PatientConsole, duration, is_no_terminal, printable

__all__ = ["working"]

PATIENCE_S = 2.0
"""Work that is done by then shows nothing."""
PAUSE_S = 1.0
"""Work that begins within this time after other work goes on with it, and does not wait anew."""
LINE_S = 15.0
"""Between two lines where there is no terminal."""
REFRESH_S = 0.25


class working:
    """Shows how far work has come; the callback that long functions of the library take (`twoway.telling`).

    Nothing is shown before `PATIENCE_S` seconds of work, and nothing between two pieces of it, so that whatever the
    verb prints in between is undisturbed. Processes of ``torchrun`` but the first, and a reader that has left, see
    nothing.

    Args:
        what: Work that cannot say how far it is and takes all the time inside; None where the callback says it.
        quiet: Show nothing at all.
        file: Where to show it; standard error by default.
        plain: Lines instead of a bar; None decides by whether the file is a terminal.
        clock: Seconds that only grow.
        watch: Whether a thread looks at the clock while the work says nothing.

    Example:
        >>> with working() as progress:
        ...     progress("pictures", 1, 2)
        ...     progress("pictures", 2, 2)
    """

    def __init__(
        self,
        what: str | None = None,
        *,
        quiet: bool = False,
        file: TextIO | None = None,
        plain: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
        watch: bool = True,
    ) -> None:
        self._what = what
        self._quiet = quiet or os.environ.get("RANK", "0") != "0"
        self._file = sys.stderr if file is None else file
        self._plain = is_no_terminal(self._file) if plain is None else plain
        self._clock, self._watch = clock, watch
        self._open: dict[str, tuple[int, int, float]] = {}  # done, total, when it began
        self._began = 0.0  # the stretch of work that goes on
        self._idle: float | None = None  # since when nothing goes on
        self._spoken = float("-inf")
        self._drawn = 0.0
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> working:
        if self._what is not None:
            self(self._what, 0, 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._open.clear()
            self._hide()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take note of how far something is.

        Args:
            what: The work, in a word or two.
            done: How much of it is done; all of it ends it.
            total: How much there is; 0 where nobody knows.
        """
        if self._quiet:
            return
        with self._lock:
            now = self._clock()
            if 0 < total <= done:
                self._open.pop(what, None)
                if not self._open:
                    self._idle = now
                    self._hide()
                return
            if not self._open and (self._idle is None or now - self._idle > PAUSE_S):
                self._began = now
            self._open[what] = (done, total, self._open[what][2] if what in self._open else now)
            if self._watch and self._thread is None:
                self._thread = threading.Thread(target=self._look, name="progress", daemon=True)
                self._thread.start()
            self.show()

    def show(self) -> None:
        """Bring what is shown up to date, if it is time for that."""
        with self._lock:
            now = self._clock()
            if not self._open or now - self._began < PATIENCE_S:
                return
            try:
                if self._plain:
                    self._speak(now)
                elif now - self._drawn >= REFRESH_S:
                    self._drawn = now
                    self._draw()
            except (OSError, ValueError):  # the terminal is gone, or the pipe closed
                self._quiet, self._bar = True, None
                self._open.clear()

    def _look(self) -> None:
        while not self._ended.wait(REFRESH_S):
            self.show()

    def _speak(self, now: float) -> None:
        if now - self._spoken < LINE_S:
            return
        self._spoken = now
        encoding = getattr(self._file, "encoding", None) or "utf-8"
        line = printable("; ".join(describe(what, *counts, now) for what, counts in self._open.items()))
        print(line.encode(encoding, "replace").decode(encoding), file=self._file, flush=True)

    def _draw(self) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=PatientConsole(file=self._file, force_terminal=True),
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,  # what goes to standard output belongs there, also when that is a file
                redirect_stderr=False,
                get_time=self._clock,
            )
            self._bar.start()
        for what in self._tasks.keys() - self._open.keys():
            self._bar.remove_task(self._tasks.pop(what))
        for what, (done, total, _) in self._open.items():
            if what not in self._tasks:
                self._tasks[what] = self._bar.add_task(printable(what), total=total or None)
            self._bar.update(self._tasks[what], completed=done, total=total or None)
        self._bar.refresh()

    def _hide(self) -> None:
        bar, self._bar = self._bar, None
        self._tasks.clear()
        if bar is not None:
            try:
                bar.stop()
            except (OSError, ValueError):
                self._quiet = True


def describe(what: str, done: int, total: int, began: float, now: float) -> str:
    """One line about a piece of work.

    Example:
        >>> describe("pictures", 200, 800, began=0.0, now=10.0)
        'pictures: 200 of 800 (25 %), 30 s left'
    """
    if not total:
        return f"{what}: {done}" if done else f"{what} ..."
    left = f", {duration((now - began) * (total - done) / done)} left" if done and now > began else ""
    return f"{what}: {done} of {total} ({100 * done / total:.0f} %){left}"
