"""校准: nothing tells an example before it is handed in; it counts for nobody; then its reviewer learns from it."""

import re
from datetime import timedelta

import pytest
from sqlmodel import col, select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import (
    calibration,
    calibration_desk,
    cases,
    reliability,
    replays,
    review,
    review_tasks,
    review_views,
)
from lms_plugin.people import RoleKind
from rubrics import GoldItem, GoldReview, Review, ReviewState
from tests import people as cast
from tests.factories import World, grant
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement

HOUR = timedelta(hours=1)


def settled(world: World, who: cast.Cast = cast.ZHOU, code: str = "A5", level: int = 1) -> competencies.Submission:
    work = hand_in(world, who, code, world.now - 3 * HOUR)
    marks = judgement(all_marks(world, work, level))
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
    return work


def example(world: World, work: competencies.Submission, level: int = 1) -> GoldItem:
    marks = {
        key: rubrics.DraftMark(mark.level, "材料第二页写明了。") for key, mark in all_marks(world, work, level).items()
    }
    trainer = world.actor(cast.TRAINER)
    return calibration_desk.make(world.session, trainer, world.programme.uuid, work.uuid, marks, "作者同意", world.now)


def begin(world: World, mode: str, each: int = 1) -> dict[str, competencies.Submission]:
    """Six works to review, an example, and the allotment."""
    world.set_rules(review={"pool": "district", "calibration": mode, "calibration_items": each})
    item = settled(world)
    example(world, item)
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS[:5]}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 7, world.now)
    return works


def examples_of(world: World) -> list[Review]:
    return list(
        world.session.exec(
            select(Review).join(GoldReview, col(GoldReview.review_id) == col(Review.id)).order_by(col(Review.id))
        )
    )


def test_before_it_is_handed_in_an_example_looks_like_any_other_review(world: World) -> None:
    works = begin(world, "mixed")
    golds = examples_of(world)
    assert len({one.reviewer_id for one in golds}) == len(golds) >= 3
    author = world.person(cast.ZHOU)
    assert pk(author) not in {one.reviewer_id for one in golds}
    last = 0
    for one in golds:
        actor = world.actor(cast_of(world, one.reviewer_id))
        tasks = review_tasks.my_reviews(world.session, actor, world.now).open
        of_gold = next(task for task in tasks if task.uuid == one.uuid)
        others = [task for task in tasks if task.uuid != one.uuid]
        assert {task.due_at for task in tasks} == {of_gold.due_at}
        assert sorted(task.number for task in tasks) == list(range(1, len(tasks) + 1))
        last += of_gold.number == len(tasks)
        assert calibration.mine(world.session, actor) == ()
        page = review_views.review_page(world.session, actor, one.uuid)
        real = review_views.review_page(world.session, actor, others[0].uuid)
        told = re.compile("校准|样例|gold|calibrat", re.IGNORECASE)
        assert not told.search(repr(page))
        assert type(page) is type(real)
        with pytest.raises(NotFound):
            calibration.feedback(world.session, actor, one.uuid)
    assert works


def test_handed_in_it_counts_for_nobody_and_says_what_it_was(world: World) -> None:
    begin(world, "mixed")
    one = examples_of(world)[0]
    reviewer = cast_of(world, one.reviewer_id)
    programme = world.programme
    before = reliability.reviewed(world.session, programme)
    finish_review(world, one, world.now, level=2)
    assert (one.state, one.submitted_at) == (ReviewState.VOID, world.now)
    assert reliability.reviewed(world.session, programme) == before
    version = one.submission_version_id
    summary = select(rubrics.ReviewSummary).where(rubrics.ReviewSummary.submission_version_id == version)
    assert world.session.exec(summary).all() == []
    decision = world.session.exec(
        select(competencies.Decision).where(competencies.Decision.submission_version_id == version)
    ).one()
    assert decision.point_level == 1
    view = calibration.feedback(world.session, world.actor(reviewer), one.uuid)
    assert view.near == len(view.lines) > 2
    assert {line.why for line in view.lines} == {"材料第二页写明了。"}
    graded = [line for line in view.lines if not line.is_validity]
    assert {line.above for line in graded} == {1}  # one level milder: still agreement
    (mine,) = calibration.mine(world.session, world.actor(reviewer))
    assert (mine.is_done, mine.near, mine.criteria) == (True, view.near, len(view.lines))
    assert calibration.gold_errors(world.session, programme) == {one.reviewer_id: (1, 1.0)}
    stranger = next(who for who in cast.TEACHERS if who is not reviewer)
    with pytest.raises(NotFound):
        calibration.feedback(world.session, world.actor(stranger), one.uuid)
    with pytest.raises(Refused, match=r"review\.void"):
        finish_review(world, one, world.now, level=1)


def test_two_levels_apart_is_no_agreement(world: World) -> None:
    begin(world, "mixed")
    one = examples_of(world)[0]
    item = rubrics.gold_of(world.session, one)
    assert item is not None
    key = next(key for key in rubrics.agreed_levels(item) if key.criterion_key != rubrics.VALIDITY_KEY)
    item.agreed = {
        **item.agreed,
        key.item_key: {**item.agreed[key.item_key], key.criterion_key: {"level": 2, "reason": "好"}},
    }
    world.session.add(item)
    finish_review(world, one, world.now, changes={f"{key.item_key}.{key.criterion_key}": 0})
    view = calibration.feedback(world.session, world.actor(cast_of(world, one.reviewer_id)), one.uuid)
    assert len(view.lines) - view.near == 1
    assert [line.above for line in view.lines if not line.is_near] == [-2]


def test_practice_comes_before_the_first_real_review(world: World) -> None:
    begin(world, "before", each=2)
    one = examples_of(world)[0]
    actor = world.actor(cast_of(world, one.reviewer_id))
    tasks = review_tasks.my_reviews(world.session, actor, world.now).open
    assert tasks[0].uuid == one.uuid
    assert [practice.uuid for practice in calibration.mine(world.session, actor)] == [one.uuid]
    with pytest.raises(Refused, match=r"calibration\.first"):
        review.open_review(world.session, actor, tasks[1].uuid, world.now)
    finish_review(world, one, world.now, level=0)  # however it went: afterwards everybody may review
    assert review.open_review(world.session, actor, tasks[1].uuid, world.now).state is ReviewState.OPEN


def test_nobody_gets_an_example_that_they_read_with_its_name_or_twice(world: World) -> None:
    begin(world, "mixed", each=5)
    first = examples_of(world)
    for who in cast.TEACHERS[:5]:
        hand_in(world, who, "B1", world.now - 2 * HOUR)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 8, world.now)
    assert {one.uuid for one in examples_of(world)} == {one.uuid for one in first}


def test_without_the_setting_nothing_is_handed_out(world: World) -> None:
    begin(world, "off")
    assert examples_of(world) == []


def test_only_settled_works_with_a_reason_for_every_mark_become_examples(world: World) -> None:
    session, trainer, uuid = world.session, world.actor(cast.TRAINER), world.programme.uuid
    open_work = hand_in(world, cast.WANG, "A3", world.now - 2 * HOUR)
    with pytest.raises(Refused, match=r"calibration\.not_settled"):
        calibration_desk.form(session, trainer, uuid, open_work.uuid)
    work = settled(world)
    marks = all_marks(world, work)
    with pytest.raises(Invalid) as wrong:
        calibration_desk.make(session, trainer, uuid, work.uuid, marks, " ", world.now)
    assert wrong.value.fields["consent"] == "form.required"
    assert len(wrong.value.fields) == len(marks) + 1
    item = example(world, work)
    assert example(world, work).uuid == item.uuid
    for who in (cast.CHEN, cast.ZHOU):
        with pytest.raises(Forbidden):
            calibration_desk.page(session, world.actor(who), uuid)
        with pytest.raises(Forbidden):
            calibration_desk.end(session, world.actor(who), item.uuid, world.now)
    assert [line.uuid for line in calibration_desk.page(session, trainer, uuid).items] == [item.uuid]
    calibration_desk.end(session, trainer, item.uuid, world.now)
    page = calibration_desk.page(session, trainer, uuid)
    assert page.items == ()
    assert work.uuid in {one.uuid for one in page.candidates}


def test_the_trainer_sees_how_reviewers_did_and_leanings_take_it_in(world: World) -> None:
    begin(world, "mixed")
    for one in examples_of(world):
        finish_review(world, one, world.now, level=2)
    page = calibration_desk.page(world.session, world.actor(cast.TRAINER), world.programme.uuid)
    assert page.items[0].done == len(page.reviewers) == len(examples_of(world))
    assert [line.name for line in page.reviewers] == sorted(line.name for line in page.reviewers)
    assert {(line.examples, line.above) for line in page.reviewers} == {(1, 1.0)}
    errors = calibration.gold_errors(world.session, world.programme)
    assert set(errors.values()) == {(1, 1.0)}


@pytest.mark.parametrize("mode", ["mixed", "before"])
def test_an_allotment_that_gave_out_examples_can_be_drawn_again(world: World, mode: str) -> None:
    begin(world, mode)
    assert examples_of(world)
    row = world.session.exec(select(rubrics.Allocation)).one()
    again = replays.allotments(world.session, world.actor(cast.AUDITOR), world.programme.uuid, row.uuid).again
    assert again is not None
    assert again.holds


def test_only_works_that_one_may_read_are_offered(world: World) -> None:
    own, other = settled(world), settled(world, cast.SUN)
    grant(world.session, world.person(cast.ZHOU), RoleKind.OFFICER, world.county, world.now)
    page = calibration_desk.page(world.session, world.actor(cast.ZHOU), world.programme.uuid)
    assert [one.uuid for one in page.candidates] == [other.uuid]
    with pytest.raises(Forbidden):
        calibration_desk.form(world.session, world.actor(cast.ZHOU), world.programme.uuid, own.uuid)


def test_an_example_whose_author_was_erased_says_nothing_of_who_marked_it(world: World) -> None:
    begin(world, "mixed")
    reviewed = examples_of(world)
    for one in reviewed:
        finish_review(world, one, world.now, level=1)
    item = world.session.exec(select(GoldItem)).one()
    item.agreed, item.consent, item.ended_at = {}, "", world.now  # as erasing.erase leaves it
    world.session.flush()
    page = calibration_desk.page(world.session, world.actor(cast.TRAINER), world.programme.uuid)
    assert page.reviewers == ()  # not "0 % agree"
    assert calibration.gold_errors(world.session, world.programme) == {}
    reader = world.actor(cast_of(world, reviewed[0].reviewer_id))
    assert [one for one in calibration.mine(world.session, reader) if one.is_done] == []
