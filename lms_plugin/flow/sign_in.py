"""签到: a person types the code that the big screen shows, or scans it with a phone and says who they are by their own
code. Wrong codes are counted, and whoever guesses learns nothing."""

import hashlib
import hmac
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

import competencies
from competencies import (
    Attendance,
    CreditEntry,
    Expects,
    PersonalCode,
    Training,
    TrainingKind,
    TrainingState,
)
from lms_plugin import leaving
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import get, pk
from lms_plugin.flow import attendance, humans, tries
from lms_plugin.flow.training_hours import minutes_of
from lms_plugin.flow.trainings import CLOSES_AFTER, OPENS_BEFORE, held, takes_sign_ins
from lms_plugin.people import Enrolment, OrgMembership, OrgUnit, Person, RosterEntry

TOO_MANY = "sign_in.too_many"
MOST_OF_A_PERSON, MOST_OF_AN_ADDRESS = 10, 200
"""Wrong codes within `tries.WINDOW`. A whole hall may stand behind one address; a personal code has 31⁸ forms."""
BACK, AHEAD = timedelta(days=366), timedelta(days=366)
MOST_OWN = 100


@dataclass(frozen=True)
class Mine:
    """A training as one who is to come, or was there, sees it. `stand`: now | coming | here | missed | cancelled."""

    title: str
    kind: TrainingKind
    unit: str
    place: str
    starts_at: datetime
    ends_at: datetime
    stand: str
    way: str
    minutes: int
    hundredths: int
    is_closed: bool
    reason: str


@dataclass(frozen=True)
class Screen:
    """What the big screen shows at this moment."""

    training: Training
    unit: str
    code: str
    seconds_left: int
    here: int
    takes_sign_ins: bool


@dataclass(frozen=True)
class Came:
    """A training that a person was at, as their record says it; `hundredths` 0 as long as none are booked."""

    title: str
    kind: str
    starts_at: datetime
    minutes: int
    hundredths: int
    is_closed: bool


def came(session: Session, person_ids: Collection[int], programme_id: int) -> tuple[Came, ...]:
    """The trainings of a round that one human being was at, in the order of time; each once. One query; only the
    record calls it, after `require`."""
    rows = session.exec(
        select(Training, Attendance, CreditEntry.credit_hundredths)
        .join(Training, col(Training.id) == col(Attendance.training_id))
        .join(CreditEntry, col(CreditEntry.id) == col(Attendance.entry_id), isouter=True)
        .join(RosterEntry, col(RosterEntry.id) == col(Attendance.roster_entry_id), isouter=True)
        .where(
            col(Attendance.person_id).in_(person_ids) | col(RosterEntry.person_id).in_(person_ids),
            col(Attendance.removed_at).is_(None),
            Training.programme_id == programme_id,
        )
        .order_by(col(Training.starts_at), col(Training.id), col(Attendance.entry_id).is_(None).desc())
    ).all()
    found = {  # of two rows of one human being the last, the one that is booked
        pk(training): Came(
            training.title,
            training.kind.value,
            training.starts_at,
            minutes_of(training, row),
            amount or 0,
            training.state is TrainingState.CLOSED,
        )
        for training, row, amount in rows
    }
    return tuple(found.values())


def screen(session: Session, actor: Actor, uuid: str, now: datetime) -> Screen:
    """The code of this moment, for the holder's screen. Four queries."""
    training = held(session, actor, uuid)
    here = session.exec(
        select(func.count())
        .select_from(Attendance)
        .where(Attendance.training_id == pk(training), col(Attendance.removed_at).is_(None))
    ).one()
    return Screen(
        training,
        get(session, OrgUnit, training.org_unit_id).name,
        competencies.trainings.rotating_code(training.sign_in_secret, now),
        competencies.trainings.seconds_left(now),
        here,
        takes_sign_ins(training, now),
    )


# --- in the tool ---


def mine(session: Session, actor: Actor, now: datetime) -> list[Mine]:
    """The trainings of the last and the next year that this person is to come to, or came to: those of now first, then
    what comes, then what was. Six queries."""
    require(actor, Permission.TRAINING_ATTEND, own(actor))
    units, part, _entries = _place_of(session, actor)
    came = _came(session, actor)
    found = session.exec(
        select(Training, OrgUnit.name)
        .join(OrgUnit, col(OrgUnit.id) == col(Training.org_unit_id))
        .where(
            Training.tenant_id == actor.tenant_id,
            col(Training.starts_at) > now - BACK,
            col(Training.starts_at) < now + AHEAD,
            col(Training.org_unit_id).in_(units) | col(Training.id).in_(came),
        )
        .order_by(col(Training.starts_at).desc(), col(Training.id).desc())
        .limit(MOST_OWN)
    ).all()
    lines = [
        _mine(training, unit, came.get(pk(training)), now)
        for training, unit in found
        if pk(training) in came or training.expects is Expects.ROSTER or training.programme_id in part
    ]
    order = {"now": 0, "coming": 1}
    rest = sorted(lines, key=lambda line: order.get(line.stand, 2))
    coming = sorted(
        (line for line in rest if line.stand in order), key=lambda line: (order[line.stand], line.starts_at)
    )
    return [*coming, *(line for line in rest if line.stand not in order)]


def _mine(training: Training, unit: str, there: "tuple[Attendance, int] | None", now: datetime) -> Mine:
    if there is not None:
        stand = "here"
    elif training.state is TrainingState.CANCELLED:
        stand = "cancelled"
    elif takes_sign_ins(training, now):
        stand = "now"
    else:
        stand = "coming" if now < training.starts_at else "missed"
    row, hundredths = there if there is not None else (None, 0)
    minutes = 0 if row is None else minutes_of(training, row)
    return Mine(
        title=training.title,
        kind=training.kind,
        unit=unit,
        place=training.place,
        starts_at=training.starts_at,
        ends_at=training.ends_at,
        stand=stand,
        way=row.way if row is not None else "",
        minutes=minutes,
        hundredths=hundredths,
        is_closed=training.state is TrainingState.CLOSED,
        reason=training.reason,
    )


def _came(session: Session, actor: Actor) -> dict[int, tuple[Attendance, int]]:
    """Training id → where this person was there, with the hundredths that stand. One query."""
    mine_on_roster = select(RosterEntry.id).where(
        RosterEntry.tenant_id == actor.tenant_id, col(RosterEntry.person_id).in_(actor.person_ids)
    )
    rows = session.exec(
        select(Attendance, CreditEntry.credit_hundredths)
        .join(CreditEntry, col(CreditEntry.id) == col(Attendance.entry_id), isouter=True)
        .where(
            Attendance.tenant_id == actor.tenant_id,
            col(Attendance.person_id).in_(actor.person_ids) | col(Attendance.roster_entry_id).in_(mine_on_roster),
            col(Attendance.removed_at).is_(None),
        )
        .order_by(col(Attendance.id))
    ).all()
    found: dict[int, tuple[Attendance, int]] = {}
    for row, amount in rows:
        before = found.get(row.training_id)
        if before is None or (amount or 0) > before[1]:  # of two rows of one human being the one that is booked
            found[row.training_id] = (row, amount or 0)
    return found


def _place_of(session: Session, actor: Actor) -> tuple[set[int], set[int], dict[str, int]]:
    """Ids of the units whose trainings expect this person (their school and what lies above it), of the rounds they
    take part in, and by unit path the row of the roster that is theirs. Three queries.

    A school that somebody only says of themselves counts once they are confirmed.
    """
    entries = session.exec(
        select(RosterEntry.id, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(RosterEntry.org_unit_id))
        .where(
            RosterEntry.tenant_id == actor.tenant_id,
            col(RosterEntry.person_id).in_(actor.person_ids),
            col(RosterEntry.removed_at).is_(None),
        )
        .order_by(col(RosterEntry.id))
    ).all()
    said = session.exec(
        select(OrgUnit.path)
        .join(OrgMembership, col(OrgMembership.org_unit_id) == col(OrgUnit.id))
        .join(Person, col(Person.id) == col(OrgMembership.person_id))
        .where(
            col(OrgMembership.person_id).in_(actor.person_ids),
            col(OrgMembership.ends_on).is_(None),
            col(Person.confirmed_at).is_not(None),
        )
    ).all()
    part = set(session.exec(select(Enrolment.programme_id).where(col(Enrolment.person_id).in_(actor.person_ids))).all())
    paths = [path for _key, path in entries] + list(said)
    units = {int(piece) for path in paths for piece in path.strip("/").split("/") if piece}
    return units, part, {path: key for key, path in entries if key is not None}


def by_code(session: Session, actor: Actor, typed: str, now: datetime) -> Training | None:
    """Signs the person in at the training whose code that is; None where no training of theirs shows it now.

    The wrong code is counted: the caller keeps that. Raises Refused `sign_in.too_many` after ten of them in ten
    minutes, Conflict `training.taken_out`.
    """
    require(actor, Permission.TRAINING_ATTEND, own(actor))
    who = f"person:{actor.person_id}"
    tries.must_be_few(session, who, MOST_OF_A_PERSON, TOO_MANY, now)
    units, part, entries = _place_of(session, actor)
    code = "".join(typed.split())
    for training, path in _open_now(session, actor.tenant_id, units, now):
        expected = training.expects is Expects.ROSTER or training.programme_id in part
        if expected and competencies.trainings.fits(training.sign_in_secret, code, now):
            person = humans.today_of(session, get(session, Person, actor.person_id))
            entry = next((key for at, key in entries.items() if at.startswith(path)), None)
            attendance.sign(session, training, entry, person, "code", actor.person_id, now)
            return training
    tries.note(session, who, now)
    return None


def _open_now(session: Session, tenant_id: int, units: set[int], now: datetime) -> Sequence[tuple[Training, str]]:
    return session.exec(
        select(Training, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(Training.org_unit_id))
        .where(
            Training.tenant_id == tenant_id,
            Training.state == TrainingState.PLANNED,
            col(Training.org_unit_id).in_(units),
            col(Training.starts_at) <= now + OPENS_BEFORE,
            col(Training.ends_at) > now - CLOSES_AFTER,
        )
        .order_by(col(Training.starts_at), col(Training.id))
    ).all()


def personal_code(session: Session, actor: Actor, key: str) -> str:
    """The person's own code, "" where they have not made one yet. Two queries."""
    require(actor, Permission.TRAINING_ATTEND, own(actor))
    row = session.get(PersonalCode, actor.person_id)
    if row is None:
        return ""
    return competencies.trainings.personal_code(key, get(session, Person, actor.person_id).uuid, row.number)


def renew(session: Session, actor: Actor, key: str, now: datetime) -> str:
    """Makes the person's code, or another one: the one before it works no more."""
    require(actor, Permission.TRAINING_ATTEND, own(actor))
    person = get(session, Person, actor.person_id)
    row = session.get(PersonalCode, actor.person_id)
    number = row.number if row is not None else 0
    while True:
        number += 1
        code = competencies.trainings.personal_code(key, person.uuid, number)
        hashed = competencies.trainings.personal_hash(key, code)
        taken = select(PersonalCode.person_id).where(
            PersonalCode.tenant_id == actor.tenant_id, PersonalCode.code_hash == hashed
        )
        if session.exec(taken).first() is None:
            break
    if row is None:
        row = PersonalCode(
            person_id=actor.person_id, tenant_id=actor.tenant_id, number=number, code_hash=hashed, made_at=now
        )
    row.number, row.code_hash, row.made_at = number, hashed, now
    session.add(row)
    session.flush()
    return code


# --- on a phone that knows nobody ---


def scanned(session: Session, uuid: str, code: str, now: datetime, entry_pass: str = "") -> Training | None:
    """The training of a scanned address while its code holds, or the pass that its page gave; else None: an address
    that somebody kept opens nothing."""
    if not re.fullmatch("[0-9a-f]{32}", uuid):
        return None
    training = session.exec(select(Training).where(Training.uuid == uuid)).one_or_none()
    if training is None or not takes_sign_ins(training, now):
        return None
    secret = training.sign_in_secret
    trainings = competencies.trainings
    is_let_in = trainings.fits(secret, code, now) or trainings.lets_in(secret, entry_pass, now)
    return training if is_let_in else None


def entry_pass(training: Training, now: datetime) -> str:
    """What the page of a scanned address carries, so that there is time to type."""
    return competencies.trainings.entry_pass(training.sign_in_secret, now)


def on_phone(session: Session, training: Training, typed: str, address: str, key: str, now: datetime) -> bool:
    """Signs in whose personal code that is; False for one that is nobody's, or of somebody who is not to come. The
    wrong code is counted by address: the caller keeps that. Raises Refused `sign_in.too_many`, Conflict
    `tenant.read_only`."""
    leaving.must_be_open_at(session, training.tenant_id, now)
    who = f"phone:{training.uuid}:{_masked(key, address)}"
    tries.must_be_few(session, who, MOST_OF_AN_ADDRESS, TOO_MANY, now)
    person = _whose(session, training, typed, key)
    if person is not None and _is_to_come(session, training, person, now):
        return True
    tries.note(session, who, now)
    return False


def _whose(session: Session, training: Training, typed: str, key: str) -> Person | None:
    code = competencies.trainings.personal_as_typed(typed)
    if not code:
        return None
    row = session.exec(
        select(PersonalCode).where(
            PersonalCode.tenant_id == training.tenant_id,
            PersonalCode.code_hash == competencies.trainings.personal_hash(key, code),
        )
    ).one_or_none()
    return humans.today_of(session, get(session, Person, row.person_id)) if row is not None else None


def _is_to_come(session: Session, training: Training, person: Person, now: datetime) -> bool:
    actor = Actor(person.tenant_id, pk(person), absorbed_ids=tuple(person.absorbed_ids))
    units, part, entries = _place_of(session, actor)
    path = get(session, OrgUnit, training.org_unit_id).path
    expected = training.org_unit_id in units and (training.expects is Expects.ROSTER or training.programme_id in part)
    if not expected and not _is_listed(session, training, person):
        return False
    entry = next((key for at, key in entries.items() if at.startswith(path)), None)
    attendance.sign(session, training, entry, person, "qr", None, now)
    return True


def _is_listed(session: Session, training: Training, person: Person) -> bool:
    """Whether the holder put this person on the list already, from wherever they are."""
    rows = humans.rows_of(person)
    on_roster = select(RosterEntry.id).where(col(RosterEntry.person_id).in_(rows))
    found = select(Attendance.id).where(
        Attendance.training_id == pk(training),
        col(Attendance.removed_at).is_(None),
        col(Attendance.person_id).in_(rows) | col(Attendance.roster_entry_id).in_(on_roster),
    )
    return session.exec(found).first() is not None


# --- wrong codes ---


def _masked(key: str, address: str) -> str:
    """An address as it is noted: enough to count by, and it says nothing."""
    return hmac.new(key.encode(), f"address:{address}".encode(), hashlib.sha256).hexdigest()[:32]
