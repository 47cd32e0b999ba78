"""补训, 归档 and 经过: a round goes on for those who are not through; who is through is left alone."""

from datetime import date, timedelta

import pytest

import competencies
from competencies import ProgrammeState, SubmissionState
from lms_plugin.db import get, pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import (
    award,
    cases,
    courses,
    curate_views,
    exemptions,
    oversee,
    oversee_views,
    passport,
    rounds,
    submit_views,
)
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, hand_in, judgement
from tests.rosters import put_on_roster

DAY = timedelta(days=1)


def form(world: World, after: int = 60, reason: str = "教字〔2026〕9号") -> rounds.MakeUpForm:
    first = world.now.date() + timedelta(days=after)
    return rounds.MakeUpForm(first, first + 7 * DAY, first + 14 * DAY, reason)


def after_the_end(world: World) -> World:
    """The same district, the day after the programme's last one."""
    world.now = competencies.end_of_day(world.programme.closes_on, world.tenant.timezone) + timedelta(hours=9)
    return world


def make_up(world: World, who: cast.Cast = cast.OFFICER, **changes: object) -> competencies.Programme:
    programme = world.programme
    made = form(world, **changes)  # type: ignore[arg-type]
    return rounds.make_up(world.session, world.actor(who), programme.uuid, made, programme.version, world.now)


def home(world: World, who: cast.Cast) -> submit_views.Home:
    return submit_views.home(world.session, world.actor(who), world.programme.uuid, world.now)


def result(world: World, who: cast.Cast) -> str:
    return passport.record(world.session, world.actor(who), world.programme.uuid, None, world.now).result


def test_who_failed_goes_on_and_who_is_through_stays(world: World) -> None:
    earn(world, cast.CHEN, "A3", "A5", "B1")
    earn(world, cast.WANG, "A3", level=0)
    put_on_roster(world, cast.CHEN)
    put_on_roster(world, cast.WANG)
    after_the_end(world)
    before = (result(world, cast.CHEN), home(world, cast.CHEN).practice_hundredths)
    assert (before, result(world, cast.WANG)) == (("passed", 25_00), "failed")
    view = rounds.ended(world.session, world.actor(cast.OFFICER), world.programme.uuid, world.now)
    assert (view.number, view.tally.due, view.tally.passed) == (1, 2, 1)

    programme = make_up(world)
    assert (programme.state, programme.make_up) == (ProgrammeState.OPEN, 1)
    assert (result(world, cast.CHEN), home(world, cast.CHEN).practice_hundredths) == before
    assert home(world, cast.CHEN).next.kind == "done"
    assert (result(world, cast.WANG), home(world, cast.WANG).next.kind) == ("unfinished", "failed")
    assert home(world, cast.WANG).round.make_up == 1
    assert home(world, cast.WANG).next.on == programme.review_by_on
    handed = hand_in(world, cast.LI, "A3", world.now)
    assert handed.state is SubmissionState.SUBMITTED


def test_late_work_goes_on_with_the_make_up_round(world: World) -> None:
    waiting, declined = (hand_in(world, who, "A3", world.now) for who in (cast.WANG, cast.LI))
    for work in (waiting, declined):
        work.state = SubmissionState.LATE
    version = get(world.session, competencies.SubmissionVersion, declined.current_version_id or 0)
    competencies.decline_late(world.session, declined, version, "来晚了", world.now)
    after_the_end(world)
    make_up(world)
    assert (waiting.state, declined.state) == (SubmissionState.SUBMITTED, SubmissionState.DRAFT)
    assert home(world, cast.LI).next.kind in {"choose", "submit"}


def test_a_make_up_round_needs_an_end_days_ahead_and_a_reason(world: World) -> None:
    with pytest.raises(Refused, match=r"programme\.not_over"):
        make_up(world)
    after_the_end(world)
    for changes, field in (
        ({"after": -1}, "submit_by_on"),
        ({"reason": " "}, "reason"),
        ({"after": 40000}, "closes_on"),
    ):
        with pytest.raises(Invalid) as wrong:
            make_up(world, **changes)
        assert set(wrong.value.fields) == {field}
    late = rounds.MakeUpForm(date(2027, 3, 1), date(2027, 2, 1), date(2027, 1, 1), "x")
    with pytest.raises(Invalid) as wrong:
        rounds.make_up(
            world.session, world.actor(cast.OFFICER), world.programme.uuid, late, world.programme.version, world.now
        )
    assert set(wrong.value.fields) == {"review_by_on", "closes_on"}
    for who in (cast.CHEN, cast.TRAINER, cast.LEAD, cast.AUDITOR):
        with pytest.raises(Forbidden):
            make_up(world, who)
    with pytest.raises(NotFound):
        make_up(world, cast.NEIGHBOUR)


def test_a_second_click_changes_nothing_and_a_stale_page_is_told(world: World) -> None:
    seen = world.programme.version
    after_the_end(world)
    make_up(world)
    act = (world.session, world.actor(cast.OFFICER), world.programme.uuid)
    assert rounds.make_up(*act, form(world), seen, world.now).make_up == 1
    with pytest.raises(Conflict, match=r"programme\.changed"):
        rounds.make_up(*act, form(world, after=90), seen, world.now)
    events = rounds.events_of(world.session, world.actor(cast.AUDITOR), world.programme)
    assert [(one.kind, one.reason, one.by) for one in events] == [
        ("make_up", "教字〔2026〕9号", world.person(cast.OFFICER).name)
    ]
    assert events[0].details["before"]["closes_on"] < events[0].details["after"]["closes_on"]


def test_an_archived_round_leaves_the_lists_and_is_read_as_before(world: World) -> None:
    officer, uuid = world.actor(cast.OFFICER), world.programme.uuid
    earn(world, cast.CHEN, "A3", "A5", "B1")
    entry = put_on_roster(world, cast.CHEN)
    with pytest.raises(Refused, match=r"programme\.still_open"):
        rounds.archive(world.session, officer, uuid, world.now)
    after_the_end(world)
    rounds.archive(world.session, officer, uuid, world.now)
    rounds.archive(world.session, officer, uuid, world.now)
    assert (world.programme.state, world.programme.archived_at) == (ProgrammeState.CLOSED, world.now)
    listed = curate_views.home(world.session, officer)
    assert ([one.uuid for one in listed.programmes], [one.uuid for one in listed.archived]) == ([], [uuid])
    assert exemptions.exemptions_of(world.session, officer, entry.uuid)[2] == []
    assert courses.offered(world.session, officer) == []
    assert result(world, cast.CHEN) == "passed"
    figures: oversee_views.UnitPage = oversee.unit_page(world.session, officer, uuid, world.county.uuid, world.now)
    assert figures.tally.passed == 1
    with pytest.raises(Refused, match=r"programme\.archived"):
        make_up(world)
    rounds.restore(world.session, officer, uuid, world.now)
    assert make_up(world).make_up == 1
    kinds = [one.kind for one in rounds.events_of(world.session, officer, world.programme)]
    assert kinds == ["make_up", "restored", "archived"]


def test_a_round_is_not_archived_while_results_are_on_their_way(world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - timedelta(hours=2))
    marks = judgement(all_marks(world, work))
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
    officer, uuid = world.actor(cast.OFFICER), world.programme.uuid
    after_the_end(world)
    with pytest.raises(Refused, match=r"programme\.results_wait"):
        rounds.archive(world.session, officer, uuid, world.now)
    assert world.programme.archived_at is None
    award.release(world.session, officer, world.programme, None, world.now)
    assert rounds.archive(world.session, officer, uuid, world.now).archived_at == world.now


def test_a_programme_that_was_never_opened_is_archived_but_not_made_up(world: World) -> None:
    world.programme.state = ProgrammeState.DRAFT
    world.session.flush()
    officer, uuid = world.actor(cast.OFFICER), world.programme.uuid
    rounds.archive(world.session, officer, uuid, world.now)
    assert courses.offered(world.session, officer) == []
    rounds.restore(world.session, officer, uuid, world.now)
    assert world.programme.state is ProgrammeState.DRAFT
    after_the_end(world)
    with pytest.raises(Refused, match=r"programme\.not_over"):
        make_up(world)
    assert pk(world.programme)
