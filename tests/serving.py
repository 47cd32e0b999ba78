"""The tool as tests have it: its settings, the application in this process, and a server of it on loopback."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlmodel import Session, select

import lti
from lms_plugin import db
from lms_plugin.config import Settings
from lms_plugin.web import create_app, equip
from tests.hosts import loopback

SECRET = "a secret key of the tests, long enough"
_free: list[Flask] = []
_key: dict[str, Any] = {}


def settings_of(folder: Path, database_url: str = "sqlite://", **more: Any) -> Settings:
    """Settings of a tool on loopback that keeps its files in that folder."""
    plain = {"secret_key": SecretStr(SECRET), "public_url": "http://localhost", "allow_loopback": True}
    return Settings(**{**plain, "data_dir": folder, "database_url": database_url, **more})


@contextmanager
def application(settings: Settings, *, clock: Callable[[], datetime], sessions: Any) -> Iterator[Flask]:
    """The application with parts of its own, as long as the block lasts. It is lent again afterwards: to join its
    addresses and to translate its templates takes longer than most tests, and is the same each time."""
    assert not settings.proxies, "an application behind proxies is another one: create_app"
    app = _free.pop() if _free else create_app(settings, sessions=sessions)
    equip(app, settings, clock=clock, sessions=sessions)
    yield app
    app.extensions.pop("nengli")
    _free.append(app)


def give_tool_key(session: Session, now: datetime) -> None:
    """The tool has its key at that moment. It is made by the tool once and given to every later database: to make one
    takes longer than most tests."""
    if session.exec(select(lti.ToolKey)).first() is not None:
        return
    if not _key:
        _key.update(lti.ensure_tool_key(session, SECRET, now).model_dump(exclude={"id"}))
    else:
        session.add(lti.ToolKey(**{**_key, "created_at": now, "active_from_at": now}))
        session.flush()


@dataclass
class Served:
    """The tool on loopback, and its database."""

    app: Flask
    url: str
    settings: Settings
    engine: Engine
    sessions: Any


@contextmanager
def tool_on_loopback(
    database_url: str,
    folder: Path,
    clock: Callable[[], datetime],
    host: str = "localhost",
    behind: Callable[[Any], Any] = lambda app: app,
) -> Iterator[Served]:
    """The whole tool over that database, at an address that it knows; `behind` puts something before it."""
    settings = settings_of(folder, database_url)
    engine = db.engine(database_url)
    sessions = db.session_factory(engine)
    with application(settings, clock=clock, sessions=sessions) as app, loopback.served(behind(app)) as port:
        settings.public_url = f"http://{host}:{port}"
        yield Served(app, settings.public_url, settings, engine, sessions)
    engine.dispose()
