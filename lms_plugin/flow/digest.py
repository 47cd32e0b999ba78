"""每天一次: which courses have scores that are stuck, as a notice on the first page of those who can do something; and
the hash of the ledger's newest seal, for officers to note down.

The notice goes by itself when nothing of the course is stuck. Officers are also told by a message (`messages`), which a
letter carries to those who asked for letters.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

import competencies
from lms_plugin import leaving, outbox
from lms_plugin.access import Actor, Permission, can, somewhere
from lms_plugin.db import get, pk, transaction
from lms_plugin.flow import message_words, messages, stuck
from lms_plugin.flow.notices import HEAD
from lms_plugin.flow.reach import courses_within
from lms_plugin.flow.report import Post
from lms_plugin.outbox import Job
from lms_plugin.people import Course, Notice, OrgUnit, Role, RoleKind, Tenant

STUCK = "scores.stuck"
AT = time(7)  # of the district's day: before anybody opens the first page
MOST = 20


@dataclass(frozen=True)
class StuckLine:
    """A course with people whose scores have not arrived, as counted at `counted_at`."""

    course_uuid: str
    course_title: str
    people: int
    counted_at: datetime


def ask_digests(session: Session, now: datetime) -> None:
    """The worker's sweep: from 07:00 of each district's day on, asks once for that day's digest; not where a district
    has gone on elsewhere and nothing can be done here."""
    wanted: dict[str, int] = {}
    for tenant in session.exec(select(Tenant).order_by(col(Tenant.id))).all():
        local = now.astimezone(ZoneInfo(tenant.timezone))
        if local.time() >= AT and not leaving.is_read_only(tenant, now):
            wanted[f"{pk(tenant)}:{local.date().isoformat()}"] = pk(tenant)
    asked = set(session.exec(select(Job.key).where(Job.kind == outbox.DIGEST, col(Job.key).in_(wanted))).all())
    for key, tenant_id in wanted.items():
        if key not in asked:
            outbox.put(session, tenant_id, outbox.DIGEST, key, {"tenant_id": tenant_id}, now)


def gather(post: Post, ids: Mapping[str, int], now: datetime) -> None:
    """The job: a notice for each course of the district with stuck scores, none for the others, and the day's head of
    the ledger's chain. Twice is once."""
    with transaction(post.sessions) as session:
        tenant = get(session, Tenant, ids["tenant_id"])
        found = stuck.stuck_people(session, pk(tenant), now)
        courses = session.exec(
            select(Course).where(Course.tenant_id == pk(tenant), col(Course.id).in_(found)).order_by(col(Course.id))
        ).all()
        standing = {notice.key: notice for notice in _open(session, pk(tenant))}
        for course in courses:
            _say(session, course, standing.pop(course.uuid, None), len(found[pk(course)]), now)
        _tell_officers(session, tenant, courses, now)
        messages.remind(session, tenant, now)
        _withdraw(session, standing.values(), now)
        say_head(session, tenant, now)


def _tell_officers(session: Session, tenant: Tenant, courses: Iterable[Course], now: datetime) -> None:
    """The same as messages to the officers of the district and of the units above the course's programme, whom a letter
    may reach as well."""
    officers = session.exec(
        select(Role.person_id, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id), isouter=True)
        .where(
            Role.tenant_id == pk(tenant),
            Role.kind == RoleKind.OFFICER,
            col(Role.revoked_at).is_(None),
            col(Role.is_provisional).is_(False),
        )
    ).all()
    for course in courses:
        programme = get(session, competencies.Programme, course.programme_id) if course.programme_id else None
        path = get(session, OrgUnit, programme.org_unit_id).path if programme is not None else ""
        told = [
            messages.Told(person, course.uuid, {"title": course.title})
            for person, office in officers
            if not office or office.count("/") == 2 or path.startswith(office)
        ]
        messages.tell(session, pk(tenant), message_words.STUCK, told, now)


def say_head(session: Session, tenant: Tenant, now: datetime) -> None:
    """The newest seal as this morning's notice in place of yesterday's; none before the first seal."""
    day, head = competencies.local_day(now, tenant.timezone).isoformat(), competencies.head(session, pk(tenant))
    stands = select(Notice).where(Notice.tenant_id == pk(tenant), Notice.kind == HEAD, col(Notice.done_at).is_(None))
    before = session.exec(stands.order_by(col(Notice.id))).all()
    if head is None or any(notice.key == day for notice in before):
        return
    _withdraw(session, before, now)
    params = {"number": head.number, "hash": head.hash, "sealed_at": head.sealed_at.isoformat()}
    session.add(Notice(tenant_id=pk(tenant), kind=HEAD, key=day, params=params, raised_at=now))
    session.flush()


def look_again(session: Session, course_id: int, now: datetime) -> None:
    """A score of this course was tried: where a notice stands, it is put right or goes. Two queries, five at most
    where one stands."""
    course = get(session, Course, course_id)
    for notice in _open(session, course.tenant_id, course.uuid):
        people = stuck.stuck_people(session, course.tenant_id, now, course).get(course_id, set())
        if people:
            _say(session, course, notice, len(people), now)
        else:
            _withdraw(session, [notice], now)


def _open(session: Session, tenant_id: int, course_uuid: str = "") -> list[Notice]:
    statement = select(Notice).where(Notice.tenant_id == tenant_id, Notice.kind == STUCK, col(Notice.done_at).is_(None))
    if course_uuid:
        statement = statement.where(Notice.key == course_uuid)
    return list(session.exec(statement.order_by(col(Notice.id))).all())


def _say(session: Session, course: Course, notice: Notice | None, people: int, now: datetime) -> None:
    if notice is None:
        notice = Notice(tenant_id=course.tenant_id, kind=STUCK, key=course.uuid, raised_at=now)
    notice.params, notice.raised_at = {"course": course.title, "people": people}, now
    session.add(notice)
    session.flush()


def _withdraw(session: Session, notices: Iterable[Notice], now: datetime) -> None:
    for notice in notices:
        notice.done_at = now
        session.add(notice)
    session.flush()


@lru_cache(maxsize=256)  # each of an officer's pages asks it, and putting it together costs more than running it
def _stuck_within(actor: Actor) -> SelectOfScalar[Notice]:
    return (
        select(Notice)
        .where(
            Notice.tenant_id == actor.tenant_id,
            Notice.kind == STUCK,
            col(Notice.done_at).is_(None),
            col(Notice.key).in_(select(Course.uuid).where(courses_within(actor, by_members=True))),
        )
        .order_by(col(Notice.raised_at).desc(), col(Notice.id))
    )


def stuck_notices(session: Session, actor: Actor) -> list[StuckLine]:
    """What the last digest found within the person's reach, most people first; nothing for who could do nothing about
    it. One query."""
    if not can(actor, Permission.DELIVERIES_READ, somewhere(actor)):
        return []
    rows = session.exec(_stuck_within(actor)).all()
    lines = [StuckLine(row.key, row.params["course"], row.params["people"], row.raised_at) for row in rows]
    return sorted(lines, key=lambda line: -line.people)[:MOST]
