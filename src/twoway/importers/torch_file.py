"""Reads files of `torch.save`, in the zip format and in the one before torch 1.6, without running what is in them.

Tensors stay in the file until they are asked for, so that optimiser states cost neither time nor memory.
"""

from __future__ import annotations

import math
import os
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from twoway.errors import ForeignFileError
from twoway.importers.restricted_pickle import read_pickle

__all__ = ["StoredTensor", "read_torch_file"]

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
_TYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass
class Storage:
    """Numbers in the file: where, how many, of which type."""

    path: Path
    dtype: torch.dtype
    count: int
    start: int = -1


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in the file.

    Args:
        storage: The numbers it is a view of.
        offset: Number of the first one.
        shape: Its shape.
        stride: Steps between numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def load(self) -> Tensor:
        """Read the numbers.

        Raises:
            ForeignFileError: The tensor reaches beyond its numbers, or repeats them.
        """
        storage, ends = self.storage, zip(self.shape, self.stride, strict=True)
        count, last = math.prod(self.shape), self.offset + sum((n - 1) * step for n, step in ends)
        if min((*self.shape, 1)) < 1 or min((*self.stride, self.offset)) < 0 or max(last + 1, count) > storage.count:
            raise ForeignFileError(
                f"{storage.path} holds a tensor of shape {self.shape} that does not fit the {storage.count} numbers it "
                "is made of: the file is damaged or was made to harm. Get it again from its authors."
            )
        with storage.path.open("rb") as file:
            file.seek(storage.start)
            data = bytearray(file.read(storage.count * storage.dtype.itemsize))
        if len(data) != storage.count * storage.dtype.itemsize:
            raise _damaged(storage.path, "it ends within a tensor")
        return torch.frombuffer(data, dtype=storage.dtype).as_strided(self.shape, self.stride, self.offset).clone()


def read_torch_file(path: Path, stubs: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """Read what `torch.save` wrote: dicts, lists, numbers, text, and `StoredTensor` in the place of tensors.

    Args:
        path: The file.
        stubs: Further names that the file may use, and what stands for them (see `restricted_pickle.read_pickle`).

    Raises:
        ForeignFileError: No such file, not one of `torch.save`, a damaged one, or one that would have to be run.
    """
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not there"
        raise ForeignFileError(
            f"The checkpoint '{path}' is {what}. Give the path of a file that torch.save wrote (.pth)."
        )
    names = {**_names(), **(stubs or {})}
    with path.open("rb") as file:
        head = file.read(512)
        file.seek(0)
        if head.startswith(b"PK\x03\x04"):
            return _read_zip(path, file, names)
        if head[257:262] == b"ustar":
            raise ForeignFileError(
                f"'{path}' is a tar file, as torch wrote before 2017. Save it again with a newer torch, where it is "
                "trusted."
            )
        if not head.startswith(b"\x80"):
            raise ForeignFileError(
                f"'{path}' was not written by torch.save: it is neither a zip file nor does it begin with a pickle. "
                "Give the .pth file itself, unpacked where it was packed."
            )
        return _read_old(path, file, names)


def _names() -> dict[str, Callable[..., Any]]:
    names: dict[str, Callable[..., Any]] = {
        "collections.OrderedDict": _ordered,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": lambda data, requires_grad, hooks: data,
        "torch.Size": lambda sizes: tuple(sizes),
    }
    for name in _TYPES:
        names[f"torch.{name}"] = names[f"torch.cuda.{name}"] = _refuse_call
    return names


def _ordered() -> OrderedDict[str, Any]:
    """An empty one only: a list of items could be given again and again, and would be copied each time."""
    return OrderedDict()


def _refuse_call(*arguments: Any) -> Any:
    raise ValueError("a storage type is called")


def _tensor(
    storage: Any,
    offset: Any,
    shape: Any,
    stride: Any,
    requires_grad: Any = False,
    hooks: Any = None,
    metadata: Any = None,
) -> StoredTensor:
    plain = isinstance(storage, Storage) and isinstance(shape, tuple) and isinstance(stride, tuple)
    if not plain or len(shape) != len(stride) or not all(type(n) is int for n in (offset, *shape, *stride)):
        raise ValueError("a tensor is described in a way torch does not use")
    return StoredTensor(storage, offset, shape, stride)


def _read_zip(path: Path, file: BinaryIO, names: Mapping[str, Callable[..., Any]]) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
            if len(pickles) != 1:
                raise ForeignFileError(
                    f"'{path}' is a zip file, but not one of torch.save: it holds no data.pkl. Give the .pth file "
                    "itself."
                )
            root = pickles[0].removesuffix("data.pkl")
            packed = [n for n, e in entries.items() if e.compress_type != zipfile.ZIP_STORED]
            if packed or sum(e.file_size for e in entries.values()) > path.stat().st_size:
                raise _damaged(path, "its parts are packed or larger than the file, which torch.save never does")
            if f"{root}byteorder" in entries and archive.read(f"{root}byteorder") != b"little":
                raise _damaged(path, "its numbers are in big-endian order, which is not supported")
            starts: dict[str, int] = {}

            def persistent(key: Any) -> Storage:
                storage, name, _ = _described(path, key)
                entry = entries[f"{root}data/{name}"]
                if entry.file_size != storage.count * storage.dtype.itemsize:
                    raise ValueError("a tensor's numbers are not as many as announced")
                if name not in starts:
                    starts[name] = _start(file, entry)
                storage.start = starts[name]
                return storage

            with archive.open(pickles[0]) as part:
                return read_pickle(part, names, source=f"'{path}'", persistent=persistent)  # type: ignore[arg-type]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error) as error:
        raise _damaged(path, str(error) or "it is cut off") from error


def _start(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Where the bytes of a stored entry begin: behind its local header, name and extra field."""
    with _returning(file):
        file.seek(entry.header_offset)
        header = file.read(30)
        if header[:4] != b"PK\x03\x04":
            raise ValueError("a part of the zip file is not where the index says")
        name, extra = struct.unpack("<HH", header[26:30])
        return entry.header_offset + 30 + int(name) + int(extra)


def _read_old(path: Path, file: BinaryIO, names: Mapping[str, Callable[..., Any]]) -> Any:
    storages: dict[str, Storage] = {}

    def persistent(key: Any) -> Storage:
        storage, name, view = _described(path, key)
        if view is not None:
            raise ValueError("it holds views of storages, as torch wrote before version 0.4")
        return storages.setdefault(name, storage)

    source = f"'{path}'"
    if read_pickle(file, {}, source=source) != MAGIC:
        raise ForeignFileError(
            f"{source} is a pickle, but not one of torch.save: it does not begin with torch's magic number. Nothing "
            "in it was run. Give the .pth file that the official program wrote."
        )
    if read_pickle(file, {}, source=source) != PROTOCOL:
        raise _damaged(path, "it is of an unknown version")
    system = read_pickle(file, {}, source=source)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _damaged(path, "its numbers are in big-endian order, which is not supported")
    result = read_pickle(file, names, source=source, persistent=persistent)
    order = read_pickle(file, {}, source=source)
    if not isinstance(order, list) or {type(n) for n in order} - {str} or sorted(order) != sorted(storages):
        raise _damaged(path, "its tensors and its list of them disagree")
    size = path.stat().st_size
    for name in order:
        storage = storages[name]
        (count,) = struct.unpack("<q", file.read(8).ljust(8, b"\0"))
        storage.start = file.tell()
        end = storage.start + storage.count * storage.dtype.itemsize
        if count != storage.count or end > size:
            raise _damaged(path, "it ends within a tensor, or a tensor's numbers are not as many as announced")
        file.seek(end)
    return result


def _described(path: Path, key: Any) -> tuple[Storage, str, Any]:
    """Storage, its name, and the view of it, of ('storage', type, name, device, count[, view])."""
    kind, type_name, name, _, count, *view = key
    dtype = _TYPES.get(getattr(type_name, "name", "").rpartition(".")[2])
    if kind != "storage" or dtype is None or not isinstance(name, str) or type(count) is not int or count < 0:
        raise ValueError("numbers are described in a way torch does not use")
    return Storage(path, dtype, count), name, view[0] if view else None


@contextmanager
def _returning(file: BinaryIO) -> Iterator[None]:
    place = file.tell()
    try:
        yield
    finally:
        file.seek(place, os.SEEK_SET)


def _damaged(path: Path, why: str) -> ForeignFileError:
    return ForeignFileError(f"'{path}' cannot be read: {why}. Nothing in it was run. Get the file again.")
