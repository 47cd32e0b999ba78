"""拿不准的先看: which pending works of a programme the reviewers leave in doubt, the most doubtful first, and why.

Counted when a trainer asks, from what is in by then. It says where to look and decides nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

import competencies
import rubrics
from competencies import Programme, Submission, SubmissionVersion
from lms_plugin.access import Actor
from lms_plugin.db import by_id, find
from lms_plugin.flow import queue_views, reliability
from lms_plugin.flow.reach import FILTERS, joined, within
from lms_plugin.flow.reliability import TODAY
from lms_plugin.people import Person
from rubrics import CriterionMark, Review, ReviewState

A_PAGE = 50


@dataclass(frozen=True)
class Line:
    """A work of the queue with its doubt. `counts`: of the criterion that is least sure, how many gave each level;
    `asks`: what that criterion asks for."""

    row: queue_views.CaseRow
    doubt: rubrics.Doubt
    counts: Mapping[int, int]
    asks: Mapping[str, str]


@dataclass(frozen=True)
class Page:
    """The works that are uncertain, or (`why`) those that are for one reason. `compared`: pending works with two
    reviews; `counts`: how many are uncertain for each reason; `budgets`: what looking at the first N % leaves."""

    programme: str
    title: str
    policy: rubrics.Policy
    why: rubrics.Reason | None
    compared: int
    uncertain: int
    counts: Mapping[rubrics.Reason, int]
    budgets: tuple[rubrics.Budget, ...]
    lines: tuple[Line, ...]
    page: int
    total: int

    @property
    def pages(self) -> int:
        """How many pages of 50 there are, at least one."""
        return max(1, -(-self.total // A_PAGE))


def uncertain_page(
    session: Session, actor: Actor, programme_uuid: str, why: rubrics.Reason | None, page: int, now: datetime
) -> Page:
    """Pending works within the actor's reach that are uncertain; never the actor's own, nor one they still review."""
    queue_views.may_read(session, actor)
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    policy = rubrics.Policy(competencies.rules_of(session, programme).review.score)
    reached = and_(within(actor, programme), FILTERS["pending"])
    marks = _marks(session, reached)
    by_work = rubrics.grouped((work, key, who, level) for work, key, who, level, _passes in marks)
    sides: dict[int, set[bool]] = {}
    for work, _key, _who, _level, passes in marks:
        sides.setdefault(work, set()).add(passes)
    known = (
        rubrics.leanings(
            rubrics.Rated(one.given.work, one.given.reviewer, one.given.value)
            for one in reliability.reviewed(session, programme)
        )
        if policy is rubrics.Policy.SEVERITY
        else {}
    )
    chance = rubrics.chance_of(by_work.values(), known)
    found = {
        work: doubt
        for work, criteria in by_work.items()
        if (doubt := rubrics.doubt_of(criteria, policy, chance, known, differ=len(sides[work]) > 1)) is not None
    }
    uncertain = {work: doubt for work, doubt in found.items() if doubt.reasons}
    wanted = [work for work, doubt in uncertain.items() if why is None or why in doubt.reasons]
    wanted.sort(key=lambda work: (-uncertain[work].chance, -len(uncertain[work].reasons), work))
    page = min(page, max(1, -(-len(wanted) // A_PAGE)))
    shown = wanted[(page - 1) * A_PAGE : page * A_PAGE]
    return Page(
        programme=programme.uuid,
        title=programme.title,
        policy=policy,
        why=why,
        compared=len(found),
        uncertain=len(uncertain),
        counts={reason: sum(reason in one.reasons for one in uncertain.values()) for reason in rubrics.Reason},
        budgets=rubrics.budgets([doubt.chance for doubt in found.values()]),
        lines=_lines(session, actor, reached, shown, uncertain, by_work, now),
        page=page,
        total=len(wanted),
    )


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


def _lines(
    session: Session,
    actor: Actor,
    reached: Any,
    shown: Collection[int],
    doubts: Mapping[int, rubrics.Doubt],
    by_work: Mapping[int, list[rubrics.CriterionMarks]],
    now: datetime,
) -> tuple[Line, ...]:
    if not shown:
        return ()
    rows = queue_views.listed(session, actor, and_(reached, col(Submission.id).in_(shown)), now)
    works = by_id(session, Submission, list(shown))
    asked = {
        (point, f"{key.item_key}.{key.criterion_key}"): question
        for (point, key), (_about, question) in reliability.criteria_asked(
            session, sorted({work.point_id for work in works.values()})
        ).items()
    }
    by_uuid = {row.uuid: row for row in rows}
    found = []
    for work in shown:
        doubt, row = doubts[work], by_uuid.get(works[work].uuid)
        if row is None:
            continue
        levels = next(list(one.levels.values()) for one in by_work[work] if one.key == doubt.key)
        counts = {level: levels.count(level) for level in sorted(set(levels), reverse=True)}
        found.append(Line(row, doubt, counts, asked.get((works[work].point_id, doubt.key), {})))
    return tuple(found)
