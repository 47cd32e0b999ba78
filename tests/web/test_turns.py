"""Logins and launches have their turn one after the other, and nobody who is held up holds the others up."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from lms_plugin.web.turns import Turns, in_turns

LONG = 60.0  # patience that no test waits for


def visit(application: Any, path: str) -> Any:
    return application({"PATH_INFO": path}, lambda *_: None)


def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def queue(turns: Turns, count: int, act: Callable[[int], None]) -> list[threading.Thread]:
    """So many threads in a known order, each waiting for the turn."""
    threads = []
    for number in range(count):

        def run(number: int = number) -> None:
            mine = turns.take()
            try:
                act(number)
            finally:
                turns.give_back(mine)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        until(lambda: turns.waiting == len(threads) or not threads[-1].is_alive())
    return threads


def test_they_go_one_after_the_other_in_the_order_in_which_they_came() -> None:
    turns, inside, order, most = Turns(LONG), [0], [], [0]

    def act(number: int) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        order.append(number)
        inside[0] -= 1

    first = turns.take()
    threads = queue(turns, 8, act)
    assert order == []
    turns.give_back(first)
    for thread in threads:
        thread.join()
    assert order == list(range(8))
    assert most == [1]
    assert turns.waiting == 0
    turns.give_back(turns.take())  # and it is free again


def test_who_is_held_up_holds_the_others_up_no_longer_than_their_patience() -> None:
    turns, order = Turns(0.05), []
    held_up = turns.take()
    began = time.monotonic()
    for thread in queue(turns, 4, order.append):
        thread.join()
    assert time.monotonic() - began >= 0.05
    assert sorted(order) == [0, 1, 2, 3]
    turns.give_back(turns.take())  # the turn went on without the first
    turns.give_back(held_up)


def test_what_was_taken_from_somebody_is_not_theirs_to_pass_on() -> None:
    order: list[int] = []
    turns = Turns(0.05)
    held_up = turns.take()
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        mine = turns.take()
        inside.set()
        assert leave.wait(LONG)
        turns.give_back(mine)

    taker = threading.Thread(target=stay)
    taker.start()
    assert inside.wait(LONG), "it took the turn"
    turns.patience = LONG
    later = queue(turns, 1, order.append)[0]
    turns.give_back(held_up)
    assert (order, turns.waiting) == ([], 1), "the next one waits for the taker, whatever the first does"
    leave.set()
    taker.join()
    later.join()
    assert order == [0]


def test_many_at_once_all_come_through_whatever_their_patience() -> None:
    for patience in (0.0, 0.0005, 0.002, LONG):
        turns, done = Turns(patience), []

        def pass_through(turns: Turns = turns, done: list[int] = done) -> None:
            for _ in range(50):
                mine = turns.take()
                time.sleep(0.0001)
                done.append(1)
                turns.give_back(mine)

        threads = [threading.Thread(target=pass_through) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert len(done) == 400, patience
        assert turns.waiting == 0
        turns.give_back(turns.take())


@pytest.mark.parametrize("path", ["/lti/login", "/lti/launch"])
def test_other_pages_wait_for_nobody(path: str) -> None:
    inside, leave, seen = threading.Event(), threading.Event(), []

    def application(environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
        seen.append(environ["PATH_INFO"])
        if len(seen) == 1:
            inside.set()
            assert leave.wait(LONG)
        return [b"done"]

    taking = in_turns(application)
    first = threading.Thread(target=lambda: visit(taking, path))
    first.start()
    assert inside.wait(LONG)
    for page in ("/", "/me", "/static/a.css", "/lti/notices"):
        assert visit(taking, page) == [b"done"]
    leave.set()
    first.join()
    assert seen == [path, "/", "/me", "/static/a.css", "/lti/notices"]


def test_a_launch_that_breaks_gives_its_turn_back() -> None:
    def broken(_environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
        raise RuntimeError("broken")

    taking = in_turns(broken)
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(RuntimeError, match="broken"):
            visit(taking, "/lti/launch")
        assert time.monotonic() - began < LONG
