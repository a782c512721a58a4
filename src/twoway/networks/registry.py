"""Networks by name: a net in a recipe is a kind and its arguments, never code."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from twoway.config import from_plain, to_plain
from twoway.errors import ConfigError, closest

__all__ = ["NETWORKS", "NetSpec", "build_net", "network", "reset_net"]

NETWORKS: dict[str, type[nn.Module]] = {}
N = TypeVar("N", bound=type[nn.Module])


def network(kind: str) -> Callable[[N], N]:
    """Register a network class under the name that recipes use."""

    def register(cls: N) -> N:
        NETWORKS[kind] = cls
        return cls

    return register


@dataclass(frozen=True)
class NetSpec:
    """A net as data.

    Args:
        kind: Registered name, as ``mlp_encoder``.
        args: Arguments of the class registered under that name; those left out take its defaults.
    """

    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # defaults are written out: a printed recipe shows everything, and every argument can be overridden by its key
        known = inspect.signature(NETWORKS[self.kind].__init__).parameters if self.kind in NETWORKS else {}
        defaults = {n: p.default for n, p in known.items() if p.default is not inspect.Parameter.empty}
        object.__setattr__(self, "args", {**defaults, **self.args})

    def plain(self) -> dict[str, Any]:
        """Flat form for configs: the kind and the arguments side by side."""
        return {"kind": self.kind, **to_plain(self.args)}

    @classmethod
    def from_plain(cls, value: Any, where: str = "net") -> NetSpec:
        """Read the flat form and check kind and arguments.

        Raises:
            ConfigError: An unknown kind, an unknown or missing argument, or one of the wrong type.
        """
        if not isinstance(value, Mapping) or "kind" not in value:
            raise ConfigError(f"{where} is {value!r}, but must be a table with the key 'kind'.")
        kind = value["kind"]
        if kind not in NETWORKS:
            raise ConfigError(f"{where}.kind is '{kind}', which is not a network{closest(str(kind), NETWORKS)}.")
        given = {k: v for k, v in value.items() if k != "kind"}
        init = NETWORKS[kind].__init__
        parameters = {n: p for n, p in inspect.signature(init).parameters.items() if n != "self"}
        hints = typing.get_type_hints(init)
        for key in given:
            if key not in parameters:
                raise ConfigError(f"{where} has an unknown key '{key}'{closest(str(key), [*parameters, 'kind'])}.")
        missing = [n for n, p in parameters.items() if p.default is inspect.Parameter.empty and n not in given]
        if missing:
            raise ConfigError(f"{where} ({kind}) lacks the key '{missing[0]}'.")
        return cls(kind, {k: from_plain(hints[k], v, f"{where}.{k}") for k, v in given.items()})


def build_net(spec: NetSpec) -> nn.Module:
    """Make the net that a spec describes, with weights not yet drawn."""
    return NETWORKS[spec.kind](**spec.args)


def reset_net(net: nn.Module, generator: torch.Generator | None) -> None:
    """Draw fresh weights for every layer of a net, in module order."""
    for module in net.modules():
        reset: Callable[..., None] | None = getattr(module, "reset", None)
        if module is not net and reset is not None:
            reset(generator)
