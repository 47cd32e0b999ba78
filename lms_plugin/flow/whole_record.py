"""研修总档案: a person over programmes, schools and platforms, with the hours of each cycle. Reads only."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import case, literal, or_, union_all
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import lti
from competencies import Award, Certificate, CertificateEnd, CreditEntry, CreditKind, Level, Programme
from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import find, get, pk
from lms_plugin.flow import certificate_sheet, history, humans
from lms_plugin.people import Course, CourseMember, Enrolment, OrgMembership, OrgUnit, Person, Tenant


@dataclass(frozen=True)
class RoundLine:
    """A programme of theirs. `passed`, `excellent`: points held; `has_record`: they take part, so there is a record."""

    uuid: str
    title: str
    opens_on: date
    closes_on: date
    passed: int
    excellent: int
    has_record: bool


@dataclass(frozen=True)
class CycleHours:
    """What one programme brought in one cycle: hundredths by kind, of kinds of which there are any."""

    title: str
    hours: Mapping[str, int]

    @property
    def total_hundredths(self) -> int:
        """All kinds together."""
        return sum(self.hours.values())


@dataclass(frozen=True)
class Cycle:
    """One cycle of years: what it comes to, and programme by programme. `entries`: ids of those of the ledger that make
    it up."""

    total: competencies.CycleTotal
    lines: tuple[CycleHours, ...]
    entries: frozenset[int] = frozenset()

    @property
    def years(self) -> competencies.certificates.Years:
        """As its certificates name them."""
        return competencies.certificates.Years(self.total.first_year, self.total.last_year)


@dataclass(frozen=True)
class SchoolLine:
    """Where they belonged; `until` None = still."""

    name: str
    since: date
    until: date | None


@dataclass(frozen=True)
class CourseLine:
    """A course from which they came, and the platform it is on. `launched_at`: the last time."""

    platform: str
    title: str
    launched_at: datetime


@dataclass(frozen=True)
class MoveLine:
    """Their record went to another district (`is_out`) or came from one."""

    is_out: bool
    place: str
    at: datetime


@dataclass(frozen=True)
class PaperLine:
    """A 学时证明. `is_ended`: taken back, or followed by a new one. `years`: of a cycle, else None; `entries`: as of a
    `Cycle`."""

    uuid: str
    number: str
    title: str
    issued_at: datetime
    is_ended: bool
    years: competencies.certificates.Years | None
    entries: frozenset[int]


@dataclass(frozen=True)
class Whole:
    """All of it. `old`: how many records of old platforms there are, for oneself alone. `seal`: of the ledger, where
    they have entries; `may_certify`: the reader may make out certificates to them, or ask for their own."""

    person_uuid: str
    name: str
    staff_number: str
    subject: str
    is_own: bool
    may_certify: bool
    rule: competencies.CycleRule
    cycles: tuple[Cycle, ...]
    rounds: tuple[RoundLine, ...]
    schools: tuple[SchoolLine, ...]
    courses: tuple[CourseLine, ...]
    moves: tuple[MoveLine, ...]
    papers: tuple[PaperLine, ...]
    old: int
    seal: competencies.Head | None
    printed_at: datetime

    @property
    def passed(self) -> int:
        """Points held in all programmes."""
        return sum(one.passed for one in self.rounds)


def scope_of(person: Person, units: Collection[OrgUnit]) -> Scope:
    """The scope of somebody's whole record: their own, and of who looks after a unit that they belong to now. No
    course opens it: a trainer sees what happened in a programme of theirs, not everything else."""
    return Scope(person.tenant_id, owner_id=pk(person), unit_paths=tuple(unit.path for unit in units))


def whole(session: Session, actor: Actor, person_uuid: str | None, now: datetime) -> Whole:
    """The whole record of a person (None: the actor's own): nine queries at most. Raises NotFound, Forbidden."""
    if person_uuid is None:
        person = get(session, Person, actor.person_id)
    else:
        person = humans.today_of(session, find(session, Person, actor.tenant_id, person_uuid))
    rows, is_own = humans.rows_of(person), actor.is_author(pk(person))
    belonged = _memberships(session, rows)
    now_in = [(one.person_id, unit) for one, unit in belonged if one.ends_on is None]
    first = now_in[0][0] if now_in else 0  # units of the row of today, of an absorbed one where that has none
    scope = scope_of(person, [unit for row, unit in now_in if row == first])
    require(actor, Permission.RECORD_READ, scope)
    tenant = get(session, Tenant, actor.tenant_id)
    ledger = competencies.whole_ledger(session, rows, tenant.timezone)
    rounds = _rounds(session, actor.tenant_id, rows, {entry.programme_id for entry, _on in ledger.entries})
    rule = competencies.cycle_rule(tenant.cycle)
    titles = {pk(programme): programme.title for programme, _takes_part in rounds}
    today = competencies.local_day(now, tenant.timezone)
    return Whole(
        person_uuid=person.uuid,
        name=person.name,
        staff_number=person.staff_number,
        subject=person.subject,
        is_own=is_own,
        may_certify=is_own or can(actor, Permission.CERTIFICATE_ISSUE, scope),
        rule=rule,
        cycles=cycles_of(rule, ledger.entries, titles, today),
        rounds=_with_points(session, rows, rounds),
        schools=_schools(belonged),
        courses=_courses(session, rows),
        moves=_moves(session, rows),
        papers=_papers(session, rows, tenant.timezone),
        old=len(history.own_records(session, actor)[1]) if is_own else 0,
        seal=ledger.head,
        printed_at=now,
    )


def cycles_of(
    rule: competencies.CycleRule,
    entries: Sequence[tuple[CreditEntry, date]],
    titles: Mapping[int, str],
    today: date,
) -> tuple[Cycle, ...]:
    """The cycles of somebody's entries (each with the day on which it counts), the newest first; a programme that
    brought nothing in a cycle, or whose hours left again, has no line in it."""
    sums: dict[int, dict[int, dict[CreditKind, int]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    made_of: dict[int, set[int]] = defaultdict(set)
    for entry, on in entries:
        made_of[rule.cycle_of(on.year)[0]].add(entry.id or 0)
        sums[rule.cycle_of(on.year)[0]][entry.programme_id][entry.kind] += entry.credit_hundredths
    counted = [competencies.Counted(entry.kind, entry.credit_hundredths, on) for entry, on in entries]
    found = []
    for total in competencies.cycle_totals(rule, counted, today):
        lines = []
        for programme, hours in sorted(sums[total.first_year].items()):
            kinds = {kind.value: hours[kind] for kind in CreditKind if hours.get(kind)}
            if kinds:
                lines.append(CycleHours(titles.get(programme, ""), kinds))
        found.append(Cycle(total, tuple(lines), frozenset(made_of[total.first_year])))
    return tuple(found)


def _memberships(session: Session, rows: Sequence[int]) -> Sequence[tuple[OrgMembership, OrgUnit]]:
    """The newest first, those of the row of today before those of absorbed ones. One query."""
    return session.exec(
        select(OrgMembership, OrgUnit)
        .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
        .where(col(OrgMembership.person_id).in_(rows))
        .order_by(
            case((col(OrgMembership.person_id) == rows[0], 0), else_=1),
            col(OrgMembership.starts_on).desc(),
            col(OrgMembership.id).desc(),
        )
    ).all()


def _schools(belonged: Sequence[tuple[OrgMembership, OrgUnit]]) -> tuple[SchoolLine, ...]:
    lines = {(unit.name, one.starts_on, one.ends_on) for one, unit in belonged}
    ordered = sorted(lines, key=lambda line: (line[2] is None, line[2] or line[1], line[1], line[0]), reverse=True)
    return tuple(SchoolLine(*line) for line in ordered)


def _rounds(
    session: Session, tenant_id: int, rows: Sequence[int], with_hours: Collection[int]
) -> list[tuple[Programme, bool]]:
    """Programmes in which these rows take part or have hours, the newest first, and whether they take part: one
    query."""
    takes_part = select(Enrolment.id).where(
        Enrolment.programme_id == col(Programme.id), col(Enrolment.person_id).in_(rows)
    )
    statement: Any = (
        columns(Programme, takes_part.exists())
        .where(
            col(Programme.tenant_id) == tenant_id,
            or_(takes_part.exists(), col(Programme.id).in_(sorted(with_hours))),
        )
        .order_by(col(Programme.opens_on).desc(), col(Programme.id).desc())
    )
    return [(programme, bool(is_in)) for programme, is_in in session.exec(statement)]


def _with_points(
    session: Session, rows: Sequence[int], rounds: Sequence[tuple[Programme, bool]]
) -> tuple[RoundLine, ...]:
    """The programmes with the points held in each; a point that two rows hold counts once, at the better level. One
    query."""
    held: dict[int, dict[int, int]] = defaultdict(dict)
    for programme, point, level in session.exec(
        select(Award.programme_id, Award.point_id, Award.level).where(
            col(Award.person_id).in_(rows), col(Award.revoked_at).is_(None), col(Award.level) >= int(Level.PASS)
        )
    ):
        held[programme][point] = max(level, held[programme].get(point, level))
    return tuple(
        RoundLine(
            programme.uuid,
            programme.title,
            programme.opens_on,
            programme.closes_on,
            len(held[pk(programme)]),
            sum(level >= Level.EXCELLENT for level in held[pk(programme)].values()),
            is_in,
        )
        for programme, is_in in rounds
    )


def _courses(session: Session, rows: Sequence[int]) -> tuple[CourseLine, ...]:
    """One query."""
    statement: Any = (
        columns(col(lti.Platform.name), col(lti.Platform.issuer), col(Course.title), col(CourseMember.launched_at))
        .join(lti.Deployment, col(lti.Deployment.platform_id) == col(lti.Platform.id))
        .join(Course, col(Course.deployment_id) == col(lti.Deployment.id))
        .join(CourseMember, col(CourseMember.course_id) == col(Course.id))
        .where(col(CourseMember.person_id).in_(rows))
        .order_by(col(CourseMember.launched_at).desc(), col(CourseMember.id).desc())
    )
    return tuple(CourseLine(name or issuer, title, at) for name, issuer, title, at in session.exec(statement))


def _moves(session: Session, rows: Sequence[int]) -> tuple[MoveLine, ...]:
    """What left for another district and is there, and what was taken in from one, the newest first: one query."""
    transfers = competencies.transfers
    out, came = transfers.Transfer, transfers.Arrival
    left: Any = columns(
        literal(1).label("out"), col(out.to_name).label("place"), col(out.changed_at).label("at")
    ).where(col(out.person_id).in_(rows), col(out.state).in_(transfers.OUT))
    arrived: Any = columns(literal(0), col(came.from_name), col(came.changed_at)).where(
        col(came.person_id).in_(rows), col(came.state) == transfers.ArrivalState.ACCEPTED
    )
    found: Any = session.connection().execute(union_all(left, arrived)).all()
    return tuple(
        sorted((MoveLine(bool(is_out), place, at) for is_out, place, at in found), key=lambda one: one.at, reverse=True)
    )


def _papers(session: Session, rows: Sequence[int], timezone: str) -> tuple[PaperLine, ...]:
    """One query."""
    found = session.exec(
        select(Certificate, CertificateEnd.ended_at)
        .join(CertificateEnd, col(CertificateEnd.certificate_id) == col(Certificate.id), isouter=True)
        .where(col(Certificate.person_id).in_(rows))
        .order_by(col(Certificate.id).desc())
    ).all()
    return tuple(
        PaperLine(
            paper.uuid,
            certificate_sheet.number_of(paper, timezone),
            paper.title,
            paper.issued_at,
            end is not None,
            competencies.certificates.years_of(paper),
            frozenset(paper.entries),
        )
        for paper, end in found
    )
