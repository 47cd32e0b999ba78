"""到期日: until when somebody has what to do, for a calendar of their own. Titles and numbers; no author, no mark."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from sqlalchemy import func
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import Programme
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import get
from lms_plugin.flow import appeal_review, extensions
from lms_plugin.people import Enrolment, Tenant

What = Literal["hand_in", "review", "appeal", "ends"]


@dataclass(frozen=True)
class DueDay:
    """Something to be done by the end of that day. `key` stays the same however the day or the number changes;
    `number`: of reviews; `title`: of the round, of an appeal the code of its point."""

    key: str
    what: What
    title: str
    on: date
    number: int = 0


def due_days(session: Session, actor: Actor, now: datetime) -> list[DueDay]:
    """What lies ahead of the actor, the nearest day first: unfinished reviews, appeals to look at, and the days of the
    rounds they take part in (their own, where they were given longer). Four queries, one for each round with
    extensions."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    timezone = get(session, Tenant, actor.tenant_id).timezone
    found = [*_reviews(session, actor, timezone), *_rounds(session, actor, timezone, now)]
    found += [
        DueDay(f"appeal-{one.uuid}", "appeal", one.code, _last_day(one.due_at, timezone))
        for one in appeal_review.tasks(session, actor)
    ]
    today = competencies.local_day(now, timezone)
    return sorted((one for one in found if one.on >= today), key=lambda one: (one.on, one.key))


def _last_day(due_at: datetime, timezone: str) -> date:
    """The day that ends at this moment, 24:00."""
    return competencies.local_day(due_at - timedelta(microseconds=1), timezone)


def _reviews(session: Session, actor: Actor, timezone: str) -> list[DueDay]:
    review = rubrics.Review
    rows = session.execute(
        columns(col(Programme.uuid), col(Programme.title), col(review.due_at), func.count())
        .join(Programme, col(Programme.id) == col(review.programme_id))
        .where(
            col(review.tenant_id) == actor.tenant_id,
            col(review.reviewer_id).in_(actor.person_ids),
            col(review.state).in_(rubrics.UNFINISHED),
            col(review.due_at).is_not(None),
        )
        .group_by(col(Programme.uuid), col(Programme.title), col(review.due_at))
        .order_by(col(review.due_at))
    ).all()
    places: dict[str, int] = {}
    found = []
    for uuid, title, due_at, number in rows:
        places[uuid] = places.get(uuid, 0) + 1
        key = f"review-{uuid}-{places[uuid]}"
        found.append(DueDay(key, "review", title, _last_day(due_at, timezone), int(number)))
    return found


def _rounds(session: Session, actor: Actor, timezone: str, now: datetime) -> list[DueDay]:
    rows: Sequence[Programme] = session.exec(
        select(Programme)
        .join(Enrolment, col(Enrolment.programme_id) == col(Programme.id))
        .where(
            Programme.tenant_id == actor.tenant_id,
            Programme.state == competencies.ProgrammeState.OPEN,
            col(Programme.archived_at).is_(None),
            col(Enrolment.person_id).in_(actor.person_ids),
        )
        .order_by(col(Programme.id))
        .distinct()
    ).all()
    found = []
    for one in rows:
        if competencies.is_closed(one, timezone, now):
            continue
        extended = extensions.own_extension(session, actor, one)
        until = competencies.last_day(one, False, extended.until_on if extended is not None else None)
        found.append(DueDay(f"hand-in-{one.uuid}", "hand_in", one.title, until))
        found.append(DueDay(f"ends-{one.uuid}", "ends", one.title, one.closes_on))
    return found
