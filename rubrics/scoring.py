"""What several reviewers say together. Peers advise: where they differ nothing is proposed, and no mean is taken."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

PASS = 1
"""The lowest level that is 合格; levels here are plain integers (0 below pass, 1 pass, 2 excellent)."""


class MarkKey(NamedTuple):
    """A criterion of an item; an item that is not core has one criterion, its validity."""

    item_key: str
    criterion_key: str


class Mark(NamedTuple):
    """A level (int) of a criterion, or the validity (bool; as stored also 0/1) of a non-core item, and the reason."""

    level: int | bool
    reason: str = ""


Marks = Mapping[MarkKey, Mark]


class Count(NamedTuple):
    """How many reviewers gave this level ("2 人合格")."""

    level: int | bool
    people: int


@dataclass(frozen=True, slots=True)
class CriterionAgreement:
    """One criterion over all reviewers.

    `agreed` is also the proposal to the trainer: the level that every reviewer gave, or None where they differ or one
    left it out (the lower one is never chosen by itself). `counts` go from the best level down. `reasons` are those
    that were written, in the order of the reviews.
    """

    agreed: int | bool | None
    counts: tuple[Count, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """All reviewers of one submission. `agreed_level` is the point level they share, or None."""

    reviewers: int
    criteria: Mapping[MarkKey, CriterionAgreement]
    agreed_level: int | None
    differ_on_pass: bool

    @property
    def is_unanimous(self) -> bool:
        """Whether every criterion has one level from all (False without a review): one key may then accept it."""
        return bool(self.criteria) and all(one.agreed is not None for one in self.criteria.values())

    @property
    def proposal(self) -> dict[MarkKey, int | bool]:
        """What a decision is prefilled with: the agreed criteria alone."""
        return {key: one.agreed for key, one in self.criteria.items() if one.agreed is not None}


def differ_on_pass(point_levels: Sequence[int | None]) -> bool:
    """Whether one review passes the point and another does not; reviews without a level (None) say nothing."""
    passes = {level >= PASS for level in point_levels if level is not None}
    return len(passes) > 1


def agreement(reviews: Sequence[Marks], point_levels: Sequence[int | None] = ()) -> Agreement:
    """Put submitted reviews side by side.

    `point_levels` are the computed point levels of the same reviews in the same order, or empty when unknown. A single
    review agrees with itself: `reviewers` says how many spoke. Raises ValueError when the two lengths differ.
    """
    if point_levels and len(point_levels) != len(reviews):
        raise ValueError("point_levels must have one level per review")
    keys = dict.fromkeys(key for marks in reviews for key in marks)
    levels = set(point_levels)
    return Agreement(
        reviewers=len(reviews),
        criteria={key: _criterion([marks[key] for marks in reviews if key in marks], len(reviews)) for key in keys},
        agreed_level=next(iter(levels)) if len(levels) == 1 else None,
        differ_on_pass=differ_on_pass(point_levels),
    )


def _criterion(marks: Sequence[Mark], reviewers: int) -> CriterionAgreement:
    # True == 1 in Python, so the type belongs to the value: "valid" and "pass" are not the same answer.
    people: dict[tuple[bool, int], int] = {}
    for mark in marks:
        key = (isinstance(mark.level, bool), int(mark.level))
        people[key] = people.get(key, 0) + 1
    counts = tuple(
        Count(bool(level) if is_validity else level, people[is_validity, level])
        for is_validity, level in sorted(people, key=lambda one: (one[1], one[0]), reverse=True)
    )
    agreed = counts[0].level if len(counts) == 1 and len(marks) == reviewers else None
    return CriterionAgreement(agreed, counts, tuple(mark.reason for mark in marks if mark.reason.strip()))


class MarkProblem(StrEnum):
    """Why a set of marks cannot be submitted."""

    MISSING = "review.level_missing"
    UNKNOWN = "review.level_unknown"
    REASON = "review.reason_missing"
    FOREIGN = "review.criterion_unknown"


def mark_problems(
    marks: Marks, expected: Mapping[MarkKey, Collection[int | bool]], without_reason: Collection[int] = (PASS, 2)
) -> dict[MarkKey, MarkProblem]:
    """What keeps `marks` from being submitted, by criterion; empty when nothing does.

    `expected` names every criterion to be marked and the levels it may get: (0, 1, 2), (1, 2) for one that asks
    nothing for a pass, (False, True) for the validity of an item. `without_reason`: levels that need no reason; below
    pass and "not valid" a reason is always needed, so that the author knows what to mend.
    """
    problems: dict[MarkKey, MarkProblem] = {}
    for key, choices in expected.items():
        mark = marks.get(key)
        if mark is None:
            problems[key] = MarkProblem.MISSING
            continue
        is_validity = isinstance(mark.level, bool)
        if not any(mark.level == one and isinstance(one, bool) == is_validity for one in choices):
            problems[key] = MarkProblem.UNKNOWN
        elif not mark.reason.strip() and not (mark.level is True or (not is_validity and mark.level in without_reason)):
            problems[key] = MarkProblem.REASON
    for key in marks:
        if key not in expected:
            problems[key] = MarkProblem.FOREIGN
    return problems
