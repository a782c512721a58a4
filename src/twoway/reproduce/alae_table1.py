"""Table 1 of ALAE: the taxonomy of every method, derived from its recipe, beside the published row.

References:
    Pidhorskyi et al., arXiv 2004.04467, Table 1.
"""

from __future__ import annotations

from twoway.errors import ConfigError
from twoway.methods import METHODS, make_recipe
from twoway.published import ALAE_TABLE1 as PUBLISHED
from twoway.recipe import Recipe
from twoway.reproduce.budget import BUDGETS, Budget
from twoway.reproduce.registry import artefact
from twoway.reproduce.result import Column, Result, Row, Table
from twoway.reproduce.study import Study
from twoway.taxonomy import Taxonomy, taxonomy

__all__ = ["COLUMNS", "alae_table1", "differences", "method_recipe", "method_taxonomy", "published_row"]

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


@artefact(
    "alae-table1",
    paper="ALAE (arXiv 2004.04467), table 1",
    summary="How each method matches data and codes, derived from the recipes, beside the published rows.",
    budgets=dict.fromkeys(BUDGETS, Budget(takes="seconds")),
    without=("data", "size", "seed", "trials", "kimg", "runs", "features", "device"),
)
def alae_table1(study: Study) -> Result:
    """Derive every method's row; nothing is trained, whatever the budget."""
    rows: list[Row] = []
    differing = 0
    for name in sorted(METHODS):
        found, theirs = method_taxonomy(name), published_row(name)
        wrong = [] if theirs is None else differences(found, theirs)
        differing += bool(wrong)
        cells = {c: f"**{cell}**" if c in wrong else cell for c, cell in zip(COLUMNS, found.cells, strict=True)}
        quoted = "-" if theirs is None else f"*differs: {', '.join(theirs)}*" if wrong else "*the same*"
        rows.append(Row(name, {**cells, "published": quoted}))
    compared = sum(published_row(name) is not None for name in METHODS)
    missing = [row for row in PUBLISHED if not any(_same(name, row) for name in METHODS)]
    findings = [f"{compared} of {len(METHODS)} methods have a published row; {differing} of those differ."]
    if missing:
        findings.append(f"Published, and not here: {', '.join(missing)}.")
    return Result(
        tables=(Table([Column(name) for name in (*COLUMNS, "published")], rows, corner="method"),),
        about="Derived from the recipes of the methods as they are without options.",
        findings=findings,
    )


def _same(name: str, row: str) -> bool:
    return name.replace("-", "") == row.replace("-", "")
