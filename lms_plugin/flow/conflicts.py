"""回避关系: who must not review whom, said by somebody who looks after both; it holds in every programme.

A conflict of interest is known before anybody sees a work (spouses, a principal and a deputy), and a reviewer who finds
one later steps back by 申请回避: that is theirs alone and asks nobody.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, owned, pk
from lms_plugin.errors import Invalid
from lms_plugin.flow.humans import rows_by_row, today_of
from lms_plugin.flow.people import by_number, person_scope, reach
from lms_plugin.flow.scopes import person_in
from lms_plugin.people import Person, RoleKind, staff_number_as_kept

LONGEST_NOTE = 200
CONFLICT = "conflict"  # why a review ended, in the audit
SIZE = 50


@dataclass(frozen=True)
class Said:
    """Two 工号 as typed, why, and a note that may be empty."""

    one: str
    other: str
    kind: str
    note: str = ""


@dataclass(frozen=True)
class Pair:
    """One line of the list: names with 工号, who said so and when."""

    uuid: str
    one: Person
    other: Person
    kind: str
    note: str
    said_by: str
    said_at: datetime


def pairs(session: Session, actor: Actor, page: int) -> tuple[list[Pair], int]:
    """The pairs of whom the actor looks after both, newest first, and how many there are: two queries."""
    paths = reach(actor, RoleKind.OFFICER, RoleKind.SCHOOL_LEAD)
    require(actor, Permission.REVIEW_KEEP_APART, Scope(actor.tenant_id, unit_paths=tuple(filter(None, paths))))
    row, one, other, by = rubrics.ReviewConflict, aliased(Person), aliased(Person), aliased(Person)
    statement = (
        select(row, one, other, col(by.name))
        .join(one, col(one.id) == col(row.one_id))
        .join(other, col(other.id) == col(row.other_id))
        .join(by, col(by.id) == col(row.said_by_id))
        .where(row.tenant_id == actor.tenant_id, col(row.ended_at).is_(None))
    )
    statement = statement.where(person_in(paths, row.one_id), person_in(paths, row.other_id))
    total = session.exec(select(func.count()).select_from(statement.subquery())).one()
    found = session.exec(
        statement.order_by(col(row.said_at).desc(), col(row.id).desc()).offset((page - 1) * SIZE).limit(SIZE)
    ).all()
    return [
        Pair(pair.uuid, first, second, pair.kind.value, pair.note, name, pair.said_at)
        for pair, first, second, name in found
    ], total


def keep_apart(session: Session, actor: Actor, said: Said, now: datetime) -> rubrics.ReviewConflict:
    """From now on these two get nothing of each other's; what they had and have not handed in goes to somebody else.

    A pair that stands is the same pair: its reason and note are replaced. Raises Invalid naming the field.
    """
    kinds = {kind.value: kind for kind in rubrics.ConflictKind}
    wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
    note = " ".join(said.note.split())
    if said.kind not in kinds:
        wrong["kind"] = "conflict.kind_missing"
    if len(note) > LONGEST_NOTE:
        wrong["note"] = ("form.too_long", {"longest": LONGEST_NOTE})
    elif not note.isprintable():
        wrong["note"] = "form.unprintable"
    people = {}
    for field, typed in (("one", said.one), ("other", said.other)):
        person = by_number(session, actor, Permission.REVIEW_KEEP_APART, [typed]).get(staff_number_as_kept(typed))
        if person is None:
            wrong[field] = "conflict.nobody"
        else:
            people[field] = person
    if len(people) == 2 and people["one"] is people["other"]:
        wrong["other"] = "conflict.same"
    if wrong:
        raise Invalid(wrong)
    one, other = sorted((pk(people["one"]), pk(people["other"])))
    rows = rows_by_row(session, {one, other})
    row = session.exec(
        owned(rubrics.ReviewConflict, actor.tenant_id)
        .where(
            (col(rubrics.ReviewConflict.one_id).in_(rows[one]) & col(rubrics.ReviewConflict.other_id).in_(rows[other]))
            | (
                col(rubrics.ReviewConflict.one_id).in_(rows[other])
                & col(rubrics.ReviewConflict.other_id).in_(rows[one])
            ),
            col(rubrics.ReviewConflict.ended_at).is_(None),
        )
        .order_by(col(rubrics.ReviewConflict.id))
        .limit(1)
    ).one_or_none()
    told: dict[str, Any] = {"kind": kinds[said.kind], "note": note, "said_by_id": actor.person_id, "said_at": now}
    if row is None:
        row = rubrics.ReviewConflict(tenant_id=actor.tenant_id, one_id=one, other_id=other, **told)
    for name, value in told.items():
        setattr(row, name, value)
    session.add(row)
    session.flush()
    _end_reviews(session, rows[one], rows[other], now)
    return row


def end(session: Session, actor: Actor, uuid: str, now: datetime) -> None:
    """The pair may review each other again; that it stood, and who said so, stays. Again: nothing changes."""
    row = find(session, rubrics.ReviewConflict, actor.tenant_id, uuid)
    one, other = (today_of(session, get(session, Person, key)) for key in (row.one_id, row.other_id))
    require(actor, Permission.REVIEW_KEEP_APART, person_scope(session, one))
    require(actor, Permission.REVIEW_KEEP_APART, person_scope(session, other))
    if row.ended_at is None:
        row.ended_by_id, row.ended_at = actor.person_id, now
        session.add(row)
        session.flush()


def kept_apart(session: Session, tenant_id: int) -> dict[int, set[int]]:
    """Person → people whose work they do not review, all as rows of today: one query."""
    return both_ways((first, second) for first, second, _said_at in session.execute(standing(tenant_id)))


def standing(tenant_id: int) -> Any:
    """The pairs as rows of today, with when it was said, for a query of more than that."""
    one, other = aliased(Person), aliased(Person)
    return (
        columns(
            func.coalesce(col(one.merged_into_id), col(one.id)),
            func.coalesce(col(other.merged_into_id), col(other.id)),
            col(rubrics.ReviewConflict.said_at),
        )
        .select_from(rubrics.ReviewConflict)
        .join(one, col(one.id) == col(rubrics.ReviewConflict.one_id))
        .join(other, col(other.id) == col(rubrics.ReviewConflict.other_id))
        .where(col(rubrics.ReviewConflict.tenant_id) == tenant_id, col(rubrics.ReviewConflict.ended_at).is_(None))
    )


def both_ways(found: Iterable[tuple[int, int]]) -> dict[int, set[int]]:
    """Person → people whose work they do not review, of these pairs."""
    apart: dict[int, set[int]] = {}
    for first, second in found:
        apart.setdefault(first, set()).add(second)
        apart.setdefault(second, set()).add(first)
    return apart


def kept_apart_from(session: Session, tenant_id: int, rows: Collection[int]) -> set[int]:
    """The people whose work the human being with these rows does not review, as the pairs name them: one query."""
    pair = rubrics.ReviewConflict
    found = session.exec(
        select(pair.one_id, pair.other_id).where(
            pair.tenant_id == tenant_id,
            col(pair.ended_at).is_(None),
            col(pair.one_id).in_(rows) | col(pair.other_id).in_(rows),
        )
    ).all()
    return {person for both in found for person in both} - set(rows)


def _end_reviews(session: Session, one: Collection[int], other: Collection[int], now: datetime) -> None:
    review, work = rubrics.Review, competencies.Submission
    rows = session.exec(
        select(review)
        .join(work, col(work.id) == col(review.submission_id))
        .where(
            rubrics.MAY_GO_ON,
            (col(review.reviewer_id).in_(one) & col(work.person_id).in_(other))
            | (col(review.reviewer_id).in_(other) & col(work.person_id).in_(one)),
        )
        .order_by(col(review.id))
    ).all()
    rubrics.end_reviews(session, rows, now, CONFLICT)
