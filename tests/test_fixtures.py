"""The ground that the other tests stand on."""

import socket
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import inspect
from sqlmodel import Session, select

from lms_plugin import db
from lms_plugin.people import Tenant
from tests.conftest import LONGEST, story_of, turn_of


def test_a_commit_of_a_test_stays_inside_it(session: Session, now: datetime) -> None:
    session.add(Tenant(name="某县", created_at=now))
    session.commit()
    session.rollback()
    assert [row.name for row in session.exec(select(Tenant))] == ["某县"]


def test_the_next_test_finds_nothing(session: Session) -> None:
    assert session.exec(select(Tenant)).all() == []


def test_a_session_may_say_that_it_writes(session: Session, now: datetime) -> None:
    db.writes(session).add(Tenant(name="某县", created_at=now))
    session.commit()


def test_own_database_may_be_committed_to(own_database_url: str, now: datetime) -> None:
    engine = db.engine(own_database_url)
    factory = db.session_factory(engine)
    with db.transaction(factory) as writing:
        writing.add(Tenant(name="某县", created_at=now))
    with factory() as reading:
        assert reading.exec(select(Tenant)).one().created_at == now
    assert "tenant" in inspect(engine).get_table_names()
    engine.dispose()


def test_outside_addresses_are_refused(reached: list[str]) -> None:
    with socket.socket() as sock, pytest.raises(ConnectionRefusedError):
        sock.connect(("192.0.2.1", 80))
    assert reached == ["192.0.2.1"]
    reached.clear()


def test_outside_names_do_not_exist() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("lms.example.org", 443)


def test_this_machine_may_be_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


@pytest.mark.parametrize(
    ("test", "story"),
    [
        ("tests/journey/test_whole_story.py::test_reviews_are_allotted_and_done", "tests/journey/test_whole_story.py"),
        ("tests/web/test_every_page.py::test_page[help.page-stranger-en]", "tests/web/test_every_page.py en"),
        ("tests/web/test_every_page.py::test_page[help.page-zh-Hans]", "tests/web/test_every_page.py zh-Hans"),
        ("tests/web/test_every_page.py::test_no_page_is_left_out", "tests/web/test_every_page.py zh-Hans"),
        ("tests/lti/test_stock_consumer.py::test_launch[9.16.1-lin]", "tests/lti/test_stock_consumer.py 9.16.1"),
        ("tests/web/test_kit.py::test_axe[320-/kit-?lang=en]", "tests/web/test_kit.py"),
    ],
)
def test_a_story_stays_with_one_worker(test: str, story: str) -> None:
    assert story_of(test) == story


def test_the_longest_stories_begin_first() -> None:
    assert all((Path(__file__).parent.parent / file).is_file() for file in LONGEST)
    tests = ["tests/cli/test_a.py::test_a", f"{LONGEST[1]}::test_b", f"{LONGEST[0]}::test_c[en]"]
    assert sorted(tests, key=turn_of) == tests[::-1]
