"""Blocks of commands and code in the pages, and what is said about running them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```[ ]*\n(?:<!--(.*?)-->)?", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Block:
    """One block.

    `why_not` is the reason not to run it. `text` is what the page says, `runs` what is run: the same, or something
    smaller. `file` is where it is written instead of run. `prints` is the output the page shows below it.
    """

    where: str
    language: str
    text: str
    runs: str
    why_not: str = ""
    file: str = ""
    prints: str = ""


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a page, in order; a block of output belongs to the one above it."""
    text = path.read_text(encoding="utf-8")
    found: list[Block] = []
    for match in FENCE.finditer(text):
        language, title, body, said = (part or "" for part in match.groups())
        where = f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
        if language == "output":
            assert found, f"{where}: there is no block that could print this"
            found[-1] = replace(found[-1], prints=body)
            continue
        runs, why_not = read_remark(" ".join(said.split()), body, where)
        named = re.search(r'title="([^"]+)"', title)
        found.append(Block(where, language, body, runs, why_not, named[1] if named else ""))
    return found


def read_remark(said: str, body: str, where: str) -> tuple[str, str]:
    """What is run of a block, and why nothing is, from the comment below it.

    ``not run: REASON``, ``run with: A instead of B; C instead of D``, or ``run as it is; ANYTHING``.
    """
    if not said or said.startswith("run as it is"):
        return body, ""
    if said.startswith("not run:"):
        reason = said.removeprefix("not run:").strip()
        assert len(reason) > 10, f"{where} does not say why it is not run"
        return body, reason
    assert said.startswith("run with:"), f"{where}: what is said about running it is not understood: {said}"
    for change in said.removeprefix("run with:").split(";"):
        new, _, old = change.strip().partition(" instead of ")
        assert old, f"{where}: {change} has no 'instead of'"
        assert old in body, f"{where}: there is no {old}"
        body = body.replace(old, new)
    return body, ""


def agrees(shown: str, printed: str) -> bool:
    """Whether every line that a page shows was printed, whatever the numbers with a point; ``...`` is anything."""
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    return all(any(_pattern(line).search(got) for got in lines) for line in shown.splitlines() if line.strip())


def _pattern(line: str) -> re.Pattern[str]:
    parts = NUMBER.split(" ".join(line.split()))
    numbers = NUMBER.findall(" ".join(line.split()))
    escaped = [re.escape(part).replace(re.escape("..."), ".*") for part in parts]
    loose = [re.escape(n) if "." not in n else r"-?\d[\d,]*(?:\.\d+)?" for n in numbers]
    return re.compile("".join(a + b for a, b in zip(escaped, [*loose, ""], strict=True)))
