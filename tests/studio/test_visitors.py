"""Many visitors at once: nobody's request is lost, nobody sees another's state, and what they leave is removed."""

import gc
import random
import threading
import time
import weakref

import numpy as np
import pytest
from visitors import direction, drawn, photo, pipeline, pixels

from twoway.errors import StudioError, UserError
from twoway.studio import Limits, Session, Studio, kept, shared, visit
from twoway.studio import session as session_module
from twoway.studio.leftovers import clear_leftovers
from twoway.studio.limits import check_upload


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("visitors", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_many_visitors_see_only_what_is_theirs(visitors):
    """Each repeats one programme in an order of its own; every answer equals that of a visitor who is alone."""
    pipe = pipeline("lia")
    directions = {"m": {"Smiling": direction(pipe)}}
    programme = {
        "edit": lambda s: s.edit({"Smiling": 2.0}),
        "mix": lambda s: s.mix(3, "0-1"),
        "walk": lambda s: s.interpolate(4, 3)[1],
        "view": lambda s: s.view.reconstruction,
        "sample": lambda s: s.sample(5, 2)[1],
        "align": lambda s: s.align(None).reconstruction,
        "project": lambda s: list(s.project(2))[-1].image,
        "download": lambda s: s.download()[0].stat().st_size > 0,
    }
    limits = Limits(projections=20)
    with Studio({"m": pipe}, directions=directions, limits=limits, by_samples=False) as studio:

        def visit(number, names):
            with studio.open_session() as session:
                session.open(photo(number))
                return {name: programme[name](session) for name in names}

        alone = [visit(number, list(programme)) for number in range(visitors)]
        found, failed = {}, []

        def crowd(number):
            names = list(programme)
            names.remove("project")
            random.Random(number).shuffle(names)
            try:
                found[number] = visit(number, [*names, "project"])
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=crowd, args=(number,)) for number in range(visitors)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failed
        assert sorted(found) == list(range(visitors))
        for number in range(visitors):
            for name in programme:
                if name != "download":
                    theirs, wanted = pixels(found[number][name]), pixels(alone[number][name])
                    assert np.abs(theirs - wanted).max() <= 1, f"visitor {number} got another picture from {name}"
        assert studio.sessions == 0
        assert not list(studio.folder.iterdir())


def test_idle_visitors_are_shown_out_and_their_files_removed(tmp_path):
    clock = Clock()
    studio = Studio({"m": pipeline("alae")}, limits=Limits(sessions=2, idle_minutes=10), folder=tmp_path, clock=clock)
    idle, busy = studio.open_session(), studio.open_session()
    idle.open(photo())
    files = idle.download()
    assert all(file.is_file() for file in files)
    with pytest.raises(StudioError, match="2 visitors"):
        studio.open_session()
    clock.now += 9 * 60
    busy.sample(0, 1)
    clock.now += 2 * 60
    third = studio.open_session()  # somebody who left makes room
    assert idle.closed
    assert not idle.folder.exists()
    assert not busy.closed
    assert studio.sessions == 2
    assert studio.sweep() == 0
    clock.now += 11 * 60
    assert studio.sweep() == 2
    for session in (idle, busy, third):
        for action, given in ((session.open, (photo(),)), (session.sample, (0, 1)), (session.download, ())):
            with pytest.raises(StudioError, match="has ended"):
                action(*given)
        assert session.view is None
    studio.close()
    assert tmp_path.is_dir(), "the user's own folder stays"
    assert not list(tmp_path.iterdir())


def test_sessions_without_a_picture_make_room():
    """Otherwise as many requests as there are places, each under a name of its own, would lock everybody out."""
    clock = Clock()
    with Studio({"m": pipeline("lia")}, limits=Limits(sessions=3), by_samples=False, clock=clock) as studio:
        working, first, second = (studio.open_session() for _ in range(3))
        working.open(photo())
        clock.now += 5
        second.sample(0, 1)
        with pytest.raises(StudioError, match="3 visitors"):
            studio.open_session()  # they may have come to stay
        clock.now += 9
        fourth = studio.open_session()
        assert (working.closed, first.closed, second.closed) == (False, True, False)
        second.sample(0, 1)
        second.keep(0)
        fourth.open(photo(1))
        clock.now += 60
        with pytest.raises(StudioError, match="3 visitors"):
            studio.open_session()
        assert studio.sessions == 3


def test_what_the_page_leaves_is_cleared(tmp_path):
    now = time.time()

    def lay(name, size=10):
        path = tmp_path / "page" / name / "picture.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        return path

    first, second = lay("a"), lay("b")
    time.sleep(0.02)
    third = lay("c")
    (tmp_path / "page" / "empty").mkdir()
    keep = {"older": 100.0, "most": 1000}
    assert clear_leftovers(tmp_path / "page", **keep, now=now + 50) == 0
    assert clear_leftovers(tmp_path / "page", older=100, most=15, now=now + 50) == 2
    assert third.is_file()
    assert not first.exists()
    assert not second.exists()
    assert (tmp_path / "page" / "empty").is_dir(), "it may be about to be filled"
    assert clear_leftovers(tmp_path / "page", **keep, now=now + 90) == 0
    assert [path.name for path in (tmp_path / "page").iterdir()] == ["c"]
    assert clear_leftovers(tmp_path / "page", **keep, now=now + 200) == 1
    assert clear_leftovers(tmp_path / "nowhere", **keep) == 0


def test_the_page_is_cleared_sooner_when_nobody_is_there(tmp_path, monkeypatch):
    times = []
    monkeypatch.setattr(shared, "clear_leftovers", lambda folder, older, most: times.append((folder.name, older, most)))
    limits = Limits(idle_minutes=5, page_mib=1)
    with Studio({"m": pipeline("alae")}, limits=limits, by_samples=False, folder=tmp_path) as studio:
        studio.sweep()
        with studio.open_session():
            studio.sweep()
    assert times[0] == ("page", 60, 2**20)
    assert times[-1] == ("page", 300, 2**20)


def test_a_download_takes_the_place_of_the_last():
    with Studio({"m": pipeline("alae")}, by_samples=False) as studio, studio.open_session() as session:
        session.open(photo())
        before, after = session.download(), session.download()
        assert all(file.is_file() for file in after)
        assert not any(file.exists() for file in before)
        assert len(list(session.folder.iterdir())) == 1


def test_a_studio_that_nobody_closes_leaves_no_folder():
    """Neither when it is forgotten nor when the program ends."""
    studio = Studio({"m": pipeline("alae")}, by_samples=False)
    folder = studio.folder
    assert folder.is_dir()
    assert studio._clear.atexit
    del studio
    gc.collect()
    assert not folder.exists()


def test_a_watched_projection_is_use(tmp_path):
    clock = Clock()
    studio = Studio({"m": pipeline("alae")}, limits=Limits(idle_minutes=10), clock=clock)
    session = studio.open_session()
    session.open(photo())
    for _ in session.project(3):
        clock.now += 9 * 60
        assert studio.sweep() == 0
    studio.close()
    studio.close()
    assert not studio.folder.exists()
    with pytest.raises(StudioError, match="closed"):
        studio.open_session()


def test_sessions_are_told_apart():
    with Studio({"m": pipeline("alae")}) as studio:
        a, b = Session(studio), Session(studio)
        assert a.id != b.id
        assert a.folder != b.folder
        a.open(photo(1))
        assert b.view is None
        b.open(photo(2))
        a.close()
        assert np.array_equal(pixels(b.view.photo), pixels(drawn(2)))


def test_nobody_keeps_a_photo_decoded(monkeypatch):
    """A file of a few kilobytes may be 120 MB of pixels; what is done with the whole photo decodes it again."""
    decoded = []

    def watched(*given):
        found = check_upload(*given)
        decoded.append(weakref.ref(found))
        return found

    for module in (visit, session_module, kept):
        monkeypatch.setattr(module, "check_upload", watched)
    pipe = pipeline("lia")
    limits = Limits(preview=32)
    with Studio({"m": pipe, "n": pipeline("vae")}, directions={"m": {"a": direction(pipe)}}, limits=limits) as studio:
        session = studio.open_session()
        session.open(photo(1, (96, 64)))
        programme = {
            "points": lambda: session.align([(10, 9), (20, 11), (14, 20)]),
            "middle": lambda: session.align(None),
            "edit": lambda: session.edit({"a": 2.0}),
            "paste": lambda: session.in_frame(),
            "download": lambda: session.download(),
            "mix": lambda: session.mix(photo(2, (96, 64)), "0"),
            "compare": lambda: session.compare("n"),
            "model": lambda: session.use_model("n"),
        }
        for name, act in programme.items():
            shown = act()
            if name == "paste":
                assert shown.size == (96, 64)
            del shown
            gc.collect()
            assert [one() for one in decoded] == [None] * len(decoded), f"{name} keeps the photo"
        assert len(decoded) > 4
        assert session.view.photo.size == (32, 21)
        assert np.array_equal(pixels(session.in_frame()), pixels(drawn(1, (96, 64))))
        # as many as may be decoded at once, and the next has to wait
        places = [studio.whole_photos.acquire(blocking=False) for _ in range(3)]
        assert places == [True, True, False]


def test_closing_in_the_middle_of_a_request_leaves_nothing(monkeypatch):
    with Studio({"m": pipeline("alae")}, by_samples=False) as studio:
        session = studio.open_session()
        model = studio.shared().pipeline.model
        whole = type(model).encode
        monkeypatch.setattr(type(model), "encode", lambda self, *a, **k: session.close() or whole(self, *a, **k))
        session.open(photo())
        assert session.view is None
        assert not session.folder.exists()


def test_failures_leave_the_model_free(monkeypatch):
    with Studio({"m": pipeline("alae")}, by_samples=False) as studio, studio.open_session() as session:
        session.open(photo())
        with monkeypatch.context() as broken:
            broken.setattr(type(studio.shared().pipeline.model), "decode", lambda *a, **k: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                session.sample(0, 1)
        with pytest.raises(UserError):
            session.sample(-1, 1)
        assert not studio.shared().turns.busy
        assert len(session.sample(0, 1)) == 1
