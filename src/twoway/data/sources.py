"""Where the bytes of picture files come from: a folder (or a single file), or a ZIP that is never unpacked."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO, Protocol

from twoway.data.decode import EXTENSIONS
from twoway.errors import DataError

__all__ = ["FileSource", "FolderSource", "ZipSource"]

MAX_ENTRY_BYTES = 64 * 2**20
"""No picture in a ZIP may unpack to more than this."""
MAX_RATIO, RATIO_FROM_BYTES = 200, 2**20
"""An entry of more than 1 MiB that claims to unpack to 200 times its size is a ZIP bomb, not a picture."""
MAX_TABLE_BYTES = 256 * 2**20


class FileSource(Protocol):
    """Picture files in sorted order.

    Attributes:
        where: Absolute path of the folder or ZIP.
        names: File names relative to it, with ``/``, sorted.
        rejected: Names of pictures that are refused unread, and why.
        others: How many files have another extension.
    """

    where: str
    names: list[str]
    rejected: dict[str, str]
    others: int

    def open(self, number: int) -> BinaryIO:
        """Return a file to be read as a whole; where the container has checksums, its content has been checked."""

    def peek(self, number: int) -> BinaryIO:
        """Return a file of which only the beginning will be read."""

    def nbytes(self, number: int) -> int:
        """Return the size of a file in bytes, -1 where it has vanished."""

    def text(self, name: str) -> str | None:
        """Return the text of a table such as labels.csv, or None where there is none of that name."""


def _is_picture(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts) or "__MACOSX" in parts
    return PurePosixPath(parts[-1]).suffix.lower() in EXTENSIONS and not hidden


class FolderSource:
    """Every picture file below a folder, links to folders not followed; or one picture file on its own."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self.rejected: dict[str, str] = {}
        self.others = 0
        if path.is_file():
            self._root = path.parent
            self.names = [path.name]
            return
        self._root = path
        self.names = sorted(self._walk(path, ""))

    def _walk(self, folder: Path, prefix: str) -> Iterator[str]:
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise DataError(
                f"The folder {folder} cannot be listed: {error.strerror}. Check its permissions, or name another "
                "folder."
            ) from error
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(folder / entry.name, name + "/")
            elif not _is_picture(name):
                self.others += 1
            elif entry.is_file():
                yield name
            else:  # opening a pipe would wait for ever
                self.rejected[name] = "is not an ordinary file (a broken link, a folder, a pipe or a device)"

    def open(self, number: int) -> BinaryIO:
        """Open a file."""
        return (self._root / self.names[number]).open("rb")

    def peek(self, number: int) -> BinaryIO:
        """Open a file."""
        return self.open(number)

    def nbytes(self, number: int) -> int:
        """Return the size of a file in bytes, -1 where it has vanished."""
        try:
            return (self._root / self.names[number]).stat().st_size
        except OSError:
            return -1

    def text(self, name: str) -> str | None:
        """Return the text of a file, or None."""
        path = self._root / name
        if Path(self.where).is_file() or not path.is_file():
            return None
        return _as_text(path.read_bytes(), str(path))


class ZipSource:
    """Every picture in a ZIP. Nothing is written to disk, so a hostile name can do no harm; it is refused all the same.

    The handle is opened once per process: it is not copied to other processes, and a forked child opens its own
    (a shared one would share the position in the file). Threads may use it together, `zipfile` locks each read.
    """

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self.rejected: dict[str, str] = {}
        self._handle: zipfile.ZipFile | None = None
        self._pid = -1
        self._lock = threading.Lock()
        entries = self._zip().infolist()
        pictures = [e for e in entries if _is_picture(e.filename)]
        self.others = sum(not e.filename.endswith("/") for e in entries) - len(pictures)
        usable: dict[str, zipfile.ZipInfo] = {}
        for entry in pictures:
            reason = _refusal(entry)
            if reason:
                self.rejected[entry.filename] = reason
            else:
                usable[entry.filename] = entry  # of two entries with one name the later counts, as when unpacking
        self._entries = [usable[name] for name in sorted(usable)]
        self.names = [entry.filename for entry in self._entries]

    def _zip(self) -> zipfile.ZipFile:
        with self._lock:
            if self._handle is None or self._pid != os.getpid():
                try:
                    self._handle = zipfile.ZipFile(self.where)
                except Exception as error:  # zipfile raises whatever a damaged directory makes it trip over
                    raise DataError(
                        f"The ZIP {self.where} cannot be opened ({error}). It is cut off, damaged or not a ZIP at all; "
                        "copy or download it again, or unpack it and name the folder."
                    ) from error
                self._pid = os.getpid()
            return self._handle

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_handle", "_pid", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._handle, self._pid, self._lock = None, -1, threading.Lock()

    def open(self, number: int) -> BinaryIO:
        """Unpack an entry into memory; reading all of it makes zipfile compare the checksum."""
        with self._zip().open(self._entries[number]) as stream:
            content = stream.read(MAX_ENTRY_BYTES + 1)
        return io.BytesIO(content)

    def peek(self, number: int) -> BinaryIO:
        """Open an entry as a stream."""
        return self._zip().open(self._entries[number])  # type: ignore[return-value]

    def nbytes(self, number: int) -> int:
        """Return the unpacked size of an entry in bytes."""
        return self._entries[number].file_size

    def text(self, name: str) -> str | None:
        """Return the text of an entry, or None."""
        archive = self._zip()
        try:
            entry = archive.getinfo(name)
            if entry.file_size > MAX_TABLE_BYTES:
                raise DataError(f"{name} in {self.where} claims {entry.file_size:,} bytes, too many for a table.")
            with archive.open(entry) as stream:
                return _as_text(stream.read(MAX_TABLE_BYTES), f"{name} in {self.where}")
        except KeyError:
            return None
        except DataError:
            raise
        except Exception as error:  # as above, and encrypted entries
            raise DataError(f"{name} in {self.where} cannot be unpacked ({error}); copy the ZIP again.") from error


def _refusal(entry: zipfile.ZipInfo) -> str | None:
    name = entry.filename
    if ".." in PurePosixPath(name).parts or ".." in PureWindowsPath(name).parts:
        return "has a name that leads out of the ZIP"
    if name.startswith(("/", "\\")) or PureWindowsPath(name).drive:
        return "has an absolute name"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    if entry.file_size > MAX_ENTRY_BYTES:
        return f"claims to unpack to {entry.file_size:,} bytes, more than {MAX_ENTRY_BYTES:,}"
    if entry.file_size > RATIO_FROM_BYTES and entry.file_size > MAX_RATIO * max(1, entry.compress_size):
        return f"claims to unpack to more than {MAX_RATIO} times its size, as ZIP bombs do"
    return None


def _as_text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8 text ({error.reason}); save it as UTF-8.") from error
