"""The ledger of credit hours (学时台账): entries are added and never changed; every amount is integer hundredths.

The database itself refuses UPDATE and DELETE (`append_only`), so that no later mistake of ours can rewrite a total.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from sqlalchemy import ColumnElement, and_, bindparam, case, or_
from sqlmodel import Session, col, func, select

from competencies import counted_as
from competencies.hours import HoursKind, HoursRule, Passed, RuleSince, Step, booked_steps
from competencies.levels import Level
from competencies.models import Award, CreditEntry, CreditKind, Programme, ProgrammePolicy
from competencies.rules import Category, Rules
from lms_plugin.append_only import guard, refusing
from lms_plugin.db import pk
from lms_plugin.errors import Invalid, Refused

guard(CreditEntry, refusing("credit_entry"))

CAME = "transfer_in"
"""The reason of hours that came with a person from elsewhere (`transfers`)."""

MOST_IMPORTED = 1000_00
"""More than 1000 学时 in one row of an import is a slip of the keyboard."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What an entry rests on: the rule version, the award, who decided, the school of that day."""

    policy_id: int
    award_id: int | None = None
    decided_by_id: int | None = None
    org_unit_id: int | None = None


@dataclass(frozen=True, slots=True)
class OnlineHours:
    """One row of an officer's import of 网络研修 hours, already matched to a person."""

    person_id: int
    credit_hundredths: int
    source: str
    earned_on: date | None
    org_unit_id: int | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: entries added, and rows that were in the ledger (or earlier in the file) already."""

    added: tuple[CreditEntry, ...]
    known: int


def hours_rule(rules: Rules) -> HoursRule:
    """The hours rule of a programme's rule version."""
    hours = rules.hours
    return HoursRule(
        kind=HoursKind(hours.kind),
        practice_hundredths=hours.practice_hundredths,
        required_points=rules.choice.required_points,
        pass_hundredths=hours.pass_hundredths,
        excellent_hundredths=hours.excellent_hundredths,
        cap_hundredths=hours.cap_hundredths,
        practice_need_hundredths=hours.practice_need_hundredths,
        online_need_hundredths=hours.online_need_hundredths,
    )


def credit(
    session: Session,
    tenant_id: int,
    programme_id: int,
    person_id: int,
    kind: CreditKind,
    credit_hundredths: int,
    basis: Basis,
    now: datetime,
    reason: str = "award",
    source: str = "",
    *,
    earned_on: date | None = None,
    key: str | None = None,
) -> CreditEntry:
    """Adds an entry of that many hundredths (negative where an award was taken back). Raises ValueError for zero.

    `key` names what it stands for, in the district: the database refuses a second entry of it.
    """
    entry = entry_of(
        tenant_id,
        programme_id,
        person_id,
        kind,
        credit_hundredths,
        basis,
        now,
        reason,
        source,
        earned_on=earned_on,
        key=key,
    )
    credit_all(session, [entry])
    return entry


def credit_all(session: Session, entries: Sequence[CreditEntry]) -> None:
    """Adds these entries, in their order: one statement for up to a thousand of them."""
    session.add_all(entries)
    session.flush()


def entry_of(
    tenant_id: int,
    programme_id: int,
    person_id: int,
    kind: CreditKind,
    credit_hundredths: int,
    basis: Basis,
    now: datetime,
    reason: str = "award",
    source: str = "",
    *,
    earned_on: date | None = None,
    key: str | None = None,
) -> CreditEntry:
    """The entry that `credit` would add, for acts that add many at once (`credit_all`)."""
    if credit_hundredths == 0:
        raise ValueError("an entry of nothing says nothing")
    return CreditEntry(
        tenant_id=tenant_id,
        programme_id=programme_id,
        person_id=person_id,
        kind=kind,
        credit_hundredths=credit_hundredths,
        reason=reason,
        source=source[:300],
        policy_id=basis.policy_id,
        award_id=basis.award_id,
        decided_by_id=basis.decided_by_id,
        org_unit_id=basis.org_unit_id,
        earned_on=earned_on,
        import_key=key,
        entered_at=now,
    )


def reverse(session: Session, entry: CreditEntry, decided_by_id: int, why: str, now: datetime) -> CreditEntry:
    """Takes an entry back by a new one of the opposite amount; `why` stands in its `source`.

    Raises Refused `credit.already_reversed`, and `credit.is_reversal` for an entry that is itself a reversal.
    """
    if entry.reverses_id is not None:
        raise Refused("credit.is_reversal")
    taken_back = session.exec(select(CreditEntry.id).where(CreditEntry.reverses_id == pk(entry))).first()
    if taken_back is not None:
        raise Refused("credit.already_reversed")
    reversal = _opposite(entry, decided_by_id, why, now)
    credit_all(session, [reversal])
    return reversal


def reverse_all(session: Session, entries: Sequence[CreditEntry], decided_by_id: int, why: str, now: datetime) -> None:
    """The same of many at once, none of which is a reversal or was taken back: the caller has looked, and has the turn
    in their programme."""
    credit_all(session, [_opposite(entry, decided_by_id, why, now) for entry in entries])


def _opposite(entry: CreditEntry, decided_by_id: int, why: str, now: datetime) -> CreditEntry:
    return CreditEntry(
        tenant_id=entry.tenant_id,
        programme_id=entry.programme_id,
        person_id=entry.person_id,
        kind=entry.kind,
        credit_hundredths=-entry.credit_hundredths,
        reason="reversal",
        policy_id=entry.policy_id,
        award_id=entry.award_id,
        reverses_id=pk(entry),
        decided_by_id=decided_by_id,
        org_unit_id=entry.org_unit_id,
        source=why[:300],
        earned_on=entry.earned_on,
        entered_at=now,
    )


_TOTALS = (
    select(col(CreditEntry.person_id), col(CreditEntry.kind), func.sum(col(CreditEntry.credit_hundredths)))
    .where(
        CreditEntry.programme_id == bindparam("programme"),
        col(CreditEntry.person_id).in_(bindparam("people", expanding=True)),
    )
    .group_by(col(CreditEntry.person_id), col(CreditEntry.kind))
)


def balance(session: Session, programme_id: int, person_ids: Collection[int]) -> dict[int, dict[CreditKind, int]]:
    """The totals of these people in a programme, in hundredths, each kind apart; zero where nothing stands."""
    totals = {person: dict.fromkeys(CreditKind, 0) for person in person_ids}
    if totals:
        rows = session.exec(_TOTALS, params={"programme": programme_id, "people": list(totals)})
        for person, kind, total in rows:
            totals[person][kind] = int(total)
    return totals


OF_POINTS: tuple[ColumnElement[bool], ...] = (
    col(CreditEntry.kind) == CreditKind.PRACTICE,
    or_(col(CreditEntry.import_key).is_(None), col(CreditEntry.award_id).is_not(None)),
    col(CreditEntry.reverses_id).is_(None),
)
"""Practice hours that points brought: a training's entry names its attendance, and what takes it back names it; hours
that came from elsewhere with points name the award that stands for these here."""


def points_practice(session: Session, programme_id: int, person_ids: Collection[int]) -> dict[int, int]:
    """Hundredths of practice hours that points have brought each of these rows, trainings left aside. One query."""
    rows = session.exec(
        select(CreditEntry.person_id, func.sum(col(CreditEntry.credit_hundredths)))
        .where(CreditEntry.programme_id == programme_id, col(CreditEntry.person_id).in_(person_ids), *OF_POINTS)
        .group_by(col(CreditEntry.person_id))
    )
    return {person: int(total) for person, total in rows}


def practice_totals(session: Session, programme_id: int, person_ids: Collection[int]) -> tuple[int, int]:
    """Hundredths of practice hours of these rows together: all of them, and those that points brought. One query."""
    of_points = and_(*OF_POINTS)
    amount = col(CreditEntry.credit_hundredths)
    everything, points = session.exec(
        select(func.sum(amount), func.sum(case((of_points, amount), else_=0))).where(
            CreditEntry.programme_id == programme_id,
            col(CreditEntry.person_id).in_(person_ids),
            CreditEntry.kind == CreditKind.PRACTICE,
        )
    ).one()
    return int(everything or 0), int(points or 0)


def practice_booked(
    session: Session,
    programme: Programme,
    person_ids: Collection[int],
    category_of: Callable[[], Category | None],
    without_award_id: int | None = None,
) -> int:
    """Hundredths of practice hours that the awards these rows of one human being hold have brought: the sum of
    `practice_steps`."""
    steps = practice_steps(session, programme, person_ids, category_of, without_award_id)
    return sum(step.hundredths for step in steps)


def practice_steps(
    session: Session,
    programme: Programme,
    person_ids: Collection[int],
    category_of: Callable[[], Category | None],
    without_award_id: int | None = None,
) -> list[Step]:
    """What the awards these rows of one human being hold have brought in practice hours, and when, by the rules of
    their days (`booked_steps`): what the ledger says, unless an award was taken back since. Hours
    that came from elsewhere with points (`CAME`) stand as they came: no rule of this place brought them, and none takes
    them back. Three queries, one more where rules differ by category.

    Rules are those of the 类别 as which they were counted on each day (`counted_as`). `category_of`: that of today, for
    whom nobody counted yet; asked only where rules differ by it.
    `without_award_id`: told as if this award had never been made. A rule version under which nothing was ever booked
    for them (put right before anybody had it) counts for nothing.
    """
    people = list(person_ids)
    brought = session.exec(
        select(CreditEntry)
        .where(
            CreditEntry.programme_id == pk(programme),
            col(CreditEntry.person_id).in_(people),
            col(CreditEntry.credit_hundredths) > 0,
            *OF_POINTS,
        )
        .order_by(col(CreditEntry.id))
    ).all()
    used = {entry.policy_id for entry in brought}
    came = [entry for entry in brought if entry.reason == CAME]
    versions = [
        (policy, Rules.model_validate(policy.rules))
        for policy in session.exec(
            select(ProgrammePolicy)
            .where(ProgrammePolicy.programme_id == pk(programme))
            .order_by(col(ProgrammePolicy.number))
        )
    ]
    said: list[counted_as.Said] = []
    if any(rules.categories for _policy, rules in versions):
        made_at = versions[0][0].made_at
        said = counted_as.said_of(session, pk(programme), people) or [counted_as.Said(made_at, category_of())]
    rules = [
        RuleSince(one.since, _hours_of(*versions[one.version], one.category, {*used, programme.policy_id}))
        for one in counted_as.in_force([policy.made_at for policy, _rules in versions], said)
    ]
    awards = session.exec(
        select(Award)
        .where(
            Award.programme_id == pk(programme),
            col(Award.person_id).in_(people),
            or_(col(Award.revoked_at).is_(None), col(Award.is_replaced)),
        )
        .order_by(col(Award.id))
    )
    passes = _passes([award for award in awards if award.id != without_award_id])
    steps = booked_steps(rules, passes, [Step(one.entered_at, one.credit_hundredths) for one in came])
    return [*(Step(_noon(one), one.credit_hundredths) for one in came), *steps]


def _passes(awards: Sequence[Award]) -> list[Passed]:
    """When points were held, and how well. What an appeal replaced was held from its own day on, as far as the award in
    its place bears out: hours that it brought stay on that day, by the rule of that day."""
    stands = {award.decision_id: award.level for award in awards if award.revoked_at is None}
    return [
        Passed(award.awarded_at, award.point_id, Level(min(award.level, stands[award.decision_id])))
        for award in awards
        if award.decision_id in stands
    ]


def _hours_of(
    policy: ProgrammePolicy, rules: Rules, category: Category | None, used: Collection[int | None]
) -> HoursRule | None:
    """What a rule version says for a category; None where nothing was ever booked under it."""
    return hours_rule(rules.for_category(category)) if policy.id in used else None


def _noon(entry: CreditEntry) -> datetime:
    """A moment of the day on which it counts."""
    return datetime.combine(entry.earned_on, time(12), UTC) if entry.earned_on is not None else entry.entered_at


def import_key(programme_id: int, row: OnlineHours) -> str:
    """What makes the same row the same: programme, person, amount, source and day."""
    parts = [programme_id, row.person_id, row.credit_hundredths, " ".join(row.source.split()), str(row.earned_on)]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def import_online(
    session: Session,
    tenant_id: int,
    programme_id: int,
    policy_id: int,
    rows: Sequence[OnlineHours],
    decided_by_id: int,
    now: datetime,
) -> Imported:
    """Adds 网络研修 hours from an officer's sheet; a row that is there already is not added again.

    A row that was reversed stays reversed when its sheet is sent once more. Raises Invalid naming the row (1 = first)
    whose hours are not above 0 and at most 1000.
    """
    wrong: dict[str, str | tuple[str, dict[str, object]]] = {
        f"rows.{number}": ("credit.hours_out_of_range", {"row": number, "most": MOST_IMPORTED // 100})
        for number, row in enumerate(rows, start=1)
        if not 0 < row.credit_hundredths <= MOST_IMPORTED
    }
    if wrong:
        raise Invalid(wrong)
    keyed = {import_key(programme_id, row): row for row in rows}
    known = set(
        session.exec(
            select(CreditEntry.import_key).where(
                CreditEntry.tenant_id == tenant_id, col(CreditEntry.import_key).in_(keyed)
            )
        )
    )
    added = [
        CreditEntry(
            tenant_id=tenant_id,
            programme_id=programme_id,
            person_id=row.person_id,
            kind=CreditKind.ONLINE,
            credit_hundredths=row.credit_hundredths,
            reason="import",
            policy_id=policy_id,
            decided_by_id=decided_by_id,
            org_unit_id=row.org_unit_id,
            source=" ".join(row.source.split())[:300],
            earned_on=row.earned_on,
            import_key=key,
            entered_at=now,
        )
        for key, row in keyed.items()
        if key not in known
    ]
    session.add_all(added)
    session.flush()
    return Imported(tuple(added), len(rows) - len(added))
