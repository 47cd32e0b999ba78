"""What the release page says before anything is released: counts, a look at three cases, and what will happen."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_
from sqlalchemy import select as columns
from sqlmodel import Session, col, func

import competencies
from lms_plugin import outbox
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import pk
from lms_plugin.flow import award, booking
from lms_plugin.flow.reach import owes_review
from lms_plugin.flow.scopes import programme_scope, submission_scopes
from lms_plugin.people import Person

Words = Mapping[str, Mapping[str, str]] | None
"""What a framework calls its levels, by code; None for the usual words."""


@dataclass(frozen=True)
class Sampled:
    """One of the three cases drawn at random to be opened before the release."""

    uuid: str
    author: str
    point_code: str
    point_name: Mapping[str, str]
    level: int
    level_words: Words


@dataclass(frozen=True)
class ReleasePage:
    """What a release would do now.

    `by_level`: decided works by point level. `hours`: hundredths → how many people would get them;
    `held`: of how many they would wait for their own reviews. `courses`: how many
    courses would get scores. `own`: the actor's own works, which somebody else has to release.
    """

    programme: str
    title: str
    by_level: Mapping[int, int]
    level_words: Words
    uuids: tuple[str, ...]
    people: int
    hours: tuple[tuple[int, int], ...]
    held: int
    courses: int
    sample: tuple[Sampled, ...]
    left: int
    own: int
    pending: int
    returned: int
    released: int
    after_days: int
    next_at: datetime | None

    @property
    def total(self) -> int:
        """How many works would be released."""
        return len(self.uuids)


def release_page(
    session: Session, actor: Actor, programme: competencies.Programme, seed: int, now: datetime
) -> ReleasePage | award.UnderWay:
    """What would happen, worked out by the same rule as the release itself: a constant number of queries. How far it
    is, where a release of everything is under way."""
    require(actor, Permission.AWARD_RELEASE, programme_scope(session, programme))
    counts, waiting, own, is_under_way = _counts(session, actor, programme)
    under = award.under_way(session, programme) if is_under_way else None
    if under is not None:
        return under
    rules = competencies.rules_of(session, programme)
    chosen = award.decided(session, programme, award.may_release(actor), most=award.MOST_AT_ONCE)
    scopes = submission_scopes(session, [submission for submission, _decision in chosen])
    levels = [decision.point_level or 0 for _submission, decision in chosen]
    people = {submission.person_id for submission, _decision in chosen}
    states = competencies.SubmissionState
    after = rules.release.after_days
    first = chosen[0][1].decided_at if chosen else None
    sample, words = _sample(session, actor, chosen, seed)
    hours, held = _hours(session, programme, rules, chosen, now)
    return ReleasePage(
        programme=programme.uuid,
        title=programme.title,
        by_level={level: levels.count(level) for level in sorted(set(levels), reverse=True)},
        level_words=words,
        uuids=tuple(submission.uuid for submission, _decision in chosen),
        people=len(people),
        hours=hours,
        held=held,
        courses=len({course for submission, _decision in chosen for course in scopes[pk(submission)].course_ids}),
        sample=sample,
        left=waiting - len(chosen),
        own=own,
        pending=counts.get(states.SUBMITTED, 0) + counts.get(states.LATE, 0),
        returned=counts.get(states.RETURNED, 0),
        released=counts.get(states.RELEASED, 0),
        after_days=after,
        next_at=first + timedelta(days=after) if after and first is not None else None,
    )


def _counts(
    session: Session, actor: Actor, programme: competencies.Programme
) -> tuple[dict[competencies.SubmissionState, int], int, int, bool]:
    """Works by state; how many the actor may release, and how many of the actor's own somebody else has to; whether a
    release of everything is under way. One query."""
    waits = and_(award.WAITS, award.within(actor))
    statement: Any = (
        columns(
            col(competencies.Submission.state),
            func.count(),
            func.count().filter(waits, ~award.is_own(actor)),
            func.count().filter(waits, award.is_own(actor)),
            outbox.is_asked(outbox.RELEASE, award.key_of(programme)),
        )
        .join(
            competencies.SubmissionVersion,
            col(competencies.SubmissionVersion.id) == col(competencies.Submission.current_version_id),
            isouter=True,
        )
        .join(
            competencies.Decision,
            col(competencies.Decision.submission_version_id) == col(competencies.Submission.current_version_id),
            isouter=True,
        )
        .where(
            col(competencies.Submission.programme_id) == pk(programme),
            col(competencies.SubmissionVersion.declined_at).is_(None),  # what was not let in waits for nobody
        )
        .group_by(col(competencies.Submission.state))
    )
    rows = session.execute(statement).all()
    others, own = (sum(row[place] for row in rows) for place in (2, 3))
    return {row[0]: row[1] for row in rows}, others, own, any(row[4] for row in rows)


def _hours(
    session: Session,
    programme: competencies.Programme,
    rules: competencies.Rules,
    rows: Sequence[tuple[competencies.Submission, competencies.Decision]],
    now: datetime,
) -> tuple[tuple[tuple[int, int], ...], int]:
    """(hundredths, people who would get so many), and of how many people hours would wait for their reviews."""
    people = {submission.person_id for submission, _decision in rows}
    books = booking.Books(session, programme, people, rules, now=now)
    for submission, decision in rows:
        level = competencies.Level(decision.point_level or 0)
        if level >= competencies.Level.PASS:
            books.hold(submission.person_id, submission.point_id, level)
    due = [books.due(person) for person in books.humans()]
    amounts = tuple((amount, due.count(amount)) for amount in sorted(set(due), reverse=True) if amount)
    return amounts, books.waiting()


def _sample(
    session: Session, actor: Actor, rows: Sequence[tuple[competencies.Submission, competencies.Decision]], seed: int
) -> tuple[tuple[Sampled, ...], Words]:
    """Three to look at, but for those whose author must not show; and what their framework calls the levels."""
    drawn = random.Random(seed).sample(list(rows), min(3, len(rows)))  # noqa: S311 - a look, not a secret
    statement: Any = (
        columns(col(competencies.Submission.id), col(Person.name), competencies.CompetencyPoint, owes_review(actor))
        .join(Person, col(Person.id) == col(competencies.Submission.person_id))
        .join(
            competencies.CompetencyPoint,
            col(competencies.CompetencyPoint.id) == col(competencies.Submission.point_id),
        )
        .where(col(competencies.Submission.id).in_([pk(submission) for submission, _decision in drawn]))
    )
    told = {key: (name, point, owes) for key, name, point, owes in session.exec(statement)}
    found = [(submission, decision, *told[pk(submission)]) for submission, decision in drawn]
    sample = tuple(
        Sampled(
            uuid=submission.uuid,
            author=name,
            point_code=point.code,
            point_name=point.name,
            level=decision.point_level or 0,
            level_words=point.level_words,
        )
        for submission, decision, name, point, owes in found
        if not owes
    )
    return sample, found[0][3].level_words if found else None
