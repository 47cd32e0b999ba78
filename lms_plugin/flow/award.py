"""发布: a released decision becomes award, hours in the ledger, and scores in the host's gradebook."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, true
from sqlmodel import Session, col, select

import competencies
from lms_plugin.access import Actor, Permission, can, require
from lms_plugin.db import get, pk
from lms_plugin.errors import Conflict, NotFound, Refused
from lms_plugin.flow import booking, report
from lms_plugin.flow.scopes import programme_scope, submission_scopes

MOST_AT_ONCE = 500
"""Works in one release: a button that answers in a moment, and a form that no server cuts off. The rest comes next."""


class Released:
    """What a release did: decisions released, people who got hours, hundredths credited in all."""

    def __init__(self) -> None:
        self.decisions = 0
        self.credited: dict[int, int] = {}

    @property
    def hundredths(self) -> int:
        """All hours credited, in hundredths."""
        return sum(self.credited.values())


def release(
    session: Session,
    actor: Actor,
    programme: competencies.Programme,
    submission_uuids: Sequence[str] | None,
    now: datetime,
) -> Released:
    """Releases the decided works of these uuids, or (None) all of the programme that the actor reaches: the oldest
    MOST_AT_ONCE of them in one act.

    From here on a decision changes no more. Works that are released already (a double click) are passed over. Raises
    NotFound when one of the uuids is no work of the programme, Conflict when one is not decided any more, Forbidden
    when one is out of reach, Refused `chain.releases_batches` where results go by school batches. Works of the actor's
    own are left to somebody else.
    """
    require(actor, Permission.AWARD_RELEASE, programme_scope(session, programme))
    if programme.goes_by_batch:
        raise Refused("chain.releases_batches")
    booking.take_turn(session, programme)
    rows = decided(session, programme)
    scopes = submission_scopes(session, [submission for submission, _decision in rows])
    if submission_uuids is None:
        chosen = [row for row in rows if can(actor, Permission.AWARD_RELEASE, scopes[pk(row[0])])]
    else:
        wanted = set(submission_uuids)
        chosen = [row for row in rows if row[0].uuid in wanted]
        _must_be_released(session, programme, wanted - {submission.uuid for submission, _decision in chosen})
        for submission, _decision in chosen:
            require(actor, Permission.AWARD_RELEASE, scopes[pk(submission)])
    chosen = [row for row in chosen if not actor.is_author(row[0].person_id)]
    return release_rows(session, programme, chosen[:MOST_AT_ONCE], now)


def _must_be_released(session: Session, programme: competencies.Programme, uuids: Collection[str]) -> None:
    """Raises NotFound for what is no work of the programme, Conflict for one that waits for its decision again."""
    if not uuids:
        return
    known = session.exec(
        select(competencies.Submission).where(
            competencies.Submission.tenant_id == programme.tenant_id,
            competencies.Submission.programme_id == pk(programme),
            col(competencies.Submission.uuid).in_([uuid for uuid in uuids if uuid.isalnum()]),
        )
    ).all()
    if len(known) != len(uuids):
        raise NotFound
    if any(submission.state is not competencies.SubmissionState.RELEASED for submission in known):
        raise Conflict("page.changed_meanwhile")


def to_release(session: Session) -> list[int]:
    """For the worker's sweep: the programmes of all districts in which decisions wait for release."""
    waiting = select(competencies.Submission.programme_id).where(
        competencies.Submission.state == competencies.SubmissionState.DECIDED
    )
    return sorted(set(session.exec(waiting.distinct())))


def release_due(session: Session, programme_id: int, now: datetime) -> int:
    """For the worker's sweep: releases decisions that have stood for the programme's number of days, MOST_AT_ONCE in
    one sweep: the next one takes what is left. What goes by school batches has a sweep of its own (`batches`)."""
    programme = get(session, competencies.Programme, programme_id)
    if programme.goes_by_batch:
        return 0
    days = competencies.rules_of(session, programme).release.after_days
    if days == 0:
        return 0
    booking.take_turn(session, programme)
    until = now - timedelta(days=days)
    due = [row for row in decided(session, programme) if row[1].decided_at <= until]
    return release_rows(session, programme, due[:MOST_AT_ONCE], now).decisions


def decided(
    session: Session, programme: competencies.Programme, batch_id: int | None = None
) -> list[tuple[competencies.Submission, competencies.Decision]]:
    """The works of a programme (or of one school batch) whose decision waits for release, oldest decision first: one
    query."""
    held: ColumnElement[bool] = true() if batch_id is None else col(competencies.Submission.batch_id) == batch_id
    rows = session.exec(
        select(competencies.Submission, competencies.Decision)
        .join(
            competencies.Decision,
            col(competencies.Decision.submission_version_id) == col(competencies.Submission.current_version_id),
        )
        .where(
            competencies.Submission.programme_id == pk(programme),
            competencies.Submission.state == competencies.SubmissionState.DECIDED,
            competencies.Decision.outcome == competencies.Outcome.DECIDED,
            col(competencies.Decision.released_at).is_(None),
            held,
        )
        .order_by(col(competencies.Decision.decided_at), col(competencies.Decision.id))
    )
    return [(submission, decision) for submission, decision in rows]


def release_rows(
    session: Session,
    programme: competencies.Programme,
    rows: Sequence[tuple[competencies.Submission, competencies.Decision]],
    now: datetime,
) -> Released:
    """Releases these decided works: awards, hours, scores. What may be released, the caller has looked at."""
    done = Released()
    if not rows:
        return done
    people = {submission.person_id for submission, _decision in rows}
    books = booking.Books(session, programme, people)
    schools = dict(
        session.exec(
            select(competencies.SubmissionVersion.id, competencies.SubmissionVersion.org_unit_id).where(
                col(competencies.SubmissionVersion.id).in_([submission.current_version_id for submission, _d in rows])
            )
        ).all()
    )
    made: list[tuple[competencies.Award, competencies.Decision]] = []
    for submission, decision in rows:
        decision.released_at = now
        submission.state, submission.changed_at = competencies.SubmissionState.RELEASED, now
        submission.batch_id = None
        session.add(decision)
        session.add(submission)
        done.decisions += 1
        level = competencies.Level(decision.point_level or 0)
        if level < competencies.Level.PASS:
            continue  # 不合格 is a released result, but nothing to hold and no hours
        award = competencies.Award(
            tenant_id=programme.tenant_id,
            programme_id=pk(programme),
            person_id=submission.person_id,
            point_id=submission.point_id,
            decision_id=pk(decision),
            level=int(level),
            org_unit_id=schools.get(submission.current_version_id),
            awarded_at=now,
        )
        made.append((award, decision))
    # Two statements for hundreds of works: all awards, then all entries that name them.
    session.add_all([award for award, _decision in made])
    session.flush()
    entries: list[competencies.CreditEntry] = []
    for award, decision in made:
        person = award.person_id
        books.hold(person, award.point_id, competencies.Level(award.level))
        basis = competencies.Basis(programme.policy_id or 0, pk(award), decision.decided_by_id, award.org_unit_id)
        entered = books.due(person)
        entries += booking.lines(programme, person, entered, basis, now, reason="award")
        if entered:
            books.booked(person, entered)
            done.credited[person] = done.credited.get(person, 0) + entered
    competencies.ledger.credit_all(session, entries)
    report.queue_scores(session, programme, people, now)
    return done
