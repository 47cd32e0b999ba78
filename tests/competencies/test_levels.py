"""The level rule is a minimum: examples from the norm, and what holds for any marks."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competencies.levels import ItemResult, Level, item_level, point_level

levels = st.sampled_from(Level)


def core(key: str, level: Level | None, *, required: bool = True, present: bool = True) -> ItemResult:
    return ItemResult(key, True, required, present, level=level)


def other(key: str, valid: bool | None, *, required: bool = True, present: bool = True) -> ItemResult:
    return ItemResult(key, False, required, present, is_valid=valid)


items = st.lists(
    st.one_of(
        st.builds(core, st.text(), levels, required=st.booleans(), present=st.booleans()),
        st.builds(other, st.text(), st.booleans(), required=st.booleans(), present=st.booleans()),
    )
)


@given(st.dictionaries(st.text(), levels, min_size=1))
def test_an_item_has_the_level_of_its_lowest_criterion(marks: dict[str, Level]) -> None:
    assert item_level(marks, list(marks)) == min(marks.values())


@given(st.dictionaries(st.text(), levels, min_size=1), st.data())
def test_an_item_has_no_level_while_a_mark_is_missing(marks: dict[str, Level], data: st.DataObject) -> None:
    left_out = data.draw(st.sampled_from(sorted(marks)))
    assert item_level({key: level for key, level in marks.items() if key != left_out}, list(marks)) is None


def test_many_excellent_criteria_do_not_outweigh_one_below_pass() -> None:
    marks = {"a": Level.EXCELLENT, "b": Level.EXCELLENT, "c": Level.EXCELLENT, "d": Level.FAIL}
    assert item_level(marks, "abcd") is Level.FAIL


def test_marks_of_other_criteria_do_not_count_and_an_item_without_criteria_has_no_level() -> None:
    assert item_level({"a": Level.PASS, "old": Level.FAIL}, ["a"]) is Level.PASS
    assert item_level({}, []) is None


@pytest.mark.parametrize("novelty", [Level.FAIL, Level.PASS])
def test_a_criterion_that_asks_nothing_for_a_pass_cannot_fail_the_item(novelty: Level) -> None:
    marks = {"elements": Level.EXCELLENT, "novelty": novelty}
    assert item_level(marks, marks, excellent_only=["novelty"]) is Level.PASS
    assert item_level({**marks, "elements": Level.FAIL}, marks, ["novelty"]) is Level.FAIL
    assert item_level({**marks, "novelty": Level.EXCELLENT}, marks, ["novelty"]) is Level.EXCELLENT


@pytest.mark.parametrize(
    ("handed_in", "expected"),
    [
        ([core("a", Level.EXCELLENT), core("b", Level.EXCELLENT)], Level.EXCELLENT),
        ([core("a", Level.EXCELLENT), core("b", Level.PASS)], Level.PASS),
        ([core("a", Level.EXCELLENT), core("b", Level.FAIL)], Level.FAIL),
        ([core("a", Level.EXCELLENT), core("b", None, present=False)], Level.FAIL),
        ([core("a", Level.EXCELLENT), core("b", None)], None),
        ([core("a", Level.FAIL), core("b", None)], None),
        ([core("a", Level.EXCELLENT), other("b", True)], Level.EXCELLENT),
        ([core("a", Level.EXCELLENT), other("b", False)], Level.FAIL),
        ([core("a", Level.EXCELLENT), other("b", None)], None),
        ([core("a", Level.EXCELLENT), other("b", None, present=False)], Level.FAIL),
        ([core("a", Level.PASS), other("b", True)], Level.PASS),
        ([core("a", Level.EXCELLENT), other("b", False, required=False)], Level.EXCELLENT),
        ([core("a", Level.EXCELLENT), other("b", None, required=False)], Level.EXCELLENT),
        ([core("a", Level.EXCELLENT), core("b", None, required=False, present=False)], Level.EXCELLENT),
        ([core("a", Level.EXCELLENT), core("b", Level.FAIL, required=False)], Level.FAIL),
        ([other("b", True)], Level.PASS),
        ([other("b", True, required=False)], None),
        ([], None),
    ],
)
def test_the_level_of_a_point(handed_in: list[ItemResult], expected: Level | None) -> None:
    assert point_level(handed_in) is expected


@given(items)
def test_a_point_is_never_better_than_its_worst_graded_item(handed_in: list[ItemResult]) -> None:
    level = point_level(handed_in)
    graded = [item.level for item in handed_in if item.is_core and item.is_present and item.level is not None]
    if level is not None and graded:
        assert level <= min(graded)
    if level is Level.EXCELLENT:
        assert set(graded) == {Level.EXCELLENT}


@given(items, st.randoms())
def test_the_order_of_items_is_no_matter(handed_in: list[ItemResult], random: object) -> None:
    shuffled = list(handed_in)
    random.shuffle(shuffled)
    assert point_level(shuffled) == point_level(handed_in)


@given(items, st.data())
def test_a_better_mark_never_lowers_the_point(handed_in: list[ItemResult], data: st.DataObject) -> None:
    graded = [number for number, item in enumerate(handed_in) if item.is_core and item.is_present]
    if not graded:
        return
    number = data.draw(st.sampled_from(graded))
    before = point_level(handed_in)
    better = list(handed_in)
    better[number] = replace(better[number], level=Level.EXCELLENT)
    after = point_level(better)
    assert before is not None
    assert after is not None
    assert after >= before


@given(items)
def test_a_missing_required_item_fails_the_point(handed_in: list[ItemResult]) -> None:
    assert point_level([*handed_in, core("missing", None, present=False)]) is Level.FAIL


weighed = st.dictionaries(st.text(), st.tuples(levels, st.integers(1, 100)), min_size=1, max_size=8)


@given(weighed)
def test_by_weights_the_mean_decides(given: dict[str, tuple[Level, int]]) -> None:
    marks = {key: level for key, (level, _weight) in given.items()}
    weights = {key: weight for key, (_level, weight) in given.items()}
    mean = Fraction(sum(weights[key] * marks[key] for key in marks), sum(weights.values()))
    expected = Level.EXCELLENT if mean >= Fraction(3, 2) else Level.PASS if mean >= 1 else Level.FAIL
    assert item_level(marks, marks, weights=weights) is expected


@given(weighed, st.integers(2, 9), st.data())
def test_weights_are_shares_and_a_better_mark_never_harms(
    given: dict[str, tuple[Level, int]], factor: int, data: st.DataObject
) -> None:
    marks = {key: level for key, (level, _weight) in given.items()}
    weights = {key: weight for key, (_level, weight) in given.items()}
    level = item_level(marks, marks, weights=weights)
    assert item_level(marks, marks, weights={key: factor * one for key, one in weights.items()}) is level
    better = data.draw(st.sampled_from(sorted(marks)))
    lifted = item_level({**marks, better: Level.EXCELLENT}, marks, weights=weights)
    assert level is not None
    assert lifted is not None
    assert lifted >= level


def test_a_weighed_criterion_that_asks_nothing_for_a_pass_never_pulls_below_it() -> None:
    marks = {"elements": Level.PASS, "novelty": Level.FAIL}
    assert item_level(marks, marks, ["novelty"], {"elements": 1, "novelty": 99}) is Level.PASS
