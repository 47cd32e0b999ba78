"""课程检查 and the people of a course: told from what arrived, seen by whom it concerns, nobody counted by a hint."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

import competencies
import lti
from lms_plugin import outbox
from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import course_check, course_people, courses, host_list, passport, submit_views
from lms_plugin.people import Course, CourseMember, HostList, Role, RoleKind
from tests import people as cast
from tests.factories import World, actor_of, course_of, grant, member_row, programme_of
from tests.flow.earned import earn
from tests.gradebooks import column, score
from tests.rosters import put_on_roster

HOUR = timedelta(hours=1)


def listed(subject: str, name: str = "", role: str = "Learner", status: str = "Active") -> lti.Member:
    return lti.Member(subject, name, "", "", frozenset({role}), status)


def keep(world: World, *members: lti.Member) -> None:
    world.course.memberships_url = "https://lms.example/m"
    world.session.add(world.course)
    host_list.keep(world.session, pk(world.course), lti.Roster(list(members), ""), world.now, is_whole=True)


def facts(world: World, who: cast.Cast = cast.TRAINER) -> course_check.Facts:
    return course_check.check(world.session, world.actor(who), world.course.uuid)


def member_of(world: World, who: cast.Cast, **values: Any) -> CourseMember:
    row = world.session.exec(
        select(CourseMember).where(
            CourseMember.course_id == pk(world.course), CourseMember.person_id == pk(world.person(who))
        )
    ).one()
    for name, value in values.items():
        setattr(row, name, value)
    world.session.add(row)
    world.session.flush()
    return row


def choose(world: World, who: cast.Cast, code: str = "A3") -> None:
    world.session.add(
        competencies.Selection(
            programme_id=pk(world.programme),
            person_id=pk(world.person(who)),
            point_id=pk(world.point(code)),
            chosen_at=world.now,
        )
    )
    world.session.flush()


def test_every_line_follows_from_what_arrived(world: World) -> None:
    before = facts(world)
    assert (before.learners, before.instructors, before.named, before.unnamed) == (6, 0, 0, 0)
    assert (before.takes_scores, before.makes_columns, before.offers_list) == (True, True, False)
    assert before.lacks == ("members",)
    member_of(world, cast.CHEN, has_name=True)
    member_of(world, cast.WANG, has_name=False)
    keep(
        world,
        listed("sub-chen", "陈晓芳"),
        listed("n1"),
        listed("n2", role="Instructor"),
        listed("n3", status="Inactive"),
    )
    found = facts(world)
    assert (found.named, found.unnamed, found.listed_named) == (1, 1, 1)
    assert (found.listed_learners, found.listed_instructors, found.absent) == (2, 1, 1)
    assert (found.read_at, found.error, found.lacks) == (world.now, "", ())
    kept = world.session.exec(select(HostList)).one()
    kept.error, world.course.ags_scopes = "ags.refused", []
    world.session.add_all([kept, world.course])
    platform = world.session.exec(select(lti.Platform)).one()
    platform.is_disabled = True
    world.session.add(platform)
    for who in cast.TEACHERS:
        member_of(world, who, has_name=False, is_learner=False, is_instructor=True)
    assert facts(world).lacks == ("active", "students", "names", "grades", "members")


def test_points_without_the_students_role_are_told(world: World) -> None:
    """On the check, on the course's people, on the person's own home and record, until a score has arrived."""
    session, programme = world.session, world.programme
    choose(world, cast.LI)
    me = world.actor(cast.LI)
    assert submit_views.home(session, me, programme.uuid, world.now).as_instructor == ()
    member_of(world, cast.LI, is_learner=False, is_instructor=True)
    member_of(world, cast.WANG, is_learner=False, is_instructor=True)  # a trainer: chose nothing, is told nothing
    assert (facts(world).wrong_side, facts(world).lacks[-1]) == (1, "wrong_side")
    page = course_people.page(session, world.actor(cast.TRAINER), world.course.uuid, "wrong_side", 1, world.now)
    assert [line.name for line in page.lines] == ["李建国"]
    assert submit_views.home(session, me, programme.uuid, world.now).as_instructor == ("信息技术应用能力提升",)
    assert passport.record(session, me, programme.uuid, None, world.now).as_instructor == ("信息技术应用能力提升",)
    wang = world.actor(cast.WANG)
    assert submit_views.home(session, wang, programme.uuid, world.now).as_instructor == ()
    other = course_of(session, world.tenant, "course-2", world.now)
    other.programme_id = pk(programme)
    session.add_all(
        [
            other,
            member_row(pk(other), pk(world.person(cast.LI)), world.now, "sub-li"),
        ]
    )
    session.flush()
    assert submit_views.home(session, me, programme.uuid, world.now).as_instructor == ()
    assert facts(world).wrong_side == 0  # a learner in another course of it: the score goes there


def test_a_score_that_arrived_ends_the_notice(world: World) -> None:
    """Moodle sends a teacher who is a student too as a teacher, and grades them all the same."""
    earn(world, cast.LI, "A3")
    member_of(world, cast.LI, is_learner=False, is_instructor=True)
    assert facts(world).wrong_side == 1
    sent = score(world, column(world), world.person(cast.LI), lti.DeliveryState.NOT_A_LEARNER)
    assert facts(world).wrong_side == 1
    assert passport.record(world.session, world.actor(cast.LI), world.programme.uuid, None, world.now).as_instructor
    sent.state = lti.DeliveryState.DELIVERED
    world.session.add(sent)
    assert (facts(world).wrong_side, facts(world).arrived) == (0, 1)
    page = course_people.page(world.session, world.actor(cast.TRAINER), world.course.uuid, "all", 1, world.now)
    assert not any(line.may_not_be_graded for line in page.lines)
    assert not passport.record(world.session, world.actor(cast.LI), world.programme.uuid, None, world.now).as_instructor


def test_the_check_counts_whom_its_link_shows(world: World) -> None:
    """Those who come as teachers, and those whom the host refused though they come as students."""
    item = column(world)
    earn(world, cast.LI, "A3")
    member_of(world, cast.LI, is_learner=False, is_instructor=True)
    score(world, item, world.person(cast.CHEN), lti.DeliveryState.NOT_A_LEARNER)
    score(world, item, world.person(cast.WANG), lti.DeliveryState.FAILED)
    page = course_people.page(world.session, world.actor(cast.TRAINER), world.course.uuid, "wrong_side", 1, world.now)
    assert {line.name for line in page.lines} == {cast.LI.name, cast.CHEN.name}
    assert facts(world).wrong_side == page.counts["wrong_side"] == 2
    before = programme_of(world.session, world.tenant, world.county, world.framework, "上一期", world.now)
    item.programme_id = pk(before)  # an earlier one's column: what was refused there is over
    world.session.add(item)
    page = course_people.page(world.session, world.actor(cast.TRAINER), world.course.uuid, "wrong_side", 1, world.now)
    assert {line.name for line in page.lines} == {cast.LI.name}
    assert facts(world).wrong_side == page.counts["wrong_side"] == 1


def test_scores_that_were_given_up_are_a_cross_and_those_on_their_way_none(world: World) -> None:
    item, states = column(world), lti.DeliveryState
    for who, state in ((cast.LI, states.FAILED), (cast.CHEN, states.RETRYING), (cast.WANG, states.WAITING)):
        score(world, item, world.person(who), state)
    found = facts(world)
    assert (found.failed, found.waiting, found.lacks) == (1, 2, ("stuck", "members"))
    other = course_of(world.session, world.tenant, "course-2", world.now)
    item.course_id = pk(other)  # the column of a programme that the course does not run
    world.session.add(item)
    rows, _total = course_check.listing(world.session, world.actor(cast.IT), 1)
    assert {(row.failed, row.waiting) for row in rows} == {(0, 0)}


def test_the_people_of_a_course_side_by_side(world: World) -> None:
    choose(world, cast.CHEN)
    put_on_roster(world, cast.WANG)
    keep(world, listed("sub-chen", "陈小方"), listed("n1", "没来过"), listed("n2"), listed("old", "走了"))
    keep(world, listed("sub-chen", "陈小方"), listed("n1", "没来过"), listed("n2"))
    actor = world.actor(cast.OFFICER)
    page = course_people.page(world.session, actor, world.course.uuid, "no such", 1, world.now)
    assert page.state == "all"
    assert page.counts == {"all": 9, "not_come": 2, "not_chosen": 5, "wrong_side": 0, "gone": 1, "unlisted": 5}
    lines = {line.name: line for line in page.lines}
    chen = lines["陈晓芳"]  # the confirmed name, the host's beside it
    assert (chen.host_name, chen.listed, chen.has_points, chen.is_on_roster) == ("陈小方", "here", True, False)
    wang = lines["王秀兰"]
    assert (wang.listed, wang.has_points, wang.is_on_roster, wang.as_learner) == ("", False, True, True)
    assert "走了" not in lines  # listed no more: no name either
    (gone,) = (line for line in page.lines if line.listed == "gone")
    assert (gone.name, gone.gone_at) == ("", world.now)
    for nameless in page.lines[-2:]:
        assert (nameless.name, len(nameless.code), nameless.person_uuid) == ("", 6, "")
    narrowed = course_people.page(world.session, actor, world.course.uuid, "not_come", 1, world.now)
    assert [line.name for line in narrowed.lines] == ["没来过", ""]
    assert course_people.page(world.session, actor, world.course.uuid, "all", 2, world.now).lines == ()


def test_a_merged_person_has_the_points_of_all_rows(world: World) -> None:
    choose(world, cast.CHEN)
    twin = world.person(cast.WANG)
    twin.merged_into_id = pk(world.person(cast.CHEN))
    world.session.add(twin)
    page = course_people.page(world.session, world.actor(cast.TRAINER), world.course.uuid, "all", 1, world.now)
    assert [(line.name, line.has_points) for line in page.lines if line.has_points] == [("陈晓芳", True)] * 2


def test_who_may_look(world: World) -> None:
    session, uuid = world.session, world.course.uuid
    assert facts(world, cast.TRAINER).may_see_people
    assert facts(world, cast.OFFICER).may_see_people
    assert not facts(world, cast.IT).may_see_people
    for who in (cast.IT, cast.CHEN, cast.LEAD, cast.AUDITOR):
        with pytest.raises(Forbidden):
            course_people.page(session, world.actor(who), uuid, "all", 1, world.now)
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR):
        with pytest.raises(Forbidden):
            course_check.check(session, world.actor(who), uuid)
        with pytest.raises(Forbidden):
            course_check.listing(session, world.actor(who), 1)
        with pytest.raises(Forbidden):
            course_people.ask(session, world.actor(who), uuid, world.now)
    for act in (course_check.check, lambda *given: course_people.page(*given, "all", 1, world.now)):
        with pytest.raises(NotFound):
            act(session, world.actor(cast.NEIGHBOUR), uuid)


def of_school(world: World, kind: RoleKind, school: str) -> Actor:
    """Somebody whose role reaches one school alone."""
    person = world.person(cast.LEAD)
    for role in world.session.exec(select(Role).where(Role.person_id == pk(person))):
        role.revoked_at = world.now
        world.session.add(role)
    grant(world.session, person, kind, world.schools[school], world.now)
    return actor_of(world.session, person)


@pytest.mark.parametrize("kind", [RoleKind.TRAINER, RoleKind.OFFICER])
def test_a_role_of_one_school_does_not_open_the_course_of_several(world: World, kind: RoleKind) -> None:
    actor = of_school(world, kind, "希望小学")
    with pytest.raises(Forbidden):
        course_check.check(world.session, actor, world.course.uuid)
    assert course_check.listing(world.session, actor, 1) == ([], 0)
    for who in (cast.ZHAO, cast.SUN, cast.ZHOU):  # now all who came are of that school
        world.session.delete(member_of(world, who))
    world.session.flush()
    assert course_check.check(world.session, actor, world.course.uuid).may_see_people
    if kind is RoleKind.TRAINER:
        world.session.add(member_row(pk(world.course), actor.person_id, world.now, "t", learner=False))
        world.session.flush()
        assert [row.uuid for row in course_check.listing(world.session, actor, 1)[0]] == [world.course.uuid]


def test_the_list_of_courses(world: World) -> None:
    second = course_of(world.session, world.tenant, "course-2", world.now + HOUR)
    rows, total = course_check.listing(world.session, world.actor(cast.IT), 1)
    assert ([row.uuid for row in rows], total) == ([second.uuid, world.course.uuid], 2)
    assert rows[0].lacks == ("programme", "students")  # nobody has come: what the host offers is not known
    assert course_check.listing(world.session, world.actor(cast.IT), 2) == ([], 2)
    assert course_check.listing(world.session, world.actor(cast.NEIGHBOUR), 1) == ([], 0)
    person = world.person(cast.ZHOU)
    role = Role(
        tenant_id=pk(world.tenant),
        person_id=pk(person),
        kind=RoleKind.TRAINER,
        course_id=pk(second),
        is_provisional=True,
        granted_at=world.now,
    )
    world.session.add(role)
    world.session.flush()
    rows, _total = course_check.listing(world.session, actor_of(world.session, person), 1)
    assert [row.uuid for row in rows] == [second.uuid]


def test_asking_for_the_list_is_one_job(world: World) -> None:
    def jobs() -> list[Any]:
        wanted = select(outbox.Job).where(outbox.Job.kind == outbox.MEMBERS).order_by(col(outbox.Job.id))
        return list(world.session.exec(wanted).all())

    course_people.ask(world.session, world.actor(cast.IT), world.course.uuid, world.now)
    assert jobs() == []  # the host offers none
    keep(world, listed("a"))
    for _ in range(2):
        course_people.ask(world.session, world.actor(cast.IT), world.course.uuid, world.now)
    assert len(jobs()) == 1
    page = course_people.page(world.session, world.actor(cast.TRAINER), world.course.uuid, "all", 1, world.now)
    assert page.is_asked


def test_the_smallest_unit_of_all() -> None:
    assert courses._common({"/1/4/9/", "/1/4/", "/1/4/7/"}) == "/1/4/"
    assert courses._common({"/1/4/", "/1/5/"}) == "/1/"
    assert courses._common({"/1/"}) == "/1/"
    assert courses._common(set()) == ""
    assert courses._common({"/1/", "/2/"}) == ""


def test_the_course_of_the_world_is_whole(world: World) -> None:
    course = world.session.exec(select(Course)).one()
    scope = courses.whole_scope(world.session, world.actor(cast.OFFICER), course)
    assert scope.unit_paths == (world.county.path,)
