"""更正申请: teachers ask about their hours, the officers of their school answer; both read the whole history."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import false, func, or_, true
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from competencies import Answer, CreditEntry, HoursRequest
from lms_plugin.access import Actor, Permission, Scope, own, require, somewhere
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import humans, message_words, messages, people
from lms_plugin.flow.notices import ASKED
from lms_plugin.people import Enrolment, Notice, OrgMembership, OrgUnit, Person, RoleKind, Tenant

LONGEST = 1000
MOST_OPEN, MOST_A_DAY = 5, 10
PAGE = 50


@dataclass(frozen=True)
class AskLine:
    """One request. `entry`: of which line of the ledger, None = one is missing; `answer` "" = open; `may_answer`: by
    who reads the page."""

    uuid: str
    programme: str
    programme_uuid: str
    person: str
    person_uuid: str
    school: str
    text: str
    asked_at: datetime
    entry: "EntryLine | None"
    answer: str
    done: "EntryLine | None"  # what was booked, or took hours back
    reply: str
    answered_by: str
    answered_at: datetime | None
    may_answer: bool


@dataclass(frozen=True)
class EntryLine:
    """A line of the ledger that can be asked about."""

    uuid: str
    kind: str
    hundredths: int
    reason: str
    source: str
    on: date


@dataclass(frozen=True)
class Own:
    """What a teacher's page shows: own requests of a programme, newest first, and the lines to ask about."""

    programme: str
    programme_uuid: str
    requests: tuple[AskLine, ...]
    entries: tuple[EntryLine, ...]

    @property
    def open(self) -> int:
        """How many wait for an answer."""
        return sum(not one.answer for one in self.requests)


def own_requests(session: Session, actor: Actor, programme_uuid: str) -> Own:
    """One's own. Raises NotFound for a programme in which one takes no part. Four queries."""
    programme = _taken_part(session, actor, programme_uuid)
    timezone = get(session, Tenant, actor.tenant_id).timezone
    entries = competencies.person_ledger(session, pk(programme), actor.person_ids, timezone).entries
    rows = session.exec(
        _with_names(actor)
        .where(
            col(HoursRequest.programme_id) == pk(programme),
            col(HoursRequest.person_id).in_(actor.person_ids),
        )
        .order_by(col(HoursRequest.id).desc())
    ).all()
    return Own(
        programme.title,
        programme.uuid,
        tuple(_line(row, actor, timezone) for row in rows),
        tuple(_entry_line(entry, timezone) for entry in entries),
    )


def ask(session: Session, actor: Actor, programme_uuid: str, entry_uuid: str, text: str, now: datetime) -> HoursRequest:
    """Asks about a line of one's own ledger, or ("") says that one is missing. A second click gives the first request.

    Raises Invalid at `text` or `entry`; Refused `ask.too_many` with 5 open ones, `ask.too_often` with 10 in a day.
    """
    programme = _taken_part(session, actor, programme_uuid)
    entry = find(session, CreditEntry, actor.tenant_id, entry_uuid) if entry_uuid else None
    if entry is not None and (not actor.is_author(entry.person_id) or entry.programme_id != pk(programme)):
        raise NotFound
    text = _readable("text", text)
    # One's own row is held, so that clicks in two windows are counted one after the other.
    session.exec(select(Person.id).where(Person.id == actor.person_id).with_for_update(key_share=True)).one()
    mine = session.exec(
        select(HoursRequest)
        .where(HoursRequest.tenant_id == actor.tenant_id, col(HoursRequest.person_id).in_(actor.person_ids))
        .order_by(col(HoursRequest.id))
    ).all()
    waiting = [one for one in mine if one.answer is None]
    entry_id = pk(entry) if entry is not None else None
    for one in waiting:
        if (one.programme_id, one.entry_id, one.text) == (pk(programme), entry_id, text):
            return one
    if len(waiting) >= MOST_OPEN:
        raise Refused("ask.too_many", most=MOST_OPEN)
    if sum(one.asked_at > now - timedelta(days=1) for one in mine) >= MOST_A_DAY:
        raise Refused("ask.too_often", most=MOST_A_DAY)
    unit = session.exec(
        select(OrgMembership.org_unit_id)
        .where(col(OrgMembership.person_id).in_(actor.person_ids), col(OrgMembership.ends_on).is_(None))
        .order_by(col(OrgMembership.starts_on).desc(), col(OrgMembership.id).desc())
    ).first()
    row = HoursRequest(
        tenant_id=actor.tenant_id,
        programme_id=pk(programme),
        person_id=actor.person_id,
        entry_id=entry_id,
        org_unit_id=unit,
        text=text,
        asked_at=now,
    )
    session.add(row)
    session.flush()
    _tell(session, actor.tenant_id, unit, now)
    return row


def read_answer(session: Session, actor: Actor) -> str:
    """The person goes to read: they are told of no answer any more. Gives the uuid of the programme of the newest one.
    Raises NotFound for who has none."""
    require(actor, Permission.HOURS_ASK, own(actor))
    programme = session.exec(
        select(competencies.Programme.uuid)
        .join(HoursRequest, col(HoursRequest.programme_id) == col(competencies.Programme.id))
        .where(
            HoursRequest.tenant_id == actor.tenant_id,
            col(HoursRequest.person_id).in_(actor.person_ids),
            col(HoursRequest.answer).is_not(None),
        )
        .order_by(col(HoursRequest.answered_at).desc(), col(HoursRequest.id).desc())
    ).first()
    if programme is None:
        raise NotFound
    person = get(session, Person, actor.person_id)
    person.answered_at = None
    session.add(person)
    session.flush()
    return programme


def _taken_part(session: Session, actor: Actor, programme_uuid: str) -> competencies.Programme:
    require(actor, Permission.HOURS_ASK, own(actor))
    programme = find(session, competencies.Programme, actor.tenant_id, programme_uuid)
    takes_part = select(Enrolment.id).where(
        Enrolment.programme_id == pk(programme), col(Enrolment.person_id).in_(actor.person_ids)
    )
    if session.exec(takes_part).first() is None:
        raise NotFound("submit.not_enrolled")
    return programme


def _readable(field: str, text: str) -> str:
    text = " ".join(text.split())
    if not text:
        raise Invalid({field: "form.required"})
    if len(text) > LONGEST:
        raise Invalid({field: ("form.too_long", {"longest": LONGEST})})
    if not text.isprintable():
        raise Invalid({field: "form.unprintable"})
    return text


# --- the officer's side ---


@dataclass(frozen=True)
class Inbox:
    """Requests within an officer's reach, the open ones first, of those the oldest."""

    requests: tuple[AskLine, ...]
    open: int
    total: int


def inbox(session: Session, actor: Actor, page: int) -> Inbox:
    """A page of them. Two queries."""
    require(actor, Permission.HOURS_ANSWER, somewhere(actor))
    timezone = get(session, Tenant, actor.tenant_id).timezone
    is_open = col(HoursRequest.answer).is_(None)
    rows = session.exec(
        _with_names(actor)
        .add_columns(func.count().over(), func.count().filter(is_open).over())
        .where(_within(actor))
        .order_by(~is_open, func.coalesce(col(HoursRequest.answered_at), col(HoursRequest.asked_at)))
        .order_by(col(HoursRequest.id))
        .offset((page - 1) * PAGE)
        .limit(PAGE)
    ).all()
    lines = tuple(_line(row[:-2], actor, timezone) for row in rows)
    return Inbox(lines, rows[0][-1] if rows else 0, rows[0][-2] if rows else 0)


def request_of(session: Session, actor: Actor, uuid: str) -> AskLine:
    """One request. Raises NotFound, Forbidden where it is out of reach."""
    return _line(_row_of(session, actor, uuid), actor, get(session, Tenant, actor.tenant_id).timezone)


def answer(session: Session, actor: Actor, uuid: str, said: str, reply: str, now: datetime) -> None:
    """Answers it. "booked" and "reversed" are true of the ledger, or refused (`ask.nothing_booked`,
    `ask.nothing_reversed`); "explained" says why everything stays. Raises Conflict `ask.answered` for the second of two
    officers."""
    found = _row_of(session, actor, uuid)
    row: HoursRequest = found[0]
    session.refresh(row, with_for_update=True)
    if row.answer is not None:
        name = get(session, Person, row.answered_by_id or 0).name
        raise Conflict("ask.answered", name=name, at=row.answered_at)
    if said not in {one.value for one in Answer}:
        raise Invalid({"answer": "form.choose"})
    reply = _readable("reply", reply)
    entry = None
    if said != Answer.EXPLAINED.value:
        entry = _done_since(session, row, Answer(said))
        if entry is None:
            raise Invalid({"answer": "ask.nothing_booked" if said == Answer.BOOKED.value else "ask.nothing_reversed"})
    row.answer, row.reply, row.answer_entry_id = Answer(said), reply, entry
    row.answered_by_id, row.answered_at = actor.person_id, now
    session.add(row)
    session.flush()
    _tell(session, row.tenant_id, row.org_unit_id, now)
    asker = humans.today_of(session, get(session, Person, row.person_id))
    asker.answered_at = now
    session.add(asker)
    session.flush()
    programme = get(session, competencies.Programme, row.programme_id)
    told = messages.Told(pk(asker), programme.uuid, {"title": programme.title})
    messages.tell(session, row.tenant_id, message_words.ANSWERED, [told], now)


def _done_since(session: Session, row: HoursRequest, said: Answer) -> int | None:
    """The newest entry that adds to this person's hours, or takes some back, since they asked."""
    amount = col(CreditEntry.credit_hundredths)
    rows = humans.rows_by_row(session, [row.person_id])[row.person_id]
    statement = select(CreditEntry.id).where(
        CreditEntry.tenant_id == row.tenant_id,
        CreditEntry.programme_id == row.programme_id,
        col(CreditEntry.person_id).in_(rows),
        col(CreditEntry.entered_at) > row.asked_at,
        amount > 0 if said is Answer.BOOKED else amount < 0,
    )
    return session.exec(statement.order_by(col(CreditEntry.id).desc())).first()


def _row_of(session: Session, actor: Actor, uuid: str) -> Any:
    row = session.exec(_with_names(actor).where(col(HoursRequest.uuid) == uuid)).first()
    if row is None:
        raise NotFound
    require(actor, Permission.HOURS_ANSWER, _scope(row))
    return row


_Asker, _By, _Done = aliased(Person), aliased(Person), aliased(CreditEntry)


def _with_names(actor: Actor) -> Any:
    return (
        columns(
            HoursRequest,
            competencies.Programme,
            _Asker,
            col(OrgUnit.name),
            col(OrgUnit.path),
            CreditEntry,
            col(_By.name),
            _Done,
        )
        .join(competencies.Programme, col(competencies.Programme.id) == col(HoursRequest.programme_id))
        .join(_Asker, col(_Asker.id) == col(HoursRequest.person_id))
        .join(OrgUnit, col(OrgUnit.id) == col(HoursRequest.org_unit_id), isouter=True)
        .join(CreditEntry, col(CreditEntry.id) == col(HoursRequest.entry_id), isouter=True)
        .join(_By, col(_By.id) == col(HoursRequest.answered_by_id), isouter=True)
        .join(_Done, col(_Done.id) == col(HoursRequest.answer_entry_id), isouter=True)
        .where(col(HoursRequest.tenant_id) == actor.tenant_id)
    )


def _scope(row: Any) -> Scope:
    request, path = row[0], row[4]
    return Scope(request.tenant_id, owner_id=request.person_id, unit_paths=(path,) if path else ())


def _within(actor: Actor) -> Any:
    paths = people.reach(actor, RoleKind.OFFICER)
    if "" in paths:
        return true()
    return or_(false(), *(col(OrgUnit.path).startswith(path, autoescape=True) for path in paths))


def _line(row: Any, actor: Actor, timezone: str) -> AskLine:
    request, programme, asker, school, _path, entry, by, done = row
    return AskLine(
        uuid=request.uuid,
        programme=programme.title,
        programme_uuid=programme.uuid,
        person=asker.name,
        person_uuid=asker.uuid,
        school=school or "",
        text=request.text,
        asked_at=request.asked_at,
        entry=_entry_line(entry, timezone) if entry is not None else None,
        answer=request.answer.value if request.answer is not None else "",
        done=_entry_line(done, timezone) if done is not None else None,
        reply=request.reply,
        answered_by=by or "",
        answered_at=request.answered_at,
        may_answer=request.answer is None and not actor.is_author(request.person_id),
    )


def _entry_line(entry: CreditEntry, timezone: str) -> EntryLine:
    return EntryLine(
        entry.uuid,
        entry.kind.value,
        entry.credit_hundredths,
        entry.reason,
        entry.source,
        entry.earned_on or competencies.local_day(entry.entered_at, timezone),
    )


def _tell(session: Session, tenant_id: int, unit_id: int | None, now: datetime) -> None:
    """The school's notice for its officers says how many wait; it goes with the last answer."""
    unit = get(session, OrgUnit, unit_id) if unit_id is not None else None
    key = unit.uuid if unit is not None else ""
    session.exec(select(Tenant.id).where(col(Tenant.id) == tenant_id).with_for_update(key_share=True)).one()
    count = session.exec(
        select(func.count())
        .select_from(HoursRequest)
        .where(
            HoursRequest.tenant_id == tenant_id,
            col(HoursRequest.org_unit_id).is_not_distinct_from(unit_id),
            col(HoursRequest.answer).is_(None),
        )
    ).one()
    stands = session.exec(
        select(Notice).where(
            Notice.tenant_id == tenant_id, Notice.kind == ASKED, Notice.key == key, col(Notice.done_at).is_(None)
        )
    ).one_or_none()
    notice = stands or Notice(tenant_id=tenant_id, kind=ASKED, key=key, raised_at=now)
    notice.params = {"school": unit.name if unit is not None else "", "n": count}
    if not count:
        notice.done_at = now
    if count or stands is not None:
        session.add(notice)
        session.flush()
