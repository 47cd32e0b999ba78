"""What people did for others in a round, counted from what the acts themselves left: reviews, decisions, trainings with
who was there, plans of schools, samples looked at. Nobody types a number, so each can be counted again.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, literal, union_all
from sqlalchemy import select as columns
from sqlmodel import Session, col

import competencies
import rubrics
from competencies import (
    Attendance,
    Decision,
    Programme,
    Submission,
    SubmissionVersion,
    Training,
    TrainingState,
)
from lms_plugin.db import pk
from lms_plugin.flow import humans

_Plan, _Event = competencies.plans.SchoolPlan, competencies.plans.PlanEvent


@dataclass(frozen=True)
class Work:
    """What somebody did in a round: how many of each kind (`competencies.workloads.KINDS`), the minutes that count, the
    first and the last day, of each kind and of all."""

    counts: Mapping[str, int]
    minutes: Mapping[str, int]
    days: Mapping[str, tuple[date, date]]
    first_on: date
    last_on: date


def works(session: Session, programme: Programme, timezone: str) -> dict[int, Work]:
    """Today's row of each human being who did any → what they did: three queries, the rules among them."""
    each = competencies.rules_of(session, programme).review.minutes_per_review
    key = pk(programme)
    every: Any = union_all(_reviews(key, each), _decisions(key), *_trainings(key), *_plans(key), *_samples(key))
    rows: list[Any] = list(session.connection().execute(every).all())
    human = humans.rows_by_row(session, [row[1] for row in rows])
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[human[row[1]][0]].append(row)
    return {person: _work(theirs, timezone) for person, theirs in found.items()}


def _reviews(programme_id: int, each: int) -> Any:
    review = rubrics.Review
    return (
        columns(
            literal("reviews"),
            col(review.reviewer_id),
            func.count(),
            func.count() * each,
            func.min(col(review.submitted_at)),
            func.max(col(review.submitted_at)),
        )
        .where(
            col(review.programme_id) == programme_id,
            col(review.state) == rubrics.ReviewState.SUBMITTED,
            col(review.submitted_at).is_not(None),
        )
        .group_by(col(review.reviewer_id))
    )


def _decisions(programme_id: int) -> Any:
    return (
        _counted("decisions", Decision.decided_by_id, func.count(), Decision.decided_at)
        .join(SubmissionVersion, col(SubmissionVersion.id) == col(Decision.submission_version_id))
        .join(Submission, col(Submission.id) == col(SubmissionVersion.submission_id))
        .where(
            col(Submission.programme_id) == programme_id,
            ~competencies.transfers.is_held_from_elsewhere(),
            col(Decision.by_policy_id).is_(None),  # nobody looked at what the rules passed
        )
        .group_by(col(Decision.decided_by_id))
    )


def _trainings(programme_id: int) -> tuple[Any, Any]:
    """Those that were held, and how often somebody was there."""
    is_held = (col(Training.programme_id) == programme_id) & (col(Training.state) == TrainingState.CLOSED)
    held = _counted("trainings", Training.planned_by_id, func.count(), Training.starts_at, func.sum(Training.minutes))
    there = _counted("attendees", Training.planned_by_id, func.count(), Training.starts_at).join(
        Attendance, col(Attendance.training_id) == col(Training.id)
    )
    return (
        held.where(is_held).group_by(col(Training.planned_by_id)),
        there.where(is_held, col(Attendance.removed_at).is_(None)).group_by(col(Training.planned_by_id)),
    )


def _plans(programme_id: int) -> tuple[Any, Any]:
    """Plans of schools that somebody handed in and the county accepted; and those that somebody looked at for the
    county, however often."""
    kinds = competencies.plans.PlanEventKind
    each = func.count(col(_Event.plan_id).distinct())
    led = _counted("plans_led", _Event.person_id, each, _Event.at).join(_Plan, col(_Plan.id) == col(_Event.plan_id))
    seen = _counted("plans_seen", _Event.person_id, each, _Event.at).join(_Plan, col(_Plan.id) == col(_Event.plan_id))
    of = col(_Plan.programme_id) == programme_id
    return (
        led.where(
            of, col(_Plan.state) == competencies.plans.PlanState.ACCEPTED, col(_Event.kind) == kinds.SUBMITTED
        ).group_by(col(_Event.person_id)),
        seen.where(of, col(_Event.kind).in_([kinds.ACCEPTED, kinds.RETURNED])).group_by(col(_Event.person_id)),
    )


def _samples(programme_id: int) -> tuple[Any, Any]:
    """Works drawn for a check that somebody looked at: for the county, and for a city or province."""
    batch, work = competencies.SchoolBatch, competencies.BatchWork
    check, drawn = competencies.upper_checks.UpperCheck, competencies.upper_checks.UpperWork
    of_county = _counted("samples", work.found_by_id, func.count(), work.found_at).join(
        batch, col(batch.id) == col(work.batch_id)
    )
    above = _counted("samples", drawn.found_by_id, func.count(), drawn.found_at).join(
        check, col(check.id) == col(drawn.check_id)
    )
    return (
        of_county.where(
            col(batch.programme_id) == programme_id, col(work.found_by_id).is_not(None), col(work.found_at).is_not(None)
        ).group_by(col(work.found_by_id)),
        above.where(
            col(check.programme_id) == programme_id,
            col(drawn.found_by_id).is_not(None),
            col(drawn.found_at).is_not(None),
        ).group_by(col(drawn.found_by_id)),
    )


def _counted(kind: str, by: Any, count: Any, at: Any, minutes: Any = None) -> Any:
    """Columns of a kind: by whom, how many, the minutes that count, the first and the last moment."""
    time = minutes if minutes is not None else literal(0)
    return columns(literal(kind), col(by), count, time, func.min(col(at)), func.max(col(at)))


def _work(rows: Collection[Any], timezone: str) -> Work:
    counts, minutes = dict.fromkeys(competencies.workloads.KINDS, 0), dict.fromkeys(competencies.workloads.KINDS, 0)
    days: dict[str, list[date]] = defaultdict(list)
    for kind, _person, count, time, first, last in rows:
        counts[kind] += int(count)
        minutes[kind] += int(time or 0)
        days[kind] += [competencies.local_day(first, timezone), competencies.local_day(last, timezone)]
    return Work(
        {kind: count for kind, count in counts.items() if count},
        {kind: time for kind, time in minutes.items() if time},
        {kind: (min(found), max(found)) for kind, found in days.items()},
        min(min(found) for found in days.values()),
        max(max(found) for found in days.values()),
    )
