"""Which officers see a transfer or an arrival: those of the schools where its person is now, and of the one where they
were when it was asked for or came. A list shows just what its pages open.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, exists, or_, true
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

import competencies
from lms_plugin.access import Scope
from lms_plugin.db import get, pk
from lms_plugin.flow import humans
from lms_plugin.flow.scopes import is_below, person_in, person_scope
from lms_plugin.people import OrgUnit, Person

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
