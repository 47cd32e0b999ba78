"""每人最多评几份: who gives more or fewer reviews than the rules ask; allotments and claims keep to it."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import claims, quotas, review, sheets
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import hand_in
from tests.flow.test_claims import LATE, enrol, joins
from tests.fuzzing import times

HOUR = timedelta(hours=1)


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    """Of six teachers of two schools; anybody of the district may review."""
    world.set_rules(review={"pool": "district", "claims": 5})
    enrol(world, *(who for who in cast.TEACHERS if who.staff_number not in numbers(world)))
    return {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}


def numbers(world: World) -> set[str]:
    return {one.staff_number for one in quotas.page(world.session, officer(world), world.programme.uuid, 1).lines}


def officer(world: World) -> Any:
    return world.actor(cast.OFFICER)


def say(world: World, who: cast.Cast, typed: str) -> rubrics.ReviewQuota:
    number = world.person(who).staff_number.lower()
    return quotas.set_one(world.session, officer(world), world.programme.uuid, f" {number} ", typed, world.now)


def allot(world: World) -> rubrics.Allocation:
    return review.allocate(world.session, officer(world), world.programme, 7, world.now)


def given_by(world: World, who: cast.Cast) -> int:
    rows = world.session.exec(select(rubrics.Review).where(rubrics.Review.reviewer_id == pk(world.person(who)))).all()
    return sum(one.state in rubrics.LIVE for one in rows)


def take(world: World, pasted: str) -> tuple[int, tuple[sheets.Problem, ...]]:
    return quotas.commit(world.session, officer(world), world.programme.uuid, quotas.as_sheet(pasted), world.now)


def test_who_takes_none_and_who_takes_more_share_what_there_is(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    say(world, cast.CHEN, "0")
    say(world, cast.WANG, "４")
    late = joins(world)
    say(world, LATE, "2")  # without a work of their own
    made = allot(world)
    assert made.shortages == []
    assert [given_by(world, who) for who in (cast.CHEN, cast.WANG, LATE)] == [0, 4, 2]
    assert sorted(given_by(world, who) for who in cast.TEACHERS[2:]) in ([1, 1, 2, 2], [1, 1, 1, 3])
    with pytest.raises(Refused):
        claims.claim(world.session, late, world.programme.uuid, world.now)


def test_a_number_set_later_holds_for_what_comes_and_is_looked_at_by_itself(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    for who in cast.TEACHERS[1:]:
        say(world, who, "1")
    assert sum(one["short"] for one in allot(world).shortages) > 0
    before = given_by(world, cast.LI)
    world.now += timedelta(minutes=5)
    assert review.allocate_due(world.session, pk(world.programme), world.now) is None
    for who in cast.TEACHERS[1:]:
        say(world, who, "")
    say(world, cast.LI, "0")
    again = review.allocate_due(world.session, pk(world.programme), world.now + HOUR)
    assert again is not None
    assert again.shortages == []
    assert given_by(world, cast.LI) == before  # what somebody has stays theirs


def test_a_claim_ends_at_the_number(world: World, works: dict[str, competencies.Submission]) -> None:
    world.set_rules(review={"pool": "district", "claims": 5, "reviews_per_work": 5, "max_reviews": 3})
    allot(world)
    late = joins(world)
    assert claims.offers(world.session, late, world.now)[0].left == 5
    say(world, LATE, "1")
    assert claims.offers(world.session, late, world.now)[0].left == 1
    one = claims.claim(world.session, late, world.programme.uuid, world.now)
    one.state = rubrics.ReviewState.SUBMITTED
    world.session.add(one)
    assert claims.offers(world.session, late, world.now) == ()
    with pytest.raises(Refused, match="quota_reached"):
        claims.claim(world.session, late, world.programme.uuid, world.now)
    say(world, LATE, "")
    assert claims.claim(world.session, late, world.programme.uuid, world.now) is not None


def test_a_pasted_list_sets_many_and_takes_numbers_back(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    assert take(world, "工号 份数\nXW001 3\n xw002，0 \nXW003\t陈\t2\nPA001") == (3, ())  # of PA001 nothing was known
    lines = {one.staff_number: one.most for one in _page(world).lines}
    assert (lines["XW001"], lines["XW002"], lines["XW003"], lines["PA001"]) == (3, 0, 2, None)
    assert _page(world).known == 3
    assert [one.most is None for one in _page(world).lines] == sorted(one.most is None for one in _page(world).lines)
    take(world, "XW001")
    assert _page(world).known == 2
    assert quotas.as_sheet("  \n ") == b""


def _page(world: World) -> quotas.QuotasPage:
    return quotas.page(world.session, officer(world), world.programme.uuid, 1)


def test_a_workbook_does_the_same(world: World, works: dict[str, competencies.Submission]) -> None:
    book = BytesIO()
    columns = [sheets.Column("工号"), sheets.Column("姓名"), sheets.Column("份数", kind="number")]
    sheets.write(book, [sheets.Page("名单", columns, [("XW001", "陈", 3), ("XW002", "王", 0)])])
    session, uuid = world.session, world.programme.uuid
    assert quotas.commit(session, officer(world), uuid, book.getvalue(), world.now) == (2, ())


def test_one_fault_and_nothing_is_written(world: World, works: dict[str, competencies.Submission]) -> None:
    changes, problems = take(world, "XW001 3\nXW404 1\nXW002 101\nXW001 2\nXW003 -1")
    assert [(one.row, one.code) for one in problems] == [
        (3, "quota.nobody"),
        (4, "form.number"),
        (5, "quota.row_twice"),
        (6, "form.number"),
    ]
    assert (changes, _page(world).known) == (0, 0)
    with pytest.raises(Invalid) as refused:
        quotas.set_one(world.session, officer(world), world.programme.uuid, "XW404", "many", world.now)
    assert set(refused.value.fields) == {"staff_number", "most"}
    with pytest.raises(Refused, match="sheet"):
        quotas.commit(world.session, officer(world), world.programme.uuid, b"\0", world.now)


def test_a_check_says_who_changes_from_what_to_what_and_writes_nothing(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    say(world, cast.CHEN, "2")
    say(world, cast.WANG, "3")
    session, uuid = world.session, world.programme.uuid
    data = "工号,份数,备注\nXW001,\nXW002,3\nXW003,0\n".encode()
    found = quotas.check(session, officer(world), uuid, data)
    assert [(one.staff_number, one.before, one.after, one.given) for one in found.changes] == [
        ("XW001", 2, None, 0),
        ("XW003", None, 0, 0),
    ]
    assert (found.same, found.problems, found.ignored_columns) == (1, (), ("备注",))
    assert found.changes[0].school == "希望小学"
    assert _page(world).known == 2
    assert quotas.commit(session, officer(world), uuid, data, world.now) == (2, ())
    assert quotas.check(session, officer(world), uuid, data).changes == ()
    assert quotas.commit(session, officer(world), uuid, data, world.now) == (0, ())  # a second press changes nobody
    for who in (cast.CHEN, cast.LEAD):
        with pytest.raises(Forbidden):
            quotas.check(session, world.actor(who), uuid, data)


def test_only_who_allots_the_whole_programme_sets_numbers(world: World) -> None:
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR):
        with pytest.raises(Forbidden):
            quotas.page(world.session, world.actor(who), world.programme.uuid, 1)
        with pytest.raises(Forbidden):
            quotas.commit(world.session, world.actor(who), world.programme.uuid, b"", world.now)
    with pytest.raises(NotFound):
        quotas.set_one(world.session, world.actor(cast.NEIGHBOUR), world.programme.uuid, "XW001", "1", world.now)


def test_two_rows_of_one_human_being_have_one_number(world: World, works: dict[str, competencies.Submission]) -> None:
    say(world, cast.CHEN, "1")
    world.now += HOUR
    say(world, cast.WANG, "0")
    world.person(cast.WANG).merged_into_id = pk(world.person(cast.CHEN))
    world.session.add(world.person(cast.WANG))
    world.session.flush()
    assert quotas.quotas_of(world.session, pk(world.programme)) == {pk(world.person(cast.CHEN)): 0}


@settings(max_examples=times(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.sampled_from(["", "0", "1", "2", "5"]), min_size=6, max_size=6), each=st.integers(1, 3))
def test_whatever_numbers_nobody_gives_more_and_no_gap_is_hidden(
    world: World, works: dict[str, competencies.Submission], said: list[str], each: int
) -> None:
    point = world.session.begin_nested()
    try:
        world.set_rules(review={"pool": "district", "reviews_per_work": each})
        for who, typed in zip(cast.TEACHERS, said, strict=True):
            say(world, who, typed)
        made = allot(world)
        assert made.assigned + sum(one["short"] for one in made.shortages) == 6 * each
        for who, typed in zip(cast.TEACHERS, said, strict=True):
            assert given_by(world, who) <= (int(typed) if typed else 6)  # the most that the rules ask
    finally:
        point.rollback()
        world.session.expire_all()
