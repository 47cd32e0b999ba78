"""From a trainer's marks to levels: a minimum, for any marks."""

import hypothesis.strategies as st
from hypothesis import given

from competencies import Computed, ItemSheet, compute
from competencies.decisions import VALID, Judgement, problems


@st.composite
def judged(draw: st.DrawFn) -> tuple[list[ItemSheet], dict[str, dict[str, int | None]]]:
    """Some items of a point and full marks for those that were handed in."""
    items: list[ItemSheet] = []
    marks: dict[str, dict[str, int | None]] = {}
    for number in range(draw(st.integers(1, 4))):
        is_core = draw(st.booleans()) or number == 0
        criteria = tuple(f"c{n}" for n in range(draw(st.integers(1, 3)))) if is_core else ()
        only = frozenset(key for key in criteria[1:] if draw(st.booleans()))
        item = ItemSheet(f"i{number}", is_core, draw(st.booleans()), draw(st.booleans()), criteria, only)
        items.append(item)
        marks[item.key] = {
            key: draw(st.integers(1, 2) if key in only else st.integers(0, 1) if key == VALID else st.integers(0, 2))
            for key in item.keys
        }
    return items, marks


@given(judged())
def test_a_point_is_never_better_than_its_worst_core_item(
    given_: tuple[list[ItemSheet], dict[str, dict[str, int | None]]],
) -> None:
    items, marks = given_
    done = compute(items, marks)
    if done.point_level is None:
        return
    cores = [done.item_levels[one.key] or 0 for one in items if one.is_core and one.is_present]
    assert done.point_level <= min([*cores, 2])
    assert (done.point_level == 0) == bool(done.failed)
    assert set(done.item_levels) == {one.key for one in items if one.is_present}


@given(judged(), st.data())
def test_raising_a_mark_never_lowers_the_point(
    given_: tuple[list[ItemSheet], dict[str, dict[str, int | None]]], data: st.DataObject
) -> None:
    items, marks = given_
    places = [(item, key) for item, found in marks.items() for key in found]
    before = compute(items, marks).point_level
    if before is None or not places:
        return
    item, key = data.draw(st.sampled_from(places))
    top = 1 if key == VALID else 2
    after = compute(items, {**marks, item: {**marks[item], key: top}}).point_level
    assert after is not None
    assert after >= before


@given(judged(), st.data())
def test_a_missing_mark_of_a_graded_item_leaves_the_point_open(
    given_: tuple[list[ItemSheet], dict[str, dict[str, int | None]]], data: st.DataObject
) -> None:
    items, marks = given_
    places = [(one.key, key) for one in items if one.is_core and one.is_present for key in one.keys]
    if not places:
        return
    item, key = data.draw(st.sampled_from(places))
    done = compute(items, {**marks, item: {**marks[item], key: None}})
    assert (done.point_level, done.item_levels[item]) == (None, None)


@given(judged())
def test_full_marks_with_reasons_below_pass_have_no_problem(
    given_: tuple[list[ItemSheet], dict[str, dict[str, int | None]]],
) -> None:
    items, marks = given_
    with_reasons = Judgement(
        {
            item: {key: (level, "说明" if level == 0 else "") for key, level in found.items()}
            for item, found in marks.items()
        }
    )
    assert problems(items, with_reasons) == {}
    silent = Judgement({item: {key: (level, "") for key, level in found.items()} for item, found in marks.items()})
    below = {f"{item}.{key}" for item, found in marks.items() for key, level in found.items() if level == 0}
    assert {field for field, code in problems(items, silent).items() if code == "decision.reason_missing"} == below


def test_marks_of_items_that_are_not_there_are_not_kept() -> None:
    items = [ItemSheet("plan", True, True, True, ("a",)), ItemSheet("clip", True, False, False, ("b",))]
    said = Judgement({"plan": {"a": (2, ""), "z": (2, "")}, "clip": {"b": (2, "")}, "other": {"a": (1, "")}})
    assert said.stored(items) == {"plan": {"a": {"level": 2, "reason": ""}}}
    assert compute(items, said.levels) == Computed({"plan": 2}, 2, ())
