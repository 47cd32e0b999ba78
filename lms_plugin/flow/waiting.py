"""What of a county waits for somebody, as parts of one query: batches to check, objections to answer, plans
to review, appeals under way.

Counted from what is so, never kept: nothing of it can be stale. `notices` puts the parts beside its own lines.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, String, false, func, literal, or_, true, union_all
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

import competencies
from competencies import BatchState, Objection, Programme, SchoolBatch
from lms_plugin.access import Actor
from lms_plugin.people import OrgUnit, RoleKind
from rubrics import Appeal, AppealState

CHECK, ANSWER, REVIEW, APPEALS = "batch.check", "objection.answer", "plan.review", "appeal.open"
_Plan = competencies.plans.SchoolPlan


@dataclass(frozen=True)
class CountyMatter:
    """`number` things of one kind (`CHECK`, `ANSWER`, `REVIEW`, `APPEALS`) in one programme; the first of them is in
    `school`, "" for appeals.

    `batch`: of that first one, "" for others than batches; `since_at`: when the oldest came. uuids.
    """

    kind: str
    programme: str
    title: str
    number: int
    batch: str
    unit: str
    school: str
    since_at: datetime


def paths_of(actor: Actor, *, also_trainers: bool) -> tuple[str, ...]:
    """The units that the actor looks after for a county; "" = the whole district. A provisional trainer checks
    nothing, and a trainer of a course has no unit."""
    return tuple(
        "" if role.is_district_wide else role.unit_path
        for role in actor.roles
        if role.course_id is None
        and (
            role.kind is RoleKind.OFFICER
            or (also_trainers and role.kind is RoleKind.TRAINER and not role.is_provisional)
        )
    )


def below(path: Any, tops: tuple[str, ...]) -> ColumnElement[bool]:
    """Whether a unit lies at or below one of these; "" = the whole district."""
    if "" in tops:
        return true()
    return or_(false(), *(path.startswith(top, autoescape=True) for top in tops))


def county_parts(actor: Actor) -> list[Select[Any]]:
    """Selects of (kind, programme, title, number, batch, unit, school, since), one a kind that the actor may act on; of
    programmes that were put away nothing. The whole of a programme is asked for, except for plans."""
    offices, desks = paths_of(actor, also_trainers=False), paths_of(actor, also_trainers=True)
    parts = []
    if desks:
        rows: Any = columns(
            col(SchoolBatch.programme_id).label("programme_id"),
            func.count().label("number"),
            func.min(col(SchoolBatch.id)).label("first"),
            func.min(col(SchoolBatch.closed_at)).label("since"),
        ).where(col(SchoolBatch.tenant_id) == actor.tenant_id, col(SchoolBatch.state) == BatchState.CHECKING)
        parts.append(_of_batches(CHECK, rows.group_by(col(SchoolBatch.programme_id)).subquery(), desks))
    if offices:
        rows = (
            columns(
                col(SchoolBatch.programme_id).label("programme_id"),
                func.count().label("number"),
                func.min(col(SchoolBatch.id)).label("first"),
                func.min(col(Objection.raised_at)).label("since"),
            )
            .join(Objection, col(Objection.batch_id) == col(SchoolBatch.id))
            .where(col(SchoolBatch.tenant_id) == actor.tenant_id, col(Objection.is_upheld).is_(None))
        )
        parts.append(_of_batches(ANSWER, rows.group_by(col(SchoolBatch.programme_id)).subquery(), offices))
        parts.append(_plans(actor, offices))
        parts.append(_appeals(actor, offices))
    return parts


def _of_batches(kind: str, counted: Any, tops: tuple[str, ...]) -> Select[Any]:
    above, school = aliased(OrgUnit), aliased(OrgUnit)
    return (
        columns(
            literal(kind, String).label("kind"),
            col(Programme.uuid).label("programme"),
            col(Programme.title).label("title"),
            counted.c.number.label("number"),
            col(SchoolBatch.uuid).label("batch"),
            col(school.uuid).label("unit"),
            col(school.name).label("school"),
            counted.c.since.label("since"),
        )
        .select_from(counted)
        .join(Programme, col(Programme.id) == counted.c.programme_id)
        .join(above, col(above.id) == col(Programme.org_unit_id))
        .join(SchoolBatch, col(SchoolBatch.id) == counted.c.first)
        .join(school, col(school.id) == col(SchoolBatch.org_unit_id))
        .where(
            col(Programme.archived_at).is_(None),
            col(Programme.goes_by_batch).is_(True),  # else the stages were switched off, and nobody goes on with these
            below(col(above.path), tops),
        )
    )


def _appeals(actor: Actor, tops: tuple[str, ...]) -> Select[Any]:
    """Appeals that wait to be settled, one line a programme; the actor's own are not theirs to look at."""
    counted = (
        columns(
            col(Appeal.programme_id).label("programme_id"),
            func.count().label("number"),
            func.min(col(Appeal.raised_at)).label("since"),
        )
        .where(
            col(Appeal.tenant_id) == actor.tenant_id,
            col(Appeal.state) == AppealState.OPEN,
            col(Appeal.person_id).not_in(actor.person_ids),
        )
        .group_by(col(Appeal.programme_id))
        .subquery()
    )
    above = aliased(OrgUnit)
    return (
        columns(
            literal(APPEALS, String).label("kind"),
            col(Programme.uuid).label("programme"),
            col(Programme.title).label("title"),
            counted.c.number.label("number"),
            literal("", String).label("batch"),
            literal("", String).label("unit"),
            literal("", String).label("school"),
            counted.c.since.label("since"),
        )
        .select_from(counted)
        .join(Programme, col(Programme.id) == counted.c.programme_id)
        .join(above, col(above.id) == col(Programme.org_unit_id))
        .where(col(Programme.archived_at).is_(None), below(col(above.path), tops))
    )


def _plans(actor: Actor, tops: tuple[str, ...]) -> Select[Any]:
    """Plans of schools below these units; what the actor handed in for a school is somebody else's to review."""
    own = col(_Plan.submitted_by_id).in_(actor.person_ids)
    counted = (
        columns(
            col(_Plan.programme_id).label("programme_id"),
            func.count().label("number"),
            func.min(col(_Plan.id)).label("first"),
            func.min(col(_Plan.changed_at)).label("since"),
        )
        .join(OrgUnit, col(OrgUnit.id) == col(_Plan.org_unit_id))
        .where(
            col(_Plan.tenant_id) == actor.tenant_id,
            col(_Plan.state) == competencies.plans.PlanState.SUBMITTED,
            or_(col(_Plan.submitted_by_id).is_(None), ~own),
            below(col(OrgUnit.path), tops),
        )
        .group_by(col(_Plan.programme_id))
        .subquery()
    )
    school = aliased(OrgUnit)
    return (
        columns(
            literal(REVIEW, String).label("kind"),
            col(Programme.uuid).label("programme"),
            col(Programme.title).label("title"),
            counted.c.number.label("number"),
            literal("", String).label("batch"),
            col(school.uuid).label("unit"),
            col(school.name).label("school"),
            counted.c.since.label("since"),
        )
        .select_from(counted)
        .join(Programme, col(Programme.id) == counted.c.programme_id)
        .join(_Plan, col(_Plan.id) == counted.c.first)
        .join(school, col(school.id) == col(_Plan.org_unit_id))
        .where(col(Programme.archived_at).is_(None))
    )


@lru_cache(maxsize=256)  # putting it together costs more than running it
def _statement(actor: Actor) -> Any:
    parts = county_parts(actor)
    return union_all(*parts) if parts else None


def county_matters(session: Session, actor: Actor) -> tuple[CountyMatter, ...]:
    """What waits for the actor beyond one school, the oldest first; nothing for who only looks after a school. One
    query, none for who looks after no part of a county."""
    statement = _statement(actor)
    if statement is None:
        return ()
    return tuple(sorted((CountyMatter(*row) for row in session.execute(statement)), key=lambda one: one.since_at))
