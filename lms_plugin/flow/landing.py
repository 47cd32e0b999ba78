"""Where a person belongs after a launch: the page of their next step."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
from lms_plugin.access import Actor, Permission, Scope, can
from lms_plugin.db import get, owned, pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import courses, linking, links, notices, person_data
from lms_plugin.people import Course, CourseMember, Enrolment, Person, RoleKind


class Place(enum.Enum):
    LINK = "link"  # a host asks what to put into a course
    INTRODUCE = "introduce"
    POINT = "point"
    RECORD = "record"
    RECORD_OF = "record_of"  # a gradebook asks to see somebody's work
    REVIEWS = "reviews"
    TEACHER = "teacher"
    TRAINER = "trainer"
    BIND = "bind"
    PROGRESS = "progress"
    AUDIT = "audit"
    PERSON_DATA = "person_data"  # a host asks what is kept of somebody
    PLATFORMS = "platforms"
    SEALS = "seals"
    WAITING = "waiting"  # 培训尚未开始
    NOWHERE = "nowhere"  # signed in, no course, no role that has a page of its own


@dataclass(frozen=True)
class Landing:
    """A place and what its address needs."""

    place: Place
    programme_uuid: str = ""
    course_uuid: str = ""
    course_title: str = ""
    is_told: bool = False  # who waits: whether there is an officer whom the notice reaches
    point: str = ""  # the code of a point, and the work on it where there is one
    submission_uuid: str = ""
    request_uuid: str = ""
    person_uuid: str = ""


def landing_of(session: Session, actor: Actor, now: datetime, wants: str = "") -> Landing:
    """`wants`: what the launched link was made for (flow/links.py).

    Teachers: their programme. Trainers: what waits. Officers: progress. Auditors: draws.
    Nobody yet: the sentence that helps.

    A role in this course comes before roles elsewhere: who came through a course's door wants that course.
    """
    if wants.startswith(person_data.OF):
        return Landing(Place.PERSON_DATA, person_uuid=person_data.asked_for(actor, wants))
    person = get(session, Person, actor.person_id)
    course = get(session, Course, actor.course_id) if actor.course_id is not None else None
    members: Sequence[CourseMember] = ()
    if course is not None:
        members = session.exec(
            select(CourseMember).where(
                CourseMember.course_id == pk(course), col(CourseMember.person_id).in_(actor.person_ids)
            )
        ).all()
    programme = (
        get(session, competencies.Programme, course.programme_id)
        if course is not None and course.programme_id is not None
        else None
    )
    if wants.startswith(links.ASKED) and linking.is_open(session, actor, wants.removeprefix(links.ASKED), now):
        return Landing(Place.LINK, request_uuid=wants.removeprefix(links.ASKED))
    is_office = actor.has(RoleKind.OFFICER, RoleKind.AUDITOR, RoleKind.SCHOOL_LEAD)
    teaches = any(member.is_learner for member in members)
    if (teaches or not is_office) and person.introduced_at is None and not actor.has(RoleKind.IT):
        return Landing(Place.INTRODUCE)
    if wants.startswith(links.OF) and course is not None and programme is not None:
        return _record_of(session, actor, course, programme, wants.removeprefix(links.OF))
    if teaches and programme is not None:
        return _wanted(session, actor, programme, links.target_of(wants))
    instructs = any(member.is_instructor for member in members)
    if course is not None and programme is None and instructs and courses.may_bind(session, actor, course):
        return Landing(Place.BIND, course_uuid=course.uuid)
    if actor.has(RoleKind.OFFICER):
        return Landing(Place.PROGRESS)
    if actor.has(RoleKind.AUDITOR):
        return Landing(Place.AUDIT)
    if teaches and course is not None:
        told = notices.officers_above(session, actor)
        return Landing(Place.WAITING, course_title=course.title, is_told=told)
    if actor.has(RoleKind.SCHOOL_LEAD):
        return Landing(Place.PROGRESS)
    if actor.has(RoleKind.TRAINER):
        return Landing(Place.TRAINER, programme.uuid if programme is not None else "")
    mine = latest_programme(session, actor)
    if mine is not None:
        return Landing(Place.TEACHER, mine.uuid)
    if can(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id)):
        return Landing(Place.PLATFORMS)
    if actor.has(RoleKind.SEAL):
        return Landing(Place.SEALS)
    return Landing(Place.NOWHERE, course_title=course.title if course is not None else "")


def _record_of(
    session: Session, actor: Actor, course: Course, programme: competencies.Programme, subject: str
) -> Landing:
    """The record of the person whom the host's gradebook names, of this course. Whether the actor may see it, that page
    decides by our own roles. Raises NotFound `person.never_came` for somebody who never came from this course."""
    row_id = session.exec(
        select(CourseMember.person_id).where(CourseMember.course_id == pk(course), CourseMember.subject == subject)
    ).first()
    if row_id is None:
        if not actor.has(RoleKind.TRAINER, RoleKind.OFFICER, RoleKind.SCHOOL_LEAD, RoleKind.AUDITOR):
            raise Forbidden  # as for somebody who came: who may not look learns nothing
        raise NotFound("person.never_came")
    if actor.is_author(row_id):
        return Landing(Place.RECORD, programme.uuid)
    return Landing(Place.RECORD_OF, programme.uuid, person_uuid=get(session, Person, row_id).uuid)


def _wanted(session: Session, actor: Actor, programme: competencies.Programme, target: links.Target | None) -> Landing:
    """The page of the course's own programme that the link was made for; of a copied course, whose programme may be
    another one by now, the page of the same name."""
    if target is None or target.view is links.View.HOME:
        return Landing(Place.TEACHER, programme.uuid)
    if target.view is links.View.POINT:
        found = session.exec(
            owned(competencies.Submission, actor.tenant_id)
            .join(
                competencies.CompetencyPoint, col(competencies.CompetencyPoint.id) == competencies.Submission.point_id
            )
            .where(
                competencies.Submission.programme_id == pk(programme),
                col(competencies.Submission.person_id).in_(actor.person_ids),
                competencies.CompetencyPoint.code == target.point,
            )
            .order_by(col(competencies.Submission.id).desc())
        ).first()
        work = found.uuid if found is not None else ""
        return Landing(Place.POINT, programme.uuid, point=target.point, submission_uuid=work)
    return Landing(Place.RECORD if target.view is links.View.RECORD else Place.REVIEWS, programme.uuid)


def latest_programme(session: Session, actor: Actor) -> competencies.Programme | None:
    """The programme that the person entered last."""
    return session.exec(
        owned(competencies.Programme, actor.tenant_id)
        .join(Enrolment, col(Enrolment.programme_id) == competencies.Programme.id)
        .where(col(Enrolment.person_id).in_(actor.person_ids))
        .order_by(col(Enrolment.started_at).desc(), col(Enrolment.id).desc())
    ).first()
