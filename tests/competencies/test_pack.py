"""The shipped pack, its hash, and what a broken pack gets."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from competencies import packs
from competencies.pack import PackProblem, canonical, content_hash, load_pack
from lms_plugin.errors import NotFound, Refused

RAW = json.loads(canonical(packs.load("framework_2_0")))

# Submissions, rubrics and confirmations rest on this very content: a change here is a new framework version.
GOLDEN = "01ba951b16602bcdcb3f7f699c3f8e72e8d3aa5fc50ea123899119d0ccc1471b"


def problems(change: Callable[[dict[str, Any]], object]) -> list[PackProblem]:
    data = copy.deepcopy(RAW)
    change(data)
    with pytest.raises(Refused) as refused:
        load_pack(data)
    assert refused.value.code == "pack.invalid"
    found = list(refused.value.params["problems"])
    assert refused.value.params["where"] == found[0].where
    assert refused.value.params["count"] == len(found)
    return found


def item(data: dict[str, Any], point: int = 0, number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = data["points"][point]["evidence"][number]
    return found


def test_the_shipped_pack_is_whole() -> None:
    pack = packs.load("framework_2_0")
    items = [one for point in pack.points for one in point.evidence]
    assert packs.names() == ("framework_2_0",)
    assert len(pack.points) == 30
    assert len(items) == 87
    assert sum(one.core for one in items) == 73
    assert sum(len(one.criteria) for one in items) == 176
    assert sum(one.validity is not None for one in items) == 14
    assert pack.framework.status == "reference"
    assert [
        point.code for point in pack.points if any(c.excellent_only for e in point.evidence for c in e.criteria)
    ] == ["A1"]
    assert all(one.source for one in items)


def test_the_shipped_pack_has_its_golden_hash() -> None:
    assert content_hash(packs.load("framework_2_0")) == GOLDEN


def test_points_tell_what_choosing_needs() -> None:
    facts = packs.load("framework_2_0").facts()
    a6 = next(one for one in facts if one.code == "A6")
    assert (a6.dimension, a6.environment) == ("learning_guidance", "multimedia")
    assert (a6.effort.video, a6.effort.document, a6.effort.students_on_camera) == (1, 2, True)
    assert [one.code for one in facts][:3] == ["A1", "A2", "A3"]


def test_an_unknown_name_is_not_found() -> None:
    for name in ("framework_3", "../framework_2_0", ""):
        with pytest.raises(NotFound):
            packs.load(name)


def test_the_hash_depends_on_content_and_not_on_layout() -> None:
    turned = json.dumps(dict(reversed(RAW.items())), indent=3, ensure_ascii=True)
    assert content_hash(load_pack(turned)) == GOLDEN
    assert content_hash(load_pack("\ufeff".encode() + turned.encode())) == GOLDEN
    changed = copy.deepcopy(RAW)
    changed["points"][29]["evidence"][0]["criteria"][0]["levels"]["pass"]["zh"] += "。"
    assert content_hash(load_pack(changed)) != GOLDEN


def test_composed_and_decomposed_letters_and_whole_numbers_are_the_same_content() -> None:
    composed, decomposed = copy.deepcopy(RAW), copy.deepcopy(RAW)
    composed["points"][0]["name_en"], decomposed["points"][0]["name_en"] = "caf\u00e9", "cafe\u0301"
    decomposed["points"][0]["evidence"][0]["limits"]["max_mb"] = 50.0
    assert content_hash(load_pack(composed)) == content_hash(load_pack(decomposed))


def test_unknown_keys_are_kept_and_hashed() -> None:
    data = copy.deepcopy(RAW)
    data["points"][0]["evidence"][0]["province_note"] = {"zh": "本省另有规定"}
    pack = load_pack(data)
    assert pack.as_dict() == data
    assert content_hash(pack) != GOLDEN
    assert content_hash(load_pack(canonical(pack))) == content_hash(pack)


@pytest.mark.parametrize(
    ("change", "where", "code"),
    [
        (lambda d: d.pop("framework"), "framework", "pack.missing"),
        (lambda d: item(d).pop("kind"), "points[A1].evidence[plan].kind", "pack.missing"),
        (lambda d: item(d).update(kind="film"), "points[A1].evidence[plan].kind", "pack.not_a_choice"),
        (lambda d: item(d).update(required="yes"), "points[A1].evidence[plan].required", "pack.wrong_type"),
        (lambda d: item(d)["limits"].update(max_mb="50"), "points[A1].evidence[plan].limits.max_mb", "pack.wrong_type"),
        (lambda d: item(d)["limits"].update(max_mb=-1), "points[A1].evidence[plan].limits.max_mb", "pack.out_of_range"),
        (lambda d: item(d).update(accept=["../x"]), "points[A1].evidence[plan].accept[0]", "pack.bad_code"),
        (
            lambda d: item(d).update(accept=[], alt_kinds=["image"]),
            "points[A1].evidence[plan].accept",
            "pack.nothing_accepted",
        ),
        (lambda d: item(d).update(criteria=[]), "points[A1].evidence[plan].criteria", "pack.core_without_criteria"),
        (
            lambda d: item(d).update(validity={"zh": "有"}),
            "points[A1].evidence[plan].validity",
            "pack.core_with_validity",
        ),
        (lambda d: item(d).update(core=False), "points[A1].evidence[plan].criteria", "pack.not_core_with_criteria"),
        (lambda d: item(d).update(core=False), "points[A1].evidence[plan].validity", "pack.not_core_without_validity"),
        (
            lambda d: item(d)["criteria"].append(item(d)["criteria"][0]),
            "points[A1].evidence[plan].criteria[elements]",
            "pack.twice",
        ),
        (
            lambda d: item(d)["criteria"][0]["levels"].update({"pass": None}),
            "points[A1].evidence[plan].criteria[elements].levels.pass",
            "pack.excellent_only_wrong",
        ),
        (lambda d: d["points"][0].update(evidence=[]), "points[A1].evidence", "pack.too_few"),
        (
            lambda d: [e.update(required=False) for e in d["points"][0]["evidence"]],
            "points[A1].evidence",
            "pack.no_core_item",
        ),
        (lambda d: d["points"][1].update(code="A1"), "points[A1]", "pack.twice"),
        (lambda d: d["points"][1].update(order=1), "points", "pack.order_twice"),
        (lambda d: d["points"][0].update(environment="moon"), "points[A1].environment", "pack.unknown_environment"),
        (lambda d: d["points"][0].update(dimension="depth"), "points[A1].dimension", "pack.unknown_dimension"),
        (lambda d: d["points"][0].update(name_zh=""), "points[A1].name_zh", "pack.empty"),
        (lambda d: d["points"][0].update(name_zh="长" * 501), "points[A1].name_zh", "pack.text_too_long"),
        (lambda d: d["points"][0].update(name_zh="a\u202eb"), "points[A1].name_zh", "pack.hostile_character"),
        (lambda d: d["points"][0].update(note="a\x00b"), "points[A1].note", "pack.hostile_character"),
        (lambda d: d["points"].pop(), "framework.counts.points", "pack.count_wrong"),
        (lambda d: d["framework"]["levels"][0].update(rank=5), "framework.levels", "pack.levels_wrong"),
        (
            lambda d: d["framework"]["selection_defaults"]["suggested_sets"].append(["Z1"]),
            "framework.selection_defaults.suggested_sets[3]",
            "pack.unknown_point",
        ),
        (lambda d: d.update(points=[]), "points", "pack.too_few"),
        (lambda d: d.update(points={}), "points", "pack.wrong_type"),
        (lambda d: d.update(schema="competency-pack/9"), "schema", "pack.not_a_choice"),
    ],
)
def test_a_fault_is_named_by_its_place(change: Callable[[dict[str, Any]], object], where: str, code: str) -> None:
    assert (where, code) in [(one.where, one.code) for one in problems(change)]


def test_all_faults_are_told_at_once() -> None:
    def change(data: dict[str, Any]) -> None:
        item(data).pop("kind")
        data["points"][4].pop("question_zh")

    assert [one.where for one in problems(change)] == ["points[A1].evidence[plan].kind", "points[A5].question_zh"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"{", "pack.not_json"),
        (b"[]", "pack.not_json"),
        (b"", "pack.not_json"),
        ("名".encode("gbk"), "pack.not_utf8"),
        (b'{"a": 1, "a": 2}', "pack.key_twice"),
        ('{"caf\u00e9": 1, "cafe\u0301": 2}'.encode(), "pack.key_twice"),
        (b'{"a": NaN}', "pack.number_not_finite"),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "pack.too_deep"),
        (b"[" * 100_000, "pack.not_json"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "pack.not_json"),
        (b"{}", "pack.invalid"),
    ],
)
def test_what_is_no_pack_at_all_is_refused(text: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        load_pack(text)
    assert refused.value.code == code


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        load_pack(canonical(load_pack(RAW)).replace("技术支持的学情分析".encode(), b"\\ud800", 1))
    assert refused.value.code == "pack.invalid"
    assert refused.value.params["problems"][0].where == "points[A1].name_zh"
