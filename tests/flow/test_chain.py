"""The official chain per school batch: who decides, what is drawn, what an objection does, and when it counts."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

import competencies
from competencies import BatchState, SubmissionState
from competencies.sampling import DrawnFor
from lms_plugin import outbox
from lms_plugin.access import Actor
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import (
    award,
    batch_views,
    batches,
    cases,
    chain_views,
    panel,
    passport,
    publicity,
    queue_views,
    review,
    roster_list,
    roster_ties,
    submit_views,
)
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, grant
from tests.flow.handed_in import all_marks, hand_in, judgement, reviews_of, version_of
from tests.rosters import put_on_roster

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SEED = "0123456789abcdef"
ALL = {"check": True, "publicity": True}
XIWANG = "希望小学"


def decide(world: World, work: competencies.Submission, level: int = 1, who: cast.Cast = cast.TRAINER) -> None:
    standing = competencies.decision_of(world.session, [work.current_version_id or 0]).get(work.current_version_id or 0)
    base = standing.version if standing is not None else 0
    marks = judgement(all_marks(world, work, level))
    number = version_of(world, work).number
    cases.decide(world.session, world.actor(who), work.uuid, marks, base, number, world.now)


def decided(world: World, who: cast.Cast, code: str, level: int = 1) -> competencies.Submission:
    work = hand_in(world, who, code, world.now - 2 * HOUR)
    decide(world, work, level)
    return work


def close(world: World, left_out: dict[str, str] | None = None, who: cast.Cast = cast.LEAD) -> competencies.SchoolBatch:
    unit = world.schools[XIWANG].uuid
    return batches.close(world.session, world.actor(who), world.programme, unit, left_out or {}, SEED, world.now)


def check_all(world: World, batch: competencies.SchoolBatch, overturn: str = "", who: cast.Cast = cast.OFFICER) -> None:
    for work, submission in competencies.works_of(world.session, batch):
        if work.drawn:
            bad = submission.uuid == overturn
            batches.check(
                world.session, world.actor(who), batch.uuid, submission.uuid,
                is_upheld=not bad, reason="片段里没有学生。" if bad else "", now=world.now,
            )  # fmt: skip
    batches.end_check(world.session, world.actor(who), batch.uuid, world.now)


def name_panel(world: World, *people: cast.Cast) -> None:
    uuids = [world.person(one).uuid for one in people]
    panel.name_panel(world.session, world.actor(cast.LEAD), world.schools[XIWANG].uuid, uuids, world.now)


# --- without the chain ---


def test_without_the_chain_nothing_is_different(world: World) -> None:
    work = decided(world, cast.CHEN, "A3")
    with pytest.raises(Refused, match=r"batch\.not_asked"):
        close(world)
    home = submit_views.home(world.session, world.actor(cast.CHEN), world.programme.uuid, world.now)
    assert [line.phase for line in home.points] == ["decided"]
    assert award.release(world.session, world.actor(cast.OFFICER), world.programme, None, world.now).decisions == 1
    assert work.state is SubmissionState.RELEASED
    with pytest.raises(NotFound):
        chain_views.county_page(world.session, world.actor(cast.OFFICER), world.programme.uuid)


# --- 考核小组 ---


def test_a_panel_of_the_school_decides_its_works_and_nobody_their_own(world: World) -> None:
    mine, other = (hand_in(world, who, "A3", world.now - 2 * HOUR) for who in (cast.WANG, cast.CHEN))
    elsewhere = hand_in(world, cast.ZHAO, "A3", world.now - 2 * HOUR)
    name_panel(world, cast.WANG, cast.LI)
    with pytest.raises(Forbidden):  # the programme leaves it to trainers
        decide(world, other, who=cast.WANG)
    world.set_rules(chain={"panel": True})
    decide(world, other, who=cast.WANG)
    for work, who in ((mine, cast.WANG), (elsewhere, cast.WANG), (other, cast.TRAINER)):
        with pytest.raises(Forbidden):
            decide(world, work, who=who)
    desk = queue_views.queue(world.session, world.actor(cast.WANG), "", "pending", None, 1, world.now)
    assert [row.uuid for row in desk.rows] == []  # neither her own nor another school's
    lis = queue_views.queue(world.session, world.actor(cast.LI), "", "pending", None, 1, world.now)
    assert ([row.uuid for row in lis.rows], lis.yours) == ([mine.uuid], 1)
    looks_on = queue_views.queue(world.session, world.actor(cast.TRAINER), "", "pending", None, 1, world.now)
    assert (looks_on.total, looks_on.yours) == (2, 0)
    world.set_rules()
    decide(world, elsewhere)


def test_who_decides_with_names_reviews_none_of_it_blind(world: World) -> None:
    world.set_rules(chain={"panel": True}, review={"pool": "own_school"})
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    for who in (cast.WANG, cast.LI):
        hand_in(world, who, "A5", world.now - 2 * HOUR)
    name_panel(world, cast.WANG, cast.LEAD)
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    assert pk(world.person(cast.WANG)) not in {one.reviewer_id for one in reviews_of(world, work)}
    assert pk(world.person(cast.LI)) in {one.reviewer_id for one in reviews_of(world, work)}


def test_who_may_be_named_and_who_names(world: World) -> None:
    unit = world.schools[XIWANG].uuid
    chen, wang, zhao = (world.person(one).uuid for one in (cast.CHEN, cast.WANG, cast.ZHAO))
    for people in ([chen], [chen, chen], [chen, zhao], [chen, "0" * 32]):
        with pytest.raises(Invalid):
            panel.name_panel(world.session, world.actor(cast.LEAD), unit, people, world.now)
    for who in (cast.CHEN, cast.TRAINER, cast.AUDITOR):
        with pytest.raises(Forbidden):
            panel.name_panel(world.session, world.actor(who), unit, [chen, wang], world.now)
    with pytest.raises(NotFound):
        panel.name_panel(world.session, world.actor(cast.OFFICER), world.county.uuid, [chen, wang], world.now)
    there = world.schools["平安小学"].uuid
    with pytest.raises(Forbidden):  # the lead of another school
        panel.name_panel(world.session, world.actor(cast.LEAD), there, [chen, wang], world.now)
    name_panel(world, cast.CHEN, cast.WANG)
    name_panel(world, cast.CHEN, cast.LI)
    page = panel.panel_page(world.session, world.actor(cast.LEAD), unit)
    assert [one.name for one in page.members] == ["陈晓芳", "李建国"]
    assert [one.name for one in page.former] == ["王秀兰"]
    roster_ties.move_to_school(world.session, world.person(cast.LI), world.schools["平安小学"], world.now + DAY)
    assert not world.actor(cast.LI).has(RoleKind.PANEL)


def test_who_is_taken_from_the_roster_decides_no_more(world: World) -> None:
    world.set_rules(chain={"panel": True})
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    put_on_roster(world, cast.LI)
    entry = put_on_roster(world, cast.WANG)
    name_panel(world, cast.WANG, cast.LI)
    for is_removed in (True, False):  # put back by a later list, she is named anew
        roster_list.set_removed(world.session, world.actor(cast.OFFICER), entry.uuid, is_removed, world.now)
        with pytest.raises(Forbidden):
            decide(world, work, who=cast.WANG)
        page = panel.panel_page(world.session, world.actor(cast.LEAD), world.schools[XIWANG].uuid)
        assert ([one.name for one in page.members], [one.name for one in page.former]) == (["李建国"], ["王秀兰"])
        assert any(name == "王秀兰" for _uuid, name, _number in page.people) is not is_removed
    name_panel(world, cast.WANG, cast.LI)
    decide(world, work, who=cast.WANG)


# --- 结批 and 县级抽查 ---


def test_closing_holds_the_decisions_and_draws(world: World) -> None:
    world.set_rules(chain=ALL)
    best = decided(world, cast.CHEN, "A3", 2)
    decided(world, cast.WANG, "A3")
    open_one = hand_in(world, cast.LI, "A3", world.now - 2 * HOUR)
    elsewhere = decided(world, cast.ZHAO, "A3")
    with pytest.raises(Invalid) as missing:
        close(world)
    assert missing.value.fields == {open_one.uuid: "batch.reason_missing"}
    for who in (cast.CHEN, cast.TRAINER, cast.AUDITOR):
        with pytest.raises(Forbidden):
            close(world, {open_one.uuid: "产假"}, who)
    batch = close(world, {open_one.uuid: "产假"})
    assert batch.state is BatchState.CHECKING
    assert elsewhere.batch_id is None
    works = competencies.works_of(world.session, batch)
    drawn = {submission.uuid: work.drawn for work, submission in works if work.drawn}
    assert drawn[best.uuid] in {DrawnFor.EXCELLENT, DrawnFor.RANDOM}
    assert DrawnFor.RANDOM in drawn.values()
    assert competencies.batches.draw_of(batch, works) == drawn
    with pytest.raises(Refused, match=r"decision\.in_batch"):
        decide(world, best, 1)
    with pytest.raises(Refused, match=r"chain\.releases_batches"):
        award.release(world.session, world.actor(cast.OFFICER), world.programme, None, world.now)
    assert award.release_due(world.session, pk(world.programme), world.now + 99 * DAY) == 0
    decide(world, open_one)
    with pytest.raises(Refused, match=r"batch\.under_check"):
        close(world)


def test_a_batch_with_more_excellent_works_than_the_rules_allow_is_not_closed(world: World) -> None:
    """At most 30 % of those that passed, rounded up; one that is decided anew makes room."""
    world.set_rules(chain={**ALL, "excellent_cap_percent": 30})
    best = [decided(world, who, "A3", 2) for who in (cast.CHEN, cast.WANG)]
    decided(world, cast.LI, "A3")
    with pytest.raises(Refused, match=r"batch\.excellent_too_many") as refused:
        close(world)
    assert refused.value.params == {"excellent": 2, "most": 1, "passed": 3, "before": 0, "left": 1, "percent": 30}
    decide(world, best[0], 1)
    assert close(world).state is BatchState.CHECKING


def test_the_most_that_may_be_excellent_counts_over_all_batches_of_a_school_in_a_cycle(world: World) -> None:
    world.set_rules(chain={"publicity": True, "excellent_cap_percent": 50})
    decided(world, cast.CHEN, "A3", 2)
    first = close(world)
    assert first.state is BatchState.SHOWN
    decided(world, cast.CHEN, "A6", 2)
    with pytest.raises(Refused, match=r"batch\.excellent_too_many") as refused:
        close(world)  # by itself it could be: one of one, rounded up
    assert refused.value.params == {"excellent": 1, "most": 0, "passed": 2, "before": 1, "left": 1, "percent": 50}
    decided(world, cast.WANG, "A3")
    batch = close(world)
    assert {work.level for work, _row in competencies.works_of(world.session, batch)} == {1, 2}
    batches.release_due(world.session, pk(first), world.now + 30 * DAY)
    batches.release_due(world.session, pk(batch), world.now + 30 * DAY)
    decided(world, cast.LI, "A3", 2)
    with pytest.raises(Refused, match=r"batch\.excellent_too_many"):
        close(world)
    for one in (first, batch):  # closed in a cycle of years before this one
        one.closed_at = one.closed_at.replace(year=2020)
        world.session.add(one)
    world.session.flush()
    assert close(world).state is BatchState.SHOWN


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=6), st.integers(1, 100))
def test_however_a_school_divides_its_works_no_more_are_excellent_in_the_end(
    rounds: list[list[int]], percent: int
) -> None:
    earlier: list[int] = []
    for levels in rounds:
        most = competencies.batches.excellent_left(percent, levels, earlier)
        kept = list(levels)
        for place, level in enumerate(levels):
            if level == 2 and sum(one == 2 for one in kept[: place + 1]) > most:
                kept[place] = 1
        assert competencies.batches.excellent_left(percent, kept, earlier) == most
        earlier += kept
    passed = sum(level >= 1 for level in earlier)
    assert sum(level == 2 for level in earlier) <= -(-passed * percent // 100)


def test_who_had_a_hand_in_it_does_not_check(world: World) -> None:
    world.set_rules(chain=ALL)
    work = decided(world, cast.CHEN, "A3", 2)  # by TRAINER
    batch = close(world)
    find: dict[str, Any] = {"is_upheld": True, "reason": "", "now": world.now}
    with pytest.raises(Refused, match=r"batch\.own_hand"):
        batches.check(world.session, world.actor(cast.TRAINER), batch.uuid, work.uuid, **find)
    grant(world.session, world.person(cast.OFFICER), RoleKind.PANEL, world.schools[XIWANG], world.now)
    with pytest.raises(Refused, match=r"batch\.own_hand"):
        batches.check(world.session, world.actor(cast.OFFICER), batch.uuid, work.uuid, **find)
    for who in (cast.LEAD, cast.AUDITOR):
        with pytest.raises(Forbidden):
            batches.check(world.session, world.actor(who), batch.uuid, work.uuid, **find)
    school_trainer = Actor(
        pk(world.tenant), pk(world.person(cast.SUN)),
        roles=tuple(role for role in world.actor(cast.LEAD).roles),
    )  # fmt: skip
    with pytest.raises(Forbidden):
        batches.check(world.session, school_trainer, batch.uuid, work.uuid, **find)
    with pytest.raises(NotFound):
        batches.check(world.session, world.actor(cast.NEIGHBOUR), batch.uuid, work.uuid, **find)
    batches.check(world.session, world.actor(cast.OTHER_TRAINER), batch.uuid, work.uuid, **find)


def test_a_failed_sample_sends_the_batch_back_and_another_round_is_drawn(world: World) -> None:
    world.set_rules(chain=ALL)
    bad, good = decided(world, cast.CHEN, "A3", 2), decided(world, cast.WANG, "A3")
    batch = close(world)
    with pytest.raises(Refused, match=r"batch\.not_looked_at"):
        batches.end_check(world.session, world.actor(cast.OFFICER), batch.uuid, world.now)
    with pytest.raises(Invalid):
        batches.check(
            world.session, world.actor(cast.OFFICER), batch.uuid, bad.uuid, is_upheld=False, reason=" ", now=world.now
        )
    check_all(world, batch, overturn=bad.uuid)
    assert batch.state is BatchState.RETURNED
    assert (bad.state, good.state) == (SubmissionState.SUBMITTED, SubmissionState.DECIDED)
    page = chain_views.school_page(
        world.session, world.actor(cast.LEAD), world.programme.uuid, world.schools[XIWANG].uuid
    )
    assert [(one.uuid, one.why) for one in page.waiting] == [(bad.uuid, "片段里没有学生。")]
    assert not page.sees_county  # no way back is offered to a page that is not the lead's
    with pytest.raises(Conflict):  # a second click on the end of a check
        batches.end_check(world.session, world.actor(cast.OFFICER), batch.uuid, world.now)
    with pytest.raises(Invalid):
        close(world)
    decide(world, bad, 1)
    again = close(world)
    assert again.round == 2
    drawn = {submission.uuid: work.drawn for work, submission in competencies.works_of(world.session, again)}
    assert drawn[bad.uuid] == DrawnFor.AGAIN


# --- 公示, objections, release ---


def shown(world: World) -> tuple[competencies.SchoolBatch, list[competencies.Submission]]:
    works = [decided(world, cast.CHEN, code) for code in ("A3", "A5", "A6")]
    works += [decided(world, cast.WANG, "A3"), decided(world, cast.LI, "A3", 0)]
    batch = close(world)
    check_all(world, batch)
    return batch, works


def entries(world: World) -> int:
    return len(world.session.exec(select(competencies.CreditEntry)).all())


def test_nothing_counts_before_the_end_of_the_notice(world: World) -> None:
    world.set_rules(chain={**ALL, "publicity_days": 5, "days_off": ["2026-11-03"]})
    batch, works = shown(world)
    assert (batch.state, str(batch.ends_on)) == (BatchState.SHOWN, "2026-11-10")  # from Monday 2 November
    chen = submit_views.home(world.session, world.actor(cast.CHEN), world.programme.uuid, world.now)
    assert {(line.phase, line.shown_in) for line in chen.points} == {("shown", (batch.uuid, batch.ends_on))}
    assert [line.level for line in chen.points] == [None, None, None]
    record = passport.record(world.session, world.actor(cast.CHEN), world.programme.uuid, None, world.now)
    assert (record.practice_hundredths, record.round.goes_by_batch) == (0, True)
    assert batch.ends_at is not None
    before = batch.ends_at - timedelta(seconds=1)
    assert batches.due(world.session, before) == []
    with pytest.raises(Refused, match=r"batch\.still_shown"):
        batches.release(world.session, world.actor(cast.OFFICER), batch.uuid, before)
    assert (entries(world), world.session.exec(select(outbox.Job)).all()) == (0, [])
    assert batches.due(world.session, batch.ends_at) == [pk(batch)]
    assert batches.release_due(world.session, pk(batch), batch.ends_at) == 5
    assert {work.state for work in works} == {SubmissionState.RELEASED}
    assert (batch.state, entries(world)) == (BatchState.RELEASED, 1)
    assert len(world.session.exec(select(competencies.Award)).all()) == 4
    assert world.session.exec(select(outbox.Job)).all()
    assert batches.release_due(world.session, pk(batch), batch.ends_at) == 0  # the sweep runs again
    with pytest.raises(Conflict):
        batches.release(world.session, world.actor(cast.OFFICER), batch.uuid, batch.ends_at)


def test_an_upheld_objection_reopens_one_work_and_the_others_go_on(world: World) -> None:
    world.set_rules(chain=ALL)
    batch, works = shown(world)
    wangs, lis = works[3], works[4]
    page = publicity.publicity_page(world.session, world.actor(cast.LI), batch.uuid, world.now)
    assert [line.name for line in page.lines].count("李建国") == 0  # 不合格 is nobody else's business
    assert [(one.level, bool(one.reasons)) for one in page.own] == [(0, True)]
    mine = publicity.object_to(
        world.session, world.actor(cast.LI), batch.uuid, lis.uuid, "理由不成立", "张三", world.now
    )
    assert mine.said_by == ""  # of a teacher no other name is taken
    with pytest.raises(Refused, match=r"objection\.already"):
        publicity.object_to(world.session, world.actor(cast.LI), batch.uuid, lis.uuid, "再说一次", "", world.now)
    with pytest.raises(Invalid):  # somebody else's 不合格
        publicity.object_to(world.session, world.actor(cast.CHEN), batch.uuid, lis.uuid, "不对", "", world.now)
    call = publicity.object_to(
        world.session, world.actor(cast.OFFICER), batch.uuid, wangs.uuid, "不是本人上的课", "群众来电", world.now
    )
    again = publicity.object_to(
        world.session, world.actor(cast.OFFICER), batch.uuid, wangs.uuid, " 不是本人上的课", "群众来电", world.now
    )
    assert again.uuid == call.uuid  # a second click is no second call
    for who in (cast.LEAD, cast.TRAINER, cast.AUDITOR):
        with pytest.raises(Forbidden):
            publicity.answer(world.session, world.actor(who), call.uuid, is_upheld=True, words="属实", now=world.now)
    officer = world.actor(cast.OFFICER)
    publicity.answer(world.session, officer, call.uuid, is_upheld=True, words="属实", now=world.now)
    with pytest.raises(Conflict):
        publicity.answer(world.session, officer, call.uuid, is_upheld=False, words="不属实", now=world.now)
    assert wangs.state is SubmissionState.SUBMITTED
    after = publicity.publicity_page(world.session, world.actor(cast.LI), batch.uuid, world.now)
    assert "王秀兰" not in [line.name for line in after.lines]
    assert batch.ends_at is not None

    def stands() -> tuple[bool, int, int, bool]:
        assert batch.ends_at is not None
        page = batch_views.batch_page(world.session, officer, batch.uuid, batch.ends_at)
        return page.is_over, page.ready, page.held, page.may_release

    assert stands() == (True, 3, 1, True)
    assert batches.release_due(world.session, pk(batch), batch.ends_at) == 3  # 李's waits for its answer
    assert (lis.state, batch.state) == (SubmissionState.DECIDED, BatchState.SHOWN)
    assert stands() == (True, 0, 1, False)
    publicity.answer(world.session, officer, mine.uuid, is_upheld=False, words="标准如此", now=batch.ends_at)
    assert batches.release_due(world.session, pk(batch), batch.ends_at) == 1
    assert batch.state is BatchState.RELEASED
    decide(world, wangs)
    second = close(world)
    drawn = {submission.uuid: work.drawn for work, submission in competencies.works_of(world.session, second)}
    assert drawn == {wangs.uuid: DrawnFor.APPEAL}
    with pytest.raises(Refused, match=r"objection\.over"):
        publicity.object_to(world.session, world.actor(cast.LI), batch.uuid, works[0].uuid, "晚了", "", batch.ends_at)


def test_who_sees_the_notice(world: World) -> None:
    world.set_rules(chain={**ALL, "mask_names": True})
    batch, _works = shown(world)
    seen = publicity.publicity_page(world.session, world.actor(cast.WANG), batch.uuid, world.now)
    assert {line.name for line in seen.lines} == {"陈*芳", "王*兰"}
    assert [one.batch for one in publicity.listed(world.session, world.actor(cast.WANG), world.now)] == [batch.uuid]
    for who in (cast.ZHAO, cast.NEIGHBOUR):
        with pytest.raises(NotFound):
            publicity.publicity_page(world.session, world.actor(who), batch.uuid, world.now)
        assert publicity.listed(world.session, world.actor(who), world.now) == ()
    world.set_rules(chain={**ALL, "shown_to": "district"})
    publicity.publicity_page(world.session, world.actor(cast.ZHAO), batch.uuid, world.now)
    with pytest.raises(NotFound):
        publicity.public_page(world.session, batch.uuid, world.now)
    world.set_rules(chain={**ALL, "shown_to": "public"})
    assert publicity.public_page(world.session, batch.uuid, world.now).own == ()
    assert batch.ends_at is not None
    with pytest.raises(NotFound):
        publicity.public_page(world.session, batch.uuid, batch.ends_at)


@pytest.mark.parametrize(("stage", "state"), [("check", "checking"), ("publicity", "shown")])
def test_each_stage_can_be_off(world: World, stage: str, state: str) -> None:
    world.set_rules(chain={stage: True})
    decided(world, cast.CHEN, "A3")
    batch = close(world)
    assert batch.state.value == state
    if stage == "check":
        check_all(world, batch)
        assert batch.state is BatchState.READY
        assert batches.due(world.session, world.now) == [pk(batch)]
    moment = batch.ends_at or world.now
    done = batches.release(world.session, world.actor(cast.OFFICER), batch.uuid, moment)
    assert (done.decisions, batch.state) == (1, BatchState.RELEASED)


# --- who has to act ---


def test_the_county_sees_who_has_to_act(world: World) -> None:
    world.set_rules(chain={**ALL, "panel": True})
    officer = world.actor(cast.OFFICER)

    def act() -> str:
        page = chain_views.county_page(world.session, officer, world.programme.uuid)
        return next(line.act for line in page.lines if line.name == XIWANG)

    assert act() == "none"
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    assert act() == "panel"
    name_panel(world, cast.WANG, cast.LI)
    assert act() == "decide"
    decide(world, work, who=cast.WANG)
    assert act() == "close"
    batch = close(world)
    assert act() == "check"
    page = batch_views.batch_page(world.session, world.actor(cast.LEAD), batch.uuid, world.now)
    assert (page.unseen, page.is_as_drawn, page.may_check) == (1, True, False)
    check_all(world, batch)
    assert act() == "shown"
    said = publicity.object_to(world.session, world.actor(cast.WANG), batch.uuid, work.uuid, "不对", "", world.now)
    assert act() == "answer"
    publicity.answer(world.session, officer, said.uuid, is_upheld=False, words="看过了", now=world.now)
    assert batch.ends_at is not None
    batches.release_due(world.session, pk(batch), batch.ends_at)
    assert act() == "done"
    with pytest.raises(NotFound):
        batch_views.batch_page(world.session, world.actor(cast.NEIGHBOUR), batch.uuid, world.now)
    with pytest.raises(Forbidden):
        batch_views.batch_page(world.session, world.actor(cast.CHEN), batch.uuid, world.now)
