"""`twoway reproduce`: one verb per published table or figure, made from the registry when it is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from twoway.cli.options import DEVICE, FEATURE_WEIGHTS, FEATURES
from twoway.errors import ConfigError, closest

if TYPE_CHECKING:
    from twoway.reproduce.registry import Artefact

__all__ = ["app"]

COMMON: tuple[tuple[str, Any, Any], ...] = (
    ("budget", str, typer.Option("cpu", "--budget", help="smoke (a minute or two), cpu (about an hour) or paper.")),
    ("data", str | None, typer.Option(None, "--data", help="Pictures; those of the budget by default.")),
    ("size", int | None, typer.Option(None, "--size", help="Side of the pictures in pixels; the budget's by default.")),
    ("seed", int, typer.Option(0, "--seed", help="Seed of the first trial; the next ones count up.")),
    ("trials", int | None, typer.Option(None, "--trials", min=1, help="Trainings per row; the budget's by default.")),
    ("rows", str, typer.Option("", "--rows", help="Only these rows, separated by commas; all by default.")),
    ("kimg", float | None, typer.Option(None, "--kimg", help="Thousands of images of every training.")),
    (
        "out",
        Path | None,
        typer.Option(None, "--out", "-o", help="Folder of table and pictures; results/NAME/BUDGET by default."),
    ),
    (
        "runs",
        Path,
        typer.Option(Path("results/runs"), "--runs", help="Folder of trainings, where finished ones are found again."),
    ),
    ("features", str | None, FEATURES),
    ("feature_weights", str | None, FEATURE_WEIGHTS),
    ("device", str, DEVICE),
)
"""Options of every verb: name, type, what typer is told."""


class Verbs(MutableMapping[str, Any]):
    """The verbs by name, made of the registry at first use: the help of other commands needs none of it."""

    def __init__(self) -> None:
        self._made: dict[str, Any] | None = None

    @property
    def made(self) -> dict[str, Any]:
        """All of them."""
        if self._made is None:
            from twoway.reproduce.registry import load_artefacts

            self._made = {name: _verb(one) for name, one in load_artefacts().items()}
        return self._made

    def __getitem__(self, name: str) -> Any:
        if name not in self.made:
            raise ConfigError(f"There is no table or figure '{name}'{closest(name, self.made)}.")
        return self.made[name]

    def __setitem__(self, name: str, verb: Any) -> None:
        self.made[name] = verb

    def __delitem__(self, name: str) -> None:
        del self.made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.made)

    def __len__(self) -> int:
        return len(self.made)


class Group(TyperGroup):
    """A group whose verbs are those of the registry."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Verbs()


app = typer.Typer(
    help="Regenerate published tables and figures, measured beside published; without a name, list them.",
    cls=Group,
    invoke_without_command=True,
    subcommand_metavar="[NAME] [OPTIONS]",
)


@app.callback()
def _listed(context: typer.Context) -> None:
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.table import Table

    from twoway.reproduce.budget import BUDGETS
    from twoway.reproduce.registry import load_artefacts

    table = Table(title="twoway reproduce NAME --budget smoke | cpu | paper")
    for column in ("name", "what", *BUDGETS):
        table.add_column(column, no_wrap=column == "name")  # a name is to be typed
    for one in load_artefacts().values():
        takes = [one.budgets[name].takes or "-" for name in BUDGETS]
        table.add_row(one.name, f"{one.paper}. {one.summary}", *takes)
    Console().print(table)


def _verb(one: Artefact) -> Any:
    """The command of an artefact: the common options and its own."""
    from twoway.reproduce.registry import settings_of

    own = settings_of(one.settings)
    useless = {*one.without, *(() if one.rows else ("rows",))}
    useless |= {"feature_weights"} if "features" in useless else set()
    kinds: list[tuple[str, Any, Any]] = [option for option in COMMON if option[0] not in useless]
    for option in own:
        kind: Any = str if option.kind is tuple else option.kind
        default = ",".join(option.default) if option.kind is tuple else option.default
        if option.default is None:
            kind = kind | None
        kinds.append((option.name, kind, typer.Option(default, option.flag, help=option.help)))

    def call(**given: Any) -> None:
        values = {option.name: given.pop(option.name) for option in own}
        for option in own:
            if option.kind is tuple:
                values[option.name] = _listed_in(values[option.name])
        _reproduce(one, given, one.settings(**values))

    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d, annotation=k) for n, k, d in kinds]
    )
    call.__annotations__ = {name: kind for name, kind, _ in kinds}
    text = f"{one.paper}: {one.summary}" + (f" Rows: {', '.join(one.rows)}." if one.rows else "")
    alone = typer.Typer(add_completion=False)
    alone.command(one.name, help=text)(call)
    return get_command(alone)


def _reproduce(one: Artefact, given: dict[str, Any], settings: Any) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from twoway.cli.bars import working
    from twoway.cli.options import feature_spec
    from twoway.reproduce.command import Asked, reproduce

    kind, weights = given.pop("features", None), given.pop("feature_weights", None)
    spec = None if kind is None and weights is None else feature_spec(kind, weights)
    given["rows"] = _listed_in(given.get("rows", ""))
    with working() as progress:
        made = reproduce(one.name, Asked(**given, features=spec, settings=settings), say=typer.echo, progress=progress)
    Console().print(Markdown(made.text))
    typer.echo(f"Written to {made.out}/table.md and {made.out}/table.json")


def _listed_in(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
