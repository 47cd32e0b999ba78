"""按新标准评: works under review go over to today's criteria; marks that stand go along, the others come back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

import competencies
import rubrics
from competencies import editing
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Refused
from lms_plugin.flow import (
    cases,
    curate,
    marking,
    moving,
    remarking,
    review,
    review_tasks,
    review_views,
    submit,
    touches,
)
from lms_plugin.flow import editing as drafts
from rubrics import EditClass, MarkKey, ReviewState
from tests import people as cast
from tests.factories import World
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of, version_of

HOUR = timedelta(hours=1)
Content = dict[str, Any]
Criteria = list[dict[str, Any]]


@pytest.fixture
def work(world: World) -> competencies.Submission:
    """陈's work on A3 with two reviews, one handed in."""
    world.set_rules(review={"pool": "district"})
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    version = version_of(world, work).id or 0
    slots = [rubrics.Slot(pk(work), version, pk(world.person(who))) for who in (cast.WANG, cast.LI)]
    rubrics.allot(
        world.session, pk(world.tenant), pk(world.programme), slots, None, world.now + timedelta(days=9), world.now
    )
    finish_review(world, reviews_of(world, work)[0], world.now)
    return work


def first_item(world: World) -> Content:
    point = editing.point_of(world.framework.content, "A3")
    return next(item for item in point["evidence"] if item["core"] and len(item["criteria"]) > 1)


def changed(world: World, change: Callable[[Criteria], Criteria]) -> Callable[[Content], Content]:
    item = first_item(world)
    return lambda content: editing.put_item(content, "A3", {**item, "criteria": change(list(item["criteria"]))})


def new_criterion(key: str = "fresh", **more: Any) -> dict[str, Any]:
    levels = {"pass": {"zh": "写明用在哪一课"}, "excellent": {"zh": "写明每一步用在哪里"}}
    return {"key": key, "levels": levels, "proposed": True, **more}


def publish(world: World, *changes: Callable[[Content], Content]) -> competencies.FrameworkVersion:
    draft = begin(world, *changes)
    curate.publish(world.session, draft, pk(world.person(cast.OFFICER)), world.now, under_banner=True)
    return draft


def begin(world: World, *changes: Callable[[Content], Content]) -> competencies.FrameworkVersion:
    draft = drafts.begin_next(world.session, world.actor(cast.OFFICER), world.framework.uuid, world.now)
    content = draft.content
    for change in changes:
        content = change(content)
    editing.keep_draft(world.session, draft, content)
    return draft


def go_over(world: World, *changes: Callable[[Content], Content]) -> None:
    """The round uses a version with these changes; works that are handed in stay with the old one."""
    new = publish(world, *changes)
    moving.move(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, new.uuid, world.programme.version, world.now
    )
    world.session.expire_all()


def remark(world: World, *again: str) -> remarking.Totals:
    officer = world.actor(cast.OFFICER)
    return remarking.remark(world.session, officer, world.programme.uuid, again, world.programme.version, world.now)


def keys_of(world: World, work: competencies.Submission) -> set[str]:
    item = first_item(world)["key"]
    sheet = marking.sheet(world.session, version_of(world, work).id or 0, work.point_id)
    return {key.criterion_key for key in sheet.expected if key.item_key == item}


def test_a_new_criterion_comes_back_to_who_had_handed_in_with_all_other_marks_in_place(
    world: World, work: competencies.Submission
) -> None:
    one, other = reviews_of(world, work)
    before = rubrics.drafts_of(world.session, [pk(one)])[pk(one)]
    go_over(world, changed(world, lambda found: [*found, new_criterion()]))
    assert "fresh" not in keys_of(world, work)  # until an officer says so, what was handed in is judged as before
    view = remarking.preview(world.session, world.actor(cast.OFFICER), world.programme.uuid, world.now)
    assert [(line.code, line.edit_class) for line in view.lines] == [("A3", EditClass.CRITERION_ADDED)]
    assert (view.totals.works, view.totals.again, view.totals.open, view.totals.aside) == (1, 1, 1, 0)
    assert remark(world) == view.totals
    assert "fresh" in keys_of(world, work)
    world.session.refresh(one)
    assert (one.state, one.submitted_at, one.point_level) == (ReviewState.OPEN, None, None)
    assert rubrics.drafts_of(world.session, [pk(one)])[pk(one)] == before
    actor = world.actor(cast_of(world, one.reviewer_id))
    assert one.uuid in {task.uuid for task in review_tasks.my_reviews(world.session, actor, world.now).open}
    page = review_views.review_page(world.session, actor, one.uuid)
    assert page.total - page.marked == 1
    assert page.comes_back
    finish_review(world, one, world.now)
    assert one.state is ReviewState.SUBMITTED
    assert other.state is ReviewState.ALLOTTED
    assert remark(world).works == 0  # nothing is left to do


def test_a_criterion_that_goes_leaves_its_marks_readable_and_the_rest_is_counted_anew(
    world: World, work: competencies.Submission
) -> None:
    item, lost = first_item(world)["key"], first_item(world)["criteria"][0]["key"]
    second = reviews_of(world, work)[1]
    finish_review(world, second, world.now, changes={f"{item}.{lost}": 0})
    assert second.point_level == 0
    go_over(world, changed(world, lambda found: found[1:]))
    totals = remark(world)
    assert (totals.again, totals.counted, totals.aside) == (0, 2, 2)
    world.session.refresh(second)
    assert (second.state, second.point_level) == (ReviewState.SUBMITTED, 1)  # what had failed it is asked no more
    summary = world.session.exec(
        select(rubrics.ReviewSummary).where(rubrics.ReviewSummary.submission_version_id == work.current_version_id)
    ).one()
    assert (summary.submitted, summary.differs_on_pass, summary.agreed_level) == (2, False, 1)
    then = rubrics.marks_before(world.session, second.submission_version_id, pk(second))
    assert [(one.level, one.reason) for one in then] == [(0, "这里还没有做到。")]
    assert then[0].asks == first_item(world)["criteria"][0]["levels"]["pass"]
    kinds = world.session.exec(
        select(rubrics.ReviewEvent.kind).where(rubrics.ReviewEvent.review_id == pk(second))
    ).all()
    assert "recounted" in kinds


def test_only_who_gave_the_level_that_is_no_more_marks_again(world: World, work: competencies.Submission) -> None:
    item = first_item(world)
    key = next(one["key"] for one in item["criteria"] if one["levels"]["pass"])
    first, second = reviews_of(world, work)
    finish_review(world, second, world.now, changes={f"{item['key']}.{key}": 0})

    def without_pass(found: Criteria) -> Criteria:
        return [
            {**one, "levels": {**one["levels"], "pass": None}, "excellent_only": True} if one["key"] == key else one
            for one in found
        ]

    go_over(world, changed(world, without_pass))
    totals = remark(world)
    assert (totals.again, totals.aside) == (1, 1)
    world.session.refresh(first)
    world.session.refresh(second)
    assert (first.state, second.state) == (ReviewState.SUBMITTED, ReviewState.OPEN)
    left = rubrics.drafts_of(world.session, [pk(second)])[pk(second)]
    assert MarkKey(item["key"], key) not in left


def test_other_words_leave_marks_alone_unless_they_are_to_be_given_again(
    world: World, work: competencies.Submission
) -> None:
    item = first_item(world)
    key = item["criteria"][0]["key"]

    def reworded(found: Criteria) -> Criteria:
        levels = {"pass": {"zh": "换了一种说法"}, "excellent": {"zh": "换了一种更高的说法"}}
        return [{**one, "levels": levels} if one["key"] == key else one for one in found]

    go_over(world, changed(world, reworded))
    line = remarking.preview(world.session, world.actor(cast.OFFICER), world.programme.uuid, world.now).lines[0]
    assert line.edit_class is EditClass.WORDS
    field = line.items[0].criteria[0].field
    assert field == f"A3.{item['key']}.{key}"
    totals = remark(world, field)
    assert (totals.again, totals.aside) == (1, 1)
    one = reviews_of(world, work)[0]
    world.session.refresh(one)
    assert one.state is ReviewState.OPEN
    assert [then.asks for then in rubrics.marks_before(world.session, one.submission_version_id)] == [
        item["criteria"][0]["levels"]["pass"]
    ]


def test_an_import_that_names_criteria_anew_costs_nobody_a_mark(world: World, work: competencies.Submission) -> None:
    go_over(world, changed(world, lambda found: [{**one, "key": f"x_{one['key']}"} for one in found]))
    view = remarking.preview(world.session, world.actor(cast.OFFICER), world.programme.uuid, world.now)
    assert view.lines == ()
    one = reviews_of(world, work)[0]
    assert remark(world).works == 0
    assert one.state is ReviewState.SUBMITTED


def test_what_is_decided_stays_and_what_comes_back_from_a_return_is_judged_as_it_was(
    world: World, work: competencies.Submission
) -> None:
    decided = hand_in(world, cast.WANG, "A3", world.now - 2 * HOUR)
    trainer = world.actor(cast.TRAINER)
    base = judgement(all_marks(world, decided))
    cases.decide(world.session, trainer, decided.uuid, base, 0, version_of(world, decided).number, world.now)
    go_over(world, changed(world, lambda found: [*found, new_criterion()]))
    view = remarking.preview(world.session, world.actor(cast.OFFICER), world.programme.uuid, world.now)
    assert (view.totals.works, view.decided) == (1, 1)
    remark(world)
    assert "fresh" not in keys_of(world, decided)
    item = first_item(world)["key"]
    failing = all_marks(world, work, changes={f"{item}.fresh": 0})
    number = version_of(world, work).number
    cases.return_work(world.session, trainer, work.uuid, judgement(failing, "请改"), 0, number, world.now)
    actor = world.actor(cast.CHEN)
    criteria = submit.drafts.criteria_by_key(
        world.session, actor, submit.drafts.load_work(world.session, actor, work.uuid).items, work
    )
    assert "fresh" in {line.key for line in criteria[item]}
    rubrics.judge_alike(world.session, version_of(world, work).id or 0, version_of(world, decided).id or 0)
    assert "fresh" in keys_of(world, decided)


def test_only_an_officer_of_the_round_goes_over_and_not_once_it_is_over(
    world: World, work: competencies.Submission
) -> None:
    go_over(world, changed(world, lambda found: found[1:]))
    for who in (cast.CHEN, cast.TRAINER):
        with pytest.raises(Forbidden):
            remarking.remark(world.session, world.actor(who), world.programme.uuid, (), 1, world.now)
    officer, uuid = world.actor(cast.OFFICER), world.programme.uuid
    with pytest.raises(Conflict, match=r"programme\.changed"):
        remarking.remark(world.session, officer, uuid, (), world.programme.version - 1, world.now)
    long_after = world.now + timedelta(days=400)
    with pytest.raises(Refused, match=r"remarking\.over"):
        remarking.remark(world.session, officer, uuid, (), world.programme.version, long_after)
    assert not world.session.exec(select(rubrics.JudgedBy)).all()


def test_before_publishing_it_is_told_what_a_change_touches(world: World, work: competencies.Submission) -> None:
    officer = world.actor(cast.OFFICER)
    draft = begin(world, changed(world, lambda found: [*found, new_criterion()]))
    view = touches.touches(world.session, officer, draft.uuid)
    assert (view.since_number, len(view.programmes)) == (world.framework.number, 1)
    point = view.points[0]
    assert (point.code, point.edit_class) == ("A3", EditClass.CRITERION_ADDED)
    assert (point.numbers.works, point.numbers.open, point.numbers.given, point.numbers.again) == (1, 1, 1, 1)
    assert view.of_class(EditClass.CRITERION_ADDED)[0] == 1
    assert view.of_class(EditClass.WORDS)[0] == 0
    assert view.same == len(world.framework.content["points"]) - 1
    with pytest.raises(Forbidden):
        touches.touches(world.session, world.actor(cast.CHEN), draft.uuid)


def test_a_review_that_went_on_keeps_its_marks_by_their_new_names(world: World, work: competencies.Submission) -> None:
    one = reviews_of(world, work)[1]
    actor = world.actor(cast_of(world, one.reviewer_id))
    review.open_review(world.session, actor, one.uuid, world.now)
    review.save(world.session, actor, one.uuid, all_marks(world, work), one.version, world.now)
    rubrics.hand_on(world.session, [one], world.now)
    item = first_item(world)["key"]

    def swapped(found: Criteria) -> Criteria:
        first, second, *rest = found
        return [{**second, "key": first["key"]}, {**first, "key": second["key"]}, *rest, new_criterion()]

    go_over(world, changed(world, swapped))
    remark(world)
    marks = world.session.exec(
        select(rubrics.CriterionMark.criterion_key).where(
            rubrics.CriterionMark.review_id == pk(one), col(rubrics.CriterionMark.requirement_key) == item
        )
    ).all()
    assert sorted(marks) == sorted(one["key"] for one in first_item(world)["criteria"])
