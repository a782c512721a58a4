"""Whether every method learns: small nets, minutes of training, and the measures that suit each, before and after.

`twoway.reproduce.learning_table` says which measures those are, and what rule they are held to.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from twoway.compare.budget import budget_of
from twoway.compare.plan import Comparison
from twoway.data import ImageData, to_float
from twoway.errors import ConfigError, TrainingError, closest
from twoway.features import FeatureSpec
from twoway.methods import METHODS
from twoway.metrics import evaluate
from twoway.model import TwoWayModel, build_model
from twoway.reproduce.budget import Budget
from twoway.reproduce.learning_table import Learned, learning_result, suiting
from twoway.reproduce.registry import artefact, setting
from twoway.reproduce.result import Result
from twoway.reproduce.runs import Interrupted, trained_run
from twoway.reproduce.study import Study, Trained
from twoway.taxonomy import taxonomy
from twoway.training.config import DataConfig, RunConfig, make_config
from twoway.training.streams import seeded

__all__ = ["ROWS", "Learning", "Time", "learn", "learning"]

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
SECONDS = {"smoke": 1.0, "cpu": 60.0, "paper": 120.0}
"""Seconds of one processor per training, by budget."""
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


@dataclass(frozen=True)
class Time:
    """What only this table can be asked for.

    Args:
        seconds: Seconds of one processor per training; 0 takes the budget's.
    """

    seconds: float = setting(0.0, "Seconds of one processor per training; 1, 60 or 120 by budget.")

    def __post_init__(self) -> None:
        if not 0 <= self.seconds < float("inf"):
            raise ConfigError(f"--seconds is {self.seconds:g}, but must be positive and finite.")


@artefact(
    "learning",
    paper="none: every method of this package",
    summary="Whether every method learns: its own measures before and after a short training.",
    budgets={
        "smoke": Budget("digits", takes="two minutes"),
        "cpu": Budget("digits", takes="an hour of one core"),
        "paper": Budget("digits", takes="two hours of one core"),
    },
    rows=tuple(ROWS),
    settings=Time,
    without=("size", "trials", "kimg", "features", "device"),
)
def learning(study: Study) -> Result:
    """Train and measure every row on one thread of the CPU."""
    seconds = study.chosen(Time).seconds or SECONDS[study.budget_name]
    assert study.budget.data is not None, "all budgets have pictures"
    plan = Learning(study.budget.data, seconds, study.rows, study.seed)
    found: list[Learned] = []
    for row in plan.rows:
        found.append(learn(plan, row, study.out, runs=study.runs, say=study.say, keep=partial(_kept, study)))
        study.say(f"{row}: {found[-1].verdict}")
        result = learning_result(_about(plan), found)
        study.so_far(result)  # an interrupted table is a table of what is done
    return result


def _kept(study: Study, name: str, compute: Callable[[], dict[str, float]], made: Trained) -> dict[str, float]:
    study.take(made)
    return study.keep(name, compute, of=made)


def learn(
    plan: Learning,
    row: str,
    out: Path,
    *,
    runs: Path | None = None,
    say: Callable[[str], None] = print,
    keep: Callable[[str, Callable[[], dict[str, float]], Trained], dict[str, float]] | None = None,
) -> Learned:
    """Train one row and measure it before and after.

    Args:
        plan: What to train.
        row: Name of the row.
        out: Folder of measured budgets.
        runs: Folder of run folders; None takes ``runs`` in `out`.
        say: Told how it goes.
        keep: Called with a name, what measures, and the training that is measured; None measures every time.

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
            name = f"{row}-seed{plan.seed}"
            run = trained_run(config, source.open, runs or out / "runs", name, final_metrics=(), say=say)
        except Interrupted:
            raise
        except TrainingError as error:
            return replace(result, failure=" ".join(str(error).split()))
        made = Trained(run, config)

        def measured() -> dict[str, float]:
            return _measured(made.model, train, test, names, plan.seed)

        after = measured() if keep is None else keep(name, measured, made)
        return replace(result, after=after, seconds=made.seconds)


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
