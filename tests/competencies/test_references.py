"""参照框架: four forms and back with the same hash, every fault with its place, and which shipped links fit."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from competencies import exchange, packs, references
from competencies.pack import content_hash
from competencies.reference_schema import MOST_ITEMS, SCHEMA, Reference, load_reference
from lms_plugin.errors import Refused

FILES = Path(__file__).parent.parent / "files" / "case"
SCHEMA_OF_CASE = json.loads((FILES / "case-v1p0-cfpackage-schema.json").read_text(encoding="utf-8"))
PACKAGES = jsonschema.validators.validator_for(SCHEMA_OF_CASE)(SCHEMA_OF_CASE)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEAST: dict[str, Any] = {
    "schema": SCHEMA,
    "framework": {"id": "ref-1", "language": "zh", "title_zh": "参照", "short": "参照"},
    "items": [{"code": "1", "zh": "一"}, {"code": "1.1", "parent": "1", "zh": "一之一"}],
}


def case_of(reference: Reference) -> bytes:
    return exchange.case_json(reference, "", NOW, is_draft=False)


def faults(read: Callable[[], Any]) -> dict[str, str]:
    """{place: code}."""
    with pytest.raises(Refused) as refused:
        read()
    assert refused.value.code == "pack.invalid", refused.value.params
    return {one.where: one.code for one in refused.value.params["problems"]}


@pytest.mark.parametrize(("name", "items"), [("jyt0646", 51), ("unesco_ict_cft", 24), ("digcompedu", 28)])
def test_what_ships_says_whose_it_is_and_comes_back_from_every_form(name: str, items: int) -> None:
    shipped = references.reference_packs.load(name)
    assert len(shipped.items) == items
    head = shipped.framework
    assert all((head.licence, head.credit, head.publisher, head.notice_zh, head.notice_en))
    package = json.loads(case_of(shipped))
    assert not list(PACKAGES.iter_errors(package))
    assert str(head.credit) in package["CFDefinitions"]["CFLicenses"][0]["licenseText"]
    table = [exchange.heads(shipped), *exchange.rows(shipped)]
    for back in (
        exchange.read_json(case_of(shipped)),
        exchange.read_json(exchange.pack_json(shipped)),
        exchange.read_table(table),
    ):
        assert content_hash(back) == content_hash(shipped)


CODES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CODES, min_size=1, max_size=8, unique=True), st.data())
def test_any_tree_comes_back_with_the_same_hash(codes: list[str], data: st.DataObject) -> None:
    """Parents may stand after their children, keys of others are kept."""
    items = []
    for place, code in enumerate(codes):
        above = data.draw(st.sampled_from([None, *codes[:place]]))
        items.append({"code": code, "zh": f"文 {code}", **({"parent": above} if above else {})})
    items = data.draw(st.permutations(items))
    items[0]["theirs"] = {"kept": [1, "=2"]}
    made = load_reference({**LEAST, "items": items, "more": {"x": None}})
    assert content_hash(exchange.read_json(case_of(made))) == content_hash(made)
    assert content_hash(exchange.read_table([exchange.heads(made), *exchange.rows(made)])) == content_hash(made)


@pytest.mark.parametrize(
    ("change", "where", "code"),
    [
        (lambda raw: raw["items"].append({"code": "1", "zh": "又"}), "items[1]", "pack.twice"),
        (lambda raw: raw["items"][0].update(parent="1.1"), "items[1.1].parent", "pack.cycle"),
        (lambda raw: raw["items"][0].update(parent="9"), "items[1].parent", "pack.unknown_parent"),
        (lambda raw: raw["items"][0].update(level="A1"), "items[1].level", "pack.unknown_level"),
        (lambda raw: raw["items"][0].pop("zh"), "items[1].zh", "pack.missing"),
        (lambda raw: raw["framework"].pop("title_zh"), "framework.title_zh", "pack.missing"),
        (lambda raw: raw["framework"].update(url="javascript:alert(1)"), "framework.url", "pack.bad_code"),
        (lambda raw: raw.update(items=raw["items"] * MOST_ITEMS), "items", "pack.too_many"),
    ],
)
def test_a_fault_has_its_place(change: Callable[[dict[str, Any]], Any], where: str, code: str) -> None:
    raw = copy.deepcopy(LEAST)
    change(raw)
    assert faults(lambda: load_reference(raw))[where] == code


def test_faults_of_a_table_and_of_a_package_have_their_places() -> None:
    made = load_reference(LEAST)
    table = [exchange.heads(made), *exchange.rows(made)]
    columns = [head.split(" ")[0] for head in exchange.heads()]
    assert "上级" not in columns
    parent = [head.split(" ")[0] for head in exchange.heads(made)].index("上级")
    wrong = copy.deepcopy(table)
    wrong[3][parent] = "1.1"
    assert faults(lambda: exchange.read_table(wrong)) == {"items[1.1].parent": "pack.cycle"}
    package = json.loads(case_of(made))
    package["CFItems"][1]["humanCodingScheme"] = "1"
    found = faults(lambda: exchange.read_json(json.dumps(package).encode()))
    assert set(found.values()) <= {"pack.twice", "pack.cycle"}
    assert any(where.startswith("CFItems[") for where in found)


def test_a_package_of_others_becomes_a_reference_framework_and_keeps_what_it_says() -> None:
    example = json.loads((FILES / "case_v1p0_example.json").read_text(encoding="utf-8"))
    example["CFDocument"].pop("notes", None)
    for number, item in enumerate(example["CFItems"]):
        item.update(CFItemType="Standard", abbreviatedStatement=f"short {number}")
        item.pop("notes", None)
    found = exchange.read_json(json.dumps(example).encode())
    assert isinstance(found, Reference)
    assert len(found.items) == len(example["CFItems"])
    first = found.items[0].model_dump()
    assert first["case"]["abbreviatedStatement"].startswith("short ")
    back = json.loads(case_of(found))
    assert {one["identifier"] for one in back["CFItems"]} == {one["identifier"] for one in example["CFItems"]}
    assert content_hash(exchange.read_json(json.dumps(back).encode())) == content_hash(found)


def test_the_shipped_links_fit_the_points_that_are_the_same() -> None:
    points = packs.load("framework_2_0").as_dict()["points"]
    found = references.proposals_for(points, points)
    assert len(found) == 90
    for one in found:
        names = {
            references.reference_packs.load(name).framework.id: references.reference_packs.load(name)
            for name in references.reference_packs.NAMES
        }
        assert one.item in {item.code for item in names[one.reference].items}
    renamed = [{**point, "name_zh": "别的能力点"} if point["code"] == "A1" else point for point in points[:3]]
    assert {one.point for one in references.proposals_for(renamed, points)} == {"A2", "A3"}


def test_the_outline_is_the_order_of_reading() -> None:
    items = [{"code": "b", "parent": "a"}, {"code": "a"}, {"code": "c"}, {"code": "d", "parent": "b"}]
    assert [(depth, item["code"]) for depth, item in references.outline(items)] == [
        (0, "a"),
        (1, "b"),
        (2, "d"),
        (0, "c"),
    ]
