"""确认选点: what a school said of somebody's choice of points, before the first decision. The newest row counts."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import JSON, Column, Index
from sqlmodel import Field, Session, col, select

from lms_plugin.append_only import guard, refusing
from lms_plugin.db import Model, table

LONGEST_REASON = 300


class ChoiceConfirmation(Model, table=True):
    """A school confirmed a choice, or sent it back with a reason. `points`: ids of the points that were chosen then: a
    choice with another one is to be confirmed anew. Append-only."""

    __tablename__ = "choice_confirmation"
    __table_args__ = (Index("ix_choice_confirmation_person", "programme_id", "person_id"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    person_id: int = Field(foreign_key="person.id")
    points: list[int] = Field(sa_column=Column(JSON, nullable=False))
    is_confirmed: bool
    reason: str = Field(default="", max_length=LONGEST_REASON)
    said_by_id: int = Field(foreign_key="person.id")
    said_at: datetime


guard(ChoiceConfirmation, refusing(table(ChoiceConfirmation).name))


def state_of(newest: ChoiceConfirmation | None, points: Collection[int]) -> str:
    """`state_after` of the newest word."""
    return state_after(None if newest is None else (newest.is_confirmed, newest.points), points)


def state_after(said: tuple[bool, Collection[int]] | None, points: Collection[int]) -> str:
    """How a choice stands after a word (whether it confirmed, and which points): "confirmed" (also where a point was
    given up since), "returned" while it is still the one that was sent back, else "waiting"."""
    if said is None:
        return "waiting"
    is_confirmed, then = said
    if is_confirmed:
        return "confirmed" if set(points) <= set(then) else "waiting"
    return "returned" if set(points) == set(then) else "waiting"


def said_of(session: Session, programme_id: int, person_ids: Collection[int]) -> list[ChoiceConfirmation]:
    """All that was said of these rows of people in a programme, the oldest first. One query."""
    return list(
        session.exec(
            select(ChoiceConfirmation)
            .where(ChoiceConfirmation.programme_id == programme_id, col(ChoiceConfirmation.person_id).in_(person_ids))
            .order_by(col(ChoiceConfirmation.id))
        ).all()
    )
