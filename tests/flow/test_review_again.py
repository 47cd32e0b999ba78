"""What the sweep does in the middle of a round: who went away is replaced, and who has least is asked for one more."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import review
from lms_plugin.people import RosterEntry
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import all_marks, cast_of, hand_in, reviews_of
from tests.rosters import put_on_roster

HOUR = timedelta(hours=1)


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    """Of six teachers who all stand on the roster, two reviewers each from all over the district."""
    world.set_rules(review={"pool": "district"})
    for who in cast.TEACHERS:
        put_on_roster(world, who)
    found = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    return found


def sweep(world: World) -> rubrics.Allocation | None:
    return review.allocate_due(world.session, pk(world.programme), world.now)


def goes(world: World, person_id: int) -> RosterEntry:
    """The roster names them no more."""
    row = world.session.exec(select(RosterEntry).where(RosterEntry.person_id == person_id)).one()
    row.removed_at = world.now
    world.session.add(row)
    world.session.flush()
    return row


def live(world: World, work: competencies.Submission) -> set[int]:
    return {one.reviewer_id for one in reviews_of(world, work) if one.state in rubrics.LIVE}


def test_who_leaves_frees_what_they_had_and_keeps_what_they_handed_in(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    one = reviews_of(world, works["chen"])[0]
    mine = [row for work in works.values() for row in reviews_of(world, work) if row.reviewer_id == one.reviewer_id]
    actor = world.actor(cast_of(world, one.reviewer_id))
    row = review.open_review(world.session, actor, one.uuid, world.now)
    review.submit(world.session, actor, one.uuid, all_marks(world, works["chen"]), row.version, world.now)
    world.now += HOUR
    assert sweep(world) is None
    goes(world, one.reviewer_id)
    assert sweep(world) is not None
    assert one.state is rubrics.ReviewState.SUBMITTED
    for other in mine:
        if other is not one:
            assert rubrics.is_handed_on(other)
            work = next(work for work in works.values() if pk(work) == other.submission_id)
            assert other.reviewer_id not in live(world, work)
            assert len(live(world, work)) == 2
    world.now += HOUR
    assert sweep(world) is None


def test_a_district_that_is_read_only_is_left_as_it_is(world: World, works: dict[str, competencies.Submission]) -> None:
    goes(world, reviews_of(world, works["chen"])[0].reviewer_id)
    world.tenant.frozen_on = competencies.local_day(world.now, world.tenant.timezone)
    before = {one.uuid: one.state for work in works.values() for one in reviews_of(world, work)}
    assert sweep(world) is None
    assert {one.uuid: one.state for work in works.values() for one in reviews_of(world, work)} == before


def test_who_comes_back_takes_it_up_again(world: World, works: dict[str, competencies.Submission]) -> None:
    one = reviews_of(world, works["chen"])[0]
    actor = world.actor(cast_of(world, one.reviewer_id))
    review.open_review(world.session, actor, one.uuid, world.now)
    entry = goes(world, one.reviewer_id)
    sweep(world)
    assert rubrics.is_handed_on(one)
    entry.removed_at = None
    world.session.add(entry)
    review.save(world.session, actor, one.uuid, {}, one.version, world.now)
    assert one.state is rubrics.ReviewState.OPEN
    world.now += HOUR
    sweep(world)
    assert one.state is rubrics.ReviewState.OPEN


def test_who_has_least_is_asked_for_one_more_each_hour_up_to_the_most(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    """Three of six go: three people are left for six works with two reviewers each."""
    world.set_rules(review={"pool": "district", "max_reviews": 4})
    gone = [pk(world.person(who)) for who in cast.TEACHERS[:3]]
    for person in gone:
        goes(world, person)
    loads = []
    for _hour in range(4):
        sweep(world)
        rows = world.session.exec(
            select(rubrics.Review.reviewer_id).where(col(rubrics.Review.state).in_(rubrics.LIVE))
        ).all()
        assert not set(rows) & set(gone)
        loads.append(len(rows))
        world.now += HOUR
    assert loads[0] < loads[1]
    assert loads == sorted(loads)
    assert loads[-1] >= 11  # of twelve: what is somebody's stays theirs, so the last one may have no place
    assert max(rows.count(person) for person in set(rows)) == 4
    made = world.session.exec(select(rubrics.Allocation)).all()
    sweep(world)
    assert world.session.exec(select(rubrics.Allocation)).all() == made
