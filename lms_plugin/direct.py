"""Statements of the hot paths on PostgreSQL, given to the driver as they are.

SQLAlchemy's way from a statement to psycopg costs several times what psycopg and the statement do (docs/adr/0027). So a
login, and the launch of somebody whom we know, put their statements together once and send each as a transaction of
its own: no BEGIN, no COMMIT. Whatever does not go smoothly there is done again on the ordinary way, which says what is
wrong.
"""

import logging
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, TypeVar, cast

import psycopg
import psycopg.abc
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus
from sqlalchemy import (
    ColumnElement,
    Dialect,
    Engine,
    Insert,
    PoolProxiedConnection,
    Select,
    Table,
    Text,
    func,
    literal_column,
    make_url,
)
from sqlalchemy import (
    cast as as_type,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session

log = logging.getLogger("nengli.db")
_POSTGRESQL: Dialect = cast(Any, make_url("postgresql+psycopg://").get_dialect())(paramstyle="numeric_dollar")
_NUMBERS = count(1)
T = TypeVar("T")


class Line:
    """A pooled connection to PostgreSQL, for statements that each stand for themselves. What it has prepared stays
    prepared until psycopg, which prepares what it sends often, gives all of it up at a rollback (DEALLOCATE ALL)."""

    def __init__(self, held: PoolProxiedConnection) -> None:
        self._connection = cast("psycopg.Connection[Any]", held.driver_connection)
        self._prepared: dict[bytes, psycopg.abc.Transformer] = held.info.setdefault("direct", {})

    def first(self, name: bytes, text: bytes, values: list[Any]) -> tuple[Any, ...] | None:
        """The first row of a statement that is known by this name. Raises psycopg.Error.

        libpq sends it and waits for its answer in one call. psycopg's own way gives the processor to other threads
        several times over, and each time has to wait for them until it may go on.
        """
        try:
            return self._first(name, text, values)
        except psycopg.errors.InvalidSqlStatementName:  # nothing was done: it is prepared anew
            self._prepared.clear()
            return self._first(name, text, values)

    def _first(self, name: bytes, text: bytes, values: list[Any]) -> tuple[Any, ...] | None:
        server, known = self._connection.pgconn, self._prepared.get(name)
        if known is None:
            self._sound(server.prepare(name, text))
            known = self._prepared[name] = Transformer(self._connection)
        # As text, all of them: the statement says which type each is, and a number's own would go by its size.
        written = known.dump_sequence(values, [PyFormat.TEXT] * len(values))
        found = self._sound(server.exec_prepared(name, cast("list[psycopg.abc.Buffer]", written)))  # None is NULL
        if found.ntuples == 0:
            return None
        known.set_pgresult(found)
        row: tuple[Any, ...] = known.load_row(0, tuple)
        return row

    def _sound(self, result: "psycopg.pq.abc.PGresult") -> "psycopg.pq.abc.PGresult":
        """A result that is none of an error. Raises psycopg.Error."""
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise psycopg.errors.error_from_result(result, self._connection.info.encoding)
        return result


class Direct:
    """A statement of SQLAlchemy's Core, put together once: columns and types are still the models'."""

    def __init__(self, statement: Select[Any] | Insert) -> None:
        made = statement.compile(dialect=_POSTGRESQL)
        self._name, self._text = b"nengli_%d" % next(_NUMBERS), made.string.encode()
        self._places: list[tuple[str, Callable[[Any], Any] | None]] = []
        self._always: dict[str, Any] = {}
        for name in made.positiontup or ():
            place = made.binds[name]
            self._places.append((name, place.type.dialect_impl(_POSTGRESQL).bind_processor(_POSTGRESQL)))
            if not place.required:
                self._always[name] = place.value

    def row(self, line: Line, given: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row that it gives, None where it gives none. Raises psycopg.Error."""
        told = {**self._always, **given}
        values = [told[name] if write is None else write(told[name]) for name, write in self._places]
        return line.first(self._name, self._text, values)


def versions(*tables: Table) -> ColumnElement[str]:
    """Which versions of the rows of these tables a select finds: another text as soon as one of them was written (the
    transaction that wrote a row stands in its system column `xmin`)."""
    return func.concat_ws(".", *(as_type(literal_column(f"{one.name}.xmin"), Text) for one in tables))


def directly(bind: Engine, ask: Callable[[Line], T | None]) -> T | None:
    """Asks over a pooled connection, on which nobody has begun a transaction: each statement is one of its own. None
    also where the database refused, or was not there, or had no connection free."""
    try:
        held = bind.raw_connection()
    except (psycopg.Error, SQLAlchemyError):
        return None
    try:
        return ask(Line(held))
    except psycopg.Error as error:
        log.warning("done again on the ordinary way: %s", type(error).__name__)
        held.invalidate(error)  # what it has prepared may be why: the next one asks over a line of its own
        return None
    finally:
        held.close()


def engine_of(factory: "sessionmaker[Session]") -> Engine | None:
    """The engine to which statements can go directly: PostgreSQL's. None on SQLite, and for sessions that share one
    connection."""
    bind = factory.kw.get("bind")
    return bind if isinstance(bind, Engine) and bind.dialect.name == "postgresql" else None
