"""How many statements a page asks of the database."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from tests.factories import World


def queries(world: World, act: Callable[[], Any]) -> int:
    """How many statements the database got."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            statements.append(statement)

    connection = world.session.connection()
    event.listen(connection, "before_cursor_execute", note)
    try:
        assert act().status_code == 200
    finally:
        event.remove(connection, "before_cursor_execute", note)
    return len(statements)
