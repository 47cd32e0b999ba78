"""The county's draw and the working days of 公示: pure, so anybody can work them out again."""

from datetime import date, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given

from competencies import Chain, Rules
from competencies.batches import years_without_holidays
from competencies.sampling import Candidate, DrawnFor, draw, lots
from competencies.workdays import is_workday, last_workday

levels = st.integers(0, 2)
batches = st.dictionaries(st.uuids().map(lambda one: one.hex), st.tuples(levels, st.booleans()), max_size=60).map(
    lambda found: [Candidate(key, level, DrawnFor.APPEAL if must else None) for key, (level, must) in found.items()]
)
days = st.dates(date(2026, 1, 1), date(2027, 12, 31))


@given(batches, st.integers(1, 100), st.text(max_size=32), st.booleans(), st.randoms(use_true_random=False))
def test_a_draw_is_what_the_rule_says_in_any_order(works, percent, seed, excellent, shuffle) -> None:  # type: ignore[no-untyped-def]
    drawn = draw(works, percent, seed, all_excellent=excellent)
    passed = [one.key for one in works if one.level >= 1]
    by_lot = lots(passed, seed)[: -(-len(passed) * percent // 100)]
    assert (len(by_lot) >= 1) is bool(passed)  # at least one a school
    assert {one.key for one in works if one.must} <= set(drawn)  # all appeals, whatever their level
    best = {one.key for one in works if one.level == 2}
    assert not excellent or best <= set(drawn)
    must = {one.key for one in works if one.must}
    assert set(drawn) == set(by_lot) | must | (best if excellent else set())
    mixed = list(works)
    shuffle.shuffle(mixed)
    assert draw(mixed, percent, seed, all_excellent=excellent) == drawn


def test_ten_of_a_hundred_and_one_are_eleven_and_another_seed_draws_others() -> None:
    works = [Candidate(f"work-{number}", 1) for number in range(101)]
    first, second = (set(draw(works, 10, seed, all_excellent=True)) for seed in ("a", "b"))
    assert (len(first), len(second)) == (11, 11)
    assert first != second
    # Kept for good: what a district drew must be drawn the same by every later release.
    assert lots(["d", "c", "b", "a"], "2027") == ["c", "b", "a", "d"]


@given(days, st.integers(1, 30), st.sets(days, max_size=40), st.sets(days, max_size=10))
def test_so_many_working_days_lie_between(begun_on: date, number: int, off: set[date], on: set[date]) -> None:
    last = last_workday(begun_on, number, off, on)
    between = [begun_on + timedelta(days=ahead) for ahead in range(1, (last - begun_on).days + 1)]
    assert sum(is_workday(day, off, on) for day in between) == number
    assert is_workday(last, off, on)


def test_five_working_days_over_the_national_holiday() -> None:
    holiday = [date(2026, 10, day) for day in range(1, 9)]
    assert last_workday(date(2026, 9, 29), 5, holiday, [date(2026, 10, 10)]) == date(2026, 10, 13)
    assert last_workday(date(2026, 11, 2), 5, (), ()) == date(2026, 11, 9)  # Monday: the day itself does not count
    with pytest.raises(ValueError, match="working days"):
        last_workday(date(2026, 1, 1), 1, [date(2026, 1, 1) + timedelta(days=n) for n in range(1200)], ())


def test_rules_without_the_chain_are_the_rules_they_were() -> None:
    assert "chain" not in Rules().canonical()
    on = Rules(chain=Chain(publicity=True, days_off=(date(2026, 10, 1),)))
    assert Rules.model_validate(on.canonical()) == on
    assert on.content_hash() != Rules().content_hash()


def test_a_year_whose_holidays_nobody_wrote_is_named() -> None:
    """Only where there is a 公示: a new year begins without its holidays, and the county is told."""
    written = Chain(publicity=True, days_off=(date(2026, 10, 1),))
    assert years_without_holidays(written, (), date(2026, 12, 1), date(2026, 12, 31)) == ()
    over_new_year = (date(2026, 12, 25), date(2027, 1, 8))
    assert years_without_holidays(written, (), *over_new_year) == (2027,)
    assert years_without_holidays(written, (2027,), *over_new_year) == ()  # the district has written it
    assert years_without_holidays(Chain(publicity=True), (), *over_new_year) == (2026, 2027)
    assert years_without_holidays(Chain(check=True), (), *over_new_year) == ()
