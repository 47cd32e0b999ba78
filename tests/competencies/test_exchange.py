"""A framework leaves as CASE, JSON or a table and comes back as the very same content; every fault has its place."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

from competencies import exchange, packs
from competencies.exchange import case_graph
from competencies.exchange.fields import JOINS
from competencies.pack import Pack, PackProblem, content_hash, load_pack
from lms_plugin.errors import Refused
from lms_plugin.flow import framework_files
from tests.competencies import packs_made

FILES = Path(__file__).parent.parent / "files" / "case"
SCHEMA = json.loads((FILES / "case-v1p0-cfpackage-schema.json").read_text(encoding="utf-8"))
PACKAGES = jsonschema.validators.validator_for(SCHEMA)(SCHEMA)
EXAMPLE = json.loads((FILES / "case_v1p0_example.json").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNSEEN = dict.fromkeys(map(ord, f"\n{JOINS}"))
SHIPPED = packs.load("framework_2_0")


def case_of(pack: Pack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(exchange.case_json(pack, "平安县", NOW, is_draft=False))
    return found


def table_of(pack: Pack) -> list[list[Any]]:
    return [exchange.heads(pack), *exchange.rows(pack)]


def invalid(read: Callable[[], Pack]) -> list[PackProblem]:
    with pytest.raises(Refused) as refused:
        read()
    assert refused.value.code == "pack.invalid", refused.value.params
    return list(refused.value.params["problems"])


def case_faults(change: Callable[[dict[str, Any]], object], package: dict[str, Any] | None = None) -> dict[str, str]:
    """{JSON path: code} of a package that was changed."""
    changed = copy.deepcopy(EXAMPLE if package is None else package)
    change(changed)
    return {one.where: one.code for one in invalid(lambda: exchange.read_case(changed))}


def table_faults(change: Callable[[list[list[Any]]], object]) -> dict[tuple[int, str], str]:
    """{(row, column): code} of the table of the least pack after a change."""
    rows = table_of(load_pack(packs_made.least()))
    change(rows)
    return {(one.row, one.column): one.code for one in invalid(lambda: exchange.read_table(rows))}


def letter(name: str) -> str:
    """The column that is headed so in Chinese."""
    at = [head.split(" ")[0] for head in exchange.heads()].index(name)
    return chr(ord("A") + at) if at < 26 else "A" + chr(ord("A") + at - 26)


def put(rows: list[list[Any]], row: int, column: str, value: Any) -> None:
    """Sets a cell; `row` as Excel counts."""
    rows[row - 1][[head.split(" ")[0] for head in exchange.heads()].index(column)] = value


# --- there and back ---


@pytest.mark.parametrize("raw", [packs.load("framework_2_0").as_dict(), packs_made.least()], ids=["shipped", "least"])
def test_what_leaves_comes_back_with_the_same_hash(raw: dict[str, Any]) -> None:
    pack = load_pack(raw)
    case = exchange.case_json(pack, "平安县", NOW, is_draft=False)
    for again in (
        exchange.read_json(case),
        exchange.read_json(exchange.pack_json(pack)),
        exchange.read_table(table_of(pack)),
    ):
        assert content_hash(again) == content_hash(pack)
    assert exchange.case_json(pack, "平安县", NOW, is_draft=False) == case  # the same ids each time


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(packs_made.packs())
def test_any_pack_comes_back_with_the_same_hash_and_no_cell_can_run(raw: dict[str, Any]) -> None:
    pack = load_pack(raw)
    package = case_of(pack)
    PACKAGES.validate(package)
    assert content_hash(exchange.read_case(package)) == content_hash(pack)
    rows = table_of(pack)
    assert content_hash(exchange.read_table(rows)) == content_hash(pack)
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "#", "\t"))
        assert cell.translate(UNSEEN).isprintable()
        assert len(cell) <= 4000
    assert content_hash(exchange.read_json(exchange.pack_json(pack))) == content_hash(pack)
    file = framework_files.write(pack, "csv", "平安县", NOW, is_draft=False)
    assert content_hash(framework_files.read(file)) == content_hash(pack)


def test_a_rest_that_no_cell_holds_goes_on_below() -> None:
    raw = packs_made.least()
    raw["points"][0]["official_text"] = ("长 文 " * 500 + "。") * 60
    pack = load_pack(raw)
    rows = table_of(pack)
    assert sum(row[0] == "续" for row in rows) == 31
    assert content_hash(exchange.read_table(rows)) == content_hash(pack)


# --- CASE ---


def test_the_shipped_pack_is_a_package_of_case_1_0() -> None:
    package = case_of(SHIPPED)
    jsonschema.validate(package, SCHEMA)
    types = [item["CFItemType"] for item in package["CFItems"]]
    assert {kind: types.count(kind) for kind in set(types)} == {
        "environment": 3,
        "dimension": 4,
        "point": 30,
        "evidence": 87,
    }
    assert len(package["CFRubrics"]) == 30
    assert sum(len(rubric["CFRubricCriteria"]) for rubric in package["CFRubrics"]) == 176
    assert len(package["CFAssociations"]) == 154
    a1 = next(item for item in package["CFItems"] if item.get("humanCodingScheme") == "A1")
    assert (a1["abbreviatedStatement"], a1["fullStatement"][:5]) == ("技术支持的学情分析", "用合适的工")
    levels = package["CFRubrics"][0]["CFRubricCriteria"][0]["CFRubricCriterionLevels"]
    assert [(one["quality"], one["score"]) for one in levels] == [("合格", 1), ("优秀", 2)]
    assert package["CFDocument"]["adoptionStatus"] == "Adopted"
    assert package["CFDefinitions"]["CFLicenses"][0]["licenseText"].startswith("Codes and names")


def test_a_text_that_another_program_changed_is_what_counts() -> None:
    package = case_of(SHIPPED)
    a1 = next(item for item in package["CFItems"] if item.get("humanCodingScheme") == "A1")
    a1["abbreviatedStatement"] = "学情分析（本地）"
    package["CFItems"].reverse()
    package["CFAssociations"].reverse()
    changed = SHIPPED.as_dict()
    changed["points"][0]["name_zh"] = "学情分析（本地）"
    assert content_hash(exchange.read_case(package)) == content_hash(load_pack(changed))


def test_keys_of_case_1_1_and_unknown_ones_are_kept() -> None:
    package = case_of(SHIPPED)
    package["CFDocument"].update(caseVersion="1.1", frameworkType="teacher")
    package["CFItems"][7]["extensions"] = {"color": "red"}
    package["somethingNew"] = [1]
    package["CFAssociations"].append(
        {
            **package["CFAssociations"][0],
            "associationType": "isRelatedTo",
            "destinationNodeURI": {"title": "D", "identifier": "d", "uri": "urn:d"},
        }
    )
    pack = exchange.read_case(package)
    whole = pack.as_dict()
    assert whole["framework"]["case"] == {"caseVersion": "1.1", "frameworkType": "teacher"}
    assert whole["points"][0]["case"] == {"extensions": {"color": "red"}}
    assert whole["case"]["somethingNew"] == [1]
    assert whole["case"]["CFAssociations"][0]["associationType"] == "isRelatedTo"
    assert content_hash(exchange.read_case(case_of(pack))) == content_hash(pack)


def test_a_package_of_others_gets_defaults_and_says_so() -> None:
    pack = exchange.read_case(EXAMPLE)
    assert len(pack.points) == 30
    assert sum(len(point.evidence) for point in pack.points) == 87
    assert sum(len(item.criteria) for point in pack.points for item in point.evidence) == 176
    assert [point.code for point in pack.points][:3] == ["A1", "A2", "A3"]
    assert [one.zh for one in pack.framework.environments] == ["多媒体教学环境", "混合学习环境", "智慧学习环境"]
    assert pack.framework.status == "reference"
    assert "默认值" in (pack.framework.notice_zh or "")
    assert all(item.proposed and item.source.startswith("CASE: ") for item in pack.points[0].evidence)
    kept = pack.as_dict()["points"][0]["case"]
    assert kept["notes"] == "Technology-supported learner analysis"
    assert content_hash(exchange.read_case(case_of(pack))) == content_hash(pack)


def test_levels_of_others_are_told_by_their_score_where_words_do_not_tell() -> None:
    changed = copy.deepcopy(EXAMPLE)
    levels = changed["CFRubrics"][0]["CFRubricCriteria"][0]["CFRubricCriterionLevels"]
    low, high = levels[0]["description"], levels[1]["description"]
    levels[0].update(quality="达标", score=5)
    levels[1].update(quality="示范", score=9)
    levels.reverse()
    told = exchange.read_case(changed).points[0].evidence[0].criteria[0].levels
    assert told.pass_ is not None
    assert (told.pass_.zh, told.excellent.zh) == (low, high)
    levels.append({**levels[0], "quality": "一般"})
    where = "CFRubrics[0].CFRubricCriteria[0].CFRubricCriterionLevels"
    assert {one.where: one.code for one in invalid(lambda: exchange.read_case(changed))} == {
        where: "pack.levels_unclear"
    }


def criterion(package: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = package["CFRubrics"][2]["CFRubricCriteria"][1]
    return found


@pytest.mark.parametrize(
    ("change", "where", "code"),
    [
        (lambda p: p["CFItems"][9].pop("fullStatement"), "CFItems[9].fullStatement", "pack.missing"),
        (lambda p: p["CFItems"][9].update(fullStatement=3), "CFItems[9].fullStatement", "pack.wrong_type"),
        (
            lambda p: p["CFItems"][9].update(identifier=p["CFItems"][8]["identifier"]),
            "CFItems[9].identifier",
            "pack.twice",
        ),
        (lambda p: p["CFDocument"].pop("title"), "CFDocument.title", "pack.missing"),
        (lambda p: p["CFRubrics"][2].pop("CFRubricCriteria"), "CFRubrics[2]", "pack.rubric_without_levels"),
        (
            lambda p: criterion(p).update(CFRubricCriterionLevels=[]),
            "CFRubrics[2].CFRubricCriteria[1]",
            "pack.rubric_without_levels",
        ),
        (
            lambda p: criterion(p)["CFItemURI"].update(identifier="x"),
            "CFRubrics[2].CFRubricCriteria[1].CFItemURI",
            "pack.unknown_item",
        ),
        (
            lambda p: [item.pop("CFItemType") for item in p["CFItems"]],
            "CFItems",
            "pack.case_without_points",
        ),
        (lambda p: p.update(CFItems={}), "CFItems", "pack.wrong_type"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_fault_of_a_package_has_its_json_path(change: Any, where: str, code: str) -> None:
    assert case_faults(change).get(where) == code


def test_an_item_below_itself_by_its_second_parent_is_a_cycle() -> None:
    changed = copy.deepcopy(EXAMPLE)
    down = next(one for one in changed["CFAssociations"] if one["originNodeURI"]["title"] == "学情分析方案")
    up = {"originNodeURI": down["destinationNodeURI"], "destinationNodeURI": down["originNodeURI"]}
    changed["CFAssociations"].append({**down, **up})
    (problem,) = invalid(lambda: exchange.read_case(changed))
    assert (problem.code, problem.found) == ("pack.cycle", "A1 → A1-1 → A1")
    assert changed["CFAssociations"][int(problem.where[15:-1])] == down


def test_faults_of_the_content_are_told_by_json_path_too() -> None:
    package = case_of(SHIPPED)
    index = next(n for n, item in enumerate(package["CFItems"]) if item.get("humanCodingScheme") == "A2")

    def change(changed: dict[str, Any]) -> None:
        changed["CFItems"][index]["humanCodingScheme"] = "A1"  # a second A1

    assert "pack.twice" in case_faults(change, package).values()
    assert any(where.startswith("CFItems[") for where in case_faults(change, package))

    def long(changed: dict[str, Any]) -> None:
        changed["CFItems"][index]["abbreviatedStatement"] = "长" * 501

    assert case_faults(long, package) == {f"CFItems[{index}].abbreviatedStatement": "pack.text_too_long"}


def test_a_point_that_hangs_nowhere_is_named() -> None:
    def change(package: dict[str, Any]) -> None:
        package["CFAssociations"] = [one for one in package["CFAssociations"] if one["associationType"] != "isPartOf"]

    index = next(n for n, item in enumerate(EXAMPLE["CFItems"]) if item["CFItemType"] == "point")
    assert case_faults(change)[f"CFItems[{index}]"] == "pack.case_no_dimension"


def test_too_many_items_are_not_even_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    item = EXAMPLE["CFItems"][0]
    with pytest.raises(Refused) as refused:
        exchange.read_case({"CFItems": [item] * (exchange.MOST_ITEMS + 1)})
    assert refused.value.code == "pack.too_many_items"
    assert case_graph.MOST_ITEMS == 100_000


# --- tables ---

HAND = [
    *("Row", "code", "名称*", "point", "item", "环境", "维度", "给教师的问题", "order", "形式", "文件类型", "必交"),
    *("核心", "most MB", "建议", "出处", "合格", "优秀", "备注"),
]


def test_rows_say_what_people_read() -> None:
    head, *rows = table_of(SHIPPED)
    at = {name.split(" ")[0]: index for index, name in enumerate(head)}
    a6 = next(row for row in rows if row[at["行"]] == "能力点" and row[at["编号"]] == "A6")
    assert (a6[at["名称"]], a6[at["环境"]], a6[at["顺序"]]) == ("技术支持的课堂讲授", "multimedia", "6")
    clip = next(
        row for row in rows if row[at["行"]] == "材料" and row[at["能力点"]] == "A6" and row[at["编号"]] == "clip"
    )
    assert (clip[at["形式"]], clip[at["必交"]], clip[at["最长分钟"]]) == ("video", "是", "10")


def test_a_table_typed_by_hand_in_either_language_is_understood() -> None:
    rows: list[list[Any]] = [
        ["我县的标准"],
        HAND,
        ["framework", "local-1", "本地标准", "", "", "", "", "", "", "official"],
        ["level", "excellent", "优秀", "", "", "", "", "", 2.0],
        ["level", "pass", "合格", "", "", "", "", "", 1],
        ["等次", "fail", "不合格", "", "", "", "", "", "0"],
        [],
        ["环境", "multimedia", "多媒体教学环境"],
        ["dimension", "design", "教学设计"],
        ["point", 1.0, "学情分析", "", "", "multimedia", "design", "学生会什么", 1],
        ["evidence", "plan", "方案", 1, *[""] * 5, "document", "docx、PDF，doc".lower(), "yes", "是", 50, "否", "文件"],
        ["criterion", "fit", "", "1", "plan", *[""] * 9, "no", "", "清楚", "可照做", "本地加的"],
    ]
    pack = exchange.read_table(rows)
    (item,) = pack.points[0].evidence
    assert (pack.points[0].code, pack.points[0].order, item.accept) == ("1", 1, ["docx", "pdf", "doc"])
    assert (item.required, item.proposed, item.limits.max_mb) == (True, False, 50)
    assert pack.as_dict()["points"][0]["evidence"][0]["criteria"][0]["备注"] == "本地加的"
    assert content_hash(exchange.read_table(table_of(pack))) == content_hash(pack)


@pytest.mark.parametrize(
    ("row", "column", "value", "code"),
    [
        (9, "名称", date(2026, 1, 2), "pack.cell_date"),
        (9, "名称", "=A1", "pack.cell_formula"),
        (9, "名称", "#REF!", "pack.cell_formula"),
        (9, "名称", 45231.0, "pack.cell_number"),
        (9, "编号", 1.1, "pack.cell_number"),
        (9, "其他", "{", "pack.cell_not_json"),
        (9, "其他", "[1]", "pack.cell_not_json"),
        (9, "顺序", "第一", "pack.cell_no_number"),
        (10, "必交", "也许", "pack.cell_yes_no"),
        (9, "行", "能力", "pack.row_kind"),
        (10, "能力点", "A2", "pack.row_orphan"),
        (11, "材料", "clip", "pack.row_orphan"),
        (9, "维度", "guidance", "pack.unknown_dimension"),
        (9, "名称", "长" * 501, "pack.text_too_long"),
        (9, "说明", "长" * 4001, "pack.text_too_long"),
        (10, "形式", "折纸", "pack.not_a_choice"),
        (11, "优秀", "", "pack.missing"),
        (4, "顺序", "7", "pack.levels_wrong"),
    ],
)
def test_a_fault_of_a_table_has_its_row_and_column(row: int, column: str, value: Any, code: str) -> None:
    found = table_faults(lambda rows: put(rows, row, column, value))
    if code == "pack.levels_wrong":
        assert code in found.values()
        assert all(number for number, _column in found)
    else:
        assert found.get((row, letter(column))) == code, found


def test_rows_that_stand_twice_or_are_missing() -> None:
    assert table_faults(lambda rows: rows.append(list(rows[8]))) == {(12, letter("编号")): "pack.twice"}
    found = table_faults(lambda rows: rows.__delitem__(4))  # a level
    assert set(found.values()) == {"pack.levels_wrong"}
    assert all(number for number, _column in found)


def test_a_formula_that_only_the_workbook_knows() -> None:
    rows = table_of(load_pack(packs_made.least()))
    (problem,) = invalid(lambda: exchange.read_table(rows, {(8, 4)}))
    assert (problem.row, problem.column, problem.code) == (9, "E", "pack.cell_formula")


def test_a_header_is_needed_and_names_each_column_once() -> None:
    for rows, code in (
        ([], "pack.no_header"),
        ([["姓名", "学校"]], "pack.no_header"),
        ([["行", "编号", "code"]], "pack.column_twice"),
    ):
        with pytest.raises(Refused) as refused:
            exchange.read_table(rows)
        assert refused.value.code == code


# --- files that were made to hurt ---


def test_a_list_without_end_is_one_fault_and_not_one_each() -> None:
    pack = packs_made.least()
    pack["points"][0]["evidence"][0]["accept"] = [1] * 100_000
    (problem,) = invalid(lambda: load_pack(pack))
    assert (problem.where, problem.code) == ("points[A1].evidence[plan].accept", "pack.too_many")


def test_names_without_end_are_cut_in_the_place_of_a_fault() -> None:
    pack = packs_made.least() | {"n" * 100_000: ["\u0001"] * 2000}
    problems = invalid(lambda: load_pack(pack))
    assert len(problems) <= 1000
    assert max(len(one.where) for one in problems) < 100


def test_an_empty_row_does_not_take_what_goes_on_below() -> None:
    raw = SHIPPED.as_dict()
    raw["points"][0]["evidence"][0]["local_rule"] = "字" * 9000
    pack = load_pack(raw)
    rows = table_of(pack)
    at = next(number for number, row in enumerate(rows) if row[0] == "续")
    rows.insert(at, [""] * len(rows[0]))
    assert content_hash(exchange.read_table(rows, set())) == content_hash(pack)


def test_of_a_long_way_back_to_itself_the_last_steps_are_told() -> None:
    graph, nodes = case_graph.Graph({}), 1000
    graph.nodes = {str(n): case_graph.Node(f"CFItems[{n}]", {"fullStatement": str(n)}) for n in range(nodes)}
    graph.parents = {str(n): [(n, str((n + 1) % nodes))] for n in range(nodes)}
    graph.faults.clear()
    graph._cycles()
    (problem,) = graph.faults
    assert problem.found.startswith("980 → 981 → ")


def test_what_is_nested_without_end_is_refused_whoever_asks() -> None:
    nested: Any = []
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(Refused, match=r"pack\.too_deep"):
        load_pack(packs_made.least() | {"more": nested})


@pytest.mark.parametrize(
    ("excellent", "passes", "told"), [("示范", "优秀", ("优秀", "示范")), ("达标", "达标 ", ("合格", "优秀"))]
)
def test_levels_are_called_as_the_framework_calls_them(excellent: str, passes: str, told: tuple[str, str]) -> None:
    raw = packs_made.least()
    raw["framework"]["levels"] = [
        {"code": "excellent", "zh": excellent, "rank": 2},
        {"code": "pass", "zh": passes, "rank": 1},
        {"code": "fail", "zh": "未达标", "rank": 0},
    ]
    package = case_of(load_pack(raw))
    (criterion,) = package["CFRubrics"][0]["CFRubricCriteria"]
    assert tuple(one["quality"] for one in criterion["CFRubricCriterionLevels"]) == told
    assert content_hash(exchange.read_case(package)) == content_hash(load_pack(raw))


def test_what_rubrics_levels_and_ties_say_besides_is_kept() -> None:
    package = case_of(SHIPPED)
    rubric, tie = package["CFRubrics"][0], package["CFAssociations"][-1]
    rubric["extensions"] = {"by": "another program"}
    rubric["CFRubricCriteria"][0]["CFRubricCriterionLevels"][1]["feedback"] = "再想想"
    tie["notes"] = "为什么"
    pack = exchange.read_case(package)
    kept = pack.as_dict()["case"]
    assert kept["CFRubrics"] == [{"identifier": rubric["identifier"], "extensions": {"by": "another program"}}]
    assert kept["CFAssociations"] == [tie]
    criteria = [one for point in pack.points for item in point.evidence for one in item.criteria]
    assert [said for one in criteria if (said := (one.model_extra or {}).get("case"))] == [
        {"CFRubricCriterionLevels": [{}, {"feedback": "再想想"}]}
    ]
    assert content_hash(exchange.read_case(case_of(pack))) == content_hash(pack)


def test_a_rubric_of_others_keeps_its_name_and_those_of_its_levels() -> None:
    package = copy.deepcopy(EXAMPLE)
    rubric = package["CFRubrics"][0]
    rubric |= {"title": "An analytic rubric"}
    first = rubric["CFRubricCriteria"][0]
    for level, name in zip(first["CFRubricCriterionLevels"], ("Emerging", "Proficient"), strict=True):
        level["quality"] = name
    pack = exchange.read_case(package)
    assert pack.as_dict()["case"]["CFRubrics"][0]["title"] == "An analytic rubric"
    named = next(one.model_extra["case"] for item in pack.points[0].evidence for one in item.criteria)
    assert named["CFRubricCriterionLevels"] == [{"quality": "Emerging"}, {"quality": "Proficient"}]
