"""分批: who is called in which year, and that the figures count those alone whose turn has come."""

import pytest

import competencies
from competencies import ProgrammeState
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import cohorts, exemptions, oversee, oversee_lists, oversee_views, rounds, submit_views
from lms_plugin.people import RosterEntry
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.rosters import add_entry, put_on_roster

YEARS = [{"year": 2026, "percent": 30}, {"year": 2027, "percent": 50}, {"year": 2028, "percent": 20}]


@pytest.fixture
def entries(world: World) -> list[RosterEntry]:
    """Ten people on the roster, seven of one school."""
    world.set_rules(cohorts=YEARS)
    found = [put_on_roster(world, cast.CHEN), put_on_roster(world, cast.WANG)]
    for number in range(8):
        school = world.schools["希望小学" if number < 5 else "平安小学"]
        found.append(add_entry(world, school, f"N{number}", f"老师{number}"))
    return found


def place_all(world: World, who: cast.Cast = cast.OFFICER) -> int:
    return cohorts.place_all(world.session, world.actor(who), world.programme.uuid, world.now)


def place_one(world: World, who: cast.Cast, year: int) -> None:
    act = (world.session, world.actor(cast.OFFICER), world.programme.uuid)
    cohorts.place_one(*act, who.staff_number, year, world.now)


def page(world: World) -> cohorts.CohortsPage:
    return cohorts.page(world.session, world.actor(cast.OFFICER), world.programme.uuid)


def figures(world: World) -> oversee_views.UnitPage:
    actor = world.actor(cast.OFFICER)
    return oversee.unit_page(world.session, actor, world.programme.uuid, world.county.uuid, world.now)


def not_called(world: World) -> tuple[int, int]:
    off = figures(world).off_roster
    return off.later, off.unplaced


def test_the_figures_count_those_whose_turn_has_come(world: World, entries: list[RosterEntry]) -> None:
    assert (figures(world).tally.due, not_called(world)) == (0, (0, 10))
    place_one(world, cast.CHEN, 2026)
    place_one(world, cast.WANG, 2027)
    assert place_all(world) == 8
    assert page(world).total.years == (3, 5, 2)
    earn(world, cast.CHEN, "A3", "A5", "B1")
    earn(world, cast.WANG, "A3", "A5", "B1")  # came before the turn: does not count yet, and is no stranger either
    seen = figures(world)
    assert (seen.tally.due, seen.tally.passed, not_called(world), seen.off_roster.people) == (3, 1, (7, 0), 4)
    listed = oversee_lists.people_page(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.county.uuid, "due", 1, world.now
    )
    assert listed.total == 3
    world.now = world.now.replace(year=2027)
    seen = figures(world)
    assert (seen.tally.due, seen.tally.passed, not_called(world)) == (8, 2, (2, 0))


def test_a_teacher_reads_when_their_turn_comes(world: World, entries: list[RosterEntry]) -> None:
    def turn(who: cast.Cast) -> int | None:
        return submit_views.home(world.session, world.actor(who), world.programme.uuid, world.now).turn_in

    assert turn(cast.CHEN) is None
    place_one(world, cast.CHEN, 2026)
    place_one(world, cast.WANG, 2028)
    assert (turn(cast.CHEN), turn(cast.WANG), turn(cast.LI)) == (None, 2028, None)
    world.now = world.now.replace(year=2028)
    assert turn(cast.WANG) is None


def test_who_has_a_year_keeps_it_unless_it_is_drawn_anew_before_the_start(
    world: World, entries: list[RosterEntry]
) -> None:
    place_one(world, cast.CHEN, 2028)
    place_all(world)
    assert place_all(world) == 0
    add_entry(world, world.schools["希望小学"], "N99", "新来的")
    assert page(world).total.unplaced == 1
    assert place_all(world) == 1
    exemptions.exempt(
        world.session, world.actor(cast.OFFICER), entries[2].uuid, world.programme.uuid, "产假", world.now
    )
    assert (sum(page(world).total.years), figures(world).tally.exempt) == (10, 1)
    world.programme.state = ProgrammeState.DRAFT
    world.session.flush()
    assert place_all(world) == 9  # all but whom an officer placed and who is exempt
    events = rounds.events_of(world.session, world.actor(cast.OFFICER), world.programme)
    assert [one.kind for one in events] == ["cohorts", "cohorts", "cohorts", "cohort_place"]


def test_what_cannot_be_called_is_refused(world: World, entries: list[RosterEntry]) -> None:
    act = (world.session, world.actor(cast.OFFICER), world.programme.uuid)
    with pytest.raises(Invalid) as wrong:
        cohorts.place_one(*act, cast.CHEN.staff_number, 2030, world.now)
    assert set(wrong.value.fields) == {"year"}
    with pytest.raises(Invalid) as wrong:
        cohorts.place_one(*act, "XW999", 2026, world.now)
    assert set(wrong.value.fields) == {"staff_number"}
    for who in (cast.CHEN, cast.LEAD, cast.TRAINER, cast.AUDITOR):
        with pytest.raises(Forbidden):
            place_all(world, who)
    with pytest.raises(NotFound):
        place_all(world, cast.NEIGHBOUR)
    world.set_rules()
    with pytest.raises(Refused, match=r"cohort\.none"):
        place_all(world)
    assert figures(world).tally.due == 10  # without years everybody is due again
    assert pk(world.programme)
    assert competencies.rules_of(world.session, world.programme).cohorts == ()
