"""What works that wait for peers lack, kept so that it can be claimed; and until when a review is due."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, or_, update
from sqlalchemy import select as columns
from sqlmodel import Session

import competencies
import rubrics
from lms_plugin.db import get, pk, table
from lms_plugin.flow.review_pool import Pool
from lms_plugin.people import Tenant

DAYS_FOR_LATE_REVIEWS = timedelta(days=5)
DISTRICT = 0  # `ReviewNeed.pool` where everybody of the district may review


def due_at(session: Session, programme: competencies.Programme, now: datetime) -> datetime:
    """The last day of reviews; of work that comes after it (an extension reaches so far) some days from today on, but
    never beyond the end of the programme."""
    return due_on(programme, get(session, Tenant, programme.tenant_id).timezone, now)


def due_on(programme: competencies.Programme, timezone: str, now: datetime) -> datetime:
    """`due_at`, of a programme of a district with that time zone."""
    today, last = competencies.local_day(now, timezone), programme.review_by_on
    if today > last:
        last = max(last, min(programme.closes_on, today + DAYS_FOR_LATE_REVIEWS))
    return competencies.end_of_day(last, timezone)


def hold(session: Session, programme: competencies.Programme) -> None:
    """Nobody claims a work of the programme until this transaction is over, and who is claiming one is waited for:
    else an allotment that was planned before a claim would give the work one reviewer too many."""
    need = table(rubrics.ReviewNeed)
    held = columns(need.c.id).where(need.c.programme_id == pk(programme))
    session.execute(held.order_by(need.c.submission_version_id).with_for_update()).all()


def pool_key(policy: competencies.ReviewPolicy, unit_id: int | None, group_id: int | None) -> int | None:
    """Works and people with the same key may meet (`ReviewNeed.pool`)."""
    if policy.pool == "district":
        return DISTRICT
    return unit_id if policy.pool == "own_school" or group_id is None else group_id


def refresh(
    session: Session, programme: competencies.Programme, rules: competencies.Rules, pool: Pool, now: datetime
) -> None:
    """After an allotment: what works of the programme lack now, in `ReviewNeed`. A work that waits for peers has a row;
    where nobody may claim, none has."""
    policy, need = rules.review, table(rubrics.ReviewNeed)
    stored = {
        row.submission_version_id: row
        for row in session.execute(columns(need).where(need.c.programme_id == pk(programme)))
    }
    wanted = _rows_wanted(programme, policy, pool) if policy.takes_claims else {}
    rubrics.end_needs(session, stored.keys() - wanted.keys())
    missing = wanted.keys() - stored.keys()
    if missing:
        session.execute(
            insert(need),
            [{**wanted[key], "need": 0, "prio": secrets.randbits(31)} for key in sorted(missing)],
        )
    changed = [
        key
        for key in wanted.keys() & stored.keys()
        if any(getattr(stored[key], name) != value for name, value in wanted[key].items())
    ]
    for key in sorted(changed):
        session.execute(update(need).where(need.c.submission_version_id == key).values(**wanted[key]))
    standing = _standing(session, pk(programme), policy.lease_hours, now)
    off = [
        key
        for key in wanted
        if key in missing
        or key in changed
        or stored[key].need != max(0, policy.reviews_per_work - standing.get(key, 0))
    ]
    rubrics.count_need(session, off, now)


def _rows_wanted(
    programme: competencies.Programme, policy: competencies.ReviewPolicy, pool: Pool
) -> dict[int, dict[str, Any]]:
    found = {}
    for work in pool.works:
        submission = pool.submissions[work.id]
        is_for_peers = submission.trainer_id is None or policy.returned_to == "peers"
        if submission.state is competencies.SubmissionState.SUBMITTED and is_for_peers:
            found[pk(pool.versions[work.id])] = {
                "programme_id": pk(programme),
                "submission_id": work.id,
                "submission_version_id": pk(pool.versions[work.id]),
                "author_id": submission.person_id,
                "org_unit_id": work.school_id,
                "pool": pool_key(policy, work.school_id, work.group_id),
                "wanted": policy.reviews_per_work,
                "lease_hours": policy.lease_hours,
            }
    return found


def _standing(session: Session, programme_id: int, lease_hours: int, now: datetime) -> dict[int, int]:
    """Version → how many reviews of it are somebody's now (`rubrics.is_late` of those that are not)."""
    review = table(rubrics.Review).c
    touched = func.coalesce(review.saved_at, review.opened_at)
    late = or_(
        (review.state == rubrics.ReviewState.OPEN) & (touched <= now - timedelta(hours=lease_hours)),
        (review.state == rubrics.ReviewState.ALLOTTED) & (review.due_at <= now),
    )
    wanted = [review.programme_id == programme_id, review.state.in_(rubrics.LIVE)]
    if lease_hours:
        wanted.append(func.coalesce(late, False).is_(False))
    rows: Sequence[Any] = session.execute(
        columns(review.submission_version_id, func.count()).where(*wanted).group_by(review.submission_version_id)
    ).all()
    return dict(map(tuple, rows))
