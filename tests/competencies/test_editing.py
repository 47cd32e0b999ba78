"""A draft changed thing by thing: what is touched changes, all else stays to the letter, the pack is always whole."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import competencies
from competencies import differences, editing, packs
from competencies.pack import canonical, load_pack
from lms_plugin.errors import Invalid, Refused
from lms_plugin.web import editing_forms as forms
from tests.competencies import packs_made

SHIPPED: dict[str, Any] = json.loads(canonical(packs.load("framework_2_0")))
CODES = [one["code"] for one in SHIPPED["points"]]


def whole(raw: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(canonical(load_pack(raw)))
    return found


def saved_as_shown(pack: dict[str, Any]) -> None:
    """Every form of the pack, sent as it is shown, says what the pack says."""
    head = editing.head_words(pack)
    assert forms.parse_head(forms.head_values(head), head) == head
    for point in pack["points"]:
        words = editing.own_words(point)
        assert forms.parse_point(forms.point_values(words), words, head) == words
        for item in point["evidence"]:
            assert forms.parse_item(forms.item_values(item), item) == item


def test_a_form_that_is_saved_as_it_was_shown_changes_nothing() -> None:
    saved_as_shown(SHIPPED)
    saved_as_shown(whole(packs_made.least()))
    words = editing.own_words(editing.point_of(SHIPPED, "A1"))
    assert editing.put_point(SHIPPED, "A1", words) == SHIPPED
    for code in CODES:
        item = editing.point_of(SHIPPED, code)["evidence"][-1]
        assert editing.put_item(SHIPPED, code, item) == SHIPPED  # what it costs is counted as the pack says it


def test_a_point_that_is_called_otherwise_is_so_in_sets_too() -> None:
    words = {**editing.own_words(editing.point_of(SHIPPED, "A3")), "code": "A3x", "name_zh": "演示文稿"}
    new = editing.put_point(SHIPPED, "A3", words)
    assert new["framework"]["selection_defaults"]["suggested_sets"][0] == ["A3x", "A5", "A6"]
    assert [(one.code, one.sort) for one in differences(SHIPPED, new)] == [("A3x", "added"), ("A3", "dropped")]
    with pytest.raises(Invalid) as refused:
        editing.put_point(SHIPPED, "A3", {**words, "code": "A4"})
    assert refused.value.fields == {"code": "framework.point_taken"}


def test_what_the_pack_counts_of_itself_follows() -> None:
    new = editing.drop_point(SHIPPED, "A1")
    assert (new["framework"]["counts"]["points"], new["framework"]["environments"][0]["count"]) == (29, 12)
    assert new["framework"]["counts"]["by_dimension"]["learner_analysis"] == 1
    assert all("A1" not in one for one in new["framework"]["selection_defaults"]["suggested_sets"])
    words = {**editing.own_words(editing.point_of(SHIPPED, "A2")), "code": "D1"}
    added = editing.add_point(new, words, "B1")
    d1 = editing.point_of(added, "D1")
    b1 = editing.point_of(SHIPPED, "B1")
    assert (d1["evidence"], d1["order"]) == (b1["evidence"], 31)
    assert {key: d1["effort"][key] for key in ("video", "data")} == {
        key: b1["effort"][key] for key in ("video", "data")
    }
    only = whole(packs_made.least())
    with pytest.raises(Refused, match=r"framework\.last_point"):
        editing.drop_point(only, "A1")


def test_a_point_keeps_something_by_which_it_is_graded() -> None:
    only = whole(packs_made.least())
    item = only["points"][0]["evidence"][0]
    for act in (
        lambda: editing.drop_item(only, "A1", "plan"),
        lambda: editing.put_item(only, "A1", {**item, "required": False}),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        assert refused.value.fields == {"core": "framework.no_core_item"}


def test_a_dimension_goes_only_when_no_point_is_left_in_it() -> None:
    head = editing.head_words(SHIPPED)
    fewer = {**head, "dimensions": [one for one in head["dimensions"] if one["code"] != "learner_analysis"]}
    with pytest.raises(Invalid) as refused:
        editing.put_head(SHIPPED, fewer)
    assert refused.value.fields == {"dimensions": ("framework.part_in_use", {"points": "A1、B1"})}
    moved = SHIPPED
    for code in ("A1", "B1"):
        words = {**editing.own_words(editing.point_of(moved, code)), "dimension": "assessment"}
        moved = editing.put_point(moved, code, words)
    assert len(editing.put_head(moved, fewer)["framework"]["dimensions"]) == 3


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(CODES), st.sampled_from([-1, 1]))
def test_order_changes_and_nothing_else(code: str, by: int) -> None:
    new = editing.shift_point(SHIPPED, code, by)
    names = [one["code"] for one in new["points"]]
    place = CODES.index(code)
    expected = list(CODES)
    expected.insert(min(max(place + by, 0), len(CODES) - 1), expected.pop(place))
    assert names == expected
    assert all(change.field == "order" for point in differences(SHIPPED, new) for change in point.changes)
    item = editing.point_of(SHIPPED, code)["evidence"][0]["key"]
    moved = editing.shift_item(SHIPPED, code, item, by)
    assert sorted(map(str, editing.point_of(moved, code)["evidence"])) == sorted(
        map(str, editing.point_of(SHIPPED, code)["evidence"])
    )


def test_a_framework_of_its_own_says_the_same_under_another_name() -> None:
    own = editing.of_its_own(SHIPPED, "pingan-2026", {"zh": "平安县标准", "en": ""})
    assert (own["framework"]["id"], own["framework"]["title_zh"]) == ("pingan-2026", "平安县标准")
    assert "title_en" not in own["framework"]
    assert own["points"] == SHIPPED["points"]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"title_zh": ""}, {"title_zh": "form.required"}),
        ({"source": ""}, {"source": "framework.source_needed"}),
        ({"accept": "docx exe"}, {"accept": ("framework.ending_unknown", {"endings": "exe"})}),
        ({"max_minutes": "5分"}, {"max_minutes": ("form.number", {"least": "0.5", "most": "600"})}),
        ({"max_images": "1.5"}, {"max_images": ("form.number", {"least": "1", "most": "100"})}),
        ({"max_mb": ""}, {"max_mb": ("form.number", {"least": "1", "most": "2048"})}),
        ({"kind": "hologram"}, {"kind": "form.choose"}),
        ({"c": []}, {"c": "framework.criteria_needed"}),
        ({"c.elements.excellent_zh": ""}, {"c.elements.excellent_zh": "form.required"}),
        ({"c.elements.pass_zh": ""}, {"c.elements.pass_zh": "framework.chinese_needed"}),
        ({"core": False, "c": []}, {"validity_zh": "form.required"}),
    ],
)
def test_every_fault_of_an_item_is_told_at_its_field(changes: dict[str, Any], wrong: dict[str, Any]) -> None:
    item = editing.point_of(SHIPPED, "A1")["evidence"][0]
    with pytest.raises(Invalid) as refused:
        forms.parse_item({**forms.item_values(item), **changes}, item)
    assert refused.value.fields == wrong


def test_what_is_typed_becomes_the_pack() -> None:
    item = editing.point_of(SHIPPED, "A1")["evidence"][0]
    values = {**forms.item_values(item), "max_minutes": "７.5", "accept": "PDF，.docx", "alt_video": True}
    values["c.elements.pass_zh"] = values["c.elements.pass_en"] = ""
    made = forms.parse_item(values, item)
    assert (made["limits"]["max_minutes"], made["accept"], made["alt_kinds"]) == (
        7.5,
        ["pdf", "docx"],
        ["text", "image", "video"],
    )
    assert (made["criteria"][0]["levels"]["pass"], made["criteria"][0]["excellent_only"]) == (None, True)
    new = editing.put_item(SHIPPED, "A1", made)
    assert [one.code for one in differences(SHIPPED, new)] == ["A1"]
    assert forms.parse_item({**forms.item_values(item), "accept": ""}, item)["accept"][:4] == [
        "docx",
        "doc",
        "pdf",
        "wps",
    ]


def test_rows_that_others_added_come_with_what_was_typed() -> None:
    item = copy.deepcopy(editing.point_of(SHIPPED, "A1")["evidence"][0])
    typed = {**forms.item_values(item), "title_zh": "我的"}
    item["criteria"].append({**copy.deepcopy(item["criteria"][0]), "key": "theirs"})
    item["criteria"][0]["levels"]["pass"]["zh"] = "他们的"
    stands = forms.item_values(item)
    merged = forms.with_rows_of(typed, stands)
    assert merged["c"] == [*typed["c"], "theirs"]
    assert merged["c.theirs.excellent_zh"] == stands["c.theirs.excellent_zh"]
    told = forms.differing(typed, stands)
    assert (told["title_zh"], told["c.elements.pass_zh"]) == ("学情分析方案", "他们的")


@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(packs_made.packs())
def test_packs_of_any_kind_are_changed_and_stay_packs(raw: dict[str, Any]) -> None:
    pack = whole(raw)
    code = pack["points"][0]["code"]
    shifted = editing.shift_point(pack, code, 1)
    assert {one["code"] for one in shifted["points"]} == {one["code"] for one in pack["points"]}
    for item in pack["points"][0]["evidence"]:
        assert editing.put_item(pack, code, item)["points"][0]["evidence"] == pack["points"][0]["evidence"]
    if len(pack["points"]) > 1:
        assert competencies.load_pack(editing.drop_point(pack, code))
