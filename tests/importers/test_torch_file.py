"""Files of torch.save in both formats, read without torch.load."""

import collections
import pickle
import zipfile

import pytest
import torch
from torch import nn

from twoway.errors import ForeignFileError
from twoway.importers.torch_file import StoredTensor, read_torch_file

FORMATS = {"zip": True, "old": False}


def contents():
    generator = torch.Generator().manual_seed(0)
    big = torch.randn(6, 8, generator=generator)
    return {
        "plain": big,
        "transposed": big.t(),
        "part": big[2:4, 1:5],
        "scalar": torch.tensor(3.5),
        "types": [big.to(t) for t in (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool)],
        "parameter": nn.Parameter(big.clone()),
        "numbers": (1, 2.5, "text", None, True),
        "ordered": collections.OrderedDict(a=1),
        "size": big.shape,
        "state": nn.Linear(2, 3).state_dict(),
    }


def saved(tmp_path, value, kind):
    path = tmp_path / f"{kind}.pth"
    torch.save(value, path, _use_new_zipfile_serialization=FORMATS[kind])
    return path


def loaded(value):
    if isinstance(value, StoredTensor):
        return value.load()
    if isinstance(value, dict):
        return {k: loaded(v) for k, v in value.items()}
    return [loaded(v) for v in value] if isinstance(value, list) else value


def same(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("kind", FORMATS)
def test_what_torch_saved_comes_back(tmp_path, kind):
    path = saved(tmp_path, contents(), kind)
    assert path.read_bytes()[:2] == (b"PK" if kind == "zip" else b"\x80\x02")
    theirs = contents()
    theirs["state"] = dict(torch.load(path, weights_only=True)["state"])
    assert same(loaded(read_torch_file(path)), theirs)


@pytest.mark.parametrize("kind", FORMATS)
def test_tensors_are_not_read_before_they_are_asked_for(tmp_path, kind):
    path = saved(tmp_path, torch.zeros(100), kind)
    stored = read_torch_file(path)
    assert stored.shape == (100,)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        stored.load()


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("kind", FORMATS)
def test_calls_are_refused_by_name(tmp_path, kind):
    marker = tmp_path / "marker"
    path = saved(tmp_path, {"a": torch.zeros(2), "b": [Call(open, str(marker), "w")]}, kind)
    with pytest.raises(ForeignFileError, match=r"names '_?io\.open'.*Nothing in it was run"):
        read_torch_file(path)
    assert not marker.exists()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("left", [0.1, 0.5, 0.9, 0.999])
def test_cut_off_files(tmp_path, kind, left):
    path = saved(tmp_path, {"a": torch.randn(500), "b": torch.randn(500)}, kind)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * left)])
    with pytest.raises(ForeignFileError, match=str(path)):
        read_torch_file(path)


def test_files_of_other_kinds(tmp_path):
    path = tmp_path / "file.pth"
    for data, said in (
        (b"", "neither a zip file"),
        (b"just text", "neither a zip file"),
        (pickle.dumps({"a": 1}, 2), "magic number"),
        (b"\0" * 257 + b"ustar" + b"\0" * 200, "before 2017"),
    ):
        path.write_bytes(data)
        with pytest.raises(ForeignFileError, match=said):
            read_torch_file(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(ForeignFileError, match=r"no data\.pkl"):
        read_torch_file(path)
    with pytest.raises(ForeignFileError, match="a folder"):
        read_torch_file(tmp_path)
    with pytest.raises(ForeignFileError, match="not there"):
        read_torch_file(tmp_path / "none.pth")


def repacked(path, change, compression=zipfile.ZIP_STORED):
    """The same zip file with its parts changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in change(parts).items():
            archive.writestr(name, data)


def test_packed_parts_are_refused_so_that_none_can_be_a_bomb(tmp_path):
    path = saved(tmp_path, {"a": torch.zeros(1000)}, "zip")
    repacked(path, lambda parts: parts, zipfile.ZIP_DEFLATED)
    with pytest.raises(ForeignFileError, match="packed"):
        read_torch_file(path)


def test_tensors_that_are_larger_than_their_numbers_are_refused(tmp_path):
    path = saved(tmp_path, torch.zeros(1).expand(10**9), "zip")
    with pytest.raises(ForeignFileError, match="does not fit the 1 numbers"):
        read_torch_file(path).load()
    path = saved(tmp_path, torch.zeros(4), "old")
    storage = read_torch_file(path).storage
    for offset, shape, stride in (
        (1, (4,), (1,)),
        (-1, (4,), (1,)),
        (0, (2, 2), (3, 1)),
        (0, (-1,), (1,)),
        (3, (2,), (-1,)),
    ):
        with pytest.raises(ForeignFileError, match="does not fit the 4 numbers"):
            StoredTensor(storage, offset, shape, stride).load()


def test_a_part_with_other_numbers_than_announced_is_refused(tmp_path):
    path = saved(tmp_path, torch.zeros(1000), "zip")
    repacked(path, lambda parts: {n: d[:8] if n.endswith("data/0") else d for n, d in parts.items()})
    with pytest.raises(ForeignFileError, match="not as many as announced"):
        read_torch_file(path)


def test_big_endian_files_are_refused(tmp_path):
    path = saved(tmp_path, torch.zeros(3), "zip")
    repacked(path, lambda parts: {n: b"big" if n.endswith("byteorder") else d for n, d in parts.items()})
    with pytest.raises(ForeignFileError, match="big-endian"):
        read_torch_file(path)
