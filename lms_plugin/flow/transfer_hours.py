"""What acts on both sides of a transfer share: hours that are counted here again, and reasons."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    session: Session,
    programme: Programme,
    row: competencies.transfers.Transfer | None,
    blocks: Collection[str],
    home: Collection[Programme],
) -> None:
    """The turn in a programme, in those of the sender in which hours of these blocks will count again, and in those
    here to which hours come home: in the order of their ids, so that two counties that take in of each other never
    wait for one another."""
    back = _programmes(session, row, _out(row, blocks)) if row is not None and blocks else ()
    for one in sorted({pk(one): one for one in (programme, *back, *home)}.values(), key=pk):
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
        elif one.kind in lacks and (one.reason in {domain.BACK, competencies.ledger.CAME} or one.reverses_id in came):
            came.add(pk(one))
            lacks[one.kind] = max(0, lacks[one.kind] - one.credit_hundredths)
    return {kind: last[kind] for kind, lack in lacks.items() if lack}


@dataclass(frozen=True)
class Home:
    """What of a package left here once and comes home. `lines`: as they left, by transfer; `rest`: what the package
    brings besides; `points`: keys of its points (`Held.key`) that nobody holds anew, as their awards stand here;
    `out`: the transfers by which something left."""

    lines: tuple[tuple[competencies.transfers.Transfer, competencies.transfers.Line], ...]
    rest: tuple[competencies.transfers.Line, ...]
    points: frozenset[str]
    out: tuple[competencies.transfers.Transfer, ...]

    @property
    def hundredths(self) -> int:
        """All hours that come home."""
        return sum(line.hundredths for _transfer, line in self.lines)


_THERE = (domain.TransferState.HANDED, domain.TransferState.ARRIVED)


def home_of(
    session: Session,
    tenant_id: int,
    rows: Collection[int],
    lines: Collection[competencies.transfers.Line],
    points: Mapping[str, tuple[str, Level]],
    anew: Collection[str],
) -> Home:
    """What comes home of these lines and points (`Held.key` → programme there, level). A line that left is home where
    hours of its kind and day come that are at least as many. Better points than had left are new ones: who judged them
    judged them elsewhere. `anew`: keys of points that an officer recognises all the same, in another programme than the
    one they left: they keep the hours that come with them. One query."""
    out = [one for one in domain.transfers_out(session, tenant_id, rows) if one.state in _THERE]
    gone = domain.points_gone(out)
    apart = {points[key][0] for key in anew if key in gone and key in points}
    rest, home = list(lines), list[tuple[competencies.transfers.Transfer, competencies.transfers.Line]]()
    for transfer, kept in domain.lines_out(out, rows):
        left = domain.as_line(kept)
        for place, line in enumerate(rest):
            is_same = (line.kind, line.on) == (left.kind, left.on) and line.hundredths >= left.hundredths
            if is_same and not (line.of_points and line.programme in apart):
                rest[place] = replace(line, hundredths=line.hundredths - left.hundredths)
                home.append((transfer, left))
                break
    back = {key for key, (there, level) in points.items() if level <= gone.get(key, Level.FAIL) and there not in apart}
    return Home(tuple(home), tuple(line for line in rest if line.hundredths), frozenset(back), tuple(out))


def programmes_of(session: Session, tenant_id: int, home: Home) -> tuple[Programme, ...]:
    """To which its hours come home. One query, none where none do."""
    uuids = {line.programme for _transfer, line in home.lines}
    if not uuids:
        return ()
    found = select(Programme).where(Programme.tenant_id == tenant_id, col(Programme.uuid).in_(uuids))
    return tuple(session.exec(found.order_by(col(Programme.id))))


def bring_home(
    session: Session,
    home: Home,
    to: Collection[Programme],
    points: Collection[str],
    place: str,
    by_id: int,
    org_unit_id: int | None,
    now: datetime,
) -> None:
    """These hours count again where they were earned (`to`), and these points (`Held.key`) may leave another time: so
    may those whose hours left with them and are all home. The caller has the turn in their programmes."""
    programmes = {one.uuid: one for one in to}
    domain.book_lines(
        session, programmes, [line for _one, line in home.lines], domain.BACK, place, by_id, org_unit_id, now
    )
    back = {line.id for _transfer, line in home.lines}
    for row in home.out:
        row.lines = [{**kept, "back": kept["back"] or kept["id"] in back} for kept in row.lines]
        brought = [kept for kept in row.lines if kept["of_points"]]
        with_hours = any(kept["id"] in back for kept in brought) and all(kept["back"] for kept in brought)
        row.points = [{**one, "back": one["back"] or with_hours or one["point"] in points} for one in row.points]
        session.add(row)
    session.flush()


def send_scores(session: Session, programmes: Collection[Programme], person: Person, now: datetime) -> None:
    """Their scores of these programmes go out again."""
    for programme in programmes:
        report.queue_scores(session, programme, [pk(person)], now)
