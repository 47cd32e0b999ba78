"""Waiting for a key set that somebody else is fetching: a class that opens at once must not be refused because its
first launch still waits for the host, and a host that hangs must not hold more than a few threads."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select

from lti.models import KeySet
from lti.text import utc

FETCH_SECONDS = 6.0  # a launch whose keys cannot be had is refused within eight
MOST_WAITING = 2  # threads of one process for one address, besides the one that fetches
LOOK_AGAIN = 0.05  # seconds

_waiting: Counter[str] = Counter()
_lock = threading.Lock()


@contextmanager
def _place(url: str) -> Iterator[bool]:
    """A place in the queue for this address; False where it is full."""
    with _lock:
        has = _waiting[url] < MOST_WAITING
        _waiting[url] += has
    try:
        yield has
    finally:
        with _lock:
            _waiting[url] -= has
            if not _waiting[url]:
                del _waiting[url]


def wait_for(factory: "sessionmaker[Session]", url: str, now: datetime) -> None:
    """Returns when the fetch that is under way has ended, well or not, at the latest when its time is over; at once
    where none is under way or enough threads wait already. Holds no transaction meanwhile."""
    left = _seconds_left(factory, url, now)
    if not left:
        return
    with _place(url) as has:
        until = time.monotonic() + left
        while has and time.monotonic() < until:
            time.sleep(LOOK_AGAIN)
            if not _seconds_left(factory, url, now):
                return


def _seconds_left(factory: "sessionmaker[Session]", url: str, now: datetime) -> float:
    """How long the fetch under way may still take; 0 where there is none."""
    with factory() as session:
        row = session.exec(select(KeySet.tried_at, KeySet.answered_at).where(col(KeySet.url) == url)).one_or_none()
    if row is None or row[0] is None or (row[1] is not None and utc(row[1]) >= utc(row[0])):
        return 0.0
    left = utc(row[0]) + timedelta(seconds=FETCH_SECONDS) - utc(now)
    return min(max(left.total_seconds(), 0.0), FETCH_SECONDS)
