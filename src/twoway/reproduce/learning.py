"""Whether every method learns: small nets, minutes of training, and the measures that suit each, before and after.

Which measures suit a method follows from its recipe: the space in which a way there and back leads home, whether it
has a prior to draw samples from, and whether its encoder names classes. One rule for all rows says what learning is.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from twoway.compare.budget import budget_of
from twoway.compare.plan import Comparison
from twoway.data import ImageData, to_float
from twoway.errors import ConfigError, TrainingError, closest
from twoway.features import FeatureSpec
from twoway.methods import METHODS
from twoway.metrics import METRICS, evaluate
from twoway.model import TwoWayModel, build_model
from twoway.recipe import Recipe
from twoway.reproduce.runs import Interrupted, trained_run
from twoway.taxonomy import taxonomy
from twoway.training.checkpoint import latest_checkpoint
from twoway.training.config import DataConfig, RunConfig, make_config
from twoway.training.entry import model_of_run
from twoway.training.runs import write_text
from twoway.training.streams import seeded

__all__ = ["GAIN", "ROWS", "RULE", "Learned", "Learning", "learn", "reproduce_learning", "suiting"]

GAIN = 0.1
RULE = (
    f"A row has learned if each of its measures is at least {GAIN:.0%} better than with the same nets untrained, and "
    "errors of pictures and codes are also below those of the best constant answer."
)
SMALL = {"latent": 16, "hidden": 256, "start": 8, "maximum": 16}
"""Sizes of nets: each method takes those it has; width of codes and hidden layers, fewest and most feature maps."""
BATCH, GROWING_BATCH = 64, 32
COMMON = {"averaging.halflife_kimg": 1.0}
"""Set for all rows: a training of minutes is over before an average of the usual length has followed."""
OPTIONS: dict[str, dict[str, Any]] = {"alae-modern": {"neighbours": False}}
CHANGES: dict[str, dict[str, Any]] = {
    # ALAE's gradient penalty is set for the 784 pixels of MNIST; these are the settings of `alae-digits`
    "alae": {"optim.lr": 0.005, "phases.train.steps.discriminate.terms.r1": 4.0},
    "alae-modern": {
        "optim.lr": 0.007,
        "phases.train.steps.together.terms.r1.value": 4.8,
        "phases.train.steps.together.terms.latent_reciprocity": 2.0,
    },
    # 64 pixels are told in fewer nats than the pictures of the paper
    "introvae": {f"phases.train.steps.encode.terms.kl_hinge_{k}.options.margin": 10.0 for k in ("rec", "fake")},
}
"""Settings of single rows that tiny pictures need."""
MEASURED = "learning.json"
MOST = 1_000


def _rows() -> dict[str, tuple[str, dict[str, Any]]]:
    """Every method as it is without options, and each of its other flavours."""
    rows: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, method in METHODS.items():
        rows[name] = (name, OPTIONS.get(name, {}))
        flavour = inspect.signature(method.build, eval_str=True).parameters.get("flavour")
        if flavour is not None:
            for other in flavour.annotation.__args__:
                if other != flavour.default:
                    row = f"{name}-{other}"
                    rows[row] = (name, {"flavour": other, **OPTIONS.get(row, {})})
    return rows


ROWS = _rows()
"""Rows by name: method and its options."""


@dataclass(frozen=True)
class Learning:
    """What to train.

    Args:
        data: Pictures with labels, in the words of ``--data``.
        seconds: Seconds of training per row, on one thread.
        rows: Names of the rows; all where empty.
        seed: Of weights and all other chance.
    """

    data: str = "digits"
    seconds: float = 120.0
    rows: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for row in self.rows:
            if row not in ROWS:
                raise ConfigError(f"The table has no row '{row}'{closest(row, ROWS)}.")
        self.comparison()  # says what is wrong with the budget

    def comparison(self) -> Comparison:
        """The same as a comparison, which knows how to turn seconds into images."""
        return Comparison(tuple(METHODS), self.data, seconds=self.seconds, seed=self.seed, options=SMALL, device="cpu")


@dataclass(frozen=True)
class Learned:
    """What became of a row.

    Args:
        row: Its name.
        size: Side of the pictures.
        cells: Taxonomy of its recipe.
        before: Measures of the untrained nets.
        after: Measures of the trained ones, averaged weights; empty where training failed.
        constants: Errors of the best constant answer, for the measures that have one.
        kimg: Thousands of images it was trained on.
        seconds: Seconds that took.
        failure: Why training failed; empty where it did not.
    """

    row: str
    size: int
    cells: tuple[str, str, str]
    before: Mapping[str, float]
    after: Mapping[str, float] = field(default_factory=dict)
    constants: Mapping[str, float] = field(default_factory=dict)
    kimg: float = 0.0
    seconds: float = 0.0
    failure: str = ""

    @property
    def short_of(self) -> list[str]:
        """The measures that did not improve enough."""
        return [name for name in self.before if not self._improved(name)]

    @property
    def learned(self) -> bool:
        """Whether it keeps to the rule."""
        return not self.failure and not self.short_of

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
            "before": dict(self.before),
            "after": dict(self.after),
            "constant_answer": dict(self.constants),
            "kimg": self.kimg,
            "seconds": round(self.seconds, 3),
            "learned": self.learned,
            "short_of": self.short_of,
            "failure": self.failure or None,
            "options": _options(self.row),
            "changes": CHANGES.get(self.row, {}),
        }


def suiting(recipe: Recipe) -> tuple[str, ...]:
    """Names of the measures that suit a recipe, read from what it is.

    ``mse`` where a way from pictures to codes and back leads home, be it held to that by a term or by a game of pairs;
    ``code-consistency`` where the way from codes to pictures and back does; ``frechet`` of samples where there is a
    prior; ``unsupervised-accuracy`` where the encoder names classes.
    """
    reciprocity = taxonomy(recipe).reciprocity
    names = []
    if "data" in reciprocity or "adversarial" in reciprocity:
        names.append("mse")
    if "latent" in reciprocity:
        names.append("code-consistency")
    if recipe.prior is not None:
        names.append("frechet")
        if recipe.encodes == "code" and recipe.prior.layout().discrete:
            names.append("unsupervised-accuracy")
    return tuple(names)


def reproduce_learning(plan: Learning, out: Path, *, say: Callable[[str], None] = print) -> str:
    """Train and measure every row; what an earlier call has finished is kept.

    Args:
        plan: What to train.
        out: Folder for run folders, measured budgets, ``table.md`` and ``table.json``.
        say: Told how it goes.

    Returns:
        The table as Markdown.

    Raises:
        TrainingError: Interrupted by a signal; call again to continue.
        UserError: Data, settings or the disk do not allow it.
    """
    found: list[Learned] = []
    text = ""
    for row in plan.rows or ROWS:
        found.append(learn(plan, row, out, say=say))
        text = _write(plan, found, out)  # after every row: an interrupted table is a table of what is done
        say(f"{row}: {_verdict(found[-1])}")
    return text


def learn(plan: Learning, row: str, out: Path, *, say: Callable[[str], None] = print) -> Learned:
    """Train one row and measure it before and after.

    Args:
        plan: What to train.
        row: Name of the row.
        out: Folder for run folders and measured budgets.
        say: Told how it goes.

    Raises:
        Interrupted: By a signal; call again to continue.
        UserError: Data, settings or the disk do not allow it.
    """
    with _one_thread():
        source = _source(plan, row)
        config, pictures = _config(plan, row, source, kimg=1.0)
        names = suiting(config.recipe)
        train, test = source.open_both()
        kimg = budget_of(plan.comparison(), row, config, pictures, out)
        config, _ = _config(plan, row, source, kimg=kimg)
        untrained = build_model(config.recipe, generator=seeded(plan.seed, "weights")).eval()
        result = Learned(
            row,
            config.recipe.image_shape[1],
            taxonomy(config.recipe).cells,
            before=_measured(untrained, train, test, names, plan.seed),
            constants={"mse": _mean_picture_error(train, test), "code-consistency": 1.0},
            kimg=config.timeline.images(config.iterations) / 1000,
        )
        try:
            run = trained_run(config, source.open, out / "runs", f"{row}-seed{plan.seed}", final_metrics=(), say=say)
        except Interrupted:
            raise
        except TrainingError as error:
            return replace(result, failure=" ".join(str(error).split()))
        protocol = {"metrics": list(names), "data": plan.data, "most": MOST, "seed": plan.seed}
        after = _kept(
            run / MEASURED, protocol, lambda: _measured(model_of_run(str(run)), train, test, names, plan.seed)
        )
        return replace(result, after=after, seconds=_seconds(run))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _options(row: str) -> dict[str, Any]:
    method, options = ROWS[row]
    has = inspect.signature(METHODS[method].build).parameters
    shared = {"nets": "mlp", **SMALL}
    return {**{name: value for name, value in shared.items() if name in has}, **options}


def _grows(row: str) -> bool:
    return "start" in _options(row)


def _source(plan: Learning, row: str) -> DataConfig:
    """The pictures at their own size; for nets that grow the next power of two, which two stages need to be 16."""
    source = DataConfig.make(plan.data)
    side = source.open().shape[1]
    if _grows(row):
        side = 1 << (side - 1).bit_length()
        recipe, _ = _config(plan, row, replace(source, size=side), kimg=1.0)
        if len(recipe.recipe.phases) > 1:
            side = max(side, 16)
    return replace(source, size=side)


def _config(plan: Learning, row: str, source: DataConfig, *, kimg: float) -> tuple[RunConfig, ImageData]:
    bookkeeping = {"tick_kimg": kimg / 20, "sample_kimg": 0.0, "eval_kimg": 0.0, "checkpoint_kimg": kimg / 4}
    changes = {f"training.{name}": value for name, value in bookkeeping.items()}
    return make_config(
        ROWS[row][0],
        data=source,
        options=_options(row),
        overrides={**COMMON, **CHANGES.get(row, {}), **changes, "training.metrics": [], "training.threads": 1},
        kimg=kimg,
        seed=plan.seed,
        device="cpu",
        batch=GROWING_BATCH if _grows(row) else BATCH,
    )


def _measured(
    model: TwoWayModel, train: ImageData, test: ImageData, names: tuple[str, ...], seed: int
) -> dict[str, float]:
    held_out = None if test is train else test
    features = FeatureSpec("pyramid")
    found = evaluate(model, train, held_out, names, max_test=MOST, seed=seed, features=features)
    return {name: float(result["value"]) for name, result in found.items()}


def _mean_picture_error(train: ImageData, test: ImageData) -> float:
    """Squared pixel error of answering the mean training picture to every test picture."""
    mean = to_float(train.read(range(len(train)))).mean(0)
    return (to_float(test.read(range(len(test)))) - mean).square().mean().item()


def _kept(path: Path, protocol: Mapping[str, Any], measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Measures that an earlier call by the same rules left, or taken now."""
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["protocol"] == protocol:
            return stored["values"]
    values = measure()
    write_text(path, json.dumps({"protocol": protocol, "values": values}, indent=2))
    return values


def _seconds(run: Path) -> float:
    checkpoint, _ = latest_checkpoint(run / "checkpoints")
    assert checkpoint is not None, "a finished run has a checkpoint"
    return float(checkpoint.state["seconds"])


def _write(plan: Learning, found: list[Learned], out: Path) -> str:
    shown = ("mse", "code-consistency", "frechet", "unsupervised-accuracy")
    titles = [f"{name} {'↓' if METRICS[name].lower_is_better else '↑'}" for name in shown]
    head = ["row", "pixels", "reciprocity", *titles, "kimg", "seconds", "learned"]
    answers = {one.size: one.constants["mse"] for one in found}
    lines = [
        "# Every method learns",
        "",
        f"Data {plan.data}, seed {plan.seed}, {plan.seconds:g} seconds of training per row on one thread. Small nets: "
        + ", ".join(f"{name} {value}" for name, value in SMALL.items())
        + f"; MLPs where a method has the choice; batch {BATCH}, for nets that grow {GROWING_BATCH}. Cells are of the "
        "untrained nets, then of the averaged weights after training, on held-out pictures; the Fréchet distance is of "
        "samples on pyramid features.",
        "",
        RULE + " The best constant answers: 1 for codes; for pictures "
        "the mean training picture, " + ", ".join(f"{e:.3f} at {s} pixels" for s, e in sorted(answers.items())) + ".",
        "",
        f"{sum(one.learned for one in found)} of {len(found)} rows have learned.",
        "",
        "| " + " | ".join(head) + " |",
        "| " + " | ".join("---" for _ in head) + " |",
    ]
    for one in found:
        cells = [_cell(one, name) for name in shown]
        facts = [f"{one.kimg:.4g}", f"{one.seconds:.0f}", _verdict(one)]
        lines.append("| " + " | ".join([one.row, str(one.size), one.cells[2], *cells, *facts]) + " |")
    special = [one.row for one in found if one.row in CHANGES or one.row in OPTIONS]
    if special:
        lines += ["", "Settings that tiny pictures need:", ""]
    for row in special:
        settings = {**OPTIONS.get(row, {}), **CHANGES.get(row, {})}
        lines.append(f"* {row}: " + ", ".join(f"`{key}={value}`" for key, value in settings.items()))
    text = "\n".join(lines) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "table.md", text)
    plain = {"rule": RULE, "data": plan.data, "seconds": plan.seconds, "seed": plan.seed, "common": COMMON}
    write_text(out / "table.json", json.dumps({**plain, "rows": [one.plain() for one in found]}, indent=2))
    return text


def _cell(one: Learned, name: str) -> str:
    if name not in one.before:
        return "-"
    after = f"{one.after[name]:.3g}" if name in one.after else "none"
    return f"{one.before[name]:.3g} → {'**' + after + '**' if name in one.short_of else after}"


def _verdict(one: Learned) -> str:
    if one.failure:
        return f"failed: {one.failure}".replace("|", "\\|")
    return "yes" if one.learned else f"no: {', '.join(one.short_of)}"
