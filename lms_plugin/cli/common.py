"""What every command needs: settings, a transaction, and refusals in both languages."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from pydantic import ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlmodel import Session

from lms_plugin import migrate
from lms_plugin.config import Settings
from lms_plugin.db import as_of_one_moment, engine, session_factory, transaction
from lms_plugin.errors import Invalid, Refused, Unavailable
from lms_plugin.web.messages import sentence


def settings_or_end() -> Settings:
    """The settings; wrong ones are named and end the command."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"  NENGLI_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise click.ClickException("\n".join(["Settings that do not fit / 设置有误:", *lines])) from error


@contextmanager
def said() -> Iterator[None]:
    """A refusal is said in both languages, and ends the command."""
    try:
        yield
    except Invalid as error:
        lines = []
        for field, problem in error.fields.items():
            code, params = (problem, {}) if isinstance(problem, str) else problem
            lines.append(f"{field}: {sentence(code, params, 'zh')}\n{field}: {sentence(code, params, 'en')} [{code}]")
        raise click.ClickException("\n".join(lines)) from error
    except (Refused, Unavailable) as error:
        params = error.params if isinstance(error, Refused) else {"words": error.words}
        raise click.ClickException(
            f"{sentence(error.code, params, 'zh')}\n{sentence(error.code, params, 'en')} [{error.code}]"
        ) from error


class NotSetUp(click.ClickException):
    """The database lacks tables; the error of the database is its cause."""


def _is_ready(url: str) -> bool:
    """Whether `nengli db upgrade` would mend nothing."""
    try:
        return migrate.is_at_head(url)
    except OperationalError:
        return make_url(url).get_backend_name() != "sqlite"  # a server that does not answer is not to be upgraded


@contextmanager
def act(*, is_writing: bool = True) -> Iterator[tuple[Session, Settings, datetime]]:
    """One transaction; a refusal is said and changes nothing. One that only reads sees the database as it was when it
    began, and holds nobody up."""
    settings = settings_or_end()
    bind = engine(settings.database_url)
    begin = transaction if is_writing else as_of_one_moment
    try:
        with said(), begin(session_factory(bind)) as session:
            yield session, settings, datetime.now(UTC)
    except (OperationalError, ProgrammingError) as error:
        if _is_ready(settings.database_url):
            raise
        raise NotSetUp(
            "数据库还没有建好，或不是最新的。请先运行 nengli db upgrade。\n"
            "The database has not been set up or is behind. Run nengli db upgrade first."
        ) from error
    finally:
        bind.dispose()
