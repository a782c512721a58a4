"""Turns are handed on in order; quick work goes before long work, and nobody waits forever."""

import threading
import time

import pytest

from twoway.studio.turns import PATIENCE, Turns


def until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)


def queued(turns, order, names):
    """Threads that wait for a turn, one after the other, and write down when they have it."""
    threads = []
    for number, name in enumerate(names):

        def work(name=name):
            with turns.long() if name.startswith("long") else turns.quick():
                order.append(name)

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        until(lambda number=number: turns.waiting == number + 1)
    return threads


def test_first_come_first_served_and_quick_work_first():
    turns, order = Turns(), []
    with turns.quick():
        threads = queued(turns, order, ["long 1", "a", "b", "long 2", "c"])
    for thread in threads:
        thread.join(5)
    assert order == ["a", "b", "c", "long 1", "long 2"]
    assert not turns.busy


def test_long_work_is_not_kept_out_for_ever():
    turns, order = Turns(), []
    with turns.quick():
        threads = queued(turns, order, ["long", *map(str, range(PATIENCE + 3))])
    for thread in threads:
        thread.join(5)
    assert order.index("long") == PATIENCE


def test_who_frees_it_and_asks_again_comes_after_those_who_wait():
    """The reason not to use a plain lock."""
    turns, order = Turns(), []
    with turns.long():
        threads = queued(turns, order, ["visitor"])
    with turns.long():
        order.append("again")
    for thread in threads:
        thread.join(5)
    assert order == ["visitor", "again"]


def test_one_at_a_time_and_freed_after_an_error():
    turns, inside, most = Turns(), [0], [0]

    def work():
        for _ in range(50):
            with turns.quick():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == [1]
    with pytest.raises(ZeroDivisionError), turns.quick():
        1 / 0  # noqa: B018
    assert not turns.busy
