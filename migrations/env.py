"""Alembic's environment. Its configuration is built in code (lms_plugin/migrate.py), not in a file."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import text

import competencies.batches
import competencies.choice_changes
import competencies.models
import competencies.training_models
import lms_plugin.erasures
import lms_plugin.inbox
import lms_plugin.outbox
import lms_plugin.people
import lms_plugin.platform_events
import lms_plugin.signing_words
import lti.models
import rubrics.appeals
import rubrics.models
from lms_plugin.db import Model, engine

TABLES = (
    competencies.batches,
    competencies.choice_changes,
    competencies.models,
    competencies.training_models,
    lms_plugin.erasures,
    lms_plugin.inbox,
    lms_plugin.outbox,
    lms_plugin.people,
    lms_plugin.platform_events,
    lms_plugin.signing_words,
    lti.models,
    rubrics.appeals,
    rubrics.models,
)


def render_item(kind: str, thing: Any, _autogen: Any) -> str | Literal[False]:
    """Keeps migrations free of our dependencies: SQLModel's own types are written as SQLAlchemy's."""
    if kind == "type" and type(thing).__module__.startswith("sqlmodel"):
        name = type(thing).__name__
        if name == "AutoString":
            return f"sa.String(length={thing.length})" if thing.length else "sa.String()"
        if name == "UTCDateTime":
            return "sa.DateTime(timezone=True)"
    return False


def run() -> None:
    """Runs the migrations on the URL that the command named."""
    bind = engine(context.config.attributes["url"])
    with bind.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            # Tables that others point to are rebuilt. Said to the driver: within a transaction, which SQLAlchemy begins
            # at the first statement, it would be ignored. What points where is looked at afterwards.
            connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
        else:
            connection.execute(text("SET lock_timeout = '4s'"))
            connection.execute(text("SET statement_timeout = '10min'"))
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Model.metadata,
            render_item=render_item,
            render_as_batch=True,
            compare_type=True,
            compare_server_default=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        if sqlite and (astray := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
            raise RuntimeError(f"rows that point nowhere after migrating: {sorted({row[0] for row in astray})}")
        connection.commit()
    bind.dispose()


run()
