"""Seals over the ledger: every entry is sealed once, and whatever is done to entries or seals afterwards is found."""

import tracemalloc
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Connection, func, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

import competencies
from competencies import Fault, LedgerSeal, Proof
from competencies import seals as sealing
from lms_plugin import db
from lms_plugin.db import pk
from tests.factories import World, world_in
from tests.fuzzing import times
from tests.ledgers import ENTRIES, SEALS, add_copy, add_entry, add_many, another, put, remove, rows, swap, unguarded


def proved(world: World) -> tuple[Proof, list[Fault]]:
    faults: list[Fault] = []
    competencies.astray(world.session, faults.append)
    return competencies.prove(world.session, pk(world.tenant), faults.append), faults


def seal(world: World) -> int:
    return competencies.seal(world.session, pk(world.tenant), world.now)


def sealed_ids(world: World) -> list[list[int]]:
    """Ids of entries, seal by seal."""
    found = world.session.exec(select(LedgerSeal.entries).order_by(col(LedgerSeal.number))).all()
    return [[int(part.partition(":")[0]) for part in line.split(",")] for line in found]


def test_the_canonical_form_is_the_documented_one_from_both_databases() -> None:
    """As ADR 0028 says: SQLite gives instants and days as text, PostgreSQL as what they are."""
    entry: dict[str, Any] = dict.fromkeys(sealing.FORMS[1])
    entry |= {"id": 7, "credit_hundredths": -250, "kind": "online", "source": '国家平台 "x"'}
    told = '"earned_on":"2026-10-01","entered_at":"2026-11-02T01:00:00.000000Z","id":7,'
    as_postgresql = {
        **entry,
        "earned_on": date(2026, 10, 1),
        "entered_at": datetime(2026, 11, 2, 1, tzinfo=UTC),
    }
    as_sqlite = {**entry, "earned_on": "2026-10-01", "entered_at": "2026-11-02 01:00:00.000000"}
    assert told in sealing.canonical(as_postgresql)
    assert '"source":"国家平台 \\"x\\""' in sealing.canonical(as_sqlite)
    assert sealing.canonical(as_sqlite) == sealing.canonical(as_postgresql)
    assert sealing.hash_of({"b": None, "a": 1}) == "46e0ff59f6164548317489fbea1133a48f7a83c325c3535e44559c9619afb76b"


def test_every_column_of_an_entry_is_under_the_seal() -> None:
    assert set(sealing.FORMS[sealing.FORM]) == {column.name for column in ENTRIES.columns}


def test_a_seal_takes_what_waits_and_follows_from_the_one_before(world: World) -> None:
    assert seal(world) == 0
    assert competencies.head(world.session, pk(world.tenant)) is None
    first = [pk(add_entry(world)), pk(add_entry(world, 200))]
    assert competencies.to_seal(world.session) == [pk(world.tenant)]
    assert seal(world) == 2
    second = [pk(add_entry(world, 300))]
    assert (seal(world), seal(world)) == (1, 0)
    assert sealed_ids(world) == [first, second]
    one, two = world.session.exec(select(LedgerSeal).order_by(col(LedgerSeal.number))).all()
    assert (one.number, one.first_entry_id, one.last_entry_id, one.entry_count) == (1, first[0], first[1], 2)
    assert (one.previous_hash, two.previous_hash) == ("", one.hash)
    assert competencies.head(world.session, pk(world.tenant)) == competencies.Head(2, two.hash, two.sealed_at)
    assert competencies.to_seal(world.session) == []
    proof, faults = proved(world)
    assert (proof, faults) == (Proof(2, 2, 3, 0, two.hash), [])


def test_an_entry_that_comes_late_with_an_older_id_goes_into_the_next_seal(world: World) -> None:
    newest = pk(add_entry(world))
    assert seal(world) == 1
    connection = world.session.connection()
    late = {**rows(connection, ENTRIES)[-1], "id": newest - 1, "uuid": db.new_uuid()}
    add_copy(connection, ENTRIES, late)
    assert proved(world)[0].waiting == 1
    assert seal(world) == 1
    assert sealed_ids(world) == [[newest], [newest - 1]]
    assert proved(world)[1] == []


@pytest.mark.postgresql
def test_transactions_that_commit_in_another_order_are_all_sealed_once(own_district_url: str, now: datetime) -> None:
    bind = db.engine(own_district_url)
    with Session(bind, expire_on_commit=False) as slow, Session(bind, expire_on_commit=False) as quick:
        behind = pk(add_entry(world_in(slow, now)))
        world = world_in(quick, now)
        before = pk(add_entry(world))
        quick.commit()
        assert behind < before
        assert seal(world) == 1
        quick.commit()
        slow.commit()
        assert seal(world) == 1
        quick.commit()
        assert sealed_ids(world) == [[before], [behind]]
        assert proved(world)[1] == []
    bind.dispose()


def test_districts_have_chains_of_their_own(world: World) -> None:
    add_entry(world)
    connection = world.session.connection()
    elsewhere = connection.execute(
        text("SELECT id FROM tenant WHERE id <> :own ORDER BY id"), {"own": pk(world.tenant)}
    ).scalar()
    assert elsewhere is not None
    theirs = {**rows(connection, ENTRIES)[-1], "id": 5000, "uuid": db.new_uuid(), "tenant_id": elsewhere}
    add_copy(connection, ENTRIES, theirs)
    assert sorted(competencies.to_seal(world.session)) == sorted([pk(world.tenant), elsewhere])
    assert (seal(world), competencies.seal(world.session, elsewhere, world.now)) == (1, 1)
    assert [row["number"] for row in rows(connection, SEALS)] == [1, 1]
    assert proved(world)[1] == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger_seal SET entry_count = 9", "DELETE FROM ledger_seal", "TRUNCATE ledger_seal"],
)
def test_the_database_refuses_to_change_a_seal(world: World, statement: str) -> None:
    add_entry(world)
    seal(world)
    if statement.startswith("TRUNCATE") and world.session.get_bind().dialect.name == "sqlite":
        return  # SQLite knows no such statement
    with pytest.raises(DBAPIError, match="append-only"), world.session.begin_nested():
        world.session.connection().execute(text(statement))
    assert world.session.exec(select(func.count()).select_from(LedgerSeal)).one() == 1


# --- whatever is done past the product is found ---

Harm = Callable[[Connection, Any], None]


def edit_entry(connection: Connection, data: Any) -> None:
    row = data.draw(st.sampled_from(rows(connection, ENTRIES)))
    column = data.draw(st.sampled_from(sorted(row)))
    put(connection, ENTRIES, row, {column: another(column, row[column])})


def edit_seal(connection: Connection, data: Any) -> None:
    row = data.draw(st.sampled_from(rows(connection, SEALS)))
    column = data.draw(st.sampled_from(sorted(row)))
    put(connection, SEALS, row, {column: another(column, row[column])})


def delete_entry(connection: Connection, data: Any) -> None:
    remove(connection, ENTRIES, data.draw(st.sampled_from(rows(connection, ENTRIES))))


def delete_seal(connection: Connection, data: Any) -> None:
    remove(connection, SEALS, data.draw(st.sampled_from(rows(connection, SEALS))))


def insert_entry(connection: Connection, data: Any) -> None:
    row = data.draw(st.sampled_from(rows(connection, ENTRIES)))
    key = data.draw(st.sampled_from([-3, 0, 999_999]))
    add_copy(connection, ENTRIES, row, id=key, uuid=db.new_uuid(), import_key=None, reverses_id=None)


def insert_seal(connection: Connection, data: Any) -> None:
    there = rows(connection, SEALS)
    row = data.draw(st.sampled_from(there))
    number = data.draw(st.sampled_from([-1, 0, len(there) + 1, len(there) + 50]))
    made = {**row, "number": number, "previous_hash": there[-1]["hash"]}
    made["hash"] = sealing.hash_of({name: value for name, value in made.items() if name != "hash"})
    add_copy(connection, SEALS, made)


def reorder_entries(connection: Connection, data: Any) -> None:
    one, other = data.draw(st.permutations(rows(connection, ENTRIES)))[:2]
    swap(connection, ENTRIES, "id", one, other)


def reorder_seals(connection: Connection, data: Any) -> None:
    one, other = data.draw(st.permutations(rows(connection, SEALS)))[:2]
    swap(connection, SEALS, "number", one, other)


HARMS: list[Harm] = [
    edit_entry,
    edit_seal,
    delete_entry,
    delete_seal,
    insert_entry,
    insert_seal,
    reorder_entries,
    reorder_seals,
]


@settings(max_examples=times(120), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4), harm=st.sampled_from(HARMS), data=st.data())
def test_any_single_harm_is_found(world: World, sizes: list[int], harm: Harm, data: Any) -> None:
    with world.session.begin_nested() as savepoint:
        for size in sizes:
            for number in range(size):
                add_entry(world, 100 + number)
            seal(world)
        assert proved(world)[1] == []
        connection = world.session.connection()
        with unguarded(connection):
            harm(connection, data)
        assert proved(world)[1] != []
        savepoint.rollback()
        world.session.expire_all()


def harmed(world: World, *statements: str) -> set[tuple[str, str]]:
    """What is told of three seals with two entries each, after these statements; ids count from the first entry."""
    first = 0
    for number in range(6):
        entry = pk(add_entry(world))
        first = first or entry
        if number % 2:
            seal(world)
    with unguarded(world.session.connection()):
        for statement in statements:
            world.session.connection().execute(text(statement), {"first": first})
    return {(fault.code.partition(".")[2], fault.seals or str(int(fault.entry) - first)) for fault in proved(world)[1]}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE credit_entry SET credit_hundredths = 101 WHERE id = :first + 2", {("entry_changed", "2")}),
        ("DELETE FROM credit_entry WHERE id = :first + 4", {("entry_missing", "3")}),
        ("UPDATE ledger_seal SET sealed_at = '2020-01-01 00:00:00' WHERE number = 2", {("seal_changed", "2")}),
        ("UPDATE ledger_seal SET entries = 'x' WHERE number = 3", {
            ("seal_changed", "3"), ("entry_inserted", "4"), ("entry_inserted", "5"),
        }),
        ("DELETE FROM ledger_seal WHERE number = 1", {
            ("seal_missing", "1"), ("entry_inserted", "0"), ("entry_inserted", "1"),
        }),
        ("UPDATE ledger_seal SET number = 9 WHERE number = 3", {("seal_missing", "3–8"), ("seal_changed", "9")}),
        ("UPDATE ledger_seal SET hash = previous_hash WHERE number = 2", {
            ("seal_changed", "2"), ("seal_unchained", "3"),
        }),
        ("INSERT INTO ledger_unsealed (entry_id) VALUES (:first + 3)", {("entry_waits_again", "3")}),
        ("INSERT INTO ledger_unsealed (entry_id) VALUES (:first + 99)", {("entry_missing", "99")}),
    ],
)  # fmt: skip
def test_what_was_harmed_is_named(world: World, statement: str, told: set[tuple[str, str]]) -> None:
    assert harmed(world, statement) == told


def test_a_seal_that_names_very_many_entries_is_read(world: World) -> None:
    entry = pk(add_entry(world))
    seal(world)
    connection = world.session.connection()
    with unguarded(connection):
        line = ",".join([f"{entry}:{'0' * 64}"] * 260_000)  # above what one statement takes, on both databases
        connection.execute(text("UPDATE ledger_seal SET entries = :line"), {"line": line})
    codes = Counter(fault.code for fault in proved(world)[1])
    assert codes == {"ledger.seal_changed": 1, "ledger.entry_changed": 1, "ledger.entry_twice": 259_999}


def test_an_entry_in_two_seals_is_told(world: World) -> None:
    """As if the seal had been made by somebody who knows the form."""
    entry = pk(add_entry(world))
    seal(world)
    world.session.connection().execute(text("INSERT INTO ledger_unsealed (entry_id) VALUES (:id)"), {"id": entry})
    assert seal(world) == 1
    assert proved(world)[1] == [Fault("ledger.entry_twice", "2", str(entry))]


def test_a_chain_that_was_written_anew_is_known_by_a_head_that_was_noted(world: World) -> None:
    add_entry(world)
    seal(world)
    noted = competencies.head(world.session, pk(world.tenant))
    assert noted is not None
    add_entry(world)
    seal(world)

    def found(hashed: str) -> int:
        return competencies.prove(world.session, pk(world.tenant), lambda _: None, hashed).noted_in

    assert (found(noted.hash), found(noted.hash[:12]), found("0" * 64)) == (1, 1, 0)
    connection = world.session.connection()
    with unguarded(connection):
        connection.execute(text("UPDATE credit_entry SET credit_hundredths = 9900"))
        connection.execute(text("DELETE FROM ledger_seal"))
    connection.execute(text("INSERT INTO ledger_unsealed SELECT id FROM credit_entry"))
    seal(world)
    assert proved(world)[1] == []
    assert found(noted.hash) == 0


def test_an_entry_with_a_far_id_costs_no_memory_and_is_named(world: World) -> None:
    """Whoever writes past the product chooses the id."""
    add_entry(world)
    seal(world)
    far = 2**31 - 1
    with unguarded(world.session.connection()) as _:
        row = world.session.connection().execute(text("SELECT * FROM credit_entry")).mappings().one()
        values = {**row, "id": far, "uuid": "0" * 32, "import_key": None}
        columns = ", ".join(values)
        places = ", ".join(f":{name}" for name in values)
        world.session.connection().execute(text(f"INSERT INTO credit_entry ({columns}) VALUES ({places})"), values)
        world.session.connection().execute(text("DELETE FROM ledger_unsealed"))
    tracemalloc.start()
    proof, faults = proved(world)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(fault.code, fault.entry) for fault in faults] == [("ledger.entry_inserted", str(far))]
    assert proof.entries_hold == 1
    assert most < 8 * 1024**2


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_moment_beyond_the_calendar_is_a_change_and_no_end(at: str) -> None:
    assert sealing.hash_of({"entered_at": at}) != sealing.hash_of({"entered_at": "2026-11-02 01:00:00"})


def test_a_seal_that_was_changed_is_no_head_that_stands(world: World) -> None:
    add_entry(world)
    seal(world)
    noted = competencies.head(world.session, pk(world.tenant))
    assert noted is not None
    with unguarded(world.session.connection()):
        world.session.connection().execute(text("UPDATE ledger_seal SET entry_count = 2"))
    faults: list[Fault] = []
    assert competencies.prove(world.session, pk(world.tenant), faults.append, noted.hash).noted_in == 0
    assert [fault.code for fault in faults] == ["ledger.seal_changed"]


def test_of_many_entries_few_are_held_at_a_time(world: World) -> None:
    add_many(world, 6001)
    tracemalloc.start()
    sizes = []
    while sizes[-1:] != [0]:
        sizes.append(seal(world))
    proof, faults = proved(world)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sizes == [1000, 1000, 1000, 1000, 1000, 1000, 1, 0]
    assert (proof.entries_hold, faults) == (6001, [])
    assert most < 8 * 1024**2
