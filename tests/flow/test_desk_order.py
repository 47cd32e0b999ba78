"""The trainer's queue: the most doubtful first or the oldest, and what waits longer than was promised."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import case_views, doubts, notices, promised, queue_views, uncertain
from lms_plugin.flow.overdue import OVERDUE
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import hand_in
from tests.flow.reviewed import many_reviewed

DAY = timedelta(days=1)


def queued(world: World, *, by_doubt: bool = True, state: str = "pending") -> queue_views.Queue:
    actor = world.actor(cast.TRAINER)
    return queue_views.queue(
        world.session, actor, world.programme.uuid, state, None, 1, world.now, by_doubt=by_doubt
    )  # fmt: skip


def summaries(world: World) -> dict[str, rubrics.ReviewSummary]:
    rows = world.session.exec(
        select(competencies.Submission.uuid, rubrics.ReviewSummary).join(
            rubrics.ReviewSummary,
            col(rubrics.ReviewSummary.submission_version_id) == col(competencies.Submission.current_version_id),
        )
    )
    return dict(list(rows))


def test_the_most_doubtful_comes_first_then_what_few_have_reviewed_then_what_is_clear(world: World) -> None:
    many_reviewed(world, codes=("A1", "A2"))
    alone = hand_in(world, cast.CHEN, "A3", world.now - DAY)
    ranks = {uuid: row.doubt_millionths or 0 for uuid, row in summaries(world).items()}
    ranks[alone.uuid] = rubrics.UNKNOWN_RANK
    found = queued(world)
    order = [row.uuid for row in found.rows]
    assert [ranks[uuid] for uuid in order] == sorted(ranks.values(), reverse=True)
    said = {row.uuid: row.doubt for row in found.rows}
    assert said[order[0]] == "unsure"
    assert said[order[-1]] == "clear"
    assert said[alone.uuid] == ""
    oldest = queued(world, by_doubt=False)
    assert oldest.rows[0].uuid == alone.uuid
    assert (found.by_doubt, oldest.by_doubt, queued(world, state="late").by_doubt) == (True, False, False)


@pytest.mark.parametrize("by_doubt", [True, False])
def test_the_next_case_follows_the_order_that_was_chosen(world: World, by_doubt: bool) -> None:
    many_reviewed(world, codes=("A1",))
    order = [row.uuid for row in queued(world, by_doubt=by_doubt).rows]
    desk = case_views.Desk(by_doubt=by_doubt)
    trainer = world.actor(cast.TRAINER)
    for here, following in zip(order, [*order[1:], order[0]], strict=True):
        assert case_views.next_case(world.session, trainer, here, world.now, desk) == following


def test_the_worker_orders_anew_by_everybodys_leanings_and_not_twice_in_a_moment(world: World) -> None:
    many_reviewed(world)
    session, programme = world.session, world.programme
    version = programme.version
    before = {uuid: row.doubt_millionths for uuid, row in summaries(world).items()}
    assert doubts.to_weigh(session) == [pk(programme)]
    assert doubts.weigh_due(session, pk(programme), world.now) > 0
    after = {uuid: row.doubt_millionths for uuid, row in summaries(world).items()}
    assert after != before
    page = uncertain.uncertain_page(session, world.actor(cast.TRAINER), programme.uuid, None, 1, world.now)
    first = [row.uuid for row in queued(world).rows][: len(page.lines)]
    assert {line.row.uuid for line in page.lines} == set(first)
    assert doubts.to_weigh(session) == []
    summary = summaries(world)[first[0]]
    summary.doubt_millionths, summary.changed_at = 0, world.now + timedelta(seconds=1)
    session.add(summary)
    session.flush()
    assert doubts.to_weigh(session) == [pk(programme)]
    assert doubts.weigh_due(session, pk(programme), world.now + timedelta(minutes=5)) == 0
    assert doubts.weigh_due(session, pk(programme), world.now + timedelta(minutes=16)) == 1
    session.refresh(programme)
    assert programme.version == version  # nothing that an officer edits has changed


def test_what_waits_longer_than_promised_is_told_and_stands_in_a_list_of_its_own(world: World) -> None:
    session = world.session
    old, new, back = (
        hand_in(world, who, "A3", world.now - days * DAY)
        for who, days in ((cast.CHEN, 9), (cast.WANG, 1), (cast.LI, 8))
    )
    assert queued(world).overdue == 0
    world.set_rules(review={"decide_days": 5, "reviews_per_work": 0})
    found = queued(world)
    assert found.overdue == 2
    assert {row.uuid for row in queued(world, state="overdue").rows} == {old.uuid, back.uuid}
    waits = {row.uuid: (row.waits_since, row.is_overdue) for row in found.rows}
    assert waits[old.uuid] == (world.now - 9 * DAY, True)
    assert waits[new.uuid] == (world.now - DAY, False)
    desk = case_views.Desk("overdue")
    assert case_views.next_case(session, world.actor(cast.TRAINER), old.uuid, world.now, desk) == back.uuid
    # While reviewers have it, nobody waits for the trainer; what came back to one is not with reviewers.
    world.set_rules(review={"decide_days": 5, "reviews_per_work": 2})
    back.trainer_id = pk(world.person(cast.TRAINER))
    session.add(back)
    session.flush()
    assert {row.uuid for row in queued(world, state="overdue").rows} == {back.uuid}
    assert {row.uuid: row.waits_since for row in queued(world).rows}[old.uuid] is None
    world.programme.review_by_on = (world.now - 7 * DAY).date()
    session.add(world.programme)
    session.flush()
    told = [one for one in notices.open_notices(session, world.actor(cast.OFFICER), world.now) if one.kind == OVERDUE]
    assert [(one.params["title"], one.params["n"]) for one in told] == [(world.programme.title, 2)]
    for who in (cast.TRAINER, cast.CHEN, cast.NEIGHBOUR):
        shown = notices.open_notices(session, world.actor(who), world.now)
        assert OVERDUE not in {one.kind for one in shown}
    promises = promised.promises_of(session, [world.programme])
    assert {row.uuid for row in queued(world, state="overdue").rows} == {old.uuid, back.uuid}
    waits = {row.uuid: (row.waits_since, row.is_overdue) for row in queued(world).rows}
    assert waits[old.uuid] == (promises[pk(world.programme)].reviewed_at, True)


def test_the_clock_of_a_work_starts_when_its_reviews_are_in(world: World) -> None:
    many_reviewed(world, codes=("A1",))
    world.set_rules(review={"decide_days": 2})
    assert {row.waits_since for row in queued(world).rows} == {world.now}
    later = world.now + 2 * DAY
    assert queue_views.queue(world.session, world.actor(cast.TRAINER), "", "overdue", None, 1, later).total == 6
