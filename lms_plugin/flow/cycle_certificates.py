"""周期学时证明: one person's hours of a whole cycle of years, whatever programmes they come from, on one 学时证明.

Each programme's hours stand there by the 文号 that was said for it, so nobody types one: where it is missing, it is
said for the programme first. It is made out in the name of the lowest unit above all those that run these programmes.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col

import competencies
from competencies import Certificate, CertificateEnd, CreditEntry, Programme
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import by_id, find, get, pk
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import certificates, humans
from lms_plugin.flow.certificates import KIND, Holder, Issued
from lms_plugin.people import OrgUnit, Person, Tenant

Part = competencies.certificates.Part
Years = competencies.certificates.Years

NO_PAPER = "certificate.part_without_paper"
NO_ISSUER = "certificate.no_common_unit"


@dataclass(frozen=True)
class CycleHolder(Holder):
    """A person as a certificate of a cycle is made out to them; entries and certificates are those of the cycle.

    `parts`: what each programme brought; `of`: these programmes; `bare`: those of them without a 文号; `closed`: those
    whose people do not make out their own; `issuer`: in whose name, None where no unit stands above them all.
    """

    parts: tuple[Part, ...] = ()
    of: tuple[Programme, ...] = ()
    bare: tuple[Programme, ...] = ()
    closed: tuple[Programme, ...] = ()
    issuer: OrgUnit | None = None

    def has_the_same(self) -> bool:
        """They hold one that says just what the ledger says, with the 学分 of the rules of now."""
        one = self.current
        if one is None or competencies.certificates.said_by(one) != self.statement:
            return False
        said = competencies.certificates.parts_of(one)
        return [(part.hours, part.per) for part in said] == [(part.hours, part.per) for part in self.parts]

    def obstacle(self, actor: Actor | None, *, by_name: bool = False) -> str:
        """As of a programme; and every programme needs its 文号, all of them a unit in whose name it can be."""
        if code := super().obstacle(actor, by_name=by_name):
            return code
        if self.bare:
            return NO_PAPER
        return NO_ISSUER if self.issuer is None else ""


def years_in(tenant: Tenant, text: str) -> Years:
    """The cycle of an address ("2021-2025"), by the district's rule of now. Raises NotFound for what is none."""
    years = years_typed(text)
    if competencies.cycle_rule(tenant.cycle).cycle_of(years.first) != years:
        raise NotFound
    return years


def years_typed(text: str) -> Years:
    """Years that somebody held a paper or a file to, whatever the rule is now. Raises NotFound for what are none."""
    first, _dash, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and len(first) == len(last) == 4 and first <= last):
        raise NotFound
    return Years(int(first), int(last))


def of_cycle(tenant_id: int, years: Years) -> Any:
    """The condition by which certificates are of this cycle of the district."""
    return (
        (col(Certificate.tenant_id) == tenant_id)
        & (col(Certificate.first_year) == years.first)
        & (col(Certificate.last_year) == years.last)
    )


def holders(
    session: Session, tenant: Tenant, years: Years, people: Sequence[tuple[Person, OrgUnit | None]]
) -> list[CycleHolder]:
    """These people (rows of today) with their entries and certificates in a cycle: six queries."""
    rows = {row: pk(person) for person, _unit in people for row in humans.rows_of(person)}
    entries = entries_in(session, tenant, years, rows)
    given: dict[int, list[tuple[Certificate, CertificateEnd | None]]] = defaultdict(list)
    for certificate, end in competencies.papers.of_people(session, KIND, of_cycle(pk(tenant), years), rows):
        given[rows[certificate.person_id]].append((certificate, end))
    known = _Programmes(session, {entry.programme_id for theirs in entries.values() for entry in theirs})
    return [
        CycleHolder(
            person,
            humans.rows_of(person),
            unit,
            tuple(entries[pk(person)]),
            tuple(given[pk(person)]),
            **known.words_of(entries[pk(person)]),
        )
        for person, unit in people
    ]


def entries_in(
    session: Session, tenant: Tenant, years: Years, rows: Mapping[int, int]
) -> defaultdict[int, list[CreditEntry]]:
    """Row of today → what counts in the cycle, of all their rows, oldest first. `rows`: each row → that of today. One
    query."""
    found: defaultdict[int, list[CreditEntry]] = defaultdict(list)
    if rows:
        for entry, on in competencies.whole_ledger(session, list(rows), tenant.timezone).entries:
            if years.first <= on.year <= years.last:
                found[rows[entry.person_id]].append(entry)
    return found


class _Programmes:
    """Programmes as parts of certificates: their 文号, their rules of 学分, and the units above them. Four queries."""

    def __init__(self, session: Session, ids: Collection[int]) -> None:
        self._programmes = by_id(session, Programme, sorted(ids))
        self._terms = competencies.certificates.terms_of_all(session, ids)
        self._per = _per_credit_point(session, self._programmes.values())
        own = by_id(session, OrgUnit, sorted({one.org_unit_id for one in self._programmes.values()}))
        above = sorted({int(key) for unit in own.values() for key in unit.path.strip("/").split("/")} - own.keys())
        self._units = {**own, **(by_id(session, OrgUnit, above) if above else {})}

    def words_of(self, entries: Collection[CreditEntry]) -> dict[str, Any]:
        """What a holder of these entries has besides: parts, programmes, issuer. Programmes whose hours left again are
        none of its parts."""
        parts, of = [], []
        for key in sorted({entry.programme_id for entry in entries}, key=self._opening):
            said = competencies.certificates.statement([entry for entry in entries if entry.programme_id == key])
            if not said.is_empty:
                of.append(self._programmes[key])
                parts.append(Part(of[-1].title, self._paper(key), said.hours, self._per[key]))
        return {
            "parts": tuple(parts),
            "of": tuple(of),
            "bare": tuple(one for one in of if not self._paper(pk(one))),
            "closed": tuple(one for one in of if not self._is_open(pk(one))),
            "issuer": self._issuer(of),
        }

    def _opening(self, programme_id: int) -> tuple[date, int]:
        return (self._programmes[programme_id].opens_on, programme_id)

    def _paper(self, programme_id: int) -> str:
        terms = self._terms.get(programme_id)
        return terms.paper if terms is not None else ""

    def _is_open(self, programme_id: int) -> bool:
        terms = self._terms.get(programme_id)
        return terms is not None and terms.is_self_service

    def _issuer(self, programmes: Collection[Programme]) -> OrgUnit | None:
        """The lowest unit that stands above the units of all these, or is one of them."""
        ways = [self._units[one.org_unit_id].path.strip("/").split("/") for one in programmes]
        last = None
        for steps in zip(*ways, strict=False):
            if len(set(steps)) > 1:
                break
            last = int(steps[0])
        return self._units.get(last) if last is not None else None


def _per_credit_point(session: Session, programmes: Collection[Programme]) -> dict[int, int]:
    """Programme → hundredths of a 学时 that make one 学分 by its rules of now, 0 = not counted so. One query."""
    policies = by_id(
        session,
        competencies.ProgrammePolicy,
        sorted({one.policy_id for one in programmes if one.policy_id is not None}),
    )
    found = {}
    for one in programmes:
        policy = policies.get(one.policy_id) if one.policy_id is not None else None
        rules = competencies.Rules.model_validate(policy.rules) if policy is not None else competencies.Rules()
        found[pk(one)] = rules.hours.per_credit_point_hundredths
    return found


def _words(years: Years) -> certificates.Words:
    def words(holder: Holder) -> dict[str, Any]:
        if not isinstance(holder, CycleHolder) or holder.issuer is None:
            raise Refused(NO_ISSUER)
        return {
            "first_year": years.first,
            "last_year": years.last,
            "issuer_unit_id": pk(holder.issuer),
            "title": title_of(years),
            "issuer": holder.issuer.name,
            "paper": "",
            "parts": [part.stored() for part in holder.parts],
        }

    return words


def title_of(years: Years) -> str:
    """What stands on an official paper, which is in Chinese."""
    return f"{years.first}—{years.last} 年学时周期" if years.last > years.first else f"{years.first} 年学时周期"


def issue_to(session: Session, actor: Actor, person_uuid: str, years_text: str, now: datetime) -> Certificate:
    """Makes one out to a person; gives the one they hold where that says the same. An officer's act, or the person's
    own where every programme in it lets its people make out theirs. Raises NotFound, Refused with what stands in the
    way."""
    person = humans.today_of(session, find(session, Person, actor.tenant_id, person_uuid))
    is_own = actor.is_author(pk(person))
    scope = certificates.scope_of(session, None, person)
    require(actor, Permission.CERTIFICATE_TAKE if is_own else Permission.CERTIFICATE_ISSUE, scope)
    tenant = get(session, Tenant, actor.tenant_id)
    years = years_in(tenant, years_text)
    certificates.take_turn(session, actor.tenant_id)
    (holder,) = holders(session, tenant, years, [(person, certificates.unit_of(session, person))])
    if is_own and holder.closed:
        raise Refused("certificate.no_self_service")
    obstacles_for = None if is_own else actor
    return certificates.give_one(session, actor, holder, _words(years), now, obstacles_for=obstacles_for)


def issue_to_unit(session: Session, actor: Actor, unit_uuid: str, years_text: str, now: datetime) -> Issued:
    """Makes them out to everybody of a unit who has hours in the cycle and holds none that says the same. Raises
    NotFound."""
    unit = find(session, OrgUnit, actor.tenant_id, unit_uuid)
    require(actor, Permission.CERTIFICATE_ISSUE, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    tenant = get(session, Tenant, actor.tenant_id)
    years = years_in(tenant, years_text)
    certificates.take_turn(session, actor.tenant_id)
    held = holders(session, tenant, years, certificates.people_of(session, unit, None))
    with_hours = [one for one in held if one.parts]
    return certificates.give_all(session, actor, with_hours, _words(years), now)
