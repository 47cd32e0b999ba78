"""The tree of org units: province, city, county, school group, school."""

import unicodedata

from sqlmodel import Session, col, select

from lms_plugin.db import pk
from lms_plugin.errors import Invalid, Refused
from lms_plugin.people import OrgUnit, UnitKind

LONGEST_NAME = 200
ENVIRONMENTS = ("multimedia", "blended", "smart")  # what a school declares, the more basic first


def add_unit(
    session: Session, tenant_id: int, kind: UnitKind, name: str, parent: OrgUnit | None = None, environment: str = ""
) -> OrgUnit:
    """A unit under its parent; the same name under the same parent is the same unit, whose environment this may set.

    A district has one root: a role at the root reaches everything, so no second one may stand beside it.
    Raises Refused `unit.second_root` and `unit.under_school`, Invalid as `name_as_kept`, `require_free` and `declare`.
    """
    name = name_as_kept(name)
    if parent is not None and parent.kind is UnitKind.SCHOOL:
        raise Refused("unit.under_school", name=parent.name)
    parent_id = pk(parent) if parent is not None else None
    alike = _named_alike(session, tenant_id, parent_id, name)
    unit = next((one for one in alike if one.name == name), None)
    if unit is None:
        if alike:
            raise Invalid({"name": "unit.name_taken"})
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


def name_as_kept(name: str) -> str:
    """A unit's name with single blanks. Raises Invalid at "name": empty, too long, characters that nobody sees."""
    name = " ".join(name.split())
    if not name:
        raise Invalid({"name": "form.required"})
    if len(name) > LONGEST_NAME:
        raise Invalid({"name": ("form.too_long", {"longest": LONGEST_NAME})})
    if not name.isprintable():
        raise Invalid({"name": "form.unprintable"})
    return name


def plain(name: str) -> str:
    """A name as it is compared, without blanks and with ordinary brackets: 希望 小学（东校区） is 希望小学(东校区)."""
    return unicodedata.normalize("NFKC", name).replace(" ", "").casefold()


def require_free(session: Session, tenant_id: int, parent_id: int | None, name: str, own_id: int | None = None) -> None:
    """No other unit under the same parent has this name, however it is spelt: a roster could not tell them apart.

    Raises Invalid `unit.name_taken` at "name".
    """
    if any(one.id != own_id for one in _named_alike(session, tenant_id, parent_id, name)):
        raise Invalid({"name": "unit.name_taken"})


def _named_alike(session: Session, tenant_id: int, parent_id: int | None, name: str) -> list[OrgUnit]:
    """The units under this parent (None: the district's root) that a roster could not tell from one of this name."""
    beside = session.exec(
        select(OrgUnit).where(OrgUnit.tenant_id == tenant_id, col(OrgUnit.parent_id).is_not_distinct_from(parent_id))
    )
    return [one for one in beside if plain(one.name) == plain(name)]


def environments_as_kept(said: str) -> str:
    """Declared environments (codes, blanks between) each once, the more basic first; "" = none. Raises Invalid at
    "environment"."""
    codes = set(said.split())
    if not codes <= set(ENVIRONMENTS):
        raise Invalid({"environment": "form.choose"})
    return " ".join(one for one in ENVIRONMENTS if one in codes)


def declare(unit: OrgUnit, environment: str) -> None:
    """The environments that a school declares, "" = none any more. Raises Invalid at "environment"."""
    environment = environments_as_kept(environment)
    if unit.kind is not UnitKind.SCHOOL:
        raise Invalid({"environment": "unit.environment_of_school"})
    unit.environment = environment
