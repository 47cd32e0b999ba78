"""公示: the names, points and levels of a school's batch for some working days; objections to them, with answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
from competencies import BatchState, BatchWork, Chain, CompetencyPoint, Objection, Programme, SchoolBatch, Submission
from lms_plugin.access import Actor, Permission, can, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import batches, booking, message_reach, message_words, messages
from lms_plugin.flow.verification import masked
from lms_plugin.people import OrgMembership, OrgUnit, Person

LONGEST = 2000
LONGEST_NAME = 100


@dataclass(frozen=True)
class Shown:
    """One work as 公示 names it. `reasons`: why it failed, on the author's own line alone."""

    uuid: str
    name: str
    code: str
    point: dict[str, str]
    level: int
    level_words: Mapping[str, Mapping[str, str]] | None  # the framework's own words for its levels
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Said:
    """An objection of the person who looks, and what was answered (`is_upheld` empty = not yet)."""

    name: str
    code: str
    text: str
    raised_at: datetime
    is_upheld: bool | None
    answer: str


@dataclass(frozen=True)
class PublicityPage:
    """公示 of one batch. `lines`: who passed, by name; `own`: the works of who looks, whatever their level.

    `may_object`: it is open and somebody is signed in; `may_take_down`: also for somebody else who came or called.
    """

    batch: str
    title: str
    school: str
    county: str  # which runs the programme, and hears what people object to
    round: int
    shown_at: datetime
    ends_on: date
    is_open: bool
    days: int
    lines: tuple[Shown, ...]
    own: tuple[Shown, ...]
    said: tuple[Said, ...]
    may_object: bool
    may_take_down: bool


def publicity_page(session: Session, actor: Actor, uuid: str, now: datetime) -> PublicityPage:
    """公示 for somebody signed in: people of the school, those with works in it, and who looks after the chain; all of
    the district where the programme says so. Raises NotFound for everybody else, and while there is no 公示."""
    require(actor, Permission.OBJECTION_RAISE, own(actor))
    batch, programme, unit, chain = _shown(session, actor, uuid)
    works = _works(session, batch)
    _may_see(session, actor, unit, chain, [row[1] for row in works])
    objections = _objections(session, batch)
    reopened = {one.submission_id for one in objections if one.is_upheld}
    told = {pk(row[1]): row for row in works}
    is_open = _is_open(batch, now)
    return _page(
        batch,
        programme,
        unit,
        chain,
        [row for row in works if pk(row[1]) not in reopened],
        county=get(session, OrgUnit, programme.org_unit_id),
        is_open=is_open,
        own_works=tuple(
            _work_shown(entry, work, name, point, _reasons(entry.level, decision))
            for entry, work, name, point, decision in works
            if actor.is_author(work.person_id) and pk(work) not in reopened
        ),
        said=tuple(
            Said(one.said_by, told[one.submission_id][3].code, one.text, one.raised_at, one.is_upheld, one.answer)
            for one in objections
            if actor.is_author(one.raised_by_id) and one.submission_id in told
        ),
        may_object=is_open,
        may_take_down=is_open and can(actor, Permission.OBJECTION_ANSWER, batches.county_scope(session, programme)),
    )


def public_page(session: Session, uuid: str, now: datetime) -> PublicityPage:
    """The same for a stranger, where the district shows it to everybody and as long as it lasts. Raises NotFound."""
    if not uuid.isalnum():
        raise NotFound
    batch = session.exec(
        select(SchoolBatch)
        .join(Programme, col(Programme.id) == col(SchoolBatch.programme_id))
        .where(SchoolBatch.uuid == uuid, SchoolBatch.tenant_id == col(Programme.tenant_id))
    ).one_or_none()
    if batch is None or not _is_open(batch, now):
        raise NotFound
    programme, unit = get(session, Programme, batch.programme_id), get(session, OrgUnit, batch.org_unit_id)
    chain = competencies.rules_of(session, programme).chain
    if chain.shown_to != "public":
        raise NotFound
    reopened = {one.submission_id for one in _objections(session, batch) if one.is_upheld}
    works = [row for row in _works(session, batch) if pk(row[1]) not in reopened]
    county = get(session, OrgUnit, programme.org_unit_id)
    return _page(batch, programme, unit, chain, works, county=county, is_open=True)


@dataclass(frozen=True)
class Listed:
    """A batch in 公示 that the actor may see."""

    batch: str
    title: str
    school: str
    ends_on: date | None


def listed(session: Session, actor: Actor, now: datetime) -> tuple[Listed, ...]:
    """What is in 公示 now: of the schools of the actor, of all where the programme shows it to the whole district, and
    for those who look after the chain what they reach. Two queries."""
    require(actor, Permission.OBJECTION_RAISE, own(actor))
    home = _schools_of(session, actor)
    statement: Any = (
        columns(SchoolBatch, Programme, OrgUnit, competencies.ProgrammePolicy)
        .join(Programme, col(Programme.id) == col(SchoolBatch.programme_id))
        .join(OrgUnit, col(OrgUnit.id) == col(SchoolBatch.org_unit_id))
        .join(
            competencies.ProgrammePolicy, col(competencies.ProgrammePolicy.id) == col(Programme.policy_id), isouter=True
        )
        .where(
            col(SchoolBatch.tenant_id) == actor.tenant_id,
            col(SchoolBatch.state) == BatchState.SHOWN,
            col(SchoolBatch.ends_at) > now,
        )
        .order_by(col(SchoolBatch.ends_at), col(OrgUnit.name), col(SchoolBatch.id))
    )
    found = []
    for batch, programme, unit, policy in session.exec(statement):
        chain = competencies.Rules.model_validate(policy.rules).chain if policy is not None else Chain()
        reaches = can(actor, Permission.CHAIN_READ, batches.school_scope(unit))
        if chain.shown_to != "school" or pk(unit) in home or reaches:
            found.append(Listed(batch.uuid, programme.title, unit.name, batch.ends_on))
    return tuple(found)


def object_to(
    session: Session, actor: Actor, uuid: str, submission_uuid: str, text: str, said_by: str, now: datetime
) -> Objection:
    """异议 to one work that is in 公示, by somebody who may see it. `said_by`: whose words an officer writes down; of
    anybody else it is not taken. A second click gives the first one's.

    Raises Invalid `text` or `work`, Refused `objection.over` after the last day, `objection.already` where the same
    person's first one has no answer yet.
    """
    require(actor, Permission.OBJECTION_RAISE, own(actor))
    batch, programme, unit, chain = _shown(session, actor, uuid)
    works = _works(session, batch)
    _may_see(session, actor, unit, chain, [row[1] for row in works])
    booking.take_turn(session, programme)  # a release of the last minute sees it, or was before it
    session.refresh(batch)
    if not _is_open(batch, now):
        raise Refused("objection.over")
    work = next(
        (
            one
            for entry, one, *_rest in works
            if one.uuid == submission_uuid
            and ((entry.level or 0) >= competencies.Level.PASS or actor.is_author(one.person_id))
        ),
        None,
    )
    if work is None:
        raise Invalid({"work": "form.choose"})
    text, said_by = text.strip(), " ".join(said_by.split())
    if not text:
        raise Invalid({"text": "objection.text_missing"})
    if len(text) > LONGEST:
        raise Invalid({"text": ("form.too_long", {"longest": LONGEST})})
    if len(said_by) > LONGEST_NAME:
        raise Invalid({"said_by": ("form.too_long", {"longest": LONGEST_NAME})})
    if not can(actor, Permission.OBJECTION_ANSWER, batches.county_scope(session, programme)):
        said_by = ""
    if work.batch_id != pk(batch):
        raise Refused("objection.reopened")
    mine = [
        one
        for one in _objections(session, batch)
        if one.submission_id == pk(work) and one.is_upheld is None and actor.is_author(one.raised_by_id)
    ]
    for one in mine:
        if (one.said_by, one.text) == (said_by, text):
            return one  # the second click
    if not said_by and any(not one.said_by for one in mine):
        raise Refused("objection.already")
    row = Objection(
        tenant_id=actor.tenant_id,
        batch_id=pk(batch),
        submission_id=pk(work),
        raised_by_id=actor.person_id,
        said_by=said_by,
        text=text,
        raised_at=now,
    )
    session.add(row)
    session.flush()
    above = get(session, OrgUnit, programme.org_unit_id).path
    told = [
        messages.Told(person, batch.uuid, {"title": programme.title})
        for person in message_reach.officers_above(session, programme.tenant_id, [above])
        if not actor.is_author(person) and person != work.person_id
    ]
    messages.tell(session, programme.tenant_id, message_words.OBJECTION, told, now)
    return row


def batch_of(session: Session, actor: Actor, uuid: str) -> str:
    """The uuid of the batch to which an objection was raised, for who answers it."""
    row = find(session, Objection, actor.tenant_id, uuid)
    work, batch = get(session, Submission, row.submission_id), get(session, SchoolBatch, row.batch_id)
    programme = get(session, Programme, batch.programme_id)
    require(actor, Permission.OBJECTION_ANSWER, batches.county_scope(session, programme, work.person_id))
    return batch.uuid


def answer(
    session: Session, actor: Actor, uuid: str, *, is_upheld: bool | None, words: str, now: datetime
) -> SchoolBatch:
    """The county's answer, for the objector to read. Upheld: that work is decided anew, the others of the batch go on.

    Raises Invalid `finding` where neither is said, `answer` without words, Conflict where somebody answered meanwhile.
    """
    row = find(session, Objection, actor.tenant_id, uuid)
    batch, work = get(session, SchoolBatch, row.batch_id), get(session, Submission, row.submission_id)
    programme = get(session, Programme, batch.programme_id)
    require(actor, Permission.OBJECTION_ANSWER, batches.county_scope(session, programme, work.person_id))
    words = words.strip()
    if is_upheld is None:
        raise Invalid({"finding": "form.choose"})
    if not words:
        raise Invalid({"answer": "objection.answer_missing"})
    if len(words) > LONGEST:
        raise Invalid({"answer": ("form.too_long", {"longest": LONGEST})})
    session.refresh(row, with_for_update=True)
    if row.is_upheld is not None:
        raise Conflict("page.changed_meanwhile")
    row.is_upheld, row.answer = is_upheld, words
    row.answered_by_id, row.answered_at = actor.person_id, now
    session.add(row)
    session.flush()
    if all(one.is_upheld is not None for one in _objections(session, batch)):
        messages.over_for_all(session, programme.tenant_id, message_words.OBJECTION, batch.uuid, now)
    if not row.said_by:
        told = messages.Told(row.raised_by_id, batch.uuid, {"title": programme.title})
        messages.tell(session, programme.tenant_id, message_words.OBJECTION_ANSWERED, [told], now)
    if is_upheld:
        batches.reopen(session, batch, programme, work, now)
    return batch


def _shown(session: Session, actor: Actor, uuid: str) -> tuple[SchoolBatch, Programme, OrgUnit, Chain]:
    batch = find(session, SchoolBatch, actor.tenant_id, uuid)
    if batch.shown_at is None:
        raise NotFound
    programme, unit = get(session, Programme, batch.programme_id), get(session, OrgUnit, batch.org_unit_id)
    return batch, programme, unit, competencies.rules_of(session, programme).chain


def _is_open(batch: SchoolBatch, now: datetime) -> bool:
    return batch.state is BatchState.SHOWN and batch.ends_at is not None and now < batch.ends_at


def _may_see(session: Session, actor: Actor, unit: OrgUnit, chain: Chain, works: list[Submission]) -> None:
    """Raises NotFound for who is not of the school, has no work in it, and does not look after it."""
    if chain.shown_to != "school" or any(actor.is_author(work.person_id) for work in works):
        return
    if can(actor, Permission.CHAIN_READ, batches.school_scope(unit)) or pk(unit) in _schools_of(session, actor):
        return
    raise NotFound


def _schools_of(session: Session, actor: Actor) -> set[int]:
    return set(
        session.exec(
            select(OrgMembership.org_unit_id).where(
                col(OrgMembership.person_id).in_(actor.person_ids), col(OrgMembership.ends_on).is_(None)
            )
        )
    )


def _objections(session: Session, batch: SchoolBatch) -> list[Objection]:
    """All objections of a batch in the order in which they came: one query."""
    return list(session.exec(select(Objection).where(Objection.batch_id == pk(batch)).order_by(col(Objection.id))))


def _works(session: Session, batch: SchoolBatch) -> list[Any]:
    """(entry, work, author's name, point, decision) of what went into the batch, by name and point: one query."""
    statement: Any = (
        columns(BatchWork, Submission, col(Person.name), CompetencyPoint, competencies.Decision)
        .join(Submission, col(Submission.id) == col(BatchWork.submission_id))
        .join(Person, col(Person.id) == col(Submission.person_id))
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .join(competencies.Decision, col(competencies.Decision.id) == col(BatchWork.decision_id))
        .where(col(BatchWork.batch_id) == pk(batch))
        .order_by(col(Person.name), col(Person.id), col(CompetencyPoint.position))
    )
    return list(session.exec(statement).all())


def _page(
    batch: SchoolBatch,
    programme: Programme,
    unit: OrgUnit,
    chain: Chain,
    works: list[Any],
    *,
    county: OrgUnit,
    is_open: bool,
    own_works: tuple[Shown, ...] = (),
    said: tuple[Said, ...] = (),
    may_object: bool = False,
    may_take_down: bool = False,
) -> PublicityPage:
    if batch.shown_at is None or batch.ends_on is None:
        raise NotFound
    return PublicityPage(
        batch=batch.uuid,
        title=programme.title,
        school=unit.name,
        county=county.name,
        round=batch.round,
        shown_at=batch.shown_at,
        ends_on=batch.ends_on,
        is_open=is_open,
        days=chain.publicity_days,
        lines=tuple(
            _work_shown(entry, work, masked(name) if chain.mask_names else name, point)
            for entry, work, name, point, _decision in works
            if entry.level >= competencies.Level.PASS
        ),
        own=own_works,
        said=said,
        may_object=may_object,
        may_take_down=may_take_down,
    )


def _work_shown(
    entry: BatchWork, work: Submission, name: str, point: CompetencyPoint, reasons: tuple[str, ...] = ()
) -> Shown:
    return Shown(work.uuid, name, point.code, dict(point.name), entry.level or 0, point.level_words, reasons)


def _reasons(level: int, decision: competencies.Decision) -> tuple[str, ...]:
    return competencies.failings(decision) if level < competencies.Level.PASS else ()
