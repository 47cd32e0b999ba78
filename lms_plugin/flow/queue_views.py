"""The trainer's queue with its filters and counts, and what list mode would confirm."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, and_, case
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import find, owned, pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import cases, promised
from lms_plugin.flow.reach import (
    CONFIRMABLE,
    DECIDERS,
    DOUBT,
    FILTERS,
    READERS,
    decided_by,
    filters_of,
    first_of,
    joined,
    within,
)
from lms_plugin.people import OrgUnit, Person, RoleKind

PAGE = 50
_Returner = aliased(Person)
OPEN_FOR = timedelta(minutes=30)
IN_ORDER_OF_TIME = frozenset({"late", "decided", "by_rule", "returned", "declined"})
"""Parts of the queue in which nothing is to be weighed."""


@dataclass(frozen=True)
class CaseRow:
    """One work in the queue. `agreed_level`: what the reviewers agree on, None where they do not. `programme` and
    `person`: uuids, where the author's record is."""

    uuid: str
    programme: str
    person: str
    author: str
    school: str
    point_code: str
    point_name: Mapping[str, str]
    level_words: Mapping[str, Mapping[str, str]] | None  # the framework's own words for its levels
    state: str
    number: int
    is_late: bool
    reviews: int
    is_agreed: bool
    differs: bool
    agreed_level: int | None
    decided_level: int | None
    base: int  # the version of the decision that stands, 0 = none
    opened_by: str
    opened_at: datetime | None
    submitted_at: datetime
    returned_by: str  # who returned it and gets it back; "" when nobody did
    is_mine: bool  # that is the person who looks
    is_by_rule: bool  # it passed by the programme's rules, without a trainer
    doubt: str  # "unsure", "clear"; "" where fewer than two reviews are in
    waits_since: datetime | None  # for its decision, where the programme promises one in so many days
    is_overdue: bool


@dataclass(frozen=True)
class Queue:
    """One page of the queue and the counts of all filters.

    `by_doubt`: the most doubtful first, else the oldest; `overdue`: how many wait longer than promised.
    `yours`, `yours_late`, `confirmable`: how many wait for this very person, who may only look at others: pending,
    late, and agreed among the pending ones. `decides`: whether there is anything that the person could decide.
    """

    programmes: tuple[tuple[str, str], ...]
    programme: str
    state: str
    agreed: int | None
    by_doubt: bool
    overdue: int
    counts: Mapping[str, int]
    rows: tuple[CaseRow, ...]
    page: int
    total: int
    decides: bool
    yours: int
    yours_late: int
    confirmable: int
    on_chain: bool  # whether any of the programmes goes by 考核小组 or school batches
    level_words: Mapping[str, Mapping[str, str]] | None  # of the chosen programme's framework
    has_examples: bool  # whether the chosen programme works with 校准样例

    @property
    def pages(self) -> int:
        """How many pages of 50 there are, at least one."""
        return max(1, -(-self.total // PAGE))


def queue(
    session: Session,
    actor: Actor,
    programme: str,
    state: str,
    agreed: int | None,
    page: int,
    now: datetime,
    *,
    by_doubt: bool = True,
) -> Queue:
    """The works within the actor's reach that wait for a trainer; never the actor's own.

    What a trainer returned comes back to that trainer: first in their queue, last in their colleagues'; else the most
    doubtful comes first (`by_doubt`), or the oldest.
    """
    may_read(session, actor)
    programmes = session.exec(
        owned(competencies.Programme, actor.tenant_id).order_by(col(competencies.Programme.id).desc())
    ).all()
    chosen = next((one for one in programmes if one.uuid == programme), None)
    if programme and chosen is None:
        raise NotFound
    reached = within(actor, chosen)
    promises = promised.promises_of(session, programmes if chosen is None else [chosen])
    filters = {**filters_of(actor), **overdue_of(promises, now)}
    own_desk = decided_by(actor)
    asked = [*filters.values(), *(and_(own_desk, one) for one in (FILTERS["pending"], FILTERS["late"], CONFIRMABLE))]
    sums = [func.coalesce(func.sum(case((one, 1), else_=0)), 0) for one in asked]
    counted = [int(one) for one in session.connection().execute(joined(columns(*sums)).where(reached)).one()]
    counts = dict(zip(filters, counted, strict=False))
    yours, yours_late, confirmable = counted[len(filters) :]
    state = state if state in filters else "pending"
    by_doubt = by_doubt and state not in IN_ORDER_OF_TIME
    wanted = and_(reached, filters[state])
    if agreed is not None:
        wanted = and_(wanted, col(rubrics.ReviewSummary.agreed_level) == agreed)
    total = counts[state] if agreed is None else _count(session, wanted)
    rows = listed(session, actor, wanted, now, page, by_doubt=by_doubt, promises=promises)
    return Queue(
        programmes=tuple((one.uuid, one.title) for one in programmes if one.archived_at is None or one is chosen),
        programme=chosen.uuid if chosen is not None else "",
        state=state,
        agreed=agreed,
        by_doubt=by_doubt,
        overdue=counts.get("overdue", 0),
        counts=counts,
        rows=rows,
        page=page,
        total=total,
        decides=actor.has(*DECIDERS),
        yours=yours,
        yours_late=yours_late,
        confirmable=confirmable,
        on_chain=any(one.goes_by_batch or one.panel_decides for one in programmes),
        level_words=_words_of(session, chosen, rows),
        has_examples=chosen is not None and competencies.rules_of(session, chosen).review.calibration != "off",
    )


def overdue_of(promises: promised.Promises, now: datetime) -> dict[str, ColumnElement[bool]]:
    """The filter of those that wait longer than promised; none where nothing is promised."""
    condition = promised.overdue(promises, now)
    return {} if condition is None else {"overdue": condition}


def _words_of(
    session: Session, chosen: competencies.Programme | None, rows: Sequence[CaseRow]
) -> Mapping[str, Mapping[str, str]] | None:
    """What a programme's framework calls its levels: rows say so, a list without any is looked up."""
    if chosen is None:
        return None
    if rows:
        return rows[0].level_words
    return competencies.frameworks.words_of_levels(session, chosen.framework_version_id)


def may_read(session: Session, actor: Actor) -> None:
    require(actor, Permission.SETTINGS_CHOOSE, own(actor))
    if not actor.has(*READERS):
        raise Forbidden(permission=Permission.CASE_READ.value)


def _count(session: Session, wanted: ColumnElement[bool]) -> int:
    return int(session.exec(joined(select(func.count(col(competencies.Submission.id)))).where(wanted)).one())


def listed(
    session: Session,
    actor: Actor,
    wanted: ColumnElement[bool],
    now: datetime,
    page: int = 1,
    size: int = PAGE,
    *,
    by_doubt: bool = False,
    promises: promised.Promises = MappingProxyType({}),
) -> Any:
    """Works with all that a row shows, in their order: one query for them and one for who has them open."""
    rows = session.exec(
        joined(
            columns(
                competencies.Submission,
                competencies.SubmissionVersion,
                rubrics.ReviewSummary,
                competencies.CompetencyPoint,
                competencies.Decision,
                col(Person.name),
                col(Person.uuid),
                col(OrgUnit.name),
                col(_Returner.name),
                col(competencies.Programme.uuid),
            )
        )
        .join(_Returner, col(_Returner.id) == col(competencies.Submission.trainer_id), isouter=True)
        .join(
            competencies.CompetencyPoint,
            col(competencies.CompetencyPoint.id) == col(competencies.Submission.point_id),
        )
        .join(Person, col(Person.id) == col(competencies.Submission.person_id))
        .join(competencies.Programme, col(competencies.Programme.id) == col(competencies.Submission.programme_id))
        .join(OrgUnit, col(OrgUnit.id) == col(competencies.SubmissionVersion.org_unit_id), isouter=True)
        .join(
            competencies.Decision,
            col(competencies.Decision.submission_version_id) == col(competencies.SubmissionVersion.id),
            isouter=True,
        )
        .where(wanted)
        .order_by(
            first_of(actor),
            *([DOUBT.desc()] if by_doubt else []),
            col(competencies.SubmissionVersion.submitted_at),
            col(competencies.Submission.id),
        )
        .offset((page - 1) * size)
        .limit(size)
    ).all()
    openings = _openings(session, [pk(row[0]) for row in rows], now)
    return tuple(_row(actor, row, openings.get(pk(row[0])), promises, now) for row in rows)


def _row(
    actor: Actor, row: Any, opened: tuple[str, datetime] | None, promises: promised.Promises, now: datetime
) -> CaseRow:
    submission, version, summary, point, decision, author, person, school, returner, programme = row
    is_pending = submission.state is competencies.SubmissionState.SUBMITTED
    since = promised.waits_since(promises, submission, version, summary) if is_pending else None
    rank = summary.doubt_millionths if summary is not None and is_pending else None
    return CaseRow(
        uuid=submission.uuid,
        programme=programme,
        person=person,
        author=author,
        school=school or "",
        point_code=point.code,
        point_name=point.name,
        level_words=point.level_words,
        state=submission.state.value,
        number=version.number,
        is_late=version.is_late,
        reviews=summary.submitted if summary is not None else 0,
        is_agreed=summary is not None and summary.is_agreed,
        differs=summary is not None and summary.submitted >= 2 and not summary.is_agreed,
        agreed_level=summary.agreed_level if summary is not None and summary.is_agreed else None,
        decided_level=decision.point_level if decision is not None and not is_pending else None,
        base=decision.version if decision is not None else 0,
        is_by_rule=decision is not None and decision.by_policy_id is not None and not is_pending,
        opened_by=opened[0] if opened is not None else "",
        opened_at=opened[1] if opened is not None else None,
        submitted_at=version.submitted_at,
        returned_by=returner or "",
        is_mine=submission.trainer_id is not None and actor.is_author(submission.trainer_id),
        doubt="" if rank is None else "unsure" if rank > rubrics.UNKNOWN_RANK else "clear",
        waits_since=since if since is not None and since <= now else None,
        is_overdue=promised.is_overdue(promises, submission, since, now),
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
    """What list mode would confirm: how many at which level, which, and three drawn at random to look at first.

    `confirmed`: what the same person decided within the last half an hour, each to be taken back while it is not out.
    """

    programme: str
    title: str
    by_level: Mapping[int, int]
    below: int
    rows: tuple[CaseRow, ...]
    left_over: int
    sample: tuple[CaseRow, ...]
    confirmed: tuple[CaseRow, ...]
    level_words: Mapping[str, Mapping[str, str]] | None


def agreed_list(
    session: Session, actor: Actor, programme: str, agreed: int | None, seed: int, now: datetime
) -> AgreedList:
    """The agreed works of a programme that one act may confirm; those below pass are left to single decisions."""
    may_read(session, actor)
    row = find(session, competencies.Programme, actor.tenant_id, programme)
    require(actor, Permission.CASE_DECIDE, _desk_scope(actor))
    wanted = and_(within(actor, row), CONFIRMABLE, decided_by(actor))
    if agreed is not None:
        wanted = and_(wanted, col(rubrics.ReviewSummary.agreed_level) == agreed)
    is_passing = col(rubrics.ReviewSummary.agreed_level) >= int(competencies.Level.PASS)
    at_once: tuple[CaseRow, ...] = listed(session, actor, and_(wanted, is_passing), now, size=cases.MOST_AT_ONCE)
    sums = columns(func.count(), func.coalesce(func.sum(case((is_passing, 1), else_=0)), 0))
    total, passing = session.connection().execute(joined(sums).where(wanted)).one()
    drawn = random.Random(seed).sample(at_once, min(3, len(at_once)))  # noqa: S311 - a look, not a secret
    levels = [one.agreed_level or 0 for one in at_once]
    return AgreedList(
        programme=row.uuid,
        title=row.title,
        by_level={level: levels.count(level) for level in sorted(set(levels), reverse=True)},
        below=int(total) - int(passing),
        rows=at_once,
        left_over=int(passing) - len(at_once),
        sample=tuple(drawn),
        confirmed=_just_decided(session, actor, row, now),
        level_words=_words_of(session, row, at_once),
    )


def _just_decided(
    session: Session, actor: Actor, programme: competencies.Programme, now: datetime
) -> tuple[CaseRow, ...]:
    wanted = and_(
        within(actor, programme),
        col(competencies.Submission.state) == competencies.SubmissionState.DECIDED,
        col(competencies.Decision.decided_by_id).in_(actor.person_ids),
        col(competencies.Decision.by_policy_id).is_(None),
        col(competencies.Decision.outcome) == competencies.Outcome.DECIDED,
        col(competencies.Decision.decided_at) > now - OPEN_FOR,
    )
    found: tuple[CaseRow, ...] = listed(session, actor, wanted, now, size=cases.MOST_AT_ONCE)
    return found


def _desk_scope(actor: Actor) -> Scope:
    """A scope that any of the actor's roles as trainer or in a 考核小组 reaches: whether there is a desk at all."""
    trainer = [role for role in actor.roles if role.kind is RoleKind.TRAINER]
    return Scope(
        tenant_id=actor.tenant_id,
        unit_paths=tuple(role.unit_path for role in trainer if role.course_id is None),
        course_ids=frozenset(role.course_id for role in trainer if role.course_id is not None),
        panel_path=next((role.unit_path for role in actor.roles if role.kind is RoleKind.PANEL), ""),
    )
