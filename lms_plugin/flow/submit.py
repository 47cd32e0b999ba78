"""Choosing points, handing in, withdrawing: the acts of a teacher that others depend on."""

from collections.abc import Collection
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, Scope, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Invalid, Refused
from lms_plugin.flow import drafts
from lms_plugin.people import Enrolment, Tenant

ENVIRONMENTS = ("multimedia", "blended", "smart")


def choice_rule(session: Session, actor: Actor, rules: competencies.Rules) -> competencies.ChoiceRule:
    """A programme's choice rule as choosing takes it."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    return competencies.ChoiceRule(
        required_points=rules.choice.required_points,
        min_dimensions=rules.choice.min_dimensions,
        environment_rule=competencies.EnvironmentRule(rules.choice.environment_rule),
        environment_order=ENVIRONMENTS,
        compulsory=rules.choice.compulsory,
    )


def choose_points(
    session: Session, actor: Actor, programme_uuid: str, codes: Collection[str], now: datetime
) -> competencies.Programme:
    """Makes these points (codes) the actor's choice; fewer than the rule asks for may be saved and added to later.

    Raises Invalid at "point": too many, unknown, or not for the school's environment; Refused `choice.decided` where
    a point that had a decision would be dropped, `submit.not_open_yet`, `submit.programme_over`.
    """
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    programme = find(session, competencies.Programme, actor.tenant_id, programme_uuid)
    require_enrolled(session, actor, programme)
    competencies.require_open(programme, get(session, Tenant, actor.tenant_id).timezone, now)
    rules = competencies.rules_of(session, programme)
    rule = choice_rule(session, actor, rules)
    wanted = list(dict.fromkeys(codes))
    points = session.exec(
        select(competencies.CompetencyPoint).where(
            competencies.CompetencyPoint.framework_version_id == programme.framework_version_id,
            col(competencies.CompetencyPoint.code).in_(wanted),
        )
    ).all()
    school = drafts.school_of(session, actor, actor.person_id)
    if len(points) != len(wanted):
        raise Invalid({"point": "choice.point_unknown"})
    if len(points) > rule.required_points:
        raise Invalid({"point": ("choice.too_many", {"most": rule.required_points, "chosen": len(points)})})
    declared = school.environment if school is not None else ""
    outside = [
        point.code for point in points if not competencies.allowed(rule, competencies.point_facts(point), declared)
    ]
    if outside:
        raise Invalid({"point": ("choice.outside_environment", {"points": "、".join(sorted(outside))})})
    for dropped in competencies.select_points(session, programme, actor.person_id, points, now):
        if dropped.state in competencies.HANDED_IN and dropped.current_version_id is not None:
            version = get(session, competencies.SubmissionVersion, dropped.current_version_id)
            competencies.take_back(session, dropped, version, now)
            rubrics.void_reviews(session, pk(version), now)
    return programme


def require_enrolled(session: Session, actor: Actor, programme: competencies.Programme) -> None:
    """Raises Forbidden for somebody who takes no part in the programme as a teacher."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    enrolled = session.exec(
        select(Enrolment.id).where(Enrolment.programme_id == pk(programme), Enrolment.person_id == actor.person_id)
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
        key: [line.key for line in lines] for key, lines in drafts.criteria_by_key(session, actor, work.items).items()
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
    ends_at = competencies.work_ends_at(work.programme, work.timezone, work.returned is not None)
    school = drafts.school_of(session, actor, actor.person_id)
    competencies.take_snapshot(
        session,
        submission,
        work.items,
        work.returned,
        org_unit_id=school.id if school is not None else None,
        late=competencies.is_late(work.items, ends_at, now),
        now=now,
    )
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
