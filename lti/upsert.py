"""Inserting a row that another process may insert in the same moment."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from lms_plugin.db import Model, table


def insert_unless_there(session: Session, kind: type[Model], values: dict[str, Any]) -> bool:
    """Inserts the row unless a unique key of it is taken; no error either way, on SQLite and PostgreSQL alike. Whether
    it was inserted."""
    make: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = make(table(kind)).values(**values).on_conflict_do_nothing().returning(*table(kind).primary_key)
    return session.execute(row).first() is not None
