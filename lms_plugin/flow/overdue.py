"""超过答应的天数: works that wait longer for a decision than their programme promises, for the officers above it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, String, func, literal
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from competencies import Programme, ProgrammePolicy, Submission, SubmissionVersion
from lms_plugin.access import Actor
from lms_plugin.flow import promised, waiting
from lms_plugin.flow.reach import joined
from lms_plugin.people import OrgUnit

OVERDUE = "work.overdue"


def promising(actor: Actor) -> list[Select[Any]]:
    """A select of what `waiting.county_parts` select, over the open programmes that promise a decision and that the
    actor looks after as an officer: whether anything is late is another question (`overdue_matters`)."""
    offices = waiting.paths_of(actor, also_trainers=False)
    if not offices:
        return []
    above = aliased(OrgUnit)
    decide_days: Any = col(ProgrammePolicy.rules)["review"]["decide_days"].as_integer()
    statement: Any = (
        columns(
            literal(OVERDUE, String).label("kind"),
            col(Programme.uuid).label("programme"),
            col(Programme.title).label("title"),
            literal(0).label("number"),
            literal("", String).label("batch"),
            literal("", String).label("unit"),
            literal("", String).label("school"),
            col(ProgrammePolicy.made_at).label("since"),
        )
        .join(ProgrammePolicy, col(ProgrammePolicy.id) == col(Programme.policy_id))
        .join(above, col(above.id) == col(Programme.org_unit_id))
        .where(
            col(Programme.tenant_id) == actor.tenant_id,
            col(Programme.state) == competencies.ProgrammeState.OPEN,
            col(Programme.archived_at).is_(None),
            decide_days > 0,
            waiting.below(col(above.path), offices),
        )
    )
    return [statement]


def overdue_matters(
    session: Session, actor: Actor, promising_uuids: Collection[str], now: datetime
) -> list[waiting.CountyMatter]:
    """Of these programmes (`promising`) those in which works are late: one line each, `since_at`: when the oldest of
    them was handed in. Three queries, none for no programme."""
    if not promising_uuids:
        return []
    programmes: Sequence[Programme] = session.exec(
        select(Programme).where(Programme.tenant_id == actor.tenant_id, col(Programme.uuid).in_(promising_uuids))
    ).all()
    late = promised.overdue(promised.promises_of(session, programmes), now)
    if late is None:
        return []
    of = {one.id: one for one in programmes}
    rows = session.execute(
        joined(columns(col(Submission.programme_id), func.count(), func.min(col(SubmissionVersion.submitted_at))))
        .where(late)
        .group_by(col(Submission.programme_id))
    ).all()
    return [
        waiting.CountyMatter(OVERDUE, of[key].uuid, of[key].title, int(number), "", "", "", since)
        for key, number, since in rows
    ]
