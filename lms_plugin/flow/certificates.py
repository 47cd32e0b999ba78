"""发证: an officer gives 学时证明 to one person or a school, teachers make out their own where the programme lets them.

Making out is one act and says the same when it is asked twice: who holds one that still says what the ledger says gets
no other; a new one ends the one before it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

import competencies
from competencies import Certificate, CertificateEnd, CertificateTerms, CreditEntry, Programme, Standing, Statement
from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import humans
from lms_plugin.flow.scopes import person_scope, programme_scope
from lms_plugin.people import OrgMembership, OrgUnit, Person, Tenant

KIND = competencies.certificates.KIND
LONGEST_PAPER = 100
LONGEST_REASON = 300
MOST_AT_ONCE = 500
"""People of a school who get theirs in one act; a button pressed again goes on with the others."""

EMPTY = "certificate.no_hours"
UNCONFIRMED = "certificate.unconfirmed"
UNSEALED = "certificate.unsealed"
OWN = "certificate.own"
REVOKED = "certificate.was_revoked"


@dataclass(frozen=True)
class Holder:
    """A person as a certificate is made out to them: by the row of today, with what the ledger says over all rows."""

    person: Person
    rows: tuple[int, ...]
    unit: OrgUnit | None  # the school they belong to now
    entries: tuple[CreditEntry, ...]
    certificates: tuple[tuple[Certificate, CertificateEnd | None], ...]  # the newest first
    per_credit_point: int = 0  # hundredths of a 学时 that make one 学分 by the rules of now; 0 = not counted so

    @property
    def statement(self) -> Statement:
        """What a certificate of now would say."""
        return competencies.certificates.statement(self.entries)

    @property
    def current(self) -> Certificate | None:
        """The certificate that has not been ended."""
        return next((one for one, end in self.certificates if end is None), None)

    def standing(self, certificate: Certificate, end: CertificateEnd | None) -> Standing:
        """Whether one of theirs still holds."""
        return competencies.certificates.standing(certificate, end is not None, self.entries)

    def has_the_same(self) -> bool:
        """They hold one that says just what the ledger says, with the 学分 of the rules of now."""
        one = self.current
        if one is None or (one.per_credit_point_hundredths or 0) != self.per_credit_point:
            return False
        return competencies.certificates.said_by(one) == self.statement

    def obstacle(self, actor: Actor | None, *, by_name: bool = False) -> str:
        """Why none can be made out to them, as a code; "" where nothing stands in the way.

        `actor` None: they ask themselves. `by_name`: an officer asks for this very person; only then somebody whose
        last one was taken back gets another.
        """
        if actor is not None and actor.is_author(pk(self.person)):
            return OWN
        if self.statement.is_empty:
            return EMPTY
        if self.person.confirmed_at is None or not self.person.name:
            return UNCONFIRMED
        last = self.certificates[0][1] if self.certificates else None
        return REVOKED if last is not None and last.followed_by_id is None and not by_name else ""


@dataclass(frozen=True)
class Issued:
    """What making out did. `made`: new ones; `kept`: people who hold the same already; `left`: obstacle → people."""

    made: tuple[Certificate, ...]
    kept: int
    left: Mapping[str, int]


def holders(session: Session, programme: Programme, people: Sequence[tuple[Person, OrgUnit | None]]) -> list[Holder]:
    """These people (rows of today) with their entries and certificates in a programme: two queries, and the rules."""
    rows = {row: pk(person) for person, _unit in people for row in humans.rows_of(person)}
    entries = entries_in(session, pk(programme), rows)
    given: dict[int, list[tuple[Certificate, CertificateEnd | None]]] = defaultdict(list)
    if rows:
        for certificate, end in given_in(session, programme, rows):
            given[rows[certificate.person_id]].append((certificate, end))
    per = competencies.rules_of(session, programme).hours.per_credit_point_hundredths
    return [
        Holder(person, humans.rows_of(person), unit, tuple(entries[pk(person)]), tuple(given[pk(person)]), per)
        for person, unit in people
    ]


def given_in(
    session: Session, programme: Programme, person_ids: Collection[int]
) -> list[tuple[Certificate, CertificateEnd | None]]:
    """The certificates of these rows in a programme, the newest first. One query."""
    return competencies.papers.of_people(session, KIND, col(Certificate.programme_id) == pk(programme), person_ids)


def entries_in(session: Session, programme_id: int, rows: Mapping[int, int]) -> defaultdict[int, list[CreditEntry]]:
    """Row of today → the entries of all their rows in a programme, oldest first. `rows`: each row → that of today. One
    query."""
    found: defaultdict[int, list[CreditEntry]] = defaultdict(list)
    if rows:
        for entry in session.exec(
            select(CreditEntry)
            .where(CreditEntry.programme_id == programme_id, col(CreditEntry.person_id).in_(rows))
            .order_by(col(CreditEntry.id))
        ):
            found[rows[entry.person_id]].append(entry)
    return found


def rows_to_today(session: Session, given: Collection[Certificate]) -> dict[int, int]:
    """Every row of the people of these certificates → that of today. One query."""
    human = humans.rows_by_row(session, [one.person_id for one in given])
    return {row: theirs[0] for theirs in human.values() for row in theirs}


def people_of(session: Session, unit: OrgUnit, programme: Programme | None) -> list[tuple[Person, OrgUnit | None]]:
    """The people who belong to this very unit now and have entries in the programme (None: in any), by name. One
    query."""
    entries = select(CreditEntry.person_id).where(CreditEntry.tenant_id == unit.tenant_id)
    if programme is not None:
        entries = entries.where(CreditEntry.programme_id == pk(programme))
    earned = humans.rows_like(entries)
    here = select(OrgMembership.person_id).where(
        col(OrgMembership.org_unit_id) == pk(unit), col(OrgMembership.ends_on).is_(None)
    )
    found = session.exec(
        select(Person)
        .where(
            Person.tenant_id == unit.tenant_id,
            col(Person.merged_into_id).is_(None),
            col(Person.id).in_(here),
            col(Person.id).in_(earned),
        )
        .order_by(col(Person.name), col(Person.staff_number), col(Person.id))
    ).all()
    return [(person, unit) for person in found]


def unit_of(session: Session, person: Person) -> OrgUnit | None:
    """The unit that a person belongs to now, of several the latest. One query."""
    return session.exec(
        select(OrgUnit)
        .join(OrgMembership, col(OrgMembership.org_unit_id) == col(OrgUnit.id))
        .where(col(OrgMembership.person_id) == pk(person), col(OrgMembership.ends_on).is_(None))
        .order_by(col(OrgMembership.starts_on).desc(), col(OrgMembership.id).desc())
        .limit(1)
    ).first()


def paper_as_kept(paper: str, *, required: bool = True) -> str:
    """A 文号 with single blanks. Raises Invalid at "paper"."""
    paper = " ".join(paper.split())
    if required and not paper:
        raise Invalid({"paper": "certificate.paper_missing"})
    if len(paper) > LONGEST_PAPER:
        raise Invalid({"paper": ("form.too_long", {"longest": LONGEST_PAPER})})
    if not paper.isprintable():
        raise Invalid({"paper": "form.unprintable"})
    return paper


def _paper_for(session: Session, actor: Actor, programme: Programme, typed: str) -> str:
    """The 文号 of a certificate. It is made out in the name of the programme's unit, so who looks after a part
    of it only goes by the paper that was said for the programme. Raises Invalid at "paper"."""
    paper = paper_as_kept(typed)
    if can(actor, Permission.CERTIFICATE_ISSUE, programme_scope(session, programme)):
        return paper
    terms = competencies.certificates.terms_of(session, pk(programme))
    said = terms.paper if terms is not None else ""
    if paper != said:
        issuer = get(session, OrgUnit, programme.org_unit_id).name
        code = "certificate.paper_of_issuer" if said else "certificate.paper_not_said"
        raise Invalid({"paper": (code, {"issuer": issuer, "paper": said})})
    return paper


def set_terms(
    session: Session, actor: Actor, programme_uuid: str, paper: str, is_self_service: bool, now: datetime
) -> None:
    """The paper that a programme's certificates rest on, and whether teachers make out their own. Said the same way
    twice it is kept once. Raises Invalid at "paper": self-service needs one."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    require(actor, Permission.CERTIFICATE_ISSUE, programme_scope(session, programme))
    paper = paper_as_kept(paper, required=is_self_service)
    before = competencies.certificates.terms_of(session, pk(programme))
    if before is not None and (before.paper, before.is_self_service) == (paper, is_self_service):
        return
    session.add(
        CertificateTerms(
            programme_id=pk(programme),
            paper=paper,
            is_self_service=is_self_service,
            set_by_id=actor.person_id,
            set_at=now,
        )
    )
    session.flush()


def issue_to(
    session: Session, actor: Actor, programme_uuid: str, person_uuid: str, paper: str, now: datetime
) -> Certificate:
    """Makes one out to a person; gives the one they hold where that says the same.

    Raises Invalid at "paper", Refused with what stands in the way.
    """
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    person = humans.today_of(session, find(session, Person, actor.tenant_id, person_uuid))
    require(actor, Permission.CERTIFICATE_ISSUE, person_scope(session, actor.tenant_id, pk(person), pk(programme)))
    paper = _paper_for(session, actor, programme, paper)
    return _one(session, actor, programme, person, paper, now, obstacles_for=actor)


def take_own(session: Session, actor: Actor, programme_uuid: str, now: datetime) -> Certificate:
    """A teacher makes out their own, where the programme lets them. Raises Refused as `issue_to`."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    person = get(session, Person, actor.person_id)
    require(
        actor,
        Permission.CERTIFICATE_TAKE,
        Scope(actor.tenant_id, owner_id=pk(person)),
    )
    terms = competencies.certificates.terms_of(session, pk(programme))
    if terms is None or not terms.is_self_service:
        raise Refused("certificate.no_self_service")
    return _one(session, actor, programme, person, terms.paper, now, obstacles_for=None)


def _one(
    session: Session,
    actor: Actor,
    programme: Programme,
    person: Person,
    paper: str,
    now: datetime,
    *,
    obstacles_for: Actor | None,
) -> Certificate:
    take_turn(session, programme.tenant_id)
    (holder,) = holders(session, programme, [(person, unit_of(session, person))])
    return give_one(session, actor, holder, _as_of(session, programme, paper), now, obstacles_for=obstacles_for)


def give_one(
    session: Session, actor: Actor, holder: Holder, words: "Words", now: datetime, *, obstacles_for: Actor | None
) -> Certificate:
    """One for this person; the one they hold where that says the same. The caller took their turn. Raises Refused."""
    if code := holder.obstacle(obstacles_for, by_name=obstacles_for is not None):
        raise Refused(code)
    if holder.has_the_same() and holder.current is not None:
        return holder.current
    if competencies.certificates.waiting_for_seal(session, holder.statement.entries):
        raise Refused(UNSEALED)
    return _make_out(session, actor, [holder], words, now)[0]


def issue_to_school(
    session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, paper: str, now: datetime
) -> Issued:
    """Makes them out to everybody of a unit who has hours and holds none that says the same: a constant number of
    queries and three inserts. Raises Invalid at "paper"."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    unit = find(session, OrgUnit, actor.tenant_id, unit_uuid)
    require(actor, Permission.CERTIFICATE_ISSUE, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    paper = _paper_for(session, actor, programme, paper)
    take_turn(session, actor.tenant_id)
    held = holders(session, programme, people_of(session, unit, programme))
    return give_all(session, actor, held, _as_of(session, programme, paper), now)


def give_all(session: Session, actor: Actor, held: Sequence[Holder], words: "Words", now: datetime) -> Issued:
    """One for each of these who may have one and holds none that says the same. The caller took their turn."""
    left: dict[str, int] = defaultdict(int)
    wanted, kept = list[Holder](), 0
    for holder in held:
        if code := holder.obstacle(actor):
            left[code] += 1
        elif holder.has_the_same():
            kept += 1
        else:
            wanted.append(holder)
    waiting = competencies.certificates.waiting_for_seal(
        session, [key for one in wanted for key in one.statement.entries]
    )
    ready = [one for one in wanted if waiting.isdisjoint(one.statement.entries)]
    if len(ready) < len(wanted):
        left[UNSEALED] = len(wanted) - len(ready)
    made = _make_out(session, actor, ready[:MOST_AT_ONCE], words, now)
    return Issued(tuple(made), kept, dict(left))


def revoke(session: Session, actor: Actor, certificate_uuid: str, reason: str, now: datetime) -> bool:
    """Takes one back, with a reason that its person reads; False where it had ended already. Raises Invalid."""
    certificate = find(session, Certificate, actor.tenant_id, certificate_uuid)
    person = humans.today_of(session, get(session, Person, certificate.person_id))
    require(actor, Permission.CERTIFICATE_ISSUE, scope_of(session, certificate.programme_id, person))
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "certificate.reason_missing"})
    if len(reason) > LONGEST_REASON:
        raise Invalid({"reason": ("form.too_long", {"longest": LONGEST_REASON})})
    if not reason.isprintable():
        raise Invalid({"reason": "form.unprintable"})
    take_turn(session, actor.tenant_id)
    if session.get(CertificateEnd, pk(certificate)) is not None:
        return False
    competencies.papers.end(session, KIND, pk(certificate), actor.person_id, now, reason=reason)
    session.flush()
    return True


def take_turn(session: Session, tenant_id: int) -> None:
    """One at a time makes out certificates in a district: numbers follow one another, a double click finds what the
    first one made, and no seal is made meanwhile. Ends with the transaction."""
    session.exec(select(Tenant.id).where(col(Tenant.id) == tenant_id).with_for_update(key_share=True)).one()


def scope_of(session: Session, programme_id: int | None, person: Person) -> Scope:
    """The scope of a person's certificates in a programme, or (None) of those of a cycle. These no course opens: a
    trainer sees what happened in a programme of theirs, not everything else. One query."""
    scope = person_scope(session, person.tenant_id, pk(person), programme_id)
    return scope if programme_id is not None else replace(scope, course_ids=frozenset())


Words = Callable[[Holder], Mapping[str, Any]]
"""Of what a certificate is made out, in whose name and by which paper: columns of `Certificate`, by whom it is for."""


def _as_of(session: Session, programme: Programme, paper: str) -> Words:
    """What certificates of a programme say besides whose they are. One query."""
    issuer = get(session, OrgUnit, programme.org_unit_id).name
    same = {"programme_id": pk(programme), "title": programme.title, "issuer": issuer, "paper": paper}
    return lambda holder: {**same, "per_credit_point_hundredths": holder.per_credit_point or None}


def _make_out(session: Session, actor: Actor, to: Collection[Holder], words: Words, now: datetime) -> list[Certificate]:
    if not to:
        return []
    head = competencies.head(session, actor.tenant_id)
    if head is None:  # entries that wait for no seal lie under one: somebody deleted the seals past the product
        raise Refused(UNSEALED)
    first = competencies.papers.next_number(session, KIND, actor.tenant_id)
    made = []
    for number, holder in enumerate(to, start=first):
        said = holder.statement
        made.append(
            Certificate(
                tenant_id=actor.tenant_id,
                number=number,
                code=competencies.certificates.new_code(),
                person_id=pk(holder.person),
                org_unit_id=pk(holder.unit) if holder.unit is not None else None,
                name=holder.person.name,
                staff_number=holder.person.staff_number,
                school=holder.unit.name if holder.unit is not None else "",
                hours={kind.value: hundredths for kind, hundredths in said.hours},
                entries=list(said.entries),
                seal_number=head.number,
                seal_hash=head.hash,
                issued_by_id=actor.person_id,
                issued_at=now,
                **words(holder),
            )
        )
    session.add_all(made)
    session.flush()
    for certificate, holder in zip(made, to, strict=True):
        for before, end in holder.certificates:  # of two people who were merged each may hold one
            if end is None:
                competencies.papers.end(session, KIND, pk(before), actor.person_id, now, followed_by_id=pk(certificate))
    session.flush()
    return made
