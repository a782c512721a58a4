"""Whether every method learns: small nets, minutes of training, and the measures that suit each, before and after.

`twoway.reproduce.learning_table` says which measures those are, and what rule they are held to.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from twoway.compare.budget import budget_of
from twoway.compare.plan import Comparison
from twoway.config import to_plain
from twoway.data import ImageData, to_float
from twoway.errors import ConfigError, TrainingError, closest
from twoway.features import FeatureSpec
from twoway.methods import METHODS
from twoway.metrics import evaluate
from twoway.model import TwoWayModel, build_model
from twoway.reproduce.learning_table import Learned, suiting, write_learning
from twoway.reproduce.runs import Interrupted, trained_run
from twoway.taxonomy import taxonomy
from twoway.training.checkpoint import latest_checkpoint
from twoway.training.config import DataConfig, RunConfig, make_config
from twoway.training.entry import model_of_run
from twoway.training.runs import write_text
from twoway.training.streams import seeded

__all__ = ["ROWS", "Learning", "learn", "reproduce_learning"]

SMALL = {"latent": 16, "hidden": 128, "start": 8, "maximum": 16}
"""Sizes of nets: each method takes those it has; width of codes and hidden layers, fewest and most feature maps."""
BATCH, GROWING_BATCH = 64, 32
COMMON = {"averaging.halflife_kimg": 1.0}
"""Set for all rows: a training of minutes is over before an average of the usual length has followed."""
RATE = {"optim.lr": 0.001}
"""Set for nets that do not grow, where the method has one rate for all nets: most were published for hours."""
OPTIONS: dict[str, dict[str, Any]] = {
    "alae-modern": {"neighbours": False},
    # 64 pixels say fewer nats than the pictures the method was published for
    "beta-vae": {"beta": 2.0},
    # published for thousands of kimg; these are the rates of the levels
    "style-alae": {"rates": [0.004]},
    "style-alae-modern": {"rates": [0.004]},
    "pioneer": {"rates": [0.002]},
    "balanced-pioneer": {"rates": [0.002]},
}
# the second stage is published for hundreds of thousands of pictures at a rate of 1e-4
TWO_STAGES = {"optim.lr": 0.003, "phases.encoder.optim.lr": 0.003}
CHANGES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("lia", "lia-modern", "stylegan", "stylegan-modern", "vaegan-z", "vaegan-z-modern"), TWO_STAGES),
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
        seconds: Seconds of training per row, of one processor: other work on the machine makes no difference.
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
        text = write_learning(
            _about(plan), to_plain(plan), found, out
        )  # after every row: an interrupted table is a table of what is done
        say(f"{row}: {found[-1].verdict}")
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
        untrained = build_model(config.recipe, generator=seeded(plan.seed, "weights")).eval()
        rule = suiting(config.recipe)
        names = (*rule, *(["mse"] if untrained.reconstructs and "mse" not in rule else []))
        train, test = source.open_both()
        kimg = budget_of(plan.comparison(), row, config, pictures, out, clock="processor")
        config, _ = _config(plan, row, source, kimg=kimg)
        result = Learned(
            row,
            config.recipe.image_shape[1],
            taxonomy(config.recipe).cells,
            rule,
            before=_measured(untrained, train, test, names, plan.seed),
            constants={"mse": _mean_picture_error(train, test), "code-consistency": 1.0},
            kimg=config.timeline.images(config.iterations) / 1000,
            settings={**OPTIONS.get(row, {}), **CHANGES.get(row, {})},
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


def _about(plan: Learning) -> str:
    sizes = ", ".join(f"{name} {value}" for name, value in SMALL.items())
    return (
        f"Data {plan.data}, seed {plan.seed}, {plan.seconds:g} seconds of one processor per training: how many images "
        "that is was measured once per row; the seconds in the table are those on the wall. Small nets (of these each "
        f"method takes what it has): {sizes}; MLPs where there is a choice. Batch {BATCH}, for nets that grow "
        f"{GROWING_BATCH}; nets that do not grow and share one rate learn at {RATE['optim.lr']:g}, the others as their "
        f"method says; half-life of averages {COMMON['averaging.halflife_kimg']:g} kimg."
    )


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
    config, pictures = make_config(
        ROWS[row][0],
        data=source,
        options=_options(row),
        kimg=kimg,
        seed=plan.seed,
        device="cpu",
        batch=GROWING_BATCH if _grows(row) else BATCH,
    )
    rate = {} if _grows(row) or config.recipe.optim.nets else RATE
    bookkeeping = {"tick_kimg": kimg / 20, "sample_kimg": 0.0, "eval_kimg": 0.0, "checkpoint_kimg": kimg / 4}
    quiet: dict[str, Any] = {"training.threads": 1, "training.metrics": []}
    quiet |= {f"training.{name}": value for name, value in bookkeeping.items()}
    return config.changed({**COMMON, **rate, **CHANGES.get(row, {}), **quiet}), pictures


def _measured(
    model: TwoWayModel, train: ImageData, test: ImageData, names: tuple[str, ...], seed: int
) -> dict[str, float]:
    held_out = None if test is train else test
    features = FeatureSpec("pyramid")
    found = evaluate(model, train, held_out, names, max_test=MOST, seed=seed, features=features)
    return {name: float(result["value"]) for name, result in zip(names, found.values(), strict=True)}


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
