"""复核改判: a released decision gets other marks because its author appealed. The decision of before is kept by who
revises it (`rubrics.appeals`); an award whose level changes is replaced, never overwritten."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_
from sqlmodel import Session, col, select

from competencies.decisions import Computed, ItemSheet, compute
from competencies.levels import Level
from competencies.models import Award, Decision, Submission
from competencies.rules import Appeals as Appeals
from lms_plugin.db import pk
from lms_plugin.errors import Refused

AWARD_OF_DECISION: ColumnElement[bool] = and_(col(Award.decision_id) == col(Decision.id), ~col(Award.is_replaced))
"""The award that a decision has, in a join."""


def as_it_stands(decision: Decision) -> dict[str, Any]:
    """A decision in words that JSON can keep."""
    return {
        "marks": decision.marks,
        "item_levels": decision.item_levels,
        "point_level": decision.point_level,
        "reason": decision.reason,
        "decided_by_id": decision.decided_by_id,
        "decided_at": decision.decided_at.isoformat(),
        "released_at": decision.released_at.isoformat() if decision.released_at is not None else None,
    }


def revise(
    session: Session,
    decision: Decision,
    items: Sequence[ItemSheet],
    changes: Mapping[tuple[str, str], tuple[int, str]],
    now: datetime,
    submission: Submission,
) -> Computed:
    """Puts (level, reason) in place of these criteria ("item", "criterion") of a released decision, and reckons items
    and point anew. Raises Refused `appeal.not_released`."""
    if decision.released_at is None:
        raise Refused("appeal.not_released")
    marks: dict[str, dict[str, dict[str, Any]]] = {item: dict(of_item) for item, of_item in decision.marks.items()}
    for (item, criterion), (level, reason) in changes.items():
        marks.setdefault(item, {})[criterion] = {"level": level, "reason": reason}
    levels = {item: {key: mark.get("level") for key, mark in of_item.items()} for item, of_item in marks.items()}
    computed = compute(items, levels)
    decision.marks, decision.item_levels = marks, dict(computed.item_levels)
    decision.point_level = computed.point_level
    submission.changed_at = now
    session.add_all([decision, submission])
    session.flush()
    return computed


def replace_award(
    session: Session, decision: Decision, submission: Submission, org_unit_id: int | None, reason: str, now: datetime
) -> Award | None:
    """Brings the award of a decision to its level: taken back with that reason where it is not passed, made where there
    was none, another one in place of it where its level differs. One that an officer has taken back meanwhile stays so,
    whatever the level. Gives the award that stands since, None for none."""
    standing = session.exec(
        select(Award).where(Award.decision_id == pk(decision), col(Award.is_replaced).is_(False))
    ).one_or_none()
    level = Level(decision.point_level or 0)
    if standing is not None and standing.revoked_at is not None:
        return None
    if standing is not None and standing.level == int(level):
        return standing
    if standing is not None:
        standing.revoked_at, standing.revoked_reason = now, reason
        standing.is_replaced = level >= Level.PASS
        session.add(standing)
        session.flush()
    if level < Level.PASS:
        return None
    award = Award(
        tenant_id=submission.tenant_id,
        programme_id=submission.programme_id,
        person_id=submission.person_id,
        point_id=submission.point_id,
        decision_id=pk(decision),
        level=int(level),
        org_unit_id=org_unit_id,
        awarded_at=now,
    )
    session.add(award)
    session.flush()
    return award
