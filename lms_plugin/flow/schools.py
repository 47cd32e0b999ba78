"""学校: an officer sees the schools within reach, gives them another name, and notes the environment they declare."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, String, and_, bindparam, literal, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, pk
from lms_plugin.errors import Invalid
from lms_plugin.flow import curate, units
from lms_plugin.people import OrgUnit, RoleKind, RosterEntry, UnitKind


@dataclass(frozen=True)
class SchoolLine:
    """One school. `above`: the name of the unit it belongs to; `teachers`: rows of the roster."""

    uuid: str
    name: str
    above: str
    environment: str
    teachers: int


@dataclass(frozen=True)
class SchoolsPage:
    """Schools within reach, those without an environment first. `total` counts what was searched for."""

    lines: tuple[SchoolLine, ...]
    total: int
    schools: int
    undeclared: int


def page(session: Session, actor: Actor, query: str, number: int, size: int = 50) -> SchoolsPage:
    """The list of schools: three queries."""
    require(actor, Permission.UNIT_EDIT, _reach_scope(actor))
    within = _within(actor)
    schools, undeclared = session.exec(
        select(func.count(), func.count().filter(col(OrgUnit.environment) == ""))
        .select_from(OrgUnit)
        .where(OrgUnit.tenant_id == actor.tenant_id, within)
    ).one()
    if query:
        within = and_(within, col(OrgUnit.name).contains(query, autoescape=True))
    total = session.exec(
        select(func.count()).select_from(OrgUnit).where(OrgUnit.tenant_id == actor.tenant_id, within)
    ).one()
    above = aliased(OrgUnit)
    listed = (
        select(func.count())
        .where(col(RosterEntry.org_unit_id) == col(OrgUnit.id), col(RosterEntry.removed_at).is_(None))
        .correlate(OrgUnit)
        .scalar_subquery()
    )
    rows = session.exec(
        select(OrgUnit, above.name, listed)
        .join(above, col(above.id) == col(OrgUnit.parent_id), isouter=True)
        .where(OrgUnit.tenant_id == actor.tenant_id, within)
        .order_by(col(OrgUnit.environment) != "", col(OrgUnit.path), col(OrgUnit.id))
        .offset((number - 1) * size)
        .limit(size)
    ).all()
    lines = tuple(SchoolLine(row.uuid, row.name, name or "", row.environment, count) for row, name, count in rows)
    return SchoolsPage(lines, total, schools, undeclared)


def school(session: Session, actor: Actor, uuid: str) -> OrgUnit:
    """One school, for the form."""
    unit = find(session, OrgUnit, actor.tenant_id, uuid)
    require(actor, Permission.UNIT_EDIT, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    return unit


def change(session: Session, actor: Actor, uuid: str, name: str, environment: str, now: datetime) -> OrgUnit:
    """Another name, another environment. What was chosen and handed in before stays what it is.

    Raises Invalid at "name" (missing, too long, that of a school beside it) or "environment" (also where nobody there
    could meet the rules of a programme that runs).
    """
    unit = find(session, OrgUnit, actor.tenant_id, uuid)
    require(actor, Permission.UNIT_EDIT, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    name = units.name_as_kept(name)
    units.require_free(session, actor.tenant_id, unit.parent_id, name, pk(unit))
    environment = units.environments_as_kept(environment)
    if environment != unit.environment:
        curate.require_met(session, actor.tenant_id, [unit.path], environment, now)
        units.declare(unit, environment)
    unit.name = name
    session.add(unit)
    session.flush()
    return unit


def declare_all(session: Session, actor: Actor, environment: str, now: datetime, *, also_declared: bool) -> int:
    """One environment for all schools within reach, or for those that have none yet; gives how many it changed.

    Raises Invalid at "environment", as `change`.
    """
    require(actor, Permission.UNIT_EDIT, _reach_scope(actor))
    environment = units.environments_as_kept(environment)
    if not environment:
        raise Invalid({"environment": "form.choose"})
    wanted = _within(actor) if also_declared else and_(_within(actor), col(OrgUnit.environment) == "")
    found = session.exec(select(OrgUnit).where(OrgUnit.tenant_id == actor.tenant_id, wanted)).all()
    changed = [unit for unit in found if unit.environment != environment]
    curate.require_met(session, actor.tenant_id, [unit.path for unit in changed], environment, now)
    for unit in changed:
        units.declare(unit, environment)
        session.add(unit)
    session.flush()
    return len(changed)


def undeclared_below(session: Session, actor: Actor, path: str) -> int:
    """How many schools below a unit have declared no environment: one query."""
    require(actor, Permission.PROGRESS_READ, Scope(actor.tenant_id, unit_paths=(path,)))
    return int(session.exec(_UNDECLARED, params={"tenant": actor.tenant_id, "above": path}).one())


def count_undeclared(tenant_id: int, path: str) -> Any:
    """The same as a column of another query."""
    return _undeclared(literal(tenant_id), literal(path)).scalar_subquery()


def _undeclared(tenant_id: ColumnElement[int], path: ColumnElement[str]) -> SelectOfScalar[int]:
    school = aliased(OrgUnit)
    return select(func.count()).where(
        school.tenant_id == tenant_id,
        school.kind == UnitKind.SCHOOL,
        col(school.environment) == "",
        col(school.path).startswith(path),  # digits and slashes: nothing to escape
    )


_UNDECLARED = _undeclared(bindparam("tenant", type_=Integer), bindparam("above", type_=String))  # put together once


def _reach_scope(actor: Actor) -> Scope:
    """The scope of what an officer of any unit may look through."""
    offices = (role.unit_path for role in actor.roles if role.kind is RoleKind.OFFICER)
    return Scope(actor.tenant_id, unit_paths=tuple(filter(None, offices)))


def _within(actor: Actor) -> ColumnElement[bool]:
    """The schools that the actor's roles as an officer reach."""
    school = and_(col(OrgUnit.tenant_id) == actor.tenant_id, col(OrgUnit.kind) == UnitKind.SCHOOL)
    offices = [role for role in actor.roles if role.kind is RoleKind.OFFICER]
    if any(role.is_district_wide for role in offices):
        return school
    return and_(school, or_(*(col(OrgUnit.path).startswith(role.unit_path, autoescape=True) for role in offices)))
