"""Hours taken back count where they came from: in each cycle of years stands what the awards that stand brought in it,
whatever was taken back, merged and parted since, and on whichever side of New Year's Eve."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, example, given, settings
from sqlmodel import col, select

import competencies
from competencies import Award, CreditEntry, CycleRule, cycle_totals, span_of
from competencies.put_right import Dated, differences
from lms_plugin.db import pk
from lms_plugin.flow import booking, humans, passport, reversal
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.flow.test_merges import merge, undo
from tests.flow.test_reversal import award_of, take_back, undone
from tests.fuzzing import times
from tests.moving import accepted, released, there_of

ZONE = "Asia/Shanghai"
WORTH = {1: 300, 2: 500}
CODES = ("A3", "A5", "B1")  # three, as the rule pays: each of them counts for itself
YEARS = CycleRule(years=1)


@pytest.fixture
def long_round(world: World) -> World:
    """A round of many years in which each point brings hours of its own, and cycles of one year."""
    world.programme.submit_by_on = date(2060, 1, 1)
    world.tenant.cycle = YEARS.stored()
    world.session.add_all([world.programme, world.tenant])
    world.set_rules(
        hours={
            "kind": "per_level",
            "practice_hundredths": 10_000,
            "pass_hundredths": WORTH[1],
            "excellent_hundredths": WORTH[2],
            "cap_hundredths": 10_000,
        }
    )
    return world


def by_year(world: World, *who: cast.Cast) -> dict[int, int]:
    """Year → hundredths, as the record says it and as the district's list sums it; years of nothing left out."""
    rows = [pk(world.person(one)) for one in who]
    everything = competencies.person_ledger(world.session, pk(world.programme), rows, ZONE).everything
    today = competencies.local_day(world.now, ZONE)
    said = {one.first_year: one.practice_hundredths for one in cycle_totals(YEARS, everything, today)}
    for year, hundredths in said.items():
        span = span_of(YEARS, date(year, 6, 1), ZONE)
        statement = competencies.sums_in(span, CreditEntry.tenant_id, pk(world.tenant))
        found = world.session.execute(statement.where(col(CreditEntry.person_id).in_(rows))).all()
        assert sum(practice for _owner, _total, practice in found) == hundredths
    return {year: hundredths for year, hundredths in said.items() if hundredths}


def booked(world: World) -> list[tuple[str, int, date | None]]:
    rows = world.session.exec(select(CreditEntry).order_by(col(CreditEntry.id))).all()
    return [(row.reason, row.credit_hundredths, row.earned_on) for row in rows]


def test_a_set_that_is_broken_goes_from_the_year_in_which_it_was_whole(world: World) -> None:
    """The first point was of another year than the hours, which came with the last one."""
    world.programme.submit_by_on = date(2060, 1, 1)
    world.tenant.cycle = YEARS.stored()
    earn(world, cast.CHEN, "A3")
    world.now += timedelta(days=365)
    earn(world, cast.CHEN, "A5", "A6")
    world.now += timedelta(days=365)
    assert by_year(world, cast.CHEN) == {2027: 2500}
    assert take_back(world, "award", award_of(world, "A3").uuid)
    assert booked(world)[-1] == ("reversal", -2500, date(2027, 11, 2))
    assert by_year(world, cast.CHEN) == {}
    record = passport.record(world.session, world.actor(cast.CHEN), world.programme.uuid, None, world.now)
    assert [(one.on.year, one.entered_on.year) for one in record.hours] == [(2027, 2027), (2027, 2028)]


def test_a_better_rule_of_a_later_year_is_taken_back_there(long_round: World) -> None:
    """Two entries, since they lie in two cycles; nothing where another award brings the same."""
    world = long_round
    earn(world, cast.CHEN, "A3")
    world.now += timedelta(days=365)
    better = competencies.rules_of(world.session, world.programme).hours.model_dump()
    world.set_rules(hours={**better, "pass_hundredths": 400})

    booking.bring_up(world.session, world.programme, [pk(world.person(cast.CHEN))], world.now)
    assert by_year(world, cast.CHEN) == {2026: 300, 2027: 100}
    world.now += timedelta(days=365)
    assert take_back(world, "award", award_of(world, "A3").uuid)
    assert [one[1] for one in booked(world)] == [300, 100, -300, -100]
    assert by_year(world, cast.CHEN) == {}


def test_a_point_of_two_rows_is_paid_in_the_year_of_the_first(long_round: World) -> None:
    world = long_round
    earn(world, cast.WANG, "A3")
    world.now += timedelta(days=365)
    earn(world, cast.CHEN, "A3")
    world.now += timedelta(days=365)
    merge(world, cast.WANG, cast.CHEN)
    assert booked(world)[-1] == ("merge", -300, date(2027, 11, 2))
    assert by_year(world, cast.CHEN, cast.WANG) == {2026: 300}
    first = award_of(world, "A3", cast.WANG)
    assert take_back(world, "award", first.uuid)  # now the later one brings them, in its own year
    assert by_year(world, cast.CHEN, cast.WANG) == {2027: 300}
    undo(world, cast.WANG)
    assert (by_year(world, cast.CHEN), by_year(world, cast.WANG)) == ({2027: 300}, {})


@dataclass
class Held:
    """An award as the oracle keeps it."""

    row: cast.Cast
    code: str
    level: int
    on: date
    award_id: int
    stands: bool = True


def due(held: Collection[Held], rows: Collection[cast.Cast]) -> dict[int, int]:
    """What each year has: of each point the first pass, and what a better one brought more."""
    years: Counter[int] = Counter()
    for code in CODES:
        best = 0
        for one in sorted(held, key=lambda one: one.on):
            if one.stands and one.code == code and one.row in rows and WORTH[one.level] > best:
                years[one.on.year] += WORTH[one.level] - best
                best = WORTH[one.level]
    return {year: hundredths for year, hundredths in years.items() if hundredths}


EARN = st.tuples(st.sampled_from([cast.CHEN, cast.WANG]), st.sampled_from(CODES), st.sampled_from([1, 2]))
ACTS = st.lists(st.tuples(st.integers(1, 400), EARN | st.integers(0, 5) | st.just("merge")), min_size=3, max_size=9)
EDGE = [(1, (cast.CHEN, "A3", 1)), (300, (cast.WANG, "A3", 2)), (300, "merge"), (1, 0), (1, "merge"), (1, 1)]


@settings(max_examples=times(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
@example(acts=EDGE)
def test_each_cycle_has_what_the_awards_that_stand_brought_in_it(
    long_round: World, acts: list[tuple[int, object]]
) -> None:
    """A number takes back the award of that place; "merge" makes the two rows one, and two again."""
    world, held, is_one = long_round, list[Held](), False
    with undone(world):
        for days, act in acts:
            world.now += timedelta(days=days)
            if isinstance(act, tuple):
                who, code, level = act
                if any((one.row, one.code) == (who, code) for one in held):
                    continue
                earn(world, who, code, level=level)
                award = award_of(world, code, who)
                held.append(Held(who, code, level, competencies.local_day(world.now, ZONE), pk(award)))
            elif isinstance(act, int):
                if act >= len(held) or not held[act].stands:
                    continue
                one = held[act]
                one.stands = False
                give_back(world, one)
            else:
                if is_one:
                    undo(world, cast.WANG)
                else:
                    merge(world, cast.WANG, cast.CHEN)
                is_one = not is_one
            for rows in [(cast.CHEN, cast.WANG)] if is_one else [(cast.CHEN,), (cast.WANG,)]:
                assert by_year(world, *rows) == due(held, rows)


def give_back(world: World, one: Held) -> None:

    award = world.session.get(Award, one.award_id)
    assert award is not None
    today = humans.today_of(world.session, world.person(one.row))
    officer = world.actor(cast.OFFICER)
    assert reversal.reverse(
        world.session, officer, world.programme.uuid, today.uuid, "award", award.uuid, "误录", world.now
    )


DATED = st.lists(
    st.builds(Dated, st.integers(-500, 500).filter(bool), st.dates(date(2015, 1, 1), date(2040, 12, 31))), max_size=12
)


@given(DATED, DATED, st.integers(1, 6), st.integers(2000, 2030))
def test_what_differs_is_booked_once_in_its_own_cycle(
    wanted: list[Dated], stands: list[Dated], years: int, first: int
) -> None:
    rule = CycleRule(years=years, first_year=first)
    found = differences(rule, wanted, stands)
    assert differences(rule, wanted, [*stands, *found]) == []
    cycles = [rule.cycle_of(one.on.year) for one in found]
    assert cycles == sorted(set(cycles))
    assert {one.on for one in found} <= {one.on for one in [*wanted, *stands]}


def test_hours_that_came_stay_in_their_year_and_what_the_rule_gives_more_in_its_own(world: World) -> None:
    earn(world, cast.CHEN, "A3", "A5", "B1")
    there = there_of(world)
    there.tenant.cycle = YEARS.stored()
    rules = competencies.Rules.model_validate({"hours": {"practice_hundredths": 30_00, "cap_hundredths": 30_00}})
    competencies.set_rules(world.session, there.programme, rules, None, world.now)
    world.now += timedelta(days=90)
    released(there)
    accepted(there)

    def by_year_there() -> dict[int, int]:
        found = competencies.person_ledger(world.session, pk(there.programme), [pk(there.person)], ZONE).everything
        said = cycle_totals(YEARS, found, competencies.local_day(world.now, ZONE))
        return {one.first_year: one.practice_hundredths for one in said}

    assert by_year_there() == {2026: 2500, 2027: 500}
    basis = competencies.Basis(there.programme.policy_id or 0)
    booking.put_right(
        world.session, there.programme, there.person, pk(there.person), basis, world.now, reason="merge", source=""
    )
    assert by_year_there() == {2026: 2500, 2027: 500}
