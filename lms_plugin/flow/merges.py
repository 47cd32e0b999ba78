"""Two rows that are one human being become one, and two again where that was a mistake.

A merge re-points identities, in a log; everything else stays where it is and is read over all rows (`humans`). Three
consequences are acts of their own: hours that would count twice are taken out of the ledger by an entry, peer reviews
of what turns out to be own work are set aside, and the row that gives its identities away is signed out.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select, union

import competencies
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import by_id, find, get, pk
from lms_plugin.errors import Conflict, Refused
from lms_plugin.flow import (
    booking,
    doors,
    humans,
    merge_reviews,
    online_hours,
    report,
    roster_ties,
    sessions,
    training_hours,
)
from lms_plugin.people import Identity, IdentityMove, Notice, Person, RosterEntry

LONGEST_REASON = 200


def merge_persons(session: Session, actor: Actor, from_uuid: str, to_uuid: str, reason: str, now: datetime) -> Person:
    """The identities of the first row go to the second, which stands for the human being from now on.

    Raises Conflict where either was merged already, Refused `person.merge_self` for one and the same row, `merge.own`
    for the actor's own, `merge.two_on_roster` where each has a row on the roster: a person stands there once.
    """
    require(actor, Permission.PERSON_MERGE, Scope(actor.tenant_id))
    source, target = find(session, Person, actor.tenant_id, from_uuid), find(session, Person, actor.tenant_id, to_uuid)
    if pk(source) == pk(target):
        raise Refused("person.merge_self")
    _not_own(actor, source, target)
    programmes = _take_turns(session, [*humans.rows_of(source), *humans.rows_of(target)])
    _lock(session, source, target)
    if source.merged_into_id is not None or target.merged_into_id is not None:
        raise Conflict("person.merged_already")
    _one_on_roster(session, source, target)
    _move_identities(session, actor, _identities(session, source), source, target, reason, now)
    # Kept flat: whoever was merged into the first row is now known as the second. The first keeps its own list for
    # the day the merge is undone.
    for row in by_id(session, Person, source.absorbed_ids).values():
        row.merged_into_id = pk(target)
        session.add(row)
    target.absorbed_ids = [*target.absorbed_ids, *humans.rows_of(source)]
    target.answered_at = target.answered_at or source.answered_at
    source.merged_into_id = pk(target)
    session.add_all([source, target])
    session.flush()
    roster_ties.match_roster(session, target, now)
    sessions.end_sessions(session, pk(source), now)
    _settle_notices(session, actor, [source.uuid, target.uuid], now)
    merge_reviews.fall(session, actor, humans.rows_of(target), now)
    training_hours.book_once(session, actor, target, reason, now)
    online_hours.count_once(session, actor, target, reason, now)
    for programme in programmes:
        _follow_rule(session, actor, programme, target, "merge", reason, now)
        report.queue_scores(session, programme, [pk(target)], now)
    session.flush()
    return target


def undo_merge(session: Session, actor: Actor, from_uuid: str, now: datetime) -> Person:
    """What the merge moved goes back to the row it came from: identities, and with the row its works, roles, hours and
    the rows it had absorbed itself; its row of the roster and the reviews that were set aside, where nobody changed
    them since. What was done since stays on the row that was kept. Both are signed out.

    Raises Conflict `merge.undone` where it is undone already, `merge.merged_again` where the kept row was merged into
    another one since (that goes first), Refused `merge.own`, `merge.not_in_log`.
    """
    require(actor, Permission.PERSON_MERGE, Scope(actor.tenant_id))
    source = find(session, Person, actor.tenant_id, from_uuid)
    if source.merged_into_id is None:
        raise Conflict("merge.undone")
    target = get(session, Person, source.merged_into_id)
    _not_own(actor, source, target)
    programmes = _take_turns(session, humans.rows_of(target))
    _lock(session, source, target)
    if source.merged_into_id != pk(target):
        raise Conflict("merge.undone")
    moves = moves_of(session, source)
    if not moves:
        raise Refused("merge.not_in_log")
    if moves[0].to_person_id != pk(target):
        raise Conflict("merge.merged_again")
    merged_at = moves[0].moved_at
    last = {m.identity_id for m in moves if (m.to_person_id, m.moved_at) == (pk(target), merged_at)}
    identities = list(by_id(session, Identity, sorted(last)).values())
    _move_identities(session, actor, identities, target, source, "", now)
    gone = humans.rows_of(source)
    for row in by_id(session, Person, source.absorbed_ids).values():
        row.merged_into_id = pk(source)
        session.add(row)
    target.absorbed_ids = [row for row in target.absorbed_ids if row not in gone]
    source.merged_into_id = None
    session.add_all([source, target])
    session.flush()
    roster_ties.give_back(session, gone, target, merged_at, now)
    merge_reviews.bring_back(session, [gone, humans.rows_of(target)], merged_at, now)
    online_hours.count_each(session, actor, [*gone, *humans.rows_of(target)], merged_at, now)
    for person in (source, target):
        sessions.end_sessions(session, pk(person), now)
        training_hours.book_each(session, actor, person, now)
        for programme in programmes:
            _follow_rule(session, actor, programme, person, "unmerge", "", now)
            report.queue_scores(session, programme, [pk(person)], now)
    session.flush()
    return source


def moves_of(session: Session, source: Person) -> Sequence[IdentityMove]:
    """What the log knows of identities that left this row, the latest first."""
    return session.exec(
        select(IdentityMove)
        .where(IdentityMove.from_person_id == pk(source))
        .order_by(col(IdentityMove.moved_at).desc(), col(IdentityMove.id).desc())
    ).all()


def _not_own(actor: Actor, source: Person, target: Person) -> None:
    """Nobody merges themselves: they would take over somebody's result, roles or duties."""
    if actor.is_author(pk(source)) or actor.is_author(pk(target)):
        raise Refused("merge.own")


def _take_turns(session: Session, rows: Collection[int]) -> list[competencies.Programme]:
    """The programmes in which one of the rows did something, each kept from releases and reversals meanwhile."""
    found = union(
        *(
            select(table.programme_id).where(col(table.person_id).in_(rows))
            for table in (competencies.Submission, competencies.Award, competencies.CreditEntry)
        )
    ).subquery()
    keys = [int(key) for (key,) in session.connection().execute(select(found.c.programme_id)).all()]
    programmes = by_id(session, competencies.Programme, keys)
    for key in sorted(programmes):
        booking.take_turn(session, programmes[key])
    return [programmes[key] for key in sorted(programmes)]


def _lock(session: Session, *persons: Person) -> None:
    """One merge of a row at a time: who waited here reads what the other one made of it."""
    for person in sorted(persons, key=pk):
        session.refresh(person, with_for_update=True)


def _one_on_roster(session: Session, source: Person, target: Person) -> None:
    sides = humans.rows_of(source), humans.rows_of(target)
    found = session.exec(
        select(RosterEntry)
        .where(col(RosterEntry.person_id).in_([*sides[0], *sides[1]]), col(RosterEntry.removed_at).is_(None))
        .order_by(col(RosterEntry.staff_number))
    ).all()
    if all(any(entry.person_id in side for entry in found) for side in sides):
        raise Refused("merge.two_on_roster", numbers="、".join(entry.staff_number for entry in found))


def _identities(session: Session, person: Person) -> Sequence[Identity]:
    return session.exec(select(Identity).where(Identity.person_id == pk(person)).order_by(col(Identity.id))).all()


def _move_identities(
    session: Session,
    actor: Actor,
    identities: Sequence[Identity],
    source: Person,
    target: Person,
    reason: str,
    now: datetime,
) -> None:
    for identity in sorted(identities, key=pk):
        identity.person_id = pk(target)
        session.add(identity)
        session.add(
            IdentityMove(
                tenant_id=actor.tenant_id,
                identity_id=pk(identity),
                from_person_id=pk(source),
                to_person_id=pk(target),
                moved_by_id=actor.person_id,
                reason=reason[:LONGEST_REASON],
                moved_at=now,
            )
        )


def _settle_notices(session: Session, actor: Actor, uuids: Collection[str], now: datetime) -> None:
    for notice in session.exec(
        select(Notice).where(
            Notice.tenant_id == actor.tenant_id,
            col(Notice.kind).in_(["person.twice_on_roster", doors.TWO_DOORS]),
            col(Notice.key).in_(uuids),
            col(Notice.done_at).is_(None),
        )
    ).all():
        notice.done_at = now
        session.add(notice)


def _follow_rule(
    session: Session,
    actor: Actor,
    programme: competencies.Programme,
    person: Person,
    kind: str,
    reason: str,
    now: datetime,
) -> None:
    """Brings the practice hours of a human being to what all their awards together have brought."""
    basis = competencies.Basis(programme.policy_id or 0, decided_by_id=actor.person_id)
    booking.put_right(session, programme, person, pk(person), basis, now, reason=kind, source=reason)
