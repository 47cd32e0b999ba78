"""课程检查: what a course's host lets through, told from what really arrived; and the courses one looks after."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, func, or_
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin.access import Actor, Permission, can, require, somewhere
from lms_plugin.db import find, pk
from lms_plugin.flow import courses
from lms_plugin.flow.humans import same_human
from lms_plugin.flow.reach import courses_within
from lms_plugin.flow.stuck import IS_OF_TODAY
from lms_plugin.people import (
    Course,
    CourseMember,
    HostList,
    LinkRequest,
    ListedMember,
    Person,
)

PAGE = 50

_here = col(Course.id)
_is_on_list = col(ListedMember.absent_since_at).is_(None) & col(ListedMember.is_active).is_(True)


def _came(*where: ColumnElement[bool]) -> Any:
    return (
        columns(func.count(col(CourseMember.id))).where(col(CourseMember.course_id) == _here, *where).scalar_subquery()
    )


def _listed(*where: ColumnElement[bool]) -> Any:
    return (
        columns(func.count(col(ListedMember.id)))
        .where(col(ListedMember.course_id) == _here, _is_on_list, *where)
        .scalar_subquery()
    )


def _sent(*states: lti.DeliveryState) -> Any:
    """Scores of what the course runs now: an earlier programme's column is no concern of today."""
    return (
        columns(func.count(func.distinct(col(lti.ScoreDelivery.person_id))))
        .join(lti.LineItem, col(lti.LineItem.id) == col(lti.ScoreDelivery.line_item_id))
        .where(IS_OF_TODAY, col(lti.ScoreDelivery.state).in_(states))
        .scalar_subquery()
    )


def _with_points() -> ColumnElement[bool]:
    """Whether the human being of a course member has chosen a point of the course's programme, under any row."""
    one, other = aliased(Person), aliased(Person)
    return exists().where(
        col(one.id) == col(CourseMember.person_id),
        same_human(one, other),
        col(competencies.Selection.person_id) == col(other.id),
        col(competencies.Selection.programme_id) == col(Course.programme_id),
        col(competencies.Selection.dropped_at).is_(None),
    )


def _has_score(*where: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether there is such a score of the course member in a column of their course."""
    return (
        exists()
        .where(
            col(lti.LineItem.course_id) == col(CourseMember.course_id),
            col(lti.ScoreDelivery.line_item_id) == col(lti.LineItem.id),
            col(lti.ScoreDelivery.person_id) == col(CourseMember.person_id),
            *where,
        )
        .correlate(CourseMember)
    )


_has_arrived = _has_score(col(lti.ScoreDelivery.state) == lti.DeliveryState.DELIVERED)
_was_refused = _has_score(IS_OF_TODAY, col(lti.ScoreDelivery.state) == lti.DeliveryState.NOT_A_LEARNER)
_learner, _instructor = col(CourseMember.is_learner).is_(True), col(CourseMember.is_instructor).is_(True)


_there, _here_too, _elsewhere = aliased(Course), aliased(Course), aliased(CourseMember)
_learns_elsewhere = (
    exists()
    .where(
        col(_here_too.id) == col(CourseMember.course_id),
        col(_there.programme_id) == col(_here_too.programme_id),
        col(_elsewhere.course_id) == col(_there.id),
        col(_elsewhere.person_id) == col(CourseMember.person_id),
        col(_elsewhere.is_learner).is_(True),
    )
    .correlate(CourseMember)
)


def may_not_be_graded(has_points: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the host has said that the course member is no student there (of what the course runs now), or may do so:
    they chose points, came last as an instructor alone, no score has arrived (Moodle names a teacher who is a student
    too a teacher, and grades them), and they are a learner in no other course of the programme."""
    comes_as_teacher = and_(_instructor, ~_learner, has_points, ~_has_arrived, ~_learns_elsewhere)
    return or_(comes_as_teacher, _was_refused)


@dataclass(frozen=True)
class Facts:
    """What arrived from one course. `learners` and `instructors` came so last; `named`, `unnamed` of all who came; of
    the host's list `listed_learners`, of them `absent` never came; `wrong_side` may not be graded there; scores of
    `failed` were given up, those of `waiting` are tried again by themselves. `names_course`: as `lti.is_course`."""

    uuid: str
    title: str
    platform: str
    platform_uuid: str
    product: str
    programme: str
    programme_uuid: str
    seen_at: datetime
    is_disabled: bool
    places: int
    was_picked: bool
    learners: int
    instructors: int
    named: int
    unnamed: int
    takes_scores: bool
    makes_columns: bool
    arrived: int
    failed: int
    waiting: int
    offers_list: bool
    read_at: datetime | None
    tried_at: datetime | None
    error: str
    words: str
    listed_learners: int
    listed_instructors: int
    listed_named: int
    absent: int
    wrong_side: int
    names_course: bool
    may_see_people: bool = False

    @property
    def has_come(self) -> bool:
        """Whether anybody ever opened the tool from there: until then nothing is known of what the host offers."""
        return bool(self.learners or self.instructors or self.places)

    @property
    def lacks(self) -> tuple[str, ...]:
        """The lines of the check that have a cross, in the page's order."""
        found = {
            "active": self.is_disabled,
            "programme": not self.programme,
            "students": not self.learners,
            "names": bool(self.unnamed) and not self.named,
            "grades": self.has_come and not self.takes_scores,
            "stuck": bool(self.failed),
            "members": self.has_come and (not self.offers_list or bool(self.error)),
            "wrong_side": bool(self.wrong_side),
        }
        return tuple(name for name, is_wrong in found.items() if is_wrong)


def check(session: Session, actor: Actor, course_uuid: str) -> Facts:
    """The facts of one course: at most seven queries. Raises NotFound, Forbidden."""
    course = find(session, Course, actor.tenant_id, course_uuid)
    scope = courses.whole_scope(session, actor, course)
    require(actor, Permission.COURSE_CHECK, scope)
    row = session.execute(_facts().where(_here == pk(course))).one()
    return _of(row, may_see_people=can(actor, Permission.COURSE_PEOPLE, scope))


def listing(session: Session, actor: Actor, number: int) -> tuple[list[Facts], int]:
    """(the courses that the person looks after, `PAGE` to a page, the one used last first; how many there are).

    Raises Forbidden for who looks after none by any role.
    """
    require(actor, Permission.COURSE_CHECK, somewhere(actor))
    mine = courses_within(actor)
    total = session.exec(select(func.count(_here)).where(mine)).one()
    statement = (
        _facts().where(mine).order_by(col(Course.seen_at).desc(), _here.desc()).offset((number - 1) * PAGE).limit(PAGE)
    )
    return [_of(row) for row in session.execute(statement)], total


def _facts() -> Any:
    """One row a course: everything that `Facts` needs, counted by the database."""
    places = (
        columns(func.count(col(lti.ResourceLink.id)))
        .where(
            col(lti.ResourceLink.deployment_id) == col(Course.deployment_id),
            col(lti.ResourceLink.context_id) == col(Course.context_id),
        )
        .scalar_subquery()
    )
    came_too = exists().where(
        col(CourseMember.course_id) == _here, col(CourseMember.subject) == col(ListedMember.subject)
    )
    states = lti.DeliveryState
    return (
        columns(
            Course,
            lti.Platform,
            HostList,
            competencies.Programme,
            places,
            exists().where(col(LinkRequest.course_id) == _here),
            _came(_learner),
            _came(_instructor, ~_learner),
            _came(col(CourseMember.has_name).is_(True)),
            _came(col(CourseMember.has_name).is_(False)),
            _sent(states.DELIVERED),
            _sent(states.FAILED),
            _sent(states.RETRYING, states.WAITING),
            _listed(col(ListedMember.is_learner).is_(True)),
            _listed(col(ListedMember.is_instructor).is_(True)),
            _listed(col(ListedMember.name) != ""),
            _listed(col(ListedMember.is_learner).is_(True), ~came_too),
            _came(may_not_be_graded(_with_points())),
        )
        .select_from(Course)
        .join(lti.Deployment, col(lti.Deployment.id) == col(Course.deployment_id))
        .join(lti.Platform, col(lti.Platform.id) == col(lti.Deployment.platform_id))
        .outerjoin(HostList, col(HostList.course_id) == _here)
        .outerjoin(competencies.Programme, col(competencies.Programme.id) == col(Course.programme_id))
    )


def _of(row: Any, *, may_see_people: bool = False) -> Facts:
    course, platform, listing, programme, *counts = row
    places, was_picked, learners, instructors, named, unnamed, arrived, failed, waiting, *listed = counts
    scopes = {scope.rpartition("/")[2] for scope in course.ags_scopes}
    listed_learners, listed_instructors, listed_named, absent, wrong_side = listed
    return Facts(
        uuid=course.uuid,
        title=course.title,
        platform=platform.name or platform.issuer,
        platform_uuid=platform.uuid,
        product=platform.product,
        programme=programme.title if programme is not None else "",
        programme_uuid=programme.uuid if programme is not None else "",
        seen_at=course.seen_at,
        is_disabled=platform.is_disabled,
        places=places,
        was_picked=bool(was_picked),
        learners=learners,
        instructors=instructors,
        named=named,
        unnamed=unnamed,
        takes_scores="score" in scopes and bool(course.lineitems_url or course.lineitem_url),
        makes_columns="lineitem" in scopes and bool(course.lineitems_url),
        arrived=arrived,
        failed=failed,
        waiting=waiting,
        offers_list=bool(course.memberships_url),
        read_at=listing.read_at if listing is not None else None,
        tried_at=listing.tried_at if listing is not None else None,
        error=listing.error if listing is not None else "",
        words=listing.words if listing is not None else "",
        listed_learners=listed_learners,
        listed_instructors=listed_instructors,
        listed_named=listed_named,
        absent=absent,
        wrong_side=wrong_side,
        names_course=lti.is_course(course.context_id),
        may_see_people=may_see_people,
    )


_COURSES_OF = (  # put together once, as every teacher's home asks it
    select(Course.title, CourseMember.is_learner, CourseMember.is_instructor, case((_has_arrived, 1), else_=0))
    .join(CourseMember, col(CourseMember.course_id) == _here)
    .where(
        col(Course.programme_id) == bindparam("programme"),
        col(CourseMember.person_id).in_(bindparam("people", expanding=True)),
    )
    .order_by(col(Course.title), _here)
)


def as_instructor(session: Session, person_ids: Collection[int], programme_id: int) -> tuple[str, ...]:
    """Titles of the programme's courses from which the person came last as an instructor alone, where no score of
    theirs has arrived: its gradebook may know no student of that name. None for who comes as a learner from another
    course of it. One query."""
    rows = session.exec(_COURSES_OF, params={"programme": programme_id, "people": list(person_ids)}).all()
    if any(is_learner for _title, is_learner, _instructor, _arrived in rows):
        return ()
    return tuple(title for title, _learner, is_instructor, has_arrived in rows if is_instructor and not has_arrived)
