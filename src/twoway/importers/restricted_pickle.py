"""Reads pickles without running them: a machine for the few instructions that plain data needs.

Python's own unpickler calls what a pickle names. This one decodes the instructions with `pickletools` and carries them
out itself, on data it made itself. A name in the pickle is looked up in a table of the importer; any other name ends
the reading. Nothing is imported, no attribute is set, and what is built is lists, tuples, dicts, sets, strings,
numbers, and what the table's own functions make of those.
"""

from __future__ import annotations

import io
import os
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from twoway.errors import ForeignFileError

__all__ = ["Stub", "read_pickle"]

MOST_INSTRUCTIONS = 2_000_000
_SIMPLE = (str, bytes, int, float, bool, type(None))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_LITERALS = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES "  # noqa: SIM905
    "SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8".split()
)
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})


class Stub:
    """Stands for an object of a class that is not here: keeps what the pickle says of it, and does nothing.

    A subclass in an importer's table may take a constructor's arguments and the state in its own way.
    """

    def __init__(self, *args: Any) -> None:
        self.args = args
        self.state: Any = None

    def build(self, state: Any) -> None:
        """Take the state that the pickle gives the object."""
        self.state = state


@dataclass(frozen=True)
class _Named:
    """What a name in the pickle stands for."""

    name: str
    call: Callable[..., Any]


class _Window(io.RawIOBase):
    """A file that never promises more bytes than it has, so that a false length costs no memory."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        super().__init__()
        self.file = file
        self.end = end

    def read(self, size: int = -1, /) -> bytes:
        if size > self.end - self.file.tell():
            raise ValueError("it ends too early")
        return self.file.read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        return self.file.readline(-1 if size is None else size)

    def tell(self) -> int:
        return self.file.tell()


def read_pickle(
    file: BinaryIO,
    allowed: Mapping[str, Callable[..., Any]],
    *,
    source: str,
    persistent: Callable[[Any], Any] | None = None,
    most: int = MOST_INSTRUCTIONS,
) -> Any:
    """Read one pickle from where a file stands; the file is left behind its end.

    Args:
        file: Open for reading in binary; it must be able to seek.
        allowed: Functions by the dotted names that the pickle may use, such as ``collections.OrderedDict``. They get
            plain data, and must neither run nor allocate anything for it beyond its own size.
        source: What is read, for messages.
        persistent: Turns a persistent id, plain data, into what it stands for.
        most: Most instructions that are carried out.

    Returns:
        The data.

    Raises:
        ForeignFileError: Not a pickle, a damaged one, one that uses a name that is not allowed, or one that is too
            long.
    """
    machine = _Machine(allowed, source, persistent)
    start = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(start)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(_Window(file, end))):  # type: ignore[arg-type]
            if count >= most:
                raise ForeignFileError(
                    f"{source} holds a pickle of more than {most:,} instructions, which no file of this kind needs; "
                    "reading it could fill the memory. Nothing in it was run. Get the file from its authors again."
                )
            machine.step(opcode.name, argument)
    except ForeignFileError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, EOFError, MemoryError) as error:
        raise ForeignFileError(
            f"{source} cannot be read: it is no pickle of plain data, or it is damaged or cut off ({_first(error)}). "
            "Nothing in it was run. Get the file again."
        ) from error
    return machine.result


class _Machine:
    """The stack, the memo and the instructions."""

    def __init__(
        self, allowed: Mapping[str, Callable[..., Any]], source: str, persistent: Callable[[Any], Any] | None
    ) -> None:
        self.allowed = allowed
        self.source = source
        self.persistent = persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _PUTS:
            self.memo[argument] = self.stack[-1]
        elif name in _GETS:
            self.stack.append(self.memo[argument])
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        else:
            method = getattr(self, f"_{name.lower()}", None)
            if method is None:
                raise ForeignFileError(
                    f"{self.source} holds a pickle with the instruction {name}, which plain data does not need. "
                    "Nothing in it was run. Only import files that the official programs wrote."
                )
            method(argument)

    def _proto(self, argument: int) -> None:
        if argument > 5:
            raise ValueError(f"protocol {argument}")

    def _frame(self, argument: int) -> None:
        pass

    def _stop(self, argument: None) -> None:
        self.result = self.stack.pop()
        if self.stack or self.below:
            raise ValueError("something is left over")

    def _pop(self, argument: None) -> None:
        self.stack.pop()

    def _mark(self, argument: None) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _above_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def _pop_mark(self, argument: None) -> None:
        self._above_mark()

    def _memoize(self, argument: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _tuple(self, argument: None) -> None:
        items = self._above_mark()
        self.stack.append(tuple(items))

    def _tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise ValueError("a tuple lacks items")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _tuple1(self, argument: None) -> None:
        self._tuple_of(1)

    def _tuple2(self, argument: None) -> None:
        self._tuple_of(2)

    def _tuple3(self, argument: None) -> None:
        self._tuple_of(3)

    def _list(self, argument: None) -> None:
        items = self._above_mark()
        self.stack.append(items)

    def _dict(self, argument: None) -> None:
        items = self._above_mark()
        self.stack.append({})
        self._set_items(items)

    def _append(self, argument: None) -> None:
        item = self.stack.pop()
        self._top(list).append(item)

    def _appends(self, argument: None) -> None:
        items = self._above_mark()
        self._top(list).extend(items)

    def _setitem(self, argument: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _setitems(self, argument: None) -> None:
        self._set_items(self._above_mark())

    def _set_items(self, items: list[Any]) -> None:
        target = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self._simple(key)] = value

    def _additems(self, argument: None) -> None:
        items = self._above_mark()
        self._top(set).update(map(self._simple, items))

    def _frozenset(self, argument: None) -> None:
        items = self._above_mark()
        self.stack.append(frozenset(map(self._simple, items)))

    def _global(self, argument: str) -> None:
        self.stack.append(self._find(argument.replace(" ", ".", 1)))

    def _stack_global(self, argument: None) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self._find(f"{module}.{name}"))

    def _reduce(self, argument: None) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple):
            raise TypeError("arguments are not a tuple")
        if not isinstance(function, _Named):
            raise ForeignFileError(
                f"{self.source} holds a pickle that calls a {type(function).__name__} as if it were a function. "
                "Nothing in it was run. Only import files that the official programs wrote."
            )
        self.stack.append(function.call(*arguments))

    _newobj = _reduce

    def _build(self, argument: None) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Stub):
            target.build(state)
        elif not isinstance(target, OrderedDict):  # state dicts carry version numbers as an attribute; not needed
            raise TypeError(f"a state is given to a {type(target).__name__}")

    def _binpersid(self, argument: None) -> None:
        self.stack.append(self._persist(self.stack.pop()))

    def _persid(self, argument: str) -> None:
        self.stack.append(self._persist(argument))

    def _persist(self, key: Any) -> Any:
        if self.persistent is None:
            raise ValueError("it refers to something outside")
        return self.persistent(key)

    def _find(self, name: str) -> _Named:
        if name not in self.allowed:
            shown = name if name.isprintable() and len(name) < 200 else ascii(name[:200])
            raise ForeignFileError(
                f"{self.source} names '{shown}', which would have to be run to read the file and is not among the "
                "names that models of this kind need. Nothing in it was run. Only import files that the official "
                "programs wrote."
            )
        return _Named(name, self.allowed[name])

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise TypeError(f"a {kind.__name__} was expected")
        return self.stack[-1]

    def _simple(self, key: Any) -> Any:
        if not isinstance(key, _SIMPLE):
            raise TypeError(f"a {type(key).__name__} is used as a key")
        return key


def _first(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
