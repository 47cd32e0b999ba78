"""What the ledger says of a human being: a programme's entries, all hours as cycles count them, the newest seal."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, case, func
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from competencies.cycles import Counted, Span
from competencies.ledger import OF_POINTS
from competencies.models import Award, CreditEntry, CreditKind, LedgerSeal
from competencies.programmes import local_day
from competencies.seals import Head

_TakenBack = aliased(CreditEntry)
_COUNTS_AT = func.coalesce(col(_TakenBack.entered_at), col(Award.awarded_at), col(CreditEntry.entered_at))
"""The moment that counts where no day was written down: of a reversal, that of what it takes back. Entries of awards
taken back and of merges say their day since `put_right`; of older ones the award's moment, or their own, must do."""


class PersonLedger(NamedTuple):
    """`entries`: of the one programme, oldest first; `days`: those on which they count. `head`: None where the person
    has no entries, or none is sealed. `everything`: of all programmes."""

    entries: list[CreditEntry]
    days: list[date]
    head: Head | None
    everything: list[Counted]


class WholeLedger(NamedTuple):
    """`entries`: each with the day on which it counts, oldest first. `head`: as in `PersonLedger`."""

    entries: list[tuple[CreditEntry, date]]
    head: Head | None


_NEWEST = select(func.max(col(LedgerSeal.number))).where(col(LedgerSeal.tenant_id) == CreditEntry.tenant_id)
_OF_PERSON: Any = (
    columns(CreditEntry, _COUNTS_AT, col(LedgerSeal.number), col(LedgerSeal.hash), col(LedgerSeal.sealed_at))
    .outerjoin(_TakenBack, col(_TakenBack.id) == col(CreditEntry.reverses_id))
    .outerjoin(Award, col(Award.id) == col(CreditEntry.award_id))
    .outerjoin(
        LedgerSeal,
        and_(
            col(LedgerSeal.tenant_id) == CreditEntry.tenant_id,
            col(LedgerSeal.number) == _NEWEST.correlate(CreditEntry).scalar_subquery(),
        ),
    )
    .where(col(CreditEntry.person_id).in_(bindparam("people", expanding=True)))
    .order_by(col(CreditEntry.id))
)


def person_ledger(session: Session, programme_id: int, person_ids: Collection[int], timezone: str) -> PersonLedger:
    """All of it in one query, for a page that shows it. Days are those of the time zone."""
    whole = whole_ledger(session, person_ids, timezone)
    own = [(entry, on) for entry, on in whole.entries if entry.programme_id == programme_id]
    return PersonLedger(
        [entry for entry, _on in own],
        [on for _entry, on in own],
        whole.head,
        [Counted(entry.kind, entry.credit_hundredths, on) for entry, on in whole.entries],
    )


def whole_ledger(session: Session, person_ids: Collection[int], timezone: str) -> WholeLedger:
    """All entries of these rows, in all programmes, each with the day on which it counts. One query."""
    rows = session.execute(_OF_PERSON, {"people": list(person_ids)}).all()
    return WholeLedger([(row[0], _day(row[0].earned_on, row[1], timezone)) for row in rows], _head(rows))


def points_practice_by_day(
    session: Session, programme_id: int, person_ids: Collection[int], timezone: str
) -> list[tuple[int, date]]:
    """Hundredths of practice hours that points brought these rows, entry by entry, each with the day on which it
    counts. One query."""
    rows = session.execute(
        columns(col(CreditEntry.credit_hundredths), col(CreditEntry.earned_on), _COUNTS_AT)
        .outerjoin(_TakenBack, col(_TakenBack.id) == col(CreditEntry.reverses_id))
        .outerjoin(Award, col(Award.id) == col(CreditEntry.award_id))
        .where(col(CreditEntry.programme_id) == programme_id, col(CreditEntry.person_id).in_(person_ids), *OF_POINTS)
        .order_by(col(CreditEntry.id))
    )
    return [(hundredths, _day(earned_on, moment, timezone)) for hundredths, earned_on, moment in rows]


def _head(rows: Sequence[Any]) -> Head | None:
    return Head(*rows[0][2:]) if rows and rows[0][2] is not None else None


def _day(earned_on: date | None, moment: datetime, timezone: str) -> date:
    return earned_on or local_day(moment, timezone)


def sums_in(span: Span, owner: ColumnElement[int], tenant_id: int) -> Any:
    """A select of (owner, total, practice) in hundredths within that cycle: the same reckoning as `person_ledger`, by
    the database. `owner`: of whom, by `CreditEntry.person_id`; the caller joins what it takes to get there."""
    amount = col(CreditEntry.credit_hundredths)
    day, moment = col(CreditEntry.earned_on), _COUNTS_AT
    practice = case((col(CreditEntry.kind) == CreditKind.PRACTICE, amount), else_=0)
    return (
        columns(owner, func.sum(amount), func.sum(practice))
        .select_from(CreditEntry)
        .outerjoin(_TakenBack, col(_TakenBack.id) == col(CreditEntry.reverses_id))
        .outerjoin(Award, col(Award.id) == col(CreditEntry.award_id))
        .where(
            col(CreditEntry.tenant_id) == tenant_id,
            (day.is_not(None) & day.between(span.first_on, span.last_on))
            | (day.is_(None) & (moment >= span.start_at) & (moment < span.end_at)),
        )
        .group_by(owner)
    )
