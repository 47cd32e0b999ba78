"""Ledgers for tests: entries, and what somebody does to them past the product and the database's own refusals."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, insert, select, text, update

import competencies
from competencies import CreditEntry, CreditKind, LedgerSeal
from lms_plugin.db import new_uuid, pk, table
from tests import people as cast
from tests.factories import World

ENTRIES, SEALS = table(CreditEntry), table(LedgerSeal)


def add_entry(world: World, hundredths: int = 100, who: cast.Cast = cast.CHEN, source: str = "") -> CreditEntry:
    """Hours for somebody, as the product adds them."""
    basis = competencies.Basis(world.programme.policy_id or 0, decided_by_id=pk(world.person(cast.TRAINER)))
    return competencies.credit(
        world.session,
        pk(world.tenant),
        pk(world.programme),
        pk(world.person(who)),
        CreditKind.PRACTICE,
        hundredths,
        basis,
        world.now,
        source=source,
    )


def add_many(world: World, count: int) -> None:
    """That many entries, put in at once."""
    connection = world.session.connection()
    add_entry(world)
    row = rows(connection, ENTRIES)[-1]
    del row["id"]
    if count > 1:
        connection.execute(ENTRIES.insert(), [{**row, "uuid": new_uuid()} for _ in range(count - 1)])


@contextmanager
def unguarded(connection: Connection) -> Iterator[None]:
    """In this transaction the database refuses nothing: no trigger runs, nothing has to point anywhere."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield
        connection.execute(text("SET LOCAL session_replication_role = origin"))
        return
    connection.execute(text("PRAGMA defer_foreign_keys = ON"))
    names = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
    triggers = connection.execute(names).all()
    for name, _ in triggers:
        connection.execute(text(f"DROP TRIGGER {name}"))
    yield
    for _, sql in triggers:
        connection.execute(text(sql))


def rows(connection: Connection, kind: Table) -> list[dict[str, Any]]:
    """All rows of a table, in the order of their keys."""
    return [row._asdict() for row in connection.execute(select(kind).order_by(*kind.primary_key.columns))]


def another(column: str, value: Any) -> Any:
    """A value of the same kind that is not that one."""
    if column == "kind":
        return next(kind for kind in CreditKind if kind is not value)
    if column == "uuid":
        return new_uuid()
    if isinstance(value, datetime):
        return value + timedelta(microseconds=1)
    if column == "earned_on":
        return date(2026, 10, 1)
    if isinstance(value, str) or column == "import_key":
        text_of = value or ""
        return f"{'0' if text_of[:1] != '0' else '1'}{text_of[1:]}"
    return (value or 0) + 7001


def put(connection: Connection, kind: Table, row: dict[str, Any], values: dict[str, Any]) -> None:
    """Rewrites columns of one row."""
    is_it = [column == row[column.name] for column in kind.primary_key.columns]
    assert connection.execute(update(kind).where(*is_it).values(values)).rowcount == 1


def add_copy(connection: Connection, kind: Table, row: dict[str, Any], **values: Any) -> None:
    """A row like that one."""
    connection.execute(insert(kind).values({**row, **values}))


def remove(connection: Connection, kind: Table, row: dict[str, Any]) -> None:
    """Deletes one row."""
    is_it = [column == row[column.name] for column in kind.primary_key.columns]
    assert connection.execute(kind.delete().where(*is_it)).rowcount == 1


def swap(connection: Connection, kind: Table, column: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two rows change places in a column of their key."""
    aside = {**one, column: 900_001}
    put(connection, kind, one, {column: 900_001})
    put(connection, kind, other, {column: one[column]})
    put(connection, kind, aside, {column: other[column]})
