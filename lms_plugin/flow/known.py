"""Who launches again, from a known course: what is kept of both, and whether it stands as the launch says it."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Boolean, ColumnElement, Select, Text, and_, bindparam, cast, func, not_, or_
from sqlalchemy import select as columns

import lti
from lms_plugin.db import table
from lms_plugin.flow import column_words, sessions
from lms_plugin.people import Course, CourseMember, Enrolment, Identity, Person, Role, RoleKind, Tenant

SEEN_AGAIN = timedelta(hours=1)  # a class that clicks at once must not queue for one row

_course, _person, _member, _role, _identity = (table(kind).c for kind in (Course, Person, CourseMember, Role, Identity))
_trains = (
    columns(_role.id)
    .where(_role.person_id == _person.id, _role.kind == RoleKind.TRAINER, _role.course_id == _course.id)
    .correlate(table(Person), table(Course))
    .exists()
)
COURSE = (
    *(table(Tenant).c.is_demo, _course.id.label("course"), _course.title, _course.seen_at, _course.lineitems_url),
    *(_course.lineitem_url, _course.ags_scopes, _course.memberships_url),
    *(_course.groups_url, _course.group_sets_url, _course.locale),
)
PERSON = (
    *(_person.id.label("person"), _person.name, _person.absorbed_ids),
    *(_member.id.label("member"), _member.is_learner, _member.is_instructor, _member.has_name),
    *(table(Enrolment).c.id.label("enrolment"), _trains.label("trains")),
)


class KnownCourse(NamedTuple):
    """What is kept of a course, and whether its district is a demo (COURSE, in this order)."""

    is_demo: bool
    course: int
    title: str
    seen_at: datetime
    lineitems_url: str
    lineitem_url: str
    ags_scopes: list[str]
    memberships_url: str
    groups_url: str
    group_sets_url: str
    locale: str


class KnownPerson(NamedTuple):
    """What is kept of who launches, and of their place in the course (PERSON, in this order)."""

    person: int
    name: str
    absorbed_ids: list[int]
    member: int
    is_learner: bool
    is_instructor: bool
    has_name: bool | None
    enrolment: int | None
    trains: bool


def in_course(statement: "Select[Any]", deployment: "ColumnElement[int]") -> "Select[Any]":
    """Joins the course `:context` of that deployment to a select that knows the tenant."""
    context = bindparam("context", type_=_course.context_id.type)
    return statement.join(table(Course), and_(_course.deployment_id == deployment, _course.context_id == context))


def with_person(statement: "Select[Any]", issuer: "ColumnElement[str]", door: "ColumnElement[str]") -> "Select[Any]":
    """Joins what PERSON asks for to a select that knows tenant and course: of the account `:subject` of that issuer and
    door."""
    return (
        statement.join(
            table(Identity),
            and_(
                _identity.tenant_id == table(Tenant).c.id,
                _identity.issuer == issuer,
                _identity.door == door,
                _identity.subject == bindparam("subject", type_=_identity.subject.type),
            ),
        )
        # Asked of the row itself: who waited here for a merge finds it given away. Never by the index of merged rows,
        # which a database that has not counted yet takes for short.
        .join(
            table(Person),
            and_(_person.id == _identity.person_id, func.coalesce(_person.merged_into_id, 0) == 0),
        )
        .join(
            table(CourseMember),
            and_(
                _member.course_id == _course.id,
                _member.person_id == _person.id,
                _member.subject == _identity.subject,
            ),
        )
        .join(
            table(Enrolment),
            and_(
                table(Enrolment).c.programme_id == _course.programme_id,
                table(Enrolment).c.person_id == _person.id,
            ),
            isouter=True,
        )
    )


def course_stands(found: KnownCourse, launch: "lti.Launch", now: datetime) -> bool:
    """Whether all that is kept of the course stands as the launch says it."""
    if launch.deep_linking is not None or launch.asks_what_is_kept:
        return False
    offers_stand = (
        launch.lineitems_url in (found.lineitems_url, "")
        and launch.lineitem_url in (found.lineitem_url, "")
        and sorted(launch.ags_scopes) in (found.ags_scopes, [])
        # Groups count with the list alone, as in enter.py.
        and (launch.memberships_url, launch.groups_url, launch.group_sets_url)
        in (
            (found.memberships_url, found.groups_url, found.group_sets_url),
            ("", launch.groups_url, launch.group_sets_url),
        )
    )
    title_stands = title_of(launch, found.title) == found.title and now - found.seen_at <= SEEN_AGAIN
    locale = sessions.page_locale(launch.locale)
    language = column_words.language_of(found.locale, locale, is_instructor=launch.is_instructor)
    return offers_stand and title_stands and language == found.locale


def title_of(launch: "lti.Launch", kept: str) -> str:
    """What a course is called after a launch from it."""
    return (launch.context_title or kept or launch.resource_link_title)[:500]


def person_stands(found: KnownPerson, launch: "lti.Launch") -> bool:
    """Whether all that is kept of the person and their place in the course stands as the launch says it."""
    is_learner, is_instructor, is_named = launch.is_learner, launch.is_instructor, bool(launch.name)
    return bool(
        not found.absorbed_ids
        and (found.name or not is_named)
        and (found.is_learner, found.is_instructor, found.has_name) == (is_learner, is_instructor, is_named)
        and (found.enrolment or not is_learner)
        and (found.trains or not is_instructor)
    )


_is_learner, _is_instructor, _is_named = (
    bindparam(name, type_=Boolean) for name in ("is_learner", "is_instructor", "is_named")
)
# `person_stands`, asked of the rows themselves (PostgreSQL).
PERSON_STANDS = and_(
    cast(_person.absorbed_ids, Text) == "[]",
    or_(_person.name != "", not_(_is_named)),
    *(_member.is_learner == _is_learner, _member.is_instructor == _is_instructor, _member.has_name == _is_named),
    or_(table(Enrolment).c.id.is_not(None), not_(_is_learner)),
    or_(_trains, not_(_is_instructor)),
)


def said_of_person(launch: "lti.Launch") -> dict[str, bool]:
    """What PERSON_STANDS holds them against."""
    return {
        "is_learner": launch.is_learner,
        "is_instructor": launch.is_instructor,
        "is_named": bool(launch.name),
    }
