"""One human being, several rows: a merge re-points identities alone, so what is "of the person" is read over all rows.

A row that was merged names the row of today (`merged_into_id`, kept flat); the row of today names the rows it absorbed.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, func, or_
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from lms_plugin.db import among, get, pk
from lms_plugin.people import Identity, Person


def rows_of(person: Person) -> tuple[int, ...]:
    """All rows of a human being whose row of today this is, that row first."""
    return (pk(person), *person.absorbed_ids)


def today_of(session: Session, person: Person) -> Person:
    """The row that stands for the human being today."""
    return person if person.merged_into_id is None else get(session, Person, person.merged_into_id)


def held(session: Session, person_id: int) -> Person:
    """The row, merged with nobody and parted from nobody until this transaction is over: a merge signs out whom it
    finds signed in, so a session must stand before it or come after it."""
    return session.exec(
        select(Person)
        .where(Person.id == person_id)
        .with_for_update(read=True, key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def held_by(session: Session, identity: Identity) -> Person:
    """The row to which an account belongs, held in the same way."""
    while True:
        person = held(session, identity.person_id)
        session.refresh(identity)
        if identity.person_id == pk(person):  # else it moved while we waited
            return person


def rows_by_row(session: Session, person_ids: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """Each row → all rows of the same human being, that of today first: one query, none for nobody."""
    wanted = set(person_ids)
    if not wanted:
        return {}
    row, today = aliased(Person), aliased(Person)
    found: Iterable[Any] = session.connection().execute(
        columns(col(row.id), col(today.id), col(today.absorbed_ids))
        .join(today, col(today.id) == func.coalesce(col(row.merged_into_id), col(row.id)))
        .where(among(row.id, wanted))
    )
    return {key: (root, *absorbed) for key, root, absorbed in found}


def same_human(one: Any, other: Any) -> ColumnElement[bool]:
    """The condition that two aliases of Person are rows of one human being (both kept flat: at most one step up)."""
    return or_(
        col(other.id) == col(one.id),
        col(other.id) == col(one.merged_into_id),
        col(other.merged_into_id) == col(one.id),
        col(other.merged_into_id) == col(one.merged_into_id),
    )


def rows_like(person_ids: Any) -> Any:
    """All rows of the human beings whose rows these are; `person_ids` and the answer are selects of ids."""
    one, other = aliased(Person), aliased(Person)
    return columns(col(other.id)).join(one, same_human(one, other)).where(col(one.id).in_(person_ids))


def today_first(column: Any) -> ColumnElement[int]:
    """Sorts what lies on the actor's row of today (the place `today`) before what lies on absorbed rows."""
    return case((col(column) == bindparam("today"), 0), else_=1)


def levels(session: Session, programme_id: int, rows: Collection[int]) -> dict[int, competencies.Level]:
    """The points that one human being holds over these rows; a point held in two rows counts once, the better one."""
    return better(competencies.released_levels(session, programme_id, rows), rows)


def better(found: Mapping[int, Mapping[int, competencies.Level]], rows: Iterable[int]) -> dict[int, competencies.Level]:
    """`released_levels` of these rows put together."""
    held: dict[int, competencies.Level] = {}
    for row in rows:
        for point, level in found.get(row, {}).items():
            held[point] = max(level, held.get(point, level))
    return held


def totals(session: Session, programme_id: int, rows: Collection[int]) -> dict[competencies.CreditKind, int]:
    """The hours of one human being over these rows, in hundredths, each kind apart."""
    return summed(competencies.balance(session, programme_id, rows), rows)


def summed(
    found: Mapping[int, Mapping[competencies.CreditKind, int]], rows: Iterable[int]
) -> dict[competencies.CreditKind, int]:
    """`balance` of these rows put together."""
    total = dict.fromkeys(competencies.CreditKind, 0)
    for row in rows:
        for kind, amount in found.get(row, {}).items():
            total[kind] += amount
    return total
