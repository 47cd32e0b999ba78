"""Migrations by command and by test: Alembic with its configuration built here."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

import migrations
from lms_plugin.db import Model, engine
from lms_plugin.errors import Refused


def config(url: str) -> Config:
    """Alembic's configuration for a database."""
    made = Config()
    made.set_main_option("script_location", str(Path(str(migrations.__file__)).parent).replace("%", "%%"))
    made.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(slug)s")
    made.attributes["url"] = url
    return made


def upgrade(url: str, revision: str = "head") -> None:
    """Brings a database to a revision. Raises Refused for a PostgreSQL database that cannot be used."""
    _must_keep_chinese(url)
    command.upgrade(config(url), revision)


def _must_keep_chinese(url: str) -> None:
    """Raises Refused("database.encoding") for a PostgreSQL database that is not in UTF-8: a server that was installed
    without a locale makes them in SQL_ASCII. Refused("database.down") where the server does not let us in."""
    address = make_url(url)
    if address.get_backend_name() != "postgresql":
        return
    try:
        # without SQLAlchemy, which gets bytes from such a database and breaks on them
        with psycopg.connect(address.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
            encoding = connection.info.parameter_status("server_encoding")
    except psycopg.OperationalError as error:
        raise Refused("database.down", words=str(error).partition("\n")[0]) from error
    if encoding != "UTF8":
        raise Refused("database.encoding", encoding=encoding, name=address.database)


def downgrade(url: str, revision: str) -> None:
    """Takes a database back to a revision ("base" = empty)."""
    command.downgrade(config(url), revision)


def make(url: str, message: str) -> None:
    """Writes a migration from what differs between the models and a database at head."""
    command.revision(config(url), message=message, autogenerate=True)


def differences(url: str) -> list[object]:
    """What differs between the models and a migrated database; nothing, at head."""
    bind = engine(url)
    try:
        with bind.connect() as connection:
            return list(
                compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Model.metadata)
            )
    finally:
        bind.dispose()


def heads() -> list[str]:
    """The newest revisions; more than one is a mistake."""
    return list(ScriptDirectory.from_config(config("sqlite://")).get_heads())


def is_at_head(url: str) -> bool:
    """Whether the database has every migration."""
    bind = engine(url)
    try:
        with bind.connect() as connection:
            return at_head(connection)
    finally:
        bind.dispose()


def at_head(connection: Connection) -> bool:
    """The same for a connection that is there."""
    return set(MigrationContext.configure(connection).get_current_heads()) == set(heads())
