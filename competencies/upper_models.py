"""The tables of 市级抽查 and 省级抽查: what a city or province looks at of what counties passed (`upper_checks`)."""

import enum
from datetime import datetime

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field

from lms_plugin.db import Model, Owned, Versioned, choice


class Tier(enum.Enum):
    CITY = "city"
    PROVINCE = "province"


class UpperCheck(Owned, Versioned, table=True):
    """One draw of a city or province from works of a programme that counties have passed. `works`: the public names of
    all that were drawn from, by which with `percent` and `seed` it can be drawn again."""

    __tablename__ = "upper_check"
    __table_args__ = (
        UniqueConstraint("programme_id", "org_unit_id", "tier", "round"),
        UniqueConstraint("tenant_id", "id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    org_unit_id: int = Field(foreign_key="org_unit.id")  # whose draw it is
    tier: Tier = Field(sa_type=choice(Tier))
    round: int
    percent: int
    seed: str = Field(max_length=64)
    works: list[str] = Field(sa_column=Column(JSON, nullable=False))
    drawn_at: datetime
    drawn_by_id: int = Field(foreign_key="person.id")
    ended_at: datetime | None = None
    ended_by_id: int | None = Field(default=None, foreign_key="person.id")


class UpperWork(Model, table=True):
    """A drawn work, with the decision and level as they stood then. `is_upheld`: what was found; empty = not looked at
    yet. `place`: in the order of its lot, from 1."""

    __tablename__ = "upper_work"
    __table_args__ = (UniqueConstraint("check_id", "submission_id"), Index("ix_upper_work_submission", "submission_id"))
    id: int | None = Field(default=None, primary_key=True)
    check_id: int = Field(foreign_key="upper_check.id")
    submission_id: int = Field(foreign_key="submission.id")
    batch_id: int = Field(foreign_key="school_batch.id")
    decision_id: int = Field(foreign_key="decision.id")
    level: int
    place: int
    is_upheld: bool | None = None
    found_reason: str = Field(default="", max_length=2000)
    found_by_id: int | None = Field(default=None, foreign_key="person.id")
    found_at: datetime | None = None
