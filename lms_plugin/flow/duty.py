"""互评任务: who owes reviews where the rules hold hours for it (`ReviewPolicy.duty` = "hold"). Nothing else waits for
it: they hand in, are reviewed and get their results as everybody does. Once a round is over nobody is held."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import func
from sqlalchemy import select as columns
from sqlmodel import Session, col

import competencies
import rubrics
from lms_plugin.db import get, pk
from lms_plugin.people import Tenant


def holds(
    session: Session, programme: competencies.Programme, policy: competencies.ReviewPolicy, now: datetime
) -> bool:
    """Whether hours are held at this moment for reviews that are not done: never once the round is over."""
    if policy.duty != "hold":
        return False
    return not competencies.is_closed(programme, get(session, Tenant, programme.tenant_id).timezone, now)


def owed(session: Session, programme_id: int, rows: Collection[int]) -> dict[int, int]:
    """Row of a person → how many reviews of the round they have not finished; those with none are left out. One
    query. Examples count like others: nothing tells which they are."""
    review = rubrics.Review
    found = session.execute(
        columns(col(review.reviewer_id), func.count())
        .where(
            col(review.programme_id) == programme_id,
            col(review.reviewer_id).in_(rows),
            col(review.state).in_(rubrics.UNFINISHED),
        )
        .group_by(col(review.reviewer_id))
    )
    return {row: int(number) for row, number in found}


def owing(
    session: Session,
    programme: competencies.Programme,
    policy: competencies.ReviewPolicy,
    people: Mapping[int, Collection[int]],
    now: datetime,
) -> dict[int, int]:
    """Of these human beings (row of today → all their rows) those whose hours wait now, with how many reviews each
    owes. No query where the rules hold nothing."""
    if not people or not holds(session, programme, policy, now):
        return {}
    by_row = owed(session, pk(programme), {row for rows in people.values() for row in rows})
    sums = {today: sum(by_row.get(row, 0) for row in rows) for today, rows in people.items()}
    return {today: number for today, number in sums.items() if number}
