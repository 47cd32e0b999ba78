"""What a permission check needs to know of works and people: whose, in which units, in which courses.

Every function takes lists and asks the database a constant number of times, so that pages may check row by row.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, exists, false, func, literal, or_, true, union_all
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from lms_plugin.access import Scope
from lms_plugin.db import among, pk
from lms_plugin.flow.humans import same_human
from lms_plugin.people import Course, CourseMember, OrgMembership, OrgUnit, Person, Role, RoleKind, UnitKind

_Version = competencies.SubmissionVersion


def submission_scope(session: Session, submission: competencies.Submission, reviewer_id: int | None = None) -> Scope:
    """The scope of one submission: its author, the author's school now and of each version, and the courses.

    `reviewer_id`: a person of whom the caller knows that they have a live review of it.
    """
    return submission_scopes(session, [submission], {pk(submission): reviewer_id} if reviewer_id else None)[
        pk(submission)
    ]


def submission_scopes(
    session: Session, submissions: Sequence[competencies.Submission], reviewers: dict[int, int | None] | None = None
) -> dict[int, Scope]:
    """Scopes by submission id, in one query for any number of rows.

    Courses are those of the submission's programme of which the author is a member: a trainer reaches a work through
    a course the author really came from. `reviewers`: submission id → the person who reviews it.
    """
    if not submissions:
        return {}
    people = {row.person_id for row in submissions}
    now_in = (
        columns(literal("unit"), col(OrgMembership.person_id), literal(0), col(OrgUnit.path), literal(0))
        .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
        .where(among(OrgMembership.person_id, people), col(OrgMembership.ends_on).is_(None))
    )
    then_in = (
        columns(literal("version"), col(_Version.submission_id), literal(0), col(OrgUnit.path), literal(0))
        .join(OrgUnit, col(OrgUnit.id) == col(_Version.org_unit_id))
        .where(among(_Version.submission_id, [pk(row) for row in submissions]))
    )
    owner, row = aliased(Person), aliased(Person)  # a course reaches all works of who launched from it under any row
    from_courses = (
        columns(literal("course"), col(owner.id), col(Course.programme_id), literal(""), col(Course.id))
        .select_from(owner)
        .join(row, same_human(owner, row))
        .join(CourseMember, col(CourseMember.person_id) == col(row.id))
        .join(Course, col(Course.id) == col(CourseMember.course_id))
        .where(among(owner.id, people), col(Course.programme_id).is_not(None))
    )
    by_panel = (  # the school of the version that stands, where its 考核小组 decides
        columns(literal("panel"), col(competencies.Submission.id), literal(0), col(OrgUnit.path), literal(0))
        .join(_Version, col(_Version.id) == col(competencies.Submission.current_version_id))
        .join(OrgUnit, col(OrgUnit.id) == col(_Version.org_unit_id))
        .join(competencies.Programme, col(competencies.Programme.id) == col(competencies.Submission.programme_id))
        .where(
            among(competencies.Submission.id, [pk(row) for row in submissions]),
            col(competencies.Programme.panel_decides).is_(True),
            col(OrgUnit.kind) == UnitKind.SCHOOL,
        )
    )
    units: dict[int, set[str]] = defaultdict(set)
    of_version: dict[int, set[str]] = defaultdict(set)
    courses: dict[tuple[int, int], set[int]] = defaultdict(set)
    panels: dict[int, str] = {}
    rows: Sequence[Any] = session.connection().execute(union_all(now_in, then_in, from_courses, by_panel)).all()
    for kind, whose, programme, path, course in rows:
        if kind == "unit":
            units[whose].add(path)
        elif kind == "version":
            of_version[whose].add(path)
        elif kind == "panel":
            panels[whose] = path
        else:
            courses[(programme, whose)].add(course)
    return {
        pk(row): Scope(
            tenant_id=row.tenant_id,
            owner_id=row.person_id,
            reviewer_id=(reviewers or {}).get(pk(row)),
            unit_paths=tuple(sorted(units.get(row.person_id, set()) | of_version[pk(row)])),
            course_ids=frozenset(courses.get((row.programme_id, row.person_id), set())),
            panel_path=panels.get(pk(row), ""),
        )
        for row in submissions
    }


def person_in(paths: Collection[str], person_id: Any) -> ColumnElement[bool]:
    """The condition that a person, by the id of any of their rows, belongs today to a unit within these paths ("" = the
    whole district)."""
    if "" in paths:
        return true()
    unit, row = aliased(OrgUnit), aliased(Person)
    return exists().where(
        col(row.id) == person_id,
        col(OrgMembership.person_id) == func.coalesce(col(row.merged_into_id), col(row.id)),
        col(OrgMembership.ends_on).is_(None),
        col(unit.id) == col(OrgMembership.org_unit_id),
        is_below(unit, paths),
    )


def is_below(unit: Any, paths: Collection[str]) -> ColumnElement[bool]:
    """The condition that an alias of OrgUnit lies within one of these paths."""
    return or_(false(), *(col(unit.path).startswith(path, autoescape=True) for path in paths))


def person_scope(session: Session, tenant_id: int, person_id: int, programme_id: int | None = None) -> Scope:
    """The scope of what is kept about one person, in one programme or (None) in all of them. One query."""
    one, row = aliased(Person), aliased(Person)
    now_in = (
        columns(literal("unit"), col(OrgUnit.path), literal(0))
        .join(OrgMembership, col(OrgMembership.org_unit_id) == col(OrgUnit.id))
        .where(col(OrgMembership.person_id) == person_id, col(OrgMembership.ends_on).is_(None))
    )
    from_courses = (
        columns(literal("course"), literal(""), col(Course.id))
        .select_from(one)
        .join(row, same_human(one, row))
        .join(CourseMember, col(CourseMember.person_id) == col(row.id))
        .join(Course, col(Course.id) == col(CourseMember.course_id))
        .where(
            col(one.id) == person_id,
            col(Course.programme_id).is_not(None) if programme_id is None else col(Course.programme_id) == programme_id,
        )
    )
    found: Sequence[Any] = session.connection().execute(union_all(now_in, from_courses)).all()
    return Scope(
        tenant_id=tenant_id,
        owner_id=person_id,
        unit_paths=tuple(sorted({path for kind, path, _course in found if kind == "unit"})),
        course_ids=frozenset(course for kind, _path, course in found if kind == "course"),
    )


def current_unit_paths(session: Session, people: Iterable[int]) -> dict[int, set[str]]:
    """Person id → paths of the units they belong to now (memberships without an end)."""
    paths: dict[int, set[str]] = defaultdict(set)
    for person_id, path in session.exec(
        select(OrgMembership.person_id, OrgUnit.path)
        .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
        .where(col(OrgMembership.person_id).in_(set(people)), col(OrgMembership.ends_on).is_(None))
    ):
        paths[person_id].add(path)
    return dict(paths)


def courses_of(session: Session, people: Iterable[int]) -> dict[tuple[int, int], set[int]]:
    """(programme id, person id) → ids of the programme's courses from which the person has launched, as any row."""
    courses: dict[tuple[int, int], set[int]] = defaultdict(set)
    one, row = aliased(Person), aliased(Person)
    statement: Any = (
        columns(col(CourseMember.course_id), col(Course.programme_id), col(one.id))
        .select_from(one)
        .join(row, same_human(one, row))
        .join(CourseMember, col(CourseMember.person_id) == col(row.id))
        .join(Course, col(Course.id) == col(CourseMember.course_id))
        .where(col(one.id).in_(set(people)), col(Course.programme_id).is_not(None))
    )
    for course_id, programme_id, person_id in session.connection().execute(statement):
        courses[(programme_id, person_id)].add(course_id)
    return dict(courses)


def programme_scope(session: Session, programme: competencies.Programme) -> Scope:
    """The scope of a whole programme: its unit and the courses in which it runs. One query."""
    rows = session.exec(
        select(OrgUnit.path, Course.id)
        .join(Course, col(Course.programme_id) == pk(programme), isouter=True)
        .where(OrgUnit.id == programme.org_unit_id)
    ).all()
    return Scope(
        tenant_id=programme.tenant_id,
        unit_paths=tuple({path for path, _course in rows}),
        course_ids=frozenset(course for _path, course in rows if course is not None),
    )


BY_PANEL: ColumnElement[bool] = exists().where(
    col(Role.kind) == RoleKind.PANEL,
    col(Role.person_id) == col(competencies.Decision.decided_by_id),
    col(Role.org_unit_id) == col(competencies.SubmissionVersion.org_unit_id),
    col(Role.granted_at) <= col(competencies.Decision.decided_at),
    col(Role.revoked_at).is_(None) | (col(Role.revoked_at) > col(competencies.Decision.decided_at)),
)
"""Whether a decision (`Decision`, beside its `SubmissionVersion`) was by somebody of the school's 考核小组 of then."""
