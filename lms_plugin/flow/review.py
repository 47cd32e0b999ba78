"""互评: allotting reviews, opening one, saving, submitting, 申请回避."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin import leaving
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import get, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import (
    calibration,
    conflicts,
    leavers,
    marking,
    message_words,
    messages,
    review_again,
    review_needs,
)
from lms_plugin.flow.blindness import end_reviews, works_read_by
from lms_plugin.flow.humans import rows_by_row
from lms_plugin.flow.review_pool import (
    USUAL_SLACK,
    Pool,
    handed_on,
    plan_of,
    pool_of,
    rule_of,
    slot_of,
    third_of,
)
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.people import Tenant

AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class Saved:
    """A draft as it stands after saving."""

    version: int
    saved_at: datetime


def allocate(
    session: Session, actor: Actor, programme: competencies.Programme, seed: int | None, now: datetime
) -> rubrics.Allocation:
    """ "现在分配": allots the reviews that are missing; the same pool and seed give the same plan. Without a seed: the
    plan that the page shows (`review_pool.plan_of`).

    Raises Refused `review.programme_without` where the programme has no peer review.
    """
    require(actor, Permission.REVIEW_ALLOCATE, programme_scope(session, programme))
    return _run(session, programme, seed, actor.person_id, now)


def to_allot(session: Session) -> list[int]:
    """For the worker's sweep: the open programmes of all districts, each looked at in a transaction of its own."""
    open_ones = select(competencies.Programme.id).where(
        competencies.Programme.state == competencies.ProgrammeState.OPEN
    )
    return [key for key in session.exec(open_ones.order_by(col(competencies.Programme.id))) if key is not None]


def allocate_due(session: Session, programme_id: int, now: datetime) -> rubrics.Allocation | None:
    """For the worker's sweep: allots where the day of handing in is over, and tops up afterwards.

    A programme that has been allotted is looked at again only when something changed since: a work's withdraw time
    ended, a work was let in or came back, a reviewer asked for 回避, somebody went away. Where works are short although
    people could review them, those with least to do are asked for one more each hour.
    """
    programme = get(session, competencies.Programme, programme_id)
    tenant = get(session, Tenant, programme.tenant_id)
    rules = competencies.rules_of(session, programme)
    is_over = competencies.is_closed(programme, tenant.timezone, now) or leaving.is_read_only(tenant, now)
    if rules.review.reviews_per_work == 0 or is_over:
        return None
    wait = timedelta(minutes=rules.review.withdraw_minutes)
    end_reviews(session, None, now, pk(programme))
    freed = leavers.free_reviews(session, programme, now)
    if programme.allotted_at is None:
        is_due = now >= competencies.end_of_day(programme.submit_by_on, tenant.timezone) + wait
    else:
        is_due = freed > 0 or review_again.changed_since(session, programme, programme.allotted_at, wait, now)
        if not is_due and programme.allotted_at <= now - AGAIN:
            return _ask_more(session, programme, rules, _seed(programme, now), now)
    return _run(session, programme, _seed(programme, now), None, now) if is_due else None


def _ask_more(
    session: Session, programme: competencies.Programme, rules: competencies.Rules, seed: int, now: datetime
) -> rubrics.Allocation | None:
    """An hour after it was last looked at: where works are short because all have what they receive, one review more
    is asked of those who have least, then two, never above `max_reviews` or a quota. None where that places nothing."""
    last = review_again.last_of(session, programme)
    if last is None or rubrics.Why.EVERYONE_AT_LIMIT not in {one["why"] for one in last.shortages}:
        return None
    pool = pool_of(session, programme, rules, now)
    for slack in range(USUAL_SLACK + 1, rules.review.max_reviews + 1):
        if plan_of(pool, rules, seed, slack).slots:
            return _run(session, programme, seed, None, now, slack)
    _stamp(session, programme, now)  # looked at; again in an hour
    return None


def _seed(programme: competencies.Programme, now: datetime) -> int:
    """A seed that nobody chose; it is stored with the allotment, so that the plan can be drawn again."""
    return int.from_bytes(hashlib.sha256(f"{programme.uuid}:{now.isoformat()}".encode()).digest()[:4], "big") >> 1


def _run(
    session: Session,
    programme: competencies.Programme,
    seed: int | None,
    ran_by_id: int | None,
    now: datetime,
    slack: int = USUAL_SLACK,
) -> rubrics.Allocation:
    rules = competencies.rules_of(session, programme)
    if rules.review.reviews_per_work == 0:
        raise Refused("review.programme_without")
    review_needs.hold(session, programme)  # what is claimed from now on is not known to the plan
    end_reviews(session, None, now, pk(programme))
    leavers.free_reviews(session, programme, now)
    pool = pool_of(session, programme, rules, now)
    plan = plan_of(pool, rules, seed, slack)
    allocation = rubrics.Allocation(
        tenant_id=programme.tenant_id,
        programme_id=pk(programme),
        seed=plan.seed,
        works=len(pool.works),
        reviewers=len(pool.reviewers),
        assigned=len(plan.slots),
        shortages=[
            {"submission": pool.submissions[one.work_id].uuid, "short": one.short, "why": one.why.value}
            for one in plan.shortages
        ],
        ran_by_id=ran_by_id,
        ran_at=now,
    )
    session.add(allocation)
    session.flush()
    if plan.slots or plan.shortages:
        rubrics.keep_plan(session, pk(allocation), plan.inputs, plan.planned)
    _allot(session, programme, pool, plan.slots, pk(allocation), now)
    review_needs.refresh(session, programme, rules, pool, now)
    _stamp(session, programme, now)
    return allocation


def _stamp(session: Session, programme: competencies.Programme, now: datetime) -> None:
    """Notes when a programme was allotted; its version stays. Raises Conflict `review.allotted_meanwhile`."""
    stamped: Any = session.connection().execute(
        update(competencies.Programme)
        .where(
            col(competencies.Programme.id) == pk(programme),
            col(competencies.Programme.allotted_at).is_not_distinct_from(programme.allotted_at),
        )
        .values(allotted_at=now)
    )
    if stamped.rowcount != 1:
        raise Conflict("review.allotted_meanwhile")
    set_committed_value(programme, "allotted_at", now)


def _allot(
    session: Session,
    programme: competencies.Programme,
    pool: Pool,
    slots: Sequence[rubrics.Slot],
    allocation_id: int | None,
    now: datetime,
) -> None:
    policy = competencies.rules_of(session, programme).review
    rubrics.hand_on(session, handed_on(pool, slots, policy.reviews_per_work), now)
    same = rows_by_row(session, {slot.reviewer_id for slot in slots})
    due_at = review_needs.due_at(session, programme, now)
    plan = calibration.with_examples(session, programme, policy, slots, same, _seed(programme, now), now)
    rubrics.allot_mixed(session, programme.tenant_id, pk(programme), plan, allocation_id, due_at, now, same)
    told = [messages.Told(person, programme.uuid, {"title": programme.title}) for person in same]
    messages.tell(session, programme.tenant_id, message_words.REVIEWS, told, now)


def load_review(session: Session, actor: Actor, uuid: str) -> rubrics.Review:
    """The actor's own review. Raises NotFound, and Forbidden when it is somebody else's."""
    found = session.exec(
        select(rubrics.Review, competencies.Submission.person_id)
        .join(competencies.Submission, col(competencies.Submission.id) == col(rubrics.Review.submission_id))
        .where(rubrics.Review.tenant_id == actor.tenant_id, rubrics.Review.uuid == uuid)
    ).one_or_none()
    if found is None:
        raise NotFound
    review, author = found
    require(
        actor,
        Permission.REVIEW_SUBMIT,
        Scope(tenant_id=review.tenant_id, owner_id=author, reviewer_id=review.reviewer_id),
    )
    return review


def open_review(session: Session, actor: Actor, uuid: str, now: datetime) -> rubrics.Review:
    """The reviewer sees the work: from now on its author cannot withdraw it; the first time is kept for the audit."""
    review = load_review(session, actor, uuid)
    calibration.require_practised(session, actor, review)
    if rubrics.open_review(session, review, now):
        kind = competencies.SubmissionVersion
        first = (col(kind.id) == review.submission_version_id) & col(kind.opened_at).is_(None)
        session.execute(update(kind).where(first).values(opened_at=now))
    return review


def save(session: Session, actor: Actor, uuid: str, drafts: rubrics.Drafts, version: int, now: datetime) -> Saved:
    """Saves the marks as they stand. Marks of other criteria than the work's are dropped, and so are levels that a
    criterion does not have. Raises Conflict `review.changed_elsewhere` with both versions, Invalid where
    a reason is too long.
    """
    review = load_review(session, actor, uuid)
    _require_readable(drafts)
    _take_up_again(session, review, now)
    rubrics.save_review(session, review, _fitting(_sheet(session, review), drafts), version, now)
    return Saved(review.version, now)


def submit(
    session: Session, actor: Actor, uuid: str, drafts: rubrics.Drafts, version: int, now: datetime
) -> rubrics.Review:
    """Hands the review in. Raises Invalid whose fields "item.criterion" say what is missing; Conflict as `save`.

    Where the reviews are in and differ on pass, a third reviewer is asked at once.
    """
    review = load_review(session, actor, uuid)
    # Reviewers of one version hand in one after the other: what they say together counts each of them.
    session.get(competencies.SubmissionVersion, review.submission_version_id, with_for_update={"key_share": True})
    session.refresh(review)
    _take_up_again(session, review, now)
    rubrics.require_unfinished(review)
    _require_readable(drafts)
    sheet = _sheet(session, review)
    rubrics.save_review(session, review, _fitting(sheet, drafts), version, now)
    saved = rubrics.drafts_of(session, [pk(review)])[pk(review)]
    problems = rubrics.mark_problems(rubrics.finished(saved), sheet.expected, without_reason=(competencies.Level.PASS,))
    if problems:
        raise Invalid({f"{key.item_key}.{key.criterion_key}": str(why) for key, why in problems.items()})
    level = sheet.compute(saved).point_level
    if level is None:
        raise Refused("decision.nothing_to_judge")
    if rubrics.gold_of(session, review) is not None:
        rubrics.finish_gold(session, review, level, now)
        return review
    rubrics.submit_review(session, review, level, now)
    programme = get(session, competencies.Programme, review.programme_id)
    rules = competencies.rules_of(session, programme)
    summary = rubrics.summarise(session, review.submission_version_id, rules.review.reviews_per_work, now)
    if summary.differs_on_pass and rules.review.third_when_differing and not review.is_third:
        _ask_third(session, programme, rules, review.submission_id, now)
    return review


def _ask_third(
    session: Session,
    programme: competencies.Programme,
    rules: competencies.Rules,
    submission_id: int,
    now: datetime,
) -> None:
    pool = pool_of(session, programme, rules, now)
    if submission_id not in pool.differing:
        return
    third = third_of(pool, submission_id, rule_of(rules), _seed(programme, now), list(pool.existing))
    slots = [slot_of(pool, one, is_third=True) for one in third.assignments]
    # Where nobody is free, the page of the allotment says so, and the sweep looks again.
    _allot(session, programme, pool, slots, None, now)


def _take_up_again(session: Session, review: rubrics.Review, now: datetime) -> None:
    """Who goes on with a review that went to somebody else has it back, where the work still waits for reviews: what
    they write counts as well. Nothing where it did not go on, or is over."""
    if not rubrics.is_handed_on(review):
        return
    work = get(session, competencies.Submission, review.submission_id)
    if not waits_for(work, review):
        return
    rows = rows_by_row(session, {review.reviewer_id})[review.reviewer_id]
    others = rubrics.live_reviews(session, [review.submission_version_id])[review.submission_version_id]
    if any(one.reviewer_id in rows for one in others):
        return  # one human being, one review of a work
    if pk(work) in works_read_by(session, [rows[0]], [work]).get(rows[0], ()):
        return  # by now they read it with its author's name
    if _is_kept_apart(session, work, rows):
        return
    rubrics.take_up_again(session, review, now)
    version = get(session, competencies.SubmissionVersion, review.submission_version_id)
    version.opened_at = version.opened_at or now  # from now on its author cannot withdraw it
    session.add(version)


def _is_kept_apart(session: Session, work: competencies.Submission, rows: tuple[int, ...]) -> bool:
    author = rows_by_row(session, {work.person_id})[work.person_id][0]
    return author in conflicts.kept_apart(session, work.tenant_id).get(rows[0], ())


def waits_for(work: competencies.Submission, review: rubrics.Review) -> bool:
    """Whether what this review says of the work may still count: the version stands, nobody has decided."""
    return (
        work.state is competencies.SubmissionState.SUBMITTED and work.current_version_id == review.submission_version_id
    )


def recuse(session: Session, actor: Actor, uuid: str, now: datetime) -> None:
    """申请回避: the reviewer knows the author. It costs nothing; the place is filled at the next allotment."""
    review = load_review(session, actor, uuid)
    rubrics.recuse(session, review, now)


def _require_readable(drafts: rubrics.Drafts) -> None:
    marking.require_readable({f"{key.item_key}.{key.criterion_key}": draft.reason for key, draft in drafts.items()})


def _sheet(session: Session, review: rubrics.Review) -> marking.Sheet:
    point = get(session, competencies.Submission, review.submission_id).point_id
    return marking.sheet(session, review.submission_version_id, point)


def _fitting(sheet: marking.Sheet, drafts: Mapping[rubrics.MarkKey, rubrics.DraftMark]) -> rubrics.Drafts:
    kept = {}
    for key, draft in drafts.items():
        choices = sheet.expected.get(key)
        if choices is not None:
            kept[key] = draft if draft.level is None or draft.level in choices else draft._replace(level=None)
    return kept
