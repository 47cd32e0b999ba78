"""The pool of PostgreSQL connections: one whose server is gone is never given to a request."""

import pytest
from sqlalchemy import Engine, text

from lms_plugin import db

pytestmark = pytest.mark.postgresql


def pids(bind: Engine) -> list[int]:
    """The server process of a connection, and of one more that is open at the same time."""
    with bind.connect() as one, bind.connect() as other:
        return [each.execute(text("SELECT pg_backend_pid()")).scalar_one() for each in (one, other)]


def test_connections_that_the_server_ended_are_replaced_unseen(own_database_url: str) -> None:
    bind, killer = db.engine(own_database_url), db.engine(own_database_url)
    before = pids(bind)
    assert sorted(pids(bind)) == sorted(before)  # they are kept
    with killer.connect() as connection:
        for pid in before:
            # True only once the process is gone.
            assert connection.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)")).scalar_one()
    assert not set(pids(bind)) & set(before)
    bind.dispose()
    killer.dispose()


def test_a_connection_that_was_idle_is_asked_first(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that broke in silence says nothing on the socket: only the server's answer tells."""
    bind, asked = db.engine(own_database_url), []
    monkeypatch.setattr(bind.dialect, "do_ping", lambda connection: asked.append(connection))
    pids(bind)
    pids(bind)
    assert asked == []
    monkeypatch.setattr(db, "TRUSTED_SECONDS", 0.0)
    pids(bind)
    assert len(asked) == 2
    bind.dispose()
