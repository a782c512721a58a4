"""Every `twoway` command line that the pages print has a verb and flags that there are."""

from __future__ import annotations

import re
import shlex

import pytest
import typer.main
from blocks import FENCE, ROOT

from twoway.cli.main import app

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMING: set[str] = set()
"""Verbs that the pages speak of and that are not there yet."""
APP = typer.main.get_command(app)


def command_lines(text):
    """Command lines in blocks and in code between backticks, comments and continued lines put right."""
    blocks = "\n".join(body for language, _, body, _ in FENCE.findall(text) if language in ("sh", ""))
    for line in blocks.replace("\\\n", " ").splitlines():
        yield from (part.strip() for part in re.split(r"&&|\|", line.split(" #")[0]))
    yield from re.findall(r"`(twoway [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def words_after_twoway(line):
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a quotation mark in a sentence
        return None
    return words[words.index("twoway") + 1 :] if "twoway" in words else None


def check(words, command, said):
    """Follow the words of a command line down to its verb; ellipses, capitals and the like stand for something."""
    flags = {name for p in command.params for name in (*p.opts, *p.secondary_opts) if name.startswith("-")} | {"--help"}
    flags |= {"--debug"}
    values = iter(words)
    for word in values:
        if word.startswith("-") and len(word) > 1 and not word[1].isdigit():
            flag = word.split("=")[0].rstrip(",.")
            assert flag in flags, f"{said}: there is no {flag}"
            taken = next((p for p in command.params if flag in p.opts), None)
            if taken is not None and not getattr(taken, "is_flag", False) and "=" not in word:
                next(values, None)
        elif hasattr(command, "commands"):
            if word.isupper() or word == "..." or word in COMING:
                return
            assert word in command.commands, f"{said}: there is no verb '{word}'"
            check(list(values), command.commands[word], said)
            return


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_verbs_and_flags_exist(path):
    for line in command_lines(path.read_text(encoding="utf-8")):
        words = words_after_twoway(line)
        if words and re.match(r"[a-z-]", words[0]):
            check(words, APP, line)


def test_a_wrong_line_is_noticed():
    for line in ("twoway trian x", "twoway train x --dta y", "twoway data shwo x"):
        with pytest.raises(AssertionError):
            check(words_after_twoway(line), APP, line)
    check(words_after_twoway("twoway --use mine.py train x --kimg 3 -n"), APP, "")
