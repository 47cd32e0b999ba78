"""Which row of the roster is whom: 工号 and name tie, another 工号 unties, and where in doubt a human being says it.

A person holds one row, a row one person. `Person.confirmed_how` of somebody unconfirmed remembers what was before:
"again" (was confirmed, says something else now) and "renamed" (was confirmed under another name: no row is theirs
before a school lead or officer has said so).
"""

import unicodedata
from collections.abc import Collection
from datetime import datetime

from sqlmodel import Session, col, func, select

import competencies
from lms_plugin.access import Actor, Permission, Scope, can
from lms_plugin.db import get, pk
from lms_plugin.flow import categories, enter, humans, leavers
from lms_plugin.people import (
    Notice,
    OrgMembership,
    OrgUnit,
    Person,
    Role,
    RoleKind,
    RosterEntry,
    RosterMove,
    Tenant,
)

FEW = 500  # more values than this are no list for a query
AGAIN, RENAMED, TWICE = "again", "renamed", "person.twice_on_roster"
_BETWEEN_NAMES = str.maketrans("", "", " ·•・‧・.")  # a dot within a name is written in many ways


def plain_name(name: str) -> str:
    """A name as it is compared: width, spaces and dots within it make no other person."""
    return unicodedata.normalize("NFKC", name).translate(_BETWEEN_NAMES).casefold()


def match_roster(session: Session, person: Person, now: datetime) -> bool:
    """Ties the person to the roster row of the same staff number and name; that confirms them.

    A row that is theirs already stays theirs under another name, unconfirmed. A row of somebody else is not taken
    away: officers are told.
    """
    row = _row_of(session, person)
    if row is None:
        return False
    is_theirs, is_same = row.person_id in humans.rows_of(person), plain_name(row.name) == plain_name(person.name)
    if not is_theirs and not is_same:
        return False
    if not is_theirs and row.person_id is not None:
        facts = {"name": person.name, "staff_number": person.staff_number}
        enter.raise_notice(session, person.tenant_id, TWICE, person.uuid, facts, now)
        return False
    if not is_theirs and (person.confirmed_how == RENAMED or _holds_another(session, person, row)):
        return False
    _tie(session, row, person, now)
    if is_same:
        person.confirmed_at, person.confirmed_how = now, "roster"
    session.flush()
    return True


def vouch(session: Session, actor: Actor, person: Person, now: datetime) -> None:
    """Somebody in charge has said that this is who they say they are: a free row of their staff number within that
    somebody's reach is theirs, however its name is spelt."""
    row = _row_of(session, person)
    if row is None or row.person_id is not None or _holds_another(session, person, row):
        return
    path = get(session, OrgUnit, row.org_unit_id).path
    if can(actor, Permission.PERSON_CONFIRM, Scope(actor.tenant_id, owner_id=pk(person), unit_paths=(path,))):
        _tie(session, row, person, now)
        session.flush()


def untie(session: Session, person: Person, number: str, now: datetime) -> None:
    """The person says another staff number now: the row of the former one waits again for whoever it belongs to."""
    for row in session.exec(
        select(RosterEntry).where(
            RosterEntry.staff_number == number, col(RosterEntry.person_id).in_(humans.rows_of(person))
        )
    ).all():
        _hand(session, row, None, now)
    session.flush()


def give_away(session: Session, row: RosterEntry, now: datetime) -> None:
    """The row's staff number belongs to somebody else now: whoever held it is on the roster no more."""
    if row.person_id is None:
        return
    held = humans.today_of(session, get(session, Person, row.person_id))
    _hand(session, row, None, now)
    if held.confirmed_how == "roster":
        held.confirmed_at, held.confirmed_how = None, AGAIN
    session.add(held)
    session.flush()


def back_on_roster(session: Session, row: RosterEntry, now: datetime) -> None:
    """A row that was taken off comes back, free where its person, under whatever row, holds another one by now."""
    if row.person_id is None:
        return
    if _holds_another(session, humans.today_of(session, get(session, Person, row.person_id)), row):
        _hand(session, row, None, now)
        session.flush()


def give_back(session: Session, rows: Collection[int], holder: Person, merged_at: datetime, now: datetime) -> None:
    """What a merge at that time took from these rows and gave to `holder` goes back to whoever held it, with what it
    made of the holder; a row that anybody tied, untied or gave away since stays as it is now."""
    moves = session.exec(
        select(RosterMove)
        .where(
            col(RosterMove.from_person_id).in_(rows),
            RosterMove.to_person_id == pk(holder),
            RosterMove.moved_at == merged_at,
            col(RosterMove.undone_at).is_(None),
        )
        .order_by(col(RosterMove.id))
    ).all()
    for move in moves:
        row = session.exec(select(RosterEntry).where(RosterEntry.id == move.roster_entry_id).with_for_update()).one()
        last = session.exec(
            select(func.max(col(RosterMove.id))).where(
                RosterMove.roster_entry_id == pk(row), col(RosterMove.undone_at).is_(None)
            )
        ).one()
        if row.person_id != pk(holder) or last != move.id:
            continue
        row.person_id, move.undone_at = move.from_person_id, now
        if (holder.confirmed_how, holder.confirmed_at) == ("roster", move.moved_at):
            holder.confirmed_at, holder.confirmed_by_id = move.was_confirmed_at, move.was_confirmed_by_id
            holder.confirmed_how = move.was_confirmed_how
        session.add_all([row, move, holder])
        school = get(session, OrgUnit, row.org_unit_id)
        if move.was_unit_id is not None and _unit_of(session, holder) == pk(school):
            move_to_school(session, holder, get(session, OrgUnit, move.was_unit_id), now)
        if row.person_id is not None and row.removed_at is None:
            # the list may have named another school meanwhile
            move_to_school(session, get(session, Person, row.person_id), school, now)
    session.flush()


def claimants(session: Session, tenant_id: int, numbers: Collection[str]) -> list[Person]:
    """The people who say one of these staff numbers, the first to come first."""
    statement = (
        select(Person)
        .join(
            RosterEntry,
            (col(RosterEntry.staff_number) == col(Person.staff_number))
            & (col(RosterEntry.tenant_id) == col(Person.tenant_id)),
        )
        .where(Person.tenant_id == tenant_id, col(Person.merged_into_id).is_(None))
        .order_by(col(Person.id))
    )
    wanted = set(numbers)
    if len(wanted) <= FEW:
        statement = statement.where(col(Person.staff_number).in_(wanted))
    return [person for person in session.exec(statement) if person.staff_number in wanted]


def move_to_school(session: Session, person: Person, school: OrgUnit, now: datetime) -> None:
    """From today the person belongs to that school; the earlier membership ends today and stays as history."""
    today = competencies.local_day(now, get(session, Tenant, person.tenant_id).timezone)
    open_rows = session.exec(
        select(OrgMembership).where(OrgMembership.person_id == pk(person), col(OrgMembership.ends_on).is_(None))
    ).all()
    if any(row.org_unit_id == pk(school) for row in open_rows):
        return
    for row in open_rows:
        if row.starts_on == today:
            session.delete(row)  # corrected on the day it was typed: no history of a slip
        else:
            row.ends_on = today
            session.add(row)
    session.add(OrgMembership(person_id=pk(person), org_unit_id=pk(school), starts_on=today))
    _leave_panels(session, [pk(person)], now)


def leave_panels(session: Session, person: Person, now: datetime) -> None:
    """Who was taken from the roster, and stands nowhere else on it, decides for no school any more; what they decided
    stays. Put back on the roster they are named anew."""
    if session.exec(select(Person.id).where(Person.id == pk(person), leavers.is_off_roster())).first() is not None:
        _leave_panels(session, humans.rows_of(humans.today_of(session, person)), now)


def _leave_panels(session: Session, rows: Collection[int], now: datetime) -> None:
    for role in session.exec(  # a 考核小组 is of people of the school
        select(Role).where(col(Role.person_id).in_(rows), Role.kind == RoleKind.PANEL, col(Role.revoked_at).is_(None))
    ).all():
        role.revoked_at = now
        session.add(role)
    session.flush()


def _row_of(session: Session, person: Person) -> RosterEntry | None:
    if not person.staff_number:
        return None
    return session.exec(
        select(RosterEntry)
        .where(
            RosterEntry.tenant_id == person.tenant_id,
            RosterEntry.staff_number == person.staff_number,
            col(RosterEntry.removed_at).is_(None),
        )
        .with_for_update()  # two who say the same at once: the second finds the row taken
    ).one_or_none()


def _holds_another(session: Session, person: Person, row: RosterEntry) -> bool:
    return (
        session.exec(
            select(RosterEntry.id).where(
                col(RosterEntry.person_id).in_(humans.rows_of(person)),
                col(RosterEntry.removed_at).is_(None),
                RosterEntry.id != pk(row),
            )
        ).first()
        is not None
    )


def _tie(session: Session, row: RosterEntry, person: Person, now: datetime) -> None:
    """The officer's list also knows better where the person belongs."""
    _hand(session, row, person, now)
    move_to_school(session, person, get(session, OrgUnit, row.org_unit_id), now)
    session.add(person)
    for notice in session.exec(
        select(Notice).where(
            Notice.tenant_id == person.tenant_id,
            Notice.kind == TWICE,
            Notice.key == person.uuid,
            col(Notice.done_at).is_(None),
        )
    ).all():
        notice.done_at = now
        session.add(notice)


def _hand(session: Session, row: RosterEntry, to: Person | None, now: datetime) -> None:
    """The one place where a row changes hands: who held it, and how its new holder stood, is kept."""
    before, row.person_id = row.person_id, to.id if to is not None else None
    if row.person_id != before:
        move = RosterMove(
            tenant_id=row.tenant_id,
            roster_entry_id=pk(row),
            from_person_id=before,
            to_person_id=row.person_id,
            moved_at=now,
        )
        if to is not None:
            move.was_confirmed_at, move.was_confirmed_by_id = to.confirmed_at, to.confirmed_by_id
            move.was_confirmed_how, move.was_unit_id = to.confirmed_how, _unit_of(session, to)
        session.add(move)
    session.add(row)
    if to is not None and row.person_id != before:  # now their category is known
        session.flush()
        categories.changed(session, row.tenant_id, now, humans.rows_of(to))


def _unit_of(session: Session, person: Person) -> int | None:
    """The school that this very row belongs to by now."""
    return session.exec(
        select(OrgMembership.org_unit_id)
        .where(OrgMembership.person_id == pk(person), col(OrgMembership.ends_on).is_(None))
        .order_by(col(OrgMembership.id).desc())
    ).first()
