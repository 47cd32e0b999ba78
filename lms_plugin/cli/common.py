"""What every command needs: settings, a transaction, and refusals in both languages."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from pydantic import ValidationError
from sqlmodel import Session

from lms_plugin.config import Settings
from lms_plugin.db import engine, session_factory, transaction
from lms_plugin.errors import Invalid, Refused
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
    except Refused as error:
        raise click.ClickException(
            f"{sentence(error.code, error.params, 'zh')}\n{sentence(error.code, error.params, 'en')} [{error.code}]"
        ) from error


@contextmanager
def act() -> Iterator[tuple[Session, Settings, datetime]]:
    """One transaction; a refusal is said and changes nothing."""
    settings = settings_or_end()
    bind = engine(settings.database_url)
    try:
        with said(), transaction(session_factory(bind)) as session:
            yield session, settings, datetime.now(UTC)
    finally:
        bind.dispose()
