"""After a launch everybody lands on the page of their next step."""

from sqlmodel import select

import competencies
from lms_plugin.db import pk
from lms_plugin.flow.courses import bind_view
from lms_plugin.flow.landing import Landing, Place, landing_of
from lms_plugin.people import Course, CourseMember, Person, Role, RoleKind
from tests import people as cast
from tests.factories import World, actor_of, grant


def land(world: World, person: Person, course: Course | None = None) -> Landing:
    actor = actor_of(world.session, person, pk(course) if course is not None else None)
    return landing_of(world.session, actor, world.now)


def member(world: World, person: Person, course: Course, *, learner: bool, instructor: bool = False) -> None:
    known = world.session.exec(
        select(CourseMember).where(CourseMember.course_id == pk(course), CourseMember.person_id == pk(person))
    ).one_or_none()
    row = known or CourseMember(
        course_id=pk(course),
        person_id=pk(person),
        subject="s",
        is_learner=learner,
        is_instructor=instructor,
        launched_at=world.now,
    )
    row.is_learner, row.is_instructor = learner, instructor
    world.session.add(row)
    if instructor and known is None:
        world.session.add(
            Role(
                tenant_id=person.tenant_id,
                person_id=pk(person),
                kind=RoleKind.TRAINER,
                course_id=pk(course),
                is_provisional=True,
                granted_at=world.now,
            )
        )
    world.session.flush()


def unbound(world: World) -> Course:
    course = Course(
        tenant_id=pk(world.tenant),
        deployment_id=world.course.deployment_id,
        context_id="new",
        title="新课程",
        seen_at=world.now,
    )
    world.session.add(course)
    world.session.flush()
    return course


def test_a_teacher_lands_in_their_programme(world: World) -> None:
    place = land(world, world.person(cast.CHEN), world.course)
    assert (place.place, place.programme_uuid) == (Place.TEACHER, world.programme.uuid)
    assert land(world, world.person(cast.CHEN)) == place  # from a link without a course too


def test_who_has_not_said_who_they_are_is_asked_first(world: World) -> None:
    chen = world.person(cast.CHEN)
    chen.introduced_at = None
    assert land(world, chen, world.course).place is Place.INTRODUCE


def test_a_trainer_lands_at_the_queue(world: World) -> None:
    place = land(world, world.person(cast.TRAINER), world.course)
    assert (place.place, place.programme_uuid) == (Place.TRAINER, world.programme.uuid)


def test_an_officer_lands_at_the_progress(world: World) -> None:
    for who in (cast.OFFICER, cast.LEAD):
        assert land(world, world.person(who), world.course).place is Place.PROGRESS
        assert land(world, world.person(who)).place is Place.PROGRESS


def test_an_auditor_lands_at_the_draws(world: World) -> None:
    for course in (world.course, None):
        assert land(world, world.person(cast.AUDITOR), course).place is Place.AUDIT
    grant(world.session, world.person(cast.AUDITOR), RoleKind.OFFICER, world.county, world.now)
    assert land(world, world.person(cast.AUDITOR)).place is Place.PROGRESS


def test_a_lead_who_teaches_lands_as_a_teacher_in_that_course(world: World) -> None:
    lead = world.person(cast.LEAD)
    member(world, lead, world.course, learner=True)
    assert land(world, lead, world.course).place is Place.TEACHER
    assert land(world, lead).place is Place.PROGRESS


def test_a_learner_of_an_unconfigured_course_waits(world: World) -> None:
    course, chen = unbound(world), world.person(cast.CHEN)
    member(world, chen, course, learner=True)
    place = land(world, chen, course)
    assert (place.place, place.course_title) == (Place.WAITING, "新课程")


def test_an_instructor_of_an_unconfigured_course_is_asked_for_the_programme(world: World) -> None:
    course = unbound(world)
    for who in (cast.TRAINER, cast.OFFICER):
        member(world, world.person(who), course, learner=False, instructor=True)
        place = land(world, world.person(who), course)
        assert (place.place, place.course_uuid) == (Place.BIND, course.uuid)
        view = bind_view(world.session, world.actor(who), course.uuid)
        assert view.programmes == ((world.programme.uuid, world.programme.title),)


def test_a_closed_programme_is_not_offered(world: World) -> None:
    course = unbound(world)
    world.programme.state = competencies.ProgrammeState.CLOSED
    world.session.flush()
    assert bind_view(world.session, world.actor(cast.OFFICER), course.uuid).programmes == ()


def test_an_instructor_whose_role_was_taken_is_not_sent_to_a_closed_door(world: World) -> None:
    course, person = unbound(world), world.person(cast.SUN)
    member(world, person, course, learner=False, instructor=True)
    for role in world.session.exec(select(Role).where(Role.person_id == pk(person))).all():
        role.revoked_at = world.now
    world.session.flush()
    assert land(world, person, course).place is Place.TEACHER  # of the programme they take part in


def test_it_staff_see_to_platforms_and_newcomers_have_no_work_here(world: World) -> None:
    assert land(world, world.person(cast.IT)).place is Place.PLATFORMS
    person = Person(tenant_id=pk(world.tenant), introduced_at=world.now, created_at=world.now)
    world.session.add(person)
    world.session.flush()
    assert land(world, person).place is Place.NOWHERE


def test_learner_and_instructor_at_once_lands_as_a_teacher(world: World) -> None:
    """The queue is one click away in the menu; what is their own to do comes first."""
    person = world.person(cast.CHEN)
    grant(world.session, person, RoleKind.TRAINER, world.county, world.now)
    member(world, person, world.course, learner=True, instructor=True)
    assert land(world, person, world.course).place is Place.TEACHER
