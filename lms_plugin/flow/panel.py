"""考核小组: the school lead names two to five people of the school; where the programme says so, they decide its works.

A member is a role of one school, so it is dated like every role: given on one day, ended on another, and kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, owned, pk
from lms_plugin.errors import Invalid, NotFound
from lms_plugin.flow import humans, invitations
from lms_plugin.people import OrgMembership, OrgUnit, Person, Role, RoleKind, UnitKind

LEAST, MOST = 2, 5


@dataclass(frozen=True)
class Member:
    """Somebody who is or was in it; `until_at` empty = still."""

    person: str
    name: str
    staff_number: str
    since_at: datetime
    until_at: datetime | None


@dataclass(frozen=True)
class PanelPage:
    """A school's 考核小组, those who were in it before, and `people` of the school one may name (uuid, name, 工号)."""

    unit: str
    school: str
    members: tuple[Member, ...]
    former: tuple[Member, ...]
    people: tuple[tuple[str, str, str], ...]


def panel_page(session: Session, actor: Actor, unit_uuid: str) -> PanelPage:
    """The page on which it is named: three queries. Raises NotFound for what is no school."""
    unit = _school(session, actor, unit_uuid)
    require(actor, Permission.PANEL_NAME, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    rows = session.exec(
        select(Role, Person)
        .join(Person, col(Person.id) == col(Role.person_id))
        .where(Role.tenant_id == actor.tenant_id, Role.kind == RoleKind.PANEL, Role.org_unit_id == pk(unit))
        .order_by(col(Role.granted_at), col(Role.id))
    ).all()
    members = [
        Member(person.uuid, person.name, person.staff_number, role.granted_at, role.revoked_at) for role, person in rows
    ]
    return PanelPage(
        unit.uuid,
        unit.name,
        tuple(one for one in members if one.until_at is None),
        tuple(one for one in members if one.until_at is not None),
        tuple((one.uuid, one.name, one.staff_number) for one in _people_of(session, unit)),
    )


def name_panel(session: Session, actor: Actor, unit_uuid: str, people: Sequence[str], now: datetime) -> None:
    """Makes exactly these people the school's 考核小组; who is in it no more keeps what they decided.

    Raises Invalid `members` for fewer than two or more than five, for the same person twice, and for somebody who is
    not a confirmed person of this school.
    """
    unit = _school(session, actor, unit_uuid)
    require(actor, Permission.PANEL_NAME, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    if not LEAST <= len(people) <= MOST:
        raise Invalid({"members": ("panel.number", {"least": LEAST, "most": MOST})})
    if len(set(people)) != len(people):
        raise Invalid({"members": "panel.twice"})
    known = {one.uuid: one for one in _people_of(session, unit)}
    if any(uuid not in known for uuid in people):
        raise Invalid({"members": "panel.not_of_school"})
    named = {row: known[uuid] for uuid in people for row in humans.rows_of(known[uuid])}
    held = session.exec(
        select(Role)
        .where(
            Role.tenant_id == actor.tenant_id,
            Role.kind == RoleKind.PANEL,
            Role.org_unit_id == pk(unit),
            col(Role.revoked_at).is_(None),
        )
        .order_by(col(Role.id))
    ).all()
    for role in held:
        if role.person_id not in named:
            role.revoked_at = now
            session.add(role)
    stays = {pk(named[role.person_id]) for role in held if role.person_id in named}
    for uuid in people:
        person = known[uuid]
        if pk(person) not in stays:
            invitations.grant(session, actor.tenant_id, pk(person), RoleKind.PANEL, pk(unit), actor.person_id, now)
    session.flush()


def _school(session: Session, actor: Actor, uuid: str) -> OrgUnit:
    unit = find(session, OrgUnit, actor.tenant_id, uuid)
    if unit.kind is not UnitKind.SCHOOL:
        raise NotFound
    return unit


def _people_of(session: Session, unit: OrgUnit) -> Sequence[Person]:
    """Confirmed people who belong to the school now, by name: one query."""
    members = select(OrgMembership.person_id).where(
        OrgMembership.org_unit_id == pk(unit), col(OrgMembership.ends_on).is_(None)
    )
    return session.exec(
        owned(Person, unit.tenant_id)
        .where(col(Person.id).in_(members), col(Person.merged_into_id).is_(None), col(Person.confirmed_at).is_not(None))
        .order_by(col(Person.name), col(Person.id))
    ).all()
