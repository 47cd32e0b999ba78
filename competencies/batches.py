"""A school's batch (学校批次) on the official chain: closed by the school, checked by the county, shown, released.

Nothing of a batch counts before it is released: decisions in it are held, not yet awards (users.md 16).
"""

import enum
from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import Index, UniqueConstraint, and_, or_
from sqlmodel import Field, Session, col, select

from competencies.levels import Level
from competencies.models import Programme, Submission, SubmissionState
from competencies.rules import Chain
from competencies.sampling import Candidate, DrawnFor, draw
from competencies.upper_models import UpperWork
from competencies.workdays import last_workday
from lms_plugin.db import Model, Owned, Versioned, choice, owned, pk


class BatchState(enum.Enum):
    CHECKING = "checking"  # 县级抽查: works were drawn and wait for the county
    RETURNED = "returned"  # 退回: a drawn work did not hold; the school decides anew and closes another round
    SHOWN = "shown"  # 公示, until `ends_at`
    READY = "ready"  # no 公示 asked for: waits for its release
    RELEASED = "released"  # 认定: nothing in it waits any more


class SchoolBatch(Owned, Versioned, table=True):
    """One round of a school in a programme. `seed`, `percent`, `all_excellent`: of its draw, by which it can be drawn
    again. `ends_on`: the last day of 公示, `ends_at`: its 24:00."""

    __tablename__ = "school_batch"
    __table_args__ = (
        UniqueConstraint("programme_id", "org_unit_id", "round"),
        UniqueConstraint("tenant_id", "id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    org_unit_id: int = Field(foreign_key="org_unit.id")
    round: int
    state: BatchState = Field(sa_type=choice(BatchState))
    seed: str = Field(max_length=64)
    percent: int  # 0: nothing was drawn by lot, the check was off
    all_excellent: bool
    closed_at: datetime
    closed_by_id: int = Field(foreign_key="person.id")
    checked_at: datetime | None = None
    checked_by_id: int | None = Field(default=None, foreign_key="person.id")
    shown_at: datetime | None = None
    ends_on: date | None = None
    ends_at: datetime | None = None
    released_at: datetime | None = None


class BatchWork(Model, table=True):
    """A work in a batch as it stood when the school closed it; or one that was left out, with why.

    `must`: why it was drawn in any case (appeal, again), "" otherwise; `drawn`: why it was drawn, "" = it was not.
    `is_upheld`: what the county found of a drawn one; empty = not looked at yet.
    """

    __tablename__ = "batch_work"
    __table_args__ = (UniqueConstraint("batch_id", "submission_id"), Index("ix_batch_work_submission", "submission_id"))
    id: int | None = Field(default=None, primary_key=True)
    batch_id: int = Field(foreign_key="school_batch.id")
    submission_id: int = Field(foreign_key="submission.id")
    decision_id: int | None = Field(default=None, foreign_key="decision.id")
    level: int | None = None
    left_out: str = Field(default="", max_length=500)
    must: str = Field(default="", max_length=16)
    drawn: str = Field(default="", max_length=16)
    is_upheld: bool | None = None
    found_reason: str = Field(default="", max_length=2000)
    found_by_id: int | None = Field(default=None, foreign_key="person.id")
    found_at: datetime | None = None


class Objection(Owned, Versioned, table=True):
    """异议 to one work during 公示. `said_by`: who said it, where an officer wrote it down; "" = the person who did."""

    __tablename__ = "objection"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    batch_id: int = Field(foreign_key="school_batch.id", index=True)
    submission_id: int = Field(foreign_key="submission.id", index=True)
    raised_by_id: int = Field(foreign_key="person.id")
    said_by: str = Field(default="", max_length=100)
    text: str = Field(max_length=2000)
    raised_at: datetime
    is_upheld: bool | None = None
    answer: str = Field(default="", max_length=2000)
    answered_by_id: int | None = Field(default=None, foreign_key="person.id")
    answered_at: datetime | None = None


def last_day_of_notice(chain: Chain, begun_on: date) -> date:
    """When a 公示 that begins on this day ends, as the stages of the programme say (with the district's days put in:
    `holidays.joined`). Raises ValueError as `workdays`."""
    return last_workday(begun_on, chain.publicity_days, chain.days_off, chain.workdays)


def years_without_holidays(chain: Chain, written: Collection[int], first: date, last: date) -> tuple[int, ...]:
    """The years of these days of which neither the district (`written`) nor the programme has said the days off: there
    a 公示 counts public holidays as working days."""
    known = {day.year for day in chain.days_off} | set(written)
    return tuple(year for year in range(first.year, last.year + 1) if year not in known) if chain.publicity else ()


def must_be_checked(session: Session, submission_ids: Collection[int]) -> dict[int, str]:
    """Of these works those that the county looks at in any case: to whom an objection was upheld, and whom an earlier
    check of its own, or of the city or province, overturned. Three queries."""
    overturned = session.exec(
        select(BatchWork.submission_id).where(
            col(BatchWork.submission_id).in_(submission_ids), col(BatchWork.is_upheld).is_(False)
        )
    )
    found = dict.fromkeys(overturned, DrawnFor.AGAIN.value)
    above = session.exec(
        select(UpperWork.submission_id).where(
            col(UpperWork.submission_id).in_(submission_ids), col(UpperWork.is_upheld).is_(False)
        )
    )
    found |= dict.fromkeys(above, DrawnFor.AGAIN.value)
    upheld = session.exec(
        select(Objection.submission_id).where(
            col(Objection.submission_id).in_(submission_ids), col(Objection.is_upheld).is_(True)
        )
    )
    return found | dict.fromkeys(upheld, DrawnFor.APPEAL.value)


def levels_in(session: Session, rounds: Collection[SchoolBatch]) -> list[int]:
    """The levels that these earlier rounds of a school stand with, one for each work: what was released, and what is
    held in 公示 or for its release. Works that came back, or are prepared again, count in a later round. One query."""
    stands = [pk(one) for one in rounds if one.state in {BatchState.SHOWN, BatchState.READY, BatchState.RELEASED}]
    rows = session.exec(
        select(BatchWork.submission_id, BatchWork.level)
        .join(Submission, col(Submission.id) == col(BatchWork.submission_id))
        .where(
            col(BatchWork.batch_id).in_(stands),
            col(BatchWork.level).is_not(None),
            or_(
                col(Submission.state) == SubmissionState.RELEASED,
                and_(
                    col(Submission.state) == SubmissionState.DECIDED,
                    col(Submission.batch_id) == col(BatchWork.batch_id),
                ),
            ),
        )
        .order_by(col(BatchWork.batch_id))
    )
    return [level or 0 for level in dict(list(rows)).values()]  # of a work in two rounds the later one


def excellent_left(percent: int, levels: Collection[int], earlier: Collection[int]) -> int:
    """How many of these works may be 优秀: `percent` of all that passed in these and the earlier ones, rounded up, less
    those that are 优秀 already. However a school divides its works into rounds, it comes to the same."""
    passed = sum(level >= Level.PASS for level in (*levels, *earlier))
    return max(0, -(-passed * percent // 100) - sum(level == Level.EXCELLENT for level in earlier))


def draw_of(batch: SchoolBatch, works: Collection[tuple[BatchWork, Submission]]) -> dict[str, str]:
    """The draw of a batch, worked out from what it keeps: at closing, and at any time again. Names → why drawn."""
    if not batch.percent:
        return {}
    candidates = [
        Candidate(submission.uuid, work.level, DrawnFor(work.must) if work.must else None)
        for work, submission in works
        if work.level is not None
    ]
    drawn = draw(candidates, batch.percent, batch.seed, all_excellent=batch.all_excellent)
    return {name: why.value for name, why in drawn.items()}


def reopen(session: Session, submission: Submission, now: datetime) -> None:
    """Takes a work out of its batch and asks for its decision anew; what was decided stands there to be changed."""
    submission.batch_id = None
    if submission.state is SubmissionState.DECIDED:
        submission.state, submission.changed_at = SubmissionState.SUBMITTED, now
    session.add(submission)


def is_held(submission: Submission) -> bool:
    """Whether a batch under way holds its decision: nobody changes it meanwhile."""
    return submission.batch_id is not None and submission.state is SubmissionState.DECIDED


def works_of(session: Session, batch: SchoolBatch) -> list[tuple[BatchWork, Submission]]:
    """Everything that a batch names, in the order of its works: one query."""
    rows = session.exec(
        select(BatchWork, Submission)
        .join(Submission, col(Submission.id) == col(BatchWork.submission_id))
        .where(BatchWork.batch_id == pk(batch))
        .order_by(col(BatchWork.id))
    )
    return [(work, submission) for work, submission in rows]


def shown_in(session: Session, programme: Programme, works: Collection[Submission]) -> dict[int, SchoolBatch] | None:
    """Of these works those that are in 公示, by id, with the batch; None where results do not go by batches. One query
    where one of them is in a batch, else none."""
    if not programme.goes_by_batch:
        return None
    held = {work.batch_id for work in works if work.batch_id is not None}
    if not held:
        return {}
    rows = session.exec(
        owned(SchoolBatch, programme.tenant_id).where(
            col(SchoolBatch.id).in_(held), SchoolBatch.state == BatchState.SHOWN
        )
    )
    shown = {pk(row): row for row in rows}
    return {pk(work): shown[work.batch_id] for work in works if work.batch_id in shown}
