"""Hours are told over again by the category of their day: whoever is something else by now keeps what they had, where
they had it, until an award itself is taken back."""

from datetime import date, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, example, given, settings
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

import competencies
from competencies import Category, CreditEntry, CycleRule
from competencies.counted_as import CountedAs, Said, at, in_force
from lms_plugin.db import pk, table
from lms_plugin.flow import booking, categories, reversal, roster_list
from lms_plugin.people import RosterEntry
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.flow.test_merges import merge
from tests.flow.test_reversal import award_of, take_back, undone
from tests.fuzzing import times
from tests.rosters import put_on_roster

CODES = ("A3", "A5", "B1", "A11")
OWN = [
    {"category": "principal", "required_points": 1},
    {"category": "coach", "required_points": 2},
]


@pytest.fixture
def entry(world: World) -> RosterEntry:
    """陈's row of the roster; a round of many years, in cycles of one year, with rules for two categories."""
    row = put_on_roster(world, cast.CHEN)
    world.programme.submit_by_on = date(2060, 1, 1)
    world.tenant.cycle = CycleRule(years=1).stored()
    world.session.add_all([world.programme, world.tenant])
    world.set_rules(categories=OWN)
    return row


def become(world: World, entry: RosterEntry, category: Category | None) -> None:
    """An officer says what 陈 is (None: off the roster), and the job after it has run."""
    officer = world.actor(cast.OFFICER)
    roster_list.set_removed(world.session, officer, entry.uuid, category is None, world.now)
    if category is not None:
        roster_list.set_about(world.session, officer, entry.uuid, category.value, "", world.now)
    booking.bring_up(world.session, world.programme, [pk(world.person(cast.CHEN))], world.now)


def booked(world: World) -> list[tuple[int, int]]:
    """(hundredths, year that they count in), entry by entry."""
    rows = world.session.exec(select(CreditEntry).order_by(col(CreditEntry.id))).all()
    return [(row.credit_hundredths, (row.earned_on or row.entered_at).year) for row in rows]


def test_a_principal_who_teaches_by_now_keeps_what_one_point_brought(world: World, entry: RosterEntry) -> None:
    become(world, entry, Category.PRINCIPAL)
    earn(world, cast.CHEN, "A3")
    world.now += timedelta(days=400)
    become(world, entry, Category.TEACHER)
    earn(world, cast.CHEN, "A5")
    second = award_of(world, "A5")
    place = (world.session, world.actor(cast.OFFICER), world.programme.uuid, world.person(cast.CHEN).uuid)
    assert reversal.preview(*place, "award", second.uuid).taken_hundredths == 0
    assert take_back(world, "award", second.uuid)
    merge(world, cast.WANG, cast.CHEN)
    assert booked(world) == [(2500, 2026)]
    assert take_back(world, "award", award_of(world, "A3").uuid)
    assert booked(world) == [(2500, 2026), (-2500, 2026)]


def test_hours_of_who_became_a_principal_stay_in_the_year_in_which_they_came(world: World, entry: RosterEntry) -> None:
    earn(world, cast.CHEN, "A3")
    world.now += timedelta(days=400)
    become(world, entry, Category.PRINCIPAL)
    merge(world, cast.WANG, cast.CHEN)
    assert booked(world) == [(2500, 2027)]


def test_where_nobody_noted_it_they_are_counted_as_what_they_are(world: World) -> None:
    """Rules began to differ after the hours came: those of before were the same for all."""
    put_on_roster(world, cast.CHEN)
    earn(world, cast.CHEN, *CODES[:3])
    world.set_rules(categories=OWN)
    assert not world.session.exec(select(CountedAs)).all()
    merge(world, cast.WANG, cast.CHEN)
    assert [hundredths for hundredths, _year in booked(world)] == [2500]


ACTS = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from(CODES) | st.sampled_from([None, *Category])), min_size=2, max_size=8
)
EDGE: list[tuple[int, Any]] = [(1, "A3"), (300, Category.PRINCIPAL), (200, None), (90, "A5"), (1, Category.COACH)]


@settings(max_examples=times(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS, kind=st.sampled_from(["per_set", "per_point_cumulative", "per_level"]))
@example(acts=EDGE, kind="per_set")
def test_what_is_told_over_again_is_what_was_booked(
    world: World, entry: RosterEntry, acts: list[tuple[int, Any]], kind: str
) -> None:
    """Whatever somebody was, and when: as long as nothing is taken back there is nothing to put right."""
    with undone(world):
        world.set_rules(categories=OWN, hours={"kind": kind, "cap_hundredths": 10_000})
        chen = pk(world.person(cast.CHEN))
        done = set()
        for days, act in acts:
            world.now += timedelta(days=days)
            if act is None or isinstance(act, Category):
                become(world, entry, act)
            elif act not in done:
                done.add(act)
                earn(world, cast.CHEN, act)
            differing = competencies.put_right.practice_differences(
                world.session,
                world.programme,
                [chen],
                CycleRule(years=1),
                world.tenant.timezone,
                lambda: categories.category_of(world.session, [chen]),
            )
            assert differing == []


def test_the_days_of_versions_and_categories_are_laid_into_each_other(world: World) -> None:
    days = [world.now + timedelta(days=day) for day in range(5)]
    said = [Said(days[1], None), Said(days[3], Category.COACH), Said(days[4], Category.COACH)]
    assert [at(said, day) for day in days] == [None, None, None, Category.COACH, Category.COACH]
    found = in_force([days[0], days[2]], said)
    assert [(one.version, one.category) for one in found] == [(0, None), (1, None), (1, Category.COACH)]
    assert days[2] < found[-1].since < days[3]  # said before what counts by it
    assert [one.category for one in in_force(days[:2], [])] == [None, None]


def test_of_two_rows_of_one_human_being_the_one_on_the_roster_speaks(world: World) -> None:
    """That a duplicate stood on no roster says nothing of who did; where neither did, both say so."""
    chen, wang = pk(world.person(cast.CHEN)), pk(world.person(cast.WANG))
    noted = [(chen, Category.PRINCIPAL, 0), (wang, None, 1)]
    for person, category, days in noted:
        since = world.now + timedelta(days=days)
        row = {"programme_id": pk(world.programme), "person_id": person, "category": category, "since_at": since}
        world.session.add(CountedAs(**row))
    world.session.flush()

    def told(*people: int) -> list[Category | None]:
        return [one.category for one in competencies.counted_as.said_of(world.session, pk(world.programme), people)]

    assert told(chen, wang) == [Category.PRINCIPAL]
    assert told(wang) == [None]


def test_it_is_noted_once_and_never_changed(world: World, entry: RosterEntry) -> None:
    become(world, entry, Category.COACH)  # holds nothing yet, but was asked for
    earn(world, cast.CHEN, "A3")
    become(world, entry, Category.COACH)
    rows = world.session.exec(select(CountedAs)).all()
    assert [(row.person_id, row.category) for row in rows] == [(pk(world.person(cast.CHEN)), Category.COACH)]
    with pytest.raises(DBAPIError, match="append-only"), world.session.begin_nested():
        world.session.execute(table(CountedAs).delete())
