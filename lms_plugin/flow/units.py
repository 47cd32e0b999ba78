"""The tree of org units: province, city, county, school group, school."""

from sqlmodel import Session, col, select

from lms_plugin.db import pk
from lms_plugin.errors import Invalid, Refused
from lms_plugin.people import OrgUnit, UnitKind

ENVIRONMENTS = ("multimedia", "blended", "smart")  # what a school declares, the more basic first


def add_unit(
    session: Session, tenant_id: int, kind: UnitKind, name: str, parent: OrgUnit | None = None, environment: str = ""
) -> OrgUnit:
    """A unit under its parent; the same name under the same parent is the same unit, whose environment this may set.

    A district has one root: a role at the root reaches everything, so no second one may stand beside it.
    Raises Refused `unit.second_root`, and what `declare` raises.
    """
    parent_id = pk(parent) if parent is not None else None
    statement = select(OrgUnit).where(OrgUnit.tenant_id == tenant_id, OrgUnit.name == name)
    unit = session.exec(
        statement.where(col(OrgUnit.parent_id).is_(None) if parent_id is None else OrgUnit.parent_id == parent_id)
    ).one_or_none()
    if unit is None:
        if parent is None and session.exec(select(OrgUnit.id).where(OrgUnit.tenant_id == tenant_id)).first():
            raise Refused("unit.second_root", name=name)
        unit = OrgUnit(tenant_id=tenant_id, parent_id=parent_id, kind=kind, name=name)
        session.add(unit)
        session.flush()
        unit.path = f"{parent.path if parent is not None else '/'}{pk(unit)}/"
    if environment:
        declare(unit, environment)
    session.add(unit)
    session.flush()
    return unit


def declare(unit: OrgUnit, environment: str) -> None:
    """The environment that a school declares, "" = none any more. Raises Invalid at "environment"."""
    if environment not in {"", *ENVIRONMENTS}:
        raise Invalid({"environment": "form.choose"})
    if unit.kind is not UnitKind.SCHOOL:
        raise Invalid({"environment": "unit.environment_of_school"})
    unit.environment = environment
