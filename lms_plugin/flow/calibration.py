"""校准: reviewers mark works whose marks are agreed on, as practice before their first review or mixed among real ones.

Until such a review is handed in, nothing that its reviewer gets says that it is one. It counts for nobody's result.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import CompetencyPoint, Programme, Submission
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import among, by_id, get, pk
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import conflicts, former_colleagues, marking
from lms_plugin.flow.blindness import works_read_by
from lms_plugin.flow.humans import rows_by_row
from lms_plugin.people import OrgMembership, Person
from rubrics import GoldItem, GoldReview, GoldSlot, MarkKey, Review, ReviewState, Slot

BEFORE, MIXED = "before", "mixed"


def with_examples(
    session: Session,
    programme: Programme,
    policy: competencies.ReviewPolicy,
    slots: Sequence[Slot],
    same: Mapping[int, Sequence[int]],
    seed: int,
    now: datetime,
) -> list[Slot | GoldSlot]:
    """The plan of an allotment with examples among its places, as the programme's setting says. `same`: reviewer → all
    rows of that human being. Never to the author, to who reads the work with its name, is kept apart from its author,
    or has reviewed it; nor, where the programme leaves out the own school, within it or to former colleagues."""
    if policy.calibration not in {BEFORE, MIXED} or not slots:
        return list(slots)
    reviewers = {slot.reviewer_id for slot in slots}
    rows = {one for reviewer in reviewers for one in same.get(reviewer, (reviewer,))}
    examples = _examples(session, programme, policy, reviewers, rows, same, now)
    if not examples:
        return list(slots)
    given = session.exec(
        select(Review.reviewer_id, GoldReview.gold_item_id)
        .join(GoldReview, col(GoldReview.review_id) == col(Review.id))
        .where(Review.programme_id == pk(programme), among(Review.reviewer_id, rows))
    ).all()
    had = {reviewer: {item for row, item in given if row in same.get(reviewer, (reviewer,))} for reviewer in reviewers}
    first = policy.calibration == BEFORE
    return rubrics.mixed(slots, examples, policy.calibration_items, had, seed, first=first)


def examples_for(
    session: Session, programme: Programme, policy: competencies.ReviewPolicy, rows: Sequence[int], now: datetime
) -> list[rubrics.Example]:
    """The examples of a programme, with whether they are for the human being with these rows (the row of today
    first)."""
    return _examples(session, programme, policy, {rows[0]}, set(rows), {rows[0]: rows}, now)


def _examples(
    session: Session,
    programme: Programme,
    policy: competencies.ReviewPolicy,
    reviewers: set[int],
    rows: set[int],
    same: Mapping[int, Sequence[int]],
    now: datetime,
) -> list[rubrics.Example]:
    items = session.exec(
        select(GoldItem)
        .where(GoldItem.programme_id == pk(programme), col(GoldItem.ended_at).is_(None))
        .order_by(col(GoldItem.id))
    ).all()
    if not items:
        return []
    works = by_id(session, Submission, sorted({item.submission_id for item in items}))
    versions = by_id(session, competencies.SubmissionVersion, sorted({item.submission_version_id for item in items}))
    today = {reviewer: same.get(reviewer, (reviewer,))[0] for reviewer in reviewers}
    read = works_read_by(session, set(today.values()), list(works.values()))
    apart = conflicts.kept_apart(session, programme.tenant_id)
    authors = rows_by_row(session, {work.person_id for work in works.values()})
    people = set(today.values()) | {found[0] for found in authors.values()}
    former = former_colleagues.pairs(session, programme, policy, people, now)
    seen: dict[int, set[int]] = defaultdict(set)
    for key, row in session.exec(
        select(Review.submission_id, Review.reviewer_id).where(col(Review.submission_id).in_(list(works)))
    ):
        seen[key].add(row)
    schools = _schools(session, rows) if policy.exclude_own_school or policy.exclude_own_group else {}
    found = []
    for item in items:
        work = works[item.submission_id]
        author = authors[work.person_id][0]
        school = versions[item.submission_version_id].org_unit_id
        not_for = {
            reviewer
            for reviewer in reviewers
            if today[reviewer] == author
            or author in apart.get(today[reviewer], ())
            or author in former.get(today[reviewer], ())
            or pk(work) in read.get(today[reviewer], ())
            or seen[pk(work)] & set(same.get(reviewer, (reviewer,)))
            or any(schools.get(row) == school for row in same.get(reviewer, (reviewer,)) if school is not None)
        }
        found.append(rubrics.Example(pk(item), pk(work), item.submission_version_id, frozenset(not_for)))
    return found


def _schools(session: Session, people: set[int]) -> dict[int, int]:
    """Person → the school they belong to now: one query."""
    return dict(
        session.exec(
            select(OrgMembership.person_id, OrgMembership.org_unit_id).where(
                among(OrgMembership.person_id, people), col(OrgMembership.ends_on).is_(None)
            )
        ).all()
    )


def require_practised(session: Session, actor: Actor, review: Review) -> None:
    """Raises Refused `calibration.first` where a programme wants its examples marked before the first real review, this
    one was not begun, and examples wait. One query where none do."""
    if review.state is not ReviewState.ALLOTTED:
        return
    waiting = session.exec(
        select(Review.id)
        .join(GoldReview, col(GoldReview.review_id) == col(Review.id))
        .where(
            Review.programme_id == review.programme_id,
            col(Review.reviewer_id).in_(actor.person_ids),
            col(Review.state).in_(rubrics.UNFINISHED),
        )
    ).all()
    if not waiting or pk(review) in waiting:
        return
    programme = get(session, Programme, review.programme_id)
    if competencies.rules_of(session, programme).review.calibration == BEFORE:
        raise Refused("calibration.first")


# --- what a reviewer reads afterwards ---


@dataclass(frozen=True)
class Line:
    """One criterion of an example: what it asks, what the reviewer gave, what is agreed and why."""

    item: Mapping[str, str]
    asks: Mapping[str, str]
    is_validity: bool
    mine: int
    reason: str
    agreed: int
    why: str
    above: int
    is_near: bool


@dataclass(frozen=True)
class Feedback:
    """An example that was handed in. `near` of `lines` lie within one level."""

    uuid: str
    number: int
    point_code: str
    point_name: Mapping[str, str]
    level_words: Mapping[str, Mapping[str, str]] | None
    lines: tuple[Line, ...]

    @property
    def near(self) -> int:
        """How many criteria count as agreement."""
        return sum(line.is_near for line in self.lines)


def is_done(session: Session, actor: Actor, uuid: str) -> bool:
    """Whether this review of the actor's turned out to be an example, and is handed in."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    found = session.exec(
        select(GoldReview.review_id)
        .join(Review, col(Review.id) == col(GoldReview.review_id))
        .where(
            Review.tenant_id == actor.tenant_id,
            Review.uuid == uuid,
            col(Review.reviewer_id).in_(actor.person_ids),
            Review.state == ReviewState.VOID,
            col(Review.submitted_at).is_not(None),
        )
    ).first()
    return found is not None


def feedback(session: Session, actor: Actor, uuid: str) -> Feedback:
    """What the reviewer is told of their own marks: for their eyes alone. Raises NotFound before it was handed in, so
    that nothing tells which review is an example."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    review = session.exec(
        select(Review).where(
            Review.tenant_id == actor.tenant_id, Review.uuid == uuid, col(Review.reviewer_id).in_(actor.person_ids)
        )
    ).one_or_none()
    if review is None or review.submitted_at is None or review.state is not ReviewState.VOID:
        raise NotFound
    item = rubrics.gold_of(session, review)
    if item is None:
        raise NotFound
    work = get(session, Submission, item.submission_id)
    point = get(session, CompetencyPoint, work.point_id)
    mine = rubrics.drafts_of(session, [pk(review)])[pk(review)]
    besides = {one.key: one for one in rubrics.beside_agreed(mine, rubrics.agreed_levels(item))}
    sheet = marking.sheet(session, item.submission_version_id, work.point_id)
    lines = []
    for part in sheet.items:
        for criterion in part.criteria:
            key = MarkKey(part.key, criterion.key)
            one = besides.get(key)
            if one is None:
                continue
            lines.append(
                Line(
                    item=part.requirement.title,
                    asks=criterion.texts[min(criterion.texts)] if criterion.texts else {},
                    is_validity=criterion.is_validity,
                    mine=one.mine,
                    reason=mine[key].reason,
                    agreed=one.agreed,
                    why=str(item.agreed[part.key][criterion.key]["reason"]),
                    above=one.above,
                    is_near=one.is_near,
                )
            )
    return Feedback(review.uuid, review.blind_number, point.code, point.name, point.level_words, tuple(lines))


@dataclass(frozen=True)
class Mine:
    """One example in the reviewer's own list. `near`, `criteria`: 0 while it is to be marked."""

    uuid: str
    number: int
    programme: str
    is_done: bool
    near: int
    criteria: int


def mine(session: Session, actor: Actor) -> tuple[Mine, ...]:
    """The reviewer's own examples: those that were handed in; of practice before the first review also those that wait
    (among mixed ones nothing may tell which these are). Three queries."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    rows = session.exec(
        select(Review, GoldItem, Programme)
        .join(GoldReview, col(GoldReview.review_id) == col(Review.id))
        .join(GoldItem, col(GoldItem.id) == col(GoldReview.gold_item_id))
        .join(Programme, col(Programme.id) == col(Review.programme_id))
        .where(
            Review.tenant_id == actor.tenant_id,
            col(Review.reviewer_id).in_(actor.person_ids),
            col(Review.state).in_((*rubrics.UNFINISHED, ReviewState.VOID)),
        )
        .order_by(col(Review.programme_id), col(Review.blind_number))
    ).all()
    drafts = rubrics.drafts_of(session, [pk(review) for review, _item, _programme in rows])
    found = []
    rules = {
        pk(programme): competencies.rules_of(session, programme).review.calibration
        for programme in {pk(one): one for _review, _item, one in rows}.values()
    }
    for review, item, programme in rows:
        done = review.state is ReviewState.VOID
        if done and (review.submitted_at is None or not item.agreed):
            continue  # it ended before it was handed in, or its author was erased, and what was agreed with the work
        if not done and rules[pk(programme)] != BEFORE:
            continue
        result = rubrics.result_of(rubrics.beside_agreed(drafts[pk(review)], rubrics.agreed_levels(item)))
        near, criteria = (result.near, result.criteria) if done else (0, 0)
        found.append(Mine(review.uuid, review.blind_number, programme.title, done, near, criteria))
    return tuple(found)


# --- what figures make of it ---


def handed_in(session: Session, programme: Programme) -> list[tuple[int, int, rubrics.GoldResult]]:
    """(human being, item, result) of every example of the programme that was handed in: three queries. Where its
    author was erased, the agreed marks are gone with the work: it says nothing of anybody any more."""
    rows: Any = session.connection().execute(
        columns(col(Review.id), func.coalesce(col(Person.merged_into_id), col(Person.id)), col(GoldReview.gold_item_id))
        .join(GoldReview, col(GoldReview.review_id) == col(Review.id))
        .join(Person, col(Person.id) == col(Review.reviewer_id))
        .where(
            col(Review.programme_id) == pk(programme),
            col(Review.state) == ReviewState.VOID,
            col(Review.submitted_at).is_not(None),
        )
        .order_by(col(Review.id))
    )
    given = list(rows)
    if not given:
        return []
    items = by_id(session, GoldItem, sorted({item for _review, _who, item in given}))
    agreed = {key: rubrics.agreed_levels(item) for key, item in items.items()}
    given = [one for one in given if agreed[one[2]]]
    drafts = rubrics.drafts_of(session, [review for review, _who, _item in given])
    return [
        (who, item, rubrics.result_of(rubrics.beside_agreed(drafts[review], agreed[item])))
        for review, who, item in given
    ]


def gold_errors(session: Session, programme: Programme) -> dict[int, tuple[int, float]]:
    """Human being → how many examples they marked and by how many levels they lay above what is agreed, summed: what
    `rubrics.leanings` takes."""
    found: dict[int, tuple[int, float]] = {}
    for who, _item, result in handed_in(session, programme):
        count, above = found.get(who, (0, 0.0))
        found[who] = (count + 1, above + result.above)
    return found
