"""What `twoway directions` learns from: pictures, files of codes, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from twoway.cli.options import tell_skipped
from twoway.errors import ConfigError

if TYPE_CHECKING:
    from twoway.data import ImageData
    from twoway.latents.codes import Codes
    from twoway.latents.direction_examples import Examples
    from twoway.latents.directions import Direction
    from twoway.latents.score_tables import ScoreTable
    from twoway.model import TwoWayModel
    from twoway.telling import Telling

__all__ = [
    "from_codes",
    "from_pictures",
    "learnable",
    "open_codes",
    "open_pictures",
    "open_table",
    "wanted_names",
    "with_both",
]


def open_table(path: Path | None, data: str | None) -> ScoreTable | None:
    """A table by its path, or by its name in the folder of the pictures."""
    from twoway.latents.score_tables import read_score_table

    if path is None:
        return None
    inside = Path(data).expanduser() / path if data is not None else path
    return read_score_table(inside if not path.exists() and inside.is_file() else path)


def open_pictures(model: TwoWayModel, data: str) -> tuple[ImageData, ImageData | None]:
    """Pictures of the model's shape: to learn from, and held-out ones where the data set has any."""
    from twoway.training.config import DataConfig
    from twoway.training.entry import data_for_model

    config = data_for_model(model, DataConfig.make(data))
    return config.open("train", minimum=2), config.open_test()


def learnable(data: ImageData) -> Sequence[str]:
    """What a data set knows of its pictures by name."""
    from twoway.latents.direction_examples import known_names

    return known_names(data)


def wanted_names(wanted: Sequence[str], there: Sequence[str]) -> list[str]:
    """Names as given, each once; 'all' is all that there are."""
    if list(wanted) == ["all"]:
        if not there:
            raise ConfigError("--name is 'all', but nothing is known of the pictures by name. Give --attributes FILE.")
        return list(there)
    return list(dict.fromkeys(wanted))


def with_both(names: Sequence[str], examples: Examples) -> list[str]:
    """Those that some have and others have not, twice at least; says which are left out."""
    kept = [name for name in names if _learnable_from(examples.known[name].tolist())]
    left = [name for name in names if name not in kept]
    if left:
        typer.echo(
            "Left out, because they are not 1 for some and 0 for others, two of each at least: " + ", ".join(left),
            err=True,
        )
    if not kept:
        raise ConfigError(
            "None of the attributes is 1 for some of the pictures and 0 for others, two of each at least. Use more "
            "pictures."
        )
    return kept


def _learnable_from(values: Sequence[float]) -> bool:
    """Whether at least two are 1, two 0, and none another number; of fewer than six, none are held out."""
    known = [value for value in values if value == value]
    return min(known.count(0.0), known.count(1.0)) >= 2 and set(known) == {0.0, 1.0}


def open_codes(model: TwoWayModel, path: Path) -> Codes:
    """Codes of this model from a file."""
    from twoway.latents.codes import load_codes

    return load_codes(path, model)


def from_codes(
    model: TwoWayModel,
    path: Path,
    wanted: Sequence[str],
    conditions: Sequence[str],
    given: Mapping[str, Direction],
    table: ScoreTable | None,
    *,
    beside: Sequence[str] = (),
    whole: bool = False,
) -> tuple[list[str], Examples]:
    """Codes of a file, and what a table or their classes say of them: what is needed, or all that they say."""
    import numpy as np

    from twoway.latents.direction_examples import CLASS, code_examples

    codes = open_codes(model, path)
    classes = [] if codes.labels is None else [f"{CLASS}{int(label)}" for label in np.unique(codes.labels)]
    there = list(table.names) if table else classes
    names = wanted_names(wanted, there)
    needed = [*names, *(one for one in conditions if one not in names and one not in given)]
    return names, code_examples(codes, list(dict.fromkeys([*needed, *beside, *(there if whole else ())])), table=table)


def from_pictures(
    model: TwoWayModel,
    train: ImageData,
    test: ImageData | None,
    names: Sequence[str],
    table: ScoreTable | None,
    rows: Sequence[int] | None,
    limit: int,
    progress: Telling,
    *,
    more: Sequence[str] = (),
) -> tuple[Examples, Examples | None]:
    """Encoded pictures to learn from and to test on; the latter only where a table knows them too.

    Of pictures to learn from, more than those names is read.
    """
    from twoway.errors import DataError
    from twoway.latents.direction_examples import picture_examples

    every = list(dict.fromkeys([*names, *more]))
    examples = picture_examples(model, train, every, table=table, layers=rows, limit=limit, progress=progress)
    tell_skipped(train.skipped)
    if test is None:
        return examples, None
    try:
        held_out = picture_examples(model, test, names, table=table, layers=rows, limit=limit, progress=progress)
    except DataError:
        if table is None:
            raise
        return examples, None
    tell_skipped(test.skipped)
    return examples, held_out
