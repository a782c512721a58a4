"""Reads the pickles of NVIDIA's TensorFlow programs (ProGAN, StyleGAN and what is built on them) without TensorFlow.

Such a file holds objects of one class, ``dnnlib.tflib.network.Network``. Their state is plain: settings, arrays with
names, networks within networks, and the Python source that built them, which is never run here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twoway.errors import ForeignFileError
from twoway.importers.restricted_pickle import Stub, read_pickle

__all__ = ["TFNetwork", "read_tf_networks"]

MOST_NESTED = 8
MOST_LISTED = 100
_KINDS = frozenset("biuf")


@dataclass(frozen=True)
class TFNetwork:
    """A network of the file.

    Args:
        name: Its name.
        settings: Arguments it was built with, those of the networks within it among them.
        variables: Arrays by name; those of a network within it carry its name and a slash in front.
    """

    name: str
    settings: Mapping[str, Any]
    variables: Mapping[str, np.ndarray]


def read_tf_networks(path: Path) -> list[TFNetwork]:
    """Read the networks of a file, in their order.

    Raises:
        ForeignFileError: No such file, not a pickle of networks, a damaged one, or one that would have to be run.
    """
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not there"
        raise ForeignFileError(f"The pickle '{path}' is {what}. Give the path of a .pkl file of networks.")
    with path.open("rb") as file:
        data = read_pickle(file, NAMES, source=f"'{path}'")
    networks = list(data) if isinstance(data, (tuple, list)) else [data]
    if not networks or not all(isinstance(network, NetworkStub) for network in networks):
        raise ForeignFileError(
            f"'{path}' is a pickle, but not of TensorFlow networks as StyleGAN's programs write them. Nothing in it "
            "was run. Give the network pickle (.pkl) itself."
        )
    try:
        seen: set[int] = set()
        return [_network(stub, seen, 0) for stub in networks]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ForeignFileError(
            f"'{path}' holds a network that is described in a way StyleGAN's programs do not use ({error}). Nothing "
            "in it was run. Get the file from its authors again."
        ) from error


class NetworkStub(Stub):
    """Stands for a network, whose state is a dict."""


class ArrayStub(Stub):
    """Stands for an array; becomes one when its contents are known."""

    def array(self) -> np.ndarray:
        """The array.

        Raises:
            ValueError: Contents that are not those of an array of numbers.
        """
        _, shape, dtype, fortran, data = self.state
        if not isinstance(dtype, TypeStub) or not isinstance(data, (bytes, bytearray)):
            raise ValueError("an array of something else than numbers")
        kind = dtype.numpy()
        if len(data) != kind.itemsize * math.prod(shape):
            raise ValueError("an array has another size than its contents")
        return np.frombuffer(data, dtype=kind).reshape(shape, order="F" if fortran else "C")


class TypeStub(Stub):
    """Stands for the type of an array's numbers."""

    def numpy(self) -> np.dtype:
        """The type.

        Raises:
            ValueError: A type that is not one of numbers.
        """
        order: Any = "=" if self.state is None or self.state[1] == "|" else self.state[1]
        kind = np.dtype(str(self.args[0])).newbyteorder(order)
        if kind.kind not in _KINDS:
            raise ValueError("an array of something else than numbers")
        return kind


def _number(kind: Any, data: Any) -> Any:
    """A numpy scalar as a Python number."""
    if not isinstance(kind, TypeStub) or not isinstance(data, bytes) or len(data) != kind.numpy().itemsize:
        raise ValueError("a number of an unknown kind")
    return np.frombuffer(data, dtype=kind.numpy())[0].item()


def _bytes(text: Any, encoding: Any) -> bytes:
    """Bytes as older pickles write them: as text in Latin-1."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("bytes in an unknown encoding")
    return text.encode("latin1")


def _refuse_call(*arguments: Any) -> Any:
    raise ValueError("the type of arrays is called")


def _plain_dict(*arguments: Any) -> dict[str, Any]:
    if arguments:
        raise ValueError("a dict with arguments")
    return {}


NAMES: dict[str, Callable[..., Any]] = {
    "dnnlib.tflib.network.Network": NetworkStub,
    "dnnlib.util.EasyDict": _plain_dict,
    "collections.OrderedDict": _plain_dict,
    "_codecs.encode": _bytes,
    "numpy.ndarray": _refuse_call,
    "numpy.dtype": TypeStub,
}
"""What may stand in such a pickle, and what stands for it here."""

for _room in ("numpy.core", "numpy._core"):
    NAMES[f"{_room}.multiarray._reconstruct"] = lambda *arguments: ArrayStub()
    NAMES[f"{_room}.multiarray.scalar"] = _number


def _network(stub: NetworkStub, seen: set[int], depth: int) -> TFNetwork:
    if depth > MOST_NESTED or id(stub) in seen:
        raise ValueError("networks within networks without end")
    seen.add(id(stub))
    state = stub.state
    settings = {str(key): _plain(value) for key, value in state["static_kwargs"].items()}
    variables = {}
    for name, array in state["variables"]:
        if not isinstance(name, str) or not isinstance(array, ArrayStub):
            raise ValueError("a variable that is not an array with a name")
        variables[name] = array.array()
    for prefix, part in state["components"].items():
        inner = _network(part, seen, depth + 1)
        settings = {**inner.settings, **settings}
        variables.update({f"{prefix}/{name}": array for name, array in inner.variables.items()})
    return TFNetwork(str(state["name"]), settings, variables)


def _plain(value: Any) -> Any:
    """A setting as plain data; arrays and tuples as lists."""
    if isinstance(value, ArrayStub):
        array = value.array()
        return array.tolist() if array.size <= MOST_LISTED else "a large array"
    return list(value) if isinstance(value, tuple) else value
