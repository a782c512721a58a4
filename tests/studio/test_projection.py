"""Projections leave room for others, stop when told, and go on for nobody."""

import gc
import threading
import time

import numpy as np
import pytest
import torch
from visitors import drawn, photo, pipeline, pixels, slower

from twoway.errors import ConfigError, StudioError
from twoway.features import default_features
from twoway.latents.projection import project
from twoway.pictures import prepare_image
from twoway.studio import Limits, Studio


@pytest.fixture(scope="module")
def studio():
    with Studio({"m": pipeline("lia")}, limits=Limits(projections=1, steps=5000), by_samples=False) as studio:
        yield studio


@pytest.fixture
def session(studio):
    with studio.open_session() as session:
        session.open(photo())
        yield session


def free(studio):
    """Whether another projection could start; gives the place back."""
    there = studio.shared().projections.acquire(blocking=False)
    if there:
        studio.shared().projections.release()
    return there and not studio.shared().turns.busy


def test_it_finds_what_the_latent_tool_finds_and_the_code_is_kept(studio, session):
    pipe = studio.shared().pipeline
    seen = list(session.project(8, space="w", start="mean"))
    by_hand = project(pipe.model, prepare_image(drawn(), (1, 8, 8))[None], space="w", start="mean", steps=8)
    assert [p.step for p in seen] == list(range(9))
    assert seen[-1].loss == pytest.approx(by_hand.losses.min().item(), rel=1e-4)
    torch.testing.assert_close(session._at_hand.w, by_hand.w, rtol=1e-3, atol=1e-4)
    assert np.array_equal(pixels(session.view.reconstruction), pixels(seen[-1].image))
    assert session.view.mse == pytest.approx(seen[-1].loss, rel=1e-3)
    from_encoder = list(session.project(8))
    assert from_encoder[-1].loss <= from_encoder[0].loss
    assert not torch.is_inference_mode_enabled()


def test_features_beside_pixels_are_those_of_the_latent_tool(studio, session):
    pipe = studio.shared().pipeline
    seen = list(session.project(4, space="w", start="mean", perceptual=2.0))
    by_hand = project(pipe.model, prepare_image(drawn(), (1, 8, 8))[None], space="w", start="mean", steps=4,
                      features=default_features(), feature_weight=2.0)  # fmt: skip
    assert seen[-1].loss == pytest.approx(by_hand.losses.min().item(), rel=1e-4)
    assert seen[0].loss > next(iter(session.project(4, space="w", start="mean"))).loss
    with pytest.raises(ConfigError, match="feature_weight is -1"):
        session.project(4, perceptual=-1)


def test_a_worse_code_is_not_taken_and_a_found_one_is_gone_on_from(session):
    *_, good = session.project(40)
    kept = session.view
    assert kept.found
    *_, bad = session.project(1, start="random")
    assert bad.loss > good.loss
    assert session.view is kept
    first, *_ = session.project(2)
    assert first.loss == pytest.approx(good.loss, rel=1e-3)
    assert not session.open(photo(2)).found


def test_it_stops_within_a_second(session):
    search = session.project(5000)
    next(search)
    began, steps = [], []
    timer = threading.Timer(0.3, lambda: (began.append(time.monotonic()), session.cancel()))
    timer.start()
    steps.extend(progress.step for progress in search)
    took = time.monotonic() - began[0]
    assert took < 1.0 * slower(), f"it took {took:.2f} s to stop"
    assert 0 < len(steps) < 5000


def test_cancelling_leaves_the_picture_as_it_was(studio, session):
    before = session.view
    seen = []
    for progress in session.project(5000):
        seen.append(progress.step)
        if len(seen) == 3:
            session.cancel()
    assert seen == [0, 1, 2]
    assert session.view is before
    assert free(studio)


@pytest.mark.parametrize("end", ["close", "open", "again", "gone"])
def test_what_ends_it(studio, session, end):
    """A closed tab closes the session, or drops the iterator; another picture and another search cancel it."""
    search = session.project(5000)
    next(search)
    assert not free(studio)
    if end == "gone":
        del search
        gc.collect()
    else:
        {
            "close": session.close,
            "open": lambda: session.open(photo(1)),
            "again": lambda: session.project(3),
        }[end]()
        assert list(search) == []
    assert free(studio)


def test_others_get_in_between_the_steps(studio, session):
    """While somebody projects for as long as it takes, edits of another visitor are answered."""
    steps = []

    def work():
        steps.extend(progress.step for progress in session.project(5000))

    thread = threading.Thread(target=work)
    thread.start()
    with studio.open_session() as other:
        for seed in range(10):
            other.sample(seed, 1)
        assert thread.is_alive()
        other.open(photo(3))
        with pytest.raises(StudioError, match="others are projecting"):
            next(other.project(3))
    session.cancel()
    thread.join(20)
    assert not thread.is_alive()
    assert 0 < len(steps) < 5000


def test_what_cannot_be_is_said_at_once(session):
    for wrong in ({"steps": 0}, {"steps": 10_000}, {"space": "q"}, {"start": "middle"}, {"seed": -1}):
        with pytest.raises(ConfigError):
            session.project(**{"steps": 3, **wrong})
