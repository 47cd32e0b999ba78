"""Platforms' key sets: whatever the host's address answers, a launch is soon told, and what was known stands in."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, select

import lti
from lms_plugin import db
from lms_plugin.net import Http
from lti import keywait
from tests.hosts import loopback, resign
from tests.lti.desk import CLAIMS, Desk

MINUTE = timedelta(minutes=1)


@dataclass
class Keys:
    """An address of a key set in the mood that a test gives it."""

    url: str = ""
    mood: str = "well"
    asked: int = 0
    go_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def key_address() -> Iterator[Keys]:
    keys = Keys()

    class Handler(loopback.Handler):
        def do_GET(self) -> None:
            keys.asked += 1
            if keys.mood == "waits":
                keys.go_on.wait(20)
            body = {"huge": b'{"keys": [' + b" " * 10_000_000 + b"]}", "html": b"<html>sign in</html>"}.get(
                keys.mood, json.dumps(resign.jwks()).encode()
            )
            if keys.mood == "redirects":
                self.say(302, body, Location="http://127.0.0.1:1/keys")
            else:
                self.say(200, body)

    with loopback.handled(Handler) as port:
        keys.url = f"http://127.0.0.1:{port}/keys"
        try:
            yield keys
        finally:
            keys.go_on.set()


@dataclass
class Class_:
    """A platform whose key set nobody has read, and launches that wait to be made."""

    factory: "sessionmaker[Session]"
    keys: Keys
    now: datetime
    desk: Desk

    def forms(self, count: int) -> list[dict[str, str]]:
        made = []
        with db.transaction(self.factory) as session:
            self.desk.session = session
            for _ in range(count):
                sent, _secret = self.desk.login()
                token = resign.sign(resign.fresh(CLAIMS, sent["nonce"], self.now))
                made.append({"id_token": token, "state": sent["state"]})
        return made

    def refresh(self, form: dict[str, str], now: datetime | None = None, seconds: float = 8) -> None:
        """What a launch does about keys before it goes on (the launch itself is given up)."""
        at = now or self.now
        with self.factory() as session:
            try:
                lti.receive_launch(session, form, lti.Proof(), at, public_url=self.desk.tool, may_ask=True)
            except lti.KeysWanted as wanted:
                url = wanted.url
            else:
                return
        lti.refresh_keys(self.factory, Http(allow_loopback=True, total_seconds=seconds), url, at)

    def at_once(self, forms: list[dict[str, str]], seconds: float) -> list[float]:
        """All of them at the same moment; how long each took, the shortest first."""
        took: list[float] = []
        ready = threading.Barrier(len(forms))

        def one(form: dict[str, str]) -> None:
            ready.wait()
            began = time.monotonic()
            self.refresh(form, seconds=seconds)
            took.append(time.monotonic() - began)

        threads = [threading.Thread(target=one, args=(form,)) for form in forms]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(took)

    def kept(self) -> lti.KeySet:
        with self.factory() as session:
            return session.exec(select(lti.KeySet)).one()


@pytest.fixture
def class_(own_database_url: str, now: datetime) -> Iterator[Class_]:
    engine = db.engine(own_database_url)
    factory = db.session_factory(engine)
    with key_address() as keys:
        with db.transaction(factory) as session:
            desk = Desk(session, now)
            desk.platform.jwks_url = keys.url
            for row in session.exec(select(lti.KeySet)).all():
                session.delete(row)
        yield Class_(factory, keys, now, desk)
    engine.dispose()


@pytest.mark.parametrize("mood", ["waits", "redirects", "huge", "html"])
def test_a_bad_answer_is_given_up_soon_and_what_was_known_stands_in(class_: Class_, mood: str) -> None:
    first, second, third = class_.forms(3)
    class_.refresh(first)
    good = class_.kept().body
    class_.keys.mood = mood
    later, began = class_.now + timedelta(hours=2), time.monotonic()
    with db.transaction(class_.factory) as session:
        session.execute(update(lti.LoginState).values(expires_at=later + 2 * MINUTE))
    class_.refresh(second, later, seconds=1)
    assert time.monotonic() - began < 10  # the host: 20 s
    row = class_.kept()
    assert (row.body, class_.keys.asked) == (good, 2)
    class_.refresh(third, later + timedelta(seconds=59))  # within the minute nobody asks again
    assert class_.keys.asked == 2
    class_.keys.mood = "well"
    class_.keys.go_on.set()
    class_.refresh(third, later + MINUTE)
    assert class_.keys.asked == 3


def test_the_whole_fetch_ends_within_eight_seconds() -> None:
    assert keywait.FETCH_SECONDS < 8


def test_a_host_that_hangs_is_asked_once_and_holds_three_threads(class_: Class_) -> None:
    class_.keys.mood = "waits"
    took = class_.at_once(class_.forms(8), seconds=5)
    assert class_.keys.asked == 1
    assert [one > 4 for one in took].count(True) <= 1 + keywait.MOST_WAITING
    assert took[0] < 4
    assert took[-1] < 15  # the host: 20 s
    assert not keywait._waiting


def test_who_comes_while_the_keys_are_fetched_waits_for_them(class_: Class_) -> None:
    """A class opens at once: the second and third launch are not refused because the first still waits for the host."""
    class_.keys.mood = "waits"
    forms = class_.forms(3)
    threading.Timer(0.5, class_.keys.go_on.set).start()
    took = class_.at_once(forms, seconds=8)
    assert class_.keys.asked == 1
    assert took[0] > 0.3
    assert took[-1] < 7.5
    assert class_.kept().body["keys"]


def test_who_waits_is_told_when_the_fetch_failed(class_: Class_) -> None:
    class_.keys.mood = "waits"
    forms = class_.forms(3)
    took = class_.at_once(forms, seconds=0.5)
    assert took[-1] < 4
    assert class_.kept().fetched_at is None


def test_nobody_waits_for_a_process_that_died(class_: Class_) -> None:
    [form] = class_.forms(1)
    with db.transaction(class_.factory) as session:
        session.add(lti.KeySet(url=class_.keys.url, tried_at=class_.now - timedelta(seconds=7)))
    began = time.monotonic()
    class_.refresh(form)
    assert time.monotonic() - began < 4
