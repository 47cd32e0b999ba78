"""以前的记录: what another operator's platform said of a teacher, kept with its source and searchable for good.

It proves nothing here: no award, no entry of the ledger rests on it (S0-4: old results must be found after a move).
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from lms_plugin.db import Owned

LONGEST = {"staff_number": 64, "name": 100, "school": 200, "title": 300, "points": 500, "result": 100, "source": 300}


class OldRecord(Owned, table=True):
    """One line of an old platform's list. `org_unit_id`: the school of today by that name, or the unit of the officer
    who brought it in; `batch`: the file it came with; `removed_at`: that file was taken back."""

    __tablename__ = "old_record"
    __table_args__ = (
        UniqueConstraint("tenant_id", "content_hash"),
        Index("ix_old_record_number", "tenant_id", "staff_number"),
    )
    id: int | None = Field(default=None, primary_key=True)
    org_unit_id: int = Field(foreign_key="org_unit.id", index=True)
    staff_number: str = Field(max_length=LONGEST["staff_number"])
    name: str = Field(max_length=LONGEST["name"])
    school: str = Field(max_length=LONGEST["school"])
    title: str = Field(max_length=LONGEST["title"])
    points: str = Field(max_length=LONGEST["points"])
    result: str = Field(max_length=LONGEST["result"])
    hours_hundredths: int | None = None
    earned_on: date | None = None
    source: str = Field(max_length=LONGEST["source"])
    content_hash: str = Field(max_length=64)
    batch: str = Field(max_length=32, index=True)
    filename: str = Field(max_length=200)
    imported_by_id: int = Field(foreign_key="person.id")
    imported_at: datetime
    removed_at: datetime | None = None


def line_hash(cells: Sequence[object]) -> str:
    """SHA-256 of a line: the same line of the same source is one record, however often it is sent."""
    text = json.dumps([str(cell) if cell is not None else "" for cell in cells], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
