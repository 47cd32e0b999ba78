"""互评任务: the reviews that somebody owes, may take up again, and has done; and what waits for them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import pk
from lms_plugin.flow import duty
from lms_plugin.flow.review import waits_for

_OWED = tuple(state.value for state in rubrics.UNFINISHED)


@dataclass(frozen=True)
class Task:
    """One review in the reviewer's list."""

    uuid: str
    number: int
    point_code: str
    point_name: Mapping[str, str]
    state: str
    due_at: datetime | None
    until: datetime | None  # untouched until then, it may go on to somebody else
    submitted_at: datetime | None
    blind: str  # who knows whom, as the rules say
    title: str  # of the round; "" where all of them are of one: numbers begin anew in each


@dataclass(frozen=True)
class Waits:
    """A round that holds the reviewer's own hours while they owe reviews of it: `left` of them; `until_on`: its last
    day, on which the hold ends whatever is left."""

    title: str
    left: int
    until_on: date


@dataclass(frozen=True)
class TaskList:
    """The reviewer's list: what is still owed first, then what went on to somebody else and may be taken up again, then
    what is done."""

    open: tuple[Task, ...]
    handed_on: tuple[Task, ...]
    done: tuple[Task, ...]
    minutes: int
    waits: tuple[Waits, ...]

    @property
    def left(self) -> int:
        """How many reviews are still owed."""
        return len(self.open)


def my_reviews(session: Session, actor: Actor, now: datetime) -> TaskList:
    """The actor's reviews over all programmes: three queries."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    rows = session.exec(
        select(rubrics.Review, competencies.CompetencyPoint, competencies.Programme, competencies.Submission)
        .join(competencies.Submission, col(competencies.Submission.id) == col(rubrics.Review.submission_id))
        .join(
            competencies.CompetencyPoint,
            col(competencies.CompetencyPoint.id) == col(competencies.Submission.point_id),
        )
        .join(competencies.Programme, col(competencies.Programme.id) == col(rubrics.Review.programme_id))
        .where(
            rubrics.Review.tenant_id == actor.tenant_id,
            col(rubrics.Review.reviewer_id).in_(actor.person_ids),
            col(rubrics.Review.state).in_(rubrics.LIVE)
            | ((col(rubrics.Review.state) == rubrics.ReviewState.VOID) & col(rubrics.Review.handed_on_at).is_not(None)),
        )
        .order_by(col(rubrics.Review.due_at), col(rubrics.Review.programme_id), col(rubrics.Review.blind_number))
    ).all()
    rules = _rules(session, {programme.policy_id for _review, _point, programme, _work in rows})
    tasks, owing = [], Counter[int]()
    is_one = len({pk(programme) for _review, _point, programme, _work in rows}) == 1
    held = {
        pk(one): one
        for _review, _point, one, _work in rows
        if duty.holds(session, one, rules.get(one.policy_id, competencies.ReviewPolicy()), now)
    }
    for review, point, programme, work in rows:
        owing[pk(programme)] += review.state in rubrics.UNFINISHED
        policy = rules.get(programme.policy_id, competencies.ReviewPolicy())
        if not rubrics.is_handed_on(review) or waits_for(work, review):
            tasks.append((_task(review, point, policy, "" if is_one else programme.title), policy))
    left = [(task, policy) for task, policy in tasks if task.state in _OWED]
    return TaskList(
        open=tuple(task for task, _policy in left),
        done=tuple(task for task, _policy in tasks if task.state == rubrics.ReviewState.SUBMITTED.value),
        handed_on=tuple(task for task, _policy in tasks if task.state == rubrics.HANDED_ON),
        minutes=sum(policy.minutes_per_review for _task, policy in left),
        waits=tuple(Waits(one.title, owing[key], one.closes_on) for key, one in held.items() if owing[key]),
    )


def _task(
    review: rubrics.Review, point: competencies.CompetencyPoint, policy: competencies.ReviewPolicy, title: str
) -> Task:
    return Task(
        uuid=review.uuid,
        number=review.blind_number,
        point_code=point.code,
        point_name=point.name,
        state=rubrics.state_word(review),
        due_at=review.due_at,
        until=rubrics.lease_until(review, timedelta(hours=policy.lease_hours)),
        submitted_at=review.submitted_at,
        blind=policy.blind,
        title=title,
    )


def _rules(session: Session, policies: set[int | None]) -> dict[int | None, competencies.ReviewPolicy]:
    rows = session.exec(
        select(competencies.ProgrammePolicy).where(
            col(competencies.ProgrammePolicy.id).in_([key for key in policies if key is not None])
        )
    )
    return {row.id: competencies.Rules.model_validate(row.rules).review for row in rows}
