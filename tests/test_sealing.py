"""Sealing as it runs: the worker's minute, two workers at once, and the operator's `nengli ledger`."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text
from sqlmodel import Session

import competencies
from lms_plugin import db
from lms_plugin.cli import main
from lms_plugin.db import pk
from lms_plugin.worker import Worker
from tests.factories import world_in
from tests.ledgers import SEALS, add_entry, add_many, rows, unguarded
from tests.serving import SECRET, settings_of


def nengli(url: str, folder: Path, *words: str) -> Result:
    environment = {
        "NENGLI_DATABASE_URL": url,
        "NENGLI_DATA_DIR": str(folder),
        "NENGLI_SECRET_KEY": SECRET,
        "NENGLI_PUBLIC_URL": "https://tool.example",
    }
    return CliRunner().invoke(main, list(words), env=environment)


def harm(url: str, statement: str) -> None:
    """Changes the database behind its triggers' back."""
    bind = create_engine(url)  # without our settings: SQLite then asks of no row to point anywhere
    with bind.begin() as connection, unguarded(connection):
        connection.execute(text(statement))
    bind.dispose()


def test_the_minute_after_an_entry_seals_it(own_district_url: str, tmp_path: Path, now: datetime) -> None:
    clock = [now]
    worker = Worker(settings_of(tmp_path, own_district_url), lambda: clock[0])
    worker.tick()
    with worker.sessions() as session:
        world = world_in(db.writes(session), now)
        add_entry(world)
        session.commit()
        assert competencies.head(session, pk(world.tenant)) is None
    clock[0] = now + timedelta(minutes=1)
    worker.tick()
    with worker.sessions() as session:
        newest = competencies.head(session, pk(world.tenant))
        assert newest is not None
        assert (newest.number, newest.sealed_at) == (1, clock[0])
        assert competencies.to_seal(session) == []
    worker.close()


def test_two_workers_seal_every_entry_once(own_district_url: str, tmp_path: Path, now: datetime) -> None:
    workers = [Worker(settings_of(tmp_path, own_district_url), lambda: now) for _ in range(2)]
    with workers[0].sessions() as session:
        world = world_in(db.writes(session), now)
        add_many(world, 2500)
        session.commit()
    threads = [threading.Thread(target=worker.seal, args=(now,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with workers[0].sessions() as session:
        assert [row["entry_count"] for row in rows(session.connection(), SEALS)] == [1000, 1000, 500]
        faults: list[competencies.Fault] = []
        assert competencies.prove(session, pk(world.tenant), faults.append).entries_hold == 2500
        assert faults == []
    for worker in workers:
        worker.close()


def test_what_breaks_in_one_district_holds_up_no_other(own_district_url: str, tmp_path: Path, now: datetime) -> None:
    worker = Worker(settings_of(tmp_path, own_district_url), lambda: now)
    with worker.sessions() as session:
        world = world_in(db.writes(session), now)
        add_many(world, 2)
        session.commit()
    harm(own_district_url, "UPDATE credit_entry SET tenant_id = 0 WHERE id = (SELECT min(id) FROM credit_entry)")
    worker.seal(now)  # the first is of a district that is not there
    with worker.sessions() as session:
        newest = competencies.head(session, pk(world.tenant))
        assert newest is not None
        assert newest.number == 1
    worker.close()


@contextmanager
def with_sealed(count: int, url: str, folder: Path, now: datetime) -> Iterator[Worker]:
    """A district with so many entries, all sealed, and the worker that did it."""
    worker = Worker(settings_of(folder, url), lambda: now)
    with worker.sessions() as session:
        add_many(world_in(db.writes(session), now), count)
        session.commit()
    worker.seal(now)
    yield worker
    worker.close()


@pytest.fixture
def sealed(own_district_url: str, tmp_path: Path, now: datetime) -> str:
    """A district with three sealed entries and one that waits."""
    with with_sealed(3, own_district_url, tmp_path, now) as worker, worker.sessions() as session:
        add_entry(world_in(db.writes(session), now))
        session.commit()
    return own_district_url


def test_a_ledger_that_holds_is_told_and_its_head_is_printed(sealed: str, tmp_path: Path) -> None:
    told = nengli(sealed, tmp_path, "ledger", "verify")
    assert told.exit_code == 0, told.output
    assert "平安县: 1 seals and 3 entries hold; 1 more wait for their seal." in told.output
    assert "平安县：1 次封存、3 条记录都对得上；另有 1 条等待封存。" in told.output
    printed = nengli(sealed, tmp_path, "ledger", "head", "--tenant", "平安县")
    name, number, at, hashed = printed.output.strip().split("\t")
    assert (name, number, at) == ("平安县", "1", "2026-11-02T01:00:00Z")
    assert hashed in told.output
    assert "\t–\n" in nengli(sealed, tmp_path, "ledger", "head").output  # the neighbour has no entries

    again = nengli(sealed, tmp_path, "ledger", "verify", "--tenant", "平安县", "--head", hashed[:16].upper())
    assert (again.exit_code, "[ledger.head_known]" in again.output) == (0, True)
    unknown = nengli(sealed, tmp_path, "ledger", "verify", "--head", "0" * 64)
    assert (unknown.exit_code, "[ledger.head_unknown]" in unknown.output) == (1, True)
    for word in ("0" * 11, "not a hash at all"):
        assert "[ledger.not_a_hash]" in nengli(sealed, tmp_path, "ledger", "verify", "--head", word).output


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE credit_entry SET credit_hundredths = 9900 WHERE id = (SELECT min(id) FROM credit_entry)", "changed"),
        ("DELETE FROM credit_entry WHERE id = (SELECT min(id) FROM credit_entry)", "missing"),
        ("DELETE FROM credit_entry WHERE id = (SELECT max(id) FROM credit_entry)", "missing"),
        ("UPDATE ledger_seal SET sealed_at = '2020-01-01 00:00:00'", "changed"),
        ("DELETE FROM ledger_seal", "inserted"),
    ],
)
def test_harm_is_told_in_both_languages_and_ends_in_1(sealed: str, tmp_path: Path, statement: str, code: str) -> None:
    harm(sealed, statement)
    told = nengli(sealed, tmp_path, "ledger", "verify", "--tenant", "平安县")
    assert told.exit_code == 1, told.output
    assert f"_{code}]" in told.output
    assert told.output.count("✗") >= 1


def test_what_no_driver_can_read_is_named_and_the_next_district_is_looked_at(sealed: str, tmp_path: Path) -> None:
    first = "id = (SELECT min(id) FROM credit_entry)"
    odd = "source = CAST(x'e5b9ff' AS TEXT)" if sealed.startswith("sqlite") else "entered_at = 'infinity'"
    far = "" if sealed.startswith("sqlite") else ", earned_on = '-infinity'"
    harm(sealed, f"UPDATE credit_entry SET {odd}{far} WHERE {first}")
    told = nengli(sealed, tmp_path, "ledger", "verify")
    assert (told.exit_code, told.exception.__class__) == (1, SystemExit), told.output
    assert "[ledger.entry_changed]" in told.output
    assert "平安县: the ledger was tampered with. 1 of 1 seals hold, and 2 entries; 1 more wait" in told.output
    assert "邻县: 0 seals and 0 entries hold" in told.output


def test_a_district_that_cannot_be_looked_through_is_named_and_the_next_one_is(sealed: str, tmp_path: Path) -> None:
    """Somebody rebuilt the table of seals."""
    harm(sealed, "ALTER TABLE ledger_seal DROP COLUMN entries")
    told = nengli(sealed, tmp_path, "ledger", "verify")
    assert (told.exit_code, told.exception.__class__) == (1, SystemExit), told.output
    assert [line for line in told.output.splitlines() if "cannot be read" in line and "平安县" in line]
    assert [line for line in told.output.splitlines() if "cannot be read" in line and "邻县" in line]


def test_of_very_many_faults_the_first_are_told(own_district_url: str, tmp_path: Path, now: datetime) -> None:
    with with_sealed(130, own_district_url, tmp_path, now):
        pass
    harm(own_district_url, "UPDATE credit_entry SET reason = 'import'")
    told = nengli(own_district_url, tmp_path, "ledger", "verify").output
    assert told.count("[ledger.entry_changed]") == 100
    assert "30 more, not listed. [ledger.more_faults]" in told
    assert "0 entries; 0 more wait" in told


def test_proving_holds_up_nobody_who_writes(sealed: str, tmp_path: Path, now: datetime) -> None:
    """It sees the ledger as it was when it began, whatever is sealed meanwhile."""
    bind = db.engine(sealed)
    with Session(bind, expire_on_commit=False) as session:
        world = world_in(db.writes(session), now)
        add_entry(world)
        assert nengli(sealed, tmp_path, "ledger", "verify").exit_code == 0
        session.commit()
    bind.dispose()
