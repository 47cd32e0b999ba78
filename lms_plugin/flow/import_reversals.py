"""整批冲销: a sheet of 网络研修 hours that was the wrong one (of another round, with wrong hours) is taken back in one
act, with a reason; line by line nobody would. Of each line it is the same as `reversal.reverse`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

import competencies
from competencies import CreditEntry, Programme
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import NotFound
from lms_plugin.flow import booking, humans, people, report, reversal, transfer_hours
from lms_plugin.flow.oversee import opening_path
from lms_plugin.flow.scopes import person_in
from lms_plugin.people import OrgUnit, Person, RoleKind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_LISTED = 100


@dataclass(frozen=True)
class Sheet:
    """What one act brought in and still stands. `key` names it in addresses; `sources`: what its column 来源 says."""

    key: int
    at: datetime
    by: str
    people: int
    hundredths: int
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """What taking it back would do. `left`: lines that stay: the actor's own, of who belongs to a unit beyond the
    actor's reach by now, and of whose hours have left for another district."""

    programme: str
    title: str
    sheet: Sheet
    left: int


def sheets_of(session: Session, actor: Actor, programme_uuid: str) -> tuple[Sheet, ...]:
    """The sheets of a programme of which something stands, the newest first: at most `MOST_LISTED`. Three queries."""
    programme, scope = _programme(session, actor, programme_uuid)
    require(actor, Permission.HOURS_IMPORT, scope)
    entry = CreditEntry
    rows = session.exec(
        select(
            entry.entered_at,
            func.max(col(Person.name)),
            func.count(func.distinct(col(entry.person_id))),
            func.sum(col(entry.credit_hundredths)),
        )
        .join(Person, col(Person.id) == col(entry.decided_by_id))
        .join(OrgUnit, col(OrgUnit.id) == col(entry.org_unit_id))
        .where(*_standing(programme), col(OrgUnit.path).startswith(scope.unit_paths[0], autoescape=True))
        .group_by(col(entry.entered_at))
        .order_by(col(entry.entered_at).desc())
        .limit(MOST_LISTED)
    ).all()
    moments = [at for at, *_rest in rows]
    words = session.exec(
        select(entry.entered_at, entry.source)
        .where(*_standing(programme), col(entry.entered_at).in_(moments))
        .distinct()
        .order_by(col(entry.source))
    ).all()
    return tuple(
        Sheet(_key(at), at, by, number, int(total), tuple(source for moment, source in words if moment == at))
        for at, by, number, total in rows
    )


def preview(session: Session, actor: Actor, programme_uuid: str, key: int) -> Preview:
    """What taking that sheet back would do. Raises NotFound where nothing of it stands."""
    programme, scope = _programme(session, actor, programme_uuid)
    require(actor, Permission.CREDIT_REVERSE, scope)
    found = next((one for one in sheets_of(session, actor, programme_uuid) if one.key == key), None)
    if found is None:
        raise NotFound
    taken, left = _lines(session, actor, programme, key)
    sums = sum(one.credit_hundredths for one in taken), len({one.person_id for one in taken})
    sheet = Sheet(found.key, found.at, found.by, sums[1], sums[0], found.sources)
    return Preview(programme.uuid, programme.title, sheet, left)


def take_back(session: Session, actor: Actor, programme_uuid: str, key: int, reason: str, now: datetime) -> int:
    """Reverses what stands of that sheet, with the reason in each line, and sends the scores again; gives how many
    lines. A second click finds none. Raises Invalid without a reason."""
    programme, scope = _programme(session, actor, programme_uuid)
    require(actor, Permission.CREDIT_REVERSE, scope)
    reason = reversal.reason_as_kept(reason)
    booking.take_turn(session, programme)
    taken, _left = _lines(session, actor, programme, key)
    competencies.ledger.reverse_all(session, taken, actor.person_id, reason, now)
    if taken:
        report.queue_scores(session, programme, {one.person_id for one in taken}, now)
    return len(taken)


def _programme(session: Session, actor: Actor, uuid: str) -> tuple[Programme, Scope]:
    """With the highest unit of it that the officer's roles open, as where sheets are sent."""
    programme = find(session, Programme, actor.tenant_id, uuid)
    path = get(session, OrgUnit, programme.org_unit_id).path
    opens = opening_path(path, people.reach(actor, RoleKind.OFFICER)) or path
    return programme, Scope(programme.tenant_id, unit_paths=(opens,))


def _standing(programme: Programme) -> tuple[ColumnElement[bool], ...]:
    """Lines of sheets that nobody took back."""
    back = aliased(CreditEntry)
    taken_back = select(back.id).where(col(back.reverses_id) == col(CreditEntry.id)).exists()
    return (col(CreditEntry.programme_id) == pk(programme), col(CreditEntry.reason) == "import", ~taken_back)


def _lines(session: Session, actor: Actor, programme: Programme, key: int) -> tuple[list[CreditEntry], int]:
    """The lines of that sheet that this officer may take back, and how many stay."""
    here = [CreditEntry.programme_id == pk(programme), CreditEntry.entered_at == _moment(key)]
    every = session.exec(select(CreditEntry).where(*_standing(programme), *here).order_by(col(CreditEntry.id))).all()
    within = set(
        session.exec(
            select(CreditEntry.id).where(
                *_standing(programme), *here, person_in(people.reach(actor, RoleKind.OFFICER), CreditEntry.person_id)
            )
        )
    )
    away = _away(session, programme, every)
    taken = [
        one for one in every if one.id in within and not actor.is_author(one.person_id) and one.person_id not in away
    ]
    return taken, len(every) - len(taken)


def _away(session: Session, programme: Programme, lines: Sequence[CreditEntry]) -> set[int]:
    """Of the people of these lines those whose hours of the programme are in another district: asked one by one of
    those few who ever left."""
    left = set(
        session.exec(
            select(CreditEntry.person_id).where(
                CreditEntry.programme_id == pk(programme), CreditEntry.reason == competencies.transfers.LEFT
            )
        )
    )
    rows = humans.rows_by_row(session, {one.person_id for one in lines}) if left else {}
    return {
        person
        for person, theirs in rows.items()
        if left.intersection(theirs) and transfer_hours.is_away(session, theirs, programme)
    }


def _key(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _moment(key: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=key)
    except OverflowError as error:
        raise NotFound from error
