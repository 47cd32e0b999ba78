"""Everybody of a course, side by side: in the host's list, launched, chose points, on the roster. Reads only, but for
asking that the list be read once more."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, true, union
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin import outbox
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import find, pk
from lms_plugin.flow import courses, host_list
from lms_plugin.flow.course_check import may_not_be_graded
from lms_plugin.outbox import Job, JobState
from lms_plugin.people import (
    Course,
    CourseMember,
    HostList,
    Identity,
    ListedGroup,
    ListedMember,
    Person,
    RosterEntry,
)

PAGE = 50


@dataclass(frozen=True)
class Line:
    """One account of a course. `name` is the person's own, else the host's; `host_name` the host's where it is another;
    `code` stands in for somebody nameless. `listed`: "", "here", "suspended" or "gone" (then since `gone_at`)."""

    name: str
    host_name: str
    code: str
    person_uuid: str
    listed: str
    listed_as_learner: bool
    listed_as_instructor: bool
    gone_at: datetime | None
    launched_at: datetime | None
    as_learner: bool
    as_instructor: bool
    has_points: bool
    is_on_roster: bool
    may_not_be_graded: bool
    groups: tuple[str, ...]


@dataclass(frozen=True)
class PeoplePage:
    """One page of a course's people. `counts`: how many each filter holds. `error`: the code of the last reading's
    failure, `groups_error` that of its groups; `is_asked`: a reading is on its way; `course_groups`: what groups count
    when reviews are allotted; `is_over`: the programme is, and no names of the list are kept."""

    course_uuid: str
    title: str
    programme_uuid: str
    lines: tuple[Line, ...]
    state: str
    counts: dict[str, int]
    is_offered: bool
    is_asked: bool
    read_at: datetime | None
    error: str
    words: str
    has_groups: bool
    groups_error: str
    course_groups: str
    is_over: bool


def ask(session: Session, actor: Actor, course_uuid: str, now: datetime) -> str:
    """ "现在读一次": the course's list is read soon. Gives the course's uuid."""
    course = find(session, Course, actor.tenant_id, course_uuid)
    require(actor, Permission.COURSE_CHECK, courses.whole_scope(session, actor, course))
    host_list.ask(session, course, now)
    return course.uuid


def page(session: Session, actor: Actor, course_uuid: str, state: str, number: int, now: datetime) -> PeoplePage:
    """The people of a course, `PAGE` to a page, by name: at most seven queries. An unknown `state` shows all."""
    course = find(session, Course, actor.tenant_id, course_uuid)
    require(actor, Permission.COURSE_PEOPLE, courses.whole_scope(session, actor, course))
    host, programme, rules, listing, is_asked, is_over = _around(session, course, now)
    found = _Rows(course, *host)
    counts = found.count(session)
    state = state if state in counts else "all"
    rows = session.execute(found.page(state, number)).all()
    groups = {row.key: row.name for row in session.exec(select(ListedGroup).where(ListedGroup.course_id == pk(course)))}
    return PeoplePage(
        course_uuid=course.uuid,
        title=course.title,
        programme_uuid=programme or "",
        lines=tuple(_line(row, groups) for row in rows),
        state=state,
        counts=counts,
        is_offered=bool(course.memberships_url),
        is_asked=is_asked,
        read_at=listing.read_at,
        error=listing.error,
        words=listing.words,
        has_groups=bool(groups),
        groups_error=listing.groups_error,
        is_over=is_over,
        course_groups=competencies.Rules.model_validate(rules or {}).review.course_groups,
    )


def _around(
    session: Session, course: Course, now: datetime
) -> tuple[tuple[str, str], str | None, dict[str, Any] | None, HostList, bool, bool]:
    """A course's host (issuer, door), uuid and rules of its programme, how reading its list went, whether that is
    asked for at this moment, and whether the programme is over."""
    is_asked = exists().where(
        col(Job.kind) == outbox.MEMBERS,
        col(Job.key) == str(pk(course)),
        col(Job.state).in_([JobState.READY, JobState.RUNNING]),
    )
    policy = competencies.ProgrammePolicy
    issuer, door, programme, rules, listing, asked, over = session.execute(
        columns(
            *(col(lti.Platform.issuer), col(lti.Platform.door), col(competencies.Programme.uuid), col(policy.rules)),
            *(HostList, is_asked, host_list.is_over(now)),
        )
        .select_from(Course)
        .join(lti.Deployment, col(lti.Deployment.id) == col(Course.deployment_id))
        .join(lti.Platform, col(lti.Platform.id) == col(lti.Deployment.platform_id))
        .outerjoin(HostList, col(HostList.course_id) == col(Course.id))
        .outerjoin(competencies.Programme, col(competencies.Programme.id) == col(Course.programme_id))
        .outerjoin(policy, col(policy.id) == col(competencies.Programme.policy_id))
        .where(col(Course.id) == pk(course))
    ).one()
    return (issuer, door), programme, rules, listing or HostList(course_id=pk(course)), bool(asked), bool(over)


class _Rows:
    """The accounts of one course as a query: those whom the host lists and those who launched, each once."""

    def __init__(self, course: Course, issuer: str, door: str) -> None:
        self.listed, self.came, self.row, self.today = ListedMember, CourseMember, aliased(Person), aliased(Person)
        here = pk(course)
        known = union(
            columns(col(ListedMember.subject)).where(col(ListedMember.course_id) == here),
            columns(col(CourseMember.subject)).where(col(CourseMember.course_id) == here),
        ).subquery()
        self.subject = known.c.subject
        identity = and_(
            col(Identity.tenant_id) == course.tenant_id,
            col(Identity.issuer) == issuer,
            col(Identity.door) == door,
            col(Identity.subject) == self.subject,
        )
        self.source: Any = (
            known.outerjoin(
                ListedMember, and_(col(ListedMember.course_id) == here, col(ListedMember.subject) == self.subject)
            )
            .outerjoin(
                CourseMember, and_(col(CourseMember.course_id) == here, col(CourseMember.subject) == self.subject)
            )
            .outerjoin(Identity, identity)
            .outerjoin(
                self.row, col(self.row.id) == func.coalesce(col(CourseMember.person_id), col(Identity.person_id))
            )
            .outerjoin(self.today, col(self.today.id) == func.coalesce(col(self.row.merged_into_id), col(self.row.id)))
        )
        self.has_points = self._of_human(
            col(competencies.Selection.person_id),
            col(competencies.Selection.programme_id) == course.programme_id,
            col(competencies.Selection.dropped_at).is_(None),
        )
        self.may_not_be_graded = and_(col(CourseMember.id).is_not(None), may_not_be_graded(self.has_points))
        self.on_roster = self._of_human(
            col(RosterEntry.person_id),
            col(RosterEntry.tenant_id) == course.tenant_id,
            col(RosterEntry.removed_at).is_(None),
        )

    def _of_human(self, person_id: Any, *where: ColumnElement[bool]) -> ColumnElement[bool]:
        """Whether such a row exists for any row of the human being."""
        one = aliased(Person)
        same = or_(col(one.id) == col(self.today.id), col(one.merged_into_id) == col(self.today.id))
        return exists().where(person_id == col(one.id), same, *where)

    @property
    def filters(self) -> dict[str, ColumnElement[bool]]:
        """What the page can be narrowed to."""
        listed = and_(col(ListedMember.id).is_not(None), col(ListedMember.absent_since_at).is_(None))
        came = col(CourseMember.id).is_not(None)
        return {
            "all": true(),
            "not_come": and_(listed, col(ListedMember.is_learner).is_(True), ~came),
            "not_chosen": and_(came, col(CourseMember.is_learner).is_(True), ~self.has_points),
            "wrong_side": self.may_not_be_graded,
            "gone": and_(
                col(ListedMember.id).is_not(None),
                or_(col(ListedMember.absent_since_at).is_not(None), col(ListedMember.is_active).is_(False)),
            ),
            "unlisted": and_(came, col(ListedMember.id).is_(None)),
        }

    def count(self, session: Session) -> dict[str, int]:
        """How many each filter holds: one query."""
        sums = [func.coalesce(func.sum(case((what, 1), else_=0)), 0) for what in self.filters.values()]
        row = session.connection().execute(columns(*sums).select_from(self.source)).one()
        return dict(zip(self.filters, row, strict=True))

    def page(self, state: str, number: int) -> Any:
        """One page of them, by name."""
        name = func.coalesce(func.nullif(col(self.today.name), ""), col(ListedMember.name), "")
        return (
            columns(
                self.subject,
                ListedMember,
                CourseMember,
                self.today,
                self.has_points.label("has_points"),
                self.on_roster.label("on_roster"),
                self.may_not_be_graded.label("may_not_be_graded"),
            )
            .select_from(self.source)
            .where(self.filters[state])
            .order_by(case((name == "", 1), else_=0), name, self.subject)
            .offset((number - 1) * PAGE)
            .limit(PAGE)
        )


def _line(row: Any, groups: dict[str, str]) -> Line:
    subject, listed, came, person, has_points, on_roster, may_not = row
    own = person.name if person is not None else ""
    theirs = listed.name if listed is not None else ""
    state = ""
    if listed is not None:
        state = "gone" if listed.absent_since_at is not None else "here" if listed.is_active else "suspended"
    return Line(
        name=own or theirs,
        host_name=theirs if own and theirs != own else "",
        code=person.uuid[:6].upper()
        if person is not None
        else hashlib.sha256(subject.encode()).hexdigest()[:6].upper(),
        person_uuid=person.uuid if person is not None else "",
        listed=state,
        listed_as_learner=listed is not None and listed.is_learner,
        listed_as_instructor=listed is not None and listed.is_instructor,
        gone_at=listed.absent_since_at if listed is not None else None,
        launched_at=came.launched_at if came is not None else None,
        as_learner=came is not None and came.is_learner,
        as_instructor=came is not None and came.is_instructor,
        has_points=bool(has_points),
        is_on_roster=bool(on_roster),
        may_not_be_graded=bool(may_not),
        groups=tuple(groups[key] for key in (listed.groups if listed is not None else []) if key in groups),
    )
