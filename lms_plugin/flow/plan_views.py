"""整校推进方案 read only: which schools have handed theirs in, and what each teacher of a school has chosen."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import pk
from lms_plugin.flow.oversee import Place, crumbs, place_of, units_around
from lms_plugin.flow.oversee_views import Frame, UnitRef
from lms_plugin.people import OrgMembership, OrgUnit, Person, UnitKind

domain = competencies.plans
PAGE = 50
MOST_TEACHERS = 300  # that the page of a plan names; beyond it the list of people has pages


@dataclass(frozen=True)
class PlanLine:
    """One school. `state` None: nobody there has begun."""

    uuid: str
    name: str
    state: domain.PlanState | None
    changed_at: datetime | None


@dataclass(frozen=True)
class PlansPage:
    """The schools below a unit. `counts`: schools by state, "none" for those that have not begun. `call` None: nobody
    has asked for plans yet."""

    frame: Frame
    unit: UnitRef
    crumbs: tuple[UnitRef, ...]
    call: domain.PlanCall | None
    counts: dict[str, int]
    lines: tuple[PlanLine, ...]
    total: int
    may_ask: bool

    @property
    def schools(self) -> int:
        """All of them."""
        return sum(self.counts.values())


_ORDER = case(
    (col(domain.SchoolPlan.state) == domain.PlanState.SUBMITTED, 0),
    (col(domain.SchoolPlan.state) == domain.PlanState.RETURNED, 1),
    (col(domain.SchoolPlan.state) == domain.PlanState.ACCEPTED, 3),
    else_=2,
)
STATES = ("none", *(state.value for state in domain.PlanState))


def page(
    session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, state: str, number: int, now: datetime
) -> PlansPage:
    """Where each school stands, those that wait for the county first. `state` "": all of them."""
    place = place_of(session, actor, programme_uuid, unit_uuid, now)
    require(actor, Permission.PLAN_READ, Scope(actor.tenant_id, unit_paths=(place.unit.path,)))
    call = session.exec(
        select(domain.PlanCall).where(domain.PlanCall.programme_id == pk(place.programme))
    ).one_or_none()
    counts = dict.fromkeys(STATES, 0)
    of_school = and_(
        col(domain.SchoolPlan.org_unit_id) == col(OrgUnit.id),
        col(domain.SchoolPlan.programme_id) == pk(place.programme),
    )
    within = (
        col(OrgUnit.tenant_id) == actor.tenant_id,
        col(OrgUnit.kind) == UnitKind.SCHOOL,
        col(OrgUnit.path).startswith(place.unit.path),
    )
    rows = session.exec(
        select(col(domain.SchoolPlan.state), func.count())
        .select_from(OrgUnit)
        .join(domain.SchoolPlan, of_school, isouter=True)
        .where(*within)
        .group_by(col(domain.SchoolPlan.state))
    ).all()
    for found, count in rows:
        counts[found.value if found is not None else "none"] = count
    wanted = (
        columns(col(OrgUnit.uuid), col(OrgUnit.name), col(domain.SchoolPlan.state), col(domain.SchoolPlan.changed_at))
        .select_from(OrgUnit)
        .join(domain.SchoolPlan, of_school, isouter=True)
        .where(*within)
    )
    if state in STATES:
        is_one = (
            col(domain.SchoolPlan.id).is_(None)
            if state == "none"
            else col(domain.SchoolPlan.state) == domain.PlanState(state)
        )
        wanted = wanted.where(is_one)
    lines = session.execute(
        wanted.order_by(_ORDER, col(OrgUnit.path), col(OrgUnit.id)).offset((number - 1) * PAGE).limit(PAGE)
    ).all()
    return PlansPage(
        frame=place.frame,
        unit=UnitRef(place.unit.uuid, place.unit.name),
        crumbs=crumbs(place, units_around(session, place.unit, children=False), actor),
        call=call,
        counts=counts,
        lines=tuple(PlanLine(*line) for line in lines),
        total=counts.get(state, 0) if state in STATES else sum(counts.values()),
        may_ask=can(actor, Permission.PLAN_ASK, Scope(actor.tenant_id, unit_paths=(place.programme_path,))),
    )


def trail(session: Session, actor: Actor, place: Place) -> tuple[UnitRef, ...]:
    """The way down to the school."""
    require(actor, Permission.PLAN_READ, Scope(actor.tenant_id, unit_paths=(place.unit.path,)))
    return crumbs(place, units_around(session, place.unit, children=False), actor)


def chosen_points(session: Session, actor: Actor, place: Place) -> list[tuple[str, tuple[str, ...]]]:
    """Each teacher of the school who chose points in the programme, with their codes in the framework's order: the list
    that belongs to a plan. One query."""
    require(actor, Permission.PLAN_READ, Scope(actor.tenant_id, unit_paths=(place.unit.path,)))
    here = (
        select(OrgMembership.person_id)
        .where(OrgMembership.org_unit_id == pk(place.unit), col(OrgMembership.ends_on).is_(None))
        .distinct()
    )
    chose, today = aliased(Person), Person  # who chose it, and the row that stands for them today
    rows = session.exec(
        select(today.id, today.name, competencies.CompetencyPoint.code)
        .join(chose, func.coalesce(col(chose.merged_into_id), col(chose.id)) == col(today.id))
        .join(competencies.Selection, col(competencies.Selection.person_id) == col(chose.id))
        .join(
            competencies.CompetencyPoint,
            col(competencies.CompetencyPoint.id) == col(competencies.Selection.point_id),
        )
        .where(
            Person.tenant_id == actor.tenant_id,
            col(Person.id).in_(here),
            competencies.Selection.programme_id == pk(place.programme),
            col(competencies.Selection.dropped_at).is_(None),
        )
        .order_by(col(Person.staff_number), col(Person.id), col(competencies.CompetencyPoint.position))
    ).all()
    found: dict[int, tuple[str, dict[str, None]]] = {}
    for key, name, code in rows:
        found.setdefault(key or 0, (name, {}))[1][code] = None
    return [(name, tuple(codes)) for name, codes in found.values()]
