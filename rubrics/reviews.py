"""The life of one review: allotted, opened, saved, submitted, recused, void. Pinned to one submitted version."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import Session, col, func, select

from lms_plugin.db import insert_many, pk
from lms_plugin.errors import Conflict, Refused
from rubrics.authoring import VALIDITY_KEY
from rubrics.claims import count_need, end_needs, hold_needs
from rubrics.doubt import USUAL_CHANCE, Policy, doubt_of, grouped
from rubrics.models import CriterionMark, Decline, Review, ReviewEvent, ReviewState, ReviewSummary
from rubrics.scoring import Mark, MarkKey, Marks, agreement
from rubrics.states import LIVE, UNFINISHED

LONGEST_REASON = 4000
SHORTEST_LEASE = timedelta(hours=1)
OWN = "own"  # in the audit: the reviewer (or decider) turned out to be the author, or another reviewer of the same work


class DraftMark(NamedTuple):
    """A mark as it stands while somebody works on it: the level may still be missing."""

    level: int | None
    reason: str = ""


Drafts = Mapping[MarkKey, DraftMark]


@dataclass(frozen=True, slots=True)
class Slot:
    """A review to be made: this reviewer on this version."""

    submission_id: int
    submission_version_id: int
    reviewer_id: int
    is_third: bool = False


def record_event(
    session: Session,
    version_id: int,
    person_id: int,
    kind: str,
    now: datetime,
    review_id: int | None = None,
    detail: str = "",
) -> None:
    """Writes what happened to a review or a case, for the audit."""
    session.add(
        ReviewEvent(
            review_id=review_id,
            submission_version_id=version_id,
            person_id=person_id,
            kind=kind,
            detail=detail,
            at=now,
        )
    )


def allot(
    session: Session,
    tenant_id: int,
    programme_id: int,
    slots: Sequence[Slot],
    allocation_id: int | None,
    due_at: datetime | None,
    now: datetime,
    same_as: Mapping[int, Collection[int]] | None = None,
) -> None:
    """Makes the reviews of one allotment. `same_as`: reviewer → all ids under which that human being reviews.

    The blind number counts within one reviewer's own list, so that it says nothing of the author, of the order of
    handing in, or of what a colleague has.
    """
    highest = dict(
        session.exec(
            select(Review.reviewer_id, func.max(col(Review.blind_number)))
            .where(Review.programme_id == programme_id)
            .group_by(col(Review.reviewer_id))
        ).all()
    )
    last: dict[int, int] = {}
    made: list[dict[str, Any]] = []
    for slot in slots:
        one = slot.reviewer_id
        if one not in last:
            last[one] = max(highest.get(row, 0) for row in {one, *(same_as or {}).get(one, ())})
        number = last[one] = last[one] + 1
        made.append(
            {
                "tenant_id": tenant_id,
                "programme_id": programme_id,
                "submission_id": slot.submission_id,
                "submission_version_id": slot.submission_version_id,
                "reviewer_id": slot.reviewer_id,
                "allocation_id": allocation_id,
                "is_third": slot.is_third,
                "blind_number": number,
                "due_at": due_at,
                "allotted_at": now,
            }
        )
    hold_needs(session, [slot.submission_version_id for slot in slots])  # who claims the same meanwhile looks elsewhere
    insert_many(session, Review, made)
    count_need(session, [slot.submission_version_id for slot in slots], now)


def number_apart(session: Session, reviewer_ids: Sequence[int]) -> None:
    """These ids turn out to be one human being: of two reviews with one blind number in one programme, the one of the
    later id gets the next number that is free."""
    rows = session.exec(select(Review).where(col(Review.reviewer_id).in_(reviewer_ids))).all()
    highest: dict[int, int] = {}
    for review in rows:
        highest[review.programme_id] = max(review.blind_number, highest.get(review.programme_id, 0))
    taken: set[tuple[int, int]] = set()
    for review in sorted(rows, key=lambda one: (reviewer_ids.index(one.reviewer_id), pk(one))):
        if (review.programme_id, review.blind_number) in taken:
            highest[review.programme_id] += 1
            review.blind_number = highest[review.programme_id]
            session.add(review)
        taken.add((review.programme_id, review.blind_number))
    session.flush()


def void_reviews(session: Session, submission_version_id: int, now: datetime, only_unopened: bool = False) -> int:
    """Ends the unfinished reviews of a version that was withdrawn or replaced; submitted ones stay with it.

    `only_unopened`: the trainer has decided, so nobody need begin, but who has begun may finish.

    Returns how many ended.
    """
    end_needs(session, [submission_version_id])  # first: who is claiming it at this moment is waited for
    states = (ReviewState.ALLOTTED,) if only_unopened else UNFINISHED
    rows = session.exec(
        select(Review).where(Review.submission_version_id == submission_version_id, col(Review.state).in_(states))
    ).all()
    end_reviews(session, rows, now)
    return len(rows)


def end_reviews(session: Session, rows: Iterable[Review], now: datetime, why: str = "") -> None:
    """Makes these reviews void; `why` stands in the audit where it is not the version that ended."""
    rows = list(rows)
    for row in rows:
        row.state, row.handed_on_at = ReviewState.VOID, None
        session.add(row)
        record_event(session, row.submission_version_id, row.reviewer_id, "void", now, pk(row), why)
    count_need(session, [row.submission_version_id for row in rows], now)


def open_review(session: Session, review: Review, now: datetime) -> bool:
    """The reviewer sees the work. True the first time, which is when the event is written."""
    if review.state is not ReviewState.ALLOTTED:
        return False
    review.state, review.opened_at = ReviewState.OPEN, now
    session.add(review)
    record_event(session, review.submission_version_id, review.reviewer_id, "opened", now, pk(review))
    if review.due_at is not None and review.due_at <= now:
        count_need(session, [review.submission_version_id], now)  # it was up to go on to somebody else
    session.flush()
    return True


def drafts_of(session: Session, review_ids: Iterable[int]) -> dict[int, dict[MarkKey, DraftMark]]:
    """The marks of these reviews as saved so far: one query."""
    wanted = set(review_ids)
    found: dict[int, dict[MarkKey, DraftMark]] = {key: {} for key in wanted}
    if wanted:
        for row in session.exec(select(CriterionMark).where(col(CriterionMark.review_id).in_(wanted))):
            found[row.review_id][MarkKey(row.requirement_key, row.criterion_key)] = DraftMark(row.level, row.reason)
    return found


def save_review(session: Session, review: Review, drafts: Drafts, version: int, now: datetime) -> None:
    """Saves marks as they stand; a level that is None takes the level away.

    `version` is the one the page was made from. Raises Conflict `review.changed_elsewhere` with the saved marks in
    `theirs` when another tab saved since, Refused when the review is over.
    """
    require_unfinished(review)
    stored = {
        MarkKey(row.requirement_key, row.criterion_key): row
        for row in session.exec(select(CriterionMark).where(CriterionMark.review_id == pk(review)))
    }
    if version != review.version:
        if all(_is_stored(stored.get(key), draft) for key, draft in drafts.items()):
            return  # a page that died while saving asks again, or the other tab marked the same
        theirs = {key: DraftMark(row.level, row.reason) for key, row in stored.items()}
        raise Conflict("review.changed_elsewhere", mine=dict(drafts), theirs=theirs, version=review.version)
    for key, draft in drafts.items():
        row = stored.get(key) or CriterionMark(
            review_id=pk(review), requirement_key=key.item_key, criterion_key=key.criterion_key
        )
        row.level, row.reason = draft.level, draft.reason[:LONGEST_REASON]
        session.add(row)
    touched = review.saved_at or review.opened_at
    review.saved_at = now
    flag_modified(review, "saved_at")  # every save counts up the version, also two within one clock tick
    session.add(review)
    if touched is None or touched <= now - SHORTEST_LEASE:
        count_need(session, [review.submission_version_id], now)  # its time may have been up
    session.flush()


def _is_stored(row: CriterionMark | None, draft: DraftMark) -> bool:
    level, reason = (row.level, row.reason) if row is not None else (None, "")
    return (level, reason) == (draft.level, draft.reason[:LONGEST_REASON])


def submit_review(session: Session, review: Review, point_level: int, now: datetime) -> None:
    """Ends the review with the level that its marks give; the marks stay as they are from now on."""
    require_unfinished(review)
    review.state, review.point_level, review.submitted_at = ReviewState.SUBMITTED, point_level, now
    session.add(review)
    record_event(session, review.submission_version_id, review.reviewer_id, "submitted", now, pk(review))
    session.flush()


def recuse(session: Session, review: Review, now: datetime) -> None:
    """申请回避: the reviewer knows the author. Costs nothing; the place is filled at the next allotment."""
    require_unfinished(review)
    review.state = ReviewState.RECUSED
    session.add(review)
    record_event(session, review.submission_version_id, review.reviewer_id, "recused", now, pk(review))
    count_need(session, [review.submission_version_id], now)


def decline(session: Session, review: Review, why: Decline, words: str, now: datetime) -> None:
    """不评, for a reason that is not the author: the place is filled at the next allotment, or by who claims it. The
    reason and the words stand in the audit."""
    require_unfinished(review)
    review.state, review.decline = ReviewState.DECLINED, why
    session.add(review)
    detail = f"{why.value}: {words}" if words else why.value
    record_event(session, review.submission_version_id, review.reviewer_id, "declined", now, pk(review), detail)
    count_need(session, [review.submission_version_id], now)


def set_aside(session: Session, review: Review, now: datetime) -> None:
    """The reviewer turns out to be the author: the review counts no more, whether or not it was handed in, and the
    place is filled at the next allotment."""
    review.state = ReviewState.RECUSED
    session.add(review)
    record_event(session, review.submission_version_id, review.reviewer_id, "recused", now, pk(review), OWN)
    count_need(session, [review.submission_version_id], now)


def bring_back(session: Session, review: Review, now: datetime) -> None:
    """The reviewer is somebody else after all: the review is as it was before it was set aside."""
    if review.submitted_at is not None:
        review.state = ReviewState.SUBMITTED
    else:
        review.state = ReviewState.OPEN if review.opened_at is not None else ReviewState.ALLOTTED
    session.add(review)
    record_event(session, review.submission_version_id, review.reviewer_id, "brought_back", now, pk(review))
    count_need(session, [review.submission_version_id], now)


def submitted_reviews(
    session: Session, submission_version_ids: Collection[int]
) -> tuple[list[Review], dict[int, dict[MarkKey, DraftMark]]]:
    """The submitted reviews of these versions in their order, and their marks by review id: one query."""
    rows = session.exec(
        select(Review, CriterionMark)
        .join(CriterionMark, col(CriterionMark.review_id) == col(Review.id), isouter=True)
        .where(
            col(Review.submission_version_id).in_(set(submission_version_ids)), Review.state == ReviewState.SUBMITTED
        )
        .order_by(col(Review.id), col(CriterionMark.id))
    ).all()
    reviews = {pk(review): review for review, _mark in rows}
    marks: dict[int, dict[MarkKey, DraftMark]] = {key: {} for key in reviews}
    for review, mark in rows:
        if mark is not None:
            marks[pk(review)][MarkKey(mark.requirement_key, mark.criterion_key)] = DraftMark(mark.level, mark.reason)
    return list(reviews.values()), marks


def finished(drafts: Drafts) -> Marks:
    """The marks that have a level, as scoring takes them: validity as a bool, the others as numbers."""
    return {
        key: Mark(bool(draft.level) if key.criterion_key == VALIDITY_KEY else draft.level, draft.reason)
        for key, draft in drafts.items()
        if draft.level is not None
    }


def summarise(session: Session, submission_version_id: int, enough: int, now: datetime) -> ReviewSummary:
    """Writes what the submitted reviews of a version say together; `enough` reviews are needed to agree."""
    reviews, drafts = submitted_reviews(session, [submission_version_id])
    levels = [review.point_level for review in reviews]
    together = agreement([finished(drafts[pk(review)]) for review in reviews], levels)
    row = session.exec(
        select(ReviewSummary).where(ReviewSummary.submission_version_id == submission_version_id)
    ).one_or_none() or ReviewSummary(
        submission_version_id=submission_version_id, submitted=0, is_agreed=False, differs_on_pass=False, changed_at=now
    )
    row.submitted, row.changed_at = len(reviews), now
    row.is_agreed = len(reviews) >= max(1, enough) and together.is_unanimous
    row.differs_on_pass, row.agreed_level = together.differ_on_pass, together.agreed_level
    row.doubt_millionths = _rank(reviews, drafts, together.differ_on_pass)
    session.add(row)
    session.flush()
    return row


def _rank(reviews: Sequence[Review], drafts: Mapping[int, Mapping[MarkKey, DraftMark]], differ: bool) -> int | None:
    """What these reviews leave in doubt by themselves, at once; who leans to which side is worked out over all marks,
    later."""
    given = [
        (0, f"{key.item_key}.{key.criterion_key}", review.reviewer_id, draft.level)
        for review in reviews
        for key, draft in drafts[pk(review)].items()
        if draft.level is not None and key.criterion_key != VALIDITY_KEY
    ]
    doubt = doubt_of(grouped(given).get(0, []), Policy.MEAN, USUAL_CHANCE, {}, differ=differ)
    return None if doubt is None else doubt.rank


def live_reviews(session: Session, submission_version_ids: Collection[int]) -> dict[int, list[Review]]:
    """Reviews that count (allotted, open, submitted) by version, oldest first: one query."""
    found: dict[int, list[Review]] = {key: [] for key in submission_version_ids}
    if found:
        for row in session.exec(
            select(Review)
            .where(col(Review.submission_version_id).in_(found), col(Review.state).in_(LIVE))
            .order_by(col(Review.id))
        ):
            found[row.submission_version_id].append(row)
    return found


def require_unfinished(review: Review) -> None:
    """Raises Refused that says how the review ended, where it has ended."""
    codes: dict[Any, str] = {
        ReviewState.SUBMITTED: "review.already_submitted",
        ReviewState.RECUSED: "review.recused",
        ReviewState.DECLINED: "review.declined",
        ReviewState.VOID: "review.void",
    }
    code = codes.get(review.state)
    if code is not None:
        raise Refused(code)
