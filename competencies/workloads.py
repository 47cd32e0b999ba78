"""工作量证明: what somebody did for others in a round, on paper, under a number and a code. Rows are only added."""

from collections.abc import Collection, Mapping
from datetime import date, datetime

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field, Session, col, func, select

from competencies.append_only import guard, refusing
from competencies.certificates import Standing
from lms_plugin.db import Model, Owned, table

KINDS = ("reviews", "decisions", "trainings")
"""Works of others reviewed, works decided on (as a trainer or in an assessment group), trainings held."""


class WorkStatement(Owned, table=True):
    """工作量证明 as it was printed. `work`: how many of each kind of which there were any; `minutes`: what of them
    counts by time, by the round's rule of that day. `number`: within the district, from 1. Append-only."""

    __tablename__ = "work_statement"
    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        UniqueConstraint("tenant_id", "id"),
        Index("ix_work_statement_person", "programme_id", "person_id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    number: int
    code: str = Field(max_length=12, unique=True)
    programme_id: int = Field(foreign_key="programme.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    name: str = Field(max_length=100)
    staff_number: str = Field(max_length=64)
    school: str = Field(max_length=200)
    title: str = Field(max_length=200)  # of the programme
    issuer: str = Field(max_length=200)  # the unit that runs the programme
    paper: str = Field(max_length=100)
    work: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    minutes: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    minutes_per_hour: int
    first_on: date
    last_on: date
    issued_by_id: int = Field(foreign_key="person.id")
    issued_at: datetime


class WorkStatementEnd(Model, table=True):
    """A 工作量证明 counts no more: taken back with a reason, or followed by a new one. Append-only."""

    __tablename__ = "work_statement_end"
    statement_id: int = Field(
        foreign_key="work_statement.id", primary_key=True, sa_column_kwargs={"autoincrement": False}
    )
    followed_by_id: int | None = Field(default=None, foreign_key="work_statement.id")
    reason: str = Field(default="", max_length=300)
    ended_by_id: int = Field(foreign_key="person.id")
    ended_at: datetime


for _kind in (WorkStatement, WorkStatementEnd):
    guard(_kind, refusing(table(_kind).name))

Given = tuple[WorkStatement, WorkStatementEnd | None]


def standing(statement: WorkStatement, is_ended: bool, now: Mapping[str, int]) -> Standing:
    """Whether it still holds. `now`: how much of each kind there is today; more than it says changes nothing."""
    if is_ended:
        return Standing.ENDED
    is_less = any(now.get(kind, 0) < count for kind, count in statement.work.items())
    return Standing.CHANGED if is_less else Standing.VALID


def statements_of(session: Session, programme_id: int, person_ids: Collection[int] | None = None) -> list[Given]:
    """The statements of a programme, or those of these people in it, the newest first. One query."""
    statement = (
        select(WorkStatement, WorkStatementEnd)
        .join(WorkStatementEnd, col(WorkStatementEnd.statement_id) == col(WorkStatement.id), isouter=True)
        .where(WorkStatement.programme_id == programme_id)
        .order_by(col(WorkStatement.number).desc())
    )
    if person_ids is not None:
        statement = statement.where(col(WorkStatement.person_id).in_(person_ids))
    return list(session.exec(statement))


def statement_of_code(session: Session, code: str) -> Given | None:
    """The statement of that code (as `certificates.code_as_kept` gives it), whatever district it is of. One query."""
    if not code:
        return None
    return session.exec(
        select(WorkStatement, WorkStatementEnd)
        .join(WorkStatementEnd, col(WorkStatementEnd.statement_id) == col(WorkStatement.id), isouter=True)
        .where(WorkStatement.code == code)
    ).one_or_none()


def next_number(session: Session, tenant_id: int) -> int:
    """The number of the district's next statement; the caller holds the district's row."""
    last = session.exec(select(func.max(WorkStatement.number)).where(WorkStatement.tenant_id == tenant_id)).one()
    return (last or 0) + 1
