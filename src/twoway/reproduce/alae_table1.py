"""Table 1 of ALAE: the taxonomy of every method, derived from its recipe, beside the published row.

References:
    Pidhorskyi et al., arXiv 2004.04467, Table 1.
"""

from __future__ import annotations

from pathlib import Path

from twoway.errors import CheckpointError, ConfigError
from twoway.methods import METHODS, make_recipe
from twoway.published import ALAE_TABLE1 as PUBLISHED
from twoway.recipe import Recipe
from twoway.taxonomy import Taxonomy, taxonomy
from twoway.training.runs import write_text

__all__ = ["COLUMNS", "differences", "method_recipe", "method_taxonomy", "published_row", "reproduce_table1"]

COLUMNS = ("data distribution", "latent distribution", "reciprocity")
SHAPES = ((1, 32, 32), (3, 32, 32), (1, 64, 64), (3, 64, 64), (1, 28, 28))


def method_recipe(name: str) -> Recipe:
    """The recipe of a method with its own options, for the first shape of images that it takes.

    Raises:
        ConfigError: It takes none of those tried.
    """
    for shape in SHAPES[:-1]:
        try:
            return make_recipe(name, shape)
        except ConfigError:
            continue
    return make_recipe(name, SHAPES[-1])


def method_taxonomy(name: str) -> Taxonomy:
    """The taxonomy of a method as its own options make it."""
    return taxonomy(method_recipe(name))


def published_row(name: str) -> tuple[str, str, str] | None:
    """The row of the paper about a method; hyphens do not matter, as in ``vaegan`` and ``vae-gan``."""
    return next((row for published, row in PUBLISHED.items() if _same(name, published)), None)


def differences(found: Taxonomy, published: tuple[str, str, str]) -> list[str]:
    """The columns in which a derived row is not the published one; what stands in brackets only adds to it."""
    pairs = zip(COLUMNS, found.cells, published, strict=True)
    return [column for column, ours, theirs in pairs if ours.split(" (")[0] != theirs]


def reproduce_table1(out: Path | None = None) -> str:
    """Derive every method's row.

    Args:
        out: Folder for ``table.md``; None writes nothing.

    Returns:
        The table as Markdown.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    lines = [
        "# ALAE, Table 1: how methods match data and codes",
        "",
        "Derived from the recipes of the methods as they are without options; published: arXiv 2004.04467, Table 1.",
        "",
        "| method | " + " | ".join(COLUMNS) + " | published |",
        "| --- | --- | --- | --- | --- |",
    ]
    differing = 0
    for name in sorted(METHODS):
        found, theirs = method_taxonomy(name), published_row(name)
        wrong = [] if theirs is None else differences(found, theirs)
        differing += bool(wrong)
        cells = [f"**{cell}**" if column in wrong else cell for column, cell in zip(COLUMNS, found.cells, strict=True)]
        quoted = "-" if theirs is None else f"*differs: {', '.join(theirs)}*" if wrong else "*the same*"
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {quoted} |")
    compared = sum(published_row(name) is not None for name in METHODS)
    missing = [row for row in PUBLISHED if not any(_same(name, row) for name in METHODS)]
    lines += ["", f"{compared} of {len(METHODS)} methods have a published row; {differing} of those differ."]
    if missing:
        lines += ["", f"Published, and not here: {', '.join(missing)}."]
    text = "\n".join(lines) + "\n"
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            write_text(out / "table.md", text)
        except OSError as error:
            raise CheckpointError(f"The table cannot be written to {out}: {error}. Choose another --out.") from error
    return text


def _same(name: str, row: str) -> bool:
    return name.replace("-", "") == row.replace("-", "")
