"""Which works and courses a person's roles reach, as a condition of a query: the same rule as `access`, for lists."""

from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, false, func, or_, true
from sqlalchemy.orm import aliased
from sqlmodel import col, select

import competencies
import rubrics
from lms_plugin.access import Actor, RoleScope
from lms_plugin.db import pk
from lms_plugin.flow.humans import rows_like
from lms_plugin.people import Course, CourseMember, OrgMembership, OrgUnit, RoleKind, UnitKind

MINE, NOBODYS, OTHERS = 0, 1, 2  # whose a work is that came back: of the person who returned it
READERS = (RoleKind.TRAINER, RoleKind.PANEL, RoleKind.OFFICER, RoleKind.AUDITOR)
DECIDERS = (RoleKind.TRAINER, RoleKind.PANEL)
LOOKS_AFTER = (RoleKind.TRAINER, RoleKind.OFFICER, RoleKind.IT)  # of courses and what goes to their gradebooks

_state = col(competencies.Submission.state)
_summary = rubrics.ReviewSummary
_trainer = col(competencies.Submission.trainer_id)
DOUBT: ColumnElement[int] = func.coalesce(col(_summary.doubt_millionths), rubrics.UNKNOWN_RANK)
"""How soon a work is to be looked at, the higher the sooner, over `joined`."""

_late = _state == competencies.SubmissionState.LATE
_pending = _state == competencies.SubmissionState.SUBMITTED
_has_split = and_(col(_summary.submitted) >= 2, col(_summary.is_agreed).is_(False))

_Passed = aliased(competencies.Decision)  # lists ask for the decision itself as well
_by_rule = exists().where(
    col(_Passed.submission_version_id) == col(competencies.Submission.current_version_id),
    col(_Passed.by_policy_id).is_not(None),
)

_decided = exists().where(col(_Passed.submission_version_id) == col(competencies.Submission.current_version_id))

FILTERS: dict[str, ColumnElement[bool]] = {
    "pending": _pending,  # 待定
    "agreed": and_(_pending, col(_summary.is_agreed).is_(True)),  # 已一致
    "split": and_(_pending, _has_split),  # 分歧
    "late": and_(_late, col(competencies.SubmissionVersion.declined_at).is_(None)),  # 迟交
    "again": and_(_pending, col(competencies.Submission.trainer_id).is_not(None)),  # 退回后重交
    "decided": _state == competencies.SubmissionState.DECIDED,  # 已定，未发布
    "by_rule": and_(_state == competencies.SubmissionState.DECIDED, _by_rule),  # 其中自动通过的
    "returned": _state == competencies.SubmissionState.RETURNED,  # 退回修改中：参训教师正在改
    "declined": and_(_late, col(competencies.SubmissionVersion.declined_at).is_not(None)),  # 迟交，没有接收
}

CONFIRMABLE: ColumnElement[bool] = and_(FILTERS["agreed"], ~_decided)
"""Agreed works that may be confirmed together: what somebody took back is to be looked at one by one."""


def filters_of(actor: Actor) -> dict[str, ColumnElement[bool]]:
    """The filters of this person's queue; a trainer's begins with what they returned themselves and came back."""
    if not actor.has(*DECIDERS):
        return FILTERS
    return {"mine": and_(_pending, _trainer.in_(actor.person_ids)), **FILTERS}


def first_of(actor: Actor) -> ColumnElement[int]:
    """Sorts works by whose they are: what this person returned comes back to them first, a colleague's last."""
    return case((_trainer.in_(actor.person_ids), MINE), (_trainer.is_(None), NOBODYS), else_=OTHERS)


def place_of(actor: Actor, submission: competencies.Submission) -> int:
    """What `first_of` says of one work."""
    if submission.trainer_id is None:
        return NOBODYS
    return MINE if actor.is_author(submission.trainer_id) else OTHERS


def submissions_within(actor: Actor, *kinds: RoleKind, confirmed: bool = False) -> ColumnElement[bool]:
    """Submissions of the actor's district that one of these roles reaches: by course, by unit, or all of them.

    `confirmed`: provisional trainers do not count.
    """
    ways: list[ColumnElement[bool]] = []
    for role in actor.roles:
        if role.kind not in kinds or (confirmed and role.is_provisional):
            continue
        if role.kind is RoleKind.PANEL:
            ways.append(_of_panel(role.unit_path))
        elif role.course_id is not None:
            ways.append(_of_course(role.course_id))
        elif role.is_district_wide:
            ways.append(true())
        else:
            ways.append(_of_unit(role.unit_path))
    inside = col(competencies.Submission.tenant_id) == actor.tenant_id
    return and_(inside, or_(*ways)) if ways else false()


def decided_by(actor: Actor) -> ColumnElement[bool]:
    """Works that the actor's roles decide: a trainer's where trainers do, those of a school where its 考核小组 does."""
    schools = select(OrgUnit.id).where(col(OrgUnit.kind) == UnitKind.SCHOOL)
    of_school = select(competencies.SubmissionVersion.id).where(
        col(competencies.SubmissionVersion.org_unit_id).in_(schools)
    )
    left_to_panels = and_(_BY_PANELS, col(competencies.Submission.current_version_id).in_(of_school))
    return or_(
        and_(submissions_within(actor, RoleKind.TRAINER), ~left_to_panels), submissions_within(actor, RoleKind.PANEL)
    )


_BY_PANELS = col(competencies.Submission.programme_id).in_(
    select(competencies.Programme.id).where(col(competencies.Programme.panel_decides).is_(True))
)


def _of_panel(path: str) -> ColumnElement[bool]:
    units = select(OrgUnit.id).where(col(OrgUnit.path).startswith(path, autoescape=True))
    handed_in = select(competencies.SubmissionVersion.id).where(
        col(competencies.SubmissionVersion.org_unit_id).in_(units)
    )
    return and_(_BY_PANELS, col(competencies.Submission.current_version_id).in_(handed_in)) if path else false()


def _of_course(course_id: int) -> ColumnElement[bool]:
    members = rows_like(select(CourseMember.person_id).where(CourseMember.course_id == course_id))
    programmes = select(Course.programme_id).where(Course.id == course_id)
    return and_(
        col(competencies.Submission.person_id).in_(members),
        col(competencies.Submission.programme_id).in_(programmes),
    )


def _of_unit(path: str) -> ColumnElement[bool]:
    units = select(OrgUnit.id).where(col(OrgUnit.path).startswith(path, autoescape=True))
    now_in = select(OrgMembership.person_id).where(
        col(OrgMembership.org_unit_id).in_(units), col(OrgMembership.ends_on).is_(None)
    )
    then_in = select(competencies.SubmissionVersion.submission_id).where(
        col(competencies.SubmissionVersion.org_unit_id).in_(units)
    )
    return or_(col(competencies.Submission.person_id).in_(now_in), col(competencies.Submission.id).in_(then_in))


def courses_within(actor: Actor, *, by_members: bool = False) -> ColumnElement[bool]:
    """Courses of the actor's district that one of their roles looks after: the course of the role, all of them, those
    that run a programme of its unit, and those that a trainer instructs. `by_members`: also those that people of its
    unit come from."""
    inside = col(Course.tenant_id) == actor.tenant_id
    ways = [_looked_after(actor, role, by_members) for role in actor.roles if role.kind in LOOKS_AFTER]
    return and_(inside, or_(*ways)) if ways else false()


def _looked_after(actor: Actor, role: RoleScope, by_members: bool) -> ColumnElement[bool]:
    if role.course_id is not None:
        return col(Course.id) == role.course_id
    if role.is_district_wide:
        return true()
    units = select(OrgUnit.id).where(col(OrgUnit.path).startswith(role.unit_path, autoescape=True))
    programmes = select(competencies.Programme.id).where(col(competencies.Programme.org_unit_id).in_(units))
    ways = [col(Course.programme_id).in_(programmes)]
    if by_members:
        members = (
            select(CourseMember.course_id)
            .join(OrgMembership, col(OrgMembership.person_id) == col(CourseMember.person_id))
            .where(col(OrgMembership.org_unit_id).in_(units), col(OrgMembership.ends_on).is_(None))
        )
        ways.append(col(Course.id).in_(members))
    if role.kind is RoleKind.TRAINER:
        taught = select(CourseMember.course_id).where(
            col(CourseMember.person_id).in_(actor.person_ids), col(CourseMember.is_instructor).is_(True)
        )
        ways.append(col(Course.id).in_(taught))
    return or_(*ways)


def owes_review(actor: Actor) -> ColumnElement[bool]:
    """Whether this person has an unfinished blind review of a work's current version, or is on the fresh panel of an
    appeal about it: then its author's name shows nowhere, and the work is as if it were not there.
    """
    review = exists().where(
        col(rubrics.Review.submission_version_id) == col(competencies.Submission.current_version_id),
        col(rubrics.Review.reviewer_id).in_(actor.person_ids),
        col(rubrics.Review.state).in_(rubrics.UNFINISHED),
    )
    member = exists().where(
        col(rubrics.appeals.AppealReview.appeal_id) == col(rubrics.appeals.Appeal.id),
        col(rubrics.appeals.Appeal.submission_version_id) == col(competencies.Submission.current_version_id),
        col(rubrics.appeals.AppealReview.reviewer_id).in_(actor.person_ids),
        col(rubrics.appeals.AppealReview.state).in_(rubrics.appeals.AT_WORK),
    )
    return or_(review, member)


def within(actor: Actor, programme: competencies.Programme | None) -> ColumnElement[bool]:
    """Works that the actor may read at the desk, over `joined`: within reach, not withdrawn, never the actor's own and
    none that the actor still reviews blind.
    """
    conditions = [
        submissions_within(actor, *READERS),
        col(competencies.Submission.person_id).not_in(actor.person_ids),
        col(competencies.SubmissionVersion.withdrawn_at).is_(None),
        ~owes_review(actor),
    ]
    if programme is not None:
        conditions.append(col(competencies.Submission.programme_id) == pk(programme))
    return and_(*conditions)


def joined(statement: Any) -> Any:
    """From works over their current version to what its reviews say together."""
    return (
        statement.select_from(competencies.Submission)
        .join(
            competencies.SubmissionVersion,
            col(competencies.SubmissionVersion.id) == col(competencies.Submission.current_version_id),
        )
        .join(
            _summary,
            col(_summary.submission_version_id) == col(competencies.SubmissionVersion.id),
            isouter=True,
        )
    )
