import threading
from itertools import chain

import numpy as np
import pytest
import torch

from twoway.data import Batches, open_data
from twoway.data.arrays import ArrayImages
from twoway.errors import ConfigError, DataError


@pytest.fixture
def numbered():
    """23 pictures whose every pixel is their number, so that a batch tells which pictures it holds."""
    images = np.arange(23, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
    return ArrayImages(images, None, name="numbered", source="numbered", split="train")


def numbers(batch):
    return batch[:, 0, 0, 0].tolist()


def take(batches, count):
    return [numbers(batches.next()) for _ in range(count)]


def test_an_epoch_is_a_permutation_without_the_incomplete_batch(numbered):
    batches = Batches(numbered, 5, seed=0)
    assert batches.batches_per_epoch == 4
    epochs = [list(chain(*take(batches, 4))) for _ in range(3)]
    for epoch in epochs:
        assert len(set(epoch)) == 20
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert epochs[0] != sorted(epochs[0])
    assert batches.position == 12


def test_over_the_epochs_every_picture_is_seen(numbered):
    batches = Batches(numbered, 5, seed=0)
    assert set(chain(*take(batches, 40))) == set(range(23))


def test_order_depends_on_the_seed_alone(numbered):
    assert take(Batches(numbered, 5, seed=3), 9) == take(Batches(numbered, 5, seed=3, prefetch=0), 9)
    assert take(Batches(numbered, 5, seed=3), 9) != take(Batches(numbered, 5, seed=4), 9)
    # seed and epoch are mixed, not added
    assert take(Batches(numbered, 5, seed=1), 8)[4:] != take(Batches(numbered, 5, seed=2), 4)


def test_order_is_pinned(numbered):
    assert take(Batches(numbered, 5, seed=7), 1) == [[9, 20, 19, 6, 13]]  # a run must be resumable by later versions


@pytest.mark.parametrize("cache_mib", [0, 512])
@pytest.mark.parametrize("position", [0, 1, 3, 4, 5, 11])
def test_seek_continues_exactly(make_folder, cache_mib, position):
    folder = make_folder(10)
    whole = Batches(open_data(folder, cache_mib=cache_mib), 3, seed=1)
    sequence = [whole.next() for _ in range(14)]
    part = Batches(open_data(folder, cache_mib=cache_mib), 3, seed=1)
    part.next()
    part.seek(position)
    assert part.position == position
    for expected in sequence[position:]:
        assert torch.equal(part.next(), expected)
    assert part.position == 14
    whole.close()
    part.close()


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_the_batch_of_one_process(numbered, world):
    alone = Batches(numbered, 6, seed=5)
    ranks = [Batches(numbered, 6, seed=5, rank=rank, world=world) for rank in range(world)]
    for _ in range(8):
        parts = [rank.next() for rank in ranks]
        assert {len(part) for part in parts} == {6 // world}
        assert torch.equal(torch.cat(parts), alone.next())
    assert ranks[0].position == alone.position == 8


def test_data_in_memory_needs_no_thread(numbered):
    batches = Batches(numbered, 5, seed=0)
    take(batches, 8)
    assert batches._thread is None


def test_files_are_read_ahead_until_they_are_in_memory(make_folder):
    data = open_data(make_folder(6))
    batches = Batches(data, 2, seed=0, prefetch=2)
    batches.next()
    assert len(batches._ahead) == 2
    for _ in range(6):
        batches.next()
    assert data.in_memory
    assert len(batches._ahead) == 0
    batches.close()


def test_reading_ahead_happens_in_another_thread(make_folder, monkeypatch):
    data = open_data(make_folder(6), cache_mib=0)
    threads = []
    real = data.read
    monkeypatch.setattr(data, "read", lambda rows: threads.append(threading.current_thread().name) or real(rows))
    batches = Batches(data, 2, seed=0)
    batches.next()
    batches.close()
    assert threads
    assert all(name.startswith("twoway-batches") for name in threads)


def test_errors_of_the_thread_surface_and_lose_no_batch(make_folder, monkeypatch):
    folder = make_folder(12)
    expected = _first(open_data(folder), 6)
    data = open_data(folder, cache_mib=0)
    real, state = data.read, {"calls": 0}

    def fails_once(rows):
        state["calls"] += 1
        if state["calls"] == 3:
            raise DataError("the disk is gone")
        return real(rows)

    monkeypatch.setattr(data, "read", fails_once)
    batches = Batches(data, 2, seed=0)
    got = [batches.next(), batches.next()]
    with pytest.raises(DataError, match="the disk is gone"):
        batches.next()
    assert batches.position == 2
    got += [batches.next() for _ in range(4)]
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))
    batches.close()


def _first(data, count):
    batches = Batches(data, 2, seed=0, prefetch=0)
    return [batches.next() for _ in range(count)]


def test_too_many_broken_pictures_stop_the_batches(make_folder):
    folder = make_folder(30, size=(64, 64))
    for number in range(5):
        path = folder / f"{number:03d}.png"
        path.write_bytes(path.read_bytes()[:2000])
    batches = Batches(open_data(folder), 10, seed=0)
    with pytest.raises(DataError, match="twoway data check"):
        take(batches, 3)
    batches.close()


def test_close_ends_the_thread_and_may_be_repeated(make_folder):
    def alive():
        return [thread for thread in threading.enumerate() if thread.name.startswith("twoway-batches")]

    batches = Batches(open_data(make_folder(4), cache_mib=0), 2, seed=0)
    first = batches.next()
    assert alive()
    batches.close()
    batches.close()
    assert not alive()
    batches.seek(0)
    assert torch.equal(batches.next(), first)
    batches.close()


def test_batches_that_cannot_be(numbered):
    with pytest.raises(DataError, match=r"batch of 24 pictures is more than the 23 in numbered"):
        Batches(numbered, 24, seed=0)
    with pytest.raises(ConfigError, match=r"batch of 5 .* 2 processes"):
        Batches(numbered, 5, seed=0, world=2)
    assert len(Batches(numbered, 23, seed=0).next()) == 23


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 0, "seed": 0},
        {"batch": 2, "seed": -1},
        {"batch": 2, "seed": 0, "rank": 2, "world": 2},
        {"batch": 2, "seed": 0, "prefetch": -1},
    ],
)
def test_settings_out_of_range(numbered, options):
    with pytest.raises(ConfigError, match="cannot be"):
        Batches(numbered, **options)


def test_no_negative_position(numbered):
    with pytest.raises(ConfigError, match="-1"):
        Batches(numbered, 2, seed=0).seek(-1)
