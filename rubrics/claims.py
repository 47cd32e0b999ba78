"""Claiming a review that lacks somebody: who wants takes the neediest work, and no two take one place.

`ReviewNeed` counts what each version still lacks. Whoever changes the reviews of a version counts it anew under the
lock of its row, so that what claims see is what is true; a claim takes a row that nobody else has at that moment.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    text,
    update,
)
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

from lms_plugin.db import among as among_ids
from lms_plugin.db import get, new_uuid, pk, table
from rubrics.models import Review, ReviewEvent, ReviewNeed, ReviewState
from rubrics.states import LIVE, is_late

AT_ONCE = 500
ONE: ColumnElement[int] = literal_column("1")  # a bound number would leave the planner guessing how many are wanted
TRIES = 3


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who would like another review. `rows`: all rows of that human being, the row of today first. `pool`: whose works
    they may review (`ReviewNeed.pool`). `not_authors`: rows of people they must not review; `not_works`: submissions.
    `not_unit`: the school whose works they must not review, None where that is no rule."""

    tenant_id: int
    programme_id: int
    rows: tuple[int, ...]
    pool: int
    not_authors: Collection[int] = ()
    not_works: Collection[int] = ()
    not_unit: int | None = None


def claim(
    session: Session, who: Claimant, due_at: datetime | None, now: datetime, among: Sequence[ColumnElement[bool]] = ()
) -> tuple[Review, list[Review]] | None:
    """Gives the neediest work that this person may review, chance deciding among equals; None where there is none.

    `among`: further conditions on `ReviewNeed`. The second of the answer are the reviews whose time is up in whose
    place it comes; the caller hands them on. Whoever calls holds the person's row, so that one person claims once at a
    time. A work never comes to more reviews than are wanted by a claim.
    """
    for _ in range(TRIES):
        review_id = _take(session, who, due_at, now, among)
        if review_id is None:
            return None
        review = get(session, Review, review_id)
        connection = session.connection()
        live = connection.execute(_live_of_one(), {"version": review.submission_version_id}).all()
        wanted_in_all = live[0].wanted
        standing, late = _split(live, live[0].lease_hours, now)
        if len(standing) <= wanted_in_all:
            _note(session, review, now)
            most = max(0, len(standing) + len(late) - wanted_in_all)
            wanted = [one.id for one in sorted(late, key=_touched)[:most]]
            if not wanted:
                return review, []
            rows = {pk(row): row for row in session.exec(select(Review).where(col(Review.id).in_(wanted)))}
            return review, [rows[key] for key in wanted]
        # Somebody saved, in the meantime, what the count took for forsaken: the place is theirs.
        session.delete(review)
        session.flush()
        count_need(session, [review.submission_version_id], now)
    return None


def taking(who: Claimant, among: Sequence[ColumnElement[bool]] = ()) -> Any:
    """The statement that takes one place of the neediest work; it names the work and its version. What somebody else
    is taking at this moment is passed over (PostgreSQL; SQLite has one writer at a time)."""
    need = table(ReviewNeed)
    neediest = (
        columns(need.c.id)
        .where(*_open_to(who, among))
        .order_by(need.c.need.desc(), need.c.prio.desc())  # the index from its end
        .limit(ONE)
        .with_for_update(skip_locked=True, of=need)
    )
    return (
        update(need)
        .where(need.c.id == neediest.scalar_subquery())
        .values(need=need.c.need - 1)
        .returning(need.c.submission_id, need.c.submission_version_id)
    )


def is_busy(session: Session, who: Claimant, among: Sequence[ColumnElement[bool]] = ()) -> bool:
    """After `claim` found nothing: whether a work that this person may review lacks somebody all the same, and others
    hold it at this moment (an allotment under way, another claim). It is not waited for: an allotment may wait for this
    person."""
    there = columns(table(ReviewNeed).c.id).where(*_open_to(who, among)).limit(ONE)
    return session.connection().execute(there).first() is not None


def _open_to(who: Claimant, among: Sequence[ColumnElement[bool]]) -> list[Any]:
    """What makes a row of `ReviewNeed` one that this person may take."""
    need, review = table(ReviewNeed), table(Review)
    # As a value, not as EXISTS: PostgreSQL would join the tables whole first, to hand out one row.
    own = (
        columns(review.c.id)
        .where(review.c.submission_version_id == need.c.submission_version_id, review.c.reviewer_id.in_(who.rows))
        .limit(ONE)
        .correlate(need)
        .scalar_subquery()
    )
    barred = sorted({*who.rows, *who.not_authors})
    is_barred = among_ids(need.c.author_id, barred)
    wanted: list[Any] = [
        need.c.programme_id == who.programme_id,
        need.c.pool == who.pool,
        text("review_need.need > 0"),  # as the index says it: a bound number would not find it
        ~is_barred,
        own.is_(None),
        *among,
    ]
    if who.not_works:
        wanted.append(need.c.submission_id.not_in(sorted(who.not_works)))
    if who.not_unit is not None:
        wanted.append(need.c.org_unit_id.is_distinct_from(who.not_unit))
    return wanted


def claiming(who: Claimant, due_at: datetime | None, now: datetime, among: Sequence[ColumnElement[bool]] = ()) -> Any:
    """`taking`, and the review itself, in one statement (PostgreSQL): it gives the review's id, or nothing."""
    taken = taking(who, among).cte("taken")
    names, values = zip(*_values(who, due_at, now).items(), strict=True)
    found = columns(taken.c.submission_id, taken.c.submission_version_id, *values)
    return (
        insert(table(Review))
        .from_select(["submission_id", "submission_version_id", *names], found, include_defaults=False)
        .returning(table(Review).c.id)
    )


def _values(who: Claimant, due_at: datetime | None, now: datetime) -> dict[str, Any]:
    review = table(Review)
    number = columns(func.coalesce(func.max(review.c.blind_number), 0) + literal(1, Integer)).where(
        review.c.programme_id == who.programme_id, review.c.reviewer_id.in_(who.rows)
    )
    said: dict[str, Any] = {
        "uuid": new_uuid(),
        "tenant_id": who.tenant_id,
        "programme_id": who.programme_id,
        "reviewer_id": who.rows[0],
        "state": ReviewState.ALLOTTED,
        "is_third": False,
        "is_claimed": True,
        "due_at": due_at,
        "allotted_at": now,
        "version": 1,
    }
    values: dict[str, Any] = {name: literal(value, review.c[name].type) for name, value in said.items()}
    return {**values, "blind_number": number.scalar_subquery()}


def _take(
    session: Session, who: Claimant, due_at: datetime | None, now: datetime, among: Sequence[ColumnElement[bool]]
) -> int | None:
    connection = session.connection()
    session.flush()
    if connection.dialect.name == "postgresql":
        found: int | None = connection.execute(claiming(who, due_at, now, among)).scalar_one_or_none()
        return found
    taken = connection.execute(taking(who, among)).one_or_none()
    if taken is None:
        return None
    return _given(session, who, taken[0], taken[1], due_at, now)


def _given(
    session: Session, who: Claimant, submission_id: int, version_id: int, due_at: datetime | None, now: datetime
) -> int:
    values = {"submission_id": submission_id, "submission_version_id": version_id, **_values(who, due_at, now)}
    statement = insert(table(Review)).values(**values).returning(table(Review).c.id)
    key: int = session.connection().execute(statement).scalar_one()
    return key


def claim_this(
    session: Session, who: Claimant, submission_id: int, version_id: int, due_at: datetime | None, now: datetime
) -> Review:
    """This very version as a claimed review, whether it lacks reviewers or not: row and event are those of `claim`."""
    session.flush()
    review = get(session, Review, _given(session, who, submission_id, version_id, due_at, now))
    _note(session, review, now)
    return review


def _note(session: Session, review: Review, now: datetime) -> None:
    event = {
        "review_id": pk(review),
        "submission_version_id": review.submission_version_id,
        "person_id": review.reviewer_id,
        "kind": "claimed",
        "detail": "",
        "at": now,
    }
    session.connection().execute(insert(table(ReviewEvent)), event)


def hold_needs(session: Session, submission_version_ids: Iterable[int]) -> None:
    """Takes the locks that `count_need` needs. Whoever changes a review that a claim may change too comes here first:
    a claim holds the need and then hands late reviews on, and two who wait for each other would both be refused."""
    keys = sorted(set(submission_version_ids))
    with session.no_autoflush:
        for start in range(0, len(keys), AT_ONCE):
            _held(session, keys[start : start + AT_ONCE])


def _held(session: Session, submission_version_ids: Collection[int]) -> Sequence[ReviewNeed]:
    return session.exec(
        select(ReviewNeed)
        .where(col(ReviewNeed.submission_version_id).in_(submission_version_ids))
        .order_by(col(ReviewNeed.submission_version_id))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def count_need(session: Session, submission_version_ids: Iterable[int], now: datetime) -> None:
    """Counts anew what these versions lack, under the lock of their rows: what another transaction has committed is
    seen, and what one is about to commit is waited for. Versions that nobody can claim have no row."""
    keys = sorted(set(submission_version_ids))
    for start in range(0, len(keys), AT_ONCE):
        with session.no_autoflush:  # the need before the reviews: see `hold_needs`
            needs = _held(session, keys[start : start + AT_ONCE])
        session.flush()
        if not needs:
            continue
        by_version: dict[int, list[Any]] = {need.submission_version_id: [] for need in needs}
        for one in _live(session, by_version):
            by_version[one.submission_version_id].append(one)
        for need in needs:
            standing, _late = _split(by_version[need.submission_version_id], need.lease_hours, now)
            need.need = max(0, need.wanted - len(standing))
            session.add(need)
        session.flush()


def end_needs(session: Session, submission_version_ids: Iterable[int]) -> None:
    """Nobody is wanted for these any more: withdrawn, replaced, decided. Who is claiming one at this moment is waited
    for."""
    keys = sorted(set(submission_version_ids))
    session.flush()
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        session.execute(
            delete(ReviewNeed).where(col(ReviewNeed.submission_version_id).in_(some)),
            execution_options={"synchronize_session": "fetch"},
        )


def _live(session: Session, submission_version_ids: Iterable[int]) -> list[Any]:
    """The reviews of these versions that count, as the database has them now (not as this session remembers them)."""
    asked = {"versions": list(submission_version_ids)}
    return list(session.connection().execute(_live_of_many(), asked))


@cache  # put together once: that costs more than asking
def _live_of_many() -> Select[Any]:
    version = table(Review).c.submission_version_id
    return _live_where(version.in_(bindparam("versions", expanding=True)))


@cache
def _live_of_one() -> Select[Any]:
    """Also what is wanted of that version, on each row."""
    need, version = table(ReviewNeed).c, table(Review).c.submission_version_id
    found = _live_where(version == bindparam("version"), need.submission_version_id == version)
    return found.add_columns(need.wanted, need.lease_hours)


def _live_where(*conditions: ColumnElement[bool]) -> Select[Any]:
    review = table(Review).c
    asked = (review.id, review.submission_version_id, review.state, review.opened_at, review.saved_at, review.due_at)
    return columns(*asked, review.allotted_at).where(*conditions, review.state.in_(LIVE)).order_by(review.id)


def _split(rows: Iterable[Any], lease_hours: int, now: datetime) -> tuple[list[Any], list[Any]]:
    """Those that are somebody's, and those whose time is up."""
    lease = timedelta(hours=lease_hours)
    standing: list[Any] = []
    late: list[Any] = []
    for one in rows:
        (late if is_late(one, lease, now) else standing).append(one)
    return standing, late


def _touched(one: Any) -> tuple[datetime, int]:
    return one.saved_at or one.opened_at or one.allotted_at, one.id
