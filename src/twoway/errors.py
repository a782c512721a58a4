"""Errors a user can cause and a user can mend: one paragraph each, no traceback at the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "ForeignFileError",
    "ModelError",
    "NoSplitError",
    "StudioError",
    "TrainingError",
    "UserError",
    "closest",
]


class UserError(Exception):
    """A mistake outside the program: the message says what is wrong, where, what was expected and what to do.

    The command line prints the message as one paragraph and exits with code 2; `--debug` adds the traceback.
    """


class ConfigError(UserError):
    """A setting, preset, method or flag that does not exist or has a value that cannot work."""


class DataError(UserError):
    """Pictures or labels that cannot be read or used."""


class NoSplitError(DataError):
    """A split that the data set does not have; one that is there and cannot be used is a plain `DataError`."""


class ModelError(UserError):
    """A model folder that cannot be loaded, or a model asked for what it cannot do."""


class CheckpointError(UserError):
    """A run folder or checkpoint that cannot be continued or written."""


class ForeignFileError(UserError):
    """A file of another program that is damaged, is no model of the kind expected, or would have to be executed."""


class DeviceError(UserError):
    """A device that is not there."""


class StudioError(UserError):
    """Something that cannot be done for a visitor now: nothing opened yet, a session that ended, too many at once."""


class TrainingError(UserError):
    """Training that cannot go on: non-finite losses, too many unreadable pictures."""


def closest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that helps with a misspelt name.

    Args:
        name: What was given.
        known: What would have been accepted.

    Returns:
        ``"; did you mean 'x'? Known: a, b, x"``, without the question where nothing is near.

    Example:
        >>> closest("enocder", ["encoder", "critic"])
        "; did you mean 'encoder'? Known: critic, encoder"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=8, cutoff=0.6)
    # of names equally near, one as long as what was typed: letters are swapped more often than left out

    def nearness(other: str) -> tuple[float, int]:
        return difflib.SequenceMatcher(None, name, other).ratio(), -abs(len(other) - len(name))

    question = f"; did you mean '{max(near, key=nearness)}'?" if near else "."
    return f"{question} Known: {', '.join(names)}"
