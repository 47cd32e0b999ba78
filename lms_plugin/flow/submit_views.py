"""What the teacher's own pages show. Values only, made with a number of queries that does not grow with rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import bindparam
from sqlmodel import Session, and_, col, or_, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import get, owned, pk
from lms_plugin.errors import NotFound
from lms_plugin.people import Course, Enrolment, Tenant

Text = Mapping[str, str]


@dataclass(frozen=True)
class Round:
    """A programme as its teachers see it."""

    uuid: str
    title: str
    opens_on: date
    submit_by_on: date
    review_by_on: date
    closes_on: date
    required: int
    is_begun: bool
    is_open: bool
    is_over: bool

    @classmethod
    def of(cls, programme: competencies.Programme, rules: competencies.Rules, timezone: str, now: datetime) -> "Round":
        """The programme as it stands at this moment."""
        return cls(
            uuid=programme.uuid,
            title=programme.title,
            opens_on=programme.opens_on,
            submit_by_on=programme.submit_by_on,
            review_by_on=programme.review_by_on,
            closes_on=programme.closes_on,
            required=rules.choice.required_points,
            is_begun=programme.state is not competencies.ProgrammeState.DRAFT
            and now >= competencies.start_of_day(programme.opens_on, timezone),
            is_open=competencies.is_open_for_work(programme, timezone, now),
            is_over=competencies.is_closed(programme, timezone, now),
        )


@dataclass(frozen=True)
class PointLine:
    """One chosen point. `phase`: draft, ready, returned, late, submitted, reviewed, decided or released."""

    uuid: str
    code: str
    name: Text
    question: Text
    done: int
    total: int
    missing: tuple[Text, ...]
    phase: str
    reviews_done: int
    reviews_total: int
    level: int | None


@dataclass(frozen=True)
class NextStep:
    """The one thing to do now. `kind`: wait_open, choose, revise, hand_in_more, submit, review, wait, done or over."""

    kind: str
    left: int = 0
    uuid: str = ""
    code: str = ""
    name: Text | None = None
    item: Text | None = None
    on: date | None = None


@dataclass(frozen=True)
class Home:
    """我的能力点."""

    round: Round
    next: NextStep
    points: tuple[PointLine, ...]
    practice_hundredths: int
    practice_need_hundredths: int
    online_hundredths: int
    online_need_hundredths: int
    hours_kind: str
    reviews_owed: int
    reviews_minutes: int
    reviews_due_at: datetime | None


def current_programme(session: Session, actor: Actor) -> str | None:
    """The uuid of the programme somebody most likely means: that of the course they came from, else their latest."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    wanted = None
    if actor.course_id is not None:
        wanted = get(session, Course, actor.course_id).programme_id
    rows = session.exec(
        owned(competencies.Programme, actor.tenant_id)
        .join(Enrolment, col(Enrolment.programme_id) == col(competencies.Programme.id))
        .where(Enrolment.person_id == actor.person_id)
        .order_by(col(Enrolment.started_at).desc(), col(Enrolment.id).desc())
    ).all()
    for row in rows:
        if row.id == wanted:
            return row.uuid
    return rows[0].uuid if rows else None


# The statements of the page that teachers open most are put together once, with named places.
_ENROLLED = (
    select(competencies.Programme, competencies.ProgrammePolicy, Enrolment)
    .join(
        competencies.ProgrammePolicy,
        col(competencies.ProgrammePolicy.id) == col(competencies.Programme.policy_id),
        isouter=True,
    )
    .join(
        Enrolment,
        and_(
            col(Enrolment.programme_id) == col(competencies.Programme.id),
            col(Enrolment.person_id) == bindparam("person"),
        ),
        isouter=True,
    )
    .where(
        competencies.Programme.tenant_id == bindparam("tenant"),
        competencies.Programme.uuid == bindparam("uuid"),
    )
)


def enrolled_programme(session: Session, actor: Actor, uuid: str) -> tuple[competencies.Programme, competencies.Rules]:
    """The programme with its rules, for somebody who takes part in it: one query. Raises NotFound."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    places = {"tenant": actor.tenant_id, "uuid": uuid, "person": actor.person_id}
    row = session.exec(_ENROLLED, params=places).one_or_none()
    if row is None:
        raise NotFound
    programme, policy, enrolment = row
    if enrolment is None:
        raise NotFound("submit.not_enrolled")
    rules = competencies.Rules.model_validate(policy.rules) if policy is not None else competencies.Rules()
    return programme, rules


def home(session: Session, actor: Actor, programme_uuid: str, now: datetime) -> Home:
    """The teacher's home of one programme: six queries. Raises NotFound, also for who takes no part in it."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    programme, rules = enrolled_programme(session, actor, programme_uuid)
    timezone = get(session, Tenant, actor.tenant_id).timezone
    rows = chosen_points(session, actor, programme, actor.person_id)
    works = {pk(point): work for point, work, _version, _award in rows}
    items = competencies.items_of_points(session, works)
    reviews = _reviews(session, programme, actor, [pk(version) for *_, version, _award in rows if version is not None])
    lines = tuple(
        _line(point, work, version, award, items[(pk(point), None)], reviews.of_version)
        for point, work, version, award in rows
        if work is not None
    )
    balance = competencies.balance(session, pk(programme), [actor.person_id]).get(actor.person_id, {})
    shown = Round.of(programme, rules, timezone, now)
    return Home(
        round=shown,
        next=_next(shown, lines, reviews),
        points=lines,
        practice_hundredths=balance.get(competencies.CreditKind.PRACTICE, 0),
        practice_need_hundredths=rules.hours.practice_need_hundredths,
        online_hundredths=balance.get(competencies.CreditKind.ONLINE, 0),
        online_need_hundredths=rules.hours.online_need_hundredths,
        hours_kind=rules.hours.kind,
        reviews_owed=reviews.owed,
        reviews_minutes=reviews.owed * rules.review.minutes_per_review,
        reviews_due_at=reviews.due_at,
    )


ChosenPoint = tuple[
    competencies.CompetencyPoint,
    competencies.Submission | None,
    competencies.SubmissionVersion | None,
    competencies.Award | None,
]


_CHOSEN = (
    select(competencies.CompetencyPoint, competencies.Submission, competencies.SubmissionVersion, competencies.Award)
    .join(competencies.Selection, col(competencies.Selection.point_id) == col(competencies.CompetencyPoint.id))
    .join(
        competencies.Submission,
        and_(
            col(competencies.Submission.point_id) == col(competencies.CompetencyPoint.id),
            col(competencies.Submission.programme_id) == bindparam("programme"),
            col(competencies.Submission.person_id) == bindparam("person"),
        ),
        isouter=True,
    )
    .join(
        competencies.SubmissionVersion,
        col(competencies.SubmissionVersion.id) == col(competencies.Submission.current_version_id),
        isouter=True,
    )
    .join(
        competencies.Award,
        and_(
            col(competencies.Award.point_id) == col(competencies.CompetencyPoint.id),
            col(competencies.Award.programme_id) == bindparam("programme"),
            col(competencies.Award.person_id) == bindparam("person"),
            col(competencies.Award.revoked_at).is_(None),
        ),
        isouter=True,
    )
    .where(
        competencies.Selection.programme_id == bindparam("programme"),
        competencies.Selection.person_id == bindparam("person"),
        col(competencies.Selection.dropped_at).is_(None),
    )
    .order_by(col(competencies.CompetencyPoint.position))
)


def chosen_points(
    session: Session, actor: Actor, programme: competencies.Programme, person_id: int
) -> Sequence[ChosenPoint]:
    """The points that somebody has chosen, each with work, version and award: one query."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    return session.exec(_CHOSEN, params={"programme": pk(programme), "person": person_id}).all()


@dataclass(frozen=True)
class _Reviews:
    owed: int
    due_at: datetime | None
    of_version: Mapping[int, tuple[int, int]]


_REVIEWS = select(
    col(rubrics.Review.submission_version_id),
    col(rubrics.Review.reviewer_id),
    col(rubrics.Review.state),
    col(rubrics.Review.due_at),
).where(
    rubrics.Review.programme_id == bindparam("programme"),
    col(rubrics.Review.state).in_(rubrics.LIVE),
    or_(
        col(rubrics.Review.reviewer_id) == bindparam("person"),
        col(rubrics.Review.submission_version_id).in_(bindparam("versions", expanding=True)),
    ),
)


def _reviews(session: Session, programme: competencies.Programme, actor: Actor, version_ids: Sequence[int]) -> _Reviews:
    """What the person owes, and how far the reviews of their own works are: one query."""
    owed, due, total, done = 0, [], Counter[int](), Counter[int]()
    places = {"programme": pk(programme), "person": actor.person_id, "versions": list(version_ids)}
    for version_id, reviewer_id, state, due_at in session.exec(_REVIEWS, params=places):
        if reviewer_id == actor.person_id:
            if state in rubrics.UNFINISHED:
                owed += 1
                if due_at is not None:
                    due.append(due_at)
        else:
            total[version_id] += 1
            done[version_id] += state is rubrics.ReviewState.SUBMITTED
    return _Reviews(owed, min(due, default=None), {key: (done[key], count) for key, count in total.items()})


def _line(
    point: competencies.CompetencyPoint,
    work: competencies.Submission,
    version: competencies.SubmissionVersion | None,
    award: competencies.Award | None,
    items: Sequence[competencies.Item],
    reviews: Mapping[int, tuple[int, int]],
) -> PointLine:
    needed = [item for item in items if item.requirement.is_required]
    missing = tuple(item.requirement.title for item in needed if not item.usable)
    done, total = reviews.get(pk(version), (0, 0)) if version is not None else (0, 0)
    states = competencies.SubmissionState
    phases = {
        states.DRAFT: "draft" if missing else "ready",
        states.SUBMITTED: "reviewed" if total and done == total else "submitted",
    }
    return PointLine(
        uuid=work.uuid,
        code=point.code,
        name=point.name,
        question=point.question,
        done=len(needed) - len(missing),
        total=len(needed),
        missing=missing,
        phase=phases.get(work.state, work.state.value),
        reviews_done=done,
        reviews_total=total,
        level=award.level if award is not None else None,
    )


def _next(shown: Round, lines: Sequence[PointLine], reviews: _Reviews) -> NextStep:
    """The first of these that holds: begin, choose, revise, hand in what is missing, submit, review, wait."""
    if not shown.is_begun:
        return NextStep("wait_open", on=shown.opens_on)
    if shown.is_over:
        return NextStep("over", on=shown.closes_on)
    for line in lines:
        if line.phase == "returned":
            return NextStep("revise", 1, line.uuid, line.code, line.name, on=shown.review_by_on)
    if len(lines) < shown.required:
        return NextStep("choose", shown.required - len(lines), on=shown.submit_by_on)
    short = [line for line in lines if line.phase == "draft"]
    if short:
        line, left = short[0], sum(len(one.missing) for one in short)
        return NextStep("hand_in_more", left, line.uuid, line.code, line.name, line.missing[0], shown.submit_by_on)
    for line in lines:
        if line.phase == "ready":
            return NextStep("submit", 1, line.uuid, line.code, line.name, on=shown.submit_by_on)
    if reviews.owed:
        return NextStep("review", reviews.owed, on=shown.review_by_on)
    passed = sum(line.level is not None and line.level > 0 for line in lines)
    if passed >= shown.required:
        return NextStep("done", passed)
    return NextStep("wait", sum(line.phase != "released" for line in lines), on=shown.review_by_on)
