"""暂缓的学时: whose hours of points wait until they have finished their own reviews (`ReviewPolicy.duty`)."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Index, text
from sqlmodel import Field, Session, col, select

from lms_plugin.db import Model

_OPEN = text("ended_at IS NULL")


class HeldHours(Model, table=True):
    """Since then points have brought this row of a person hours that are not booked, because own reviews are
    unfinished. `ended_at`: when they were booked, or nothing was left to book."""

    __tablename__ = "held_hours"
    __table_args__ = (
        Index(
            "uq_held_hours_open", "programme_id", "person_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    person_id: int = Field(foreign_key="person.id")
    since_at: datetime
    ended_at: datetime | None = None


def note(session: Session, programme_id: int, person_ids: Collection[int], now: datetime) -> list[int]:
    """Keeps that hours of these rows wait; gives those of whom nobody had said so. Two statements at most."""
    if not person_ids:
        return []
    known = {row.person_id for row in open_of(session, programme_id, person_ids)}
    fresh = sorted(set(person_ids) - known)
    session.add_all(HeldHours(programme_id=programme_id, person_id=key, since_at=now) for key in fresh)
    session.flush()
    return fresh


def open_of(session: Session, programme_id: int, person_ids: Collection[int] | None = None) -> list[HeldHours]:
    """Whose hours wait in a programme (None: of everybody), the oldest first. One query."""
    rows = select(HeldHours).where(HeldHours.programme_id == programme_id, col(HeldHours.ended_at).is_(None))
    if person_ids is not None:
        rows = rows.where(col(HeldHours.person_id).in_(person_ids))
    return list(session.exec(rows.order_by(col(HeldHours.id))))


def programmes_of(session: Session, person_ids: Collection[int] | None = None) -> list[int]:
    """The programmes in which hours (of these rows) wait. One query."""
    rows = select(HeldHours.programme_id).where(col(HeldHours.ended_at).is_(None))
    if person_ids is not None:
        rows = rows.where(col(HeldHours.person_id).in_(person_ids))
    return sorted(session.exec(rows.distinct()))
