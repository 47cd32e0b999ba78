"""校准样例: works whose marks are agreed on. Reviewers mark them like any other; afterwards both stand side by side.

Within one level counts as agreement, never exact match alone: two people who both read well differ by one now and then.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, NamedTuple

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, Session, col, select

from lms_plugin.db import Model, Owned, among, pk
from rubrics.authoring import VALIDITY_KEY
from rubrics.claims import Claimant, claim_this
from rubrics.models import Review, ReviewState
from rubrics.reviews import DraftMark, Drafts, Slot, allot, record_event, require_unfinished
from rubrics.scoring import MarkKey

NEAR = 1
"""Levels apart that still count as agreement; of 有效/无效 none do."""

DONE = "calibrated"
"""The event of an example that was handed in."""


class GoldItem(Owned, table=True):
    """校准样例: one version of a settled work, with agreed marks, for the reviewers of one programme.

    `agreed`: {item key: {criterion key: {"level": 0..2, "reason": str}}}. `consent`: why it may be shown (the author
    agreed, or nobody could tell who it is). Never changed: `ended_at` = taken out, and another one made.
    """

    __tablename__ = "gold_item"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id", index=True)
    submission_id: int = Field(foreign_key="submission.id")
    submission_version_id: int = Field(foreign_key="submission_version.id", index=True)
    agreed: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    consent: str = Field(max_length=300)
    made_by_id: int = Field(foreign_key="person.id")
    made_at: datetime
    ended_by_id: int | None = Field(default=None, foreign_key="person.id")
    ended_at: datetime | None = None


class GoldReview(Model, table=True):
    """This review is of an example. Nothing that its reviewer sees before handing it in says so. Handed in, it is VOID:
    it counts for nobody's result and in no figure of reviews."""

    __tablename__ = "gold_review"
    review_id: int = Field(foreign_key="review.id", primary_key=True, sa_column_kwargs={"autoincrement": False})
    gold_item_id: int = Field(foreign_key="gold_item.id", index=True)


@dataclass(frozen=True, slots=True)
class Beside:
    """One criterion: what the reviewer gave beside what is agreed. `above` in levels, > 0 milder."""

    key: MarkKey
    mine: int
    agreed: int

    @property
    def above(self) -> int:
        """By how many levels the mark lies above the agreed one."""
        return self.mine - self.agreed

    @property
    def is_near(self) -> bool:
        """Whether it counts as agreement."""
        return abs(self.above) <= (0 if self.key.criterion_key == VALIDITY_KEY else NEAR)


class GoldResult(NamedTuple):
    """All criteria of one example: how many, how many of them within one level, and by how many levels the mean over
    graded criteria lies above the agreed one (as leanings count a work)."""

    criteria: int
    near: int
    above: float


def beside_agreed(mine: Drafts, agreed: Mapping[MarkKey, int]) -> tuple[Beside, ...]:
    """Criterion by criterion, in the order of what is agreed; criteria that one of the two lacks are left out."""
    return tuple(
        Beside(key, mark.level, level)
        for key, level in agreed.items()
        if (mark := mine.get(key, DraftMark(None))).level is not None
    )


def result_of(besides: Sequence[Beside]) -> GoldResult:
    """The example as a whole."""
    graded = [one.above for one in besides if one.key.criterion_key != VALIDITY_KEY]
    mean = sum(graded) / len(graded) if graded else 0.0
    return GoldResult(len(besides), sum(one.is_near for one in besides), mean)


def agreed_levels(item: GoldItem) -> dict[MarkKey, int]:
    """The agreed level of each criterion."""
    return {
        MarkKey(part, key): int(mark["level"]) for part, marks in item.agreed.items() for key, mark in marks.items()
    }


class Example(NamedTuple):
    """An example that may be handed out: its rows, and who must not get it (the author's rows, who knows them …)."""

    item: int
    submission: int
    version: int
    not_for: frozenset[int]


@dataclass(frozen=True, slots=True)
class GoldSlot:
    """A place in a plan that is an example."""

    slot: Slot
    item: int


def mixed(
    slots: Sequence[Slot],
    examples: Sequence[Example],
    each: int,
    had: Mapping[int, Collection[int]],
    seed: int,
    *,
    first: bool = False,
) -> list[Slot | GoldSlot]:
    """The plan with examples for every reviewer in it, at places that chance chooses, so that neither the number nor
    the place of a review tells which it is; or all of them in front (`first`, practice that is known as such).

    `each`: how many examples a reviewer gets over a whole programme; `had`: those (ids) that they have had. Real places
    stay, each in the order of its reviewer. Nobody gets an example twice, or one that is not for them.
    """
    chance = Random(seed)  # noqa: S311 - a plan that can be drawn again, no secret
    by_reviewer: dict[int, list[Slot | GoldSlot]] = {}
    for slot in slots:
        by_reviewer.setdefault(slot.reviewer_id, []).append(slot)
    found: list[Slot | GoldSlot] = []
    for reviewer in sorted(by_reviewer):
        own = by_reviewer[reviewer]
        versions = {one.submission_version_id for one in own if isinstance(one, Slot)}
        known = had.get(reviewer, ())
        free = [
            one
            for one in examples
            if one.item not in known and reviewer not in one.not_for and one.version not in versions
        ]
        for one in chance.sample(free, min(len(free), max(0, each - len(known)))):
            place = 0 if first else chance.randint(0, len(own))
            own.insert(place, GoldSlot(Slot(one.submission, one.version, reviewer), one.item))
        found += own
    return found


def next_claimed(
    examples: Sequence[Example], each: int, had: Collection[int], reviewer: int, left: int, seed: int
) -> Example | None:
    """The example that comes in place of a claimed work, None where a work comes. Chance spreads what is missing of
    `each` evenly among the `left` claims to come, this one included, so that its place says nothing."""
    free = [one for one in examples if one.item not in had and reviewer not in one.not_for]
    missing = min(len(free), max(0, each - len(had)))
    chance = Random(seed)  # noqa: S311 - as `mixed`
    if not missing or chance.randrange(missing + left) >= missing:
        return None
    return chance.choice(free)


def claim_gold(session: Session, who: Claimant, example: Example, due_at: datetime | None, now: datetime) -> Review:
    """An example as a claimed review; its row and event are those of any other claim."""
    review = claim_this(session, who, example.submission, example.version, due_at, now)
    session.add(GoldReview(review_id=pk(review), gold_item_id=example.item))
    session.flush()
    return review


def allot_mixed(
    session: Session,
    tenant_id: int,
    programme_id: int,
    plan: Sequence[Slot | GoldSlot],
    allocation_id: int | None,
    due_at: datetime | None,
    now: datetime,
    same_as: Mapping[int, Collection[int]],
) -> None:
    """As `allot`, of a plan with examples in it."""
    slots = [one.slot if isinstance(one, GoldSlot) else one for one in plan]
    allot(session, tenant_id, programme_id, slots, allocation_id, due_at, now, same_as)
    note_gold(session, [one for one in plan if isinstance(one, GoldSlot)])


def note_gold(session: Session, golds: Sequence[GoldSlot]) -> None:
    """Keeps which of the reviews that were just allotted are examples: one query."""
    if not golds:
        return
    places = {(one.slot.submission_version_id, one.slot.reviewer_id): one.item for one in golds}
    rows = session.exec(
        select(Review.id, Review.submission_version_id, Review.reviewer_id).where(
            col(Review.submission_version_id).in_({version for version, _who in places}),
            among(Review.reviewer_id, {who for _version, who in places}),
        )
    )
    session.add_all(
        GoldReview(review_id=review or 0, gold_item_id=places[version, who])
        for review, version, who in rows
        if (version, who) in places
    )
    session.flush()


def gold_of(session: Session, review: Review) -> GoldItem | None:
    """The example that this review is of; None for a real one."""
    return session.exec(
        select(GoldItem)
        .join(GoldReview, col(GoldReview.gold_item_id) == col(GoldItem.id))
        .where(GoldReview.review_id == pk(review))
    ).one_or_none()


def finish_gold(session: Session, review: Review, point_level: int, now: datetime) -> None:
    """Hands an example in: from now on it is over, and counts for nobody."""
    require_unfinished(review)
    review.state, review.point_level, review.submitted_at = ReviewState.VOID, point_level, now
    session.add(review)
    record_event(session, review.submission_version_id, review.reviewer_id, DONE, now, pk(review))
    session.flush()
