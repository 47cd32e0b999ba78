"""What hosts list: kept as a hint with its history, whole or not at all, and without any effect on who takes part."""

from dataclasses import MISSING, fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

import competencies
import lti
import rubrics
from lms_plugin import outbox
from lms_plugin.db import pk
from lms_plugin.errors import Unavailable
from lms_plugin.flow import enter, host_list, review
from lms_plugin.people import CourseMember, HostList, ListedGroup, ListedMember, Person
from tests import people as cast
from tests.factories import World, course_of, member_row
from tests.flow.handed_in import hand_in
from tests.fuzzing import times
from tests.web.launching import row_counts, written

DAY = timedelta(days=1)
LEARNER = "http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"


def member(subject: str, name: str = "", role: str = "Learner", status: str = "Active") -> lti.Member:
    return lti.Member(subject, name, "", "", frozenset({role}), status)


def keep(world: World, *members: lti.Member, days: int = 0, is_whole: bool = True) -> None:
    roster = lti.Roster(list(members), "")
    host_list.keep(world.session, pk(world.course), roster, world.now + days * DAY, is_whole=is_whole)


def rows(session: Session) -> dict[str, ListedMember]:
    return {row.subject: row for row in session.exec(select(ListedMember).order_by(col(ListedMember.id)))}


def test_a_list_makes_nobody_and_counts_nobody(world: World) -> None:
    before = row_counts(world.session)
    keep(world, member("sub-chen", "陈小方"), member("n1", "没来过的人"), member("n2", role="Instructor"))
    assert written(before, row_counts(world.session)) == {"host_list": 1, "listed_member": 3}
    assert world.persons["chen"].name == "陈晓芳"  # a confirmed name stays, whatever the host writes
    found = rows(world.session)
    assert [(row.name, row.is_learner, row.is_instructor) for row in found.values()] == [
        ("陈小方", True, False),
        ("没来过的人", True, False),
        ("", False, True),
    ]


def test_a_list_may_give_names_in_parts(world: World) -> None:
    keep(world, replace(member("n1"), given_name="秀兰", family_name="王"))
    assert rows(world.session)["n1"].name == "王秀兰"


def test_who_is_missing_stays_with_the_day_since_when(world: World) -> None:
    now = world.now
    keep(world, member("a"), member("b", status="Inactive"))
    keep(world, member("a", "甲", role=LEARNER), days=1)
    found = rows(world.session)
    assert (found["b"].absent_since_at, found["b"].last_seen_at, found["b"].is_active) == (now + DAY, now, False)
    assert (found["a"].first_seen_at, found["a"].last_seen_at, found["a"].name) == (now, now + DAY, "甲")
    keep(world, member("b"), days=2, is_whole=False)  # came back, and nobody else is said to have gone
    found = rows(world.session)
    assert (found["b"].absent_since_at, found["b"].first_seen_at, found["b"].is_active) == (None, now, True)
    assert found["a"].absent_since_at is None
    keep(world, member("a", status="Deleted"), member("x", status="Deleted"), days=3, is_whole=False)
    found = rows(world.session)
    assert found["a"].absent_since_at == now + 3 * DAY
    assert set(found) == {"a", "b"}


def test_an_empty_list_takes_nobody_off(world: World) -> None:
    keep(world)
    keep(world, member("a"))
    with pytest.raises(Unavailable, match=r"nrps\.emptied"):
        keep(world, days=1)
    assert rows(world.session)["a"].absent_since_at is None
    keep(world, days=1, is_whole=False)  # nothing has changed: no loss
    assert rows(world.session)["a"].last_seen_at == world.now + DAY


def test_who_can_come_no_more_gets_no_new_work(world: World) -> None:
    """By every account, and until they come again; what hosts do not say of somebody keeps nobody out."""
    session, programme = world.session, pk(world.programme)
    chen, wang = pk(world.persons["chen"]), pk(world.persons["wang"])
    keep(world, member("sub-chen"), member("sub-wang"), days=1)
    assert left(world) == set()
    keep(world, member("sub-wang", status="Inactive"), days=2)  # 陈晓芳 is gone, 王秀兰 suspended, others never listed
    assert left(world) == {chen, wang}
    row = session.exec(select(CourseMember).where(CourseMember.person_id == wang)).one()
    row.launched_at = world.now + 3 * DAY  # the host let them in all the same
    session.add(row)
    assert left(world) == {chen}
    other = course_of(session, world.tenant, "course-2", world.now)
    other.programme_id = programme
    session.add_all([other, member_row(pk(other), chen, world.now)])
    session.flush()
    assert left(world) == set()


def left(world: World) -> set[int | None]:
    who = select(Person.id).where(host_list.has_left(Person, pk(world.programme)))
    return set(world.session.exec(who))


def test_the_allotment_passes_over_who_left(world: World) -> None:
    works = [hand_in(world, who, "A3", world.now - 2 * timedelta(hours=1)) for who in cast.TEACHERS]
    keep(world, member("sub-chen"), days=-2)
    keep(world, member("n1"), days=-1)
    chen = pk(world.persons["chen"])
    came = row_of(world, chen)
    came.launched_at = world.now - 5 * DAY
    world.session.add(came)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    reviews = world.session.exec(select(rubrics.Review).order_by(col(rubrics.Review.id))).all()
    assert reviews
    assert chen not in {one.reviewer_id for one in reviews}
    assert pk(works[0]) in {one.submission_id for one in reviews}  # their own work is reviewed as ever


def row_of(world: World, person_id: int) -> CourseMember:
    return world.session.exec(select(CourseMember).where(CourseMember.person_id == person_id)).one()


def test_groups_that_are_gone_stay(world: World) -> None:
    course = pk(world.course)
    host_list.keep_groups(world.session, course, [lti.Group("1", "一组", "互评组"), lti.Group("2", "二组")], world.now)
    host_list.keep_groups(world.session, course, [lti.Group("2", "第二组")], world.now + DAY)
    found = world.session.exec(select(ListedGroup).order_by(col(ListedGroup.key))).all()
    assert [(one.key, one.name, one.set_name, one.absent_since_at) for one in found] == [
        ("1", "一组", "互评组", world.now + DAY),
        ("2", "第二组", "", None),
    ]


def jobs(world: World) -> list[str]:
    wanted = select(outbox.Job.key).where(outbox.Job.kind == outbox.MEMBERS).order_by(col(outbox.Job.id))
    return list(world.session.exec(wanted).all())


def test_lists_are_read_daily_where_people_still_come(world: World) -> None:
    assert host_list.ask_due(world.session, world.now) == 0  # the host offers none
    world.course.memberships_url = "https://lms.example/members"
    world.session.add(world.course)
    assert host_list.ask_due(world.session, world.now) == 1
    assert jobs(world) == [str(pk(world.course))]
    row = HostList(course_id=pk(world.course), tried_at=world.now)
    world.session.add(row)
    assert host_list.ask_due(world.session, world.now + timedelta(hours=23)) == 0
    assert host_list.ask_due(world.session, world.now + timedelta(hours=25)) == 1
    assert host_list.ask_due(world.session, world.now + timedelta(days=61)) == 0
    platform = world.session.exec(select(lti.Platform)).one()
    platform.is_disabled = True
    world.session.add(platform)
    assert host_list.ask_due(world.session, world.now + timedelta(hours=25)) == 0


def launch(world: World, **values: Any) -> lti.Launch:
    platform = world.session.exec(select(lti.Platform)).one()
    given: dict[str, Any] = {one.name: "" for one in fields(lti.Launch) if one.default is MISSING}
    given.pop("custom")
    given |= {
        "tenant_id": platform.tenant_id,
        "platform_id": pk(platform),
        "deployment_id": world.course.deployment_id,
        "login_state_id": 0,
        "binding": "cookie",
        "issuer": platform.issuer,
        "subject": "sub-chen",
        "message_type": "LtiResourceLinkRequest",
        "roles": frozenset({LEARNER}),
        "context_id": world.course.context_id,
        "ags_scopes": (),
    }
    return lti.Launch(**{**given, **values})


def test_the_first_launch_that_offers_the_list_asks_for_it(world: World) -> None:
    session, lifetime = world.session, timedelta(hours=1)
    enter.enter(session, launch(world), lifetime, world.now)
    assert jobs(world) == []
    offered = {"memberships_url": "https://lms.example/m", "groups_url": "https://lms.example/g", "name": "陈晓芳"}
    enter.enter(session, launch(world, **offered), lifetime, world.now)
    assert jobs(world) == [str(pk(world.course))]
    assert world.course.groups_url == "https://lms.example/g"
    asked = session.exec(select(outbox.Job).where(outbox.Job.kind == outbox.MEMBERS)).one()
    asked.run_at = world.now + DAY  # later, to see that it is not asked for again
    session.add(asked)
    enter.enter(session, launch(world, **offered), lifetime, world.now)
    session.refresh(asked)
    assert asked.run_at == world.now + DAY
    person = pk(world.persons["chen"])
    row = session.exec(select(CourseMember).where(CourseMember.person_id == person)).one()
    assert row.has_name is True
    enter.enter(session, launch(world, **{**offered, "name": ""}), lifetime, world.now)  # the host stops sharing it
    session.refresh(row)
    assert row.has_name is False


PEOPLE = st.sampled_from(["1", "2", "3", "4"])
STATUS = st.sampled_from(["Active", "Active", "Inactive", "Deleted"])
ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(["whole", "whole", "changes", "error"]),
        st.dictionaries(PEOPLE, st.tuples(STATUS, st.sampled_from(["", "甲", "乙"]))),
    ),
    max_size=7,
)


@settings(max_examples=times(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=ANSWERS)
def test_history_outlives_every_sequence_of_answers(world: World, answers: list[Any]) -> None:
    """Whatever hosts answer, in whatever order: whoever was listed once has a row for ever, with the day of the first
    time; who is on the list now is what the answers say; an error changes no row."""
    session, now = world.session, world.now
    here: dict[str, datetime] = {}  # listed now → since when we know them
    first: dict[str, datetime] = {}
    point = session.begin_nested()
    for day, (kind, listed) in enumerate(answers):
        at = now + day * DAY
        members = [member(key, name, status=status) for key, (status, name) in listed.items()]
        before = {key: row.model_dump() for key, row in rows(session).items()}
        fails = kind == "error" or (kind == "whole" and not members and here)
        if kind != "error":
            try:
                keep(world, *members, days=day, is_whole=kind == "whole")
                assert not fails
            except Unavailable:
                assert fails
        found = rows(session)
        if fails:
            assert {key: row.model_dump() for key, row in found.items()} == before
            continue
        if kind == "whole":
            here = {key: since for key, since in here.items() if key in listed}
        for key, (status, _name) in listed.items():
            if status == "Deleted":
                here.pop(key, None)
            else:
                first.setdefault(key, at)
                here[key] = at
        assert set(found) == set(first)
        assert {key for key, row in found.items() if row.absent_since_at is None} == set(here)
        for key, row in found.items():
            assert row.first_seen_at == first[key] <= row.last_seen_at <= at
            assert row.absent_since_at is None or row.last_seen_at <= row.absent_since_at
            assert row.last_seen_at == at or key not in here
    point.rollback()


# --- names: no more than needed, no longer than needed ---


def names(world: World) -> dict[str, str]:
    world.session.expire_all()
    return {key: row.name for key, row in rows(world.session).items()}


def test_who_is_listed_no_more_is_kept_without_name(world: World) -> None:
    """Whether they ever came or not; who comes back is named again, and what people of ours are called stays."""
    keep(world, member("sub-chen", "陈小芳"), member("n1", "没来过"), member("n2", "也没来"))
    keep(world, member("n2", "也没来"), member("n1", "没来过", status="Deleted"), days=1)
    assert names(world) == {"sub-chen": "", "n1": "", "n2": "也没来"}
    assert world.persons["chen"].name == "陈晓芳"
    keep(world, member("n1", "没来过"), member("n2", "也没来"), days=2)
    assert names(world) == {"sub-chen": "", "n1": "没来过", "n2": "也没来"}


def test_names_of_a_list_that_is_read_no_more_go(world: World) -> None:
    keep(world, member("n1", "没来过"), member("sub-chen", "陈小芳"))
    assert host_list.forget_names(world.session, world.now + 30 * DAY) == 0
    assert host_list.forget_names(world.session, world.now + 30 * DAY + timedelta(seconds=1)) == 2
    assert names(world) == {"n1": "", "sub-chen": ""}
    assert {row.is_learner for row in rows(world.session).values()} == {True}  # the rest is history


@pytest.mark.parametrize("how", ["closed", "its last day"])
def test_names_go_with_the_end_of_the_programme_and_none_comes_after(world: World, how: str) -> None:
    now = world.now
    other = course_of(world.session, world.tenant, "course-2", now)  # runs no programme yet: still being set up
    host_list.keep(world.session, pk(other), lti.Roster([member("n9", "别的课")], ""), now, is_whole=True)
    world.course.memberships_url = "https://lms.example/members"
    keep(world, member("n1", "没来过"))
    assert host_list.forget_names(world.session, now) == 0
    if how == "closed":
        world.programme.state = competencies.ProgrammeState.CLOSED
    else:
        world.programme.closes_on = now.date() - timedelta(days=2)
    world.session.add_all([world.programme, world.course])
    world.session.flush()
    assert host_list.forget_names(world.session, now) == 1
    assert names(world) == {"n1": "", "n9": "别的课"}
    keep(world, member("n1", "没来过"), member("n2", "又一个"), days=1)  # somebody pressed the button
    assert names(world) == {"n1": "", "n2": "", "n9": "别的课"}
    assert host_list.ask_due(world.session, now + 3 * DAY) == 0  # and nobody else asks for it
