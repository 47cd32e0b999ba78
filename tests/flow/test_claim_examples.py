"""Examples beside claimed reviews: nothing tells them, they use up no claim, and come only where a work would."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.errors import Refused
from lms_plugin.flow import calibration, claim_examples, claims, conflicts, review, review_tasks
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, grant
from tests.flow.handed_in import hand_in
from tests.flow.test_calibration import example, examples_of, settled
from tests.flow.test_claims import HOUR, LATE, allot, claim, hand_one_in, joins

SECOND = timedelta(seconds=1)


@pytest.fixture
def begun(world: World) -> World:
    """Six works that each lack a reviewer, and an example made of a seventh; one claim to each."""
    setting(world, "off")
    for who in cast.TEACHERS:
        hand_in(world, who, "A3", world.now - 2 * HOUR)
    allot(world)
    example(world, settled(world))
    setting(world, "mixed")
    return world


def setting(world: World, mode: str, **more: Any) -> None:
    world.set_rules(
        review={
            "reviews_per_work": 3,
            "claims": 2,
            "pool": "own_school",
            "calibration": mode,
            "calibration_items": 1,
            **more,
        }
    )


def is_example(world: World, one: rubrics.Review) -> bool:
    return one.uuid in {gold.uuid for gold in examples_of(world)}


def moments(world: World) -> Iterator[bool]:
    """Moment after moment: chance decides anew at each."""
    for _ in range(60):
        world.now += SECOND
        yield True


def test_a_claim_may_bring_an_example_that_nothing_tells_and_that_uses_up_no_claim(begun: World) -> None:
    world, late = begun, joins(begun)
    lacking = {row.submission_version_id: row.need for row in world.session.exec(select(rubrics.ReviewNeed))}
    savepoint = world.session.begin_nested()
    for _ in moments(world):
        one = claim(world, late)
        if is_example(world, one):
            break
        savepoint.rollback()
        savepoint = world.session.begin_nested()
    assert is_example(world, one)
    world.session.expire_all()
    assert {row.submission_version_id: row.need for row in world.session.exec(select(rubrics.ReviewNeed))} == lacking
    assert (one.is_claimed, one.blind_number, one.state) == (True, 1, rubrics.ReviewState.ALLOTTED)
    assert one.due_at is not None
    kinds = select(rubrics.ReviewEvent.kind).where(rubrics.ReviewEvent.review_id == pk(one))
    assert world.session.exec(kinds).all() == ["claimed"]
    (task,) = review_tasks.my_reviews(world.session, late, world.now).open
    assert (task.uuid, calibration.mine(world.session, late)) == (one.uuid, ())
    assert [(offer.left, offer.unfinished) for offer in claims.offers(world.session, late, world.now)] == [(1, 1)]
    with pytest.raises(Refused, match="claim_unfinished"):
        claim(world, late)
    hand_one_in(world, one, late)
    assert [offer.left for offer in claims.offers(world.session, late, world.now)] == [2]
    for _ in range(2):  # two works, and no second example
        real = claim(world, late)
        assert not is_example(world, real)
        hand_one_in(world, real, late)
    with pytest.raises(Refused, match="claims_used_up"):
        claim(world, late)


def test_where_no_work_is_left_no_example_comes_either(begun: World) -> None:
    world, late = begun, joins(begun)
    world.session.exec(select(rubrics.ReviewNeed)).all()
    for row in world.session.exec(select(rubrics.ReviewNeed)):
        row.need = 0
        world.session.add(row)
    world.session.flush()
    for mode in ("mixed", "before"):
        setting(world, mode)
        for _ in range(6):
            world.now += SECOND
            with pytest.raises(Refused, match="nothing_to_claim"):
                claim(world, late)
    assert examples_of(world) == []


def test_practice_comes_before_the_first_claimed_work(begun: World) -> None:
    world, late = begun, joins(begun)
    setting(world, "before")
    real = claim(world, late)
    (practice,) = examples_of(world)
    assert [practice.blind_number, real.blind_number] == [1, 2]
    with pytest.raises(Refused, match=r"calibration\.first"):
        review.open_review(world.session, late, real.uuid, world.now)
    hand_one_in(world, practice, late)
    hand_one_in(world, real, late)
    assert not is_example(world, claim(world, late))
    assert len(examples_of(world)) == 1


def test_nobody_claims_an_example_of_their_own_or_of_somebody_they_are_kept_apart_from(begun: World) -> None:
    world = begun
    setting(world, "before", claims=9)
    late = joins(world)
    officer = grant(world.session, world.person(cast.OFFICER), RoleKind.OFFICER, world.county, world.now)
    assert officer
    said = conflicts.Said(LATE.staff_number, cast.ZHOU.staff_number, "family")
    conflicts.keep_apart(world.session, world.actor(cast.OFFICER), said, world.now)
    programme = world.programme
    policy = competencies.rules_of(world.session, programme).review
    assert claim_examples.first(world.session, late, programme, policy, world.now) == []
    assert claim_examples.first(world.session, world.actor(cast.ZHOU), programme, policy, world.now) == []
    one = claim(world, late)
    assert not is_example(world, one)
