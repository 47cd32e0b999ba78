"""工作量证明: what somebody did for others in a round, on paper, under a number and a code. Rows are only added."""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field

from competencies import papers
from competencies.certificate_models import Paper, PaperEnd, PaperSeal
from competencies.certificates import Standing
from lms_plugin.append_only import guard, refusing
from lms_plugin.db import table

KINDS = ("reviews", "decisions", "samples", "trainings", "attendees", "plans_led", "plans_seen")
"""Works of others reviewed, works decided on (as a trainer or in an assessment group), drawn works looked at (for the
county, city or province), trainings held, how often somebody was at one, plans of schools led (handed in and accepted),
and looked at for the county."""


class WorkStatement(Paper, table=True):
    """工作量证明. `work`: how many of each kind of which there were any; `minutes`: what of them counts by time, by the
    round's rule of that day. `days`: the first and the last day of each kind; None before they were noted.
    Append-only."""

    __tablename__ = "work_statement"
    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        UniqueConstraint("tenant_id", "id"),
        Index("ix_work_statement_person", "programme_id", "person_id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    work: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    minutes: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    days: dict[str, list[str]] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    minutes_per_hour: int
    first_on: date
    last_on: date


class WorkStatementEnd(PaperEnd, table=True):
    """A 工作量证明 counts no more. Append-only."""

    __tablename__ = "work_statement_end"
    statement_id: int = Field(
        foreign_key="work_statement.id", primary_key=True, sa_column_kwargs={"autoincrement": False}
    )
    followed_by_id: int | None = Field(default=None, foreign_key="work_statement.id")


class WorkSealUse(PaperSeal, table=True):
    """A unit's seal was put on a 工作量证明. Append-only."""

    __tablename__ = "work_seal_use"
    statement_id: int = Field(
        foreign_key="work_statement.id", primary_key=True, sa_column_kwargs={"autoincrement": False}
    )


for _kind in (WorkStatement, WorkStatementEnd, WorkSealUse):
    guard(_kind, refusing(table(_kind).name))

KIND = papers.Kind(WorkStatement, WorkStatementEnd, WorkSealUse, "statement_id")


def standing(statement: WorkStatement, is_ended: bool, now: Mapping[str, int]) -> Standing:
    """Whether it still holds. `now`: how much of each kind there is today; more than it says changes nothing."""
    if is_ended:
        return Standing.ENDED
    is_less = any(now.get(kind, 0) < count for kind, count in statement.work.items())
    return Standing.CHANGED if is_less else Standing.VALID
