"""清除: somebody's personal data were taken out at their word. The receipt stays, and names nobody."""

from datetime import datetime

from sqlalchemy import JSON, Column
from sqlmodel import Field

from lms_plugin.append_only import guard, refusing
from lms_plugin.db import Model


class Erasure(Model, table=True):
    """The receipt. `person_id`: the row that stays under a code; `reason`: at whose word, and who agreed; `removed`:
    how many rows of each kind lost what was personal. Append-only."""

    __tablename__ = "erasure"
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id", index=True)
    person_id: int = Field(foreign_key="person.id", unique=True)
    reason: str = Field(max_length=300)
    removed: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    erased_at: datetime


guard(Erasure, refusing("erasure"))
