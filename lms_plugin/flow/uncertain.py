"""拿不准的先看: which pending works of a programme the reviewers leave in doubt, the most doubtful first, and why.

Counted when a trainer asks, from what is in by then. It says where to look and decides nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_
from sqlmodel import Session, col

import rubrics
from competencies import Programme, Submission
from lms_plugin.access import Actor
from lms_plugin.db import by_id, find
from lms_plugin.flow import doubts, queue_views, reliability
from lms_plugin.flow.reach import FILTERS, within

A_PAGE = 50
USUAL_LOOK = 10
"""Per cent of the works that the page says something of before anybody moves the slider."""


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
    reviews; `counts`: how many are uncertain for each reason. `look`: what looking at the first N % leaves, for the N
    that was asked; `budgets`: the same for 0, 5, … 100 %."""

    programme: str
    title: str
    policy: rubrics.Policy
    why: rubrics.Reason | None
    compared: int
    uncertain: int
    counts: Mapping[rubrics.Reason, int]
    look: rubrics.Budget
    budgets: tuple[rubrics.Budget, ...]
    lines: tuple[Line, ...]
    page: int
    total: int

    @property
    def pages(self) -> int:
        """How many pages of 50 there are, at least one."""
        return max(1, -(-self.total // A_PAGE))


def uncertain_page(
    session: Session,
    actor: Actor,
    programme_uuid: str,
    why: rubrics.Reason | None,
    page: int,
    now: datetime,
    look: int = USUAL_LOOK,
) -> Page:
    """Pending works within the actor's reach that are uncertain; never the actor's own, nor one they still review."""
    queue_views.may_read(session, actor)
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    reached = and_(within(actor, programme), FILTERS["pending"])
    counted = doubts.found_in(session, programme, reached)
    found, by_work = counted.doubts, counted.by_work
    uncertain = {work: doubt for work, doubt in found.items() if doubt.reasons}
    wanted = [work for work, doubt in uncertain.items() if why is None or why in doubt.reasons]
    wanted.sort(key=lambda work: (-uncertain[work].chance, -len(uncertain[work].reasons), work))
    page = min(page, max(1, -(-len(wanted) // A_PAGE)))
    chances = [doubt.chance for doubt in found.values()]
    shown = wanted[(page - 1) * A_PAGE : page * A_PAGE]
    return Page(
        programme=programme.uuid,
        title=programme.title,
        policy=counted.policy,
        why=why,
        compared=len(found),
        uncertain=len(uncertain),
        counts={reason: sum(reason in one.reasons for one in uncertain.values()) for reason in rubrics.Reason},
        look=rubrics.budgets(chances, [max(0, min(100, look))])[0],
        budgets=rubrics.budgets(chances, range(0, 101, 5)),
        lines=_lines(session, actor, reached, shown, uncertain, by_work, now),
        page=page,
        total=len(wanted),
    )


def _lines(
    session: Session,
    actor: Actor,
    reached: Any,
    shown: Collection[int],
    doubtful: Mapping[int, rubrics.Doubt],
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
        doubt, row = doubtful[work], by_uuid.get(works[work].uuid)
        if row is None:
            continue
        levels = next(list(one.levels.values()) for one in by_work[work] if one.key == doubt.key)
        counts = {level: levels.count(level) for level in sorted(set(levels), reverse=True)}
        found.append(Line(row, doubt, counts, asked.get((works[work].point_id, doubt.key), {})))
    return tuple(found)
