"""The roster as a list: looked through, searched, one row taken off, put back or put right."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from competencies import Category
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get
from lms_plugin.errors import Invalid
from lms_plugin.flow import categories, curate, people, roster_ties, units
from lms_plugin.flow.roster import district_scope
from lms_plugin.people import OrgUnit, Person, RoleKind, RosterEntry, Stage, staff_number_as_kept


@dataclass(frozen=True)
class EntryLine:
    """One row of the roster as the page shows it."""

    uuid: str
    name: str
    staff_number: str
    school: str
    stage: Stage | None
    subject: str
    category: Category
    has_come: bool
    is_removed: bool


def page(
    session: Session, actor: Actor, query: str, number: int, size: int = 50
) -> tuple[tuple[EntryLine, ...], int, int]:
    """(rows, rows in all, of them not removed) of the roster within the officer's reach, by school and 工号."""
    require(actor, Permission.ROSTER_IMPORT, district_scope(session, actor))
    statement = (
        select(RosterEntry, OrgUnit.name)
        .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
        .where(RosterEntry.tenant_id == actor.tenant_id)
    )
    paths = people.reach(actor, RoleKind.OFFICER)
    if "" not in paths:
        within = col(OrgUnit.path).startswith(paths[0])
        for path in paths[1:]:
            within = within | col(OrgUnit.path).startswith(path)
        statement = statement.where(within)
    if query:
        statement = statement.where(
            col(RosterEntry.name).contains(query, autoescape=True)
            | (col(RosterEntry.staff_number) == staff_number_as_kept(query))
            | col(OrgUnit.name).contains(query, autoescape=True)
        )
    inner = statement.subquery()
    total, removed = session.exec(select(func.count(), func.count(inner.c.removed_at)).select_from(inner)).one()
    rows = session.exec(
        statement.order_by(col(OrgUnit.path), col(RosterEntry.staff_number), col(RosterEntry.id))
        .offset((number - 1) * size)
        .limit(size)
    ).all()
    lines = tuple(
        EntryLine(
            row.uuid,
            row.name,
            row.staff_number,
            school,
            row.stage,
            row.subject,
            categories.said_of(row),
            row.person_id is not None,
            row.removed_at is not None,
        )
        for row, school in rows
    )
    return lines, total, total - removed


def set_removed(session: Session, actor: Actor, entry_uuid: str, removed: bool, now: datetime) -> RosterEntry:
    """Takes one row off the roster (its person and works stay), or puts it back: whoever came meanwhile is tied."""
    entry = find(session, RosterEntry, actor.tenant_id, entry_uuid)
    path = session.exec(select(OrgUnit.path).where(OrgUnit.id == entry.org_unit_id)).one()
    require(actor, Permission.ROSTER_IMPORT, Scope(actor.tenant_id, unit_paths=(path,)))
    if removed != (entry.removed_at is not None):
        entry.removed_at = now if removed else None
        session.add(entry)
        session.flush()
        if removed and entry.person_id is not None:
            roster_ties.leave_panels(session, get(session, Person, entry.person_id), now)
        if not removed:
            roster_ties.back_on_roster(session, entry, now)
            for person in roster_ties.claimants(session, actor.tenant_id, [entry.staff_number]):
                roster_ties.match_roster(session, person, now)
        categories.changed(session, actor.tenant_id, now)
    return entry


def set_about(
    session: Session, actor: Actor, entry_uuid: str, category: str, environment: str, now: datetime
) -> RosterEntry:
    """What somebody on the roster is to projects, and which environments hold for them alone (codes, a blank between;
    "" = the school's). What they chose and handed in stays.

    Raises Invalid at "category", and at "environment" as `curate.require_met`.
    """
    entry = find(session, RosterEntry, actor.tenant_id, entry_uuid)
    path = session.exec(select(OrgUnit.path).where(OrgUnit.id == entry.org_unit_id)).one()
    require(actor, Permission.ROSTER_IMPORT, Scope(actor.tenant_id, unit_paths=(path,)))
    if category not in tuple(Category):
        raise Invalid({"category": "form.choose"})
    environment = units.environments_as_kept(environment)
    if environment != entry.environment:
        curate.require_met(session, actor.tenant_id, [path], environment, now)
    before, entry.environment, entry.category = categories.said_of(entry), environment, Category(category)
    session.add(entry)
    session.flush()
    if before is not entry.category:
        categories.changed(session, actor.tenant_id, now)
    return entry


def may_import(session: Session, actor: Actor) -> None:
    """Raises Forbidden for whoever may not send a roster (the template is theirs alone)."""
    require(actor, Permission.ROSTER_IMPORT, district_scope(session, actor))
