"""How long a review is somebody's: it goes on to somebody else when its time is up and somebody is free, and comes back
to whoever takes it up again all the same."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session, col

from lms_plugin.db import pk, table
from rubrics.claims import count_need, hold_needs
from rubrics.models import Review, ReviewState
from rubrics.reviews import record_event
from rubrics.states import UNFINISHED


def is_handed_on(review: Review) -> bool:
    """Whether it went on to somebody else, and its reviewer has not taken it up again."""
    return review.state is ReviewState.VOID and review.handed_on_at is not None


HANDED_ON = "handed_on"
MAY_GO_ON: "ColumnElement[bool]" = col(Review.state).in_(UNFINISHED) | (
    (col(Review.state) == ReviewState.VOID) & col(Review.handed_on_at).is_not(None)
)
"""The condition of reviews that somebody works on, or may take up again."""


def state_word(review: Review) -> str:
    """Where a review stands: its state, or HANDED_ON."""
    return HANDED_ON if is_handed_on(review) else review.state.value


def hand_on(session: Session, rows: Iterable[Review], now: datetime) -> None:
    """Somebody else was found for these: they are owed no more. What was written stays; what was saved or handed in
    at this very moment is left as it is."""
    rows = list(rows)
    hold_needs(session, [review.submission_version_id for review in rows])
    for review in rows:
        if _turn(session, review, state=ReviewState.VOID, handed_on_at=now):
            record_event(session, review.submission_version_id, review.reviewer_id, "handed_on", now, pk(review))
    count_need(session, [review.submission_version_id for review in rows], now)


def take_up_again(session: Session, review: Review, now: datetime) -> None:
    """Its reviewer goes on after all: it counts like any other."""
    hold_needs(session, [review.submission_version_id])
    if _turn(session, review, state=ReviewState.OPEN, handed_on_at=None, opened_at=review.opened_at or now):
        record_event(session, review.submission_version_id, review.reviewer_id, "taken_up_again", now, pk(review))
    count_need(session, [review.submission_version_id], now)


def _turn(session: Session, review: Review, **values: Any) -> bool:
    """Changes the row and leaves its version: a page on which somebody is writing meanwhile is not out of date. False
    where somebody else changed it since it was read."""
    row = table(Review).c
    changed: Any = session.connection().execute(
        update(table(Review))
        .where(row.id == pk(review), row.state == review.state, row.version == review.version)
        .values(**values)
    )
    if changed.rowcount != 1:
        session.refresh(review)
        return False
    for name, value in values.items():
        set_committed_value(review, name, value)
    return True
