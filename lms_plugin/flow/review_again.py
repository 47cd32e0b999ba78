"""Whether a programme that was allotted is to be looked at again: what changed since."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import exists, func
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import conflicts
from lms_plugin.flow.blindness import SAW_THE_AUTHOR
from lms_plugin.people import Course, HostList


def changed_since(
    session: Session, programme: competencies.Programme, since: datetime, wait: timedelta, now: datetime
) -> bool:
    """Whether after the last allotment a work became ripe, came to need a third reviewer, or a place came free; the
    rules changed; or a host was asked for its groups again, where works are short because of them."""
    rules = competencies.rules_of(session, programme)
    ripe = session.exec(
        select(competencies.Submission.id)
        .join(
            competencies.SubmissionVersion,
            col(competencies.SubmissionVersion.id) == col(competencies.Submission.current_version_id),
        )
        .where(
            competencies.Submission.programme_id == pk(programme),
            competencies.Submission.state == competencies.SubmissionState.SUBMITTED,
            col(competencies.Submission.trainer_id).is_(None) | (rules.review.returned_to == "peers"),
            col(competencies.SubmissionVersion.withdrawn_at).is_(None),
            col(competencies.SubmissionVersion.submitted_at) <= now - wait,
            (col(competencies.SubmissionVersion.submitted_at) > since - wait)
            | (col(competencies.Submission.changed_at) > since),
        )
        .limit(1)
    ).first()
    policy = session.get(competencies.ProgrammePolicy, programme.policy_id) if programme.policy_id else None
    if policy is not None and policy.made_at > since:
        return True
    quota = rubrics.ReviewQuota
    said = select(quota.id).where(quota.programme_id == pk(programme), col(quota.set_at) > since).limit(1)
    if session.exec(said).first() is not None:
        return True
    if ripe is not None or _came_to_differ(session, programme, since) or _came_late(session, programme, since, now):
        return True
    last = last_of(session, programme)
    whys = {one["why"] for one in last.shortages} if last is not None else set()
    return _place_came_free(session, programme, whys, since) or _groups_were_read(session, programme, whys, since)


def last_of(session: Session, programme: competencies.Programme) -> rubrics.Allocation | None:
    """The latest allotment."""
    return session.exec(
        select(rubrics.Allocation)
        .where(rubrics.Allocation.programme_id == pk(programme))
        .order_by(col(rubrics.Allocation.id).desc())
        .limit(1)
    ).first()


def _came_to_differ(session: Session, programme: competencies.Programme, since: datetime) -> bool:
    """Whether reviews differ on pass since then and nobody was free to be the third."""
    submission, summary = competencies.Submission, rubrics.ReviewSummary
    third = exists().where(
        col(rubrics.Review.submission_version_id) == col(submission.current_version_id),
        col(rubrics.Review.is_third).is_(True),
        col(rubrics.Review.state).in_(rubrics.LIVE),
    )
    statement = (
        select(submission.id)
        .join(summary, col(summary.submission_version_id) == col(submission.current_version_id))
        .where(
            submission.programme_id == pk(programme),
            submission.state == competencies.SubmissionState.SUBMITTED,
            col(summary.differs_on_pass).is_(True),
            col(summary.changed_at) > since,
            ~third,
        )
    )
    return session.exec(statement.limit(1)).first() is not None


def _came_late(session: Session, programme: competencies.Programme, since: datetime, now: datetime) -> bool:
    """Whether the time of a review came to its end since then."""
    lease = timedelta(hours=competencies.rules_of(session, programme).review.lease_hours)
    if not lease:
        return False
    review, submission = rubrics.Review, competencies.Submission
    touched = func.coalesce(col(review.saved_at), col(review.opened_at))
    is_open, unopened = (
        col(review.state) == state for state in (rubrics.ReviewState.OPEN, rubrics.ReviewState.ALLOTTED)
    )
    statement = (
        select(review.id)
        .join(submission, col(submission.id) == col(review.submission_id))
        .where(
            review.programme_id == pk(programme),
            submission.state == competencies.SubmissionState.SUBMITTED,
            (is_open & (touched > since - lease) & (touched <= now - lease))
            | (unopened & (col(review.due_at) > since) & (col(review.due_at) <= now)),
        )
    )
    return session.exec(statement.limit(1)).first() is not None


def _place_came_free(
    session: Session, programme: competencies.Programme, whys: Collection[str], since: datetime
) -> bool:
    """Whether a reviewer stepped back or came to see the author, or, where reviewers were short, owes one less."""
    kinds = ("recused", "declined", *(("void",) if whys else ()))
    statement = (
        select(rubrics.ReviewEvent.id)
        .join(rubrics.Review, col(rubrics.Review.id) == col(rubrics.ReviewEvent.review_id))
        .where(
            rubrics.Review.programme_id == pk(programme),
            col(rubrics.ReviewEvent.kind).in_(kinds)
            | col(rubrics.ReviewEvent.detail).in_((SAW_THE_AUTHOR, conflicts.CONFLICT)),
            col(rubrics.ReviewEvent.at) > since,
        )
    )
    return session.exec(statement.limit(1)).first() is not None


def _groups_were_read(
    session: Session, programme: competencies.Programme, whys: Collection[str], since: datetime
) -> bool:
    """Whether works are short for want of people in a course group, and a list was read since then."""
    if not {rubrics.Why.COURSE_GROUP_TOO_SMALL, rubrics.Why.NO_COURSE_GROUP} & set(whys):
        return False
    statement = (
        select(HostList.id)
        .join(Course, col(Course.id) == col(HostList.course_id))
        .where(Course.programme_id == pk(programme), col(HostList.read_at) > since)
    )
    return session.exec(statement.limit(1)).first() is not None
