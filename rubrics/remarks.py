"""Other criteria for works that are under review: marks that still stand go along, the others are set aside, and
whoever has to mark something again gets the review back."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, bindparam, delete, update
from sqlmodel import Session, col, select

from lms_plugin.db import pk, table
from rubrics.authoring import CriterionText
from rubrics.edits import RubricEdit
from rubrics.models import Criterion, CriterionLevel, CriterionMark, JudgedBy, MarkBefore, Review, ReviewState
from rubrics.reviews import record_event
from rubrics.scoring import MarkKey

REOPENED = "reopened"
"""The event of a review that came back to its reviewer, because there is something to mark again."""


class GivenMark(NamedTuple):
    """A mark as it stands: `mark` is its row."""

    mark: int
    review: int
    key: MarkKey
    level: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ItemEdit:
    """One item of one submitted version goes over: from which rubric version to which, and what that means."""

    requirement_id: int
    item_key: str
    old_rubric: int
    new_rubric: int
    edit: RubricEdit
    criteria: Sequence[CriterionText]  # the new ones


@dataclass(frozen=True, slots=True)
class Carried:
    """What becomes of one review's marks. `moves`: row → new criterion key; `aside`: those that stand no more, with the
    rubric version they were given by; `missing`: criteria that have no level now."""

    moves: Mapping[int, str]
    aside: tuple[tuple[GivenMark, int], ...]
    missing: tuple[MarkKey, ...]


def carried(marks: Iterable[GivenMark], items: Sequence[ItemEdit], again: Collection[MarkKey] = ()) -> Carried:
    """What becomes of the marks of one review when these items go over. `again`: old criteria whose words changed so
    much that they are to be marked anew. Every mark of these items goes along or is set aside, never both; the reason
    of a mark goes where the mark goes."""
    by_item = {one.item_key: one for one in items}
    moves: dict[int, str] = {}
    aside: list[tuple[GivenMark, int]] = []
    there: set[MarkKey] = set()
    for given in marks:
        item = by_item.get(given.key.item_key)
        if item is None:
            continue
        if given.key in again or not item.edit.carries(given.key.criterion_key, given.level):
            aside.append((given, item.old_rubric))
            continue
        new = item.edit.becomes[given.key.criterion_key]
        if new != given.key.criterion_key:
            moves[given.mark] = new
        if given.level is not None:
            there.add(MarkKey(item.item_key, new))
    missing = tuple(
        key for item in items for line in item.criteria if (key := MarkKey(item.item_key, line.key)) not in there
    )
    return Carried(moves, tuple(aside), missing)


def judged_by(session: Session, version_ids: Collection[int]) -> dict[tuple[int, int], int]:
    """(version, requirement) → the rubric version that it is judged by, where that is not its requirement's."""
    rows = session.exec(select(JudgedBy).where(col(JudgedBy.submission_version_id).in_(set(version_ids)))).all()
    return {(row.submission_version_id, row.requirement_id): row.rubric_version_id for row in rows}


def judge_by(session: Session, version_id: int, items: Mapping[int, int]) -> None:
    """From now on these items ({requirement: rubric version}) of the version are judged so."""
    rows = {
        row.requirement_id: row
        for row in session.exec(select(JudgedBy).where(JudgedBy.submission_version_id == version_id))
    }
    for requirement, rubric in items.items():
        row = rows.get(requirement) or JudgedBy(
            submission_version_id=version_id, requirement_id=requirement, rubric_version_id=rubric
        )
        row.rubric_version_id = rubric
        session.add(row)
    session.flush()


def judge_alike(session: Session, before: int, after: int) -> None:
    """The next version of a work is judged as the one before it."""
    known = judged_by(session, [before])
    judge_by(session, after, {requirement: rubric for (_version, requirement), rubric in known.items()})


def carry_over(session: Session, found: Iterable[Carried], now: datetime) -> None:
    """Writes what `carried` says. Marks change their names in two steps: two of them may swap."""
    parts = list(found)
    moves = [(mark, key) for one in parts for mark, key in one.moves.items()]
    aside = [pair for one in parts for pair in one.aside]
    rows = table(CriterionMark)
    connection = session.connection()
    session.add_all(
        MarkBefore(
            review_id=given.review,
            rubric_version_id=rubric,
            requirement_key=given.key.item_key,
            criterion_key=given.key.criterion_key,
            level=given.level,
            reason=given.reason,
            set_aside_at=now,
        )
        for given, rubric in aside
    )
    session.flush()
    gone = [given.mark for given, _rubric in aside]
    for start in range(0, len(gone), 500):
        connection.execute(delete(rows).where(rows.c.id.in_(gone[start : start + 500])))
    if moves:
        change = update(rows).where(rows.c.id == bindparam("mark")).values(criterion_key=bindparam("key"))
        connection.execute(change, [{"mark": mark, "key": f"-{mark}"} for mark, _key in moves])
        connection.execute(change, [{"mark": mark, "key": key} for mark, key in moves])
    session.expire_all()


def reopen(session: Session, review: Review, due_at: datetime | None, now: datetime) -> None:
    """A review that was handed in comes back: something is to be marked again. Its time begins anew."""
    review.state, review.submitted_at, review.point_level = ReviewState.OPEN, None, None
    review.saved_at, review.due_at = now, due_at
    session.add(review)
    record_event(session, review.submission_version_id, review.reviewer_id, REOPENED, now, pk(review), "criteria")
    session.flush()


def recount(session: Session, review: Review, point_level: int, now: datetime) -> None:
    """The marks of a review stand, and make another level of the point by the criteria of now."""
    before = "" if review.point_level is None else str(review.point_level)
    review.point_level = point_level
    session.add(review)
    said = f"criteria {before}>{point_level}"
    record_event(session, review.submission_version_id, review.reviewer_id, "recounted", now, pk(review), said)
    session.flush()


@dataclass(frozen=True, slots=True)
class MarkThen:
    """A mark that stands no more, with what its criterion asked then."""

    review: int
    item_key: str
    asks: Mapping[str, str]
    level: int | None
    is_validity: bool
    reason: str


def marks_before(session: Session, version_id: int, review_id: int | None = None) -> list[MarkThen]:
    """The marks that reviewers of this version gave and that were set aside, oldest first; of one review alone where it
    is named. One query."""
    statement = (
        select(MarkBefore, Criterion, CriterionLevel)
        .join(Review, col(Review.id) == col(MarkBefore.review_id))
        .join(
            Criterion,
            and_(
                col(Criterion.rubric_version_id) == col(MarkBefore.rubric_version_id),
                col(Criterion.key) == col(MarkBefore.criterion_key),
            ),
        )
        .join(CriterionLevel, col(CriterionLevel.criterion_id) == col(Criterion.id), isouter=True)
        .where(Review.submission_version_id == version_id)
        .order_by(col(MarkBefore.id), col(CriterionLevel.level))
    )
    if review_id is not None:
        statement = statement.where(MarkBefore.review_id == review_id)
    found: dict[int, MarkThen] = {}
    for row, criterion, asks in session.exec(statement):
        if pk(row) not in found:
            found[pk(row)] = MarkThen(
                review=row.review_id,
                item_key=row.requirement_key,
                asks=asks.text if asks is not None else {},
                level=row.level,
                is_validity=criterion.is_validity,
                reason=row.reason,
            )
    return list(found.values())
