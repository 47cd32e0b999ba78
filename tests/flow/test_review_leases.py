"""A review waits for its reviewer so long; then it goes on to whoever is free, and comes back to who goes on."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from sqlmodel import col, select

import competencies
import rubrics
from lms_plugin.db import pk, table
from lms_plugin.errors import Refused
from lms_plugin.flow import cases, conflicts, review, review_tasks, review_views
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of, version_of

HOUR = timedelta(hours=1)
LEASE = timedelta(hours=72)


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    """Of six teachers of two schools; anybody of the district may review."""
    world.set_rules(review={"pool": "district"})
    return {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}


def allot(world: World, seed: int = 7) -> rubrics.Allocation:
    return review.allocate(world.session, world.actor(cast.OFFICER), world.programme, seed, world.now)


def sweep(world: World) -> rubrics.Allocation | None:
    return review.allocate_due(world.session, pk(world.programme), world.now)


def begun(world: World, work: competencies.Submission) -> rubrics.Review:
    """One of the reviews of a work, opened and marked a little."""
    one = reviews_of(world, work)[0]
    actor = world.actor(cast_of(world, one.reviewer_id))
    review.open_review(world.session, actor, one.uuid, world.now)
    drafts = dict(list(all_marks(world, work).items())[:1])
    review.save(world.session, actor, one.uuid, drafts, one.version, world.now)
    return one


def live(world: World, work: competencies.Submission) -> list[rubrics.Review]:
    return [one for one in reviews_of(world, work) if one.state in rubrics.LIVE]


def tasks_of(world: World, one: rubrics.Review) -> review_tasks.TaskList:
    return review_tasks.my_reviews(world.session, world.actor(cast_of(world, one.reviewer_id)), world.now)


def test_what_nobody_touches_for_three_days_goes_on_to_somebody_else(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    allot(world)
    one = begun(world, works["chen"])
    assert world.now + LEASE in {task.until for task in tasks_of(world, one).open if task.uuid == one.uuid}
    world.now += LEASE - HOUR
    assert sweep(world) is None
    world.now += HOUR
    made = sweep(world)
    assert made is not None
    assert made.assigned == 1
    now_reviewing = {row.reviewer_id for row in live(world, works["chen"])}
    assert len(now_reviewing) == 2
    assert one.reviewer_id not in now_reviewing
    assert one.state is rubrics.ReviewState.VOID
    assert rubrics.state_word(one) == rubrics.HANDED_ON
    assert sweep(world) is None  # once
    listed = tasks_of(world, one)
    assert [task.uuid for task in listed.handed_on] == [one.uuid]
    assert one.uuid not in {task.uuid for task in listed.open}


def test_every_save_gives_it_its_whole_time_again(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    one = begun(world, works["chen"])
    world.now += LEASE - HOUR
    actor = world.actor(cast_of(world, one.reviewer_id))
    review.save(world.session, actor, one.uuid, {}, one.version, world.now)
    world.now += LEASE - HOUR
    assert sweep(world) is None
    assert one.state is rubrics.ReviewState.OPEN


def test_who_goes_on_writing_has_it_back_and_counts_beside_the_other(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    """Their time ended while they were typing: nothing is lost, and nothing is refused."""
    allot(world)
    one = begun(world, works["chen"])
    as_typed = one.version
    world.now += LEASE
    sweep(world)
    page = review_views.review_page(world.session, world.actor(cast_of(world, one.reviewer_id)), one.uuid)
    assert page.is_open
    assert (page.state, page.marked) == (rubrics.HANDED_ON, 1)
    actor = world.actor(cast_of(world, one.reviewer_id))
    # Their page is of before.
    review.submit(world.session, actor, one.uuid, all_marks(world, works["chen"]), as_typed, world.now)
    assert one.state is rubrics.ReviewState.SUBMITTED
    assert one.handed_on_at is None
    assert len(live(world, works["chen"])) == 3
    assert [event.kind for event in events_of(world, one)] == ["opened", "handed_on", "taken_up_again", "submitted"]


def events_of(world: World, one: rubrics.Review) -> list[rubrics.ReviewEvent]:
    wanted = select(rubrics.ReviewEvent).where(rubrics.ReviewEvent.review_id == pk(one))
    return list(world.session.exec(wanted.order_by(col(rubrics.ReviewEvent.id))))


def test_where_nobody_else_is_free_it_stays_and_the_page_counts_it(world: World) -> None:
    world.set_rules(review={"pool": "own_school"})
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    allot(world)
    one = begun(world, works["chen"])
    world.now += LEASE
    sweep(world)  # both colleagues of the school have it already
    assert one.state is rubrics.ReviewState.OPEN
    view = review_views.allocation_page(world.session, world.actor(cast.OFFICER), world.programme, world.now)
    assert view.late == 1


def test_what_is_decided_is_not_taken_up_again(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    one = begun(world, works["chen"])
    world.now += LEASE
    sweep(world)
    cases.decide(
        world.session,
        world.actor(cast.TRAINER),
        works["chen"].uuid,
        judgement(all_marks(world, works["chen"])),
        0,
        1,
        world.now,
    )
    actor = world.actor(cast_of(world, one.reviewer_id))
    assert not tasks_of(world, one).handed_on
    with pytest.raises(Refused, match=r"review\.void"):
        review.save(world.session, actor, one.uuid, {}, one.version, world.now)


def test_unopened_ones_wait_until_their_last_day(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    for row in reviews_of(world, works["chen"])[1:]:
        finish_review(world, row, world.now)
    for key, work in works.items():
        if key != "chen":
            for row in reviews_of(world, work):
                finish_review(world, row, world.now)
    one = reviews_of(world, works["chen"])[0]
    assert one.due_at is not None
    world.now = one.due_at - HOUR
    sweep(world)
    assert one.state is rubrics.ReviewState.ALLOTTED
    world.now = one.due_at
    sweep(world)
    assert one.state is rubrics.ReviewState.VOID
    others = [row for row in live(world, works["chen"]) if row.state is rubrics.ReviewState.ALLOTTED]
    assert [row.due_at for row in others] != [one.due_at]


def test_what_is_handed_in_at_the_same_moment_stays(world: World, works: dict[str, competencies.Submission]) -> None:
    """The allotment has read it as late; its reviewer commits before the allotment writes."""
    allot(world)
    one = begun(world, works["chen"])
    review_table = table(rubrics.Review)
    world.session.connection().execute(
        update(review_table)
        .where(review_table.c.id == pk(one))
        .values(state=rubrics.ReviewState.SUBMITTED, version=one.version + 1)
    )
    rubrics.hand_on(world.session, [one], world.now)
    assert one.state is rubrics.ReviewState.SUBMITTED
    assert one.handed_on_at is None
    assert "handed_on" not in {event.kind for event in events_of(world, one)}


def test_taking_it_up_unopened_ends_withdrawing(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    one = reviews_of(world, works["chen"])[0]
    rubrics.hand_on(world.session, [one], world.now)
    actor = world.actor(cast_of(world, one.reviewer_id))
    review.save(world.session, actor, one.uuid, {}, one.version, world.now)
    assert version_of(world, works["chen"]).opened_at == world.now


def test_who_must_not_review_the_author_any_more_has_it_no_longer(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    allot(world)
    one = begun(world, works["chen"])
    rubrics.hand_on(world.session, [one], world.now)
    numbers = [world.person(who).staff_number for who in (cast.CHEN, cast_of(world, one.reviewer_id))]
    conflicts.keep_apart(world.session, world.actor(cast.OFFICER), conflicts.Said(*numbers, "family"), world.now)
    assert not tasks_of(world, one).handed_on


def test_a_programme_without_the_rule_waits_for_ever(world: World, works: dict[str, competencies.Submission]) -> None:
    world.set_rules(review={"pool": "district", "lease_hours": 0})
    allot(world)
    one = begun(world, works["chen"])
    world.now += timedelta(days=30)
    sweep(world)
    assert one.state is rubrics.ReviewState.OPEN
    assert {task.until for task in tasks_of(world, one).open} == {None}


MOMENT = datetime.fromisoformat("2026-11-02T09:00:00+08:00")
days = st.integers(0, 40).map(lambda n: MOMENT + timedelta(days=n))


@given(
    state=st.sampled_from(list(rubrics.ReviewState)),
    opened=st.none() | days,
    saved=st.none() | days,
    due=st.none() | days,
    now=days,
    lease=st.integers(0, 720),
)
def test_only_unfinished_reviews_are_ever_late_and_touching_one_never_makes_it_later(
    state: rubrics.ReviewState,
    opened: datetime | None,
    saved: datetime | None,
    due: datetime | None,
    now: datetime,
    lease: int,
) -> None:
    one = rubrics.Review(state=state, opened_at=opened, saved_at=saved, due_at=due)
    is_late = rubrics.is_late(one, timedelta(hours=lease), now)
    if state not in rubrics.UNFINISHED or not lease:
        assert not is_late
    one.saved_at = now
    if state is rubrics.ReviewState.OPEN:
        assert not rubrics.is_late(one, timedelta(hours=lease), now)
