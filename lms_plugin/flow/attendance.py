"""签到名单: who was at a training, by its holder's list. What is put right is in the log, with its reason."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, false, or_
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from competencies import Attendance, AttendanceChange, CreditEntry, Training, TrainingState
from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import by_id, find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound
from lms_plugin.flow import humans, training_hours
from lms_plugin.flow.roster_ties import plain_name
from lms_plugin.flow.trainings import expected_of, held, read, reason_of, scope_of
from lms_plugin.people import OrgUnit, Person, RosterEntry, staff_number_as_kept

FILTERS = ("all", "here", "absent")


@dataclass(frozen=True)
class Row:
    """Somebody who is to come, or was there. `key`: the uuid of their row of the roster, "" for who has none;
    `attendance`: "" for who was not there; `hundredths`: the hours that stand, 0 before they are booked."""

    key: str
    name: str
    staff_number: str
    school: str
    attendance: str = ""
    way: str = ""
    signed_at: datetime | None = None
    minutes: int = 0
    hundredths: int = 0


@dataclass(frozen=True)
class Listed:
    """One page of the list; `beside`: of who signed in and is on no roster the same page. `total`, `all_beside`: how
    many there are of each on all pages."""

    training: Training
    rows: tuple[Row, ...]
    beside: tuple[Row, ...]
    total: int
    all_beside: int
    may_hold: bool


@dataclass(frozen=True)
class Step:
    """One line of the log."""

    what: str
    way: str
    minutes: int | None
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True)
class One:
    """One attendance, for whoever puts it right."""

    training: Training
    attendance: Attendance
    name: str
    staff_number: str
    hundredths: int
    may_correct: bool
    is_own: bool
    steps: tuple[Step, ...]


def listed(session: Session, actor: Actor, uuid: str, query: str, chosen: str, number: int, size: int = 50) -> Listed:
    """Who is to come and who was there, by school and 工号: seven queries."""
    training = read(session, actor, uuid)
    unit = get(session, OrgUnit, training.org_unit_id)
    there, entry = Attendance, RosterEntry
    is_here = and_(col(there.id).is_not(None), col(there.removed_at).is_(None))
    expected = expected_of(training, unit.path).with_only_columns(col(entry.id))
    narrowed: list[Any] = [
        entry.tenant_id == training.tenant_id,
        or_(is_here, col(entry.id).in_(expected)),
    ]
    if query:
        narrowed.append(
            or_(
                *(
                    col(words).contains(query, autoescape=True)
                    for words in (entry.name, entry.staff_number, OrgUnit.name)
                )
            )
        )
    if chosen == "here":
        narrowed.append(is_here)
    elif chosen == "absent":
        narrowed.append(~is_here)
    joined = (
        select(entry, OrgUnit.name, there)
        .join(OrgUnit, col(OrgUnit.id) == col(entry.org_unit_id))
        .join(there, and_(col(there.roster_entry_id) == col(entry.id), _of(training)), isouter=True)
        .where(*narrowed)
    )
    ids = joined.with_only_columns(col(entry.id)).subquery()
    total = session.exec(select(func.count()).select_from(ids)).one()
    found = session.exec(
        joined.order_by(col(OrgUnit.path), col(entry.staff_number), col(entry.id))
        .offset((number - 1) * size)
        .limit(size)
    ).all()
    apart = (
        select(there, Person)
        .join(Person, col(Person.id) == col(there.person_id))
        .where(_of(training), col(there.roster_entry_id).is_(None), col(there.removed_at).is_(None))
    )
    if query:
        apart = apart.where(
            or_(*(col(words).contains(query, autoescape=True) for words in (Person.name, Person.staff_number)))
        )
    if chosen == "absent":
        apart = apart.where(false())
    all_beside = session.exec(select(func.count()).select_from(apart.with_only_columns(col(there.id)).subquery())).one()
    beside = session.exec(
        apart.order_by(col(there.signed_at), col(there.id)).offset((number - 1) * size).limit(size)
    ).all()
    hours = _hours(session, [one for _e, _n, one in found if one is not None] + [one for one, _p in beside])
    rows = tuple(
        Row(row.uuid, row.name, row.staff_number, school, **_there(training, attendance, hours))
        for row, school, attendance in found
    )
    others = tuple(
        Row("", person.name, person.staff_number, "", **_there(training, attendance, hours))
        for attendance, person in beside
    )
    may_hold = can(actor, Permission.TRAINING_HOLD, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    return Listed(training, rows, others, total, all_beside, may_hold)


def _of(training: Training) -> Any:
    return col(Attendance.training_id) == pk(training)


def _hours(session: Session, rows: Sequence[Attendance]) -> dict[int, int]:
    entries = by_id(session, CreditEntry, [row.entry_id for row in rows if row.entry_id is not None])
    return {key: entry.credit_hundredths for key, entry in entries.items()}


def _there(training: Training, row: Attendance | None, hours: dict[int, int]) -> dict[str, Any]:
    if row is None or row.removed_at is not None:
        return {}
    return {
        "attendance": row.uuid,
        "way": row.way,
        "signed_at": row.signed_at,
        "minutes": training.minutes if row.minutes is None else row.minutes,
        "hundredths": hours.get(row.entry_id or 0, 0),
    }


def sign(
    session: Session,
    training: Training,
    roster_entry_id: int | None,
    person: Person | None,
    way: str,
    by_id: int | None,
    now: datetime,
) -> bool:
    """Somebody was there; False where that stands already. Of two at the same moment one finds it done.

    Raises Conflict `training.taken_out` for who has been taken out of the list: only its holder puts them back.
    """
    rows = humans.rows_of(person) if person is not None else ()
    ways: list[Any] = [col(Attendance.person_id).in_(rows)]
    if roster_entry_id is not None:
        ways.append(col(Attendance.roster_entry_id) == roster_entry_id)
    rows_there = session.exec(select(Attendance).where(_of(training), or_(*ways)).order_by(col(Attendance.id))).all()
    known = next((row for row in rows_there if row.removed_at is None), None)
    if known is not None:
        if len(rows_there) == 1 and known.roster_entry_id is None and roster_entry_id is not None:
            known.roster_entry_id = roster_entry_id  # came before the roster had them
            session.add(known)
            session.flush()
        return False
    if rows_there and way != "list":
        raise Conflict("training.taken_out")
    if rows_there:
        known = rows_there[0]
        known.removed_at = None
    else:
        known = Attendance(
            tenant_id=training.tenant_id,
            training_id=pk(training),
            roster_entry_id=roster_entry_id,
            person_id=pk(person) if person is not None else None,
            way=way,
            signed_at=now,
        )
    try:
        with session.begin_nested():
            session.add(known)
            session.flush()
    except IntegrityError:  # the other click was a moment sooner
        return False
    log(session, known, "signed", by_id, now, way=way)
    return True


def log(
    session: Session,
    attendance: Attendance,
    what: str,
    by_id: int | None,
    now: datetime,
    *,
    way: str = "",
    reason: str = "",
) -> None:
    """A line of the log of an attendance, with the minutes as they are now."""
    session.add(
        AttendanceChange(
            attendance_id=pk(attendance),
            what=what,
            way=way,
            minutes=attendance.minutes,
            reason=reason,
            by_id=by_id,
            at=now,
        )
    )
    session.flush()


def tick(
    session: Session, actor: Actor, uuid: str, shown: Collection[str], ticked: Collection[str], now: datetime
) -> int:
    """The list says of these rows of the roster (`shown`) who was there (`ticked`); gives how many it changed.

    Of a closed training a tick adds somebody, and takes nobody out: that needs a reason (`correct`).
    """
    training = held(session, actor, uuid)
    if training.state is TrainingState.CANCELLED:
        raise Conflict("training.is_over")
    unit = get(session, OrgUnit, training.org_unit_id)
    there = session.exec(
        select(RosterEntry, Attendance)
        .join(Attendance, and_(col(Attendance.roster_entry_id) == col(RosterEntry.id), _of(training)), isouter=True)
        .where(RosterEntry.tenant_id == actor.tenant_id, col(RosterEntry.uuid).in_(list(shown)))
    ).all()
    allowed = set(
        session.exec(
            expected_of(training, unit.path)
            .with_only_columns(col(RosterEntry.id))
            .where(col(RosterEntry.uuid).in_(list(shown)))
        )
    )
    people = by_id_of(session, [entry for entry, _row in there])
    changed = 0
    for entry, row in there:
        is_here = row is not None and row.removed_at is None
        if entry.uuid in ticked and not is_here and (pk(entry) in allowed or row is not None):
            changed += sign(
                session, training, pk(entry), people.get(entry.person_id or 0), "list", actor.person_id, now
            )
        elif entry.uuid not in ticked and is_here and row is not None and training.state is TrainingState.PLANNED:
            row.removed_at = now
            session.add(row)
            log(session, row, "removed", actor.person_id, now, way="list")
            changed += 1
    return changed


def by_id_of(session: Session, entries: Sequence[RosterEntry]) -> dict[int, Person]:
    """The human beings of rows of the roster, by the person's row that the roster knows."""
    roots = humans.rows_by_row(session, [entry.person_id for entry in entries if entry.person_id is not None])
    today = by_id(session, Person, [rows[0] for rows in roots.values()])
    return {row: today[rows[0]] for row, rows in roots.items()}


def add(session: Session, actor: Actor, uuid: str, staff_number: str, name: str, now: datetime) -> bool:
    """Somebody who was not on the list, by 工号 and name, from within the holder's reach. False where they are there.

    Raises Invalid in the same words for a number that nobody has, another's name, and one beyond reach.
    """
    training = held(session, actor, uuid)
    if training.state is TrainingState.CANCELLED:
        raise Conflict("training.is_over")
    found = session.exec(
        select(RosterEntry, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
        .where(
            RosterEntry.tenant_id == actor.tenant_id,
            RosterEntry.staff_number == staff_number_as_kept(staff_number),
            col(RosterEntry.removed_at).is_(None),
        )
    ).one_or_none()
    if (
        found is None
        or plain_name(found[0].name) != plain_name(name)
        or not can(actor, Permission.TRAINING_HOLD, Scope(actor.tenant_id, unit_paths=(found[1],)))
    ):
        raise Invalid({"staff_number": "training.nobody_of_that_number"})
    person = by_id_of(session, [found[0]]).get(found[0].person_id or 0)
    return sign(session, training, pk(found[0]), person, "list", actor.person_id, now)


def one(session: Session, actor: Actor, uuid: str, attendance: str) -> One:
    """One attendance with its log. Raises NotFound for one of another training."""
    training = read(session, actor, uuid)
    row = find(session, Attendance, actor.tenant_id, attendance)
    if row.training_id != pk(training):
        raise NotFound
    entry = get(session, RosterEntry, row.roster_entry_id) if row.roster_entry_id is not None else None
    person = get(session, Person, row.person_id) if row.person_id is not None else None
    named, scope = entry or person, _scope(session, training, row, entry)
    return One(
        training=training,
        attendance=row,
        name=named.name if named is not None else "",
        staff_number=named.staff_number if named is not None else "",
        hundredths=_hours(session, [row]).get(row.entry_id or 0, 0),
        may_correct=can(actor, Permission.TRAINING_CORRECT, scope),
        is_own=scope.owner_id is not None and actor.is_author(scope.owner_id),
        steps=steps_of(session, row),
    )


def steps_of(session: Session, row: Attendance) -> tuple[Step, ...]:
    """The log of an attendance, the oldest first. One query."""
    steps = session.exec(
        select(AttendanceChange, Person.name)
        .join(Person, col(Person.id) == col(AttendanceChange.by_id), isouter=True)
        .where(AttendanceChange.attendance_id == pk(row))
        .order_by(col(AttendanceChange.id))
    )
    return tuple(Step(step.what, step.way, step.minutes, step.reason, name or "", step.at) for step, name in steps)


def _scope(session: Session, training: Training, row: Attendance, entry: RosterEntry | None) -> Scope:
    owner = row.person_id or (entry.person_id if entry is not None else None)
    return Scope(training.tenant_id, owner_id=owner, unit_paths=scope_of(session, training).unit_paths)


def correct(
    session: Session,
    actor: Actor,
    uuid: str,
    attendance: str,
    minutes: int | None,
    is_here: bool,
    reason: str,
    now: datetime,
) -> None:
    """Other minutes (None: all of it), or not there after all, with the reason; booked hours follow by a reversal and a
    new entry. Raises Invalid at "minutes" and "reason", Forbidden for one's own, Refused `credit.moved_away`.
    """
    training = held(session, actor, uuid)
    row = find(session, Attendance, actor.tenant_id, attendance)
    if row.training_id != pk(training):
        raise NotFound
    entry = get(session, RosterEntry, row.roster_entry_id) if row.roster_entry_id is not None else None
    require(actor, Permission.TRAINING_CORRECT, _scope(session, training, row, entry))
    if training.state is TrainingState.CANCELLED:
        raise Conflict("training.is_over")
    wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
    if minutes is not None and not 0 < minutes <= training.minutes:
        wrong["minutes"] = ("form.number", {"least": 1, "most": training.minutes})
    try:
        reason = reason_of(reason)
    except Invalid as invalid:
        wrong |= invalid.fields
    if wrong:
        raise Invalid(wrong)
    training_hours.take_turn(session, training)
    session.refresh(training)
    session.refresh(row)
    minutes = None if minutes == training.minutes else minutes
    if (row.minutes, row.removed_at is None) == (minutes, is_here):
        return
    row.minutes, row.removed_at = minutes, None if is_here else (row.removed_at or now)
    session.add(row)
    session.flush()
    log(session, row, "minutes" if is_here else "removed", actor.person_id, now, reason=reason)
    training_hours.follow(session, actor, training, row, reason, now)
