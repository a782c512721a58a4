"""What to compare: methods, pictures, budget, measures; checked before anything is trained."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from twoway.data import ImageData
from twoway.errors import ConfigError, DataError, closest
from twoway.methods import METHODS, find_preset
from twoway.metrics import find_metric
from twoway.training.config import DataConfig

__all__ = ["Comparison", "read_duration"]

DEFAULT_METRICS = ("mse", "code-consistency", "swd", "fid", "knn-short", "svm-short")
SHARED = {"nets": "mlp"}
"""Options that methods named without a preset take alike where nobody says otherwise."""

UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Comparison:
    """What to compare. Exactly one of `kimg` and `seconds` is the budget.

    Args:
        methods: Names of methods or presets, in the order of the table.
        data: Pictures, in the words of ``--data``.
        kimg: Budget of each training in thousands of images.
        seconds: Budget of each training in seconds of training; how many images that is, is measured once per method.
        trials: Trainings per method.
        seed: Of the first trial; the next ones count up.
        size: Side of the pictures; None keeps or finds one.
        channels: 1 grey or 3 colour; None finds out.
        fit: What happens to pictures that are not square.
        metrics: Names of the measures; those of `DEFAULT_METRICS` that the pictures allow where empty.
        max_images: Pictures of each split that are measured on; None for all.
        options: Options for all methods that have them.
        batch: Images per iteration; None leaves each method its own.
        device: See `twoway.training.config.TrainingConfig`.

    Raises:
        ConfigError: An unknown method, option or metric, or a number that cannot work.
    """

    methods: tuple[str, ...]
    data: str
    kimg: float | None = None
    seconds: float | None = None
    trials: int = 1
    seed: int = 0
    size: int | None = None
    channels: int | None = None
    fit: Literal["crop", "pad", "stretch"] = "crop"
    metrics: tuple[str, ...] = ()
    max_images: int | None = 5_000
    options: Mapping[str, Any] = field(default_factory=dict)
    batch: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.methods:
            raise ConfigError(f"Nothing to compare: name at least one method, best two or more, of {_names()}.")
        object.__setattr__(self, "methods", tuple(dict.fromkeys(find_preset(name).name for name in self.methods)))
        if (self.kimg is None) == (self.seconds is None):
            raise ConfigError(
                "A comparison needs one budget: --kimg for equal images, as --kimg 500, or --budget for equal time, as "
                "--budget 20m. Give one of them."
            )
        for flag, budget in (("--kimg", self.kimg), ("--budget", self.seconds)):
            if budget is not None and not 0 < budget < math.inf:
                raise ConfigError(f"{flag} is {budget:g}, but must be positive and finite.")
        if self.trials < 1:
            raise ConfigError(f"--trials is {self.trials}, but at least 1 training of each method is needed.")
        if self.max_images is not None and self.max_images < 2:
            raise ConfigError(f"--max-images is {self.max_images}, but must be at least 2 pictures.")
        for name in self.metrics:
            find_metric(name)
        known = {option for name in self.methods for option in _options_of(name)}
        for option in self.options:
            if option not in known:
                raise ConfigError(
                    f"None of {', '.join(self.methods)} has an option '{option}'{closest(option, known)}."
                )

    def options_for(self, name: str) -> dict[str, Any]:
        """Those of the options that a method or preset has, and the shared ones that it leaves open."""
        has = _options_of(name)
        shared = SHARED if name in METHODS else {}  # a preset is taken as it is
        return {option: value for option, value in {**shared, **self.options}.items() if option in has}

    def measures(self, pictures: ImageData) -> tuple[str, ...]:
        """The metrics of the table.

        Raises:
            DataError: One that was asked for needs labels, and the pictures have none.
        """
        labelled = pictures.labels is not None
        for name in self.metrics:
            if find_metric(name).labels and not labelled:
                raise DataError(
                    f"--metrics names '{name}', which needs a label for every picture, and {pictures.source} has none. "
                    "Use a labelled set (one folder per class, or a .npz with 'labels'), or leave it out."
                )
        return self.metrics or tuple(name for name in DEFAULT_METRICS if labelled or not find_metric(name).labels)

    def source(self) -> DataConfig:
        """The pictures; their size is settled here, so that no preset brings its own.

        Raises:
            DataError: They cannot be found or used.
        """
        source = DataConfig.make(self.data, size=self.size, channels=self.channels, fit=self.fit)
        _, height, width = source.open().shape
        return replace(source, size=height) if height == width else source


def _options_of(name: str) -> list[str]:
    build = METHODS[find_preset(name).method].build
    return [option for option in inspect.signature(build).parameters if option != "image_shape"]


def _names() -> str:
    return ", ".join(sorted(METHODS))


def read_duration(text: str, flag: str = "--budget") -> float:
    """Read a duration in seconds.

    Args:
        text: A number with ``s``, ``m`` (or ``min``) or ``h``; several may follow each other.
        flag: Where it was written, for messages.

    Raises:
        ConfigError: Text that is no duration, or none at all.

    Example:
        >>> read_duration("20m"), read_duration("90s"), read_duration("1h30m")
        (1200.0, 90.0, 5400.0)
    """
    tidy = text.replace(" ", "").lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)(min|[smh])", tidy)
    if not parts or "".join(number + unit for number, unit in parts) != tidy:
        raise ConfigError(
            f"{flag} is '{text}', which is no duration. Write a number and its unit, such as 90s, 20m, 2h or 1h30m."
        )
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not 0 < seconds < math.inf:
        raise ConfigError(f"{flag} is '{text}', but must be longer than nothing.")
    return seconds
