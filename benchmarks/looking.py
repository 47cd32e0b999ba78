"""Looking inside one application in this process: how many queries a page makes, and where its time goes."""

import cProfile
import io
import pstats
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from pydantic import SecretStr
from sqlalchemy import Engine, event

from lms_plugin.config import Settings
from lms_plugin.db import engine, session_factory
from lms_plugin.web import create_app

Function = tuple[str, int, str]
NO_QUERY = ("BEGIN", "PRAGMA", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
PLACES = {
    "database": ("sqlalchemy", "sqlmodel", "sqlite3", "psycopg", "psycopg_binary"),
    "template": ("jinja2", "markupsafe", "flask_babel", "babel", "gettext.py", "templates", "<template>"),
    "flask": ("flask", "werkzeug", "blinker"),
    "rules": ("lms_plugin", "competencies", "rubrics", "lti", "pydantic"),
}


@dataclass(frozen=True)
class Split:
    """Where the time of a page goes, in whole per cent."""

    shares: dict[str, int]

    def __str__(self) -> str:
        return " ".join(f"{name} {share} %" for name, share in self.shares.items())


class Inside:
    """The tool in this process, on a database, with every statement counted."""

    def __init__(self, url: str, folder: Path) -> None:
        self.bind: Engine = engine(url)
        self.statements: list[str] = []
        event.listen(self.bind, "before_cursor_execute", self._note)
        settings = Settings(
            secret_key=SecretStr("of the benchmark alone, thirty-two characters"),
            public_url="http://127.0.0.1",
            allow_loopback=True,
            data_dir=folder,
            database_url=url,
        )
        self.app: Flask = create_app(settings, sessions=session_factory(self.bind))

    def close(self) -> None:
        """Lets go of the database."""
        self.bind.dispose()

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.lstrip().upper().startswith(NO_QUERY):
            self.statements.append(statement)

    def has(self, endpoint: str) -> bool:
        """Whether the tool has that page."""
        return endpoint in self.app.view_functions

    def address(self, endpoint: str, values: dict[str, Any]) -> str:
        """The path of a page."""
        return self.app.url_map.bind("127.0.0.1").build(endpoint, values)

    def get(self, path: str, cookie: str) -> None:
        """Asks for a page. Raises AssertionError for any answer but 200."""
        answer = self.app.test_client(use_cookies=False).get(path, headers={"Cookie": f"__Host-nengli={cookie}"})
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.get_data(as_text=True)[:2000]}"

    def queries(self, path: str, cookie: str, visits: int = 3) -> list[str]:
        """The statements of the costliest of some visits (the first one may write that somebody saw it)."""
        most: list[str] = []
        for _ in range(visits):
            self.statements.clear()
            self.get(path, cookie)
            most = max(most, list(self.statements), key=len)
        return most

    def profile(self, path: str, cookie: str, visits: int) -> pstats.Stats:
        """Profiles the application alone, without the client that asks."""
        for _ in range(3):
            self.get(path, cookie)
        profiler, inner = cProfile.Profile(), self.app.wsgi_app

        def profiled(environ: Any, start_response: Any) -> Iterable[bytes]:
            profiler.enable()
            try:
                return list(inner(environ, start_response))
            finally:
                profiler.disable()

        self.app.wsgi_app = profiled  # type: ignore[method-assign]
        try:
            for _ in range(visits):
                self.get(path, cookie)
        finally:
            self.app.wsgi_app = inner  # type: ignore[method-assign]
        return pstats.Stats(profiler, stream=io.StringIO())


def split(stats: pstats.Stats) -> Split:
    """Own time of every function by where it lives; what is built into Python counts for whoever called it."""
    spent: Counter[str] = Counter()
    for function, (_, _, own, _, callers) in stats.stats.items():  # type: ignore[attr-defined]
        place = _place(function)
        if place:
            spent[place] += own
            continue
        for caller, (_, _, part, _) in callers.items():
            spent[_place(caller) or "rest"] += part
    total = sum(spent.values()) or 1.0
    return Split({name: round(100 * spent[name] / total) for name in (*PLACES, "rest")})


def _place(function: Function) -> str:
    """Which part of the house a function belongs to; "" for what has no file of its own, or another one."""
    if "sqlite3." in function[2] or "psycopg" in function[2]:
        return "database"
    parts = set(Path(function[0]).parts)
    # The nearest folder says it: templates lie within the package of the rules.
    return next((name for name in ("template", "database", "flask", "rules") if parts & set(PLACES[name])), "")
