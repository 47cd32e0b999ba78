"""What acts on both sides of a transfer share: hours that are counted here again, and reasons."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
from competencies import Programme
from lms_plugin.db import get, pk
from lms_plugin.errors import Invalid, Refused
from lms_plugin.flow import booking, humans, report
from lms_plugin.people import Person

domain = competencies.transfers


def reason_as_kept(reason: str) -> str:
    """A reason with single blanks. Raises Invalid at `reason`."""
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "transfer.reason_missing"})
    if len(reason) > domain.LONGEST_REASON:
        raise Invalid({"reason": ("form.too_long", {"longest": domain.LONGEST_REASON})})
    if not reason.isprintable():
        raise Invalid({"reason": "form.unprintable"})
    return reason


def count_again(
    session: Session,
    row: competencies.transfers.Transfer,
    by_id: int | None,
    now: datetime,
    *,
    blocks: Collection[str] | None = None,
) -> None:
    """Hours that were out count here again, by entries of their own: all of them, or those of these blocks."""
    back = _out(row, blocks)
    if not back:
        return
    programmes = _programmes(session, row, back)
    for programme in programmes:
        booking.take_turn(session, programme)
    found = {one.uuid: one for one in programmes}
    domain.book_lines(session, found, back, domain.BACK, row.to_name, by_id, row.org_unit_id, now)
    gone = {line.id for line in back}
    row.lines = [{**kept, "back": kept["back"] or kept["id"] in gone} for kept in row.lines]
    session.add(row)
    session.flush()
    send_scores(session, programmes, humans.today_of(session, get(session, Person, row.person_id)), now)


def _out(row: competencies.transfers.Transfer, blocks: Collection[str] | None) -> list[competencies.transfers.Line]:
    lines = [domain.as_line(kept) for kept in row.lines if not kept["back"]]
    return [line for line in lines if blocks is None or line.block in blocks]


def _programmes(
    session: Session, row: competencies.transfers.Transfer, lines: Collection[competencies.transfers.Line]
) -> Sequence[Programme]:
    uuids = {line.programme for line in lines}
    return session.exec(
        select(Programme)
        .where(Programme.tenant_id == row.tenant_id, col(Programme.uuid).in_(uuids))
        .order_by(col(Programme.id))
    ).all()


def take_turns(
    session: Session, programme: Programme, row: competencies.transfers.Transfer | None, blocks: Collection[str]
) -> None:
    """The turn in a programme, and in those of the sender in which hours of these blocks will count again: in the
    order of their ids, so that two counties that take in of each other never wait for one another."""
    back = _programmes(session, row, _out(row, blocks)) if row is not None and blocks else ()
    for one in sorted([programme, *back], key=pk):
        booking.take_turn(session, one)


def send_scores(session: Session, programmes: Collection[Programme], person: Person, now: datetime) -> None:
    """Their scores of these programmes go out again."""
    for programme in programmes:
        report.queue_scores(session, programme, [pk(person)], now)


def require_here(session: Session, rows: Collection[int], programme: Programme) -> None:
    """Raises Refused `credit.moved_away` where hours of these rows in a programme have left for another district: what
    is taken back here would take from what is not here. One query."""
    if place := _away_to(session, rows, programme):
        raise Refused("credit.moved_away", place=place)


def is_away(session: Session, rows: Collection[int], programme: Programme) -> bool:
    """Whether hours of these rows in a programme have left for another district, and are not back. One query."""
    return bool(_away_to(session, rows, programme))


def _away_to(session: Session, rows: Collection[int], programme: Programme) -> str:
    for transfer, line in domain.lines_out(domain.transfers_out(session, programme.tenant_id, rows), rows):
        if line["programme"] == programme.uuid:
            return transfer.to_name
    return ""
