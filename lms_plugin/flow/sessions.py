"""A person at a browser: sessions, the one-time tickets that carry them into a window without our cookie."""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple, TypedDict, Unpack

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, or_
from sqlalchemy import select as rows
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import lti
from lms_plugin.access import Actor, RoleScope
from lms_plugin.db import get, pk, table
from lms_plugin.errors import Refused
from lms_plugin.flow import humans
from lms_plugin.inbox import Message
from lms_plugin.people import Course, Enrolment, OrgUnit, Person, Role, Tenant, Ticket, WebSession

WINDOW_TICKET = timedelta(minutes=10)  # travels in a form body, never in a URL
URL_TICKET = timedelta(seconds=60)
ANSWER_WITHIN = WINDOW_TICKET  # how long the question "is it you?" of a launch without cookie waits
DOUBLE_CLICK = timedelta(seconds=10)
PROOF_HOLDS = timedelta(hours=12)  # a working day: then who came from where nobody is proved proves themselves again
LOCALES = ("zh-Hans", "en")


class Whose(NamedTuple):
    """Whose session it is, and the course they came from."""

    tenant_id: int
    person_id: int
    course_id: int | None


class Told(TypedDict, total=False):
    """What a launch says of a session (the fields of WebSession)."""

    locale: str
    return_url: str
    platform_origin: str
    document_target: str
    wants: str
    is_demo: bool
    asks_first: bool
    proved_at: datetime | None


@dataclass(frozen=True)
class Entrance:
    """What a launch led to. The tokens leave here once, in a cookie or a page; only their hashes are kept.
    `session_row` is a copy: to change the row, read it."""

    session_row: WebSession
    token: str
    bearer: str


@dataclass(frozen=True)
class Visitor:
    """Who is here: their session, what their roles let them do, whether they take part in any programme, and the
    origins of the host they came from (which may frame our pages). `by_doors`: that host has several doors."""

    row: WebSession
    person: Person
    actor: Actor
    tenant: Tenant
    course: Course | None
    takes_part: bool
    host_origins: list[str]
    unread: int = 0  # messages
    by_doors: bool = False


def page_locale(said: str) -> str:
    """The language of our pages for what a host says (BCP 47): "en-US" is "en"; "" for one that we do not speak."""
    language = said.partition("-")[0]
    return next((one for one in LOCALES if one.partition("-")[0] == language), "")


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


_ROW = insert(table(WebSession)).returning(table(WebSession).c.id)


def open_session(
    session: Session,
    person: Person,
    course: Course | None,
    lifetime: timedelta,
    now: datetime,
    **told: Unpack[Told],
) -> Entrance:
    """Opens a session for a person; tokens are 256 random bits each. `asks_first`: it serves nobody until `confirm`."""
    course_id = course.id if course is not None else None
    return open_for(session, Whose(person.tenant_id, pk(person), course_id), lifetime, now, **told)


def open_for(session: Session, whose: Whose, lifetime: timedelta, now: datetime, **told: Unpack[Told]) -> Entrance:
    """`open_session` where the person and course are known by their ids."""
    token, bearer, values = drawn(whose, lifetime, now, **told)
    row = WebSession(**values, id=session.connection().execute(_ROW, values).scalar_one())
    return Entrance(row, token, bearer)


def drawn(whose: Whose, lifetime: timedelta, now: datetime, **told: Unpack[Told]) -> tuple[str, str, dict[str, Any]]:
    """A new session that nobody has written yet: its token, its bearer, its row by columns."""
    token, bearer = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    locale = told.get("locale", "")
    values: dict[str, Any] = {
        "token_hash": _hash(token),
        "bearer_hash": _hash(bearer),
        "csrf": secrets.token_urlsafe(32),
        "tenant_id": whose.tenant_id,
        "person_id": whose.person_id,
        "course_id": whose.course_id,
        "locale": page_locale(locale),
        "return_url": told.get("return_url", "")[:2000],
        "platform_origin": told.get("platform_origin", "")[:300],
        "document_target": told.get("document_target", "")[:16],
        "wants": told.get("wants", ""),
        "is_demo": told.get("is_demo", False),
        "asks_first": told.get("asks_first", False),
        "created_at": now,
        "expires_at": now + lifetime,
        "ended_at": None,
        "proved_at": told.get("proved_at"),
    }
    return token, bearer, values


def _is_of_session(row: Any) -> ColumnElement[bool]:
    """Whether an alias of Person is the session's own row or one that a merge absorbed into it."""
    return or_(col(row.id) == col(WebSession.person_id), col(row.merged_into_id) == col(WebSession.person_id))


_Row, _Enrolled = aliased(Person), aliased(Person)
_TAKES_PART = (
    rows(col(Enrolment.id))
    .join(_Enrolled, col(_Enrolled.id) == col(Enrolment.person_id))
    .where(_is_of_session(_Enrolled))
    .correlate(WebSession)
    .exists()
)
_Told = aliased(Person)
_UNREAD = (
    rows(func.count(col(Message.id)))
    .join(_Told, col(_Told.id) == col(Message.person_id))
    .where(_is_of_session(_Told), col(Message.read_at).is_(None))
    .correlate(WebSession)
    .scalar_subquery()
)
# Every page asks: put together once, with places for the hash and the moment.
_LIVING = (
    rows(WebSession, Person, Tenant, Course, lti.Platform, _TAKES_PART, _UNREAD, Role, col(OrgUnit.path))
    .join(Person, col(Person.id) == col(WebSession.person_id))
    .join(Tenant, col(Tenant.id) == col(WebSession.tenant_id))
    .join(Course, col(Course.id) == col(WebSession.course_id), isouter=True)
    .join(lti.Deployment, col(lti.Deployment.id) == col(Course.deployment_id), isouter=True)
    .join(lti.Platform, col(lti.Platform.id) == col(lti.Deployment.platform_id), isouter=True)
    .join(_Row, _is_of_session(_Row))
    .join(Role, and_(col(Role.person_id) == col(_Row.id), col(Role.revoked_at).is_(None)), isouter=True)
    .join(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id), isouter=True)
    .where(
        col(WebSession.expires_at) > bindparam("now"),
        col(WebSession.ended_at).is_(None),
        col(WebSession.asks_first).is_(False),
    )
)
_BY_BEARER = _LIVING.where(col(WebSession.bearer_hash) == bindparam("hash"))
_BY_COOKIE = _LIVING.where(col(WebSession.token_hash) == bindparam("hash"))


def visitor_of(
    session: Session, now: datetime, token_hash: str | None = None, bearer_hash: str | None = None
) -> Visitor | None:
    """Who comes with the cookie or bearer of that hash, if the session lives, with all roles that hold now, each with
    its reach. One query (a row for each role, and for each row a merge absorbed): every page asks."""
    statement, given = (_BY_BEARER, bearer_hash) if bearer_hash is not None else (_BY_COOKIE, token_hash)
    found = session.execute(statement, {"hash": given, "now": now}).all()
    if not found:
        return None
    row, person, tenant, course, platform, enrolled, unread = found[0][:7]
    origins = lti.platform_origins(platform) if platform is not None else []
    actor = actor_of(person, row.course_id, [(role, path) for *_, role, path in found if role is not None])
    if platform is not None and not lti.proves_who(platform) and not is_proved(row, now):
        actor = replace(actor, is_guessable=True)
    return Visitor(
        *(row, person, actor, tenant, course, bool(enrolled), sorted({*origins, row.platform_origin} - {""})),
        unread=unread,
        by_doors=platform is not None and lti.has_doors(platform),
    )


def is_proved(row: WebSession, now: datetime) -> bool:
    """Whether whoever has this session has shown that it is really them, lately enough."""
    return row.proved_at is not None and now < row.proved_at + PROOF_HOLDS


def carry_proof(session: Session, browser_hash: str, token_hash: str, now: datetime) -> None:
    """A launch in a browser in which this person has proved themselves: its new session has the proof of the one that
    the browser shows, no longer than that holds. Nothing where that was another person's, or was ended."""
    rows = session.exec(select(WebSession).where(col(WebSession.token_hash).in_([browser_hash, token_hash]))).all()
    known = {row.token_hash: row for row in rows}
    before, new = known.get(browser_hash), known.get(token_hash)
    if before is None or new is None or before is new or before.ended_at is not None:
        return
    if before.person_id == new.person_id and is_proved(before, now):
        new.proved_at = before.proved_at
        session.add(new)
        session.flush()


def actor_of(person: Person, course_id: int | None, roles: Iterable[tuple[Role, str | None]]) -> Actor:
    """A person with these roles, each with the path of its unit, as one who acts. `course_id`: where they came from."""
    held = tuple(RoleScope(role.kind, role.course_id, path or "", role.is_provisional) for role, path in roles)
    return Actor(person.tenant_id, pk(person), held, course_id, person.locale or "zh-Hans", tuple(person.absorbed_ids))


def as_actor(session: Session, person: Person) -> Actor:
    """Somebody with the roles that hold now, for what goes on in their name when they are gone. One query."""
    held: Any = (
        rows(Role, col(OrgUnit.path))
        .join(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id), isouter=True)
        .where(col(Role.person_id).in_(humans.rows_of(person)), col(Role.revoked_at).is_(None))
    )
    return actor_of(person, None, [(role, path) for role, path in session.execute(held)])


def is_form_of(session: Session, row: WebSession, csrf: str, now: datetime) -> bool:
    """Whether a form's token belongs to this session, or to another live one of the same person: who launched again in
    a second tab may still send what the first tab shows."""
    if hmac.compare_digest(csrf.encode(), row.csrf.encode()):
        return True
    others = session.exec(
        select(WebSession.csrf).where(
            WebSession.person_id == row.person_id, col(WebSession.expires_at) > now, col(WebSession.ended_at).is_(None)
        )
    ).all()
    return any(hmac.compare_digest(csrf.encode(), other.encode()) for other in others)


def say_yes(session: Session, bearer: str, now: datetime) -> WebSession:
    """ "是我，就在这里继续": from now on the launch's bearer serves its tab. Said twice it stays said.

    Raises Refused `ticket.used` for an unknown bearer, an ended session, or an answer that took too long.
    """
    row = session.exec(
        select(WebSession).where(
            WebSession.bearer_hash == _hash(bearer),
            col(WebSession.expires_at) > now,
            col(WebSession.ended_at).is_(None),
        )
    ).one_or_none()
    if row is None or (row.asks_first and row.created_at + ANSWER_WITHIN <= now):
        raise Refused("ticket.used")
    if row.asks_first:
        row.asks_first = False
        session.add(row)
        session.flush()
    return row


def again(session: Session, web_session_id: int, lifetime: timedelta, now: datetime) -> Entrance:
    """The same browser sent its launch twice: it gets the place of the first one, with tokens of its own (only their
    hashes are kept, and a browser may have dropped the first answer)."""
    row = get(session, WebSession, web_session_id)
    return _like(session, row, row.document_target, min(lifetime, row.expires_at - now), now)


def _like(session: Session, row: WebSession, document_target: str, lifetime: timedelta, now: datetime) -> Entrance:
    person = humans.held(session, row.person_id)
    session.refresh(row)
    if row.ended_at is not None:  # by a merge that was under way: who waited here reads what it made
        raise Refused("ticket.used")
    course = get(session, Course, row.course_id) if row.course_id is not None else None
    return open_session(
        session,
        person,
        course,
        lifetime,
        now,
        locale=row.locale,
        return_url=row.return_url,
        platform_origin="" if document_target == "window" else row.platform_origin,
        document_target=document_target,
        wants=row.wants,
        is_demo=row.is_demo,
        proved_at=row.proved_at,
    )


def issue_ticket(session: Session, row: WebSession, purpose: str, target: str, now: datetime) -> str:
    """A one-time pass into a window without our cookie. `purpose`: "window" (form body) or "download" (URL, 60 s)."""
    token = secrets.token_urlsafe(24)
    lifetime = URL_TICKET if purpose == "download" else WINDOW_TICKET
    session.add(
        Ticket(
            token_hash=_hash(token),
            web_session_id=pk(row),
            purpose=purpose,
            target=target[:1000],
            expires_at=now + lifetime,
        )
    )
    session.flush()
    return token


def ticket_person(
    session: Session, token: str, purpose: str, now: datetime, browser: str = ""
) -> tuple[Ticket, WebSession, Person]:
    """Who a ticket stands for, without using it up. `browser` is the secret of the browser that may have used it up
    some seconds ago. Raises Refused `ticket.used` when used, over, or unknown."""
    ticket = session.exec(
        select(Ticket)
        .where(Ticket.token_hash == _hash(token), Ticket.purpose == purpose, col(Ticket.expires_at) > now)
        .with_for_update()
    ).one_or_none()
    row = get(session, WebSession, ticket.web_session_id) if ticket is not None else None
    if ticket is None or row is None or row.ended_at is not None or row.expires_at <= now:
        raise Refused("ticket.used")
    if ticket.used_at is not None and not (
        browser and ticket.browser_hash == _hash(browser) and now - ticket.used_at <= DOUBLE_CLICK
    ):
        raise Refused("ticket.used")
    return ticket, row, get(session, Person, row.person_id)


def redeem_ticket(session: Session, token: str, purpose: str, now: datetime, browser: str = "") -> tuple[Entrance, str]:
    """Uses a ticket up and opens a session of its own for the new window; gives that and the ticket's target."""
    ticket, row, _person = ticket_person(session, token, purpose, now, browser)
    ticket.used_at = ticket.used_at or now
    ticket.browser_hash = _hash(browser) if browser else ""
    session.add(ticket)
    session.flush()
    return _like(session, row, "window", row.expires_at - now, now), ticket.target


def person_of(session: Session, row: WebSession) -> Person:
    """Whose session it is."""
    return get(session, Person, row.person_id)


def end_sessions(session: Session, person_id: int, now: datetime) -> None:
    """Signs the person out everywhere."""
    for row in session.exec(
        select(WebSession).where(WebSession.person_id == person_id, col(WebSession.ended_at).is_(None))
    ).all():
        row.ended_at = now
        session.add(row)
