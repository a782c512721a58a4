"""The command line, called in process the way the shell calls it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from twoway.cli.main import run

TINY = ("--option", "hidden=16", "--option", "latent=4", "--batch", "32", "--kimg", "0.2", "--device", "cpu")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


def twoway(*arguments: object) -> Result:
    """Run a command line, error handling included."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", ["twoway", *map(str, arguments)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            run()
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Result(code, out.getvalue(), err.getvalue())


def fine(*arguments: object) -> str:
    """What a command prints that must succeed."""
    result = twoway(*arguments)
    assert result.code == 0, result
    return result.out


def refused(*arguments: object, names: tuple[str, ...]) -> str:
    """The paragraph of a command that must be refused; it names all culprits."""
    result = twoway(*arguments)
    assert result.code == 2, result
    assert "Traceback" not in result.err
    paragraph = result.err.strip()
    assert "\n\n" not in paragraph
    assert len(paragraph) > 30
    joined = " ".join(paragraph.split())
    for name in names:
        assert name in joined, joined
    return joined


def contents(*places: Path) -> dict[str, str]:
    """Every file below some places, with its hash."""
    files = [p for place in places for p in ([place] if place.is_file() else place.rglob("*")) if p.is_file()]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
