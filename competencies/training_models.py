"""Tables of trainings (培训): what was planned, who was there by which way, and what was put right since."""

import enum
from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from lms_plugin.append_only import guard, refusing
from lms_plugin.db import Model, Owned, Versioned, choice


class TrainingKind(enum.Enum):
    ONLINE = "online"  # 网络研修
    OFFLINE = "offline"  # 集中培训
    SCHOOL_BASED = "school_based"  # 校本研修
    PRACTICE = "practice"  # 实践应用


class TrainingState(enum.Enum):
    PLANNED = "planned"
    CANCELLED = "cancelled"  # before it was held, with a reason
    CLOSED = "closed"  # held; its hours were booked


class Expects(enum.Enum):
    ROSTER = "roster"  # everybody on the roster of the unit and what lies below it
    PROGRAMME = "programme"  # of these only who takes part in the programme


class Training(Owned, Versioned, table=True):
    """One training of a unit, within a programme whose ledger gets its hours.

    `minutes`: what being there from beginning to end counts; `sign_in_secret`: what its rotating codes derive from.
    """

    __tablename__ = "training"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index("ix_training_unit", "org_unit_id", "starts_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id", index=True)
    org_unit_id: int = Field(foreign_key="org_unit.id")
    title: str = Field(max_length=200)
    kind: TrainingKind = Field(sa_type=choice(TrainingKind))
    expects: Expects = Field(sa_type=choice(Expects))
    starts_at: datetime
    ends_at: datetime
    minutes: int
    place: str = Field(default="", max_length=200)
    state: TrainingState = Field(default=TrainingState.PLANNED, sa_type=choice(TrainingState))
    reason: str = Field(default="", max_length=300)  # why it was cancelled
    sign_in_secret: str = Field(max_length=64)
    planned_by_id: int = Field(foreign_key="person.id")
    created_at: datetime
    ended_at: datetime | None = None  # when it was cancelled or closed
    ended_by_id: int | None = Field(default=None, foreign_key="person.id")


class Attendance(Owned, table=True):
    """Somebody was at a training: a row of the roster, a person, or (mostly) both.

    `minutes` empty = all of it. `entry_id`: the ledger entry that stands for it, `bookings`: how many ever did.
    `removed_at` set = was put in by mistake; the row stays, and so does the log.
    """

    __tablename__ = "attendance"
    __table_args__ = (
        UniqueConstraint("training_id", "roster_entry_id"),
        UniqueConstraint("training_id", "person_id"),
        UniqueConstraint("tenant_id", "id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    training_id: int = Field(foreign_key="training.id")
    roster_entry_id: int | None = Field(default=None, foreign_key="roster_entry.id", index=True)
    person_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    way: str = Field(max_length=16)  # "code" | "qr" | "list" | "import"
    minutes: int | None = None
    signed_at: datetime
    entry_id: int | None = Field(default=None, foreign_key="credit_entry.id")
    bookings: int = 0
    removed_at: datetime | None = None


class AttendanceChange(Model, table=True):
    """The log of an attendance: signed in (`what` = signed, with the way), taken out, put back, other minutes.
    Append-only. `by_id`: who did it; empty = the person themselves on a phone without a session."""

    __tablename__ = "attendance_change"
    id: int | None = Field(default=None, primary_key=True)
    attendance_id: int = Field(foreign_key="attendance.id", index=True)
    what: str = Field(max_length=16)  # "signed" | "removed" | "minutes"
    way: str = Field(default="", max_length=16)
    minutes: int | None = None
    reason: str = Field(default="", max_length=300)
    by_id: int | None = Field(default=None, foreign_key="person.id")
    at: datetime


class PersonalCode(Model, table=True):
    """The code by which a teacher signs in on a phone that knows nobody. The code itself is not kept: it derives from
    the installation's secret, the person and `number`; `code_hash`, keyed by the same secret, finds the person."""

    __tablename__ = "personal_code"
    __table_args__ = (UniqueConstraint("tenant_id", "code_hash"),)
    person_id: int = Field(foreign_key="person.id", primary_key=True, sa_column_kwargs={"autoincrement": False})
    tenant_id: int = Field(foreign_key="tenant.id")
    number: int
    code_hash: str = Field(max_length=64)
    made_at: datetime


class SignInTry(Model, table=True):
    """A wrong code. `who`: whose tries are counted together; rows go after a day."""

    __tablename__ = "sign_in_try"
    __table_args__ = (Index("ix_sign_in_try_who", "who", "tried_at"),)
    id: int | None = Field(default=None, primary_key=True)
    who: str = Field(max_length=120)
    tried_at: datetime = Field(index=True)


guard(AttendanceChange, refusing("attendance_change"))
