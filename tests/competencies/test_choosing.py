"""What a choice of points still misses, with the shipped framework."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competencies import packs
from competencies.choosing import ChoiceRule, EnvironmentRule, PointFacts, allowed, fitting_sets, meets, missing
from lms_plugin.errors import Invalid

PACK = packs.load("framework_2_0")
POINTS = PACK.facts()
BY_CODE = {point.code: point for point in POINTS}
SETS = PACK.framework.selection_defaults.suggested_sets
RULE = ChoiceRule()


def chosen(*codes: str) -> list[PointFacts]:
    return [BY_CODE[code] for code in codes]


def test_nothing_chosen_misses_everything() -> None:
    state = missing(RULE, [], "multimedia", POINTS)
    assert (state.points_missing, state.dimensions_missing, state.is_complete) == (3, 2, False)
    assert not state.must_be_new_dimension
    assert not state.is_dead_end


def test_a_set_of_two_dimensions_is_complete() -> None:
    state = missing(RULE, chosen("A3", "A5", "A6"), "multimedia", POINTS)
    assert state.is_complete
    assert state.used_dimensions == ("teaching_design", "learning_guidance")


def test_the_last_point_must_come_from_another_dimension() -> None:
    state = missing(RULE, chosen("A5", "A6"), "multimedia", POINTS)
    assert (state.points_missing, state.dimensions_missing) == (1, 1)
    assert state.must_be_new_dimension
    assert state.next_dimensions == ("learner_analysis", "teaching_design", "assessment")
    assert not state.is_dead_end


def test_three_points_of_one_dimension_are_a_dead_end() -> None:
    state = missing(RULE, chosen("A5", "A6", "A7"), "multimedia", POINTS)
    assert (state.points_missing, state.dimensions_missing, state.is_complete) == (0, 1, False)
    assert state.is_dead_end
    assert "assessment" in state.next_dimensions


def test_a_fourth_point_can_bring_the_second_dimension() -> None:
    assert missing(RULE, chosen("A5", "A6", "A7", "A1"), "multimedia", POINTS).is_complete


def test_a_point_outside_the_environment_does_not_count() -> None:
    state = missing(RULE, chosen("A1", "A5", "C5"), "multimedia", POINTS)
    assert state.outside_environment == ("C5",)
    assert (state.points_missing, state.is_complete) == (1, False)


def test_a_point_chosen_twice_is_one_point() -> None:
    assert missing(RULE, chosen("A1", "A1", "A5"), "multimedia").points_missing == 1


@pytest.mark.parametrize(
    ("rule", "declared", "may"),
    [
        ("exact", "blended", "B"),
        ("up_to", "multimedia", "A"),
        ("up_to", "blended", "AB"),
        ("up_to", "smart", "ABC"),
        ("free", "multimedia", "ABC"),
        ("exact", "", "ABC"),
        ("up_to", "", "ABC"),
        ("up_to", "elsewhere", ""),
    ],
)
def test_environments(rule: str, declared: str, may: str) -> None:
    choice = ChoiceRule(environment_rule=rule)
    assert {point.code[0] for point in POINTS if allowed(choice, point, declared)} == set(may)


def test_a_school_that_declared_nothing_is_told() -> None:
    full = chosen("A1", "A5", "C5")
    assert missing(RULE, full, "").environment_undeclared
    assert missing(RULE, full, "").is_complete
    assert not missing(ChoiceRule(environment_rule=EnvironmentRule.FREE), full, "").environment_undeclared


def test_compulsory_points_take_places() -> None:
    rule = ChoiceRule(compulsory=("A1", "A2"))
    state = missing(rule, chosen("A5"), "multimedia", POINTS)
    assert state.compulsory_missing == ("A1", "A2")
    assert state.must_be_compulsory
    assert not state.is_dead_end
    assert missing(rule, chosen("A5", "A6"), "multimedia", POINTS).is_dead_end
    same_dimension = ChoiceRule(compulsory=("A7",))
    assert missing(same_dimension, chosen("A5", "A6"), "multimedia", POINTS).is_dead_end


def test_sets_that_one_lesson_can_fill() -> None:
    assert fitting_sets(RULE, SETS, POINTS, "multimedia") == (
        ("A3", "A5", "A6"),
        ("A1", "A6", "A7"),
        ("A2", "A3", "A6"),
    )
    assert fitting_sets(RULE, [["A5", "A6", "A7"], ["A1", "Z9"], []], POINTS, "multimedia") == ()
    assert fitting_sets(ChoiceRule(environment_rule=EnvironmentRule.EXACT), SETS, POINTS, "blended") == ()
    assert fitting_sets(ChoiceRule(compulsory=("A1",)), SETS, POINTS, "smart") == (("A1", "A6", "A7"),)
    assert fitting_sets(ChoiceRule(required_points=2), SETS, POINTS, "smart") == ()
    assert len(fitting_sets(ChoiceRule(required_points=4), SETS, POINTS, "smart")) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"required_points": 0},
        {"min_dimensions": 4},
        {"min_dimensions": 0},
        {"compulsory": ("A1", "A2", "A3", "A4")},
        {"environment_rule": "any"},
    ],
)
def test_a_rule_that_nobody_can_meet_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        ChoiceRule(**wrong)


subsets = st.lists(st.sampled_from(POINTS), unique=True, max_size=6)
environments = st.sampled_from(["", "multimedia", "blended", "smart"])


@given(subsets, environments, st.integers(1, 5), st.sampled_from(EnvironmentRule), st.data())
def test_complete_means_all_conditions_hold_and_a_dead_end_is_truly_one(
    points: list[PointFacts], declared: str, required: int, environment_rule: EnvironmentRule, data: st.DataObject
) -> None:
    rule = ChoiceRule(
        required_points=required,
        min_dimensions=data.draw(st.integers(1, required)),
        environment_rule=environment_rule,
    )
    state = missing(rule, points, declared, POINTS)
    inside = [point for point in points if allowed(rule, point, declared)]
    is_met = (
        len(inside) == len(points)
        and len(points) >= rule.required_points
        and len({point.dimension for point in points}) >= rule.min_dimensions
    )
    assert state.is_complete == is_met
    assert not (state.is_complete and state.is_dead_end)
    if state.must_be_new_dimension and not state.is_dead_end:
        wrong = next(
            (
                p
                for p in POINTS
                if p not in points and p.dimension in state.used_dimensions and allowed(rule, p, declared)
            ),
            None,
        )
        if wrong is not None:
            assert missing(rule, [*inside, wrong], declared, POINTS).is_dead_end


def test_a_point_that_stays_counts_whatever_the_school_declares_later() -> None:
    assert missing(RULE, chosen("C1", "A5", "A6"), "multimedia", POINTS).outside_environment == ("C1",)
    assert missing(RULE, chosen("C1", "A5", "A6"), "multimedia", POINTS, kept=["C1"]).is_complete


def test_a_compulsory_point_is_open_to_every_school() -> None:
    rule = ChoiceRule(compulsory=("C1",))
    assert allowed(rule, BY_CODE["C1"], "multimedia")
    assert not allowed(rule, BY_CODE["C2"], "multimedia")


CODES = sorted(BY_CODE)


@given(
    st.sets(st.sampled_from(CODES), max_size=5),
    st.lists(st.sampled_from(CODES), max_size=6),
    st.sampled_from(list(EnvironmentRule)),
    st.sampled_from(["", "multimedia", "blended", "smart"]),
)
def test_what_is_not_offered_is_for_nobody(
    dropped: set[str], codes: list[str], environment: EnvironmentRule, declared: str
) -> None:
    """Whatever the school declared: a dropped point is never allowed, never counts, and stands in no set; points that
    were passed before it was dropped still make somebody through."""
    rule = ChoiceRule(environment_rule=environment, not_offered=tuple(dropped))
    assert not any(allowed(rule, BY_CODE[code], declared) for code in dropped)
    state = missing(rule, chosen(*codes), declared, POINTS)
    kept = [code for code in codes if code not in dropped]
    without = missing(rule, chosen(*kept), declared, POINTS)
    assert set(state.not_offered) == dropped & set(codes)
    assert (state.points_missing, state.dimensions_missing) == (without.points_missing, without.dimensions_missing)
    assert not any(dropped & set(codes) for codes in fitting_sets(rule, SETS, POINTS, declared))
    assert meets(rule, chosen(*codes)) == meets(ChoiceRule(environment_rule=environment), chosen(*codes))
