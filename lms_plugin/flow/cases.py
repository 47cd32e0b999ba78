"""The trainer's desk: opening a case, deciding it, returning it, letting a late one in, confirming agreed ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, Scope, can, own, require
from lms_plugin.db import get, owned, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import choice_confirming, marking, message_words, messages
from lms_plugin.flow.reach import owes_review
from lms_plugin.flow.scopes import submission_scope, submission_scopes
from lms_plugin.people import OrgUnit, Person, Tenant

MOST_AT_ONCE = 200


@dataclass
class Case:
    """A handed-in work with what every act and page of the desk needs.

    `person`: uuid of the author. `versions` and `decisions` by id of the version, `deciders`: person id → name.
    `openings`: who has it open, with their names.
    """

    submission: competencies.Submission
    version: competencies.SubmissionVersion
    point: competencies.CompetencyPoint
    programme: competencies.Programme
    rules: competencies.Rules
    person: str
    author: str
    school: str
    scope: Scope
    versions: Mapping[int, competencies.SubmissionVersion]
    decisions: Mapping[int, competencies.Decision]
    deciders: Mapping[int, str]
    openings: Sequence[tuple[rubrics.CaseOpening, str]]


_Author, _Decider, _Opener = aliased(Person), aliased(Person), aliased(Person)


def load_case(session: Session, actor: Actor, uuid: str, permission: Permission = Permission.CASE_DECIDE) -> Case:
    """A work that was handed in, with its whole history, in two queries. Raises Forbidden for the actor's own, and
    NotFound also for who still reviews it blind: the desk names the author, so there it is as if it did not exist.
    """
    statement: Any = (
        columns(
            competencies.Submission,
            competencies.SubmissionVersion,
            competencies.CompetencyPoint,
            competencies.Programme,
            col(_Author.uuid),
            col(_Author.name),
            col(OrgUnit.name),
            owes_review(actor),
            competencies.Decision,
            col(_Decider.name),
            rubrics.CaseOpening,
            col(_Opener.name),
            competencies.ProgrammePolicy,
        )
        .join(
            competencies.SubmissionVersion,
            col(competencies.SubmissionVersion.submission_id) == col(competencies.Submission.id),
            isouter=True,
        )
        .join(
            competencies.CompetencyPoint,
            col(competencies.CompetencyPoint.id) == col(competencies.Submission.point_id),
        )
        .join(competencies.Programme, col(competencies.Programme.id) == col(competencies.Submission.programme_id))
        .join(
            competencies.ProgrammePolicy,
            col(competencies.ProgrammePolicy.id) == col(competencies.Programme.policy_id),
            isouter=True,
        )
        .join(_Author, col(_Author.id) == col(competencies.Submission.person_id))
        .join(OrgUnit, col(OrgUnit.id) == col(competencies.SubmissionVersion.org_unit_id), isouter=True)
        .join(
            competencies.Decision,
            col(competencies.Decision.submission_version_id) == col(competencies.SubmissionVersion.id),
            isouter=True,
        )
        .join(_Decider, col(_Decider.id) == col(competencies.Decision.decided_by_id), isouter=True)
        .join(
            rubrics.CaseOpening,
            col(rubrics.CaseOpening.submission_id) == col(competencies.Submission.id),
            isouter=True,
        )
        .join(_Opener, col(_Opener.id) == col(rubrics.CaseOpening.person_id), isouter=True)
        .where(col(competencies.Submission.tenant_id) == actor.tenant_id, col(competencies.Submission.uuid) == uuid)
    )
    found = session.exec(statement).all()  # versions × openings: a handful of each
    if not found:
        raise NotFound
    submission, _version, point, programme, person, author, _school, reviews_it = found[0][:8]
    versions: dict[int, competencies.SubmissionVersion] = {}
    decisions: dict[int, competencies.Decision] = {}
    schools: dict[int, str] = {}
    deciders: dict[int, str] = {}
    openings: dict[int, tuple[rubrics.CaseOpening, str]] = {}
    for _, version, _, _, _, _, school, _, decision, decider, opening, opener, _ in found:
        if version is not None:
            versions[pk(version)] = version
            schools[pk(version)] = school or ""
        if decision is not None:
            decisions[pk(version)] = decision
            deciders[decision.decided_by_id] = decider or ""
        if opening is not None:
            openings[pk(opening)] = (opening, opener)
    if reviews_it:
        raise NotFound
    scope = submission_scope(session, submission)
    require(actor, permission, scope)
    policy = found[0][-1]
    current = submission.current_version_id or 0
    if current not in versions or submission.state is competencies.SubmissionState.DRAFT:
        raise NotFound
    return Case(
        submission,
        versions[current],
        point,
        programme,
        competencies.Rules.model_validate(policy.rules) if policy is not None else competencies.Rules(),
        person,
        author,
        schools[current],
        scope,
        versions,
        decisions,
        deciders,
        sorted(openings.values(), key=lambda pair: pair[0].opened_at, reverse=True),
    )


def open_case(session: Session, actor: Actor, uuid: str, now: datetime) -> Case:
    """Says that this trainer has the case open, for colleagues to see; its author can withdraw it no more.

    Officers and auditors who only look leave the audit's trace, not the colleague's; for the author nothing changes.
    """
    case = load_case(session, actor, uuid, Permission.CASE_READ)
    version = case.version
    if can(actor, Permission.CASE_DECIDE, case.scope):
        mine = next((row for row, _name in case.openings if row.person_id == actor.person_id), None)
        is_first = mine is None
        opening = mine or rubrics.CaseOpening(
            submission_id=pk(case.submission), person_id=actor.person_id, opened_at=now
        )
        opening.opened_at = now
        session.add(opening)
        if version.opened_at is None:
            version.opened_at = now
            session.add(version)
    else:
        is_first = (
            session.exec(
                select(rubrics.ReviewEvent.id).where(
                    rubrics.ReviewEvent.submission_version_id == pk(version),
                    rubrics.ReviewEvent.person_id == actor.person_id,
                    rubrics.ReviewEvent.kind == "viewed",
                )
            ).first()
            is None
        )
    if is_first:
        rubrics.record_event(session, pk(version), actor.person_id, "viewed", now)
    session.flush()
    return case


def decide(
    session: Session, actor: Actor, uuid: str, judgement: competencies.Judgement, base: int, version: int, now: datetime
) -> competencies.Decision:
    """Decides a case; until it is released it can be decided anew. `base`: version of the decision the page showed,
    0 = none; `version`: number of the submitted version it showed.

    Raises Invalid with fields "item.criterion", Conflict `decision.already` with what stands when somebody decided
    meanwhile, Refused while the author may still withdraw.
    """
    case = load_case(session, actor, uuid)
    return _judge(session, actor, case, judgement, base, version, now, competencies.decide)


def return_work(
    session: Session, actor: Actor, uuid: str, judgement: competencies.Judgement, base: int, version: int, now: datetime
) -> competencies.Decision:
    """退回修改 with reasons, which the teacher sees at once. Raises as `decide`; Invalid `reason` without any, Refused
    `decision.programme_over` once nothing can be handed in any more."""
    case = load_case(session, actor, uuid)
    if is_over(session, case, now):
        raise Refused("decision.programme_over")
    return _judge(session, actor, case, judgement, base, version, now, competencies.return_work)


def _judge(
    session: Session,
    actor: Actor,
    case: Case,
    judgement: competencies.Judgement,
    base: int,
    number: int,
    now: datetime,
    act: Any,
) -> competencies.Decision:
    submission, version = case.submission, case.version
    # The second of two trainers (or of trainer and withdrawing author) waits here, then reads what the first one did.
    session.refresh(submission, with_for_update=True)
    session.refresh(version)
    if version.withdrawn_at is not None or version.number != number:
        raise Conflict("decision.newer_version")
    if case.programme.goes_by_batch and competencies.is_held(submission):
        raise Refused("decision.in_batch")
    if choice_confirming.unconfirmed(session, [submission]):
        raise Refused("decision.choice_unconfirmed")
    submission.batch_id = None  # of a batch that was under way when the programme stopped going by batches
    standing = competencies.decision_of(session, [pk(version)]).get(pk(version))
    _must_be_ripe(case, now)
    marking.require_readable(judgement.reasons)
    sheet = marking.sheet(session, pk(version), submission.point_id)
    try:
        row: competencies.Decision = act(
            session, submission, version, sheet.facts, judgement, actor.person_id, base, now, standing
        )
    except Conflict as conflict:
        if standing is None or conflict.code != "decision.changed":
            raise
        name = get(session, Person, standing.decided_by_id).name
        raise Conflict(
            "decision.already",
            name=name,
            at=standing.decided_at,
            outcome=standing.outcome.value,
            level=standing.point_level,
            standing_reason=standing.reason,
        ) from conflict
    rubrics.void_reviews(session, pk(version), now, only_unopened=row.outcome is competencies.Outcome.DECIDED)
    rubrics.record_event(session, pk(version), actor.person_id, row.outcome.value, now)
    if row.outcome is competencies.Outcome.RETURNED:
        messages.tell_author(session, submission, message_words.RETURNED, case.point.code, now)
    session.exec(delete(rubrics.CaseOpening).where(col(rubrics.CaseOpening.submission_id) == pk(submission)))
    session.flush()
    return row


def is_over(session: Session, case: Case, now: datetime) -> bool:
    """Whether the work's programme is over: whoever got it back could not hand it in again."""
    return competencies.is_closed(case.programme, get(session, Tenant, case.programme.tenant_id).timezone, now)


def _must_be_ripe(case: Case, now: datetime) -> None:
    """The author keeps the promised time to withdraw: nobody decides before it is over."""
    ends_at = competencies.withdraw_ends_at(case.version, case.rules)
    if now < ends_at:
        raise Refused("decision.withdraw_time", minutes=max(1, round((ends_at - now).total_seconds() / 60)))


def accept_late(session: Session, actor: Actor, uuid: str, now: datetime, number: int = 0) -> None:
    """Lets a late work in: it is then reviewed and decided like any other. `number`: of the version that the page
    showed. Raises Conflict `decision.newer_version` where its author has handed in another one since."""
    case = load_case(session, actor, uuid)
    session.refresh(case.submission, with_for_update=True)
    _is_as_shown(case, number)
    competencies.accept_late(session, case.submission, case.version, now)
    rubrics.record_event(session, pk(case.version), actor.person_id, "late_accepted", now)
    session.flush()


def decline_late(session: Session, actor: Actor, uuid: str, reason: str, now: datetime, number: int = 0) -> None:
    """Does not let a late work in; its author reads the reason at once. It may still be let in afterwards.

    Raises Invalid `declined` without a reason, Refused `decision.not_late`, Conflict as `accept_late`.
    """
    case = load_case(session, actor, uuid)
    session.refresh(case.submission, with_for_update=True)
    _is_as_shown(case, number)
    marking.require_readable({"declined": reason})
    competencies.decline_late(session, case.submission, case.version, reason, now)
    rubrics.record_event(session, pk(case.version), actor.person_id, "late_declined", now)
    session.flush()
    messages.tell_author(session, case.submission, message_words.DECLINED, case.point.code, now)


def _is_as_shown(case: Case, number: int) -> None:
    is_current = case.submission.current_version_id == pk(case.version)  # read again since the case was loaded
    if not is_current or number not in {0, case.version.number}:
        raise Conflict("decision.newer_version")


def confirm_agreed(session: Session, actor: Actor, uuids: Sequence[str], now: datetime) -> tuple[int, int]:
    """Decides, as all reviewers agree, the works that the page counted: (how many were decided, how many were not).

    Left as they are: works that somebody else decided meanwhile, whose choice waits for its school, that changed, on
    which reviewers no longer agree, or that would fail: failing or returning a work is said one by one. Raises Refused
    above 200 at once. Each work is checked against the actor's permission; one that is not within reach makes the whole
    act Forbidden.
    """
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    if len(uuids) > MOST_AT_ONCE:
        raise Refused("decision.too_many_at_once", most=MOST_AT_ONCE)
    submissions = session.exec(
        owned(competencies.Submission, actor.tenant_id).where(
            col(competencies.Submission.uuid).in_(set(uuids)), ~owes_review(actor)
        )
    ).all()
    if len(submissions) != len(set(uuids)):
        raise NotFound
    scopes = submission_scopes(session, submissions)
    for submission in submissions:
        require(actor, Permission.CASE_DECIDE, scopes[pk(submission)])
    current = [row.current_version_id for row in submissions if row.current_version_id is not None]
    agreed = {
        row.submission_version_id
        for row in session.exec(
            select(rubrics.ReviewSummary).where(
                col(rubrics.ReviewSummary.submission_version_id).in_(current),
                col(rubrics.ReviewSummary.is_agreed).is_(True),
                col(rubrics.ReviewSummary.agreed_level) >= competencies.Level.PASS,
            )
        )
    }
    standing, held = competencies.decision_of(session, current), choice_confirming.unconfirmed(session, submissions)
    chosen = [
        row
        for row in submissions
        if pk(row) not in held
        and row.state is competencies.SubmissionState.SUBMITTED
        and row.current_version_id in agreed
        and row.current_version_id not in standing
    ]
    versions = {
        pk(row): row
        for row in session.exec(
            select(competencies.SubmissionVersion).where(
                col(competencies.SubmissionVersion.id).in_([row.current_version_id for row in chosen])
            )
        )
    }
    sheets = marking.sheets(session, {row.current_version_id or 0: row.point_id for row in chosen})
    proposals = judgements(session, list(versions))
    done = 0
    for row in chosen:
        key = row.current_version_id or 0
        if versions[key].withdrawn_at is not None or key not in proposals:
            continue
        try:
            competencies.decide(
                session, row, versions[key], sheets[key].facts, proposals[key], actor.person_id, 0, now, None
            )
        except Invalid:
            continue  # the agreement leaves something open: it has to be looked at
        rubrics.void_reviews(session, key, now, only_unopened=True)
        rubrics.record_event(session, key, actor.person_id, "decided", now, detail="agreed")
        done += 1
    session.flush()
    return done, len(submissions) - done


def undo(session: Session, actor: Actor, uuid: str, base: int, now: datetime) -> None:
    """撤销: a decision that is not released yet waits to be made anew: one's own, or one that the rules made. What it
    said stands on the case's page, to be changed. `base`: its version as the page showed it.

    Raises Refused `decision.released`, `decision.in_batch`, `decision.undo_others` for a colleague's, Conflict
    `decision.changed` where somebody decided meanwhile or took it back.
    """
    case = load_case(session, actor, uuid, Permission.CASE_UNDO)
    submission = case.submission
    session.refresh(submission, with_for_update=True)
    row = competencies.decision_of(session, [pk(case.version)]).get(pk(case.version))
    if row is not None and row.released_at is not None:
        raise Refused("decision.released")
    if row is None or row.version != base or submission.state is not competencies.SubmissionState.DECIDED:
        raise Conflict("decision.changed")
    if case.programme.goes_by_batch and competencies.is_held(submission):
        raise Refused("decision.in_batch")
    if row.by_policy_id is None and not actor.is_author(row.decided_by_id):
        raise Refused("decision.undo_others")
    competencies.reopen(session, submission, now)
    rubrics.record_event(session, pk(case.version), actor.person_id, "undone", now)
    session.flush()


def judgements(session: Session, version_ids: Sequence[int]) -> dict[int, competencies.Judgement]:
    """What the submitted reviews of these versions agree on, with the reasons they gave: one query."""
    found = {}
    for key, (_levels, together) in agreements(session, version_ids).items():
        marks: dict[str, dict[str, tuple[int | None, str]]] = {}
        for mark, one in together.criteria.items():
            level = None if one.agreed is None else int(one.agreed)
            marks.setdefault(mark.item_key, {})[mark.criterion_key] = (level, "\n".join(one.reasons))
        found[key] = competencies.Judgement(marks)
    return found


def agreements(
    session: Session, version_ids: Sequence[int]
) -> dict[int, tuple[tuple[tuple[int | None, rubrics.Drafts], ...], rubrics.Agreement]]:
    """By version: the submitted reviews (point level, marks) in order, and what they say together: one query."""
    reviews, drafts = rubrics.submitted_reviews(session, version_ids)
    by_version: dict[int, list[rubrics.Review]] = {key: [] for key in version_ids}
    for review in reviews:
        by_version[review.submission_version_id].append(review)
    return {
        key: (
            tuple((review.point_level, drafts[pk(review)]) for review in found),
            rubrics.agreement(
                [rubrics.finished(drafts[pk(review)]) for review in found], [review.point_level for review in found]
            ),
        )
        for key, found in by_version.items()
    }
