"""What a verified launch makes of a person: identities, roles, enrolments, and never more than the host may say."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

import lti
from lms_plugin import outbox
from lms_plugin.access import Permission, Scope, can
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, NotFound, Refused
from lms_plugin.flow import courses, enter, merges, sessions
from lms_plugin.people import (
    Course,
    CourseMember,
    Enrolment,
    Identity,
    IdentityMove,
    Notice,
    Person,
    Role,
    RoleKind,
    WebSession,
)
from tests import people as cast
from tests.factories import World, actor_of, add_person, grant
from tests.flow.earned import earn
from tests.fuzzing import times

HOURS = timedelta(hours=8)
MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
LEARNER, INSTRUCTOR = MEMBERSHIP + "Learner", MEMBERSHIP + "Instructor"
ADMINISTRATOR = "http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator"


def launch_of(world: World, subject: str, *roles: str, course: Course | None = None, **more: Any) -> "lti.Launch":
    """A verified launch into that course (default: the world's) with these roles."""
    course = course or world.course
    deployment = world.session.get(lti.Deployment, course.deployment_id)
    assert deployment is not None
    platform = world.session.get(lti.Platform, deployment.platform_id)
    assert platform is not None
    plain = lti.Launch(
        reference="K7QF-2M9X",
        tenant_id=course.tenant_id,
        platform_id=pk(platform),
        deployment_id=pk(deployment),
        login_state_id=1,
        binding="cookie",
        issuer=platform.issuer,
        client_id=platform.client_id,
        platform_name="",
        platform_origin=platform.issuer,
        product="moodle",
        subject=subject,
        message_type="LtiResourceLinkRequest",
        roles=frozenset(roles),
        target_link_uri="https://tool.example/lti/launch",
        resource_link_id="1",
        resource_link_title="任务",
        context_id=course.context_id,
        context_title=course.title,
        name="",
        locale="zh-Hans",
        return_url="",
        document_target="iframe",
        lineitems_url="",
        lineitem_url="",
        ags_scopes=(),
        memberships_url="",
    )
    return replace(plain, **more)


def come(world: World, subject: str, *roles: str, **more: Any) -> Person:
    entrance = enter.enter(world.session, launch_of(world, subject, *roles, **more), HOURS, world.now)
    person = world.session.get(Person, entrance.session_row.person_id)
    assert person is not None
    return person


def roles_of(session: Session, person: Person) -> list[Role]:
    return list(session.exec(select(Role).where(Role.person_id == pk(person))).all())


def unbound(world: World, context_id: str = "course-2") -> Course:
    """Another course of the same host that nobody has configured."""
    course = Course(
        tenant_id=pk(world.tenant),
        deployment_id=world.course.deployment_id,
        context_id=context_id,
        title="新课",
        seen_at=world.now,
    )
    world.session.add(course)
    world.session.flush()
    return course


# --- identities ---


def test_a_person_without_name_is_one_person(world: World) -> None:
    first, again = come(world, "n-1", LEARNER), come(world, "n-1", LEARNER)
    assert pk(first) == pk(again)
    assert (first.name, first.introduced_at, first.confirmed_at) == ("", None, None)
    assert pk(come(world, "n-2", LEARNER)) != pk(first)


def test_the_same_sub_of_another_host_is_another_person(world: World) -> None:
    mine = come(world, "n-1", LEARNER)
    theirs = come(world, "n-1", LEARNER, issuer="https://elsewhere.example")
    assert pk(mine) != pk(theirs)


def test_a_merge_points_identities_elsewhere_and_says_so(world: World) -> None:
    officer, chen = world.actor(cast.OFFICER), world.person(cast.CHEN)
    double = come(world, "chen-again", LEARNER, issuer="https://second.example")
    entrance = sessions.open_session(world.session, double, None, HOURS, world.now)
    merges.merge_persons(world.session, officer, double.uuid, chen.uuid, "同一个人", world.now)
    again = come(world, "chen-again", LEARNER, issuer="https://second.example")
    assert pk(again) == pk(chen)
    move = world.session.exec(select(IdentityMove)).one()
    assert (move.from_person_id, move.to_person_id, move.moved_by_id, move.reason) == (
        pk(double),
        pk(chen),
        officer.person_id,
        "同一个人",
    )
    ended = world.session.get(WebSession, pk(entrance.session_row))
    assert ended is not None
    assert ended.ended_at == world.now  # the merged one is signed out
    assert (
        world.session.exec(select(Enrolment).where(Enrolment.person_id == pk(double))).one()  # history stays
    )
    with pytest.raises(Refused, match=r"person\.merged_already"):
        merges.merge_persons(world.session, officer, double.uuid, chen.uuid, "", world.now)
    with pytest.raises(Refused, match=r"person\.merge_self"):
        merges.merge_persons(world.session, officer, chen.uuid, chen.uuid, "", world.now)


def test_only_an_officer_of_the_district_merges(world: World) -> None:
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    for who in (cast.LEAD, cast.TRAINER, cast.AUDITOR, cast.IT, cast.CHEN):
        with pytest.raises(Forbidden):
            merges.merge_persons(world.session, world.actor(who), chen.uuid, wang.uuid, "", world.now)
    with pytest.raises(NotFound):
        merges.merge_persons(world.session, world.actor(cast.NEIGHBOUR), chen.uuid, wang.uuid, "", world.now)
    assert not world.session.exec(select(IdentityMove)).all()


# --- roles: a launch gives at most a provisional trainer of that course ---


def test_an_instructor_is_a_provisional_trainer_of_that_course_alone(world: World) -> None:
    person = come(world, "t-1", INSTRUCTOR)
    (role,) = roles_of(world.session, person)
    assert (role.kind, role.is_provisional, role.course_id, role.org_unit_id) == (
        RoleKind.TRAINER,
        True,
        pk(world.course),
        None,
    )
    come(world, "t-1", INSTRUCTOR)
    assert len(roles_of(world.session, person)) == 1
    other = unbound(world)
    come(world, "t-1", INSTRUCTOR, course=other)
    assert {role.course_id for role in roles_of(world.session, person)} == {pk(world.course), pk(other)}


@given(
    claimed=st.sets(
        st.sampled_from(
            [
                LEARNER,
                INSTRUCTOR,
                ADMINISTRATOR,
                MEMBERSHIP + "Administrator",
                MEMBERSHIP + "Officer",
                MEMBERSHIP + "Manager",
                MEMBERSHIP + "Mentor",
                "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator",
                "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Instructor",
                "http://purl.imsglobal.org/vocab/lis/v2/membership/Instructor#GuestInstructor",
                "officer",
                "school_lead",
                "it",
            ]
        )
    )
)
@settings(max_examples=times(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_launch_makes_an_officer(world: World, claimed: set[str]) -> None:
    with world.session.begin_nested() as point:
        person = come(world, "any", *claimed)
        assert all(
            role.kind is RoleKind.TRAINER and role.is_provisional and role.course_id == pk(world.course)
            for role in roles_of(world.session, person)
        )
        actor = actor_of(world.session, person, pk(world.course))
        assert not actor.has(RoleKind.OFFICER, RoleKind.SCHOOL_LEAD, RoleKind.IT, RoleKind.AUDITOR)
        point.rollback()


def test_a_revoked_trainer_stays_revoked(world: World) -> None:
    person = come(world, "t-1", INSTRUCTOR)
    (role,) = roles_of(world.session, person)
    role.revoked_at = world.now
    world.session.flush()
    come(world, "t-1", INSTRUCTOR)
    assert len(roles_of(world.session, person)) == 1
    assert not actor_of(world.session, person, pk(world.course)).roles


def test_a_confirmed_trainer_whose_role_was_taken_gets_none_by_launch(world: World) -> None:
    trainer = world.person(cast.TRAINER)
    (role,) = roles_of(world.session, trainer)
    role.revoked_at = world.now
    world.session.flush()
    come(world, "sub-trainer", INSTRUCTOR, course=unbound(world))
    assert len(roles_of(world.session, trainer)) == 1


def test_learner_and_instructor_at_once(world: World) -> None:
    person = come(world, "both", LEARNER, INSTRUCTOR)
    assert [role.kind for role in roles_of(world.session, person)] == [RoleKind.TRAINER]
    assert world.session.exec(select(Enrolment).where(Enrolment.person_id == pk(person))).one()
    member = world.session.exec(select(CourseMember).where(CourseMember.person_id == pk(person))).one()
    assert (member.is_learner, member.is_instructor) == (True, True)


def test_an_administrator_alone_gets_nothing(world: World) -> None:
    person = come(world, "root", ADMINISTRATOR)
    assert not roles_of(world.session, person)
    assert not world.session.exec(select(Enrolment).where(Enrolment.person_id == pk(person))).all()


# --- courses ---


def test_a_learner_of_an_unknown_course_waits_and_one_notice_is_raised(world: World) -> None:
    for subject in ("w-1", "w-2", "w-1"):
        come(world, subject, LEARNER, context_id="new", context_title="全新课程")
    course = world.session.exec(select(Course).where(Course.context_id == "new")).one()
    assert course.waiting_since_at == world.now
    notice = world.session.exec(select(Notice)).one()
    assert (notice.kind, notice.key, notice.params) == ("course.waiting", course.uuid, {"course": "全新课程"})
    assert not world.session.exec(
        select(Enrolment).join(Person).where(Person.name == "", Person.tenant_id == pk(world.tenant))
    ).all()


def test_binding_enrols_those_who_waited(world: World) -> None:
    course = unbound(world)
    waiting = [come(world, subject, LEARNER, course=course) for subject in ("w-1", "w-2")]
    trainer = come(world, "t-1", INSTRUCTOR, course=course)
    actor = actor_of(world.session, trainer, pk(course))
    courses.bind_course(world.session, actor, course.uuid, world.programme.uuid, world.now)
    enrolled = world.session.exec(
        select(Enrolment.person_id).where(Enrolment.programme_id == pk(world.programme))
    ).all()
    assert {pk(person) for person in waiting} <= set(enrolled)
    assert pk(trainer) not in enrolled
    assert world.session.exec(select(Notice)).one().done_at == world.now
    courses.bind_course(world.session, actor, course.uuid, world.programme.uuid, world.now)  # twice is once
    late = come(world, "w-3", LEARNER, course=course)
    assert world.session.exec(select(Enrolment).where(Enrolment.person_id == pk(late))).one()
    assert world.session.exec(select(Notice)).one()  # nothing waits any more


def test_who_may_bind(world: World) -> None:
    course = unbound(world)
    learner = come(world, "w-1", LEARNER, course=course)
    elsewhere = come(world, "t-2", INSTRUCTOR, course=world.course)
    for person in (learner, elsewhere):
        actor = actor_of(world.session, person, pk(course))
        with pytest.raises(Forbidden):
            courses.bind_course(world.session, actor, course.uuid, world.programme.uuid, world.now)
    with pytest.raises(NotFound):
        courses.bind_course(world.session, world.actor(cast.NEIGHBOUR), course.uuid, world.programme.uuid, world.now)
    courses.bind_course(world.session, world.actor(cast.OFFICER), course.uuid, world.programme.uuid, world.now)
    assert course.programme_id == pk(world.programme)


def test_what_a_launch_does_not_offer_is_kept(world: World) -> None:
    before = world.course.lineitems_url
    come(world, "x", LEARNER)
    assert world.course.lineitems_url == before
    come(world, "x", LEARNER, lineitems_url="https://lms.example/new", lineitem_url="https://lms.example/own")
    assert (world.course.lineitems_url, world.course.lineitem_url) == (
        "https://lms.example/new",
        "https://lms.example/own",
    )


def test_points_earned_elsewhere_are_sent_to_a_new_course(world: World) -> None:
    course, chen = unbound(world), world.person(cast.CHEN)
    course.programme_id = pk(world.programme)
    come(world, "sub-zhao", LEARNER, course=course)
    assert not world.session.exec(select(outbox.Job)).all()  # nothing earned, nothing to send
    earn(world, cast.CHEN, "A3")
    come(world, "sub-chen", INSTRUCTOR, course=course)
    come(world, "sub-chen", LEARNER, course=course)
    jobs = world.session.exec(select(outbox.Job)).all()
    assert {job.kind for job in jobs} == {"score"}
    assert [job.ids for job in jobs if job.ids["course_id"] == pk(course)] == [
        {"course_id": pk(course), "person_id": pk(chen)}
    ]


def test_scores_go_to_every_course_from_which_the_learner_launched(world: World) -> None:
    """A programme runs in three courses: who came as a learner from two of them is scored in these two; the third one,
    where they never were, hears nothing."""
    chen, (second, third) = world.person(cast.CHEN), (unbound(world, "second"), unbound(world, "third"))
    for course in (second, third):
        course.programme_id = pk(world.programme)
    come(world, "sub-chen", LEARNER, course=second)
    come(world, "sub-chen", LEARNER)
    come(world, "sub-zhao", LEARNER, course=third)
    earn(world, cast.CHEN, "A3")
    scores = {(job.ids["course_id"], job.ids["person_id"]) for job in world.session.exec(select(outbox.Job)).all()}
    assert scores == {(pk(world.course), pk(chen)), (pk(second), pk(chen))}


# --- language and text size ---


def test_language_and_size_stick_whatever_launches_say(world: World) -> None:
    person = come(world, "x", LEARNER, locale="en")
    actor = actor_of(world.session, person)
    enter.choose_locale(world.session, actor, "zh-Hans", world.now)
    enter.choose_text_size(world.session, actor, "larger", world.now)
    come(world, "x", LEARNER, locale="en")
    assert (person.locale, person.text_size) == ("zh-Hans", "larger")
    for wrong in ("fr", "", "zh"):
        with pytest.raises(NotFound):
            enter.choose_locale(world.session, actor, wrong, world.now)
    with pytest.raises(NotFound):
        enter.choose_text_size(world.session, actor, "huge", world.now)


def test_a_locale_we_do_not_speak_is_left_to_the_browser(world: World) -> None:
    entrance = enter.enter(world.session, launch_of(world, "x", LEARNER, locale="pt-BR"), HOURS, world.now)
    assert entrance.session_row.locale == ""


@pytest.mark.parametrize(("said", "page"), [("en-US", "en"), ("en", "en"), ("zh-Hant", "zh-Hans"), ("eno", "")])
def test_a_locale_of_another_country_is_its_language(world: World, said: str, page: str) -> None:
    entrance = enter.enter(world.session, launch_of(world, "x", LEARNER, locale=said), HOURS, world.now)
    assert entrance.session_row.locale == page


def test_a_course_speaks_as_its_instructors_do(world: World) -> None:
    said = []
    for locale, role in (
        ("", LEARNER),
        ("zh-Hans", LEARNER),
        ("en-GB", LEARNER),
        ("en-GB", INSTRUCTOR),
        ("", INSTRUCTOR),
    ):
        for _again in range(2):  # the second time is the usual launch
            come(world, "x" + role[-3:], role, locale=locale)
            world.session.refresh(world.course)
            said.append(world.course.locale)
    assert said[::2] == said[1::2] == ["", "zh-Hans", "zh-Hans", "en", "en"]


def test_another_district_is_another_world(world: World) -> None:
    """The neighbour's officer is nobody here, also where issuer and sub are the same."""
    neighbour = world.person(cast.NEIGHBOUR)
    here = come(world, "sub-neighbour", LEARNER)
    assert pk(here) != pk(neighbour)
    assert here.tenant_id == pk(world.tenant)
    identities = world.session.exec(select(Identity).where(Identity.subject == "sub-neighbour")).all()
    assert len({row.tenant_id for row in identities}) == 2
    add_person(world.session, world.tenant, world.county, cast.Cast("x", "某人", "", "Z9"), world.now)
    grant(world.session, here, RoleKind.AUDITOR, world.county, world.now)
    assert actor_of(world.session, here).tenant_id == pk(world.tenant)


def test_work_of_a_merged_row_is_own_work(world: World) -> None:
    """Nobody decides on their own work, whichever of their two rows handed it in; merges of merges stay flat."""
    officer, trainer = world.actor(cast.OFFICER), world.person(cast.TRAINER)
    first = come(world, "t-1", LEARNER, issuer="https://second.example")
    second = come(world, "t-2", LEARNER, issuer="https://second.example")
    merges.merge_persons(world.session, officer, first.uuid, second.uuid, "", world.now)
    merges.merge_persons(world.session, officer, second.uuid, trainer.uuid, "", world.now)
    actor = world.actor(cast.TRAINER)
    assert set(actor.absorbed_ids) == {pk(first), pk(second)}
    assert first.merged_into_id == pk(trainer)
    for owner in (pk(first), pk(second), pk(trainer)):
        scope = Scope(pk(world.tenant), owner_id=owner, unit_paths=(world.county.path,))
        assert not can(actor, Permission.CASE_DECIDE, scope)
    assert can(actor, Permission.CASE_DECIDE, Scope(pk(world.tenant), owner_id=pk(world.person(cast.CHEN))))
