"""更正申请: a teacher asks that an entry of the ledger be put right, or says that one is missing; an officer answers.

An answer that says something was booked or taken back names the entry that did it: the ledger is what counts.
"""

import enum
from datetime import datetime

from sqlmodel import Field

from lms_plugin.db import Owned, choice


class Answer(enum.Enum):
    BOOKED = "booked"  # hours were added since
    REVERSED = "reversed"  # something was taken back since
    EXPLAINED = "explained"  # everything stays as it is, and why


class HoursRequest(Owned, table=True):
    """更正申请. `entry_id` empty = one is missing. `org_unit_id`: the asker's school of that day: its officers answer.

    `answer` empty = open; `answer_entry_id`: what was booked or took back.
    """

    __tablename__ = "hours_request"
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    entry_id: int | None = Field(default=None, foreign_key="credit_entry.id")
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id", index=True)
    text: str = Field(max_length=1000)
    asked_at: datetime
    answer: Answer | None = Field(default=None, sa_type=choice(Answer))
    reply: str = Field(default="", max_length=1000)
    answer_entry_id: int | None = Field(default=None, foreign_key="credit_entry.id")
    answered_by_id: int | None = Field(default=None, foreign_key="person.id")
    answered_at: datetime | None = None
