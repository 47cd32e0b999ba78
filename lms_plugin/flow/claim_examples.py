"""校准样例 beside claimed reviews: in place of a claimed work now and then, or all of them before the first one."""

import hashlib
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.flow import calibration

SOON = 4
"""Among so many claims, or fewer where fewer are left, those who may claim many more meet their examples: few claim as
often as they may."""


def in_place(
    session: Session,
    actor: Actor,
    programme: competencies.Programme,
    policy: competencies.ReviewPolicy,
    left: int,
    now: datetime,
) -> rubrics.Example | None:
    """The example that this claim brings instead of a work, None for a work; `left`: how often one may claim still."""
    if policy.calibration != calibration.MIXED:
        return None
    had = _had(session, actor, programme)
    if len(had) >= policy.calibration_items:
        return None
    mine = calibration.examples_for(session, programme, policy, actor.person_ids, now)
    chance = int.from_bytes(hashlib.sha256(f"{programme.uuid}:{actor.person_id}:{now.isoformat()}".encode()).digest())
    return rubrics.next_claimed(mine, policy.calibration_items, had, actor.person_id, max(1, min(left, SOON)), chance)


def first(
    session: Session, actor: Actor, programme: competencies.Programme, policy: competencies.ReviewPolicy, now: datetime
) -> list[rubrics.Example]:
    """The examples that this person is to practise on before the work that they claim."""
    if policy.calibration != calibration.BEFORE:
        return []
    had = _had(session, actor, programme)
    missing = policy.calibration_items - len(had)
    if missing <= 0:
        return []
    mine = calibration.examples_for(session, programme, policy, actor.person_ids, now)
    free = [one for one in mine if one.item not in had and actor.person_id not in one.not_for]
    return free[:missing]


def _had(session: Session, actor: Actor, programme: competencies.Programme) -> set[int]:
    """The examples that this human being has had in this programme: one query."""
    gold, review = rubrics.GoldReview, rubrics.Review
    return set(
        session.exec(
            select(gold.gold_item_id)
            .join(review, col(review.id) == col(gold.review_id))
            .where(review.programme_id == pk(programme), col(review.reviewer_id).in_(actor.person_ids))
        )
    )
