"""The trainer's desk: who may decide what, from which marks, and what a second decision meets."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import case_views, cases, invitations, own_phrases, queue_views, reach, review
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, grant
from tests.flow.handed_in import all_marks, cast_of, finish_review, hand_in, judgement, reviews_of, version_of

HOUR = timedelta(hours=1)


@pytest.fixture
def work(world: World) -> competencies.Submission:
    return hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)


def decide(
    world: World,
    work: competencies.Submission,
    who: cast.Cast = cast.TRAINER,
    level: int = 1,
    base: int = 0,
    **more: int,
) -> competencies.Decision:
    marks = all_marks(world, work, level, changes={key.replace("__", "."): one for key, one in more.items()})
    return cases.decide(
        world.session, world.actor(who), work.uuid, judgement(marks), base, version_of(world, work).number, world.now
    )


def send_back(world: World, work: competencies.Submission, who: cast.Cast = cast.TRAINER) -> competencies.Decision:
    marks = all_marks(world, work, 1, changes={"slides.rights": 0})
    return cases.return_work(
        world.session, world.actor(who), work.uuid, judgement(marks, "请补上图片出处"), 0,
        version_of(world, work).number, world.now,
    )  # fmt: skip


def reviewed(world: World, levels: tuple[int, int]) -> dict[str, competencies.Submission]:
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    for one in works.values():
        for row, level in zip(reviews_of(world, one), levels, strict=False):
            finish_review(world, row, world.now, level)
    return works


def test_levels_of_items_and_point_come_from_the_marks(world: World, work: competencies.Submission) -> None:
    row = decide(world, work, level=2, slides__rights=1)
    assert row.point_level == 1
    assert (row.item_levels["topic"], row.item_levels["slides"]) == (2, 1)
    assert row.marks["slides"]["rights"] == {"level": 1, "reason": ""}
    assert work.state is competencies.SubmissionState.DECIDED


def test_only_a_trainer_decides_and_never_the_own_work(world: World, work: competencies.Submission) -> None:
    for who in (cast.WANG, cast.LEAD, cast.OFFICER, cast.AUDITOR, cast.IT, cast.CHEN):
        with pytest.raises(Forbidden):
            decide(world, work, who)
    with pytest.raises(NotFound):
        decide(world, work, cast.NEIGHBOUR)
    grant(world.session, world.person(cast.CHEN), RoleKind.TRAINER, world.county, world.now)
    with pytest.raises(Forbidden):
        decide(world, work, cast.CHEN)
    with pytest.raises(Forbidden):
        case_views.case_page(world.session, world.actor(cast.CHEN), work.uuid, world.now)
    assert decide(world, work).point_level == 1


def test_a_trainer_of_one_school_reaches_no_other(world: World, work: competencies.Submission) -> None:
    grant(world.session, world.person(cast.ZHAO), RoleKind.TRAINER, world.schools["平安小学"], world.now)
    with pytest.raises(Forbidden):
        decide(world, work, cast.ZHAO)
    found = queue_views.queue(world.session, world.actor(cast.ZHAO), "", "pending", None, 1, world.now)
    assert found.total == 0


def test_a_reason_is_needed_below_pass_and_every_level(world: World, work: competencies.Submission) -> None:
    marks = all_marks(world, work)
    keys = list(marks)
    marks[keys[0]], marks[keys[1]] = rubrics.DraftMark(None), rubrics.DraftMark(0, "  ")
    with pytest.raises(Invalid) as invalid:
        cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, judgement(marks), 0, 1, world.now)
    assert set(invalid.value.fields.values()) == {"decision.level_missing", "decision.reason_missing"}
    assert work.state is competencies.SubmissionState.SUBMITTED


def test_a_second_decision_meets_what_stands(world: World, work: competencies.Submission) -> None:
    first = decide(world, work)
    with pytest.raises(Conflict) as conflict:
        decide(world, work, cast.OTHER_TRAINER, level=2)
    assert conflict.value.params["name"] == cast.TRAINER.name
    assert conflict.value.params["level"] == 1
    # Who has seen it may change it until it is released.
    changed = decide(world, work, cast.OTHER_TRAINER, level=2, base=first.version)
    assert (changed.point_level, changed.decided_by_id) == (2, pk(world.person(cast.OTHER_TRAINER)))


def test_the_promised_time_to_withdraw_is_kept(world: World) -> None:
    fresh = hand_in(world, cast.CHEN, "A3", world.now - timedelta(minutes=10))
    with pytest.raises(Refused, match=r"decision\.withdraw_time"):
        decide(world, fresh)


def test_a_return_needs_a_reason_and_comes_back_to_the_same_trainer(
    world: World, work: competencies.Submission
) -> None:
    with pytest.raises(Invalid):
        cases.return_work(
            world.session, world.actor(cast.TRAINER), work.uuid, judgement(all_marks(world, work)), 0, 1, world.now
        )
    row = send_back(world, work)
    assert (row.outcome, row.point_level) == (competencies.Outcome.RETURNED, None)
    assert work.state is competencies.SubmissionState.RETURNED
    again = hand_in(world, cast.CHEN, "A3", world.now - HOUR, text="已补上每张图片的出处。")
    assert (again.state, again.trainer_id) == (competencies.SubmissionState.SUBMITTED, pk(world.person(cast.TRAINER)))
    page = case_views.case_page(world.session, world.actor(cast.TRAINER), work.uuid, world.now)
    assert page.number == 2
    assert page.changes == {"topic": "same", "slides": "changed", "reflection": "same"}
    assert [one.outcome for one in page.history] == ["returned"]
    # What passed before stands and is prefilled; what failed is to be judged anew.
    levels = {line.field: line.level for item in page.items for line in item.criteria}
    assert levels["topic.complete"] == 1
    assert levels["slides.rights"] is None
    # It stands first at the desk of who returned it, and last at a colleague's, who reads whose it is.
    others = [
        hand_in(world, who, "A3", world.now - timedelta(minutes=minutes))
        for who, minutes in ((cast.WANG, 110), (cast.LI, 40))
    ]

    def queued(who: cast.Cast, state: str) -> list[tuple[str, str, bool]]:
        found = queue_views.queue(world.session, world.actor(who), "", state, None, 1, world.now)
        return [(row.uuid, row.returned_by, row.is_mine) for row in found.rows]

    mine, theirs = (work.uuid, "吴培", True), (work.uuid, "吴培", False)
    rest = [(one.uuid, "", False) for one in others]
    assert queued(cast.TRAINER, "mine") == queued(cast.TRAINER, "again") == [mine]
    assert queued(cast.TRAINER, "pending") == [mine, *rest]
    assert queued(cast.OTHER_TRAINER, "mine") == []
    assert queued(cast.OTHER_TRAINER, "pending") == [*rest, theirs]
    for one in others:
        following = case_views.next_case(world.session, world.actor(cast.OTHER_TRAINER), one.uuid, world.now)
        assert following in {other.uuid for other in others}


def test_the_next_case_follows_the_queue(world: World) -> None:
    """By when it was handed in, within the filter that is worked through; after the last the first again."""
    hours = {cast.CHEN: 2, cast.WANG: 5, cast.LI: 3, cast.ZHAO: 4}
    for who, ago in hours.items():
        hand_in(world, who, "A3", world.now - ago * HOUR)
    trainer = world.actor(cast.TRAINER)
    rows = queue_views.queue(world.session, trainer, "", "pending", None, 1, world.now).rows
    order = [row.uuid for row in rows]
    assert [row.author for row in rows] == [cast.WANG.name, cast.ZHAO.name, cast.LI.name, cast.CHEN.name]
    for here, following in zip(order, [*order[1:], order[0]], strict=True):
        assert case_views.next_case(world.session, trainer, here, world.now) == following
    late = world.session.exec(
        select(competencies.Submission).where(col(competencies.Submission.uuid).in_(order[1:3]))
    ).all()
    for one in late:
        one.state = competencies.SubmissionState.LATE
        world.session.add(one)
    world.session.flush()
    desk = case_views.Desk("late")
    assert case_views.next_case(world.session, trainer, order[1], world.now, desk) == order[2]
    assert case_views.next_case(world.session, trainer, order[2], world.now, desk) == order[1]
    assert case_views.next_case(world.session, trainer, order[0], world.now) == order[3]


def test_returned_work_goes_to_no_peer_again(world: World, work: competencies.Submission) -> None:
    hand_in(world, cast.WANG, "A3", world.now - 2 * HOUR)
    hand_in(world, cast.LI, "A3", world.now - 2 * HOUR)
    send_back(world, work)
    hand_in(world, cast.CHEN, "A3", world.now - HOUR, text="改好了。")
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    assert reviews_of(world, work) == []


def test_a_late_work_is_let_in_or_returned_first(world: World, work: competencies.Submission) -> None:
    work.state = competencies.SubmissionState.LATE
    with pytest.raises(Refused, match=r"decision\.late_first"):
        decide(world, work)
    with pytest.raises(Forbidden):
        cases.accept_late(world.session, world.actor(cast.OFFICER), work.uuid, world.now)
    cases.accept_late(world.session, world.actor(cast.TRAINER), work.uuid, world.now)
    assert decide(world, work).point_level == 1


def test_the_case_is_prefilled_where_all_reviewers_agree(world: World) -> None:
    works = reviewed(world, (1, 2))
    page = case_views.case_page(world.session, world.actor(cast.TRAINER), works["chen"].uuid, world.now)
    levels = {line.field: line.level for item in page.items for line in item.criteria}
    assert levels["reflection.is_valid"] == 1  # both said 有效
    assert levels["slides.rights"] is None  # one said 合格, the other 优秀: nothing is proposed
    assert [square.level for square in page.squares["slides.rights"]] == [None, 1, 2, None]
    assert page.agreed == {"reflection.is_valid": 1}


def test_the_queue_counts_and_filters(world: World) -> None:
    reviewed(world, (2, 2))
    trainer = world.actor(cast.TRAINER)
    found = queue_views.queue(world.session, trainer, world.programme.uuid, "agreed", None, 1, world.now)
    assert dict(found.counts) == dict.fromkeys(reach.filters_of(trainer), 0) | {"pending": 6, "agreed": 6}
    assert {row.agreed_level for row in found.rows} == {2}
    assert queue_views.queue(world.session, trainer, world.programme.uuid, "agreed", 1, 1, world.now).total == 0


def test_who_has_a_case_open_is_said_to_colleagues(world: World, work: competencies.Submission) -> None:
    cases.open_case(world.session, world.actor(cast.OTHER_TRAINER), work.uuid, world.now - timedelta(minutes=3))
    page = case_views.case_page(world.session, world.actor(cast.TRAINER), work.uuid, world.now)
    assert (page.opened_by, page.opened_at) == (cast.OTHER_TRAINER.name, world.now - timedelta(minutes=3))
    later = case_views.case_page(world.session, world.actor(cast.TRAINER), work.uuid, world.now + HOUR)
    assert later.opened_by == ""


def test_looking_is_written_down_for_the_audit(world: World, work: competencies.Submission) -> None:
    cases.open_case(world.session, world.actor(cast.AUDITOR), work.uuid, world.now)
    events = world.session.exec(select(rubrics.ReviewEvent)).all()
    assert [(one.kind, one.person_id) for one in events] == [("viewed", pk(world.person(cast.AUDITOR)))]
    assert world.session.exec(select(rubrics.CaseOpening)).all() == []


def test_list_mode_confirms_what_all_agree_on_and_nothing_else(world: World) -> None:
    works = reviewed(world, (1, 1))
    trainer = world.actor(cast.TRAINER)
    listed = queue_views.agreed_list(world.session, trainer, world.programme.uuid, None, 5, world.now)
    assert dict(listed.by_level) == {1: 6}
    assert len(listed.sample) == 3
    decide(world, works["chen"], cast.OTHER_TRAINER, level=2)  # meanwhile a colleague decided one
    assert cases.confirm_agreed(world.session, trainer, [row.uuid for row in listed.rows], world.now) == (5, 1)
    rows = world.session.exec(select(competencies.Decision)).all()
    assert sorted(row.point_level or 0 for row in rows) == [1, 1, 1, 1, 1, 2]
    assert cases.confirm_agreed(world.session, trainer, [row.uuid for row in listed.rows], world.now) == (0, 6)


def test_list_mode_fails_nobody(world: World) -> None:
    reviewed(world, (0, 0))
    listed = queue_views.agreed_list(world.session, world.actor(cast.TRAINER), world.programme.uuid, None, 5, world.now)
    assert (listed.rows, listed.below) == ((), 6)


def test_deciding_ends_reviews_that_nobody_began(world: World) -> None:
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    decide(world, works["chen"])
    assert {one.state for one in reviews_of(world, works["chen"])} == {rubrics.ReviewState.VOID}


def test_phrases_are_ones_own(world: World) -> None:
    trainer, other = world.actor(cast.TRAINER), world.actor(cast.OTHER_TRAINER)
    row = own_phrases.add_phrase(world.session, trainer, " 请补上  图片出处 ", world.now)
    assert row.text == "请补上 图片出处"
    assert own_phrases.add_phrase(world.session, trainer, "请补上 图片出处", world.now).uuid == row.uuid
    with pytest.raises(NotFound):
        own_phrases.delete_phrase(world.session, other, row.uuid)
    with pytest.raises(Invalid):
        own_phrases.add_phrase(world.session, trainer, "  ", world.now)
    own_phrases.delete_phrase(world.session, trainer, row.uuid)
    assert world.session.exec(select(rubrics.Phrase)).all() == []


def test_who_becomes_trainer_reviews_blind_no_more(world: World) -> None:
    """A review that is not finished ends when its reviewer comes to see authors' names; somebody else takes it."""
    world.set_rules(review={"pool": "district"})
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    work = works["chen"]
    row, other = reviews_of(world, work)
    who = cast_of(world, row.reviewer_id)
    done = next(one for one in works.values() for held in reviews_of(world, one) if held.reviewer_id == row.reviewer_id
                and one is not work)  # fmt: skip
    finish_review(world, next(one for one in reviews_of(world, done) if one.reviewer_id == row.reviewer_id), world.now)
    later = world.now + timedelta(minutes=5)
    invitations.grant(world.session, pk(world.tenant), row.reviewer_id, RoleKind.TRAINER, pk(world.county), None, later)
    assert row.state is rubrics.ReviewState.VOID
    assert other.state is rubrics.ReviewState.ALLOTTED
    assert [one.state for one in reviews_of(world, done) if one.reviewer_id == row.reviewer_id] == [
        rubrics.ReviewState.SUBMITTED
    ]
    assert case_views.case_page(world.session, world.actor(who), work.uuid, world.now).author == "陈晓芳"
    assert review.allocate_due(world.session, pk(world.programme), later)  # fills the place, not with a trainer
    live = [one for one in reviews_of(world, work) if one.state in rubrics.LIVE]
    assert len(live) == 2
    assert row.reviewer_id not in {one.reviewer_id for one in live}


@pytest.mark.parametrize("kind", [RoleKind.TRAINER, RoleKind.OFFICER, RoleKind.AUDITOR])
def test_who_reads_a_work_at_the_desk_never_gets_it_blind(world: World, kind: RoleKind) -> None:
    world.set_rules(review={"pool": "district", "third_when_differing": True})
    grant(world.session, world.person(cast.WANG), kind, world.schools["希望小学"], world.now)
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    for seed in range(4):
        review.allocate(world.session, world.actor(cast.OFFICER), world.programme, seed, world.now)
    for work in works.values():
        rows = reviews_of(world, work)
        for number, row in enumerate(rows):
            finish_review(world, row, world.now, number % 2)  # they differ: a third is asked
    wang = pk(world.person(cast.WANG))
    for key in ("chen", "li"):
        assert wang not in {row.reviewer_id for row in reviews_of(world, works[key])}
    assert any(wang == row.reviewer_id for key in ("zhao", "sun", "zhou") for row in reviews_of(world, works[key]))


def test_what_one_reviews_blind_is_not_there_at_the_desk(world: World) -> None:
    """Between the role and the next allotment: no name, no count, no answer by which the work could be told."""
    world.set_rules(review={"pool": "own_school"})
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 3, world.now)
    work = works["chen"]
    row, other = reviews_of(world, work)
    who = cast_of(world, row.reviewer_id)
    finish_review(world, other, world.now)
    grant(world.session, world.person(who), RoleKind.TRAINER, world.county, world.now)  # as when its reach grows
    actor = world.actor(who)
    found = queue_views.queue(world.session, actor, "", "pending", None, 1, world.now)
    assert "陈晓芳" not in {one.author for one in found.rows}
    assert found.counts["pending"] == len(found.rows) == 3  # six less the own one and two that are reviewed blind
    beside = next(one.uuid for one in found.rows)
    page = case_views.case_page(world.session, actor, beside, world.now)
    assert page.waiting == 2
    assert page.next_uuid != work.uuid
    acts = (
        lambda uuid: case_views.case_page(world.session, actor, uuid, world.now),
        lambda uuid: cases.open_case(world.session, actor, uuid, world.now),
        lambda uuid: cases.accept_late(world.session, actor, uuid, world.now),
        lambda uuid: cases.confirm_agreed(world.session, actor, [uuid], world.now),
        lambda uuid: cases.decide(world.session, actor, uuid, judgement({}), 0, 1, world.now),
        lambda uuid: cases.return_work(world.session, actor, uuid, judgement({}), 0, 1, world.now),
    )
    for act in acts:
        answers = []
        for uuid in (work.uuid, "0" * 32):
            with pytest.raises(NotFound) as met:
                act(uuid)
            answers.append((met.value.code, met.value.params))
        assert answers[0] == answers[1]
    finish_review(world, row, world.now, 1)
    assert case_views.case_page(world.session, actor, work.uuid, world.now).author == "陈晓芳"
