"""按课程小组分配互评: what hosts' groups do to an allotment, what they never do, and what is told of it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

import competencies
import lti
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import course_people, host_list, review, review_pool, review_views
from lms_plugin.people import Course, HostList
from tests import people as cast
from tests.factories import World, course_of, member_row
from tests.flow.handed_in import cast_of, hand_in
from tests.fuzzing import times

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIXED: Mapping[str, tuple[str, ...]] = {  # two groups across both schools
    **dict.fromkeys(("chen", "zhao", "sun"), ("1",)),
    **dict.fromkeys(("wang", "li", "zhou"), ("2",)),
}
UNEVEN: Mapping[str, tuple[str, ...]] = {  # a small one, a larger one, and somebody in none
    **dict.fromkeys(("chen", "wang"), ("1",)),
    **dict.fromkeys(("li", "zhao", "sun"), ("2",)),
    "zhou": (),
}


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    """Six teachers of two schools, one work each, handed in two hours ago; anybody of the county may review."""
    world.set_rules(review={"pool": "district"})
    return {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}


def host_says(world: World, groups: Mapping[str, tuple[str, ...]], days: int = 0, course: Course | None = None) -> None:
    """The host offers groups, and its list says who is in which."""
    course, at = course or world.course, world.now + days * DAY
    course.memberships_url, course.groups_url = "https://lms.example/m", "https://lms.example/g"
    world.session.add(course)
    members = [
        lti.Member(f"sub-{key}", "", "", "", frozenset({"Learner"}), groups=found) for key, found in groups.items()
    ]
    host_list.keep(world.session, pk(course), lti.Roster(members, ""), at, is_whole=True)
    keys = sorted({key for found in groups.values() for key in found})
    host_list.keep_groups(world.session, pk(course), [lti.Group(key, f"第{key}组") for key in keys], at)


def allot(world: World, rule: str, seed: int = 7, **more: Any) -> rubrics.Allocation:
    world.set_rules(review={"pool": "district", "course_groups": rule, **more})
    return review.allocate(world.session, world.actor(cast.OFFICER), world.programme, seed, world.now)


def pairs(world: World) -> set[tuple[str, str]]:
    """Author and reviewer of every live review."""
    rows = world.session.exec(
        select(competencies.Submission.person_id, rubrics.Review.reviewer_id)
        .join(rubrics.Review, col(rubrics.Review.submission_id) == col(competencies.Submission.id))
        .where(col(rubrics.Review.state).in_(rubrics.LIVE))
    ).all()
    return {(cast_of(world, author).key, cast_of(world, reviewer).key) for author, reviewer in rows}


def crossing(world: World, groups: Mapping[str, tuple[str, ...]]) -> set[tuple[str, str]]:
    return {(a, r) for a, r in pairs(world) if not set(groups.get(a, ())) & set(groups.get(r, ()))}


def page(world: World) -> review_views.AllocationPage:
    return review_views.allocation_page(world.session, world.actor(cast.OFFICER), world.programme, world.now)


def figures(world: World) -> review_pool.GroupFigures:
    found = page(world).groups
    assert found is not None
    return found


def test_off_by_default_groups_change_nothing(world: World, works: dict[str, competencies.Submission]) -> None:
    assert competencies.Rules().review.course_groups == "off"
    point = world.session.begin_nested()
    allot(world, "off")
    without = pairs(world)
    point.rollback()
    world.session.expire_all()
    host_says(world, MIXED)
    allot(world, "off")
    assert pairs(world) == without
    assert crossing(world, MIXED)
    assert page(world).groups is None


@pytest.mark.parametrize("rule", ["first", "only"])
def test_groups_that_suffice_review_among_themselves(
    world: World, works: dict[str, competencies.Submission], rule: str
) -> None:
    host_says(world, MIXED)
    made = allot(world, rule)
    assert (made.assigned, made.shortages) == (12, [])
    assert crossing(world, MIXED) == set()
    found = figures(world)
    assert (found.of_groups, found.helped, found.loose, found.unbound) == (6, 0, 0, 0)


def test_a_small_group_and_who_is_in_none_are_helped_out_and_that_is_told(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    host_says(world, UNEVEN)
    made = allot(world, "first")
    assert (made.assigned, made.shortages) == (12, [])
    assert {("chen", "wang"), ("wang", "chen")} <= pairs(world)
    found = figures(world)
    assert (found.of_groups, found.loose) == (5, 1)
    helped = {author for author, _reviewer in crossing(world, UNEVEN)} - {"zhou"}
    assert found.helped == len(helped) >= 2


def test_only_the_group_shows_what_it_cannot_fill_until_the_host_says_otherwise(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    host_says(world, UNEVEN)
    made = allot(world, "only")
    assert crossing(world, UNEVEN) == set()
    assert page(world).by_why == {"course_group_too_small": 2, "no_course_group": 1}
    assert {one["why"] for one in made.shortages} == {"course_group_too_small", "no_course_group"}
    # The sweep looks again when the list was read, and not before; nobody has to press a button.
    programme = pk(world.programme)
    assert review.allocate_due(world.session, programme, world.now + HOUR) is None
    host_says(world, {**UNEVEN, "zhou": ("1",)}, days=1)
    again = review.allocate_due(world.session, programme, world.now + DAY + HOUR)
    assert again is not None
    assert again.shortages == []
    assert crossing(world, {**UNEVEN, "zhou": ("1",)}) == set()
    host_says(world, {**UNEVEN, "zhou": ("1",)}, days=2)
    assert review.allocate_due(world.session, programme, world.now + 2 * DAY + HOUR) is None


def test_courses_without_groups_go_by_the_pool(world: World, works: dict[str, competencies.Submission]) -> None:
    host_says(world, MIXED)
    world.course.groups_url = ""  # the latest launch offers them no more
    world.session.add(world.course)
    made = allot(world, "only")
    assert (made.assigned, made.shortages) == (12, [])
    found = figures(world)
    assert (found.of_groups, found.loose, found.unbound) == (0, 0, 6)


def test_the_pool_and_the_own_school_are_stronger(world: World, works: dict[str, competencies.Submission]) -> None:
    host_says(world, MIXED)
    point = world.session.begin_nested()
    allot(world, "first", exclude_own_school=True)
    assert all(school(author) != school(reviewer) for author, reviewer in pairs(world))
    point.rollback()
    world.session.expire_all()
    allot(world, "only", pool="own_school")
    assert pairs(world) == {("zhao", "sun"), ("sun", "zhao"), ("wang", "li"), ("li", "wang")}
    assert page(world).by_why == {"course_group_too_small": 6}


def school(key: str) -> str:
    return next(who.school for who in cast.TEACHERS if who.key == key)


def in_groups(world: World) -> dict[str, int]:
    """How many groups each is in, as the allotment sees it."""
    found = host_list.groups_of_people(world.session, pk(world.programme))
    return {cast_of(world, person).key: len(groups) for person, groups in found.items()}


def test_whose_groups_count(world: World) -> None:
    """Groups that are no more do not; the last known ones of who is listed no more do; those of all courses of the
    programme, and of all rows of one human being, count together; those of other programmes' courses do not."""
    session = world.session
    assert in_groups(world) == {}
    host_says(world, {"chen": ("1", "2"), "wang": ("9",), "n1": ("1",)})
    everybody = {who.key for who in cast.TEACHERS}
    assert {key for key in in_groups(world) if key in everybody} == everybody  # listed or not: their course has groups
    assert (in_groups(world)["chen"], in_groups(world)["wang"], in_groups(world)["li"]) == (2, 1, 0)
    host_says(world, {"chen": ("1",), "li": ("1",)}, days=1)  # group 9 went, and so did 王秀兰
    assert (in_groups(world)["chen"], in_groups(world)["wang"], in_groups(world)["li"]) == (1, 0, 1)
    host_says(world, {"li": ("1",)}, days=2)  # 陈晓芳 is listed no more: the group that was told last
    assert in_groups(world)["chen"] == 1
    other = course_of(session, world.tenant, "course-2", world.now)
    wang = pk(world.person(cast.WANG))
    session.add(member_row(pk(other), wang, world.now, "sub-again"))
    host_says(world, {"again": ("1", "3")}, course=other)
    assert in_groups(world)["wang"] == 0
    other.programme_id = pk(world.programme)
    session.add(other)
    session.flush()
    assert in_groups(world)["wang"] == 2
    row = world.person(cast.WANG)
    row.merged_into_id = pk(world.person(cast.CHEN))
    session.add(row)
    session.flush()
    assert in_groups(world)["chen"] == 3
    assert "wang" not in in_groups(world)


def test_rules_from_before_are_the_same_rules() -> None:
    parts = ("choice", "review", "hours", "result", "release", "goal_percent")  # as they were stored at first
    old = competencies.Rules().model_dump(mode="json", include=set(parts))
    for name in ("change_until", "not_offered", "only", "points_in_paper", "school_confirms"):
        del old["choice"][name]
    later = ("course_groups", "lease_hours", "score", "returned_to", "decide_days", "claims", "declines", "pass_clear")
    for name in later:
        del old["review"][name]
    who = ("exclude_own_group", "subjects", "stages", "exclude_past_reviewers", "exclude_former_colleagues")
    for name in ("calibration", "calibration_items", "blind", "peer_due", "duty", *who):
        del old["review"][name]
    del old["result"]["retakes"], old["hours"]["per_credit_point_hundredths"]
    rules = competencies.Rules.model_validate(old)
    assert rules.canonical() == old
    assert rules.content_hash() == competencies.Rules().content_hash()
    changed = competencies.Rules.model_validate({"review": {"course_groups": "only"}})
    assert changed.content_hash() != rules.content_hash()
    assert competencies.Rules.model_validate(changed.canonical()) == changed


def test_the_people_of_a_course_are_told_what_groups_count(world: World) -> None:
    host_says(world, MIXED)
    world.set_rules(review={"course_groups": "first"})
    session, trainer = world.session, world.actor(cast.TRAINER)
    found = course_people.page(session, trainer, world.course.uuid, "all", 1, world.now)
    assert (found.course_groups, found.groups_error) == ("first", "")
    row = session.exec(select(HostList).where(HostList.course_id == pk(world.course))).one()
    row.groups_error = "ags.refused"
    session.add(row)
    assert course_people.page(session, trainer, world.course.uuid, "all", 1, world.now).groups_error == "ags.refused"
    world.course.programme_id = None
    session.add(world.course)
    assert course_people.page(session, trainer, world.course.uuid, "all", 1, world.now).course_groups == "off"


GROUPS = st.dictionaries(
    st.sampled_from([who.key for who in cast.TEACHERS]), st.lists(st.sampled_from("123"), max_size=2, unique=True)
)


@settings(max_examples=times(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=GROUPS, rule=st.sampled_from(["first", "only"]), school_rule=st.booleans(), seed=st.integers(0, 99))
def test_whatever_hosts_say_no_rule_breaks_and_no_gap_is_hidden(
    world: World,
    works: dict[str, competencies.Submission],
    groups: dict[str, list[str]],
    rule: str,
    school_rule: bool,
    seed: int,
) -> None:
    """Any groups, with people in none, in several, or not listed: own school excluded stays excluded, "only" never
    leaves the group, and what is missing is counted with its reason. "First" places as many as no groups at all."""
    session: Session = world.session
    point = session.begin_nested()
    try:
        said = {key: tuple(found) for key, found in groups.items()}
        host_says(world, {"n1": ("1",), **said})  # the course has a group in any case
        made = allot(world, rule, seed, exclude_own_school=school_rule)
        found = pairs(world)
        assert not school_rule or all(school(author) != school(reviewer) for author, reviewer in found)
        assert all(author != reviewer for author, reviewer in found)
        if rule == "only":
            assert crossing(world, said) == set()
        short = sum(one["short"] for one in made.shortages)
        assert made.assigned + short == 2 * len(works)
        if rule == "first":
            assert short == 0
        told = page(world)
        assert sum(one.short for one in told.shortages) == short
        assert told.groups is not None
        assert told.groups.of_groups == sum(bool(found) for found in said.values())
        assert told.groups.loose == len(works) - told.groups.of_groups
        helped = {author for author, _reviewer in crossing(world, said) if said.get(author)}
        assert told.groups.helped == len(helped)
    finally:
        point.rollback()
        session.expire_all()
