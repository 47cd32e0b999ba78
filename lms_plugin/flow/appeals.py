"""申请复核: its author asks for a released result to be looked at anew, once, by criterion, with reasons; and what
becomes of it once the fresh panel has spoken."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import Award, Decision, Outcome, Programme, Submission, SubmissionState, SubmissionVersion
from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import (
    appeal_panel,
    booking,
    drafts,
    humans,
    marking,
    message_words,
    messages,
    report,
    transfer_hours,
)
from lms_plugin.people import Person, Tenant
from rubrics import AT_WORK, Appeal, AppealPoint, AppealState, Given

LONGEST = 1000
Text = Mapping[str, str]


@dataclass(frozen=True)
class CriterionAsked:
    """A criterion that may be appealed. `field`: its name in the form; `level`, `words`: as it was decided."""

    field: str
    item: Text
    asks: Text
    is_validity: bool
    level: int
    words: str


@dataclass(frozen=True)
class AppealForm:
    """What the form of an appeal shows. `until_on`: the last day; `answer_days`: by when it is settled."""

    submission: str
    code: str
    name: Text
    level_words: Mapping[str, Text] | None
    level: int
    until_on: date
    answer_days: int
    panel: str
    may_fall: bool
    lines: tuple[CriterionAsked, ...]


@dataclass(frozen=True)
class Standing:
    """Where a released result stands as to appeals: `until_on` = it may be appealed to the end of that day; `appeal` =
    it was (uuid and state)."""

    until_on: date | None = None
    appeal: str = ""
    state: str = ""


@dataclass(frozen=True)
class _Matter:
    """A released work with what an appeal of it needs to know."""

    work: Submission
    version: SubmissionVersion
    decision: Decision
    award: Award | None
    programme: Programme
    rules: competencies.revisions.Appeals
    timezone: str
    appeal: Appeal | None

    @property
    def until_on(self) -> date | None:
        """The last day on which it may be appealed; None where the programme has no appeals."""
        if not self.rules.days or self.decision.released_at is None:
            return None
        return competencies.local_day(self.decision.released_at, self.timezone) + timedelta(days=self.rules.days)


def _matter(session: Session, actor: Actor, uuid: str) -> _Matter:
    work = find(session, Submission, actor.tenant_id, uuid)
    require(actor, Permission.APPEAL_RAISE, Scope(work.tenant_id, owner_id=work.person_id))
    statement: Any = (
        columns(SubmissionVersion, Decision, Award, Appeal, Programme, competencies.ProgrammePolicy)
        .join(Decision, col(Decision.submission_version_id) == col(SubmissionVersion.id))
        .join(Award, competencies.revisions.AWARD_OF_DECISION, isouter=True)
        .join(Appeal, col(Appeal.decision_id) == col(Decision.id), isouter=True)
        .join(Programme, col(Programme.id) == work.programme_id)
        .join(
            competencies.ProgrammePolicy, col(competencies.ProgrammePolicy.id) == col(Programme.policy_id), isouter=True
        )
        .where(col(SubmissionVersion.id) == work.current_version_id)
    )
    row = session.execute(statement).one_or_none()
    if row is None or row[1].released_at is None or row[1].outcome is not Outcome.DECIDED:
        raise NotFound
    version, decision, award, appeal, programme, policy = row
    rules = (competencies.Rules.model_validate(policy.rules) if policy is not None else competencies.Rules()).appeals
    timezone = get(session, Tenant, work.tenant_id).timezone
    return _Matter(work, version, decision, award, programme, rules, timezone, appeal)


def standing_of(session: Session, actor: Actor, uuid: str, now: datetime) -> Standing:
    """Whether the author of a work may appeal its result now, or has."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    try:
        matter = _matter(session, actor, uuid)
    except NotFound:
        return Standing()
    if matter.appeal is not None:
        return Standing(None, matter.appeal.uuid, matter.appeal.state.value)
    return Standing(matter.until_on) if _why_not(matter, now) is None else Standing()


def _why_not(matter: _Matter, now: datetime) -> Refused | None:
    """What keeps the author from appealing."""
    until = matter.until_on
    if until is None:
        return Refused("appeal.not_offered")
    if matter.appeal is not None:
        return Refused("appeal.once")
    if matter.work.state is not SubmissionState.RELEASED:
        return Refused("appeal.prepared_again")
    if matter.award is not None and matter.award.revoked_at is not None:
        return Refused("appeal.taken_back")
    if now >= competencies.end_of_day(until, matter.timezone):
        return Refused("appeal.over", days=matter.rules.days)
    return None


def form(session: Session, actor: Actor, uuid: str, now: datetime) -> AppealForm:
    """The form of an appeal. Raises Refused `appeal.not_offered`, `appeal.once`, `appeal.prepared_again`,
    `appeal.taken_back`, `appeal.over`."""
    matter = _matter(session, actor, uuid)
    why, until = _why_not(matter, now), matter.until_on
    if why is not None or until is None:
        raise why or NotFound()
    point = get(session, competencies.CompetencyPoint, matter.work.point_id)
    return AppealForm(
        submission=matter.work.uuid,
        code=point.code,
        name=point.name,
        level_words=point.level_words,
        level=matter.decision.point_level or 0,
        until_on=until,
        answer_days=matter.rules.answer_days,
        panel=matter.rules.panel,
        may_fall=matter.rules.may_fall,
        lines=tuple(
            CriterionAsked(
                f"{item.key}.{line.key}",
                item.requirement.title,
                line.texts[min(line.texts)] if line.texts else {},
                line.is_validity,
                int(mark["level"]),
                str(mark.get("reason", "")),
            )
            for item in marking.sheet(session, pk(matter.version), matter.work.point_id).items
            for line in item.criteria
            if (mark := matter.decision.marks.get(item.key, {}).get(line.key)) and mark.get("level") is not None
        ),
    )


def appeal(session: Session, actor: Actor, uuid: str, reasons: Mapping[str, str], now: datetime) -> Appeal:
    """Asks for these criteria ("item.criterion" → why) to be looked at anew; the panel is asked at once.

    Raises as `form`; Invalid `reasons` where none is written, and by criterion for one that is too long or says who the
    author is: the panel reads it and must not know.
    """
    shown = form(session, actor, uuid, now)
    work = find(session, Submission, actor.tenant_id, uuid)
    session.refresh(work, with_for_update=True)  # twice at once is once
    matter = _matter(session, actor, uuid)
    if (why := _why_not(matter, now)) is not None:
        raise why
    asked = {line.field: line for line in shown.lines}
    given = {field: text.strip() for field, text in reasons.items() if field in asked and text.strip()}
    if not given:
        raise Invalid({"reasons": "appeal.reason_missing"})
    traits = drafts.own_traits(session, actor)
    wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
    for field, text in given.items():
        if len(text) > LONGEST:
            wrong[field] = ("form.too_long", {"longest": LONGEST})
        elif words := traits.named_in(text):
            wrong[field] = ("appeal.reason_tells", {"words": "、".join(words)})
    if wrong:
        raise Invalid(wrong)
    last = competencies.local_day(now, matter.timezone) + timedelta(days=matter.rules.answer_days)
    row = Appeal(
        tenant_id=work.tenant_id,
        programme_id=work.programme_id,
        submission_id=pk(work),
        submission_version_id=pk(matter.version),
        decision_id=pk(matter.decision),
        person_id=actor.person_id,
        panel=matter.rules.panel,
        may_fall=matter.rules.may_fall,
        before=competencies.revisions.as_it_stands(matter.decision),
        raised_at=now,
        due_at=competencies.end_of_day(last, matter.timezone),
    )
    session.add(row)
    session.flush()
    for field, text in given.items():
        item, _dot, criterion = field.partition(".")
        session.add(
            AppealPoint(
                appeal_id=pk(row),
                requirement_key=item,
                criterion_key=criterion,
                reason=text,
                before=asked[field].level,
            )
        )
    rubrics.record_event(session, pk(matter.version), actor.person_id, "appealed", now)
    session.flush()
    appeal_panel.fill(session, row, now)
    return row


def withdraw(session: Session, actor: Actor, uuid: str, now: datetime) -> Appeal:
    """Its author takes the appeal back; the decision stands, and it cannot be appealed again. Twice is harmless.

    Raises Conflict where it was settled meanwhile.
    """
    row = find(session, Appeal, actor.tenant_id, uuid)
    require(actor, Permission.APPEAL_RAISE, Scope(row.tenant_id, owner_id=row.person_id))
    session.refresh(row, with_for_update=True)
    if row.state is AppealState.SETTLED:
        raise Conflict("page.changed_meanwhile")
    if row.state is AppealState.OPEN:
        row.state, row.withdrawn_at = AppealState.WITHDRAWN, now
        session.add(row)
        _end_members(session, row, now)
        rubrics.record_event(session, row.submission_version_id, actor.person_id, "appeal_withdrawn", now)
        session.flush()
    return row


def is_under_way(session: Session, work: Submission) -> Appeal | None:
    """The open appeal of the work's current version: while there is one, its author prepares nothing again."""
    return session.exec(
        select(Appeal).where(
            Appeal.submission_id == pk(work),
            Appeal.submission_version_id == work.current_version_id,
            Appeal.state == AppealState.OPEN,
        )
    ).one_or_none()


def go_on(session: Session, row: Appeal, now: datetime) -> None:
    """After a member has handed in: settles the appeal where enough have spoken, else asks whom it lacks."""
    members = appeal_panel.members_of(session, [pk(row)])[pk(row)]
    said = [appeal_panel.given_by(one) for one in appeal_panel.spoken(row, members)]
    if len(said) < rubrics.appeals.wanted(row.panel, said):
        appeal_panel.fill(session, row, now)
        return
    _settle(session, row, said, now)


def _settle(session: Session, row: Appeal, said: list[dict[rubrics.appeals.Key, Given]], now: datetime) -> None:
    programme = get(session, Programme, row.programme_id)
    booking.take_turn(session, programme)
    work, decision = get(session, Submission, row.submission_id), get(session, Decision, row.decision_id)
    version = get(session, SubmissionVersion, row.submission_version_id)
    person = humans.today_of(session, get(session, Person, work.person_id))
    # What counts in another district by now is not taken from there: the result may rise or stay (docs/adr/0046).
    may_fall = row.may_fall and not transfer_hours.is_away(session, humans.rows_of(person), programme)
    changes: dict[tuple[str, str], tuple[int, str]] = {}
    for point in session.exec(select(AppealPoint).where(AppealPoint.appeal_id == pk(row))):
        key = (point.requirement_key, point.criterion_key)
        point.after, point.answer = rubrics.appeals.outcome(point.before, [one[key] for one in said], may_fall=may_fall)
        session.add(point)
        if point.after != point.before:
            changes[key] = (point.after, point.answer[: competencies.LONGEST_REASON])
    row.state, row.settled_at, row.after_level = AppealState.SETTLED, now, decision.point_level
    _end_members(session, row, now)
    if changes:
        sheet = marking.sheet(session, pk(version), work.point_id)
        computed = competencies.revisions.revise(session, decision, sheet.facts, changes, now, work)
        row.after_level = computed.point_level
        if computed.point_level != row.before["point_level"]:
            _book(session, programme, work, version, decision, row, now)
    session.add(row)
    rubrics.record_event(session, pk(version), row.person_id, "appeal_settled", now)
    code = get(session, competencies.CompetencyPoint, work.point_id).code
    told = messages.Told(row.person_id, row.uuid, {"code": code})
    messages.tell(session, row.tenant_id, message_words.APPEAL_SETTLED, [told], now)
    session.flush()


def _book(
    session: Session,
    programme: Programme,
    work: Submission,
    version: SubmissionVersion,
    decision: Decision,
    row: Appeal,
    now: datetime,
) -> None:
    """The point's level is another one: its award, hours and scores follow."""
    reason = "；".join(dict.fromkeys(mark for mark in competencies.failings(decision)))[:300]
    person = humans.today_of(session, get(session, Person, work.person_id))
    award = competencies.revisions.replace_award(
        session, decision, work, version.org_unit_id, reason or "申请复核", now
    )
    if (decision.point_level or 0) > (row.before["point_level"] or 0) and award is not None:
        books = booking.Books(session, programme, {work.person_id}, now=now)
        due = books.due(work.person_id)
        books.note(session, programme, now)
        basis = competencies.Basis(programme.policy_id or 0, pk(award), None, award.org_unit_id)
        competencies.ledger.credit_all(
            session,
            booking.lines(
                programme, work.person_id, due, basis, now, reason="award", source=books.category(work.person_id)
            ),
        )
        books.booked(work.person_id, due)
    else:
        basis = competencies.Basis(programme.policy_id or 0, pk(award) if award else None, None, version.org_unit_id)
        booking.put_right(
            session, programme, person, work.person_id, basis, now, reason="reversal", source=reason or "申请复核"
        )
    report.queue_scores(session, programme, [pk(person)], now)


def _end_members(session: Session, row: Appeal, now: datetime) -> None:
    """Nobody waits any more for who has not handed in."""
    members = appeal_panel.members_of(session, [pk(row)])[pk(row)]
    appeal_panel.end(session, [one for one in members if one.state in AT_WORK], now)


def share_changed(session: Session, programme_id: int) -> rubrics.Estimate:
    """How many settled appeals gave the point another level, of how many."""
    rows = session.exec(
        select(Appeal).where(Appeal.programme_id == programme_id, Appeal.state == AppealState.SETTLED)
    ).all()
    return rubrics.share(sum(one.after_level != one.before["point_level"] for one in rows), len(rows))


def open_count(session: Session, programme_id: int) -> int:
    """How many wait to be settled."""
    counted = select(func.count()).where(
        col(Appeal.programme_id) == programme_id, col(Appeal.state) == AppealState.OPEN
    )
    return int(session.exec(counted).one())
