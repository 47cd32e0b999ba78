"""A verified launch becomes a person in a course: identities, roles, enrolments, sessions, tickets."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin.access import Actor, Permission, RoleScope, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import NotFound, Refused
from lms_plugin.people import (
    Course,
    CourseMember,
    Enrolment,
    Identity,
    Notice,
    OrgUnit,
    Person,
    Role,
    RoleKind,
    Tenant,
    Ticket,
    WebSession,
)

WINDOW_TICKET = timedelta(minutes=10)  # travels in a form body, never in a URL
URL_TICKET = timedelta(seconds=60)
LOCALES = ("zh-Hans", "en")
TEXT_SIZES = ("standard", "large", "larger")


@dataclass(frozen=True)
class Entrance:
    """What a launch led to. The tokens leave here once, in a cookie or a page; only their hashes are kept."""

    session_row: WebSession
    token: str
    bearer: str


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def enter(session: Session, launch: "lti.Launch", lifetime: timedelta, now: datetime) -> Entrance:
    """Makes or finds person, course and membership of a verified launch, and opens a session.

    A launch gives at most: enrolment as a teacher (learner role), or provisional trainer of that course (instructor
    role). It never gives an officer's, a school lead's or IT's role, whatever the host claims.
    """
    person = _person(session, launch, now)
    course = _course(session, launch, now)
    _membership(session, course, person, launch, now)
    if launch.is_instructor:
        _provisional_trainer(session, course, person, now)
    if launch.is_learner:
        _learner(session, course, person, now)
    tenant = get(session, Tenant, launch.tenant_id)
    return open_session(
        session,
        person,
        course,
        lifetime,
        now,
        locale=launch.locale,
        return_url=launch.return_url,
        platform_origin=launch.platform_origin,
        document_target=launch.document_target,
        is_demo=tenant.is_demo,
    )


def _person(session: Session, launch: "lti.Launch", now: datetime) -> Person:
    identity = session.exec(
        select(Identity).where(
            Identity.tenant_id == launch.tenant_id,
            Identity.issuer == launch.issuer,
            Identity.subject == launch.subject,
        )
    ).one_or_none()
    if identity is not None:
        person = get(session, Person, identity.person_id)
        if not person.name and launch.name:
            person.name = launch.name[:100]
            session.add(person)
        return person
    person = Person(tenant_id=launch.tenant_id, name=launch.name[:100], created_at=now)
    session.add(person)
    session.flush()
    session.add(
        Identity(
            tenant_id=launch.tenant_id,
            issuer=launch.issuer,
            subject=launch.subject,
            person_id=pk(person),
            first_seen_at=now,
        )
    )
    session.flush()
    return person


def _course(session: Session, launch: "lti.Launch", now: datetime) -> Course:
    course = session.exec(
        select(Course).where(Course.deployment_id == launch.deployment_id, Course.context_id == launch.context_id)
    ).one_or_none()
    if course is None:
        course = Course(
            tenant_id=launch.tenant_id,
            deployment_id=launch.deployment_id,
            context_id=launch.context_id,
            seen_at=now,
        )
    course.title = (launch.context_title or course.title or launch.resource_link_title)[:500]
    course.seen_at = now
    # What a launch does not offer is kept as it was: a learner's launch may carry less than a trainer's.
    if launch.lineitems_url:
        course.lineitems_url = launch.lineitems_url
    if launch.lineitem_url:
        course.lineitem_url = launch.lineitem_url
    if launch.ags_scopes:
        course.ags_scopes = sorted(launch.ags_scopes)
    if launch.memberships_url:
        course.memberships_url = launch.memberships_url
    session.add(course)
    session.flush()
    return course


def _membership(session: Session, course: Course, person: Person, launch: "lti.Launch", now: datetime) -> None:
    member = session.exec(
        select(CourseMember).where(CourseMember.course_id == pk(course), CourseMember.person_id == pk(person))
    ).one_or_none()
    if member is None:
        member = CourseMember(
            course_id=pk(course),
            person_id=pk(person),
            subject=launch.subject,
            is_learner=launch.is_learner,
            is_instructor=launch.is_instructor,
            launched_at=now,
        )
    member.subject, member.launched_at = launch.subject, now
    member.is_learner, member.is_instructor = launch.is_learner, launch.is_instructor
    session.add(member)
    session.flush()


def _provisional_trainer(session: Session, course: Course, person: Person, now: datetime) -> None:
    held = session.exec(select(Role).where(Role.person_id == pk(person), Role.kind == RoleKind.TRAINER)).all()
    # A revoked provisional role stays revoked: an officer said no, a launch does not say yes again.
    if any(role.course_id == pk(course) or (role.course_id is None and role.revoked_at is None) for role in held):
        return
    session.add(
        Role(
            tenant_id=course.tenant_id,
            person_id=pk(person),
            kind=RoleKind.TRAINER,
            course_id=pk(course),
            is_provisional=True,
            granted_at=now,
        )
    )
    session.flush()


def _learner(session: Session, course: Course, person: Person, now: datetime) -> None:
    if course.programme_id is not None:
        enrol(session, course.programme_id, pk(person), now)
        return
    if course.waiting_since_at is None:
        course.waiting_since_at = now
        session.add(course)
    raise_notice(session, course.tenant_id, "course.waiting", course.uuid, {"course": course.title}, now)


def enrol(session: Session, programme_id: int, person_id: int, now: datetime) -> None:
    """The person takes part in the programme from now on; again changes nothing."""
    known = session.exec(
        select(Enrolment.id).where(Enrolment.programme_id == programme_id, Enrolment.person_id == person_id)
    ).first()
    if known is None:
        session.add(Enrolment(programme_id=programme_id, person_id=person_id, started_at=now))
        session.flush()


def raise_notice(session: Session, tenant_id: int, kind: str, key: str, params: dict[str, str], now: datetime) -> None:
    """Tells the officers once; the same open notice is not raised twice."""
    known = session.exec(
        select(Notice.id).where(
            Notice.tenant_id == tenant_id, Notice.kind == kind, Notice.key == key, col(Notice.done_at).is_(None)
        )
    ).first()
    if known is None:
        session.add(Notice(tenant_id=tenant_id, kind=kind, key=key, params=params, raised_at=now))
        session.flush()


def open_session(
    session: Session,
    person: Person,
    course: Course | None,
    lifetime: timedelta,
    now: datetime,
    *,
    locale: str = "",
    return_url: str = "",
    platform_origin: str = "",
    document_target: str = "",
    is_demo: bool = False,
) -> Entrance:
    """Opens a session for a person; tokens are 256 random bits each."""
    token, bearer = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    row = WebSession(
        token_hash=_hash(token),
        bearer_hash=_hash(bearer),
        csrf=secrets.token_urlsafe(32),
        tenant_id=person.tenant_id,
        person_id=pk(person),
        course_id=course.id if course is not None else None,
        locale=locale if locale in LOCALES else "",
        return_url=return_url[:2000],
        platform_origin=platform_origin[:300],
        document_target=document_target[:16],
        is_demo=is_demo,
        created_at=now,
        expires_at=now + lifetime,
    )
    session.add(row)
    session.flush()
    return Entrance(row, token, bearer)


def session_of(
    session: Session, now: datetime, token_hash: str | None = None, bearer_hash: str | None = None
) -> WebSession | None:
    """The live session of a cookie's or bearer's hash."""
    statement = select(WebSession).where(col(WebSession.expires_at) > now, col(WebSession.ended_at).is_(None))
    if bearer_hash is not None:
        return session.exec(statement.where(WebSession.bearer_hash == bearer_hash)).one_or_none()
    return session.exec(statement.where(WebSession.token_hash == token_hash)).one_or_none()


def actor_of(session: Session, person: Person, course_id: int | None, now: datetime) -> Actor:
    """The person with all roles that hold now, each with its reach."""
    rows = session.exec(
        select(Role, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == Role.org_unit_id, isouter=True)
        .where(Role.person_id == pk(person), col(Role.revoked_at).is_(None))
    ).all()
    roles = tuple(RoleScope(role.kind, role.course_id, path or "", role.is_provisional) for role, path in rows)
    return Actor(person.tenant_id, pk(person), roles, course_id, person.locale or "zh-Hans")


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


def ticket_person(session: Session, token: str, purpose: str, now: datetime) -> tuple[Ticket, WebSession, Person]:
    """Who a ticket stands for, without using it up. Raises Refused `ticket.used` when used, over, or unknown."""
    ticket = session.exec(
        select(Ticket).where(
            Ticket.token_hash == _hash(token),
            Ticket.purpose == purpose,
            col(Ticket.used_at).is_(None),
            col(Ticket.expires_at) > now,
        )
    ).one_or_none()
    row = get(session, WebSession, ticket.web_session_id) if ticket is not None else None
    if ticket is None or row is None or row.ended_at is not None or row.expires_at <= now:
        raise Refused("ticket.used")
    return ticket, row, get(session, Person, row.person_id)


def redeem_ticket(session: Session, token: str, purpose: str, now: datetime) -> tuple[Entrance, str]:
    """Uses a ticket up and opens a session of its own for the new window; gives that and the ticket's target."""
    ticket, row, person = ticket_person(session, token, purpose, now)
    ticket.used_at = now
    session.add(ticket)
    session.flush()
    course = get(session, Course, row.course_id) if row.course_id is not None else None
    entrance = open_session(
        session,
        person,
        course,
        row.expires_at - now,
        now,
        locale=row.locale,
        return_url=row.return_url,
        document_target="window",
        is_demo=row.is_demo,
    )
    return entrance, ticket.target


def choose_locale(session: Session, actor: Actor, locale: str, now: datetime) -> None:
    """The person's language from now on, whatever launches say."""
    require(actor, Permission.SETTINGS_CHOOSE, own(actor))
    if locale not in LOCALES:
        raise NotFound
    person = get(session, Person, actor.person_id)
    person.locale = locale
    session.add(person)


def choose_text_size(session: Session, actor: Actor, size: str, now: datetime) -> None:
    """标准 "standard", 大 "large", 特大 "larger"."""
    require(actor, Permission.SETTINGS_CHOOSE, own(actor))
    if size not in TEXT_SIZES:
        raise NotFound
    person = get(session, Person, actor.person_id)
    person.text_size = size
    session.add(person)


def person_of(session: Session, row: WebSession) -> Person:
    """Whose session it is."""
    return get(session, Person, row.person_id)


def programme_of_tenant(session: Session, tenant_id: int, uuid: str) -> competencies.Programme:
    """The tenant's programme of that uuid. Raises NotFound."""
    return find(session, competencies.Programme, tenant_id, uuid)


def enrol_members(session: Session, course: Course, now: datetime) -> None:
    """Everybody who launched this course as a learner takes part in the programme that it now runs."""
    if course.programme_id is None:
        return
    for member in session.exec(
        select(CourseMember).where(CourseMember.course_id == pk(course), col(CourseMember.is_learner).is_(True))
    ).all():
        enrol(session, course.programme_id, member.person_id, now)


def end_sessions(session: Session, person_id: int, now: datetime) -> None:
    """Signs the person out everywhere."""
    for row in session.exec(
        select(WebSession).where(WebSession.person_id == person_id, col(WebSession.ended_at).is_(None))
    ).all():
        row.ended_at = now
        session.add(row)


def sign_out(session: Session, actor: Actor, row: WebSession, now: datetime) -> None:
    """Ends one session."""
    require(actor, Permission.SETTINGS_CHOOSE, own(actor))
    row.ended_at = now
    session.add(row)
