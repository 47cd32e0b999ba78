"""HOW work is judged: rubrics, allotted reviews, marks. Knows submissions and people only as ids."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Column, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from lms_plugin.append_only import guard, refusing
from lms_plugin.db import Model, Owned, Versioned, choice


class RubricVersion(Owned, table=True):
    """评价标准 of one evidence requirement in one published framework version. Immutable: a change is a new row."""

    __tablename__ = "rubric_version"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    title: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    content_hash: str = Field(max_length=64)
    created_at: datetime


class Criterion(Model, table=True):
    """One line of a rubric. `is_validity`: the single 有效/无效 statement of an item that is not core."""

    __tablename__ = "criterion"
    __table_args__ = (UniqueConstraint("rubric_version_id", "key"),)
    id: int | None = Field(default=None, primary_key=True)
    rubric_version_id: int = Field(foreign_key="rubric_version.id", index=True)
    key: str = Field(max_length=64)
    position: int
    is_validity: bool = Field(default=False)
    is_proposed: bool = Field(default=True)
    weight: int | None = None  # how much it counts beside the others; empty: the lowest criterion decides


class CriterionLevel(Model, table=True):
    """What a criterion asks at one level: 1 合格, 2 优秀 (of a validity criterion: 1 有效)."""

    __tablename__ = "criterion_level"
    __table_args__ = (UniqueConstraint("criterion_id", "level"),)
    id: int | None = Field(default=None, primary_key=True)
    criterion_id: int = Field(foreign_key="criterion.id", index=True)
    level: int
    text: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))


# What was published is what people were judged by: the database refuses to change or delete it.
for _kind in (RubricVersion, Criterion, CriterionLevel):
    guard(_kind, refusing(str(_kind.__tablename__)))


class Allocation(Owned, table=True):
    """One run of the allotment of reviews: seeded, replayable; `shortages` is what could not be filled and why."""

    __tablename__ = "allocation"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id", index=True)
    seed: int
    works: int
    reviewers: int
    assigned: int
    shortages: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    ran_by_id: int | None = Field(default=None, foreign_key="person.id")
    ran_at: datetime


class AllocationPlan(Model, table=True):
    """What an allotment was planned from, so that it can be drawn again: the pool as canonical JSON (packed), its
    SHA-256, the version of the planning code, and the SHA-256 of the reviews that came out."""

    __tablename__ = "allocation_plan"
    id: int | None = Field(default=None, primary_key=True)
    allocation_id: int = Field(foreign_key="allocation.id", unique=True)
    code_version: int
    inputs_hash: str = Field(max_length=64)
    plan_hash: str = Field(max_length=64)
    inputs: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ReviewState(enum.Enum):
    ALLOTTED = "allotted"
    OPEN = "open"  # the reviewer has opened it
    SUBMITTED = "submitted"
    RECUSED = "recused"  # 申请回避
    DECLINED = "declined"  # 不评, for a reason that has nothing to do with the author
    VOID = "void"  # the work was withdrawn or replaced


class Decline(enum.Enum):
    SUBJECT = "subject"  # 学科不合适
    TIME = "time"  # 没有时间: it counts in what they owe, so that they are not given another one in its place
    OTHER = "other"


class Review(Owned, Versioned, table=True):
    """互评: one reviewer's work on one submitted version. `blind_number` is all that reviewers see of the author.

    A reviewer is never the author: the database refuses such a row (`OWN_REVIEW_REFUSED`).
    """

    __tablename__ = "review"
    __table_args__ = (
        UniqueConstraint("submission_version_id", "reviewer_id"),
        UniqueConstraint("tenant_id", "id"),
        Index("ix_review_reviewer_state", "reviewer_id", "state"),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id", index=True)
    submission_id: int = Field(foreign_key="submission.id", index=True)
    submission_version_id: int = Field(foreign_key="submission_version.id")
    reviewer_id: int = Field(foreign_key="person.id")
    allocation_id: int | None = Field(default=None, foreign_key="allocation.id")
    state: ReviewState = Field(default=ReviewState.ALLOTTED, sa_type=choice(ReviewState))
    is_third: bool = Field(default=False)  # asked because the two differed on pass
    is_claimed: bool = Field(default=False)  # 自己领的, beyond what was allotted
    decline: Decline | None = Field(default=None, sa_type=choice(Decline))  # why, where it was declined
    blind_number: int
    point_level: int | None = None  # computed from the marks at submission
    due_at: datetime | None = None
    allotted_at: datetime
    opened_at: datetime | None = None
    saved_at: datetime | None = None
    submitted_at: datetime | None = None
    handed_on_at: datetime | None = None  # void because its time was up and somebody else was found


OWN_REVIEW_REFUSED = {
    "sqlite": [
        "CREATE TRIGGER review_not_own BEFORE INSERT ON review "
        "WHEN NEW.reviewer_id = (SELECT person_id FROM submission WHERE id = NEW.submission_id) "
        "BEGIN SELECT RAISE(ABORT, 'nobody reviews their own work'); END",
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION review_not_own() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.reviewer_id = (SELECT person_id FROM submission WHERE id = NEW.submission_id) THEN "
        "RAISE EXCEPTION 'nobody reviews their own work'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER review_not_own BEFORE INSERT ON review FOR EACH ROW EXECUTE FUNCTION review_not_own()",
    ],
}
"""By dialect, the SQL that keeps authors from their own works, whoever writes the row. Two rows that turn out to be one
human being are told apart by nobody but us (`flow/merge_reviews.py`)."""
guard(Review, OWN_REVIEW_REFUSED)


class ReviewNeed(Model, table=True):
    """缺评审人: how many reviewers a work that waits for peers still lacks, so that somebody can claim it.

    One row for each version that is open to peers, in programmes that let people claim. `need` is what `count_need`
    makes of the version's reviews: `wanted` less those that are somebody's. `pool`: whose members may review it (a
    school, a school group, 0 = the district; None = nobody, the author belongs to no school). `prio` is drawn by
    chance, so that nobody can ask at the right moment for a friend's work.
    """

    __tablename__ = "review_need"
    __table_args__ = (
        CheckConstraint("need >= 0", name="need"),
        # Read from its end: the neediest first, of those the highest number.
        Index(
            "ix_review_need_open",
            *("programme_id", "pool", "need", "prio"),
            postgresql_where=text("need > 0"),
            sqlite_where=text("need > 0"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    submission_id: int = Field(foreign_key="submission.id", index=True)
    submission_version_id: int = Field(foreign_key="submission_version.id", unique=True)
    author_id: int = Field(foreign_key="person.id")
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id")  # the school it was handed in from
    pool: int | None = None
    wanted: int
    lease_hours: int
    need: int
    prio: int


class ReviewQuota(Model, table=True):
    """每人最多评几份: how many reviews of a programme somebody gives in all; None = as the rules say (again)."""

    __tablename__ = "review_quota"
    __table_args__ = (UniqueConstraint("programme_id", "person_id"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    person_id: int = Field(foreign_key="person.id")
    most: int | None = None
    set_by_id: int = Field(foreign_key="person.id")
    set_at: datetime


class CriterionMark(Model, table=True):
    """One criterion by one reviewer: level 0 未达到, 1 合格 (or 有效), 2 优秀; a reason where it is below pass."""

    __tablename__ = "criterion_mark"
    __table_args__ = (UniqueConstraint("review_id", "requirement_key", "criterion_key"),)
    id: int | None = Field(default=None, primary_key=True)
    review_id: int = Field(foreign_key="review.id", index=True)
    requirement_key: str = Field(max_length=64)
    criterion_key: str = Field(max_length=64)
    level: int | None = None
    reason: str = Field(default="", max_length=4000)


class JudgedBy(Model, table=True):
    """按新标准评: this item of a submitted version is judged by another rubric version than the one that its
    requirement has. No row: by that of its requirement."""

    __tablename__ = "judged_by"
    __table_args__ = (UniqueConstraint("submission_version_id", "requirement_id"),)
    id: int | None = Field(default=None, primary_key=True)
    submission_version_id: int = Field(foreign_key="submission_version.id")
    requirement_id: int = Field(foreign_key="evidence_requirement.id")
    rubric_version_id: int = Field(foreign_key="rubric_version.id")


class MarkBefore(Model, table=True):
    """以前的评分: a mark that stands no more since the criteria changed; what it was given by is `rubric_version_id`.
    Append-only: who gave it, the trainer and auditors read it as it was."""

    __tablename__ = "mark_before"
    id: int | None = Field(default=None, primary_key=True)
    review_id: int = Field(foreign_key="review.id", index=True)
    rubric_version_id: int = Field(foreign_key="rubric_version.id")
    requirement_key: str = Field(max_length=64)
    criterion_key: str = Field(max_length=64)
    level: int | None = None
    reason: str = Field(default="", max_length=4000)
    set_aside_at: datetime


guard(MarkBefore, refusing("mark_before"))


class ConflictKind(enum.Enum):
    FAMILY = "family"  # 亲属
    LINE = "line"  # 上下级
    TOGETHER = "together"  # 合作过这份材料
    OTHER = "other"


class ReviewConflict(Owned, table=True):
    """回避关系: two people who do not review each other in any programme, as somebody who looks after both has said."""

    __tablename__ = "review_conflict"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    one_id: int = Field(foreign_key="person.id", index=True)
    other_id: int = Field(foreign_key="person.id", index=True)
    kind: ConflictKind = Field(sa_type=choice(ConflictKind))
    note: str = Field(default="", max_length=200)
    said_by_id: int = Field(foreign_key="person.id")
    said_at: datetime
    ended_by_id: int | None = Field(default=None, foreign_key="person.id")
    ended_at: datetime | None = None


class ReviewEvent(Model, table=True):
    """What happened to a review or a case, for the audit: opened, submitted, recused, viewed."""

    __tablename__ = "review_event"
    id: int | None = Field(default=None, primary_key=True)
    review_id: int | None = Field(default=None, foreign_key="review.id", index=True)
    submission_version_id: int = Field(foreign_key="submission_version.id", index=True)
    person_id: int = Field(foreign_key="person.id")
    kind: str = Field(max_length=32)
    detail: str = Field(default="", max_length=500)
    at: datetime


guard(ReviewEvent, refusing("review_event"))


class FlagKind(enum.Enum):
    COPIED = "copied"  # 疑似抄袭
    UNFIT = "unfit"  # 不当内容
    LEAK = "leak"  # 泄露学生信息
    UNOPENABLE = "unopenable"  # 打不开
    RUDE = "rude"  # the author, of what was said of the work: 语言不当
    EMPTY = "empty"  # likewise: 没说到点上
    OTHER = "other"


class ReviewFlag(Owned, table=True):
    """请评审员看看: a reviewer of a work, or an author of what was said of theirs (`review_id` None), asks a trainer to
    look. It changes no mark and no state by itself. `about`: "item.criterion" of the reason meant, "" = the whole."""

    __tablename__ = "review_flag"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    submission_id: int = Field(foreign_key="submission.id", index=True)
    submission_version_id: int = Field(foreign_key="submission_version.id")
    review_id: int | None = Field(default=None, foreign_key="review.id")
    by_id: int = Field(foreign_key="person.id", index=True)
    kind: FlagKind = Field(sa_type=choice(FlagKind))
    about: str = Field(default="", max_length=130)
    words: str = Field(default="", max_length=500)
    raised_at: datetime
    settled_by_id: int | None = Field(default=None, foreign_key="person.id")
    settled_at: datetime | None = None
    answer: str = Field(default="", max_length=500)


class ReviewSummary(Model, table=True):
    """What the submitted reviews of one version say together, kept so that queues can filter and count by it.

    `is_agreed`: enough reviews are in and every criterion has one level from all. `agreed_level`: the point level that
    all of them give. `doubt_millionths`: how unsure they leave it whether the work passes (`Doubt.rank`); empty with
    fewer than two reviews.
    """

    __tablename__ = "review_summary"
    id: int | None = Field(default=None, primary_key=True)
    submission_version_id: int = Field(foreign_key="submission_version.id", unique=True)
    submitted: int
    is_agreed: bool
    differs_on_pass: bool
    agreed_level: int | None = None
    doubt_millionths: int | None = None
    changed_at: datetime


class CaseOpening(Model, table=True):
    """A trainer has this case open since `opened_at`: "由 … 打开，3 分钟前"."""

    __tablename__ = "case_opening"
    __table_args__ = (UniqueConstraint("submission_id", "person_id"),)
    id: int | None = Field(default=None, primary_key=True)
    submission_id: int = Field(foreign_key="submission.id")
    person_id: int = Field(foreign_key="person.id")
    opened_at: datetime


class Phrase(Owned, table=True):
    """常用评语 of a trainer."""

    __tablename__ = "phrase"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    text: str = Field(max_length=500)
    used_count: int = Field(default=0)
    created_at: datetime
