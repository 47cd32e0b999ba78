"""Statements of the hot paths on PostgreSQL, given to the driver as they are.

SQLAlchemy's way from a statement to psycopg costs several times what psycopg and the statement do (docs/adr/0027). So a
login, and the launch of somebody whom we know, put their statements together once and send each as a transaction of
its own: no BEGIN, no COMMIT. Whatever does not go smoothly there is done again on the ordinary way, which says what is
wrong.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import psycopg
from sqlalchemy import Engine, Insert, Select, make_url
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session

log = logging.getLogger("nengli.db")
_POSTGRESQL = make_url("postgresql+psycopg://").get_dialect()()
T = TypeVar("T")


class Direct:
    """A statement of SQLAlchemy's Core, put together once: columns and types are still the models'."""

    def __init__(self, statement: Select[Any] | Insert) -> None:
        made = statement.compile(dialect=_POSTGRESQL)
        self._text = made.string
        self._written: dict[str, Callable[[Any], Any]] = {}
        self._always: dict[str, Any] = {}
        for name, place in made.binds.items():
            write = place.type.dialect_impl(_POSTGRESQL).bind_processor(_POSTGRESQL)
            if not place.required:
                self._always[name] = write(place.value) if write is not None else place.value
            elif write is not None:
                self._written[name] = write

    def row(self, line: "psycopg.Connection[Any]", given: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row that it gives, None where it gives none. Raises psycopg.Error."""
        values = {**self._always, **given}
        for name, write in self._written.items():
            values[name] = write(values[name])
        found: tuple[Any, ...] | None = line.execute(self._text, values, prepare=True).fetchone()
        return found


def directly(bind: Engine, ask: Callable[["psycopg.Connection[Any]"], T | None]) -> T | None:
    """Asks over a pooled connection whose statements stand each for itself. None also where the database refused, or
    was not there."""
    try:
        held = bind.raw_connection()
    except psycopg.Error:
        return None
    try:
        line = cast("psycopg.Connection[Any]", held.driver_connection)
        line.autocommit = True
        try:
            return ask(line)
        finally:
            if not line.closed:
                line.autocommit = False
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
