"""申请复核: an author asks once for a released decision to be looked at anew, criterion by criterion, by people who
have seen nothing of it. What they saw, said and when is kept; what follows from it is reckoned here."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field

from lms_plugin.db import Model, Owned, Versioned, choice

TWO, TRAINER = "two", "trainer"


class AppealState(enum.Enum):
    OPEN = "open"  # the panel is sought or at work
    SETTLED = "settled"
    WITHDRAWN = "withdrawn"  # by its author; it was the one that there is


class Appeal(Owned, Versioned, table=True):
    """One author's request about one released decision; there is one for each decision.

    `panel`: "two" fresh reviewers (a third where they differ) or one "trainer"; `pool`: "district" where an officer let
    the panel come from everywhere. `may_fall`: whether the form said that a result may go down. `before`: the decision
    as it stood ({marks, item_levels, point_level, reason, decided_by_id, decided_at, released_at}); `after_level`: the
    point's level since.
    """

    __tablename__ = "appeal"
    __table_args__ = (
        UniqueConstraint("decision_id"),
        UniqueConstraint("tenant_id", "id"),
        Index("ix_appeal_programme_state", "programme_id", "state"),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    submission_id: int = Field(foreign_key="submission.id", index=True)
    submission_version_id: int = Field(foreign_key="submission_version.id", index=True)
    decision_id: int = Field(foreign_key="decision.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    state: AppealState = Field(default=AppealState.OPEN, sa_type=choice(AppealState))
    panel: str = Field(max_length=16)
    pool: str = Field(default="", max_length=16)
    may_fall: bool
    before: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    after_level: int | None = None
    raised_at: datetime
    due_at: datetime
    settled_at: datetime | None = None
    withdrawn_at: datetime | None = None


class AppealPoint(Model, table=True):
    """One criterion that is asked about: the author's reason, the level before and after, and the panel's words."""

    __tablename__ = "appeal_point"
    __table_args__ = (UniqueConstraint("appeal_id", "requirement_key", "criterion_key"),)
    id: int | None = Field(default=None, primary_key=True)
    appeal_id: int = Field(foreign_key="appeal.id")
    requirement_key: str = Field(max_length=64)
    criterion_key: str = Field(max_length=64)
    reason: str = Field(default="", max_length=2000)
    before: int
    after: int | None = None
    answer: str = Field(default="", max_length=20000)


class MemberState(enum.Enum):
    ASKED = "asked"
    OPEN = "open"
    SUBMITTED = "submitted"
    STEPPED_BACK = "stepped_back"
    ENDED = "ended"  # nobody waits for it any more: late, or the appeal is over


class AppealReview(Owned, Versioned, table=True):
    """One member of the fresh panel, who marks the criteria that are asked about and sees no other marks.

    `marks`: {requirement key: {criterion key: {"level": 0..2 or null, "reason": str}}}.
    """

    __tablename__ = "appeal_review"
    __table_args__ = (
        UniqueConstraint("appeal_id", "reviewer_id"),
        UniqueConstraint("tenant_id", "id"),
        Index("ix_appeal_review_reviewer_state", "reviewer_id", "state"),
    )
    id: int | None = Field(default=None, primary_key=True)
    appeal_id: int = Field(foreign_key="appeal.id")
    reviewer_id: int = Field(foreign_key="person.id")
    is_trainer: bool = Field(default=False)
    state: MemberState = Field(default=MemberState.ASKED, sa_type=choice(MemberState))
    marks: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    asked_at: datetime
    due_at: datetime
    opened_at: datetime | None = None
    saved_at: datetime | None = None
    submitted_at: datetime | None = None
    ended_at: datetime | None = None


AT_WORK = (MemberState.ASKED, MemberState.OPEN)
COUNTING = (*AT_WORK, MemberState.SUBMITTED)


@dataclass(frozen=True, slots=True)
class Given:
    """What one member says of one criterion."""

    level: int
    reason: str


Key = tuple[str, str]


def wanted(panel: str, given: Sequence[Mapping[Key, Given]]) -> int:
    """How many members have to have spoken, as far as can be told from those who have: one trainer; two reviewers, and
    a third where those two differ on a criterion."""
    if panel == TRAINER:
        return 1
    differ = len(given) >= 2 and any(given[0][key].level != given[1][key].level for key in given[0])
    return 3 if differ else 2


def middle(levels: Sequence[int]) -> int:
    """The level that counts: what both say, or the middle one of three."""
    ordered = sorted(levels)
    return ordered[(len(ordered) - 1) // 2]


def outcome(before: int, said: Sequence[Given], *, may_fall: bool) -> tuple[int, str]:
    """The level of a criterion after the appeal, and the words for it: of those members who gave the level that counts.

    Where it was not said beforehand that a result may go down, it does not.
    """
    counts = middle([one.level for one in said])
    words = "\n".join(dict.fromkeys(one.reason for one in said if one.level == counts and one.reason))
    return (counts if may_fall else max(before, counts)), words
