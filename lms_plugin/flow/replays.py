"""重演: the allotments of a programme, and one of them drawn again from what was kept, beside the reviews of today."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists
from sqlalchemy import select as columns
from sqlmodel import Session, col

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import find, pk
from lms_plugin.flow.curate import programme_unit_scope
from lms_plugin.people import Person

MOST = 100


@dataclass(frozen=True)
class AllotmentLine:
    """One allotment. `by`: who pressed the button, None = the timer. `short`: reviews that nobody was free for.
    `is_kept`: it can be drawn again; older ones, and those that found nothing to do, cannot."""

    uuid: str
    ran_at: datetime
    by: str | None
    seed: int
    works: int
    reviewers: int
    assigned: int
    short: int
    is_kept: bool


@dataclass(frozen=True)
class AllotmentsPage:
    """The latest allotments of a programme, newest first; `again`: what came of drawing one of them once more."""

    programme: str
    title: str
    lines: tuple[AllotmentLine, ...]
    replayed: AllotmentLine | None
    again: rubrics.Again | None


def allotments(session: Session, actor: Actor, uuid: str, again: str = "") -> AllotmentsPage:
    """For auditors and officers of the programme. `again`: the uuid of the one to draw again; nothing is written.

    Raises NotFound for another district's programme, and for an allotment that is not this programme's.
    """
    programme = find(session, competencies.Programme, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_READ, programme_unit_scope(session, programme))
    allocation, plan = rubrics.Allocation, rubrics.AllocationPlan
    rows = session.execute(
        columns(allocation, col(Person.name), col(plan.id))
        .outerjoin(Person, col(Person.id) == col(allocation.ran_by_id))
        .outerjoin(plan, col(plan.allocation_id) == col(allocation.id))
        .where(col(allocation.programme_id) == pk(programme))
        .order_by(col(allocation.id).desc())
        .limit(MOST)
    ).all()
    lines = tuple(_line(row, name, kept is not None) for row, name, kept in rows)
    row = find(session, rubrics.Allocation, actor.tenant_id, again) if again else None
    if row is not None and row.programme_id != pk(programme):
        row = find(session, rubrics.Allocation, actor.tenant_id, "")
    result = _again(session, row) if row is not None else None
    replayed = next((one for one in lines if row is not None and one.uuid == row.uuid), None)
    return AllotmentsPage(programme.uuid, programme.title, lines, replayed, result)


def _line(row: rubrics.Allocation, name: str | None, is_kept: bool) -> AllotmentLine:
    return AllotmentLine(
        uuid=row.uuid,
        ran_at=row.ran_at,
        by=(name or "") if row.ran_by_id is not None else None,
        seed=row.seed,
        works=row.works,
        reviewers=row.reviewers,
        assigned=row.assigned,
        short=sum(one["short"] for one in row.shortages),
        is_kept=is_kept,
    )


def _again(session: Session, row: rubrics.Allocation) -> rubrics.Again | None:
    review, example = rubrics.Review, rubrics.GoldReview
    rows = session.execute(
        columns(col(review.submission_id), col(review.reviewer_id), col(review.is_third)).where(
            col(review.allocation_id) == pk(row),
            ~exists().where(col(example.review_id) == col(review.id)),  # given out beside the plan
        )
    )
    return rubrics.draw_again(session, pk(row), row.seed, [tuple(one) for one in rows])
