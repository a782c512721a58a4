"""Measures need the memory of one batch, and batches of large pictures hold few of them."""

import pytest
import torch
from small import SHAPE, small_model
from torch.profiler import ProfilerActivity, profile

from twoway.metrics import sets
from twoway.metrics import ssim as similarity
from twoway.metrics.session import Session
from twoway.metrics.sets import AT_ONCE, SampledSet, Sampling, fitting_batch

PIXELS = SHAPE[1] * SHAPE[2]


def peak(run) -> int:
    """Bytes of tensors held at once, at most, beyond those held before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        run()
    events = [event for event in watched.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


class Thumbnails:
    """Four numbers a picture."""

    title = "thumbnails"

    def pooled(self, x):
        return x.flatten(1)[:, :4]

    def describe(self):
        return {"name": self.title}


@pytest.fixture
def few(monkeypatch):
    """Memory for four pictures."""
    monkeypatch.setattr(sets, "PIXELS_AT_ONCE", 4 * PIXELS)


@pytest.fixture
def model():
    return small_model("alae").eval()


def made_at_once(model, run) -> set[int]:
    """Sizes of the batches that the generator is given."""
    seen = set()
    watch = model.nets["generator"].register_forward_hook(lambda net, given, made: seen.add(len(made)))
    run()
    watch.remove()
    return seen


def test_tensors_are_counted():
    def run():
        first = torch.zeros(1000)
        del first
        kept = [torch.zeros(500), torch.zeros(700)]
        kept.clear()

    assert 4800 <= peak(run) < 5200


def test_large_pictures_are_made_few_at_a_time(model, few):
    x = torch.zeros(11, *SHAPE)
    session = Session(model, x, None, n_samples=AT_ONCE + 6, batch=256)
    assert session.batch == fitting_batch(SHAPE) == 4
    assert made_at_once(model, lambda: list(session.set_of("samples").batches(256))) == {4}
    seen = made_at_once(model, lambda: session.features_of(Thumbnails(), "reconstructions"))
    assert seen == {1, 4, 3}  # one to learn the shape, and 4 + 4 + 3
    assert Session(model, x, None, batch=3).batch == 3
    assert made_at_once(model, lambda: list(SampledSet(model, 5).batches(2))) == {2}


def test_sets_of_any_length_take_the_memory_of_a_batch(model, few, monkeypatch):
    monkeypatch.setattr("twoway.metrics.session.KEPT_MIB", 0)
    x = torch.zeros(2, *SHAPE)

    def features_of(n):
        return peak(lambda: Session(model, x, None, n_samples=n).features_of(Thumbnails(), "samples"))

    features_of(4)  # what is made once
    more = features_of(6 * AT_ONCE) - features_of(2 * AT_ONCE)  # codes of two blocks meet in both
    table = 4 * AT_ONCE * 4 * 4
    assert more < 1.2 * table < 4 * AT_ONCE * PIXELS  # not even the bytes of the pictures


def test_smaller_batches_take_less_and_make_the_same_pictures():
    model = small_model("stylegan").eval()
    with torch.no_grad():  # untrained nets have no noise strength
        for name, parameter in model.nets["generator"].named_parameters():
            if name.endswith("strength"):
                parameter.fill_(0.5)
    made = SampledSet(model, AT_ONCE + 3, seed=2, sampling=Sampling(mixing=0.5, truncation=0.7))
    found, held = {}, {}
    for batch in (AT_ONCE, 5):
        held[batch] = peak(lambda batch=batch: found.update({batch: torch.cat(list(made.batches(batch)))}))
    torch.testing.assert_close(found[5], found[AT_ONCE], rtol=0, atol=1)
    assert held[5] < 0.4 * held[AT_ONCE]
    assert len(found[5].flatten(1).unique(dim=0)) == AT_ONCE + 3


@pytest.mark.parametrize("measure", [similarity.ssim, similarity.ms_ssim])
def test_similarity_holds_copies_of_few_pictures(measure, monkeypatch):
    draw = torch.Generator().manual_seed(0)
    a, b = (torch.rand(8, 3, 48, 40, generator=draw) * 2 - 1 for _ in range(2))
    together = measure(a, b)
    at_once = peak(lambda: measure(a, b))
    monkeypatch.setattr(similarity, "_VALUES_AT_ONCE", 2 * a[0].numel())
    torch.testing.assert_close(measure(a, b), together, rtol=1e-6, atol=0)
    assert peak(lambda: measure(a, b)) < 0.35 * at_once
