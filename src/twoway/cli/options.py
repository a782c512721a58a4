"""Options that several verbs share, and how their text is read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from twoway.errors import ConfigError

if TYPE_CHECKING:
    from twoway.features import FeatureSpec

__all__ = [
    "DEVICE",
    "FEATURES",
    "FEATURE_WEIGHTS",
    "MODEL",
    "NOISE",
    "OUTDIR",
    "TRUNC",
    "Noise",
    "feature_spec",
    "finite",
    "read_numbers",
    "read_overrides",
    "read_range",
    "read_seeds",
    "tell_skipped",
]

Noise = Literal["fixed", "off", "random"]

MODEL = typer.Argument(help="A run folder, its number or 'latest', a model folder, or a hub id.", show_default=False)
DEVICE = typer.Option("auto", "--device", help="auto, cpu, cuda, cuda:1 or mps.")
FEATURES = typer.Option(
    None, "--features", help="pyramid, squeezenet or vgg16; squeezenet if its weights are found, otherwise pyramid."
)
FEATURE_WEIGHTS = typer.Option(None, "--feature-weights", help="File of the features' weights, .npz or .safetensors.")
OUTDIR = typer.Option(Path("runs"), "--outdir", help="Folder that holds the run folders.")


def finite(value: float) -> float:
    """A truncation that is a number; a callback of options."""
    if not math.isfinite(value):
        raise ConfigError(f"--trunc is {value}, but must be a finite number such as 0.7.")
    return value


TRUNC = typer.Option(
    1.0, "--trunc", callback=finite, help="Truncation psi: distance of a code from the mean code, 1 = all of it."
)
NOISE = typer.Option(
    "fixed", "--noise", help="Noise in a style generator: the model's own fixed maps, off, or random maps."
)


def read_seeds(text: str, flag: str = "--seeds") -> list[int]:
    """Read seeds such as ``0,4-6``.

    Args:
        text: What the user wrote.
        flag: Where, for messages.

    Raises:
        ConfigError: Text that is not a list of numbers and ranges.

    Example:
        >>> read_seeds("0,4-6")
        [0, 4, 5, 6]
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match or (match[2] and int(match[2]) < int(match[1])):
            raise ConfigError(f"{flag} {text!r} is not a list of numbers and ranges such as 0,4-6 or 0-63.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last >= 2**63:
            raise ConfigError(f"{flag} {part.strip()} is too large; seeds go from 0 to {2**63 - 1}.")
        if len(seeds) + last - first >= 100_000:
            raise ConfigError(f"{flag} {text!r} asks for more than 100,000 pictures; make them in several calls.")
        seeds.extend(range(first, last + 1))
    return seeds


def read_numbers(text: str, flag: str) -> list[float]:
    """Read numbers such as ``1,0.5,-1``.

    Raises:
        ConfigError: Text that is not a list of finite numbers.

    Example:
        >>> read_numbers("1,0.5,-1", "--trunc")
        [1.0, 0.5, -1.0]
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise ConfigError(f"{flag} is {text}, but must be a finite number such as 0.7, or several such as 1,0.7,0.")
    return numbers


def read_range(text: str, steps: int, flag: str) -> list[float]:
    """Read evenly spaced numbers such as ``-3:3``, both ends included.

    Raises:
        ConfigError: Text that is not two finite numbers.

    Example:
        >>> read_range("-3:3", 4, "--range")
        [-3.0, -1.0, 1.0, 3.0]
    """
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError:
        first = last = math.nan
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ConfigError(f"{flag} is {text}, but must be two numbers with a colon between them, such as -3:3.")
    return [first + (last - first) * n / max(1, steps - 1) for n in range(steps)]


def feature_spec(kind: str | None, weights: str | None) -> FeatureSpec:
    """The features a user chose.

    Raises:
        ConfigError: An unknown kind, or weights of nobody knows what.
    """
    from twoway.features import FeatureSpec, default_features

    if kind is None:
        if weights is not None:
            raise ConfigError(f"--feature-weights is {weights}, but of which net? Say so with --features.")
        return default_features()
    spec = FeatureSpec.parse(kind)
    return spec if weights is None else replace(spec, weights=weights)


def tell_skipped(skipped: Mapping[str, str]) -> None:
    """Name the pictures that could not be used, on stderr."""
    if skipped:
        from twoway.data.base import listing

        typer.echo(f"Left out, because they cannot be used: {listing(dict(skipped))}", err=True)


def read_overrides(entries: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` entries; values are YAML.

    Raises:
        ConfigError: An entry without ``=`` or with a value that is not YAML.

    Example:
        >>> read_overrides(["optim.lr=0.001", "training.device=cpu"])
        {'optim.lr': 0.001, 'training.device': 'cpu'}
    """
    import yaml

    overrides: dict[str, Any] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {entry!r} must be written as key=value, such as --set optim.lr=0.001.")
        try:
            overrides[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            why = " ".join(str(error).split())
            raise ConfigError(f"--set {entry!r}: the value cannot be read as YAML: {why}. Put it in quotes.") from error
    return overrides
