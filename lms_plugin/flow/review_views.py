"""What a reviewer sees, and what officer and trainer see of the allotment. A reviewer's view has no author at all."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin import media
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import get, pk
from lms_plugin.flow import drafts, held_hours, marking, review_names
from lms_plugin.flow.differences import Differences, differences
from lms_plugin.flow.evidence_views import PieceView, piece_views
from lms_plugin.flow.humans import rows_by_row
from lms_plugin.flow.reach import owes_review
from lms_plugin.flow.review import load_review, waits_for
from lms_plugin.flow.review_forecast import Forecast, facts_of, forecast
from lms_plugin.flow.review_names import Named
from lms_plugin.flow.review_pool import GroupFigures, group_figures, plan_of, pool_of
from lms_plugin.flow.review_preview import Preview, preview_of
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.people import OrgUnit, Person, Tenant

_OWED = tuple(state.value for state in rubrics.UNFINISHED)


@dataclass(frozen=True)
class CriterionView:
    """One criterion with what it asks and what the reviewer has said so far. `field` names it in forms."""

    field: str
    is_validity: bool
    is_proposed: bool
    texts: Mapping[int, Mapping[str, str]]
    choices: tuple[int, ...]
    level: int | None
    reason: str
    share: int | None = None  # of its item, in percent; None where the lowest criterion decides

    @property
    def question(self) -> Mapping[str, str]:
        """What is asked: the text of the lowest level that asks for something."""
        return self.texts[min(self.texts)] if self.texts else {}


@dataclass(frozen=True)
class ItemView:
    """One evidence item: its pieces at the left, its criteria at the right."""

    key: str
    title: Mapping[str, str]
    is_core: bool
    is_required: bool
    pieces: tuple[PieceView, ...]
    criteria: tuple[CriterionView, ...]


@dataclass(frozen=True)
class ReviewPage:
    """A work as its reviewer sees it: no file names, no day on which it was handed in; the author where the rules name
    them to reviewers."""

    uuid: str
    version: int
    number: int
    state: str
    point_code: str
    point_name: Mapping[str, str]
    point_question: Mapping[str, str]
    level_words: Mapping[str, Mapping[str, str]] | None  # the framework's own words for its levels
    due_at: datetime | None
    saved_at: datetime | None
    items: tuple[ItemView, ...]
    since: Differences | None  # what became of it since it came back, without names; None where it did not
    before: tuple[rubrics.MarkThen, ...]  # own marks that stand no more since the criteria changed
    is_changed: bool  # the work is judged by other criteria than those it was handed in under
    named: Named  # who knows whom, and the author where reviewers do

    @property
    def comes_back(self) -> bool:
        """Whether it was begun or handed in under other criteria, and something is to be marked under those of now."""
        return self.is_changed and self.is_open and self.marked < self.total

    @property
    def is_open(self) -> bool:
        """Whether it can still be worked on."""
        return self.state in (*_OWED, rubrics.HANDED_ON)

    @property
    def total(self) -> int:
        """How many criteria there are to mark."""
        return sum(len(item.criteria) for item in self.items)

    @property
    def marked(self) -> int:
        """How many have a level."""
        return sum(line.level is not None for item in self.items for line in item.criteria)


def field_of(item_key: str, criterion_key: str) -> str:
    """The name of a criterion in forms and in `Invalid.fields`."""
    return f"{item_key}.{criterion_key}"


def item_views(
    sheet: marking.Sheet, marks: Mapping[rubrics.MarkKey, rubrics.DraftMark], *, blind: bool
) -> tuple[ItemView, ...]:
    """The items of a sheet with these marks; criteria of items that were not handed in are left out."""
    number, found = 1, []
    for item in sheet.items:
        pieces = piece_views(item.requirement, item.pieces, blind=blind, first_number=number)
        number += sum(piece.kind == "file" for piece in pieces)
        lines, shares = [], rubrics.shares(item.criteria)
        for line in item.criteria if pieces else ():
            draft = marks.get(rubrics.MarkKey(item.key, line.key), rubrics.DraftMark(None))
            lines.append(
                CriterionView(
                    field=field_of(item.key, line.key),
                    is_validity=line.is_validity,
                    is_proposed=line.is_proposed,
                    texts=line.texts,
                    choices=line.choices,
                    level=draft.level,
                    reason=draft.reason,
                    share=shares.get(line.key),
                )
            )
        found.append(
            ItemView(
                key=item.key,
                title=item.requirement.title,
                is_core=item.requirement.is_core,
                is_required=item.requirement.is_required,
                pieces=pieces,
                criteria=tuple(lines),
            )
        )
    return tuple(found)


def review_page(
    session: Session, actor: Actor, uuid: str, typed: Mapping[rubrics.MarkKey, rubrics.DraftMark] | None = None
) -> ReviewPage:
    """The work of one of the actor's reviews; `typed` stands in for saved marks (a form that was refused)."""
    review = load_review(session, actor, uuid)
    facts = review_names.facts_of(session, review)
    point, number = facts.point, facts.number
    marks = rubrics.drafts_of(session, [pk(review)])[pk(review)] if typed is None else typed
    before = _came_back(session, review) if number > 1 else None
    wanted = dict.fromkeys([review.submission_version_id, *([pk(before[0])] if before is not None else [])], pk(point))
    sheets = marking.sheets(session, wanted)
    sheet = sheets[review.submission_version_id]
    is_gone = review.state not in rubrics.LIVE
    state = review.state.value
    if rubrics.is_handed_on(review) and waits_for(get(session, competencies.Submission, review.submission_id), review):
        is_gone, state = False, rubrics.HANDED_ON
    return ReviewPage(
        uuid=review.uuid,
        version=review.version,
        number=review.blind_number,
        state=state,
        point_code=point.code,
        point_name=point.name,
        point_question=point.question,
        level_words=point.level_words,
        due_at=review.due_at,
        saved_at=review.saved_at,
        items=() if is_gone else item_views(sheet, marks, blind=True),
        since=_since(session, review, sheets, before) if before is not None and not is_gone else None,
        before=tuple(rubrics.marks_before(session, review.submission_version_id, pk(review)))
        if sheet.is_judged_anew
        else (),
        is_changed=sheet.is_judged_anew,
        named=facts.named,
    )


_Before = tuple[competencies.SubmissionVersion, competencies.Decision]


def _came_back(session: Session, review: rubrics.Review) -> _Before | None:
    """The version before the reviewed one on which somebody decided, with that decision: one query."""
    version, decision = competencies.SubmissionVersion, competencies.Decision
    rows = session.exec(
        select(version, decision)
        .join(decision, col(decision.submission_version_id) == col(version.id))
        .where(version.submission_id == review.submission_id, col(version.id) < review.submission_version_id)
        .order_by(col(version.number).desc())
    )
    return rows.first()


def _since(
    session: Session, review: rubrics.Review, sheets: Mapping[int, marking.Sheet], before: _Before
) -> Differences:
    """What became of the work, with everything blotted out by which its author may be known: three queries."""
    version, decision = before
    author = get(session, competencies.Submission, review.submission_id).person_id
    needles = drafts.traits_of(session, rows_by_row(session, {author})[author]).needles
    return differences(
        sheets[pk(version)],
        sheets[review.submission_version_id],
        decision,
        version.number,
        mask=lambda text: media.mask(text, needles),
    )


@dataclass(frozen=True)
class ShortWork:
    """A work that lacks reviewers. `why` is the code of the reason; `is_blind`: who looks reviews it, so no names."""

    point_code: str
    point_name: Mapping[str, str]
    author: str
    school: str
    short: int
    why: str
    submission: str
    is_blind: bool


@dataclass(frozen=True)
class AllocationPage:
    """How the reviews of a programme are allotted, and what is missing, in numbers that the page puts into words.

    `late`: reviews whose time is up and for which nobody else is free.
    `preview`: what the button would do now, None where nothing is to be done. `held`: whose hours wait for reviews.
    `needy`: works that want reviewers now, `fillable`: those of them that somebody is free for, `shortages`: what the
    pool as it is now cannot fill. `groups`: what course groups mean for the works, None = they do not count.
    """

    programme: str
    title: str
    enough: int
    waiting: int
    needy: int
    fillable: int
    late: int
    withdraw_minutes: int
    excludes_own_school: bool
    policy: competencies.ReviewPolicy
    pool: str
    course_groups: str
    groups: GroupFigures | None
    max_reviews: int
    submit_by_on: object
    allotted_at: datetime | None
    assigned: int
    works: int
    reviewers: int
    shortages: tuple[ShortWork, ...]
    preview: Preview | None
    ahead: Forecast | None  # whether reviewers will suffice, while works may still come in
    held: held_hours.Held

    @property
    def by_why(self) -> dict[str, int]:
        """How many works are short for each reason."""
        return dict(Counter(one.why for one in self.shortages))


def allocation_page(session: Session, actor: Actor, programme: competencies.Programme, now: datetime) -> AllocationPage:
    """The latest allotment of a programme, and what is missing now: a constant number of queries."""
    require(actor, Permission.REVIEW_ALLOCATE, programme_scope(session, programme))
    rules, last = _rules_and_last(session, programme)
    enough = rules.review.reviews_per_work
    last_day = competencies.end_of_day(programme.submit_by_on, get(session, Tenant, programme.tenant_id).timezone)
    facts = facts_of(session, programme, rules, now) if enough and (now < last_day or not last) else None
    known = (facts.said, facts.former) if facts is not None else (None, None)
    pool = pool_of(session, programme, rules, now, *known)
    now_planned = plan_of(pool, rules) if enough else None
    is_ahead = facts is not None and (now < last_day or not pool.submissions)
    # Before the first allotment nothing is short: it is just not allotted yet.
    plan = now_planned if last is not None else None
    short = {pool.submissions[one.work_id].uuid: one for one in plan.shortages} if plan is not None else {}
    return AllocationPage(
        programme=programme.uuid,
        title=programme.title,
        enough=enough,
        waiting=pool.waiting,
        needy=len(pool.needy) if plan is None else len(pool.needy | plan.works),
        fillable=len(pool.needy) if plan is None else plan.filled,
        late=sum(len(found) for found in pool.late.values()),
        withdraw_minutes=rules.review.withdraw_minutes,
        excludes_own_school=rules.review.exclude_own_school,
        policy=rules.review,
        pool=rules.review.pool,
        course_groups=rules.review.course_groups,
        groups=group_figures(pool) if rules.review.course_groups != "off" else None,
        max_reviews=rules.review.max_reviews,
        submit_by_on=programme.submit_by_on,
        allotted_at=last.ran_at if last is not None else None,
        assigned=last.assigned if last is not None else 0,
        works=last.works if last is not None else 0,
        reviewers=last.reviewers if last is not None else 0,
        shortages=_short_works(session, actor, short),
        preview=preview_of(pool, now_planned) if now_planned is not None and now_planned.works else None,
        ahead=forecast(session, programme, rules, facts, pool) if facts is not None and is_ahead else None,
        held=held_hours.waiting(session, actor, programme) if rules.review.duty == "hold" else held_hours.Held(0, ()),
    )


def _rules_and_last(
    session: Session, programme: competencies.Programme
) -> tuple[competencies.Rules, rubrics.Allocation | None]:
    """The rules that hold now and the latest allotment: one query."""
    policy, last = session.exec(
        select(competencies.ProgrammePolicy, rubrics.Allocation)
        .select_from(competencies.Programme)
        .outerjoin(
            competencies.ProgrammePolicy,
            col(competencies.ProgrammePolicy.id) == col(competencies.Programme.policy_id),
        )
        .outerjoin(rubrics.Allocation, col(rubrics.Allocation.programme_id) == col(competencies.Programme.id))
        .where(competencies.Programme.id == pk(programme))
        .order_by(col(rubrics.Allocation.id).desc())
        .limit(1)
    ).one()
    return competencies.Rules.model_validate(policy.rules if policy is not None else {}), last


def _short_works(session: Session, actor: Actor, short: Mapping[str, rubrics.Shortage]) -> tuple[ShortWork, ...]:
    if not short:
        return ()
    statement: Any = (
        columns(
            col(competencies.Submission.uuid),
            competencies.CompetencyPoint,
            col(Person.name),
            col(OrgUnit.name),
            owes_review(actor),
        )
        .join(
            competencies.CompetencyPoint,
            col(competencies.CompetencyPoint.id) == col(competencies.Submission.point_id),
        )
        .join(Person, col(Person.id) == col(competencies.Submission.person_id))
        .join(
            competencies.SubmissionVersion,
            col(competencies.SubmissionVersion.id) == col(competencies.Submission.current_version_id),
            isouter=True,
        )
        .join(OrgUnit, col(OrgUnit.id) == col(competencies.SubmissionVersion.org_unit_id), isouter=True)
        .where(col(competencies.Submission.tenant_id) == actor.tenant_id, col(competencies.Submission.uuid).in_(short))
    )
    found = [
        ShortWork(
            point_code=point.code,
            point_name=point.name,
            author="" if is_blind else author,
            school="" if is_blind else school or "",
            short=short[uuid].short,
            why=short[uuid].why.value,
            submission=uuid,
            is_blind=is_blind,
        )
        for uuid, point, author, school, is_blind in session.exec(statement).all()
    ]
    return tuple(sorted(found, key=lambda one: (one.school, one.author, one.point_code)))
