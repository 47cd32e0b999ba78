"""The trainer's queue with its filters and counts, and what list mode would confirm."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case
from sqlalchemy import select as columns
from sqlmodel import Session, col, func, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import find, owned, pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import cases
from lms_plugin.flow.reach import FILTERS, READERS, joined, submissions_within, within
from lms_plugin.people import OrgUnit, Person, RoleKind

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
    chosen = next((one for one in programmes if one.uuid == programme), None)
    if programme and chosen is None:
        raise NotFound
    reached = within(actor, chosen)
    sums = [func.coalesce(func.sum(case((FILTERS[name], 1), else_=0)), 0) for name in FILTERS]
    counted = session.connection().execute(joined(columns(*sums)).where(reached)).one()
    counts = dict(zip(FILTERS, (int(one) for one in counted), strict=True))
    state = state if state in FILTERS else "pending"
    wanted = and_(reached, FILTERS[state])
    if agreed is not None:
        wanted = and_(wanted, col(rubrics.ReviewSummary.agreed_level) == agreed)
    total = counts[state] if agreed is None else _count(session, wanted)
    return Queue(
        programmes=tuple((one.uuid, one.title) for one in programmes),
        programme=chosen.uuid if chosen is not None else "",
        state=state,
        agreed=agreed,
        counts=counts,
        rows=_listed(session, wanted, now, page),
        page=page,
        total=total,
    )


def _may_read(session: Session, actor: Actor) -> None:
    require(actor, Permission.SETTINGS_CHOOSE, own(actor))
    if not actor.has(*READERS):
        raise Forbidden(permission=Permission.CASE_READ.value)


def _count(session: Session, wanted: ColumnElement[bool]) -> int:
    return int(session.exec(joined(select(func.count(col(competencies.Submission.id)))).where(wanted)).one())


def _listed(session: Session, wanted: ColumnElement[bool], now: datetime, page: int = 1, size: int = PAGE) -> Any:
    """Works with all that a row shows, oldest first: one query for them and one for who has them open."""
    rows = session.exec(
        joined(
            columns(
                competencies.Submission,
                competencies.SubmissionVersion,
                rubrics.ReviewSummary,
                competencies.CompetencyPoint,
                competencies.Decision,
                col(Person.name),
                col(OrgUnit.name),
            )
        )
        .join(
            competencies.CompetencyPoint,
            col(competencies.CompetencyPoint.id) == col(competencies.Submission.point_id),
        )
        .join(Person, col(Person.id) == col(competencies.Submission.person_id))
        .join(OrgUnit, col(OrgUnit.id) == col(competencies.SubmissionVersion.org_unit_id), isouter=True)
        .join(
            competencies.Decision,
            col(competencies.Decision.submission_version_id) == col(competencies.SubmissionVersion.id),
            isouter=True,
        )
        .where(wanted)
        .order_by(col(competencies.SubmissionVersion.submitted_at), col(competencies.Submission.id))
        .offset((page - 1) * size)
        .limit(size)
    ).all()
    openings = _openings(session, [pk(row[0]) for row in rows], now)
    return tuple(_row(row, openings.get(pk(row[0]))) for row in rows)


def _row(row: Any, opened: tuple[str, datetime] | None) -> CaseRow:
    submission, version, summary, point, decision, author, school = row
    return CaseRow(
        uuid=submission.uuid,
        author=author,
        school=school or "",
        point_code=point.code,
        point_name=point.name,
        state=submission.state.value,
        number=version.number,
        is_late=version.is_late,
        reviews=summary.submitted if summary is not None else 0,
        is_agreed=summary is not None and summary.is_agreed,
        differs=summary is not None and summary.submitted >= 2 and not summary.is_agreed,
        agreed_level=summary.agreed_level if summary is not None and summary.is_agreed else None,
        decided_level=decision.point_level if decision is not None else None,
        opened_by=opened[0] if opened is not None else "",
        opened_at=opened[1] if opened is not None else None,
        submitted_at=version.submitted_at,
    )


def _openings(session: Session, submissions: list[int], now: datetime) -> dict[int, tuple[str, datetime]]:
    """By work: who opened it last within half an hour, and when."""
    rows = session.exec(
        select(rubrics.CaseOpening, Person.name)
        .join(Person, col(Person.id) == col(rubrics.CaseOpening.person_id))
        .where(
            col(rubrics.CaseOpening.submission_id).in_(submissions),
            col(rubrics.CaseOpening.opened_at) > now - OPEN_FOR,
        )
        .order_by(col(rubrics.CaseOpening.opened_at))
    )
    return {row.submission_id: (name, row.opened_at) for row, name in rows}


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
    found = _listed(session, wanted, now, size=100_000)
    passing = [one for one in found if (one.agreed_level or 0) >= competencies.Level.PASS]
    listed = passing[: cases.MOST_AT_ONCE]
    drawn = random.Random(seed).sample(listed, min(3, len(listed)))  # noqa: S311 - a look, not a secret
    levels = [one.agreed_level for one in listed]
    return AgreedList(
        programme=row.uuid,
        title=row.title,
        by_level={level: levels.count(level) for level in sorted(set(levels), reverse=True)},
        below=len(found) - len(passing),
        uuids=tuple(one.uuid for one in listed),
        left_over=len(passing) - len(listed),
        sample=tuple(drawn),
    )


def _desk_scope(actor: Actor) -> Scope:
    """A scope that any of the actor's trainer roles reaches: whether there is a desk at all."""
    trainer = [role for role in actor.roles if role.kind is RoleKind.TRAINER]
    return Scope(
        tenant_id=actor.tenant_id,
        unit_paths=tuple(role.unit_path for role in trainer if role.course_id is None),
        course_ids=frozenset(role.course_id for role in trainer if role.course_id is not None),
    )
