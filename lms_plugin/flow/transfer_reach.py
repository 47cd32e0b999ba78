"""Which officers see a transfer or an arrival: those of the schools where its person is now, and of the one where they
were when it was asked for or came. A list shows just what its pages open.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, exists, func, or_, true
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

import competencies
from lms_plugin.access import Actor, Scope
from lms_plugin.db import get, owned, pk
from lms_plugin.errors import NotFound
from lms_plugin.flow import humans
from lms_plugin.flow.scopes import is_below, person_in, person_scope
from lms_plugin.people import OrgUnit, Person, RosterEntry

domain = competencies.transfers


def scope_of(session: Session, row: competencies.transfers.Transfer | competencies.transfers.Arrival) -> Scope:
    """What a permission is asked of: four queries at most."""
    person = humans.today_of(session, get(session, Person, row.person_id))
    scope = person_scope(session, row.tenant_id, pk(person))
    if row.org_unit_id is None:
        return scope
    then = get(session, OrgUnit, row.org_unit_id).path
    return replace(scope, unit_paths=tuple(sorted({*scope.unit_paths, then})))


def within(paths: Collection[str], kind: Any) -> ColumnElement[bool]:
    """The condition by which rows of `kind` are within these paths of units ("" = the whole district)."""
    if "" in paths:
        return true()
    unit = aliased(OrgUnit)
    then_in = exists().where(col(unit.id) == kind.org_unit_id, is_below(unit, paths))
    return or_(person_in(paths, kind.person_id), then_in)


def with_person(session: Session, actor: Actor, kind: Any, uuid: str) -> tuple[Any, Person, str, bool]:
    """A transfer or an arrival of the district, the row of today of its person, the school of that time, and whether
    hours of theirs have left the district before. One query. Raises NotFound."""
    first, today, row = aliased(Person), aliased(Person), aliased(Person)
    has_left = exists().where(
        col(domain.Transfer.person_id) == col(row.id),
        func.coalesce(col(row.merged_into_id), col(row.id)) == col(today.id),
        col(domain.Transfer.state).in_(domain.OUT),
    )
    statement: Any = (
        columns(kind, today, col(OrgUnit.name), has_left.correlate(today))
        .join(first, col(first.id) == kind.person_id)
        .join(today, col(today.id) == func.coalesce(col(first.merged_into_id), col(first.id)))
        .join(OrgUnit, col(OrgUnit.id) == kind.org_unit_id, isouter=True)
        .where(kind.tenant_id == actor.tenant_id, kind.uuid == uuid)
    )
    found: Any = session.exec(statement).one_or_none()
    if found is None:
        raise NotFound
    return found[0], found[1], found[2] or "", bool(found[3])


def on_roster(session: Session, person: Person) -> str:
    """The uuid of the row of the roster on which somebody stands, "" where they stand on none. One query."""
    listed = owned(RosterEntry, person.tenant_id).where(
        col(RosterEntry.person_id).in_(humans.rows_of(person)), col(RosterEntry.removed_at).is_(None)
    )
    entry = session.exec(listed.order_by(col(RosterEntry.id)).limit(1)).first()
    return entry.uuid if entry is not None else ""
