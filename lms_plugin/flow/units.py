"""The tree of org units: province, city, county, school group, school."""

from sqlmodel import Session, col, select

from lms_plugin.db import pk
from lms_plugin.errors import Refused
from lms_plugin.people import OrgUnit, UnitKind


def add_unit(
    session: Session, tenant_id: int, kind: UnitKind, name: str, parent: OrgUnit | None = None, environment: str = ""
) -> OrgUnit:
    """A unit under its parent; the same name under the same parent is the same unit.

    A district has one root: a role at the root reaches everything, so no second one may stand beside it.
    Raises Refused `unit.second_root`.
    """
    parent_id = pk(parent) if parent is not None else None
    statement = select(OrgUnit).where(OrgUnit.tenant_id == tenant_id, OrgUnit.name == name)
    known = session.exec(
        statement.where(col(OrgUnit.parent_id).is_(None) if parent_id is None else OrgUnit.parent_id == parent_id)
    ).one_or_none()
    if known is not None:
        return known
    if parent is None and session.exec(select(OrgUnit.id).where(OrgUnit.tenant_id == tenant_id)).first() is not None:
        raise Refused("unit.second_root", name=name)
    unit = OrgUnit(tenant_id=tenant_id, parent_id=parent_id, kind=kind, name=name, environment=environment)
    session.add(unit)
    session.flush()
    unit.path = f"{parent.path if parent is not None else '/'}{pk(unit)}/"
    session.add(unit)
    session.flush()
    return unit
