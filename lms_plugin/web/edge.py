"""The edge of a request: one database session, who is here, and when. All of it lives and dies with the request.

It is kept in the WSGI environment, not on `flask.g`, so that nothing can leak from one request to the next.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from flask import Flask, current_app, request
from sqlalchemy import Engine
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session

import lti
from lms_plugin import leaving
from lms_plugin.access import Actor
from lms_plugin.config import Settings
from lms_plugin.db import writes
from lms_plugin.errors import Conflict, Forbidden, NotFound, Refused
from lms_plugin.flow import sessions
from lms_plugin.flow.returning import Places
from lms_plugin.net import Http
from lms_plugin.people import Course, Person, Tenant, WebSession
from lms_plugin.storage import Storage

COOKIE = "__Host-nengli"
BEARER_HEADER = "X-Nengli-Session"
FINGERPRINT_HEADER = "X-Nengli-Fingerprint"
CSRF_HEADER = "X-Nengli-Csrf"
# GET requests that write: OIDC login, ticket redemption, and views of evidence (who saw what).
READS_FIRST = frozenset({"audit.entry", "evidence.preview", "evidence.page", "evidence.picture"})
"""GETs that read everything first and write a line at the end, in a transaction of its own: what they read may take its
time, and on SQLite nobody else writes meanwhile."""
GETS_THAT_COMMIT = frozenset(
    {
        *("lti.login", "review.page", "cases.page", "evidence.file", "evidence.preview", "audit.entry"),
        *("evidence.page", "evidence.picture"),
        *("appeals.review", "lti.download", "archives.file"),
    }
)
# Pages that a stranger may see.
OPEN_ENDPOINTS = frozenset(
    {
        "lti.login",
        "lti.launch",
        "lti.not_posted",
        "lti.proved",
        "lti.jwks",
        "lti.window",
        "lti.redeem",
        "lti.here",
        "register.page",
        "static",
        "health.live",
        "health.ready",
        "lti.download",
        "people.invitation",
        "help.page",
        "kit.page",
        "sign_in.page",
        "chain.publicity",
        "uploads.options",
        "verify.page",
        "transfers.keys",
        "intakes.page",
        "look.page",
        "inbox.off",
    }
)
# Changing requests without a session, hence without a CSRF token: a ticket, bearer or code in the body is their proof.
OPEN_CHANGES = frozenset(
    {
        "lti.login",
        "lti.launch",
        "lti.proved",
        "lti.notices",
        "lti.window",
        "lti.redeem",
        "lti.here",
        "register.begin",
        "sign_in.page",
        "intakes.stop",
        "intakes.go_on",
        "inbox.off",
    }
)
# Changing requests that may come from another site: a host's login initiation and its launch.
CROSS_SITE_ENDPOINTS = frozenset({"lti.login", "lti.launch"})
# Requests of a launch or of a host itself: they bring a proof of their own, whoever is signed in, and are in the launch
# log, always.
LAUNCH_ENDPOINTS = CROSS_SITE_ENDPOINTS | {"lti.proved", "lti.notices"}
# What a person may still send where their district is read-only: ways in, how pages look, and what ends the state.
CHANGES_WHEN_READ_ONLY = frozenset(
    {
        *("lti.ticket", "people.choose_locale", "people.choose_text_size", "people.choose_theme"),
        "people.choose_reading",
        *("archives.ask", "archives.cancel", "archives.forward"),
    }
)


@dataclass
class Pace:
    """How often each address has asked, in its minute: for pages that anybody may open."""

    most: int = 30
    window: timedelta = timedelta(minutes=1)
    remembered: int = 10_000  # addresses; the one that came first is forgotten first
    seen: "OrderedDict[str, tuple[datetime, int]]" = field(default_factory=OrderedDict)

    def admits(self, address: str, now: datetime) -> bool:
        """Counts a question; False where it is one too many."""
        since, count = self.seen.pop(address, (now, 0))
        if now - since >= self.window:
            since, count = now, 0
        self.seen[address] = (since, count + 1)
        while len(self.seen) > self.remembered:
            self.seen.popitem(last=False)
        return count < self.most


@dataclass
class Parts:
    """What an application is made of, built once by `create_app`."""

    settings: Settings
    sessions: "sessionmaker[Session]"
    storage: Storage
    http: Http
    clock: Callable[[], datetime]
    wake: Callable[[], None]
    direct: Engine | None  # for the statements of lms_plugin/direct.py
    pace: Pace = field(default_factory=Pace)  # of those who check papers
    places: Places = field(default_factory=Places)  # from which people launched here


@dataclass
class Edge:
    """This request: its session, its moment, its person."""

    now: datetime
    opens: Callable[[], Session]
    opened: Session | None = None
    web_session: WebSession | None = None
    person: Person | None = None
    tenant: Tenant | None = None
    course: Course | None = None
    actor: Actor | None = None
    takes_part: bool = False  # in any programme, as a teacher
    unread: int = 0  # messages
    by_doors: bool = False  # from a host with several doors
    by_bearer: bool = False
    locale: str = ""  # what a launch says, before anybody is signed in
    framed_by: list[str] | None = None  # origins of the host that the person comes from
    sends_to: str = ""  # the origin to which a form of this page may be sent besides our own
    wakes: bool = False

    @property
    def timezone(self) -> str:
        """The district's time zone; a stranger's page goes by China's."""
        return self.tenant.timezone if self.tenant is not None else "Asia/Shanghai"

    @property
    def db(self) -> Session:
        """The database session, opened on first use."""
        if self.opened is None:
            self.opened = self.opens()
        return self.opened


def utc_now() -> datetime:
    """The moment, aware, UTC."""
    return datetime.now(UTC)


def parts(app: Flask | None = None) -> Parts:
    """The application's parts."""
    return cast("Parts", (app or current_app).extensions["nengli"])


def digest(token: str) -> str:
    """How tokens are kept: SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def edge() -> Edge:
    """This request's edge."""
    found = request.environ.get("nengli.edge")
    if found is None:
        found = Edge(now=parts().clock(), opens=_opened)
        request.environ["nengli.edge"] = found
    return cast("Edge", found)


def _opened() -> Session:
    session = parts().sessions()
    reads_first = request.method == "GET" and request.endpoint in READS_FIRST
    if request.method not in {"GET", "HEAD", "OPTIONS"} or (request.endpoint in GETS_THAT_COMMIT and not reads_first):
        writes(session)
    return session


def db() -> Session:
    """This request's database session."""
    return edge().db


def actor() -> Actor:
    """Who acts. Raises Refused `session.none` (401 page) for a stranger."""
    found = edge().actor
    if found is None:
        raise SignedOut
    return found


class SignedOut(Refused):
    """Nobody is signed in: the one same page for every path."""

    status = 401

    def __init__(self) -> None:
        super().__init__("session.none")


def load_viewer() -> None:
    """Before each request: finds the session by cookie or bearer and derives the person, their roles and locale."""
    if request.endpoint in LAUNCH_ENDPOINTS:
        return  # a launch brings its own proof: whoever is signed in here has nothing to do with it
    here = edge()
    bearer = request.headers.get(BEARER_HEADER, "")
    cookie = request.cookies.get(COOKIE, "")
    found = sessions.visitor_of(here.db, here.now, bearer_hash=digest(bearer)) if bearer else None
    here.by_bearer = found is not None
    if found is None and cookie:
        found = sessions.visitor_of(here.db, here.now, token_hash=digest(cookie))
    if found is None:
        return
    here.web_session, here.person, here.tenant, here.course = found.row, found.person, found.tenant, found.course
    here.framed_by = found.host_origins
    here.actor, here.takes_part, here.unread = found.actor, found.takes_part, found.unread
    here.by_doors = found.by_doors


def is_somebody() -> bool:
    """Whether the request carries the cookie or bearer of a session that lives; asked before its transaction begins."""
    here = parts()
    given = [("bearer_hash", request.headers.get(BEARER_HEADER, "")), ("token_hash", request.cookies.get(COOKIE, ""))]
    with here.sessions() as session:
        return any(
            value and sessions.visitor_of(session, here.clock(), **{name: digest(value)}) is not None
            for name, value in given
        )


def guard() -> None:
    """Default deny: strangers reach only the open endpoints; changing requests prove where they come from."""
    if request.endpoint is None:
        return
    changes = request.method not in {"GET", "HEAD", "OPTIONS"}
    if changes and request.endpoint not in CROSS_SITE_ENDPOINTS and is_from_elsewhere():
        raise Forbidden("session.cross_site")
    if request.endpoint in (OPEN_CHANGES if changes else OPEN_ENDPOINTS):
        return
    here = edge()
    if here.actor is None:
        raise SignedOut
    if "\0" in request.path:
        raise NotFound  # the name of nothing; PostgreSQL breaks on it
    if not changes:
        return
    assert here.web_session is not None
    given = request.headers.get(FINGERPRINT_HEADER) or form_value("fingerprint")
    if given and given != fingerprint(here.web_session):
        raise Conflict("session.other_person", name=here.person.name if here.person else "")
    token = request.headers.get(CSRF_HEADER) or form_value("csrf_token")
    if not sessions.is_form_of(here.db, here.web_session, token, here.now):
        raise Forbidden("session.csrf")
    if here.tenant is not None and request.endpoint not in CHANGES_WHEN_READ_ONLY:
        leaving.must_be_open(here.tenant, here.now)


def is_from_elsewhere() -> bool:
    """Whether the browser says that another site made this request. Old browsers say nothing; the CSRF token and the
    Strict cookie of `lti.redeem` stand for them."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") in {"cross-site", "same-site"}


def form_value(name: str) -> str:
    """A hidden field of a form post; "" for other bodies (a streamed upload is never parsed as a form)."""
    if request.mimetype in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        return str(request.form.get(name, ""))
    return ""


def fingerprint(row: WebSession) -> str:
    """Names the person (not the session) a page was made for: a later cookie of somebody else then shows."""
    return hashlib.sha256(f"person:{row.tenant_id}:{row.person_id}".encode()).hexdigest()[:16]


def is_own_path(target: str) -> bool:
    """A path of ours, not another site's address in disguise."""
    return target.startswith("/") and not target.startswith("//") and target.isprintable() and "\\" not in target


def new_token() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def commit() -> None:
    """Ends the transaction now: for launches and uploads, which write in short steps of their own."""
    edge().db.commit()


def unread_launch(code: str) -> Refused:
    """Writes the launch-log row of a request that is no launch, and gives the refusal to raise or show."""
    refused = lti.refuse_unread(edge().db, code, edge().now)
    commit()
    return refused


def wake_worker() -> None:
    """After this request's commit the worker is woken (it would sweep by itself a little later)."""
    edge().wakes = True


def frame_ancestors() -> list[str]:
    """Origins that may frame this page: the host that the person came from; before anybody is known, every
    registered one (a refusal must be readable where it happens)."""
    here = edge()
    return here.framed_by if here.framed_by is not None else lti.frame_ancestors(here.db)
