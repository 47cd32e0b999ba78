"""The tool and a live Open edX consumer beside each other, and the people who go from one to the other."""

import html
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import requests
import stock
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, select

import lti
from lms_plugin import db, migrate
from lms_plugin.config import Settings
from lms_plugin.db import pk, transaction
from lms_plugin.net import Http
from lms_plugin.people import Course, CourseMember, Identity
from lms_plugin.web.edge import utc_now
from lms_plugin.worker import Worker
from tests import serving
from tests.factories import World, build_world
from tests.flow.earned import earn
from tests.lti.conformance.bench import Jar
from tests.people import Cast

START_SECONDS = 60
SCOPES = {
    name: f"https://purl.imsglobal.org/spec/lti-{path}"
    for name, path in (
        ("columns", "ags/scope/lineitem"),
        ("scores", "ags/scope/score"),
        ("results", "ags/scope/result.readonly"),
        ("members", "nrps/scope/contextmembership.readonly"),
    )
}


@dataclass
class Tool:
    """Our tool on loopback, with a district and the real time."""

    settings: Settings
    sessions: "sessionmaker[Session]"
    world: World

    @property
    def url(self) -> str:
        return self.settings.public_url

    @property
    def secret(self) -> str:
        return self.settings.secret_key.get_secret_value()


@contextmanager
def tool_on_loopback(folder: Path) -> Iterator[Tool]:
    """The tool over a SQLite database of its own."""
    url = f"sqlite:///{folder / 'tool.db'}"
    migrate.upgrade(url)
    with serving.tool_on_loopback(url, folder, utc_now) as tool, tool.sessions() as session:
        db.writes(session)
        world = build_world(session, utc_now())
        world.course.programme_id = None  # that course is on no host that runs: no score goes there
        session.add(world.course)
        lti.ensure_tool_key(session, serving.SECRET, world.now)
        session.commit()
        yield Tool(tool.settings, tool.sessions, world)


@contextmanager
def consumer_on_loopback(
    python: Path, tool: str, folder: Path, beside: Path | None = None, name: str = "localhost"
) -> Iterator[str]:
    """The published consumer as a process of its own; gives its address. It ends with us, however we end. `beside`: a
    folder of packages to be there too; `name`: of the machine, as browsers know it."""
    log, paths = folder / "host.log", [stock.HOST, *([beside] if beside else [])]
    with log.open("wb") as errors:
        host = subprocess.Popen(
            [str(python), "-I", "-c", BEGIN, os.pathsep.join(map(str, paths)), tool, str(folder)],
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "LC_ALL": "C.UTF-8", "STOCK_HOST": name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert host.stdin is not None
    assert host.stdout is not None
    said: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=lambda: said.put(host.stdout.readline()), daemon=True)
    reader.start()
    try:
        with suppress(queue.Empty):
            if address := said.get(timeout=START_SECONDS).strip():
                yield address
                return
        raise RuntimeError(f"the consumer did not start: {log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
    finally:
        host.stdin.close()
        try:
            host.wait(timeout=10)
        except subprocess.TimeoutExpired:
            host.kill()
            host.wait()
        reader.join()
        host.stdout.close()


# -I keeps our own folders out of that process; only the host's folder is let in, and what it is tested with.
BEGIN = (
    "import os, runpy, sys; del sys.argv[0]; sys.path[:0] = sys.argv[0].split(os.pathsep); "
    "runpy.run_module('serve', None, '__main__')"
)


@dataclass
class Form:
    """A page's form that a browser would send on by itself."""

    action: str
    fields: dict[str, str]


def form_in(page: str) -> Form:
    """The first form of a page."""
    whole = re.search(r"<form\b[^>]*?\saction=\"([^\"]+)\".*?</form>", page, re.S)
    assert whole is not None, page[:2000]
    found = re.findall(r"<input\b[^>]*?\sname=\"([^\"]+)\"[^>]*?\svalue=\"([^\"]*)\"", whole.group(0), re.S)
    return Form(html.unescape(whole.group(1)), {html.unescape(k): html.unescape(v) for k, v in found})


@dataclass
class Consumer:
    """One generation of the consumer beside the tool, and what is registered between them."""

    DOOR: ClassVar[str] = ""  # by which its accounts come (lti/doors.py)
    generation: str
    root: str
    tool: Tool
    platforms: dict[str, int] = field(default_factory=dict)

    def ask(self, page: str) -> Any:
        """One of the host's pages for the tests."""
        answer = requests.get(f"{self.root}/{page}", timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def gradebook(self, block: str) -> Any:
        """A block's columns, what it published, what was chosen for it."""
        return self.ask(f"gradebook/{block}")

    def published(self, block: str, account: str) -> list[float]:
        """The grades of an account that the block has published, as parts of one, the first one first."""
        number = self.ask(f"account/{account}")["id"]
        events = [one for one in self.gradebook(block)["published"] if one["kind"] == "grade"]
        return [one["value"] / one["max_value"] for one in events if one["user_id"] == number]

    def subject(self, account: str) -> str:
        """The id by which the host names an account to tools."""
        return str(self.ask(f"account/{account}")["subject"])

    def registration(self, block: str) -> "lti.Registration":
        """What follows from the LMS's address, the client id and the one id under the block."""
        printed = self.ask(f"registration/{block}")
        shown = printed["keyset_url"].rpartition("/")[2]
        given = {"site": f"{self.root}/", "client_id": printed["client_id"], "keyset": shown}
        return lti.registration_of("openedx", given)

    def register(self, block: str) -> int:
        """Registers a block with what Studio prints under it; gives the platform's row id. Once for each block."""
        if block not in self.platforms:
            found = self.registration(block)
            with transaction(self.tool.sessions) as session:
                row = lti.add_platform(
                    session,
                    pk(self.tool.world.tenant),
                    issuer=found.issuer,
                    client_id=found.client_id,
                    auth_url=found.auth_url,
                    token_url=found.token_url,
                    jwks_url=found.jwks_url,
                    deployments=[found.deployment],
                    now=datetime.now(UTC),
                    allow_loopback=True,
                )
                self.platforms[block] = pk(row)
        return self.platforms[block]

    def is_the_same(self, account: str, who: Cast) -> None:
        """Says that an account is one of the district's people."""
        with transaction(self.tool.sessions) as session:
            known = {"issuer": self.root, "door": self.DOOR, "subject": self.subject(account)}
            if session.exec(select(Identity).filter_by(**known)).one_or_none() is None:
                whose = {"tenant_id": pk(self.tool.world.tenant), "person_id": pk(self.tool.world.person(who))}
                session.add(Identity(**known, **whose, first_seen_at=datetime.now(UTC)))

    def course(self, block: str) -> Course:
        """The course as launches of this block have described it."""
        with self.tool.sessions() as session:
            return session.exec(
                select(Course)
                .join(lti.Deployment, lti.Deployment.id == Course.deployment_id)
                .where(lti.Deployment.platform_id == self.register(block))
            ).one()

    def member(self, block: str, account: str) -> CourseMember:
        """An account in that course."""
        with self.tool.sessions() as session:
            return session.exec(
                select(CourseMember).where(
                    CourseMember.course_id == pk(self.course(block)), CourseMember.subject == self.subject(account)
                )
            ).one()

    def client(self, block: str, *scopes: str) -> lti.ServiceClient:
        """The tool's client for the block's services, with these rights (columns, scores and results if none)."""
        wanted = [SCOPES[name] for name in scopes or ("columns", "scores", "results")]
        http, now = Http(allow_loopback=True), datetime.now(UTC)
        with transaction(self.tool.sessions) as session:
            return lti.service_client(session, self.register(block), wanted, self.tool.secret, http, now)

    def earned(self, who: Cast, *codes: str) -> None:
        """Points of that person are decided and released."""
        earn(self.tool.world, who, *codes)
        self.tool.world.session.commit()

    def work_until(self, seen: Callable[[], bool], seconds: float = 20) -> None:
        """Lets the worker run what is due until that is so."""
        worker = Worker(self.tool.settings)
        until = time.monotonic() + seconds
        try:
            while not seen():
                assert time.monotonic() < until, "the worker did not bring it about"
                if not worker.run_due():
                    time.sleep(0.1)
        finally:
            worker.close()


@dataclass
class Visitor:
    """An account of the host in a browser: signed in there, a stranger to the tool. Two jars: two sites."""

    consumer: Consumer
    account: str
    host: Jar = field(default_factory=Jar)
    tool: Jar = field(default_factory=Jar)
    address: str = ""

    def __post_init__(self) -> None:
        assert self.host.ask("GET", f"{self.consumer.root}/sign-in/{self.account}").status_code == 204

    def begin(self, page: str, block: str) -> requests.Response:
        """From the host's page to where it sends its signed message: the last page is the host's."""
        self.consumer.register(block)
        first = self.host.ask("GET", f"{self.consumer.root}/{page}/{block}")
        login = self.tool.ask("GET", first.headers["Location"])
        assert login.status_code == 302, login.text
        assert parse_qs(urlsplit(login.headers["Location"]).query)["response_mode"] == ["form_post"]
        return self.host.ask("GET", login.headers["Location"])

    def launch(self, block: str, page: str = "launch") -> requests.Response:
        """The whole way into the tool; gives its answer to the message."""
        sent = form_in(self.begin(page, block).text)
        assert urlsplit(sent.action).netloc == urlsplit(self.consumer.tool.url).netloc
        return self.tool.ask("POST", sent.action, sent.fields)

    def see(self, answer: requests.Response) -> requests.Response:
        """Follows the tool's redirects to a page."""
        for _ in range(5):
            if answer.status_code not in (302, 303):
                return answer
            self.address = self.consumer.tool.url + answer.headers["Location"]
            answer = self.tool.ask("GET", self.address)
        raise AssertionError("redirects without end")
