"""The resolved settings of a run: recipe, data, budget. What ``config.yaml`` holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
import yaml

from twoway.augment import choose_augment
from twoway.conditioning import class_count
from twoway.config import apply_overrides, from_plain, to_plain
from twoway.data import PRESETS, ImageData, open_data
from twoway.errors import CheckpointError, ConfigError, DeviceError, NoSplitError
from twoway.methods import find_preset, make_recipe
from twoway.recipe import Recipe
from twoway.training.timeline import Timeline

__all__ = ["CHEAP_METRICS", "DataConfig", "RunConfig", "TrainingConfig", "make_config", "pick_device"]

CHEAP_METRICS = ("mse", "fid[pyramid]")
"""Measured during training where only `--eval-every` is given: seconds for 5,000 pictures, and no weights needed. The
extractor is no trained net, so the distance tells how a run goes and is not to be compared with published ones."""


@dataclass(frozen=True)
class DataConfig:
    """Where the pictures come from and how they are brought to one size.

    Args:
        source: Name of a built-in set, or a path.
        size: Side in pixels; None keeps or finds one.
        channels: 1 grey or 3 colour; None finds out.
        fit: What happens to pictures that are not square.
        cache_mib: Decoded pictures are kept in memory where all of them need at most this many MiB.
        label: Attribute or known factor that is the class label; None takes what the data set has.
    """

    source: str
    size: int | None = None
    channels: Literal[1, 3] | None = None
    fit: Literal["crop", "pad", "stretch"] = "crop"
    cache_mib: int = 512
    label: str | None = None

    @classmethod
    def make(
        cls,
        source: str,
        *,
        size: int | None = None,
        channels: int | None = None,
        fit: str = "crop",
        label: str | None = None,
    ) -> DataConfig:
        """Settings from the command line; a path becomes absolute, so that a run can be resumed from anywhere.

        Raises:
            ConfigError: Channels or fit that do not exist.
        """
        if source not in PRESETS and Path(source).exists():
            source = str(Path(source).resolve())
        plain = {"source": source, "size": size, "channels": channels, "fit": fit, "label": label}
        return from_plain(cls, plain, "data")

    def open(self, split: Literal["train", "test", "all"] = "train", *, minimum: int = 2) -> ImageData:
        """Open the pictures.

        Raises:
            DataError: They cannot be found or used.
        """
        return open_data(
            self.source,
            split=split,
            size=self.size,
            channels=self.channels,
            fit=self.fit,
            cache_mib=self.cache_mib,
            minimum=minimum,
            label=self.label,
        )

    def open_test(self) -> ImageData | None:
        """Held-out pictures; None where the data set has no test split.

        Raises:
            DataError: There is one, and it cannot be used. To go on without it would pass training pictures off as
                others.
        """
        try:
            return self.open("test", minimum=1)
        except NoSplitError:
            return None

    def open_both(self) -> tuple[ImageData, ImageData]:
        """Training and held-out pictures; the same pictures twice where the data set has no test split.

        Raises:
            DataError: Pictures that cannot be found or used.
        """
        train = self.open("train", minimum=1)
        return train, self.open_test() or train


@dataclass(frozen=True)
class TrainingConfig:
    """Budget and bookkeeping of a run; none of it changes what an iteration does.

    Args:
        kimg: Budget in thousands of images.
        plan_kimg: The budget that phases and resolutions were shared out by; what a resumed run adds to it goes to the
            last of them. 0 means `kimg`.
        seed: Seed of weights, order of the pictures and all other chance.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        tick_kimg: A line of statistics after every so many thousand images.
        sample_kimg: Grids of samples and reconstructions; 0 for the end only.
        checkpoint_kimg: A checkpoint; 0 for the end only.
        eval_kimg: Metrics on held-out pictures; 0 for the end only.
        metrics: Names of the metrics.
        keep: Checkpoints kept besides the best one by the first metric.
        threads: Threads of torch on the CPU; 0 leaves it to torch. One is best for small nets and on a busy machine.
        max_nonfinite: Iterations in a row with a non-finite loss or gradient after which training stops.
    """

    kimg: float = 1000.0
    plan_kimg: float = 0.0
    seed: int = 0
    device: str = "auto"
    tick_kimg: float = 10.0
    sample_kimg: float = 0.0
    checkpoint_kimg: float = 0.0
    eval_kimg: float = 0.0
    metrics: tuple[str, ...] = ("mse",)
    keep: int = 2
    threads: int = 0
    max_nonfinite: int = 20

    def __post_init__(self) -> None:
        for name in ("kimg", "tick_kimg"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"training.{name} is {getattr(self, name)}, but must be positive and finite.")
        for name in ("plan_kimg", "sample_kimg", "checkpoint_kimg", "eval_kimg", "threads"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"training.{name} is {getattr(self, name)}, but must be finite and not negative.")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"training.seed is {self.seed}, but must be from 0 to {2**63 - 1}.")
        if self.keep < 1 or self.max_nonfinite < 1:
            raise ConfigError("training.keep and training.max_nonfinite must be at least 1.")


@dataclass(frozen=True)
class RunConfig:
    """Everything a run was started with.

    Args:
        preset: Name the user gave.
        recipe: The method, resolved.
        data: The pictures.
        training: Budget and bookkeeping.
    """

    preset: str
    recipe: Recipe
    data: DataConfig
    training: TrainingConfig = TrainingConfig()

    @property
    def iterations(self) -> int:
        """Number of iterations in the budget, at least 1."""
        return self.timeline.iterations

    @cached_property
    def timeline(self) -> Timeline:
        """Phases, resolutions and batch sizes over the iterations."""
        return Timeline(self.recipe, self.training.kimg, self.training.plan_kimg)

    def with_kimg(self, kimg: float | None) -> RunConfig:
        """The settings with another budget; None keeps it."""
        return self if kimg is None else replace(self, training=replace(self.training, kimg=kimg))

    def to_text(self) -> str:
        """YAML that `read` reads back."""
        return yaml.safe_dump(to_plain(self), sort_keys=False, width=120)

    def changed(self, overrides: Mapping[str, Any]) -> RunConfig:
        """A copy with dotted keys replaced; ``optim.lr`` is short for ``recipe.optim.lr``.

        Raises:
            ConfigError: A key that does not exist or a value that cannot work.
        """
        plain = to_plain(self)
        full = {k if k.split(".")[0] in plain else f"recipe.{k}": v for k, v in overrides.items()}
        return from_plain(RunConfig, apply_overrides(plain, full), "config")

    @classmethod
    def read(cls, path: Path) -> RunConfig:
        """Read ``config.yaml``.

        Raises:
            CheckpointError: There is no such file.
            ConfigError: It is not YAML, has unknown keys or values that cannot work.
        """
        try:
            plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise CheckpointError(
                f"{path.parent} is not a run folder: {path.name} cannot be read ({error.strerror}). Give the folder "
                "that `twoway train` printed, such as runs/00000-alae-digits."
            ) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} is not valid YAML: {' '.join(str(error).split())}. Undo the change that spoilt it."
            ) from error
        return from_plain(cls, plain, str(path))


def make_config(
    name: str,
    *,
    data: DataConfig | None = None,
    options: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    kimg: float | None = None,
    epochs: float | None = None,
    seed: int = 0,
    device: str = "auto",
    batch: int | None = None,
    generator: Recipe | None = None,
    conditional: bool = False,
) -> tuple[RunConfig, ImageData]:
    """Resolve a preset against a data set.

    Args:
        name: Preset or method.
        data: The pictures; None takes the preset's own.
        options: Options of the method.
        overrides: Dotted keys to replace in the resolved settings.
        kimg: Budget; None takes the preset's own.
        epochs: Budget in passes over the pictures, used where `kimg` is None.
        seed: Seed of the run.
        device: See `TrainingConfig`.
        batch: Images per iteration, at every resolution and in every phase; None takes the recipe's.
        generator: Recipe of a trained generator that the method's later phases shall work on.
        conditional: Whether the method's option classes is set to the number of classes of the pictures.

    Returns:
        The settings and the opened training pictures.

    Raises:
        ConfigError: An unknown name, option or key, or a value that cannot work.
        DataError: Pictures that cannot be used, or a preset without any and none given.
    """
    found = find_preset(name)
    if data is None:
        if found.data is None:
            raise ConfigError(
                f"'{name}' has no data set of its own. Say which pictures to train on: --data digits, --data mnist, "
                "or --data with a folder, a ZIP or an .npz file."
            )
        data = DataConfig(found.data)
    if data.size is None and found.size is not None:
        data = replace(data, size=found.size, fit=found.fit if data.fit == "crop" else data.fit)
    for flag, budget in (("--kimg", kimg), ("--epochs", epochs)):
        if budget is not None and not 0 < budget < math.inf:
            raise ConfigError(f"{flag} is {budget}, but must be positive and finite.")
    pictures = data.open()
    if kimg is None and epochs is not None:
        kimg = epochs * len(pictures) / 1000
    budget = found.kimg if kimg is None else kimg
    if conditional:
        options = {**(options or {}), "classes": class_count(pictures.labels, pictures.source)}
    recipe = make_recipe(name, pictures.shape, options)
    if conditional and not recipe.labels:  # InfoGAN's classes are codes that it finds by itself
        raise ConfigError(
            f"The classes of the method '{recipe.method}' are codes that it finds in the pictures itself, so it cannot "
            "be told them. Leave --conditional out, or take a method whose nets are told labels, such as vae or bigan."
        )
    if generator is not None:
        recipe = recipe.for_generator(generator)
    if recipe.augment.kind == "auto":
        recipe = replace(recipe, augment=choose_augment(len(pictures)))
    config = RunConfig(
        preset=name,
        recipe=recipe if batch is None else recipe.with_batch(batch),
        data=data,
        training=_bookkeeping(budget, seed, device),
    )
    if overrides:
        config = config.changed(overrides)
        if "training.plan_kimg" not in overrides:
            config = replace(config, training=replace(config.training, plan_kimg=config.training.kimg))
        if config.recipe.augment.kind == "auto":
            config = replace(config, recipe=replace(config.recipe, augment=choose_augment(len(pictures))))
        if config.data != data:
            pictures = config.data.open()
    return config, pictures


def _bookkeeping(kimg: float, seed: int, device: str) -> TrainingConfig:
    """About a hundred ticks and a dozen grids and checkpoints, whatever the budget."""
    return TrainingConfig(
        kimg=kimg,
        plan_kimg=kimg,
        seed=seed,
        device=device,
        tick_kimg=max(kimg / 100, 0.001),
        sample_kimg=kimg / 10,
        checkpoint_kimg=kimg / 20,
        eval_kimg=kimg / 10,
    )


def pick_device(name: str, local_rank: int = 0) -> torch.device:
    """The device of a name.

    Raises:
        DeviceError: There is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(
            f"--device {name} is not the name of a device; use auto, cpu, cuda, cuda:1 or mps."
        ) from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise DeviceError(
            f"The device '{name}' is not there: this torch ({torch.__version__}) sees {torch.cuda.device_count()} CUDA "
            "devices. Use --device cpu or auto, or install a torch built for your accelerator."
        )
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", local_rank)
    return device
