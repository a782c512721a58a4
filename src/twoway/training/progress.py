"""How a training goes, for the person watching: a live bar on a terminal, one plain line a tick elsewhere."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

__all__ = [
    "PatientConsole",
    "Progress",
    "describe_tick",
    "duration",
    "is_no_terminal",
    "peak_memory_mib",
    "printable",
]

REFRESH_SECONDS = 0.25


class Progress:
    """Shows a training; use it as a context manager.

    Args:
        total_kimg: Budget in thousands of images.
        plain: Plain lines instead of the live display; None decides by whether the output is a terminal.
        file: Where to show it; standard output by default.
        log: Gets every line and note as well.
        silent: Show nothing; None is silent in every process of a ``torchrun`` but the first.

    Example:
        >>> with Progress(2.0, plain=True) as progress:
        ...     progress.note("here we go")
        here we go
    """

    def __init__(
        self,
        total_kimg: float,
        *,
        plain: bool | None = None,
        file: TextIO | None = None,
        log: TextIO | None = None,
        silent: bool | None = None,
    ) -> None:
        self.total_kimg = total_kimg
        self.log = log
        self.silent = os.environ.get("RANK", "0") != "0" if silent is None else silent
        self._file = sys.stdout if file is None else file
        self._plain = self.silent or (is_no_terminal(self._file) if plain is None else plain)
        self._live: Live | None = None
        self._kimg: float | None = None
        self._first: tuple[float, float] | None = None  # time and kimg at the first update
        self._speed = 0.0
        self._stats: Mapping[str, float] = {}
        self._phase = ""
        self._due = 0.0

    def __enter__(self) -> Progress:
        if not self._plain:
            console = PatientConsole(file=self._file, force_terminal=True)
            self._live = Live(self._display(), console=console, auto_refresh=False, redirect_stdout=False)
            with self._reader_may_leave():
                self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            with self._reader_may_leave():
                self._live.update(self._display(), refresh=True)
                self._live.stop()
            self._live = None

    def update(self, kimg: float, images_per_s: float, stats: Mapping[str, float]) -> None:
        """Take note of an iteration; cheap enough for every one, as the display changes four times a second at most.

        Args:
            kimg: Thousands of images seen.
            images_per_s: Speed of this iteration.
            stats: Its losses.
        """
        now = time.monotonic()
        if self._first is None:
            self._first = (now, kimg)
        self._speed += (images_per_s - self._speed) * (0.05 if self._speed else 1.0)
        self._kimg, self._stats = kimg, stats
        if self._live is not None and now >= self._due:
            self._due = now + REFRESH_SECONDS
            with self._reader_may_leave():
                self._live.update(self._display(), refresh=True)

    def tick(self, record: Mapping[str, Any]) -> None:
        """Print a line of statistics.

        Args:
            record: What ``stats.jsonl`` gets.
        """
        self._phase = str(record.get("phase", ""))
        left = self._seconds_left()
        self._say(describe_tick(record, self.total_kimg) + (f" | {duration(left)} left" if left else ""))

    def note(self, text: str) -> None:
        """Print a message, above the bar where there is one."""
        self._say(text)

    def _seconds_left(self) -> float | None:
        if self._first is None or self._kimg is None or self._kimg <= self._first[1]:
            return None
        rate = (self._kimg - self._first[1]) / max(time.monotonic() - self._first[0], 1e-9)
        return max(self.total_kimg - self._kimg, 0.0) / rate

    def _say(self, text: str) -> None:
        if self.silent:
            return
        text = printable(text)
        if self.log is not None:
            self.log.write(text + "\n")
            self.log.flush()
        with self._reader_may_leave():
            if self._live is not None:
                self._live.console.print(Text(text), soft_wrap=True)
            else:
                encoding = getattr(self._file, "encoding", None) or "utf-8"
                print(text.encode(encoding, "replace").decode(encoding), file=self._file, flush=True)

    @contextmanager
    def _reader_may_leave(self) -> Iterator[None]:
        """Go on in silence when the terminal is gone or the pipe closed, as under ``| head``."""
        try:
            yield
        except (OSError, ValueError):
            self._live, self._file = None, open(os.devnull, "w")  # noqa: SIM115, PTH123

    def _display(self) -> Group:
        kimg = self._kimg or 0.0
        left = self._seconds_left()
        facts = [
            f"{kimg:.4g}/{self.total_kimg:.4g} kimg",
            f"{self._speed:.0f} images/s",
            "..." if left is None else f"{duration(left)} left",
        ]
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        bar.add_row(ProgressBar(total=max(self.total_kimg, 1e-9), completed=kimg), " ".join(facts))
        losses = "  ".join(f"{name} {number(value)}" for name, value in _shown(self._stats).items())
        line = "  ".join(part for part in (self._phase, losses, f"{peak_memory_mib():.0f} MiB") if part)
        return Group(bar, Text(line, style="dim", overflow="ellipsis", no_wrap=True))


class PatientConsole(Console):
    """A console that falls silent when its reader leaves, where rich would end the program."""

    def on_broken_pipe(self) -> None:
        """See the class."""
        self.quiet = True


def describe_tick(record: Mapping[str, Any], total_kimg: float) -> str:
    """One line about a record of ``stats.jsonl``.

    Example:
        >>> describe_tick({"kimg": 5.0, "images_per_s": 99.5, "phase": "train", "loss/critic/hinge": 0.25}, 20.0)
        'kimg 5.00 of 20 (25 %) | train | 100 images/s | hinge 0.25'
    """
    kimg = float(record.get("kimg", 0.0))
    parts = [f"kimg {kimg:.2f} of {total_kimg:g} ({100 * kimg / max(total_kimg, 1e-9):.0f} %)"]
    if record.get("phase"):
        parts.append(str(record["phase"]))
    if "images_per_s" in record:
        parts.append(f"{record['images_per_s']:.0f} images/s")
    shown = _shown(record)
    if shown:
        parts.append(", ".join(f"{name} {number(value)}" for name, value in shown.items()))
    if record.get("nonfinite"):
        parts.append(f"{record['nonfinite']} iterations not finite")
    if "peak_memory_mib" in record:
        parts.append(f"{record['peak_memory_mib']:.0f} MiB")
    return " | ".join(parts)


def _shown(stats: Mapping[str, Any]) -> dict[str, float]:
    """Losses and metrics under the shortest names that tell them apart."""
    paths = {name: name.split("/", 1)[1] for name in stats if name.startswith(("loss/", "metric/"))}
    short = [path.rsplit("/", 1)[-1] for path in paths.values()]
    return {
        (last if short.count(last) == 1 else path): float(stats[name])
        for (name, path), last in zip(paths.items(), short, strict=True)
    }


def number(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}" if math.isfinite(value) else "not finite"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Example:
        >>> duration(59.6), duration(3725), duration(200000)
        ('1 min 00 s', '1 h 02 min', '2 d 07 h')
    """
    whole = round(seconds)
    for size, part, big, small in ((86400, 3600, "d", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s")):
        if whole >= size:
            return f"{whole // size} {big} {whole % size // part:02d} {small}"
    return f"{whole} s"


def printable(text: str) -> str:
    """Text without control characters, so that a file name cannot steer the terminal; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far, in MiB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return _peak_memory_mib_windows()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere


def _peak_memory_mib_windows() -> float:
    import ctypes

    class Counters(ctypes.Structure):
        _fields_ = (("cb", ctypes.c_ulong), ("faults", ctypes.c_ulong), ("sizes", ctypes.c_size_t * 8))

    try:
        kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        counters = Counters(cb=ctypes.sizeof(Counters))
        kernel.K32GetProcessMemoryInfo.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong)
        ok = kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb)
    except (AttributeError, OSError):
        return 0.0
    return counters.sizes[0] / 2**20 if ok else 0.0  # the first size is PeakWorkingSetSize


def is_no_terminal(file: TextIO) -> bool:
    """Whether a live display cannot be shown there."""
    try:
        return not file.isatty() or os.environ.get("TERM") == "dumb"
    except ValueError:  # closed
        return True
