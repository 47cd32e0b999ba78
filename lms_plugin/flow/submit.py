"""Choosing points, handing in, withdrawing: the acts of a teacher that others depend on."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, Refused
from lms_plugin.flow import appeals, categories, drafts, extensions
from lms_plugin.people import Enrolment, Tenant


def choose_points(
    session: Session,
    actor: Actor,
    programme_uuid: str,
    codes: Collection[str],
    now: datetime,
    give_up: Collection[str] = (),
) -> competencies.Programme:
    """Makes these points (codes) the actor's choice; fewer than the rule asks for may be saved and added to later.

    `give_up`: codes of handed-in points that the actor says may be withdrawn with the choice. Raises Invalid at
    "point": too many, unknown, not offered, not left to choose from, not for the school's environment, a set that
    cannot meet the rule; at "give_up" where a point was handed in and nobody said that it may be withdrawn. Refused
    `choice.decided` and `choice.opened` where a point would be dropped that stays, `choice.not_for_category` where the
    programme is for others, `submit.not_open_yet`, `submit.programme_over`.
    """
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    programme = find(session, competencies.Programme, actor.tenant_id, programme_uuid)
    _require_enrolled(session, actor, programme)
    session.refresh(programme)  # it may have gone over to another version of its standard while this waited
    competencies.require_open(programme, get(session, Tenant, actor.tenant_id).timezone, now)
    rules, not_for = categories.for_person(session, competencies.rules_of(session, programme), actor.person_ids)
    found = session.exec(
        select(competencies.CompetencyPoint)
        .where(competencies.CompetencyPoint.framework_version_id == programme.framework_version_id)
        .order_by(col(competencies.CompetencyPoint.position))
    ).all()
    held = competencies.ties(session, programme, actor.person_ids, rules, now)
    points = competencies.succession.with_held(session, programme, found, held)
    wanted = [point for point in points if point.code in set(codes)]
    if {point.code for point in wanted} != set(codes):
        raise Invalid({"point": "choice.point_unknown"})
    gone = {point.code: held[pk(point)] for point in points if pk(point) in held and point not in wanted}
    for code, tie in gone.items():
        if tie in _STAYS:
            raise Refused(_STAYS[tie], point=code)
    if not_for is not None and any(pk(point) not in held for point in wanted):
        raise Refused("choice.not_for_category")
    _require_rule(
        competencies.choice_rule(rules),
        [competencies.point_facts(point) for point in points],
        {point.code for point in wanted},
        {point.code for point in points if held.get(pk(point)) in _STAYS},
        categories.environment_of(session, actor.person_ids, drafts.school_of(session, actor)),
    )
    withdrawn = [code for code, tie in gone.items() if tie is competencies.Tie.HANDED_IN]
    if not set(withdrawn) <= set(give_up):
        raise Invalid({"give_up": ("choice.handed_in", {"points": "、".join(withdrawn)})})
    for dropped in competencies.select_points(session, programme, actor.person_ids, wanted, now):
        if dropped.state in competencies.HANDED_IN and dropped.current_version_id is not None:
            version = get(session, competencies.SubmissionVersion, dropped.current_version_id)
            competencies.take_back(session, dropped, version, now)
            rubrics.void_reviews(session, pk(version), now)
    return programme


_STAYS = {competencies.Tie.DECIDED: "choice.decided", competencies.Tie.OPENED: "choice.opened"}


def _require_rule(
    rule: competencies.ChoiceRule,
    facts: Sequence[competencies.PointFacts],
    wanted: Collection[str],
    kept: Collection[str],
    environment: str,
) -> None:
    """Raises Invalid at "point" for a choice that breaks the rule or leaves no way to meet it. `kept`: codes that stay
    whatever the teacher does; where these alone break it (the rule was changed since), the teacher is let go on."""

    def state(codes: Collection[str]) -> competencies.ChoiceState:
        return competencies.missing(rule, [fact for fact in facts if fact.code in codes], environment, facts, kept)

    now = state(wanted)
    if len(wanted) > rule.required_points:
        raise Invalid({"point": ("choice.too_many", {"most": rule.required_points, "chosen": len(wanted)})})
    if now.not_offered:
        raise Invalid({"point": ("choice.not_offered", {"points": "、".join(sorted(now.not_offered))})})
    if now.out_of_range:
        raise Invalid({"point": ("choice.out_of_range", {"points": "、".join(sorted(now.out_of_range))})})
    if now.outside_environment:
        raise Invalid({"point": ("choice.outside_environment", {"points": "、".join(sorted(now.outside_environment))})})
    if not now.is_dead_end or state(kept).is_dead_end:
        return
    if len(now.compulsory_missing) > now.points_missing:
        raise Invalid({"point": ("choice.compulsory_missing", {"points": "、".join(now.compulsory_missing)})})
    raise Invalid(
        {
            "point": (
                "choice.dimensions_missing",
                {
                    "have": len(now.used_dimensions),
                    "need": rule.min_dimensions,
                    "swap": max(1, now.dimensions_missing - now.points_missing),
                    "chosen": "、".join(fact.code for fact in facts if fact.code in wanted),
                },
            )
        }
    )


def _require_enrolled(session: Session, actor: Actor, programme: competencies.Programme) -> None:
    """Raises Forbidden for somebody who takes no part in the programme as a teacher.

    Keeps the enrolment for this transaction: the second of two clicks waits here, then finds what the first one chose.
    """
    enrolled = session.exec(
        select(Enrolment.id)
        .where(Enrolment.programme_id == pk(programme), col(Enrolment.person_id).in_(actor.person_ids))
        .order_by(col(Enrolment.id))
        .with_for_update(key_share=True)
    ).first()
    if enrolled is None:
        require(actor, Permission.POINTS_CHOOSE, Scope(tenant_id=actor.tenant_id))


def open_problems(session: Session, actor: Actor, work: drafts.Work) -> list[competencies.Problem]:
    """What stands between the draft and handing it in; empty = it can be handed in."""
    require(
        actor,
        Permission.EVIDENCE_EDIT,
        Scope(tenant_id=work.submission.tenant_id, owner_id=work.submission.person_id),
    )
    criteria = {
        key: [line.key for line in lines]
        for key, lines in drafts.criteria_by_key(session, actor, work.items, work.submission).items()
    }
    return competencies.problems(
        work.submission,
        work.items,
        criteria,
        work.returned,
        needs_self_marks=work.rules.review.self_marks,
        texts_with_findings=work.texts_that_tell(drafts.own_traits(session, actor)).keys(),
    )


def submit(session: Session, actor: Actor, submission_uuid: str, now: datetime) -> competencies.Submission:
    """Hands the draft in as an immutable version with the school of that day. A second time changes nothing.

    After the last day the version is late and waits for a trainer's word, unless an upload begun before the end
    finished it. Raises Invalid with every missing thing at "<requirement key>.<code>", Refused outside the programme.
    """
    submission = find(session, competencies.Submission, actor.tenant_id, submission_uuid)
    require(actor, Permission.SUBMISSION_SUBMIT, Scope(tenant_id=submission.tenant_id, owner_id=submission.person_id))
    session.refresh(submission, with_for_update=True)  # the second of two clicks waits, then finds it handed in
    if submission.state in competencies.HANDED_IN:
        return submission
    if submission.state not in competencies.EDITABLE:
        raise Conflict("submit.already_handed_in")
    work = drafts.load_work(session, actor, submission_uuid)
    competencies.require_open(work.programme, work.timezone, now)
    if not competencies.is_chosen(session, submission):
        raise Refused("submit.point_not_chosen")
    left = open_problems(session, actor, work)
    if left:
        raise Invalid({f"{one.requirement_key}.{one.code}": (one.code, one.params) for one in left})
    extended = extensions.own_extension(session, actor, work.programme)
    ends_at = competencies.work_ends_at(
        work.programme, work.timezone, work.returned is not None, extended.until_on if extended is not None else None
    )
    school = drafts.school_of(session, actor)
    before = submission.current_version_id
    version = competencies.take_snapshot(
        session,
        submission,
        work.items,
        work.returned,
        org_unit_id=school.id if school is not None else None,
        late=competencies.is_late(work.items, ends_at, now),
        now=now,
    )
    if before is not None:
        rubrics.judge_alike(session, before, pk(version))
    return submission


def withdraw(session: Session, actor: Actor, submission_uuid: str, now: datetime) -> competencies.Submission:
    """撤回: the version counts no more, its reviews are void, the draft can be edited again. A second time is harmless.

    Raises Refused `submit.opened_already` once somebody has opened it and the guaranteed minutes are over.
    """
    submission = find(session, competencies.Submission, actor.tenant_id, submission_uuid)
    require(actor, Permission.SUBMISSION_SUBMIT, Scope(tenant_id=submission.tenant_id, owner_id=submission.person_id))
    session.refresh(submission, with_for_update=True)
    if submission.state in competencies.EDITABLE:
        return submission
    version = (
        get(session, competencies.SubmissionVersion, submission.current_version_id)
        if submission.current_version_id is not None
        else None
    )
    programme = get(session, competencies.Programme, submission.programme_id)
    rules = competencies.rules_of(session, programme)
    if version is None or not competencies.can_withdraw(submission, version, rules, now):
        raise Refused("submit.opened_already")
    competencies.take_back(session, submission, version, now)
    rubrics.void_reviews(session, pk(version), now)
    return submission


def prepare_again(session: Session, actor: Actor, submission_uuid: str, now: datetime) -> competencies.Submission:
    """重新准备: a work that was released as 不合格, or whose award was taken back, can be edited and handed in again.

    Only what failed needs new material; the next version goes to who decided. A second time changes nothing. Raises
    Refused `submit.not_failed`, `submit.point_not_chosen`, `submit.no_retake`, `submit.programme_over`, and
    `appeal.under_way` while the result is being looked at anew.
    """
    submission = find(session, competencies.Submission, actor.tenant_id, submission_uuid)
    require(actor, Permission.SUBMISSION_SUBMIT, Scope(tenant_id=submission.tenant_id, owner_id=submission.person_id))
    session.refresh(submission, with_for_update=True)
    if submission.state in competencies.EDITABLE:
        return submission
    work = drafts.load_work(session, actor, submission_uuid)
    competencies.require_open(work.programme, work.timezone, now)
    if submission.state is not competencies.SubmissionState.RELEASED or work.level is not competencies.Level.FAIL:
        raise Refused("submit.not_failed")
    if (appeal := appeals.is_under_way(session, submission)) is not None:
        last = competencies.local_day(appeal.due_at - timedelta(seconds=1), work.timezone)
        raise Refused("appeal.under_way", day=last.isoformat())
    if not competencies.is_chosen(session, submission):
        raise Refused("submit.point_not_chosen")
    if not competencies.has_retake(work.rules, work.decision, [one.decision for one in work.earlier], work.award):
        raise Refused("submit.no_retake", most=work.rules.result.retakes)
    if work.decision is not None:
        competencies.prepare_again(session, submission, work.decision, now)
    return submission
