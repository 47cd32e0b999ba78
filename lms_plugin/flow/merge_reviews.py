"""Reviews and decisions at a merge: what turns out to be one's own or given twice falls; an undo brings back reviews.

A decision that fell is gone with its marks: the work has waited for somebody else since, and still does after an undo.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_
from sqlmodel import Session, col, func, select

import competencies
import rubrics
from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.flow import blindness

Found = Sequence[tuple[rubrics.Review, competencies.Programme]]


def fall(session: Session, actor: Actor, rows: Sequence[int], now: datetime) -> None:
    """What one human being, whose rows these are (that of today first), has reviewed or decided of their own, or
    reviewed twice, counts no more; and no two of their reviews go by one number."""
    _own_reviews(session, rows, now)
    _second_reviews(session, rows, now)
    _own_decisions(session, actor, rows, now)
    _panels(session, rows, now)
    rubrics.number_apart(session, rows)


def bring_back(session: Session, sides: Sequence[Collection[int]], merged_at: datetime, now: datetime) -> None:
    """The reviews that a merge at that time set aside count again, now that these are two human beings.

    One that was handed in does so always. One that was not finished does where its work still waits and nobody took
    its place; and nobody goes on blind with what they read at the desk.
    """
    rows = [row for side in sides for row in side]
    found = session.exec(
        select(rubrics.Review, competencies.Submission, competencies.Programme)
        .join(competencies.Submission, col(competencies.Submission.id) == col(rubrics.Review.submission_id))
        .join(competencies.Programme, col(competencies.Programme.id) == col(rubrics.Review.programme_id))
        .join(rubrics.ReviewEvent, col(rubrics.ReviewEvent.review_id) == col(rubrics.Review.id))
        .where(
            rubrics.Review.state == rubrics.ReviewState.RECUSED,
            col(rubrics.Review.reviewer_id).in_(rows),
            rubrics.ReviewEvent.kind == "recused",
            rubrics.ReviewEvent.detail == rubrics.OWN,
            rubrics.ReviewEvent.at == merged_at,
        )
        .order_by(col(rubrics.Review.id))
    ).all()
    for review, submission, programme in found:
        side = next(side for side in sides if review.reviewer_id in side)
        rules = competencies.rules_of(session, programme).review
        if submission.person_id in side or _reviews_already(session, review, side):
            continue
        if review.submitted_at is None and not _has_place(session, review, submission, rules.reviews_per_work):
            continue
        rubrics.bring_back(session, review, now)
        if review.submitted_at is not None:
            rubrics.summarise(session, review.submission_version_id, rules.reviews_per_work, now)
    if found:
        blindness.end_reviews(session, rows, now)


def _reviews_already(session: Session, review: rubrics.Review, rows: Collection[int]) -> bool:
    """Whether the same human being reviews that version under another of these rows."""
    statement = select(rubrics.Review.id).where(
        rubrics.Review.submission_version_id == review.submission_version_id,
        col(rubrics.Review.reviewer_id).in_(rows),
        col(rubrics.Review.state).in_(rubrics.LIVE),
    )
    return session.exec(statement).first() is not None


def _has_place(
    session: Session, review: rubrics.Review, submission: competencies.Submission, reviews_per_work: int
) -> bool:
    """Whether the work still waits, in that version, for as many reviews as it has not got."""
    if submission.state not in competencies.HANDED_IN or submission.current_version_id != review.submission_version_id:
        return False
    others = session.exec(
        select(func.count()).where(
            rubrics.Review.submission_version_id == review.submission_version_id,
            col(rubrics.Review.is_third).is_(review.is_third),
            col(rubrics.Review.state).in_(rubrics.LIVE),
        )
    ).one()
    return others < (1 if review.is_third else reviews_per_work)


def _own_reviews(session: Session, rows: Collection[int], now: datetime) -> None:
    """Where one row reviews what the other handed in and nobody has decided yet, somebody else is asked."""
    found = session.exec(
        select(rubrics.Review, competencies.Programme)
        .join(competencies.Submission, col(competencies.Submission.id) == col(rubrics.Review.submission_id))
        .join(competencies.Programme, col(competencies.Programme.id) == col(rubrics.Review.programme_id))
        .where(
            col(rubrics.Review.reviewer_id).in_(rows),
            col(competencies.Submission.person_id).in_(rows),
            col(competencies.Submission.state).in_(competencies.HANDED_IN),
            col(rubrics.Review.state).in_(rubrics.LIVE),
        )
        .order_by(col(rubrics.Review.id))
    ).all()
    _set_aside(session, found, now)


def _second_reviews(session: Session, rows: Collection[int], now: datetime) -> None:
    """Two rows that both review one work turn out to be one human being: one review stays, the finished one first."""
    found = session.exec(
        select(rubrics.Review, competencies.Programme)
        .join(competencies.Programme, col(competencies.Programme.id) == col(rubrics.Review.programme_id))
        .where(col(rubrics.Review.reviewer_id).in_(rows), col(rubrics.Review.state).in_(rubrics.LIVE))
        .order_by(col(rubrics.Review.id))
    ).all()
    kept: set[int] = set()
    second = []
    for review, programme in sorted(found, key=lambda one: one[0].state is not rubrics.ReviewState.SUBMITTED):
        if review.submission_version_id in kept:
            second.append((review, programme))
        kept.add(review.submission_version_id)
    _set_aside(session, second, now)


def _set_aside(session: Session, found: Found, now: datetime) -> None:
    for review, programme in found:
        was_submitted = review.state is rubrics.ReviewState.SUBMITTED
        rubrics.set_aside(session, review, now)
        if was_submitted:
            enough = competencies.rules_of(session, programme).review.reviews_per_work
            rubrics.summarise(session, review.submission_version_id, enough, now)


def _panels(session: Session, rows: Collection[int], now: datetime) -> None:
    """Who turns out to be the appellant, to be on a panel twice, or to have judged the work before is on that panel no
    more, whatever they said; the worker's next look asks somebody else."""
    member = rubrics.AppealReview
    mine = and_(col(member.reviewer_id).in_(rows), col(member.state).in_(rubrics.COUNTING))
    appeals = session.exec(
        select(rubrics.Appeal)
        .where(
            rubrics.Appeal.state == rubrics.AppealState.OPEN,
            col(rubrics.Appeal.id).in_(select(member.appeal_id).where(mine)),
        )
        .order_by(col(rubrics.Appeal.id))
        .with_for_update()
    ).all()
    for appeal in appeals:
        found = session.exec(
            select(member)
            .where(member.appeal_id == pk(appeal), mine)
            .order_by(col(member.id))
            .execution_options(populate_existing=True)
        ).all()
        keeps = 0 if appeal.person_id in rows or _has_judged(session, appeal.submission_id, rows) else 1
        for one in sorted(found, key=lambda one: one.state is not rubrics.MemberState.SUBMITTED)[keeps:]:
            one.state, one.ended_at = rubrics.MemberState.ENDED, now
            session.add(one)
            rubrics.record_event(
                session, appeal.submission_version_id, one.reviewer_id, "appeal_recused", now, detail=rubrics.OWN
            )
    session.flush()


def _has_judged(session: Session, submission_id: int, rows: Collection[int]) -> bool:
    """Whether one of these rows reviewed any version of the work, or decided it."""
    review, decision = rubrics.Review, competencies.Decision
    return any(
        session.exec(statement).first() is not None
        for statement in (
            select(review.id).where(review.submission_id == submission_id, col(review.reviewer_id).in_(rows)),
            select(decision.id).where(decision.submission_id == submission_id, col(decision.decided_by_id).in_(rows)),
        )
    )


def _own_decisions(session: Session, actor: Actor, rows: Collection[int], now: datetime) -> None:
    """What one row decided of the other's work and nobody has released yet was decided by its own author: it waits for
    somebody else again."""
    found = session.exec(
        select(competencies.Submission, competencies.Decision)
        .join(
            competencies.Decision,
            col(competencies.Decision.submission_version_id) == col(competencies.Submission.current_version_id),
        )
        .where(
            col(competencies.Submission.person_id).in_(rows),
            col(competencies.Decision.decided_by_id).in_(rows),
            col(competencies.Decision.released_at).is_(None),
            competencies.Submission.state == competencies.SubmissionState.DECIDED,
        )
    ).all()
    for submission, decision in found:
        submission.state, submission.trainer_id = competencies.SubmissionState.SUBMITTED, None
        version = decision.submission_version_id
        rubrics.record_event(session, version, actor.person_id, "decision_void", now, detail=rubrics.OWN)
        session.delete(decision)
        session.add(submission)
    session.flush()
