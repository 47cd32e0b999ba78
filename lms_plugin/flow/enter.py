"""A verified launch becomes a person in a course: identities, roles, enrolments, sessions, tickets."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import bindparam, exists, update
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin import outbox
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import get, pk, table
from lms_plugin.errors import NotFound
from lms_plugin.flow import accounts, column_words, host_list, humans, known, links, person_data, report, sessions
from lms_plugin.flow.blindness import end_reviews
from lms_plugin.flow.invitations import reaches_district
from lms_plugin.flow.known import KnownCourse, KnownPerson
from lms_plugin.flow.sessions import LOCALES, Entrance
from lms_plugin.people import (
    Course,
    CourseMember,
    Enrolment,
    Identity,
    IdentityMove,
    Notice,
    Person,
    Role,
    RoleKind,
    Tenant,
)

TEXT_SIZES = ("standard", "large", "larger")
THEMES = ("", "dark")

_AS_KEPT = known.with_person(
    known.in_course(
        columns(*known.COURSE, *known.PERSON)
        .select_from(table(Tenant))
        .where(table(Tenant).c.id == bindparam("tenant")),
        bindparam("deployment", type_=table(Course).c.deployment_id.type),
    ),
    bindparam("issuer", type_=table(Identity).c.issuer.type),
    bindparam("door", type_=table(Identity).c.door.type),
).with_for_update(read=True, key_share=True, of=table(Person))
_LAUNCHED = (
    update(table(CourseMember))
    .where(table(CourseMember).c.id == bindparam("member"))
    .values(launched_at=bindparam("now"))
)


def enter(session: Session, launch: "lti.Launch", lifetime: timedelta, now: datetime) -> Entrance:
    """Makes or finds person, course and membership of a verified launch, and opens a session.

    A launch gives at most: enrolment as a teacher (learner role), or provisional trainer of that course (instructor
    role). It never gives an officer's, a school lead's or IT's role, whatever the host claims.
    """
    told = said_of_session(launch)
    back = _known(session, launch, now)
    if back is not None:
        into, who = back
        told.update({"wants": links.of_launch(launch), "is_demo": into.is_demo})
        whose = sessions.Whose(launch.tenant_id, who.person, into.course)
        return sessions.open_for(session, whose, lifetime, now, **told)
    person, row_id = _person(session, launch, now)
    if launch.asks_what_is_kept:
        asks = person_data.wanted(session, launch)
        told.update({"wants": asks, "is_demo": get(session, Tenant, launch.tenant_id).is_demo})
        return sessions.open_session(session, person, None, lifetime, now, **told)
    course = _course(session, launch, now)
    _membership(session, course, row_id, launch, now)
    if launch.is_instructor:
        _provisional_trainer(session, course, humans.rows_of(person), row_id, now)
    if launch.is_learner:
        _learner(session, course, row_id, now)
    asked = links.begin(session, launch, course, person, now).uuid if launch.deep_linking is not None else ""
    told.update({"wants": links.of_launch(launch, asked), "is_demo": get(session, Tenant, launch.tenant_id).is_demo})
    return sessions.open_session(session, person, course, lifetime, now, **told)


def said_of_session(launch: "lti.Launch") -> sessions.Told:
    """What a launch says of the session that it opens."""
    return sessions.Told(
        locale=launch.locale,
        return_url=launch.return_url,
        platform_origin=launch.platform_origin,
        document_target=launch.document_target,
        asks_first=launch.binding == "none",
    )


def _known(session: Session, launch: "lti.Launch", now: datetime) -> tuple[KnownCourse, KnownPerson] | None:
    """Who came back, where all that is kept stands as this launch says it: the usual launch, in one query and one
    update. None where something is to be made or changed, or rows were merged."""
    given = {
        "tenant": launch.tenant_id,
        "issuer": launch.issuer,
        "door": launch.door,
        "subject": launch.subject,
        "deployment": launch.deployment_id,
        "context": launch.context_id,
    }
    row = session.connection().execute(_AS_KEPT, given).one_or_none()
    if row is None:
        return None
    course, person = KnownCourse(*row[: len(known.COURSE)]), KnownPerson(*row[len(known.COURSE) :])
    if not (known.course_stands(course, launch, now) and known.person_stands(person, launch)):
        return None
    session.connection().execute(_LAUNCHED, {"member": person.member, "now": now})
    return course, person


def _person(session: Session, launch: "lti.Launch", now: datetime) -> tuple[Person, int]:
    """Who launches, and the id of the row to which this account belongs.

    After a merge that is the row it came with: what a host knows of an account (course, gradebook, enrolment) stays
    with that row, and goes back with it when the merge is undone.
    """
    identity = accounts.named(session, launch, launch.subject)
    if identity is not None:
        person = humans.held_by(session, identity)
        if not person.name and launch.name:
            person.name = launch.name[:100]
            session.add(person)
        first = None
        if person.absorbed_ids:
            first = session.exec(
                select(IdentityMove.from_person_id)
                .where(IdentityMove.identity_id == pk(identity))
                .order_by(col(IdentityMove.id))
            ).first()
        return person, first or pk(person)
    person = Person(tenant_id=launch.tenant_id, name=launch.name[:100], created_at=now)
    session.add(person)
    session.flush()
    accounts.keep(session, launch, person, now)
    return person, pk(person)


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
    course.title = known.title_of(launch, course.title)
    locale = sessions.page_locale(launch.locale)
    course.locale = column_words.language_of(course.locale, locale, is_instructor=launch.is_instructor)
    if now - course.seen_at > known.SEEN_AGAIN:
        course.seen_at = now
    offered = (course.lineitems_url, course.lineitem_url, course.ags_scopes)
    # What a launch does not offer is kept as it was: a learner's launch may carry less than a trainer's.
    if launch.lineitems_url:
        course.lineitems_url = launch.lineitems_url
    if launch.lineitem_url:
        course.lineitem_url = launch.lineitem_url
    if launch.ags_scopes and course.ags_scopes != sorted(launch.ags_scopes):
        course.ags_scopes = sorted(launch.ags_scopes)
    known_list = course.memberships_url
    if launch.memberships_url:
        course.memberships_url = launch.memberships_url
        course.groups_url, course.group_sets_url = launch.groups_url, launch.group_sets_url
    session.add(course)
    session.flush()
    if known_list != course.memberships_url:
        host_list.ask(session, course, now)
    if offered != (course.lineitems_url, course.lineitem_url, course.ags_scopes):
        report.offer_changed(session, course, now)
    return course


def _membership(session: Session, course: Course, row_id: int, launch: "lti.Launch", now: datetime) -> None:
    member = session.exec(
        select(CourseMember).where(CourseMember.course_id == pk(course), CourseMember.person_id == row_id)
    ).one_or_none()
    was = (member.subject, member.is_learner) if member is not None else None
    if member is None:
        member = CourseMember(
            course_id=pk(course),
            person_id=row_id,
            subject=launch.subject,
            is_learner=launch.is_learner,
            is_instructor=launch.is_instructor,
            launched_at=now,
        )
    member.subject, member.launched_at = launch.subject, now
    member.is_learner, member.is_instructor = launch.is_learner, launch.is_instructor
    member.has_name = bool(launch.name)
    session.add(member)
    session.flush()
    if was != (launch.subject, launch.is_learner):
        _ask_scores(session, course, row_id, now)


def _ask_scores(session: Session, course: Course, person_id: int, now: datetime) -> None:
    """Who comes from a course for the first time, or comes back as a learner, may have points or hours already: their
    score belongs into this gradebook too."""
    if course.programme_id is None:
        return
    rows = humans.rows_by_row(session, [person_id])[person_id]
    has_points, has_hours = session.exec(
        select(
            exists().where(
                col(competencies.Award.programme_id) == course.programme_id,
                col(competencies.Award.person_id).in_(rows),
            ),
            exists().where(
                col(competencies.CreditEntry.programme_id) == course.programme_id,
                col(competencies.CreditEntry.person_id).in_(rows),
            ),
        )
    ).one()
    if has_points or has_hours:
        ids = {"course_id": pk(course), "person_id": person_id}
        outbox.put(session, course.tenant_id, outbox.SCORE, f"{pk(course)}:{person_id}", ids, now)


def _provisional_trainer(session: Session, course: Course, rows: Collection[int], row_id: int, now: datetime) -> None:
    held = session.exec(select(Role).where(col(Role.person_id).in_(rows), Role.kind == RoleKind.TRAINER)).all()
    # A role that was revoked stays revoked: an officer said no, a launch does not say yes again. What an officer gave
    # for the whole district needs nothing beside it; what was given for a school takes no course away.
    for role in held:
        if role.course_id == pk(course):
            return
        if role.course_id is None and (role.revoked_at is not None or reaches_district(session, role.org_unit_id)):
            return
    session.add(
        Role(
            tenant_id=course.tenant_id,
            person_id=row_id,
            kind=RoleKind.TRAINER,
            course_id=pk(course),
            is_provisional=True,
            granted_at=now,
        )
    )
    session.flush()
    end_reviews(session, rows, now)


def _learner(session: Session, course: Course, row_id: int, now: datetime) -> None:
    if course.programme_id is None:
        session.refresh(course, with_for_update=True)  # who binds it at this moment must not miss this learner
    if course.programme_id is not None:
        enrol(session, course.programme_id, row_id, now)
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


def choose_theme(session: Session, actor: Actor, theme: str, now: datetime) -> None:
    """Light "", dark "dark"."""
    require(actor, Permission.SETTINGS_CHOOSE, own(actor))
    if theme not in THEMES:
        raise NotFound
    person = get(session, Person, actor.person_id)
    person.theme = theme
    session.add(person)


def choose_reading(session: Session, actor: Actor, language: str, now: datetime) -> None:
    """The language in which the person reads standards that have it, as a BCP 47 tag; "" = as the pages are. Raises
    NotFound for what is no tag, or is a language of the pages."""
    require(actor, Permission.SETTINGS_CHOOSE, own(actor))
    tag = competencies.languages.tag_of(language)
    if tag != language or competencies.languages.is_official(tag):
        raise NotFound
    person = get(session, Person, actor.person_id)
    person.reading_language = tag
    session.add(person)


def enrol_members(session: Session, course: Course, now: datetime) -> None:
    """Everybody who launched this course as a learner takes part in the programme that it now runs."""
    if course.programme_id is None:
        return
    for member in session.exec(
        select(CourseMember).where(CourseMember.course_id == pk(course), col(CourseMember.is_learner).is_(True))
    ).all():
        enrol(session, course.programme_id, member.person_id, now)
        _ask_scores(session, course, member.person_id, now)
