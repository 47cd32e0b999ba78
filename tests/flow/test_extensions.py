"""延期: the right people have longer, everybody else does not; what they handed in late is in time after all."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

import competencies
import rubrics
from competencies import Programme, Submission, SubmissionState
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import choose_view, drafts, extensions, point_view, rounds, submit, submit_views
from lms_plugin.flow.round_view import Round
from lms_plugin.people import Extension, RoleKind
from tests import people as cast
from tests.factories import World
from tests.factories import grant as give_role
from tests.flow.earned import earn
from tests.flow.handed_in import hand_in
from tests.queries import count_queries
from tests.rosters import put_on_roster

DAY = timedelta(days=1)
WHY = "防汛停课"


def grant(world: World, who: cast.Cast = cast.OFFICER, days: int = 3, **changes: object) -> Extension:
    """Three days more than the others have, for 希望小学 unless it is said for whom."""
    form = {
        "unit": "" if changes.get("staff_number") else world.schools["希望小学"].uuid,
        "staff_number": "",
        "until_on": world.programme.submit_by_on + days * DAY,
        "reason": WHY,
        **changes,
    }
    made = extensions.ExtensionForm(**form)  # type: ignore[arg-type]
    return extensions.grant(world.session, world.actor(who), world.programme.uuid, made, world.now)


def a_day_late(world: World) -> None:
    world.now = competencies.end_of_day(world.programme.submit_by_on, world.tenant.timezone) + timedelta(hours=9)


def home(world: World, who: cast.Cast) -> Round:
    return submit_views.home(world.session, world.actor(who), world.programme.uuid, world.now).round


def elsewhere(world: World) -> cast.Cast:
    return next(who for who in cast.TEACHERS if who.school != "希望小学")


def hand_in_again(world: World, work: Submission) -> Submission:
    """Takes it back and hands it in at this moment."""
    actor = world.actor(next(who for who in cast.TEACHERS if pk(world.person(who)) == work.person_id))
    submit.withdraw(world.session, actor, work.uuid, world.now)
    items = drafts.load_work(world.session, actor, work.uuid).items
    work.ticks = {item.requirement.key: [check["key"] for check in item.requirement.checks] for item in items}
    return submit.submit(world.session, actor, work.uuid, world.now)


def test_a_school_has_longer_and_others_do_not(world: World) -> None:
    world.set_rules(review={"self_marks": False})
    other = elsewhere(world)
    mine, theirs = (hand_in(world, who, "A3", world.now) for who in (cast.CHEN, other))
    row = grant(world)
    assert grant(world).id == row.id  # a double click is one extension
    a_day_late(world)
    for who, is_late in ((cast.CHEN, False), (other, True)):
        assert home(world, who).is_late is is_late
        chosen = choose_view.choosing(world.session, world.actor(who), world.programme.uuid, world.now)
        assert chosen.round.is_late is is_late
    assert home(world, cast.CHEN).extension == extensions.Extended(world.programme.submit_by_on + 3 * DAY, WHY)
    assert home(world, other).extension is None
    assert hand_in_again(world, mine).state is SubmissionState.SUBMITTED
    assert hand_in_again(world, theirs).state is SubmissionState.LATE
    page = point_view.point_page(world.session, world.actor(cast.CHEN), mine.uuid, world.now)
    assert (page.ends_on, page.is_past_end) == (world.programme.submit_by_on + 3 * DAY, False)
    world.now += 3 * DAY
    assert home(world, cast.CHEN).is_late
    assert hand_in_again(world, mine).state is SubmissionState.LATE


def test_one_teacher_has_longer_by_staff_number_also_before_they_came(world: World) -> None:
    put_on_roster(world, cast.CHEN)
    entry = put_on_roster(world, cast.WANG, came=False)
    for who in (cast.CHEN, cast.WANG):
        grant(world, staff_number=f" {who.staff_number.lower()} ")
    a_day_late(world)
    assert not home(world, cast.CHEN).is_late
    assert home(world, cast.WANG).is_late  # nobody has tied the row to this person yet
    entry.person_id = pk(world.person(cast.WANG))
    world.session.flush()
    assert not home(world, cast.WANG).is_late
    colleague = next(who for who in cast.TEACHERS if who.school == "希望小学" and who not in (cast.CHEN, cast.WANG))
    assert home(world, colleague).is_late


def test_what_came_late_before_the_extension_is_in_time_after_all(world: World) -> None:
    world.set_rules(review={"self_marks": False})
    other = elsewhere(world)
    works = {who.key: hand_in(world, who, "A3", world.now) for who in (cast.CHEN, other)}
    a_day_late(world)
    for work in works.values():
        assert hand_in_again(world, work).state is SubmissionState.LATE
    grant(world)
    assert works["chen"].state is SubmissionState.SUBMITTED
    assert works[other.key].state is SubmissionState.LATE
    put_on_roster(world, other)
    grant(world, staff_number=other.staff_number)
    assert works[other.key].state is SubmissionState.SUBMITTED


def test_nobody_lets_in_their_own(world: World) -> None:
    world.set_rules(review={"self_marks": False})
    works = {who.key: hand_in(world, who, "A3", world.now) for who in (cast.CHEN, cast.WANG)}
    a_day_late(world)
    for work in works.values():
        hand_in_again(world, work)
    put_on_roster(world, cast.CHEN)
    give_role(world.session, world.person(cast.CHEN), RoleKind.OFFICER, world.county, world.now)
    with pytest.raises(Invalid) as refused:
        grant(world, cast.CHEN, staff_number=cast.CHEN.staff_number)
    assert refused.value.fields == {"staff_number": "extension.own"}
    grant(world, cast.CHEN)  # the whole school, hers too
    assert [works[key].state for key in ("chen", "wang")] == [SubmissionState.LATE, SubmissionState.SUBMITTED]
    events = world.session.exec(select(rubrics.ReviewEvent).where(rubrics.ReviewEvent.kind == "late_accepted")).all()
    assert [(one.submission_version_id, one.person_id) for one in events] == [
        (works["wang"].current_version_id, pk(world.person(cast.CHEN)))
    ]


def test_work_that_came_back_has_longer_too(world: World) -> None:
    earn(world, cast.CHEN, "A3", level=0)
    assert home(world, cast.CHEN).again_by_on == world.programme.review_by_on
    grant(world, days=12)
    assert home(world, cast.CHEN).again_by_on == world.programme.submit_by_on + 12 * DAY


def test_an_extension_is_taken_back_and_all_of_it_is_logged(world: World) -> None:
    long, short = grant(world, days=5), grant(world, days=2)
    assert world.programme.extended_until_on == long.until_on
    act = (world.session, world.actor(cast.OFFICER), world.programme.uuid)
    extensions.end(*act, long.uuid, world.now)
    extensions.end(*act, long.uuid, world.now)
    assert home(world, cast.CHEN).submit_by_on == short.until_on == world.programme.extended_until_on
    extensions.end(*act, short.uuid, world.now)
    assert world.programme.extended_until_on is None
    assert home(world, cast.CHEN).extension is None
    events = rounds.events_of(world.session, world.actor(cast.AUDITOR), world.programme)
    assert [one.kind for one in events] == ["extension_ended", "extension_ended", "extended", "extended"]
    assert (events[-1].details["to"], events[-1].details["until"]) == ("希望小学", long.until_on.isoformat())
    assert (events[-1].reason, events[-1].by) == (WHY, world.person(cast.OFFICER).name)
    lines = extensions.page(*act, world.now).lines
    assert [(one.to, one.reason, one.ended_at) for one in lines] == [("希望小学", WHY, world.now)] * 2
    put_on_roster(world, cast.CHEN)
    grant(world, staff_number=cast.CHEN.staff_number)
    newest = rounds.events_of(world.session, world.actor(cast.AUDITOR), world.programme)[0]
    assert newest.details["to"] == f"{cast.CHEN.name} {cast.CHEN.staff_number}"
    kept = world.session.exec(select(competencies.ProgrammeEvent)).all()
    assert not any(cast.CHEN.name in str(one.details) for one in kept)  # ids alone: who is erased is named no more


def test_what_is_no_extension_is_refused(world: World) -> None:
    put_on_roster(world, cast.CHEN)
    ends = world.programme.closes_on
    for changes, field in (
        ({"days": 0}, "until_on"),
        ({"until_on": ends + DAY}, "until_on"),
        ({"reason": "  "}, "reason"),
        ({"reason": "x" * 301}, "reason"),
        ({"unit": ""}, "unit"),
        ({"unit": "0" * 32}, "unit"),
        ({"staff_number": "XW999"}, "staff_number"),
        ({"staff_number": cast.CHEN.staff_number, "unit": world.schools["希望小学"].uuid}, "unit"),
    ):
        with pytest.raises(Invalid) as wrong:
            grant(world, **changes)  # type: ignore[arg-type]
        assert set(wrong.value.fields) == {field}, changes
    for who in (cast.CHEN, cast.TRAINER, cast.LEAD, cast.AUDITOR):
        with pytest.raises(Forbidden):
            grant(world, who)
    with pytest.raises(NotFound):
        grant(world, cast.NEIGHBOUR)
    a_day_late(world)
    world.now += 2 * DAY
    with pytest.raises(Invalid) as wrong:
        grant(world, days=1)
    assert wrong.value.fields == {"until_on": "extension.in_the_past"}
    world.now = competencies.end_of_day(ends, world.tenant.timezone)
    with pytest.raises(Refused, match=r"extension\.programme_over"):
        grant(world)


def test_a_programme_without_extensions_is_asked_nothing(world: World) -> None:
    actor, bind = world.actor(cast.CHEN), world.session.get_bind()
    with count_queries(bind) as before:  # type: ignore[arg-type]
        assert extensions.own_extension(world.session, actor, world.programme) is None
    grant(world)
    with count_queries(bind) as after:  # type: ignore[arg-type]
        assert extensions.own_extension(world.session, actor, world.programme) is not None
    assert (len(before), len([one for one in after if one.lstrip().startswith("SELECT")])) == (0, 1)


DAYS = st.dates(date(2026, 1, 1), date(2026, 12, 31))


@given(st.lists(DAYS, min_size=4, max_size=4).map(sorted), st.none() | DAYS, st.booleans())
def test_an_extension_never_takes_a_day_away_and_never_outlasts_the_programme(
    days: list[date], until: date | None, came_back: bool
) -> None:
    opens, submit_by, review_by, closes = days
    programme = Programme(
        tenant_id=1,
        framework_version_id=1,
        title="x",
        org_unit_id=1,
        opens_on=opens,
        submit_by_on=submit_by,
        review_by_on=review_by,
        closes_on=closes,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    usual = review_by if came_back else submit_by
    last = competencies.last_day(programme, came_back, until)
    assert usual <= last <= closes
    assert last == usual or last == min(until or usual, closes)
    assert competencies.last_day(programme, True, until) >= competencies.last_day(programme, False, until)
