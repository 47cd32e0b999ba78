"""学时周期: sums over years by the district's calendar, and why a point brought hours or none."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from sqlmodel import col, select

import competencies
from competencies import (
    Counted,
    CreditKind,
    CycleRule,
    HoursRule,
    Level,
    PointState,
    Why,
    cycle_totals,
    practice_total,
    span_of,
    why_counted,
)
from lms_plugin.db import pk
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.ledgers import add_entry

TODAY = date(2026, 11, 2)
rules = st.builds(
    CycleRule,
    years=st.integers(1, 20),
    first_year=st.integers(2000, 2100),
    need_hundredths=st.integers(0, 100_00),
    practice_percent=st.integers(0, 100),
)
lines = st.lists(
    st.builds(
        Counted,
        st.sampled_from(CreditKind),
        st.integers(-50_00, 50_00),
        st.dates(date(1990, 1, 1), date(2110, 12, 31)),
    ),
    max_size=30,
)


@given(rules, lines)
def test_every_hour_is_in_one_cycle_and_no_other(rule: CycleRule, counted: list[Counted]) -> None:
    found = cycle_totals(rule, counted, TODAY)
    assert sum(one.total_hundredths for one in found) == sum(line.hundredths for line in counted)
    practice = [line.hundredths for line in counted if line.kind is CreditKind.PRACTICE]
    assert sum(one.practice_hundredths for one in found) == sum(practice)
    firsts = [one.first_year for one in found]
    assert firsts == sorted(set(firsts), reverse=True)
    assert any(one.first_year <= TODAY.year <= one.last_year for one in found)
    for one in found:
        assert (one.first_year - rule.first_year) % rule.years == 0
        assert one.last_year - one.first_year == rule.years - 1


@given(rules, lines)
def test_who_gets_what_they_lack_lacks_nothing(rule: CycleRule, counted: list[Counted]) -> None:
    now = next(one for one in cycle_totals(rule, counted, TODAY) if one.first_year <= TODAY.year <= one.last_year)
    more = [Counted(CreditKind.PRACTICE, now.practice_lack_hundredths, TODAY)]
    rest = max(0, now.lack_hundredths - now.practice_lack_hundredths)
    more.append(Counted(CreditKind.ONLINE, rest, TODAY))
    then = next(one for one in cycle_totals(rule, [*counted, *more], TODAY) if one.first_year == now.first_year)
    assert (then.lack_hundredths, then.practice_lack_hundredths) == (0, 0)
    if now.practice_lack_hundredths:
        less = Counted(CreditKind.PRACTICE, now.practice_lack_hundredths - 1, TODAY)
        short = next(one for one in cycle_totals(rule, [*counted, less], TODAY) if one.first_year == now.first_year)
        assert short.practice_lack_hundredths == 1


def test_the_default_is_what_the_plan_asks() -> None:
    (now,) = cycle_totals(CycleRule(), [Counted(CreditKind.ONLINE, 30_00, TODAY)], TODAY)
    assert (now.first_year, now.last_year) == (2026, 2030)
    assert (now.lack_hundredths, now.practice_lack_hundredths) == (20_00, 25_00)
    assert CycleRule().cycle_of(2019) == (2016, 2020)
    assert competencies.cycle_rule(None) == competencies.cycle_rule({}) == CycleRule()
    assert competencies.cycle_rule(CycleRule(3, 2024, 1, 2).stored()) == CycleRule(3, 2024, 1, 2)


def test_a_cycle_ends_at_the_districts_midnight() -> None:
    span = span_of(CycleRule(), TODAY, "Asia/Shanghai")
    assert (span.first_on, span.last_on) == (date(2026, 1, 1), date(2030, 12, 31))
    assert span.start_at == datetime(2025, 12, 31, 16, tzinfo=UTC)
    assert span.end_at == datetime(2030, 12, 31, 16, tzinfo=UTC)


def test_the_database_sums_as_the_page_does(world: World) -> None:
    """Across New Year, with a day of its own, reversed later, and with an award that was taken back later."""
    session, tenant, chen = world.session, pk(world.tenant), pk(world.person(cast.CHEN))
    before = datetime(2025, 12, 31, 15, 59, tzinfo=UTC)
    world.now = before
    late = add_entry(world, 700)
    world.now = before + timedelta(minutes=1)
    add_entry(world, 1100)
    rows = [competencies.OnlineHours(chen, 1300, "国家平台", date(2025, 12, 31))]
    (dated,) = competencies.import_online(
        session, tenant, pk(world.programme), world.programme.policy_id or 0, rows, chen, world.now
    ).added
    world.now = datetime(2026, 11, 2, 1, tzinfo=UTC)
    earn(world, cast.CHEN, "A3", "A5", "B1")
    for entry in (late, dated):
        competencies.reverse(session, entry, chen, "误录", world.now)
    award = session.exec(select(competencies.Award).order_by(col(competencies.Award.id).desc())).first()
    assert award is not None
    basis, later = competencies.Basis(world.programme.policy_id or 0, pk(award)), datetime(2027, 3, 1, tzinfo=UTC)
    programme = pk(world.programme)
    competencies.credit(session, tenant, programme, chen, CreditKind.PRACTICE, -700, basis, later, "reversal", "误录")
    for year, total, practice in ((2025, 0, 0), (2026, 1100, 1100), (2027, 0, 0)):
        rule = CycleRule(years=1)
        everything = competencies.person_ledger(session, pk(world.programme), [chen], "Asia/Shanghai").everything
        page = {one.first_year: one for one in cycle_totals(rule, everything, date(year, 6, 1))}
        assert (page[year].total_hundredths, page[year].practice_hundredths) == (total, practice)
        span = span_of(rule, date(year, 6, 1), "Asia/Shanghai")
        statement = competencies.sums_in(span, competencies.CreditEntry.person_id, tenant)
        sums = {key: tuple(found) for key, *found in session.execute(statement)}
        assert sums.get(chen, (0, 0)) == (total, practice)


# --- why ---

FIRST = datetime(2026, 11, 1, tzinfo=UTC)


def state(level: int | None, day: int = 0, *, taken_back: bool = False, booked: bool = False) -> PointState:
    return PointState(Level(level) if level is not None else None, FIRST + timedelta(days=day), taken_back, booked)


@pytest.mark.parametrize(
    ("rule", "points", "expected"),
    [
        ({}, [state(None), state(0), state(1), state(1, taken_back=True)], "waiting failed set_incomplete taken_back"),
        ({}, [state(1, 4), state(2, 1), state(1, 2), state(1, 3)], "beyond counted counted counted"),
        ({"practice_hundredths": 0, "required_points": 1}, [state(1)], "worth_nothing"),
        ({"kind": "per_point_cumulative", "required_points": 2}, [state(1, 3), state(1, 1), state(1, 2)],
         "beyond counted counted"),
        ({"kind": "per_level", "required_points": 2, "pass_hundredths": 800, "excellent_hundredths": 1000},
         [state(1, 1), state(2, 2), state(2, 3)], "beyond counted counted"),
        ({"kind": "per_level", "pass_hundredths": 800, "excellent_hundredths": 800, "cap_hundredths": 800},
         [state(1, 1), state(2, 2)], "capped counted"),
        ({"kind": "per_level", "pass_hundredths": 0, "excellent_hundredths": 800}, [state(1), state(2)],
         "worth_nothing counted"),
    ],
)  # fmt: skip
def test_why_a_point_counts_or_does_not(rule: dict[str, Any], points: list[PointState], expected: str) -> None:
    assert [why.value for why in why_counted(HoursRule(**rule), points)] == expected.split()


def test_what_was_booked_by_an_older_rule_counted() -> None:
    """Two were enough then; now it takes three. And hours that left say so, but not those that came after."""
    points = [state(1, 1), state(1, 2, booked=True), state(1, 5), state(0, 1)]
    asked = HoursRule(required_points=4)
    assert [why.value for why in why_counted(asked, points, FIRST + timedelta(days=2))] == [
        *("counted", "counted", "set_incomplete", "failed")
    ]
    left = why_counted(HoursRule(), points, None, FIRST + timedelta(days=3))
    assert [why.value for why in left] == ["moved", "moved", "counted", "failed"]


@given(
    st.sampled_from(["per_set", "per_point_cumulative", "per_level"]),
    st.integers(1, 5),
    st.integers(0, 3000),
    st.lists(
        st.builds(state, st.sampled_from([None, 0, 1, 2]), st.integers(0, 9), taken_back=st.booleans()), max_size=8
    ),
)
def test_what_is_said_to_count_is_what_is_booked(
    kind: Any, required: int, amount: int, points: list[PointState]
) -> None:
    """Without the points that are said to bring nothing, the hours are the same; and some count just when there are."""
    rule = HoursRule(kind, amount, required, pass_hundredths=amount // 3, excellent_hundredths=amount // 2)
    found = why_counted(rule, points)
    stand = [point.level for point in points if point.level is not None and not point.is_taken_back]
    counted = [point.level for point, why in zip(points, found, strict=True) if why is Why.COUNTED]
    total = practice_total(rule, stand)
    assert practice_total(rule, [level for level in counted if level is not None]) == total
    assert bool(counted) == bool(total)
