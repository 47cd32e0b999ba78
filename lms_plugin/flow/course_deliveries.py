"""成绩回传 of a whole course: who has which score where, what is stuck and why, and "再发一次" for one or for all."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, update
from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin import outbox
from lms_plugin.access import Actor, Permission, Scope, can, require, somewhere
from lms_plugin.db import find, get, pk
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import layouts, stuck
from lms_plugin.flow.courses import course_scope
from lms_plugin.flow.reach import courses_within
from lms_plugin.flow.stuck import STANDINGS, Cell, PersonCells
from lms_plugin.people import Course, OrgMembership, OrgUnit

PAGE = 50


@dataclass(frozen=True)
class CourseLine:
    """A course in the list: how many people's scores are stuck there, and to how many any was sent."""

    uuid: str
    title: str
    stuck: int
    people: int


@dataclass(frozen=True)
class ColumnState:
    """One of our columns in the host's gradebook: "ready", "lost" since `lost_at`, "not_offered", or "none" yet."""

    kind: lti.LineItemKind
    state: str
    lost_at: datetime | None = None


@dataclass(frozen=True)
class Line:
    """A person of the course with the name of their school now."""

    about: PersonCells
    school: str


@dataclass(frozen=True)
class CoursePage:
    """One page of a course's scores. `counts`: people by standing.
    `commonest`: what most of those who are stuck are stuck at, and how many they are."""

    uuid: str
    title: str
    programme: str
    programme_title: str
    columns: tuple[ColumnState, ...]
    counts: Mapping[str, int]
    standing: str
    rows: tuple[Line, ...]
    page: int
    pages: int
    total: int
    commonest: tuple[Cell, int] | None
    may_resend: bool
    may_open_records: bool


def _found(session: Session, actor: Actor, course_uuid: str) -> tuple[Course, Scope]:
    """Raises NotFound, Forbidden, and Refused `report.no_programme` for a course that runs none yet."""
    course = find(session, Course, actor.tenant_id, course_uuid)
    scope = course_scope(session, actor, course)
    require(actor, Permission.DELIVERIES_READ, scope)
    if course.programme_id is None:
        raise Refused("report.no_programme")
    return course, scope


def course_page(
    session: Session, actor: Actor, course_uuid: str, standing: str, page: int, now: datetime
) -> CoursePage:
    """Everybody of the course by how their scores stand; `standing` "" = stuck where anything is, else everybody."""
    course, scope = _found(session, actor, course_uuid)
    items = stuck.columns_of(session, course)
    everybody = stuck.people_of(session, course, items, now)
    counts = Counter(one.standing for one in everybody)
    if standing not in (*STANDINGS, "all"):
        standing = "stuck" if counts["stuck"] else "all"
    chosen = [one for one in everybody if standing in ("all", one.standing)]
    pages = max(1, -(-len(chosen) // PAGE))
    page = min(max(page, 1), pages)
    shown = chosen[(page - 1) * PAGE : page * PAGE]
    schools = _schools(session, [one.row_id for one in shown])
    assert course.programme_id is not None
    programme = get(session, competencies.Programme, course.programme_id)
    return CoursePage(
        uuid=course.uuid,
        title=course.title,
        programme=programme.uuid,
        programme_title=programme.title,
        columns=tuple(_column(kind, items.get(kind)) for kind in lti.LineItemKind),
        counts={name: counts[name] for name in STANDINGS},
        standing=standing,
        rows=tuple(Line(one, schools.get(one.row_id, "")) for one in shown),
        page=page,
        pages=pages,
        total=len(chosen),
        commonest=_commonest(everybody),
        may_resend=can(actor, Permission.SCORE_RESEND, scope),
        may_open_records=can(actor, Permission.RECORD_READ, scope),
    )


def _commonest(everybody: Collection[PersonCells]) -> tuple[Cell, int] | None:
    cells = [one.worst for one in everybody if one.standing == "stuck"]
    if not cells:
        return None
    (cause, number) = Counter((cell.state, cell.trouble) for cell in cells).most_common(1)[0]
    return next(cell for cell in cells if (cell.state, cell.trouble) == cause), number


def _column(kind: lti.LineItemKind, item: lti.LineItem | None) -> ColumnState:
    if item is None:
        return ColumnState(kind, "none")
    if stuck.is_lost(item):
        return ColumnState(kind, "lost", item.lost_at)
    return ColumnState(kind, item.offered.value)


def _schools(session: Session, people: Collection[int]) -> dict[int, str]:
    rows = session.exec(
        select(OrgMembership.person_id, OrgUnit.name)
        .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
        .where(col(OrgMembership.person_id).in_(people), col(OrgMembership.ends_on).is_(None))
        .order_by(col(OrgMembership.id))
    ).all()
    return dict(rows)


@dataclass(frozen=True)
class ScoresSheet:
    """What the sheet of a course holds: everybody in it (those who need help first), the newest seal of the ledger, and
    the layout that holds for it (None = as it comes)."""

    title: str
    programme_title: str
    unit: str
    rows: tuple[Line, ...]
    seal: competencies.Head | None
    layout: competencies.layouts.Layout | None


def sheet_rows(session: Session, actor: Actor, course_uuid: str, now: datetime) -> ScoresSheet:
    """Everybody of the course, for its sheet. Raises what `course_page` raises."""
    course, _scope = _found(session, actor, course_uuid)
    assert course.programme_id is not None
    programme = get(session, competencies.Programme, course.programme_id)
    everybody = stuck.people_of(session, course, stuck.columns_of(session, course), now)
    schools = _schools(session, [one.row_id for one in everybody])
    return ScoresSheet(
        title=course.title,
        programme_title=programme.title,
        unit=get(session, OrgUnit, programme.org_unit_id).name,
        rows=tuple(Line(one, schools.get(one.row_id, "")) for one in everybody),
        seal=competencies.head(session, actor.tenant_id),
        layout=layouts.holding(session, programme, ("scores",))["scores"],
    )


def course_list(session: Session, actor: Actor, now: datetime) -> list[CourseLine]:
    """The courses within reach that run a programme, those with stuck scores first. Five queries. Raises Forbidden for
    who sees no course's scores."""
    require(actor, Permission.DELIVERIES_READ, somewhere(actor))
    courses = session.exec(
        select(Course)
        .where(courses_within(actor, by_members=True), col(Course.programme_id).is_not(None))
        .order_by(col(Course.title), col(Course.id))
    ).all()
    sent = _sent(session, [pk(course) for course in courses])
    waiting = stuck.stuck_people(session, actor.tenant_id, now)
    lines = [
        CourseLine(course.uuid, course.title, len(waiting.get(pk(course), ())), sent.get(pk(course), 0))
        for course in courses
    ]
    return sorted(lines, key=lambda line: -line.stuck)


def _sent(session: Session, courses: Collection[int]) -> dict[int, int]:
    """Course → to how many people any score was sent."""
    people = func.count(func.distinct(col(lti.ScoreDelivery.person_id)))
    rows = session.exec(
        select(lti.LineItem.course_id, people)
        .join(lti.ScoreDelivery, col(lti.ScoreDelivery.line_item_id) == col(lti.LineItem.id))
        .where(col(lti.LineItem.course_id).in_(courses))
        .group_by(col(lti.LineItem.course_id))
    ).all()
    return dict(rows)


def resend_all(session: Session, actor: Actor, course_uuid: str, now: datetime, person_uuid: str = "") -> int:
    """ "全部再发一次": whatever of the course is stuck is sent again now; `person_uuid`: this person's scores, however
    they stand. Gives the number of people; none stuck is no error (somebody else was quicker).

    What a trainer changed in the host's gradebook is overwritten only where that very person is asked for.
    """
    course, scope = _found(session, actor, course_uuid)
    require(actor, Permission.SCORE_RESEND, scope)
    items = stuck.columns_of(session, course)
    everybody = stuck.people_of(session, course, items, now)
    if person_uuid:
        rows = [one.row_id for one in everybody if one.person_uuid == person_uuid]
        if not rows:
            raise NotFound
    else:
        rows = [one.row_id for one in everybody if one.standing == "stuck"]
    send_again(session, course, rows, now, overwrites=bool(person_uuid))
    return len(rows)


def send_again(session: Session, course: Course, rows: Collection[int], now: datetime, *, overwrites: bool) -> None:
    """Asks for the scores of these rows, and takes back what stood in their way: lost columns may be made once more,
    a refused registration is asked again. `overwrites`: also what somebody changed in a column that the host has. The
    caller has checked the permission. A constant number of queries."""
    if not rows:
        return
    items = stuck.columns_of(session, course).values()
    keeps = [] if overwrites else [pk(item) for item in items if not stuck.is_lost(item)]
    for item in items:
        item.lost_at = None
        session.add(item)
    session.flush()
    states = lti.DeliveryState
    session.connection().execute(
        update(lti.ScoreDelivery)
        .where(
            col(lti.ScoreDelivery.line_item_id).in_([pk(item) for item in items]),
            col(lti.ScoreDelivery.person_id).in_(rows),
            col(lti.ScoreDelivery.state) != states.NOT_OFFERED,
            or_(col(lti.ScoreDelivery.state) != states.OVERRIDDEN, col(lti.ScoreDelivery.line_item_id).not_in(keeps)),
        )
        .values(state=states.WAITING, trouble="", host_words="")
    )
    session.expire_all()
    lti.forget_refusals(session, get(session, lti.Deployment, course.deployment_id).platform_id)
    wanted = {f"{pk(course)}:{row}": {"course_id": pk(course), "person_id": row} for row in rows}
    outbox.put_many(session, course.tenant_id, outbox.SCORE, wanted, now)
