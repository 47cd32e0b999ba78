"""考核小组: the school lead names two to five people of the school; where the programme says so, they decide its works.
A school with too few people is helped by an officer, who asks people of other schools in by their 工号.

A member is a role of one school, so it is dated like every role: given on one day, ended on another, and kept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import by_id, find, owned, pk
from lms_plugin.errors import Invalid, NotFound
from lms_plugin.flow import humans, invitations, leavers
from lms_plugin.flow.people import by_number
from lms_plugin.people import OrgMembership, OrgUnit, Person, Role, RoleKind, UnitKind, staff_number_as_kept

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
    """A school's 考核小组, those who were in it before, and the `people` one may name (uuid, name, 工号): those of the
    school and those who are in it. `may_ask_in`: the actor may name people of other schools."""

    unit: str
    school: str
    members: tuple[Member, ...]
    former: tuple[Member, ...]
    people: tuple[tuple[str, str, str], ...]
    may_ask_in: bool


def panel_page(session: Session, actor: Actor, unit_uuid: str) -> PanelPage:
    """The page on which it is named: four queries. Raises NotFound for what is no school."""
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
    known = _people_of(session, unit)
    names = {one.uuid for one in known}
    guests = [person for role, person in rows if role.revoked_at is None and person.uuid not in names]
    return PanelPage(
        unit.uuid,
        unit.name,
        tuple(one for one in members if one.until_at is None),
        tuple(one for one in members if one.until_at is not None),
        tuple((one.uuid, one.name, one.staff_number) for one in (*known, *guests)),
        _reaches_beyond(actor, unit),
    )


def name_panel(
    session: Session, actor: Actor, unit_uuid: str, people: Sequence[str], now: datetime, asked_in: str = ""
) -> None:
    """Makes exactly these people the school's 考核小组; who is in it no more keeps what they decided. `asked_in`: of
    people of other schools the 工号, as an officer types them.

    Raises Invalid `members` for fewer than two or more than five, for the same person twice, and for somebody who is
    not a confirmed person of this school nor in its 考核小组; Invalid `asked_in` naming the 工号 of whom the officer
    does not reach.
    """
    unit = _school(session, actor, unit_uuid)
    require(actor, Permission.PANEL_NAME, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    guests = _asked_in(session, actor, unit, asked_in)
    people = [*people, *(one.uuid for one in guests)]
    if not LEAST <= len(people) <= MOST:
        raise Invalid({"members": ("panel.number", {"least": LEAST, "most": MOST})})
    if len(set(people)) != len(people):
        raise Invalid({"members": "panel.twice"})
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
    inside = by_id(session, Person, [role.person_id for role in held]).values()
    known = {one.uuid: one for one in (*_people_of(session, unit), *inside, *guests)}
    if any(uuid not in known for uuid in people):
        raise Invalid({"members": "panel.not_of_school"})
    named = {row: known[uuid] for uuid in people for row in humans.rows_of(known[uuid])}
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


def _reaches_beyond(actor: Actor, unit: OrgUnit) -> bool:
    """Whether the actor looks after more than this school."""
    above = unit.path.rpartition(f"{pk(unit)}/")[0]
    return can(actor, Permission.ROLE_INVITE, Scope(actor.tenant_id, unit_paths=(above,)))


def _asked_in(session: Session, actor: Actor, unit: OrgUnit, numbers: str) -> list[Person]:
    """The confirmed people with these 工号 whom the actor reaches, in the order in which they are typed."""
    wanted = list(dict.fromkeys(staff_number_as_kept(one) for one in re.findall(r"[^\s,，、;；]+", numbers)))
    if not wanted:
        return []
    if len(wanted) > MOST:
        raise Invalid({"members": ("panel.number", {"least": LEAST, "most": MOST})})
    require(
        actor, Permission.ROLE_INVITE, Scope(actor.tenant_id, unit_paths=(unit.path.rpartition(f"{pk(unit)}/")[0],))
    )
    found = by_number(session, actor, Permission.ROLE_INVITE, wanted)
    missing = [number for number in wanted if number not in found]
    if missing:
        raise Invalid({"asked_in": ("panel.nobody", {"numbers": "、".join(missing)})})
    return [found[number] for number in wanted]


def _school(session: Session, actor: Actor, uuid: str) -> OrgUnit:
    unit = find(session, OrgUnit, actor.tenant_id, uuid)
    if unit.kind is not UnitKind.SCHOOL:
        raise NotFound
    return unit


def _people_of(session: Session, unit: OrgUnit) -> Sequence[Person]:
    """Confirmed people who belong to the school now, without who was taken from the roster, by name: one query."""
    members = select(OrgMembership.person_id).where(
        OrgMembership.org_unit_id == pk(unit), col(OrgMembership.ends_on).is_(None)
    )
    return session.exec(
        owned(Person, unit.tenant_id)
        .where(
            col(Person.id).in_(members),
            col(Person.merged_into_id).is_(None),
            col(Person.confirmed_at).is_not(None),
            ~leavers.is_off_roster(),
        )
        .order_by(col(Person.name), col(Person.id))
    ).all()
