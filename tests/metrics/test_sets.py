"""Sets of pictures: the same at every pass, whatever the batch, and as the choices of sampling say."""

import weakref

import numpy as np
import pytest
import torch
from small import SHAPE, small_model

from twoway.data.pixels import to_uint8
from twoway.errors import ConfigError, DataError, ModelError
from twoway.metrics.session import Session
from twoway.metrics.sets import AT_ONCE, InMemory, Kept, RealSet, ReconstructedSet, SampledSet, Sampling, vectors_of


@pytest.fixture(scope="module")
def model():
    return small_model("alae").eval()


def passes(pictures, *batches):
    return [torch.cat(list(pictures.batches(batch))) for batch in batches]


def test_samples_do_not_depend_on_batch_or_number(model):
    made = SampledSet(model, AT_ONCE + 9, seed=3)
    small, first, second, third = passes(made, 7, AT_ONCE, 100, 1000)
    assert first.shape == (AT_ONCE + 9, *SHAPE)
    assert first.dtype == torch.uint8
    assert torch.equal(first, second)
    assert torch.equal(first, third)
    torch.testing.assert_close(small, first, rtol=0, atol=1)  # products of other sizes round otherwise
    assert torch.equal(SampledSet(model, 5, seed=3).all(), first[:5])
    assert not torch.equal(SampledSet(model, 5, seed=4).all(), first[:5])
    assert [len(part) for part in made.batches(50)] == [50, AT_ONCE + 9 - 50]


def test_samples_are_those_of_the_prior(model):
    generator = torch.Generator().manual_seed(0)
    w = model.map(model.draw_prior(AT_ONCE, generator=generator))
    torch.testing.assert_close(SampledSet(model, 4).all(), to_uint8(model.decode(w))[:4], rtol=0, atol=1)
    half = model.w_avg + 0.5 * (w - model.w_avg)
    made = SampledSet(model, 4, sampling=Sampling(truncation=0.5)).all()
    torch.testing.assert_close(made, to_uint8(model.decode(half))[:4], rtol=0, atol=1)


def test_mixing_and_noise_change_the_pictures_of_a_style_generator():
    model = small_model("stylegan").eval()
    with torch.no_grad():  # untrained nets have no noise strength
        for name, parameter in model.nets["generator"].named_parameters():
            if name.endswith("strength"):
                parameter.fill_(0.5)
    plain = SampledSet(model, 8, sampling=Sampling(noise="fixed"))
    assert Sampling().plain(model) == {"truncation": 1.0, "noise": "random", "mixing": 0.0}
    mixed = SampledSet(model, 8, sampling=Sampling(noise="fixed", mixing=1.0))
    assert not torch.equal(plain.all(), mixed.all())
    assert not torch.equal(plain.all(), SampledSet(model, 8).all())
    assert torch.equal(SampledSet(model, 8).all(), SampledSet(model, 8).all())


def test_reconstructions_are_in_the_order_of_the_pictures(model):
    x = torch.rand(9, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    rows = np.array([7, 2, 4])
    made = ReconstructedSet(model, x, rows)
    with torch.inference_mode():
        expected = to_uint8(model.reconstruct(x[[7, 2, 4]]))
    for found in passes(made, 2, 3):
        torch.testing.assert_close(found, expected, rtol=0, atol=1)
    assert torch.equal(RealSet(x, rows).all(), to_uint8(x[[7, 2, 4]]))
    with pytest.raises(ModelError, match="encoder"):
        ReconstructedSet(small_model("pggan"), x, rows)


def test_a_small_set_is_gone_through_once():
    class Counted(InMemory):
        count = 0

        def batches(self, batch=256):
            self.count += 1
            yield from super().batches(batch)

    pictures = torch.randint(0, 256, (10, 1, 4, 4), dtype=torch.uint8)
    source, large = Counted(pictures), Counted(pictures)
    for one, times in ((Kept(source), 1), (Kept(large, limit_mib=1e-6), 3)):
        assert all(torch.equal(found, pictures) for found in passes(one, 3, 10, 4))
        assert one.source.count == times
    part = Kept(source)
    next(part.batches(3))  # a pass that was not finished keeps nothing
    assert torch.equal(part.all(), pictures)


def test_a_set_is_kept_without_a_second_copy():
    class Watched(InMemory):
        def __init__(self, pictures):
            super().__init__(pictures)
            self.given, self.alive = [], []

        def batches(self, batch=256):
            for part in super().batches(batch):
                self.alive.append(sum(given() is not None for given in self.given))
                fresh = part.clone()
                self.given.append(weakref.ref(fresh))
                yield fresh
                del fresh

    pictures = torch.randint(0, 256, (20, 1, 4, 4), dtype=torch.uint8)
    for go_through in (lambda one: one.all(), lambda one: sum(len(part) for part in one.batches(1))):
        source = Watched(pictures)
        kept = Kept(source)
        go_through(kept)
        assert max(source.alive) <= 2
        assert torch.equal(kept.all(), pictures)


def test_the_sets_of_an_evaluation_share_the_memory(model, monkeypatch):
    x = torch.rand(9, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    monkeypatch.setattr("twoway.metrics.session.KEPT_MIB", 2.5 * x.numel() / 2**20)
    session = Session(model, x, None)
    kept = [session.set_of(what) for what in ("real", "reconstructions", "samples")]
    assert [one.mib * 2**20 for one in kept] == [x.numel(), x.numel(), 0]


def test_choices_that_cannot_be():
    for change, message in (({"mixing": 1.5}, "1.5"), ({"noise": "loud"}, "loud")):
        with pytest.raises(ConfigError, match=message):
            Sampling(**change)
    with pytest.raises(ModelError, match="no prior"):
        SampledSet(small_model("ae"), 3)
    with pytest.raises(DataError, match="at least one"):
        InMemory(torch.zeros(0, 1, 4, 4, dtype=torch.uint8))


def test_vectors_do_not_depend_on_the_batch_and_are_not_rounded():
    pictures = torch.randint(0, 256, (11, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    precisions, told = [], []

    def look(x):
        precisions.append(torch.get_float32_matmul_precision())
        return x.flatten(1)[:, :5]

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        found = vectors_of(look, InMemory(pictures), batch=4, tell=lambda *facts: told.append(facts))
    finally:
        torch.set_float32_matmul_precision(before)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), (pictures.double() / 127.5 - 1).flatten(1)[:, :5], rtol=0, atol=1e-6)
    assert told == [(4, 11), (8, 11), (11, 11)]
    assert precisions == ["highest"] * 3
