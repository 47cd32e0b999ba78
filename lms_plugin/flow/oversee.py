"""进度: an officer, a school lead or an auditor looks at the figures of a programme, and at the people behind them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Select, bindparam, func, literal, not_, or_
from sqlalchemy import select as columns
from sqlmodel import Session, col
from sqlmodel import select as select_rows

import competencies
from competencies import Programme, ProgrammeState
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import NotFound
from lms_plugin.flow import categories, cohorts, people, schools, trainings
from lms_plugin.flow.oversee_figures import (
    Group,
    Sources,
    Tally,
    counted_off_roster,
    group_of,
    groups_within,
    sources_of,
)
from lms_plugin.flow.oversee_views import (
    Frame,
    OffRoster,
    UnitLine,
    UnitPage,
    UnitRef,
)
from lms_plugin.people import Course, OrgUnit, RoleKind, RosterEntry, Tenant, UnitKind


def rows_of(session: Session, statement: Select[Any], values: Mapping[str, Any] | None = None) -> list[Any]:
    """All rows of a statement of several columns; `values` fill its named places."""
    return list(cast("Any", session.exec(cast("Any", statement), params=values)).all())


def reach(actor: Actor) -> list[str]:
    """Unit paths whose progress the actor may read; "" = the whole district."""
    return people.reach(actor, RoleKind.OFFICER, RoleKind.SCHOOL_LEAD, RoleKind.AUDITOR)


def opening_path(programme_path: str, paths: Sequence[str]) -> str | None:
    """The highest unit of a programme that these reaches open; None where they do not meet."""
    found = [
        programme_path if programme_path.startswith(path) else path
        for path in paths
        if programme_path.startswith(path) or path.startswith(programme_path)
    ]
    return min(found, key=lambda path: (path.count("/"), path), default=None)


class Round(NamedTuple):
    """A programme of the district: the path of its unit, and whether its schools are asked for a plan."""

    programme: Programme
    path: str
    asks_plans: bool


@dataclass(frozen=True)
class Place:
    """A programme and one of its units, both within the actor's reach."""

    programme: Programme
    programme_path: str
    unit: OrgUnit
    frame: Frame
    programmes: tuple[Round, ...]
    asks_plans: bool

    def sources(self, *, some: bool = False) -> Sources:
        """What the figures of this programme are counted from; `some`: for the people in the place `roots` alone."""
        frame = self.frame
        return sources_of(
            pk(self.programme), self.programme.tenant_id, self.programme_path, frame.rules, frame.year, some=some
        )


_Call = competencies.plans.PlanCall
_PROGRAMMES = (  # put together once, as every page of this room asks it
    select_rows(
        Programme,
        OrgUnit.path,
        select_rows(_Call.id).where(_Call.programme_id == col(Programme.id)).exists(),
        select_rows(Course.id).where(Course.programme_id == col(Programme.id)).exists(),
    )
    .join(OrgUnit, col(OrgUnit.id) == col(Programme.org_unit_id))
    .where(col(Programme.tenant_id) == bindparam("tenant"))
    .order_by(col(Programme.created_at).desc(), col(Programme.id).desc())
)


def _programmes(session: Session, tenant_id: int) -> list[Round]:
    """All programmes of the district with the paths of their units: those first that teachers see and enter from
    courses, newest first; archived ones last.
    """
    rows = session.exec(_PROGRAMMES, params={"tenant": tenant_id}).all()
    ranked = sorted(
        rows, key=lambda row: (row[0].archived_at is not None, row[0].state is ProgrammeState.DRAFT, not row[3])
    )
    return [Round(programme, path, asks_plans) for programme, path, asks_plans, _has_course in ranked]


def place_of(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, now: datetime) -> Place:
    """Raises NotFound for another tenant's programme or unit, and for a unit that the programme does not cover."""
    unit = find(session, OrgUnit, actor.tenant_id, unit_uuid)
    require(actor, Permission.PROGRESS_READ, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    programmes = _programmes(session, actor.tenant_id)
    chosen = next((row for row in programmes if row[0].uuid == programme_uuid), None)
    if chosen is None or not unit.path.startswith(chosen[1]):
        raise NotFound
    programme, path, asks_plans = chosen
    timezone = get(session, Tenant, actor.tenant_id).timezone
    rules = competencies.rules_of(session, programme)
    frame = Frame(
        programme.uuid,
        programme.title,
        programme.closes_on,
        competencies.is_closed(programme, timezone, now),
        rules,
        competencies.local_day(now, timezone).year if rules.cohorts else None,
    )
    return Place(programme, path, unit, frame, tuple(programmes), asks_plans)


def home(session: Session, actor: Actor) -> tuple[str, str] | None:
    """(programme uuid, unit uuid) of the programme of the course through which the person came, else of the newest one
    within reach; None where there is none yet.
    """
    paths = reach(actor)
    require(actor, Permission.PROGRESS_READ, Scope(actor.tenant_id, unit_paths=tuple(paths)))
    here = get(session, Course, actor.course_id).programme_id if actor.course_id is not None else None
    for programme, programme_path, _asks in sorted(
        _programmes(session, actor.tenant_id), key=lambda row: row[0].id != here
    ):
        path = opening_path(programme_path, paths)
        if path is not None:
            return programme.uuid, get(session, OrgUnit, int(path.split("/")[-2])).uuid
    return None


def _ancestors(path: str) -> list[int]:
    return [int(part) for part in path.split("/") if part]


def crumbs(place: Place, units: dict[int, OrgUnit], actor: Actor) -> tuple[UnitRef, ...]:
    """The way down to the unit, from where the actor's reach and the programme begin."""
    top = opening_path(place.programme_path, reach(actor)) or place.unit.path
    trail = [units[key] for key in _ancestors(place.unit.path) if key in units]
    return tuple(UnitRef(unit.uuid, unit.name) for unit in trail if unit.path.startswith(top))


_AROUND = select_rows(OrgUnit).where(
    col(OrgUnit.tenant_id) == bindparam("tenant"),
    or_(
        col(OrgUnit.id).in_(bindparam("trail", expanding=True)),
        col(OrgUnit.parent_id) == bindparam("parent"),
    ),
)


def units_around(session: Session, unit: OrgUnit, *, children: bool) -> dict[int, OrgUnit]:
    """The unit, those above it and, where asked for, those right below it: one query."""
    values = {
        "tenant": unit.tenant_id,
        "trail": _ancestors(unit.path),
        "parent": pk(unit) if children else None,
    }
    return {pk(row): row for row in session.exec(_AROUND, params=values).all()}


def unit_page(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, now: datetime) -> UnitPage:
    """The figures of a unit and of each unit right below it, those who miss most first."""
    place = place_of(session, actor, programme_uuid, unit_uuid, now)
    groups = groups_of(session, place)
    units = units_around(session, place.unit, children=True)
    depth = len(_ancestors(place.unit.path))
    rules = place.frame.rules
    tallies: dict[int, Tally] = defaultdict(Tally)
    by_category: dict[competencies.Category, Tally] = defaultdict(Tally)
    for group in groups:
        below, tally = _ancestors(group.path), group.tally(rules, place.frame.is_closed)
        tallies[below[depth] if len(below) > depth else pk(place.unit)] += tally
        if group.standing.category is not None:
            by_category[group.standing.category] += tally
    is_whole = place.unit.path == place.programme_path
    targets = {one.category: one.target for one in rules.categories if one.target and is_whole}
    lines = [
        UnitLine(row.uuid, row.name, row.kind, tallies.get(key, Tally()))
        for key, row in units.items()
        if row.parent_id == pk(place.unit)
    ]
    if lines and pk(place.unit) in tallies:
        lines.append(UnitLine(place.unit.uuid, place.unit.name, place.unit.kind, tallies[pk(place.unit)], is_self=True))
    is_school = place.unit.kind is UnitKind.SCHOOL
    goal, looks_nowhere = rules.goal_percent, rules.choice.environment_rule == "free"
    lines.sort(key=lambda line: (-line.tally.missing(goal), -line.tally.unfinished, line.name))
    return UnitPage(
        frame=place.frame,
        programmes=_openings(place, actor, session),
        unit=UnitRef(place.unit.uuid, place.unit.name),
        is_school=is_school,
        crumbs=crumbs(place, units, actor),
        tally=sum(tallies.values(), Tally()),
        lines=tuple(lines),
        off_roster=off_roster_of(session, place),
        categories=tuple(
            (one, by_category[one], targets.get(one))
            for one in competencies.Category
            if one in by_category or (one in targets and rules.is_for(one))
        ),
        asks_plans=place.asks_plans,
        undeclared=0 if looks_nowhere else _undeclared(session, actor, place.unit),
        trainings=trainings.this_term(session, actor, place.unit, now).held if is_school else None,
    )


def _undeclared(session: Session, actor: Actor, unit: OrgUnit) -> int:
    if unit.kind is UnitKind.SCHOOL:
        return int(not unit.environment)  # it says so itself
    return schools.undeclared_below(session, actor, unit.path)


def _openings(place: Place, actor: Actor, session: Session) -> tuple[tuple[str, str, str], ...]:
    """The other programmes within reach, each with the unit to open there (one query where there are any). What the
    county still prepares is nothing to a school."""
    paths, prepares = reach(actor), actor.has(RoleKind.OFFICER, RoleKind.AUDITOR)
    others = [
        one
        for one in place.programmes
        if one[0].uuid != place.programme.uuid
        and one[0].archived_at is None
        and (prepares or one[0].state is not ProgrammeState.DRAFT)
    ]
    found = [(row, opening_path(path, paths)) for row, path, _asks in others]
    reached = [(row, _ancestors(path)[-1]) for row, path in found if path is not None]
    if not reached:
        return ()
    names = dict(
        session.exec(
            select_rows(OrgUnit.id, OrgUnit.uuid).where(col(OrgUnit.id).in_([key for _, key in reached]))
        ).all()
    )
    return tuple((row.uuid, row.title, names[key]) for row, key in reached)


def groups_of(session: Session, place: Place) -> list[Group]:
    """The unit's roster, grouped by how far people have come: one query."""
    return [group_of(row) for row in rows_of(session, groups_within(place.sources(), place.unit.path))]


def off_roster_of(session: Session, place: Place) -> OffRoster:
    """How many take part in the unit without standing on the roster, and how many stand on it and do not count (yet):
    one query."""
    statement = counted_off_roster(place.sources().of_nobodys_category, place.unit.path)
    frame = place.frame
    if not frame.rules.concerns and frame.year is None:  # the usual programme: the statement that is kept, as it is
        people, unconfirmed, outside = rows_of(session, statement)[0]
        return OffRoster(int(people), int(unconfirmed), int(outside), others=0, later=0, unplaced=0)
    others: ColumnElement[int] = literal(0)
    if frame.rules.concerns:
        others = (
            columns(func.count())
            .select_from(RosterEntry)
            .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
            .where(
                col(RosterEntry.tenant_id) == place.programme.tenant_id,
                col(RosterEntry.removed_at).is_(None),
                col(OrgUnit.path).startswith(place.unit.path),
                not_(*categories.concerned(frame.rules)),
            )
            .scalar_subquery()
        )
    later = cohorts.not_called(place.programme, place.unit.path, frame.rules, frame.year)
    return OffRoster(*(int(number) for number in rows_of(session, statement.add_columns(others, *later))[0]))
