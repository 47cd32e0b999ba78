"""What the teacher's own pages show. Values only, made with a number of queries that does not grow with rows."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import select as columns
from sqlmodel import Session, and_, col, func, or_, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import get, owned, pk
from lms_plugin.errors import NotFound
from lms_plugin.flow import categories, choice_confirming, cohorts, humans
from lms_plugin.flow.course_check import as_instructor
from lms_plugin.flow.extensions import own_extension
from lms_plugin.flow.round_view import Round
from lms_plugin.people import Course, Enrolment, Tenant

Text = Mapping[str, str]


@dataclass(frozen=True)
class PointLine:
    """One chosen point. `phase`: draft, ready, returned, again, late, declined, submitted, reviewed, decided, held
    (待公示), shown (in the 公示 of a batch, `shown_in` its uuid until that day), released.

    `level` once released. `failed_before`: an earlier version was released as 不合格 and a new one is on its way.
    `awaits_peers`: reviewers will be allotted to it.
    """

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
    awaits_peers: bool
    level: int | None
    level_words: Mapping[str, Text] | None  # the framework's own words for its levels
    failed_before: bool
    shown_in: tuple[str, date | None] | None


@dataclass(frozen=True)
class NextStep:
    """The one thing to do now. `kind`: wait_open, revise, again, failed, retake (failed
    where the rules say how often it may be prepared again), choose, hand_in_more, submit, review,
    declined, wait, done, rule_unmet or over. `is_late`: the day in `on` is over, and what is handed in now is late."""

    kind: str
    left: int = 0
    uuid: str = ""
    code: str = ""
    name: Text | None = None
    item: Text | None = None
    on: date | None = None
    is_late: bool = False


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
    not_for: competencies.Category | None  # their category, where the programme is for others
    concerns: tuple[competencies.Category, ...]  # whom it is for; () = everybody
    turn_in: int | None  # the year in which their turn comes, where that is a later one (分批)
    as_instructor: tuple[str, ...]  # courses whose gradebook may not know this person as a student
    confirming: tuple[str, str]  # how the choice stands with the school, and why it was sent back; "" = nobody is asked


def current_programme(session: Session, actor: Actor) -> str | None:
    """The uuid of the programme somebody most likely means: that of the course they came from, else their latest."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    wanted = None
    if actor.course_id is not None:
        wanted = get(session, Course, actor.course_id).programme_id
    rows = session.exec(
        owned(competencies.Programme, actor.tenant_id)
        .join(Enrolment, col(Enrolment.programme_id) == col(competencies.Programme.id))
        .where(col(Enrolment.person_id).in_(actor.person_ids))
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
            col(Enrolment.person_id).in_(bindparam("people", expanding=True)),
        ),
        isouter=True,
    )
    .where(
        competencies.Programme.tenant_id == bindparam("tenant"),
        competencies.Programme.uuid == bindparam("uuid"),
    )
)


def enrolled_programme(
    session: Session, actor: Actor, uuid: str
) -> tuple[competencies.Programme, competencies.Rules, competencies.Category | None]:
    """The programme with its rules as they hold for somebody who takes part in it, and their category where it is for
    others: one query, one more where not all are alike. Raises NotFound."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    places = {"tenant": actor.tenant_id, "uuid": uuid, "people": list(actor.person_ids)}
    row = session.exec(_ENROLLED, params=places).first()  # one for each of the person's rows that is enrolled
    if row is None:
        raise NotFound
    programme, policy, enrolment = row
    if enrolment is None:
        raise NotFound("submit.not_enrolled")
    rules = competencies.Rules.model_validate(policy.rules) if policy is not None else competencies.Rules()
    return programme, *categories.for_person(session, rules, actor.person_ids)


def home(session: Session, actor: Actor, programme_uuid: str, now: datetime) -> Home:
    """The teacher's home of one programme: seven queries, one more each where the programme has extensions, calls
    people in by years or does not treat all alike. Raises NotFound, also for who takes no part in it."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    programme, rules, not_for = enrolled_programme(session, actor, programme_uuid)
    timezone = get(session, Tenant, actor.tenant_id).timezone
    rows = chosen_points(session, actor, programme, actor.person_ids)
    works = {row.point_id: row.work for row in rows}
    items = competencies.items_of_points(session, works)
    versions = [pk(row.version) for row in rows if row.version is not None]
    reviews = _reviews(session, programme, actor, versions)
    shown_in = competencies.shown_in(session, programme, [row.work for row in rows if row.work is not None])
    lines = tuple(
        _line(row, row.work, items[(row.point_id, None)], reviews.of_version, rules, shown_in)
        for row in rows
        if row.work is not None
    )
    balance = humans.totals(session, pk(programme), actor.person_ids)
    shown = Round.of(programme, rules, timezone, now, own_extension(session, actor, programme))
    return Home(
        round=shown,
        next=_next(shown, lines, reviews, meets_rule(rows, rules), limits_retakes=rules.result.retakes is not None),
        points=lines,
        practice_hundredths=balance[competencies.CreditKind.PRACTICE],
        practice_need_hundredths=rules.hours.practice_need_hundredths,
        online_hundredths=balance[competencies.CreditKind.ONLINE],
        online_need_hundredths=rules.hours.online_need_hundredths,
        hours_kind=rules.hours.kind,
        not_for=not_for,
        concerns=rules.concerns,
        turn_in=cohorts.own_turn(session, actor, programme, rules, competencies.local_day(now, timezone).year),
        reviews_owed=reviews.owed,
        reviews_minutes=reviews.owed * rules.review.minutes_per_review,
        reviews_due_at=reviews.due_at,
        as_instructor=as_instructor(session, actor.person_ids, pk(programme)) if rows else (),
        confirming=choice_confirming.own_word(session, actor, programme, {row.point_id for row in rows}),
    )


@dataclass(frozen=True)
class ChosenPoint:
    """A point that somebody has chosen, with the work on it and the version that was handed in last.

    `decision`: the latest released one, which need not be of that version; `award`: what came of it.
    """

    point: competencies.CompetencyPoint
    work: competencies.Submission | None
    version: competencies.SubmissionVersion | None
    decision: competencies.Decision | None
    award: competencies.Award | None
    appeal: rubrics.Appeal | None = None  # against that decision

    @property
    def point_id(self) -> int:
        """The point's id."""
        return pk(self.point)

    @property
    def level(self) -> competencies.Level | None:
        """The level that holds; None while nothing was released."""
        return competencies.level_that_stands(self.decision, self.award)

    @property
    def is_declined(self) -> bool:
        """Whether what was handed in came late and was not let in."""
        return self.version is not None and self.version.declined_at is not None

    @property
    def weight(self) -> tuple[int, int, float]:
        """Which of two works of one human being on the same point counts: the one that passed (the better level), else
        the one that went further, else the one worked on last."""
        states = competencies.SubmissionState
        further = {states.RETURNED: 1, states.LATE: 2, states.SUBMITTED: 2, states.DECIDED: 2}
        if self.work is None:
            return (0, 0, 0.0)
        reached = 0 if self.is_declined else further.get(self.work.state, 0)
        return (int(self.level or 0), reached, self.work.changed_at.timestamp())


def meets_rule(rows: Sequence[ChosenPoint], rules: competencies.Rules) -> bool:
    """Whether the points that somebody passed are what the choice rule wants."""
    passed = [row.point for row in rows if row.level is not None and row.level >= competencies.Level.PASS]
    return competencies.meets(competencies.choice_rule(rules), [competencies.point_facts(point) for point in passed])


_LATEST_RELEASED = (
    select(func.max(col(competencies.Decision.id)))
    .where(
        col(competencies.Decision.submission_id) == col(competencies.Submission.id),
        col(competencies.Decision.released_at).is_not(None),
    )
    .correlate(competencies.Submission)
    .scalar_subquery()
)

_CHOSEN: Any = (
    columns(
        competencies.CompetencyPoint,
        competencies.Submission,
        competencies.SubmissionVersion,
        competencies.Decision,
        competencies.Award,
        rubrics.Appeal,
    )
    .join(competencies.Selection, col(competencies.Selection.point_id) == col(competencies.CompetencyPoint.id))
    .join(
        competencies.Submission,
        and_(
            col(competencies.Submission.point_id) == col(competencies.CompetencyPoint.id),
            col(competencies.Submission.programme_id) == bindparam("programme"),
            col(competencies.Submission.person_id) == col(competencies.Selection.person_id),
        ),
        isouter=True,
    )
    .join(
        competencies.SubmissionVersion,
        col(competencies.SubmissionVersion.id) == col(competencies.Submission.current_version_id),
        isouter=True,
    )
    .join(competencies.Decision, col(competencies.Decision.id) == _LATEST_RELEASED, isouter=True)
    .join(
        competencies.Award,
        competencies.revisions.AWARD_OF_DECISION,
        isouter=True,
    )
    .join(rubrics.Appeal, col(rubrics.Appeal.decision_id) == col(competencies.Decision.id), isouter=True)
    .where(
        col(competencies.Selection.programme_id) == bindparam("programme"),
        col(competencies.Selection.person_id).in_(bindparam("people", expanding=True)),
        col(competencies.Selection.dropped_at).is_(None),
    )
    .order_by(col(competencies.CompetencyPoint.position))
)


def chosen_points(
    session: Session, actor: Actor, programme: competencies.Programme, person_ids: Collection[int]
) -> Sequence[ChosenPoint]:
    """The points that somebody has chosen under these rows, each with work, version, released decision and award: one
    query. A point that was chosen under two rows is there once, with the work that counts."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    found: dict[int, ChosenPoint] = {}
    for row in session.exec(_CHOSEN, params={"programme": pk(programme), "people": list(person_ids)}):
        one = ChosenPoint(*row)
        known = found.get(one.point_id)
        if known is None or one.weight > known.weight:
            found[one.point_id] = one
    return list(found.values())


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
        col(rubrics.Review.reviewer_id).in_(bindparam("people", expanding=True)),
        col(rubrics.Review.submission_version_id).in_(bindparam("versions", expanding=True)),
    ),
)


def _reviews(session: Session, programme: competencies.Programme, actor: Actor, version_ids: Sequence[int]) -> _Reviews:
    """What the person owes, and how far the reviews of their own works are: one query."""
    owed, due, total, done = 0, [], Counter[int](), Counter[int]()
    places = {"programme": pk(programme), "people": list(actor.person_ids), "versions": list(version_ids)}
    for version_id, reviewer_id, state, due_at in session.exec(_REVIEWS, params=places):
        if actor.is_author(reviewer_id):
            if state in rubrics.UNFINISHED:
                owed += 1
                if due_at is not None:
                    due.append(due_at)
        else:
            total[version_id] += 1
            done[version_id] += state is rubrics.ReviewState.SUBMITTED
    return _Reviews(owed, min(due, default=None), {key: (done[key], count) for key, count in total.items()})


def _line(
    row: ChosenPoint,
    work: competencies.Submission,
    items: Sequence[competencies.Item],
    reviews: Mapping[int, tuple[int, int]],
    rules: competencies.Rules,
    shown_in: Mapping[int, competencies.SchoolBatch] | None,
) -> PointLine:
    needed = [item for item in items if item.requirement.is_required]
    missing = tuple(item.requirement.title for item in needed if not item.usable)
    done, total = reviews.get(pk(row.version), (0, 0)) if row.version is not None else (0, 0)
    states = competencies.SubmissionState
    is_again = row.decision is not None and row.decision.submission_version_id == work.current_version_id
    phases = {
        states.DRAFT: "draft" if missing else "ready",
        states.SUBMITTED: "reviewed" if total and done == total else "submitted",
        states.RETURNED: "again" if is_again else "returned",
        states.LATE: "declined" if row.is_declined else "late",
    }
    is_released = work.state is states.RELEASED
    batch = shown_in.get(pk(work)) if shown_in else None
    if shown_in is not None:
        phases[states.DECIDED] = "held" if batch is None else "shown"
    return PointLine(
        uuid=work.uuid,
        code=row.point.code,
        name=row.point.name,
        question=row.point.question,
        done=len(needed) - len(missing),
        total=len(needed),
        missing=missing,
        phase=phases.get(work.state, work.state.value),
        reviews_done=done,
        reviews_total=total,
        awaits_peers=rules.review.reviews_per_work > 0
        and (work.trainer_id is None or rules.review.returned_to == "peers"),
        level=int(row.level) if is_released and row.level is not None else None,
        level_words=row.point.level_words,
        failed_before=not is_released and row.level is competencies.Level.FAIL,
        shown_in=(batch.uuid, batch.ends_on) if batch is not None else None,
    )


def _next(
    shown: Round, lines: Sequence[PointLine], reviews: _Reviews, meets: bool, *, limits_retakes: bool
) -> NextStep:
    """The first of these that holds: begin, mend what came back or failed, choose, hand in what is missing, submit,
    review, done, read why late work was not let in, wait."""
    if not shown.is_begun:
        return NextStep("wait_open", on=None if shown.is_due else shown.opens_on)
    if shown.is_over:
        return NextStep("over", on=shown.ended_on)
    for phase, kind in (("returned", "revise"), ("again", "again")):
        for line in lines:
            if line.phase == phase:
                return NextStep(
                    kind, 1, line.uuid, line.code, line.name, on=shown.again_by_on, is_late=shown.is_again_late
                )
    for line in lines:
        if line.level == 0:
            return NextStep(
                "retake" if limits_retakes else "failed",
                1,
                line.uuid,
                line.code,
                line.name,
                on=shown.again_by_on,
                is_late=shown.is_again_late,
            )
    if len(lines) < shown.required:
        return NextStep("choose", shown.required - len(lines), on=shown.submit_by_on, is_late=shown.is_late)
    short = [line for line in lines if line.phase == "draft"]
    if short:
        line, left = short[0], sum(len(one.missing) for one in short)
        return NextStep(
            "hand_in_more",
            left,
            line.uuid,
            line.code,
            line.name,
            line.missing[0],
            shown.submit_by_on,
            is_late=shown.is_late,
        )
    for line in lines:
        if line.phase == "ready":
            return NextStep("submit", 1, line.uuid, line.code, line.name, on=shown.submit_by_on, is_late=shown.is_late)
    if reviews.owed:
        return NextStep("review", reviews.owed, on=None if shown.is_review_over else shown.review_by_on)
    passed = sum(line.level is not None and line.level > 0 for line in lines)
    if passed >= shown.required:
        return NextStep("done" if meets else "rule_unmet", passed)
    for line in lines:
        if line.phase == "declined":
            return NextStep("declined", 1, line.uuid, line.code, line.name)
    left = sum(line.phase != "released" for line in lines)
    return NextStep("wait", left, on=None if shown.is_review_over else shown.review_by_on)
