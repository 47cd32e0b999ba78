"""The edge of a request: one database session, who is here, and when. All of it lives and dies with the request.

It is kept in the WSGI environment, not on `flask.g`, so that nothing can leak from one request to the next.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from flask import Flask, current_app, request
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session

import lti
from lms_plugin.access import Actor
from lms_plugin.config import Settings
from lms_plugin.db import get, pk, writes
from lms_plugin.errors import Conflict, Forbidden, Refused
from lms_plugin.flow import enter
from lms_plugin.net import Http
from lms_plugin.people import Course, Person, Tenant, WebSession
from lms_plugin.storage import Storage

COOKIE = "__Host-nengli"
BEARER_HEADER = "X-Nengli-Session"
FINGERPRINT_HEADER = "X-Nengli-Fingerprint"
CSRF_HEADER = "X-Nengli-Csrf"
# GET requests that write: OIDC login, ticket redemption, and views of evidence (who saw what).
GETS_THAT_COMMIT = frozenset({"lti.login", "review.page", "cases.page", "evidence.file", "lti.download"})
# Requests that hosts or strangers make: no session, no CSRF token.
OPEN_ENDPOINTS = frozenset(
    {
        "lti.login",
        "lti.launch",
        "lti.jwks",
        "lti.window",
        "lti.redeem",
        "static",
        "health.live",
        "health.ready",
        "lti.download",
        "people.invitation",
        "help.page",
        "uploads.options",
    }
)
# Changing requests that may come from another site: a host's login initiation and its launch.
CROSS_SITE_ENDPOINTS = frozenset({"lti.login", "lti.launch"})


@dataclass
class Parts:
    """What an application is made of, built once by `create_app`."""

    settings: Settings
    sessions: "sessionmaker[Session]"
    storage: Storage
    http: Http
    clock: Callable[[], datetime]
    wake: Callable[[], None]


@dataclass
class Edge:
    """This request: its session, its moment, its person."""

    db: Session
    now: datetime
    web_session: WebSession | None = None
    person: Person | None = None
    tenant: Tenant | None = None
    course: Course | None = None
    actor: Actor | None = None
    by_bearer: bool = False
    new_bearer: str = ""
    committed: bool = False
    wakes: bool = False


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
    """This request's edge; opens its database session on first use."""
    found = request.environ.get("nengli.edge")
    if found is None:
        made = parts()
        session = made.sessions()
        if request.method not in {"GET", "HEAD", "OPTIONS"} or request.endpoint in GETS_THAT_COMMIT:
            writes(session)
        found = Edge(db=session, now=made.clock())
        request.environ["nengli.edge"] = found
    return cast("Edge", found)


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
    if request.endpoint in CROSS_SITE_ENDPOINTS:
        return  # a launch brings its own proof, and must not open a transaction before the host's keys are here
    here = edge()
    bearer = request.headers.get(BEARER_HEADER, "")
    cookie = request.cookies.get(COOKIE, "")
    row = enter.session_of(here.db, bearer_hash=digest(bearer), now=here.now) if bearer else None
    here.by_bearer = row is not None
    if row is None and cookie:
        row = enter.session_of(here.db, token_hash=digest(cookie), now=here.now)
    if row is None:
        return
    here.web_session = row
    here.person = get(here.db, Person, row.person_id)
    here.tenant = get(here.db, Tenant, row.tenant_id)
    here.course = get(here.db, Course, row.course_id) if row.course_id is not None else None
    here.actor = enter.actor_of(here.db, here.person, row.course_id, here.now)


def guard() -> None:
    """Default deny: strangers reach only the open endpoints; changing requests prove where they come from."""
    if request.endpoint is None or request.endpoint in OPEN_ENDPOINTS:
        return
    here = edge()
    if here.actor is None:
        raise SignedOut
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.endpoint not in CROSS_SITE_ENDPOINTS:
        raise Forbidden("session.cross_site")
    assert here.web_session is not None
    given = request.headers.get(FINGERPRINT_HEADER) or form_value("fingerprint")
    if given and given != fingerprint(here.web_session):
        raise Conflict("session.other_person", name=here.person.name if here.person else "")
    token = request.headers.get(CSRF_HEADER) or form_value("csrf_token")
    if not hmac.compare_digest(token.encode(), here.web_session.csrf.encode()):
        raise Forbidden("session.csrf")


def form_value(name: str) -> str:
    """A hidden field of a form post; "" for other bodies (a streamed upload is never parsed as a form)."""
    if request.mimetype in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        return str(request.form.get(name, ""))
    return ""


def fingerprint(row: WebSession) -> str:
    """Names the person (not the session) a page was made for: a later cookie of somebody else then shows."""
    return hashlib.sha256(f"person:{row.tenant_id}:{row.person_id}".encode()).hexdigest()[:16]


def new_token() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def commit() -> None:
    """Ends the transaction now: for launches and uploads, which write in short steps of their own."""
    here = edge()
    here.db.commit()
    here.committed = True


def wake_worker() -> None:
    """After this request's commit the worker is woken (it would sweep by itself a little later)."""
    edge().wakes = True


def frame_ancestors() -> list[str]:
    """Origins that may frame us: the registered platforms."""
    here = edge()
    return lti.frame_ancestors(here.db)


def person_key() -> int:
    """The signed-in person's internal id."""
    here = edge()
    if here.person is None:
        raise SignedOut
    return pk(here.person)
