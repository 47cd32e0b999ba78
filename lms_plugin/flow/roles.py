"""Roles of a person, given and taken by an officer within the officer's own reach."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

import lti
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import humans, invitations
from lms_plugin.flow.scopes import current_unit_paths
from lms_plugin.people import Course, OrgUnit, Person, Role, RoleKind, UnitKind


@dataclass(frozen=True)
class RoleLine:
    """One role that holds: what it is, how far it reaches, since when."""

    key: int
    kind: RoleKind
    reach: str  # a unit's or course's name, "" = the whole district
    is_provisional: bool
    granted_at: datetime


@dataclass(frozen=True)
class RolesView:
    """A person and their roles, for the page where an officer gives and takes them."""

    uuid: str
    name: str
    staff_number: str
    is_self: bool
    may_code: bool  # people come to this district from where nobody is proved (flow/proofs.py)
    roles: tuple[RoleLine, ...]


def roles_of(session: Session, actor: Actor, person_uuid: str) -> RolesView:
    """The roles that hold now. For officers whose reach covers the person."""
    person = _person(session, actor, person_uuid)
    rows = session.exec(
        select(Role, OrgUnit.name, Course.title)
        .join(OrgUnit, col(OrgUnit.id) == col(Role.org_unit_id), isouter=True)
        .join(Course, col(Course.id) == col(Role.course_id), isouter=True)
        .where(col(Role.person_id).in_(humans.rows_of(person)), col(Role.revoked_at).is_(None))
        .order_by(col(Role.granted_at), col(Role.id))
    ).all()
    return RolesView(
        person.uuid,
        person.name,
        person.staff_number,
        actor.is_author(pk(person)),
        lti.are_some_guessable(session, actor.tenant_id),
        tuple(
            RoleLine(pk(role), role.kind, unit or course or "", role.is_provisional, role.granted_at)
            for role, unit, course in rows
        ),
    )


def grant_role(session: Session, actor: Actor, person_uuid: str, kind: RoleKind, unit_uuid: str, now: datetime) -> Role:
    """Gives a role within a unit of the officer's reach; a provisional role of that kind becomes this one.

    Raises Refused `role.self` (nobody raises themselves), `role.unconfirmed` for a person nobody has confirmed, Invalid
    where a school lead's unit is no school.
    """
    person = _person(session, actor, person_uuid)
    unit = find(session, OrgUnit, actor.tenant_id, unit_uuid)
    require(actor, Permission.ROLE_INVITE, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    if actor.is_author(pk(person)):
        raise Refused("role.self")
    if kind is RoleKind.TEACHER:
        raise Refused("invitation.teacher")
    if kind is RoleKind.PANEL:
        raise Refused("panel.by_school")
    if person.confirmed_at is None:
        raise Refused("role.unconfirmed")
    if kind is RoleKind.SCHOOL_LEAD and unit.kind is not UnitKind.SCHOOL:
        raise Invalid({"unit": "invitation.school_missing"})
    return invitations.grant(session, actor.tenant_id, pk(person), kind, pk(unit), actor.person_id, now)


def revoke_role(session: Session, actor: Actor, person_uuid: str, key: int, now: datetime) -> None:
    """Takes a role; a launch does not give it back. Raises Refused `role.self`, Conflict where it has ended already."""
    person = _person(session, actor, person_uuid)
    role = session.get(Role, key)
    if role is None or role.person_id not in humans.rows_of(person):
        raise NotFound
    if role.course_id is None:  # a role without a unit reaches the whole district: so must whoever takes it
        paths = (get(session, OrgUnit, role.org_unit_id).path,) if role.org_unit_id is not None else ()
        require(actor, Permission.ROLE_INVITE, Scope(actor.tenant_id, unit_paths=paths))
    if actor.is_author(pk(person)):
        raise Refused("role.self")
    if role.revoked_at is not None:
        raise Conflict("role.ended")
    role.revoked_at = now
    session.add(role)
    session.flush()


def _person(session: Session, actor: Actor, uuid: str) -> Person:
    person = humans.today_of(session, find(session, Person, actor.tenant_id, uuid))
    paths = current_unit_paths(session, [pk(person)]).get(pk(person), ())
    require(actor, Permission.ROLE_INVITE, Scope(actor.tenant_id, unit_paths=tuple(paths)))
    return person
