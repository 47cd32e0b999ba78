"""自动通过: works that reviewers find clearly 合格 pass without a trainer, where the programme says so (default: off).

When the round of reviews is over, a job looks at everything that waits and passes what is clear, each work in a
transaction of its own. It stands in for the trainer's look, and for nothing else: on the official chain the county
still draws, 公示 still follows, and where a 考核小组 decides nothing passes by itself. Who set the rule answers for it
(`Decision.decided_by_id`); `Decision.by_policy_id` says by which rule version, the audit's trail with which marks.
Until it is released anybody who decides or looks after the programme can take it back (`cases.undo`), and a trainer
can decide it anew.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col
from sqlmodel import select as rows_of

import competencies
import rubrics
from competencies import BatchWork, Decision, Objection, Programme, Submission, SubmissionVersion
from lms_plugin import leaving, outbox
from lms_plugin.db import get, pk, transaction
from lms_plugin.errors import Invalid
from lms_plugin.flow import cases, choice_confirming, conflicts, doubts, marking
from lms_plugin.flow.reach import joined
from lms_plugin.people import Person, Tenant
from rubrics import Review, ReviewState, ReviewSummary

LEAST_REVIEWS = 2
"""Fewer never pass a work, whatever the programme asks for: of one reviewer nobody can say how sure they are."""
AGAIN = timedelta(days=1)
"""After so long everything is looked at anew: what stood in the way may be gone."""
PASSED = "passed_clear"
LONGEST_DETAIL = 500


@dataclass(frozen=True)
class Clear:
    """A work that is clearly 合格 by these reviews, and would be decided so."""

    submission_id: int
    version_id: int
    reviews: tuple[int, ...]
    doubt: rubrics.Doubt


def to_ask(session: Session) -> list[int]:
    """For the worker: programmes that pass clear works, and in which some may be waiting."""
    clear = (
        joined(select(col(Submission.id)))
        .where(
            col(Submission.programme_id) == col(Programme.id),
            col(Submission.state) == competencies.SubmissionState.SUBMITTED,
            col(ReviewSummary.doubt_millionths) < rubrics.UNKNOWN_RANK,
        )
        .exists()
    )
    found = session.exec(
        rows_of(Programme.id).where(col(Programme.passes_clear).is_(True), clear).order_by(col(Programme.id))
    )
    return [key for key in found if key is not None]


def ask_due(session: Session, programme_id: int, now: datetime) -> bool:
    """Asks for the job once the last day of reviews is over; whether it did."""
    programme = get(session, Programme, programme_id)
    timezone = get(session, Tenant, programme.tenant_id).timezone
    last = programme.passed_at
    is_new = last is None or (programme.weighed_at is not None and programme.weighed_at > last) or last <= now - AGAIN
    if not is_new or now < competencies.end_of_day(programme.review_by_on, timezone) or programme.weighed_at is None:
        return False
    outbox.put(session, programme.tenant_id, outbox.CLEAR, str(programme_id), {"programme_id": programme_id}, now)
    session.connection().execute(update(Programme).where(col(Programme.id) == programme_id).values(passed_at=now))
    session.expire(programme)
    return True


def pass_clear(factory: "sessionmaker[Session]", ids: dict[str, int], clock: Callable[[], datetime]) -> None:
    """The job. Broken off, what passed stays; run twice it passes nothing twice."""
    with transaction(factory) as session:
        programme = get(session, Programme, ids["programme_id"])
        found = clear_works(session, programme, clock())
    for one in found:
        with transaction(factory) as session:
            programme, now = get(session, Programme, ids["programme_id"]), clock()
            if leaving.is_read_only(get(session, Tenant, programme.tenant_id), now):
                return  # the district left while the job was at work
            pass_one(session, programme, one, now)


def clear_works(session: Session, programme: Programme, now: datetime) -> list[Clear]:
    """What would pass now: clear by the programme's rule, enough reviewers, all of whom pass the work, and nothing in
    the way. Nothing where the programme does not pass by itself (any more)."""
    rules = competencies.rules_of(session, programme)
    tenant = get(session, Tenant, programme.tenant_id)
    if not _may_pass(programme, rules) or leaving.is_read_only(tenant, now):
        return []
    pending = and_(doubts.pending_of(programme), _left_to_rules(now, rules))
    sure = {
        work: doubt
        for work, doubt in doubts.found_in(session, programme, pending).doubts.items()
        if doubt.outcome is rubrics.Conclusion.PASS and not doubt.reasons
    }
    if not sure:
        return []
    given: dict[int, dict[int, tuple[int, int, int]]] = {}  # work → who → (review, version, level)
    rows: Any = session.connection().execute(
        joined(
            select(
                col(Submission.id),
                func.coalesce(col(Person.merged_into_id), col(Person.id)),
                col(Review.id),
                col(SubmissionVersion.id),
                col(Review.point_level),
            )
        )
        .join(Review, col(Review.submission_version_id) == col(SubmissionVersion.id))
        .join(Person, col(Person.id) == col(Review.reviewer_id))
        .where(pending, col(Review.state) == ReviewState.SUBMITTED)
        .order_by(col(Review.id))
    )
    for work, who, review, version, level in rows:
        if work in sure:
            given.setdefault(work, {})[who] = (review, version, -1 if level is None else level)
    least = max(LEAST_REVIEWS, rules.review.reviews_per_work)
    ready = {
        work: by
        for work, by in given.items()
        if len(by) >= least and all(level >= competencies.Level.PASS for _review, _version, level in by.values())
    }
    held = hindered(session, programme, {work: set(by) for work, by in ready.items()})
    return [
        Clear(work, next(iter(by.values()))[1], tuple(sorted(one[0] for one in by.values())), sure[work])
        for work, by in sorted(ready.items())
        if work not in held
    ]


def _may_pass(programme: Programme, rules: competencies.Rules) -> bool:
    return rules.review.pass_clear and not programme.panel_decides and programme.archived_at is None


def _left_to_rules(now: datetime, rules: competencies.Rules) -> Any:
    """Never what a trainer returned, what somebody has decided before, nor what its author may still withdraw."""
    decided = rows_of(Decision.id).where(col(Decision.submission_id) == col(Submission.id)).exists()
    until = now - timedelta(minutes=rules.review.withdraw_minutes)
    return and_(
        col(Submission.trainer_id).is_(None),
        ~decided,
        col(SubmissionVersion.declined_at).is_(None),
        col(SubmissionVersion.submitted_at) <= until,
    )


def hindered(session: Session, programme: Programme, reviewers: dict[int, set[int]]) -> set[int]:
    """Of these works (id → who reviewed them, rows of today) those that a human being must look at: an objection that
    is open or was upheld, a check that overturned them, a flag that no trainer has settled, a conflict of interest that
    somebody named between author and reviewer, a work or review of the one who set the rule, a choice that its school
    has not confirmed. Six queries, some more where schools confirm choices."""
    works = list(reviewers)
    if not works:
        return set()
    found = set(
        session.exec(
            rows_of(Objection.submission_id).where(
                col(Objection.submission_id).in_(works),
                or_(col(Objection.is_upheld).is_(None), col(Objection.is_upheld).is_(True)),
            )
        )
    )
    found |= set(
        session.exec(
            rows_of(BatchWork.submission_id).where(
                col(BatchWork.submission_id).in_(works), col(BatchWork.is_upheld).is_(False)
            )
        )
    )
    flag = rubrics.ReviewFlag
    found |= set(
        session.exec(
            rows_of(flag.submission_id).where(col(flag.submission_id).in_(works), col(flag.settled_at).is_(None))
        )
    )
    apart = conflicts.kept_apart(session, programme.tenant_id)
    maker = _today(session, _policy(session, programme).made_by_id)
    authors: Any = session.connection().execute(
        select(col(Submission.id), func.coalesce(col(Person.merged_into_id), col(Person.id)))
        .join(Person, col(Person.id) == col(Submission.person_id))
        .where(col(Submission.id).in_(works))
    )
    for work, author in authors:
        if maker is None or author == maker or maker in reviewers[work] or apart.get(author, set()) & reviewers[work]:
            found.add(work)
    return found | choice_confirming.in_programme(session, programme, works)


def _policy(session: Session, programme: Programme) -> competencies.ProgrammePolicy:
    return get(session, competencies.ProgrammePolicy, programme.policy_id or 0)


def _today(session: Session, person_id: int | None) -> int | None:
    row = get(session, Person, person_id) if person_id is not None else None
    return None if row is None else row.merged_into_id or pk(row)


def pass_one(session: Session, programme: Programme, clear: Clear, now: datetime) -> bool:
    """Passes one work, unless anything about it has changed since it was found clear. A criterion gets the lowest level
    that anybody gave it: 优秀 is what all call so."""
    submission = get(session, Submission, clear.submission_id)
    session.refresh(submission, with_for_update=True)
    version = get(session, SubmissionVersion, clear.version_id)
    session.refresh(version)
    rules, policy = competencies.rules_of(session, programme), _policy(session, programme)
    reviews, together = cases.agreements(session, [clear.version_id])[clear.version_id]
    now_in = session.exec(
        rows_of(Review).where(Review.submission_version_id == clear.version_id, Review.state == ReviewState.SUBMITTED)
    ).all()
    is_same = (
        _may_pass(programme, rules)
        and submission.state is competencies.SubmissionState.SUBMITTED
        and submission.current_version_id == clear.version_id
        and submission.trainer_id is None
        and version.withdrawn_at is None
        and not competencies.decision_of(session, [clear.version_id])
        and set(clear.reviews) <= {pk(one) for one in now_in}
        and len(reviews) == len(now_in)
        and all((level or 0) >= competencies.Level.PASS for level, _drafts in reviews)
    )
    people = {_today(session, one.reviewer_id) or 0 for one in now_in}
    if not is_same or policy.made_by_id is None or hindered(session, programme, {pk(submission): people}):
        return False
    sheet = marking.sheet(session, clear.version_id, submission.point_id)
    judgement = _lowest(sheet, together)
    if judgement is None or not _passes(competencies.compute(sheet.facts, judgement.levels)):
        return False
    try:
        row = competencies.decide(session, submission, version, sheet.facts, judgement, policy.made_by_id, 0, now, None)
    except Invalid:
        return False  # a reviewer left something open: it has to be looked at
    row.by_policy_id = pk(policy)
    session.add(row)
    rubrics.void_reviews(session, clear.version_id, now, only_unopened=True)
    detail = _detail(policy, now_in, clear.doubt)
    rubrics.record_event(session, clear.version_id, policy.made_by_id, PASSED, now, detail=detail)
    session.flush()
    return True


def _passes(computed: competencies.Computed) -> bool:
    """Whatever reviewers say, an item that had to be handed in and is not there keeps a work from passing."""
    return computed.point_level is not None and computed.point_level >= competencies.Level.PASS


def _lowest(sheet: marking.Sheet, together: rubrics.Agreement) -> competencies.Judgement | None:
    """None where a criterion lacks somebody's mark, or somebody finds an item not valid or a criterion not met."""
    marks: dict[str, dict[str, tuple[int | None, str]]] = {}
    for key in sheet.expected:
        said = together.criteria.get(key)
        if said is None or sum(one.people for one in said.counts) != together.reviewers:
            return None
        level = min(int(one.level) for one in said.counts)
        if level < competencies.Level.PASS:
            return None
        marks.setdefault(key.item_key, {})[key.criterion_key] = (level, "")
    return competencies.Judgement(marks)


def _detail(policy: competencies.ProgrammePolicy, reviews: Collection[Review], doubt: rubrics.Doubt) -> str:
    """For the audit: the rule version with its hash, each review with its level, and how sure they were."""
    marks = " ".join(f"{pk(one)}:{one.point_level}" for one in reviews)
    sure = f"{doubt.key} {doubt.score:.2f} ± {doubt.error:.2f}"
    return f"rules {policy.number} {policy.content_hash[:12]} · reviews {marks} · {sure}"[:LONGEST_DETAIL]
