"""拿不准: what the reviewers of a programme's pending works leave in doubt, for whoever orders, lists or passes them.

Two readings of one rule. On the spot, from what is in by now (`found_in`); and kept beside what reviewers say together
(`ReviewSummary.doubt_millionths`), so that a queue can be ordered by it: of one work when a review of it comes in, and
with everybody's leanings, over all marks, by the worker a little later (`weigh_due`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, or_, update
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import Programme, Submission, SubmissionVersion
from lms_plugin.db import get, pk
from lms_plugin.flow import calibration, reliability
from lms_plugin.flow.reach import FILTERS, joined
from lms_plugin.flow.reliability import TODAY
from lms_plugin.people import Person
from rubrics import CriterionMark, Review, ReviewState, ReviewSummary

EVERY = timedelta(minutes=15)
"""So often at most everything is weighed anew while reviews come in."""


@dataclass(frozen=True)
class Found:
    """By work: the marks of each graded criterion; and the doubt, where a criterion has two reviewers."""

    policy: rubrics.Policy
    by_work: Mapping[int, list[rubrics.CriterionMarks]]
    doubts: Mapping[int, rubrics.Doubt]


def found_in(session: Session, programme: Programme, reached: Any) -> Found:
    """The doubts of the works that `reached` names (over `reach.joined`): three queries."""
    policy = rubrics.Policy(competencies.rules_of(session, programme).review.score)
    marks = _marks(session, reached)
    by_work = rubrics.grouped((work, key, who, level) for work, key, who, level, _passes in marks)
    sides: dict[int, set[bool]] = {}
    for work, _key, _who, _level, passes in marks:
        sides.setdefault(work, set()).add(passes)
    known = (
        rubrics.leanings(
            (
                rubrics.Rated(one.given.work, one.given.reviewer, one.given.value)
                for one in reliability.reviewed(session, programme)
            ),
            calibration.gold_errors(session, programme),
        )
        if policy is rubrics.Policy.SEVERITY
        else {}
    )
    chance = rubrics.chance_of(by_work.values(), known)
    doubts = {
        work: doubt
        for work, criteria in by_work.items()
        if (doubt := rubrics.doubt_of(criteria, policy, chance, known, differ=len(sides[work]) > 1)) is not None
    }
    return Found(policy, by_work, doubts)


def _marks(session: Session, reached: Any) -> list[tuple[int, str, int, int, bool]]:
    """(work, criterion as "item.criterion", who reviews today, level, whether that review passes the work) of all
    graded marks of these works' current versions: one query."""
    given = aliased(Review)  # what is within reach asks after reviews of its own
    rows: Any = session.connection().execute(
        joined(
            columns(
                col(Submission.id),
                col(CriterionMark.requirement_key),
                col(CriterionMark.criterion_key),
                TODAY,
                col(CriterionMark.level),
                col(given.point_level),
            )
        )
        .join(given, col(given.submission_version_id) == col(SubmissionVersion.id))
        .join(Person, col(Person.id) == col(given.reviewer_id))
        .join(CriterionMark, col(CriterionMark.review_id) == col(given.id))
        .where(
            reached,
            col(given.state) == ReviewState.SUBMITTED,
            col(CriterionMark.criterion_key) != rubrics.VALIDITY_KEY,
            col(CriterionMark.level).is_not(None),
            col(given.point_level).is_not(None),
        )
        .order_by(col(given.id), col(CriterionMark.id))
    )
    return [
        (work, f"{item}.{criterion}", who, level, point_level >= competencies.Level.PASS)
        for work, item, criterion, who, level, point_level in rows
    ]


def pending_of(programme: Programme) -> Any:
    """All works of a programme that wait for their decision, as a condition over `reach.joined`."""
    return and_(
        col(Submission.programme_id) == pk(programme), FILTERS["pending"], col(SubmissionVersion.withdrawn_at).is_(None)
    )


def to_weigh(session: Session) -> list[int]:
    """For the worker: the programmes in which reviews came in since all was weighed."""
    rows = session.exec(
        joined(select(Submission.programme_id))
        .join(Programme, col(Programme.id) == col(Submission.programme_id))
        .where(
            FILTERS["pending"],
            col(ReviewSummary.submitted) > 1,
            or_(col(Programme.weighed_at).is_(None), col(ReviewSummary.changed_at) > col(Programme.weighed_at)),
        )
        .distinct()
    )
    return sorted(rows)


def weigh_due(session: Session, programme_id: int, now: datetime) -> int:
    """For the worker: writes anew what the queue is ordered by, unless that was done a moment ago; gives how many works
    moved. No change of what officers edit, so the programme's version stays."""
    programme = get(session, Programme, programme_id)
    if programme.weighed_at is not None and programme.weighed_at > now - EVERY:
        return 0
    pending = pending_of(programme)
    doubts = found_in(session, programme, pending).doubts
    rows: Any = session.connection().execute(
        joined(columns(col(ReviewSummary.id), col(Submission.id), col(ReviewSummary.doubt_millionths))).where(
            pending, col(ReviewSummary.id).is_not(None)
        )
    )
    moved = [
        {"row": row, "rank": rank}
        for row, work, before in rows
        if (rank := doubts[work].rank if work in doubts else None) != before
    ]
    if moved:
        table: Any = ReviewSummary.__table__  # type: ignore[attr-defined]
        session.connection().execute(
            update(table).where(table.c.id == bindparam("row")).values(doubt_millionths=bindparam("rank")), moved
        )
    session.connection().execute(update(Programme).where(col(Programme.id) == programme_id).values(weighed_at=now))
    session.expire_all()
    return len(moved)
