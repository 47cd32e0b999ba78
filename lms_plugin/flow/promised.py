"""答应几天: since when a work waits for its decision, and which ones wait longer than their programme promises.

A work waits for who decides from the moment that reviewers are done with it: all its reviews are in, or their last day
is over; at once where nobody reviews, and where it came back to who had returned it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, true
from sqlmodel import Session, col, select

import competencies
from competencies import Programme, ProgrammePolicy, Submission, SubmissionVersion
from lms_plugin.db import get, pk
from lms_plugin.flow.reach import FILTERS
from lms_plugin.people import Tenant
from rubrics import ReviewSummary


@dataclass(frozen=True)
class Promise:
    """Of one programme: decided within so many days. `reviews`: how many a work gets; `reviewed_at`: when the last day
    of reviews is over. `returns_to_peers`: what comes back after a return is reviewed once more."""

    days: int
    reviews: int
    reviewed_at: datetime
    returns_to_peers: bool


Promises = Mapping[int, Promise]
"""By programme (id); those that promise nothing are not in it."""


def promises_of(session: Session, programmes: Iterable[Programme]) -> Promises:
    """What these programmes promise: a query, and one more where one of them promises anything."""
    by_policy = {one.policy_id: one for one in programmes if one.policy_id is not None and one.archived_at is None}
    rows = session.exec(select(ProgrammePolicy).where(col(ProgrammePolicy.id).in_(by_policy))) if by_policy else ()
    found = {}
    for row in rows:
        review = row.rules.get("review", {})
        if not review.get("decide_days"):
            continue
        programme = by_policy[pk(row)]
        timezone = get(session, Tenant, programme.tenant_id).timezone
        reviewed_at = competencies.end_of_day(programme.review_by_on, timezone)
        found[pk(programme)] = Promise(
            review["decide_days"],
            review.get("reviews_per_work", 0),
            reviewed_at,
            review.get("returned_to") == "peers",
        )
    return found


def waits_since(
    promises: Promises, work: Submission, version: SubmissionVersion, summary: ReviewSummary | None
) -> datetime | None:
    """Since when a pending work waits for its decision; None where nothing is promised, or it is with reviewers yet
    (then the moment lies ahead)."""
    promise = promises.get(work.programme_id)
    if promise is None:
        return None
    if not promise.reviews or (work.trainer_id is not None and not promise.returns_to_peers):
        return version.submitted_at
    reviewed_at = promise.reviewed_at
    if summary is not None and summary.submitted >= promise.reviews:
        reviewed_at = min(reviewed_at, summary.changed_at)
    return max(version.submitted_at, reviewed_at)


def is_overdue(promises: Promises, work: Submission, since: datetime | None, now: datetime) -> bool:
    """Whether it waits longer than was promised."""
    return since is not None and since <= now - timedelta(days=promises[work.programme_id].days)


def overdue(promises: Promises, now: datetime) -> ColumnElement[bool] | None:
    """The same as a condition over `reach.joined`; None where nothing is promised."""
    ways = []
    for programme_id, one in promises.items():
        until = now - timedelta(days=one.days)
        done: Any = and_(col(ReviewSummary.submitted) >= one.reviews, col(ReviewSummary.changed_at) <= until)
        if not one.reviews or one.reviewed_at <= until:
            done = true()
        ways.append(
            and_(
                col(Submission.programme_id) == programme_id,
                col(SubmissionVersion.submitted_at) <= until,
                done if one.returns_to_peers else or_(done, col(Submission.trainer_id).is_not(None)),
            )
        )
    return and_(FILTERS["pending"], or_(*ways)) if ways else None
