"""冲销: an officer takes imported hours, hours that came with a person from elsewhere, or the award of a point back,
with a reason. The ledger gets a new entry of the opposite sign; nothing in it is changed. What it would do is said
first (`preview`), by the same reckoning."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlmodel import Session, col, select

import competencies
from competencies import Award, CompetencyPoint, CreditEntry, CreditKind, Programme
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, pk
from lms_plugin.errors import Invalid, NotFound
from lms_plugin.flow import booking, categories, deliveries, humans, report
from lms_plugin.flow.scopes import person_scope
from lms_plugin.flow.transfer_hours import require_here
from lms_plugin.people import Person

LONGEST_REASON = 300
What = Literal["hours", "award"]
BY_HAND = frozenset({"import", competencies.ledger.CAME})
"""Reasons of entries that rest on an officer's word alone: no award and no attendance takes them back."""


@dataclass(frozen=True)
class Preview:
    """What a reversal would do. `what`: "hours" (one entry that was imported or came from elsewhere; `kind`: of which
    hours, `reason`: the entry's) or "award" (one point).

    `taken_hundredths`: how much the person's hours of that kind fall, from `before_hundredths`. `is_done`: it was taken
    back already. `gradebooks`: which get the new score, and which keep what they have.
    """

    programme: str
    title: str
    person: str
    name: str
    what: What
    uuid: str
    code: str
    point: Mapping[str, str]
    kind: str
    reason: str
    source: str
    earned_on: date | None
    before_hundredths: int
    taken_hundredths: int
    is_done: bool
    gradebooks: deliveries.Gradebooks

    @property
    def after_hundredths(self) -> int:
        """What is left."""
        return self.before_hundredths - self.taken_hundredths


@dataclass(frozen=True)
class _Target:
    """One thing that can be taken back: an entry (`BY_HAND`), or an award with its point."""

    programme: Programme
    person: Person
    entry: CreditEntry | None
    award: Award | None
    point: CompetencyPoint | None


def preview(session: Session, actor: Actor, programme: str, person: str, what: What, uuid: str) -> Preview:
    """What taking it back would do. Raises NotFound for what cannot be reversed or is not this person's."""
    target = _target(session, actor, programme, person, what, uuid)
    require(actor, Permission.CREDIT_REVERSE, _scope(session, target))
    rows = humans.rows_of(target.person)
    if target.entry is not None:
        before = of_points = humans.totals(session, pk(target.programme), rows)[target.entry.kind]
    else:
        before, of_points = competencies.practice_totals(session, pk(target.programme), rows)
    is_done = _is_done(session, target)
    return Preview(
        programme=target.programme.uuid,
        title=target.programme.title,
        person=target.person.uuid,
        name=target.person.name,
        what=what,
        uuid=uuid,
        code=target.point.code if target.point is not None else "",
        point=target.point.name if target.point is not None else {},
        kind=(target.entry.kind if target.entry is not None else CreditKind.PRACTICE).value,
        reason=target.entry.reason if target.entry is not None else "",
        source=target.entry.source if target.entry is not None else "",
        earned_on=target.entry.earned_on if target.entry is not None else None,
        before_hundredths=before,
        taken_hundredths=0 if is_done else _taken(session, target, of_points),
        is_done=is_done,
        gradebooks=deliveries.gradebooks(session, rows, pk(target.programme)),
    )


def reverse(
    session: Session, actor: Actor, programme: str, person: str, what: What, uuid: str, reason: str, now: datetime
) -> bool:
    """Takes hours (`BY_HAND`) or an award back, and sends the person's scores again; False where that was done before.

    Of an award: the person holds the point no more, and practice hours fall by what it had brought. Raises Invalid
    without a reason, Refused `credit.moved_away` while the programme's hours are transferred elsewhere.
    """
    target = _target(session, actor, programme, person, what, uuid)
    require(actor, Permission.CREDIT_REVERSE, _scope(session, target))
    reason = reason_as_kept(reason)
    booking.take_turn(session, target.programme)
    require_here(session, humans.rows_of(target.person), target.programme)
    if target.award is not None:
        session.refresh(target.award)  # somebody else may have been here while we waited for our turn
    if _is_done(session, target):
        return False
    if target.entry is not None:
        competencies.reverse(session, target.entry, actor.person_id, reason, now)
    elif target.award is not None:
        _revoke(session, actor, target, target.award, reason, now)
    report.queue_scores(session, target.programme, [pk(target.person)], now)
    return True


def reason_as_kept(reason: str) -> str:
    """A reason with single blanks. Raises Invalid at `reason`."""
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "credit.reason_missing"})
    if len(reason) > LONGEST_REASON:
        raise Invalid({"reason": ("form.too_long", {"longest": LONGEST_REASON})})
    if not reason.isprintable():
        raise Invalid({"reason": "form.unprintable"})
    return reason


def _revoke(session: Session, actor: Actor, target: _Target, award: Award, reason: str, now: datetime) -> None:
    award.revoked_at, award.revoked_reason = now, reason
    session.add(award)
    session.flush()
    programme = target.programme
    basis = competencies.Basis(programme.policy_id or 0, pk(award), actor.person_id, award.org_unit_id)
    booking.put_right(session, programme, target.person, award.person_id, basis, now, reason="reversal", source=reason)


def _taken(session: Session, target: _Target, of_points: int) -> int:
    if target.entry is not None:
        return target.entry.credit_hundredths
    assert target.award is not None
    programme, rows = target.programme, humans.rows_of(target.person)
    without = competencies.practice_booked(
        session, programme, rows, lambda: categories.category_of(session, rows), pk(target.award)
    )
    return max(0, of_points - without)


def _target(session: Session, actor: Actor, programme_uuid: str, person_uuid: str, what: What, uuid: str) -> _Target:
    programme = find(session, Programme, actor.tenant_id, programme_uuid)
    person = humans.today_of(session, find(session, Person, actor.tenant_id, person_uuid))
    if what == "hours":
        entry = find(session, CreditEntry, actor.tenant_id, uuid)
        target = _Target(programme, person, entry, None, None)
        fits = entry.reason in BY_HAND and entry.reverses_id is None and entry.programme_id == pk(programme)
    else:
        found = session.exec(
            select(Award, CompetencyPoint)
            .join(CompetencyPoint, col(CompetencyPoint.id) == col(Award.point_id))
            .where(Award.tenant_id == actor.tenant_id, Award.uuid == uuid)
        ).one_or_none()
        if found is None:
            raise NotFound
        target = _Target(programme, person, None, *found)
        fits = found[0].programme_id == pk(programme)
    if not fits or _owner(target) not in humans.rows_of(person):
        raise NotFound
    return target


def _owner(target: _Target) -> int:
    """The row of a person in which it stands."""
    if target.entry is not None:
        return target.entry.person_id
    assert target.award is not None
    return target.award.person_id


def _scope(session: Session, target: _Target) -> Scope:
    return person_scope(session, target.programme.tenant_id, pk(target.person), pk(target.programme))


def _is_done(session: Session, target: _Target) -> bool:
    if target.award is not None:
        return target.award.revoked_at is not None
    assert target.entry is not None
    taken_back = select(CreditEntry.id).where(col(CreditEntry.reverses_id) == pk(target.entry))
    return session.exec(taken_back).first() is not None
