"""Published tables and figures by name: a function of a study each, registered by a decorator."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twoway.errors import ConfigError, closest
from twoway.reproduce.budget import BUDGETS, Budget, BudgetName

if TYPE_CHECKING:
    from twoway.reproduce.result import Result
    from twoway.reproduce.study import Study

__all__ = [
    "ARTEFACTS",
    "Artefact",
    "NoSettings",
    "Setting",
    "artefact",
    "find_artefact",
    "load_artefacts",
    "setting",
    "settings_of",
]


@dataclass(frozen=True)
class NoSettings:
    """The settings of an artefact that has none of its own."""


@dataclass(frozen=True)
class Artefact:
    """A published table or figure as a command.

    Args:
        name: What users type, such as ``lia-table3``.
        paper: Where it stands, such as "LIA (arXiv 1906.08090), table 3".
        summary: One sentence.
        build: Trains, measures and draws what is asked for.
        budgets: All of `twoway.reproduce.budget.BUDGETS`.
        rows: Rows that ``--rows`` may choose from; empty where there is no choice.
        settings: A frozen dataclass of options of its own, made of `setting` fields.
        without: Common options that it has no use for, such as ``kimg``.
    """

    name: str
    paper: str
    summary: str
    build: Callable[[Study], Result]
    budgets: Mapping[str, Budget]
    rows: tuple[str, ...] = ()
    settings: type = NoSettings
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """An option that only one artefact has.

    Args:
        name: Field of its dataclass.
        flag: What users type, such as ``--epochs``.
        kind: ``int``, ``float``, ``str`` or ``tuple``, which is written with commas.
        default: Value where the user says nothing.
        help: One sentence.
    """

    name: str
    flag: str
    kind: type
    default: Any
    help: str


ARTEFACTS: dict[str, Artefact] = {}
"""Artefacts by name, as far as their modules are imported; `load_artefacts` imports them all."""


def artefact(
    name: str,
    *,
    paper: str,
    summary: str,
    budgets: Mapping[BudgetName, Budget] | Mapping[str, Budget],
    rows: Sequence[str] = (),
    settings: type = NoSettings,
    without: Sequence[str] = (),
) -> Callable[[Callable[[Study], Result]], Callable[[Study], Result]]:
    """Register a function as a published table or figure; see `Artefact`.

    Example:
        >>> @artefact("nothing-table1", paper="", summary="Empty.", budgets=dict.fromkeys(BUDGETS, Budget()))
        ... def nothing(study):
        ...     return Result()
        >>> ARTEFACTS.pop("nothing-table1").name
        'nothing-table1'
    """
    assert set(budgets) == set(BUDGETS), f"{name} needs the budgets {', '.join(BUDGETS)}"
    assert name not in ARTEFACTS, f"{name} is registered twice"
    settings_of(settings)

    def register(build: Callable[[Study], Result]) -> Callable[[Study], Result]:
        by_name: dict[str, Budget] = {str(word): budget for word, budget in budgets.items()}
        ARTEFACTS[name] = Artefact(name, paper, summary, build, by_name, tuple(rows), settings, tuple(without))
        return build

    return register


def setting(default: Any, help: str, *, flag: str = "") -> Any:
    """A field of the settings of an artefact, which becomes an option of its command.

    Args:
        default: Value where the user says nothing.
        help: One sentence for ``--help``.
        flag: What users type; the name of the field with hyphens where empty.
    """
    return field(default=default, metadata={"help": help, "flag": flag})


def settings_of(kind: type) -> list[Setting]:
    """The options of a dataclass of settings."""
    hints = typing.get_type_hints(kind)
    found = []
    for one in dataclasses.fields(kind):
        # a type that may also be None is read as the type itself
        options = [arg for arg in typing.get_args(hints[one.name]) if arg is not type(None)]
        chosen = hints[one.name] if not options else options[0]
        if typing.get_origin(hints[one.name]) is tuple:
            chosen = tuple
        assert chosen in (int, float, str, tuple), f"{kind.__name__}.{one.name} is of a type that no option can have"
        flag = one.metadata["flag"] or "--" + one.name.replace("_", "-")
        found.append(Setting(one.name, flag, chosen, one.default, one.metadata["help"]))
    return found


def load_artefacts() -> dict[str, Artefact]:
    """All artefacts: every module of this package is imported, so that a new file is a new command.

    Returns:
        `ARTEFACTS`, in alphabetical order.
    """
    import twoway.reproduce as room

    for module in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{room.__name__}.{module.name}")
    return {name: ARTEFACTS[name] for name in sorted(ARTEFACTS)}


def find_artefact(name: str) -> Artefact:
    """Look an artefact up by name.

    Raises:
        ConfigError: There is none of that name.
    """
    known = load_artefacts()
    if name not in known:
        raise ConfigError(f"There is no table or figure '{name}'{closest(name, known)}.")
    return known[name]
