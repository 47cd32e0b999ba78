"""重新准备: a released 不合格 and an award that was taken back are no dead end; every page says the same of them."""

from datetime import timedelta

import pytest
from sqlmodel import select

import competencies
from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import (
    award,
    case_views,
    cases,
    drafts,
    oversee_lists,
    passport,
    point_view,
    retakes,
    reversal,
    submit,
    submit_views,
)
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, hand_in, judgement, version_of
from tests.rosters import put_on_roster

HOUR = timedelta(hours=1)


@pytest.fixture
def chen(world: World) -> Actor:
    return world.actor(cast.CHEN)


def work_of(world: World, code: str) -> competencies.Submission:
    return world.session.exec(
        select(competencies.Submission).where(
            competencies.Submission.person_id == pk(world.person(cast.CHEN)),
            competencies.Submission.point_id == pk(world.point(code)),
        )
    ).one()


def fail(world: World, code: str = "A3", **below: int) -> competencies.Submission:
    """A released 不合格 for what is below pass (all of it where nothing is named)."""
    work = hand_in(world, cast.CHEN, code, world.now - 3 * HOUR)
    changes = {key.replace("__", "."): level for key, level in below.items()}
    marks = judgement(all_marks(world, work, 1 if changes else 0, changes), "请重做课件")
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now - HOUR)
    award.release(world.session, world.actor(cast.OFFICER), world.programme, [work.uuid], world.now)
    return work


def take_back(world: World, reason: str = "材料不是本人的") -> competencies.Submission:
    """Three passed points, of which one is taken back; that one."""
    earn(world, cast.CHEN, "A3", "A5", "A6")
    held = world.session.exec(
        select(competencies.Award).where(competencies.Award.point_id == pk(world.point("A5")))
    ).one()
    person = world.person(cast.CHEN).uuid
    reversal.reverse(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, person, "award", held.uuid, reason, world.now
    )
    return work_of(world, "A5")


def decide_again(world: World, work: competencies.Submission, level: int = 1) -> None:
    marks = judgement(all_marks(world, work, level))
    number = version_of(world, work).number
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, number, world.now)
    award.release(world.session, world.actor(cast.OFFICER), world.programme, [work.uuid], world.now)


def home_of(world: World, chen: Actor) -> tuple[str, str, int | None]:
    home = submit_views.home(world.session, chen, world.programme.uuid, world.now)
    return home.next.kind, home.points[0].phase, home.points[0].level


def recorded(world: World, chen: Actor, code: str = "A3") -> passport.RecordPoint:
    record = passport.record(world.session, chen, world.programme.uuid, None, world.now)
    return next(point for point in record.points if point.code == code)


def test_a_failed_point_reads_the_same_everywhere_with_its_reasons(world: World, chen: Actor) -> None:
    put_on_roster(world, cast.CHEN)
    fail(world, slides__rights=0)
    assert home_of(world, chen) == ("failed", "released", 0)
    line = recorded(world, chen)
    assert (line.level, line.why, line.awarded_at) == (0, "failed", world.now)
    assert line.failings == ("请重做课件", "这里还没有做到。")
    page = point_view.point_page(world.session, chen, work_of(world, "A3").uuid, world.now)
    assert (page.level, page.can_prepare_again) == (0, True)
    assert page.told is not None
    assert page.told.reason == "请重做课件"
    sheet = oversee_lists.export(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, world.now
    )
    assert [(one.points, one.lack.failed) for one in sheet.people] == [((("A3", competencies.Level.FAIL),), 1)]


def test_a_failed_point_is_prepared_again_and_passes(world: World, chen: Actor) -> None:
    work = fail(world, slides__rights=0)
    for _twice in range(2):
        submit.prepare_again(world.session, chen, work.uuid, world.now)
    assert work.state is competencies.SubmissionState.RETURNED
    assert home_of(world, chen) == ("again", "again", None)
    assert recorded(world, chen).level == 0  # what was released holds
    page = point_view.point_page(world.session, chen, work.uuid, world.now)
    assert page.is_again
    assert {slot.key: (slot.stands, slot.failed) for slot in page.slots} == {
        "topic": (True, False),
        "slides": (False, True),
        "reflection": (True, False),
    }
    with pytest.raises(Invalid) as caught:
        submit.submit(world.session, chen, work.uuid, world.now)
    assert "slides.submit.item_unchanged" in caught.value.fields

    hand_in(world, cast.CHEN, "A3", world.now - HOUR, text="换上了自己拍的图。")
    assert home_of(world, chen)[1:] == ("submitted", None)
    assert work.trainer_id == pk(world.person(cast.TRAINER))
    assert recorded(world, chen).level == 0
    page = point_view.point_page(world.session, chen, work.uuid, world.now)
    assert (page.level, [(one.number, one.level, one.reason) for one in page.earlier]) == (
        None,
        [(1, 0, "请重做课件")],
    )
    desk = case_views.case_page(world.session, world.actor(cast.TRAINER), work.uuid, world.now)
    assert desk.changes["slides"] == "changed"
    assert [(one.outcome, one.level) for one in desk.history] == [("decided", 0)]

    decide_again(world, work, 2)
    assert home_of(world, chen)[1:] == ("released", 2)
    assert recorded(world, chen).level == 2
    page = point_view.point_page(world.session, chen, work.uuid, world.now)
    assert (page.level, page.can_prepare_again, len(page.earlier)) == (2, False, 1)


def test_a_withdrawn_second_try_is_prepared_again_as_before(world: World, chen: Actor) -> None:
    work = fail(world)
    submit.prepare_again(world.session, chen, work.uuid, world.now)
    hand_in(world, cast.CHEN, "A3", world.now, text="新的")
    submit.withdraw(world.session, chen, work.uuid, world.now)
    assert work.state is competencies.SubmissionState.RETURNED
    assert home_of(world, chen) == ("again", "again", None)


def test_a_second_try_that_is_returned_is_a_return(world: World, chen: Actor) -> None:
    work = fail(world)
    submit.prepare_again(world.session, chen, work.uuid, world.now)
    hand_in(world, cast.CHEN, "A3", world.now - HOUR, text="新的")
    marks = judgement(all_marks(world, work, 1, {"slides.rights": 0}), "还差出处")
    cases.return_work(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 2, world.now)
    assert home_of(world, chen) == ("revise", "returned", None)
    with pytest.raises(Refused, match=r"choice\.decided"):
        submit.choose_points(world.session, chen, world.programme.uuid, ["A5"], world.now)


def test_an_award_that_was_taken_back_is_no_pass_and_can_be_earned_anew(world: World, chen: Actor) -> None:
    work = take_back(world)
    record = passport.record(world.session, chen, world.programme.uuid, None, world.now)
    assert (record.points_passed, record.result) == (2, "unfinished")
    line = recorded(world, chen, "A5")
    assert (line.level, line.why, line.taken_back, line.failings) == (0, "taken_back", "材料不是本人的", ())
    assert submit_views.home(world.session, chen, world.programme.uuid, world.now).next.kind == "failed"
    page = point_view.point_page(world.session, chen, work.uuid, world.now)
    assert page.told is not None
    assert (page.level, page.told.taken_back, page.can_prepare_again) == (0, "材料不是本人的", True)

    submit.prepare_again(world.session, chen, work.uuid, world.now)
    load = drafts.load_work(world.session, chen, work.uuid)
    assert load.returned is not None
    assert (load.returned.standing, load.returned.failed) == (frozenset(), frozenset())
    codes = [problem.code for problem in submit.open_problems(world.session, chen, load)]
    assert "submit.nothing_changed" in codes
    piece = load.items[0].pieces[0].evidence
    piece.text = "这次是本人的"
    world.session.add(piece)
    load = drafts.load_work(world.session, chen, work.uuid)
    assert "submit.nothing_changed" not in [one.code for one in submit.open_problems(world.session, chen, load)]
    hand_in(world, cast.CHEN, "A5", world.now - HOUR, text="这次是本人的")
    decide_again(world, work)
    record = passport.record(world.session, chen, world.programme.uuid, None, world.now)
    assert (record.points_passed, record.result, record.practice_hundredths) == (3, "passed", 2500)


def test_what_failed_may_be_given_back_for_another_point_and_what_passed_may_not(world: World, chen: Actor) -> None:
    put_on_roster(world, cast.CHEN)
    fail(world)
    earn(world, cast.CHEN, "A5", "A6")
    with pytest.raises(Refused, match=r"choice\.decided"):
        submit.choose_points(world.session, chen, world.programme.uuid, ["A3", "A5", "A1"], world.now)
    submit.choose_points(world.session, chen, world.programme.uuid, ["A1", "A5", "A6"], world.now)
    home = submit_views.home(world.session, chen, world.programme.uuid, world.now)
    assert [(line.code, line.level) for line in home.points] == [("A1", None), ("A5", 1), ("A6", 1)]
    sheet = oversee_lists.export(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, world.now
    )
    (line,) = sheet.people
    assert (line.chosen, line.submitted, line.passed, line.lack.failed) == (3, 2, 2, 0)
    assert [code for code, _level in line.points] == ["A5", "A6"]
    with pytest.raises(Refused, match="point_not_chosen"):
        submit.prepare_again(world.session, chen, work_of(world, "A3").uuid, world.now)
    submit.choose_points(world.session, chen, world.programme.uuid, ["A3", "A5", "A6"], world.now)
    assert home_of(world, chen) == ("failed", "released", 0)


def test_only_the_author_only_what_failed_and_only_while_the_programme_runs(world: World, chen: Actor) -> None:
    work = fail(world)
    with pytest.raises(Forbidden):
        submit.prepare_again(world.session, world.actor(cast.WANG), work.uuid, world.now)
    with pytest.raises(NotFound):
        submit.prepare_again(world.session, world.actor(cast.NEIGHBOUR), work.uuid, world.now)
    over = world.now + timedelta(days=100)
    with pytest.raises(Refused, match="programme_over"):
        submit.prepare_again(world.session, chen, work.uuid, over)
    assert not point_view.point_page(world.session, chen, work.uuid, over).can_prepare_again
    earn(world, cast.CHEN, "A5")
    handed_in = hand_in(world, cast.CHEN, "A6", world.now)
    for one in (work_of(world, "A5"), handed_in):
        with pytest.raises(Refused, match="not_failed"):
            submit.prepare_again(world.session, chen, one.uuid, world.now)


# --- what a return asks for ---


def test_a_return_says_which_item_has_to_change(world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    for marks in (all_marks(world, work, 1), {}):
        with pytest.raises(Invalid) as caught:
            cases.return_work(
                world.session, world.actor(cast.TRAINER), work.uuid, judgement(marks, "再改改"), 0, 1, world.now
            )
        assert caught.value.fields == {"reason": "decision.return_nothing_below"}
    assert work.state is competencies.SubmissionState.SUBMITTED


def test_what_nobody_marked_may_be_changed_and_need_not_be(world: World, chen: Actor) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    marks = {
        key: mark
        for key, mark in all_marks(world, work, 1, {"slides.rights": 0}).items()
        if key.item_key == "topic" or (key.item_key, key.criterion_key) == ("slides", "rights")
    }
    row = cases.return_work(
        world.session, world.actor(cast.TRAINER), work.uuid, judgement(marks, "换图"), 0, 1, world.now
    )
    assert row.item_levels == {"topic": 1, "slides": 0, "reflection": None}  # one mark below pass settles an item
    page = point_view.point_page(world.session, chen, work.uuid, world.now)
    assert {slot.key: (slot.stands, slot.failed, slot.is_free) for slot in page.slots} == {
        "topic": (True, False, False),
        "slides": (False, True, False),
        "reflection": (False, False, True),
    }
    load = drafts.load_work(world.session, chen, work.uuid)
    assert load.open_item("reflection").pieces
    unchanged = {
        one.requirement_key
        for one in submit.open_problems(world.session, chen, load)
        if one.code == "submit.item_unchanged"
    }
    assert unchanged == {"slides"}


# --- days that are over ---


def test_the_teachers_sentence_names_no_day_that_is_over(world: World, chen: Actor) -> None:
    world.set_rules(choice={"required_points": 1, "min_dimensions": 1})
    late = competencies.end_of_day(world.programme.submit_by_on, "Asia/Shanghai")
    over = competencies.end_of_day(world.programme.review_by_on, "Asia/Shanghai")

    def step(at: object) -> tuple[str, bool, bool]:
        found = submit_views.home(world.session, chen, world.programme.uuid, at).next
        return found.kind, found.on is not None, found.is_late

    assert step(late - HOUR) == ("choose", True, False)
    assert step(late) == ("choose", True, True)
    hand_in(world, cast.CHEN, "A3", world.now)
    assert step(late) == ("wait", True, False)
    assert step(over) == ("wait", False, False)
    world.programme.state = competencies.ProgrammeState.DRAFT
    world.session.add(world.programme)
    assert step(late) == ("wait_open", False, False)
    with pytest.raises(Refused, match="not_begun"):
        submit.choose_points(world.session, chen, world.programme.uuid, ["A3"], late)


def test_work_that_goes_to_no_peers_waits_for_none(world: World, chen: Actor) -> None:
    hand_in(world, cast.CHEN, "A3", world.now)

    def awaits() -> bool:
        return submit_views.home(world.session, chen, world.programme.uuid, world.now).points[0].awaits_peers

    assert awaits()
    world.set_rules(review={"reviews_per_work": 0})
    assert not awaits()
    world.set_rules()
    work_of(world, "A3").trainer_id = pk(world.person(cast.TRAINER))
    assert not awaits()


def test_the_rules_may_say_how_often_a_failed_point_is_prepared_again(world: World, chen: Actor) -> None:
    """Once here: then it can only be exchanged."""
    world.set_rules(result={"retakes": 1})
    work = fail(world)
    assert home_of(world, chen)[0] == "retake"
    submit.prepare_again(world.session, chen, work.uuid, world.now)
    hand_in(world, cast.CHEN, "A3", world.now - HOUR, text="换上了自己拍的图。")
    marks = judgement(all_marks(world, work, 0), "还是老课件")
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 2, world.now)
    award.release(world.session, world.actor(cast.OFFICER), world.programme, [work.uuid], world.now)
    page = point_view.point_page(world.session, chen, work.uuid, world.now)
    assert (page.can_prepare_again, page.retakes) == (False, 1)
    with pytest.raises(Refused, match=r"submit\.no_retake"):
        submit.prepare_again(world.session, chen, work.uuid, world.now)
    submit.choose_points(world.session, chen, world.programme.uuid, ["A5"], world.now)  # another one instead


def test_an_officer_opens_one_more_where_the_rules_give_none(world: World, chen: Actor) -> None:
    """A compulsory point that failed would else be the end: it can neither be prepared again nor exchanged."""
    world.set_rules(result={"retakes": 0}, choice={"compulsory": ["A3"]})
    officer, work = world.actor(cast.OFFICER), fail(world)
    page = point_view.point_page(world.session, chen, work.uuid, world.now)
    assert (page.can_prepare_again, page.retakes, page.is_compulsory) == (False, 0, True)
    seen = passport.record(world.session, officer, world.programme.uuid, world.person(cast.CHEN).uuid, world.now)
    assert [(point.retake, seen.can_open_retake) for point in seen.points] == [(work.uuid, True)]
    assert retakes.view(world.session, officer, work.uuid, world.now).used_up
    for who in (cast.CHEN, cast.WANG, cast.LEAD, cast.TRAINER):
        with pytest.raises(Forbidden):
            retakes.open_one(world.session, world.actor(who), work.uuid, "病假", world.now)
    with pytest.raises(Invalid):
        retakes.open_one(world.session, officer, work.uuid, " ", world.now)
    for _twice in range(2):
        retakes.open_one(world.session, officer, work.uuid, "病假，材料没来得及换", world.now)
    page = point_view.point_page(world.session, chen, work.uuid, world.now)
    assert (page.can_prepare_again, page.reopened) == (True, "病假，材料没来得及换")
    assert not recorded(world, chen).retake
    submit.prepare_again(world.session, chen, work.uuid, world.now)
    hand_in(world, cast.CHEN, "A3", world.now - HOUR, text="换上了自己拍的图。")
    with pytest.raises(Conflict, match=r"submit\.not_failed"):
        retakes.open_one(world.session, officer, work.uuid, "再来", world.now)
    marks = judgement(all_marks(world, work, 0), "还是老课件")
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 2, world.now)
    award.release(world.session, officer, world.programme, [work.uuid], world.now)
    with pytest.raises(Refused, match=r"submit\.no_retake"):  # one was opened, and it is used up
        submit.prepare_again(world.session, chen, work.uuid, world.now)
    assert retakes.view(world.session, officer, work.uuid, world.now).used_up


def test_what_was_taken_back_may_always_be_prepared_again(world: World, chen: Actor) -> None:
    world.set_rules(result={"retakes": 0})
    taken = take_back(world)
    submit.prepare_again(world.session, chen, taken.uuid, world.now)
    assert point_view.point_page(world.session, chen, taken.uuid, world.now).is_editable
