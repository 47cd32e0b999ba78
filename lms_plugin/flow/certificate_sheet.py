"""One 学时证明, of a programme or of a cycle: as it was made out, how it stands now, and as it is put on paper."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from competencies import Certificate, CertificateEnd, CreditEntry, Programme, ProgrammePolicy, Standing
from lms_plugin.access import Actor, Permission, can, require
from lms_plugin.db import by_id, find, get, pk
from lms_plugin.errors import Conflict
from lms_plugin.flow import appealed, certificates, cycle_certificates, humans
from lms_plugin.people import Person, Tenant

Hours = tuple[tuple[str, int], ...]
"""Kinds of hours (as the ledger writes them) with their hundredths."""


@dataclass(frozen=True)
class HoursLine:
    """One entry of the ledger that a certificate sums up. `title`: of its programme, on one of a cycle."""

    title: str
    on: date
    kind: str
    hundredths: int
    reason: str
    source: str
    rule_number: int


@dataclass(frozen=True)
class PartLine:
    """What one programme brought to a certificate of a cycle. `credit_points`: in hundredths, 0 = not counted so."""

    title: str
    paper: str
    hours: Hours
    credit_points: int


@dataclass(frozen=True)
class Printed:
    """What stands on paper. `years`: the cycle, None of a programme; `parts`: what each programme brought to a cycle,
    by its 文号. `credit_points`: 学分 in hundredths, 0 where nothing is said of them; `per_credit_point`:
    hundredths of a 学时 that make one."""

    number: str
    code: str
    name: str
    staff_number: str
    school: str
    title: str
    years: competencies.certificates.Years | None
    parts: tuple[PartLine, ...]
    issuer: str
    paper: str
    hours: Hours
    credit_points: int
    per_credit_point: int
    seal_number: int
    seal_hash: str
    issued_at: datetime
    timezone: str
    lines: tuple[HoursLine, ...]


@dataclass(frozen=True)
class View(Printed):
    """One certificate as it was made out, and how it stands now."""

    uuid: str
    programme_uuid: str  # "" of a cycle
    person_uuid: str
    standing: Standing
    appealed: int  # awards that it counts and an appeal ended since
    reason: str
    ended_at: datetime | None
    followed_by: str
    is_own: bool
    may_revoke: bool
    is_stamped: bool  # the unit's seal was put on it


def by_kind(said: competencies.Statement) -> Hours:
    """The hours of a statement, as pages write them."""
    return tuple((kind.value, hundredths) for kind, hundredths in said.hours)


def number_of(certificate: Certificate, timezone: str) -> str:
    """The number as it is printed: the year, then six digits that the district counts through."""
    return f"{competencies.local_day(certificate.issued_at, timezone).year}{certificate.number:06d}"


def view(session: Session, actor: Actor, certificate_uuid: str) -> View:
    """One certificate: ten queries at most. Raises NotFound, Forbidden."""
    certificate = find(session, Certificate, actor.tenant_id, certificate_uuid)
    person = humans.today_of(session, get(session, Person, certificate.person_id))
    scope = certificates.scope_of(session, certificate.programme_id, person)
    require(actor, Permission.CERTIFICATE_READ, scope)
    tenant = get(session, Tenant, actor.tenant_id)
    programme = get(session, Programme, certificate.programme_id) if certificate.programme_id is not None else None
    end, followed_by, is_stamped = _what_became_of(session, certificate)
    entries = competencies.certificates.entries_named(session, certificate)
    if programme is not None:
        programmes = {pk(programme): programme}
    else:
        programmes = by_id(session, Programme, sorted({entry.programme_id for entry in entries}))
    return View(
        **vars(printed(certificate, entries, rule_numbers(session, programmes), programmes, tenant.timezone)),
        uuid=certificate.uuid,
        programme_uuid=programme.uuid if programme is not None else "",
        person_uuid=person.uuid,
        standing=standing_of(session, certificate, end is not None),
        appealed=appealed.in_entries(session, certificate.entries),
        reason=end.reason if end is not None else "",
        ended_at=end.ended_at if end is not None else None,
        followed_by=followed_by,
        is_own=actor.is_author(pk(person)),
        is_stamped=is_stamped,
        may_revoke=end is None and can(actor, Permission.CERTIFICATE_ISSUE, scope),
    )


def part_lines(parts: Iterable[competencies.certificates.Part]) -> tuple[PartLine, ...]:
    """The programmes of a cycle, as pages write them."""
    return tuple(
        PartLine(
            part.title,
            part.paper,
            tuple((kind.value, hundredths) for kind, hundredths in part.hours),
            part.credit_points,
        )
        for part in parts
    )


def printed(
    certificate: Certificate,
    entries: Iterable[CreditEntry],
    numbers: Mapping[int, int],
    programmes: Mapping[int, Programme],
    timezone: str,
) -> Printed:
    """A certificate as it is put on paper. `entries`: those that it names, oldest first; `numbers`: `rule_numbers`;
    `programmes`: of a cycle, those that the entries name."""
    years = competencies.certificates.years_of(certificate)
    return Printed(
        number=number_of(certificate, timezone),
        code=certificate.code,
        name=certificate.name,
        staff_number=certificate.staff_number,
        school=certificate.school,
        title=certificate.title,
        years=years,
        parts=part_lines(competencies.certificates.parts_of(certificate)),
        issuer=certificate.issuer,
        paper=certificate.paper,
        hours=by_kind(competencies.certificates.said_by(certificate)),
        credit_points=competencies.certificates.credit_points_of(certificate),
        per_credit_point=certificate.per_credit_point_hundredths or 0,
        seal_number=certificate.seal_number,
        seal_hash=certificate.seal_hash,
        issued_at=certificate.issued_at,
        timezone=timezone,
        lines=tuple(
            HoursLine(
                title=programmes[entry.programme_id].title if years is not None else "",
                on=entry.earned_on or competencies.local_day(entry.entered_at, timezone),
                kind=entry.kind.value,
                hundredths=entry.credit_hundredths,
                reason=entry.reason,
                source=entry.source,
                rule_number=numbers.get(entry.policy_id, 0),
            )
            for entry in entries
        ),
    )


def _what_became_of(session: Session, certificate: Certificate) -> tuple[CertificateEnd | None, str, bool]:
    """Its end, the uuid of the one that followed it ("" for none), and whether a seal was put on it. One query."""
    follower, use = aliased(Certificate), competencies.SealUse
    end, followed_by, stamped = session.exec(
        select(CertificateEnd, follower.uuid, use.certificate_id)
        .select_from(Certificate)
        .join(CertificateEnd, col(CertificateEnd.certificate_id) == col(Certificate.id), isouter=True)
        .join(follower, col(follower.id) == col(CertificateEnd.followed_by_id), isouter=True)
        .join(use, col(use.certificate_id) == col(Certificate.id), isouter=True)
        .where(Certificate.id == pk(certificate))
    ).one()
    return end, followed_by or "", stamped is not None


def standing_of(session: Session, certificate: Certificate, is_ended: bool) -> Standing:
    """Whether one still holds, of a programme or of a cycle: three queries at most, none where it was ended."""
    if is_ended:
        return Standing.ENDED
    entries = ledger_of(session, [certificate])[pk(certificate)]
    return competencies.certificates.standing(certificate, is_ended, entries)


def ledger_of(session: Session, given: Sequence[Certificate]) -> dict[int, list[CreditEntry]]:
    """Certificate (its id) → all that the ledger has of its person now, in the programme or the cycle of which all of
    them are: three queries at most."""
    if not given:
        return {}
    rows = certificates.rows_to_today(session, given)
    years = competencies.certificates.years_of(given[0])
    if years is not None:
        tenant = get(session, Tenant, given[0].tenant_id)
        entries = cycle_certificates.entries_in(session, tenant, years, rows)
    else:
        entries = certificates.entries_in(session, given[0].programme_id or 0, rows)
    return {pk(one): entries[rows[one.person_id]] for one in given}


def rule_numbers(session: Session, programme_ids: Collection[int]) -> dict[int, int]:
    """The rules of these programmes (id → number), of which entries name one. One query."""
    rows = session.exec(select(ProgrammePolicy).where(col(ProgrammePolicy.programme_id).in_(programme_ids)))
    return {pk(policy): policy.number for policy in rows}


def printable(session: Session, actor: Actor, certificate_uuid: str) -> tuple[View, bytes]:
    """What goes on paper, and the picture of the seal that was put on it, b"" for none. Raises Conflict for one that
    holds no more: nobody prints it anew."""
    found = view(session, actor, certificate_uuid)
    if found.standing is not Standing.VALID:
        raise Conflict("certificate.not_printable")
    if not found.is_stamped:
        return found, b""
    seal = competencies.papers.seal_on(
        session, competencies.certificates.KIND, find(session, Certificate, actor.tenant_id, certificate_uuid)
    )
    return found, seal.image if seal is not None else b""
