"""The trainer's queue with its filters and counts, and what list mode would confirm."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case
from sqlmodel import Session, col, func, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import find, owned, pk
from lms_plugin.errors import Forbidden
from lms_plugin.flow import cases, marking
from lms_plugin.flow.reach import FILTERS, READERS, joined, submissions_within, within
from lms_plugin.people import RoleKind

PAGE = 50
OPEN_FOR = timedelta(minutes=30)


@dataclass(frozen=True)
class CaseRow:
    """One work in the queue. `agreed_level`: what the reviewers agree on, None where they do not."""

    uuid: str
    author: str
    school: str
    point_code: str
    point_name: Mapping[str, str]
    state: str
    number: int
    is_late: bool
    reviews: int
    is_agreed: bool
    differs: bool
    agreed_level: int | None
    decided_level: int | None
    opened_by: str
    opened_at: datetime | None
    submitted_at: datetime


@dataclass(frozen=True)
class Queue:
    """One page of the queue and the counts of all filters."""

    programmes: tuple[tuple[str, str], ...]
    programme: str
    state: str
    agreed: int | None
    counts: Mapping[str, int]
    rows: tuple[CaseRow, ...]
    page: int
    total: int

    @property
    def pages(self) -> int:
        """How many pages of 50 there are, at least one."""
        return max(1, -(-self.total // PAGE))


def queue(
    session: Session, actor: Actor, programme: str, state: str, agreed: int | None, page: int, now: datetime
) -> Queue:
    """The works within the actor's reach that wait for a trainer, oldest first; never the actor's own."""
    _may_read(session, actor)
    programmes = session.exec(
        owned(competencies.Programme, actor.tenant_id).order_by(col(competencies.Programme.id).desc())
    ).all()
    chosen = find(session, competencies.Programme, actor.tenant_id, programme) if programme else None
    reached = within(actor, chosen)
    sums = [func.coalesce(func.sum(case((FILTERS[name], 1), else_=0)), 0) for name in FILTERS]
    counted = session.connection().execute(joined(select(*sums)).where(reached)).one()
    counts = dict(zip(FILTERS, (int(one) for one in counted), strict=True))
    state = state if state in FILTERS else "pending"
    wanted = and_(reached, FILTERS[state])
    if agreed is not None:
        wanted = and_(wanted, col(rubrics.ReviewSummary.agreed_level) == agreed)
    total = counts[state] if agreed is None else _count(session, wanted)
    rows = session.exec(
        joined(select(competencies.Submission, competencies.SubmissionVersion, rubrics.ReviewSummary))
        .where(wanted)
        .order_by(col(competencies.SubmissionVersion.submitted_at), col(competencies.Submission.id))
        .offset((page - 1) * PAGE)
        .limit(PAGE)
    ).all()
    return Queue(
        programmes=tuple((one.uuid, one.title) for one in programmes),
        programme=chosen.uuid if chosen is not None else "",
        state=state,
        agreed=agreed,
        counts=counts,
        rows=_rows(session, rows, now),
        page=page,
        total=total,
    )


def _may_read(session: Session, actor: Actor) -> None:
    require(actor, Permission.SETTINGS_CHOOSE, own(actor))
    if not actor.has(*READERS):
        raise Forbidden(permission=Permission.CASE_READ.value)


def _count(session: Session, wanted: ColumnElement[bool]) -> int:
    return int(session.exec(joined(select(func.count(col(competencies.Submission.id)))).where(wanted)).one())


def _rows(session: Session, rows: Any, now: datetime) -> tuple[CaseRow, ...]:
    submissions = [row[0] for row in rows]
    points = marking.points_of(session, [row.point_id for row in submissions])
    decisions = competencies.decision_of(session, [pk(version) for _submission, version, _summary_row in rows])
    openings = _openings(session, [pk(row) for row in submissions], now)
    names = marking.names_of(session, {row.person_id for row in submissions} | {one[0] for one in openings.values()})
    schools = marking.school_names(session, {version.org_unit_id for _submission, version, _summary_row in rows})
    found = []
    for submission, version, summary in rows:
        opened = openings.get(pk(submission))
        decision = decisions.get(pk(version))
        found.append(
            CaseRow(
                uuid=submission.uuid,
                author=names.get(submission.person_id, ""),
                school=schools.get(version.org_unit_id or 0, ""),
                point_code=points[submission.point_id].code,
                point_name=points[submission.point_id].name,
                state=submission.state.value,
                number=version.number,
                is_late=version.is_late,
                reviews=summary.submitted if summary is not None else 0,
                is_agreed=summary is not None and summary.is_agreed,
                differs=summary is not None and summary.submitted >= 2 and not summary.is_agreed,
                agreed_level=summary.agreed_level if summary is not None and summary.is_agreed else None,
                decided_level=decision.point_level if decision is not None else None,
                opened_by=names.get(opened[0], "") if opened else "",
                opened_at=opened[1] if opened else None,
                submitted_at=version.submitted_at,
            )
        )
    return tuple(found)


def _openings(session: Session, submissions: list[int], now: datetime) -> dict[int, tuple[int, datetime]]:
    """By work: who opened it last within half an hour, and when."""
    found: dict[int, tuple[int, datetime]] = {}
    for row in session.exec(
        select(rubrics.CaseOpening)
        .where(
            col(rubrics.CaseOpening.submission_id).in_(submissions),
            col(rubrics.CaseOpening.opened_at) > now - OPEN_FOR,
        )
        .order_by(col(rubrics.CaseOpening.opened_at))
    ):
        found[row.submission_id] = (row.person_id, row.opened_at)
    return found


@dataclass(frozen=True)
class AgreedList:
    """What list mode would confirm: how many at which level, and three drawn at random to look at first."""

    programme: str
    title: str
    by_level: Mapping[int, int]
    below: int
    uuids: tuple[str, ...]
    left_over: int
    sample: tuple[CaseRow, ...]


def agreed_list(
    session: Session, actor: Actor, programme: str, agreed: int | None, seed: int, now: datetime
) -> AgreedList:
    """The agreed works of a programme that one act may confirm; those below pass are left to single decisions."""
    _may_read(session, actor)
    row = find(session, competencies.Programme, actor.tenant_id, programme)
    require(actor, Permission.CASE_DECIDE, _desk_scope(actor))
    wanted = and_(within(actor, row), FILTERS["agreed"], submissions_within(actor, RoleKind.TRAINER))
    if agreed is not None:
        wanted = and_(wanted, col(rubrics.ReviewSummary.agreed_level) == agreed)
    found = session.exec(
        joined(select(competencies.Submission, competencies.SubmissionVersion, rubrics.ReviewSummary))
        .where(wanted)
        .order_by(col(competencies.SubmissionVersion.submitted_at), col(competencies.Submission.id))
    ).all()
    passing = [one for one in found if (one[2].agreed_level or 0) >= competencies.Level.PASS]
    listed = passing[: cases.MOST_AT_ONCE]
    drawn = random.Random(seed).sample(listed, min(3, len(listed)))  # noqa: S311 - a look, not a secret
    levels = [one[2].agreed_level for one in listed]
    return AgreedList(
        programme=row.uuid,
        title=row.title,
        by_level={level: levels.count(level) for level in sorted(set(levels), reverse=True)},
        below=len(found) - len(passing),
        uuids=tuple(one[0].uuid for one in listed),
        left_over=len(passing) - len(listed),
        sample=_rows(session, drawn, now),
    )


def _desk_scope(actor: Actor) -> Scope:
    """A scope that any of the actor's trainer roles reaches: whether there is a desk at all."""
    trainer = [role for role in actor.roles if role.kind is RoleKind.TRAINER]
    return Scope(
        tenant_id=actor.tenant_id,
        unit_paths=tuple(role.unit_path for role in trainer if role.course_id is None),
        course_ids=frozenset(role.course_id for role in trainer if role.course_id is not None),
    )
