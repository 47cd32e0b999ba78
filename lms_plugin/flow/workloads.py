"""工作量证明: an officer certifies what people did for others in a round (`work_done`).

Made out in one act for everybody who did any and holds none that says the same; a new one ends the one before it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, select

import competencies
from competencies import Programme, Standing
from lms_plugin.access import Actor, Permission, Scope, can, own, require
from lms_plugin.db import by_id, find, get, pk
from lms_plugin.errors import Conflict, Invalid
from lms_plugin.flow import certificates, humans
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.flow.work_done import Work, works
from lms_plugin.people import OrgMembership, OrgUnit, Person, Tenant

domain = competencies.workloads
MOST_AT_ONCE = 500
A_PAGE = 50


@dataclass(frozen=True)
class Line:
    """Somebody who did any. `state`: "" without a statement, else how it stands ("more": it holds, and there is more
    since). `standing_ids`: their statements that were not ended, of merged rows several. `obstacle`: why none can be
    made out, as a code."""

    person: Person
    school: str
    work: Work
    state: str
    statement_uuid: str
    standing_ids: tuple[int, ...]
    obstacle: str


@dataclass(frozen=True)
class Page:
    """The people of a round who did something for others. `ready`: how many would get a statement."""

    programme_uuid: str
    unit_uuid: str  # that runs it
    title: str
    lines: tuple[Line, ...]
    total: int
    ready: int
    holding: int
    paper: str
    may_issue: bool


@dataclass(frozen=True)
class View:
    """One statement and how it stands."""

    statement: "domain.WorkStatement"
    number: str
    programme_uuid: str
    standing: Standing
    reason: str
    ended_at: datetime | None
    followed_by: str
    timezone: str
    is_own: bool
    may_revoke: bool
    is_stamped: bool  # the unit's seal was put on it


@dataclass(frozen=True)
class Mine:
    """A statement of one's own in a list."""

    uuid: str
    number: str
    title: str
    issued_at: datetime
    standing: Standing


def people(session: Session, actor: Actor, programme_uuid: str, number: int = 1) -> Page:
    """Who did something for others in a round, by name, a page of them: nine queries."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    unit = get(session, OrgUnit, programme.org_unit_id)
    scope = Scope(programme.tenant_id, unit_paths=(unit.path,))
    require(actor, Permission.CERTIFICATE_READ, scope)
    terms = competencies.certificates.terms_of(session, pk(programme))
    lines = _lines(session, actor, programme)
    start = (number - 1) * A_PAGE
    return Page(
        programme_uuid=programme.uuid,
        unit_uuid=unit.uuid,
        title=programme.title,
        lines=tuple(lines[start : start + A_PAGE]),
        total=len(lines),
        ready=sum(not line.obstacle and line.state != Standing.VALID.value for line in lines),
        holding=sum(line.state in {Standing.VALID.value, "more"} for line in lines),
        paper=terms.paper if terms is not None else "",
        may_issue=can(actor, Permission.CERTIFICATE_ISSUE, scope),
    )


def _lines(session: Session, actor: Actor, programme: Programme) -> list[Line]:
    """Everybody who did any, by name."""
    timezone = get(session, Tenant, programme.tenant_id).timezone
    done = works(session, programme, timezone)
    persons = by_id(session, Person, sorted(done))
    schools = _schools(session, done)
    of = col(domain.WorkStatement.programme_id) == pk(programme)
    given = competencies.papers.of_people(session, domain.KIND, of)
    today = humans.rows_by_row(session, [one.person_id for one, _end in given])
    theirs: dict[int, list[Any]] = defaultdict(list)
    for one, end in given:
        theirs[today[one.person_id][0]].append((one, end))
    lines = []
    for key, person in persons.items():
        held = theirs[key]
        standing = [one for one, end in held if end is None]
        current = standing[0] if standing else None
        last = held[0][1] if held else None
        lines.append(
            Line(
                person=person,
                school=schools.get(key, ""),
                work=done[key],
                state=_state(current, done[key], was_given=bool(held)),
                statement_uuid=current.uuid if current is not None else "",
                standing_ids=tuple(pk(one) for one in standing),
                obstacle=_obstacle(actor, person, was_revoked=last is not None and last.followed_by_id is None),
            )
        )
    return sorted(lines, key=lambda line: (line.person.name, line.person.staff_number, pk(line.person)))


def _state(current: "domain.WorkStatement | None", work: Work, *, was_given: bool) -> str:
    if current is None:
        return Standing.ENDED.value if was_given else ""
    stands = domain.standing(current, False, work.counts)
    if stands is Standing.VALID and (current.work, current.minutes) != (work.counts, work.minutes):
        return "more"
    return stands.value


def _obstacle(actor: Actor, person: Person, *, was_revoked: bool) -> str:
    if actor.is_author(pk(person)):
        return certificates.OWN
    if person.confirmed_at is None or not person.name:
        return certificates.UNCONFIRMED
    return "workload.was_revoked" if was_revoked else ""


def _schools(session: Session, person_ids: Collection[int]) -> dict[int, str]:
    """The unit that each belongs to now, of several the latest. One query."""
    rows = session.exec(
        select(OrgMembership.person_id, OrgUnit.name)
        .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
        .where(col(OrgMembership.person_id).in_(person_ids), col(OrgMembership.ends_on).is_(None))
        .order_by(col(OrgMembership.starts_on), col(OrgMembership.id))
    )
    return dict(rows.all())


def issue(
    session: Session,
    actor: Actor,
    programme_uuid: str,
    paper: str,
    now: datetime,
    again: Collection[str] = (),
) -> int:
    """Makes them out to everybody who did any and holds none that says the same; gives how many. `again`: uuids of
    people who get one although their last one was taken back. Raises Invalid at "paper"."""
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    require(actor, Permission.CERTIFICATE_ISSUE, programme_scope(session, programme))
    paper = certificates.paper_as_kept(paper)
    certificates.take_turn(session, actor.tenant_id)
    ready = [
        line
        for line in _lines(session, actor, programme)
        if line.state != Standing.VALID.value
        and (not line.obstacle or (line.obstacle == "workload.was_revoked" and line.person.uuid in again))
    ][:MOST_AT_ONCE]
    issuer = get(session, OrgUnit, programme.org_unit_id).name
    first = competencies.papers.next_number(session, domain.KIND, programme.tenant_id)
    per_hour = competencies.rules_of(session, programme).trainings.minutes_per_hour
    made = [
        domain.WorkStatement(
            tenant_id=programme.tenant_id,
            number=number,
            code=competencies.certificates.new_code(),
            programme_id=pk(programme),
            person_id=pk(line.person),
            name=line.person.name,
            staff_number=line.person.staff_number,
            school=line.school,
            title=programme.title,
            issuer=issuer,
            paper=paper,
            work=dict(line.work.counts),
            minutes=dict(line.work.minutes),
            days={kind: [first.isoformat(), last.isoformat()] for kind, (first, last) in line.work.days.items()},
            minutes_per_hour=per_hour,
            first_on=line.work.first_on,
            last_on=line.work.last_on,
            issued_by_id=actor.person_id,
            issued_at=now,
        )
        for number, line in enumerate(ready, start=first)
    ]
    session.add_all(made)
    session.flush()
    for one, line in zip(made, ready, strict=True):
        for ended in line.standing_ids:
            competencies.papers.end(session, domain.KIND, ended, actor.person_id, now, followed_by_id=pk(one))
    session.flush()
    return len(made)


# --- one of them ---


def view(session: Session, actor: Actor, uuid: str) -> View:
    """One statement, for its person, and for officers and auditors of the round: twelve queries at most."""
    found = find(session, domain.WorkStatement, actor.tenant_id, uuid)
    programme, scope = _scope(session, found)
    require(actor, Permission.CERTIFICATE_READ, scope)
    timezone = get(session, Tenant, actor.tenant_id).timezone
    end = session.get(domain.WorkStatementEnd, pk(found))
    follower = end.followed_by_id if end is not None else None
    return View(
        statement=found,
        number=number_of(found, timezone),
        programme_uuid=programme.uuid,
        standing=_standing(session, found, end is not None, programme),
        reason=end.reason if end is not None else "",
        ended_at=end.ended_at if end is not None else None,
        followed_by=get(session, domain.WorkStatement, follower).uuid if follower is not None else "",
        timezone=timezone,
        is_own=scope.owner_id is not None and actor.is_author(scope.owner_id),
        may_revoke=end is None and can(actor, Permission.CERTIFICATE_ISSUE, scope),
        is_stamped=session.get(domain.WorkSealUse, pk(found)) is not None,
    )


def _scope(session: Session, statement: "domain.WorkStatement") -> tuple[Programme, Scope]:
    programme = get(session, Programme, statement.programme_id)
    person = humans.today_of(session, get(session, Person, statement.person_id))
    return programme, replace(programme_scope(session, programme), owner_id=pk(person))


def standings(session: Session, programme: Programme, given: Collection["domain.WorkStatement"]) -> dict[int, Standing]:
    """How statements of a programme stand of which none was ended, by id: four queries."""
    timezone = get(session, Tenant, programme.tenant_id).timezone
    rows = humans.rows_by_row(session, [one.person_id for one in given])
    done = works(session, programme, timezone) if given else {}
    now = {pk(one): done.get(rows[one.person_id][0]) for one in given}
    return {
        pk(one): domain.standing(one, False, work.counts if (work := now[pk(one)]) is not None else {}) for one in given
    }


def _standing(session: Session, statement: "domain.WorkStatement", is_ended: bool, programme: Programme) -> Standing:
    return Standing.ENDED if is_ended else standings(session, programme, [statement])[pk(statement)]


def number_of(statement: "domain.WorkStatement", timezone: str) -> str:
    """The number as it is printed: G, the year, then six digits that the district counts through."""
    return f"G{competencies.local_day(statement.issued_at, timezone).year}{statement.number:06d}"


def printable(session: Session, actor: Actor, uuid: str) -> tuple[View, bytes]:
    """What goes on paper, and the picture of the seal that was put on it, b"" for none. Raises Conflict for one that
    holds no more."""
    found = view(session, actor, uuid)
    if found.standing is not Standing.VALID:
        raise Conflict("workload.not_printable")
    seal = competencies.papers.seal_on(session, domain.KIND, found.statement) if found.is_stamped else None
    return found, seal.image if seal is not None else b""


def revoke(session: Session, actor: Actor, uuid: str, reason: str, now: datetime) -> None:
    """Takes one back, with a reason that its person reads; twice is harmless. Raises Invalid."""
    found = find(session, domain.WorkStatement, actor.tenant_id, uuid)
    require(actor, Permission.CERTIFICATE_ISSUE, _scope(session, found)[1])
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "certificate.reason_missing"})
    if len(reason) > certificates.LONGEST_REASON:
        raise Invalid({"reason": ("form.too_long", {"longest": certificates.LONGEST_REASON})})
    if not reason.isprintable():
        raise Invalid({"reason": "form.unprintable"})
    certificates.take_turn(session, actor.tenant_id)
    if session.get(domain.WorkStatementEnd, pk(found)) is None:
        competencies.papers.end(session, domain.KIND, pk(found), actor.person_id, now, reason=reason)
        session.flush()


def mine(session: Session, actor: Actor) -> list[Mine]:
    """One's own statements, the newest first. Two queries."""
    require(actor, Permission.CERTIFICATE_TAKE, own(actor))
    timezone = get(session, Tenant, actor.tenant_id).timezone
    rows = session.exec(
        domain.KIND.given()
        .where(
            domain.WorkStatement.tenant_id == actor.tenant_id,
            col(domain.WorkStatement.person_id).in_(actor.person_ids),
        )
        .order_by(col(domain.WorkStatement.id).desc())
    )
    return [
        Mine(
            one.uuid,
            number_of(one, timezone),
            one.title,
            one.issued_at,
            Standing.VALID if end is None else Standing.ENDED,
        )
        for one, end in rows
    ]


@dataclass(frozen=True)
class VerifiedWork:
    """What the verification page says of a statement: less than the paper does."""

    code: str
    name: str
    title: str
    work: Mapping[str, int]
    first_on: date
    last_on: date
    issued_at: datetime
    timezone: str
    standing: Standing
    since: datetime | None


def look_up(session: Session, kept_code: str, masked: Any) -> VerifiedWork | None:
    """The statement of a code, for anybody who holds the paper: whoever has the code may ask. Ten queries at most."""
    found = competencies.papers.of_code(session, domain.KIND, kept_code)
    if found is None:
        return None
    statement, end = found
    timezone = get(session, Tenant, statement.tenant_id).timezone
    programme = get(session, Programme, statement.programme_id)
    return VerifiedWork(
        code=competencies.certificates.code_as_printed(statement.code),
        name=masked(statement.name),
        title=statement.title,
        work=statement.work,
        first_on=statement.first_on,
        last_on=statement.last_on,
        issued_at=statement.issued_at,
        timezone=timezone,
        standing=_standing(session, statement, end is not None, programme),
        since=end.ended_at if end is not None else None,
    )
