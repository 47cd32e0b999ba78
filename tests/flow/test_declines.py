"""不评这一份: why, how often, who reads it, and what becomes of the place."""

from datetime import timedelta

import pytest

import competencies
import rubrics
from lms_plugin.errors import Forbidden, Invalid, Refused
from lms_plugin.flow import declines, review
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import cast_of, finish_review, hand_in, reviews_of

HOUR = timedelta(hours=1)


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    """Of six teachers, with two reviewers each from all over the district."""
    world.set_rules(review={"pool": "district", "declines": 1, "max_reviews": 6})
    found = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    return found


def decline(world: World, one: rubrics.Review, why: str, words: str = "") -> None:
    declines.decline(world.session, world.actor(cast_of(world, one.reviewer_id)), one.uuid, why, words, world.now)


def test_somebody_else_is_asked_and_the_officer_reads_why(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    one = reviews_of(world, works["chen"])[0]
    world.now += HOUR
    decline(world, one, "other", "  下周住院  ")
    assert one.state is rubrics.ReviewState.DECLINED
    world.now += HOUR
    made = review.allocate_due(world.session, pk_of(world), world.now)
    assert made is not None
    now_reviewing = {row.reviewer_id for row in reviews_of(world, works["chen"]) if row.state in rubrics.LIVE}
    assert len(now_reviewing) == 2
    assert one.reviewer_id not in now_reviewing
    found, total = declines.declined(world.session, world.actor(cast.OFFICER), world.programme)
    assert total == 1
    assert (found[0].reviewer, found[0].why, found[0].words) == (
        cast_of(world, one.reviewer_id).name,
        "other",
        "下周住院",
    )
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR):
        with pytest.raises(Forbidden):
            declines.declined(world.session, world.actor(who), world.programme)


def pk_of(world: World) -> int:
    assert world.programme.id is not None
    return world.programme.id


def test_no_time_is_not_answered_with_another_one(world: World, works: dict[str, competencies.Submission]) -> None:
    one = reviews_of(world, works["chen"])[0]
    decline(world, one, "time")
    world.now += HOUR
    review.allocate_due(world.session, pk_of(world), world.now)
    everything = [row for work in works.values() for row in reviews_of(world, work)]
    assert sum(row.reviewer_id == one.reviewer_id and row.state in rubrics.LIVE for row in everything) == 1


def test_so_often_and_no_more_but_who_knows_the_author_always(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    first = reviews_of(world, works["chen"])[0]
    mine = [row for work in works.values() for row in reviews_of(world, work) if row.reviewer_id == first.reviewer_id]
    assert len(mine) == 2
    actor = world.actor(cast_of(world, first.reviewer_id))
    assert declines.declining(world.session, actor, mine[1].uuid).left == 1
    decline(world, mine[0], "subject")
    assert declines.declining(world.session, actor, mine[1].uuid).left == 0
    with pytest.raises(Refused, match="declines_used_up"):
        decline(world, mine[1], "subject")
    assert mine[1].state is rubrics.ReviewState.ALLOTTED
    decline(world, mine[1], declines.KNOWS)
    assert mine[1].state is rubrics.ReviewState.RECUSED
    found, _total = declines.declined(world.session, world.actor(cast.OFFICER), world.programme)
    assert [row.why for row in found] == [declines.KNOWS, "subject"]


@pytest.mark.parametrize(
    ("why", "words", "field"),
    [
        ("", "", "why"),
        ("self", "", "why"),
        ("other", " ", "words"),
        ("time", "长" * 201, "words"),
        ("time", "\0", "words"),
    ],
)
def test_what_is_not_said_rightly_is_asked_again(
    world: World, works: dict[str, competencies.Submission], why: str, words: str, field: str
) -> None:
    one = reviews_of(world, works["chen"])[0]
    with pytest.raises(Invalid) as told:
        decline(world, one, why, words)
    assert list(told.value.fields) == [field]
    assert one.state is rubrics.ReviewState.ALLOTTED


def test_what_is_over_is_not_declined_and_nobody_declines_for_others(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    first, second = reviews_of(world, works["chen"])
    finish_review(world, first, world.now)
    with pytest.raises(Refused, match="already_submitted"):
        decline(world, first, "time")
    with pytest.raises(Forbidden):
        declines.decline(world.session, world.actor(cast.CHEN), second.uuid, "time", "", world.now)
