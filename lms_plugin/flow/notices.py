"""What officers should see to: a course that waits for its programme, a roster row that two people claim, an account
with two rows; and what waits for the county on the official chain and among plans (`waiting`), which no row keeps.

A notice reaches every officer above the people whom it is about; while nobody's school is known, every officer.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, ColumnElement, Integer, String, and_, case, cast, literal, null, or_, union_all
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

from lms_plugin.access import Actor, Permission, Scope, can, require, somewhere
from lms_plugin.errors import NotFound
from lms_plugin.flow import doors, overdue, waiting
from lms_plugin.flow.scopes import current_unit_paths
from lms_plugin.people import Course, CourseMember, Notice, OrgMembership, OrgUnit, Person, Role, RoleKind, RosterEntry

COURSE, TWICE = "course.waiting", "person.twice_on_roster"
_OF_PEOPLE = (TWICE, doors.TWO_DOORS)  # key: the uuid of a person
ASKED = "hours.asked"  # key: the uuid of a school, "" = of people without one
TRANSFER = "transfer.waiting"  # key: the same
HEAD = "ledger.head"  # nothing to see to: the ledger's hash of this morning, to be noted down (`digest`)


@dataclass(frozen=True)
class NoticeLine:
    """One open notice. `kind`: "course.waiting" (key = the course's uuid) or one of `_OF_PEOPLE` (a person's) or
    "ledger.head" (a day), or a kind of `waiting` (key = "", params = its matter); `may_merge`: whether the reader
    may make one of two people."""

    kind: str
    key: str
    params: dict[str, Any]
    raised_at: datetime
    may_merge: bool


@lru_cache(maxsize=256)  # each of an officer's pages asks it, and putting it together costs more than running it
def _open_to(actor: Actor) -> Any:
    """(kind, key, params, raised_at), and of what no row keeps instead of params (programme, title, number, batch,
    unit, school)."""
    rows = (
        columns(col(Notice.kind), col(Notice.key), col(Notice.params), col(Notice.raised_at))
        .where(col(Notice.tenant_id) == actor.tenant_id, col(Notice.done_at).is_(None), _reaches(actor))
        .order_by(case((col(Notice.kind) == HEAD, 0), else_=1), col(Notice.raised_at), col(Notice.id))
        .limit(20)
        .subquery()
    )
    blank = cast(null(), String)
    parts = [columns(*rows.c, blank, blank, cast(null(), Integer), blank, blank, blank)]
    for part in (*waiting.county_parts(actor), *overdue.promising(actor)):
        one = part.subquery()
        told = (one.c.programme, one.c.title, one.c.number, one.c.batch, one.c.unit, one.c.school)
        parts.append(columns(one.c.kind, literal("", String), cast(null(), JSON), one.c.since, *told))
    return union_all(*parts)


def open_notices(session: Session, actor: Actor, now: datetime) -> list[NoticeLine]:
    """The open notices that reach the person, the oldest first; none for who could not see to them. One query, four
    where decisions are promised."""
    if not can(actor, Permission.ROSTER_IMPORT, somewhere(actor)):
        return []
    names = ("programme", "title", "n", "batch", "unit", "school")
    may_merge = can(actor, Permission.PERSON_MERGE, Scope(actor.tenant_id))
    lines = [
        NoticeLine(kind, key, params if params is not None else dict(zip(names, told, strict=True)), at, may_merge)
        for kind, key, params, at, *told in session.execute(_open_to(actor))
    ]
    promising = [line.params["programme"] for line in lines if line.kind == overdue.OVERDUE]
    lines = [line for line in lines if line.kind != overdue.OVERDUE]
    for late in overdue.overdue_matters(session, actor, promising, now):
        params = {"programme": late.programme, "title": late.title, "n": late.number}
        lines.append(NoticeLine(late.kind, "", params, late.since_at, may_merge))
    return sorted(lines, key=lambda line: (line.kind != HEAD, line.raised_at))


def settle_notice(session: Session, actor: Actor, kind: str, key: str, now: datetime) -> None:
    """ "知道了": the notice is done with. Raises NotFound where no such notice that reaches the person is open."""
    require(actor, Permission.ROSTER_IMPORT, somewhere(actor))
    row = session.exec(
        select(Notice).where(
            Notice.tenant_id == actor.tenant_id,
            Notice.kind == kind,
            Notice.key == key,
            col(Notice.kind).not_in(
                [HEAD, ASKED, TRANSFER]
            ),  # these go by themselves: tomorrow, and with the last answer
            col(Notice.done_at).is_(None),
            _reaches(actor),
        )
    ).one_or_none()
    if row is None:
        raise NotFound
    row.done_at = now
    session.add(row)
    session.flush()


def officers_above(session: Session, actor: Actor) -> bool:
    """Whether there is an officer above the person, whom a notice about them reaches."""
    paths = {path for found in current_unit_paths(session, actor.person_ids).values() for path in found}
    offices = session.exec(
        select(OrgUnit.path)
        .join(Role, (col(Role.org_unit_id) == col(OrgUnit.id)) | col(Role.org_unit_id).is_(None))
        .where(
            OrgUnit.tenant_id == actor.tenant_id,
            Role.tenant_id == actor.tenant_id,
            Role.kind == RoleKind.OFFICER,
            col(Role.revoked_at).is_(None),
        )
        .distinct()
    ).all()
    return any(path.startswith(office) for path in paths for office in offices) or (not paths and bool(offices))


def _offices(actor: Actor) -> list[str]:
    return [role.unit_path for role in actor.roles if role.kind is RoleKind.OFFICER]


def _reaches(actor: Actor) -> ColumnElement[bool]:
    if any(role.kind is RoleKind.OFFICER and role.is_district_wide for role in actor.roles):
        # what else is noted is told elsewhere (`digest`)
        return col(Notice.kind).in_([COURSE, *_OF_PEOPLE, ASKED, TRANSFER, HEAD])
    below = or_(*(col(OrgUnit.path).startswith(path, autoescape=True) for path in _offices(actor)))
    return or_(
        col(Notice.kind) == HEAD,
        and_(
            col(Notice.kind).in_([ASKED, TRANSFER]),
            col(Notice.key).in_(select(OrgUnit.uuid).where(OrgUnit.tenant_id == actor.tenant_id, below)),
        ),
        and_(
            col(Notice.kind) == COURSE,
            or_(
                col(Notice.key).in_(_courses_of_members(actor).where(below)),
                col(Notice.key).not_in(_courses_of_members(actor)),
            ),
        ),
        and_(
            col(Notice.kind).in_(_OF_PEOPLE),
            or_(
                col(Notice.key).in_(  # the school that the person names
                    select(Person.uuid)
                    .join(OrgMembership, col(OrgMembership.person_id) == col(Person.id))
                    .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
                    .where(Person.tenant_id == actor.tenant_id, col(OrgMembership.ends_on).is_(None), below)
                ),
                col(Notice.key).in_(  # and the school of the row that they claim
                    select(Person.uuid)
                    .join(
                        RosterEntry,
                        and_(
                            col(RosterEntry.tenant_id) == col(Person.tenant_id),
                            col(RosterEntry.staff_number) == col(Person.staff_number),
                        ),
                    )
                    .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
                    .where(Person.tenant_id == actor.tenant_id, below)
                ),
            ),
        ),
    )


def _courses_of_members(actor: Actor) -> Any:
    """The courses without a programme of which a learner's school is known, with the unit to narrow by."""
    return (
        select(Course.uuid)
        .join(CourseMember, col(CourseMember.course_id) == col(Course.id))
        .join(OrgMembership, col(OrgMembership.person_id) == col(CourseMember.person_id))
        .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
        .where(
            Course.tenant_id == actor.tenant_id,
            col(Course.programme_id).is_(None),
            col(CourseMember.is_learner).is_(True),
            col(OrgMembership.ends_on).is_(None),
        )
    )
