"""互评: who reviews whom, what a reviewer may do, what comes of it."""

from datetime import timedelta

import pytest
from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import cases, review, review_tasks, review_views
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of, version_of

HOUR = timedelta(hours=1)


@pytest.fixture
def works(world: World) -> dict[str, competencies.Submission]:
    """Six teachers, three of each school, one work each, handed in two hours ago."""
    return {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}


def allot(world: World, seed: int = 7) -> rubrics.Allocation:
    return review.allocate(world.session, world.actor(cast.OFFICER), world.programme, seed, world.now)


def test_everybody_gets_two_reviewers_of_the_own_school_and_never_oneself(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    allocation = allot(world)
    assert allocation.assigned == 12
    assert not allocation.shortages
    for who in cast.TEACHERS:
        reviewers = [cast_of(world, one.reviewer_id) for one in reviews_of(world, works[who.key])]
        assert len(reviewers) == 2
        assert who not in reviewers
        assert {one.school for one in reviewers} == {who.school}


def test_work_that_can_still_be_withdrawn_is_not_allotted(world: World) -> None:
    hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    hand_in(world, cast.WANG, "A3", world.now - 2 * HOUR)
    fresh = hand_in(world, cast.LI, "A3", world.now - timedelta(minutes=29))
    allot(world)
    assert reviews_of(world, fresh) == []


def test_excluding_the_own_school_shows_the_shortage_and_breaks_no_rule(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    world.set_rules(review={"exclude_own_school": True, "pool": "own_group"})
    allocation = allot(world)
    assert allocation.assigned == 0
    page = review_views.allocation_page(world.session, world.actor(cast.OFFICER), world.programme, world.now)
    assert len(page.shortages) == 6
    assert page.by_why == {"own_school_excluded": 6}
    assert {one.author for one in page.shortages} == {who.name for who in cast.TEACHERS}


def test_officer_and_confirmed_trainer_allot_and_nobody_else(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR, cast.IT):
        with pytest.raises(Forbidden):
            review.allocate(world.session, world.actor(who), world.programme, 1, world.now)
    with pytest.raises(NotFound):
        review.allocate(world.session, world.actor(cast.NEIGHBOUR), world.programme, 1, world.now)
    assert review.allocate(world.session, world.actor(cast.TRAINER), world.programme, 1, world.now).assigned == 12


def test_the_sweep_allots_after_the_last_day_and_tops_up_only_when_something_changed(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    programme = pk(world.programme)
    assert review.to_allot(world.session) == [programme]
    assert review.allocate_due(world.session, programme, world.now) is None
    end = competencies.end_of_day(world.programme.submit_by_on, "Asia/Shanghai")
    assert review.allocate_due(world.session, programme, end + timedelta(minutes=29)) is None
    first = end + timedelta(minutes=30)
    made = review.allocate_due(world.session, programme, first)
    assert made is not None
    assert made.assigned == 12
    assert review.allocate_due(world.session, programme, first + timedelta(minutes=1)) is None
    # A reviewer steps back: the place is filled by the third colleague of the school.
    one = reviews_of(world, works["chen"])[0]
    review.recuse(world.session, world.actor(cast_of(world, one.reviewer_id)), one.uuid, first + HOUR)
    again = review.allocate_due(world.session, programme, first + 2 * HOUR)
    assert again is not None
    assert again.shortages  # both other colleagues had it already: said, not hidden


def test_work_that_comes_after_the_last_day_of_reviews_leaves_days_to_review_it(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    """An extension may reach beyond it; nobody's review is late on the day it is allotted."""
    programme, timezone = world.programme, world.tenant.timezone
    world.now = competencies.end_of_day(programme.review_by_on, timezone) + HOUR
    programme.closes_on = programme.review_by_on + timedelta(days=30)
    allot(world)
    today = competencies.local_day(world.now, timezone)
    due = {one.due_at for one in reviews_of(world, works["chen"])}
    assert due == {competencies.end_of_day(today + timedelta(days=5), timezone)}


def test_opening_is_written_once_and_ends_withdrawing(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    one = reviews_of(world, works["chen"])[0]
    actor = world.actor(cast_of(world, one.reviewer_id))
    review.open_review(world.session, actor, one.uuid, world.now)
    review.open_review(world.session, actor, one.uuid, world.now + HOUR)
    assert version_of(world, works["chen"]).opened_at == world.now
    events = world.session.exec(
        select(rubrics.ReviewEvent).where(
            rubrics.ReviewEvent.review_id == pk(one), rubrics.ReviewEvent.kind == "opened"
        )
    ).all()
    assert len(events) == 1


def test_a_review_belongs_to_its_reviewer_alone(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    one = reviews_of(world, works["chen"])[0]
    for who in (cast.CHEN, cast.ZHAO, cast.TRAINER, cast.OFFICER):
        with pytest.raises(Forbidden):
            review.open_review(world.session, world.actor(who), one.uuid, world.now)
    with pytest.raises(NotFound):
        review.open_review(world.session, world.actor(cast.NEIGHBOUR), one.uuid, world.now)


def test_two_tabs_get_both_versions(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    one = reviews_of(world, works["chen"])[0]
    actor = world.actor(cast_of(world, one.reviewer_id))
    version = review.open_review(world.session, actor, one.uuid, world.now).version
    first = all_marks(world, works["chen"], 2)
    second = all_marks(world, works["chen"], 1)
    saved = review.save(world.session, actor, one.uuid, first, version, world.now)
    assert saved.version == version + 1
    with pytest.raises(Conflict) as conflict:
        review.save(world.session, actor, one.uuid, second, version, world.now)
    assert conflict.value.params["mine"] == second
    assert conflict.value.params["theirs"] == first
    assert conflict.value.params["version"] == saved.version
    again = review.save(world.session, actor, one.uuid, first, version, world.now)  # a dying page asks twice
    assert again.version == saved.version


def test_submitting_says_which_criterion_is_missing_and_which_needs_a_reason(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    allot(world)
    one = reviews_of(world, works["chen"])[0]
    actor = world.actor(cast_of(world, one.reviewer_id))
    version = review.open_review(world.session, actor, one.uuid, world.now).version
    drafts = all_marks(world, works["chen"])
    keys = list(drafts)
    drafts[keys[0]] = rubrics.DraftMark(None)
    drafts[keys[1]] = rubrics.DraftMark(0, " ")
    above = next(key for key in keys[2:] if key.criterion_key != rubrics.VALIDITY_KEY)
    drafts[above] = rubrics.DraftMark(2, "")  # above a pass, too: what was seen in the work
    with pytest.raises(Invalid) as invalid:
        review.submit(world.session, actor, one.uuid, drafts, version, world.now)
    assert invalid.value.fields == {
        f"{keys[0].item_key}.{keys[0].criterion_key}": "review.level_missing",
        f"{keys[1].item_key}.{keys[1].criterion_key}": "review.reason_missing",
        f"{above.item_key}.{above.criterion_key}": "review.reason_missing",
    }
    assert one.state is rubrics.ReviewState.OPEN


def test_a_submitted_review_is_finished(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    one = reviews_of(world, works["chen"])[0]
    finish_review(world, one, world.now)
    assert one.state is rubrics.ReviewState.SUBMITTED
    assert one.point_level == 1
    with pytest.raises(Refused, match=r"review\.already_submitted"):
        finish_review(world, one, world.now)


def test_a_third_reviewer_is_asked_when_two_differ_on_pass(
    world: World,
) -> None:
    world.set_rules(review={"pool": "district"})
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    allot(world)
    work = works["chen"]
    first, second = reviews_of(world, work)
    finish_review(world, first, world.now, 1)
    assert len(reviews_of(world, work)) == 2
    finish_review(world, second, world.now, 0)
    third = reviews_of(world, work)[2:]
    assert [one.is_third for one in third] == [True]
    assert third[0].reviewer_id not in {first.reviewer_id, second.reviewer_id, pk(world.person(cast.CHEN))}
    # Whatever the third says, nobody is asked a fourth time.
    finish_review(world, third[0], world.now, 1)
    assert len(reviews_of(world, work)) == 3


def test_where_nobody_is_free_for_a_third_the_page_says_so_at_once_and_the_sweep_looks_again(
    world: World, works: dict[str, competencies.Submission]
) -> None:
    """Three teachers a school: both colleagues have reviewed, so there is no third until somebody comes."""
    allot(world)
    work = works["chen"]
    later = world.now + timedelta(minutes=5)
    for row, level in zip(reviews_of(world, work), (1, 0), strict=True):
        finish_review(world, row, later, level)
    assert len(reviews_of(world, work)) == 2

    def page() -> review_views.AllocationPage:
        return review_views.allocation_page(world.session, world.actor(cast.OFFICER), world.programme, later)

    assert [(one.author, one.short, one.why) for one in page().shortages] == [("陈晓芳", 1, "no_reviewer_in_pool")]
    assert (page().needy, page().fillable) == (1, 0)
    swept = review.allocate_due(world.session, pk(world.programme), later)
    assert swept is not None
    assert [one["submission"] for one in swept.shortages] == [work.uuid]
    assert review.allocate_due(world.session, pk(world.programme), later) is None  # said once; nothing changed since
    # The officer widens the pool: the page offers it, the button does it.
    world.set_rules(review={"pool": "district"})
    assert (page().shortages, page().needy, page().fillable) == ((), 1, 1)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, later)
    assert [row.is_third for row in reviews_of(world, work)] == [False, False, True]
    assert (page().shortages, page().needy) == ((), 0)


def test_a_work_that_is_decided_is_short_of_nobody(world: World, works: dict[str, competencies.Submission]) -> None:
    world.set_rules(review={"exclude_own_school": True, "pool": "own_group"})
    allot(world)
    marks = all_marks(world, works["chen"], 1)
    cases.decide(world.session, world.actor(cast.TRAINER), works["chen"].uuid, judgement(marks), 0, 1, world.now)
    page = review_views.allocation_page(world.session, world.actor(cast.OFFICER), world.programme, world.now)
    assert {one.author for one in page.shortages} == {who.name for who in cast.TEACHERS} - {"陈晓芳"}


def test_two_levels_of_pass_need_no_third(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    first, second = reviews_of(world, works["chen"])
    finish_review(world, first, world.now, 1)
    finish_review(world, second, world.now, 2)
    assert len(reviews_of(world, works["chen"])) == 2


def test_stepping_back_frees_the_place_and_keeps_the_author_away(world: World) -> None:
    world.set_rules(review={"pool": "district"})
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    allot(world)
    one = reviews_of(world, works["chen"])[0]
    actor = world.actor(cast_of(world, one.reviewer_id))
    review.recuse(world.session, actor, one.uuid, world.now)
    assert one.uuid not in {task.uuid for task in review_tasks.my_reviews(world.session, actor, world.now).open}
    allot(world, 8)
    live = [row for row in reviews_of(world, works["chen"]) if row.state in rubrics.LIVE]
    assert len(live) == 2
    assert one.reviewer_id not in {row.reviewer_id for row in live}


def test_the_list_says_how_many_and_how_long(world: World, works: dict[str, competencies.Submission]) -> None:
    allot(world)
    tasks = review_tasks.my_reviews(world.session, world.actor(cast.CHEN), world.now)
    assert (tasks.left, tasks.minutes) == (2, 30)
    assert [task.number for task in tasks.open] == [1, 2]


def test_what_is_missing_is_not_to_be_marked(world: World) -> None:
    world.set_rules(review={"pool": "own_school"})
    works = [
        hand_in(world, who, "A3", world.now - 2 * HOUR, leave_out=("reflection",))
        for who in (cast.CHEN, cast.WANG, cast.LI)
    ]
    allot(world)
    one = reviews_of(world, works[0])[0]
    actor = world.actor(cast_of(world, one.reviewer_id))
    page = review_views.review_page(world.session, actor, one.uuid)
    assert [item.criteria == () for item in page.items if item.key == "reflection"] == [True]
    finish_review(world, one, world.now, 2)
    assert one.point_level == 2
