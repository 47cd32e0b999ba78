"""整校推进方案: the county asks for plans, each school fills in and hands in its own, the county returns or accepts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, select

import competencies
from competencies import StoredFile
from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import by_id, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import curate, units
from lms_plugin.flow.oversee import Place, place_of
from lms_plugin.people import Person, Tenant, UnitKind

domain = competencies.plans
LONGEST_REASON = 1000


@dataclass(frozen=True)
class Held:
    """A plan with what belongs to it, and what the actor may do with it. `plan` None: nobody has begun it."""

    place: Place
    call: domain.PlanCall
    plan: domain.SchoolPlan | None
    papers: tuple[tuple[domain.PlanPaper, StoredFile], ...]

    @property
    def state(self) -> domain.PlanState:
        """Where it stands."""
        return self.plan.state if self.plan is not None else domain.PlanState.DRAFT

    @property
    def team(self) -> tuple[domain.TeamMember, ...]:
        """The management team as it is kept."""
        kept = self.plan.team if self.plan is not None else []
        return tuple(domain.TeamMember(one["name"], domain.TeamDuty(one["duty"])) for one in kept)

    @property
    def environment(self) -> str:
        """The environment of the plan; what the school has declared before where the plan says nothing yet."""
        return (self.plan.environment if self.plan is not None else "") or self.place.unit.environment

    @property
    def edition(self) -> str:
        """Names what is kept of team and environment: a form says which one it was filled in over. Files change
        nothing of it."""
        kept = (self.plan.team, self.plan.environment) if self.plan is not None else ([], "")
        return competencies.edition(kept if any(kept) else None)

    @property
    def names(self) -> tuple[str, ...]:
        """The papers that are asked for, then those that are there although nobody asks for them any more."""
        return tuple(dict.fromkeys((*self.call.papers, *(paper.paper for paper, _file in self.papers))))

    @property
    def lack(self) -> domain.PlanLack:
        """What is missing before it can be handed in."""
        present = {paper.paper for paper, _file in self.papers}
        return domain.lacks(self.call.papers, present, self.team, self.environment)


def scope_of(place: Place) -> Scope:
    """The school."""
    return Scope(place.unit.tenant_id, unit_paths=(place.unit.path,))


def _call(session: Session, place: Place, *, to_change: bool = False) -> domain.PlanCall | None:
    statement = select(domain.PlanCall).where(domain.PlanCall.programme_id == pk(place.programme))
    return session.exec(statement.with_for_update() if to_change else statement).one_or_none()


def ask(
    session: Session,
    actor: Actor,
    programme_uuid: str,
    unit_uuid: str,
    papers: tuple[str, ...],
    due_on: date | None,
    now: datetime,
    *,
    is_open: bool = True,
) -> domain.PlanCall:
    """Asks every school of the programme for a plan with these papers, or asks no more (`is_open` False): what is there
    stays. Raises Invalid at "due_on" for a day before the programme opens."""
    place = place_of(session, actor, programme_uuid, unit_uuid, now)
    require(actor, Permission.PLAN_ASK, Scope(actor.tenant_id, unit_paths=(place.programme_path,)))
    if due_on is not None and not competencies.EARLIEST <= due_on <= competencies.LATEST:
        raise Invalid({"due_on": "form.date"})
    call = _call(session, place, to_change=True)
    if call is None:
        call = domain.PlanCall(
            programme_id=pk(place.programme), papers=list(papers), changed_at=now, changed_by_id=actor.person_id
        )
    call.papers, call.due_on, call.is_open = list(papers), due_on, is_open
    call.changed_at, call.changed_by_id = now, actor.person_id
    session.add(call)
    session.flush()
    return call


def held(
    session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, now: datetime, *, to_change: bool = False
) -> Held:
    """A school's plan. Raises NotFound where the unit is no school or nobody asks for plans; Forbidden without a role
    there. `to_change`: the plan's row is kept for this transaction."""
    place = place_of(session, actor, programme_uuid, unit_uuid, now)
    require(actor, Permission.PLAN_READ, scope_of(place))
    call = _call(session, place)
    if place.unit.kind is not UnitKind.SCHOOL or call is None:
        raise NotFound
    statement = select(domain.SchoolPlan).where(
        domain.SchoolPlan.tenant_id == actor.tenant_id,
        domain.SchoolPlan.programme_id == pk(place.programme),
        domain.SchoolPlan.org_unit_id == pk(place.unit),
    )
    plan = session.exec(statement.with_for_update() if to_change else statement).one_or_none()
    return Held(place, call, plan, _papers(session, plan))


def _papers(session: Session, plan: domain.SchoolPlan | None) -> tuple[tuple[domain.PlanPaper, StoredFile], ...]:
    if plan is None:
        return ()
    rows = session.exec(
        select(domain.PlanPaper, StoredFile)
        .join(StoredFile, col(StoredFile.id) == col(domain.PlanPaper.stored_file_id))
        .where(
            domain.PlanPaper.tenant_id == plan.tenant_id,
            domain.PlanPaper.plan_id == pk(plan),
            col(domain.PlanPaper.removed_at).is_(None),
        )
        .order_by(col(domain.PlanPaper.id))
    ).all()
    return tuple(rows)


def history(session: Session, actor: Actor, found: Held) -> list[tuple[domain.PlanEvent, str]]:
    """What happened to a plan, the newest first, each with the name of who did it. Two queries."""
    require(actor, Permission.PLAN_READ, scope_of(found.place))
    steps = domain.plan_events(session, pk(found.plan)) if found.plan is not None else []
    people = by_id(session, Person, [step.person_id for step in steps])
    return [(step, people[step.person_id].name) for step in steps]


def to_fill_in(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, now: datetime) -> Held:
    """The school's plan to be changed, begun where there is none. Raises Conflict while the county has it."""
    found = held(session, actor, programme_uuid, unit_uuid, now, to_change=True)
    require(actor, Permission.PLAN_EDIT, scope_of(found.place))
    if not found.call.is_open and found.state is not domain.PlanState.RETURNED:  # what was sent back may be put right
        raise Conflict("plan.not_asked")
    if found.state not in domain.OPEN_PLANS:
        raise Conflict("plan.handed_in")
    if found.plan is not None:
        return found
    plan = domain.SchoolPlan(
        tenant_id=actor.tenant_id,
        programme_id=pk(found.place.programme),
        org_unit_id=pk(found.place.unit),
        created_at=now,
        changed_at=now,
    )
    session.add(plan)
    session.flush()  # two who begin at once: the second gets the 409 page and finds the plan begun
    return Held(found.place, found.call, plan, ())


def save(
    session: Session,
    actor: Actor,
    programme_uuid: str,
    unit_uuid: str,
    team: Iterable[domain.TeamMember],
    environment: str,
    edition: str,
    now: datetime,
) -> Held:
    """Keeps team and environment. Raises Conflict `plan.changed` (with what is kept now) where `edition` is not that
    of the last save, Invalid at "environment"."""
    known = held(session, actor, programme_uuid, unit_uuid, now, to_change=True)
    if known.edition != edition:
        names = [member.name for member in known.team]
        raise Conflict("plan.changed", held=known, team=names, environment=known.environment)
    environment = units.environments_as_kept(environment)
    found = to_fill_in(session, actor, programme_uuid, unit_uuid, now)
    require(actor, Permission.PLAN_EDIT, scope_of(found.place))
    plan = plan_of(found)
    plan.team = [{"name": member.name, "duty": member.duty.value} for member in team]
    plan.environment, plan.changed_at = environment, now
    session.add(plan)
    session.flush()
    return found


def plan_of(found: Held) -> domain.SchoolPlan:
    """The plan that was begun. Raises NotFound where there is none."""
    if found.plan is None:
        raise NotFound
    return found.plan


def submit(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, now: datetime) -> domain.SchoolPlan:
    """Hands the plan in: the county has it now. Raises Refused `plan.lacking` while something is missing."""
    found = to_fill_in(session, actor, programme_uuid, unit_uuid, now)
    if found.lack:
        raise Refused("plan.lacking")
    plan = plan_of(found)
    plan.environment = found.environment
    plan.submitted_by_id = actor.person_id
    due_on = found.call.due_on
    timezone = get(session, Tenant, actor.tenant_id).timezone
    is_late = due_on is not None and now >= competencies.end_of_day(due_on, timezone)

    return _step(
        session,
        actor,
        found,
        domain.PlanState.SUBMITTED,
        domain.PlanEventKind.SUBMITTED,
        now,
        is_late=is_late,
    )


def withdraw(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, now: datetime) -> domain.SchoolPlan:
    """The school takes its plan back while the county has not decided. Raises Conflict otherwise."""
    found = held(session, actor, programme_uuid, unit_uuid, now, to_change=True)
    require(actor, Permission.PLAN_EDIT, scope_of(found.place))
    if found.state is not domain.PlanState.SUBMITTED:
        raise Conflict("plan.decided")
    if not found.call.is_open:
        raise Conflict("plan.not_asked")  # it could not be handed in again
    return _step(session, actor, found, domain.PlanState.DRAFT, domain.PlanEventKind.WITHDRAWN, now)


def send_back(
    session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, reason: str, now: datetime
) -> domain.SchoolPlan:
    """The county wants something changed, also in a plan that it accepted before.

    Raises Invalid at "reason" (missing, too long), Conflict for a plan that was not handed in, Forbidden for who handed
    it in.
    """
    found = _to_decide(
        session,
        actor,
        programme_uuid,
        unit_uuid,
        now,
        domain.PlanState.SUBMITTED,
        domain.PlanState.ACCEPTED,
    )
    lines = [" ".join(line.split()) for line in reason.splitlines()]
    reason = "\n".join(line for line in lines if line)
    if not reason:
        raise Invalid({"reason": "plan.reason_missing"})
    if len(reason) > LONGEST_REASON:
        raise Invalid({"reason": ("form.too_long", {"longest": LONGEST_REASON})})
    if not reason.replace("\n", "").isprintable():
        raise Invalid({"reason": "form.unprintable"})
    return _step(
        session,
        actor,
        found,
        domain.PlanState.RETURNED,
        domain.PlanEventKind.RETURNED,
        now,
        reason,
    )


def accept(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, now: datetime) -> domain.SchoolPlan:
    """The county takes the plan; the environment it declares is from now on the school's.

    Raises Invalid at "environment" where nobody there could meet the rules of a programme that runs, Conflict for a
    plan that was not handed in, Forbidden for who handed it in.
    """
    found = _to_decide(session, actor, programme_uuid, unit_uuid, now, domain.PlanState.SUBMITTED)
    unit = found.place.unit
    if found.environment != unit.environment:
        curate.require_met(session, actor.tenant_id, [unit.path], found.environment, now)
        units.declare(unit, found.environment)
        session.add(unit)
    return _step(session, actor, found, domain.PlanState.ACCEPTED, domain.PlanEventKind.ACCEPTED, now)


def _to_decide(
    session: Session,
    actor: Actor,
    programme_uuid: str,
    unit_uuid: str,
    now: datetime,
    *states: domain.PlanState,
) -> Held:
    found = held(session, actor, programme_uuid, unit_uuid, now, to_change=True)
    own = found.plan.submitted_by_id if found.plan is not None else None
    scope = Scope(actor.tenant_id, owner_id=own, unit_paths=(found.place.unit.path,))
    require(actor, Permission.PLAN_DECIDE, scope)
    if found.state not in states:
        raise Conflict("plan.not_handed_in")
    return found


def may_decide(actor: Actor, found: Held) -> bool:
    """Whether the actor may return or accept it: an officer above the school who did not hand it in."""
    own = found.plan.submitted_by_id if found.plan is not None else None
    return can(actor, Permission.PLAN_DECIDE, Scope(actor.tenant_id, owner_id=own, unit_paths=(found.place.unit.path,)))


def may_edit(actor: Actor, found: Held) -> bool:
    """Whether the actor fills it in: the school's lead, or an officer above it."""
    return can(actor, Permission.PLAN_EDIT, scope_of(found.place))


def _step(
    session: Session,
    actor: Actor,
    found: Held,
    state: domain.PlanState,
    kind: domain.PlanEventKind,
    now: datetime,
    reason: str = "",
    *,
    is_late: bool = False,
) -> domain.SchoolPlan:
    plan = plan_of(found)
    plan.state, plan.changed_at = state, now
    session.add(plan)
    session.add(
        domain.PlanEvent(
            plan_id=pk(plan),
            kind=kind,
            person_id=actor.person_id,
            reason=reason,
            manifest=_manifest(found) | ({"is_late": True} if is_late else {}),
            at=now,
        )
    )
    session.flush()
    return plan


def _manifest(found: Held) -> dict[str, Any]:
    return {
        "environment": found.environment,
        "team": [{"name": member.name, "duty": member.duty.value} for member in found.team],
        "papers": [
            {"paper": row.paper, "name": file.filename, "size": file.size_bytes, "sha256": file.sha256}
            for row, file in found.papers
        ],
    }
