"""培训学时: minutes become hours in the ledger when somebody closes the training, and never by themselves.

An entry names the attendance it stands for; the ledger takes it once. What is put right afterwards is a reversal and a
new entry. One human being is booked once for a training, under however many rows they were there.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, cast, insert, literal, update
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select

import competencies
from competencies import Attendance, CreditEntry, Programme, Training, TrainingState
from lms_plugin import leaving, outbox
from lms_plugin.access import Actor
from lms_plugin.db import get, give_way, new_uuid, pk, table, transaction
from lms_plugin.errors import Conflict
from lms_plugin.flow import booking, humans, report
from lms_plugin.flow.trainings import HOLDER, held
from lms_plugin.flow.transfer_hours import require_here
from lms_plugin.people import OrgMembership, Person, RosterEntry, Tenant

REASON = "training"
AT_ONCE = 200
"""People booked in one transaction: on SQLite, which has one writer, whoever signs in meanwhile waits for it."""
PARTS_A_RUN = 50
"""Transactions of one run of the job; scores and other jobs come between two runs."""


@dataclass(frozen=True, slots=True)
class Entered:
    """Hours that went into the ledger: whose, and how many hundredths."""

    person_id: int
    credit_hundredths: int


@dataclass(frozen=True)
class Booked:
    """What closing did. `own`: whoever closed it was there too, and somebody else has to book that; `goes_on`: more are
    there than one transaction takes, and a job books the others."""

    people: int
    hundredths: int
    own: bool
    goes_on: bool = False


def close(session: Session, actor: Actor, uuid: str, now: datetime) -> Booked:
    """It was held: books the hours of everybody who was there, and once more of those whom it could not book before
    (they had never logged in, or it was their own). Twice is once. The first `AT_ONCE` at once, the others by a job.
    Raises Conflict before its end, or cancelled."""
    training = held(session, actor, uuid)
    take_turn(session, training)
    session.refresh(training)
    if training.state is TrainingState.CANCELLED:
        raise Conflict("training.is_over")
    if now < training.ends_at:
        raise Conflict("training.not_over_yet")
    if training.state is TrainingState.PLANNED:
        training.state, training.ended_at, training.ended_by_id = TrainingState.CLOSED, now, actor.person_id
        session.add(training)
        session.flush()
    made, last = _book_part(session, actor, training, 0, now)
    if last:
        _ask_for_rest(session, training, actor.person_id, last, now)
    hundredths = sum(entry.credit_hundredths for entry in made)
    return Booked(len(made), hundredths, _is_owed(session, actor, training), bool(last))


def book_rest(sessions: "sessionmaker[Session]", ids: dict[str, int], clock: Callable[[], datetime]) -> None:
    """The job after somebody closed a large training: books the others in their name, `AT_ONCE` in a transaction.
    Broken off it goes on where it stopped, and run twice it books nothing twice."""
    last = ids["after"]
    for _ in range(PARTS_A_RUN):
        with transaction(sessions) as session:
            now = clock()
            training = get(session, Training, ids["training_id"])
            if leaving.is_read_only(get(session, Tenant, training.tenant_id), now):
                return  # it is booked where the district goes on
            closer = humans.today_of(session, get(session, Person, ids["by_id"]))
            actor = Actor(closer.tenant_id, pk(closer), absorbed_ids=tuple(closer.absorbed_ids))
            take_turn(session, training)
            _made, last = _book_part(session, actor, training, last, now)
        if not last:
            return
        give_way(sessions)
    with transaction(sessions) as session:
        _ask_for_rest(session, training, ids["by_id"], last, clock())


def _ask_for_rest(session: Session, training: Training, by_id: int, after: int, now: datetime) -> None:
    """The others are booked in the name of `by_id`, from behind this attendance on."""
    ids = {"training_id": pk(training), "by_id": by_id, "after": after}
    job = outbox.put(session, training.tenant_id, outbox.TRAINING, f"{pk(training)}:{by_id}", ids, now)
    job.ids = ids  # also of one that was open
    session.add(job)
    session.flush()


def take_turn(session: Session, training: Training) -> None:
    """One closing or correction in a round at a time."""
    booking.take_turn(session, get(session, Programme, training.programme_id))


def _book_part(
    session: Session, actor: Actor, training: Training, after: int, now: datetime
) -> tuple[list[Entered], int]:
    """Books the next `AT_ONCE` whose hours wait, in the order of their attendances, from behind `after` on. Gives with
    it up to which one it looked, 0 where no others are left."""
    next_ones = _waiting(training).where(col(Attendance.id) > after).order_by(col(Attendance.id))
    found = session.exec(next_ones.limit(AT_ONCE + 1)).all()
    some = found[:AT_ONCE]
    last = int(some[-1][0]) if len(found) > AT_ONCE else 0
    rows_of = {
        row: rows for rows in humans.rows_by_row(session, [holder for _key, holder in some]).values() for row in rows
    }
    there = _there(session, training, rows_of)
    done = {rows_of[row.person_id][0] for row in there if row.person_id is not None and row.entry_id is not None}
    waiting: dict[int, Attendance] = {}
    for row in there:
        if row.person_id is None or row.entry_id is not None:
            continue
        root = rows_of[row.person_id][0]
        if root not in done and not actor.is_author(root):  # nobody credits themselves
            waiting[root] = _longer(training, waiting.get(root), row)
    programme = get(session, Programme, training.programme_id)
    made = _book(session, actor, programme, training, waiting.values(), now) if waiting else []
    if made:
        report.queue_scores(session, programme, {entry.person_id for entry in made}, now)
    return made, last


def _is_owed(session: Session, actor: Actor, training: Training) -> bool:
    """Whether hours of the actor's own wait: somebody else has to book them. One query."""
    found = _waiting(training).where(HOLDER.in_(actor.person_ids))
    return session.exec(found).first() is not None


def _waiting(training: Training) -> Any:
    """(id, row of the person) of attendances whose hours are not booked, of people who have come by now."""
    return (
        select(Attendance.id, HOLDER)
        .join(RosterEntry, col(RosterEntry.id) == col(Attendance.roster_entry_id), isouter=True)
        .where(
            Attendance.training_id == pk(training),
            col(Attendance.removed_at).is_(None),
            col(Attendance.entry_id).is_(None),
            HOLDER.is_not(None),
        )
    )


def _there(session: Session, training: Training, people: Collection[int]) -> list[Attendance]:
    """Where these rows of people were there, in the order in which they came. Whoever was ticked on the roster before
    they ever came gets the person that the row belongs to by now."""
    named = session.exec(
        select(Attendance.person_id).where(
            Attendance.training_id == pk(training), col(Attendance.person_id).in_(people)
        )
    )
    known = set(named)
    found = session.exec(
        select(Attendance, HOLDER)
        .join(RosterEntry, col(RosterEntry.id) == col(Attendance.roster_entry_id), isouter=True)
        .where(Attendance.training_id == pk(training), col(Attendance.removed_at).is_(None), HOLDER.in_(people))
        .order_by(col(Attendance.id))
    ).all()
    for row, holder in found:
        if row.person_id is None and holder not in known:
            row.person_id = holder
            known.add(holder)
            session.add(row)
    session.flush()
    return [row for row, _holder in found]


def _longer(training: Training, one: Attendance | None, other: Attendance) -> Attendance:
    if one is None or minutes_of(training, other) > minutes_of(training, one):
        return other
    return one


def minutes_of(training: Training, row: Attendance) -> int:
    """How long somebody was there."""
    return training.minutes if row.minutes is None else row.minutes


def _book(
    session: Session,
    actor: Actor,
    programme: Programme,
    training: Training,
    rows: Iterable[Attendance],
    now: datetime,
) -> list[Entered]:
    """One entry each, of nothing none: two statements, however many there are."""
    chosen = list(rows)
    rules = competencies.rules_of(session, programme)
    policy_id = programme.policy_id
    if policy_id is None:
        policy_id = pk(competencies.set_rules(session, programme, rules, actor.person_id, now))
    units = _units(session, chosen)
    day = competencies.local_day(training.starts_at, get(session, Tenant, training.tenant_id).timezone)
    made: list[dict[str, Any]] = []
    booked: list[Attendance] = []
    for row in chosen:
        amount = competencies.trainings.worth(minutes_of(training, row), rules.trainings.minutes_per_hour)
        if amount == 0 or row.person_id is None:
            continue
        booked.append(row)
        made.append(
            {
                "uuid": new_uuid(),
                "tenant_id": training.tenant_id,
                "programme_id": pk(programme),
                "person_id": row.person_id,
                "kind": competencies.trainings.LEDGER_KIND[training.kind],
                "credit_hundredths": amount,
                "reason": REASON,
                "policy_id": policy_id,
                "decided_by_id": actor.person_id,
                "org_unit_id": units.get(pk(row)),
                "source": training.title,
                "earned_on": day,
                "import_key": competencies.trainings.ledger_key(row.uuid, row.bookings + 1),
                "entered_at": now,
            }
        )
    session.flush()
    if made:
        session.execute(insert(table(CreditEntry)), made)
        _point(session, training.tenant_id, booked)
    return [Entered(entry["person_id"], entry["credit_hundredths"]) for entry in made]


def _point(session: Session, tenant_id: int, rows: Collection[Attendance]) -> None:
    """Each of these attendances names the entry that was just made for it: one statement."""
    there, entry = table(Attendance).c, table(CreditEntry).c
    key = literal("training:") + there.uuid + ":" + cast(there.bookings + 1, String)  # as `ledger_key` writes it
    found = (
        select(entry.id)
        .where(entry.tenant_id == tenant_id, entry.import_key == key)
        .correlate(table(Attendance))
        .scalar_subquery()
    )
    session.execute(
        update(table(Attendance))
        .where(there.id.in_([pk(row) for row in rows]))
        .values(entry_id=found, bookings=there.bookings + 1)
    )
    for row in rows:
        session.expire(row, ["entry_id", "bookings"])


def _units(session: Session, rows: Collection[Attendance]) -> dict[int, int]:
    """The school of each of these attendances today: the roster's, else the one they say they belong to."""
    if not rows:
        return {}
    training_id = next(iter(rows)).training_id
    schools = session.exec(
        select(Attendance.id, RosterEntry.org_unit_id)
        .join(RosterEntry, col(RosterEntry.id) == col(Attendance.roster_entry_id))
        .where(Attendance.training_id == training_id, col(Attendance.id).in_([pk(row) for row in rows]))
    ).all()
    found = {key: unit for key, unit in schools if key is not None}
    lacking = {row.person_id: pk(row) for row in rows if pk(row) not in found and row.person_id is not None}
    if lacking:
        for person, unit in session.exec(
            select(OrgMembership.person_id, OrgMembership.org_unit_id)
            .where(col(OrgMembership.person_id).in_(lacking), col(OrgMembership.ends_on).is_(None))
            .order_by(col(OrgMembership.id))
        ):
            found[lacking[person]] = unit
    return found


def follow(session: Session, actor: Actor, training: Training, row: Attendance, reason: str, now: datetime) -> None:
    """The ledger follows what was put right at one attendance of a closed training: reversal, then a new entry. Raises
    Refused `credit.moved_away` while its hours are transferred elsewhere."""
    if training.state is not TrainingState.CLOSED:
        return
    programme = get(session, Programme, training.programme_id)
    if row.entry_id is not None:
        entry = get(session, CreditEntry, row.entry_id)
        require_here(session, humans.rows_by_row(session, [entry.person_id])[entry.person_id], programme)
        competencies.reverse(session, entry, actor.person_id, reason, now)
        row.entry_id = None
        session.add(row)
        session.flush()
    if row.removed_at is None and row.person_id is not None and not _is_booked(session, training, row):
        _book(session, actor, programme, training, [row], now)
    if row.person_id is not None:
        report.queue_scores(session, programme, [row.person_id], now)


def book_once(session: Session, actor: Actor, person: Person, reason: str, now: datetime) -> None:
    """After rows became one: of two bookings of a training the better one stays, the other is taken back."""
    booked = session.exec(
        select(Attendance, CreditEntry)
        .join(CreditEntry, col(CreditEntry.id) == col(Attendance.entry_id))
        .where(col(Attendance.person_id).in_(humans.rows_of(person)))
        .order_by(col(CreditEntry.credit_hundredths).desc(), col(CreditEntry.id))
    ).all()
    kept: set[int] = set()
    for row, entry in booked:
        if row.training_id in kept:
            competencies.reverse(session, entry, actor.person_id, reason, now)
            row.entry_id = None
            session.add(row)
        kept.add(row.training_id)
    session.flush()


def book_each(session: Session, actor: Actor, person: Person, now: datetime) -> None:
    """After one became two again: what `book_once` took back of this one is booked again."""
    rows = session.exec(
        select(Attendance, Training)
        .join(Training, col(Training.id) == col(Attendance.training_id))
        .where(
            col(Attendance.person_id).in_(humans.rows_of(person)),
            col(Attendance.entry_id).is_(None),
            col(Attendance.removed_at).is_(None),
            col(Attendance.bookings) > 0,
            Training.state == TrainingState.CLOSED,
        )
        .order_by(col(Attendance.id))
    ).all()
    for row, training in rows:
        if not _is_booked(session, training, row):
            _book(session, actor, get(session, Programme, training.programme_id), training, [row], now)


def _is_booked(session: Session, training: Training, row: Attendance) -> bool:
    """Whether another row of the same human being has the hours of this training."""
    assert row.person_id is not None
    rows = humans.rows_by_row(session, [row.person_id])[row.person_id]
    found = select(Attendance.id).where(
        Attendance.training_id == pk(training),
        col(Attendance.person_id).in_(rows),
        col(Attendance.entry_id).is_not(None),
    )
    return session.exec(found).first() is not None
