"""What changed between two editions: every change is told once, at the thing it belongs to."""

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings

from competencies import Change, Difference, differences, head_changes, packs
from competencies.pack import load_pack
from tests.competencies import packs_made


def raw() -> dict[str, Any]:
    return copy.deepcopy(packs.load("framework_2_0").as_dict())


def told(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str]]:
    load_pack(after)
    return [(one.code, one.sort) for one in differences(before, after)]


def test_points_that_came_went_and_changed() -> None:
    after = raw()
    dropped = after["points"].pop(3)
    after["points"].append({**copy.deepcopy(dropped), "code": "D1", "order": 31})
    after["points"][0]["question_zh"] = "学生会什么"
    after["points"][1]["environment"] = "blended"
    del after["framework"]["counts"]
    assert told(raw(), after) == [("A1", "changed"), ("A2", "changed"), ("D1", "added"), ("A4", "dropped")]
    a1, a2, d1, a4 = differences(raw(), after)
    (change,) = a1.changes
    assert (change.field, change.before["zh"], change.after["zh"]) == (
        "question",
        "上课前想弄清学生会什么、怕什么",
        "学生会什么",
    )
    (change,) = a2.changes
    assert (change.before["zh"], change.after["zh"]) == ("多媒体教学环境", "混合学习环境")
    assert (d1.name, d1.parts) == (a4.name, ())
    head = head_changes(raw(), after)
    assert head is not None
    assert (head.changes, head.has_more) == ((), True)  # the counts


def test_evidence_and_criteria_are_told_at_their_point() -> None:
    after = raw()
    plan, report = after["points"][0]["evidence"]
    plan["criteria"][0]["levels"]["pass"]["zh"] = "要素齐全"
    del plan["criteria"][1]
    plan["criteria"][2].update(levels={"pass": {"zh": "能用"}, "excellent": {"zh": "有新意"}}, excellent_only=False)
    report["limits"]["max_minutes"] = 8
    report["checks"] = []
    after["points"][0]["evidence"].append({**copy.deepcopy(plan), "key": "extra"})
    (point,) = differences(raw(), after)
    assert (point.changes, point.has_more) == ((), False)
    assert [(one.code, one.sort) for one in point.parts] == [
        ("plan", "changed"),
        ("report", "changed"),
        ("extra", "added"),
    ]
    first, second, _extra = point.parts
    assert [(one.code, one.sort) for one in first.parts] == [
        ("elements", "changed"),
        ("novelty", "changed"),
        ("purpose", "dropped"),
    ]
    elements, novelty, _purpose = first.parts
    assert [change.field for change in elements.changes] == ["pass"]
    assert novelty.changes[0] == Change("pass", None, {"zh": "能用"})
    assert second.changes == (Change("max_minutes", 5, 8),)
    assert {(one.kind, one.sort) for one in second.parts} == {("check", "dropped")}
    assert not second.has_more


def test_the_title_is_told_beside_the_points() -> None:
    after = raw()
    after["framework"]["title_zh"] = "某某县标准"
    head = head_changes(raw(), after)
    assert head is not None
    assert [(one.field, one.after["zh"]) for one in head.changes] == [("title", "某某县标准")]
    assert not head.has_more
    assert differences(raw(), after) == ()


def test_names_of_parts_levels_and_their_order_are_told() -> None:
    after = raw()
    framework = after["framework"]
    framework["dimensions"][0]["zh"] = "了解学生"
    framework["dimensions"].append({"code": "together", "zh": "协同育人"})
    framework["levels"][0]["zh"] = "示范"
    framework["environments"] = framework["environments"][::-1]
    framework["selection_defaults"]["suggested_sets"].pop()
    framework["counts"]["points"] = 99  # counts follow from the points
    head = head_changes(raw(), after)
    assert head is not None
    assert [change.field for change in head.changes] == ["suggested_sets", "environment_order"]
    assert [(one.kind, one.sort, one.name["zh"]) for one in head.parts] == [
        ("dimension", "changed", "了解学生"),
        ("dimension", "added", "协同育人"),
        ("level", "changed", "示范"),
    ]
    assert head.parts[0].changes[0].before["zh"] == "学情分析"
    assert not head.has_more


def test_what_is_checked_and_the_order_of_evidence_are_told() -> None:
    after = raw()
    point = after["points"][0]
    point["evidence"].reverse()
    point["effort"]["students_on_camera"] = True
    point["evidence"][0]["checks"][0]["zh"] = "不超过 8 分钟"
    (found,) = differences(raw(), after)
    assert [change.field for change in found.changes] == ["students_on_camera", "evidence_order"]
    ((check,),) = [part.parts for part in found.parts]
    assert (check.kind, check.changes[0].after["zh"]) == ("check", "不超过 8 分钟")
    assert not found.has_more


def tells(one: Difference) -> bool:
    """Whether a thing that is listed says something."""
    return one.sort != "changed" or bool(one.changes) or one.has_more or any(map(tells, one.parts))


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(packs_made.packs(), packs_made.packs())
def test_nothing_is_told_of_the_same_and_something_of_all_else(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert differences(one, copy.deepcopy(one)) == ()
    assert head_changes(one, copy.deepcopy(one)) is None
    two["points"] += [point for point in one["points"] if point["code"] not in {p["code"] for p in two["points"]}]
    found = differences(one, two)
    same = {p["code"] for p in one["points"] if p in two["points"]}
    assert {p.code for p in found} == {p["code"] for p in two["points"]} - same
    assert all(map(tells, found))
