"""研修总档案: over programmes, schools and platforms, the hours cycle by cycle; for oneself and who looks after one."""

from datetime import date

import pytest

import competencies
from competencies import CreditKind, CycleRule
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, NotFound
from lms_plugin.flow import enter, passport, whole_record
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.certified import certificate_for
from tests.factories import World, grant
from tests.flow.earned import earn
from tests.flow.test_changing_schools import move
from tests.flow.test_courses import other_programme
from tests.flow.test_merges import merge
from tests.moving import released, there_of


def whole(world: World, who: cast.Cast = cast.CHEN, of: cast.Cast | None = None) -> whole_record.Whole:
    person = world.person(of).uuid if of is not None else None
    return whole_record.whole(world.session, world.actor(who), person, world.now)


def credited(world: World, programme: competencies.Programme, kind: CreditKind, hundredths: int, on: date) -> None:
    chen, basis = pk(world.person(cast.CHEN)), competencies.Basis(world.programme.policy_id or 0)
    competencies.credit(
        world.session, pk(world.tenant), pk(programme), chen, kind, hundredths, basis, world.now, "import", earned_on=on
    )


def test_hours_of_all_programmes_stand_cycle_by_cycle(world: World) -> None:
    other = other_programme(world)
    enter.enrol(world.session, pk(other), pk(world.person(cast.CHEN)), world.now)
    earn(world, cast.CHEN, "A3", "A5", "B1", level=2)
    credited(world, other, CreditKind.ONLINE, 600, date(2022, 5, 1))
    credited(world, other, CreditKind.OFFLINE, 300, date(2020, 5, 1))
    page = whole(world)
    now, before, long_ago = page.cycles
    assert (now.total.first_year, now.total.total_hundredths, now.total.practice_lack_hundredths) == (2026, 2500, 0)
    assert [(line.title, dict(line.hours)) for line in now.lines] == [(world.programme.title, {"practice": 2500})]
    assert (before.total.first_year, before.total.last_year) == (2021, 2025)
    assert [(line.title, dict(line.hours), line.total_hundredths) for line in before.lines] == [
        (other.title, {"online": 600}, 600)
    ]
    assert [dict(line.hours) for line in long_ago.lines] == [{"offline": 300}]


def test_a_cycle_in_which_everything_was_taken_back_has_no_line() -> None:
    entry = competencies.CreditEntry(programme_id=1, person_id=1, kind=CreditKind.ONLINE, credit_hundredths=600)
    back = competencies.CreditEntry(programme_id=1, person_id=1, kind=CreditKind.ONLINE, credit_hundredths=-600)
    day = date(2026, 5, 1)
    (cycle,) = whole_record.cycles_of(CycleRule(), [(entry, day), (back, day)], {1: "一"}, day)
    assert (cycle.total.total_hundredths, cycle.lines) == (0, ())


def test_programmes_schools_courses_papers_and_moves(world: World) -> None:
    other = other_programme(world)
    enter.enrol(world.session, pk(other), pk(world.person(cast.CHEN)), world.now)
    earn(world, cast.CHEN, "A3", level=2)
    earn(world, cast.CHEN, "A5")
    paper = certificate_for(world, cast.CHEN)
    move(world)
    released(there_of(world))
    page = whole(world)
    assert {(one.title, one.passed, one.excellent, one.has_record) for one in page.rounds} == {
        (world.programme.title, 2, 1, True),
        (other.title, 0, 0, True),
    }
    assert page.passed == 2
    assert [one.name for one in page.schools] == ["平安小学", "希望小学"]
    assert (page.schools[0].until, page.schools[1].until is None) == (None, False)
    assert [one.title for one in page.courses] == [world.course.title]
    assert [(one.uuid, one.is_ended) for one in page.papers] == [(paper.uuid, False)]
    assert [(one.is_out, one.place) for one in page.moves] == [(True, "邻县")]


def test_all_rows_of_one_human_being_and_each_point_once(world: World) -> None:
    earn(world, cast.CHEN, "A3")
    earn(world, cast.WANG, "A3", level=2)
    merge(world, cast.CHEN, cast.WANG)
    (one,) = whole(world, cast.WANG).rounds
    assert (one.passed, one.excellent) == (1, 1)
    assert whole(world, cast.OFFICER, cast.CHEN).person_uuid == world.person(cast.WANG).uuid


def test_who_may_read_it(world: World) -> None:
    earn(world, cast.CHEN, "A3")
    for who in (cast.LEAD, cast.OFFICER, cast.AUDITOR):
        assert not whole(world, who, cast.CHEN).is_own
    grant(world.session, world.person(cast.SUN), RoleKind.SCHOOL_LEAD, world.schools["平安小学"], world.now)
    of_course = grant(world.session, world.person(cast.LI), RoleKind.TRAINER, None, world.now)
    of_course.course_id = pk(world.course)
    world.session.add(of_course)
    world.session.flush()
    assert passport.record(
        world.session, world.actor(cast.LI), world.programme.uuid, world.person(cast.CHEN).uuid, world.now
    )
    for who in (cast.WANG, cast.SUN, cast.LI):  # a course opens the record of its programme, not everything
        with pytest.raises(Forbidden):
            whole(world, who, cast.CHEN)
    with pytest.raises(NotFound):
        whole(world, cast.NEIGHBOUR, cast.CHEN)
