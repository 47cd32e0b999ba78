"""What the rows need: the tool behind real HTTP, platforms with their own keys, browsers that keep or lose cookies."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from sqlalchemy import Engine, func
from sqlalchemy import select as columns
from sqlmodel import Session, select

import lti
from lms_plugin import db
from lms_plugin.db import Model, pk
from lms_plugin.net import Http
from lms_plugin.people import Tenant
from tests.factories import World, world_in
from tests.hosts import loopback, resign
from tests.lti.desk import initiation
from tests.serving import tool_on_loopback

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
SESSION_COOKIE = "__Host-nengli"
LEARNER, INSTRUCTOR = MEMBERSHIP + "Learner", MEMBERSHIP + "Instructor"


@dataclass
class Keys:
    """A platform's key-set address and what it answers. `asked` counts the fetches."""

    url: str = ""
    body: Any = None
    mood: str = "well"  # or: hangs, redirects, huge, html, broken
    asked: int = 0
    released: threading.Event = field(default_factory=threading.Event)  # no answer hangs any longer


@contextmanager
def key_server() -> Iterator[Keys]:
    """A key set on loopback."""
    keys = Keys(body=resign.jwks())

    class Handler(loopback.Handler):
        def do_GET(self) -> None:
            keys.asked += 1
            if keys.mood == "hangs":
                keys.released.wait(60)
                return
            body = {
                "html": b"<html>login</html>",
                "huge": b'{"keys": [' + b" " * 10_000_000 + b"]}",
            }.get(keys.mood, json.dumps(keys.body).encode())
            if keys.mood == "redirects":
                self.say(302, body, Location="http://127.0.0.1:1/elsewhere")
            else:
                self.say(200, body)

    with loopback.handled(Handler) as port:
        keys.url = f"http://127.0.0.1:{port}/jwks"
        try:
            yield keys
        finally:
            keys.released.set()


LARGE = frozenset(
    {"framework_version", "competency_point", "evidence_requirement", "rubric_version", "criterion", "criterion_level"}
)


@dataclass
class Bench:
    """The running tool, its database as an onlooker sees it, and its clock."""

    url: str
    engine: Engine
    clock: list[datetime]
    world: World
    keys: Keys
    strips: list[str]  # attributes that this tool's cookies lose on the way
    asked: list[str]  # the addresses that browsers asked the tool for
    http: Http  # how the tool asks others

    @contextmanager
    def little_patience(self) -> Iterator[None]:
        """The tool waits 3 s for others instead of 8, for hosts that hang; not elsewhere: busy machines answer late."""
        usual, self.http.total_seconds = self.http.total_seconds, 3.0
        try:
            yield
        finally:
            self.http.total_seconds = usual

    @property
    def now(self) -> datetime:
        """The tool's moment."""
        return self.clock[0]

    def counts(self) -> dict[str, int]:
        """Rows of every table."""
        with self.engine.connect() as connection:
            return {
                table.name: connection.execute(columns(func.count()).select_from(table)).scalar_one()
                for table in Model.metadata.sorted_tables
            }

    def kept(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of every table, in order; of standards and rubrics, which are large and unchangeable, their ids."""
        with self.engine.connect() as connection:
            return {
                table.name: sorted(
                    map(tuple, connection.execute(columns(table.c.id if table.name in LARGE else table))), key=repr
                )
                for table in Model.metadata.sorted_tables
            }

    def last_log(self) -> lti.LaunchLog:
        """The newest row of the launch log."""
        with Session(self.engine) as session:
            row = session.exec(select(lti.LaunchLog).order_by(lti.LaunchLog.id.desc()).limit(1)).one()
            session.expunge(row)
            return row


def stripping(inner: Any, strips: list[str], asked: list[str]) -> Any:
    """The application, whose cookies lose those attributes: as in a browser that does not know them."""

    def outer(environ: dict[str, Any], start_response: Any) -> Any:
        asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            lost = "|".join(map(re.escape, strips)) or "(?!)"
            kept = [(k, re.sub(rf"; ?({lost})(?=;|$)", "", v) if k.lower() == "set-cookie" else v) for k, v in headers]
            return start_response(status, kept, *error)

        return inner(environ, start)

    return outer


@contextmanager
def running(database_url: str, folder: Path, now: datetime, host: str = "localhost") -> Iterator[Bench]:
    """The tool on loopback, under that name, over a district with a course."""
    clock = [now]
    strips: list[str] = []
    asked: list[str] = []
    with (
        tool_on_loopback(
            database_url, folder, lambda: clock[0], host, lambda inner: stripping(inner, strips, asked)
        ) as tool,
        tool.sessions() as session,
        key_server() as keys,
    ):
        db.writes(session)
        world = world_in(session, now)
        session.commit()
        yield Bench(tool.url, tool.engine, clock, world, keys, strips, asked, tool.app.extensions["nengli"].http)


@dataclass
class Jar:
    """A browser's cookies. Kept by hand: `requests` would not send a Secure cookie over plain loopback."""

    keeps: bool = True
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, url: str, data: Mapping[str, str] | None = None) -> requests.Response:
        """One request, no redirect followed."""
        head = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} if self.cookies else {}
        answer = requests.request(method, url, data=data, headers=head, allow_redirects=False, timeout=20)
        for line in answer.raw.headers.getlist("Set-Cookie") if self.keeps else []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies.pop(name, None)
            if value and "Max-Age=0" not in line:
                self.cookies[name] = value
        return answer


@dataclass
class Platform:
    """A registration at the tool and the host that uses it."""

    bench: Bench
    issuer: str
    client_id: str = "client-1"
    deployment: str = "1"
    auth_url: str = ""
    row: lti.Platform = field(init=False)
    said: str = field(init=False, default="")  # the text of the last page of refusal

    def __post_init__(self) -> None:
        with db.transaction(db.session_factory(self.bench.engine)) as session:
            self.row = lti.add_platform(
                session,
                pk(session.get(Tenant, pk(self.bench.world.tenant))),
                issuer=self.issuer,
                client_id=self.client_id,
                auth_url=self.auth_url or self.issuer + "/auth",
                token_url=self.issuer + "/token",
                jwks_url=f"{self.bench.keys.url}?{urlencode({'of': self.issuer + self.client_id})}",
                deployments=[self.deployment],
                now=self.bench.now,
                allow_loopback=True,
            )
            session.flush()
            session.expunge(self.row)

    def initiation(self, **changes: str | None) -> dict[str, str]:
        """What the host sends to `/lti/login`; None leaves a parameter out."""
        return initiation(self.issuer, self.client_id, self.deployment, self.bench.url, changes)

    def login(self, jar: Jar, **changes: str | None) -> dict[str, str]:
        """A login; gives what the host's auth address receives."""
        answer = jar.ask("GET", f"{self.bench.url}/lti/login?{urlencode(self.initiation(**changes))}")
        assert answer.status_code == 302, answer.text
        query = urlsplit(answer.headers["Location"]).query
        return {key: value[0] for key, value in parse_qs(query, keep_blank_values=True).items()}

    def claims(self, nonce: str, /, **changes: Any) -> dict[str, Any]:
        """The claims of a plain launch now; `changes` by full name, None removes."""
        plain = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": "8",
            CLAIM + "deployment_id": self.deployment,
            CLAIM + "target_link_uri": self.bench.url + "/lti/launch",
            CLAIM + "message_type": "LtiResourceLinkRequest",
            CLAIM + "version": "1.3.0",
            CLAIM + "roles": [LEARNER],
            CLAIM + "resource_link": {"id": "link-1", "title": "研修任务"},
            CLAIM + "context": {"id": "course-1", "title": "信息技术研修"},
        }
        return resign.fresh(plain, nonce, self.bench.now, **changes)

    def signed(self, nonce: str, state: str, /, **changes: Any) -> dict[str, str]:
        """The form that answers a login."""
        return {"id_token": resign.sign(self.claims(nonce, **changes)), "state": state}

    def post(self, jar: Jar, form: Mapping[str, str]) -> requests.Response:
        """The host's answer, posted by the browser."""
        return jar.ask("POST", self.bench.url + "/lti/launch", form)

    def launch(self, jar: Jar, header: Mapping[str, Any] | None = None, **changes: Any) -> requests.Response:
        """A login and a launch with changed claims or header members."""
        sent = self.login(jar)
        token = resign.sign(self.claims(sent["nonce"], **changes), **(header or {}))
        return self.post(jar, {"id_token": token, "state": sent["state"]})

    def refused(self, jar: Jar, form: Mapping[str, str]) -> str:
        """Posts what must be refused, and checks what a refusal is: a 4xx page with a sentence and the reference of its
        row in the log, no session, and nothing else written. Gives the code."""
        before = self.bench.kept()
        return self.is_refusal(self.post(jar, form), before)

    def is_refusal(self, answer: requests.Response, before: "Mapping[str, list[tuple[Any, ...]]]") -> str:
        """The checks of `refused` on an answer that is there already."""
        after, self.said = self.bench.kept(), answer.text
        assert 400 <= answer.status_code < 500, answer.status_code
        row = self.bench.last_log()
        assert row.reference in answer.text
        assert re.search(r"<h1[^>]*>[^<]+</h1>", answer.text)
        assert SESSION_COOKIE + "=" not in answer.headers.get("Set-Cookie", "")
        changed = {name for name, rows in before.items() if after[name] != rows}
        # What was learned of the platform's keys stays learned, and its login is used up.
        assert changed - {"lti_key_set", "lti_login_state"} == {"lti_launch_log"}, changed
        new = [one for one in after["lti_launch_log"] if one not in before["lti_launch_log"]]
        assert len(new) == len(after["lti_launch_log"]) - len(before["lti_launch_log"]) == 1
        used = [one for one in before["lti_login_state"] if one not in after["lti_login_state"]]
        assert len(after["lti_login_state"]) == len(before["lti_login_state"])
        assert len(used) <= 1
        return row.outcome

    def bad(self, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """The code that a launch with these changes gets."""
        jar = Jar()
        sent = self.login(jar)
        token = resign.sign(self.claims(sent["nonce"], **changes), **(header or {}))
        return self.refused(jar, {"id_token": token, "state": sent["state"]})

    def good(self, header: Mapping[str, Any] | None = None, **changes: Any) -> lti.LaunchLog:
        """A launch that must succeed in a fresh browser: gives its row in the log."""
        answer = self.launch(Jar(), header, **changes)
        assert answer.status_code == 303, answer.text
        row = self.bench.last_log()
        assert row.outcome == "launched"
        return row
