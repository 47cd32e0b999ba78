"""互评任务: hours of one's own points may wait for one's own reviews, and nothing else ever does."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

import competencies
import rubrics
from competencies import Why
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden
from lms_plugin.flow import (
    award,
    award_views,
    cases,
    duty,
    held_hours,
    passport,
    reversal,
    review,
    review_tasks,
    review_views,
)
from lms_plugin.flow.message_words import HELD
from lms_plugin.inbox import Message
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, finish_review, hand_in, judgement, reviews_of
from tests.fuzzing import times

HOUR = timedelta(hours=1)
ONE = {"required_points": 1, "min_dimensions": 1}


def rules(world: World, kind: str = "hold", **more: Any) -> None:
    world.set_rules(choice=ONE, review={"duty": kind, "pool": "district", "reviews_per_work": 2, **more})


def owes(world: World, who: cast.Cast = cast.CHEN) -> list[rubrics.Review]:
    """Everybody's works are handed in and allotted: the reviews that this person owes now."""
    for author in cast.TEACHERS:
        hand_in(world, author, "A3", world.now - 2 * HOUR)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    found = world.session.exec(
        select(rubrics.Review).where(
            rubrics.Review.reviewer_id == pk(world.person(who)), col(rubrics.Review.state).in_(rubrics.UNFINISHED)
        )
    ).all()
    assert found
    return list(found)


def hours(world: World, who: cast.Cast = cast.CHEN) -> int:
    return competencies.points_practice(world.session, pk(world.programme), [pk(world.person(who))]).get(
        pk(world.person(who)), 0
    )


def waits(world: World) -> set[int]:
    return {row.person_id for row in competencies.held_hours.open_of(world.session, pk(world.programme))}


def sweep(world: World) -> int:
    return held_hours.end_due(world.session, pk(world.programme), world.now)


def why(world: World) -> list[str]:
    record = passport.record(world.session, world.actor(cast.CHEN), world.programme.uuid, None, world.now)
    return [point.why for point in record.points if point.code == "A1"]


def test_a_reminder_holds_nothing(world: World) -> None:
    rules(world, "remind")
    owes(world)
    earn(world, cast.CHEN, "A1")
    assert (hours(world), waits(world)) == (2500, set())
    assert review_tasks.my_reviews(world.session, world.actor(cast.CHEN), world.now).waits == ()


def test_hours_wait_for_the_last_review_and_the_result_does_not(world: World) -> None:
    rules(world)
    left = owes(world)
    earn(world, cast.CHEN, "A1")
    assert (hours(world), waits(world), why(world)) == (0, {pk(world.person(cast.CHEN))}, [Why.HELD])
    work = world.session.exec(
        select(competencies.Submission).where(
            competencies.Submission.person_id == pk(world.person(cast.CHEN)),
            competencies.Submission.point_id == pk(world.point("A1")),
        )
    ).one()
    assert work.state is competencies.SubmissionState.RELEASED
    told = world.session.exec(select(Message).where(Message.kind == HELD)).one()
    assert (told.person_id, told.read_at) == (pk(world.person(cast.CHEN)), None)
    for number, one in enumerate(left):
        tasks = review_tasks.my_reviews(world.session, world.actor(cast.CHEN), world.now)
        assert [(wait.left, wait.until_on) for wait in tasks.waits] == [(len(left) - number, world.programme.closes_on)]
        assert sweep(world) == 0
        finish_review(world, one, world.now)
    assert sweep(world) == 1
    assert (hours(world), waits(world), why(world)) == (2500, set(), [Why.COUNTED])
    assert told.read_at is not None
    entry = world.session.exec(select(competencies.CreditEntry)).one()
    assert (entry.reason, entry.award_id is not None) == (held_hours.REASON, True)
    assert sweep(world) == 0
    assert hours(world) == 2500


def test_what_ends_a_duty_without_a_review_ends_the_wait_too(world: World) -> None:
    rules(world)
    left = owes(world)
    earn(world, cast.CHEN, "A1")
    for one in left:
        review.recuse(world.session, world.actor(cast.CHEN), one.uuid, world.now)
    assert sweep(world) == 1
    assert hours(world) == 2500


def test_other_rules_end_it(world: World) -> None:
    rules(world)
    owes(world)
    earn(world, cast.CHEN, "A1")
    rules(world, "remind")
    assert sweep(world) == 1
    assert (hours(world), waits(world)) == (2500, set())


def test_a_result_that_is_taken_back_meanwhile_brings_nothing(world: World) -> None:
    rules(world)
    left = owes(world)
    earn(world, cast.CHEN, "A1")
    held = world.session.exec(select(competencies.Award)).one()
    reversal.reverse(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.person(cast.CHEN).uuid, "award",
        held.uuid, "误评", world.now,
    )  # fmt: skip
    assert hours(world) == 0
    for one in left:
        finish_review(world, one, world.now)
    sweep(world)
    assert (hours(world), waits(world)) == (0, set())


def test_taking_one_of_two_back_lets_nothing_slip_through(world: World) -> None:
    world.set_rules(
        choice={"required_points": 2, "min_dimensions": 1},
        hours={"kind": "per_point_cumulative"},
        review={"duty": "hold", "pool": "district", "reviews_per_work": 2},
    )
    owes(world)
    earn(world, cast.CHEN, "A1", "B2")
    first = world.session.exec(select(competencies.Award).order_by(col(competencies.Award.id))).first()
    assert first is not None
    reversal.reverse(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.person(cast.CHEN).uuid, "award",
        first.uuid, "误评", world.now,
    )  # fmt: skip
    assert (hours(world), waits(world)) == (0, {pk(world.person(cast.CHEN))})
    world.now = competencies.end_of_day(world.programme.closes_on, world.tenant.timezone)
    assert sweep(world) == 1
    assert hours(world) == 1250


def test_who_owes_hands_in_is_reviewed_and_decided_all_the_same(world: World) -> None:
    rules(world)
    owes(world)
    work = hand_in(world, cast.CHEN, "A1", world.now - 2 * HOUR)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 8, world.now)
    assert reviews_of(world, work)
    marks = judgement(all_marks(world, work, 1))
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
    page = award_views.release_page(world.session, world.actor(cast.OFFICER), world.programme, 1, world.now)
    assert isinstance(page, award_views.ReleasePage)
    assert (page.hours, page.held) == ((), 1)
    assert waits(world) == set()  # a look keeps nothing
    done = award.release(world.session, world.actor(cast.OFFICER), world.programme, [work.uuid], world.now)
    assert (done.decisions, done.hundredths) == (1, 0)


def test_who_allots_reads_whose_hours_wait(world: World) -> None:
    rules(world)
    left = owes(world)
    earn(world, cast.CHEN, "A1")
    page = review_views.allocation_page(world.session, world.actor(cast.OFFICER), world.programme, world.now)
    assert page.held.total == 1
    line = page.held.lines[0]
    assert (line.name, line.school, line.left) == (cast.CHEN.name, cast.CHEN.school, len(left))
    with pytest.raises(Forbidden):
        held_hours.waiting(world.session, world.actor(cast.CHEN), world.programme)


STATES = st.lists(st.sampled_from([*rubrics.LIVE, rubrics.ReviewState.VOID]), max_size=4)


@settings(max_examples=times(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=STATES, kind=st.sampled_from(["remind", "hold"]), later=st.sampled_from(["remind", "hold"]))
def test_once_a_round_is_over_nobody_is_held(world: World, states: list[Any], kind: str, later: str) -> None:
    """Whatever becomes of the reviews and of the rules: hours are those of a round that holds nothing."""
    mark, now, closes_on = world.session.begin_nested(), world.now, world.programme.closes_on
    try:
        rules(world, kind)
        left = owes(world)
        for one, state in zip(left, states, strict=False):
            one.state = state
            world.session.add(one)
        world.session.flush()
        earn(world, cast.CHEN, "A1")
        rules(world, later)
        sweep(world)
        owed = duty.owed(world.session, pk(world.programme), [pk(world.person(cast.CHEN))])
        assert (hours(world) == 0) == (kind == later == "hold" and bool(owed))
        world.now = competencies.end_of_day(closes_on, world.tenant.timezone)
        sweep(world)
        assert (hours(world), waits(world)) == (2500, set())
    finally:
        world.now = now
        mark.rollback()
        world.session.expire_all()
