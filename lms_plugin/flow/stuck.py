"""Where everybody's scores of one course stand, and which of them go no further unless somebody does something."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin import outbox
from lms_plugin.db import pk
from lms_plugin.outbox import Job, JobState
from lms_plugin.people import Course, CourseMember, Person

STUCK_AFTER = timedelta(hours=6)  # by then the pauses between two tries have long grown to an hour
STANDINGS = ("stuck", "changed", "waiting", "arrived", "none")  # those who need help first
STOPPED = frozenset({"failed", "not_a_learner", "lost"})
ON_THE_WAY = frozenset({"queued", "waiting", "retrying"})
REFUSED = (lti.DeliveryState.FAILED, lti.DeliveryState.NOT_A_LEARNER)
ARRIVED = (lti.DeliveryState.DELIVERED, lti.DeliveryState.OVERRIDDEN)  # stands in the host's column, and goes with it
IS_OF_TODAY = and_(  # the column belongs to what its course runs now
    col(lti.LineItem.course_id) == col(Course.id), col(lti.LineItem.programme_id) == col(Course.programme_id)
)
_NOT_DONE = (JobState.READY, JobState.RUNNING, JobState.FAILED)


@dataclass(frozen=True)
class Cell:
    """One person's score in one column. `state`: a `DeliveryState`'s value, "queued" (asked for, not tried yet),
    "lost" (the host's column is no more) or "none" (nothing to send yet). `trouble`: the code of what went wrong."""

    state: str
    given_hundredths: int = 0
    maximum_hundredths: int = 0
    trouble: str = ""
    host_words: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True)
class PersonCells:
    """One account of the course with its scores by column. `waits_since`: since when something is on its way."""

    row_id: int
    person_uuid: str
    name: str
    staff_number: str
    is_learner: bool
    cells: Mapping[lti.LineItemKind, Cell]
    waits_since: datetime | None = None
    is_late: bool = False

    @property
    def standing(self) -> str:
        """The one of STANDINGS for all columns; "changed" is that in the host."""
        states = {cell.state for cell in self.cells.values()} - {"not_offered"}
        if states & STOPPED or self.is_late:
            return "stuck"
        if "overridden" in states:
            return "changed"
        if states & ON_THE_WAY or self.waits_since is not None:
            return "waiting"
        return "arrived" if "delivered" in states else "none"

    @property
    def worst(self) -> Cell:
        """The cell that says most: the one that stands still before the one on its way."""
        order = ("lost", "failed", "not_a_learner", "overridden", "retrying", "waiting", "queued", "delivered")
        return min(self.cells.values(), key=lambda cell: order.index(cell.state) if cell.state in order else 99)


def graded(session: Session, programme: competencies.Programme, today: Mapping[int, int]) -> list[CourseMember]:
    """The courses of the programme where these people are learners and from which they launched, under whichever of
    their rows (row → that of today): a gradebook knows the account of that row. Who is a learner in none of them is
    asked for in all: some hosts name a teacher who is a student too a teacher, and grade them. One query, two where
    somebody is a learner here and a teacher there; a gradebook that has a score of theirs is kept up."""
    members = session.exec(
        select(CourseMember)
        .join(Course, col(Course.id) == col(CourseMember.course_id))
        .where(Course.programme_id == pk(programme), col(CourseMember.person_id).in_(today))
        .order_by(col(CourseMember.id))
    ).all()
    learn = {today[one.person_id] for one in members if one.is_learner}
    teach = [one for one in members if one.is_instructor and not one.is_learner and today[one.person_id] in learn]
    if not teach:
        return list(members)
    arrived = session.exec(
        select(lti.LineItem.course_id, lti.ScoreDelivery.person_id)
        .join(lti.LineItem, col(lti.LineItem.id) == col(lti.ScoreDelivery.line_item_id))
        .where(
            lti.LineItem.programme_id == pk(programme),
            col(lti.ScoreDelivery.person_id).in_({one.person_id for one in teach}),
            col(lti.ScoreDelivery.state).in_(ARRIVED),
        )
    ).all()
    idle = {pk(one) for one in teach if (one.course_id, one.person_id) not in set(arrived)}
    return [one for one in members if pk(one) not in idle]


def columns_of(session: Session, course: Course) -> dict[lti.LineItemKind, lti.LineItem]:
    """The columns of the programme that the course runs now."""
    rows = session.exec(
        select(lti.LineItem).where(
            lti.LineItem.course_id == pk(course), lti.LineItem.programme_id == course.programme_id
        )
    ).all()
    return {row.kind: row for row in sorted(rows, key=pk)}


def is_lost(column: lti.LineItem) -> bool:
    """The host gave this column up, and it has not been found or made again."""
    return column.offered is lti.Offer.READY and not column.url


def people_of(
    session: Session, course: Course, items: Mapping[lti.LineItemKind, lti.LineItem], now: datetime
) -> list[PersonCells]:
    """Everybody who takes part in the course or to whom a score was ever sent there, those who need help first. Two
    queries, three where no column could be made."""
    human = aliased(Person)
    statement: Any = (
        columns(
            col(CourseMember.person_id),
            col(human.uuid),
            col(human.name),
            col(human.staff_number),
            col(CourseMember.is_learner),
            lti.ScoreDelivery,
        )
        .join(Person, col(Person.id) == col(CourseMember.person_id))
        .join(human, col(human.id) == func.coalesce(col(Person.merged_into_id), col(Person.id)))
        .join(
            lti.ScoreDelivery,
            and_(
                col(lti.ScoreDelivery.person_id) == col(CourseMember.person_id),
                col(lti.ScoreDelivery.line_item_id).in_([pk(item) for item in items.values()]),
            ),
            isouter=True,
        )
        .where(col(CourseMember.course_id) == pk(course))
        .order_by(col(CourseMember.id), col(lti.ScoreDelivery.id))
    )
    jobs = _jobs(session, course)
    blocked = _why_no_columns(session, course) if jobs and len(items) < len(lti.LineItemKind) else ""
    kinds = {pk(item): kind for kind, item in items.items()}
    accounts: dict[int, tuple[Any, ...]] = {}
    sent: dict[int, dict[lti.LineItemKind, lti.ScoreDelivery]] = defaultdict(dict)
    for row_id, uuid, name, number, is_learner, delivery in session.execute(statement):
        accounts[row_id] = (uuid, name, number, is_learner)
        if delivery is not None:
            sent[row_id][kinds[delivery.line_item_id]] = delivery
    found = [
        _person(row_id, about, sent[row_id], items, jobs.get(row_id), blocked, now)
        for row_id, about in accounts.items()
        if about[3] or sent[row_id] or row_id in jobs
    ]
    return sorted(found, key=lambda one: (STANDINGS.index(one.standing), one.staff_number, one.name, one.row_id))


def _person(
    row_id: int,
    about: tuple[Any, ...],
    sent: Mapping[lti.LineItemKind, lti.ScoreDelivery],
    items: Mapping[lti.LineItemKind, lti.LineItem],
    job: Job | None,
    blocked: str,
    now: datetime,
) -> PersonCells:
    cells = {kind: cell_of(row, is_lost(items[kind])) for kind, row in sent.items()}
    if not cells:
        cells = {lti.LineItemKind.POINTS: unsent_cell(job, blocked)}
    waits = job.created_at if job is not None and job.state is not JobState.FAILED else None
    late = waits is not None and now - waits >= STUCK_AFTER
    uuid, name, number, is_learner = about
    return PersonCells(row_id, uuid, name, number, is_learner, cells, waits, late)


def cell_of(row: lti.ScoreDelivery, lost: bool) -> Cell:
    """A delivery as pages show it; `lost`: its column is no more."""
    return Cell(
        "lost" if lost and row.state in ARRIVED else row.state.value,
        row.given_hundredths,
        row.maximum_hundredths,
        row.trouble,
        row.host_words,
        row.updated_at,
    )


def unsent_cell(job: Job | None, blocked: str) -> Cell:
    """No score has left yet: nothing was asked for, or the host does not even let us make the column."""
    if job is None:
        return Cell("none")
    code, _, words = (blocked or job.last_error).partition(" ")
    state = "failed" if job.state is JobState.FAILED else "retrying" if code else "queued"
    return Cell(state, trouble=code, host_words=words, updated_at=job.settled_at)


def _jobs(session: Session, course: Course) -> dict[int, Job]:
    """What is asked for and not done, by the row of the person; the newest job counts."""
    rows = session.exec(
        select(Job)
        .where(
            Job.kind == outbox.SCORE,
            col(Job.key).startswith(f"{pk(course)}:", autoescape=True),
            col(Job.state).in_(_NOT_DONE),
        )
        .order_by(col(Job.id))
    ).all()
    return {int(job.key.partition(":")[2]): job for job in rows}


def _why_no_columns(session: Session, course: Course) -> str:
    """The last error of the job that makes the course's columns."""
    job = session.exec(
        select(Job).where(Job.kind == outbox.COLUMNS, Job.key == str(pk(course))).order_by(col(Job.id).desc()).limit(1)
    ).first()
    return job.last_error if job is not None else ""


def stuck_people(session: Session, tenant_id: int, now: datetime, course: Course | None = None) -> dict[int, set[int]]:
    """Whose scores are stuck: rows of people by the course's id, in the whole district or in one course; by the same
    rule as `PersonCells.standing`. Two queries, three where a job was given up."""
    refused = _sent().where(
        col(Course.tenant_id) == tenant_id,
        or_(
            col(lti.ScoreDelivery.state).in_(REFUSED),
            and_(
                col(lti.ScoreDelivery.state).in_(ARRIVED),
                col(lti.LineItem.offered) == lti.Offer.READY,
                col(lti.LineItem.url) == "",
            ),
        ),
    )
    jobs: Any = columns(col(Job.key), col(Job.state), col(Job.created_at)).where(
        col(Job.tenant_id) == tenant_id,
        col(Job.kind) == outbox.SCORE,
        col(Job.state).in_(_NOT_DONE),
    )
    if course is not None:
        refused = refused.where(col(Course.id) == pk(course))
        jobs = jobs.where(col(Job.key).startswith(f"{pk(course)}:", autoescape=True))
    found = {(course_id, row) for course_id, row in session.execute(refused)}
    newest: dict[tuple[int, int], tuple[JobState, datetime]] = {}
    for key, state, created_at in session.execute(jobs.order_by(col(Job.id))).all():
        where, _, row = key.partition(":")
        newest[int(where), int(row)] = state, created_at
    late = {key for key, (state, at) in newest.items() if state is not JobState.FAILED and now - at >= STUCK_AFTER}
    failed = {key for key, (state, _at) in newest.items() if state is JobState.FAILED}
    found |= late | (failed - _with_deliveries(session, failed))
    people: dict[int, set[int]] = defaultdict(set)
    for course_id, row in found:
        people[course_id].add(row)
    return dict(people)


def _with_deliveries(session: Session, keys: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Of these (course, row), those of whom a delivery tells more than the failed job."""
    if not keys:
        return set()
    rows = session.execute(
        _sent().where(
            col(lti.LineItem.course_id).in_({course for course, _row in keys}),
            col(lti.ScoreDelivery.person_id).in_({row for _course, row in keys}),
        )
    ).all()
    return {(course, row) for course, row in rows}


def _sent() -> Any:
    """(course, row) of every score in the columns of what its course runs now."""
    return (
        columns(col(lti.LineItem.course_id), col(lti.ScoreDelivery.person_id))
        .join(lti.ScoreDelivery, col(lti.ScoreDelivery.line_item_id) == col(lti.LineItem.id))
        .join(Course, IS_OF_TODAY)
    )
