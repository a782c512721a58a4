import gzip
import hashlib
import os
import struct
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from twoway.data import PRESETS, builtin, open_data
from twoway.errors import DataError


def test_digits_are_scaled_to_bytes():
    data = open_data("digits")
    assert (data.name, data.source, data.shape, len(data)) == ("digits", "digits", (1, 8, 8), 1500)
    values = data.read(range(1500))
    assert sorted(set(values.flatten().tolist())) == [round(v * 255 / 16) for v in range(17)]
    assert data.labels.shape == (1500,)


def test_digits_splits_are_parts_of_the_whole():
    train, test, whole = (open_data("digits", split=split) for split in ("train", "test", "all"))
    assert (len(train), len(test), len(whole)) == (1500, 297, 1797)
    assert torch.equal(torch.cat([train.read(range(1500)), test.read(range(297))]), whole.read(range(1797)))
    digits = load_digits()
    original = sorted(np.round(digits.images * 255 / 16).astype(np.uint8).reshape(1797, -1).tolist())
    assert sorted(whole.read(range(1797)).flatten(1).tolist()) == original
    assert (np.bincount(test.labels, minlength=10) > 15).all()
    assert test.labels[:12].tolist() == [
        1,
        3,
        4,
        5,
        8,
        5,
        5,
        0,
        4,
        2,
        6,
        0,
    ]  # the split must never change: published numbers hang on it


def test_digits_at_another_size():
    data = open_data("digits", size=16)
    assert (data.name, data.shape) == ("digits16", (1, 16, 16))


def tiny(shape):
    array = np.arange(np.prod(shape)).astype(np.uint8).reshape(shape)
    return struct.pack(f">I{len(shape)}I", 0x0800 + len(shape), *shape) + array.tobytes()


FILES = {
    "train-images-idx3-ubyte": tiny((6, 28, 28)),
    "train-labels-idx1-ubyte": tiny((6,)),
    "t10k-images-idx3-ubyte": tiny((3, 28, 28)),
    "t10k-labels-idx1-ubyte": tiny((3,)),
}


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror in a folder, a cache that is empty, and no data of the user's own."""
    site = tmp_path / "site"
    site.mkdir()
    for name, content in FILES.items():
        (site / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.delenv("TWOWAY_DATA", raising=False)
    monkeypatch.setenv("TWOWAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(builtin, "MIRRORS", (f"{(tmp_path / 'dead').as_uri()}/", f"{site.as_uri()}/"))
    monkeypatch.setattr(builtin, "MNIST_MD5", {name: hashlib.md5(c).hexdigest() for name, c in FILES.items()})
    return site


def kept(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache" / "mnist").glob("*"))


def test_mnist_is_downloaded_once_from_the_first_mirror_that_answers(mirror, tmp_path):
    assert len(open_data("mnist")) == 6
    assert kept(tmp_path) == sorted(f"{name}.gz" for name in FILES)
    for file in mirror.iterdir():
        file.unlink()
    data = open_data("mnist", split="all")
    assert (data.name, data.source, len(data)) == ("mnist", "mnist", 9)
    assert data.labels.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]


@pytest.mark.parametrize("content", [gzip.compress(b"changed"), b"<html>not found</html>", b""])
def test_a_download_that_is_not_mnist_is_not_kept(mirror, tmp_path, content):
    (mirror / "t10k-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz cannot be downloaded"):
        open_data("mnist")
    assert not [name for name in kept(tmp_path) if "t10k-images" in name]


def test_no_network_says_what_to_put_where(mirror, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", fail)
    with pytest.raises(DataError) as error:
        open_data("mnist")
    for part in (*FILES, "no route to host", str(tmp_path / "cache" / "mnist"), "TWOWAY_DATA"):
        assert part in str(error.value)


def test_a_cache_that_cannot_be_written(mirror, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(DataError, match="TWOWAY_CACHE"):
        open_data("mnist")


def test_own_files_go_first(mirror, tmp_path, monkeypatch):
    raw = tmp_path / "own" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(tiny((4, 28, 28)))
    monkeypatch.setenv("TWOWAY_DATA", str(tmp_path / "own"))
    assert len(open_data("mnist")) == 4
    assert not (tmp_path / "cache").exists()


def test_every_preset_says_what_it_is():
    assert set(PRESETS) >= {"digits", "mnist", *builtin.DRAWINGS}
    assert all(len(text) > 30 for text in PRESETS.values())


REAL = Path(os.environ.get("TWOWAY_DATA", "")) / "MNIST" / "raw"


@pytest.mark.skipif(
    not os.environ.get("TWOWAY_DATA") or not REAL.is_dir(),
    reason="set TWOWAY_DATA to a folder that holds MNIST/raw to test with the real files",
)
def test_the_real_mnist():
    for split, prefix in (("train", "train"), ("test", "t10k")):
        data = open_data("mnist", split=split)
        pictures = data.read(range(len(data))).numpy()
        header = struct.pack(">4I", 0x0803, len(data), 28, 28)
        digest = hashlib.md5(header)
        digest.update(pictures.data)
        assert digest.hexdigest() == builtin.MNIST_MD5[f"{prefix}-images-idx3-ubyte"]
        labels = struct.pack(">2I", 0x0801, len(data)) + data.labels.astype(np.uint8).tobytes()
        assert hashlib.md5(labels).hexdigest() == builtin.MNIST_MD5[f"{prefix}-labels-idx1-ubyte"]
    assert len(data) == 10000
