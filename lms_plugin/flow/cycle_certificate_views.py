"""周期学时证明 as pages show them: of a cycle, of a unit, and what one for a person would say. Reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

import competencies
from competencies import Certificate, CertificateEnd, CreditEntry, Programme
from lms_plugin.access import Actor, Permission, Scope, can, require, somewhere
from lms_plugin.db import find, get, pk, table
from lms_plugin.flow import certificate_views, certificates, cycle_certificates, humans
from lms_plugin.flow.certificate_sheet import Hours, PartLine, by_kind, part_lines
from lms_plugin.flow.cycle_certificates import Years
from lms_plugin.people import OrgMembership, OrgUnit, Person, Tenant


@dataclass(frozen=True)
class CyclePage:
    """The units within reach whose people have hours in a cycle. `others`: the cycles before it and, up to that of
    today, after it."""

    years: Years
    others: tuple[Years, ...]
    lines: tuple[certificate_views.UnitLine, ...]
    people: int
    holding: int


@dataclass(frozen=True)
class Bare:
    """A programme without a 文号. `may_set`: the reader may say it."""

    uuid: str
    title: str
    may_set: bool


@dataclass(frozen=True)
class UnitPage:
    """The people of a unit with their certificates of a cycle. `ready`: how many would get a new one; `bare`:
    programmes whose 文号 is missing."""

    years: Years
    unit_uuid: str
    unit: str
    may_issue: bool
    ready: int
    holding: int
    total: int
    bare: tuple[Bare, ...]
    lines: tuple[certificate_views.Line, ...]


@dataclass(frozen=True)
class Asked:
    """What a certificate of a cycle would say of a person. `obstacle`: why none can be made out, as a code;
    `certificate_uuid`: the one that says the same already; `ends`: a new one ends the one they hold; `closed`: titles
    of programmes for which officers alone make them out, where one asks for oneself."""

    years: Years
    person_uuid: str
    name: str
    is_own: bool
    hours: Hours
    parts: tuple[PartLine, ...]
    issuer: str
    obstacle: str
    bare: tuple[Bare, ...]
    closed: tuple[str, ...]
    certificate_uuid: str
    ends: bool


def years_of_today(session: Session, actor: Actor, now: datetime) -> Years:
    """The cycle of today. One query."""
    require(actor, Permission.CERTIFICATE_READ, somewhere(actor))
    tenant = get(session, Tenant, actor.tenant_id)
    today = competencies.local_day(now, tenant.timezone)
    return Years(*competencies.cycle_rule(tenant.cycle).cycle_of(today.year))


def cycle_page(session: Session, actor: Actor, years_text: str, now: datetime) -> CyclePage:
    """Three queries. Raises NotFound."""
    require(actor, Permission.CERTIFICATE_READ, somewhere(actor))
    tenant = get(session, Tenant, actor.tenant_id)
    years = cycle_certificates.years_in(tenant, years_text)
    lines = [
        certificate_views.UnitLine(unit.uuid, unit.name, people, holding)
        for unit, people, holding in _units(session, tenant, years)
        if can(actor, Permission.CERTIFICATE_READ, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    ]
    rule, today = competencies.cycle_rule(tenant.cycle), competencies.local_day(now, tenant.timezone)
    near = (Years(*rule.cycle_of(year)) for year in (years.first - 1, years.last + 1))
    return CyclePage(
        years=years,
        others=tuple(one for one in near if one.first <= today.year),
        lines=tuple(lines),
        people=sum(line.people for line in lines),
        holding=sum(line.holding for line in lines),
    )


def _units(session: Session, tenant: Tenant, years: Years) -> list[tuple[OrgUnit, int, int]]:
    """Units with how many of their people of now have hours in the cycle, and hold a certificate of it that was not
    ended, by name. Two queries."""
    span = competencies.span_of(competencies.cycle_rule(tenant.cycle), date(years.first, 1, 1), tenant.timezone)
    sums = competencies.sums_in(span, table(CreditEntry).c.person_id, pk(tenant)).subquery()
    row, owner = sums.c[0], aliased(Person)
    today = func.coalesce(col(owner.merged_into_id), col(owner.id))
    earned = (
        select(today.label("person"))
        .select_from(sums)
        .join(owner, col(owner.id) == row)
        .group_by(today)
        .having(func.sum(sums.c[1]) > 0)
        .subquery()
    )
    holder = aliased(Person)
    held = (
        select(func.coalesce(col(holder.merged_into_id), col(holder.id)))
        .select_from(Certificate)
        .join(holder, col(holder.id) == col(Certificate.person_id))
        .join(CertificateEnd, col(CertificateEnd.certificate_id) == col(Certificate.id), isouter=True)
        .where(cycle_certificates.of_cycle(pk(tenant), years), col(CertificateEnd.certificate_id).is_(None))
    )
    found = session.exec(
        select(
            OrgUnit,
            func.count(func.distinct(earned.c.person)),
            func.count(func.distinct(earned.c.person)).filter(earned.c.person.in_(held)),
        )
        .join(OrgMembership, col(OrgMembership.org_unit_id) == col(OrgUnit.id))
        .join(earned, earned.c.person == col(OrgMembership.person_id))
        .where(col(OrgMembership.ends_on).is_(None), OrgUnit.tenant_id == pk(tenant))
        .group_by(col(OrgUnit.id))
        .order_by(col(OrgUnit.name), col(OrgUnit.id))
    ).all()
    return [(unit, int(people), int(holding)) for unit, people, holding in found]


def unit_page(session: Session, actor: Actor, unit_uuid: str, years_text: str, number: int = 1) -> UnitPage:
    """The people of a unit with hours in the cycle, a page of them: eleven queries at most. Raises NotFound."""
    unit = find(session, OrgUnit, actor.tenant_id, unit_uuid)
    scope = Scope(actor.tenant_id, unit_paths=(unit.path,))
    require(actor, Permission.CERTIFICATE_READ, scope)
    tenant = get(session, Tenant, actor.tenant_id)
    years = cycle_certificates.years_in(tenant, years_text)
    people = certificates.people_of(session, unit, None)
    held = [one for one in cycle_certificates.holders(session, tenant, years, people) if one.parts or one.certificates]
    start = (number - 1) * certificate_views.A_PAGE
    return UnitPage(
        years=years,
        unit_uuid=unit.uuid,
        unit=unit.name,
        may_issue=can(actor, Permission.CERTIFICATE_ISSUE, scope),
        ready=sum(not one.obstacle(actor) and not one.has_the_same() for one in held),
        holding=sum(one.has_the_same() for one in held),
        total=len(held),
        bare=_bare(session, actor, (programme for one in held for programme in one.bare)),
        lines=tuple(certificate_views.line_of(one, actor) for one in held[start : start + certificate_views.A_PAGE]),
    )


def _bare(session: Session, actor: Actor, programmes: Iterable[Programme]) -> tuple[Bare, ...]:
    """One query, none for none."""
    every = {pk(one): one for one in programmes}
    paths = _paths(session, {one.org_unit_id for one in every.values()})
    return tuple(
        Bare(
            one.uuid,
            one.title,
            can(actor, Permission.CERTIFICATE_ISSUE, Scope(actor.tenant_id, unit_paths=(paths[one.org_unit_id],))),
        )
        for one in every.values()
    )


def _paths(session: Session, unit_ids: set[int]) -> dict[int, str]:
    if not unit_ids:
        return {}
    rows = session.exec(select(OrgUnit.id, OrgUnit.path).where(col(OrgUnit.id).in_(unit_ids)))
    return {key: path for key, path in rows if key is not None}


def asked(session: Session, actor: Actor, person_uuid: str, years_text: str) -> Asked:
    """For the page that makes one out: twelve queries at most. Raises NotFound."""
    person = humans.today_of(session, find(session, Person, actor.tenant_id, person_uuid))
    is_own = actor.is_author(pk(person))
    scope = certificates.scope_of(session, None, person)
    require(actor, Permission.CERTIFICATE_TAKE if is_own else Permission.CERTIFICATE_ISSUE, scope)
    tenant = get(session, Tenant, actor.tenant_id)
    years = cycle_certificates.years_in(tenant, years_text)
    (holder,) = cycle_certificates.holders(session, tenant, years, [(person, None)])
    current = holder.current
    return Asked(
        years=years,
        person_uuid=person.uuid,
        name=person.name,
        is_own=is_own,
        hours=by_kind(holder.statement),
        parts=part_lines(holder.parts),
        issuer=holder.issuer.name if holder.issuer is not None else "",
        obstacle=holder.obstacle(None if is_own else actor, by_name=not is_own),
        bare=_bare(session, actor, holder.bare),
        closed=tuple(one.title for one in holder.closed) if is_own else (),
        certificate_uuid=current.uuid if current is not None and holder.has_the_same() else "",
        ends=current is not None,
    )
