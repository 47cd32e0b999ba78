"""What becomes of a round after its end: a make-up round (补训), being put away (归档), and its log (经过)."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, func, select

import competencies
from competencies import Programme, ProgrammeEvent, ProgrammeState, Submission, SubmissionState, SubmissionVersion
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import find, get, owned, pk
from lms_plugin.errors import Conflict, Invalid, Refused
from lms_plugin.flow import late_work, oversee
from lms_plugin.flow.curate import programme_unit_scope
from lms_plugin.flow.oversee_figures import Tally, group_of, groups_within, sources_of
from lms_plugin.people import OrgUnit, Person, RosterEntry, Tenant

LONGEST_REASON = 300


@dataclass(frozen=True)
class MakeUpForm:
    """The days of a make-up round, and the paper or reason for it."""

    submit_by_on: date
    review_by_on: date
    closes_on: date
    reason: str


@dataclass(frozen=True)
class EndedView:
    """A round that is over, before a make-up round: who is through and stays so, and how many may go on."""

    uuid: str
    title: str
    version: int
    closes_on: date
    number: int  # which make-up round this would be
    tally: Tally


def ended(session: Session, actor: Actor, uuid: str, now: datetime) -> EndedView:
    """For the form of a make-up round. Raises Refused as `make_up`."""
    programme = _programme(session, actor, uuid)
    _require_over(session, programme, now)
    path = get(session, OrgUnit, programme.org_unit_id).path
    rules = competencies.rules_of(session, programme)
    today = competencies.local_day(now, get(session, Tenant, programme.tenant_id).timezone)
    year = today.year if rules.cohorts else None
    sources = sources_of(pk(programme), programme.tenant_id, path, rules, year)
    groups = [group_of(row) for row in oversee.rows_of(session, groups_within(sources, path))]
    return EndedView(
        uuid=programme.uuid,
        title=programme.title,
        version=programme.version,
        closes_on=programme.closes_on,
        number=programme.make_up + 1,
        tally=sum((group.tally(rules, True) for group in groups), Tally()),
    )


def make_up(session: Session, actor: Actor, uuid: str, form: MakeUpForm, seen_version: int, now: datetime) -> Programme:
    """补训: opens a round that is over again with new days. Who is through stays through: results, hours and scores are
    left alone. Who failed or did not finish goes on where they stopped; what came late and waits counts as handed in,
    what was not let in can be worked on again.

    A second click changes nothing. Raises Refused `programme.not_over` and `programme.archived`, Conflict
    `programme.changed`, Invalid naming the field.
    """
    programme = _programme(session, actor, uuid)
    session.refresh(programme, with_for_update=True)
    days = {"submit_by_on": form.submit_by_on, "review_by_on": form.review_by_on, "closes_on": form.closes_on}
    if programme.make_up and programme.version > seen_version and _stands(programme, days):
        return programme
    if programme.version != seen_version:
        raise Conflict("programme.changed")
    _require_over(session, programme, now)
    reason = " ".join(form.reason.split())
    _check(session, programme, form, reason, now)
    before = competencies.days_of(programme)
    for name, day in days.items():
        setattr(programme, name, day)
    programme.state, programme.make_up = ProgrammeState.OPEN, programme.make_up + 1
    session.add(programme)
    moved = {"before": before, "after": competencies.days_of(programme), "number": programme.make_up}
    competencies.note_event(session, programme, "make_up", actor.person_id, now, reason, moved)
    _let_late_go_on(session, actor, programme, now)
    return programme


def _stands(programme: Programme, days: dict[str, date]) -> bool:
    return programme.state is ProgrammeState.OPEN and all(getattr(programme, key) == day for key, day in days.items())


def _check(session: Session, programme: Programme, form: MakeUpForm, reason: str, now: datetime) -> None:
    today = competencies.local_day(now, get(session, Tenant, programme.tenant_id).timezone)
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    if form.closes_on > competencies.LATEST:
        years = {"first": competencies.EARLIEST.year, "last": competencies.LATEST.year}
        wrong["closes_on"] = ("programme.day_of_no_term", years)
    if form.closes_on < form.review_by_on:
        wrong["closes_on"] = "programme.dates_order"
    if form.review_by_on < form.submit_by_on:
        wrong["review_by_on"] = "programme.dates_order"
    if form.submit_by_on < max(today, programme.opens_on):
        wrong["submit_by_on"] = "programme.make_up_past"
    if not reason:
        wrong["reason"] = "form.required"
    elif len(reason) > LONGEST_REASON:
        wrong["reason"] = ("form.too_long", {"longest": LONGEST_REASON})
    elif not reason.isprintable():
        wrong["reason"] = "form.unprintable"
    if wrong:
        raise Invalid(wrong)


def _let_late_go_on(session: Session, actor: Actor, programme: Programme, now: datetime) -> None:
    """What came after the old last day: in time for the new one, or, where it was not let in, a draft again."""
    for work, version in session.exec(
        select(Submission, SubmissionVersion)
        .join(SubmissionVersion, col(SubmissionVersion.id) == col(Submission.current_version_id))
        .where(Submission.programme_id == pk(programme), Submission.state == SubmissionState.LATE)
        .order_by(col(Submission.id))
    ).all():
        if version.declined_at is None:
            late_work.let_in(session, actor, [(work, version)], now)
        else:
            competencies.take_back(session, work, version, now)


def archive(session: Session, actor: Actor, uuid: str, now: datetime) -> Programme:
    """归档: takes a round that is over, or was never opened, out of the lists; records and figures are read as before.

    Again changes nothing. Raises Refused `programme.still_open`, and `programme.results_wait` where results are still
    on their way: nobody would be told of a batch that waits for the county, or of a release, any more.
    """
    programme = _programme(session, actor, uuid)
    if programme.archived_at is not None:
        return programme
    timezone = get(session, Tenant, programme.tenant_id).timezone
    if programme.state is not ProgrammeState.DRAFT:
        if not competencies.is_closed(programme, timezone, now):
            raise Refused("programme.still_open")
        if on_the_way := _on_the_way(session, programme):
            raise Refused("programme.results_wait", count=on_the_way)
        programme.state = ProgrammeState.CLOSED
    programme.archived_at = now
    session.add(programme)
    competencies.note_event(session, programme, "archived", actor.person_id, now)
    return programme


def _on_the_way(session: Session, programme: Programme) -> int:
    """How many works are decided and not released: before their release, or held by a school batch."""
    decided = select(func.count()).where(
        Submission.programme_id == pk(programme), Submission.state == SubmissionState.DECIDED
    )
    return int(session.exec(decided).one())


def restore(session: Session, actor: Actor, uuid: str, now: datetime) -> Programme:
    """Takes a round out of the archive, as it was put there. Again changes nothing."""
    programme = _programme(session, actor, uuid)
    if programme.archived_at is not None:
        programme.archived_at = None
        session.add(programme)
        competencies.note_event(session, programme, "restored", actor.person_id, now)
    return programme


@dataclass(frozen=True)
class EventLine:
    """One line of 经过. `by`: the person's name, "" where nobody is named."""

    kind: str
    reason: str
    details: dict[str, Any]
    by: str
    at: datetime


def events_of(session: Session, actor: Actor, programme: Programme, most: int = 100) -> tuple[EventLine, ...]:
    """经过, newest first: one query, and one each for the units and the teachers that its lines are about."""
    require(actor, Permission.PROGRAMME_READ, programme_unit_scope(session, programme))
    rows = session.exec(
        select(ProgrammeEvent, Person.name)
        .join(Person, col(Person.id) == col(ProgrammeEvent.by_id), isouter=True)
        .where(ProgrammeEvent.programme_id == pk(programme))
        .order_by(col(ProgrammeEvent.id).desc())
        .limit(most)
    ).all()
    told = [row.details for row, _name in rows]
    names: dict[tuple[str, int], str] = {}
    entries = {one["entry_id"] for one in told if one.get("entry_id")}
    if entries:
        for entry in session.exec(owned(RosterEntry, programme.tenant_id).where(col(RosterEntry.id).in_(entries))):
            names["entry_id", pk(entry)] = f"{entry.name} {entry.staff_number}"
    units = {one["unit_id"] for one in told if one.get("unit_id")}
    if units:
        for unit in session.exec(owned(OrgUnit, programme.tenant_id).where(col(OrgUnit.id).in_(units))):
            names["unit_id", pk(unit)] = unit.name
    return tuple(
        EventLine(row.kind, row.reason, {**row.details, "to": _about(row.details, names)}, name or "", row.at)
        for row, name in rows
    )


def _about(details: dict[str, Any], names: dict[tuple[str, int], str]) -> str:
    """Whom or what a line is about, by the name of today."""
    return next((names.get((kind, details[kind]), "") for kind in ("entry_id", "unit_id") if details.get(kind)), "")


def _programme(session: Session, actor: Actor, uuid: str) -> Programme:
    programme = find(session, Programme, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_EDIT, programme_unit_scope(session, programme))
    return programme


def _require_over(session: Session, programme: Programme, now: datetime) -> None:
    if programme.archived_at is not None:
        raise Refused("programme.archived")
    timezone = get(session, Tenant, programme.tenant_id).timezone
    if programme.state is ProgrammeState.DRAFT or not competencies.is_closed(programme, timezone, now):
        raise Refused("programme.not_over")
