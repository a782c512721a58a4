"""What every method has learned as a table, and the rule that it is held to.

Which measures suit a method follows from its recipe: the space in which a way there and back leads home, whether it
has a prior to draw samples from, and whether its encoder names classes. One rule for all rows says what learning is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twoway.metrics import METRICS
from twoway.recipe import Recipe
from twoway.reproduce.result import Column, Result, Row, Table
from twoway.taxonomy import taxonomy

__all__ = ["GAIN", "RULE", "Learned", "learning_result", "suiting"]

GAIN = 0.1
RULE = (
    f"A row has learned if each of its measures is at least {GAIN:.0%} better than with the same nets untrained, and "
    "errors of pictures and codes are also below those of the best constant answer."
)
SPACES = {"data": "mse", "latent": "code-consistency", "adversarial": "fid-rec"}
"""Measures of reciprocity by the space that it holds in."""
SHOWN = ("mse", "code-consistency", "fid", "fid-rec", "unsupervised-accuracy")


@dataclass(frozen=True)
class Learned:
    """What became of a row.

    Args:
        row: Its name.
        size: Side of the pictures.
        cells: Taxonomy of its recipe.
        rule: Names of the measures that suit it; what else was measured is only told.
        before: Measures of the untrained nets.
        after: Measures of the trained ones, averaged weights; empty where training failed.
        constants: Errors of the best constant answer, for the measures that have one.
        kimg: Thousands of images it was trained on.
        seconds: Seconds that took by the clock on the wall, however busy the machine was.
        failure: Why training failed; empty where it did not.
        settings: What was set otherwise than for other rows.
    """

    row: str
    size: int
    cells: tuple[str, str, str]
    rule: tuple[str, ...]
    before: Mapping[str, float]
    after: Mapping[str, float] = field(default_factory=dict)
    constants: Mapping[str, float] = field(default_factory=dict)
    kimg: float = 0.0
    seconds: float = 0.0
    failure: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def short_of(self) -> list[str]:
        """The measures that did not improve enough."""
        return [name for name in self.rule if not self._improved(name)]

    @property
    def learned(self) -> bool:
        """Whether it keeps to the rule."""
        return not self.failure and not self.short_of

    @property
    def verdict(self) -> str:
        """Whether it has learned, in words."""
        if self.failure:
            return f"failed: {self.failure}"
        return "yes" if self.learned else f"no: {', '.join(self.short_of)}"

    def _improved(self, name: str) -> bool:
        if name not in self.after:
            return False
        before, after = self.before[name], self.after[name]  # comparisons with NaN are false, as they should be
        if METRICS[name].lower_is_better:
            return after <= (1 - GAIN) * before and after < self.constants.get(name, float("inf"))
        return after >= (1 + GAIN) * before

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "row": self.row,
            "size": self.size,
            "taxonomy": list(self.cells),
            "rule": list(self.rule),
            "before": dict(self.before),
            "after": dict(self.after),
            "constant_answer": dict(self.constants),
            "kimg": self.kimg,
            "seconds": round(self.seconds, 3),
            "learned": self.learned,
            "short_of": self.short_of,
            "failure": self.failure or None,
            "settings": dict(self.settings),
        }


def suiting(recipe: Recipe) -> tuple[str, ...]:
    """Names of the measures that suit a recipe, read from what it is.

    ``mse`` where the way from pictures to codes and back is held to lead home; ``code-consistency`` where the way from
    codes to pictures and back is; ``fid-rec`` where a game of pairs alone joins both ways, which asks that
    reconstructions are like pictures as a whole set, and not one by one; ``fid`` of samples where there is a prior;
    ``unsupervised-accuracy`` where the encoder names classes.
    """
    reciprocity = taxonomy(recipe).reciprocity
    names = [name for space, name in SPACES.items() if space in reciprocity]
    if recipe.prior is not None:
        names.append("fid")
        if recipe.encodes == "code" and recipe.prior.layout().discrete:
            names.append("unsupervised-accuracy")
    return tuple(names)


def learning_result(about: str, found: Sequence[Learned]) -> Result:
    """The table, as far as the rows have come.

    Args:
        about: What was trained and how, in words.
        found: The rows.
    """
    titles = {name: f"{name} {'↓' if METRICS[name].lower_is_better else '↑'}" for name in SHOWN}
    columns = [Column("pixels"), Column("reciprocity"), *(Column(name, title) for name, title in titles.items())]
    columns += [Column("kimg"), Column("seconds"), Column("learned")]
    answers = {one.size: one.constants["mse"] for one in found}
    rows = []
    for one in found:
        facts = {"pixels": str(one.size), "reciprocity": one.cells[2], "kimg": f"{one.kimg:.4g}"}
        facts |= {"seconds": f"{one.seconds:.0f}", "learned": one.verdict}
        rows.append(Row(one.row, {**facts, **{name: _cell(one, name) for name in SHOWN}}, facts=one.plain()))
    cells = (
        "Cells: the untrained nets, then the averaged weights after training; on held-out pictures, Fréchet distances "
        "on pyramid features. In bold what falls short of the rule, in brackets what it does not ask of a method."
    )
    rule = (
        RULE
        + " The best constant answers: 1 for codes; for pictures the mean training picture, "
        + ", ".join(f"{error:.3f} at {size} pixels" for size, error in sorted(answers.items()))
        + "."
    )
    special = [
        f"* {one.row}: " + ", ".join(f"`{k}={v}`" for k, v in one.settings.items()) for one in found if one.settings
    ]
    after = "\n".join(["Settings of single rows, which tiny pictures need:", "", *special]) if special else ""
    return Result(
        tables=(Table(columns, rows, after=after),),
        about=f"{about}\n\n{cells}\n\n{rule}",
        findings=[f"{sum(one.learned for one in found)} of {len(found)} rows have learned."],
        notes=["No paper has this table: it asks of every method here whether it learns at all."],
        facts={"rule": RULE},
    )


def _cell(one: Learned, name: str) -> str:
    if name not in one.before:
        return "-"
    after = f"{one.after[name]:.3g}" if name in one.after else "none"
    text = f"{one.before[name]:.3g} → {'**' + after + '**' if name in one.short_of else after}"
    return text if name in one.rule else f"({text})"
