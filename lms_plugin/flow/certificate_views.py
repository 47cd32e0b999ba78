"""学时证明 as pages show them: of a programme, of a school, of a person, and one by itself. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from competencies import Certificate, CertificateEnd, CreditEntry, Programme, Standing
from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import find, get, pk
from lms_plugin.flow import certificates, humans
from lms_plugin.flow.certificate_sheet import Hours, by_kind, number_of
from lms_plugin.flow.scopes import person_scope, programme_scope
from lms_plugin.people import OrgMembership, OrgUnit, Person

A_PAGE = 50  # people of a school


@dataclass(frozen=True)
class UnitLine:
    """A unit whose people have hours in the programme: how many, and how many of them hold a certificate."""

    uuid: str
    name: str
    people: int
    holding: int


@dataclass(frozen=True)
class ProgrammePage:
    """How a programme's certificates are given, and school by school how many were."""

    uuid: str
    title: str
    unit_uuid: str  # that runs it
    paper: str
    is_self_service: bool
    may_set: bool
    lines: tuple[UnitLine, ...]
    people: int
    holding: int


@dataclass(frozen=True)
class Line:
    """One person of a school. `state`: "" where they hold none, else how that one stands ("more": it holds, and the
    ledger has more since). `obstacle`: why none can be made out, as a code."""

    person_uuid: str
    name: str
    staff_number: str
    hours: Hours
    state: str
    certificate_uuid: str
    obstacle: str


@dataclass(frozen=True)
class SchoolPage:
    """The people of a school with their certificates in a programme. `ready`: how many would get a new one."""

    programme_uuid: str
    title: str
    unit_uuid: str
    unit: str
    paper: str
    may_issue: bool
    sees_programme: bool
    ready: int
    holding: int
    total: int
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Given:
    """A certificate in a person's record."""

    uuid: str
    number: str
    issued_at: datetime
    hours: Hours
    standing: Standing
    reason: str


@dataclass(frozen=True)
class OfPerson:
    """A person's certificates in a programme, and what may be done: `offer` is "issue" (an officer), "take" (oneself)
    or "" (nothing new to make out, or nobody may). `obstacle`: what stands in the way of it, as a code."""

    given: tuple[Given, ...]
    offer: str
    obstacle: str


def programme_page(session: Session, actor: Actor, programme_uuid: str) -> ProgrammePage:
    """The units within the actor's reach whose people have hours in it: six queries at most."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    scope = programme_scope(session, programme)
    require(actor, Permission.CERTIFICATE_READ, scope)
    terms = competencies.certificates.terms_of(session, pk(programme))
    lines = [
        UnitLine(unit.uuid, unit.name, people, holding)
        for unit, people, holding in _units(session, programme)
        if can(actor, Permission.CERTIFICATE_READ, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    ]
    return ProgrammePage(
        uuid=programme.uuid,
        title=programme.title,
        unit_uuid=get(session, OrgUnit, programme.org_unit_id).uuid,
        paper=terms.paper if terms is not None else "",
        is_self_service=terms is not None and terms.is_self_service,
        may_set=can(actor, Permission.CERTIFICATE_ISSUE, scope),
        lines=tuple(lines),
        people=sum(line.people for line in lines),
        holding=sum(line.holding for line in lines),
    )


def _units(session: Session, programme: Programme) -> list[tuple[OrgUnit, int, int]]:
    """Units with how many of their people of now have entries, and hold a certificate that was not ended, by name."""
    earner = aliased(Person)
    today = func.coalesce(col(earner.merged_into_id), col(earner.id))
    earned = (
        select(col(OrgMembership.org_unit_id).label("unit"), func.count(func.distinct(today)).label("people"))
        .select_from(CreditEntry)
        .join(earner, col(earner.id) == col(CreditEntry.person_id))
        .join(OrgMembership, (col(OrgMembership.person_id) == today) & col(OrgMembership.ends_on).is_(None))
        .where(col(CreditEntry.programme_id) == pk(programme))
        .group_by(col(OrgMembership.org_unit_id))
        .subquery()
    )
    given = (
        select(col(OrgMembership.org_unit_id).label("unit"), func.count(func.distinct(today)).label("people"))
        .select_from(Certificate)
        .join(CertificateEnd, col(CertificateEnd.certificate_id) == col(Certificate.id), isouter=True)
        .join(earner, col(earner.id) == col(Certificate.person_id))
        .join(OrgMembership, (col(OrgMembership.person_id) == today) & col(OrgMembership.ends_on).is_(None))
        .where(col(Certificate.programme_id) == pk(programme), col(CertificateEnd.certificate_id).is_(None))
        .group_by(col(OrgMembership.org_unit_id))
        .subquery()
    )
    rows = session.exec(
        select(OrgUnit, earned.c.people, func.coalesce(given.c.people, 0))
        .join(earned, earned.c.unit == col(OrgUnit.id))
        .join(given, given.c.unit == col(OrgUnit.id), isouter=True)
        .where(OrgUnit.tenant_id == programme.tenant_id)
        .order_by(col(OrgUnit.name), col(OrgUnit.id))
    ).all()
    return [(unit, int(people), int(holding)) for unit, people, holding in rows]


def school_page(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, number: int = 1) -> SchoolPage:
    """The people of a unit, a page of them: seven queries at most."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    unit = find(session, OrgUnit, actor.tenant_id, unit_uuid)
    scope = Scope(actor.tenant_id, unit_paths=(unit.path,))
    require(actor, Permission.CERTIFICATE_READ, scope)
    terms = competencies.certificates.terms_of(session, pk(programme))
    held = certificates.holders(session, programme, certificates.people_of(session, unit, programme))
    lines = [line_of(one, actor) for one in held]
    start = (number - 1) * A_PAGE
    return SchoolPage(
        programme_uuid=programme.uuid,
        title=programme.title,
        unit_uuid=unit.uuid,
        unit=unit.name,
        paper=terms.paper if terms is not None else "",
        may_issue=can(actor, Permission.CERTIFICATE_ISSUE, scope),
        sees_programme=can(actor, Permission.CERTIFICATE_READ, programme_scope(session, programme)),
        ready=sum(not one.obstacle(actor) and not one.has_the_same() for one in held),
        holding=sum(one.has_the_same() for one in held),
        total=len(lines),
        lines=tuple(lines[start : start + A_PAGE]),
    )


def line_of(holder: certificates.Holder, actor: Actor) -> Line:
    """A holder in a list."""
    said, current = holder.statement, holder.current
    state = ""
    if current is not None:
        state = holder.standing(current, None).value
        if state == Standing.VALID.value and not holder.has_the_same():
            state = "more"
    elif holder.certificates:
        state = Standing.ENDED.value
    return Line(
        person_uuid=holder.person.uuid,
        name=holder.person.name,
        staff_number=holder.person.staff_number,
        hours=by_kind(said),
        state=state,
        certificate_uuid=current.uuid if current is not None else "",
        obstacle=holder.obstacle(actor),
    )


def in_record(
    session: Session, actor: Actor, programme: Programme, holder: certificates.Holder, acts: Scope, timezone: str
) -> OfPerson:
    """For the page of a person's record, whose entries and certificates are known: one query, of one's own record.

    `acts`: what acts on this person are asked of.
    """
    is_own = actor.is_author(pk(holder.person))
    if not can(actor, Permission.CERTIFICATE_READ, acts):
        return OfPerson((), "", "")
    offer = ""
    if holder.entries and not holder.has_the_same():
        if can(actor, Permission.CERTIFICATE_ISSUE, acts):
            offer = "issue"
        elif is_own:
            terms = competencies.certificates.terms_of(session, pk(programme))
            offer = "take" if terms is not None and terms.is_self_service else ""
    return OfPerson(
        given=tuple(_given(holder, one, end, timezone) for one, end in holder.certificates),
        offer=offer,
        obstacle=holder.obstacle(None if is_own else actor, by_name=not is_own) if offer else "",
    )


@dataclass(frozen=True)
class Asked:
    """What an officer is about to certify of one person. `certificate_uuid`: the one that says the same already."""

    programme_uuid: str
    title: str
    person_uuid: str
    name: str
    hours: Hours
    paper: str
    obstacle: str
    certificate_uuid: str
    ends: bool  # a new one ends the one they hold


def asked(session: Session, actor: Actor, programme_uuid: str, person_uuid: str) -> Asked:
    """For the page that asks for the paper: eight queries at most."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    person = humans.today_of(session, find(session, Person, actor.tenant_id, person_uuid))
    require(actor, Permission.CERTIFICATE_ISSUE, person_scope(session, actor.tenant_id, pk(person), pk(programme)))
    (holder,) = certificates.holders(session, programme, [(person, None)])
    terms = competencies.certificates.terms_of(session, pk(programme))
    said, current = holder.statement, holder.current
    return Asked(
        programme_uuid=programme.uuid,
        title=programme.title,
        person_uuid=person.uuid,
        name=person.name,
        hours=by_kind(said),
        paper=terms.paper if terms is not None else "",
        obstacle=holder.obstacle(actor, by_name=True),
        certificate_uuid=current.uuid if current is not None and holder.has_the_same() else "",
        ends=current is not None,
    )


def _given(holder: certificates.Holder, certificate: Certificate, end: CertificateEnd | None, timezone: str) -> Given:
    return Given(
        uuid=certificate.uuid,
        number=number_of(certificate, timezone),
        issued_at=certificate.issued_at,
        hours=by_kind(competencies.certificates.said_by(certificate)),
        standing=holder.standing(certificate, end),
        reason=end.reason if end is not None else "",
    )
