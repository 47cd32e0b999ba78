"""Which programme a course runs: asked of its first trainer, changed by an officer, and what becomes of its people."""

import itertools
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, union
from sqlmodel import Session, col, select

import competencies
from lms_plugin.access import Actor, Permission, Scope, can, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, Forbidden, Invalid
from lms_plugin.flow import enter, host_notices, humans, links
from lms_plugin.people import Course, CourseMember, Enrolment, Notice, OrgMembership, OrgUnit, RoleKind


def course_scope(session: Session, actor: Actor, course: Course) -> Scope:
    """A course as the thing of a permission check: it lies where its members belong, and where its programme does.

    Whom an officer made a trainer of anything and the host names as an instructor of this course is within it too.
    """
    paths = _member_paths(session, course)
    if course.programme_id is not None:
        programme = get(session, competencies.Programme, course.programme_id)
        paths.add(get(session, OrgUnit, programme.org_unit_id).path)
    return _scope(session, actor, course, paths)


def whole_scope(session: Session, actor: Actor, course: Course) -> Scope:
    """A course as the thing of who looks at all of it: within the unit of its programme, and within the smallest one
    that everybody belongs to who came. A role of one school among several does not reach it; who instructs it does.
    """
    found = _common(_member_paths(session, course))
    programme = session.exec(
        select(OrgUnit.path)
        .join(competencies.Programme, col(competencies.Programme.org_unit_id) == col(OrgUnit.id))
        .where(competencies.Programme.id == course.programme_id)
    ).first()
    return _scope(session, actor, course, {path for path in (found, programme) if path})


def _scope(session: Session, actor: Actor, course: Course, paths: set[str]) -> Scope:
    if actor.has(RoleKind.TRAINER) and _instructs(session, actor, course):
        paths |= {role.unit_path for role in actor.roles if role.kind is RoleKind.TRAINER and role.unit_path}
    return Scope(actor.tenant_id, unit_paths=tuple(sorted(paths)), course_ids=frozenset({pk(course)}))


def _common(paths: set[str]) -> str:
    """The path of the smallest unit that holds all of these ("/1/4/", "/1/5/" → "/1/"), "" for none."""
    parts = [path.strip("/").split("/") for path in paths if path]
    shared = [one[0] for one in itertools.takewhile(lambda one: len(set(one)) == 1, zip(*parts, strict=False))]
    return f"/{'/'.join(shared)}/" if shared else ""


def _member_paths(session: Session, course: Course) -> set[str]:
    return set(
        session.exec(
            select(OrgUnit.path)
            .join(OrgMembership, col(OrgMembership.org_unit_id) == col(OrgUnit.id))
            .join(CourseMember, col(CourseMember.person_id) == col(OrgMembership.person_id))
            .where(CourseMember.course_id == pk(course), col(OrgMembership.ends_on).is_(None))
            .distinct()
        ).all()
    )


def _instructs(session: Session, actor: Actor, course: Course) -> bool:
    return (
        session.exec(
            select(CourseMember.id).where(
                CourseMember.course_id == pk(course),
                col(CourseMember.person_id).in_(actor.person_ids),
                col(CourseMember.is_instructor).is_(True),
            )
        ).first()
        is not None
    )


def may_bind(session: Session, actor: Actor, course: Course) -> bool:
    """Whether the person may say which programme a course runs that runs none yet."""
    return can(actor, Permission.COURSE_BIND, course_scope(session, actor, course))


@dataclass(frozen=True)
class BindView:
    """A course and the programmes it may run. `running`: (uuid, title) of the one it runs, with the people of the
    course who have begun in it; `may_rebind`: whether this person may put another in its place; `meant`: (uuid, title)
    of the one for which the link was made through which the person came, where it may be chosen: a copied course; else
    that of the course `copied_from` (its title), as the host told."""

    course_uuid: str
    course_title: str
    programmes: tuple[tuple[str, str], ...]
    learners: int
    running: tuple[str, str] | None = None
    begun: int = 0
    may_rebind: bool = False
    meant: tuple[str, str] | None = None
    copied_from: str = ""


def bind_view(session: Session, actor: Actor, course_uuid: str, wants: str = "") -> BindView:
    """For the page that asks which programme a course runs. `wants`: what the launched link was made for."""
    course = find(session, Course, actor.tenant_id, course_uuid)
    require(actor, Permission.COURSE_BIND, course_scope(session, actor, course))
    running = get(session, competencies.Programme, course.programme_id) if course.programme_id is not None else None
    may_rebind = running is not None and _may_rebind(session, actor, course, running)
    learners = _learners(session, course) if may_rebind or running is None else set()
    begun = _begun(session, running, learners) if running is not None and may_rebind else set()
    choices = [(row.uuid, row.title) for row in offered(session, actor) if running is None or row.uuid != running.uuid]
    target = links.target_of(wants)
    meant = next((one for one in choices if target is not None and one[0] == target.programme), None)
    copied_from = ""
    if meant is None and running is None:
        meant, copied_from = _of_original(session, course, choices)
    return BindView(
        course.uuid,
        course.title,
        tuple(choices),
        len(learners),
        (running.uuid, running.title) if running is not None else None,
        len(begun),
        may_rebind,
        meant,
        copied_from,
    )


def _of_original(
    session: Session, course: Course, choices: "list[tuple[str, str]]"
) -> "tuple[tuple[str, str] | None, str]":
    """The programme of the course that this one was copied from, where it may be chosen, and that course's title."""
    original = host_notices.original_of(session, course)
    if original is None:
        return None, ""
    programme = get(session, competencies.Programme, original.programme_id or 0)
    meant = next((one for one in choices if one[0] == programme.uuid), None)
    return meant, original.title if meant is not None else ""


def offered(session: Session, actor: Actor) -> list[competencies.Programme]:
    """The programmes that are not over, newest first: those of the units that the actor's roles reach and of the units
    above them; all of them for whom only a course knows."""
    roles = [role for role in actor.roles if role.kind in {RoleKind.OFFICER, RoleKind.TRAINER}]
    rows = session.exec(
        select(competencies.Programme, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(competencies.Programme.org_unit_id))
        .where(
            competencies.Programme.tenant_id == actor.tenant_id,
            competencies.Programme.state != competencies.ProgrammeState.CLOSED,
            col(competencies.Programme.archived_at).is_(None),
        )
        .order_by(col(competencies.Programme.created_at).desc(), col(competencies.Programme.id).desc())
    ).all()
    return [
        row
        for row, path in rows
        if any(role.unit_path.startswith(path) or path.startswith(role.unit_path) for role in roles)
    ]


def _may_rebind(session: Session, actor: Actor, course: Course, running: competencies.Programme) -> bool:
    """An officer above the unit of the programme that runs, or above everybody in the course whose school is known."""
    path = get(session, OrgUnit, running.org_unit_id).path
    if can(actor, Permission.COURSE_REBIND, Scope(actor.tenant_id, unit_paths=(path,))):
        return True
    paths = _member_paths(session, course) if actor.has(RoleKind.OFFICER) else set()
    return bool(paths) and all(
        can(actor, Permission.COURSE_REBIND, Scope(actor.tenant_id, unit_paths=(one,))) for one in paths
    )


def _learners(session: Session, course: Course) -> set[int]:
    return set(
        session.exec(
            select(CourseMember.person_id).where(
                CourseMember.course_id == pk(course), col(CourseMember.is_learner).is_(True)
            )
        ).all()
    )


def _begun(session: Session, programme: competencies.Programme, people: set[int]) -> set[int]:
    """Who of these people has, under any of their rows, chosen a point of the programme, handed in work for one (also
    long ago), or hours in its ledger."""
    rows = humans.rows_by_row(session, people)
    every = {one for found in rows.values() for one in found}
    begun = union(
        *(
            select(table.person_id).where(col(table.programme_id) == pk(programme), col(table.person_id).in_(every))
            for table in (competencies.Selection, competencies.Submission, competencies.CreditEntry)
        )
    )
    busy = {int(key) for (key,) in session.connection().execute(begun).all()}
    return {person for person, found in rows.items() if busy & set(found)}


def bind_course(
    session: Session, actor: Actor, course_uuid: str, programme_uuid: str, now: datetime, instead_of: str = ""
) -> Course:
    """The first trainer (or an officer) says which programme a course runs; those who waited are enrolled.

    `instead_of`: uuid of the programme that runs and that an officer puts this one in the place of. Then whoever has
    begun in the old one keeps it, with works, reviews and hours; whoever has not leaves it. Raises Conflict
    `course.bound` where the course runs another one already, Invalid for no programme or one that is over.
    """
    course = find(session, Course, actor.tenant_id, course_uuid)
    require(actor, Permission.COURSE_BIND, course_scope(session, actor, course))
    chosen = [row for row in offered(session, actor) if row.uuid == programme_uuid]
    session.refresh(course, with_for_update=True)  # the second of two who answer at once finds what the first said
    if course.programme_id is not None:
        running = get(session, competencies.Programme, course.programme_id)
        if instead_of and not _may_rebind(session, actor, course, running):
            raise Forbidden(permission=Permission.COURSE_REBIND.value)
        if running.uuid == programme_uuid:
            return course
        if running.uuid != instead_of:
            raise Conflict("page.changed_meanwhile" if instead_of else "course.bound")
        if chosen:
            _leave(session, course, running)
    if not chosen:
        raise Invalid({"programme": "form.choose"})
    course.programme_id, course.waiting_since_at = pk(chosen[0]), None
    session.add(course)
    session.flush()
    enter.enrol_members(session, course, now)
    for notice in session.exec(
        select(Notice).where(
            Notice.tenant_id == actor.tenant_id,
            Notice.kind == "course.waiting",
            Notice.key == course.uuid,
            col(Notice.done_at).is_(None),
        )
    ).all():
        notice.done_at = now
        session.add(notice)
    return course


def _leave(session: Session, course: Course, running: competencies.Programme) -> None:
    """Learners who have begun nothing in the programme, and come to it from no other course, take part no more."""
    learners = _learners(session, course)
    rows = humans.rows_by_row(session, learners)
    # Locked first: who chooses points in this moment is either seen below or waits and finds that they have left.
    enrolments = session.exec(
        select(Enrolment)
        .where(Enrolment.programme_id == pk(running), col(Enrolment.person_id).in_(learners))
        .order_by(col(Enrolment.id))
        .with_for_update()
    ).all()
    elsewhere = session.exec(
        select(CourseMember.person_id)
        .join(Course, col(Course.id) == col(CourseMember.course_id))
        .where(
            Course.programme_id == pk(running),
            Course.id != pk(course),
            col(CourseMember.person_id).in_({one for found in rows.values() for one in found}),
            col(CourseMember.is_learner).is_(True),
        )
    ).all()
    stay = _begun(session, running, learners)
    stay |= {person for person, found in rows.items() if set(elsewhere) & set(found)}
    for row in enrolments:
        if row.person_id not in stay:
            session.delete(row)
    session.flush()


_OTHERS = (  # put together once, as every teacher's home asks it
    select(competencies.Programme.uuid, competencies.Programme.title)
    .join(Enrolment, col(Enrolment.programme_id) == col(competencies.Programme.id))
    .where(
        col(competencies.Programme.tenant_id) == bindparam("tenant"),
        col(Enrolment.person_id).in_(bindparam("people", expanding=True)),
        competencies.Programme.uuid != bindparam("here"),
    )
    .order_by(col(Enrolment.started_at).desc(), col(Enrolment.id).desc())
)


def other_programmes(session: Session, actor: Actor, programme_uuid: str) -> list[tuple[str, str]]:
    """(uuid, title) of the other programmes that the person takes part in, newest first: a course may have moved on
    to another one, and then no door leads back."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    places = {"tenant": actor.tenant_id, "people": list(actor.person_ids), "here": programme_uuid}
    return list(dict.fromkeys((uuid, title) for uuid, title in session.exec(_OTHERS, params=places)))
