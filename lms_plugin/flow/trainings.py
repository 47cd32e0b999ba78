"""培训: an officer or school lead plans a training of a unit, changes it, or cancels it before it is held."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, true
from sqlmodel import Session, col, func, select

import competencies
from competencies import Attendance, Expects, Programme, ProgrammeState, Training, TrainingKind, TrainingState
from lms_plugin import outbox
from lms_plugin.access import Actor, Permission, Scope, require, somewhere
from lms_plugin.db import find, get, owned, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import booking
from lms_plugin.flow.humans import rows_like
from lms_plugin.people import Enrolment, OrgUnit, Person, RoleKind, RosterEntry, Tenant, UnitKind

LONGEST_NAME, LONGEST_REASON = 200, 300
LONGEST = timedelta(days=31)
NIGHT_BETWEEN = 12 * 60
"""Minutes: who says nothing of the length of a longer one would count its nights."""
OPENS_BEFORE, CLOSES_AFTER = timedelta(minutes=60), timedelta(minutes=30)
"""So long before its beginning and after its end a training takes sign-ins by code."""
HOLDERS = (RoleKind.SCHOOL_LEAD, RoleKind.OFFICER)
READERS = (*HOLDERS, RoleKind.AUDITOR)
HOLDER = func.coalesce(col(Attendance.person_id), col(RosterEntry.person_id))
"""The row of the person that somebody on a list has by now, where their row of the roster is joined."""


@dataclass(frozen=True)
class Plan:
    """What is said of a training before it is held. `minutes` None: from its beginning to its end."""

    title: str
    programme: str
    unit: str
    kind: TrainingKind
    expects: Expects
    starts_at: datetime
    ends_at: datetime
    place: str
    minutes: int | None = None


@dataclass(frozen=True)
class Line:
    """A training in a list. `here`: how many were there."""

    uuid: str
    title: str
    kind: TrainingKind
    state: TrainingState
    unit: str
    starts_at: datetime
    ends_at: datetime
    here: int


@dataclass(frozen=True)
class View:
    """One training. `expected`: how many are to come; `waiting`: who was there and has never logged in, so that the
    ledger has nobody yet to write their hours to; `unbooked`: closed, and hours of theirs are still to be booked;
    `is_booking`: which a job is doing now."""

    training: Training
    programme: str
    unit: str
    minutes_per_hour: int
    expected: int
    here: int
    waiting: int
    unbooked: int
    is_booking: bool
    booked_hundredths: int
    takes_sign_ins: bool
    is_over: bool
    may_hold: bool


def plan(session: Session, actor: Actor, said: Plan, now: datetime) -> Training:
    """A new training; planned already with the same words for the same hours (a second click), that one. Raises Invalid
    with a code beside each field that does not fit."""
    unit = find(session, OrgUnit, actor.tenant_id, said.unit)
    require(actor, Permission.TRAINING_HOLD, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    programme = _programme(session, actor, said.programme, unit)
    wanted = {"programme_id": pk(programme), "org_unit_id": pk(unit), **_checked(said, now)}
    booking.take_turn(session, programme)
    same = session.exec(owned(Training, actor.tenant_id).filter_by(state=TrainingState.PLANNED, **wanted)).first()
    if same is not None:
        return same
    made = Training(
        tenant_id=actor.tenant_id,
        **wanted,
        sign_in_secret=competencies.trainings.new_secret(),
        planned_by_id=actor.person_id,
        created_at=now,
    )
    session.add(made)
    session.flush()
    return made


def change(session: Session, actor: Actor, uuid: str, said: Plan, version: int, now: datetime) -> Training:
    """Says it otherwise, as long as it is neither closed nor cancelled; who signed in stays so, and for them unit and
    programme stay. Raises Conflict where somebody else changed it since it was read."""
    training = held(session, actor, uuid)
    if training.state is not TrainingState.PLANNED:
        raise Conflict("training.is_over")
    if training.version != version:
        raise Conflict("page.changed_meanwhile")
    unit = find(session, OrgUnit, actor.tenant_id, said.unit)
    require(actor, Permission.TRAINING_HOLD, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    programme = _programme(session, actor, said.programme, unit)
    if (pk(unit), pk(programme)) != (training.org_unit_id, training.programme_id) and _here(session, training):
        raise Invalid({"unit": "training.somebody_is_here"})
    training.org_unit_id, training.programme_id = pk(unit), pk(programme)
    for name, value in _checked(said, now).items():
        setattr(training, name, value)
    session.add(training)
    session.flush()
    return training


def cancel(session: Session, actor: Actor, uuid: str, reason: str, now: datetime) -> None:
    """It is not held. Raises Conflict for one that is over already, Refused where somebody has signed in."""
    training = held(session, actor, uuid)
    reason = reason_of(reason)
    if training.state is TrainingState.CANCELLED:
        return
    if training.state is TrainingState.CLOSED:
        raise Conflict("training.is_over")
    if _here(session, training):
        raise Refused("training.somebody_is_here")
    training.state, training.reason = TrainingState.CANCELLED, reason
    training.ended_at, training.ended_by_id = now, actor.person_id
    session.add(training)
    session.flush()


def held(session: Session, actor: Actor, uuid: str) -> Training:
    """A training that this person may hold. Raises NotFound, Forbidden."""
    training = find(session, Training, actor.tenant_id, uuid)
    require(actor, Permission.TRAINING_HOLD, scope_of(session, training))
    return training


def as_planned(session: Session, actor: Actor, uuid: str) -> tuple[Training, OrgUnit, Programme]:
    """A training with its unit and round, for the form. Three queries."""
    training = held(session, actor, uuid)
    return training, get(session, OrgUnit, training.org_unit_id), get(session, Programme, training.programme_id)


def read(session: Session, actor: Actor, uuid: str) -> Training:
    """A training that this person may look at. Raises NotFound, Forbidden."""
    training = find(session, Training, actor.tenant_id, uuid)
    require(actor, Permission.TRAINING_READ, scope_of(session, training))
    return training


def scope_of(session: Session, training: Training) -> Scope:
    """A training lies where its unit lies."""
    return Scope(training.tenant_id, unit_paths=(get(session, OrgUnit, training.org_unit_id).path,))


def lines(session: Session, actor: Actor, number: int, size: int = 50) -> tuple[list[Line], int]:
    """The trainings of the units within reach, the latest first, and how many there are in all. Two queries."""
    require(actor, Permission.TRAINING_READ, somewhere(actor))
    within = units_within(actor, *READERS)
    listed = owned(Training, actor.tenant_id).join(OrgUnit, col(OrgUnit.id) == col(Training.org_unit_id)).where(within)
    total = session.exec(select(func.count()).select_from(listed.subquery())).one()
    here = (
        select(func.count())
        .where(col(Attendance.training_id) == col(Training.id), col(Attendance.removed_at).is_(None))
        .correlate(Training)
        .scalar_subquery()
    )
    rows = session.exec(
        select(Training, OrgUnit.name, here)
        .join(OrgUnit, col(OrgUnit.id) == col(Training.org_unit_id))
        .where(Training.tenant_id == actor.tenant_id, within)
        .order_by(col(Training.starts_at).desc(), col(Training.id).desc())
        .offset((number - 1) * size)
        .limit(size)
    ).all()
    return [
        Line(row.uuid, row.title, row.kind, row.state, unit, row.starts_at, row.ends_at, count)
        for row, unit, count in rows
    ], total


def view(session: Session, actor: Actor, uuid: str, now: datetime) -> View:
    """One training with its numbers: eight queries at most."""
    training = read(session, actor, uuid)
    unit = get(session, OrgUnit, training.org_unit_id)
    programme = get(session, Programme, training.programme_id)
    rules = competencies.rules_of(session, programme)
    expected = session.exec(select(func.count()).select_from(expected_of(training, unit.path).subquery())).one()
    booked = col(Attendance.entry_id).is_not(None)
    human = func.distinct(func.coalesce(col(Person.merged_into_id), col(Person.id)))  # however many rows they have
    here, waiting, unbooked, total = session.exec(
        select(
            func.count(),
            func.count().filter(HOLDER.is_(None)),
            func.count(human) - func.count(human).filter(booked),
            func.sum(col(competencies.CreditEntry.credit_hundredths)),
        )
        .select_from(Attendance)
        .join(RosterEntry, col(RosterEntry.id) == col(Attendance.roster_entry_id), isouter=True)
        .join(Person, col(Person.id) == HOLDER, isouter=True)
        .join(
            competencies.CreditEntry,
            col(competencies.CreditEntry.id) == col(Attendance.entry_id),
            isouter=True,
        )
        .where(Attendance.training_id == pk(training), col(Attendance.removed_at).is_(None))
    ).one()
    is_closed = training.state is TrainingState.CLOSED
    return View(
        training=training,
        programme=programme.title,
        unit=unit.name,
        minutes_per_hour=rules.trainings.minutes_per_hour,
        expected=expected,
        here=here,
        waiting=waiting,
        unbooked=unbooked if is_closed else 0,
        is_booking=is_closed and unbooked > 0 and _is_under_way(session, training),
        booked_hundredths=int(total or 0),
        takes_sign_ins=takes_sign_ins(training, now),
        is_over=now >= training.ends_at,
        may_hold=_may_hold(actor, unit),
    )


def _is_under_way(session: Session, training: Training) -> bool:
    """Whether a job books, and does not stumble: then who holds the training may press the button again."""
    return any(not job.last_error for job in outbox.open_jobs(session, outbox.TRAINING, f"{pk(training)}:"))


def _may_hold(actor: Actor, unit: OrgUnit) -> bool:
    from_here = Scope(actor.tenant_id, unit_paths=(unit.path,))
    return any(role.kind in HOLDERS and role.reaches(from_here) for role in actor.roles)


def takes_sign_ins(training: Training, now: datetime) -> bool:
    """Whether its codes work at this moment."""
    return (
        training.state is TrainingState.PLANNED
        and training.starts_at - OPENS_BEFORE <= now < training.ends_at + CLOSES_AFTER
    )


def expected_of(training: Training, unit_path: str) -> Any:
    """The rows of the roster who are to come, as a select of `RosterEntry` joined to its `OrgUnit`."""
    statement = (
        select(RosterEntry)
        .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
        .where(
            RosterEntry.tenant_id == training.tenant_id,
            col(RosterEntry.removed_at).is_(None),
            col(OrgUnit.path).startswith(unit_path, autoescape=True),
        )
    )
    if training.expects is Expects.PROGRAMME:
        part = select(Enrolment.person_id).where(Enrolment.programme_id == training.programme_id)
        statement = statement.where(col(RosterEntry.person_id).in_(rows_like(part)))
    return statement


def units_within(actor: Actor, *kinds: RoleKind) -> ColumnElement[bool]:
    """The units that one of these roles reaches."""
    roles = [role for role in actor.roles if role.kind in kinds and role.course_id is None]
    if any(role.is_district_wide for role in roles):
        return true()
    ways = [col(OrgUnit.path).startswith(role.unit_path, autoescape=True) for role in roles]
    return or_(*ways) if ways else false()


def choices(session: Session, actor: Actor) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(uuid, name) of the units that may hold a training, from the top down, and of the programmes it may be in, those
    that are open first, the newest of them first."""
    require(actor, Permission.TRAINING_HOLD, somewhere(actor))
    units = session.exec(
        owned(OrgUnit, actor.tenant_id).where(units_within(actor, *HOLDERS)).order_by(col(OrgUnit.path))
    ).all()
    programmes = session.exec(
        select(Programme, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(Programme.org_unit_id))
        .where(
            Programme.tenant_id == actor.tenant_id,
            Programme.state != ProgrammeState.DRAFT,
            col(Programme.archived_at).is_(None),
        )
        .order_by(
            col(Programme.state) != ProgrammeState.OPEN, col(Programme.created_at).desc(), col(Programme.id).desc()
        )
    ).all()
    fitting = [one for one, path in programmes if any(_meet(path, unit.path) for unit in units)]
    return [(unit.uuid, unit.name) for unit in units], [(one.uuid, one.title) for one in fitting]


def _meet(one: str, other: str) -> bool:
    """Whether one of two units lies within the other."""
    return one.startswith(other) or other.startswith(one)


def _programme(session: Session, actor: Actor, uuid: str, unit: OrgUnit) -> Programme:
    """The round whose ledger gets the hours. Raises Invalid for one that is not begun, or of other units."""
    try:
        found = find(session, Programme, actor.tenant_id, uuid)
    except NotFound:
        raise Invalid({"programme": "form.choose"}) from None
    fits = _meet(get(session, OrgUnit, found.org_unit_id).path, unit.path)
    if found.state is ProgrammeState.DRAFT or not fits:
        raise Invalid({"programme": "form.choose"})
    return found


def _checked(said: Plan, now: datetime) -> dict[str, Any]:
    title, place = " ".join(said.title.split()), " ".join(said.place.split())
    wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
    if not title:
        wrong["title"] = "form.required"
    for name, text in (("title", title), ("place", place)):
        if len(text) > LONGEST_NAME:
            wrong[name] = ("form.too_long", {"longest": LONGEST_NAME})
        elif not text.isprintable():
            wrong[name] = "form.unprintable"
    if abs(said.starts_at - now) > timedelta(days=366):
        wrong["day"] = "training.day_far"
    if not timedelta(0) < said.ends_at - said.starts_at <= LONGEST:
        wrong["ends"] = "training.ends_before"
    most = competencies.trainings.LONGEST_MINUTES
    length = int((said.ends_at - said.starts_at).total_seconds()) // 60
    minutes = said.minutes if said.minutes is not None else length
    if "ends" not in wrong and said.minutes is None and length > NIGHT_BETWEEN:
        wrong["minutes"] = "training.minutes_missing"
    elif "ends" not in wrong and not 1 <= minutes <= min(most, length):
        wrong["minutes"] = ("form.number", {"least": 1, "most": min(most, length)})
    if wrong:
        raise Invalid(wrong)
    return {
        "title": title,
        "place": place,
        "kind": said.kind,
        "expects": said.expects,
        "starts_at": said.starts_at,
        "ends_at": said.ends_at,
        "minutes": minutes,
    }


def reason_of(text: str) -> str:
    """A reason as it is kept. Raises Invalid at "reason": none, too long, what nobody sees."""
    reason = " ".join(text.split())
    if not reason:
        raise Invalid({"reason": "form.required"})
    if len(reason) > LONGEST_REASON:
        raise Invalid({"reason": ("form.too_long", {"longest": LONGEST_REASON})})
    if not reason.isprintable():
        raise Invalid({"reason": "form.unprintable"})
    return reason


def _here(session: Session, training: Training) -> bool:
    there = and_(col(Attendance.training_id) == pk(training), col(Attendance.removed_at).is_(None))
    return session.exec(select(Attendance.id).where(there)).first() is not None


@dataclass(frozen=True)
class SchoolTerm:
    """How many trainings were held for a school in the term: its own, and those of the units above it."""

    uuid: str
    name: str
    own: int
    above: int

    @property
    def held(self) -> int:
        """All that its teachers could come to."""
        return self.own + self.above


def terms(session: Session, actor: Actor, starts_at: datetime, ends_at: datetime) -> tuple[list[SchoolTerm], int]:
    """The schools within reach, those with the fewest trainings first, and how many a term asks for: the most that a
    round that is open in the district asks. Closed trainings alone count, by the day they began. Three queries."""
    require(actor, Permission.TRAINING_READ, somewhere(actor))
    by_path = dict(session.exec(_held_in(actor.tenant_id, starts_at, ends_at)).all())
    schools = session.exec(
        owned(OrgUnit, actor.tenant_id)
        .where(units_within(actor, *READERS), col(OrgUnit.kind) == UnitKind.SCHOOL)
        .order_by(col(OrgUnit.path))
    ).all()
    found = [_term_of(school, by_path) for school in schools]
    return sorted(found, key=lambda one: one.held), per_term(session, actor.tenant_id)


def this_term(session: Session, actor: Actor, school: OrgUnit, now: datetime) -> SchoolTerm:
    """The same of one school, in the term of now. One query beside the district's row."""
    require(actor, Permission.PROGRESS_READ, Scope(actor.tenant_id, unit_paths=(school.path,)))
    timezone = get(session, Tenant, actor.tenant_id).timezone
    first, after = competencies.trainings.term_of(competencies.local_day(now, timezone))
    starts_at, ends_at = competencies.start_of_day(first, timezone), competencies.start_of_day(after, timezone)
    units = col(OrgUnit.path).in_([school.path, *_above(school.path)])
    return _term_of(school, dict(session.exec(_held_in(actor.tenant_id, starts_at, ends_at).where(units)).all()))


def _held_in(tenant_id: int, starts_at: datetime, ends_at: datetime) -> Any:
    """(path of a unit, how many trainings it held)."""
    return (
        select(OrgUnit.path, func.count())
        .join(Training, col(Training.org_unit_id) == col(OrgUnit.id))
        .where(
            Training.tenant_id == tenant_id,
            Training.state == TrainingState.CLOSED,
            Training.starts_at >= starts_at,
            Training.starts_at < ends_at,
        )
        .group_by(col(OrgUnit.path))
    )


def _term_of(school: OrgUnit, by_path: Mapping[str, int]) -> SchoolTerm:
    above = sum(by_path.get(path, 0) for path in _above(school.path))
    return SchoolTerm(school.uuid, school.name, by_path.get(school.path, 0), above)


def _above(path: str) -> Sequence[str]:
    """/1/4/9/ lies below /1/4/ and /1/."""
    parts = path.strip("/").split("/")
    return [f"/{'/'.join(parts[:length])}/" for length in range(1, len(parts))]


def per_term(session: Session, tenant_id: int) -> int:
    """How many trainings a term asks for."""
    policies = session.exec(
        select(competencies.ProgrammePolicy)
        .join(Programme, col(Programme.policy_id) == col(competencies.ProgrammePolicy.id))
        .where(Programme.tenant_id == tenant_id, Programme.state == ProgrammeState.OPEN)
    ).all()
    asked = [competencies.Rules.model_validate(policy.rules).trainings.per_term for policy in policies]
    return max(asked, default=competencies.Trainings().per_term)
