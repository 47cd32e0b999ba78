"""大家都交齐时，评审人够不够: told before anything is handed in, and it is what the allotment then comes to."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import quotas, review, review_forecast, review_views
from lms_plugin.flow.review_forecast import Forecast
from lms_plugin.flow.review_pool import pool_of
from lms_plugin.people import Enrolment
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import hand_in
from tests.flow.test_former_colleagues import moved
from tests.flow.test_review_rules import _enrolled
from tests.fuzzing import times
from tests.rosters import put_on_roster


@pytest.fixture(autouse=True)
def people(world: World) -> None:
    """The six teachers take part; nobody has handed anything in."""
    for who in cast.TEACHERS:
        _enrolled(world, who)


def foretold(world: World, points: int = 1, **policy: Any) -> Forecast:
    choice = {"required_points": points, "min_dimensions": 1}
    rules = world.set_rules(choice=choice, review={"pool": "district", **policy})
    begun = pool_of(world.session, world.programme, rules, world.now)
    facts = review_forecast.facts_of(world.session, world.programme, rules, world.now)
    return review_forecast.forecast(world.session, world.programme, rules, facts, begun)


def test_it_stands_on_the_page_while_works_come_in_and_writes_nothing(world: World) -> None:
    foretold(world)
    officer, before = world.actor(cast.OFFICER), world.now - timedelta(hours=2)

    def ahead(now: datetime) -> Forecast | None:
        return review_views.allocation_page(world.session, officer, world.programme, now).ahead

    page = ahead(world.now)
    assert page is not None
    assert page.preview is not None
    assert (page.people, page.points, page.preview.short) == (6, 1, 0)
    assert (page.handed_in, page.chosen, page.open, page.wanted, page.room) == (0, 0, 6, 12, 18)
    assert world.session.exec(select(rubrics.Review)).all() == []
    for who in cast.TEACHERS[:3]:
        hand_in(world, who, "A3", before)
    review.allocate(world.session, officer, world.programme, 1, world.now)
    hand_in(world, cast.TEACHERS[3], "A3", world.now)  # may still be withdrawn: it counts as one that comes
    chosen = competencies.Selection(
        programme_id=pk(world.programme),
        person_id=pk(world.person(cast.TEACHERS[4])),
        point_id=pk(world.point("A3")),
        chosen_at=before,
    )
    world.session.add(chosen)
    world.session.flush()
    page = ahead(world.now)
    assert page is not None
    assert (page.handed_in, page.chosen, page.open) == (4, 1, 1)
    assert (page.wanted, page.room) == (6, 12)  # three have two each, as much as they owe
    assert ahead(competencies.end_of_day(world.programme.submit_by_on, world.tenant.timezone)) is None


def test_who_has_gone_neither_hands_in_nor_reviews(world: World) -> None:
    hand_in(world, cast.CHEN, "A3", world.now - timedelta(hours=2))
    for who in (cast.CHEN, cast.WANG):
        entry = put_on_roster(world, who)
        entry.removed_at = world.now
        world.session.add(entry)
    world.session.flush()
    found = foretold(world, reviews_per_work=3)
    assert (found.people, found.handed_in, found.open) == (4, 1, 4)
    assert found.preview is not None
    assert (found.preview.people, found.preview.reviews, found.preview.short) == (4, 15, 0)
    assert found.room == 16  # Chen owes three and gives none


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


def test_former_colleagues_are_kept_apart_in_it_as_in_the_allotment(world: World) -> None:
    policy: dict[str, Any] = {"exclude_own_school": True, "reviews_per_work": 1}
    officer = world.actor(cast.OFFICER)
    moved(world, cast.CHEN)
    foretold(world, **policy)
    hand_in(world, cast.CHEN, "A3", world.now - timedelta(hours=2))
    found = foretold(world, **policy)
    for who in cast.TEACHERS:
        if who is not cast.CHEN:
            hand_in(world, who, "A3", world.now - timedelta(hours=2))
    made = review.allocate(world.session, officer, world.programme, None, world.now)
    assert found.preview is not None
    assert found.preview.short > 0
    assert (found.preview.reviews, found.preview.short) == (made.assigned, sum(one["short"] for one in made.shortages))


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


@settings(max_examples=times(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=POLICY, quota=st.sampled_from(["", "0", "3"]), already=st.integers(0, 5))
@example(  # three of one person's own leave others owing less, and still able to give one
    policy={
        "pool": "own_school",
        "subjects": "any",
        "exclude_past_reviewers": False,
        "reviews_per_work": 1,
        "max_reviews": 1,
    },
    quota="3",
    already=0,
)
def test_what_is_foretold_is_what_comes(world: World, policy: dict[str, Any], quota: str, already: int) -> None:
    """Where everybody hands in what they are asked for, as many reviews are missing, for the same reasons; also after
    some of it was handed in and allotted."""
    point = world.session.begin_nested()
    try:
        officer, session = world.actor(cast.OFFICER), world.session
        quotas.set_one(session, officer, world.programme.uuid, "XW001", quota, world.now)
        foretold(world, **policy)
        for who in cast.TEACHERS[:already]:
            hand_in(world, who, "A3", world.now - timedelta(hours=2))
        if already:
            review.allocate(session, officer, world.programme, None, world.now)
        found = foretold(world, **policy)
        assert found.preview is not None
        assert (found.handed_in, found.open) == (already, 6 - already)
        assert found.wanted == found.preview.reviews + found.preview.short
        for who in cast.TEACHERS[already:]:
            hand_in(world, who, "A3", world.now - timedelta(hours=2))
        made = review.allocate(session, officer, world.programme, None, world.now + timedelta(seconds=1))
        assert found.preview.short == sum(one["short"] for one in made.shortages)
        assert found.preview.reviews == made.assigned
        assert set(found.whys) == {one["why"] for one in made.shortages}
    finally:
        point.rollback()
        world.session.expire_all()
