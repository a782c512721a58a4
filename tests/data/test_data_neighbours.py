"""Pairs of pictures that look alike: the table, the batches, exact resuming, two ranks as one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import toy_images

from twoway.data import PairedBatches, nearest_pictures, open_data
from twoway.errors import ConfigError, DataError


@pytest.fixture
def pictures(tmp_path):
    path = tmp_path / "bars.npz"
    np.savez(path, images=toy_images(400, seed=3))
    return open_data(path)


def test_the_table_equals_brute_force(pictures):
    pixels = pictures.read(range(len(pictures))).flatten(1).double()
    distances = torch.cdist(pixels, pixels)
    distances.fill_diagonal_(torch.inf)
    expected = distances.sort(dim=1).values[:, :5]
    table = nearest_pictures(pictures, 5).long()
    torch.testing.assert_close(distances.gather(1, table), expected)
    assert not (table == torch.arange(len(pictures))[:, None]).any()


def test_too_few_pictures_for_the_neighbours_wanted(pictures):
    with pytest.raises(DataError, match="400 pictures"):
        nearest_pictures(pictures, 400)


def test_the_second_half_are_neighbours_of_the_first(pictures):
    table = nearest_pictures(pictures, 3)
    batches = PairedBatches(pictures, 40, nearest=table, walk=1, seed=0)
    for position in range(25):
        first, second = batches.rows(position).chunk(2)
        assert all(int(b) in table[int(a)].tolist() for a, b in zip(first, second, strict=True))


def test_a_walk_goes_further_than_one_step(pictures):
    table = nearest_pictures(pictures, 2)
    batches = PairedBatches(pictures, 40, nearest=table, walk=3, seed=0)
    pairs = [tuple(p) for i in range(40) for p in zip(*(h.tolist() for h in batches.rows(i).chunk(2)), strict=True)]
    near = sum(b in table[a].tolist() for a, b in pairs)
    two = {(a, int(c)) for a, _ in pairs for b in table[a] for c in table[int(b)]}
    assert 0.2 < near / len(pairs) < 0.8
    assert any(pair in two for pair in pairs)


def test_an_epoch_visits_every_picture_once(pictures):
    batches = PairedBatches(pictures, 40, nearest=nearest_pictures(pictures, 3), walk=2, seed=1)
    seen = torch.cat([batches.rows(i).chunk(2)[0] for i in range(batches.batches_per_epoch)])
    assert sorted(seen.tolist()) == list(range(400))


def test_seek_continues_exactly(pictures):
    table = nearest_pictures(pictures, 3)
    whole = PairedBatches(pictures, 32, nearest=table, walk=2, seed=5)
    expected = [whole.next() for _ in range(40)]
    resumed = PairedBatches(pictures, 32, nearest=table, walk=2, seed=5)
    resumed.seek(27)
    assert all(torch.equal(resumed.next(), e) for e in expected[27:])
    other = PairedBatches(pictures, 32, nearest=table, walk=2, seed=6)
    assert not torch.equal(other.next(), expected[0])


def test_two_ranks_share_the_pairs_of_one(pictures):
    table = nearest_pictures(pictures, 3)
    one = PairedBatches(pictures, 32, nearest=table, walk=2, seed=0).rows(3).chunk(2)
    ranks = [
        PairedBatches(pictures, 32, nearest=table, walk=2, seed=0, rank=r, world=2).rows(3).chunk(2) for r in (0, 1)
    ]
    for half in (0, 1):
        assert torch.equal(torch.cat([r[half] for r in ranks]), one[half])


def test_a_batch_without_whole_pairs_is_refused(pictures):
    table = nearest_pictures(pictures, 3)
    with pytest.raises(ConfigError, match="multiple of 2"):
        PairedBatches(pictures, 33, nearest=table, walk=1, seed=0)
    with pytest.raises(DataError, match="table"):
        PairedBatches(pictures, 32, nearest=table[:100], walk=1, seed=0)
