"""Progress of long verbs: when it appears, where, and that it leaves nothing behind."""

import io
import re
import sys
import time

import pytest

from twoway.cli.bars import LINE_S, PAUSE_S, working


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def bar(clock, plain=False, what=None, **options):
    file = io.StringIO()
    return file, working(what, file=file, plain=plain, clock=clock, watch=False, **options)


@pytest.mark.parametrize("plain", [False, True])
def test_short_work_shows_nothing(clock, plain):
    file, told = bar(clock, plain)
    with told as progress:
        for done in range(20):
            progress("pictures", done, 20)
            clock.now += 0.0999
        progress("pictures", 20, 20)
        clock.now += 60
    assert file.getvalue() == ""


@pytest.mark.parametrize("plain", [False, True])
def test_it_appears_at_two_seconds(clock, plain):
    file, told = bar(clock, plain)
    with told as progress:
        progress("pictures", 0, 40)
        clock.now += 1.99
        progress("pictures", 1, 40)
        assert file.getvalue() == ""
        clock.now += 0.01
        progress("pictures", 10, 40)
        assert "pictures" in file.getvalue()
        assert ("10/40" if not plain else "10 of 40 (25 %), 6 s left") in file.getvalue()


def test_a_terminal_gets_a_bar_that_is_wiped_away(clock):
    file, told = bar(clock)
    with told as progress:
        for done in range(10):
            progress("pictures", done, 10)
            clock.now += 1.0
        before = file.getvalue()
        assert "\x1b[?25l" in before, "the cursor is hidden"
        progress("pictures", 10, 10)
        after = file.getvalue()[len(before) :]
        assert "\x1b[2K" in after, "the line is wiped when the work is done, so that what is printed next stands alone"
        assert "\x1b[?25h" in after
        assert "pictures" not in after.rsplit("\x1b[2K", 1)[1]


def test_a_pipe_gets_a_line_now_and_then_without_control_characters(clock):
    file, told = bar(clock, plain=True)
    with told as progress:
        for done in range(480):
            progress("faces\x1b[2J", done, 480)
            clock.now += 0.125
        progress("faces\x1b[2J", 480, 480)
    lines = file.getvalue().splitlines()
    assert len(lines) == 4, "after 2, 17, 32 and 47 seconds of 60"
    assert all(line.isprintable() for line in lines)
    assert [int(re.findall(r"\d+", line.replace("[2J", ""))[0]) for line in lines] == [16, 136, 256, 376]
    assert int(LINE_S) == 15


def test_work_in_work_is_shown_together(clock):
    for plain in (True, False):
        file, told = bar(clock, plain)
        with told as progress:
            progress("measures", 1, 3)
            clock.now += 3
            progress("features", 5, 50)
            shown = file.getvalue()
            for words in ("measures", "features") + (("1 of 3", "5 of 50") if plain else ("1/3", "5/50")):
                assert words in shown


def test_work_after_a_pause_is_patient_again_and_work_right_after_is_not(clock):
    file, told = bar(clock, plain=True)
    with told as progress:
        progress("first", 0, 2)
        clock.now += 1.5
        progress("first", 2, 2)
        clock.now += PAUSE_S + 0.1  # a training goes on here, and shows itself
        progress("second", 0, 2)
        clock.now += 1.5
        progress("second", 1, 2)
        assert file.getvalue() == ""
        progress("second", 2, 2)
        clock.now += 0.5 * PAUSE_S
        progress("third", 1, 2)
        assert "third: 1 of 2" in file.getvalue()


def test_nothing_is_shown_while_nothing_goes_on(clock):
    file, told = bar(clock, plain=True)
    with told as progress:
        progress("first", 0, 2)
        progress("first", 2, 2)
        clock.now += 60
        told.show()
    assert file.getvalue() == ""


def test_quiet_and_other_processes_show_nothing(clock, monkeypatch):
    file, told = bar(clock, quiet=True)
    monkeypatch.setenv("RANK", "1")
    other, second = bar(clock)
    for progress in (told, second):
        with progress:
            progress("pictures", 0, 10)
            clock.now += 10
            progress("pictures", 1, 10)
    assert file.getvalue() + other.getvalue() == ""


@pytest.mark.parametrize("plain", [False, True])
def test_a_reader_that_leaves_does_not_stop_the_work(clock, plain):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with working(file=Closed(), plain=plain, clock=clock, watch=False) as progress:
        for done in range(100):
            progress("pictures", done, 100)
            clock.now += 1.0


def test_work_that_says_nothing_is_shown_by_a_thread_that_ends():
    file = io.StringIO()
    start = time.monotonic()
    with working(file=file, clock=lambda: 40 * (time.monotonic() - start)) as progress:  # forty times as fast
        progress("support vectors", 0, 0)
        deadline = time.monotonic() + 10
        while not file.getvalue() and time.monotonic() < deadline:
            time.sleep(0.02)
        thread = progress._thread
    assert file.getvalue().splitlines()[0] == "support vectors ..."
    assert not thread.is_alive()


def test_standard_output_stays_where_it_is(clock, capsys):
    file, told = bar(clock)
    before = sys.stdout
    with told as progress:
        progress("pictures", 0, 10)
        clock.now += 5
        progress("pictures", 1, 10)
        assert sys.stdout is before
        print("a table")
    assert capsys.readouterr().out == "a table\n"
    assert "a table" not in file.getvalue()


def test_an_error_inside_takes_the_bar_away(clock):
    file, told = bar(clock)

    def fails():
        with told as progress:
            progress("pictures", 0, 10)
            clock.now += 5
            progress("pictures", 1, 10)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert file.getvalue().count("\x1b[?25h") == 1


def test_work_that_cannot_be_counted_goes_on_until_the_end(clock):
    file, told = bar(clock, plain=True, what="opening")
    with told:
        clock.now += 5
        told.show()
    told.show()
    assert file.getvalue() == "opening ...\n"
