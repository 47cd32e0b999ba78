"""Tables to which rows are only added: the database itself refuses everything else, whoever asks."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, event, text
from sqlmodel import Session

from lms_plugin.db import Model, table


def refusing(name: str) -> dict[str, list[str]]:
    """By dialect, the SQL of triggers that refuse UPDATE and DELETE (and TRUNCATE) of that table's rows."""
    return {
        "sqlite": [
            f"CREATE TRIGGER {name}_no_{act.lower()} BEFORE {act} ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
            for act in ("UPDATE", "DELETE")
        ],
        "postgresql": [
            f"CREATE OR REPLACE FUNCTION {name}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{name} is append-only'; END $$",
            f"CREATE TRIGGER {name}_no_change BEFORE UPDATE OR DELETE ON {name} "
            f"FOR EACH ROW EXECUTE FUNCTION {name}_append_only()",
            f"CREATE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_append_only()",
        ],
    }


_GUARDS: list[Mapping[str, Sequence[str]]] = []
_TRIGGER = re.compile(r"CREATE TRIGGER (\w+) ")
_FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION (\w+)\(\).*?\$\$(.*)\$\$", re.DOTALL)


def guard(kind: type[Model], statements: Mapping[str, Sequence[str]]) -> None:
    """`create_all` runs these statements of its dialect once the table is there, as the migrations do."""
    _GUARDS.append(statements)

    def run(_table: Any, connection: Connection, **_options: Any) -> None:
        for statement in statements.get(connection.dialect.name, ()):
            connection.exec_driver_sql(statement)

    event.listen(table(kind), "after_create", run)


def missing_guards(session: Session) -> list[str]:
    """The triggers (and what they run) that ought to guard tables of ours and do not: dropped, switched off, or
    replaced by others of that name. Two queries at most."""
    dialect = session.get_bind().dialect.name
    wanted = [statement for statements in _GUARDS for statement in statements.get(dialect, ())]
    if dialect == "sqlite":
        found = session.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name")).all()
        there = {name: _plain(sql) for name, sql in found}
        return [
            name for statement in wanted for name in _TRIGGER.findall(statement) if there.get(name) != _plain(statement)
        ]
    triggers = set(
        session.execute(
            text(
                "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
                " WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
                " AND pg_class.relnamespace = current_schema()::regnamespace"
            )
        ).scalars()
    )
    bodies = session.execute(
        text("SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace ORDER BY proname")
    )
    functions = {name: _plain(body) for name, body in bodies}
    missing = [name for statement in wanted for name in _TRIGGER.findall(statement) if name not in triggers]
    for statement in wanted:
        missing += [name for name, body in _FUNCTION.findall(statement) if functions.get(name) != _plain(body)]
    return missing


def _plain(sql: str) -> str:
    return " ".join(sql.split())
