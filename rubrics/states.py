"""What the state of a review means for others: whether it counts, and until when it is its reviewer's."""

from datetime import datetime, timedelta
from typing import Protocol

from rubrics.models import ReviewState

UNFINISHED = (ReviewState.ALLOTTED, ReviewState.OPEN)
LIVE = (*UNFINISHED, ReviewState.SUBMITTED)


class Standing(Protocol):
    """A review as far as its time goes: a row of the class, or of a query that reads these columns."""

    @property
    def state(self) -> ReviewState: ...
    @property
    def opened_at(self) -> datetime | None: ...
    @property
    def saved_at(self) -> datetime | None: ...
    @property
    def due_at(self) -> datetime | None: ...


def lease_until(review: Standing, lease: timedelta) -> datetime | None:
    """Until when an unfinished review waits for its reviewer: `lease` after it was last saved (or opened); of one that
    nobody has opened, its last day. None where it waits for ever, or is over."""
    if not lease:
        return None
    if review.state is ReviewState.OPEN:
        touched = review.saved_at or review.opened_at
        return touched + lease if touched is not None else None
    return review.due_at if review.state is ReviewState.ALLOTTED else None


def is_late(review: Standing, lease: timedelta, now: datetime) -> bool:
    """Whether its time is up, so that it may go on to somebody else."""
    until = lease_until(review, lease)
    return until is not None and until <= now
