"""Who is who in a district: the first-launch page, confirmation, the officer's roster, the list of people."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from pydantic import BaseModel
from sqlmodel import Session, col, func, select

import competencies
import lti
from lms_plugin.access import Actor, Permission, Scope, can, own, require
from lms_plugin.db import find, get, owned, pk
from lms_plugin.errors import Invalid, NotFound, Refused
from lms_plugin.flow import doors, humans, roster_ties
from lms_plugin.flow.scopes import current_unit_paths
from lms_plugin.people import (
    Enrolment,
    OrgMembership,
    OrgUnit,
    Person,
    Role,
    RoleKind,
    RosterEntry,
    Stage,
    Tenant,
    UnitKind,
    staff_number_as_kept,
)


class Introduction(BaseModel):
    """What a person says of themselves at the first launch."""

    name: str
    school: str  # uuid of an org unit
    stage: Stage
    subject: str
    staff_number: str


def schools(session: Session, actor: Actor) -> list[OrgUnit]:
    """Where the actor may say they belong: the tenant's schools by name, and for those with another role than
    teacher also the units above them (a trainer may belong to the county)."""
    rows = session.exec(select(OrgUnit).where(OrgUnit.tenant_id == actor.tenant_id)).all()
    is_school = {unit.uuid: unit.kind is UnitKind.SCHOOL for unit in rows}
    shown = [unit for unit in rows if is_school[unit.uuid] or actor.roles]
    return sorted(shown, key=lambda unit: (not is_school[unit.uuid], unit.name))


def _today(session: Session, tenant_id: int, now: datetime) -> date:
    """The day it is in the district: memberships begin and end on days as people there call them."""
    return competencies.local_day(now, get(session, Tenant, tenant_id).timezone)


def school_of(session: Session, person_id: int, now: datetime) -> OrgUnit | None:
    """The school that the person belongs to today."""
    today = _today(session, get(session, Person, person_id).tenant_id, now)
    return session.exec(
        select(OrgUnit)
        .join(OrgMembership, col(OrgMembership.org_unit_id) == OrgUnit.id)
        .where(
            OrgMembership.person_id == person_id,
            OrgMembership.starts_on <= today,
            (col(OrgMembership.ends_on).is_(None)) | (col(OrgMembership.ends_on) > today),
        )
        .order_by(col(OrgMembership.starts_on).desc(), col(OrgMembership.id).desc())
    ).first()


def introduce(session: Session, actor: Actor, said: Introduction, now: datetime) -> Person:
    """The first-launch page (may be filled again): unconfirmed until a roster row matches or somebody confirms.

    Raises Invalid with the field's code. A roster row matches by staff number *and* name, never by name alone.
    """
    require(actor, Permission.PERSON_INTRODUCE, own(actor))
    person = get(session, Person, actor.person_id)
    school, number = _school(session, actor, said.school), staff_number_as_kept(said.staff_number)
    is_first = person.introduced_at is None
    before, was = (person.name, person.staff_number, school_of(session, pk(person), now)), person.confirmed_how
    is_renamed = roster_ties.plain_name(person.name) != roster_ties.plain_name(said.name)
    person.name, person.staff_number = said.name, number
    person.stage, person.subject, person.introduced_at = said.stage, said.subject, now
    roster_ties.move_to_school(session, person, school, now)
    if before != (said.name, number, school):
        now_is = roster_ties.RENAMED if is_renamed or was == roster_ties.RENAMED else roster_ties.AGAIN
        person.confirmed_at, person.confirmed_by_id, person.confirmed_how = None, None, now_is if was else ""
    session.add(person)
    session.flush()
    if before[1] and before[1] != number:
        roster_ties.untie(session, person, before[1], now)
    roster_ties.match_roster(session, person, now)
    if is_first:
        doors.tell(session, person, now)
    return person


def _school(session: Session, actor: Actor, uuid: str) -> OrgUnit:
    found = [unit for unit in schools(session, actor) if unit.uuid == uuid]
    if not found:
        raise Invalid({"school": "person.school_unknown"})
    return found[0]


def person_scope(session: Session, person: Person) -> Scope:
    """A person as the thing of a permission check: themselves the owner, their schools the units."""
    paths = current_unit_paths(session, [pk(person)]).get(pk(person), ())
    return Scope(tenant_id=person.tenant_id, owner_id=pk(person), unit_paths=tuple(paths))


def by_number(session: Session, actor: Actor, permission: Permission, numbers: Collection[str]) -> dict[str, Person]:
    """工号 as kept → the confirmed person with it whom the actor reaches by this permission. What is no 工号, and who
    is out of reach, is not there. Two queries."""
    wanted = {number for one in numbers if (number := staff_number_as_kept(one)) and number.isprintable()}
    rows = session.exec(
        owned(Person, actor.tenant_id)
        .where(
            col(Person.staff_number).in_(wanted),
            col(Person.merged_into_id).is_(None),
            col(Person.confirmed_at).is_not(None),
        )
        .order_by(col(Person.id))
    ).all()
    paths = current_unit_paths(session, [pk(one) for one in rows])
    found: dict[str, Person] = {}
    for one in rows:
        scope = Scope(actor.tenant_id, owner_id=pk(one), unit_paths=tuple(paths.get(pk(one), ())))
        if can(actor, permission, scope):
            found[one.staff_number] = one
    return found


def confirm_person(session: Session, actor: Actor, uuid: str, now: datetime) -> Person:
    """A school lead (own school) or officer says: this is who they say they are. Never for oneself."""
    person = find(session, Person, actor.tenant_id, uuid)
    require(actor, Permission.PERSON_CONFIRM, person_scope(session, person))
    if person.introduced_at is None:
        raise Refused("person.not_introduced")
    if person.confirmed_at is None:
        person.confirmed_at, person.confirmed_by_id, person.confirmed_how = now, actor.person_id, "person"
        session.add(person)
        roster_ties.vouch(session, actor, person, now)
    return person


@dataclass(frozen=True)
class PersonRow:
    """One line of the page of people."""

    uuid: str
    name: str
    staff_number: str
    school: str
    stage: str
    subject: str
    roster_name: str  # where the roster has the 工号 under another name
    is_taken: bool  # the 工号's row on the roster is somebody else's
    state: str  # "confirmed" | "waiting" | "silent"
    how: str
    can_confirm: bool
    may_code: bool  # may be given a 确认码, in a district to which people come from where nobody is proved
    roles: tuple[str, ...]
    programme: str  # uuid of the round they began last, "" of none: where their record is


def reach(actor: Actor, *kinds: RoleKind) -> list[str]:
    """The unit paths that the actor's roles of these kinds cover; "" among them = the whole district."""
    return [
        "" if role.is_district_wide else role.unit_path
        for role in actor.roles
        if role.kind in kinds and role.course_id is None
    ]


def people_page(
    session: Session, actor: Actor, query: str, only_waiting: bool, page: int, size: int = 50
) -> tuple[list[PersonRow], int]:
    """People within the actor's reach (a school lead: own school), those who wait for confirmation first."""
    paths = reach(actor, RoleKind.OFFICER, RoleKind.SCHOOL_LEAD, RoleKind.AUDITOR)
    require(actor, Permission.PROGRESS_READ, Scope(actor.tenant_id, unit_paths=tuple(filter(None, paths))))
    confirming = reach(actor, RoleKind.OFFICER, RoleKind.SCHOOL_LEAD)
    member = (
        select(OrgMembership.person_id, func.max(OrgMembership.org_unit_id).label("unit_id"))
        .where(col(OrgMembership.ends_on).is_(None))
        .group_by(col(OrgMembership.person_id))
        .subquery()
    )
    statement = (
        select(Person, OrgUnit, RosterEntry)
        .join(member, member.c.person_id == Person.id, isouter=True)
        .join(OrgUnit, col(OrgUnit.id) == member.c.unit_id, isouter=True)
        .join(
            RosterEntry,
            (col(RosterEntry.tenant_id) == col(Person.tenant_id))
            & (col(RosterEntry.staff_number) == col(Person.staff_number))
            & col(RosterEntry.removed_at).is_(None),
            isouter=True,
        )
        .where(Person.tenant_id == actor.tenant_id, col(Person.merged_into_id).is_(None))
    )
    if "" not in paths:
        within = [col(OrgUnit.path).startswith(path) for path in paths]
        condition = within[0]
        for more in within[1:]:
            condition = condition | more
        statement = statement.where(condition)
    if only_waiting:
        statement = statement.where(col(Person.confirmed_at).is_(None), col(Person.introduced_at).is_not(None))
    if query:
        statement = statement.where(
            col(Person.name).contains(query, autoescape=True)
            | (col(Person.staff_number) == staff_number_as_kept(query))
        )
    total = session.exec(select(func.count()).select_from(statement.subquery())).one()
    rows = session.exec(
        statement.order_by(col(Person.confirmed_at).is_not(None), col(Person.staff_number), col(Person.id))
        .offset((page - 1) * size)
        .limit(size)
    ).all()
    roles: dict[int, list[str]] = {}
    today = {row: pk(person) for person, _unit, _entry in rows for row in humans.rows_of(person)}
    gives_codes = bool(confirming) and lti.are_some_guessable(session, actor.tenant_id)
    for role in session.exec(select(Role).where(col(Role.person_id).in_(today), col(Role.revoked_at).is_(None))):
        roles.setdefault(today[role.person_id], []).append(role.kind.value)
    rounds = {
        today[row]: uuid
        for row, uuid in session.exec(
            select(Enrolment.person_id, competencies.Programme.uuid)
            .join(competencies.Programme, col(competencies.Programme.id) == col(Enrolment.programme_id))
            .where(col(Enrolment.person_id).in_(today), competencies.Programme.tenant_id == actor.tenant_id)
            .order_by(col(Enrolment.started_at), col(Enrolment.id))
        )
    }
    return [
        PersonRow(
            uuid=person.uuid,
            name=person.name,
            staff_number=person.staff_number,
            school=unit.name if unit is not None else "",
            stage=person.stage.value if person.stage is not None else "",
            subject=person.subject,
            roster_name=entry.name
            if entry is not None and roster_ties.plain_name(entry.name) != roster_ties.plain_name(person.name)
            else "",
            is_taken=entry is not None and entry.person_id not in {None, *humans.rows_of(person)},
            state="confirmed" if person.confirmed_at else "waiting" if person.introduced_at else "silent",
            how=person.confirmed_how,
            can_confirm=person.confirmed_at is None
            and person.introduced_at is not None
            and not actor.is_author(pk(person))
            and any((unit.path if unit is not None else "").startswith(path) for path in confirming),
            may_code=gives_codes
            and person.confirmed_at is not None
            and not actor.is_author(pk(person))
            and any((unit.path if unit is not None else "").startswith(path) for path in confirming),
            roles=tuple(sorted(set(roles.get(pk(person), [])))),
            programme=rounds.get(pk(person), ""),
        )
        for person, unit, entry in rows
    ], total


def tenant_named(session: Session, name: str) -> Tenant:
    """The district of that name. Raises NotFound `tenant.unknown`."""
    row = session.exec(select(Tenant).where(Tenant.name == name)).one_or_none()
    if row is None:
        raise NotFound("tenant.unknown", name=name)
    return row
