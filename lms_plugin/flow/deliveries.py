"""Where scores stand on their way into gradebooks, for the person concerned, and "再发一次"."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlmodel import Session, col, func, select

import lti
from lms_plugin import outbox
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, pk
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import humans
from lms_plugin.flow.course_deliveries import send_again
from lms_plugin.flow.people import person_scope
from lms_plugin.flow.report import KINDS
from lms_plugin.flow.stuck import ARRIVED, Cell, cell_of, is_lost, unsent_cell
from lms_plugin.outbox import Job, JobState
from lms_plugin.people import Course, CourseMember, Person


@dataclass(frozen=True)
class DeliveryView:
    """Where one person's score for one column stands, for the record page: `state`, `trouble` and words as of
    `stuck.Cell`, or "stopped" = the course runs another programme by now: its gradebook keeps what it has."""

    course_uuid: str
    course_title: str
    kind: str
    state: str
    given_hundredths: int
    maximum_hundredths: int
    trouble: str
    host_words: str
    updated_at: datetime | None
    can_resend: bool


@dataclass(frozen=True)
class Deliveries:
    """Where a person's scores of a programme stand. `courses`: how many of its courses they launched from, so that
    their gradebooks get what is new."""

    lines: tuple[DeliveryView, ...]
    courses: int


def deliveries(
    session: Session, person_ids: Collection[int], programme_id: int, *, for_staff: bool = False
) -> Deliveries:
    """All courses of the programme that the person launched from, as any of these rows, with both columns' state, and
    those that ran it before. Three queries.

    `for_staff`: who looks after others may also repeat what arrived (a host's column can be emptied there). Before the
    first score there is no column: then the waiting job says how far it is, in the host's own words.
    """
    members = session.exec(
        select(Course, CourseMember.person_id)
        .join(CourseMember, col(CourseMember.course_id) == Course.id)
        .where(Course.programme_id == programme_id, col(CourseMember.person_id).in_(person_ids))
        .order_by(col(Course.title), col(Course.id), col(CourseMember.id))
    ).all()
    rows = session.exec(
        select(lti.ScoreDelivery, lti.LineItem, Course, _is_in_gradebook())
        .join(lti.LineItem, col(lti.LineItem.id) == lti.ScoreDelivery.line_item_id)
        .join(Course, col(Course.id) == col(lti.LineItem.course_id))
        .where(lti.LineItem.programme_id == programme_id, col(lti.ScoreDelivery.person_id).in_(person_ids))
        .order_by(col(Course.title), col(Course.id), col(lti.ScoreDelivery.id))
    ).all()
    by_column = {
        (column.course_id, row.person_id, column.kind): cell_of(row, is_lost(column)) for row, column, *_ in rows
    }
    jobs = _jobs(session, [(pk(course), person_id) for course, person_id in members])
    views = []
    for course, person_id in members:
        keys = [(kind, (pk(course), person_id, kind)) for kind in KINDS]
        found = [(kind, by_column[key]) for kind, key in keys if key in by_column]
        for kind, cell in found:
            may = cell.state != "not_offered" and (for_staff or cell.state != "delivered")
            views.append(_view(course, kind, cell, can_resend=may))
        asked = jobs.get((outbox.SCORE, f"{pk(course)}:{person_id}"))
        if not found and asked is not None and asked.state is not JobState.DONE:
            columns = jobs.get((outbox.COLUMNS, str(pk(course))))
            cell = unsent_cell(asked, columns.last_error if columns is not None else "")
            views.append(_view(course, KINDS[0], cell, can_resend=cell.state == "failed"))
    views += [
        _stopped(course, column, row)
        for row, column, course, is_in_gradebook in rows
        if course.programme_id != programme_id and is_in_gradebook
    ]
    return Deliveries(tuple(views), len({pk(course) for course, _person_id in members}))


def _stopped(course: Course, column: lti.LineItem, row: lti.ScoreDelivery) -> DeliveryView:
    """What a gradebook keeps; how much that is, where we know it."""
    given, most = (row.given_hundredths, row.maximum_hundredths) if row.state in ARRIVED else (0, 0)
    return _view(course, column.kind, Cell("stopped", given, most, updated_at=row.updated_at), can_resend=False)


@dataclass(frozen=True)
class Gradebooks:
    """The courses whose gradebooks get a person's new score, and those that keep what they have: they run another
    programme by now."""

    followed: tuple[str, ...]
    stopped: tuple[str, ...]


def gradebooks(session: Session, person_ids: Collection[int], programme_id: int) -> Gradebooks:
    """The titles of both kinds of courses: one query."""
    launched = exists().where(
        col(CourseMember.course_id) == col(Course.id), col(CourseMember.person_id).in_(person_ids)
    )
    has_score = exists().where(
        col(lti.LineItem.course_id) == col(Course.id),
        col(lti.LineItem.programme_id) == programme_id,
        col(lti.ScoreDelivery.line_item_id) == col(lti.LineItem.id),
        col(lti.ScoreDelivery.person_id).in_(person_ids),
        _is_in_gradebook(),
    )
    runs_it = func.coalesce(col(Course.programme_id), 0) == programme_id
    rows = session.exec(
        select(Course.title, Course.programme_id)
        .where(or_(and_(runs_it, launched), and_(~runs_it, has_score)))
        .order_by(col(Course.title), col(Course.id))
    ).all()
    return Gradebooks(
        tuple(title for title, runs in rows if runs == programme_id),
        tuple(title for title, runs in rows if runs != programme_id),
    )


def _is_in_gradebook() -> ColumnElement[bool]:
    """Something of it has left for the host."""
    row = lti.ScoreDelivery
    return or_(col(row.state).in_(ARRIVED), col(row.sent_timestamp_at).is_not(None))


def _view(course: Course, kind: lti.LineItemKind, cell: Cell, *, can_resend: bool) -> DeliveryView:
    return DeliveryView(
        course.uuid,
        course.title,
        kind.value,
        cell.state,
        cell.given_hundredths,
        cell.maximum_hundredths,
        cell.trouble,
        cell.host_words,
        cell.updated_at,
        can_resend,
    )


def _jobs(session: Session, members: Sequence[tuple[int, int]]) -> dict[tuple[str, str], Job]:
    """The newest job for the scores of each (course, row of the person), and for each course's columns."""
    scores = [f"{course}:{person_id}" for course, person_id in members]
    columns = [str(course) for course, _person_id in members]
    found = session.exec(
        select(Job)
        .where(
            or_(
                and_(col(Job.kind) == outbox.SCORE, col(Job.key).in_(scores)),
                and_(col(Job.kind) == outbox.COLUMNS, col(Job.key).in_(columns)),
            )
        )
        .order_by(col(Job.id))
    ).all()
    return {(job.kind, job.key): job for job in found}


def resend(session: Session, actor: Actor, course_uuid: str, person_uuid: str, now: datetime) -> None:
    """ "再发一次": the person, their trainer or an officer asks for the scores to be sent again now."""
    course = find(session, Course, actor.tenant_id, course_uuid)
    person = find(session, Person, actor.tenant_id, person_uuid)
    scope = person_scope(session, person)
    require(
        actor,
        Permission.SCORE_RESEND,
        Scope(scope.tenant_id, scope.owner_id, unit_paths=scope.unit_paths, course_ids=frozenset({pk(course)})),
    )
    if course.programme_id is None:
        raise Refused("report.no_programme")
    rows = session.exec(
        select(CourseMember.person_id)
        .where(
            CourseMember.course_id == pk(course),
            col(CourseMember.person_id).in_(humans.rows_by_row(session, [pk(person)])[pk(person)]),
        )
        .order_by(col(CourseMember.id))
    ).all()
    if not rows:
        raise NotFound
    send_again(session, course, rows, now, overwrites=True)
