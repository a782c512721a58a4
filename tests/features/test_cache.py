"""Kept features: computed once for a key, again where the file was spoilt, and never in the way of a measurement."""

import os
import threading

import pytest
import torch

from twoway.features import cache

KEY = {"data": "abc", "rows": [0, 5], "extractor": {"name": "pyramid", "sha256": None}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TWOWAY_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


class Counted:
    """Features, and how often they were asked for."""

    def __init__(self, seed=0):
        self.calls = 0
        self.values = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))

    def __call__(self):
        self.calls += 1
        return self.values


def test_features_are_computed_once_for_a_key(folder):
    compute, other = Counted(), Counted(1)
    for _ in range(3):
        assert torch.equal(cache.cached(KEY, compute), compute.values)
    assert compute.calls == 1
    assert torch.equal(cache.cached(dict(reversed(KEY.items())), compute), compute.values)  # order is no matter
    assert compute.calls == 1
    for changed in ({"rows": [0, 6]}, {"extractor": {"name": "pyramid", "sha256": "1"}}):
        cache.cached({**KEY, **changed}, other)
    assert other.calls == 2
    assert len(list(folder.iterdir())) == 3


def test_a_spoilt_file_is_computed_anew(folder):
    compute = Counted()
    cache.cached(KEY, compute)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 4  # one bit of one number
    for number, spoilt in enumerate((whole[:-5], whole[:9], b"", b"not features", bytes(flipped)), 2):
        file.write_bytes(spoilt)
        assert torch.equal(cache.cached(KEY, compute), compute.values)
        assert compute.calls == number
        cache.cached(KEY, compute)
        assert compute.calls == number  # it has been mended


def test_a_file_of_another_key_is_not_taken(folder):
    first, second = Counted(), Counted(1)
    cache.cached(KEY, first)
    (file,) = folder.iterdir()
    cache.cached({"data": "other"}, second)
    (other,) = set(folder.iterdir()) - {file}
    file.write_bytes(other.read_bytes())
    assert torch.equal(cache.cached(KEY, first), first.values)
    assert first.calls == 2


def test_several_may_write_at_once(folder):
    computes = [Counted() for _ in range(8)]
    barrier = threading.Barrier(8)

    def ask(compute):
        barrier.wait()
        for number in range(5):
            assert torch.equal(cache.cached({"n": number}, compute), compute.values)

    threads = [threading.Thread(target=ask, args=(compute,)) for compute in computes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(folder.iterdir())) == 5  # no scratch is left
    fresh = Counted(2)
    assert torch.equal(cache.cached({"n": 3}, fresh), computes[0].values)
    assert fresh.calls == 0


def test_what_was_asked_for_longest_ago_goes_first(folder, monkeypatch):
    for number in range(3):
        cache.cached({"n": number}, Counted())
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for age, path in enumerate(reversed(files)):
        os.utime(path, (1e9 - age, 1e9 - age))
    cache.cached({"n": 0}, Counted())  # the oldest is asked for and becomes the youngest
    monkeypatch.setattr(cache, "LIMIT_GIB", 3.5 * files[0].stat().st_size / 2**30)
    cache.cached({"n": 3}, Counted())
    again = {number: Counted() for number in (0, 2, 3)}
    for number, compute in again.items():
        cache.cached({"n": number}, compute)
    assert [compute.calls for compute in again.values()] == [0, 0, 0]
    gone = Counted()
    cache.cached({"n": 1}, gone)
    assert gone.calls == 1


def test_clearing_removes_features_only(folder):
    cache.cached(KEY, Counted())
    (folder / "mine.txt").write_text("keep")
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    assert cache.clear_cache() == (1, size)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert cache.clear_cache() == (0, 0)


def test_a_measurement_goes_on_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TWOWAY_CACHE", str(tmp_path / "file" / "below"))
    compute = Counted()
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert torch.equal(cache.cached(KEY, compute), compute.values)
    monkeypatch.setenv("TWOWAY_CACHE", "off")
    assert torch.equal(cache.cached(KEY, compute), compute.values)
    assert cache.cache_folder() is None
    assert cache.clear_cache() == (0, 0)
    monkeypatch.delenv("TWOWAY_CACHE")
    assert cache.cache_folder().parts[-3:] == (".cache", "twoway", "features")
