"""Pickles are read without being run: plain data comes out as Python's own unpickler gives it, anything else is
refused."""

import builtins
import collections
import io
import os
import pickle
import struct

import pytest

from twoway.errors import ForeignFileError
from twoway.importers.restricted_pickle import Stub, read_pickle

PLAIN = {
    "numbers": [0, 1, 255, 256, 65536, -1, 2**31, 2**40, -(2**100), 1.5, float("inf"), True, False, None],
    "texts": ["", "a", "é" * 300, b"", b"\x00\xff" * 200],
    "nested": {"a": ({"b": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]},), 3: {4}, None: frozenset({"x", 5})},
}
PLAIN["again"] = PLAIN["texts"]


def read(data, allowed=None, **options):
    return read_pickle(io.BytesIO(data), allowed or {}, source="'it'", **options)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data(protocol):
    # bytes and sets are calls before protocols 3 and 4; numbers, texts, lists, dicts and tuples are never
    data = PLAIN if protocol >= 4 else {"texts": PLAIN["texts"][:3], "numbers": PLAIN["numbers"], "again": [(1,)] * 3}
    assert read(pickle.dumps(data, protocol)) == data


def test_shared_parts_stay_shared():
    again = read(pickle.dumps([PLAIN["texts"]] * 2, 4))
    assert again[0] is again[1]


def test_the_file_is_left_behind_the_end():
    file = io.BytesIO(pickle.dumps(1, 2) + pickle.dumps([2], 2) + b"rest")
    assert [read_pickle(file, {}, source="it") for _ in range(2)] == [1, [2]]
    assert file.read() == b"rest"


class Point:
    def __init__(self):
        self.x = 1


def test_listed_names_are_what_the_table_says():
    name = f"{Point.__module__}.Point"
    for protocol in (2, 4):
        stub = read(pickle.dumps(Point(), protocol), {name: Stub})
        assert isinstance(stub, Stub)
        assert stub.state == {"x": 1}
    ordered = read(
        pickle.dumps(collections.OrderedDict(a=1, b=2), 2), {"collections.OrderedDict": collections.OrderedDict}
    )
    assert list(ordered.items()) == [("a", 1), ("b", 2)]


def test_persistent_ids():
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return "outside 7" if obj == 7 else None

    file = io.BytesIO()
    Pickler(file, 2).dump([7, 8])
    assert read(file.getvalue(), persistent=str.upper) == ["OUTSIDE 7", 8]
    with pytest.raises(ForeignFileError, match="refers to something outside"):
        read(file.getvalue())


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile(marker):
    """Pickles that would make a file, each by another road."""
    command = f"touch {marker}"
    write = Call(os.system, command)
    text = f"open({str(marker)!r}, 'w')"
    return {
        "system": pickle.dumps(write, 2),
        "eval": pickle.dumps(Call(builtins.eval, text), 2),
        "exec": pickle.dumps({"models": [1, (2, Call(builtins.exec, text))]}, 4),
        "getattr": pickle.dumps(Call(getattr, Call(__import__, "os"), "system"), 2),
        # names with dots inside, which Python's unpickler follows as attributes
        "path.os.system": b"\x80\x04\x8c\x02os\x8c\x0epath.os.system\x93\x8c" + _short(command) + b"\x85R.",
        "OrderedDict.fromkeys": b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93)R.",
        "INST": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "EXT1": b"\x80\x02\x82\x01.",
    }


def _short(text):
    return bytes([len(text)]) + text.encode()


@pytest.mark.parametrize("name", [*hostile("x")])
def test_nothing_is_run(tmp_path, name):
    marker = tmp_path / "m"
    data = hostile(marker)[name]
    if name in ("system", "eval", "exec", "path.os.system", "INST"):  # the danger is real
        pickle.loads(data)
        assert marker.exists()
        marker.unlink()
    with pytest.raises(ForeignFileError, match=f"{name}.*Nothing in it was run"):
        read(data, {"collections.OrderedDict": collections.OrderedDict})
    assert not marker.exists()


BROKEN = {
    "empty": b"",
    "no pickle": b"hello, this is a text\n",
    "cut off": pickle.dumps(PLAIN, 4)[:-20],
    "a false length": b"\x80\x02\x8e" + struct.pack("<Q", 2**40) + b"abc.",
    "a false length within reach": b"\x80\x02B" + struct.pack("<I", 2**31 - 1) + b"abc.",
    "nothing on the stack": b"\x80\x02.",
    "something left over": b"\x80\x02K\x01K\x02.",
    "no mark": b"\x80\x02t.",
    "an unknown memo": b"\x80\x02h\x05.",
    "a list as a key": b"\x80\x02}]K\x01s.",
    "tuples in tuples as a key": b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s.",
    "items on a number": b"\x80\x02K\x01K\x02a.",
    "a state on a list": b"\x80\x02]}b.",
    "a protocol to come": b"\x80\x63K\x01.",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pickles(name):
    with pytest.raises(ForeignFileError, match="Nothing in it was run"):
        read(BROKEN[name])


def test_calling_what_is_no_function():
    with pytest.raises(ForeignFileError, match="calls a str"):
        read(b"\x80\x02X\x06\x00\x00\x00systemX\x02\x00\x00\x00ls\x85R.")


def test_a_list_of_a_billion_entries_is_given_up_early():
    class Endless(io.BytesIO):
        """A gigabyte of `N`, not kept in memory."""

        def __init__(self):
            super().__init__()
            self.place = 0

        def read(self, size=-1):
            start = b"\x80\x02](" if self.place == 0 else b""
            got = (start + b"N" * (size if size > 0 else 1))[: size if size > 0 else 1]
            got = b"\x80\x02]("[self.place : self.place + size] or b"N" * size
            self.place += len(got)
            return got

        def tell(self):
            return self.place

        def seek(self, place, whence=0):
            self.place = 10**9 if whence else place
            return self.place

    file = Endless()
    with pytest.raises(ForeignFileError, match="more than 10,000 instructions"):
        read_pickle(file, {}, source="'it'", most=10_000)
    assert file.place < 20_000


def test_a_memo_number_costs_no_memory():
    assert read(b"\x80\x02K\x01r\xff\xff\xff\xff.") == 1
