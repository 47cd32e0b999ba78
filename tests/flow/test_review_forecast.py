"""大家都交齐时，评审人够不够: told before anything is handed in, and it is what the allotment then comes to."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import select

import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import quotas, review, review_forecast, review_views
from lms_plugin.flow.review_forecast import Forecast
from lms_plugin.people import Enrolment
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import hand_in
from tests.flow.test_review_rules import _enrolled
from tests.rosters import put_on_roster


@pytest.fixture(autouse=True)
def people(world: World) -> None:
    """The six teachers take part; nobody has handed anything in."""
    for who in cast.TEACHERS:
        _enrolled(world, who)


def foretold(world: World, points: int = 1, **policy: Any) -> Forecast:
    choice = {"required_points": points, "min_dimensions": 1}
    rules = world.set_rules(choice=choice, review={"pool": "district", **policy})
    return review_forecast.forecast(world.session, world.programme, rules)


def test_it_stands_on_the_page_until_the_first_allotment_and_writes_nothing(world: World) -> None:
    foretold(world)
    officer = world.actor(cast.OFFICER)
    page = review_views.allocation_page(world.session, officer, world.programme, world.now)
    assert page.ahead is not None
    assert page.ahead.preview is not None
    assert (page.ahead.people, page.ahead.points, page.ahead.preview.short) == (6, 1, 0)
    assert world.session.exec(select(rubrics.Review)).all() == []
    hand_in(world, cast.CHEN, "A3", world.now - timedelta(hours=2))
    review.allocate(world.session, officer, world.programme, 1, world.now)
    assert review_views.allocation_page(world.session, officer, world.programme, world.now).ahead is None


def test_more_reviewers_than_a_school_has_are_told_with_choices(world: World) -> None:
    found = foretold(world, pool="own_school", reviews_per_work=3)
    assert found.preview is not None
    assert (found.preview.short, found.whys) == (6, {"no_reviewer_in_pool": 6})
    assert {(one.what, one.short) for one in found.preview.choices} >= {("district", 0), ("fewer", 0)}


def test_one_school_that_does_not_review_itself_is_told(world: World) -> None:
    for who in cast.TEACHERS[:3]:
        put_on_roster(world, who)
    found = foretold(world, exclude_own_school=True, subjects="any", reviews_per_work=3, max_reviews=1)
    assert found.preview is not None
    assert found.preview.short == 12  # each of six people may give one of eighteen
    assert set(found.whys) == {"everyone_at_limit"}


def test_a_large_school_is_named(world: World) -> None:
    for who in cast.TEACHERS[3:5]:
        world.session.delete(
            world.session.exec(select(Enrolment).where(Enrolment.person_id == pk(world.person(who)))).one()
        )
    world.session.flush()
    found = foretold(world, exclude_own_school=True, reviews_per_work=2)
    assert found.people == 4
    assert found.preview is not None
    assert found.preview.school == "希望小学"
    assert (found.preview.school_percent, found.preview.short) == (75, 3)
    assert ("own_school", 0) in {(one.what, one.short) for one in found.preview.choices}


def test_who_is_on_the_roster_counts_once_and_before_they_come(world: World) -> None:
    put_on_roster(world, cast.CHEN)
    assert foretold(world).people == 6
    entry = put_on_roster(world, cast.WANG)
    entry.person_id = None  # somebody of the same school who has not come yet
    world.session.add(entry)
    world.session.flush()
    assert foretold(world).people == 7


def test_nobody_is_no_forecast_and_too_many_are_a_share(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_forecast, "MOST_WORKS", 10)
    share = foretold(world, points=3)
    assert (share.is_share, share.points) == (True, 3)
    assert share.preview is not None
    assert share.preview.reviews == 12
    monkeypatch.setattr(review_forecast, "MOST_WORKS", 5)
    assert foretold(world).preview is None


POLICY = st.fixed_dictionaries(
    {
        "pool": st.sampled_from(["own_school", "district"]),
        "subjects": st.sampled_from(["any", "same", "other"]),
        "exclude_past_reviewers": st.booleans(),
        "reviews_per_work": st.integers(1, 4),
        "max_reviews": st.integers(1, 4),
    }
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=POLICY, quota=st.sampled_from(["", "0", "3"]))
@example(  # three of one person's own leave others owing less, and still able to give one
    policy={
        "pool": "own_school",
        "subjects": "any",
        "exclude_past_reviewers": False,
        "reviews_per_work": 1,
        "max_reviews": 1,
    },
    quota="3",
)
def test_what_is_foretold_is_what_comes(world: World, policy: dict[str, Any], quota: str) -> None:
    """Where everybody hands in what they are asked for, as many reviews are missing, for the same reasons."""
    point = world.session.begin_nested()
    try:
        officer, session = world.actor(cast.OFFICER), world.session
        quotas.set_one(session, officer, world.programme.uuid, "XW001", quota, world.now)
        found = foretold(world, **policy)
        assert found.preview is not None
        for who in cast.TEACHERS:
            hand_in(world, who, "A3", world.now - timedelta(hours=2))
        made = review.allocate(session, officer, world.programme, None, world.now)
        assert found.preview.short == sum(one["short"] for one in made.shortages)
        assert found.preview.reviews == made.assigned
        assert set(found.whys) == {one["why"] for one in made.shortages}
    finally:
        point.rollback()
        world.session.expire_all()
