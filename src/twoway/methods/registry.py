"""Methods and presets by name."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from twoway.config import from_plain
from twoway.errors import ConfigError, closest
from twoway.recipe import Recipe

__all__ = ["METHODS", "PRESETS", "Method", "Preset", "find_preset", "make_recipe", "method", "preset"]

ImageShape = tuple[int, int, int]


@dataclass(frozen=True)
class Method:
    """A published method.

    Args:
        name: What users type.
        paper: Authors, title, arXiv number.
        summary: One sentence.
        build: Returns its recipe for an image shape and the method's own options.
        verified: What was compared or trained here besides the contract tests, with where to read it; empty where
            nothing was.
    """

    name: str
    paper: str
    summary: str
    build: Callable[..., Recipe]
    verified: str = ""


@dataclass(frozen=True)
class Preset:
    """A method with its options, a data set and a budget.

    Args:
        name: What users type.
        method: The method it sets up.
        options: Options of the method.
        data: Data set used where the user names none.
        kimg: Budget in thousands of images.
        size: Height and width to which pictures are brought where the user names none; None keeps or finds one.
        fit: What happens to pictures of other sizes or shapes, where the user says nothing.
        summary: One sentence.
        changes: Dotted keys of the recipe that the preset sets otherwise.
    """

    name: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    data: str | None = None
    kimg: float = 1000.0
    size: int | None = None
    fit: Literal["crop", "pad", "stretch"] = "crop"
    summary: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)


METHODS: dict[str, Method] = {}
PRESETS: dict[str, Preset] = {}


def method(
    name: str, *, paper: str, summary: str, verified: str = ""
) -> Callable[[Callable[..., Recipe]], Callable[..., Recipe]]:
    """Register a function that returns a recipe; the method is also a preset of its own name. See `Method`."""

    def register(build: Callable[..., Recipe]) -> Callable[..., Recipe]:
        METHODS[name] = Method(name, paper, summary, build, verified)
        PRESETS[name] = Preset(name, name, summary=summary)
        return build

    return register


def preset(
    name: str,
    of: str,
    *,
    summary: str,
    data: str | None = None,
    kimg: float = 1000.0,
    size: int | None = None,
    fit: Literal["crop", "pad", "stretch"] = "crop",
    options: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Register a preset of a method; see `Preset`."""
    PRESETS[name] = Preset(name, of, options or {}, data, kimg, size, fit, summary, changes or {})


def find_preset(name: str) -> Preset:
    """Look a preset or method up by name, hyphens and underscores alike.

    Raises:
        ConfigError: There is none of that name.
    """
    key = name.replace("_", "-")
    if key not in PRESETS:
        raise ConfigError(f"There is no method or preset '{name}'{closest(key, PRESETS)}.")
    return PRESETS[key]


def make_recipe(name: str, image_shape: ImageShape, options: Mapping[str, Any] | None = None) -> Recipe:
    """Recipe of a preset or method for images of a given shape.

    Args:
        name: Preset or method.
        image_shape: Channels, height, width.
        options: Options of the method that replace the preset's.

    Raises:
        ConfigError: An unknown name or option, or a value of the wrong type.
    """
    found = find_preset(name)
    build = METHODS[found.method].build
    known = [p for p in inspect.signature(build).parameters if p != "image_shape"]
    for option in options or {}:
        if option not in known:
            raise ConfigError(f"The method '{found.method}' has no option '{option}'{closest(option, known)}.")
    hints = typing.get_type_hints(build)
    given = {
        option: from_plain(hints[option], value, f"--option {option}") for option, value in (options or {}).items()
    }
    return build(image_shape, **{**found.options, **given}).changed(found.changes)
