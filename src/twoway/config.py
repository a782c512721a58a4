"""Frozen dataclasses to plain data and back, strictly: an unknown key is an error that names the closest one."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from twoway.errors import ConfigError, closest

__all__ = ["apply_overrides", "from_plain", "to_plain"]

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Turn a (nested) dataclass into dicts, lists and scalars that YAML and JSON can hold.

    A class may define ``plain()`` to give its own short form.
    """
    if hasattr(value, "plain"):
        return to_plain(value.plain())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(v) for v in value]
    return value


def from_plain(kind: Any, value: Any, where: str = "config") -> Any:
    """Build a value of a declared type from plain data.

    Args:
        kind: A dataclass, or a type hint made of dataclasses, scalars, tuples, mappings, ``Literal`` and unions.
        value: Plain data as `to_plain` makes it.
        where: Dotted path of the value, for messages.

    Returns:
        The value, of type ``kind``.

    Raises:
        ConfigError: An unknown or missing key, or a value of the wrong type; the message names the path.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _from_union(args, value, where)
    if origin is typing.Literal:
        if value not in args:
            raise ConfigError(f"{where} is {value!r}, but must be one of {', '.join(map(repr, args))}.")
        return value
    if origin is tuple:
        return _from_tuple(args, value, where)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} is {value!r}, but must be a table of names and values.")
        return {str(k): from_plain(args[1], v, f"{where}.{k}") for k, v in value.items()}
    if hasattr(kind, "from_plain"):
        return kind.from_plain(value, where)
    if dataclasses.is_dataclass(kind):
        return _from_table(kind, value, where)
    return _from_scalar(kind, value, where)


def _from_union(args: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in args:
        return None
    problems = []
    for arg in args:
        if arg is type(None):
            continue
        try:
            return from_plain(arg, value, where)
        except ConfigError as error:
            problems.append(error)
    raise problems[0]


def _from_tuple(args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where} is {value!r}, but must be a list.")
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(from_plain(args[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if len(args) != len(value):
        raise ConfigError(f"{where} has {len(value)} entries, but must have {len(args)}.")
    return tuple(from_plain(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True)))


def _from_table(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} is {value!r}, but must be a table of settings.")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    for key in value:
        if key not in fields:
            raise ConfigError(f"{where} has an unknown key '{key}'{closest(str(key), fields)}.")
    for name, field in fields.items():
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in value and not optional:
            raise ConfigError(f"{where} lacks the key '{name}'.")
    return kind(**{key: from_plain(hints[key], v, f"{where}.{key}") for key, v in value.items()})


def _from_scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
        with contextlib.suppress(ValueError):
            value = float(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
        raise ConfigError(f"{where} is {value!r} ({type(value).__name__}), but must be {_words(kind)}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where} is {value!r}, but must be a finite number.")
    return value


def _words(kind: type) -> str:
    words = {int: "a whole number (int)", float: "a number (float)", bool: "true or false (bool)", str: "text (str)"}
    return words.get(kind, f"a {kind.__name__}")


def apply_overrides(plain: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested plain data with dotted keys replaced.

    Args:
        plain: Nested dicts and lists; list entries are reached by their number or by the ``name`` they hold.
        overrides: Dotted path to new value, as ``{"optim.lr": 0.001, "phases.train.kimg": 10}``.

    Returns:
        A changed deep copy.

    Raises:
        ConfigError: A path that does not exist; the message names the closest key at that level.

    Example:
        >>> apply_overrides({"optim": {"lr": 1.0}}, {"optim.lr": 2.0})
        {'optim': {'lr': 2.0}}
    """
    result: Any = _copy(plain)
    for path, new in overrides.items():
        node: Any = result
        parts = path.split(".")
        for depth, part in enumerate(parts):
            key = _key(node, part, path, parts[:depth])
            if depth == len(parts) - 1:
                node[key] = new
            else:
                node = node[key]
    return result


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _copy(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copy(v) for v in value]
    return value


def _key(node: Any, part: str, path: str, above: list[str]) -> Any:
    place = ".".join(above) or "the config"
    if isinstance(node, list):
        names = {str(entry.get("name", i)) if isinstance(entry, dict) else str(i): i for i, entry in enumerate(node)}
        names.update({str(i): i for i in range(len(node))})
        if part in names:
            return names[part]
        raise ConfigError(f"--set {path}: {place} has no entry '{part}'{closest(part, names)}.")
    if isinstance(node, dict):
        if part in node:
            return part
        raise ConfigError(f"--set {path}: {place} has no key '{part}'{closest(part, map(str, node))}.")
    raise ConfigError(f"--set {path}: {place} is a plain value, so nothing can be set inside it.")
