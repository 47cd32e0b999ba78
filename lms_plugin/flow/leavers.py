"""Who went away in the middle of a round: what they had and did not finish goes to somebody else at once."""

from datetime import datetime

from sqlalchemy import ColumnElement, exists, func
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import host_list
from lms_plugin.people import Person, RosterEntry


def has_gone(programme_id: int) -> ColumnElement[bool]:
    """The condition that a Person takes part no more: hosts say so (`host_list.has_left`), or the roster."""
    return host_list.has_left(Person, programme_id) | is_off_roster()


def is_off_roster() -> ColumnElement[bool]:
    """The condition that a Person was taken from the roster and stands nowhere else on it. Who never stood on a roster
    is not gone by it."""
    today = func.coalesce(col(Person.merged_into_id), col(Person.id))
    listed = exists().where(col(RosterEntry.person_id).in_((today, col(Person.id))))
    stands = listed.where(col(RosterEntry.removed_at).is_(None))
    return listed & ~stands


def free_reviews(session: Session, programme: competencies.Programme, now: datetime) -> int:
    """Hands on the unfinished reviews of who has gone, whether or not somebody is free yet, and says how many. What was
    written stays; who comes back after all takes it up again by saving. One query while nobody has gone."""
    review, work = rubrics.Review, competencies.Submission
    rows = session.exec(
        select(review)
        .join(Person, col(Person.id) == col(review.reviewer_id))
        .join(work, col(work.id) == col(review.submission_id))
        .where(
            review.programme_id == pk(programme),
            col(review.state).in_(rubrics.UNFINISHED),
            work.state == competencies.SubmissionState.SUBMITTED,
            has_gone(pk(programme)),
        )
        .order_by(col(review.id))
    ).all()
    if rows:
        rubrics.hand_on(session, rows, now)
    return len(rows)
