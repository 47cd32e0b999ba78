"""What acts on both sides of a transfer share: hours that are counted here again, and reasons."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
from competencies import CreditEntry, CreditKind, Level, Programme
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


def require_here(session: Session, rows: Collection[int], programme: Programme) -> None:
    """Raises Refused `credit.moved_away` where hours of these rows in a programme have left for another district: what
    is taken back here would take from what is not here. One query."""
    if place := _away_to(session, rows, programme):
        raise Refused("credit.moved_away", place=place)


def is_away(session: Session, rows: Collection[int], programme: Programme) -> bool:
    """Whether hours of these rows in a programme have left for another district, and are not back. One query."""
    return bool(_away_to(session, rows, programme))


def _away_to(session: Session, rows: Collection[int], programme: Programme) -> str:
    entries = session.exec(
        select(CreditEntry)
        .where(CreditEntry.programme_id == pk(programme), col(CreditEntry.person_id).in_(rows))
        .order_by(col(CreditEntry.id))
    ).all()
    left = sorted(away(entries).values(), key=pk)
    return left[-1].source if left else ""


def away(entries: Iterable[CreditEntry]) -> dict[CreditKind, CreditEntry]:
    """The kinds of hours of a person in a programme of which more left than is back, each with the entry by which they
    left last. Back is what counts here again, and what came in since: somebody who moves away and back brings along
    what had left. `entries`: all of theirs there, oldest first."""
    lacks: dict[CreditKind, int] = {}
    last: dict[CreditKind, CreditEntry] = {}
    came: set[int] = set()
    for one in entries:
        if one.reason == domain.LEFT:
            lacks[one.kind] = lacks.get(one.kind, 0) - one.credit_hundredths
            last[one.kind] = one
        elif one.kind in lacks and (one.reason in {domain.BACK, domain.CAME} or one.reverses_id in came):
            came.add(pk(one))
            lacks[one.kind] = max(0, lacks[one.kind] - one.credit_hundredths)
    return {kind: last[kind] for kind, lack in lacks.items() if lack}


def home_points(
    session: Session, tenant_id: int, rows: Collection[int], points: Mapping[str, Level]
) -> tuple[list[competencies.transfers.Transfer], set[str]]:
    """Of these points (`Held.key` → level) that came, those that were earned here, left and come home: nobody holds
    them anew, their awards stand here as they were. With the transfers by which they left. Better ones than had left
    are none: who judged them judged them elsewhere. One query."""
    out = list(domain.transfers_out(session, tenant_id, rows))
    gone = domain.points_gone(out)
    return out, {key for key, level in points.items() if level <= gone.get(key, Level.FAIL)}


def bring_home(session: Session, out: Collection[competencies.transfers.Transfer], home: Collection[str]) -> None:
    """These points are held here again: they may leave another time."""
    for row in out:
        if any(one["point"] in home and not one["back"] for one in row.points):
            row.points = [{**one, "back": one["back"] or one["point"] in home} for one in row.points]
            session.add(row)
    session.flush()


def send_scores(session: Session, programmes: Collection[Programme], person: Person, now: datetime) -> None:
    """Their scores of these programmes go out again."""
    for programme in programmes:
        report.queue_scores(session, programme, [pk(person)], now)
