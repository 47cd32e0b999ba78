"""What a new version of a rubric means for marks that were given: the classes 0 to 5, and which marks go along."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubrics import VALIDITY_KEY, CriterionText, EditClass, GivenMark, ItemEdit, MarkKey, carried, edit_of


def line(key: str, passes: str = "说得清", excels: str = "能照做", weight: int | None = None) -> CriterionText:
    texts = {2: {"zh": excels}} | ({1: {"zh": passes}} if passes else {})
    return CriterionText(key, 1, False, False, texts, weight)


VALID = CriterionText(VALIDITY_KEY, 1, True, True, {1: {"zh": "有就行"}})
A, B, C = line("a"), line("b", "目标"), line("c", "过程")


@pytest.mark.parametrize(
    ("new", "edit_class"),
    [
        ([A, B], EditClass.NOTHING),
        ([A, replace(B, texts={1: {"zh": "目标写明"}, 2: {"zh": "能照做"}})], EditClass.WORDS),
        ([B, A], EditClass.WORDS),
        ([A, replace(B, is_proposed=True)], EditClass.WORDS),
        ([A], EditClass.COUNTED_ANEW),
        ([replace(A, weight=40), replace(B, weight=60)], EditClass.COUNTED_ANEW),
        ([A, line("b", "")], EditClass.LEVEL_GONE),
        ([A, B, C], EditClass.CRITERION_ADDED),
        ([A, C], EditClass.CRITERION_ADDED),  # one went, another came: what came is to be marked
        ([A, line("b", ""), C], EditClass.CRITERION_ADDED),
    ],
)
def test_the_gravest_thing_counts(new: list[CriterionText], edit_class: EditClass) -> None:
    assert edit_of([A, B], new).edit_class is edit_class


def test_a_criterion_that_asks_for_a_pass_from_now_on_takes_no_mark_away() -> None:
    edit = edit_of([line("a", "")], [A])
    assert edit.edit_class is EditClass.LEVEL_ADDED
    assert [edit.carries("a", level) for level in (1, 2)] == [True, True]


def test_a_level_that_is_no_more_takes_its_marks_alone() -> None:
    edit = edit_of([A], [line("a", "")])
    assert edit.lost == {"a": (0,)}
    assert [edit.carries("a", level) for level in (0, 1, 2)] == [False, True, True]


def test_the_same_words_under_another_key_are_the_same_criterion() -> None:
    edit = edit_of([A, B], [replace(A, key="x1"), replace(B, key="x2")])
    assert edit.edit_class is EditClass.NOTHING
    assert edit.becomes == {"a": "x1", "b": "x2"}
    composed, apart = line("a", "caf\u00e9"), line("z", "cafe\u0301")
    assert edit_of([composed], [apart]).becomes == {"a": "z"}


def test_valid_or_not_and_a_graded_criterion_never_become_each_other() -> None:
    edit = edit_of([VALID], [A])
    assert (edit.becomes, edit.added, edit.dropped) == ({}, ("a",), (VALIDITY_KEY,))
    assert edit.edit_class is EditClass.CRITERION_ADDED


KEYS, WORDS = ("a", "b", "c", "d"), ("甲", "乙", "丙")


@st.composite
def rubric(draw: st.DrawFn) -> list[CriterionText]:
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1))
    weigh = draw(st.booleans())
    return [
        line(
            key,
            draw(st.sampled_from(["", *WORDS])),
            draw(st.sampled_from(WORDS)),
            draw(st.integers(1, 3)) if weigh else None,
        )
        for key in keys
    ]


def mapped(found: list[CriterionText], becomes: dict[str, str]) -> set[str]:
    return {becomes.get(one.key, "") for one in found}


@given(rubric())
def test_nothing_is_nothing(one: list[CriterionText]) -> None:
    edit = edit_of(one, one)
    assert edit.edit_class is EditClass.NOTHING
    assert edit.becomes == {criterion.key: criterion.key for criterion in one}


@given(rubric(), rubric())
def test_every_criterion_lives_on_once_or_goes_and_every_new_one_comes_from_one_or_from_nowhere(
    old: list[CriterionText], new: list[CriterionText]
) -> None:
    edit = edit_of(old, new)
    assert len(set(edit.becomes.values())) == len(edit.becomes)
    assert {*edit.becomes, *edit.dropped} == {one.key for one in old}
    assert not set(edit.becomes) & set(edit.dropped)
    assert {*edit.becomes.values(), *edit.added} == {one.key for one in new}
    assert not set(edit.becomes.values()) & set(edit.added)


@given(rubric(), rubric())
def test_a_class_below_three_takes_no_mark_and_asks_for_none(
    old: list[CriterionText], new: list[CriterionText]
) -> None:
    edit = edit_of(old, new)
    all_stand = all(edit.carries(one.key, level) for one in old for level in one.choices)
    nothing_missing = not edit.added
    if edit.edit_class < EditClass.COUNTED_ANEW:
        assert all_stand
        assert nothing_missing
    assert (edit.edit_class is EditClass.CRITERION_ADDED) == bool(edit.added)
    if edit.edit_class is EditClass.LEVEL_GONE:
        assert not all_stand
        assert nothing_missing


@given(rubric(), rubric(), st.data())
def test_marks_go_along_or_are_set_aside_never_both_and_what_is_missing_is_said(
    old: list[CriterionText], new: list[CriterionText], data: st.DataObject
) -> None:
    marks = [
        GivenMark(number, 1, MarkKey("plan", one.key), data.draw(st.sampled_from([None, *one.choices])), "因为")
        for number, one in enumerate(old)
    ]
    again = {MarkKey("plan", key) for key in data.draw(st.sets(st.sampled_from(KEYS)))}
    edit = edit_of(old, new)
    found = carried(marks, [ItemEdit(5, "plan", 1, 2, edit, new)], again)
    aside = {one.mark for one, _rubric in found.aside}
    assert not aside & set(found.moves)
    after = {found.moves.get(one.mark, one.key.criterion_key): one.level for one in marks if one.mark not in aside}
    by_key = {one.key: one for one in new}
    assert len(after) == len(marks) - len(aside)  # no two on one criterion
    assert all(level is None or level in by_key[key].choices for key, level in after.items())
    assert not {one.key for one in marks if one.mark not in aside} & again
    marked = {key for key, level in after.items() if level is not None}
    assert {key.criterion_key for key in found.missing} == set(by_key) - marked
    assert {rubric for _one, rubric in found.aside} <= {1}


def test_marks_of_other_items_are_left_alone() -> None:
    other = GivenMark(9, 1, MarkKey("clip", "a"), 1, "")
    found = carried([other], [ItemEdit(5, "plan", 1, 2, edit_of([A], [A, B]), [A, B])])
    assert (found.moves, found.aside) == ({}, ())
    assert found.missing == (MarkKey("plan", "a"), MarkKey("plan", "b"))
