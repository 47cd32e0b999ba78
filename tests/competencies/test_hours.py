"""Hours: exact in hundredths, monotone, capped, whatever the order."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competencies.hours import (
    HoursKind,
    HoursRule,
    Passed,
    RuleSince,
    booked_steps,
    credit_points,
    entries_due,
    practice_total,
)
from competencies.levels import Level
from lms_plugin.errors import Invalid

P, E, F = Level.PASS, Level.EXCELLENT, Level.FAIL
level_lists = st.lists(st.sampled_from(Level), max_size=12)


@st.composite
def rules(draw: st.DrawFn) -> HoursRule:
    passed = draw(st.integers(0, 3000))
    return HoursRule(
        kind=draw(st.sampled_from(HoursKind)),
        practice_hundredths=draw(st.integers(0, 10_000)),
        required_points=draw(st.integers(1, 9)),
        pass_hundredths=passed,
        excellent_hundredths=passed + draw(st.integers(0, 3000)),
        cap_hundredths=draw(st.none() | st.integers(0, 12_000)),
        extra_points_count=draw(st.booleans()),
    )


def test_twenty_five_hours_over_three_points_make_exactly_twenty_five() -> None:
    rule = HoursRule(kind=HoursKind.PER_POINT_CUMULATIVE, practice_hundredths=25_00, required_points=3)
    assert [practice_total(rule, [P] * passed) for passed in range(5)] == [0, 8_33, 16_67, 25_00, 25_00]


def test_halves_are_rounded_up() -> None:
    rule = HoursRule(kind=HoursKind.PER_POINT_CUMULATIVE, practice_hundredths=25, required_points=2)
    assert practice_total(rule, [P]) == 13


def test_a_set_is_worth_nothing_before_it_is_whole() -> None:
    rule = HoursRule(practice_hundredths=25_00, required_points=3)
    assert [practice_total(rule, [E] * passed) for passed in range(5)] == [0, 0, 0, 25_00, 25_00]


def test_levels_can_be_worth_different_hours_and_only_the_best_required_ones_count() -> None:
    rule = HoursRule(HoursKind.PER_LEVEL, 25_00, 3, pass_hundredths=6_00, excellent_hundredths=8_00)
    assert practice_total(rule, [P, F, E]) == 14_00
    assert practice_total(rule, [P, P, E, E]) == 22_00
    assert practice_total(rule, [E, E, E, E]) == 24_00
    more = HoursRule(HoursKind.PER_LEVEL, 25_00, 3, 6_00, 8_00, extra_points_count=True)
    assert practice_total(more, [P, P, E]) == 20_00
    assert practice_total(more, [P, P, E, P]) == 25_00


def test_booked_hours_stay_where_the_rule_gives_less() -> None:
    rule = HoursRule(kind=HoursKind.PER_POINT_CUMULATIVE)
    assert entries_due(rule, 16_67, [P]) == 0
    assert entries_due(rule, 16_67, [P, E]) == 0
    assert entries_due(rule, 16_67, [P, E, E]) == 8_33


DAY = timedelta(days=1)
START = datetime(2026, 9, 1, tzinfo=UTC)


def told(events: Sequence[HoursRule | tuple[int, Level]]) -> tuple[list[RuleSince], list[Passed]]:
    """Rules and passes, one a day in this order."""
    days = [(START + DAY * number, one) for number, one in enumerate(events)]
    rules = [RuleSince(at, one) for at, one in days if isinstance(one, HoursRule)]
    return rules, [Passed(at, *one) for at, one in days if not isinstance(one, HoursRule)]


def booked_total(rules: Sequence[RuleSince], passes: Sequence[Passed]) -> int:
    return sum(step.hundredths for step in booked_steps(rules, passes))


def test_a_pass_taken_back_leaves_what_the_others_brought() -> None:
    old = HoursRule(kind=HoursKind.PER_POINT_CUMULATIVE, practice_hundredths=30_00)
    low = HoursRule(kind=HoursKind.PER_POINT_CUMULATIVE, practice_hundredths=15_00)
    rules, passes = told([old, (1, P), (2, P), low, (3, P)])
    assert booked_total(rules, passes) == 20_00  # the lowered rule brings nothing more, and takes nothing
    assert booked_total(rules, passes[1:]) == 10_00
    assert booked_total(rules, passes[:1]) == 10_00
    assert booked_total(rules, []) == 0
    assert booked_total([], passes) == 0


def test_a_rule_that_never_brought_anything_counts_for_nothing() -> None:
    rules, passes = told([HoursRule(), (1, P), (2, P), (3, P), HoursRule(practice_hundredths=250_00), HoursRule()])
    assert booked_total(rules, passes) == 250_00
    rules[1] = RuleSince(rules[1].since, None)
    assert booked_total(rules, passes) == 25_00


timelines = st.lists(rules() | st.tuples(st.integers(1, 6), st.sampled_from([P, E])), max_size=12)


@given(timelines)
def test_what_is_booked_is_what_entries_add_up_to(events: list[HoursRule | tuple[int, Level]]) -> None:
    """Told over again it is the sum of the entries that were written day by day, and it never exceeds the caps."""
    events = [HoursRule(), *events]
    balance, rule, held, entries = 0, HoursRule(), dict[int, Level](), dict[datetime, int]()
    for day, event in enumerate(events):
        if isinstance(event, HoursRule):
            rule = event
        else:
            held[event[0]] = max(event[1], held.get(event[0], event[1]))
        entry = entries_due(rule, balance, list(held.values()))
        assert entry >= 0
        balance += entry
        if entry:
            entries[START + DAY * day] = entry
        assert balance <= max(one.cap for one in events if isinstance(one, HoursRule))
    assert {step.at: step.hundredths for step in booked_steps(*told(events))} == entries


@given(timelines, st.sampled_from([P, E]))
def test_a_pass_and_its_reversal_leave_everything_as_it_was(
    events: list[HoursRule | tuple[int, Level]], level: Level
) -> None:
    events = [HoursRule(), *events]
    rules, passes = told([*events, (7, level)])
    assert booked_total(rules, passes) >= booked_total(rules, passes[:-1]) == booked_total(*told(events))


def test_a_rule_read_back_from_json_is_the_same_rule() -> None:
    assert HoursRule(kind="per_level") == HoursRule(kind=HoursKind.PER_LEVEL)


@given(rules(), level_lists)
def test_the_total_is_between_nothing_and_the_cap(rule: HoursRule, levels: list[Level]) -> None:
    assert 0 <= practice_total(rule, levels) <= rule.cap


@given(rules(), level_lists, st.sampled_from(Level))
def test_one_more_point_never_takes_hours_away(rule: HoursRule, levels: list[Level], more: Level) -> None:
    assert practice_total(rule, [*levels, more]) >= practice_total(rule, levels)


@given(rules(), level_lists)
def test_a_better_level_never_takes_hours_away(rule: HoursRule, levels: list[Level]) -> None:
    better = [Level.EXCELLENT for _ in levels]
    assert practice_total(rule, better) >= practice_total(rule, levels)


@given(rules(), level_lists)
def test_the_order_of_passes_is_no_matter(rule: HoursRule, levels: list[Level]) -> None:
    assert practice_total(rule, levels[::-1]) == practice_total(rule, levels)


@given(rules(), level_lists)
def test_entries_written_pass_by_pass_sum_to_the_total(rule: HoursRule, levels: list[Level]) -> None:
    credited = 0
    for number in range(len(levels)):
        credited += entries_due(rule, credited, levels[: number + 1])
    assert credited == practice_total(rule, levels)
    assert entries_due(rule, credited, levels) == 0


@given(st.integers(0, 100_000), st.integers(1, 30))
def test_the_last_required_pass_makes_exactly_n(amount: int, required: int) -> None:
    for kind in (HoursKind.PER_SET, HoursKind.PER_POINT_CUMULATIVE):
        rule = HoursRule(kind=kind, practice_hundredths=amount, required_points=required)
        assert practice_total(rule, [P] * required) == amount


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("kind", "per_year", "hours.kind_unknown"),
        ("required_points", 0, "hours.required_points_low"),
        ("practice_hundredths", -1, "hours.amount_out_of_range"),
        ("cap_hundredths", 10**9, "hours.amount_out_of_range"),
        ("pass_hundredths", 1, "hours.excellent_below_pass"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_field(field: str, value: object, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        HoursRule(**{field: value})
    said = [one if isinstance(one, str) else one[0] for one in refused.value.fields.values()]
    assert code in said


@given(st.integers(0, 10_000_00), st.integers(1, 100_000))
def test_credit_points_are_never_more_than_the_hours_make(total: int, per: int) -> None:
    found = credit_points(total, per)
    assert found * per <= total * 100 < (found + 1) * per
    assert credit_points(total, 0) == 0
    assert credit_points(-total, per) == 0
