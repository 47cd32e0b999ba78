"""What waits for a school lead in their school, and how the school's matters stand elsewhere: over all programmes, and
where the official chain's page opens. Counted from what is so, never kept.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Date, String, and_, bindparam, case, cast, func, literal, null, or_, union_all
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from competencies import BatchState, Objection, Programme, ProgrammeState, SchoolBatch, Submission
from competencies import SubmissionState as State
from lms_plugin.access import Actor, Permission, Scope, can, require, somewhere
from lms_plugin.db import by_id, pk
from lms_plugin.flow import choice_confirming, reach, waiting
from lms_plugin.people import OrgMembership, OrgUnit, Person, Role, RoleKind, UnitKind

_Plan, _Call = competencies.plans.SchoolPlan, competencies.plans.PlanCall
_Version = competencies.SubmissionVersion
NEWS_FOR = timedelta(days=7)  # how long a lead reads that something came to a good end
TASKS = ("confirm", "choices", "panel", "returned", "close", "plan.returned", "plan.fill")
"""What a lead has to do: confirm people and choices of points, name the 考核小组, see to a batch that came back, close
one, a plan."""
NEWS = ("decide", "answer", "check", "shown", "ready", "released", "plan.waits", "plan.accepted")
"""What others do for the school, or did in the last days."""


@dataclass(frozen=True)
class SchoolMatter:
    """One matter of a school. `kind`: one of `TASKS` or `NEWS`; `number`: of people or works. `on`: the last day of a
    公示 or of a plan. `programme`, `batch`, `unit`: uuids, "" where there is none."""

    kind: str
    unit: str
    school: str
    programme: str = ""
    title: str = ""
    number: int = 0
    round: int = 0
    batch: str = ""
    on: date | None = None
    by_panel: bool = False

    @property
    def is_task(self) -> bool:
        """Whether the lead has to act."""
        return self.kind in TASKS


def led_by(actor: Actor) -> tuple[int, ...]:
    """The ids of the units whose lead the actor is."""
    paths = [role.unit_path for role in actor.roles if role.kind is RoleKind.SCHOOL_LEAD and role.unit_path]
    return tuple(dict.fromkeys(int(path.split("/")[-2]) for path in paths))


def school_matters(session: Session, actor: Actor, now: datetime) -> tuple[SchoolMatter, ...]:
    """What waits for a school lead, then what others do for the school. Two queries; none for who leads no school."""
    units = led_by(actor)
    if not units:
        return ()
    require(actor, Permission.CHAIN_READ, somewhere(actor))
    places = _places(session, actor.tenant_id, units)
    facts: dict[tuple[int, int, str], list[Any]] = defaultdict(list)
    for row in session.execute(_facts(actor.tenant_id, units, actor.person_ids), {"since": now - NEWS_FOR}):
        facts[row.programme_id, row.unit_id, row.what].append(row)
    found: list[SchoolMatter] = []
    for unit in {pk(unit): unit for _programme, unit in places}.values():
        for row in facts[0, pk(unit), "confirm"]:
            found.append(SchoolMatter("confirm", unit.uuid, unit.name, number=row.number))
    for programme, unit in places:
        of = SchoolMatter("", unit.uuid, unit.name, programme.uuid, programme.title)
        found += [
            replace(of, kind=kind, on=row.ends_on)
            for row in facts[pk(programme), pk(unit), "plan"]
            if (kind := _PLAN_KINDS.get(row.word))
        ]
        if programme.school_confirms and programme.state is ProgrammeState.OPEN:
            about = [row for what in ("chose", "said", "sent_back") for row in facts[pk(programme), pk(unit), what]]
            number = choice_confirming.waiting_in(about, actor.person_ids)
            found += [replace(of, kind="choices", number=number)] if number else []
        if programme.goes_by_batch or programme.panel_decides:
            found += _on_chain(programme, unit, facts, of)
    order = (*TASKS, *NEWS)
    return tuple(sorted(found, key=lambda one: order.index(one.kind)))


_PLAN_KINDS = {
    "none": "plan.fill",
    "draft": "plan.fill",
    "returned": "plan.returned",
    "submitted": "plan.waits",
    "accepted": "plan.accepted",
}


def _on_chain(
    programme: Programme, unit: OrgUnit, facts: Mapping[tuple[int, int, str], Sequence[Any]], of: SchoolMatter
) -> list[SchoolMatter]:
    """What the chain waits for in this school, and where each of its batches stands."""

    def about(what: str, key: int = pk(programme)) -> Sequence[Any]:
        return facts.get((key, pk(unit), what), ())

    works = {row.word: row.number for row in about("works")}
    batches = sorted(about("batch"), key=lambda row: row.number) if programme.goes_by_batch else []
    latest, panel = batches[-1] if batches else None, sum(row.number for row in about("panel", 0))
    undecided, decided = works.get("undecided", 0), works.get("decided", 0)
    by_panel = programme.panel_decides
    found = []
    if by_panel and panel < 2:
        found.append(replace(of, kind="panel", number=undecided))
    elif latest is not None and latest.word == BatchState.RETURNED.value and undecided:
        back = replace(of, kind="returned", number=undecided, by_panel=by_panel)
        found.append(replace(back, round=latest.number, batch=latest.uuid))
    elif undecided:
        found.append(replace(of, kind="decide", number=undecided, by_panel=by_panel))
    under_check = any(row.word == BatchState.CHECKING.value for row in batches)
    if decided and not undecided and not under_check and programme.goes_by_batch:
        found.append(replace(of, kind="close", number=decided))
    for row in about("objection") if batches else ():
        found.append(replace(of, kind="answer", number=row.number, batch=row.uuid))
    kinds = {"checking": "check", "shown": "shown", "ready": "ready", "released": "released"}
    for row in batches:
        if kind := kinds.get(row.word):
            found.append(replace(of, kind=kind, round=row.number, batch=row.uuid, on=row.ends_on))
    return found


def _open_programmes(tenant_id: int) -> Any:
    return and_(
        col(Programme.tenant_id) == tenant_id,
        col(Programme.archived_at).is_(None),
        col(Programme.state) != ProgrammeState.DRAFT,
    )


def _places(session: Session, tenant_id: int, units: Sequence[int]) -> list[tuple[Programme, OrgUnit]]:
    """Each of these units with each programme that runs above it, the newest programme first. One query."""
    above = aliased(OrgUnit)
    statement: Any = (
        columns(Programme, OrgUnit)
        .join(above, col(above.id) == col(Programme.org_unit_id))
        .join(OrgUnit, col(OrgUnit.path).startswith(col(above.path)))
        .where(_open_programmes(tenant_id), col(OrgUnit.id).in_(units))
        .order_by(col(Programme.id).desc(), col(OrgUnit.id))
    )
    return [(programme, unit) for programme, unit in session.execute(statement)]


@lru_cache(maxsize=256)  # putting it together costs more than running it
def _facts(tenant_id: int, units: tuple[int, ...], own: tuple[int, ...]) -> Any:
    """(what, programme_id, unit_id, word, number, uuid, ends_on) of everything the matters are made of; `since`: before
    it what is over is no news any more (word "old")."""
    no_day, nothing = cast(null(), Date), literal("", String)
    state = col(Submission.state)
    word = case(
        (state == State.RELEASED, "released"),
        (and_(state == State.DECIDED, col(Submission.batch_id).is_(None)), "decided"),
        (state == State.DECIDED, "held"),
        else_="undecided",
    )
    chained = select(Programme.id).where(
        _open_programmes(tenant_id), or_(col(Programme.goes_by_batch), col(Programme.panel_decides))
    )
    works = (
        columns(
            literal("works", String).label("what"),
            col(Submission.programme_id).label("programme_id"),
            col(_Version.org_unit_id).label("unit_id"),
            word.label("word"),
            func.count().label("number"),
            nothing.label("uuid"),
            no_day.label("ends_on"),
        )
        .select_from(_Version)
        .join(
            Submission,
            and_(col(Submission.id) == col(_Version.submission_id), col(Submission.current_version_id) == _Version.id),
        )
        .where(
            col(_Version.org_unit_id).in_(units),
            col(_Version.declined_at).is_(None),
            state.not_in([State.DRAFT, State.RELEASED]),
            col(Submission.programme_id).in_(chained),
        )
        .group_by(col(Submission.programme_id), col(_Version.org_unit_id), word)
    )
    is_old = and_(col(SchoolBatch.state) == BatchState.RELEASED, col(SchoolBatch.released_at) < bindparam("since"))
    batches = columns(
        literal("batch", String),
        col(SchoolBatch.programme_id),
        col(SchoolBatch.org_unit_id),
        case((is_old, "old"), else_=cast(col(SchoolBatch.state), String)),
        col(SchoolBatch.round),
        col(SchoolBatch.uuid),
        col(SchoolBatch.ends_on),
    ).where(col(SchoolBatch.tenant_id) == tenant_id, col(SchoolBatch.org_unit_id).in_(units))
    objections = (
        columns(
            literal("objection", String),
            col(SchoolBatch.programme_id),
            col(SchoolBatch.org_unit_id),
            nothing,
            func.count(),
            func.min(col(SchoolBatch.uuid)),
            no_day,
        )
        .join(Objection, col(Objection.batch_id) == col(SchoolBatch.id))
        .where(
            col(SchoolBatch.tenant_id) == tenant_id,
            col(SchoolBatch.org_unit_id).in_(units),
            col(Objection.is_upheld).is_(None),
        )
        .group_by(col(SchoolBatch.programme_id), col(SchoolBatch.org_unit_id))
    )
    panels = (
        columns(literal("panel", String), literal(0), col(Role.org_unit_id), nothing, func.count(), nothing, no_day)
        .where(
            col(Role.tenant_id) == tenant_id,
            col(Role.kind) == RoleKind.PANEL,
            col(Role.org_unit_id).in_(units),
            col(Role.revoked_at).is_(None),
        )
        .group_by(col(Role.org_unit_id))
    )
    to_confirm = (
        columns(
            literal("confirm", String),
            literal(0),
            col(OrgMembership.org_unit_id),
            nothing,
            func.count(func.distinct(col(Person.id))),
            nothing,
            no_day,
        )
        .join(Person, col(Person.id) == col(OrgMembership.person_id))
        .where(
            col(OrgMembership.org_unit_id).in_(units),
            col(OrgMembership.ends_on).is_(None),
            col(Person.merged_into_id).is_(None),
            col(Person.introduced_at).is_not(None),
            col(Person.confirmed_at).is_(None),
            col(Person.id).not_in(own),
        )
        .group_by(col(OrgMembership.org_unit_id))
    )
    asking = select(Programme.id).where(
        _open_programmes(tenant_id), col(Programme.state) == ProgrammeState.OPEN, col(Programme.school_confirms)
    )
    choices = choice_confirming.facts(units, asking)
    return union_all(works, batches, objections, panels, to_confirm, _plans(units), *choices)


def _plans(units: tuple[int, ...]) -> Any:
    """A plan, or that none was begun, wherever the county asks for plans; what it asks no more is "old"."""
    state, school = cast(col(_Plan.state), String), aliased(OrgUnit)
    is_over = and_(col(_Call.is_open).is_(False), or_(col(_Plan.id).is_(None), state == "draft"))
    is_old = and_(state == "accepted", col(_Plan.changed_at) < bindparam("since"))
    of_school = and_(col(_Plan.programme_id) == _Call.programme_id, col(_Plan.org_unit_id) == school.id)
    return (
        columns(
            literal("plan", String),
            col(_Call.programme_id),
            col(school.id),
            case((or_(is_over, is_old), "old"), else_=func.coalesce(state, "none")),
            literal(0),
            literal("", String),
            col(_Call.due_on),
        )
        .select_from(_Call)
        .join(school, col(school.id).in_(units))
        .join(_Plan, of_school, isouter=True)
        .where(col(school.kind) == UnitKind.SCHOOL)
    )


def to_decide(session: Session, actor: Actor) -> int:
    """How many works wait for a member of a 考核小组, as on their desk. One query, none for who is in none."""
    if not actor.has(RoleKind.PANEL):
        return 0
    wanted = reach.joined(columns(func.count())).where(
        reach.within(actor, None), reach.decided_by(actor), reach.FILTERS["pending"]
    )
    return int(session.execute(wanted).scalar_one())


# --- where 考核流程 opens ---


@dataclass(frozen=True)
class ChainPlace:
    """A programme on the chain that the actor may open: the county's page of it (`unit` "") or a school's. `waits`:
    whether something there waits for the actor."""

    programme: str
    title: str
    unit: str
    waits: bool


def chain_places(session: Session, actor: Actor, now: datetime) -> tuple[ChainPlace, ...]:
    """The programmes on the chain, first those where something waits for the actor, then the newest; those that were
    put away are left out, and for a school what the county still prepares. For each the county's page where the actor
    looks after all of it, else the page of the actor's school."""
    require(actor, Permission.CHAIN_READ, somewhere(actor))
    above = aliased(OrgUnit)
    statement: Any = (
        columns(Programme, col(above.path))
        .join(above, col(above.id) == col(Programme.org_unit_id))
        .where(
            col(Programme.tenant_id) == actor.tenant_id,
            col(Programme.archived_at).is_(None),
            or_(col(Programme.goes_by_batch), col(Programme.panel_decides)),
        )
        .order_by(col(Programme.id).desc())
    )
    rows = list(session.execute(statement))
    if not rows:
        return ()
    paths = [role.unit_path for role in actor.roles if role.course_id is None and role.unit_path]
    schools = [
        unit
        for unit in by_id(session, OrgUnit, [int(path.split("/")[-2]) for path in dict.fromkeys(paths)]).values()
        if unit.kind is UnitKind.SCHOOL
        and can(actor, Permission.CHAIN_READ, Scope(actor.tenant_id, unit_paths=(unit.path,), panel_path=unit.path))
    ]
    waits = {
        one.programme
        for one in waiting.county_matters(session, actor)
        if one.kind not in (waiting.REVIEW, waiting.APPEALS)
    }
    waits |= {
        one.programme for one in school_matters(session, actor, now) if one.is_task and not one.kind.startswith("plan")
    }
    found = []
    for programme, path in rows:
        if can(actor, Permission.CHAIN_READ, Scope(actor.tenant_id, unit_paths=(path,))):
            found.append(ChainPlace(programme.uuid, programme.title, "", programme.uuid in waits))
            continue
        if programme.state is ProgrammeState.DRAFT:
            continue
        found += [
            ChainPlace(programme.uuid, programme.title, unit.uuid, programme.uuid in waits)
            for unit in schools
            if unit.path.startswith(path)
        ]
    return tuple(sorted(found, key=lambda one: not one.waits))
