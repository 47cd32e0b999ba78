"""合格, 优秀, 未完成, 不合格 of a person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competencies import packs
from competencies.choosing import ChoiceRule, PointFacts, meets, missing
from competencies.levels import Level
from competencies.results import Result, person_result
from lms_plugin.errors import Invalid

P, E, F = Level.PASS, Level.EXCELLENT, Level.FAIL


@pytest.mark.parametrize(
    ("levels", "excellent_needed", "hours_ok", "is_closed", "expected"),
    [
        ([P, P, P], None, None, False, Result.PASSED),
        ([E, E, E], None, None, False, Result.EXCELLENT),
        ([E, E, P], None, None, False, Result.PASSED),
        ([E, E, P], 2, None, False, Result.EXCELLENT),
        ([P, P], None, None, False, Result.UNFINISHED),
        ([P, P, F], None, None, False, Result.UNFINISHED),
        ([P, P, F], None, None, True, Result.FAILED),
        ([], None, None, True, Result.FAILED),
        ([E, E, E], None, False, False, Result.UNFINISHED),
        ([E, E, E], None, False, True, Result.FAILED),
        ([E, E, E], None, True, True, Result.EXCELLENT),
        ([P, P, F, P], None, True, True, Result.PASSED),
        ([E, E, P, E], None, None, False, Result.EXCELLENT),
    ],
)
def test_the_result_of_a_person(
    levels: list[Level], excellent_needed: int | None, hours_ok: bool | None, is_closed: bool, expected: Result
) -> None:
    assert person_result(levels, 3, excellent_needed, hours_ok, is_closed, meets_rule=True) is expected


@given(st.lists(st.sampled_from(Level), max_size=8), st.integers(1, 5), st.sampled_from([None, True, False]))
def test_closing_turns_unfinished_into_failed_and_nothing_else(
    levels: list[Level], required: int, hours_ok: bool | None
) -> None:
    open_, closed = (
        person_result(levels, required, None, hours_ok, is_closed, meets_rule=True) for is_closed in (False, True)
    )
    assert (open_, closed) == (Result.UNFINISHED, Result.FAILED) or open_ is closed


@pytest.mark.parametrize(("required", "excellent"), [(0, None), (3, 0), (3, 4)])
def test_numbers_that_make_no_sense_are_refused(required: int, excellent: int | None) -> None:
    with pytest.raises(Invalid):
        person_result([], required, excellent, meets_rule=True)


POINTS = packs.load("framework_2_0").facts()
CODES = [point.code for point in POINTS]


@given(
    passed=st.lists(st.sampled_from(POINTS), unique=True, max_size=6),
    levels=st.lists(st.sampled_from([P, E]), min_size=6, max_size=6),
    rule=st.integers(1, 4).flatmap(
        lambda required: st.builds(
            ChoiceRule,
            required_points=st.just(required),
            min_dimensions=st.integers(1, required),
            compulsory=st.lists(st.sampled_from(CODES), unique=True, max_size=required).map(tuple),
        )
    ),
)
def test_whoever_passes_has_passed_what_the_choice_rule_wants(
    passed: list[PointFacts], levels: list[Level], rule: ChoiceRule
) -> None:
    result = person_result(levels[: len(passed)], rule.required_points, is_closed=True, meets_rule=meets(rule, passed))
    dimensions = {point.dimension for point in passed}
    fits = (
        len(passed) >= rule.required_points
        and len(dimensions) >= rule.min_dimensions
        and set(rule.compulsory) <= {point.code for point in passed}
    )
    assert (result in (Result.PASSED, Result.EXCELLENT)) == fits
    assert fits == missing(rule, passed, "").is_complete
