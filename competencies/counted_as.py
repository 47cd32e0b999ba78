"""As whom somebody was counted when points brought them hours: the 类别 whose rules held for them, from when on.

What an act brought is told over again by the rules of its day (`ledger.practice_steps`), and by those of that day's
category, whatever the roster says by now.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import Index
from sqlmodel import Field, Session, col, select

from competencies.rules import Category
from lms_plugin.append_only import guard, refusing
from lms_plugin.db import Model, choice, table


class CountedAs(Model, table=True):
    """From then on hours of this row of a person were booked by the rules of that category (None: on no roster, so by
    those for everybody). Written where hours are booked, and only where rules differ by category. Append-only."""

    __tablename__ = "counted_as"
    __table_args__ = (Index("ix_counted_as_person", "programme_id", "person_id"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    person_id: int = Field(foreign_key="person.id")
    category: Category | None = Field(default=None, sa_type=choice(Category))
    since_at: datetime


guard(CountedAs, refusing(table(CountedAs).name))

_AN_INSTANT = timedelta(microseconds=1)  # a category was said before the act that counted by it


class Said(NamedTuple):
    """From then on somebody was counted as one of that category."""

    since: datetime
    category: Category | None


class InForce(NamedTuple):
    """From then on: the place of the rule version among all of them, and the category."""

    since: datetime
    version: int
    category: Category | None


def said_of(session: Session, programme_id: int, person_ids: Collection[int]) -> list[Said]:
    """As whom these rows of one human being were counted, the oldest first. One query."""
    rows = session.exec(
        select(CountedAs)
        .where(CountedAs.programme_id == programme_id, col(CountedAs.person_id).in_(person_ids))
        .order_by(col(CountedAs.since_at), col(CountedAs.id))
    )
    return _of_one(list(rows))


def _of_one(rows: Sequence[CountedAs]) -> list[Said]:
    """What is noted of one human being: that one of several rows stood on no roster says nothing of who did."""
    on_roster = {row.person_id for row in rows if row.category is not None}
    return [
        Said(row.since_at, row.category)
        for row in rows
        if row.category is not None or not on_roster or row.person_id in on_roster
    ]


def at(said: Sequence[Said], moment: datetime) -> Category | None:
    """As whom they were counted then; before anybody noted it, as they were first; None of nobody."""
    first = said[0].category if said else None
    return next((one.category for one in reversed(said) if one.since <= moment), first)


def in_force(made: Sequence[datetime], said: Sequence[Said]) -> list[InForce]:
    """Which rules held when: each version from its making on (`made`, in their order), by the category of that day, and
    again from each day on which the category became another one."""
    found = [InForce(since, version, at(said, since)) for version, since in enumerate(made)]
    for before, one in pairwise(said):
        since = one.since - _AN_INSTANT
        version = max((place for place, made_at in enumerate(made) if made_at <= since), default=None)
        if one.category is not before.category and version is not None:
            found.append(InForce(since, version, one.category))
    return found


def note(
    session: Session,
    programme_id: int,
    people: Mapping[int, Collection[int]],
    said: Mapping[int, Category | None],
    now: datetime,
) -> None:
    """Keeps as whom these human beings (row of today → all their rows) are counted now, where that is new. One query,
    and one statement where there is anything to keep."""
    rows = {row: today for today, all_rows in people.items() for row in all_rows}
    last = {
        rows[one.person_id]: one.category
        for one in session.exec(
            select(CountedAs)
            .where(CountedAs.programme_id == programme_id, col(CountedAs.person_id).in_(rows))
            .order_by(col(CountedAs.since_at), col(CountedAs.id))
        )
    }
    session.add_all(
        CountedAs(programme_id=programme_id, person_id=today, category=said.get(today), since_at=now)
        for today in sorted(people)
        if today not in last or last[today] is not said.get(today)
    )
    session.flush()
