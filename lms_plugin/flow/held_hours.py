"""暂缓的学时: hours that wait for their owner's reviews are booked once these are done, or the round is over, or the
rules hold nothing any more. The worker looks each minute, so nothing that ends a review has to think of it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import get, pk
from lms_plugin.flow import booking, duty, humans, message_words, messages, report
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.people import OrgMembership, OrgUnit, Person

REASON = "held"
"""Of ledger entries that had waited."""
MOST = 50
"""Names on an officer's page."""


def to_end(session: Session) -> list[int]:
    """For the worker's sweep: the programmes in which anybody's hours wait."""
    return competencies.held_hours.programmes_of(session)


def end_due(session: Session, programme_id: int, now: datetime) -> int:
    """For the worker's sweep: books what waited of whoever owes no review any more, `booking.AT_ONCE` people at a time;
    gives their number."""
    programme = get(session, competencies.Programme, programme_id)
    if not _free(session, programme, now):
        return 0
    booking.take_turn(session, programme)
    rows = _free(session, programme, now)[: booking.AT_ONCE]
    _end(session, programme, rows, now)
    return len(rows)


def end_for(session: Session, rows: Collection[int], now: datetime) -> None:
    """Books what waits of these rows of one human being, reviews or not: they leave for another district. Whoever calls
    has the turn in each of these programmes (`competencies.held_hours.programmes_of`)."""
    for key in competencies.held_hours.programmes_of(session, rows):
        programme = get(session, competencies.Programme, key)
        _end(session, programme, competencies.held_hours.open_of(session, key, rows), now)


def _free(
    session: Session, programme: competencies.Programme, now: datetime
) -> list[competencies.held_hours.HeldHours]:
    waiting = competencies.held_hours.open_of(session, pk(programme))
    same = humans.rows_by_row(session, {row.person_id for row in waiting})
    policy = competencies.rules_of(session, programme).review
    owing = duty.owing(session, programme, policy, {rows[0]: rows for rows in same.values()}, now)
    return [row for row in waiting if same[row.person_id][0] not in owing]


def _end(
    session: Session,
    programme: competencies.Programme,
    rows: Collection[competencies.held_hours.HeldHours],
    now: datetime,
) -> None:
    people = {row.person_id for row in rows}
    books = booking.Books(session, programme, people, now=None)
    awards = _awards(session, programme, books.rows)
    entries: list[competencies.CreditEntry] = []
    for person in sorted(books.humans()):
        theirs = [one for one in awards if one[0].person_id in books.rows[person]]
        by = {pk(award): decided_by for award, decided_by in theirs}
        for award, hundredths in books.by_award(person, [award for award, _by in theirs]):
            # It names its award, so it counts on that day, in the cycle in which the point was earned.
            basis = competencies.Basis(programme.policy_id or 0, pk(award), by[pk(award)], award.org_unit_id)
            source = books.category(person)
            entries += booking.lines(programme, award.person_id, hundredths, basis, now, reason=REASON, source=source)
    books.note(session, programme, now)
    competencies.ledger.credit_all(session, entries)
    for row in rows:
        row.ended_at = now
        session.add(row)
    session.flush()
    messages.over(session, message_words.HELD, [(row.person_id, programme.uuid) for row in rows], now)
    report.queue_scores(session, programme, sorted(books.humans()), now)


def _awards(
    session: Session, programme: competencies.Programme, rows: Iterable[int]
) -> list[tuple[competencies.Award, int | None]]:
    """What these rows hold, in the order in which it came, with who decided."""
    award, decision = competencies.Award, competencies.Decision
    found = session.exec(
        select(award, decision.decided_by_id)
        .join(decision, col(decision.id) == col(award.decision_id))
        .where(
            award.programme_id == pk(programme),
            col(award.person_id).in_(list(rows)),
            col(award.revoked_at).is_(None),
        )
        .order_by(col(award.awarded_at), col(award.id))
    )
    return [(one, by) for one, by in found]


# --- for officers ---


@dataclass(frozen=True)
class HeldLine:
    """Somebody whose hours wait. `left`: how many reviews they still owe; 0 = done, booked within a minute."""

    person: str
    name: str
    school: str
    left: int
    since_at: datetime


@dataclass(frozen=True)
class Held:
    """Whose hours wait in a programme: the first `MOST` of `total`, those who owe most on top."""

    total: int
    lines: tuple[HeldLine, ...]


def waiting(session: Session, actor: Actor, programme: competencies.Programme) -> Held:
    """For who allots the reviews: at most four queries, one where nobody's hours wait."""
    require(actor, Permission.REVIEW_ALLOCATE, programme_scope(session, programme))
    found = competencies.held_hours.open_of(session, pk(programme))
    if not found:
        return Held(0, ())
    same = humans.rows_by_row(session, {row.person_id for row in found})
    since = {same[row.person_id][0]: row.since_at for row in reversed(found)}
    owed = duty.owed(session, pk(programme), {row for rows in same.values() for row in rows})
    left = {rows[0]: sum(owed.get(row, 0) for row in rows) for rows in same.values()}
    shown = sorted(since, key=lambda today: (-left[today], since[today], today))[:MOST]
    names = {pk(one): one for one in session.exec(select(Person).where(col(Person.id).in_(shown)))}
    units = dict(
        session.exec(
            select(OrgMembership.person_id, OrgUnit.name)
            .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
            .where(col(OrgMembership.person_id).in_(shown), col(OrgMembership.ends_on).is_(None))
            .order_by(col(OrgMembership.id))
        ).all()
    )
    return Held(
        len(since),
        tuple(HeldLine(names[key].uuid, names[key].name, units.get(key, ""), left[key], since[key]) for key in shown),
    )
