"""Feature extractors by name: an extractor in a config is a kind, a file of weights and its options, never code."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from twoway.config import from_plain
from twoway.errors import ConfigError, closest
from twoway.features.base import FeatureExtractor

__all__ = ["FEATURES", "FeatureSpec", "build_features", "features"]

FEATURES: dict[str, type[FeatureExtractor]] = {}
F = TypeVar("F", bound=type[FeatureExtractor])
_ALIASES = {"inception-tf": "inception"}
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]*$")  # of a file; options may end with .5


def features(name: str) -> Callable[[F], F]:
    """Register an extractor class under the name that configs use."""

    def register(cls: F) -> F:
        cls.name = name
        FEATURES[name] = cls
        return cls

    return register


@dataclass(frozen=True)
class FeatureSpec:
    """A feature extractor as data.

    Args:
        kind: Registered name, as ``pyramid`` or ``squeezenet``.
        weights: File of the weights, for extractors that have any; None looks where the extractor says.
        options: Keyword arguments of the extractor; those left out take its defaults.
    """

    kind: str = "pyramid"
    weights: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> FeatureSpec:
        """Read what a user writes for an extractor, as in ``fid[...]``.

        Args:
            text: A registered name, with ``+key=value`` for options (``squeezenet+least=128``); or the file of a
                classifier (``runs/mnist-cnn.safetensors``), which is looked at only when the extractor is built.

        Raises:
            ConfigError: Neither, or an option without a value.

        Example:
            >>> FeatureSpec.parse("squeezenet+least=128").options, FeatureSpec.parse("a/b.safetensors").kind
            ({'least': 128}, 'classifier')
        """
        text = text.strip()
        if "/" in text or "\\" in text or _SUFFIX.search(text):
            return cls("classifier", text)
        kind, *entries = text.split("+")
        kind = _ALIASES.get(kind, kind)
        if "@" in kind:
            digits = kind.partition("@")[2]
            raise ConfigError(
                f"The extractor '{text}' is written with the digits of its weights. They tell numbers apart, but say "
                f"not where the weights are: leave '@{digits}' out, or, for a classifier, give the path of its file."
            )
        if kind not in FEATURES:
            raise ConfigError(
                f"There is no extractor '{text}'{closest(kind, FEATURES)}. The path of a .safetensors file that "
                f"'twoway metrics train-extractor' made can be given as well."
            )
        options = {}
        for entry in entries:
            key, equals, value = entry.partition("=")
            if not equals or not key or not value:
                raise ConfigError(f"The extractor '{text}' has the option '{entry}', which should be as least=128.")
            options[key] = _value(value)
        return cls(kind, None, options)


def _value(text: str) -> Any:
    """A number where the text is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def build_features(spec: FeatureSpec) -> FeatureExtractor:
    """Make the extractor that a spec describes, with its weights loaded.

    Args:
        spec: Which one, from which file, how.

    Returns:
        A frozen module on the CPU: images (B, C, H, W) in [-1, 1] to a tuple of feature tensors.

    Raises:
        ConfigError: An unknown kind or option, or weights for an extractor that has none.
        ModelError: Weights that are not there or not those of this extractor.

    Example:
        >>> build_features(FeatureSpec("pyramid", options={"octaves": 2})).layers
        ('octave0', 'octave1')
    """
    if spec.kind not in FEATURES:
        raise ConfigError(f"features.kind is '{spec.kind}', which is not an extractor{closest(spec.kind, FEATURES)}.")
    init = FEATURES[spec.kind].__init__
    known = {n: p for n, p in inspect.signature(init).parameters.items() if n != "self"}
    takes_weights = known.pop("weights", None) is not None
    if spec.weights is not None and not takes_weights:
        raise ConfigError(
            f"features.weights is '{spec.weights}', but the extractor '{spec.kind}' has no weights. Leave the key "
            f"out, or choose another features.kind."
        )
    hints = typing.get_type_hints(init)
    given = {}
    for key, value in spec.options.items():
        if key not in known:
            raise ConfigError(f"features.options has an unknown key '{key}'{closest(str(key), known)}.")
        given[key] = from_plain(hints[key], value, f"features.options.{key}")
    return FEATURES[spec.kind](**({"weights": spec.weights} if takes_weights else {}), **given)
