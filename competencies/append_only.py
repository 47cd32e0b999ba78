"""Tables to which rows are only added: the database itself refuses everything else, whoever asks."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, event

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


def guard(kind: type[Model], statements: Mapping[str, Sequence[str]]) -> None:
    """`create_all` runs these statements of its dialect once the table is there, as the migrations do."""

    def run(_table: Any, connection: Connection, **_options: Any) -> None:
        for statement in statements.get(connection.dialect.name, ()):
            connection.exec_driver_sql(statement)

    event.listen(table(kind), "after_create", run)
