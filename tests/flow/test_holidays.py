"""放假安排: who writes the days off of a year, and which 公示 count by them."""

import pytest

import competencies
from lms_plugin.errors import Conflict, Forbidden, Invalid
from lms_plugin.flow import chain_views, holidays
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, grant
from tests.flow.test_chain import ALL, check_all, close, decided

NATIONAL = "2026-11-03 – 2026-11-05 放假\n2026-11-08 上班"


def write(world: World, text: str = NATIONAL, who: cast.Cast = cast.OFFICER) -> None:
    seen = holidays.check(world.session, world.actor(who), 2026, text).digest
    holidays.set_year(world.session, world.actor(who), 2026, text, seen, world.now)


def shown(world: World, who: cast.Cast) -> competencies.SchoolBatch:
    decided(world, who, "A3")
    batch = close(world)
    check_all(world, batch)
    return batch


def test_every_programme_counts_by_it_and_what_was_told_stays(world: World) -> None:
    world.set_rules(chain=ALL)
    before = shown(world, cast.CHEN)
    assert str(before.ends_on) == "2026-11-09"  # five working days from Monday 2 November
    officer = world.actor(cast.OFFICER)
    assert holidays.check(world.session, officer, 2026, NATIONAL).running == 1
    write(world)
    assert str(before.ends_on) == "2026-11-09"
    assert str(shown(world, cast.WANG).ends_on) == "2026-11-11"  # three days off, one Sunday of work
    world.set_rules(chain={**ALL, "workdays": ["2026-11-04"], "days_off": ["2026-11-08"]})
    assert str(shown(world, cast.LI).ends_on) == "2026-11-11"  # its own word for the 4th and the 8th
    page = chain_views.county_page(world.session, officer, world.programme.uuid)
    assert page.holidays == {2026}


def test_the_newest_holds_and_says_who_wrote_it(world: World) -> None:
    write(world)
    officer = world.actor(cast.OFFICER)
    assert holidays.check(world.session, officer, 2026, NATIONAL).is_same
    write(world, "2026-10-01")
    (year,) = holidays.years(world.session, officer)
    assert ([f"{first}" for first, _last in year.days_off], year.workdays) == (["2026-10-01"], ())
    assert (year.set_by, year.set_at) == (cast.OFFICER.name, world.now)


def test_nothing_is_written_that_was_not_shown(world: World) -> None:
    officer = world.actor(cast.OFFICER)
    seen = holidays.check(world.session, officer, 2026, NATIONAL).digest
    write(world, "2026-10-01")  # somebody else, meanwhile
    with pytest.raises(Conflict):
        holidays.set_year(world.session, officer, 2026, NATIONAL, seen, world.now)
    with pytest.raises(Invalid) as refused:
        holidays.set_year(world.session, officer, 2026, "10月40日放假", seen, world.now)
    assert refused.value.fields == {"list": "holiday.faults"}
    for year, text, named in ((26, "2026-10-01", "year"), (2026, " ", "list"), (2026, "1" * 20_001, "list")):
        with pytest.raises(Invalid) as refused:
            holidays.check(world.session, officer, year, text)
        assert set(refused.value.fields) == {named}


def test_who_looks_after_a_part_of_the_district_does_not_write_for_all(world: World) -> None:
    grant(world.session, world.person(cast.LI), RoleKind.OFFICER, world.schools["希望小学"], world.now)
    for who in (cast.CHEN, cast.LEAD, cast.LI, cast.TRAINER, cast.AUDITOR):
        with pytest.raises(Forbidden):
            holidays.years(world.session, world.actor(who))
