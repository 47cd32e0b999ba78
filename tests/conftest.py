"""What every test may ask for: a database (SQLite, or PostgreSQL where NENGLI_TEST_DATABASE_URL is set), a fixed now.

`session` shares one connection and is rolled back: the usual choice. `own_database_url` is a migrated database that the
test may really commit to, for tests with two connections, a worker or a server. Nothing here reaches beyond loopback.
"""

import importlib.util
import ipaddress
import os
import re
import secrets
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import firefox
import hypothesis
import pytest
import stock
import system
from flask import Flask
from playwright import sync_api as playwright
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session
from xdist.scheduler import LoadScopeScheduling

import competencies.batches
import competencies.choice_changes
import competencies.models
import competencies.training_models
import lms_plugin.outbox
import lms_plugin.people
import lti.models
import rubrics.models
from lms_plugin import db
from lms_plugin.config import Settings
from tests.factories import Browser, World, build_world, world_in
from tests.people import Cast
from tests.serving import application, settings_of

TABLES = (
    competencies.batches,
    competencies.choice_changes,
    competencies.models,
    competencies.training_models,
    lms_plugin.outbox,
    lms_plugin.people,
    lti.models,
    rubrics.models,
)  # loaded, so related

SERVER = os.environ.get("NENGLI_TEST_DATABASE_URL", "")

# On PostgreSQL, where the same properties come a second time, the first forty of the examples that SQLite had.
EXAMPLES = 40 if SERVER else 100
hypothesis.settings.register_profile("ci", max_examples=EXAMPLES, derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("long", max_examples=5000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("ci")  # `--hypothesis-profile=long` takes its place (tests/fuzzing.py)
STRICT = os.environ.get("NENGLI_NOTHING_LEFT_OUT") == "1"
DATABASE_FIXTURES = frozenset(
    {"template_url", "district_url", "database_url", "own_database_url", "module_database_url", "engine", "connection"}
)
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)
LEFT_OUT = pytest.StashKey[list[str]]()


# --- rows come in no order unless they are asked for in one ---


@event.listens_for(Engine, "connect")
def reverse_unordered(connection: Any, _record: Any) -> None:
    """On SQLite a SELECT without ORDER BY gives its rows backwards, so that nothing here leans on the habit that
    PostgreSQL drops after the first UPDATE."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA reverse_unordered_selects=ON")


# --- what cannot run here is left out loudly ---


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only-database", action="store_true", help="only the tests that use a database")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = []


PARTS = {
    "tests/web/test_every_page.py": ("zh-Hans", "en"),
    "tests/lti/test_stock_consumer.py": stock.GENERATIONS,
    "tests/xblock/test_live.py": stock.GENERATIONS,
}


LONGEST = (  # begin first, so that nobody waits for them at the end
    "tests/journey/test_whole_story.py",
    "tests/web/test_every_page.py",
    "tests/web/test_kit.py",
    "tests/web/test_nothing_lost.py",
    "tests/lti/conformance/test_browsers.py",
    "tests/test_demo.py",
)


def turn_of(nodeid: str) -> int:
    """When a test's turn comes: its file's place among the longest, or after them."""
    file = nodeid.partition("::")[0]
    return LONGEST.index(file) if file in LONGEST else len(LONGEST)


def story_of(nodeid: str) -> str:
    """What stays with one worker: a file, since a journey is one story on one running product; of the two longest files
    each part. What belongs to no part goes with the first: another worker would set all up once more."""
    file, _, rest = nodeid.partition("::")
    told = re.split(r"[\[\]]", rest)[1:2]
    parts = [part for part in PARTS.get(file, ()) for words in told if f"-{part}-" in f"-{words}-"]
    return " ".join([file, *(parts or PARTS.get(file, ())[:1])])


class Stories(LoadScopeScheduling):
    """Shares stories out. (xdist's own groups do nothing with pytest 9.2: they are written to a field that it has given
    up.)"""

    def _split_scope(self, nodeid: str) -> str:
        return story_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Stories | None:
    """Ours for `--dist loadscope`, xdist's for everything else."""
    return Stories(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept, dropped = [], []
    browserless = system.without_browser()
    for item in items:
        reason = ""
        if item.get_closest_marker("browser") and browserless:
            reason = browserless
        elif item.get_closest_marker("firefox") and (absent := firefox.missing()):
            reason = absent
        elif item.get_closest_marker("paper") and not (system.has_pango() and system.has_cjk_font()):
            reason = "no Pango or no Chinese font on this machine"
        elif item.get_closest_marker("postgresql") and not SERVER:
            reason = "no PostgreSQL server (NENGLI_TEST_DATABASE_URL is not set)"
        if reason:
            config.stash[LEFT_OUT].append(f"{item.nodeid}: {reason}")
        elif not config.option.only_database or uses_database(item):
            kept.append(item)
            continue
        dropped.append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    items[:] = sorted(kept, key=lambda item: turn_of(item.nodeid))


def uses_database(item: pytest.Item) -> bool:
    """Does the test ask for a database, itself or through its fixtures?"""
    names = set(getattr(item, "fixturenames", ()))
    return bool(names & DATABASE_FIXTURES) or item.get_closest_marker("postgresql") is not None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    skipped = [f"{report.nodeid}: {report.longrepr[2]}" for report in terminalreporter.stats.get("skipped", [])]
    for line in sorted({*config.stash[LEFT_OUT], *skipped}):
        terminalreporter.write_line(f"∅ {line}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Of parallel runs: what a worker left out is told by the one who prints."""
    node.config.stash[LEFT_OUT] += getattr(node, "workeroutput", {}).get("left_out", [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash[LEFT_OUT]
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if STRICT and (skipped or session.config.stash[LEFT_OUT]) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser to give to Playwright's `executable_path`."""
    path = system.browser()
    assert path is not None, "tests that use the browser carry the marker `browser`"
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[playwright.Browser]:
    """A plain Chromium for the tests of a file."""
    with playwright.sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


# --- no test reaches beyond this machine ---

REACHED: list[str] = []


def is_local(host: Any) -> bool:
    """Is that address (or name) this machine?"""
    if host in {None, "", "localhost", b"localhost"}:
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def guard(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: refuses connections to other machines, and answers every outside name with "no such host"."""
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        if isinstance(address, tuple) and not is_local(address[0]):
            REACHED.append(str(address[0]))
            raise ConnectionRefusedError(f"a test may not reach {address[0]}")
    elif event == "socket.getaddrinfo" and not is_local(arguments[0]):
        try:
            ipaddress.ip_address(arguments[0])
        except ValueError:
            raise socket.gaierror(socket.EAI_NONAME, "tests know no outside names") from None


sys.addaudithook(guard)


@pytest.fixture(autouse=True)
def reached() -> Iterator[list[str]]:
    """The other machines that the test tried to reach; it fails when there is any."""
    REACHED.clear()
    yield REACHED
    assert not REACHED, f"the test tried to reach {REACHED}"


# --- time ---


@pytest.fixture
def now() -> datetime:
    """Monday 2 November 2026, nine in the morning in Shanghai: inside the demo programme's dates."""
    return NOW


# --- databases ---


class Server:
    """Makes and drops databases on the PostgreSQL server of this run."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with self.engine.connect() as connection:
            # Files are copied whole, which takes half the work of the log that newer servers write instead.
            whole = int(connection.scalar(text("SHOW server_version_num")) or 0) >= 150_000
        self.strategy = " STRATEGY FILE_COPY" if whole else ""

    def create(self, template_url: str = "") -> str:
        """A new database, empty or copied from that one; returns its URL."""
        template = (make_url(template_url).database if template_url else "") or "template0"
        name = f"nengli_{secrets.token_hex(6)}"
        with self.engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{self.strategy}'))
        return self.url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Removes the database, cutting off whoever still uses it."""
        with self.engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)'))


@pytest.fixture(scope="session")
def _server() -> Iterator[Server | None]:
    if not SERVER:
        yield None
        return
    server = Server(SERVER)
    yield server
    server.engine.dispose()


def build_schema(url: str) -> None:
    """Brings an empty database to the newest schema, as `nengli db upgrade` does."""
    if importlib.util.find_spec("lms_plugin.migrate"):
        migrate = importlib.import_module("lms_plugin.migrate")
        if migrate.heads():
            migrate.upgrade(url)
            return
    made = db.engine(url)
    db.Model.metadata.create_all(made)
    made.dispose()


@pytest.fixture(scope="session")
def template_url(_server: Server | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated, empty database that others are copied from; nobody stays connected to it."""
    if _server is None:
        path = tmp_path_factory.mktemp("template") / "template.db"
        build_schema(f"sqlite:///{path}")
        settle_sqlite(path)
        yield f"sqlite:///{path}"
        return
    url = _server.create()
    build_schema(url)
    yield url
    _server.drop(url)


def settle_sqlite(path: Path) -> None:
    """Moves what stands in the write-ahead log into the file, so that a copy of the file is the whole database."""
    made = create_engine(f"sqlite:///{path}")
    with made.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    made.dispose()


def copy_of(template: str, server: Server | None, folder: Path) -> Iterator[str]:
    """A copy of the template, removed afterwards."""
    if server is None:
        path = folder / "test.db"
        shutil.copyfile(make_url(template).database or "", path)
        yield f"sqlite:///{path}"
        return
    url = server.create(template)
    yield url
    server.drop(url)


@pytest.fixture(scope="session")
def district_url(template_url: str, _server: Server | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database in which the district of the tests stands as it is at NOW, that others are copied from: to build it is
    twenty times the work of a test. Nobody stays connected to it."""
    folder = tmp_path_factory.mktemp("district")
    for url in copy_of(template_url, _server, folder):
        made = db.engine(url)
        with db.transaction(db.session_factory(made)) as session:
            build_world(session, NOW)
        made.dispose()
        if _server is None:
            settle_sqlite(folder / "test.db")
        yield url


@pytest.fixture(scope="session")
def database_url(template_url: str, _server: Server | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The database that `engine` and `session` share; no test commits to it."""
    yield from copy_of(template_url, _server, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def own_database_url(template_url: str, _server: Server | None, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database of this test alone: it may commit, start threads and servers."""
    yield from copy_of(template_url, _server, tmp_path)


@pytest.fixture(scope="module")
def module_database_url(
    template_url: str, _server: Server | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A migrated, empty database of this module alone: for journeys with processes of their own."""
    yield from copy_of(template_url, _server, tmp_path_factory.mktemp("module"))


@pytest.fixture
def own_district_url(district_url: str, _server: Server | None, tmp_path: Path) -> Iterator[str]:
    """As `own_database_url`, with the district of the tests in it (`world_in`)."""
    yield from copy_of(district_url, _server, tmp_path)


@pytest.fixture(scope="module")
def module_district_url(
    district_url: str, _server: Server | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """As `module_database_url`, with the district of the tests in it."""
    yield from copy_of(district_url, _server, tmp_path_factory.mktemp("module"))


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    """The engine of the shared database, made as the product makes it."""
    made = db.engine(database_url)
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def _district_engine(
    district_url: str, _server: Server | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """The database that all tests with `world` share; no test commits to it."""
    for url in copy_of(district_url, _server, tmp_path_factory.mktemp("shared_district")):
        made = db.engine(url)
        yield made
        made.dispose()


@pytest.fixture
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """One connection in one transaction that never commits; to an empty database, or where the test asks for `world`
    to the one in which the district stands."""
    if "world" in request.fixturenames:
        engine = request.getfixturevalue("_district_engine")
    else:
        engine = request.getfixturevalue("engine")
    with engine.connect().execution_options(writes=True) as opened:
        outer = opened.begin()
        yield opened
        if outer.is_active:
            outer.rollback()


@pytest.fixture
def session(connection: Connection) -> Iterator[Session]:
    """A session whose commits are savepoints: what the test writes is gone when it ends."""
    with Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint") as opened:
        yield opened


# --- a district, and the tool that serves it ---


@pytest.fixture
def world(session: Session, now: datetime) -> World:
    """平安县 with its people, an open programme and one course (tests/factories.py)."""
    return world_in(session, now)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a tool on loopback with an evidence folder of its own."""
    return settings_of(tmp_path)


@pytest.fixture
def clock(now: datetime) -> list[datetime]:
    """The tool's clock: change `clock[0]` and it is later."""
    return [now]


@pytest.fixture
def tool(connection: Connection, settings: Settings, clock: list[datetime]) -> Iterator[Flask]:
    """The whole web application on the test's connection; its commits are savepoints."""
    sessions = sessionmaker(
        connection, class_=Session, expire_on_commit=False, join_transaction_mode="create_savepoint"
    )
    with application(settings, clock=lambda: clock[0], sessions=sessions) as app:
        yield app


@pytest.fixture
def browse(tool: Flask, world: World) -> Callable[[Cast | None], Browser]:
    """`browse(CHEN)` is a browser in which she is signed in; `browse(None)` a stranger's."""

    def browser(who: Cast | None) -> Browser:
        client = tool.test_client()
        if who is None:
            return Browser(client, "")
        signed_in = world.sign_in(client, who)
        world.session.commit()
        return signed_in

    return browser
