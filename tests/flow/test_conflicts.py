"""回避关系: two people who do not review each other, said by who looks after both."""

from datetime import timedelta

import pytest
from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid
from lms_plugin.flow import conflicts, review
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import cast_of, finish_review, hand_in, reviews_of

HOUR = timedelta(hours=1)


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    """Of six teachers of two schools; anybody of the district may review."""
    world.set_rules(review={"pool": "district"})
    return {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}


def said(world: World, one: cast.Cast, other: cast.Cast, kind: str = "family", by: cast.Cast = cast.OFFICER) -> str:
    numbers = [world.person(who).staff_number for who in (one, other)]
    row = conflicts.keep_apart(
        world.session, world.actor(by), conflicts.Said(numbers[0], f" {numbers[1]} ", kind, "同一个备课组"), world.now
    )
    return row.uuid


def allot(world: World, seed: int = 7) -> None:
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, seed, world.now)


def reviewers_of(world: World, work: competencies.Submission) -> set[cast.Cast]:
    return {cast_of(world, one.reviewer_id) for one in reviews_of(world, work) if one.state in rubrics.LIVE}


@pytest.mark.parametrize("seed", range(5))
def test_neither_gets_the_work_of_the_other(world: World, works: dict[str, competencies.Submission], seed: int) -> None:
    said(world, cast.CHEN, cast.WANG)
    allot(world, seed)
    assert cast.WANG not in reviewers_of(world, works["chen"])
    assert cast.CHEN not in reviewers_of(world, works["wang"])
    assert all(len(reviewers_of(world, work)) == 2 for work in works.values())


def test_what_they_had_goes_to_somebody_else_and_what_is_handed_in_stays(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    allot(world)
    first, second = reviews_of(world, works["chen"])
    finish_review(world, first, world.now)
    world.now += HOUR
    for one in (first, second):
        said(world, cast.CHEN, cast_of(world, one.reviewer_id))
    assert first.state is rubrics.ReviewState.SUBMITTED
    assert second.state is rubrics.ReviewState.VOID
    world.now += HOUR
    assert review.allocate_due(world.session, pk(world.programme), world.now) is not None
    assert len(reviewers_of(world, works["chen"])) == 2


def test_said_twice_is_one_pair_and_ended_it_holds_no_more(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    uuid = said(world, cast.CHEN, cast.WANG)
    assert said(world, cast.WANG, cast.CHEN, "line") == uuid
    rows, total = conflicts.pairs(world.session, world.actor(cast.OFFICER), 1)
    assert (total, rows[0].kind, rows[0].note) == (1, "line", "同一个备课组")
    conflicts.end(world.session, world.actor(cast.OFFICER), uuid, world.now)
    conflicts.end(world.session, world.actor(cast.OFFICER), uuid, world.now)
    assert conflicts.pairs(world.session, world.actor(cast.OFFICER), 1) == ([], 0)
    kept = world.session.exec(select(rubrics.ReviewConflict)).one()  # that it stood is not forgotten
    assert kept.ended_by_id == pk(world.person(cast.OFFICER))


def test_a_school_lead_speaks_for_two_people_of_the_own_school_alone(world: World) -> None:
    lead = world.actor(cast.LEAD)
    mine = [who for who in cast.TEACHERS if who.school == cast.LEAD.school]
    other = next(who for who in cast.TEACHERS if who.school != cast.LEAD.school)
    said(world, mine[0], mine[1], by=cast.LEAD)
    hidden = said(world, mine[0], other)
    rows, total = conflicts.pairs(world.session, lead, 1)
    assert total == len(rows) == 1
    with pytest.raises(Invalid) as refused:
        said(world, mine[0], other, by=cast.LEAD)
    assert refused.value.fields == {"other": "conflict.nobody"}
    with pytest.raises(Forbidden):
        conflicts.end(world.session, lead, hidden, world.now)
    for who in (cast.CHEN, cast.TRAINER):
        with pytest.raises(Forbidden):
            conflicts.pairs(world.session, world.actor(who), 1)


def test_nobody_speaks_for_themselves(world: World) -> None:
    mine = next(who for who in cast.TEACHERS if who.school == cast.LEAD.school)
    with pytest.raises(Invalid):
        said(world, mine, cast.LEAD, by=cast.LEAD)
    uuid = said(world, mine, cast.LEAD)
    with pytest.raises(Forbidden):
        conflicts.end(world.session, world.actor(cast.LEAD), uuid, world.now)


def test_what_is_wrong_is_said_beside_its_field(world: World) -> None:
    number = world.person(cast.CHEN).staff_number
    with pytest.raises(Invalid) as refused:
        conflicts.keep_apart(
            world.session, world.actor(cast.OFFICER), conflicts.Said(number, number, "", "长" * 201), world.now
        )
    assert set(refused.value.fields) == {"other", "kind", "note"}
    with pytest.raises(Invalid) as refused:
        conflicts.keep_apart(
            world.session, world.actor(cast.OFFICER), conflicts.Said("", "\0", "other", "a\0b"), world.now
        )
    assert set(refused.value.fields) == {"one", "other", "note"}
